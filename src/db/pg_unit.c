/*
 * pg_unit.c - units on their way: what is sent ends by a Sync of its own, and
 * what comes back up to that Sync is its result.
 */
#include <stdio.h>

#include "db/pg.h"

#include "base/banned.h"

/* --- Out ------------------------------------------------------------------ */

struct inlay_pg_unit *inlay_pg_unit_add(struct inlay_pg_connection *connection,
                                        enum inlay_pg_unit_kind kind,
                                        struct inlay_order *order)
{
    unsigned at = (connection->first + connection->count) % INLAY_PG_UNITS;
    struct inlay_pg_unit *unit = &connection->units[at];

    uint64_t now = connection->lane->base.loop->now;

    if (!connection->count)
        connection->progress = now;
    connection->count++;
    *unit = (struct inlay_pg_unit){.kind = kind, .order = order, .since = now};
    if (order) {
        unit->asked = order->kind;
        unit->counts = true;
        connection->norders++;
        order->driver = connection;
    }
    return unit;
}

void inlay_pg_unit_send(struct inlay_pg_connection *connection, bool ok)
{
    if (inlay_likely(ok && PQpipelineSync(connection->pg)))
        inlay_pg_flush(connection);
    else
        inlay_pg_connection_lose(connection, PQerrorMessage(connection->pg));
}

void inlay_pg_command(struct inlay_pg_connection *connection,
                      enum inlay_pg_unit_kind kind,
                      struct inlay_pg_channel *channel,
                      const char *sql)
{
    struct inlay_pg_unit *unit = inlay_pg_unit_add(connection, kind, NULL);

    unit->channel = channel;
    inlay_pg_unit_send(
        connection,
        PQsendQueryParams(connection->pg, sql, 0, NULL, NULL, NULL, NULL, 0));
}

/* --- In: results ---------------------------------------------------------- */

void inlay_pg_order_failed(struct inlay_order *order,
                           const PGresult *result,
                           unsigned offset)
{
    if (order && !order->failure.kind)
        inlay_pg_failure(result, offset, &order->failure);
}

static void note_failure(struct inlay_pg_connection *connection,
                         struct inlay_pg_unit *unit,
                         const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

    if (unit->failed)
        return;
    unit->failed = true;
    unit->is_stale = inlay_pg_error_stale(result);
    snprintf(unit->sqlstate, sizeof(unit->sqlstate), "%s", state ? state : "");
    inlay_pg_order_failed(unit->order, result, unit->offset);
    if (unit->asked == INLAY_ORDER_BATCH && unit->counts)
        connection->batch.stops = true;
}

static void keep_rows(struct inlay_order *order, PGresult *result)
{
    order->changed = inlay_pg_changed(result);
    if (PQresultStatus(result) != PGRES_TUPLES_OK || order->rows) {
        PQclear(result);
        return;
    }
    order->rows = inlay_pg_rowset(result);
    if (!order->rows)
        inlay_failure_set(&order->failure, INLAY_NO_MEMORY,
                          "out of memory for the rows of a statement");
}

static void take_piece(struct inlay_pg_unit *unit, PGresult *result)
{
    unit->order->more = (unsigned)PQntuples(result) == unit->rows && unit->rows;
    inlay_pg_cursor_came(unit->cursor, result);
    keep_rows(unit->order, result);
}

static void check_commit(struct inlay_order *order, PGresult *result)
{
    if (strncmp(PQcmdStatus(result), "ROLLBACK", 8) == 0)
        inlay_failure_set(&order->failure, INLAY_INTERNAL,
                          "the transaction was rolled back at its commit, as a "
                          "statement in it had failed");
    PQclear(result);
}

/* What a statement may not do that anybody asks: the connection is lost. */
static void refuse(struct inlay_pg_connection *connection,
                   struct inlay_pg_unit *unit,
                   const char *text,
                   const char *why)
{
    if (unit->order)
        inlay_failure_set(&unit->order->failure, INLAY_INTERNAL, "%s", text);
    inlay_pg_connection_lose(connection, why);
}

/* On a connection of all: what others ask behind it would be told "done", and
 * then be rolled back. */
static bool is_stray_begin(const struct inlay_pg_connection *connection,
                           const struct inlay_pg_unit *unit,
                           PGresult *result)
{
    const char *tag;

    if (connection->use != INLAY_PG_FREE || unit->asked != INLAY_ORDER_QUERY ||
        PQresultStatus(result) != PGRES_COMMAND_OK)
        return false;
    tag = PQcmdStatus(result);
    return strcmp(tag, "BEGIN") == 0 || strcmp(tag, "START TRANSACTION") == 0;
}

