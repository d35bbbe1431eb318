/* names.c - wrong arguments, in CPython's own words. */
#include "py/names.h"

#include "base/banned.h"

/* ['a', 'b', 'c'] -> "'a', 'b', and 'c'" */
static PyObject *enumerate(PyObject *names)
{
    Py_ssize_t count = PyList_GET_SIZE(names);
    PyObject *text = PyUnicode_FromFormat("%R", PyList_GET_ITEM(names, 0));

    for (Py_ssize_t i = 1; text && i < count; i++) {
        const char *between = i + 1 < count ? ", " : " and ";

        if (i + 1 == count && count > 2)
            between = ", and ";
        Py_SETREF(text, PyUnicode_FromFormat("%U%s%R", text, between,
                                             PyList_GET_ITEM(names, i)));
    }
    return text;
}

int inlay_py_names_missing(PyObject *function, PyObject *missing)
{
    _cleanup_decref_ PyObject *text = enumerate(missing);
    Py_ssize_t count = PyList_GET_SIZE(missing);

    if (text)
        PyErr_Format(PyExc_TypeError,
                     "%U() missing %zd required positional argument%s: %U",
                     function, count, count == 1 ? "" : "s", text);
    return -1;
}

int inlay_py_names_too_many(PyObject *function,
                            size_t least,
                            size_t most,
                            size_t given)
{
    const char *were = given == 1 ? "was" : "were";

    if (least == most)
        PyErr_Format(PyExc_TypeError,
                     "%U() takes %zu positional argument%s but %zu %s given",
                     function, most, most == 1 ? "" : "s", given, were);
    else
        PyErr_Format(PyExc_TypeError,
                     "%U() takes from %zu to %zu positional arguments but "
                     "%zu %s given",
                     function, least, most, given, were);
    return -1;
}

int inlay_py_names_unexpected(PyObject *function, PyObject *name)
{
    PyErr_Format(PyExc_TypeError,
                 "%U() got an unexpected keyword argument '%S'", function,
                 name);
    return -1;
}

int inlay_py_names_repeated(PyObject *function, PyObject *name)
{
    PyErr_Format(PyExc_TypeError, "%U() got multiple values for argument '%S'",
                 function, name);
    return -1;
}

Py_ssize_t inlay_py_names_find(PyObject *const *names,
                               size_t count,
                               PyObject *name)
{
    for (size_t i = 0; i < count; i++)
        if (names[i] == name)
            return (Py_ssize_t)i;
    for (size_t i = 0; i < count; i++) {
        int order = PyUnicode_Compare(names[i], name);

        if (order == 0)
            return (Py_ssize_t)i;
        if (order == -1 && PyErr_Occurred())
            return -1;
    }
    return (Py_ssize_t)count;
}
