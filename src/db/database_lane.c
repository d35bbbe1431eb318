/*
 * database_lane.c - how orders get to the threads that do them, and what is
 * done when one is.
 */
#include <pthread.h>
#include <semaphore.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "db/database_inside.h"

#include "base/banned.h"

/* A thread with one lane, for processes (and callers) without I/O threads. */
struct inlay_own_lane {
    struct inlay_database *database;
    struct inlay_lane *lane;
    struct inlay_loop loop;
    pthread_t thread;
    sem_t begun; /* `error` says how */
    struct inlay_error *error;
};

/* Of an order. */
enum fate {
    UNDER_WAY,
    ABANDONED, /* and in its lane's list of them, which calls on_done */
    DONE,
};

/* Of starting them: one per database. */
static pthread_mutex_t own_lock = PTHREAD_MUTEX_INITIALIZER;

void inlay_own_lanes_lock(void)
{
    pthread_mutex_lock(&own_lock);
}

void inlay_own_lanes_unlock(void)
{
    pthread_mutex_unlock(&own_lock);
}

/* --- An order is done ----------------------------------------------------- */

static void add(_Atomic(uint64_t) *counter, uint64_t count)
{
    atomic_fetch_add_explicit(counter, count, memory_order_relaxed);
}

static void finish(struct inlay_database *database, struct inlay_order *order)
{
    struct inlay_db_stats *stats =
        atomic_load_explicit(&database->stats, memory_order_relaxed);
    uint64_t ns = inlay_clock_ns() - order->since;

    add(&stats->buckets[inlay_bucket_of(ns)], 1);
    add(&stats->sum, ns);
    if (order->failure.kind)
        add(&stats->errors, 1);
    order->is_done = true;
    if (inlay_likely(atomic_exchange(&order->fate, DONE) != ABANDONED))
        order->on_done(order);
}

void inlay_order_done(struct inlay_order *order)
{
    finish(order->lane->database, order);
}

static void fail(struct inlay_database *database,
                 struct inlay_order *order,
                 const char *text)
{
    inlay_failure_set(&order->failure, INLAY_UNAVAILABLE, "%s", text);
    finish(database, order);
}

/* --- Lanes ---------------------------------------------------------------- */

/* Oldest first. */
static struct inlay_order *take_letters(struct inlay_lane *lane)
{
    struct inlay_order *order = lane->letters, *oldest = NULL;

    lane->letters = NULL;
    while (order) {
        struct inlay_order *next = order->next;
        order->next = oldest;
        oldest = order;
        order = next;
    }
    return oldest;
}

static struct inlay_order *take_abandoned(struct inlay_lane *lane)
{
    struct inlay_order *first = lane->abandoned;

    lane->abandoned = NULL;
    return first;
}

/* Of what nobody waits for, unless it was done meanwhile. */
static void forget(struct inlay_order *order)
{
    inlay_failure_set(&order->failure, INLAY_UNAVAILABLE,
                      "nobody waits for it any more");
    order->is_done = true;
}

/* They are the driver's, or done. */
static void settle_abandoned(struct inlay_order *order)
{
    while (order) {
        struct inlay_order *next = order->next_abandoned;

        if (!order->is_done) {
            order->lane->database->driver->give_up(order->lane, order);
            forget(order);
        }
        order->on_done(order);
        order = next;
    }
}

static void on_letters(struct inlay_mail *mail)
{
    struct inlay_lane *lane = inlay_container_of(mail, struct inlay_lane, mail);
    struct inlay_database *database = lane->database;

    pthread_mutex_lock(&database->lock);
    struct inlay_order *order = take_letters(lane);
    struct inlay_order *abandoned = take_abandoned(lane);
    lane->is_posted = false;
    pthread_mutex_unlock(&database->lock);
    while (order) {
        struct inlay_order *next = order->next; /* it may be done at once */
        database->driver->submit(lane, order);
        order = next;
    }
    settle_abandoned(abandoned);
}

struct inlay_error *inlay_lane_open(struct inlay_database *database,
                                    struct inlay_loop *loop,
                                    struct inlay_lane **ret)
{
    struct inlay_error *error = inlay_database_open(database);
    if (error)
        return error;
    struct inlay_lane *lane = database->driver->lane_create(database);
    if (!lane)
        return inlay_error_no_memory();

    lane->database = database;
    lane->loop = loop;
    lane->letters = lane->abandoned = NULL;
    lane->mail = (struct inlay_mail){.on_receive = on_letters};
    lane->is_posted = false;
    lane->thread = pthread_self();
    inlay_list_init(&lane->node);
    pthread_mutex_lock(&database->lock);
    database->nlanes++;
    inlay_list_append(&database->lanes, &lane->node);
    pthread_mutex_unlock(&database->lock);
    database->driver->lane_begin(lane);
    *ret = lane;
    return NULL;
}

