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

static PyObject *type_text(const struct inlay_py_type *type)
{
    if (type->c->kind == INLAY_KIND_SLICE) {
        _cleanup_decref_ PyObject *elem = type_text(type->elem);
        return elem ? PyUnicode_FromFormat("list[%U]", elem) : NULL;
    }
    if (type->c->kind == INLAY_KIND_OPTIONAL) {
        _cleanup_decref_ PyObject *elem = type_text(type->elem);
        return elem ? PyUnicode_FromFormat("%U | None", elem) : NULL;
    }
    if (type->c->kind == INLAY_KIND_CSTR)
        return PyUnicode_FromString("str | None");
    _cleanup_decref_ PyObject *annotation = inlay_py_type_annotation(type);
    return annotation ? PyObject_GetAttrString(annotation, "__name__") : NULL;
}

int inlay_py_mismatch(const struct inlay_py_conversion *conversion,
                      const struct inlay_py_type *type,
                      PyObject *value,
                      const struct inlay_py_place *place)
{
    _cleanup_decref_ PyObject *expected = type_text(type);

    if (!expected)
        return -1;
    if (value == Py_None)
        return inlay_py_fail(conversion, place, PyExc_TypeError,
                             "expected %U, got None", expected);
    return inlay_py_fail(conversion, place, PyExc_TypeError,
                         "expected %U, got %.100s", expected,
                         Py_TYPE(value)->tp_name);
}
