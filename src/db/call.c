/*
 * call.c - statements and transactions of a running call: C values become
 * cells, an order goes to the database, its rows become C values.
 */
#include "db/call.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "db/driver.h"
#include "db/row.h"
#include "load/query.h"
#include "net/coroutine.h"

#include "base/banned.h"

/* --- Failures ------------------------------------------------------------- */

void inlay_db_misuse(struct inlay_db *db, const char *name, const char *why)
{
    char text[300];
    int len = snprintf(text, sizeof(text), "%s: %s", name, why);

    inlay_context_fail(
        db->context, INLAY_INTERNAL,
        inlay_str_make(text, inlay_min((size_t)len, sizeof(text) - 1)));
}

struct inlay_str inlay_db_told(const struct inlay_failure *failure)
{
    if (!failure->is_private || inlay_error_kind_status(failure->kind) >= 500)
        return inlay_str_from(failure->text);
    if (failure->kind != INLAY_CONFLICT)
        return INLAY_STR("the database does not take one of the values");
    return failure->may_retry
               ? INLAY_STR("it conflicts with another request: try again")
               : INLAY_STR("it conflicts with what is stored");
}

void inlay_db_fail(struct inlay_db *db,
                   const struct inlay_query *query,
                   const struct inlay_failure *failure)
{
    char text[sizeof(failure->text) + 320];
    struct inlay_str said = inlay_str_from(failure->text);
    bool is_fault = inlay_error_kind_status(failure->kind) >= 500;

    if (db->context->error)
        return;
    /* The log is told where it was, and all of it. */
    if (query && (is_fault || failure->is_private)) {
        int len =
            snprintf(text, sizeof(text), "%.*s:%u: %s",
                     (int)inlay_min(query->decl.file.len, (size_t)256),
                     query->decl.file.ptr, query->decl.line, failure->text);
        said = inlay_str_make(text, inlay_min((size_t)len, sizeof(text) - 1));
    }
    if (!is_fault && failure->is_private) {
        inlay_database_tell(db->database, "%.*s", inlay_str_arg(said));
        said = inlay_db_told(failure);
    }
    if (db->context->error) /* the first one is the call's */
        return;
    inlay_context_fail(db->context, failure->kind, said);
    db->context->may_retry = failure->may_retry;
    memcpy(db->context->sqlstate, failure->sqlstate, sizeof(failure->sqlstate));
}

bool inlay_db_owned(const struct inlay_db *db)
{
    struct inlay_context *context = inlay_context_current;

    if (inlay_likely(context == db->context))
        return true;
    /* A loop's body on another thread, a function of another call. */
    inlay_context_fail(context, INLAY_INTERNAL,
                       INLAY_STR("an inlay_db is used by a call that it was "
                                 "not given to"));
    return false;
}

bool inlay_db_usable(const struct inlay_db *db)
{
    return inlay_db_owned(db) && !db->context->error;
}

/* --- Waiting -------------------------------------------------------------- */

/* An order under way; on the stack of whoever waits for it. */
struct pending {
    struct inlay_db *db;
    bool coroutine;
    bool done; /* of a thread that sleeps: under db->lock */
};

static void on_done(struct inlay_order *order)
{
    struct pending *pending = order->arg;
    struct inlay_db *db = pending->db;

    if (pending->coroutine) {
        pending->done = true;
        db->waits->wake(db);
        return;
    }
    pthread_mutex_lock(&db->lock);
    pending->done = true;
    pthread_cond_signal(&db->done);
    pthread_mutex_unlock(&db->lock);
}

static void sleep_until(struct inlay_db *db, const struct pending *pending)
{
    const struct inlay_waiting *waiting = db->context->waiting;
    void *given = waiting ? waiting->begin() : NULL;

    pthread_mutex_lock(&db->lock);
    while (!pending->done)
        pthread_cond_wait(&db->done, &db->lock);
    pthread_mutex_unlock(&db->lock);
    if (given)
        waiting->end(given);
}

/* False: it was given up. */
static bool wait_for(struct inlay_db *db,
                     struct inlay_order *order,
                     const struct pending *pending)
{
    if (!pending->coroutine) {
        sleep_until(db, pending);
        return true;
    }
    while (!pending->done) {
        if (db->waits->sleep(db) || pending->done)
            continue;
        inlay_database_give_up(order);
        return false;
    }
    return true;
}

/* False: the call must not wait; nothing was asked. */
static bool run(struct inlay_db *db, struct inlay_order *order)
{
    struct pending pending = {
        .db = db,
        .coroutine = db->lane && inlay_coroutine_current(),
    };

    if (pending.coroutine && !db->waits->may(db))
        return false;
    order->arg = &pending;
    order->on_done = on_done;
    if (!order->hold)
        order->hold = db->hold;
    if (pending.coroutine && order->hold && order->hold->lane != db->lane) {
        inlay_db_misuse(db, "query",
                        "an INLAY_ASYNC function has begun the transaction: it "
                        "has to end it, too");
        return false;
    }
    inlay_database_submit(db->database, pending.coroutine ? db->lane : NULL,
                          order);
    return wait_for(db, order, &pending);
}

