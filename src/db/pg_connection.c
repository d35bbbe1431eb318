/*
 * pg_connection.c - a connection's life: watched by its lane's loop, made clean
 * before the next one gets it, lost.
 */
#include <stdio.h>
#include <sys/epoll.h>

#include "base/mem.h"
#include "db/pg.h"
#include "net/loop.h"

#include "base/banned.h"

#define IDLE_MS 300000 /* then those beyond `min` are closed */
#define GRACE_MS 5000  /* beyond statement_timeout, which the server watches */
#define LOOK_MS 5000   /* how often an alarm looks at it, at least */

/* --- Counting ------------------------------------------------------------- */

void inlay_pg_connection_count(struct inlay_pg_connection *connection)
{
    bool is_busy = connection->pg && !connection->listens &&
                   (connection->norders || connection->use != INLAY_PG_FREE);

    if (is_busy == connection->is_busy)
        return;
    connection->is_busy = is_busy;
    inlay_pg_stat(connection->lane, busy, is_busy ? 1 : -1);
}

/* --- A server that does not answer ---------------------------------------- */

/* ms; 0: no limit. */
static uint64_t patience_of(const struct inlay_pg_connection *connection)
{
    const struct inlay_database_config *config =
        &connection->lane->base.database->config;

    if (config->statement_timeout == UINT32_MAX)
        return 0;
    /* Behind a pooler the server was not told of the timeout. */
    return (uint64_t)config->statement_timeout +
           (config->statements == UINT32_MAX ? 0 : GRACE_MS);
}

/* Is an answer awaited? A script may take as long as it says itself. */
static bool is_owed(const struct inlay_pg_connection *connection)
{
    if (connection->special.is_on)
        return connection->special.asked == INLAY_ORDER_COPY;
    return connection->count > 0;
}

static void cut(struct inlay_pg_connection *connection, uint64_t limit)
{
    struct inlay_order *order =
        connection->special.is_on ? connection->special.order
                                  : connection->units[connection->first].order;

    if (order && !order->failure.kind)
        inlay_failure_set(&order->failure, INLAY_TIMEOUT,
                          "the database did not answer in %.3g s",
                          (double)limit / 1000);
    inlay_pg_connection_lose(connection, "it does not answer");
}

/* Its place has gone then. */
static bool may_go(struct inlay_pg_connection *connection, uint64_t quiet)
{
    if (quiet < IDLE_MS || !inlay_pg_is_quiet(connection) ||
        connection->use != INLAY_PG_FREE)
        return false;
    if (connection->listens)
        return !inlay_pg_listens(connection->lane);
    if (!inlay_pg_pool_shrink(connection->lane))
        return false;
    connection->has_place = false;
    return true;
}

static void on_ring(struct inlay_alarm *alarm)
{
    struct inlay_pg_connection *connection =
        inlay_container_of(alarm, struct inlay_pg_connection, alarm);
    struct inlay_pg_lane *lane = connection->lane;
    uint64_t limit = patience_of(connection), next = LOOK_MS;
    uint64_t quiet = lane->base.loop->now - connection->progress;

    if (limit && is_owed(connection) && quiet >= limit) {
        cut(connection, limit);
    } else if (may_go(connection, quiet)) {
        inlay_pg_connection_close(connection);
    } else {
        if (connection->cancels && inlay_pg_is_unwanted(connection))
            inlay_pg_cancel(connection);
        if (limit)
            next = inlay_max(inlay_min(next, limit / 4), (uint64_t)20);
        inlay_alarm_set(lane->base.loop, alarm, next);
    }
    inlay_pg_lane_pump(lane);
    inlay_pg_lane_deliver(lane);
}

/* --- Events --------------------------------------------------------------- */

/* Is nothing of it unsent, and the watch as it should be? Each unit was flushed
 * when it was sent. */
static bool is_all_out(const struct inlay_pg_connection *connection)
{
    return !connection->blocks && !connection->special.is_on &&
           !connection->is_too_much && connection->watch.events == EPOLLIN;
}

