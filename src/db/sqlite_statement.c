/*
 * sqlite_statement.c - prepared statements: kept by text, the ones used last;
 * their parameters, and what is known of their columns.
 */
#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "db/sqlite.h"

#include "base/banned.h"

/* --- Texts ---------------------------------------------------------------- */

static const char *skip_line(const char *at, const char *end)
{
    while (at < end && *at != '\n')
        at++;
    return at;
}

/* A comment without an end goes to the text's, as SQLite has it. */
static const char *skip_comment(const char *at, const char *end)
{
    for (at += 2; at < end; at++)
        if (at[0] == '*' && at + 1 < end && at[1] == '/')
            return at + 2;
    return end;
}

const char *inlay_sqlite_skip(const char *at, const char *end)
{
    while (at < end) {
        if (*at == ' ' || (*at >= '\t' && *at <= '\r') || *at == ';')
            at++;
        else if (*at == '-' && at + 1 < end && at[1] == '-')
            at = skip_line(at, end);
        else if (*at == '/' && at + 1 < end && at[1] == '*')
            at = skip_comment(at, end);
        else
            break;
    }
    return at;
}

/* --- Columns -------------------------------------------------------------- */

void inlay_sqlite_columns_unref(struct inlay_sqlite_columns *columns)
{
    if (columns && atomic_fetch_sub_explicit(&columns->users, 1,
                                             memory_order_acq_rel) == 1)
        inlay_free(columns);
}

static struct inlay_sqlite_columns *columns_create(sqlite3_stmt *stmt)
{
    size_t count = (size_t)sqlite3_column_count(stmt), bytes = 0;
    size_t head = sizeof(struct inlay_sqlite_columns) +
                  count * sizeof(struct inlay_sqlite_column);

    for (size_t i = 0; i < count; i++) {
        const char *name = sqlite3_column_name(stmt, (int)i);

        if (!name)
            return NULL;
        bytes += strlen(name);
    }
    struct inlay_sqlite_columns *columns = inlay_malloc(head + bytes);
    if (!columns)
        return NULL;
    atomic_init(&columns->users, 1);
    columns->count = count;
    char *at = (char *)columns + head;
    for (size_t i = 0; i < count; i++) {
        struct inlay_str name =
            inlay_str_from(sqlite3_column_name(stmt, (int)i));
        struct inlay_str type =
            inlay_str_from(sqlite3_column_decltype(stmt, (int)i));

        if (name.len)
            memcpy(at, name.ptr, name.len);
        columns->column[i] = (struct inlay_sqlite_column){
            .name = inlay_str_make(at, name.len),
            .is_bool = inlay_str_is_nocase(type, "boolean") ||
                       inlay_str_is_nocase(type, "bool"),
            .is_json = inlay_str_is_nocase(type, "json") ||
                       inlay_str_is_nocase(type, "jsonb"),
        };
        at += name.len;
    }
    return columns;
}

struct inlay_sqlite_columns *inlay_sqlite_columns(
    struct inlay_sqlite_statement *statement)
{
    /* When tables change SQLite prepares again, within a step. */
    int prepared =
        sqlite3_stmt_status(statement->stmt, SQLITE_STMTSTATUS_REPREPARE, 0);

    if (statement->columns && statement->prepared == prepared)
        return statement->columns;
    inlay_sqlite_columns_unref(statement->columns);
    statement->columns = columns_create(statement->stmt);
    statement->prepared = prepared;
    return statement->columns;
}

/* --- Preparing ------------------------------------------------------------ */

static void statement_destroy(struct inlay_sqlite_statement *statement)
{
    if (!statement)
        return;
    sqlite3_finalize(statement->stmt);
    inlay_sqlite_columns_unref(statement->columns);
    inlay_free(statement->numbers);
    inlay_free(statement);
}

/* "$12" -> 12; 0: it is no number. */
static uint32_t number_of(const char *name)
{
    uint32_t number = 0;

    for (const char *at = name + 1; *at; at++) {
        if (*at < '0' || *at > '9' || number > 1000000)
            return 0;
        number = number * 10 + (uint32_t)(*at - '0');
    }
    return number;
}

/* $1 is a name for SQLite, whose own numbers go by the order of appearance. */
static bool number_places(struct inlay_sqlite_statement *statement,
                          struct inlay_failure *failure)
{
    size_t count = (size_t)sqlite3_bind_parameter_count(statement->stmt);

    if (!count)
        return true;
    statement->numbers = inlay_calloc(count, sizeof(*statement->numbers));
    if (!statement->numbers) {
        inlay_failure_set(failure, INLAY_NO_MEMORY, "out of memory");
        return false;
    }
    statement->nplaces = count;
    for (size_t i = 0; i < count; i++) {
        const char *name =
            sqlite3_bind_parameter_name(statement->stmt, (int)i + 1);
        uint32_t number = name ? number_of(name) : (uint32_t)i + 1;

        if (!number) {
            inlay_failure_set(failure, INLAY_INTERNAL,
                              "parameter %.40s has no number: write $1, $2, …",
                              name);
            inlay_sqlite_failure_clean(failure);
            return false;
        }
        statement->numbers[i] = number - 1;
        statement->nparams = inlay_max(statement->nparams, number);
    }
    return true;
}

static bool prepare(struct inlay_sqlite_connection *connection,
                    struct inlay_sqlite_statement *statement,
                    struct inlay_failure *failure)
{
    struct inlay_str sql = statement->kept.text;
    const char *tail = NULL;
    /* With the NUL SQLite need not copy the text. */
    int status =
        sqlite3_prepare_v3(connection->db, sql.ptr, (int)sql.len + 1,
                           statement->keep ? SQLITE_PREPARE_PERSISTENT : 0,
                           &statement->stmt, &tail);

