#include "serve/bind.h"

#include <stdarg.h>
#include <stdio.h>

#include "serve/route.h"
#include "type/text.h"

#include "base/banned.h"

struct inlay_error *inlay_bind_error(const struct inlay_bind_target *target,
                                     const char *format,
                                     ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return inlay_error_create(INLAY_ERROR_IMPORT, "%.*s:%u: %.*s %.*s: %s",
                              inlay_str_arg(target->decl.file),
                              target->decl.line, inlay_str_arg(target->methods),
                              inlay_str_arg(target->path), text);
}

static struct inlay_error *param_error(const struct inlay_bind_target *target,
                                       const struct inlay_param *param,
                                       struct inlay_arena *arena,
                                       const char *why)
{
    struct inlay_str type = inlay_type_describe(param->type, arena);

    return inlay_bind_error(target, "parameter %.*s (%.*s) of %.*s %s",
                            inlay_str_arg(param->name), inlay_str_arg(type),
                            inlay_str_arg(target->callable->func->name), why);
}

/* A slice or array of values that have a text form, or an optional of one. */
static bool is_many(const struct inlay_type *type)
{
    if (type->kind == INLAY_KIND_OPTIONAL)
        type = type->elem;
    return (type->kind == INLAY_KIND_SLICE || type->kind == INLAY_KIND_ARRAY) &&
           inlay_text_readable(type->elem);
}

static enum inlay_kind kind_of(const struct inlay_type *type)
{
    return type->kind == INLAY_KIND_OPTIONAL ? type->elem->kind : type->kind;
}

/* A struct, a slice, a pointer to a struct, or an optional of one. */
static bool is_document(const struct inlay_type *type)
{
    enum inlay_kind kind = kind_of(type);

    return kind == INLAY_KIND_STRUCT || kind == INLAY_KIND_SLICE ||
           kind == INLAY_KIND_POINTER;
}

/* {has = false}: what an absent optional field is. */
static const void *absent(const struct inlay_type *type,
                          struct inlay_arena *arena)
{
    return type->kind == INLAY_KIND_OPTIONAL
               ? inlay_arena_zalloc(arena, type->size)
               : NULL;
}

/* The number of the parameter in the path, or -1. */
static int path_index(struct inlay_str path, struct inlay_str name)
{
    struct inlay_str found, kind;

    for (int i = 0; inlay_pattern_next_param(&path, &found, &kind); i++)
        if (inlay_str_equal(found, name))
            return i;
    return -1;
}

/* Room for a value of `type` at the end of the block; false: too much. */
static bool place(struct inlay_bind *bind,
                  const struct inlay_type *type,
                  uint32_t *ret)
{
    uint64_t align = type->align ? type->align : 1;
    uint64_t at = (bind->size + align - 1) & ~(align - 1);

    if (align > 16 || at + type->size > INT32_MAX)
        return false;
    *ret = (uint32_t)at;
    bind->size = (uint32_t)(at + type->size);
    return true;
}

static void add_item(struct inlay_bind *bind,
                     const struct inlay_bind_item *item)
{
    bind->items[bind->nitems++] = *item;
}

static struct inlay_error *bind_model(const struct inlay_bind_target *target,
                                      struct inlay_arena *arena,
                                      struct inlay_bind *bind,
                                      struct inlay_bind_param *ret)
{
    const struct inlay_type *type = ret->type;

    ret->source = INLAY_BIND_MODEL;
    ret->nitems = type->nfields;
    for (size_t i = 0; i < type->nfields; i++) {
        const struct inlay_field *field = &type->fields[i];
        struct inlay_bind_item item = {
            .name = field->name,
            .type = field->type,
            .fallback = absent(field->type, arena),
            .offset = ret->offset + field->offset,
            .many = is_many(field->type),
        };

        if (!item.many && !inlay_text_readable(field->type)) {
            struct inlay_str name = inlay_type_describe(field->type, arena);

            return inlay_bind_error(
                target,
                "%.*s is read from the query here, and its field %.*s (%.*s, "
                "%.*s:%u) has no form as text",
                inlay_str_arg(ret->param->name), inlay_str_arg(field->name),
                inlay_str_arg(name), inlay_str_arg(field->decl.file),
                field->decl.line);
        }
        if (field->type->kind == INLAY_KIND_OPTIONAL && !item.fallback)
            return inlay_error_no_memory();
        add_item(bind, &item);
    }
    return NULL;
}

