/*
 * by_hand.c - what a programmer would write by hand: METH_FASTCALL functions
 * with the checks that CPython's own converters make.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>

static int check_count(const char *name, Py_ssize_t given, Py_ssize_t want)
{
    if (given == want)
        return 0;
    PyErr_Format(PyExc_TypeError, "%s() takes %zd arguments (%zd given)", name,
                 want, given);
    return -1;
}

static int two_ints(const char *name,
                    PyObject *const *args,
                    Py_ssize_t nargs,
                    long long *a,
                    long long *b)
{
    if (check_count(name, nargs, 2) < 0)
        return -1;
    *a = PyLong_AsLongLong(args[0]);
    if (*a == -1 && PyErr_Occurred())
        return -1;
    *b = PyLong_AsLongLong(args[1]);
    if (*b == -1 && PyErr_Occurred())
        return -1;
    return 0;
}

static long long sum(long long a, long long b)
{
    return (long long)((unsigned long long)a + (unsigned long long)b);
}

static PyObject *add(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    long long a, b;

    (void)self;
    if (two_ints("add", args, nargs, &a, &b) < 0)
        return NULL;
    return PyLong_FromLongLong(sum(a, b));
}

static PyObject *add_unlocked(PyObject *self,
                              PyObject *const *args,
                              Py_ssize_t nargs)
{
    long long a, b, result;

    (void)self;
    if (two_ints("add_unlocked", args, nargs, &a, &b) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS result = sum(a, b);
    Py_END_ALLOW_THREADS return PyLong_FromLongLong(result);
}

static PyObject *multiply(PyObject *self,
                          PyObject *const *args,
                          Py_ssize_t nargs)
{
    (void)self;
    if (check_count("multiply", nargs, 2) < 0)
        return NULL;
    double a = PyFloat_AsDouble(args[0]);
    if (a == -1.0 && PyErr_Occurred())
        return NULL;
    double b = PyFloat_AsDouble(args[1]);
    if (b == -1.0 && PyErr_Occurred())
        return NULL;
    return PyFloat_FromDouble(a * b);
}

static PyObject *text_length(PyObject *self,
                             PyObject *const *args,
                             Py_ssize_t nargs)
{
    Py_ssize_t len;

    (void)self;
    if (check_count("text_length", nargs, 1) < 0)
        return NULL;
    const char *text = PyUnicode_AsUTF8AndSize(args[0], &len);
    return text ? PyLong_FromLongLong(len) : NULL;
}

static PyObject *echo_text(PyObject *self,
                           PyObject *const *args,
                           Py_ssize_t nargs)
{
    Py_ssize_t len;

    (void)self;
    if (check_count("echo_text", nargs, 1) < 0)
        return NULL;
    const char *text = PyUnicode_AsUTF8AndSize(args[0], &len);
    return text ? PyUnicode_FromStringAndSize(text, len) : NULL;
}

/* A list as an array of its numbers, from malloc; NULL with an exception. */
#define LIST_READER(name, T, as)                                               \
    static T *name(PyObject *list)                                             \
    {                                                                          \
        if (!PyList_Check(list)) {                                             \
            PyErr_SetString(PyExc_TypeError, "expected a list");               \
            return NULL;                                                       \
        }                                                                      \
        Py_ssize_t count = PyList_GET_SIZE(list);                              \
        T *values = PyMem_Malloc((size_t)count * sizeof(*values));             \
                                                                               \
        if (!values)                                                           \
            PyErr_NoMemory();                                                  \
        for (Py_ssize_t i = 0; values && i < count; i++) {                     \
            values[i] = as(PyList_GET_ITEM(list, i));                          \
            if (values[i] == -1 && PyErr_Occurred()) {                         \
                PyMem_Free(values);                                            \
                return NULL;                                                   \
            }                                                                  \
        }                                                                      \
        return values;                                                         \
    }

LIST_READER(read_ints, long long, PyLong_AsLongLong)
LIST_READER(read_reals, double, PyFloat_AsDouble)

static PyObject *echo_ints(PyObject *self,
                           PyObject *const *args,
                           Py_ssize_t nargs)
{
    (void)self;
    if (check_count("echo_ints", nargs, 1) < 0)
        return NULL;
    long long *values = read_ints(args[0]);
    if (!values)
        return NULL;
    Py_ssize_t count = PyList_GET_SIZE(args[0]);
    PyObject *list = PyList_New(count);
    for (Py_ssize_t i = 0; list && i < count; i++) {
        PyObject *item = PyLong_FromLongLong(values[i]);
        if (item)
            PyList_SET_ITEM(list, i, item);
        else
            Py_CLEAR(list);
    }
    PyMem_Free(values);
    return list;
}

/* Of a list or of a buffer of doubles. */
static PyObject *count_reals(PyObject *self,
                             PyObject *const *args,
                             Py_ssize_t nargs)
{
    Py_buffer view;

    (void)self;
    if (check_count("count_reals", nargs, 1) < 0)
        return NULL;
    if (PyList_Check(args[0])) {
        double *values = read_reals(args[0]);
        if (!values)
            return NULL;
        PyMem_Free(values);
        return PyLong_FromSsize_t(PyList_GET_SIZE(args[0]));
    }
    if (PyObject_GetBuffer(args[0], &view, PyBUF_FORMAT | PyBUF_ND) < 0)
        return NULL;
    if (view.ndim != 1 || strcmp(view.format, "d") != 0) {
        PyBuffer_Release(&view);
        PyErr_SetString(PyExc_TypeError, "expected doubles");
        return NULL;
    }
    Py_ssize_t count = view.shape[0];
    PyBuffer_Release(&view);
    return PyLong_FromSsize_t(count);
}

#define METHOD(name)                                                           \
    {                                                                          \
#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, NULL          \
    }

static PyMethodDef methods[] = {
    METHOD(add),         METHOD(add_unlocked),  METHOD(multiply),
    METHOD(text_length), METHOD(echo_text),     METHOD(echo_ints),
    METHOD(count_reals), {NULL, NULL, 0, NULL},
};

static struct PyModuleDef def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "by_hand",
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit_by_hand(void);

PyMODINIT_FUNC PyInit_by_hand(void)
{
    return PyModule_Create(&def);
}
