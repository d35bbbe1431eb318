/*
 * sqlite_error.c - SQLite's result codes (sqlite.org/rescode.html) -> errors of
 * inlay.h, with its own words.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "db/sqlite.h"

#include "base/banned.h"

void inlay_sqlite_failure_clean(struct inlay_failure *failure)
{
    char *text = failure->text;
    size_t len = strnlen(text, sizeof(failure->text) - 1);

    text[len] = '\0';
    for (size_t at = 0; at < len;) {
        size_t size = inlay_utf8_character(inlay_str_make(text + at, len - at));

        /* The last bytes may be what is left of a character. */
        if (!size && len == sizeof(failure->text) - 1 && len - at < 4) {
            text[at] = '\0';
            return;
        }
        if (!size)
            text[at] = '?';
        at += size ? size : 1;
    }
}

static int kind_of_constraint(int code)
{
    switch (code) {
    case SQLITE_CONSTRAINT_CHECK:
    case SQLITE_CONSTRAINT_NOTNULL:
    case SQLITE_CONSTRAINT_DATATYPE:
        return INLAY_INVALID;
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_FOREIGNKEY:
    case SQLITE_CONSTRAINT_ROWID:
    case SQLITE_CONSTRAINT_TRIGGER: /* foreign keys with `restrict`, too */
        return INLAY_CONFLICT;
    default:
        return INLAY_INVALID;
    }
}

static int kind_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
        return kind_of_constraint(code);
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
        return INLAY_INVALID;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL:
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return INLAY_UNAVAILABLE;
    case SQLITE_NOMEM:
        return INLAY_NO_MEMORY;
    default:
        return INLAY_INTERNAL;
    }
}

/* Of these the connection may not get over. */
static bool is_fatal(int code)
{
    switch (code & 0xff) {
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return true;
    default:
        return false;
    }
}

/* The limit that the statement passed, for the text. */
static void fail_late(struct inlay_sqlite_connection *connection,
                      struct inlay_failure *failure)
{
    inlay_failure_set(
        failure, INLAY_TIMEOUT,
        "the statement took longer than %u ms, the statement_timeout",
        connection->sqlite->database->config.statement_timeout);
}

/* Characters of the SQL before the error; -1: SQLite does not say. */
static long error_character(struct inlay_sqlite_connection *connection,
                            struct inlay_str sql)
{
    int offset = sqlite3_error_offset(connection->db);

    if (!sql.ptr || offset < 0 || (size_t)offset > sql.len)
        return -1;
    sql.len = (size_t)offset;
    return inlay_utf8_valid(sql) ? (long)inlay_utf8_length(sql) : offset;
}

void inlay_sqlite_fail(struct inlay_sqlite_connection *connection,
                       int status,
                       struct inlay_str sql,
                       struct inlay_failure *failure)
{
    int code = sqlite3_extended_errcode(connection->db);
    const char *text = sqlite3_errmsg(connection->db);
    int plain = status & 0xff;

    /* Some codes (of misuse, of resets) are not the connection's last. */
    if ((code & 0xff) != plain) {
        code = status;
        text = sqlite3_errstr(status);
    }
    if (is_fatal(code))
        connection->is_bad = true;
    if ((plain == SQLITE_INTERRUPT || plain == SQLITE_BUSY) &&
        connection->is_late) {
        fail_late(connection, failure);
        return;
    }
    failure->may_retry = plain == SQLITE_BUSY || plain == SQLITE_LOCKED;
    failure->is_private = true;
    long at = error_character(connection, sql);
    /* "database is locked"; other texts say of themselves what is in the way. */
    if (code == SQLITE_BUSY && !strcmp(text, sqlite3_errstr(SQLITE_BUSY)))
        inlay_failure_set(failure, INLAY_UNAVAILABLE,
                          "%s: another process has kept it locked for %u ms",
                          text, connection->sqlite->busy_ms);
    else if (at >= 0)
        inlay_failure_set(failure, kind_of(code), "%s at character %ld", text,
                          at + 1);
    else
        inlay_failure_set(failure, kind_of(code), "%s", text);
    inlay_sqlite_failure_clean(failure);
}