static struct inlay_error *bind_query(const struct inlay_bind_target *target,
                                      struct inlay_arena *arena,
                                      struct inlay_bind *bind,
                                      struct inlay_bind_param *ret)
{
    const struct inlay_param *param = ret->param;
    bool many = is_many(param->type);

    if (!many && !inlay_text_readable(param->type))
        return param_error(target, param, arena,
                           "has no place in a request: not in the path, no "
                           "form as text for the query, and these methods "
                           "have no body");
    ret->source = INLAY_BIND_QUERY;
    ret->nitems = 1;
    add_item(bind, &(struct inlay_bind_item){
                       .name = param->name,
                       .type = param->type,
                       .fallback = param->fallback,
                       .offset = ret->offset,
                       .many = many,
                   });
    return NULL;
}

/*
 * Where the value lies. What a struct T * points to lies in the block too,
 * unless it can be NULL: then the reader makes it.
 */
static bool place_param(struct inlay_bind *bind, struct inlay_bind_param *ret)
{
    const struct inlay_param *param = ret->param;

    ret->type = param->type;
    if (param->type->kind == INLAY_KIND_POINTER && !param->fallback) {
        if (!place(bind, param->type, &ret->pointer))
            return false;
        ret->type = param->type->elem;
    }
    return place(bind, ret->type, &ret->offset);
}

static struct inlay_error *check_param(const struct inlay_bind_target *target,
                                       const struct inlay_param *param,
                                       size_t number,
                                       struct inlay_arena *arena)
{
    struct inlay_str why;

    if (inlay_type_without_json(param->type, true, &why)) {
        struct inlay_str text = inlay_arena_format(
            arena, "can't come with a request: %.*s", inlay_str_arg(why));

        return text.ptr ? param_error(target, param, arena, text.ptr)
                        : inlay_error_no_memory();
    }
    if (!param->name.len)
        return inlay_bind_error(
            target, "parameter %zu of %.*s has no name to look it up by",
            number, inlay_str_arg(target->callable->func->name));
    return NULL;
}

/* What the server gives. */
static struct inlay_error *bind_injected(const struct inlay_bind_target *target,
                                         const struct inlay_param *param,
                                         struct inlay_arena *arena,
                                         struct inlay_bind *bind)
{
    struct inlay_bind_param *bound = &bind->params[bind->nparams++];

    *bound = (struct inlay_bind_param){.param = param, .type = param->type};
    if (!place(bind, param->type, &bound->offset))
        return param_error(target, param, arena, "is too large");
    bind->ninjected++;
    switch (param->type->injected) {
    case INLAY_INJECTED_REQUEST:
        bound->source = INLAY_BIND_REQUEST;
        return NULL;
    case INLAY_INJECTED_SOCKET:
        bound->source = INLAY_BIND_SOCKET;
        return NULL;
    case INLAY_INJECTED_PROVIDED:
        break;
    }
    if (!target->injector)
        return param_error(target, param, arena, "has nobody who provides it");
    struct inlay_error *error = target->injector->find(
        target->injector, param, &bound->state, &bound->first);
    bound->source = bound->state ? INLAY_BIND_STATE : INLAY_BIND_PROVIDED;
    return error;
}

static struct inlay_error *bind_param(const struct inlay_bind_target *target,
                                      const struct inlay_param *param,
                                      struct inlay_arena *arena,
                                      struct inlay_bind *bind)
{
    struct inlay_bind_param *bound = &bind->params[bind->nparams];
    struct inlay_error *error =
        check_param(target, param, bind->nparams + 1, arena);

    if (error)
        return error;
    *bound = (struct inlay_bind_param){.param = param, .first = bind->nitems};
    if (!place_param(bind, bound))
        return param_error(target, param, arena, "is too large");
    bind->nparams++;
    int index = path_index(target->path, param->name);
    if (index >= 0) {
        if (!inlay_text_readable(param->type))
            return param_error(target, param, arena,
                               "is in the path, and has no form as text");
        bound->source = INLAY_BIND_PATH;
        bound->first = (size_t)index;
        bind->npath++;
        return NULL;
    }
    if (target->with_body && is_document(param->type)) {
        bound->source = INLAY_BIND_BODY;
        bind->nbody++;
        return NULL;
    }
    if (target->with_body && kind_of(param->type) == INLAY_KIND_BYTES) {
        bound->source = INLAY_BIND_RAW;
        bind->nraw++;
        return NULL;
    }
    if (bound->type->kind == INLAY_KIND_STRUCT)
        return bind_model(target, arena, bind, bound);
    return bind_query(target, arena, bind, bound);
}

