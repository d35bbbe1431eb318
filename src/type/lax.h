/*
 * lax.h - conversions to one C value as pydantic's lax mode makes them; JSON
 * and text both use them. A result is INLAY_LAX_OK, INLAY_LAX_NO_MEMORY or
 * the enum inlay_fault that a violation should have.
 */
#ifndef INLAY_TYPE_LAX_H
#define INLAY_TYPE_LAX_H

#include "base/arena.h"
#include "type/type.h"
#include "type/violation.h"

enum inlay_lax {
    INLAY_LAX_OK = -1,
    INLAY_LAX_NO_MEMORY = -2,
};

/* A number of any size: what is past 64 bits only says so. */
struct inlay_lax_integer {
    uint64_t size; /* without sign */
    bool negative;
    bool overflow; /* `size` did not suffice */
};

/* Into INT and UINT; GREATER_EQUAL or LESS_EQUAL when it does not fit. */
int inlay_lax_store_integer(struct inlay_lax_integer value,
                            const struct inlay_type *type,
                            void *ret);
int inlay_lax_integer_of_real(double value,
                              const struct inlay_type *type,
                              void *ret);
int inlay_lax_integer_of_text(struct inlay_str text,
                              const struct inlay_type *type,
                              void *ret);

/* Into FLOAT; finite values only. */
int inlay_lax_store_real(double value,
                         const struct inlay_type *type,
                         void *ret);
int inlay_lax_real_of_text(struct inlay_str text,
                           const struct inlay_type *type,
                           struct inlay_arena *arena,
                           void *ret);

int inlay_lax_bool_of_text(struct inlay_str text, void *ret);

/* Into CHAR, CHARS and ENUM (by name); the text is UTF-8. */
int inlay_lax_char_of_text(struct inlay_str text, void *ret);
int inlay_lax_chars_of_text(struct inlay_str text,
                            const struct inlay_type *type,
                            void *ret);
int inlay_lax_enum_of_text(struct inlay_str text,
                           const struct inlay_type *type,
                           void *ret);

#define INLAY_LAX_LIMIT_SIZE 32

/*
 * What GREATER_EQUAL and LESS_EQUAL say about `type`: "127"; "" for any
 * other fault. `buf` holds INLAY_LAX_LIMIT_SIZE bytes.
 */
struct inlay_str inlay_lax_limit(const struct inlay_type *type,
                                 enum inlay_fault fault,
                                 char *buf);

#endif
