/*
 * text.h - the text of path and query parameters -> C values, by type, as
 * pydantic's lax mode reads strings: true false 1 0 yes no on off t f y n for
 * bool; " 1", "+5", "1_000" and "3.0" for an int, "1.5" not.
 */
#ifndef INLAY_TYPE_TEXT_H
#define INLAY_TYPE_TEXT_H

#include "base/arena.h"
#include "type/type.h"
#include "type/violation.h"

enum inlay_text_status {
    INLAY_TEXT_OK = 0,
    INLAY_TEXT_INVALID = -1, /* violations say what */
    INLAY_TEXT_NO_MEMORY = -2,
};

/*
 * `text` is percent-decoded already; it must outlive the value (views point
 * into it; a const char * is copied for its NUL). Types: BOOL, INT, UINT,
 * FLOAT, CHAR, ENUM (by name), CSTR, STR, CHARS, DATE, DATETIME, UUID, and
 * OPTIONAL of these.
 */
enum inlay_text_status inlay_text_read(struct inlay_str text,
                                       const struct inlay_type *type,
                                       struct inlay_arena *arena,
                                       const struct inlay_place *place,
                                       struct inlay_violations *violations,
                                       void *ret);

/*
 * The same within constraints, NULL: none. Of one value: the items of a list
 * have inlay_constraints_of_items(), their number is checked by
 * inlay_constraints_check_count() (constraint.h).
 */
enum inlay_text_status inlay_text_read_within(
    struct inlay_str text,
    const struct inlay_type *type,
    const struct inlay_constraints *constraints,
    struct inlay_arena *arena,
    const struct inlay_place *place,
    struct inlay_violations *violations,
    void *ret);

/* Can inlay_text_read make such a value? */
bool inlay_text_readable(const struct inlay_type *type);

#endif