void inlay_lane_close(struct inlay_lane *lane)
{
    struct inlay_database *database = lane->database;

    pthread_mutex_lock(&database->lock);
    inlay_list_remove(&lane->node);
    database->nlanes--;
    struct inlay_order *order = take_letters(lane);
    struct inlay_order *abandoned = take_abandoned(lane);
    pthread_mutex_unlock(&database->lock);
    while (order) {
        struct inlay_order *next = order->next;
        fail(database, order, "the server is stopping");
        order = next;
    }
    settle_abandoned(abandoned);
    inlay_loop_unpost(lane->loop, &lane->mail);
    database->driver->lane_destroy(lane);
}

/* --- A thread of its own -------------------------------------------------- */

static void *run_own_lane(void *arg)
{
    struct inlay_own_lane *own = arg;

    pthread_setname_np(pthread_self(), "inlay-db");
    own->error = inlay_loop_init(&own->loop);
    if (!own->error) {
        own->error = inlay_lane_open(own->database, &own->loop, &own->lane);
        if (own->error)
            inlay_loop_deinit(&own->loop);
    }
    bool runs = own->error == NULL;
    sem_post(&own->begun); /* a failed one is its starter's from here on */
    if (runs) {
        inlay_loop_run(&own->loop);
        inlay_lane_close(own->lane);
    }
    return NULL;
}

static struct inlay_error *start_thread(struct inlay_own_lane *own)
{
    int status = inlay_thread_start(&own->thread, run_own_lane, own);
    if (status)
        return inlay_error_system(status, "cannot start a thread for a "
                                          "database");
    while (sem_wait(&own->begun) != 0)
        continue; /* EINTR */
    if (own->error)
        pthread_join(own->thread, NULL);
    return own->error;
}

static struct inlay_error *start_own_lane(struct inlay_database *database)
{
    struct inlay_own_lane *own = inlay_calloc(1, sizeof(*own));
    if (!own)
        return inlay_error_no_memory();

    own->database = database;
    sem_init(&own->begun, 0, 0);
    struct inlay_error *error = start_thread(own);
    if (error) {
        sem_destroy(&own->begun);
        inlay_free(own);
        return error;
    }
    database->own = own;
    return NULL;
}

static struct inlay_error *need_own_lane(struct inlay_database *database,
                                         struct inlay_lane **ret)
{
    struct inlay_error *error = NULL;

    pthread_mutex_lock(&own_lock);
    if (!database->own)
        error = start_own_lane(database);
    *ret = error ? NULL : database->own->lane;
    pthread_mutex_unlock(&own_lock);
    return error;
}

struct inlay_error *inlay_database_own_lane(struct inlay_database *database,
                                            struct inlay_lane **ret)
{
    return need_own_lane(database, ret);
}

void inlay_database_own_lane_end(struct inlay_database *database)
{
    struct inlay_own_lane *own = database->own;

    if (!own)
        return;
    inlay_loop_stop(&own->loop);
    pthread_join(own->thread, NULL);
    inlay_loop_deinit(&own->loop);
    sem_destroy(&own->begun);
    inlay_free(own);
    database->own = NULL;
}

/* --- Orders --------------------------------------------------------------- */

/*
 * The next one in turn, or NULL. Not one of the caller's thread: it may be about
 * to sleep until the order is done. Under the database's lock.
 */
static struct inlay_lane *next_lane(struct inlay_database *database)
{
    inlay_list_for_each (node, &database->lanes) {
        struct inlay_lane *lane =
            inlay_list_entry(node, struct inlay_lane, node);

        if (pthread_equal(lane->thread, pthread_self()))
            continue;
        inlay_list_remove(node);
        inlay_list_append(&database->lanes, node);
        return lane;
    }
    return NULL;
}

/* The lane is to look at its lists; under the database's lock. */
static void post(struct inlay_lane *lane)
{
    if (lane->is_posted)
        return;
    lane->is_posted = true;
    inlay_loop_post(lane->loop, &lane->mail);
}

/* Under the database's lock, so that the lane is there. */
static void put_letter(struct inlay_lane *lane, struct inlay_order *order)
{
    order->lane = lane;
    order->next = lane->letters;
    lane->letters = order;
    post(lane);
}

/* Not one that ends: its orders are done. Under the database's lock. */
static bool is_open(const struct inlay_database *database,
                    const struct inlay_lane *lane)
{
    inlay_list_for_each (node, &database->lanes)
        if (inlay_list_entry(node, struct inlay_lane, node) == lane)
            return true;
    return false;
}

static bool takes_hold(const struct inlay_order *order)
{
    return order->kind == INLAY_ORDER_BEGIN || order->kind == INLAY_ORDER_OPEN;
}

