/*
 * constraint.h - struct inlay_constraints applied: to one value that was read
 * (json_read.c, text.c), or to a whole one that came from Python. An optional
 * and a list are looked through; a list has a length of its own, unless the
 * constraints are of what is in it.
 */
#ifndef INLAY_TYPE_CONSTRAINT_H
#define INLAY_TYPE_CONSTRAINT_H

#include "type/lax.h"
#include "type/type.h"
#include "type/violation.h"

/*
 * A number, text or bytes at `value`: INLAY_LAX_OK or the enum inlay_fault.
 * NULL of a const char * is fine. Other kinds are not looked at. Patterns of
 * one input take some 0.3 s together at most, counted in its `violations`
 * (NULL: each for itself): past that nothing matches.
 */
int inlay_constraints_test(const struct inlay_constraints *constraints,
                           const struct inlay_type *type,
                           const void *value,
                           struct inlay_violations *violations);

/* How many items a list has: INLAY_LAX_OK, LIST_SHORT or LIST_LONG. */
static inline int inlay_constraints_test_count(
    const struct inlay_constraints *constraints,
    size_t count)
{
    if (count > constraints->max_length)
        return INLAY_FAULT_LIST_LONG;
    return count < constraints->min_length ? INLAY_FAULT_LIST_SHORT
                                           : INLAY_LAX_OK;
}

/* Is there more for its items than the list's own length? */
static inline bool inlay_constraints_for_items(
    const struct inlay_constraints *constraints)
{
    return constraints->has_least || constraints->has_most ||
           constraints->regex;
}

/* The same constraints as those of a list's items: without the length. */
struct inlay_constraints inlay_constraints_of_items(
    const struct inlay_constraints *constraints);

#define INLAY_BOUND_SIZE 24

/*
 * What a fault says of its limit: "150", "3", the pattern; "": the type's own
 * limit counts. `buf` holds INLAY_BOUND_SIZE bytes.
 */
struct inlay_str inlay_constraints_bound(
    const struct inlay_constraints *constraints,
    enum inlay_fault fault,
    char *buf);

/*
 * Adds a violation of `constraints`. `detail`: as inlay_violations_add.
 */
void inlay_constraints_violated(const struct inlay_constraints *constraints,
                                struct inlay_violations *violations,
                                const struct inlay_place *place,
                                enum inlay_fault fault,
                                struct inlay_str input,
                                const struct inlay_type *type,
                                struct inlay_str detail);

/*
 * For the lists of a query or form: LIST_SHORT or LIST_LONG is added when
 * `count` items are not what they must be. False then. No constraints: NULL.
 */
bool inlay_constraints_check_count(const struct inlay_constraints *constraints,
                                   const struct inlay_type *type,
                                   size_t count,
                                   const struct inlay_place *place,
                                   struct inlay_violations *violations,
                                   struct inlay_str input);

/*
 * What type->check said of a struct becomes a violation. It is called once
 * all fields were read without any: `const char *wrong = type->check(value)`.
 */
void inlay_constraints_refused(const char *wrong,
                               const struct inlay_place *place,
                               struct inlay_violations *violations,
                               struct inlay_str input);

/* The first part of a value that is not what it must be. */
struct inlay_breach {
    enum inlay_fault fault;
    const struct inlay_type *type; /* of that part */
    bool in_list;
    size_t index; /* in_list: of the outermost list */
    size_t count; /* LIST_SHORT, LIST_LONG: of items */
};

/* A whole value, as Python gives it. False: *ret is filled in. */
bool inlay_constraints_hold(const struct inlay_constraints *constraints,
                            const struct inlay_type *type,
                            const void *value,
                            struct inlay_breach *ret);

#endif
