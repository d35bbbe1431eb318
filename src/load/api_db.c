/*
 * api_db.c - what functions ask of a database: whether there is a call that may
 * ask is looked at here, the rest is the database's own (struct inlay_db_ops,
 * which an inlay_db begins with).
 */
#include <stdio.h>

#include "load/api.h"
#include "load/query.h"

#include "base/banned.h"

/* NULL, and the call fails, when there is no database. */
static const struct inlay_db_ops *ops_of(struct inlay_context *context,
                                         const struct inlay_db *db,
                                         const char *what)
{
    char text[160];

    if (db)
        return *(const struct inlay_db_ops *const *)db;
    snprintf(text, sizeof(text),
             "%s: the database pointer is NULL (a function gets it as a "
             "parameter: inlay_db *db)",
             what);
    inlay_context_fail(context, INLAY_INTERNAL, inlay_str_from(text));
    return NULL;
}

/* The same for a call that goes on; NULL without one, too. */
static const struct inlay_db_ops *running(const struct inlay_db *db,
                                          const char *what)
{
    struct inlay_context *context = inlay_context_current;

    return context && !context->error ? ops_of(context, db, what) : NULL;
}

/* The same for a place that was looked at when its module was loaded. */
static const struct inlay_db_ops *asking(
    const struct inlay_db *db,
    const struct inlay_query_record *record)
{
    const struct inlay_db_ops *ops = running(db, inlay_query_macro(record));
    char text[512];

    if (!ops || record->query)
        return ops;
    snprintf(text, sizeof(text),
             "%s:%u: %s: its module was not loaded by Inlay",
             record->file ? record->file : "unknown file", record->line,
             inlay_query_macro(record));
    inlay_context_fail(inlay_context_current, INLAY_INTERNAL,
                       inlay_str_from(text));
    return NULL;
}

bool inlay_api_query(inlay_db *db,
                     const struct inlay_query_record *record,
                     struct inlay_str text,
                     const void *const *args,
                     void *result)
{
    const struct inlay_db_ops *ops = asking(db, record);

    return ops && ops->query(db, record->query, text, args, result);
}

struct inlay_cursor *inlay_api_cursor_open(
    inlay_db *db,
    const struct inlay_query_record *record,
    struct inlay_str text,
    const void *const *args)
{
    const struct inlay_db_ops *ops = asking(db, record);

    return ops ? ops->cursor_open(db, record->query, text, args) : NULL;
}

/* An inlay_cursor begins with its inlay_db *. */
static inlay_db *db_of(const struct inlay_cursor *cursor)
{
    return *(inlay_db *const *)(const void *)cursor;
}

bool inlay_api_cursor_next(struct inlay_cursor *cursor, void *row_ret)
{
    const struct inlay_db_ops *ops =
        cursor ? running(db_of(cursor), "inlay_each") : NULL;

    return ops && ops->cursor_next(cursor, row_ret);
}

/* Of a call that has failed, too: what it holds goes back. */
void inlay_api_cursor_close(struct inlay_cursor *cursor)
{
    struct inlay_context *context = inlay_context_current;
    const struct inlay_db_ops *ops =
        cursor && context ? ops_of(context, db_of(cursor), "inlay_each") : NULL;

    if (ops)
        ops->cursor_close(cursor);
}

bool inlay_api_db_begin(inlay_db *db)
{
    const struct inlay_db_ops *ops = running(db, "inlay_begin");

    return ops && ops->begin(db);
}

bool inlay_api_db_commit(inlay_db *db)
{
    const struct inlay_db_ops *ops = running(db, "inlay_commit");

    return ops && ops->commit(db);
}

bool inlay_api_db_rollback(inlay_db *db)
{
    struct inlay_context *context = inlay_context_current;
    const struct inlay_db_ops *ops =
        context ? ops_of(context, db, "inlay_rollback") : NULL;

    return ops && ops->rollback(db);
}

/* A block that ended in a failure may begin again, which the database knows;
 * one that has not begun does not begin then. */
bool inlay_api_db_attempt(struct inlay_attempt *attempt)
{
    struct inlay_context *context = inlay_context_current;

    if (!context || (context->error && !attempt->made))
        return false;
    const struct inlay_db_ops *ops =
        ops_of(context, attempt->db, "inlay_transaction");
    return ops && ops->attempt(attempt);
}

bool inlay_api_db_listen(inlay_db *db, struct inlay_str channel)
{
    const struct inlay_db_ops *ops = running(db, "inlay_listen");

    return ops && ops->listen(db, channel);
}

bool inlay_api_db_notified(inlay_db *db, struct inlay_notification *ret)
{
    const struct inlay_db_ops *ops = running(db, "inlay_notified");

    return ops && ops->notified(db, ret);
}