/* A result of the order itself; it takes `result` over. */
static void take_own(struct inlay_pg_connection *connection,
                     struct inlay_pg_unit *unit,
                     PGresult *result)
{
    if (unit->asked == INLAY_ORDER_BATCH)
        connection->batch.came++;
    if (inlay_unlikely(is_stray_begin(connection, unit, result))) {
        PQclear(result);
        refuse(connection, unit,
               "the statement begins a transaction: use inlay_begin or "
               "inlay_transaction",
               "a statement began a transaction");
        return;
    }
    if (unit->statement)
        unit->statement->reads = inlay_pg_reads(result);
    inlay_pg_session_tag(connection, result, unit->order);
    if (!unit->order) {
        PQclear(result);
        return;
    }
    switch (unit->asked) {
    case INLAY_ORDER_QUERY:
        keep_rows(unit->order, result);
        return;
    case INLAY_ORDER_FETCH:
        take_piece(unit, result);
        return;
    case INLAY_ORDER_COMMIT:
        check_commit(unit->order, result);
        return;
    case INLAY_ORDER_BATCH:
        unit->order->changed += inlay_pg_changed(result);
        break;
    case INLAY_ORDER_COPY:
    case INLAY_ORDER_SCRIPT:
    case INLAY_ORDER_BEGIN:
    case INLAY_ORDER_OPEN:
    case INLAY_ORDER_CLOSE:
        break;
    }
    PQclear(result);
}

static void take_good(struct inlay_pg_connection *connection,
                      struct inlay_pg_unit *unit,
                      PGresult *result)
{
    if (unit->kind != INLAY_PG_ORDER) {
        PQclear(result);
    } else if (inlay_unlikely(unit->before)) {
        connection->is_open |=
            connection->is_beginning && connection->use == INLAY_PG_HELD;
        connection->is_beginning = false; /* that comes first */
        if (--unit->before == 0 && unit->prepares) {
            unit->statement->is_ready = true;
            unit->prepares = false;
        }
        PQclear(result);
    } else {
        take_own(connection, unit, result);
    }
}

/* --- In: the end of a unit ------------------------------------------------ */

static void say_unnamed(struct inlay_pg_connection *connection)
{
    struct inlay_pg_lane *lane = connection->lane;

    if (atomic_exchange(&lane->database->unnamed, true))
        return;
    inlay_database_warn(
        lane->base.database,
        "the server does not know a statement that was prepared: is it a "
        "pooler in transaction mode? Statements are not prepared any more; "
        "statement_cache=0 in the URL says so from the start");
}

/* True: the order was sent once more. */
static bool end_statement(struct inlay_pg_connection *connection,
                          struct inlay_pg_unit *unit)
{
    struct inlay_pg_statement *statement = unit->statement;
    bool is_unknown = unit->failed && inlay_pg_error_unknown(unit->sqlstate);
    bool again = is_unknown || unit->is_stale;
    unsigned number = statement->number;

    if (unit->prepares || again)
        inlay_pg_statements_forget(&connection->statements, statement);
    inlay_pg_statement_took(statement,
                            connection->lane->base.loop->now - unit->since);
    inlay_pg_statement_unuse(statement);
    if (inlay_likely(!again))
        return false;
    if (is_unknown)
        say_unnamed(connection);
    if (connection->use != INLAY_PG_FREE) {
        /* Its transaction has failed; a new one will do. */
        if (unit->order)
            unit->order->failure.may_retry = true;
        return false;
    }
    if (unit->is_stale && inlay_pg_has_room(connection))
        inlay_pg_deallocate(connection, number);
    if (!unit->order || !connection->pg || !inlay_pg_has_room(connection))
        return false;
    unit->order->failure = (struct inlay_failure){.kind = 0};
    inlay_pg_send_again(connection, unit->order);
    return true;
}

static void end_open(struct inlay_pg_connection *connection,
                     const struct inlay_pg_unit *unit)
{
    if (!unit->failed)
        return;
    inlay_pg_cursor_free(unit->cursor);
    if (unit->order)
        unit->order->cursor = NULL;
    if (!unit->took)
        return;
    if (unit->order) {
        /* Its caller has no hold by this. */
        unit->order->hold = NULL;
        inlay_pg_stat(connection->lane, held, -1);
    }
    connection->use = INLAY_PG_LEAVING;
}

/* It was meant for the one before, whose rows were too many. */
static bool was_cancelled_by_mistake(
    const struct inlay_pg_connection *connection,
    const struct inlay_pg_unit *unit)
{
    return connection->cancels && connection->pg && unit->order &&
           unit->order->failure.kind == INLAY_TIMEOUT &&
           unit->asked == INLAY_ORDER_QUERY &&
           connection->use == INLAY_PG_FREE &&
           strcmp(unit->sqlstate, "57014") == 0 &&
           inlay_pg_has_room(connection);
}

