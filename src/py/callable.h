/*
 * callable.h - inlay.Function: a C function as Python calls it. An own type
 * with vectorcall, because a built-in function can't carry annotations and
 * FastAPI needs them. Hold the GIL.
 */
#ifndef INLAY_PY_CALLABLE_H
#define INLAY_PY_CALLABLE_H

#include "py/py.h"

#include "py/binding.h"

struct inlay_py_param {
    PyObject *name; /* interned */
    const struct inlay_py_type *type;
    const void *fallback; /* NULL: must be given */
    size_t offset;        /* of its value in the room of a call */
};

struct inlay_py_function {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    void *entry; /* callable->func->entry */
    const struct inlay_callable *callable;
    struct inlay_py_module *module;
    struct inlay_py_param *params;
    PyObject **names; /* the params' */
    size_t nparams;
    size_t nrequired; /* without a fallback */
    const struct inlay_py_type *result;
    /*
     * The room of a call by the table: PyObject *given[nparams], void
     * *values[nparams], the values, the result; in bytes.
     */
    size_t room, result_offset;
    PyObject *name, *doc;
    PyObject *annotations; /* dict; NULL until asked for */
    PyObject *signature;   /* inspect.Signature; NULL until asked for */
    PyObject *dict, *weakrefs;
};

/* A new inlay.Function; the callable has a plan. */
PyObject *inlay_py_function_create(struct inlay_py_module *module,
                                   const struct inlay_callable *callable);

/* args.c - any arguments, by the table of the function's types. */
PyObject *inlay_py_call(PyObject *callable,
                        PyObject *const *args,
                        size_t nargsf,
                        PyObject *kwnames);

/*
 * exact.c - the handler compiled for just these types, or NULL. Whatever it
 * does not expect (keywords, large ints) it hands to inlay_py_call.
 */
vectorcallfunc inlay_py_exact_find(const struct inlay_func *func);

/* signature.c - all return a new reference, or NULL with an exception. */
PyObject *inlay_py_annotations(const struct inlay_py_function *self);
PyObject *inlay_py_signature(struct inlay_py_function *self);
PyObject *inlay_py_text_signature(struct inlay_py_function *self);
PyObject *inlay_py_function_repr(PyObject *self);

#endif
