/*
 * names.h - wrong arguments, in CPython's own words. Each sets TypeError and
 * returns -1. Shared by functions and struct classes.
 */
#ifndef INLAY_PY_NAMES_H
#define INLAY_PY_NAMES_H

#include "py/py.h"

/* f() missing 2 required positional arguments: 'a' and 'b' */
int inlay_py_names_missing(PyObject *function, PyObject *missing);

/* f() takes from 1 to 2 positional arguments but 3 were given */
int inlay_py_names_too_many(PyObject *function,
                            size_t least,
                            size_t most,
                            size_t given);

/* f() got an unexpected keyword argument 'x' */
int inlay_py_names_unexpected(PyObject *function, PyObject *name);

/* f() got multiple values for argument 'x' */
int inlay_py_names_repeated(PyObject *function, PyObject *name);

/*
 * The place of a keyword among `count` interned names, `count` when it is
 * none of them; -1 with an exception.
 */
Py_ssize_t inlay_py_names_find(PyObject *const *names,
                               size_t count,
                               PyObject *name);

#endif
