#include "type/type.h"

#include <stdio.h>

#include "base/arena.h"
#include "base/mem.h"

#include "base/banned.h"

static struct inlay_str describe_elem(const struct inlay_type *type,
                                      const char *suffix,
                                      struct inlay_arena *arena)
{
    struct inlay_str elem = inlay_type_describe(type->elem, arena);

    if (!elem.ptr)
        return elem;
    if (type->elem->kind == INLAY_KIND_OPTIONAL)
        return inlay_arena_format(arena, "(%.*s)%s", inlay_str_arg(elem),
                                  suffix);
    return inlay_arena_format(arena, "%.*s%s", inlay_str_arg(elem), suffix);
}

struct inlay_str inlay_type_describe(const struct inlay_type *type,
                                     struct inlay_arena *arena)
{
    char suffix[16];

    switch (type->kind) {
    case INLAY_KIND_VOID:
        return INLAY_STR("None");
    case INLAY_KIND_BOOL:
        return INLAY_STR("bool");
    case INLAY_KIND_INT:
    case INLAY_KIND_UINT:
        return INLAY_STR("int");
    case INLAY_KIND_FLOAT:
        return INLAY_STR("float");
    case INLAY_KIND_CHAR:
    case INLAY_KIND_CSTR:
    case INLAY_KIND_STR:
    case INLAY_KIND_CHARS:
        return INLAY_STR("str");
    case INLAY_KIND_BYTES:
        return INLAY_STR("bytes");
    case INLAY_KIND_DATE:
        return INLAY_STR("date");
    case INLAY_KIND_DATETIME:
        return INLAY_STR("datetime");
    case INLAY_KIND_UUID:
        return INLAY_STR("UUID");
    case INLAY_KIND_SLICE:
    case INLAY_KIND_OWNED:
        return describe_elem(type, "[]", arena);
    case INLAY_KIND_ARRAY:
        snprintf(suffix, sizeof(suffix), "[%u]", (unsigned)type->count);
        return describe_elem(type, suffix, arena);
    case INLAY_KIND_OPTIONAL:
        return describe_elem(type, " | None", arena);
    case INLAY_KIND_POINTER:
        return inlay_type_describe(type->elem, arena);
    case INLAY_KIND_STRUCT:
    case INLAY_KIND_ENUM:
    case INLAY_KIND_HANDLE:
    case INLAY_KIND_OBJECT:
    case INLAY_KIND_CALLBACK:
    case INLAY_KIND_USERDATA:
    case INLAY_KIND_ARROW_ARRAY:
    case INLAY_KIND_INJECTED:
    case INLAY_KIND_UPLOAD:
    case INLAY_KIND_ARROW_SCHEMA:
    case INLAY_KIND_UNSUPPORTED:
        return type->name;
    }
    return type->name;
}

/* --- What a type consists of -------------------------------------------- */

/* Structs that were entered, so that each is once, and recursion ends. */
struct walk {
    const struct inlay_type **entered;
    size_t count, size;
    bool (*fn)(void *arg, const struct inlay_type *type);
    void *arg;
};

/* 1: entered now, 0: before, -1: no memory. */
static int enter(struct walk *walk, const struct inlay_type *type)
{
    for (size_t i = 0; i < walk->count; i++)
        if (walk->entered[i] == type)
            return 0;
    if (walk->count == walk->size) {
        size_t size = walk->size ? walk->size * 2 : 16;
        const struct inlay_type **grown =
            inlay_realloc(walk->entered, size * sizeof(*grown));

        if (!grown)
            return -1;
        walk->entered = grown;
        walk->size = size;
    }
    walk->entered[walk->count++] = type;
    return 1;
}

static bool has_elem(enum inlay_kind kind)
{
    return kind == INLAY_KIND_SLICE || kind == INLAY_KIND_OWNED ||
           kind == INLAY_KIND_OPTIONAL || kind == INLAY_KIND_ARRAY ||
           kind == INLAY_KIND_POINTER;
}

static bool walk_type(struct walk *walk, const struct inlay_type *type)
{
    for (; has_elem(type->kind); type = type->elem)
        if (!walk->fn(walk->arg, type))
            return false;
    if (type->kind == INLAY_KIND_STRUCT) {
        int entered = enter(walk, type);

        if (entered <= 0)
            return entered == 0;
    }
    if (!walk->fn(walk->arg, type))
        return false;
    if (type->kind == INLAY_KIND_STRUCT)
        for (size_t i = 0; i < type->nfields; i++)
            if (!walk_type(walk, type->fields[i].type))
                return false;
    return true;
}

