/*
 * py.h - Python.h, with the differences between CPython 3.10 and 3.13 in one
 * place. The first include of every file of this folder, so that no other one
 * names a Python version.
 */
#ifndef INLAY_PY_PY_H
#define INLAY_PY_PY_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

#if PY_VERSION_HEX < 0x030c0000
#include <structmember.h>
#define Py_T_PYSSIZET T_PYSSIZET
#define Py_T_ULONG T_ULONG
#define Py_T_BOOL T_BOOL
#define Py_T_OBJECT_EX T_OBJECT_EX
#define Py_READONLY READONLY
#endif
#if PY_VERSION_HEX < 0x030b0000
#include <longintrepr.h>
#endif

/*
 * Is `object` exactly an int that fits one digit? Then its value is read
 * without a call. False says nothing: ask PyLong_AsLongLong.
 */
static inline bool inlay_py_small_int(PyObject *object, int64_t *ret)
{
    if (!PyLong_CheckExact(object))
        return false;
#if PY_VERSION_HEX >= 0x030c0000
    if (!PyUnstable_Long_IsCompact((PyLongObject *)object))
        return false;
    *ret = PyUnstable_Long_CompactValue((PyLongObject *)object);
    return true;
#else
    Py_ssize_t size = Py_SIZE(object);

    if (size == 1)
        *ret = (int64_t)((PyLongObject *)object)->ob_digit[0];
    else if (size == 0)
        *ret = 0;
    else if (size == -1)
        *ret = -(int64_t)((PyLongObject *)object)->ob_digit[0];
    else
        return false;
    return true;
#endif
}

/*
 * Does this thread hold the GIL? (With subinterpreters in the process,
 * PyGILState_Check says yes to everyone.)
 */
static inline bool inlay_py_has_gil(void)
{
#if PY_VERSION_HEX >= 0x030d0000
    return PyThreadState_GetUnchecked() != NULL;
#elif PY_VERSION_HEX >= 0x030c0000
    return _PyThreadState_UncheckedGet() != NULL;
#else
    PyThreadState *holder = _PyThreadState_UncheckedGet();

    return holder && holder == PyGILState_GetThisThreadState();
#endif
}

/* The pending exception, taken; and given back (which steals it). */
static inline PyObject *inlay_py_exception_take(void)
{
#if PY_VERSION_HEX >= 0x030c0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *trace;

    PyErr_Fetch(&type, &value, &trace);
    if (!type)
        return NULL;
    PyErr_NormalizeException(&type, &value, &trace);
    if (trace)
        PyException_SetTraceback(value, trace);
    Py_XDECREF(trace);
    Py_DECREF(type);
    return value;
#endif
}

static inline void inlay_py_exception_restore(PyObject *exception)
{
#if PY_VERSION_HEX >= 0x030c0000
    PyErr_SetRaisedException(exception);
#else
    if (exception)
        PyErr_Restore(Py_NewRef(Py_TYPE(exception)), exception,
                      PyException_GetTraceback(exception));
    else
        PyErr_Clear();
#endif
}

/*
 * A value of a dict by a key that hashes (a new reference), NULL without an
 * exception when there is none.
 */
static inline PyObject *inlay_py_dict_get(PyObject *dict, PyObject *key)
{
    return Py_XNewRef(PyDict_GetItemWithError(dict, key));
}

/* Module slots that only newer versions know. */
#ifdef Py_mod_multiple_interpreters
#define INLAY_PY_SLOTS                                                         \
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#else
#define INLAY_PY_SLOTS
#endif

static inline void inlay_py_cleanup_decref(PyObject **object)
{
    Py_XDECREF(*object);
}
#define _cleanup_decref_ __attribute__((cleanup(inlay_py_cleanup_decref)))

#endif
