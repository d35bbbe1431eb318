/*
 * structinit.h - user(1, name="a"): arguments into the fields of a struct,
 * in three steps. Errors as a Python function's: -1 with TypeError for a
 * missing, unexpected or repeated one.
 */
#ifndef INLAY_PY_STRUCTINIT_H
#define INLAY_PY_STRUCTINIT_H

#include "py/structtype.h"

/* The first of `given` arguments, as many as there are fields. */
void inlay_py_struct_positional(struct inlay_py_struct *self,
                                PyObject *const *args,
                                size_t given);

/* One keyword, after `positional` other arguments. */
int inlay_py_struct_keyword(struct inlay_py_struct *self,
                            size_t positional,
                            PyObject *key,
                            PyObject *value);

/* Fields that may be absent become None; all others must be there. */
int inlay_py_struct_complete(struct inlay_py_struct *self, size_t given);

#endif