static void end_order(struct inlay_pg_connection *connection,
                      struct inlay_pg_unit *unit)
{
    if (inlay_unlikely(connection->is_beginning)) {
        connection->is_beginning = false;
        connection->begins = true; /* it failed: the next one has to, too */
    }
    inlay_pg_session_unit(connection, unit->asked);
    if (unit->statement && end_statement(connection, unit))
        return;
    if (inlay_unlikely(unit->failed &&
                       was_cancelled_by_mistake(connection, unit))) {
        connection->cancels = 0;
        unit->order->failure = (struct inlay_failure){.kind = 0};
        inlay_pg_send_again(connection, unit->order);
        return;
    }
    if (unit->asked == INLAY_ORDER_OPEN)
        end_open(connection, unit);
    else if (unit->asked == INLAY_ORDER_CLOSE)
        inlay_pg_cursor_free(unit->cursor);
    else if (unit->asked == INLAY_ORDER_BATCH && unit->took)
        connection->use = INLAY_PG_LEAVING;
    if (unit->order)
        inlay_pg_order_done(connection->lane, unit->order);
}

static void end_listen(struct inlay_pg_connection *connection,
                       const struct inlay_pg_unit *unit)
{
    struct inlay_failure failure = {.kind = 0};

    if (unit->failed)
        inlay_failure_set(&failure, INLAY_INTERNAL,
                          "cannot listen (SQLSTATE %s)", unit->sqlstate);
    inlay_pg_listen_answered(connection->lane, unit->channel,
                             unit->failed ? &failure : NULL);
}

/* The head of the ring is complete. */
static void end_unit(struct inlay_pg_connection *connection)
{
    struct inlay_pg_unit unit = connection->units[connection->first];

    connection->units[connection->first].order = NULL;
    connection->first = (connection->first + 1) % INLAY_PG_UNITS;
    connection->count--;
    connection->norders -= unit.counts;
    connection->nquick -= unit.is_quick;
    switch (unit.kind) {
    case INLAY_PG_ORDER:
        end_order(connection, &unit);
        break;
    case INLAY_PG_LISTEN:
        end_listen(connection, &unit);
        break;
    case INLAY_PG_RESET:
        if (unit.failed)
            inlay_pg_connection_lose(connection,
                                     "its settings can't be taken back");
        break;
    case INLAY_PG_INTERNAL:
    case INLAY_PG_ROLLBACK:
        break;
    }
    /* Others follow at once; a hold's setting lasts as long as that. */
    if (inlay_unlikely(connection->is_changed) && connection->pg &&
        connection->use == INLAY_PG_FREE && inlay_pg_has_room(connection))
        inlay_pg_session_reset(connection);
}

static void take(struct inlay_pg_connection *connection, PGresult *result)
{
    struct inlay_pg_unit *unit = &connection->units[connection->first];

    switch (PQresultStatus(result)) {
    case PGRES_PIPELINE_SYNC:
        PQclear(result);
        end_unit(connection);
        break;
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:
        take_good(connection, unit, result);
        break;
    case PGRES_PIPELINE_ABORTED:
        PQclear(result);
        if (unit->asked == INLAY_ORDER_BATCH && unit->counts && !unit->before)
            connection->batch.came++;
        break;
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
        PQclear(result);
        /* The server waits for rows that never come. */
        refuse(connection, unit,
               "COPY is no statement to be asked: inlay_copy_in copies rows "
               "into a table",
               "a statement began a COPY");
        break;
    case PGRES_BAD_RESPONSE:
    case PGRES_FATAL_ERROR:
    case PGRES_NONFATAL_ERROR:
    case PGRES_SINGLE_TUPLE:
        note_failure(connection, unit, result);
        PQclear(result);
        break;
    }
}

static void take_notifications(struct inlay_pg_connection *connection)
{
    PGnotify *notify;

    while (connection->pg && (notify = PQnotifies(connection->pg))) {
        if (connection->listens)
            inlay_pg_listen_notified(connection->lane, notify);
        PQfreemem(notify);
    }
}

void inlay_pg_read(struct inlay_pg_connection *connection)
{
    int ends = 0; /* NULLs in a row: between two statements there is one */

    while (connection->pg && connection->count && !PQisBusy(connection->pg)) {
        PGresult *result = PQgetResult(connection->pg);

        if (result) {
            ends = 0;
            take(connection, result);
        } else if (++ends > 2) {
            /* A batch may have an answer to all that was sent of it. */
            if (connection->batch.is_on)
                break;
            inlay_pg_connection_lose(connection,
                                     PQstatus(connection->pg) == CONNECTION_OK
                                         ? "its answers are out of step"
                                         : PQerrorMessage(connection->pg));
        }
    }
    take_notifications(connection);
}
