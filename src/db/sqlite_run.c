/* sqlite_run.c - what the jobs do, on a thread that may wait for SQLite. */
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "db/sqlite.h"

#include "base/banned.h"

/* A statement of ours that is used again and again. False: `failure` says why
 * not. */
static bool do_kept(struct inlay_sqlite_connection *connection,
                    const char *text,
                    struct inlay_failure *failure)
{
    struct inlay_str sql = inlay_str_from(text);
    struct inlay_sqlite_statement *statement = inlay_sqlite_statement_take(
        connection, sql, inlay_kept_hash(sql), true, failure);

    if (!statement)
        return false;
    int status = sqlite3_step(statement->stmt);
    if (status != SQLITE_DONE)
        inlay_sqlite_fail(connection, status, inlay_str_make(NULL, 0), failure);
    inlay_sqlite_statement_put(connection, statement);
    return status == SQLITE_DONE;
}

static void roll_back(struct inlay_sqlite_connection *connection)
{
    /* Its time and its client don't matter for that. */
    struct inlay_sqlite_job *job = connection->job;

    connection->job = NULL;
    connection->deadline = 0;
    connection->is_late = false;
    if (!sqlite3_get_autocommit(connection->db) &&
        inlay_sqlite_do(connection, "rollback"))
        connection->is_bad = true;
    connection->job = job;
}

void inlay_sqlite_clean(struct inlay_sqlite_connection *connection,
                        struct inlay_sqlite_hold *hold)
{
    inlay_list_for_each (node, &hold->cursors)
        inlay_sqlite_cursor_close(
            connection,
            inlay_list_entry(node, struct inlay_sqlite_cursor, node));
    if (connection->db)
        roll_back(connection);
    hold->in_transaction = hold->is_undone = false;
}

/* --- Statements ----------------------------------------------------------- */

/* Rows that statements of the caller changed since; of DDL none. */
static int64_t changed_since(struct inlay_sqlite_connection *connection,
                             int64_t total)
{
    /* What sqlite3_changes64 counts stays until the next one that counts. */
    return sqlite3_total_changes64(connection->db) == total
               ? 0
               : sqlite3_changes64(connection->db);
}

static void run_query(struct inlay_sqlite_connection *connection,
                      struct inlay_sqlite_job *job)
{
    int64_t total = sqlite3_total_changes64(connection->db);
    struct inlay_sqlite_statement *statement = inlay_sqlite_statement_take(
        connection, job->sql, job->hash, job->keep, &job->failure);

    if (!statement)
        return;
    if (!statement->reads && connection->reads)
        job->is_rerouted = true;
    else if (inlay_sqlite_bind(connection, statement, job->values, job->nparams,
                               true, &job->failure) &&
             inlay_sqlite_read(connection, statement, SIZE_MAX, SIZE_MAX,
                               &job->rows, &job->failure) == INLAY_SQLITE_ALL &&
             !statement->reads)
        job->changed = changed_since(connection, total);
    inlay_sqlite_statement_put(connection, statement);
}

/* --- Many sets of parameters ---------------------------------------------- */

/* Which of the sets it was, before the text. */
static void name_set(struct inlay_failure *failure, size_t set, size_t sets)
{
    char text[sizeof(failure->text)];

    memcpy(text, failure->text, sizeof(text));
    inlay_failure_set(failure, failure->kind, "row %zu of %zu: %.440s", set + 1,
                      sets, text);
    inlay_sqlite_failure_clean(failure);
}

static bool run_set(struct inlay_sqlite_connection *connection,
                    struct inlay_sqlite_job *job,
                    struct inlay_sqlite_statement *statement,
                    size_t set)
{
    int64_t total = sqlite3_total_changes64(connection->db);
    int status;

    if (atomic_load_explicit(&job->is_given_up, memory_order_relaxed))
        status = SQLITE_INTERRUPT;
    else if (!inlay_sqlite_bind(connection, statement,
                                job->values + set * job->nparams, job->nparams,
                                true, &job->failure))
        return false;
    else
        do
            status = sqlite3_step(statement->stmt);
        while (status == SQLITE_ROW);
    if (status != SQLITE_DONE) {
        inlay_sqlite_fail(connection, status, statement->kept.text,
                          &job->failure);
        return false;
    }
    job->changed += changed_since(connection, total);
    sqlite3_reset(statement->stmt);
    return true;
}

