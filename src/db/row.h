/*
 * row.h - rows as cells -> C values, by the names of columns and fields.
 */
#ifndef INLAY_DB_ROW_H
#define INLAY_DB_ROW_H

#include "db/order.h"
#include "load/query.h"

/* Fields whose columns are found without taking memory. */
#define INLAY_ROW_FEW 64

/* Rows of one query, and which column each field is read of. It stays where it
 * has begun. */
struct inlay_row_reader {
    /* Of whoever has it, who zeroes the rest. */
    const struct inlay_query *query;
    struct inlay_arena *arena; /* texts lie there */
    /* row.c's. */
    const struct inlay_rowset *rows;
    struct inlay_failure *failure;
    size_t spared; /* of the arena's limit: room for saying that it is full */
    uint32_t *columns; /* of the struct's fields; NULL before it has begun */
    uint32_t few[INLAY_ROW_FEW];
};

/*
 * What the query's macro gives, at `result` (zeroed before, zeroed again when
 * it fails): of ONE the first row (none: not_found), of MAYBE that or nothing,
 * of ALL a slice of all. Columns without a field are left out; a field without
 * a column fails, unless it is an optional, as does a value that does not fit,
 * that INLAY_RANGE and its like or the struct's INLAY_CHECK refuse: INTERNAL, "column score is null, but user.score is a double: make it an
 * INLAY_OPTIONAL, or select coalesce(…)", with the query's file:line before
 * it. Texts lie in `arena`; what is beyond its limit is INTERNAL, too, and
 * leaves room there for the message. False: `failure` says why. EXEC, BATCH and COPY
 * have no rows and are not for this.
 */
bool inlay_rows_read(const struct inlay_query *query,
                     const struct inlay_rowset *rows,
                     struct inlay_arena *arena,
                     void *result,
                     struct inlay_failure *failure);

/*
 * The same of an EACH: begins once for each piece of its rows, then reads any
 * of them. `keep` is one arena for all pieces; `reader->arena` may be reset
 * between rows.
 */
bool inlay_row_reader_begin(struct inlay_row_reader *reader,
                            const struct inlay_rowset *rows,
                            struct inlay_arena *keep,
                            struct inlay_failure *failure);

bool inlay_row_read(struct inlay_row_reader *reader,
                    size_t row,
                    void *result,
                    struct inlay_failure *failure);

#endif