bool inlay_db_run(struct inlay_db *db,
                  const struct inlay_query *query,
                  struct inlay_order *order)
{
    if (!run(db, order))
        return false;
    if (inlay_likely(!order->failure.kind))
        return true;
    inlay_db_fail(db, query, &order->failure);
    inlay_rowset_destroy(inlay_take(order->rows));
    return false;
}

/* --- Statements ----------------------------------------------------------- */

static void fail_param(struct inlay_db *db,
                       const struct inlay_query *query,
                       const char *why)
{
    struct inlay_failure failure = {0};

    inlay_failure_set(&failure, why ? INLAY_INVALID : INLAY_NO_MEMORY,
                      "a parameter of the query: %s",
                      why ? why : "out of memory for this call");
    inlay_db_fail(db, query, &failure);
}

static bool param(struct inlay_db *db,
                  const struct inlay_query *query,
                  const struct inlay_type *type,
                  const void *value,
                  struct inlay_cell *ret)
{
    const char *why = NULL;

    if (inlay_likely(
            inlay_cell_from(type, value, db->context->arena, ret, &why) == 0))
        return true;
    fail_param(db, query, why);
    return false;
}

const struct inlay_cell *inlay_db_params(struct inlay_db *db,
                                         const struct inlay_query *query,
                                         const void *const *args)
{
    struct inlay_cell *cells = inlay_arena_zalloc_array(
        db->context->arena, query->nargs + 1, sizeof(*cells));

    db->context->dirty = true;
    if (!cells)
        fail_param(db, query, NULL);
    for (size_t i = 0; cells && i < query->nargs; i++)
        if (!param(db, query, query->args[i], args[i], &cells[i]))
            return NULL;
    return cells;
}

/* Each struct of a slice is a set: its fields are the parameters. */
static const struct inlay_cell *sets(struct inlay_db *db,
                                     const struct inlay_query *query,
                                     const void *slice,
                                     struct inlay_order *order)
{
    const struct inlay_type *type = query->args[0], *row = type->elem;
    size_t len, count;
    const char *ptr;

    memcpy(&len, (const char *)slice + type->len_offset, sizeof(len));
    memcpy(&ptr, (const char *)slice + type->ptr_offset, sizeof(ptr));
    if (__builtin_mul_overflow(len, row->nfields, &count)) {
        fail_param(db, query, NULL);
        return NULL;
    }
    db->context->dirty = true;
    struct inlay_cell *cells =
        inlay_arena_zalloc_array(db->context->arena, count + 1, sizeof(*cells));
    if (!cells)
        fail_param(db, query, NULL);
    for (size_t i = 0; cells && i < count; i++) {
        const struct inlay_field *field = &row->fields[i % row->nfields];
        const char *at = ptr + i / row->nfields * row->size + field->offset;

        if (!param(db, query, field->type, at, &cells[i]))
            return NULL;
    }
    order->sets = len;
    order->nparams = row->nfields;
    return cells;
}

static bool make_order(struct inlay_db *db,
                       const struct inlay_query *query,
                       struct inlay_str text,
                       const void *const *args,
                       struct inlay_order *order)
{
    order->sql = query->sql.len ? query->sql : text;
    order->keep = query->sql.len > 0;
    switch (query->kind) {
    case INLAY_QUERY_BATCH:
    case INLAY_QUERY_COPY:
        order->kind = query->kind == INLAY_QUERY_BATCH ? INLAY_ORDER_BATCH
                                                       : INLAY_ORDER_COPY;
        order->params = sets(db, query, args[0], order);
        break;
    case INLAY_QUERY_ONE:
    case INLAY_QUERY_MAYBE:
    case INLAY_QUERY_ALL:
    case INLAY_QUERY_EXEC:
    case INLAY_QUERY_EACH:
        order->kind = INLAY_ORDER_QUERY;
        order->nparams = query->nargs;
        order->params = inlay_db_params(db, query, args);
        break;
    }
    return order->params != NULL;
}

static bool take_rows(struct inlay_db *db,
                      const struct inlay_query *query,
                      struct inlay_order *order,
                      void *result)
{
    struct inlay_failure failure = {0};
    bool ok = false, had_rows = order->rows; /* whose failures say where */

    db->context->dirty = true;
    if (!order->rows)
        inlay_failure_set(&failure, INLAY_INTERNAL,
                          "the statement gives no rows: use inlay_exec");
    else
        ok = inlay_rows_read(query, order->rows, db->context->arena, result,
                             &failure);
    inlay_rowset_destroy(inlay_take(order->rows));
    if (!ok)
        inlay_db_fail(db, had_rows ? NULL : query, &failure);
    return ok;
}

static bool ask(struct inlay_db *db,
                const struct inlay_query *query,
                struct inlay_str text,
                const void *const *args,
                void *result)
{
    struct inlay_order order = {0};

    if (!inlay_db_usable(db) || !make_order(db, query, text, args, &order))
        return false;
    /* Nothing to be done with no rows, and databases don't like it. */
    if (order.kind != INLAY_ORDER_QUERY && !order.sets)
        return true;
    if (!inlay_db_run(db, query, &order))
        return false;
    if (query->row)
        return take_rows(db, query, &order, result);
    inlay_rowset_destroy(order.rows);
    memcpy(result, &order.changed, sizeof(order.changed));
    return true;
}

