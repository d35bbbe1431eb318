/*
 * hand_fastcall.c - what a programmer would write by hand, as the measure
 * of bench_call.py: METH_FASTCALL functions with the checks that CPython's
 * own converters make.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static int check_count(const char *name, Py_ssize_t given, Py_ssize_t want)
{
    if (given == want)
        return 0;
    PyErr_Format(PyExc_TypeError, "%s() takes %zd arguments (%zd given)", name,
                 want, given);
    return -1;
}

static PyObject *add2(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    (void)self;
    if (check_count("add2", nargs, 2) < 0)
        return NULL;
    long long a = PyLong_AsLongLong(args[0]);
    if (a == -1 && PyErr_Occurred())
        return NULL;
    long long b = PyLong_AsLongLong(args[1]);
    if (b == -1 && PyErr_Occurred())
        return NULL;
    return PyLong_FromLongLong(
        (long long)((unsigned long long)a + (unsigned long long)b));
}

static PyObject *mul2(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    (void)self;
    if (check_count("mul2", nargs, 2) < 0)
        return NULL;
    double a = PyFloat_AsDouble(args[0]);
    if (a == -1.0 && PyErr_Occurred())
        return NULL;
    double b = PyFloat_AsDouble(args[1]);
    if (b == -1.0 && PyErr_Occurred())
        return NULL;
    return PyFloat_FromDouble(a * b);
}

static PyObject *length(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t len;

    (void)self;
    if (check_count("length", nargs, 1) < 0)
        return NULL;
    const char *text = PyUnicode_AsUTF8AndSize(args[0], &len);
    return text ? PyLong_FromLongLong(len) : NULL;
}

static PyObject *add2_i32(PyObject *self,
                          PyObject *const *args,
                          Py_ssize_t nargs)
{
    (void)self;
    if (check_count("add2_i32", nargs, 2) < 0)
        return NULL;
    long a = PyLong_AsLong(args[0]);
    if (a == -1 && PyErr_Occurred())
        return NULL;
    long b = PyLong_AsLong(args[1]);
    if (b == -1 && PyErr_Occurred())
        return NULL;
    if (a != (int)a || b != (int)b) {
        PyErr_SetString(PyExc_OverflowError, "does not fit int");
        return NULL;
    }
    return PyLong_FromLong((int)((unsigned)a + (unsigned)b));
}

static PyMethodDef methods[] = {
    {"add2", (PyCFunction)(void (*)(void))add2, METH_FASTCALL, NULL},
    {"mul2", (PyCFunction)(void (*)(void))mul2, METH_FASTCALL, NULL},
    {"length", (PyCFunction)(void (*)(void))length, METH_FASTCALL, NULL},
    {"add2_i32", (PyCFunction)(void (*)(void))add2_i32, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "hand_fastcall",
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit_hand_fastcall(void);

PyMODINIT_FUNC PyInit_hand_fastcall(void)
{
    return PyModule_Create(&def);
}