static void on_event(struct inlay_watch *watch, uint32_t events)
{
    struct inlay_pg_connection *connection =
        inlay_container_of(watch, struct inlay_pg_connection, watch);
    struct inlay_pg_lane *lane = connection->lane;
    unsigned first = connection->first;
    bool is_lost = false;

    if (events & ~(uint32_t)EPOLLOUT) {
        connection->progress = lane->base.loop->now;
        is_lost = !PQconsumeInput(connection->pg);
        /* A record of TLS may hold more than one reading takes: no event would
         * come for what lies in the library then. */
        if (!is_lost && PQsslInUse(connection->pg))
            is_lost = !PQconsumeInput(connection->pg);
    }
    if (connection->special.is_on)
        inlay_pg_special_more(connection);
    else
        inlay_pg_read(connection);
    if (connection->pg &&
        (is_lost || PQstatus(connection->pg) != CONNECTION_OK))
        inlay_pg_connection_lose(connection, PQerrorMessage(connection->pg));
    if (inlay_unlikely(connection->count && connection->first == first))
        inlay_pg_rows_more(connection);
    else
        inlay_pg_rows_end(connection);
    /* First what is left of before: there is room then, or another event. */
    if (connection->pg && connection->batch.is_on && inlay_pg_flush(connection))
        inlay_pg_batch_more(connection);
    if (connection->pg &&
        (inlay_likely(is_all_out(connection)) || inlay_pg_flush(connection))) {
        inlay_pg_connection_settle(connection);
        inlay_pg_connection_count(connection);
    }
    inlay_pg_lane_pump(lane);
    inlay_pg_lane_deliver(lane);
}

bool inlay_pg_flush(struct inlay_pg_connection *connection)
{
    struct inlay_loop *loop = connection->lane->base.loop;
    int status = PQflush(connection->pg);
    uint32_t events = EPOLLIN;

    if (inlay_unlikely(connection->is_too_much && connection->cancel))
        events = 0;
    connection->blocks = status > 0;
    /* One that copies writes a bit in each tick. */
    if (connection->blocks || (connection->special.is_on &&
                               connection->special.phase == INLAY_PG_COPIES))
        events |= EPOLLOUT;
    if (inlay_likely(status >= 0 &&
                     inlay_loop_watch(loop, &connection->watch, events) == 0))
        return true;
    inlay_pg_connection_lose(connection, PQerrorMessage(connection->pg));
    return false;
}

/* --- The way back --------------------------------------------------------- */

static void free_cursors(struct inlay_pg_connection *connection)
{
    inlay_list_for_each (node, &connection->cursors)
        inlay_pg_cursor_free(
            inlay_list_entry(node, struct inlay_pg_cursor, node));
}

/* The orders that had to wait for what was before them. */
static void go_on(struct inlay_pg_connection *connection)
{
    struct inlay_list waiting;

    if (inlay_list_empty(&connection->own))
        return;
    waiting = connection->own;
    waiting.next->prev = waiting.prev->next = &waiting;
    inlay_list_init(&connection->own);
    while (!inlay_list_empty(&waiting)) {
        struct inlay_order *order =
            inlay_list_entry(waiting.next, struct inlay_order, node);

        inlay_list_remove(&order->node);
        if (connection->pg) {
            inlay_pg_start(connection, order,
                           connection->use == INLAY_PG_ALONE);
            continue;
        }
        inlay_pg_failure_unavailable(&order->failure, connection->lane,
                                     "lost the connection to",
                                     "before the statement was sent");
        inlay_pg_order_done(connection->lane, order);
    }
}

/* A transaction that somebody has left open goes with its owner. */
static void clean(struct inlay_pg_connection *connection)
{
    if (connection->is_cleaned) {
        inlay_pg_connection_lose(connection,
                                 "its transaction can't be rolled back");
        return;
    }
    connection->is_cleaned = true;
    inlay_pg_command(connection, INLAY_PG_ROLLBACK, NULL, "rollback");
}

void inlay_pg_connection_settle(struct inlay_pg_connection *connection)
{
    if (!connection->pg || !inlay_pg_is_quiet(connection) ||
        connection->listens)
        return;
    if (connection->use == INLAY_PG_HELD || connection->use == INLAY_PG_ALONE) {
        go_on(connection);
        return;
    }
    connection->begins = false;
    free_cursors(connection);
    if (inlay_unlikely(PQtransactionStatus(connection->pg) != PQTRANS_IDLE)) {
        clean(connection);
        return;
    }
    connection->is_cleaned = false;
    connection->is_open = connection->is_undone = false;
    connection->cancels = 0;
    connection->use = INLAY_PG_FREE;
    if (inlay_unlikely(connection->lane->owes)) {
        connection->lane->owes = false;
        connection->is_promised = true;
    }
    inlay_pg_connection_count(connection);
    if (inlay_unlikely(connection->is_changed))
        inlay_pg_session_reset(connection);
}

