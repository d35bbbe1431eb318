/*
 * pg_lane.c - which order gets which connection, and what waits for one.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "db/pg.h"
#include "net/loop.h"

#include "base/banned.h"

#define QUICK_DEPTH 4 /* most orders on a connection while others are idle */
#define QUICK_MS 2    /* since its last answer, or it seems stuck */
#define HOPE_MS 5     /* for another lane's, then it shares its own */
#define ASK_MS 50     /* between two questions that were of no use */
#define WARN_MS 5000  /* between two warnings */
#define TEXTS ((size_t)1 << 30) /* bytes of a statement with its parameters */

char inlay_pg_queued, inlay_pg_finished;

/* --- Done ----------------------------------------------------------------- */

void inlay_pg_order_done(struct inlay_pg_lane *lane, struct inlay_order *order)
{
    if (order->failure.kind) {
        inlay_rowset_destroy(order->rows);
        order->rows = NULL;
    }
    order->driver = &inlay_pg_finished;
    inlay_list_remove(&order->node);
    inlay_list_append(&lane->done, &order->node);
    inlay_loop_later(lane->base.loop, &lane->deliver);
}

/* Those at hand: what their callers ask next has its turn after the sockets. */
void inlay_pg_lane_deliver(struct inlay_pg_lane *lane)
{
    struct inlay_list batch;

    if (inlay_list_empty(&lane->done))
        return;
    batch = lane->done;
    batch.next->prev = batch.prev->next = &batch;
    inlay_list_init(&lane->done);
    while (!inlay_list_empty(&batch)) {
        struct inlay_order *order =
            inlay_list_entry(batch.next, struct inlay_order, node);

        inlay_list_remove(&order->node);
        order->driver = NULL;
        inlay_order_done(order);
    }
}

static void fail(struct inlay_pg_lane *lane,
                 struct inlay_order *order,
                 int kind,
                 const char *text)
{
    inlay_failure_set(&order->failure, kind, "%s", text);
    inlay_pg_order_done(lane, order);
}

void inlay_pg_lane_warn(struct inlay_pg_lane *lane, const char *text)
{
    uint64_t now = lane->base.loop->now;

    if (lane->warned_at && now - lane->warned_at < WARN_MS)
        return;
    lane->warned_at = now;
    inlay_database_warn(lane->base.database,
                        "lost a connection: %s; another one is made when it is "
                        "needed",
                        text);
}

/* --- The queue ------------------------------------------------------------ */

static struct inlay_order *oldest(const struct inlay_list *queue)
{
    if (inlay_list_empty(queue))
        return NULL;
    return inlay_list_entry(queue->next, struct inlay_order, node);
}

/* Needs the order a connection to itself? */
static bool is_alone(const struct inlay_order *order)
{
    return order->kind != INLAY_ORDER_QUERY;
}

static void look_after(struct inlay_pg_lane *lane)
{
    uint64_t timeout =
        (uint64_t)lane->base.database->config.pool_timeout * 1000000;
    const struct inlay_order *one = oldest(&lane->shared),
                             *other = oldest(&lane->alone);
    uint64_t now = inlay_clock_ns(), due = UINT64_MAX;

    if (one)
        due = one->since + timeout;
    if (other)
        due = inlay_min(due, other->since + timeout);
    if (due != UINT64_MAX)
        inlay_alarm_set(lane->base.loop, &lane->patience,
                        due > now ? (due - now) / 1000000 + 1 : 1);
}

static void enqueue(struct inlay_pg_lane *lane, struct inlay_order *order)
{
    bool alone = is_alone(order);

    order->driver = &inlay_pg_queued;
    inlay_list_append(alone ? &lane->alone : &lane->shared, &order->node);
    *(alone ? &lane->nalone : &lane->nshared) += 1;
    inlay_pg_stat(lane, waiting, 1);
    inlay_pg_stat(lane, waits, 1);
    if (!lane->patience.is_set)
        look_after(lane);
}

