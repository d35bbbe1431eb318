/* convert_in.c - Python -> C: scalars, text, bytes; the rest by kind. */
#include <math.h>

#include "py/arrow.h"
#include "py/closure.h"
#include "py/convert.h"
#include "py/enumtype.h"
#include "py/handle.h"
#include "py/moment.h"

#include "base/banned.h"

/* What all of this file's functions take. */
#define IN                                                                     \
    const struct inlay_py_conversion *conversion,                              \
        const struct inlay_py_type *type, PyObject *value, void *at,           \
        const struct inlay_py_place *place

/* A number of 5,000 digits can't even be printed: say how long it is. */
PyObject *inlay_py_int_text(PyObject *value)
{
    _cleanup_decref_ PyObject *bits =
        PyObject_CallMethod(value, "bit_length", NULL);
    size_t count = bits ? PyLong_AsSize_t(bits) : 0;

    if (!bits || (count == (size_t)-1 && PyErr_Occurred()))
        return NULL;
    if (count > 256)
        return PyUnicode_FromFormat("an int of %zu bits", count);
    return PyObject_Str(value);
}

static int int_overflow(IN)
{
    const struct inlay_type *c = type->c;
    struct inlay_str name = c->name;
    _cleanup_decref_ PyObject *text = inlay_py_int_text(value);
    _cleanup_decref_ PyObject *spelling =
        PyUnicode_DecodeUTF8(name.ptr, (Py_ssize_t)name.len, "replace");

    (void)at;
    if (!text || !spelling)
        return -1;
    if (c->kind == INLAY_KIND_UINT)
        return inlay_py_fail(conversion, place, PyExc_OverflowError,
                             "%U does not fit %U (0..%llu)", text, spelling,
                             (unsigned long long)inlay_uint_most(c->size));
    return inlay_py_fail(conversion, place, PyExc_OverflowError,
                         "%U does not fit %U (%lld..%lld)", text, spelling,
                         (long long)inlay_int_least(c->size),
                         (long long)inlay_int_most(c->size));
}

/* An int by __index__, a new reference; TypeError names the place. */
static PyObject *as_int(IN)
{
    (void)at;
    if (PyLong_Check(value))
        return Py_NewRef(value);
    if (!PyIndex_Check(value)) {
        inlay_py_mismatch(conversion, type, value, place);
        return NULL;
    }
    return PyNumber_Index(value);
}

static int store_signed(IN, int64_t number)
{
    const struct inlay_type *c = type->c;

    if (number < inlay_int_least(c->size) || number > inlay_int_most(c->size))
        return int_overflow(conversion, type, value, at, place);
    inlay_int_store(at, c->size, (uint64_t)number);
    return 0;
}

static int signed_in(IN)
{
    int64_t number;
    int overflow;

    if (inlay_likely(inlay_py_small_int(value, &number)))
        return store_signed(conversion, type, value, at, place, number);
    _cleanup_decref_ PyObject *integer =
        as_int(conversion, type, value, at, place);
    if (!integer)
        return -1;
    number = PyLong_AsLongLongAndOverflow(integer, &overflow);
    if (overflow)
        return int_overflow(conversion, type, integer, at, place);
    if (number == -1 && PyErr_Occurred())
        return -1;
    return store_signed(conversion, type, integer, at, place, number);
}

static int unsigned_in(IN)
{
    const struct inlay_type *c = type->c;
    int64_t small;

    if (inlay_likely(inlay_py_small_int(value, &small)) && small >= 0 &&
        (uint64_t)small <= inlay_uint_most(c->size)) {
        inlay_int_store(at, c->size, (uint64_t)small);
        return 0;
    }
    _cleanup_decref_ PyObject *integer =
        as_int(conversion, type, value, at, place);
    if (!integer)
        return -1;
    uint64_t number = PyLong_AsUnsignedLongLong(integer);
    if (number == UINT64_MAX && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError))
            return -1;
        PyErr_Clear();
        return int_overflow(conversion, type, integer, at, place);
    }
    if (number > inlay_uint_most(c->size))
        return int_overflow(conversion, type, integer, at, place);
    inlay_int_store(at, c->size, number);
    return 0;
}

