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
    /*
     * The image (structimage.h) is what the values are, and a value that is
     * NULL is a number that nobody has asked for. An instance that the
     * garbage collector does not track is always fresh.
     */
    bool fresh;
    PyObject *values[]; /* one per field; NULL after `del` */
};

/* Makes record->type, called "module.tag". -1 with an exception. */
int inlay_py_struct_create(struct inlay_py_module *module,
                           struct inlay_py_record *record);

/*
 * structinfo.c - sets its __match_args__ and what inlay.structs and
 * inlay.schemas want to know. -1 with an exception.
 */
int inlay_py_struct_describe(struct inlay_py_record *record);

/*
 * "point(x, y)" as CPython wants it, for inspect. Python can't say that a
 * field behind an optional one is required: then there is none. Empty
 * without memory.
 */
struct inlay_str inlay_py_struct_doc(struct inlay_py_module *module,
                                     const struct inlay_py_record *record,
                                     PyObject *name);

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

/* The same, but not tracked: about to become fresh. */
struct inlay_py_struct *inlay_py_struct_alloc_bare(
    const struct inlay_py_record *record);

/* structimage.c */
int inlay_py_struct_read_slow(struct inlay_py_struct *self);
int inlay_py_struct_touch_slow(struct inlay_py_struct *self);

/*
 * Before its values are read: from now on one that is NULL was deleted. -1
 * with MemoryError.
 */
static inline int inlay_py_struct_read(struct inlay_py_struct *self)
{
    return self->fresh ? inlay_py_struct_read_slow(self) : 0;
}

/* Before its values are set; reads them too. */
static inline int inlay_py_struct_touch(struct inlay_py_struct *self)
{
    return self->fresh ? inlay_py_struct_touch_slow(self) : 0;
}

/* Is `object` an instance (or one of a subclass)? */
static inline bool inlay_py_struct_check(PyObject *object,
                                         const struct inlay_py_record *record)
{
    return PyObject_TypeCheck(object, record->type);
}

#endif
