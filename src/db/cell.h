/*
 * cell.h - one value on its way from or to a database: what drivers and C
 * types have in common. Texts and bytes are views, of the row or of C's
 * memory.
 */
#ifndef INLAY_DB_CELL_H
#define INLAY_DB_CELL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "type/type.h"

enum inlay_cell_kind {
    INLAY_CELL_NULL,
    INLAY_CELL_BOOL,
    INLAY_CELL_INT,   /* `integer` */
    INLAY_CELL_REAL,  /* `real`; `narrow`: a float's */
    INLAY_CELL_TEXT,  /* `text`, UTF-8; numeric too, as PostgreSQL writes it */
    INLAY_CELL_JSON,  /* `text`: JSON */
    INLAY_CELL_BYTES, /* `text` */
    INLAY_CELL_DATE,  /* `date` */
    INLAY_CELL_DATETIME, /* `datetime`; offset 0: UTC, INLAY_NAIVE: no zone */
    INLAY_CELL_UUID,     /* `uuid` */
    INLAY_CELL_ARRAY,    /* nelements of `elements`, none of them an ARRAY */
};

struct inlay_cell {
    enum inlay_cell_kind kind;
    bool narrow; /* REAL */
    bool
        too_wide; /* INT: `integer` is the bits of a uint64_t above INT64_MAX */
    union {
        bool boolean;
        int64_t integer;
        double real;
        struct inlay_str text;
        inlay_date date;
        inlay_datetime datetime;
        inlay_uuid uuid;
        struct {
            const struct inlay_cell *elements;
            size_t nelements;
        };
    };
};

/*
 * C -> cell. `type` is one that inlay_query_type_bad takes (load/query.h), else
 * it is refused. Integers and enums, texts (char[N] and const char * too; NULL
 * is NULL; an inlay_str with a NULL ptr and no length is ""), optionals (empty
 * is NULL), slices of those (ARRAY; elements in `arena`), structs and slices of
 * structs (JSON, written into `arena`); enums by name, as text, or as a number
 * when none has the value; a NULL struct T * is NULL. Views of `value` otherwise. 0, or -1: no
 * memory, text that is not UTF-8 or has a NUL in it (`why_ret`, static).
 */
int inlay_cell_from(const struct inlay_type *type,
                    const void *value,
                    struct inlay_arena *arena,
                    struct inlay_cell *ret,
                    const char **why_ret);

/* The reason of all functions here when the arena is full; compare pointers. */
extern const char inlay_cell_no_memory[];

/* Zeroed memory for `count` values of the type, aligned as it wants; NULL
 * without memory. None of them is also a pointer. */
void *inlay_cell_memory(const struct inlay_type *type,
                        size_t count,
                        struct inlay_arena *arena);

/*
 * Is what a cell has become within constraints (INLAY_RANGE and its like)?
 * NULL, or why not, in the words of JSON that isn't.
 */
const char *inlay_cell_within(const struct inlay_constraints *constraints,
                              const struct inlay_type *type,
                              const void *value,
                              struct inlay_arena *arena);

/* JSON -> C: what an INLAY_CELL_JSON becomes, as in inlay_cell_to. */
const char *inlay_cell_of_json(struct inlay_str text,
                               const struct inlay_type *type,
                               struct inlay_arena *arena,
                               void *ret);

/*
 * Cell -> C. Texts, bytes and elements are copied into `arena`: they last as
 * long as the call. NULL, or why not ("null", "it does not fit into int16_t",
 * "text is not a number"…), in `arena` or static.
 */
const char *inlay_cell_to(const struct inlay_cell *cell,
                          const struct inlay_type *type,
                          struct inlay_arena *arena,
                          void *ret);

#endif
