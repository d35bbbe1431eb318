/* place.c - "f(): parameter 'u'.tags[3]: …": conversion errors. */
#include "py/convert.h"

#include "base/banned.h"

static PyObject *describe(const struct inlay_py_place *place)
{
    if (!place->outer)
        return place->name ? PyUnicode_FromFormat("parameter %R", place->name)
                           : PyUnicode_FromString("result");
    _cleanup_decref_ PyObject *outer = describe(place->outer);
    if (!outer)
        return NULL;
    if (place->name)
        return PyUnicode_FromFormat("%U.%U", outer, place->name);
    return PyUnicode_FromFormat("%U[%zd]", outer, place->index);
}

int inlay_py_fail(const struct inlay_py_conversion *conversion,
                  const struct inlay_py_place *place,
                  PyObject *exception,
                  const char *format,
                  ...)
{
    va_list args;

    va_start(args, format);
    _cleanup_decref_ PyObject *text = PyUnicode_FromFormatV(format, args);
    va_end(args);
    _cleanup_decref_ PyObject *where = place ? describe(place) : NULL;
    if (text && where)
        PyErr_Format(exception, "%U(): %U: %U", conversion->function, where,
                     text);
    else if (text && !place)
        PyErr_SetObject(exception, text);
    return -1;
}

/* A slice may be of itself: its text is cut here. */
#define DEPTH_MOST 16

static PyObject *type_text(const struct inlay_py_type *type, int depth)
{
    enum inlay_kind kind = type->c->kind;
    bool list = kind == INLAY_KIND_SLICE || kind == INLAY_KIND_ARRAY;
    bool pointer = kind == INLAY_KIND_POINTER;

    if (depth == DEPTH_MOST)
        return PyUnicode_FromString("...");
    if (list || pointer || kind == INLAY_KIND_OPTIONAL) {
        _cleanup_decref_ PyObject *elem = type_text(type->elem, depth + 1);
        if (!elem || (pointer && type->required))
            return Py_XNewRef(elem);
        return PyUnicode_FromFormat(list ? "list[%U]" : "%U | None", elem);
    }
    if (kind == INLAY_KIND_CSTR)
        return PyUnicode_FromString("str | None");
    _cleanup_decref_ PyObject *annotation = inlay_py_type_annotation(type);
    return annotation ? PyObject_GetAttrString(annotation, "__name__") : NULL;
}

int inlay_py_mismatch(const struct inlay_py_conversion *conversion,
                      const struct inlay_py_type *type,
                      PyObject *value,
                      const struct inlay_py_place *place)
{
    _cleanup_decref_ PyObject *expected = type_text(type, 0);

    if (!expected)
        return -1;
    if (value == Py_None)
        return inlay_py_fail(conversion, place, PyExc_TypeError,
                             "expected %U, got None", expected);
    return inlay_py_fail(conversion, place, PyExc_TypeError,
                         "expected %U, got %.100s", expected,
                         Py_TYPE(value)->tp_name);
}