/* --- Ends ----------------------------------------------------------------- */

static void fail_order(struct inlay_pg_connection *connection,
                       struct inlay_order *order,
                       const char *why)
{
    if (!order)
        return;
    if (!order->failure.kind)
        inlay_pg_failure_unavailable(&order->failure, connection->lane,
                                     "lost the connection to", why);
    inlay_rowset_destroy(order->rows);
    order->rows = NULL;
    inlay_pg_order_done(connection->lane, order);
}

/* What an order would have taken is gone. */
static void fail_unit(struct inlay_pg_connection *connection,
                      struct inlay_pg_unit *unit,
                      const char *why)
{
    struct inlay_order *order = unit->order;
    struct inlay_failure failure = {.kind = 0};

    if (unit->statement)
        inlay_pg_statement_unuse(unit->statement);
    if (unit->asked == INLAY_ORDER_OPEN && unit->took) {
        connection->use = INLAY_PG_LEAVING;
        if (order) {
            order->hold = NULL;
            order->cursor = NULL;
            inlay_pg_stat(connection->lane, held, -1);
        }
    }
    if (unit->kind == INLAY_PG_LISTEN) {
        inlay_pg_failure_unavailable(&failure, connection->lane,
                                     "lost the connection to", why);
        inlay_pg_listen_answered(connection->lane, unit->channel, &failure);
    }
    unit->order = NULL;
    fail_order(connection, order, why);
}

static void fail_orders(struct inlay_pg_connection *connection, const char *why)
{
    struct inlay_order *special = connection->special.order;

    while (connection->count) {
        struct inlay_pg_unit *unit = &connection->units[connection->first];

        connection->first = (connection->first + 1) % INLAY_PG_UNITS;
        connection->count--;
        fail_unit(connection, unit, why);
    }
    connection->norders = connection->nquick = 0;
    connection->batch = (struct inlay_pg_batch){.is_on = false};
    connection->special = (struct inlay_pg_special){.is_on = false};
    fail_order(connection, special, why);
    inlay_list_for_each (node, &connection->own) {
        inlay_list_remove(node);
        fail_order(connection, inlay_list_entry(node, struct inlay_order, node),
                   why);
    }
}

static void on_bury(struct inlay_later *later)
{
    struct inlay_pg_connection *connection =
        inlay_container_of(later, struct inlay_pg_connection, bury);

    inlay_list_remove(&connection->node);
    inlay_free(connection);
}

static void bury(struct inlay_pg_connection *connection)
{
    free_cursors(connection);
    inlay_loop_later(connection->lane->base.loop, &connection->bury);
}

/* From the loop, whose event for it may be at hand; libpq may have closed the
 * socket already, which ended the watch as well: its number may be another
 * one's. */
static void unwatch(struct inlay_pg_connection *connection)
{
    struct inlay_loop *loop = connection->lane->base.loop;

    inlay_alarm_stop(loop, &connection->alarm);
    if (PQsocket(connection->pg) >= 0)
        inlay_loop_watch(loop, &connection->watch, 0);
    connection->watch.events = 0;
    PQfinish(connection->pg);
    connection->pg = NULL;
}

static void end(struct inlay_pg_connection *connection, const char *why)
{
    struct inlay_pg_lane *lane = connection->lane;

    unwatch(connection);
    if (connection->cancel)
        connection->cancel->connection = NULL;
    connection->cancel = NULL;
    fail_orders(connection, why);
    inlay_pg_statements_deinit(&connection->statements);
    inlay_pg_connection_count(connection);
    inlay_list_remove(&connection->node);
    inlay_list_append(&lane->dead, &connection->node);
    inlay_pg_stat(lane, connections, -1);
    if (connection->listens) {
        lane->listening.connection = NULL;
    } else {
        lane->count--;
        atomic_fetch_sub(&lane->database->pool.made, 1);
    }
    if (connection->has_place)
        inlay_pg_pool_drop(lane->database, lane);
    connection->has_place = false;
    if (connection->use != INLAY_PG_HELD)
        bury(connection);
}