static void dequeue(struct inlay_pg_lane *lane, struct inlay_order *order)
{
    inlay_list_remove(&order->node);
    *(is_alone(order) ? &lane->nalone : &lane->nshared) -= 1;
    inlay_pg_stat(lane, waiting, -1);
    inlay_pg_stat(lane, wait_ns, inlay_clock_ns() - order->since);
}

static void expire(struct inlay_pg_lane *lane, struct inlay_order *order)
{
    const struct inlay_database *database = lane->base.database;
    double seconds = (double)database->config.pool_timeout / 1000;
    size_t made =
        atomic_load_explicit(&lane->database->pool.made, memory_order_relaxed);
    char why[60];

    dequeue(lane, order);
    inlay_pg_stat(lane, timeouts, 1);
    if (made)
        snprintf(why, sizeof(why), "all %zu are busy (max_size)", made);
    inlay_failure_set(&order->failure, INLAY_UNAVAILABLE,
                      "no connection to %.*s in %.3g s: %s",
                      (int)inlay_min(database->shown.len, (size_t)200),
                      database->shown.ptr, seconds,
                      made ? why : "it does not answer");
    inlay_pg_order_done(lane, order);
}

static bool reserve(struct inlay_pg_lane *lane);

static void expire_queue(struct inlay_pg_lane *lane,
                         struct inlay_list *queue,
                         uint64_t before)
{
    struct inlay_order *order;

    while ((order = oldest(queue)) && order->since <= before)
        expire(lane, order);
}

static void on_patience(struct inlay_alarm *alarm)
{
    struct inlay_pg_lane *lane =
        inlay_container_of(alarm, struct inlay_pg_lane, patience);
    uint64_t before =
        inlay_clock_ns() -
        (uint64_t)lane->base.database->config.pool_timeout * 1000000;

    expire_queue(lane, &lane->shared, before);
    expire_queue(lane, &lane->alone, before);
    look_after(lane);
    reserve(lane);
    inlay_pg_lane_pump(lane);
    inlay_pg_lane_deliver(lane);
}

/* --- Choosing ------------------------------------------------------------- */

static bool may_grow(const struct inlay_pg_lane *lane)
{
    return inlay_pg_pool_has_room(lane) && !lane->backoff.is_resting &&
           !lane->is_ending;
}

static bool is_open_to_all(const struct inlay_pg_connection *connection)
{
    return connection->use == INLAY_PG_FREE && !connection->listens &&
           !connection->is_promised;
}

/* Is what is under way on it but reads that take no time, and not stuck now? To
 * be one more behind them costs both sides less than to wake another backend. */
static bool is_quick(const struct inlay_pg_lane *lane,
                     const struct inlay_pg_connection *connection)
{
    return connection->norders && connection->norders < QUICK_DEPTH &&
           connection->nquick == connection->count &&
           lane->base.loop->now - connection->progress <= QUICK_MS;
}

/* Other lanes have connections, too. One that is idle there comes in a moment,
 * where what is under way here may take seconds. */
static bool may_hope(struct inlay_pg_lane *lane)
{
    uint64_t now = lane->base.loop->now;

    if (lane->count >= lane->database->pool.max || inlay_pg_pool_has_room(lane))
        return false;
    if (!lane->has_asked &&
        (inlay_pg_is_short(lane) || now - lane->asked_at >= ASK_MS))
        inlay_pg_pool_ask(lane);
    if (!lane->has_asked || now - lane->asked_at >= HOPE_MS)
        return false;
    /* It looks again then, and sets the alarm for what waits as ever. */
    inlay_alarm_set(lane->base.loop, &lane->patience,
                    HOPE_MS - (now - lane->asked_at));
    return true;
}

/* For an order that shares: behind a few quick ones, then an idle one, else the
 * one with the fewest. A slow statement holds up those behind it. */
static struct inlay_pg_connection *choose(struct inlay_pg_lane *lane)
{
    struct inlay_pg_connection *best = NULL, *idle = NULL, *quick = NULL;

