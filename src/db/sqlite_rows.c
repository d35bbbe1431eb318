/* sqlite_rows.c - the rows of a statement, copied out of SQLite as they come. */
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "db/sqlite.h"

#include "base/banned.h"

struct rowset {
    struct inlay_rowset base;
    struct inlay_sqlite_columns *columns;
    struct inlay_buf cells; /* row by row: struct inlay_cell */
    size_t wanted;          /* bytes of the last value */
    struct inlay_arena arena;
};

static struct inlay_str rowset_name(const struct inlay_rowset *base,
                                    size_t column)
{
    const struct rowset *rows = (const struct rowset *)base;

    return rows->columns->column[column].name;
}

static const char *rowset_cell(const struct inlay_rowset *base,
                               size_t row,
                               size_t column,
                               struct inlay_arena *arena,
                               struct inlay_cell *ret)
{
    const struct rowset *rows = (const struct rowset *)base;

    (void)arena;
    memcpy(ret,
           rows->cells.data + (row * base->ncolumns + column) * sizeof(*ret),
           sizeof(*ret));
    /* SQLite takes any bytes for text. */
    if ((ret->kind == INLAY_CELL_TEXT || ret->kind == INLAY_CELL_JSON) &&
        !inlay_utf8_valid(ret->text))
        return "the text is not UTF-8: store it as a blob";
    return NULL;
}

static void rowset_destroy(struct inlay_rowset *base)
{
    struct rowset *rows = (struct rowset *)base;

    inlay_sqlite_columns_unref(rows->columns);
    inlay_buf_deinit(&rows->cells);
    inlay_arena_deinit(&rows->arena);
    inlay_free(rows);
}

static const struct inlay_rowset_ops rowset_ops = {
    .name = rowset_name,
    .cell = rowset_cell,
    .destroy = rowset_destroy,
};

static struct rowset *rowset_create(size_t most)
{
    struct rowset *rows = inlay_calloc(1, sizeof(*rows));

    if (!rows)
        return NULL;
    rows->base.ops = &rowset_ops;
    inlay_buf_init(&rows->cells, most);
    inlay_arena_init(&rows->arena, most);
    return rows;
}

/* Its columns are those of the statement now. False: no memory. */
static bool take_columns(struct rowset *rows,
                         struct inlay_sqlite_statement *statement)
{
    if (rows->columns)
        return true;
    struct inlay_sqlite_columns *columns = inlay_sqlite_columns(statement);
    if (!columns)
        return false;
    atomic_fetch_add_explicit(&columns->users, 1, memory_order_relaxed);
    rows->columns = columns;
    rows->base.ncolumns = columns->count;
    return true;
}

/* False: no memory. */
static bool read_bytes(struct rowset *rows,
                       const void *bytes,
                       size_t len,
                       struct inlay_cell *ret)
{
    rows->wanted = len;
    char *copy = inlay_arena_alloc(&rows->arena, len + 1);

    /* Without memory SQLite gives NULL where it has said that there is some. */
    if (!copy || (len && !bytes))
        return false;
    if (len)
        memcpy(copy, bytes, len);
    copy[len] = '\0';
    ret->text = inlay_str_make(copy, len);
    return true;
}

static bool read_cell(struct rowset *rows,
                      sqlite3_stmt *stmt,
                      int i,
                      struct inlay_cell *ret)
{
    const struct inlay_sqlite_column *column = &rows->columns->column[i];
    const void *bytes;

    memset(ret, 0, sizeof(*ret));
    switch (sqlite3_column_type(stmt, i)) {
    case SQLITE_INTEGER:
        ret->kind = INLAY_CELL_INT;
        ret->integer = sqlite3_column_int64(stmt, i);
        if (column->is_bool && (ret->integer == 0 || ret->integer == 1)) {
            ret->kind = INLAY_CELL_BOOL;
            ret->boolean = ret->integer;
        }
        return true;
    case SQLITE_FLOAT:
        ret->kind = INLAY_CELL_REAL;
        ret->real = sqlite3_column_double(stmt, i);
        return true;
    case SQLITE_TEXT:
        ret->kind = column->is_json ? INLAY_CELL_JSON : INLAY_CELL_TEXT;
        bytes = sqlite3_column_text(stmt, i);
        return read_bytes(rows, bytes, (size_t)sqlite3_column_bytes(stmt, i),
                          ret);
    case SQLITE_BLOB:
        ret->kind = INLAY_CELL_BYTES;
        bytes = sqlite3_column_blob(stmt, i);
        return read_bytes(rows, bytes, (size_t)sqlite3_column_bytes(stmt, i),
                          ret);
    default:
        ret->kind = INLAY_CELL_NULL;
        return true;
    }
}

