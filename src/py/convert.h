/*
 * convert.h - Python values <-> C values, by type. Hold the GIL.
 *
 * Messages name the place: "f(): parameter 'u'.tags[3]: expected str, got
 * int". Exceptions that a value's own code raises (`__index__`, attributes)
 * go through as they are.
 */
#ifndef INLAY_PY_CONVERT_H
#define INLAY_PY_CONVERT_H

#include "py/py.h"

#include "py/binding.h"
#include "py/frame.h"

/* Where a value is: a parameter, then fields and elements of it. */
struct inlay_py_place {
    const struct inlay_py_place *outer; /* NULL: the parameter or result */
    PyObject *name;                     /* NULL: an element */
    Py_ssize_t index;
};

struct inlay_py_conversion {
    struct inlay_py_state *state; /* NULL for defaults */
    struct inlay_py_frame *frame; /* NULL for defaults */
    PyObject *function;           /* str, for messages */
    bool lends;                   /* within a struct that C may change */
};

/*
 * An instance whose memory C may change, or that such a one points to. While
 * the call lasts a pointer to the memory stands for the instance, so that
 * both sides see one graph.
 */
struct inlay_py_lent {
    struct inlay_py_lent *next;
    PyObject *instance;               /* the frame's */
    const struct inlay_py_type *type; /* STRUCT */
    void *at;
    const void *before; /* a copy of the memory as it was given */
    PyObject *name;     /* of the parameter or field, borrowed */
    bool changes;       /* it is read back */
};

/*
 * Writes `value` to `at` (type->c->size bytes). The memory that it points to
 * is the value's or the frame's. -1 with an exception: OverflowError for an
 * int that does not fit, ValueError for text that C can't have, TypeError.
 */
int inlay_py_in(const struct inlay_py_conversion *conversion,
                const struct inlay_py_type *type,
                PyObject *value,
                void *at,
                const struct inlay_py_place *place);

/* The commonest values, without a call; a digit fits an int. False: inlay_py_in. */
static inline bool inlay_py_quick_in(const struct inlay_type *c,
                                     PyObject *value,
                                     void *at)
{
    int64_t number;

    if (c->kind == INLAY_KIND_INT && c->size >= 4) {
        if (!inlay_py_small_int(value, &number))
            return false;
        if (c->size == 8)
            *(int64_t *)at = number;
        else
            *(int32_t *)at = (int32_t)number;
        return true;
    }
    if (c->kind == INLAY_KIND_FLOAT && c->size == 8 &&
        PyFloat_CheckExact(value)) {
        *(double *)at = PyFloat_AS_DOUBLE(value);
        return true;
    }
    return false;
}

/* A list, tuple, buffer or sequence as a slice; for inlay_py_in. */
int inlay_py_slice_in(const struct inlay_py_conversion *conversion,
                      const struct inlay_py_type *type,
                      PyObject *value,
                      void *at,
                      const struct inlay_py_place *place);

/* struct_in.c: for inlay_py_in. */
int inlay_py_struct_in(const struct inlay_py_conversion *conversion,
                       const struct inlay_py_type *type,
                       PyObject *value,
                       void *at,
                       const struct inlay_py_place *place);
int inlay_py_pointer_in(const struct inlay_py_conversion *conversion,
                        const struct inlay_py_type *type,
                        PyObject *value,
                        void *at,
                        const struct inlay_py_place *place);

/*
 * The value at `at` as a new object; NULL with an exception. `place` is NULL
 * for defaults, which can't fail but for want of memory.
 */
PyObject *inlay_py_out(const struct inlay_py_conversion *conversion,
                       const struct inlay_py_type *type,
                       const void *at,
                       const struct inlay_py_place *place);

/* struct_out.c: for inlay_py_out. */
PyObject *inlay_py_struct_out(const struct inlay_py_conversion *conversion,
                              const struct inlay_py_type *type,
                              const void *at,
                              const struct inlay_py_place *place);
PyObject *inlay_py_pointer_out(const struct inlay_py_conversion *conversion,
                               const struct inlay_py_type *type,
                               const void *at,
                               const struct inlay_py_place *place);

/*
 * After a call that succeeded: what C left in the structs that it may change
 * goes back into their instances. -1 with an exception.
 */
int inlay_py_write_back(const struct inlay_py_conversion *conversion);

/* The result of a call that fails nevertheless: lets go what it holds. */
void inlay_py_result_drop(const struct inlay_py_type *type, const void *at);

/*
 * Sets `exception` with "f(): parameter 'a': " and the formatted rest (as
 * PyUnicode_FromFormat). Always -1.
 */
int inlay_py_fail(const struct inlay_py_conversion *conversion,
                  const struct inlay_py_place *place,
                  PyObject *exception,
                  const char *format,
                  ...);

/* "expected int, got str" as TypeError. Always -1. */
int inlay_py_mismatch(const struct inlay_py_conversion *conversion,
                      const struct inlay_py_type *type,
                      PyObject *value,
                      const struct inlay_py_place *place);

/* An int for a message: of one that can't be printed, its length. */
PyObject *inlay_py_int_text(PyObject *value);

#endif