static void run_sets(struct inlay_sqlite_connection *connection,
                     struct inlay_sqlite_job *job)
{
    struct inlay_sqlite_statement *statement = inlay_sqlite_statement_take(
        connection, job->sql, job->hash, job->keep, &job->failure);

    if (!statement)
        return;
    for (size_t i = 0; i < job->sets; i++) {
        inlay_sqlite_begin_time(connection);
        if (!run_set(connection, job, statement, i)) {
            name_set(&job->failure, i, job->sets);
            break;
        }
    }
    inlay_sqlite_statement_put(connection, statement);
}

static void run_batch(struct inlay_sqlite_connection *connection,
                      struct inlay_sqlite_job *job)
{
    if (job->hold && job->hold->in_transaction) {
        run_sets(connection, job);
    } else if (do_kept(connection, "begin immediate", &job->failure)) {
        run_sets(connection, job);
        if (!job->failure.kind)
            do_kept(connection, "commit", &job->failure);
        roll_back(connection);
    }
    if (job->failure.kind)
        job->changed = 0;
}

/* --- Scripts -------------------------------------------------------------- */

static unsigned line_of(const char *begin, const char *at)
{
    unsigned line = 1;

    for (; begin < at; begin++)
        line += *begin == '\n';
    return line;
}

/* `at` is where the statement begins. */
static void fail_script(struct inlay_sqlite_connection *connection,
                        struct inlay_sqlite_job *job,
                        int status,
                        const char *at)
{
    char text[sizeof(job->failure.text)];
    int offset = sqlite3_error_offset(connection->db);

    inlay_sqlite_fail(connection, status, inlay_str_make(NULL, 0),
                      &job->failure);
    memcpy(text, job->failure.text, sizeof(text));
    if (offset > 0 && offset < job->sql.ptr + job->sql.len - at)
        at += offset;
    inlay_failure_set(&job->failure, job->failure.kind, "line %u: %.460s",
                      line_of(job->sql.ptr, at), text);
    inlay_sqlite_failure_clean(&job->failure);
}

/* One statement of it, and where the next begins; NULL: it failed. */
static const char *run_part(struct inlay_sqlite_connection *connection,
                            struct inlay_sqlite_job *job,
                            const char *at)
{
    const char *end = job->sql.ptr + job->sql.len, *tail = end;
    sqlite3_stmt *stmt = NULL;
    int status = sqlite3_prepare_v2(connection->db, at, (int)(end - at) + 1,
                                    &stmt, &tail);

    if (!status && stmt) {
        inlay_sqlite_begin_time(connection);
        do
            status = sqlite3_step(stmt);
        while (status == SQLITE_ROW);
        status = status == SQLITE_DONE ? SQLITE_OK : status;
    }
    if (status)
        fail_script(connection, job, status, at);
    sqlite3_finalize(stmt);
    if (!status && job->hold->in_transaction &&
        sqlite3_get_autocommit(connection->db)) {
        inlay_failure_set(&job->failure, INLAY_INTERNAL,
                          "line %u: the script ends the transaction that it "
                          "runs in: leave out begin, commit and rollback",
                          line_of(job->sql.ptr, at));
        return NULL;
    }
    return status ? NULL : tail;
}

static void run_script(struct inlay_sqlite_connection *connection,
                       struct inlay_sqlite_job *job)
{
    const char *at = job->sql.ptr, *end = at + job->sql.len;

