/* binding.c - the waist's types -> what conversions walk along. */
#include "py/binding.h"

#include "py/errors.h"
#include "py/structtype.h"

#include "base/banned.h"

/* A struct may hold slices of itself: two of them are compared this deep. */
#define SAME_DEPTH 6

void *inlay_py_module_alloc(struct inlay_py_module *module,
                            size_t count,
                            size_t size)
{
    void *ptr =
        inlay_arena_zalloc_array(&module->arena, count ? count : 1, size);

    if (!ptr)
        PyErr_NoMemory();
    return ptr;
}

PyObject *inlay_py_identifier(struct inlay_py_state *state,
                              struct inlay_str name,
                              size_t position)
{
    PyObject *text;

    if (name.len)
        text = inlay_py_text(name);
    else
        text = PyUnicode_FromFormat("arg%zu", position + 1);
    /* "outer.part", of a struct without a name of its own. */
    if (text && name.len && memchr(name.ptr, '.', name.len))
        Py_SETREF(text, PyObject_CallMethod(text, "replace", "ss", ".", "_"));
    if (!text)
        return NULL;
    int keyword = PySet_Contains(state->keywords, text);
    if (keyword > 0)
        Py_SETREF(text, PyUnicode_FromFormat("%U_", text));
    if (keyword < 0)
        Py_CLEAR(text);
    if (text)
        PyUnicode_InternInPlace(&text);
    return text;
}

static bool same_type(const struct inlay_type *a,
                      const struct inlay_type *b,
                      int depth);

static bool same_fields(const struct inlay_type *a,
                        const struct inlay_type *b,
                        int depth)
{
    if (a->nfields != b->nfields)
        return false;
    for (size_t i = 0; i < a->nfields; i++) {
        const struct inlay_field *x = &a->fields[i], *y = &b->fields[i];

        if (!inlay_str_equal(x->name, y->name) || x->offset != y->offset ||
            !same_type(x->type, y->type, depth))
            return false;
    }
    return true;
}

/*
 * Each compilation unit describes a type anew: one declaration (tag, size,
 * fields) has one class.
 */
static bool same_type(const struct inlay_type *a,
                      const struct inlay_type *b,
                      int depth)
{
    if (a == b)
        return true;
    if (a->kind != b->kind || a->size != b->size ||
        !inlay_str_equal(a->name, b->name))
        return false;
    if (depth == SAME_DEPTH)
        return true;
    if (a->kind == INLAY_KIND_STRUCT)
        return same_fields(a, b, depth + 1);
    if (a->kind == INLAY_KIND_SLICE)
        return a->ptr_offset == b->ptr_offset &&
               same_type(a->elem, b->elem, depth + 1);
    if (a->kind == INLAY_KIND_OPTIONAL)
        return a->value_offset == b->value_offset &&
               same_type(a->elem, b->elem, depth + 1);
    return true;
}

static int bind_record(struct inlay_py_module *module,
                       struct inlay_py_type *type)
{
    const struct inlay_type *c = type->c;

    for (struct inlay_py_record *it = module->records; it; it = it->next)
        if (same_type(it->c, c, 0)) {
            type->record = it;
            return 0;
        }
    struct inlay_py_record *record =
        inlay_py_module_alloc(module, 1, sizeof(*record));
    if (!record)
        return -1;
    record->c = c;
    record->nfields = c->nfields;
    record->names =
        inlay_py_module_alloc(module, c->nfields, sizeof(*record->names));
    record->types =
        inlay_py_module_alloc(module, c->nfields, sizeof(*record->types));
    if (!record->names || !record->types)
        return -1;
    /* Known before its fields are: a slice in it may be of itself. */
    record->next = module->records;
    module->records = record;
    type->record = record;
    for (size_t i = 0; i < c->nfields; i++) {
        record->names[i] =
            inlay_py_identifier(module->state, c->fields[i].name, i);
        record->types[i] = inlay_py_type_bind(module, c->fields[i].type);
        if (!record->names[i] || !record->types[i])
            return -1;
    }
    return inlay_py_struct_create(module, record);
}

const struct inlay_py_type *inlay_py_type_bind(struct inlay_py_module *module,
                                               const struct inlay_type *type)
{
    struct inlay_py_type *bound;

    for (bound = module->types; bound; bound = bound->next)
        if (bound->c == type)
            return bound;
    bound = inlay_py_module_alloc(module, 1, sizeof(*bound));
    if (!bound)
        return NULL;
    bound->c = type;
    bound->next = module->types;
    module->types = bound;
    if (type->kind == INLAY_KIND_SLICE || type->kind == INLAY_KIND_OPTIONAL) {
        bound->elem = inlay_py_type_bind(module, type->elem);
        if (!bound->elem)
            return NULL;
    } else if (type->kind == INLAY_KIND_STRUCT) {
        if (bind_record(module, bound) < 0)
            return NULL;
    }
    return bound;
}

static PyObject *or_none(PyObject *type)
{
    PyObject *result = type ? PyNumber_Or(type, Py_None) : NULL;

    Py_XDECREF(type);
    return result;
}

static PyObject *list_of(PyObject *type)
{
    PyObject *result =
        type ? PyObject_GetItem((PyObject *)&PyList_Type, type) : NULL;

    Py_XDECREF(type);
    return result;
}

PyObject *inlay_py_type_annotation(const struct inlay_py_type *type)
{
    switch (type->c->kind) {
    case INLAY_KIND_VOID:
        return Py_NewRef(Py_None);
    case INLAY_KIND_BOOL:
        return Py_NewRef((PyObject *)&PyBool_Type);
    case INLAY_KIND_INT:
    case INLAY_KIND_UINT:
        return Py_NewRef((PyObject *)&PyLong_Type);
    case INLAY_KIND_FLOAT:
        return Py_NewRef((PyObject *)&PyFloat_Type);
    case INLAY_KIND_STR:
        return Py_NewRef((PyObject *)&PyUnicode_Type);
    case INLAY_KIND_CSTR:
        return or_none(Py_NewRef((PyObject *)&PyUnicode_Type));
    case INLAY_KIND_SLICE:
        return list_of(inlay_py_type_annotation(type->elem));
    case INLAY_KIND_OPTIONAL:
        return or_none(inlay_py_type_annotation(type->elem));
    case INLAY_KIND_STRUCT:
        return Py_NewRef((PyObject *)type->record->type);
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
        break;
    }
    return Py_NewRef((PyObject *)&PyBaseObject_Type);
}