/* That of a hold, which may have ended with its server (NULL). */
static void submit_to_hold(struct inlay_database *database,
                           struct inlay_order *order)
{
    pthread_mutex_lock(&database->lock);
    struct inlay_lane *lane = order->hold->lane;
    bool is_sent = lane && is_open(database, lane);
    if (is_sent)
        put_letter(lane, order);
    pthread_mutex_unlock(&database->lock);
    if (!is_sent)
        fail(database, order, "the server is stopping");
}

/*
 * What takes a hold should find its lane for as long as it lives, and those of
 * I/O threads end with their server: only the own thread's is there for ever.
 */
static void submit_by_letter(struct inlay_database *database,
                             struct inlay_order *order)
{
    struct inlay_lane *lane = NULL;

    if (!takes_hold(order)) {
        pthread_mutex_lock(&database->lock);
        lane = next_lane(database);
        if (lane)
            put_letter(lane, order);
        pthread_mutex_unlock(&database->lock);
    }
    if (lane)
        return;
    struct inlay_error *error = need_own_lane(database, &lane);
    if (error) {
        fail(database, order, error->message);
        inlay_error_destroy(error);
        return;
    }
    pthread_mutex_lock(&database->lock);
    put_letter(lane, order);
    pthread_mutex_unlock(&database->lock);
}

void inlay_database_submit(struct inlay_database *database,
                           struct inlay_lane *lane,
                           struct inlay_order *order)
{
    order->since = inlay_clock_ns();
    order->is_done = false;
    atomic_store_explicit(&order->fate, UNDER_WAY, memory_order_relaxed);
    order->failure = (struct inlay_failure){.kind = 0};
    if (lane && (!order->hold || order->hold->lane == lane)) {
        order->lane = lane;
        database->driver->submit(lane, order);
    } else if (order->hold) {
        submit_to_hold(database, order);
    } else {
        submit_by_letter(database, order);
    }
}

/* Is it still a letter? Then it is none any more. Under the database's lock. */
static bool take_back(struct inlay_lane *lane, struct inlay_order *order)
{
    struct inlay_order **at = &lane->letters;

    while (*at && *at != order)
        at = &(*at)->next;
    bool found = *at != NULL;
    if (found)
        *at = order->next;
    return found;
}

void inlay_database_give_up(struct inlay_order *order)
{
    struct inlay_lane *lane = order->lane;

    pthread_mutex_lock(&lane->database->lock);
    bool was_letter = take_back(lane, order);
    pthread_mutex_unlock(&lane->database->lock);
    if (!was_letter)
        lane->database->driver->give_up(lane, order);
}

void inlay_database_abandon(struct inlay_database *database,
                            struct inlay_order *order)
{
    struct inlay_lane *lane = order->lane;
    int fate = UNDER_WAY;

    pthread_mutex_lock(&database->lock);
    if (is_open(database, lane) &&
        atomic_compare_exchange_strong(&order->fate, &fate, ABANDONED)) {
        if (take_back(lane, order))
            forget(order);
        order->next_abandoned = lane->abandoned;
        lane->abandoned = order;
        post(lane);
    }
    pthread_mutex_unlock(&database->lock);
}

/* --- Holds ---------------------------------------------------------------- */

static void on_release(struct inlay_mail *mail)
{
    struct inlay_hold *hold =
        inlay_container_of(mail, struct inlay_hold, release);

    hold->database->driver->release(hold);
}

void inlay_hold_release(struct inlay_hold *hold)
{
    struct inlay_database *database = hold->database;

    /* Its lane may be about to end. */
    pthread_mutex_lock(&database->lock);
    struct inlay_lane *lane = hold->lane;
    bool posts = lane && !pthread_equal(lane->thread, pthread_self());
    if (posts) {
        hold->release.on_receive = on_release;
        inlay_loop_post(lane->loop, &hold->release);
    }
    pthread_mutex_unlock(&database->lock);
    if (!posts)
        database->driver->release(hold);
}

bool inlay_hold_orphan(struct inlay_hold *hold)
{
    struct inlay_database *database = hold->database;

    pthread_mutex_lock(&database->lock);
    bool is_released = inlay_loop_unpost(hold->lane->loop, &hold->release);
    if (!is_released)
        hold->lane = NULL;
    pthread_mutex_unlock(&database->lock);
    return is_released;
}

/* --- Notifications -------------------------------------------------------- */

void inlay_listen(struct inlay_lane *lane, struct inlay_subscriber *listener)
{
    struct inlay_failure failure = {.kind = 0};

    if (lane->database->driver->listen) {
        lane->database->driver->listen(lane, listener);
        return;
    }
    inlay_failure_set(&failure, INLAY_NOT_IMPLEMENTED,
                      "SQLite has no notifications");
    inlay_list_init(&listener->node);
    listener->on_ready(listener, &failure);
}

void inlay_unlisten(struct inlay_lane *lane, struct inlay_subscriber *listener)
{
    if (lane->database->driver->unlisten)
        lane->database->driver->unlisten(lane, listener);
}