static size_t rowset_size(const struct rowset *rows)
{
    return inlay_buf_len(&rows->cells) + rows->arena.size;
}

/* False: no memory, or too much of it. */
static bool read_row(struct rowset *rows, sqlite3_stmt *stmt)
{
    size_t count = rows->base.ncolumns;

    if (inlay_buf_reserve(&rows->cells, count * sizeof(struct inlay_cell)) < 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct inlay_cell cell;

        if (!read_cell(rows, stmt, (int)i, &cell))
            return false;
        memcpy(inlay_buf_tail(&rows->cells), &cell, sizeof(cell));
        inlay_buf_added(&rows->cells, sizeof(cell));
    }
    rows->base.nrows++;
    return true;
}

static void fail_size(const struct rowset *rows,
                      size_t most,
                      struct inlay_failure *failure)
{
    /* A block of the arena is at most doubled: half full is as good as full. */
    if (rowset_size(rows) + rows->wanted > most / 4)
        inlay_failure_set(failure, INLAY_INTERNAL,
                          "the rows are more than %zu MiB: ask for less at "
                          "once, or read them with inlay_each",
                          most >> 20);
    else
        inlay_failure_set(failure, INLAY_NO_MEMORY,
                          "out of memory for the rows");
}

static enum inlay_sqlite_read read_rows(
    struct inlay_sqlite_connection *connection,
    struct inlay_sqlite_statement *statement,
    size_t most_rows,
    size_t most_bytes,
    struct rowset *rows,
    struct inlay_failure *failure)
{
    size_t limit = connection->sqlite->rows_most;

    for (;;) {
        int status = sqlite3_step(statement->stmt);

        if (status == SQLITE_DONE)
            return INLAY_SQLITE_ALL;
        if (status != SQLITE_ROW) {
            inlay_sqlite_fail(connection, status, statement->kept.text,
                              failure);
            return INLAY_SQLITE_WRONG;
        }
        if (!take_columns(rows, statement)) {
            inlay_failure_set(failure, INLAY_NO_MEMORY, "out of memory");
            return INLAY_SQLITE_WRONG;
        }
        if (!read_row(rows, statement->stmt) || rowset_size(rows) > limit) {
            fail_size(rows, limit, failure);
            return INLAY_SQLITE_WRONG;
        }
        if (rows->base.nrows >= most_rows || rowset_size(rows) >= most_bytes)
            return INLAY_SQLITE_FULL;
    }
}

enum inlay_sqlite_read inlay_sqlite_read(
    struct inlay_sqlite_connection *connection,
    struct inlay_sqlite_statement *statement,
    size_t most_rows,
    size_t most_bytes,
    struct inlay_rowset **ret,
    struct inlay_failure *failure)
{
    struct rowset *rows = rowset_create(connection->sqlite->rows_most);
    enum inlay_sqlite_read result = INLAY_SQLITE_WRONG;

    *ret = NULL;
    if (!rows) {
        inlay_failure_set(failure, INLAY_NO_MEMORY, "out of memory");
        return result;
    }
    result =
        read_rows(connection, statement, most_rows, most_bytes, rows, failure);
    if (result != INLAY_SQLITE_WRONG && !take_columns(rows, statement)) {
        inlay_failure_set(failure, INLAY_NO_MEMORY, "out of memory");
        result = INLAY_SQLITE_WRONG;
    }
    if (result == INLAY_SQLITE_WRONG || !rows->base.ncolumns)
        rowset_destroy(&rows->base);
    else
        *ret = &rows->base;
    return result;
}
