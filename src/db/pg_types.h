/*
 * pg_types.h - PostgreSQL's forms of values. Results come in its binary format,
 * by the type's oid (src/include/catalog/pg_type.dat, and the *_send functions
 * of src/backend/utils/adt). Parameters go as text, of a type that the server
 * infers: that fits any column, needs no description before the first use, and
 * so works the same without prepared statements; but for bytes, which go as
 * they are.
 */
#ifndef INLAY_DB_PG_TYPES_H
#define INLAY_DB_PG_TYPES_H

#include "base/buf.h"
#include "db/cell.h"

/*
 * A value of `oid` as it came (not NULL) -> a cell. Texts are views of `value`,
 * or in `arena`; they are what the server sent, UTF-8 or not. Types that cells
 * have not become texts (time, numeric) or are refused, with what to select
 * instead; of a user's type: text if it can be that, or an array. NULL, or why
 * not (static or in `arena`). Never reads beyond `value`; any bytes.
 */
const char *inlay_pg_cell(uint32_t oid,
                          struct inlay_str value,
                          struct inlay_arena *arena,
                          struct inlay_cell *ret);

/*
 * A cell as PostgreSQL's input functions read it, appended without a NUL; arrays
 * as "{1,2,NULL}", BYTES as "\x00ff" (alone they are better sent as they are);
 * of NULL nothing is. -1: no memory; a date that is none.
 */
int inlay_pg_text(const struct inlay_cell *cell, struct inlay_buf *out);

/* One cell of a row of COPY … FROM STDIN in text format, NULL and BYTES among
 * them: escaped, without its tab or newline. -1: no memory. */
int inlay_pg_copy_text(const struct inlay_cell *cell, struct inlay_buf *out);

#endif
