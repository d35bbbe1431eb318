/*
 * row.h - rows as cells -> C values, by the names of columns and fields.
 */
#ifndef INLAY_DB_ROW_H
#define INLAY_DB_ROW_H

#include "db/order.h"
#include "load/query.h"

/*
 * What the query's macro gives, at `result` (zeroed before, zeroed again when
 * it fails): of ONE the first row (none: not_found), of MAYBE that or nothing,
 * of ALL a slice of all. Columns without a field are left out; a field without
 * a column fails, unless it is an optional, as does a value that does not fit:
 * INTERNAL, "column score is null, but user.score is a double: make it an
 * INLAY_OPTIONAL, or select coalesce(…)", with the query's file:line before
 * it. Texts lie in `arena`. False: `failure` says why. EXEC, BATCH and COPY
 * have no rows and are not for this.
 */
bool inlay_rows_read(const struct inlay_query *query,
                     const struct inlay_rowset *rows,
                     struct inlay_arena *arena,
                     void *result,
                     struct inlay_failure *failure);

/* One row of an EACH, the same way. */
bool inlay_row_read(const struct inlay_query *query,
                    const struct inlay_rowset *rows,
                    size_t row,
                    struct inlay_arena *arena,
                    void *result,
                    struct inlay_failure *failure);

#endif