    if (status) {
        inlay_sqlite_fail(connection, status, sql, failure);
        return false;
    }
    if (!statement->stmt) {
        inlay_failure_set(failure, INLAY_INTERNAL,
                          "the text has no SQL statement in it");
        return false;
    }
    const char *end = sql.ptr + sql.len;
    if (tail && inlay_sqlite_skip(tail, end) != end) {
        inlay_failure_set(
            failure, INLAY_INTERNAL,
            "more than one statement, the second at character %zu: ask them "
            "one by one",
            inlay_utf8_length(inlay_str_make(
                sql.ptr, (size_t)(inlay_sqlite_skip(tail, end) - sql.ptr))) +
                1);
        return false;
    }
    statement->reads = sqlite3_stmt_readonly(statement->stmt);
    return number_places(statement, failure);
}

static struct inlay_sqlite_statement *statement_create(
    struct inlay_sqlite_connection *connection,
    struct inlay_str sql,
    uint64_t hash,
    bool keep,
    struct inlay_failure *failure)
{
    struct inlay_sqlite_statement *statement;

    if (sql.len >= INT_MAX) {
        inlay_failure_set(failure, INLAY_INVALID, "the SQL is too long");
        return NULL;
    }
    if (sql.len && memchr(sql.ptr, 0, sql.len)) {
        inlay_failure_set(failure, INLAY_INTERNAL, "the SQL has a NUL in it");
        return NULL;
    }
    statement = inlay_calloc(1, sizeof(*statement) + sql.len + 1);
    if (!statement) {
        inlay_failure_set(failure, INLAY_NO_MEMORY, "out of memory");
        return NULL;
    }
    inlay_list_init(&statement->kept.node);
    statement->kept.hash = hash;
    statement->keep = keep;
    char *text = (char *)(statement + 1);
    if (sql.len)
        memcpy(text, sql.ptr, sql.len);
    statement->kept.text = inlay_str_make(text, sql.len);
    if (!prepare(connection, statement, failure)) {
        statement_destroy(statement);
        return NULL;
    }
    return statement;
}

/* --- Keeping -------------------------------------------------------------- */

struct inlay_sqlite_statement *inlay_sqlite_statement_take(
    struct inlay_sqlite_connection *connection,
    struct inlay_str sql,
    uint64_t hash,
    bool keep,
    struct inlay_failure *failure)
{
    struct inlay_kept *found =
        inlay_kept_find(&connection->statements, sql, hash);

    if (!found)
        return statement_create(connection, sql, hash, keep, failure);
    inlay_kept_remove(&connection->statements, found);
    return inlay_container_of(found, struct inlay_sqlite_statement, kept);
}

static void drop_oldest(struct inlay_sqlite_connection *connection)
{
    struct inlay_sqlite_statement *oldest =
        inlay_list_entry(connection->statements.order.next,
                         struct inlay_sqlite_statement, kept.node);

    inlay_kept_remove(&connection->statements, &oldest->kept);
    statement_destroy(oldest);
}

void inlay_sqlite_statement_put(struct inlay_sqlite_connection *connection,
                                struct inlay_sqlite_statement *statement)
{
    sqlite3_reset(statement->stmt);
    sqlite3_clear_bindings(statement->stmt);
    /* A cursor may have had one of the same text for itself. */
    if (!statement->keep ||
        inlay_kept_find(&connection->statements, statement->kept.text,
                        statement->kept.hash) ||
        !inlay_kept_add(&connection->statements, &statement->kept))
        statement_destroy(statement);
    else if (connection->statements.count > connection->statements.most)
        drop_oldest(connection);
}

void inlay_sqlite_statements_drop(struct inlay_sqlite_connection *connection)
{
    while (connection->statements.count)
        drop_oldest(connection);
}

/* --- Parameters ----------------------------------------------------------- */

static int bind_value(sqlite3_stmt *stmt,
                      int place,
                      const struct inlay_sqlite_value *value,
                      sqlite3_destructor_type how)
{
    struct inlay_str text;

    switch (value->kind) {
    case INLAY_SQLITE_NULL:
        return sqlite3_bind_null(stmt, place);
    case INLAY_SQLITE_INT:
        return sqlite3_bind_int64(stmt, place, value->integer);
    case INLAY_SQLITE_REAL:
        return sqlite3_bind_double(stmt, place, value->real);
    case INLAY_SQLITE_TEXT:
    case INLAY_SQLITE_BYTES:
        break;
    }
    text = value->text;
    /* A NULL pointer would be NULL. */
    if (!text.len)
        text = INLAY_STR("");
    if (value->kind == INLAY_SQLITE_TEXT)
        return sqlite3_bind_text64(stmt, place, text.ptr, text.len, how,
                                   SQLITE_UTF8);
    return sqlite3_bind_blob64(stmt, place, text.ptr, text.len, how);
}

bool inlay_sqlite_bind(struct inlay_sqlite_connection *connection,
                       struct inlay_sqlite_statement *statement,
                       const struct inlay_sqlite_value *values,
                       size_t count,
                       bool lasts,
                       struct inlay_failure *failure)
{
    if (statement->nparams != count) {
        inlay_failure_set(failure, INLAY_INTERNAL,
                          "the statement wants %zu parameters and got %zu",
                          statement->nparams, count);
        return false;
    }
    for (size_t i = 0; i < statement->nplaces; i++) {
        int status = bind_value(statement->stmt, (int)i + 1,
                                &values[statement->numbers[i]],
                                lasts ? SQLITE_STATIC : SQLITE_TRANSIENT);

        if (status) {
            inlay_sqlite_fail(connection, status, inlay_str_make(NULL, 0),
                              failure);
            return false;
        }
    }
    return true;
}
