/* convert_out.c - C -> Python. What comes from C is checked like any input. */
#include "py/convert.h"
#include "py/structtype.h"

#include "base/banned.h"

#define OUT                                                                    \
    const struct inlay_py_conversion *conversion,                              \
        const struct inlay_py_type *type, const void *at,                      \
        const struct inlay_py_place *place

static PyObject *text_out(OUT, struct inlay_str text)
{
    (void)type;
    (void)at;
    if (text.len > PY_SSIZE_T_MAX || (!text.ptr && text.len)) {
        inlay_py_fail(conversion, place, PyExc_ValueError,
                      "text of %zu bytes at %p", text.len, text.ptr);
        return NULL;
    }
    PyObject *result = PyUnicode_DecodeUTF8(text.ptr ? text.ptr : "",
                                            (Py_ssize_t)text.len, "strict");
    if (!result && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        _cleanup_decref_ PyObject *error = inlay_py_exception_take();
        inlay_py_fail(conversion, place, PyExc_ValueError, "not UTF-8: %S",
                      error);
    }
    return result;
}

static PyObject *cstr_out(OUT)
{
    const char *text = *(const char *const *)at;

    if (!text)
        return Py_NewRef(Py_None);
    return text_out(conversion, type, at, place, inlay_str_from(text));
}

static PyObject *slice_out(OUT)
{
    const struct inlay_type *c = type->c;
    struct inlay_py_place inner = {.outer = place};
    const char *items;
    size_t len;

    memcpy(&items, (const char *)at + c->ptr_offset, sizeof(items));
    memcpy(&len, (const char *)at + c->len_offset, sizeof(len));
    size_t most = PY_SSIZE_T_MAX / inlay_max(c->elem->size, 1u);
    if (len > most || (!items && len)) {
        inlay_py_fail(conversion, place, PyExc_ValueError,
                      "a slice of %zu elements at %p", len, items);
        return NULL;
    }
    PyObject *list = PyList_New((Py_ssize_t)len);
    for (size_t i = 0; list && i < len; i++) {
        inner.index = (Py_ssize_t)i;
        PyObject *item = inlay_py_out(conversion, type->elem,
                                      items + i * c->elem->size, &inner);
        if (item)
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
        else
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *struct_out(OUT)
{
    const struct inlay_py_record *record = type->record;
    struct inlay_py_place inner = {.outer = place};
    struct inlay_py_struct *self = inlay_py_struct_alloc(record);

    for (size_t i = 0; self && i < record->nfields; i++) {
        inner.name = record->names[i];
        self->values[i] =
            inlay_py_out(conversion, record->types[i],
                         (const char *)at + type->c->fields[i].offset, &inner);
        if (!self->values[i])
            Py_CLEAR(self);
    }
    return (PyObject *)self;
}

static PyObject *nested_out(OUT)
{
    PyObject *result;

    /* Slices that C made may go round in a circle. */
    if (Py_EnterRecursiveCall(" while a result is converted"))
        return NULL;
    if (type->c->kind == INLAY_KIND_SLICE)
        result = slice_out(conversion, type, at, place);
    else
        result = struct_out(conversion, type, at, place);
    Py_LeaveRecursiveCall();
    return result;
}

PyObject *inlay_py_out(OUT)
{
    const struct inlay_type *c = type->c;

    switch (c->kind) {
    case INLAY_KIND_VOID:
        return Py_NewRef(Py_None);
    case INLAY_KIND_BOOL:
        return PyBool_FromLong(*(const uint8_t *)at != 0);
    case INLAY_KIND_INT:
        return PyLong_FromLongLong(inlay_int_load(at, c->size));
    case INLAY_KIND_UINT:
        return PyLong_FromUnsignedLongLong(inlay_uint_load(at, c->size));
    case INLAY_KIND_FLOAT:
        return PyFloat_FromDouble(c->size == 8 ? *(const double *)at
                                               : (double)*(const float *)at);
    case INLAY_KIND_CSTR:
        return cstr_out(conversion, type, at, place);
    case INLAY_KIND_STR:
        return text_out(conversion, type, at, place,
                        *(const struct inlay_str *)at);
    case INLAY_KIND_OPTIONAL:
        if (!*((const uint8_t *)at + c->has_offset))
            return Py_NewRef(Py_None);
        return inlay_py_out(conversion, type->elem,
                            (const char *)at + c->value_offset, place);
    case INLAY_KIND_SLICE:
    case INLAY_KIND_STRUCT:
        return nested_out(conversion, type, at, place);
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
    PyErr_SetString(PyExc_SystemError, "a type without a Python form");
    return NULL;
}
