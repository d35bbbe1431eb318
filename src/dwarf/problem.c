/* problem.c - searching a type for what has no Python form. */
#include "dwarf/reader.h"

#include "base/banned.h"

#define DEPTH_MOST 64

static const struct inlay_type too_deep = {
    .kind = INLAY_KIND_UNSUPPORTED,
    .align = 1,
    .name = {"it", 2},
    .decl = {.file = {"", 0}},
    .reason = {"types nest too deeply", 21},
};

/* Every compound is entered once per search: slices can form rings. */
static bool enter(struct inlay_reader *reader, const struct inlay_type *type)
{
    struct inlay_compound *compound = inlay_container_of(
        (struct inlay_type *)type, struct inlay_compound, type);

    if (compound->mark == reader->mark || !inlay_die_step(reader))
        return false;
    compound->mark = reader->mark;
    return true;
}

static struct inlay_problem search(struct inlay_reader *reader,
                                   const struct inlay_type *type,
                                   int depth);

static struct inlay_problem search_fields(struct inlay_reader *reader,
                                          const struct inlay_type *type,
                                          int depth)
{
    struct inlay_problem problem = {0};

    for (size_t i = 0; i < type->nfields; i++) {
        problem = search(reader, type->fields[i].type, depth + 1);
        if (!problem.type)
            continue;
        if (!problem.field) {
            problem.field = &type->fields[i];
            problem.owner = type;
        }
        break;
    }
    return problem;
}

/* What a callback takes and gives is looked at one by one. */
static struct inlay_problem search_signature(
    struct inlay_reader *reader,
    const struct inlay_signature *signature,
    int depth)
{
    struct inlay_problem problem = search(reader, signature->result, depth + 1);

    problem.of_callback = signature->result;
    problem.callback_param = 0;
    for (size_t i = 0; !problem.type && i < signature->nparams; i++) {
        problem = search(reader, signature->params[i], depth + 1);
        problem.of_callback = signature->params[i];
        problem.callback_param = i + 1;
    }
    return problem;
}

static struct inlay_problem search(struct inlay_reader *reader,
                                   const struct inlay_type *type,
                                   int depth)
{
    struct inlay_problem none = {0};

    if (depth > DEPTH_MOST)
        return (struct inlay_problem){.type = &too_deep};
    switch (type->kind) {
    case INLAY_KIND_UNSUPPORTED:
        return (struct inlay_problem){.type = type};
    case INLAY_KIND_ARRAY:
        return search(reader, type->elem, depth + 1);
    case INLAY_KIND_CALLBACK:
        return enter(reader, type)
                   ? search_signature(reader, type->signature, depth)
                   : none;
    case INLAY_KIND_SLICE:
    case INLAY_KIND_OWNED:
    case INLAY_KIND_OPTIONAL:
    case INLAY_KIND_POINTER:
        return enter(reader, type) ? search(reader, type->elem, depth + 1)
                                   : none;
    case INLAY_KIND_STRUCT:
        return enter(reader, type) ? search_fields(reader, type, depth) : none;
    case INLAY_KIND_CHAR:
    case INLAY_KIND_ENUM:
    case INLAY_KIND_BYTES:
    case INLAY_KIND_CHARS:
    case INLAY_KIND_HANDLE:
    case INLAY_KIND_OBJECT:
    case INLAY_KIND_USERDATA:
    case INLAY_KIND_ARROW_ARRAY:
    case INLAY_KIND_ARROW_SCHEMA:
    case INLAY_KIND_DATE:
    case INLAY_KIND_DATETIME:
    case INLAY_KIND_UUID:
    case INLAY_KIND_INJECTED:
    case INLAY_KIND_UPLOAD:
    case INLAY_KIND_VOID:
    case INLAY_KIND_BOOL:
    case INLAY_KIND_INT:
    case INLAY_KIND_UINT:
    case INLAY_KIND_FLOAT:
    case INLAY_KIND_CSTR:
    case INLAY_KIND_STR:
        break;
    }
    return none;
}

struct inlay_problem inlay_types_problem(struct inlay_reader *reader,
                                         const struct inlay_type *type)
{
    reader->mark++;
    return search(reader, type, 0);
}