/* A float by __float__ or __index__; text is none, as in Python. */
static int number_of(IN, double *ret)
{
    const PyNumberMethods *methods = Py_TYPE(value)->tp_as_number;

    (void)at;
    if (!methods || (!methods->nb_float && !methods->nb_index))
        return inlay_py_mismatch(conversion, type, value, place);
    *ret = PyFloat_AsDouble(value);
    if (*ret != -1.0 || !PyErr_Occurred())
        return 0;
    if (PyErr_ExceptionMatches(PyExc_OverflowError) && PyLong_Check(value)) {
        PyErr_Clear();
        _cleanup_decref_ PyObject *text = inlay_py_int_text(value);
        return text ? inlay_py_fail(conversion, place, PyExc_OverflowError,
                                    "%U does not fit double", text)
                    : -1;
    }
    return -1;
}

static int float_in(IN)
{
    double number;

    if (inlay_likely(PyFloat_CheckExact(value)))
        number = PyFloat_AS_DOUBLE(value);
    else if (number_of(conversion, type, value, at, place, &number) < 0)
        return -1;
    if (type->c->size == 8) {
        *(double *)at = number;
        return 0;
    }
    float single = (float)number;
    if (isinf(single) && !isinf(number))
        return inlay_py_fail(conversion, place, PyExc_OverflowError,
                             "%R does not fit float", value);
    *(float *)at = single;
    return 0;
}

static int bool_in(IN)
{
    if (value != Py_True && value != Py_False)
        return inlay_py_mismatch(conversion, type, value, place);
    *(uint8_t *)at = value == Py_True;
    return 0;
}

/*
 * The UTF-8 form of a str, which the str owns: it is held unless it is an
 * argument itself (the caller does that).
 */
static int utf8_of(IN, struct inlay_str *ret)
{
    Py_ssize_t len;

    (void)at;
    if (!PyUnicode_Check(value))
        return inlay_py_mismatch(conversion, type, value, place);
    const char *ptr = PyUnicode_AsUTF8AndSize(value, &len);
    if (!ptr) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
            return -1;
        PyErr_Clear();
        return inlay_py_fail(conversion, place, PyExc_ValueError,
                             "a lone surrogate has no UTF-8 form");
    }
    if (place->outer && inlay_py_frame_keep(conversion->frame, value) < 0)
        return -1;
    *ret = inlay_str_make(ptr, (size_t)len);
    return 0;
}

static int str_in(IN)
{
    return utf8_of(conversion, type, value, at, place, at);
}

static int cstr_in(IN)
{
    struct inlay_str text;

    if (value == Py_None) {
        *(const char **)at = NULL;
        return 0;
    }
    if (utf8_of(conversion, type, value, at, place, &text) < 0)
        return -1;
    if (memchr(text.ptr, '\0', text.len))
        return inlay_py_fail(conversion, place, PyExc_ValueError,
                             "a NUL character inside a const char *");
    *(const char **)at = text.ptr;
    return 0;
}

static int optional_in(IN)
{
    const struct inlay_type *c = type->c;

    memset(at, 0, c->size);
    if (value == Py_None)
        return 0;
    *((uint8_t *)at + c->has_offset) = 1;
    return inlay_py_in(conversion, type->elem, value,
                       (char *)at + c->value_offset, place);
}

/* One ASCII character. */
static int char_in(IN)
{
    if (!PyUnicode_Check(value))
        return inlay_py_mismatch(conversion, type, value, place);
    if (PyUnicode_GET_LENGTH(value) != 1 ||
        PyUnicode_READ_CHAR(value, 0) > 0x7f)
        return inlay_py_fail(conversion, place, PyExc_ValueError,
                             "expected one ASCII character, got %.100R", value);
    *(char *)at = (char)PyUnicode_READ_CHAR(value, 0);
    return 0;
}

static int chars_in(IN)
{
    struct inlay_str text;
    uint32_t size = type->c->size;

    if (utf8_of(conversion, type, value, at, place, &text) < 0)
        return -1;
    if (text.len >= size)
        return inlay_py_fail(conversion, place, PyExc_ValueError,
                             "%zu bytes of UTF-8 do not fit char[%u] with its "
                             "NUL",
                             text.len, size);
    if (memchr(text.ptr, '\0', text.len))
        return inlay_py_fail(conversion, place, PyExc_ValueError,
                             "a NUL character inside a char[%u]", size);
    memset(at, 0, size);
    memcpy(at, text.ptr, text.len);
    return 0;
}

/* Rows that do not lie one behind the other: a copy that does. */
static int scattered_in(IN)
{
    struct inlay_py_frame *frame = conversion->frame;
    Py_buffer *view = inlay_py_frame_view(frame, value, PyBUF_FULL_RO);

    (void)type;
    (void)place;
    if (!view)
        return -1;
    uint8_t *copy = inlay_py_frame_alloc(frame, (size_t)view->len);
    if (!copy || PyBuffer_ToContiguous(copy, view, view->len, 'C') < 0)
        return -1;
    *(struct inlay_bytes *)at = (struct inlay_bytes){copy, (size_t)view->len};
    return 0;
}

