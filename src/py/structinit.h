/* structinit.h - user(1, name="a"): arguments into the fields of a struct. */
#ifndef INLAY_PY_STRUCTINIT_H
#define INLAY_PY_STRUCTINIT_H

#include "py/structtype.h"

/*
 * Errors as a Python function's: TypeError for a missing, unexpected or
 * repeated one. Optional fields that are absent become None.
 */
int inlay_py_struct_fill(struct inlay_py_struct *self,
                         PyObject *args,
                         PyObject *kwargs);

#endif
