/* pg_numeric.h - inside db/: PostgreSQL's numeric, binary -> text. */
#ifndef INLAY_DB_PG_NUMERIC_H
#define INLAY_DB_PG_NUMERIC_H

#include "base/arena.h"
#include "base/str.h"

/*
 * As numeric_out writes it ("1.50", "NaN", "-Infinity"), in `arena`. ptr is
 * NULL, with *why_ret: damaged (numeric_send of src/backend/utils/adt/
 * numeric.c has the form), or no memory.
 */
struct inlay_str inlay_pg_numeric(struct inlay_str value,
                                  struct inlay_arena *arena,
                                  const char **why_ret);

#endif
