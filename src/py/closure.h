/*
 * closure.h - a Python callable as a C function pointer, valid for one call:
 * a libffi closure. Every thread may call it: it takes the GIL.
 *
 * A function that waits for threads of its own that call it must be
 * INLAY_NOGIL: else it waits with the GIL for those who want it.
 */
#ifndef INLAY_PY_CLOSURE_H
#define INLAY_PY_CLOSURE_H

#include "py/py.h"

#include "py/convert.h"

struct inlay_py_cif; /* libffi's view of it */

/* What a CALLBACK takes and gives; lives as long as the module. */
struct inlay_py_signature {
    const struct inlay_py_type *result;
    /* Those that the callable gets: all but USERDATA. */
    const struct inlay_py_type **params;
    PyObject **names; /* interned */
    size_t *slots;    /* which parameter of the C function each is */
    size_t nparams;
    struct inlay_py_cif *cif; /* NULL: libffi can't make such a call */
};

/* Sets type->closure of a CALLBACK; -1 with an exception. */
int inlay_py_closure_bind(struct inlay_py_module *module,
                          struct inlay_py_type *type);

/*
 * Writes the code pointer of a closure over the callable `value`, which lives
 * until the frame ends. What the callable raises goes to frame->exception;
 * from then on calls return zero at once. None is a NULL pointer, unless
 * type->required. -1 with an exception: TypeError when it is not callable.
 */
int inlay_py_closure_in(const struct inlay_py_conversion *conversion,
                        const struct inlay_py_type *type,
                        PyObject *value,
                        void *at,
                        const struct inlay_py_place *place);

#endif
