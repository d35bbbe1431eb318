/*
 * pg_pool.c - one limit for the connections of all lanes of a database. Nothing
 * here is on the way of a statement that finds a connection in its lane.
 */
#include "db/pg.h"
#include "net/loop.h"

#include "base/banned.h"

#define STALE_MS 100 /* not used for that long: anybody may have it */

static struct inlay_pg_lane *lane_of(struct inlay_pg_share *share)
{
    return inlay_container_of(share, struct inlay_pg_lane, share);
}

static struct inlay_pg_share *asker_of(struct inlay_list *node)
{
    return inlay_list_entry(node, struct inlay_pg_share, asks);
}

/* --- Under the lock ------------------------------------------------------- */

static void post(struct inlay_pg_share *share)
{
    if (share->is_posted)
        return;
    share->is_posted = true;
    inlay_loop_post(lane_of(share)->base.loop, &share->mail);
}

static bool others_ask(const struct inlay_pg_pool *pool,
                       const struct inlay_pg_share *share)
{
    inlay_list_for_each (node, &pool->askers)
        if (asker_of(node) != share)
            return true;
    return false;
}

/* Has this one more than its share, and the other less? At least one is due to
 * whoever asks, however many lanes there are. */
static bool is_due(const struct inlay_pg_pool *pool,
                   const struct inlay_pg_share *share,
                   const struct inlay_pg_share *asker)
{
    size_t fair = atomic_load(&pool->fair);

    return share != asker && share->places > fair &&
           asker->places < inlay_max(fair, (size_t)1);
}

/* Whoever has asked first and should get a connection of that age, or NULL. */
static struct inlay_pg_share *find_asker(const struct inlay_pg_pool *pool,
                                         const struct inlay_pg_share *share,
                                         uint64_t idle_ms)
{
    inlay_list_for_each (node, &pool->askers) {
        struct inlay_pg_share *asker = asker_of(node);

        if (asker != share &&
            (idle_ms >= STALE_MS || is_due(pool, share, asker)))
            return asker;
    }
    return NULL;
}

static void count_lanes(struct inlay_pg_pool *pool)
{
    size_t lanes = 0;

    inlay_list_for_each (node, &pool->lanes)
        lanes++;
    atomic_store(&pool->fair, lanes ? pool->max / lanes : pool->max);
}

/* --- Places --------------------------------------------------------------- */

bool inlay_pg_pool_take(struct inlay_pg_lane *lane)
{
    struct inlay_pg_database *database = lane->database;
    struct inlay_pg_pool *pool = &database->pool;

    pthread_mutex_lock(&database->lock);
    bool is_free = atomic_load(&pool->open) < pool->max;
    if (is_free) {
        atomic_fetch_add(&pool->open, 1);
        lane->share.places++;
    }
    pthread_mutex_unlock(&database->lock);
    return is_free;
}

/* Under the lock. */
static void drop(struct inlay_pg_pool *pool, struct inlay_pg_lane *lane)
{
    atomic_fetch_sub(&pool->open, 1);
    if (lane)
        lane->share.places--;
    inlay_list_for_each (node, &pool->askers)
        post(asker_of(node));
}

void inlay_pg_pool_drop(struct inlay_pg_database *database,
                        struct inlay_pg_lane *lane)
{
    pthread_mutex_lock(&database->lock);
    drop(&database->pool, lane);
    pthread_mutex_unlock(&database->lock);
}

bool inlay_pg_pool_shrink(struct inlay_pg_lane *lane)
{
    struct inlay_pg_database *database = lane->database;
    struct inlay_pg_pool *pool = &database->pool;

    pthread_mutex_lock(&database->lock);
    bool may = atomic_load(&pool->open) > pool->min;
    if (may)
        drop(pool, lane);
    pthread_mutex_unlock(&database->lock);
    return may;
}

/* --- Asking --------------------------------------------------------------- */

static void note(struct inlay_pg_lane *lane)
{
    lane->is_trading = lane->is_asked || lane->has_asked;
}