/* --- Transactions --------------------------------------------------------- */

static bool say(struct inlay_db *db,
                enum inlay_order_kind kind,
                const char *format,
                unsigned number)
{
    struct inlay_order order = {.kind = kind};
    char sql[64];
    int len = snprintf(sql, sizeof(sql), "%s", format);

    if (number)
        len = snprintf(sql, sizeof(sql), "%s inlay_%u", format, number);
    order.sql = inlay_str_make(sql, (size_t)len);
    if (!inlay_db_run(db, NULL, &order))
        return false;
    inlay_rowset_destroy(order.rows);
    if (kind == INLAY_ORDER_BEGIN)
        db->hold = order.hold;
    return true;
}

static void leave(struct inlay_db *db)
{
    struct inlay_hold *hold = inlay_take(db->hold);

    db->depth = 0;
    inlay_db_cursors_orphan(db);
    if (hold)
        inlay_hold_release(hold);
}

static bool begin(struct inlay_db *db)
{
    if (!inlay_db_usable(db))
        return false;
    if (!(db->depth ? say(db, INLAY_ORDER_QUERY, "savepoint", db->depth)
                    : say(db, INLAY_ORDER_BEGIN, "begin", 0)))
        return false;
    db->depth++;
    return true;
}

static bool commit(struct inlay_db *db)
{
    if (!inlay_db_usable(db))
        return false;
    if (!db->depth) {
        inlay_db_misuse(db, "inlay_commit", "no transaction is open");
        return false;
    }
    if (db->depth > 1) {
        db->depth--;
        return say(db, INLAY_ORDER_QUERY, "release savepoint", db->depth);
    }
    bool ok = say(db, INLAY_ORDER_COMMIT, "commit", 0);
    leave(db);
    return ok;
}

/* Also of a call that has failed, which does not wait: its transaction ends
 * as a whole, behind its back. */
static bool rollback(struct inlay_db *db)
{
    bool ok = !db->context->error;

    if (!inlay_db_owned(db))
        return false;
    if (!db->depth) {
        if (ok)
            inlay_db_misuse(db, "inlay_rollback", "no transaction is open");
        return false;
    }
    if (db->depth > 1) {
        db->depth--;
        return ok &&
               say(db, INLAY_ORDER_QUERY, "rollback to savepoint", db->depth) &&
               say(db, INLAY_ORDER_QUERY, "release savepoint", db->depth);
    }
    if (ok)
        ok = say(db, INLAY_ORDER_QUERY, "rollback", 0);
    leave(db);
    return ok;
}

static bool attempt_begin(struct inlay_attempt *attempt)
{
    struct inlay_db *db = attempt->db;

    attempt->made++;
    attempt->is_open = begin(db);
    return attempt->is_open;
}

/* It failed of what the next attempt may be spared of; savepoints don't help
 * against that. */
static bool may_again(const struct inlay_attempt *attempt)
{
    const struct inlay_db *db = attempt->db;

    return db->context->error && db->context->may_retry && db->depth <= 1 &&
           attempt->made < attempt->tries;
}

static bool attempt(struct inlay_attempt *attempt)
{
    struct inlay_db *db = attempt->db;

    if (!inlay_db_owned(db))
        return false;
    if (!attempt->made)
        return attempt_begin(attempt);
    if (!db->context->error && attempt->is_open && commit(db)) {
        attempt->is_open = false;
        return false;
    }
    attempt->is_open = false;
    bool again = may_again(attempt);
    if (db->depth)
        rollback(db);
    if (!again)
        return false;
    inlay_context_clear_error(db->context);
    return attempt_begin(attempt);
}

/* --- A call's ------------------------------------------------------------- */

static const struct inlay_db_ops ops = {
    .query = ask,
    .cursor_open = inlay_db_cursor_open,
    .cursor_next = inlay_db_cursor_next,
    .cursor_close = inlay_db_cursor_close,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .attempt = attempt,
    .listen = inlay_db_listen,
    .notified = inlay_db_notified,
};

void inlay_db_begin(struct inlay_db *db,
                    struct inlay_database *database,
                    struct inlay_context *context,
                    struct inlay_lane *lane,
                    const struct inlay_db_waits *waits,
                    void *waiter)
{
    *db = (struct inlay_db){
        .ops = &ops,
        .database = database,
        .context = context,
        .lane = lane,
        .waits = waits,
        .waiter = waiter,
    };
    pthread_mutex_init(&db->lock, NULL);
    pthread_cond_init(&db->done, NULL);
}

void inlay_db_end(struct inlay_db *db)
{
    inlay_db_cursors_end(db);
    inlay_db_listening_end(db);
    leave(db);
    pthread_cond_destroy(&db->done);
    pthread_mutex_destroy(&db->lock);
}
