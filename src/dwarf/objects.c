/*
 * objects.c - C's object idiom: a struct that functions T_new and T_free make
 * and free is an object, and a pointer to it a handle. T is its tag or the
 * name of a typedef, with or without "_t". That is known before any type is
 * made; whether both can be called only when all are.
 */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "dwarf/reader.h"

#include "base/banned.h"

struct inlay_idiom {
    struct inlay_idiom *next;
    const char *key; /* of the struct: its tag, else its typedef's name */
    struct inlay_object object;
    struct inlay_object *made; /* in debug->objects; NULL: none is made */
};

static bool ends(struct inlay_str name, struct inlay_str with)
{
    return name.len > with.len &&
           memcmp(name.ptr + name.len - with.len, with.ptr, with.len) == 0;
}

static struct inlay_str without_suffix(struct inlay_str name)
{
    if (ends(name, INLAY_STR("_t")))
        name.len -= 2;
    return name;
}

static bool fits(const char *text, struct inlay_str name)
{
    struct inlay_str own = inlay_str_from(text);

    return text && (inlay_str_equal(own, name) ||
                    inlay_str_equal(without_suffix(own), name));
}

const char *inlay_die_key(const struct inlay_peeled *peeled)
{
    Dwarf_Die die = peeled->die;
    const char *name = dwarf_diename(&die);

    return name && *name ? name : peeled->direct;
}

/* A second version of a symbol has the same name. */
static bool is_taken(struct inlay_reader *reader, struct inlay_str name)
{
    struct inlay_idiom *at = reader->idioms;

    while (at && !inlay_str_equal(at->object.name, name))
        at = at->next;
    return at;
}

bool inlay_die_points_to(Dwarf_Die *die, struct inlay_peeled *ret)
{
    Dwarf_Die type, inner;

    if (!inlay_die_type(die, &type))
        return false;
    struct inlay_peeled pointer = inlay_die_peel(&type);
    if (pointer.is_void || pointer.broken ||
        dwarf_tag(&pointer.die) != DW_TAG_pointer_type ||
        !inlay_die_type(&pointer.die, &inner))
        return false;
    *ret = inlay_die_peel(&inner);
    if (ret->is_void || ret->broken)
        return false;
    int tag = dwarf_tag(&ret->die);
    return (tag == DW_TAG_structure_type || tag == DW_TAG_class_type) &&
           inlay_die_key(ret);
}

/* Is it void T_free(T *)? */
static bool frees(struct inlay_reader *reader,
                  struct inlay_wanted *wanted,
                  const char *key)
{
    Dwarf_Die function = inlay_die_parameters(&wanted->die), child, result;
    struct inlay_peeled to;
    size_t count = 0;
    bool found = false;

    if (inlay_die_type(&wanted->die, &result) || dwarf_child(&function, &child))
        return false;
    do {
        if (!inlay_die_step(reader))
            return false;
        if (dwarf_tag(&child) == DW_TAG_unspecified_parameters)
            return false;
        if (dwarf_tag(&child) != DW_TAG_formal_parameter)
            continue;
        count++;
        found = inlay_die_points_to(&child, &to) &&
                strcmp(inlay_die_key(&to), key) == 0;
    } while (dwarf_siblingof(&child, &child) == 0);
    return found && count == 1;
}

static bool is_function(const struct inlay_wanted *wanted,
                        struct inlay_str owner,
                        const char *verb)
{
    return wanted->match != INLAY_MATCH_NONE && wanted->name &&
           strncmp(wanted->name, owner.ptr, owner.len) == 0 &&
           strcmp(wanted->name + owner.len, verb) == 0;
}

static bool is_freed(struct inlay_reader *reader,
                     struct inlay_str owner,
                     const char *key)
{
    for (size_t i = 0; i < reader->nwanted; i++) {
        if (!inlay_die_step(reader))
            return false;
        if (is_function(&reader->wanted[i], owner, "_free"))
            return frees(reader, &reader->wanted[i], key);
    }
    return false;
}

