/* convert_out.c - C -> Python. What comes from C is checked like any input. */
#include "py/array.h"
#include "py/convert.h"
#include "py/enumtype.h"
#include "py/handle.h"
#include "py/moment.h"

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

/*
 * Numbers without a call per element; how many of them there were. Unlike
 * PyLong_FromLongLong, PyLong_FromLong has a short way for one digit.
 */
#define ITEMS(T, make)                                                         \
    for (const T *from = at; i < count; i++) {                                 \
        PyObject *item = make(from[i]);                                        \
        if (!item)                                                             \
            break;                                                             \
        PyList_SET_ITEM(list, (Py_ssize_t)i, item);                            \
    }

static size_t quick_items(const struct inlay_type *elem,
                          const void *at,
                          PyObject *list,
                          size_t count)
{
    size_t i = 0;

    if (elem->kind == INLAY_KIND_INT && elem->size == 8) {
        ITEMS(int64_t, PyLong_FromLong)
    } else if (elem->kind == INLAY_KIND_INT && elem->size == 4) {
        ITEMS(int32_t, PyLong_FromLong)
    } else if (elem->kind == INLAY_KIND_FLOAT && elem->size == 8) {
        ITEMS(double, PyFloat_FromDouble)
    }
    return i;
}

static PyObject *items_out(OUT, size_t count)
{
    struct inlay_py_place inner = {.outer = place};
    const char *items = at;
    PyObject *list = PyList_New((Py_ssize_t)count);
    size_t i = list ? quick_items(type->elem->c, items, list, count) : 0;

    if (i > 0 && i < count)
        Py_CLEAR(list); /* one of them could not be made */
    for (; list && i < count; i++) {
        inner.index = (Py_ssize_t)i;
        PyObject *item = inlay_py_out(conversion, type->elem,
                                      items + i * type->elem->c->size, &inner);
        if (item)
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
        else
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *slice_out(OUT)
{
    const struct inlay_type *c = type->c;
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
    /* Slices that C made may go round in a circle. */
    if (Py_EnterRecursiveCall(" while a result is converted"))
        return NULL;
    PyObject *list = items_out(conversion, type, items, place, len);
    Py_LeaveRecursiveCall();
    return list;
}

static PyObject *char_out(OUT)
{
    char value = *(const char *)at;
    uint8_t byte = (uint8_t)value;

    (void)type;
    if (byte < 0x80)
        return PyUnicode_FromStringAndSize(&value, 1);
    inlay_py_fail(conversion, place, PyExc_ValueError,
                  "a char of value 0x%x is not ASCII", byte);
    return NULL;
}

static PyObject *bytes_out(OUT)
{
    const struct inlay_bytes *bytes = at;

    (void)type;
    if (bytes->len > PY_SSIZE_T_MAX || (!bytes->ptr && bytes->len)) {
        inlay_py_fail(conversion, place, PyExc_ValueError, "%zu bytes at %p",
                      bytes->len, bytes->ptr);
        return NULL;
    }
    return PyBytes_FromStringAndSize((const char *)bytes->ptr,
                                     (Py_ssize_t)bytes->len);
}

/* As C's own functions: a new reference, or NULL with an exception. */
static PyObject *object_out(OUT)
{
    PyObject *object = *(PyObject *const *)at;

    (void)type;
    if (PyErr_Occurred())
        Py_CLEAR(object);
    else if (!object)
        inlay_py_fail(conversion, place, PyExc_SystemError,
                      "NULL without an exception");
    return object;
}

void inlay_py_result_drop(const struct inlay_py_type *type, const void *at)
{
    if (type->c->kind == INLAY_KIND_OBJECT)
        Py_XDECREF(*(PyObject *const *)at);
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
        return PyLong_FromLong(inlay_int_load(at, c->size));
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
        return slice_out(conversion, type, at, place);
    case INLAY_KIND_STRUCT:
        return inlay_py_struct_out(conversion, type, at, place);
    case INLAY_KIND_ENUM:
        return inlay_py_enum_out(type, at);
    case INLAY_KIND_BYTES:
        return bytes_out(conversion, type, at, place);
    case INLAY_KIND_POINTER:
        return inlay_py_pointer_out(conversion, type, at, place);
    case INLAY_KIND_CHAR:
        return char_out(conversion, type, at, place);
    case INLAY_KIND_CHARS:
        return text_out(conversion, type, at, place,
                        inlay_str_make(at, strnlen(at, c->size)));
    case INLAY_KIND_ARRAY:
        return items_out(conversion, type, at, place, c->count);
    case INLAY_KIND_OWNED:
        return inlay_py_array_out(conversion, type, at, place);
    case INLAY_KIND_HANDLE:
        return inlay_py_handle_out(conversion, type, at, place);
    case INLAY_KIND_OBJECT:
        return object_out(conversion, type, at, place);
    case INLAY_KIND_CALLBACK:
        /* Only as a default, which is NULL. */
        return Py_NewRef(Py_None);
    case INLAY_KIND_DATE:
    case INLAY_KIND_DATETIME:
    case INLAY_KIND_UUID:
        return inlay_py_moment_out(conversion, type, at, place);
    case INLAY_KIND_UPLOAD:
        inlay_py_fail(conversion, place, PyExc_TypeError,
                      "an inlay_upload has no Python form");
        return NULL;
        PyErr_SetString(PyExc_TypeError,
                        "an inlay_upload belongs to a route's request: Python "
                        "has no form of it");
        return NULL;
    case INLAY_KIND_USERDATA:
    case INLAY_KIND_ARROW_ARRAY:
    case INLAY_KIND_ARROW_SCHEMA:
    case INLAY_KIND_INJECTED:
    case INLAY_KIND_UNSUPPORTED:
        break;
    }
    PyErr_SetString(PyExc_SystemError, "a type without a Python form");
    return NULL;
}
