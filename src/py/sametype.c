/*
 * sametype.c - two types of the waist compared. A pair that was met before is
 * taken as equal: if it is not, the comparison fails where it is looked into.
 * So types that hold themselves end, and each pair is looked at once.
 */
#include "py/sametype.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include "base/banned.h"

struct pair {
    const struct inlay_type *a, *b;
};

struct comparison {
    struct pair *met;
    size_t count, size;
    bool no_memory;
};

static bool same(struct comparison *comparison,
                 const struct inlay_type *a,
                 const struct inlay_type *b);

/* True when the pair is new (or there is no memory: that ends it all). */
static bool meet(struct comparison *comparison,
                 const struct inlay_type *a,
                 const struct inlay_type *b)
{
    for (size_t i = 0; i < comparison->count; i++)
        if (comparison->met[i].a == a && comparison->met[i].b == b)
            return false;
    if (comparison->count == comparison->size) {
        size_t size = comparison->size ? 2 * comparison->size : 16;
        struct pair *grown =
            inlay_realloc(comparison->met, size * sizeof(*grown));

        comparison->no_memory |= !grown;
        if (!grown)
            return true;
        comparison->met = grown;
        comparison->size = size;
    }
    comparison->met[comparison->count++] = (struct pair){a, b};
    return true;
}

static bool same_constraints(const struct inlay_constraints *a,
                             const struct inlay_constraints *b)
{
    if (!a || !b)
        return a == b;
    return a->has_least == b->has_least && a->has_most == b->has_most &&
           inlay_str_equal(a->least_text, b->least_text) &&
           inlay_str_equal(a->most_text, b->most_text) &&
           a->min_length == b->min_length && a->max_length == b->max_length &&
           inlay_str_equal(a->pattern, b->pattern);
}

static bool same_fields(struct comparison *comparison,
                        const struct inlay_type *a,
                        const struct inlay_type *b)
{
    if (a->nfields != b->nfields || a->strict != b->strict ||
        !a->check != !b->check)
        return false;
    for (size_t i = 0; i < a->nfields; i++) {
        const struct inlay_field *x = &a->fields[i], *y = &b->fields[i];

        if (!inlay_str_equal(x->name, y->name) || x->offset != y->offset ||
            !same_constraints(x->constraints, y->constraints) ||
            !same(comparison, x->type, y->type))
            return false;
    }
    return true;
}

static bool same_members(const struct inlay_type *a, const struct inlay_type *b)
{
    if (a->nmembers != b->nmembers || a->is_signed != b->is_signed)
        return false;
    for (size_t i = 0; i < a->nmembers; i++)
        if (!inlay_str_equal(a->members[i].name, b->members[i].name) ||
            a->members[i].value != b->members[i].value)
            return false;
    return true;
}

static bool same_elem(struct comparison *comparison,
                      const struct inlay_type *a,
                      const struct inlay_type *b)
{
    return a->ptr_offset == b->ptr_offset && a->len_offset == b->len_offset &&
           a->has_offset == b->has_offset &&
           a->value_offset == b->value_offset && a->count == b->count &&
           a->elem_const == b->elem_const && same(comparison, a->elem, b->elem);
}

static bool same_signature(struct comparison *comparison,
                           const struct inlay_signature *a,
                           const struct inlay_signature *b)
{
    if (a->nparams != b->nparams || !same(comparison, a->result, b->result))
        return false;
    for (size_t i = 0; i < a->nparams; i++)
        if (!same(comparison, a->params[i], b->params[i]))
            return false;
    return true;
}

static bool same(struct comparison *comparison,
                 const struct inlay_type *a,
                 const struct inlay_type *b)
{
    if (a == b)
        return true;
    if (a->kind != b->kind || a->size != b->size || a->align != b->align ||
        !inlay_str_equal(a->name, b->name))
        return false;
    switch (a->kind) {
    case INLAY_KIND_STRUCT:
        return !meet(comparison, a, b) ||
               (!comparison->no_memory && same_fields(comparison, a, b));
    case INLAY_KIND_SLICE:
    case INLAY_KIND_OWNED:
    case INLAY_KIND_OPTIONAL:
    case INLAY_KIND_ARRAY:
    case INLAY_KIND_POINTER:
        return !meet(comparison, a, b) ||
               (!comparison->no_memory && same_elem(comparison, a, b));
    case INLAY_KIND_CALLBACK:
        return !meet(comparison, a, b) ||
               (!comparison->no_memory &&
                same_signature(comparison, a->signature, b->signature));
    case INLAY_KIND_ENUM:
        return same_members(a, b);
    case INLAY_KIND_STR:
        return inlay_str_equal(a->media, b->media);
    case INLAY_KIND_HANDLE:
        return inlay_str_equal(a->object->name, b->object->name) &&
               a->object_const == b->object_const;
    case INLAY_KIND_VOID:
    case INLAY_KIND_BOOL:
    case INLAY_KIND_INT:
    case INLAY_KIND_UINT:
    case INLAY_KIND_FLOAT:
    case INLAY_KIND_CHAR:
    case INLAY_KIND_CSTR:
    case INLAY_KIND_BYTES:
    case INLAY_KIND_DATE:
    case INLAY_KIND_DATETIME:
    case INLAY_KIND_UUID:
    case INLAY_KIND_UPLOAD:
    case INLAY_KIND_CHARS:
    case INLAY_KIND_OBJECT:
    case INLAY_KIND_USERDATA:
    case INLAY_KIND_ARROW_ARRAY:
    case INLAY_KIND_ARROW_SCHEMA:
    case INLAY_KIND_INJECTED:
    case INLAY_KIND_UNSUPPORTED:
        break;
    }
    return true;
}

int inlay_py_type_same(const struct inlay_type *a, const struct inlay_type *b)
{
    struct comparison comparison = {0};
    bool equal = same(&comparison, a, b);

    inlay_free(comparison.met);
    return comparison.no_memory ? -1 : equal;
}