bool inlay_type_walk(const struct inlay_type *type,
                     bool (*fn)(void *arg, const struct inlay_type *type),
                     void *arg)
{
    struct walk walk = {.fn = fn, .arg = arg};
    bool whole = walk_type(&walk, type);

    inlay_free(walk.entered);
    return whole;
}

struct search {
    const struct inlay_type *found;
    struct inlay_str why;
    bool reading;
};

static bool look_at(void *arg, const struct inlay_type *type)
{
    struct search *search = arg;

    search->found = type;
    switch (type->kind) {
    case INLAY_KIND_VOID:
    case INLAY_KIND_BOOL:
    case INLAY_KIND_INT:
    case INLAY_KIND_UINT:
    case INLAY_KIND_FLOAT:
    case INLAY_KIND_CHAR:
    case INLAY_KIND_ENUM:
    case INLAY_KIND_CSTR:
    case INLAY_KIND_STR:
    case INLAY_KIND_BYTES:
    case INLAY_KIND_DATE:
    case INLAY_KIND_DATETIME:
    case INLAY_KIND_UUID:
    case INLAY_KIND_SLICE:
    case INLAY_KIND_OPTIONAL:
    case INLAY_KIND_STRUCT:
    case INLAY_KIND_CHARS:
    case INLAY_KIND_ARRAY:
    case INLAY_KIND_POINTER:
        return true;
    case INLAY_KIND_OWNED:
        if (!search->reading)
            return true;
        search->why =
            INLAY_STR("an INLAY_ARRAY is a result: take an INLAY_SLICE");
        return false;
    case INLAY_KIND_HANDLE:
        search->why = INLAY_STR("an object stays where it is");
        return false;
    case INLAY_KIND_OBJECT:
        search->why = INLAY_STR("routes run without Python's lock");
        return false;
    case INLAY_KIND_CALLBACK:
    case INLAY_KIND_USERDATA:
        search->why = INLAY_STR("a function can't be sent");
        return false;
    case INLAY_KIND_ARROW_ARRAY:
    case INLAY_KIND_ARROW_SCHEMA:
        search->why = INLAY_STR("Arrow data stays in its process");
        return false;
    case INLAY_KIND_INJECTED:
        search->why = INLAY_STR("it is given by the server");
        return false;
    case INLAY_KIND_UPLOAD:
        search->why = INLAY_STR("an upload comes with a form: INLAY_FORM");
        return false;
    case INLAY_KIND_UNSUPPORTED:
        search->why = type->reason;
        return false;
    }
    return false;
}

bool inlay_type_flat(const struct inlay_type *type, bool named, uint64_t *steps)
{
    if (steps && *steps == 0)
        return false;
    if (steps)
        --*steps;
    switch (type->kind) {
    case INLAY_KIND_BOOL:
    case INLAY_KIND_INT:
    case INLAY_KIND_UINT:
    case INLAY_KIND_FLOAT:
        return true;
    case INLAY_KIND_CHAR:
    case INLAY_KIND_ENUM:
    case INLAY_KIND_CHARS:
    case INLAY_KIND_DATE:
    case INLAY_KIND_DATETIME:
    case INLAY_KIND_UUID:
        return named;
    case INLAY_KIND_ARRAY:
        return inlay_type_flat(type->elem, named, steps);
    case INLAY_KIND_STRUCT:
        for (size_t i = 0; i < type->nfields; i++)
            if (!inlay_type_flat(type->fields[i].type, named, steps))
                return false;
        return true;
    case INLAY_KIND_VOID:
    case INLAY_KIND_CSTR:
    case INLAY_KIND_STR:
    case INLAY_KIND_BYTES:
    case INLAY_KIND_SLICE:
    case INLAY_KIND_OWNED:
    case INLAY_KIND_OPTIONAL:
    case INLAY_KIND_POINTER:
    case INLAY_KIND_HANDLE:
    case INLAY_KIND_OBJECT:
    case INLAY_KIND_CALLBACK:
    case INLAY_KIND_USERDATA:
    case INLAY_KIND_ARROW_ARRAY:
    case INLAY_KIND_INJECTED:
    case INLAY_KIND_UPLOAD:
    case INLAY_KIND_ARROW_SCHEMA:
    case INLAY_KIND_UNSUPPORTED:
        break;
    }
    return false;
}

const struct inlay_type *inlay_type_without_json(const struct inlay_type *type,
                                                 bool reading,
                                                 struct inlay_str *why)
{
    struct search search = {.found = type, .reading = reading};

    if (inlay_type_walk(type, look_at, &search))
        return NULL;
    *why = search.why.len ? search.why : INLAY_STR("no memory to look at it");
    return search.found;
}
