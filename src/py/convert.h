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
    struct inlay_py_state *state;
    struct inlay_py_frame *frame;
    PyObject *function; /* str, for messages */
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

/* A list, tuple, buffer or sequence as a slice; for inlay_py_in. */
int inlay_py_slice_in(const struct inlay_py_conversion *conversion,
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

#endif
