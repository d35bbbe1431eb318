#include "serve/bind.h"

#include <stdarg.h>
#include <stdio.h>

#include "db/database.h"
#include "serve/route.h"
#include "type/text.h"

#include "base/banned.h"

/* --- Errors -------------------------------------------------------------- */

struct inlay_error *inlay_bind_error(const struct inlay_bind_target *target,
                                     const char *format,
                                     ...)
{
    const char *blank = target->methods.len && target->path.len ? " " : "";
    const char *colon = target->methods.len || target->path.len ? ": " : "";
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return inlay_error_create(INLAY_ERROR_IMPORT, "%.*s:%u: %.*s%s%.*s%s%s",
                              inlay_str_arg(target->decl.file),
                              target->decl.line, inlay_str_arg(target->methods),
                              blank, inlay_str_arg(target->path), colon, text);
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

/* The record that says where a parameter comes from, or NULL. */
static const struct inlay_param_source *source_of(
    const struct inlay_bind_target *target,
    size_t index)
{
    const struct inlay_param_source *sources = target->callable->sources;

    return sources && sources[index].given ? &sources[index] : NULL;
}

static const char *macro_of(const struct inlay_param_source *source)
{
    switch ((enum inlay_source_kind)source->kind) {
    case INLAY_SOURCE_HEADER:
        return "INLAY_HEADER";
    case INLAY_SOURCE_COOKIE:
        return "INLAY_COOKIE";
    case INLAY_SOURCE_FORM:
        return "INLAY_FORM";
    case INLAY_SOURCE_QUERY:
        return "INLAY_QUERY";
    case INLAY_SOURCE_DB:
        return "INLAY_DB";
    case INLAY_SOURCE_BODY:
        break;
    }
    return "INLAY_BODY";
}

/* Its record asks for what can't be; `why` comes behind "…, and ". */
static struct inlay_error *source_error(const struct inlay_bind_target *target,
                                        const struct inlay_param *param,
                                        const struct inlay_param_source *source,
                                        struct inlay_arena *arena,
                                        const char *why)
{
    struct inlay_str text = inlay_arena_format(
        arena, "has %s at %.*s:%u, and %s", macro_of(source),
        inlay_str_arg(source->decl.file), source->decl.line, why);

    return text.ptr ? param_error(target, param, arena, text.ptr)
                    : inlay_error_no_memory();
}

/* --- Types --------------------------------------------------------------- */

/* Can one value of that source be it? */
static bool is_readable(const struct inlay_type *type,
                        enum inlay_bind_source source)
{
    if (inlay_text_readable(type))
        return true;
    if (type->kind == INLAY_KIND_OPTIONAL)
        type = type->elem;
    return source == INLAY_BIND_FORM &&
           (type->kind == INLAY_KIND_UPLOAD || type->kind == INLAY_KIND_BYTES);
}

/* A slice or array of such values, or an optional of one. */
static bool is_many(const struct inlay_type *type,
                    enum inlay_bind_source source)
{
    if (type->kind == INLAY_KIND_OPTIONAL)
        type = type->elem;
    return (type->kind == INLAY_KIND_SLICE || type->kind == INLAY_KIND_ARRAY) &&
           is_readable(type->elem, source);
}

static const struct inlay_type *without_optional(const struct inlay_type *type)
{
    return type->kind == INLAY_KIND_OPTIONAL ? type->elem : type;
}

/* A struct, a slice, a pointer to a struct, or an optional of one. */
static bool is_document(const struct inlay_type *type)
{
    enum inlay_kind kind = without_optional(type)->kind;

    return kind == INLAY_KIND_STRUCT || kind == INLAY_KIND_SLICE ||
           kind == INLAY_KIND_POINTER;
}

/* Of one value, several, or an optional one. */
static enum inlay_kind kind_within(const struct inlay_type *type)
{
    type = without_optional(type);
    if (type->kind == INLAY_KIND_SLICE || type->kind == INLAY_KIND_ARRAY)
        type = type->elem;
    return without_optional(type)->kind;
}

/* The struct that the type is, points to or may be; or NULL. */
static const struct inlay_type *model_of(const struct inlay_type *type)
{
    if (type->kind == INLAY_KIND_OPTIONAL || type->kind == INLAY_KIND_POINTER)
        type = type->elem;
    return type->kind == INLAY_KIND_STRUCT ? type : NULL;
}

/* {has = false}: what an absent optional field is. */
static const void *absent(const struct inlay_type *type,
                          struct inlay_arena *arena)
{
    return type->kind == INLAY_KIND_OPTIONAL
               ? inlay_arena_zalloc(arena, type->size)
               : NULL;
}

/* --- Room ---------------------------------------------------------------- */

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

/* The same for a model, whose struct lies in the block in any case. */
static bool place_model(struct inlay_bind *bind, struct inlay_bind_param *ret)
{
    const struct inlay_type *type = ret->param->type;

    ret->maybe = type->kind != INLAY_KIND_STRUCT && ret->param->fallback;
    if (type->kind == INLAY_KIND_OPTIONAL) {
        if (!place(bind, type, &ret->optional))
            return false;
        ret->offset = ret->optional + type->value_offset;
        return true;
    }
    return (type->kind != INLAY_KIND_POINTER ||
            place(bind, type, &ret->pointer)) &&
           place(bind, ret->type, &ret->offset);
}

/* --- By name: query, headers, cookies, forms ----------------------------- */

static struct inlay_str source_text(enum inlay_bind_source source)
{
    return source == INLAY_BIND_HEADER   ? INLAY_STR("headers")
           : source == INLAY_BIND_COOKIE ? INLAY_STR("cookies")
           : source == INLAY_BIND_FORM   ? INLAY_STR("a form")
                                         : INLAY_STR("the query");
}

/* As the source has it: "x_token" is the header "x-token". */
static struct inlay_str name_in(enum inlay_bind_source source,
                                struct inlay_str field,
                                struct inlay_arena *arena)
{
    if (source != INLAY_BIND_HEADER)
        return field;
    struct inlay_str name = inlay_arena_copy(arena, field);
    for (size_t i = 0; name.ptr && i < name.len; i++)
        if (name.ptr[i] == '_')
            ((char *)name.ptr)[i] = '-';
    return name;
}

static void add_item(struct inlay_bind *bind,
                     const struct inlay_bind_item *item)
{
    bind->items[bind->nitems++] = *item;
    bind->nlists[item->source]++;
    bind->uploads =
        bind->uploads || (item->source == INLAY_BIND_FORM &&
                          (kind_within(item->type) == INLAY_KIND_UPLOAD ||
                           kind_within(item->type) == INLAY_KIND_BYTES));
}

static struct inlay_error *bind_field(const struct inlay_bind_target *target,
                                      struct inlay_arena *arena,
                                      struct inlay_bind *bind,
                                      const struct inlay_bind_param *bound,
                                      const struct inlay_field *field)
{
    struct inlay_bind_item item = {
        .source = bound->source,
        .name = name_in(bound->source, field->name, arena),
        .field = field->name,
        .type = field->type,
        .constraints = field->constraints,
        .fallback = absent(field->type, arena),
        .fallback_text = INLAY_STR(""),
        .offset = bound->offset + field->offset,
        .many = is_many(field->type, bound->source),
    };
    bool many_cookies = item.many && bound->source == INLAY_BIND_COOKIE;

    if (!item.name.ptr ||
        (field->type->kind == INLAY_KIND_OPTIONAL && !item.fallback))
        return inlay_error_no_memory();
    if (!many_cookies &&
        (item.many || is_readable(field->type, bound->source))) {
        add_item(bind, &item);
        return NULL;
    }
    struct inlay_str type = inlay_type_describe(field->type, arena);
    struct inlay_str source = source_text(bound->source);
    return inlay_bind_error(
        target,
        "%.*s is read from %.*s here, and its field %.*s (%.*s, "
        "%.*s:%u) %s",
        inlay_str_arg(bound->param->name), inlay_str_arg(source),
        inlay_str_arg(field->name), inlay_str_arg(type),
        inlay_str_arg(field->decl.file), field->decl.line,
        many_cookies ? "is a list, but a cookie has one value"
                     : "has no form as text");
}

/* A struct: each field by its name. */
static struct inlay_error *bind_model(const struct inlay_bind_target *target,
                                      struct inlay_arena *arena,
                                      struct inlay_bind *bind,
                                      struct inlay_bind_param *bound,
                                      const struct inlay_param_source *source)
{
    struct inlay_error *error = NULL;

    bound->model = true;
    if (source && source->name.len)
        return source_error(target, bound->param, source, arena,
                            "it is a struct, each field of which is looked up "
                            "by its own name: give 0 as the name");
    if (!place_model(bind, bound))
        return param_error(target, bound->param, arena, "is too large");
    bound->nitems = bound->type->nfields;
    for (size_t i = 0; !error && i < bound->type->nfields; i++)
        error = bind_field(target, arena, bind, bound, &bound->type->fields[i]);
    return error;
}

static struct inlay_error *no_place(const struct inlay_bind_target *target,
                                    const struct inlay_param *param,
                                    struct inlay_arena *arena)
{
    return param_error(target, param, arena,
                       target->is_part
                           ? "has no place in the head of a request, which is "
                             "what guards and providers see: not in the path, "
                             "and no form as text for the query"
                           : "has no place in a request: not in the path, no "
                             "form as text for the query, and these methods "
                             "have no body");
}

static struct inlay_error *bind_named(const struct inlay_bind_target *target,
                                      struct inlay_arena *arena,
                                      struct inlay_bind *bind,
                                      struct inlay_bind_param *bound,
                                      const struct inlay_param_source *source)
{
    const struct inlay_param *param = bound->param;
    bool many = is_many(param->type, bound->source);

    bound->type = model_of(param->type);
    if (bound->type)
        return bind_model(target, arena, bind, bound, source);
    if (many && bound->source == INLAY_BIND_COOKIE)
        return source_error(target, param, source, arena,
                            "a cookie has one value");
    if (!many && !is_readable(param->type, bound->source))
        return source ? source_error(target, param, source, arena,
                                     "its type has no form as text")
                      : no_place(target, param, arena);
    if (!place_param(bind, bound))
        return param_error(target, param, arena, "is too large");
    bound->nitems = 1;
    struct inlay_str name = source && source->name.len
                                ? source->name
                                : name_in(bound->source, param->name, arena);
    if (!name.ptr)
        return inlay_error_no_memory();
    add_item(bind, &(struct inlay_bind_item){
                       .source = bound->source,
                       .name = name,
                       .field = param->name,
                       .type = param->type,
                       .constraints = param->constraints,
                       .fallback = param->fallback,
                       .fallback_text = param->fallback_text,
                       .offset = bound->offset,
                       .many = many,
                   });
    return NULL;
}

/* --- Path, body ---------------------------------------------------------- */

/* The number of the parameter in the path, or -1. */
static int path_index(struct inlay_str path,
                      struct inlay_str name,
                      struct inlay_str *kind_ret)
{
    struct inlay_str found;

    for (int i = 0; inlay_pattern_next_param(&path, &found, kind_ret); i++)
        if (inlay_str_equal(found, name))
            return i;
    return -1;
}

static struct inlay_error *bind_path(const struct inlay_bind_target *target,
                                     struct inlay_arena *arena,
                                     struct inlay_bind *bind,
                                     struct inlay_bind_param *bound,
                                     const struct inlay_param_source *source)
{
    const struct inlay_param *param = bound->param;

    if (source)
        return source_error(target, param, source, arena, "is in the path");
    if (!inlay_text_readable(param->type))
        return param_error(target, param, arena,
                           "is in the path, and has no form as text");
    bind->npath++;
    return place_param(bind, bound)
               ? NULL
               : param_error(target, param, arena, "is too large");
}

static struct inlay_error *bind_body(const struct inlay_bind_target *target,
                                     struct inlay_arena *arena,
                                     struct inlay_bind *bind,
                                     struct inlay_bind_param *bound)
{
    if (bound->source == INLAY_BIND_RAW)
        bind->nraw++;
    else
        bind->nbody++;
    return place_param(bind, bound)
               ? NULL
               : param_error(target, bound->param, arena, "is too large");
}

/* --- Each parameter ------------------------------------------------------ */

/* The database that INLAY_DB names, or the one without a name. */
static struct inlay_error *find_database(const struct inlay_bind_target *target,
                                         const struct inlay_param *param,
                                         struct inlay_arena *arena,
                                         struct inlay_database **ret)
{
    size_t index = (size_t)(param - target->callable->func->params);
    const struct inlay_param_source *source = source_of(target, index);
    struct inlay_error *error =
        inlay_database_find(source ? source->name : INLAY_STR(""), ret);

    if (!error)
        return NULL;
    struct inlay_str why =
        inlay_arena_format(arena, "has none: %s", error->message);
    inlay_error_destroy(error);
    return why.ptr ? param_error(target, param, arena, why.ptr)
                   : inlay_error_no_memory();
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
    case INLAY_INJECTED_DB:
        bound->source = INLAY_BIND_DB;
        return find_database(target, param, arena, &bound->database);
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

/* A form's values have forms that JSON lacks. */
static struct inlay_error *check_type(const struct inlay_bind_target *target,
                                      const struct inlay_param *param,
                                      enum inlay_bind_source source,
                                      struct inlay_arena *arena)
{
    struct inlay_str why;

    if (source == INLAY_BIND_FORM ||
        !inlay_type_without_json(param->type, true, &why))
        return NULL;
    struct inlay_str text = inlay_arena_format(
        arena, "can't come with a request: %.*s", inlay_str_arg(why));
    return text.ptr ? param_error(target, param, arena, text.ptr)
                    : inlay_error_no_memory();
}

/* Where a parameter comes from that is not in the path. */
static enum inlay_bind_source choose(const struct inlay_bind_target *target,
                                     const struct inlay_param *param,
                                     const struct inlay_param_source *source)
{
    if (!source) {
        if (kind_within(param->type) == INLAY_KIND_UPLOAD)
            return INLAY_BIND_FORM;
        if (target->with_body && is_document(param->type))
            return INLAY_BIND_BODY;
        if (target->with_body &&
            without_optional(param->type)->kind == INLAY_KIND_BYTES)
            return INLAY_BIND_RAW;
        return INLAY_BIND_QUERY;
    }
    switch ((enum inlay_source_kind)source->kind) {
    case INLAY_SOURCE_HEADER:
        return INLAY_BIND_HEADER;
    case INLAY_SOURCE_COOKIE:
        return INLAY_BIND_COOKIE;
    case INLAY_SOURCE_FORM:
        return INLAY_BIND_FORM;
    case INLAY_SOURCE_QUERY:
        return INLAY_BIND_QUERY;
    case INLAY_SOURCE_DB: /* of what the server gives only: sources.c */
    case INLAY_SOURCE_BODY:
        break;
    }
    return INLAY_BIND_BODY;
}

/* Forms and bodies need a body. */
static struct inlay_error *check_body(const struct inlay_bind_target *target,
                                      const struct inlay_param *param,
                                      const struct inlay_param_source *source,
                                      struct inlay_arena *arena)
{
    const char *why =
        target->is_part
            ? "guards and providers see the head of a request, not its body"
            : "these methods have no body: use POST, PUT or PATCH";
    struct inlay_str text;

    if (target->with_body && !target->is_part)
        return NULL;
    if (source)
        return source_error(target, param, source, arena, why);
    text = inlay_arena_format(arena, "comes with a form, and %s", why);
    return text.ptr ? param_error(target, param, arena, text.ptr)
                    : inlay_error_no_memory();
}

/*
 * A guard's `const struct user *user` whose INLAY_PROVIDE was forgotten would
 * be the client's word: who wants the fields of a struct from there says so.
 */
static struct inlay_error *check_part(const struct inlay_bind_target *target,
                                      const struct inlay_param *param,
                                      const struct inlay_param_source *source,
                                      struct inlay_arena *arena)
{
    struct inlay_str func = target->callable->func->name;
    struct inlay_str text;

    if (!target->is_part || source || !model_of(param->type))
        return NULL;
    text = inlay_arena_format(
        arena,
        "has nobody who gives it: in guards and providers a struct is a "
        "pointer to what INLAY_PROVIDE or INLAY_STATE of the same module "
        "gives; INLAY_QUERY(%.*s, %.*s, 0) reads its fields from the query",
        inlay_str_arg(func), inlay_str_arg(param->name));
    return text.ptr ? param_error(target, param, arena, text.ptr)
                    : inlay_error_no_memory();
}

static struct inlay_error *bind_param(const struct inlay_bind_target *target,
                                      size_t number,
                                      struct inlay_arena *arena,
                                      struct inlay_bind *bind)
{
    const struct inlay_param *param = &target->callable->func->params[number];
    const struct inlay_param_source *source = source_of(target, number);
    struct inlay_bind_param *bound = &bind->params[bind->nparams++];
    struct inlay_error *error = NULL;
    struct inlay_str kind;

    if (!param->name.len)
        return inlay_bind_error(
            target, "parameter %zu of %.*s has no name to look it up by",
            number + 1, inlay_str_arg(target->callable->func->name));
    *bound = (struct inlay_bind_param){
        .source = choose(target, param, source),
        .param = param,
        .first = bind->nitems,
    };
    error = check_type(target, param, bound->source, arena);
    if (error)
        return error;
    int index = path_index(target->path, param->name, &kind);
    if (index >= 0) {
        bound->source = INLAY_BIND_PATH;
        bound->first = (size_t)index;
        bound->loose_uuid =
            inlay_str_is(kind, "uuid") &&
            without_optional(param->type)->kind == INLAY_KIND_UUID;
        return bind_path(target, arena, bind, bound, source);
    }
    error = check_part(target, param, source, arena);
    if (error)
        return error;
    bool is_form = bound->source == INLAY_BIND_FORM;
    if (is_form || (source && source->kind == INLAY_SOURCE_BODY))
        error = check_body(target, param, source, arena);
    if (error)
        return error;
    bind->nform += is_form;
    bind->embedded =
        bind->embedded || (source && source->kind == INLAY_SOURCE_BODY);
    return bound->source == INLAY_BIND_BODY || bound->source == INLAY_BIND_RAW
               ? bind_body(target, arena, bind, bound)
               : bind_named(target, arena, bind, bound, source);
}

/* --- All of them --------------------------------------------------------- */

/* Whoever is given the request, or what others make of it, may need no
 * parameter of the path himself. */
static struct inlay_error *check_path(const struct inlay_bind_target *target,
                                      const struct inlay_bind *bind)
{
    struct inlay_str rest = target->path, name, kind;
    const struct inlay_func *func = target->callable->func;

    while (!target->is_part && !bind->ninjected &&
           inlay_pattern_next_param(&rest, &name, &kind)) {
        bool used = false;

        for (size_t i = 0; i < func->nparams; i++)
            used = used || inlay_str_equal(func->params[i].name, name);
        if (!used)
            return inlay_bind_error(target, "{%.*s} names no parameter of %.*s",
                                    inlay_str_arg(name),
                                    inlay_str_arg(func->name));
    }
    return NULL;
}

static struct inlay_error *check_names(const struct inlay_bind_target *target,
                                       const struct inlay_bind *bind)
{
    for (size_t i = 0; i < bind->nitems; i++) {
        const struct inlay_bind_item *a = &bind->items[i];
        struct inlay_str source = source_text(a->source);

        for (size_t j = 0; j < i; j++) {
            const struct inlay_bind_item *b = &bind->items[j];
            bool same = a->source == INLAY_BIND_HEADER
                            ? inlay_str_equal_nocase(a->name, b->name)
                            : inlay_str_equal(a->name, b->name);

            if (same && a->source == b->source)
                return inlay_bind_error(
                    target, "two parameters are called %.*s in %.*s",
                    inlay_str_arg(a->name), inlay_str_arg(source));
        }
    }
    return NULL;
}

static struct inlay_error *check_bodies(const struct inlay_bind_target *target,
                                        const struct inlay_bind *bind)
{
    const struct inlay_func *func = target->callable->func;
    const struct inlay_bind_param *form = NULL, *body = NULL;

    for (size_t i = 0; i < bind->nparams; i++) {
        const struct inlay_bind_param *bound = &bind->params[i];

        if (bound->source == INLAY_BIND_FORM && !form)
            form = bound;
        if ((bound->source == INLAY_BIND_BODY ||
             bound->source == INLAY_BIND_RAW) &&
            !body)
            body = bound;
    }
    if (form && body)
        return inlay_bind_error(
            target,
            "%.*s takes %.*s from a form and %.*s from %s: a request has one "
            "body",
            inlay_str_arg(func->name), inlay_str_arg(form->param->name),
            inlay_str_arg(body->param->name),
            bind->nraw ? "the whole body" : "a JSON body");
    if (bind->nraw > 1 || (bind->nraw && bind->nbody))
        return inlay_bind_error(target,
                                "an inlay_bytes is the whole body, and %.*s "
                                "has another parameter that is read from it",
                                inlay_str_arg(func->name));
    return NULL;
}

/* Names that the parameters can need at most. */
static size_t count_items(const struct inlay_func *func)
{
    size_t count = 0;

    for (size_t i = 0; i < func->nparams; i++) {
        const struct inlay_type *model = model_of(func->params[i].type);

        count += model ? model->nfields : 1;
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
    if (target->is_part || !inlay_type_without_json(func->result, false, &why))
        return NULL;
    struct inlay_str type = inlay_type_describe(func->result, arena);
    return inlay_bind_error(
        target, "the result of %.*s (%.*s) can't be sent: %.*s",
        inlay_str_arg(func->name), inlay_str_arg(type), inlay_str_arg(why));
}

static struct inlay_error *bind_params(const struct inlay_bind_target *target,
                                       struct inlay_arena *arena,
                                       struct inlay_bind *bind)
{
    const struct inlay_func *func = target->callable->func;
    struct inlay_error *error = NULL;

    bind->size = (uint32_t)(func->nparams * sizeof(void *));
    for (size_t i = 0; !error && i < func->nparams; i++) {
        const struct inlay_param *param = &func->params[i];

        error = param->type->kind == INLAY_KIND_INJECTED
                    ? bind_injected(target, param, arena, bind)
                    : bind_param(target, i, arena, bind);
    }
    bind->embedded = bind->embedded || bind->nbody > 1;
    (void)(error || (error = check_path(target, bind)) ||
           (error = check_names(target, bind)) ||
           (error = check_bodies(target, bind)));
    return error;
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
    error = bind_params(target, arena, bind);
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