    inlay_list_for_each (node, &lane->connections) {
        struct inlay_pg_connection *it =
            inlay_list_entry(node, struct inlay_pg_connection, node);

        if (!is_open_to_all(it) || it->is_reserved)
            continue;
        if (!it->norders)
            idle = idle ? idle : it;
        else if (is_quick(lane, it) && (!quick || it->norders > quick->norders))
            quick = it;
        if (!best || it->norders < best->norders)
            best = it;
    }
    if (quick || idle)
        return quick ? quick : idle;
    if (!best || best->norders >= INLAY_PG_DEPTH || !inlay_pg_has_room(best) ||
        may_grow(lane))
        return NULL;
    return may_hope(lane) ? NULL : best;
}

/* For one that needs it alone: a reserved one at best. */
static struct inlay_pg_connection *choose_idle(struct inlay_pg_lane *lane)
{
    struct inlay_pg_connection *best = NULL;

    inlay_list_for_each (node, &lane->connections) {
        struct inlay_pg_connection *it =
            inlay_list_entry(node, struct inlay_pg_connection, node);

        if (!is_open_to_all(it) || it->norders)
            continue;
        if (it->is_reserved)
            return it;
        best = best ? best : it;
    }
    return best;
}

/* The one that will be free first gets nothing new. */
static void reserve_one(struct inlay_pg_lane *lane)
{
    struct inlay_pg_connection *best = NULL;

    inlay_list_for_each (node, &lane->connections) {
        struct inlay_pg_connection *it =
            inlay_list_entry(node, struct inlay_pg_connection, node);

        if (is_open_to_all(it) && !it->is_reserved &&
            (!best || it->norders < best->norders))
            best = it;
    }
    if (best)
        best->is_reserved = true;
}

/* One for each order that waits to be alone, unless new ones may come. True:
 * one was given back to all. */
static bool reserve(struct inlay_pg_lane *lane)
{
    bool freed = false;
    size_t wanted = lane->nalone && !may_grow(lane) ? lane->nalone : 0;
    size_t reserved = 0;

    inlay_list_for_each (node, &lane->connections) {
        struct inlay_pg_connection *it =
            inlay_list_entry(node, struct inlay_pg_connection, node);

        if (it->is_reserved && reserved >= wanted) {
            it->is_reserved = false;
            freed = true;
        }
        reserved += it->is_reserved;
    }
    for (; reserved < inlay_min(wanted, lane->count); reserved++)
        reserve_one(lane);
    return freed;
}

static void give(struct inlay_pg_connection *connection,
                 struct inlay_order *order)
{
    bool holds =
        order->kind == INLAY_ORDER_BEGIN || order->kind == INLAY_ORDER_OPEN;

    connection->use = holds ? INLAY_PG_HELD : INLAY_PG_ALONE;
    connection->is_reserved = false;
    if (holds)
        inlay_pg_stat(connection->lane, held, 1);
    inlay_pg_start(connection, order, true);
}

/* --- Connections ---------------------------------------------------------- */

static void fail_waiting(struct inlay_pg_lane *lane, int kind, const char *text)
{
    struct inlay_order *order;

    while ((order = oldest(&lane->shared)) || (order = oldest(&lane->alone))) {
        dequeue(lane, order);
        fail(lane, order, kind, text);
    }
}

static void failed(struct inlay_pg_lane *lane, const char *why)
{
    struct inlay_pg_backoff *backoff = &lane->backoff;

    inlay_pg_stat(lane, failed, 1);
    inlay_pg_failure_unavailable(&backoff->why, lane, "cannot connect to", why);
    if (!backoff->failures || backoff->failures % 16 == 0)
        inlay_database_warn(lane->base.database, "%s", backoff->why.text);
    inlay_pg_backoff_rest(lane->base.loop, backoff);
    if (!lane->count && !lane->connecting)
        fail_waiting(lane, backoff->why.kind, backoff->why.text);
}

static bool connect_one(struct inlay_pg_lane *lane)
{
    if (!inlay_pg_pool_take(lane))
        return false;
    if (inlay_pg_connect(lane, false)) {
        lane->connecting++;
        return true;
    }
    inlay_pg_pool_drop(lane->database, lane);
    failed(lane, "no thread can be started for it");
    return false;
}