    if (job->sql.len >= INT_MAX) {
        inlay_failure_set(&job->failure, INLAY_INVALID,
                          "the script is too long");
        return;
    }
    if (memchr(at, 0, job->sql.len)) {
        inlay_failure_set(&job->failure, INLAY_INTERNAL,
                          "the script has a NUL in it");
        return;
    }
    while (at && (at = inlay_sqlite_skip(at, end)) < end)
        at = run_part(connection, job, at);
}

/* --- Transactions --------------------------------------------------------- */

static void run_begin(struct inlay_sqlite_connection *connection,
                      struct inlay_sqlite_job *job)
{
    /* At once for writing: a transaction that has read and wants to write then
     * could only fail when another has written meanwhile (SQLITE_BUSY_SNAPSHOT).
     */
    if (do_kept(connection, "begin immediate", &job->failure))
        job->hold->in_transaction = true;
}

static void run_commit(struct inlay_sqlite_connection *connection,
                       struct inlay_sqlite_job *job)
{
    /* SQLite does not commit while a statement that writes has rows to give. */
    inlay_sqlite_cursors_end(job->hold);
    if (do_kept(connection, "commit", &job->failure))
        job->hold->in_transaction = false;
}

static bool hold_is_good(struct inlay_sqlite_job *job)
{
    struct inlay_sqlite_hold *hold = job->hold;

    if (!hold || !hold->is_undone || job->kind == INLAY_ORDER_CLOSE)
        return true;
    inlay_failure_set(&job->failure, INLAY_INTERNAL,
                      "the transaction has ended already: SQLite rolled it "
                      "back when a statement failed, or one of its statements "
                      "ended it");
    return false;
}

/* Nobody's transaction is left open, nobody's ends without his knowing. */
static void check_transaction(struct inlay_sqlite_connection *connection,
                              struct inlay_sqlite_job *job)
{
    bool is_open = !sqlite3_get_autocommit(connection->db);
    bool is_known = job->hold && job->hold->in_transaction;

    if (is_known && !is_open)
        job->hold->is_undone = true;
    if (is_known || !is_open)
        return;
    roll_back(connection);
    inlay_rowset_destroy(job->rows);
    job->rows = NULL;
    job->changed = 0;
    if (!job->failure.kind)
        inlay_failure_set(&job->failure, INLAY_INTERNAL,
                          "the statement begins a transaction: use inlay_begin "
                          "or inlay_transaction");
}

/* --- Jobs ----------------------------------------------------------------- */

static void run_kind(struct inlay_sqlite_connection *connection,
                     struct inlay_sqlite_job *job)
{
    switch (job->kind) {
    case INLAY_ORDER_QUERY:
        run_query(connection, job);
        break;
    case INLAY_ORDER_BATCH:
    case INLAY_ORDER_COPY:
        run_batch(connection, job);
        break;
    case INLAY_ORDER_SCRIPT:
        run_script(connection, job);
        break;
    case INLAY_ORDER_BEGIN:
        run_begin(connection, job);
        break;
    case INLAY_ORDER_COMMIT:
        run_commit(connection, job);
        break;
    case INLAY_ORDER_OPEN:
        inlay_sqlite_cursor_open(connection, job);
        break;
    case INLAY_ORDER_FETCH:
        inlay_sqlite_cursor_fetch(connection, job);
        break;
    case INLAY_ORDER_CLOSE:
        inlay_sqlite_cursor_close(connection, job->cursor);
        job->cursor = NULL;
        break;
    }
}

void inlay_sqlite_run(struct inlay_sqlite_connection *connection,
                      struct inlay_sqlite_job *job)
{
    connection->job = job;
    if (job->is_release) {
        inlay_sqlite_clean(connection, job->hold);
    } else if ((connection->db ||
                inlay_sqlite_connect(connection, &job->failure)) &&
               hold_is_good(job)) {
        inlay_sqlite_begin_time(connection);
        run_kind(connection, job);
        check_transaction(connection, job);
    }
    /* What is rolled back for a deadline's sake has none. */
    connection->deadline = 0;
    connection->job = NULL;
}
