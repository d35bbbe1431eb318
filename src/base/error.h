/*
 * error.h - errors of cold code (start, import, debug information, set-up).
 * A function that can fail returns `struct inlay_error *`: NULL is success,
 * anything else belongs to the caller. Hot code returns status enums instead.
 */
#ifndef INLAY_BASE_ERROR_H
#define INLAY_BASE_ERROR_H

#include "base/macros.h"

/* What the caller may do about it; decides the Python exception. */
#define INLAY_ERROR_CODES(X)                                                   \
    X(NO_MEMORY, MemoryError)                                                  \
    X(SYSTEM, OSError)                                                         \
    X(IMPORT, ImportError)                                                     \
    X(VALUE, ValueError)                                                       \
    X(TYPE, TypeError)                                                         \
    X(STATE, RuntimeError)

enum inlay_error_code {
#define INLAY_ERROR_CODE_ENUM_(name, exception) INLAY_ERROR_##name,
    INLAY_ERROR_CODES(INLAY_ERROR_CODE_ENUM_)
#undef INLAY_ERROR_CODE_ENUM_
};

struct inlay_error {
    enum inlay_error_code code;
    int system;    /* errno when code is INLAY_ERROR_SYSTEM, else 0 */
    char *message; /* NUL-terminated, for a person: what, where, what to do */
};

/* Never NULL: without memory it is a static "out of memory". */
struct inlay_error *inlay_error_create(enum inlay_error_code code,
                                       const char *format,
                                       ...) inlay_printf(2, 3);

/* With errno's own text after a colon: "cannot open x: No such file…". */
struct inlay_error *inlay_error_system(int system, const char *format, ...)
    inlay_printf(2, 3);

/* The static out-of-memory error; destroying it is allowed, does nothing. */
struct inlay_error *inlay_error_no_memory(void);

/* NULL is allowed. */
void inlay_error_destroy(struct inlay_error *error);

static inline void inlay_cleanup_error(struct inlay_error **error)
{
    inlay_error_destroy(*error);
}
#define _cleanup_error_ __attribute__((cleanup(inlay_cleanup_error)))

#endif