static bool is_below_min(const struct inlay_pg_lane *lane)
{
    const struct inlay_pg_pool *pool = &lane->database->pool;

    return atomic_load_explicit(&pool->open, memory_order_relaxed) < pool->min;
}

static bool is_wanting(const struct inlay_pg_lane *lane)
{
    return lane->connecting < lane->nshared + lane->nalone &&
           !lane->backoff.is_resting && !lane->is_ending;
}

/* As many as those that wait could use, and those that should stay. */
static void grow(struct inlay_pg_lane *lane)
{
    do {
        while (is_wanting(lane) && connect_one(lane))
            continue;
    } while (is_wanting(lane) && !lane->has_asked && !inlay_pg_pool_ask(lane));
    while (may_grow(lane) && is_below_min(lane) && connect_one(lane))
        continue;
}

void inlay_pg_lane_connected(struct inlay_pg_lane *lane, PGconn *made)
{
    lane->connecting--;
    if (made && PQstatus(made) == CONNECTION_OK) {
        lane->backoff.failures = 0;
        lane->backoff.why.kind = 0;
        if (!inlay_pg_connection_create(lane, made, false))
            inlay_pg_pool_drop(lane->database, lane);
    } else {
        inlay_pg_pool_drop(lane->database, lane);
        failed(lane, made ? PQerrorMessage(made) : "out of memory");
        PQfinish(made);
    }
    inlay_pg_lane_pump(lane);
    inlay_pg_lane_deliver(lane);
}

/* Nobody has asked meanwhile: the next order begins anew, and waits for it. */
static void on_rested(struct inlay_alarm *alarm)
{
    struct inlay_pg_lane *lane =
        inlay_container_of(alarm, struct inlay_pg_lane, backoff.alarm);
    bool wanted = lane->is_wanted;

    lane->backoff.is_resting = false;
    lane->is_wanted = false;
    grow(lane);
    if (wanted && !lane->connecting && !lane->backoff.is_resting)
        connect_one(lane);
    /* No place for one, either: another lane may have one to give. */
    if (!lane->connecting && !lane->backoff.is_resting)
        lane->backoff.why.kind = 0;
}

void inlay_pg_lane_lost(struct inlay_pg_lane *lane)
{
    /* Not from within whatever has found it out. */
    if (!lane->is_ending)
        inlay_loop_later(lane->base.loop, &lane->deliver);
}

/* --- Going on ------------------------------------------------------------- */

static bool pump_one(struct inlay_pg_lane *lane)
{
    struct inlay_order *alone = oldest(&lane->alone);
    struct inlay_order *shared = oldest(&lane->shared);
    struct inlay_pg_connection *connection;

    if (alone && (connection = choose_idle(lane)) &&
        (connection->is_reserved || !shared || alone->since <= shared->since)) {
        dequeue(lane, alone);
        give(connection, alone);
        return true;
    }
    if (shared && (connection = choose(lane))) {
        dequeue(lane, shared);
        inlay_pg_start(connection, shared, false);
        return true;
    }
    return false;
}

void inlay_pg_lane_pump(struct inlay_pg_lane *lane)
{
    if (inlay_unlikely(lane->is_trading))
        inlay_pg_pool_trade(lane);
    if (inlay_unlikely(lane->nshared || lane->nalone))
        inlay_pg_lane_go_on(lane);
}

void inlay_pg_lane_go_on(struct inlay_pg_lane *lane)
{
    do {
        while (pump_one(lane))
            continue;
        grow(lane);
    } while (reserve(lane));
}

static void on_later(struct inlay_later *later)
{
    struct inlay_pg_lane *lane =
        inlay_container_of(later, struct inlay_pg_lane, deliver);

    grow(lane);
    inlay_pg_lane_pump(lane);
    inlay_pg_lane_deliver(lane);
}

/* --- Orders --------------------------------------------------------------- */

