/*
 * sqlite_connection.c - connections to a file: how they are opened, and what
 * holds their statements up and may stop them.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "db/sqlite.h"

#include "base/banned.h"

/* SQLite's virtual machine looks at the time this often. */
#define STEPS_BETWEEN_LOOKS 10000

/*
 * Files that are open, and the process that opened them. In a fork SQLite
 * believes that it has the locks of its parent, which it has not: a connection
 * there, be it a new one, could destroy the file (howtocorrupt.html, 2.6).
 */
static atomic_int open_files;
static _Atomic(pid_t) opener;

static bool take_file(struct inlay_sqlite_connection *connection,
                      struct inlay_failure *failure)
{
    if (connection->sqlite->in_memory)
        return true;
    if (atomic_load(&open_files) && atomic_load(&opener) != getpid()) {
        inlay_failure_set(failure, INLAY_UNAVAILABLE,
                          "cannot open the SQLite database %s: this process "
                          "was forked from one that had opened one: fork "
                          "before, or spawn",
                          connection->sqlite->path);
        inlay_sqlite_failure_clean(failure);
        return false;
    }
    atomic_store(&opener, getpid());
    atomic_fetch_add(&open_files, 1);
    return true;
}

static void give_file(struct inlay_sqlite_connection *connection)
{
    if (!connection->sqlite->in_memory)
        atomic_fetch_sub(&open_files, 1);
}

static bool is_given_up(const struct inlay_sqlite_connection *connection)
{
    return connection->job &&
           atomic_load_explicit(&connection->job->is_given_up,
                                memory_order_relaxed);
}

/* Non-zero: the statement ends with SQLITE_INTERRUPT. */
static int on_progress(void *arg)
{
    struct inlay_sqlite_connection *connection = arg;

    if (is_given_up(connection))
        return 1;
    if (connection->deadline && inlay_clock_ns() >= connection->deadline)
        connection->is_late = true;
    return connection->is_late;
}

static void nap(unsigned ms)
{
    struct timespec time = {0, (long)ms * 1000000};

    nanosleep(&time, NULL);
}

/*
 * In place of SQLite's own (sqlite3_busy_timeout), which an order that was given
 * up would have to wait for. Zero: SQLITE_BUSY.
 */
static int on_busy(void *arg, int tries)
{
    struct inlay_sqlite_connection *connection = arg;
    uint64_t now = inlay_clock_ns();

    if (tries == 0)
        connection->busy_until =
            now + (uint64_t)connection->sqlite->busy_ms * 1000000;
    if (is_given_up(connection) || now >= connection->busy_until)
        return 0;
    if (connection->deadline && now >= connection->deadline) {
        connection->is_late = true;
        return 0;
    }
    nap(tries < 5 ? 1 : tries < 20 ? 5 : 20);
    return 1;
}

void inlay_sqlite_begin_time(struct inlay_sqlite_connection *connection)
{
    uint32_t ms = connection->sqlite->database->config.statement_timeout;

    connection->is_late = false;
    connection->deadline =
        ms == UINT32_MAX ? 0 : inlay_clock_ns() + (uint64_t)ms * 1000000;
}

int inlay_sqlite_do(struct inlay_sqlite_connection *connection, const char *sql)
{
    return sqlite3_exec(connection->db, sql, NULL, NULL, NULL);
}

/* Settings of a new connection. SQLITE_OK or why not. */
static int set_up(struct inlay_sqlite_connection *connection)
{
    int status = inlay_sqlite_do(connection, "pragma foreign_keys = on;"
                                             "pragma temp_store = memory;");

    if (status)
        return status;
    if (connection->reads)
        return inlay_sqlite_do(connection, "pragma query_only = on");
    /* A file that may not be written stays as it is. */
    if (!connection->sqlite->in_memory &&
        !sqlite3_db_readonly(connection->db, "main")) {
        status = inlay_sqlite_do(connection, "pragma journal_mode = wal");
        if (status)
            return status;
    }
    /* In WAL mode nothing breaks by that; the last commits may be lost when the
     * machine, not the process, dies. */
    return inlay_sqlite_do(connection, "pragma synchronous = normal");
}

static void fail_open(struct inlay_sqlite_connection *connection,
                      int status,
                      struct inlay_failure *failure)
{
    const char *path = connection->sqlite->path;
    int number = connection->db ? sqlite3_system_errno(connection->db) : 0;
    const char *text =
        connection->db ? sqlite3_errmsg(connection->db) : "out of memory";
    char reason[128] = "";
    int plain = status & 0xff;

    failure->may_retry = plain == SQLITE_BUSY || plain == SQLITE_LOCKED;
    if (plain == SQLITE_CANTOPEN && number)
        inlay_failure_set(failure, INLAY_UNAVAILABLE,
                          "cannot open the SQLite database %s: %s (%s)", path,
                          text, strerror_r(number, reason, sizeof(reason)));
    else
        inlay_failure_set(failure, INLAY_UNAVAILABLE,
                          "cannot open the SQLite database %s: %s", path, text);
    inlay_sqlite_failure_clean(failure);
}

static void count_connection(struct inlay_sqlite_connection *connection,
                             bool has_come)
{
    struct inlay_db_stats *stats =
        atomic_load(&connection->sqlite->database->stats);

    if (has_come) {
        atomic_fetch_add_explicit(&stats->connected, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&stats->connections, 1, memory_order_relaxed);
    } else {
        atomic_fetch_sub_explicit(&stats->connections, 1, memory_order_relaxed);
    }
}

bool inlay_sqlite_connect(struct inlay_sqlite_connection *connection,
                          struct inlay_failure *failure)
{
    struct inlay_db_stats *stats =
        atomic_load(&connection->sqlite->database->stats);
    uint32_t most = connection->sqlite->database->config.statements;

    if (!take_file(connection, failure))
        return false;
    int status = sqlite3_open_v2(
        connection->sqlite->path, &connection->db,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);

    connection->deadline = 0;
    connection->is_late = connection->is_bad = false;
    if (!status) {
        sqlite3_extended_result_codes(connection->db, 1);
        sqlite3_busy_handler(connection->db, on_busy, connection);
        sqlite3_progress_handler(connection->db, STEPS_BETWEEN_LOOKS,
                                 on_progress, connection);
        status = set_up(connection);
    }
    if (status) {
        fail_open(connection, status, failure);
        /* One that failed to open wants closing, too. */
        sqlite3_close(connection->db);
        connection->db = NULL;
        give_file(connection);
        atomic_fetch_add_explicit(&stats->failed, 1, memory_order_relaxed);
        return false;
    }
    inlay_kept_init(&connection->statements, most == UINT32_MAX ? 0 : most);
    count_connection(connection, true);
    return true;
}

void inlay_sqlite_disconnect(struct inlay_sqlite_connection *connection)
{
    if (!connection->db)
        return;
    inlay_sqlite_statements_drop(connection);
    inlay_kept_deinit(&connection->statements);
    sqlite3_close(connection->db);
    connection->db = NULL;
    give_file(connection);
    connection->is_bad = false;
    count_connection(connection, false);
}