bool inlay_pg_pool_ask(struct inlay_pg_lane *lane)
{
    struct inlay_pg_database *database = lane->database;
    struct inlay_pg_pool *pool = &database->pool;

    pthread_mutex_lock(&database->lock);
    bool is_full = atomic_load(&pool->open) >= pool->max;
    if (is_full && inlay_list_empty(&lane->share.asks)) {
        lane->asked_at = lane->base.loop->now;
        inlay_list_append(&pool->askers, &lane->share.asks);
        inlay_list_for_each (node, &pool->lanes) {
            struct inlay_pg_share *other =
                inlay_list_entry(node, struct inlay_pg_share, node);

            if (other != &lane->share)
                post(other);
        }
    }
    pthread_mutex_unlock(&database->lock);
    lane->has_asked = is_full;
    note(lane);
    return is_full;
}

static void withdraw(struct inlay_pg_lane *lane)
{
    pthread_mutex_lock(&lane->database->lock);
    inlay_list_remove(&lane->share.asks);
    pthread_mutex_unlock(&lane->database->lock);
    lane->has_asked = false;
    note(lane);
}

void inlay_pg_pool_trade(struct inlay_pg_lane *lane)
{
    if (lane->has_asked && !lane->nshared && !lane->nalone &&
        !inlay_pg_is_short(lane))
        withdraw(lane);
    if (lane->is_asked && !lane->is_ending)
        inlay_loop_later(lane->base.loop, &lane->trade);
}

/* --- Giving --------------------------------------------------------------- */

static struct inlay_pg_connection *promised(const struct inlay_pg_lane *lane)
{
    inlay_list_for_each (node, &lane->connections) {
        struct inlay_pg_connection *it =
            inlay_list_entry(node, struct inlay_pg_connection, node);

        if (it->is_promised)
            return it;
    }
    return NULL;
}

static bool is_idle(const struct inlay_pg_connection *connection)
{
    return connection->use == INLAY_PG_FREE && !connection->listens &&
           inlay_pg_is_quiet(connection) && inlay_list_empty(&connection->own);
}

/* One that is idle: what is promised, or else the one that was not used for
 * longest; or NULL. */
static struct inlay_pg_connection *choose(const struct inlay_pg_lane *lane)
{
    struct inlay_pg_connection *best = promised(lane);

    if (best && is_idle(best))
        return best;
    best = NULL;
    inlay_list_for_each (node, &lane->connections) {
        struct inlay_pg_connection *it =
            inlay_list_entry(node, struct inlay_pg_connection, node);

        if (is_idle(it) && (!best || it->progress < best->progress))
            best = it;
    }
    return best;
}

static uint64_t idle_ms(const struct inlay_pg_connection *connection)
{
    return connection->lane->base.loop->now - connection->progress;
}

/* False: nobody should get it. */
static bool give(struct inlay_pg_lane *lane,
                 struct inlay_pg_connection *connection)
{
    struct inlay_pg_database *database = lane->database;

    pthread_mutex_lock(&database->lock);
    struct inlay_pg_share *asker =
        find_asker(&database->pool, &lane->share, idle_ms(connection));
    if (asker) {
        inlay_pg_connection_detach(connection, lane_of(asker));
        inlay_list_append(&asker->gifts, &connection->node);
        inlay_list_remove(&asker->asks);
        asker->places++;
        lane->share.places--;
        post(asker);
    }
    pthread_mutex_unlock(&database->lock);
    return asker != NULL;
}

static void break_promises(struct inlay_pg_lane *lane)
{
    lane->owes = false;
    inlay_list_for_each (node, &lane->connections)
        inlay_list_entry(node, struct inlay_pg_connection, node)->is_promised =
            false;
}

/* The one that will be free first gets nothing new. */
static void promise(struct inlay_pg_lane *lane)
{
    struct inlay_pg_connection *best = NULL;

    if (promised(lane))
        return;
    inlay_list_for_each (node, &lane->connections) {
        struct inlay_pg_connection *it =
            inlay_list_entry(node, struct inlay_pg_connection, node);

        if (it->use == INLAY_PG_FREE && !it->listens &&
            (!best || it->norders < best->norders))
            best = it;
    }
    lane->owes = !best;
    if (best) {
        best->is_reserved = false;
        best->is_promised = true;
    }
}

