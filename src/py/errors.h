/*
 * errors.h - errors of C as Python exceptions: of the core (struct
 * inlay_error) and of a call (inlay_fail). Hold the GIL.
 */
#ifndef INLAY_PY_ERRORS_H
#define INLAY_PY_ERRORS_H

#include "py/py.h"

#include "base/error.h"
#include "base/str.h"
#include "py/state.h"

/* Sets the exception and destroys `error`. Always -1. */
int inlay_py_raise(struct inlay_error *error);

/* inlay_fail(kind, text) as inlay.NotFound(text) and so on. Always -1. */
int inlay_py_raise_kind(struct inlay_py_state *state,
                        int kind,
                        struct inlay_str text);

/* Text of C as str; what is not UTF-8 is replaced. */
PyObject *inlay_py_text(struct inlay_str text);

#endif