/* On the connection that it belongs to. */
static void submit_on(struct inlay_pg_lane *lane,
                      struct inlay_pg_connection *connection,
                      struct inlay_order *order)
{
    if (!connection->pg)
        fail(lane, order, INLAY_UNAVAILABLE,
             "the connection of this transaction was lost");
    else if (connection->use != INLAY_PG_HELD)
        fail(lane, order, INLAY_INTERNAL, "the transaction has ended");
    else
        inlay_pg_start(connection, order, false);
}

static void submit_free(struct inlay_pg_lane *lane, struct inlay_order *order)
{
    struct inlay_pg_connection *connection = NULL;

    if (inlay_likely(order->kind == INLAY_ORDER_QUERY)) {
        if (!lane->nshared)
            connection = choose(lane);
        if (inlay_likely(connection != NULL)) {
            inlay_pg_start(connection, order, false);
            return;
        }
    } else if (!lane->nalone && (connection = choose_idle(lane))) {
        give(connection, order);
        return;
    }
    enqueue(lane, order);
    grow(lane);
    reserve(lane);
}

void inlay_pg_submit(struct inlay_lane *base, struct inlay_order *order)
{
    struct inlay_pg_lane *lane = inlay_pg_lane_of(base);
    const struct inlay_pg_cursor *cursor = order->cursor;

    inlay_list_init(&order->node);
    order->rows = NULL;
    order->changed = 0;
    order->more = false;
    order->driver = NULL;
    if (order->hold)
        submit_on(
            lane,
            inlay_container_of(order->hold, struct inlay_pg_connection, hold),
            order);
    else if (order->kind == INLAY_ORDER_FETCH ||
             order->kind == INLAY_ORDER_CLOSE)
        submit_on(lane, cursor->connection, order);
    else if (order->kind == INLAY_ORDER_COMMIT)
        fail(lane, order, INLAY_INTERNAL, "no transaction is open");
    else if (lane->is_ending)
        fail(lane, order, INLAY_UNAVAILABLE, "the server is stopping");
    else if (!lane->count && lane->backoff.why.kind) {
        lane->is_wanted = true;
        fail(lane, order, lane->backoff.why.kind, lane->backoff.why.text);
    } else {
        submit_free(lane, order);
    }
}

/* --- Orders that nobody wants any more ------------------------------------ */

static void give_up_finished(struct inlay_order *order)
{
    const struct inlay_pg_cursor *cursor = order->cursor;
    bool took = order->kind == INLAY_ORDER_BEGIN ||
                (order->kind == INLAY_ORDER_OPEN && cursor && cursor->is_own);

    inlay_list_remove(&order->node);
    inlay_rowset_destroy(order->rows);
    order->rows = NULL;
    if (took && order->hold)
        inlay_pg_release(order->hold);
}

/* A cursor's own connection goes back, once it is quiet. */
static void give_up_unit(struct inlay_pg_connection *connection,
                         struct inlay_pg_unit *unit)
{
    unit->order = NULL;
    if (unit->asked == INLAY_ORDER_OPEN && unit->took) {
        connection->use = INLAY_PG_LEAVING;
        inlay_pg_stat(connection->lane, held, -1);
    }
    if (connection->use != INLAY_PG_FREE)
        inlay_pg_cancel(connection);
}

static bool give_up_units(struct inlay_pg_connection *connection,
                          const struct inlay_order *order)
{
    for (unsigned i = 0; i < connection->count; i++) {
        struct inlay_pg_unit *unit =
            &connection->units[(connection->first + i) % INLAY_PG_UNITS];

        if (unit->order != order)
            continue;
        give_up_unit(connection, unit);
        return true;
    }
    return false;
}

static void give_up_on(struct inlay_pg_connection *connection,
                       struct inlay_order *order)
{
    if (connection->special.is_on && connection->special.order == order) {
        connection->special.order = NULL;
        inlay_pg_cancel(connection);
        inlay_pg_special_more(connection);
        if (connection->pg && inlay_pg_flush(connection))
            inlay_pg_connection_settle(connection);
    } else if (give_up_units(connection, order)) {
        if (!connection->batch.is_on || connection->batch.order != order)
            return;
        connection->batch.order = NULL;
        connection->batch.stops = true;
        inlay_pg_batch_more(connection);
    } else { /* it waits on the connection */
        inlay_list_remove(&order->node);
        if (connection->use == INLAY_PG_ALONE)
            connection->use = INLAY_PG_LEAVING;
        inlay_pg_connection_settle(connection);
    }
}

