/*
 * moment.h - datetime.date, datetime.datetime and uuid.UUID <-> inlay_date,
 * inlay_datetime and inlay_uuid. Hold the GIL.
 *
 * An aware datetime keeps its offset, a naive one is INLAY_NAIVE. What comes
 * back is aware by a datetime.timezone.
 */
#ifndef INLAY_PY_MOMENT_H
#define INLAY_PY_MOMENT_H

#include "py/py.h"

#include "py/convert.h"

/*
 * Is it one of these (of a datetime DATETIME, although it is a date, too)? 1,
 * 0, or -1 with an exception.
 */
int inlay_py_moment_kind(struct inlay_py_state *state,
                         PyObject *value,
                         enum inlay_kind *ret);

/* For inlay_py_in: DATE, DATETIME, UUID. */
int inlay_py_moment_in(const struct inlay_py_conversion *conversion,
                       const struct inlay_py_type *type,
                       PyObject *value,
                       void *at,
                       const struct inlay_py_place *place);

/* For inlay_py_out. */
PyObject *inlay_py_moment_out(const struct inlay_py_conversion *conversion,
                              const struct inlay_py_type *type,
                              const void *at,
                              const struct inlay_py_place *place);

/* The class of such a kind, a new reference; NULL with an exception. */
PyObject *inlay_py_moment_class(enum inlay_kind kind);

#endif