static int bytes_in(IN)
{
    struct inlay_bytes *bytes = at;

    if (PyBytes_CheckExact(value)) {
        if (place->outer && inlay_py_frame_keep(conversion->frame, value) < 0)
            return -1;
        bytes->ptr = (const uint8_t *)PyBytes_AS_STRING(value);
        bytes->len = (size_t)PyBytes_GET_SIZE(value);
        return 0;
    }
    if (!PyObject_CheckBuffer(value))
        return inlay_py_mismatch(conversion, type, value, place);
    Py_buffer *view =
        inlay_py_frame_view(conversion->frame, value, PyBUF_SIMPLE);
    if (view) {
        *bytes = (struct inlay_bytes){view->buf, (size_t)view->len};
        return 0;
    }
    if (PyErr_ExceptionMatches(PyExc_MemoryError) ||
        !PyErr_ExceptionMatches(PyExc_Exception))
        return -1;
    PyErr_Clear();
    return scattered_in(conversion, type, value, at, place);
}

/* Whatever can be a slice, of just as many elements. */
static int array_in(IN)
{
    const struct inlay_type *c = type->c;
    struct {
        const void *ptr;
        size_t len;
    } slice;

    if (inlay_py_slice_in(conversion, type->slice, value, &slice, place) < 0)
        return -1;
    if (slice.len != c->count)
        return inlay_py_fail(conversion, place, PyExc_ValueError,
                             "expected %u elements, got %zu", c->count,
                             slice.len);
    memcpy(at, slice.ptr, c->size);
    return 0;
}

int inlay_py_in(IN)
{
    switch (type->c->kind) {
    case INLAY_KIND_INT:
        return signed_in(conversion, type, value, at, place);
    case INLAY_KIND_UINT:
        return unsigned_in(conversion, type, value, at, place);
    case INLAY_KIND_FLOAT:
        return float_in(conversion, type, value, at, place);
    case INLAY_KIND_BOOL:
        return bool_in(conversion, type, value, at, place);
    case INLAY_KIND_STR:
        return str_in(conversion, type, value, at, place);
    case INLAY_KIND_CSTR:
        return cstr_in(conversion, type, value, at, place);
    case INLAY_KIND_SLICE:
        return inlay_py_slice_in(conversion, type, value, at, place);
    case INLAY_KIND_OPTIONAL:
        return optional_in(conversion, type, value, at, place);
    case INLAY_KIND_STRUCT:
        return inlay_py_struct_in(conversion, type, value, at, place);
    case INLAY_KIND_ENUM:
        return inlay_py_enum_in(conversion, type, value, at, place);
    case INLAY_KIND_BYTES:
        return bytes_in(conversion, type, value, at, place);
    case INLAY_KIND_POINTER:
        return inlay_py_pointer_in(conversion, type, value, at, place);
    case INLAY_KIND_CHAR:
        return char_in(conversion, type, value, at, place);
    case INLAY_KIND_CHARS:
        return chars_in(conversion, type, value, at, place);
    case INLAY_KIND_ARRAY:
        return array_in(conversion, type, value, at, place);
    case INLAY_KIND_HANDLE:
        return inlay_py_handle_in(conversion, type, value, at, place);
    case INLAY_KIND_CALLBACK:
        return inlay_py_closure_in(conversion, type, value, at, place);
    case INLAY_KIND_ARROW_ARRAY:
        return inlay_py_arrow_in(conversion, type, value, at, place);
    case INLAY_KIND_OBJECT:
        *(PyObject **)at = value;
        return 0;
    case INLAY_KIND_DATE:
    case INLAY_KIND_DATETIME:
    case INLAY_KIND_UUID:
        return inlay_py_moment_in(conversion, type, value, at, place);
    case INLAY_KIND_UPLOAD:
        return inlay_py_fail(conversion, place, PyExc_TypeError,
                             "an inlay_upload comes with the form of a "
                             "request: only a route can take one");
    case INLAY_KIND_VOID:
    case INLAY_KIND_OWNED:
    case INLAY_KIND_USERDATA:
    case INLAY_KIND_ARROW_SCHEMA:
    case INLAY_KIND_INJECTED:
    case INLAY_KIND_UNSUPPORTED:
        break;
    }
    return inlay_py_mismatch(conversion, type, value, place);
}