void inlay_pg_connection_lose(struct inlay_pg_connection *connection,
                              const char *why)
{
    struct inlay_pg_lane *lane = connection->lane;
    char line[300];

    if (!connection->pg)
        return;
    inlay_pg_one_line(why && *why ? why : "the server closed it", line,
                      sizeof(line));
    inlay_pg_stat(lane, lost, 1);
    end(connection, line);
    inlay_pg_lane_warn(lane, line);
    if (connection->listens)
        inlay_pg_listen_lost(lane);
    else
        inlay_pg_lane_lost(lane);
}

void inlay_pg_connection_close(struct inlay_pg_connection *connection)
{
    if (connection->pg)
        end(connection, "the server is stopping");
}

static void on_release_dead(struct inlay_pg_connection *connection)
{
    connection->use = INLAY_PG_LEAVING;
    bury(connection);
}

void inlay_pg_release(struct inlay_hold *hold)
{
    struct inlay_pg_connection *connection =
        inlay_container_of(hold, struct inlay_pg_connection, hold);
    struct inlay_pg_lane *lane = connection->lane;

    if (!hold->lane) { /* an orphan, of which the memory is left */
        inlay_free(connection);
        return;
    }
    inlay_pg_stat(lane, held, -1);
    if (!connection->pg) {
        on_release_dead(connection);
        return;
    }
    connection->use = INLAY_PG_LEAVING;
    inlay_pg_connection_settle(connection);
    inlay_pg_connection_count(connection);
    inlay_pg_lane_pump(lane);
}

/* --- To another lane ------------------------------------------------------ */

void inlay_pg_connection_detach(struct inlay_pg_connection *connection,
                                struct inlay_pg_lane *lane)
{
    struct inlay_pg_lane *from = connection->lane;

    inlay_alarm_stop(from->base.loop, &connection->alarm);
    inlay_loop_watch(from->base.loop, &connection->watch, 0);
    inlay_list_remove(&connection->node);
    from->count--;
    connection->is_reserved = connection->is_promised = false;
    connection->lane = lane;
    connection->hold.lane = &lane->base;
}

void inlay_pg_connection_attach(struct inlay_pg_connection *connection)
{
    struct inlay_pg_lane *lane = connection->lane;

    inlay_list_remove(&connection->node);
    inlay_list_append(&lane->connections, &connection->node);
    lane->count++;
    inlay_alarm_set(lane->base.loop, &connection->alarm, 20);
    if (!lane->is_ending)
        inlay_pg_flush(connection);
}

/* --- Birth ---------------------------------------------------------------- */

static void ignore_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

static void init(struct inlay_pg_connection *connection,
                 struct inlay_pg_lane *lane,
                 PGconn *made,
                 bool listens)
{
    uint32_t statements = lane->base.database->config.statements;

    connection->hold.database = lane->base.database;
    connection->hold.lane = &lane->base;
    connection->lane = lane;
    connection->pg = made;
    connection->listens = listens;
    connection->watch =
        (struct inlay_watch){.fd = PQsocket(made), .on_event = on_event};
    connection->bury.run = on_bury;
    inlay_list_init(&connection->bury.node);
    inlay_list_init(&connection->node);
    inlay_list_init(&connection->own);
    inlay_list_init(&connection->cursors);
    inlay_pg_statements_init(&connection->statements,
                             statements == UINT32_MAX ? 0 : statements);
    connection->alarm.on_ring = on_ring;
    connection->progress = lane->base.loop->now;
    PQsetNoticeReceiver(made, ignore_notice, NULL);
}

struct inlay_pg_connection *inlay_pg_connection_create(
    struct inlay_pg_lane *lane,
    PGconn *made,
    bool listens)
{
    struct inlay_pg_connection *connection =
        inlay_calloc(1, sizeof(*connection));

    if (!connection) {
        PQfinish(made);
        return NULL;
    }
    init(connection, lane, made, listens);
    inlay_list_append(&lane->connections, &connection->node);
    inlay_pg_stat(lane, connections, 1);
    inlay_pg_stat(lane, connected, 1);
    if (listens) {
        lane->listening.connection = connection;
    } else {
        connection->has_place = true;
        lane->count++;
        atomic_fetch_add(&lane->database->pool.made, 1);
    }
    inlay_alarm_set(lane->base.loop, &connection->alarm, 20);
    if (inlay_pg_flush(connection))
        inlay_pg_session_set_up(connection, INLAY_PG_INTERNAL);
    return connection;
}