void inlay_pg_give_up(struct inlay_lane *base, struct inlay_order *order)
{
    struct inlay_pg_lane *lane = inlay_pg_lane_of(base);

    if (order->driver == &inlay_pg_finished) {
        give_up_finished(order);
    } else if (order->driver == &inlay_pg_queued) {
        dequeue(lane, order);
        reserve(lane);
    } else if (order->driver) {
        give_up_on(order->driver, order);
    }
    inlay_pg_lane_pump(lane);
}

/* --- Lanes ---------------------------------------------------------------- */

struct inlay_lane *inlay_pg_lane_create(struct inlay_database *database)
{
    struct inlay_pg_lane *lane = inlay_calloc(1, sizeof(*lane));

    if (!lane)
        return NULL;
    lane->database = database->impl;
    inlay_list_init(&lane->connections);
    inlay_list_init(&lane->dead);
    inlay_list_init(&lane->shared);
    inlay_list_init(&lane->alone);
    inlay_list_init(&lane->done);
    inlay_list_init(&lane->jobs);
    inlay_list_init(&lane->deliver.node);
    inlay_pg_pool_init(lane);
    lane->deliver.run = on_later;
    lane->patience.on_ring = on_patience;
    lane->backoff.alarm.on_ring = on_rested;
    inlay_buf_init(&lane->text, TEXTS);
    inlay_buf_init(&lane->sql, TEXTS);
    inlay_pg_listening_init(lane);
    return &lane->base;
}

void inlay_pg_lane_begin(struct inlay_lane *base)
{
    struct inlay_pg_lane *lane = inlay_pg_lane_of(base);

    lane->base.loop->now = inlay_clock_ms(); /* it may not run yet */
    inlay_pg_pool_join(lane);
    grow(lane);
}

static void close_all(struct inlay_pg_lane *lane)
{
    inlay_list_for_each (node, &lane->connections)
        inlay_pg_connection_close(
            inlay_list_entry(node, struct inlay_pg_connection, node));
}

static void free_dead(struct inlay_pg_lane *lane)
{
    inlay_list_for_each (node, &lane->dead) {
        struct inlay_pg_connection *connection =
            inlay_list_entry(node, struct inlay_pg_connection, node);

        inlay_list_for_each (at, &connection->cursors)
            inlay_pg_cursor_free(
                inlay_list_entry(at, struct inlay_pg_cursor, node));
        inlay_list_remove(&connection->bury.node);
        inlay_list_remove(&connection->node);
        bool is_held = connection->use == INLAY_PG_HELD;
        if (is_held)
            inlay_pg_stat(lane, held, -1);
        if (!is_held || inlay_hold_orphan(&connection->hold))
            inlay_free(connection);
    }
}

void inlay_pg_lane_destroy(struct inlay_lane *base)
{
    struct inlay_pg_lane *lane = inlay_pg_lane_of(base);

    lane->is_ending = true;
    inlay_pg_jobs_end(lane);
    inlay_pg_listening_end(lane);
    inlay_pg_pool_leave(lane);
    close_all(lane);
    fail_waiting(lane, INLAY_UNAVAILABLE, "the server is stopping");
    while (!inlay_list_empty(&lane->done))
        inlay_pg_lane_deliver(lane);
    free_dead(lane);
    inlay_list_remove(&lane->deliver.node);
    inlay_alarm_stop(lane->base.loop, &lane->patience);
    inlay_alarm_stop(lane->base.loop, &lane->backoff.alarm);
    inlay_buf_deinit(&lane->text);
    inlay_buf_deinit(&lane->sql);
    inlay_free(lane->values);
    inlay_free(lane->lengths);
    inlay_free(lane->formats);
    inlay_free(lane->offsets);
    inlay_free(lane);
}
