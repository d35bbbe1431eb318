/*
 * struct_out.c - C -> Python: structs by value and behind pointers, and the
 * way back of those that C may change.
 */
#include "py/convert.h"
#include "py/structimage.h"

#include "base/banned.h"

#define OUT                                                                    \
    const struct inlay_py_conversion *conversion,                              \
        const struct inlay_py_type *type, const void *at,                      \
        const struct inlay_py_place *place

/* The commonest ones at once. */
static inline PyObject *field_out(OUT)
{
    const struct inlay_type *c = type->c;

    if (c->kind == INLAY_KIND_FLOAT && c->size == 8)
        return PyFloat_FromDouble(*(const double *)at);
    if (c->kind == INLAY_KIND_INT)
        return PyLong_FromLong(inlay_int_load(at, c->size));
    return inlay_py_out(conversion, type, at, place);
}

static struct inlay_py_struct *fields_out(OUT)
{
    const struct inlay_py_record *record = type->record;
    const struct inlay_field *fields = type->c->fields;
    struct inlay_py_place inner = {.outer = place};
    struct inlay_py_struct *self = inlay_py_struct_alloc(record);

    for (size_t i = 0; self && i < record->nfields; i++) {
        inner.name = record->names[i];
        self->values[i] =
            field_out(conversion, record->types[i],
                      (const char *)at + fields[i].offset, &inner);
        if (!self->values[i])
            Py_CLEAR(self);
    }
    return self;
}

PyObject *inlay_py_struct_out(OUT)
{
    struct inlay_py_struct *self;

    if (type->record->image)
        return inlay_py_image_out(conversion, type, at, place, NULL);
    if (type->record->flat)
        return (PyObject *)fields_out(conversion, type, at, place);
    /* What C made may go round in a circle. */
    if (Py_EnterRecursiveCall(" while a result is converted"))
        return NULL;
    self = fields_out(conversion, type, at, place);
    Py_LeaveRecursiveCall();
    return (PyObject *)self;
}

static struct inlay_py_lent *find_lent(
    const struct inlay_py_conversion *conversion,
    const void *at,
    const struct inlay_py_record *record)
{
    struct inlay_py_lent *lent =
        conversion->frame ? conversion->frame->lent : NULL;

    while (lent && (lent->at != at || lent->type->record->type != record->type))
        lent = lent->next;
    return lent;
}

PyObject *inlay_py_pointer_out(OUT)
{
    const void *to = *(const void *const *)at;

    if (!to)
        return Py_NewRef(Py_None);
    struct inlay_py_lent *lent = find_lent(conversion, to, type->elem->record);
    if (lent)
        return Py_NewRef(lent->instance);
    return inlay_py_struct_out(conversion, type->elem, to, place);
}

/*
 * Does a value lead to memory that C may have changed, though its own bytes
 * are as they were?
 */
static bool leads_on(const struct inlay_py_type *type)
{
    switch (type->c->kind) {
    case INLAY_KIND_STRUCT:
    case INLAY_KIND_POINTER:
        return true;
    case INLAY_KIND_SLICE:
        return !type->c->elem_const;
    case INLAY_KIND_OPTIONAL:
    case INLAY_KIND_ARRAY:
        return leads_on(type->elem);
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
    case INLAY_KIND_UPLOAD:
    case INLAY_KIND_OWNED:
    case INLAY_KIND_CHARS:
    case INLAY_KIND_HANDLE:
    case INLAY_KIND_OBJECT:
    case INLAY_KIND_CALLBACK:
    case INLAY_KIND_USERDATA:
    case INLAY_KIND_ARROW_ARRAY:
    case INLAY_KIND_ARROW_SCHEMA:
    case INLAY_KIND_INJECTED:
    case INLAY_KIND_UNSUPPORTED:
        break;
    }
    return false;
}

/* A field that C left alone keeps its value: a buffer stays that buffer. */
static bool keeps(const struct inlay_py_type *type,
                  PyObject *value,
                  const void *at,
                  const void *before)
{
    if (!value || memcmp(at, before, type->c->size) != 0)
        return false;
    if (type->c->kind == INLAY_KIND_SLICE && !PyList_Check(value))
        return true;
    return !leads_on(type);
}

/* The struct at `at` into the fields of `self`; `before` as it was. */
static int read_back(OUT, const void *before, struct inlay_py_struct *self)
{
    const struct inlay_py_record *record = type->record;
    struct inlay_py_place inner = {.outer = place};

    if (inlay_py_struct_read(self) < 0)
        return -1;
    for (size_t i = 0; i < record->nfields; i++) {
        const struct inlay_py_type *field = record->types[i];
        uint32_t offset = type->c->fields[i].offset;
        const char *from = (const char *)at + offset;
        const char *was = (const char *)before + offset;
        _cleanup_decref_ PyObject *old = Py_XNewRef(self->values[i]);

        inner.name = record->names[i];
        if (old && field->c->kind == INLAY_KIND_STRUCT &&
            inlay_py_struct_check(old, field->record)) {
            if (read_back(conversion, field, from, &inner, was,
                          (struct inlay_py_struct *)old) < 0)
                return -1;
            continue;
        }
        if (keeps(field, old, from, was))
            continue;
        PyObject *value = inlay_py_out(conversion, field, from, &inner);
        if (!value || inlay_py_struct_touch(self) < 0) {
            Py_XDECREF(value);
            return -1;
        }
        Py_XSETREF(self->values[i], value);
    }
    return 0;
}

int inlay_py_write_back(const struct inlay_py_conversion *conversion)
{
    struct inlay_py_lent *lent = conversion->frame->lent;

    for (; lent; lent = lent->next) {
        struct inlay_py_place place = {.name = lent->name};

        if (lent->changes &&
            read_back(conversion, lent->type, lent->at, &place, lent->before,
                      (struct inlay_py_struct *)lent->instance) < 0)
            return -1;
    }
    return 0;
}