static struct inlay_error *check_bound(const struct inlay_bind_target *target,
                                       const struct inlay_bind *bind)
{
    struct inlay_str rest = target->path, name, kind;
    const struct inlay_func *func = target->callable->func;

    while (inlay_pattern_next_param(&rest, &name, &kind)) {
        bool used = false;

        for (size_t i = 0; i < func->nparams; i++)
            used = used || inlay_str_equal(func->params[i].name, name);
        if (!used)
            return inlay_bind_error(target, "{%.*s} names no parameter of %.*s",
                                    inlay_str_arg(name),
                                    inlay_str_arg(func->name));
    }
    for (size_t i = 0; i < bind->nitems; i++)
        for (size_t j = 0; j < i; j++)
            if (inlay_str_equal(bind->items[i].name, bind->items[j].name))
                return inlay_bind_error(
                    target, "two parameters are called %.*s in the query",
                    inlay_str_arg(bind->items[i].name));
    if (bind->nraw > 1 || (bind->nraw && bind->nbody))
        return inlay_bind_error(target,
                                "an inlay_bytes is the whole body, and %.*s "
                                "has another parameter that is read from it",
                                inlay_str_arg(func->name));
    return NULL;
}

/* Names of the query that the parameters can need at most. */
static size_t count_items(const struct inlay_func *func)
{
    size_t count = 0;

    for (size_t i = 0; i < func->nparams; i++) {
        const struct inlay_type *type = func->params[i].type;

        if (type->kind == INLAY_KIND_POINTER)
            type = type->elem;
        count += type->kind == INLAY_KIND_STRUCT ? type->nfields : 1;
    }
    return count;
}

static struct inlay_error *check_function(
    const struct inlay_bind_target *target,
    struct inlay_arena *arena)
{
    const struct inlay_func *func = target->callable->func;
    struct inlay_str why;

    if (!target->callable->plan || func->reason.len)
        return inlay_bind_error(target, "%.*s can't be called: %.*s",
                                inlay_str_arg(func->name),
                                inlay_str_arg(func->reason));
    if (!inlay_type_without_json(func->result, false, &why))
        return NULL;
    struct inlay_str type = inlay_type_describe(func->result, arena);
    return inlay_bind_error(
        target, "the result of %.*s (%.*s) can't be sent: %.*s",
        inlay_str_arg(func->name), inlay_str_arg(type), inlay_str_arg(why));
}

struct inlay_error *inlay_bind_create(const struct inlay_bind_target *target,
                                      struct inlay_arena *arena,
                                      struct inlay_bind **ret)
{
    const struct inlay_func *func = target->callable->func;
    struct inlay_bind *bind = inlay_arena_new(arena, struct inlay_bind);
    struct inlay_error *error = check_function(target, arena);

    if (error)
        return error;
    if (!bind)
        return inlay_error_no_memory();
    bind->callable = target->callable;
    bind->params = inlay_arena_zalloc_array(arena, func->nparams + 1,
                                            sizeof(*bind->params));
    bind->items = inlay_arena_zalloc_array(arena, count_items(func) + 1,
                                           sizeof(*bind->items));
    if (!bind->params || !bind->items)
        return inlay_error_no_memory();
    bind->size = (uint32_t)(func->nparams * sizeof(void *));
    for (size_t i = 0; i < func->nparams; i++) {
        const struct inlay_param *param = &func->params[i];

        error = param->type->kind == INLAY_KIND_INJECTED
                    ? bind_injected(target, param, arena, bind)
                    : bind_param(target, param, arena, bind);
        if (error)
            return error;
    }
    error = check_bound(target, bind);
    if (error)
        return error;
    if (!place(bind, func->result, &bind->result_offset))
        return inlay_bind_error(target, "the result of %.*s is too large",
                                inlay_str_arg(func->name));
    /* An empty block is no memory to an arena that has none yet. */
    bind->size = inlay_max(bind->size, (uint32_t)1);
    *ret = bind;
    return NULL;
}