static bool add(struct inlay_reader *reader,
                struct inlay_wanted *create,
                const struct inlay_peeled *to,
                struct inlay_str name)
{
    struct inlay_idiom *idiom =
        inlay_arena_new(&reader->scratch, struct inlay_idiom);
    Dwarf_Die die = to->die;

    if (idiom)
        idiom->object.name = inlay_arena_copy(reader->arena, name);
    if (!idiom || !idiom->object.name.ptr) {
        inlay_reader_no_memory(reader);
        return false;
    }
    idiom->key = inlay_die_key(to);
    idiom->object.decl = inlay_die_source(reader, &die, NULL);
    if (!idiom->object.decl.line || inlay_die_flag(&die, DW_AT_declaration))
        idiom->object.decl = inlay_die_source(reader, &create->die, NULL);
    idiom->object.layout = inlay_die_layout(reader, &die);
    idiom->next = reader->idioms;
    reader->idioms = idiom;
    return !reader->error;
}

bool inlay_objects_find(struct inlay_reader *reader)
{
    for (size_t i = 0; i < reader->nwanted && !reader->error; i++) {
        struct inlay_wanted *wanted = &reader->wanted[i];
        struct inlay_str name = inlay_str_from(wanted->name);
        struct inlay_peeled to;

        if (wanted->match == INLAY_MATCH_NONE || !wanted->name ||
            !ends(name, INLAY_STR("_new")))
            continue;
        name.len -= 4;
        if (!inlay_die_points_to(&wanted->die, &to) ||
            !(fits(inlay_die_key(&to), name) || fits(to.direct, name) ||
              fits(to.alias, name)) ||
            inlay_provided_has(reader, &to) || inlay_objects_of(reader, &to) ||
            is_taken(reader, name) ||
            !is_freed(reader, name, inlay_die_key(&to)))
            continue;
        if (!add(reader, wanted, &to, name))
            return false;
    }
    return !reader->error;
}

const struct inlay_object *inlay_objects_of(struct inlay_reader *reader,
                                            const struct inlay_peeled *peeled)
{
    const char *key = reader->idioms ? inlay_die_key(peeled) : NULL;

    for (struct inlay_idiom *at = reader->idioms; key && at; at = at->next) {
        if (strcmp(at->key, key) == 0)
            return &at->object;
    }
    return NULL;
}

static struct inlay_func *find_func(struct inlay_reader *reader,
                                    struct inlay_str owner,
                                    const char *verb)
{
    for (size_t i = 0; i < reader->debug->nfuncs; i++) {
        struct inlay_func *func = &reader->debug->funcs[i];

        if (func->exported && inlay_str_starts(func->name, owner) &&
            strcmp(func->name.ptr + owner.len, verb) == 0)
            return func;
    }
    return NULL;
}

/* The function that keeps an object from being made, or NULL. */
static const struct inlay_func *obstacle(const struct inlay_object *object)
{
    return object->create->reason.len    ? object->create
           : object->destroy->reason.len ? object->destroy
                                         : NULL;
}

static void refuse_handle(struct inlay_reader *reader,
                          struct inlay_func *func,
                          const struct inlay_type *type,
                          struct inlay_str who)
{
    const struct inlay_func *cause;

    if (type->kind != INLAY_KIND_HANDLE || func->reason.len)
        return;
    cause = obstacle(type->object);
    if (!cause)
        return;
    func->reason = inlay_arena_format(
        reader->arena, "%s%.*s%s has type %.*s: %.*s can't be called: %.*s",
        who.len ? "parameter '" : "the result", inlay_str_arg(who),
        who.len ? "'" : "", inlay_str_arg(type->name),
        inlay_str_arg(cause->name), inlay_str_arg(cause->reason));
    if (!func->reason.ptr)
        inlay_reader_no_memory(reader);
}