/* What could not be given now. */
static void look_ahead(struct inlay_pg_lane *lane)
{
    struct inlay_pg_database *database = lane->database;
    struct inlay_pg_connection *idle;
    bool is_forced = false;

    pthread_mutex_lock(&database->lock);
    lane->is_asked = others_ask(&database->pool, &lane->share);
    inlay_list_for_each (node, &database->pool.askers)
        if (is_due(&database->pool, &lane->share, asker_of(node)))
            is_forced = true;
    pthread_mutex_unlock(&database->lock);
    note(lane);
    if (is_forced) {
        promise(lane);
        return;
    }
    break_promises(lane);
    idle = lane->is_asked ? choose(lane) : NULL;
    if (idle && idle_ms(idle) < STALE_MS)
        inlay_alarm_set(lane->base.loop, &idle->alarm,
                        STALE_MS - idle_ms(idle));
}

/* At the end of a tick, when no event can be at hand for what is given. */
static void on_trade(struct inlay_later *later)
{
    struct inlay_pg_lane *lane =
        inlay_container_of(later, struct inlay_pg_lane, trade);
    struct inlay_pg_connection *connection;

    while ((connection = choose(lane)) && give(lane, connection))
        continue;
    look_ahead(lane);
    inlay_pg_lane_go_on(lane);
}

/* --- Getting -------------------------------------------------------------- */

static void attach_all(struct inlay_list *gifts)
{
    inlay_list_for_each (node, gifts)
        inlay_pg_connection_attach(
            inlay_list_entry(node, struct inlay_pg_connection, node));
}

/* A gift, a place that is free now, or others ask. Its own orders come first:
 * what was given serves at least one of them. */
static void on_letter(struct inlay_mail *mail)
{
    struct inlay_pg_lane *lane =
        inlay_container_of(mail, struct inlay_pg_lane, share.mail);
    struct inlay_pg_database *database = lane->database;
    struct inlay_list gifts;

    inlay_list_init(&gifts);
    pthread_mutex_lock(&database->lock);
    lane->share.is_posted = false;
    while (!inlay_list_empty(&lane->share.gifts)) {
        struct inlay_list *node = lane->share.gifts.next;

        inlay_list_remove(node);
        inlay_list_append(&gifts, node);
    }
    lane->has_asked = !inlay_list_empty(&lane->share.asks);
    /* That nobody does any more is on_trade's to find: it has to know of a
     * promise. */
    lane->is_asked |= others_ask(&database->pool, &lane->share);
    pthread_mutex_unlock(&database->lock);
    note(lane);
    if (!inlay_list_empty(&gifts))
        lane->asked_at = 0;
    attach_all(&gifts);
    inlay_pg_lane_pump(lane);
    inlay_pg_lane_deliver(lane);
}

/* --- Lanes ---------------------------------------------------------------- */

void inlay_pg_pool_init(struct inlay_pg_lane *lane)
{
    inlay_list_init(&lane->share.node);
    inlay_list_init(&lane->share.asks);
    inlay_list_init(&lane->share.gifts);
    lane->share.mail.on_receive = on_letter;
    inlay_list_init(&lane->trade.node);
    lane->trade.run = on_trade;
}

void inlay_pg_pool_join(struct inlay_pg_lane *lane)
{
    struct inlay_pg_database *database = lane->database;

    pthread_mutex_lock(&database->lock);
    inlay_list_append(&database->pool.lanes, &lane->share.node);
    count_lanes(&database->pool);
    lane->is_asked = others_ask(&database->pool, &lane->share);
    pthread_mutex_unlock(&database->lock);
    note(lane);
}

void inlay_pg_pool_leave(struct inlay_pg_lane *lane)
{
    struct inlay_pg_database *database = lane->database;

    pthread_mutex_lock(&database->lock);
    inlay_list_remove(&lane->share.node);
    inlay_list_remove(&lane->share.asks);
    count_lanes(&database->pool);
    pthread_mutex_unlock(&database->lock);
    /* Nobody knows it any more. */
    inlay_loop_unpost(lane->base.loop, &lane->share.mail);
    inlay_list_remove(&lane->trade.node);
    attach_all(&lane->share.gifts);
}
