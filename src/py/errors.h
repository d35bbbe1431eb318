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

/*
 * The same of a call that has failed. What a database said of it becomes the
 * attributes sqlstate and may_retry.
 */
struct inlay_context;
int inlay_py_raise_failed(struct inlay_py_state *state,
                          const struct inlay_context *context);
/* `sqlstate` ends with NUL. */
int inlay_py_raise_stated(struct inlay_py_state *state,
                          int kind,
                          struct inlay_str text,
                          const char *sqlstate,
                          bool may_retry);

/* Text of C as str; what is not UTF-8 is replaced. */
PyObject *inlay_py_text(struct inlay_str text);

#endif
