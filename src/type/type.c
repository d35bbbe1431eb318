#include "type/type.h"

#include "base/arena.h"

#include "base/banned.h"

/* A slice of a struct that holds such a slice is followed this deep. */
#define DEPTH_MOST 16

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
    case INLAY_KIND_CSTR:
    case INLAY_KIND_STR:
        return INLAY_STR("str");
    case INLAY_KIND_SLICE:
        return describe_elem(type, "[]", arena);
    case INLAY_KIND_OPTIONAL:
        return describe_elem(type, " | None", arena);
    case INLAY_KIND_STRUCT:
    case INLAY_KIND_CHAR:
    case INLAY_KIND_ENUM:
    case INLAY_KIND_BYTES:
    case INLAY_KIND_OWNED:
    case INLAY_KIND_CHARS:
    case INLAY_KIND_ARRAY:
    case INLAY_KIND_POINTER:
    case INLAY_KIND_HANDLE:
    case INLAY_KIND_OBJECT:
    case INLAY_KIND_CALLBACK:
    case INLAY_KIND_USERDATA:
    case INLAY_KIND_ARROW_ARRAY:
    case INLAY_KIND_ARROW_SCHEMA:
    case INLAY_KIND_UNSUPPORTED:
        return type->name;
    }
    return type->name;
}

static const struct inlay_type *find_unsupported(const struct inlay_type *type,
                                                 unsigned depth)
{
    switch (type->kind) {
    case INLAY_KIND_CHAR:
    case INLAY_KIND_ENUM:
    case INLAY_KIND_BYTES:
    case INLAY_KIND_OWNED:
    case INLAY_KIND_CHARS:
    case INLAY_KIND_ARRAY:
    case INLAY_KIND_POINTER:
    case INLAY_KIND_HANDLE:
    case INLAY_KIND_OBJECT:
    case INLAY_KIND_CALLBACK:
    case INLAY_KIND_USERDATA:
    case INLAY_KIND_ARROW_ARRAY:
    case INLAY_KIND_ARROW_SCHEMA:
    case INLAY_KIND_UNSUPPORTED:
        return type;
    case INLAY_KIND_SLICE:
        if (depth == DEPTH_MOST)
            return NULL;
        return find_unsupported(type->elem, depth + 1);
    case INLAY_KIND_OPTIONAL:
        return find_unsupported(type->elem, depth);
    case INLAY_KIND_STRUCT:
        for (size_t i = 0; i < type->nfields; i++) {
            const struct inlay_type *found =
                find_unsupported(type->fields[i].type, depth);
            if (found)
                return found;
        }
        return NULL;
    case INLAY_KIND_VOID:
    case INLAY_KIND_BOOL:
    case INLAY_KIND_INT:
    case INLAY_KIND_UINT:
    case INLAY_KIND_FLOAT:
    case INLAY_KIND_CSTR:
    case INLAY_KIND_STR:
        return NULL;
    }
    return NULL;
}

const struct inlay_type *inlay_type_unsupported(const struct inlay_type *type)
{
    return find_unsupported(type, 0);
}
