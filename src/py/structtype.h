/*
 * structtype.h - struct classes: a class per C struct, made at import. Its
 * instances hold Python values; they become C when they are passed.
 */
#ifndef INLAY_PY_STRUCTTYPE_H
#define INLAY_PY_STRUCTTYPE_H

#include "py/py.h"

#include "py/binding.h"

struct inlay_py_struct {
    PyObject_HEAD
    const struct inlay_py_record *record;
    PyObject *values[]; /* one per field; NULL after `del` */
};

/* Makes record->type, called "module.tag". -1 with an exception. */
int inlay_py_struct_create(struct inlay_py_module *module,
                           struct inlay_py_record *record);

/*
 * Sets its __annotations__: when the classes of all structs are there, as a
 * struct may hold slices of itself. -1 with an exception.
 */
int inlay_py_struct_annotate(struct inlay_py_record *record);

/* The record of a class, also of a subclass made in Python; or NULL. */
const struct inlay_py_record *inlay_py_struct_record(PyTypeObject *type);

/* An instance whose values are still NULL. */
struct inlay_py_struct *inlay_py_struct_alloc(
    const struct inlay_py_record *record);

/* Is `object` an instance (or one of a subclass)? */
static inline bool inlay_py_struct_check(PyObject *object,
                                         const struct inlay_py_record *record)
{
    return PyObject_TypeCheck(object, record->type);
}

#endif
