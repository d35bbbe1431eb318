/*
 * sqlite_cursor.c - statements whose rows are asked for bit by bit. Between two
 * FETCHes a cursor is a statement in the middle of its steps; no thread waits
 * for it.
 */
#include <stdint.h>

#include "base/mem.h"
#include "db/sqlite.h"

#include "base/banned.h"

void inlay_sqlite_cursor_close(struct inlay_sqlite_connection *connection,
                               struct inlay_sqlite_cursor *cursor)
{
    inlay_list_remove(&cursor->node);
    if (cursor->statement)
        inlay_sqlite_statement_put(connection, cursor->statement);
    inlay_free(cursor);
}

/* It has no more rows: what it holds of the database goes. */
static void cursor_end(struct inlay_sqlite_cursor *cursor)
{
    cursor->has_ended = true;
    sqlite3_reset(cursor->statement->stmt);
}

void inlay_sqlite_cursors_end(struct inlay_sqlite_hold *hold)
{
    inlay_list_for_each (node, &hold->cursors) {
        struct inlay_sqlite_cursor *cursor =
            inlay_list_entry(node, struct inlay_sqlite_cursor, node);

        cursor->is_lost = !cursor->has_ended;
        cursor_end(cursor);
    }
}

void inlay_sqlite_cursor_open(struct inlay_sqlite_connection *connection,
                              struct inlay_sqlite_job *job)
{
    struct inlay_sqlite_statement *statement = inlay_sqlite_statement_take(
        connection, job->sql, job->hash, job->keep, &job->failure);

    if (!statement)
        return;
    if (!statement->reads && connection->reads) {
        /* Its connection can't be another one than the hold's. */
        job->is_rerouted = job->takes;
        if (!job->takes)
            inlay_failure_set(&job->failure, INLAY_INTERNAL,
                              "a cursor that writes, on a connection that "
                              "reads: use inlay_transaction");
        inlay_sqlite_statement_put(connection, statement);
        return;
    }
    struct inlay_sqlite_cursor *cursor = inlay_calloc(1, sizeof(*cursor));
    if (!cursor) {
        inlay_failure_set(&job->failure, INLAY_NO_MEMORY, "out of memory");
        inlay_sqlite_statement_put(connection, statement);
        return;
    }
    inlay_list_init(&cursor->node);
    cursor->statement = statement;
    cursor->hold = job->hold;
    if (!inlay_sqlite_bind(connection, statement, job->values, job->nparams,
                           false, &job->failure)) {
        inlay_sqlite_cursor_close(connection, cursor);
        return;
    }
    inlay_list_append(&job->hold->cursors, &cursor->node);
    job->cursor = cursor;
}

void inlay_sqlite_cursor_fetch(struct inlay_sqlite_connection *connection,
                               struct inlay_sqlite_job *job)
{
    struct inlay_sqlite_cursor *cursor = job->cursor;

    job->more = false;
    if (cursor->is_lost)
        inlay_failure_set(&job->failure, INLAY_INTERNAL,
                          "the cursor's transaction has ended");
    /* A step behind the last row would begin again. */
    if (cursor->has_ended)
        return;
    enum inlay_sqlite_read result = inlay_sqlite_read(
        connection, cursor->statement, INLAY_SQLITE_FETCH_ROWS,
        INLAY_SQLITE_FETCH_BYTES, &job->rows, &job->failure);
    if (result == INLAY_SQLITE_FULL)
        job->more = true;
    else
        cursor_end(cursor);
}