/* What uses an object that is not made can't be called; it may be a T_new. */
static void refuse_handles(struct inlay_reader *reader)
{
    bool again = true;

    while (again && !reader->error) {
        again = false;
        for (size_t i = 0; i < reader->debug->nfuncs; i++) {
            struct inlay_func *func = &reader->debug->funcs[i];

            if (func->reason.len || !inlay_die_step(reader))
                continue;
            for (size_t j = 0; j < func->nparams; j++)
                refuse_handle(reader, func, func->params[j].type,
                              func->params[j].name);
            refuse_handle(reader, func, func->result, INLAY_STR(""));
            again |= func->reason.len > 0;
        }
    }
}

static struct inlay_idiom *idiom_of(struct inlay_reader *reader,
                                    const struct inlay_object *object)
{
    struct inlay_idiom *at = reader->idioms;

    while (at->object.create != object->create)
        at = at->next;
    return at;
}

/* In order of their T_new, which lie in debug->funcs. */
static int compare_objects(const void *left, const void *right)
{
    const struct inlay_object *a = left, *b = right;

    return (a->create > b->create) - (a->create < b->create);
}

/* Objects that are made get their place in debug->objects. */
static bool list_objects(struct inlay_reader *reader)
{
    struct inlay_debug *debug = reader->debug;
    size_t count = 0;

    for (struct inlay_idiom *at = reader->idioms; at; at = at->next)
        count++;
    debug->objects = inlay_arena_zalloc_array(reader->arena, count + 1,
                                              sizeof(*debug->objects));
    if (!debug->objects) {
        inlay_reader_no_memory(reader);
        return false;
    }
    for (struct inlay_idiom *at = reader->idioms; at; at = at->next) {
        if (obstacle(&at->object))
            continue;
        debug->objects[debug->nobjects++] = at->object;
    }
    qsort(debug->objects, debug->nobjects, sizeof(*debug->objects),
          compare_objects);
    for (size_t i = 0; i < debug->nobjects; i++)
        idiom_of(reader, &debug->objects[i])->made = &debug->objects[i];
    return true;
}

/* Handles lead to the objects made; others have no form any more. */
static void settle_handle(struct inlay_type *type)
{
    const struct inlay_idiom *idiom = inlay_container_of(
        (struct inlay_object *)type->object, struct inlay_idiom, object);

    if (idiom->made) {
        type->object = idiom->made;
        return;
    }
    type->kind = INLAY_KIND_UNSUPPORTED;
    type->reason = INLAY_STR("its object can't be made");
}

static void set_methods(struct inlay_reader *reader)
{
    for (size_t i = 0; i < reader->debug->nfuncs; i++) {
        struct inlay_func *func = &reader->debug->funcs[i];
        const struct inlay_object *object = NULL;

        if (!func->exported)
            continue;
        if (func->nparams && func->params[0].type &&
            func->params[0].type->kind == INLAY_KIND_HANDLE)
            object = func->params[0].type->object;
        if (object && inlay_str_starts(func->name, object->name) &&
            func->name.ptr[object->name.len] == '_')
            func->object = object;
    }
    for (size_t i = 0; i < reader->debug->nobjects; i++) {
        const struct inlay_object *object = &reader->debug->objects[i];

        ((struct inlay_func *)object->create)->object = object;
        ((struct inlay_func *)object->destroy)->object = object;
    }
}

bool inlay_objects_finish(struct inlay_reader *reader)
{
    for (struct inlay_idiom *at = reader->idioms; at; at = at->next) {
        at->object.create = find_func(reader, at->object.name, "_new");
        at->object.destroy = find_func(reader, at->object.name, "_free");
        if (!at->object.create || !at->object.destroy) {
            reader->error =
                inlay_error_create(INLAY_ERROR_IMPORT,
                                   "%s: its symbols are damaged", reader->path);
            return false;
        }
    }
    refuse_handles(reader);
    if (reader->error || !list_objects(reader))
        return false;
    for (size_t i = 0; i < reader->table_size; i++) {
        if (reader->table[i] &&
            reader->table[i]->type.kind == INLAY_KIND_HANDLE)
            settle_handle(&reader->table[i]->type);
    }
    set_methods(reader);
    return true;
}
