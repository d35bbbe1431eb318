/*
 * sqlite.c - SQLite as a driver: databases, lanes, and what becomes of orders
 * on the threads of their lanes.
 */
#include "db/sqlite.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

#include "base/banned.h"

/* --- The URL -------------------------------------------------------------- */

static struct inlay_error *bad_url(struct inlay_database *database,
                                   const char *why)
{
    return inlay_error_create(INLAY_ERROR_VALUE, "the database URL %.*s %s",
                              inlay_str_arg(database->shown), why);
}

static struct inlay_error *absolute_path(struct inlay_database *database,
                                         struct inlay_str path,
                                         char **ret)
{
    char folder[PATH_MAX] = "";

    /* The process may change its folder before a connection is made. */
    if (path.ptr[0] != '/' && !getcwd(folder, sizeof(folder)))
        return inlay_error_system(
            errno, "cannot find the current folder, in which %.*s is",
            inlay_str_arg(database->shown));
    size_t len = strlen(folder);
    char *at = *ret = inlay_malloc(len + 1 + path.len + 1);
    if (!at)
        return inlay_error_no_memory();
    memcpy(at, folder, len);
    at += len;
    if (len)
        *at++ = '/';
    memcpy(at, path.ptr, path.len);
    at[path.len] = '\0';
    return NULL;
}

/* "sqlite+aiosqlite:////srv/x.db" -> "/srv/x.db" */
static struct inlay_error *read_url(struct inlay_database *database,
                                    struct inlay_sqlite *sqlite)
{
    struct inlay_str url = database->config.url;
    const char *path = url.ptr ? memmem(url.ptr, url.len, "://", 3) : NULL;

    if (!path || memchr(url.ptr, 0, url.len))
        return bad_url(database, "is not one: write sqlite:///file.db");
    path += 3;
    struct inlay_str rest =
        inlay_str_make(path, (size_t)(url.ptr + url.len - path));
    if (rest.len && rest.ptr[0] != '/')
        return bad_url(database, "has a host, which SQLite has not: write "
                                 "sqlite:///file.db for a file in this folder, "
                                 "sqlite:////srv/file.db for one elsewhere");
    if (rest.len && memchr(rest.ptr, '?', rest.len))
        return bad_url(database, "has parameters that we don't know");
    if (rest.len)
        rest = inlay_str_make(rest.ptr + 1, rest.len - 1);
    if (!rest.len || inlay_str_is(rest, ":memory:")) {
        sqlite->in_memory = true;
        rest = INLAY_STR(":memory:");
        sqlite->path = inlay_malloc(rest.len + 1);
        if (!sqlite->path)
            return inlay_error_no_memory();
        snprintf(sqlite->path, rest.len + 1, "%s", rest.ptr);
        return NULL;
    }
    return absolute_path(database, rest, &sqlite->path);
}

/* --- Databases ------------------------------------------------------------ */

static void init_locks(struct inlay_sqlite *sqlite)
{
    pthread_condattr_t monotonic;

    pthread_mutex_init(&sqlite->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&sqlite->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_cond_init(&sqlite->ended, NULL);
}

static unsigned count_readers(const struct inlay_sqlite *sqlite, uint32_t max)
{
    /* Each connection to ":memory:" would be a database of its own. */
    if (sqlite->in_memory || max < 2)
        return 0;
    return inlay_min(max - 1, INLAY_SQLITE_READERS);
}

static void init_connections(struct inlay_sqlite *sqlite)
{
    for (size_t i = 0; i < INLAY_SQLITE_CONNECTIONS; i++) {
        sqlite->connections[i].sqlite = sqlite;
        sqlite->connections[i].reads = i > 0;
        inlay_list_init(&sqlite->connections[i].queue);
    }
    for (int i = 0; i < INLAY_SQLITE_QUEUES; i++)
        inlay_list_init(&sqlite->queues[i]);
}

static struct inlay_error *sqlite_open(struct inlay_database *database)
{
    struct inlay_sqlite *sqlite;

    if (!sqlite3_threadsafe())
        return inlay_error_create(INLAY_ERROR_STATE,
                                  "this libsqlite3 was built without threads "
                                  "(SQLITE_THREADSAFE=0): install another one");
    sqlite = inlay_calloc(1, sizeof(*sqlite));
    if (!sqlite)
        return inlay_error_no_memory();
    sqlite->database = database;
    struct inlay_error *error = read_url(database, sqlite);
    if (error) {
        inlay_free(sqlite->path);
        inlay_free(sqlite);
        return error;
    }
    sqlite->nreaders = count_readers(sqlite, database->config.max);
    sqlite->most_threads = 1 + sqlite->nreaders;
    sqlite->rows_most = INLAY_SQLITE_ROWS_MOST;
    sqlite->busy_ms = INLAY_SQLITE_BUSY_MS;
    sqlite->idle_ms = INLAY_SQLITE_IDLE_MS;
    init_locks(sqlite);
    init_connections(sqlite);
    database->impl = sqlite;
    return NULL;
}

static void sqlite_close(struct inlay_database *database)
{
    struct inlay_sqlite *sqlite = database->impl;

    inlay_sqlite_end_threads(sqlite);
    /* The writer last: the file of the log goes with the last connection, if
     * that may write. */
    for (size_t i = INLAY_SQLITE_CONNECTIONS; i-- > 0;)
        inlay_sqlite_disconnect(&sqlite->connections[i]);
    pthread_cond_destroy(&sqlite->ended);
    pthread_cond_destroy(&sqlite->wake);
    pthread_mutex_destroy(&sqlite->lock);
    inlay_free(sqlite->path);
    inlay_free(sqlite);
    database->impl = NULL;
}

/* --- Done ----------------------------------------------------------------- */

/* What a job has found becomes the order's; the job goes. */
static struct inlay_order *hand_over(struct inlay_sqlite_lane *lane,
                                     struct inlay_sqlite_job *job)
{
    struct inlay_order *order = job->order;
    bool is_good = !job->failure.kind;

    inlay_list_remove(&job->lane_node);
    if (is_good)
        order->failure.kind = 0;
    else
        order->failure = job->failure;
    order->rows = is_good ? inlay_take(job->rows) : NULL;
    order->changed = is_good ? job->changed : 0;
    order->more = is_good && job->more;
    if (job->kind == INLAY_ORDER_OPEN || job->kind == INLAY_ORDER_CLOSE)
        order->cursor = is_good ? job->cursor : NULL;
    if (job->takes && is_good) {
        inlay_list_append(&lane->holds, &job->hold->node);
        order->hold = &job->hold->base;
    } else if (job->takes) {
        inlay_free(job->hold);
    }
    inlay_sqlite_job_destroy(job);
    order->driver = NULL;
    return order;
}

/* Orders without a job, which there was no memory for. */
static void tell_failed(struct inlay_sqlite_lane *lane)
{
    while (!inlay_list_empty(&lane->failed)) {
        struct inlay_order *order =
            inlay_list_entry(lane->failed.next, struct inlay_order, node);

        inlay_list_remove(&order->node);
        inlay_order_done(order);
    }
}

/* The oldest that is done, or NULL. */
static struct inlay_sqlite_job *take_done(struct inlay_sqlite_lane *lane)
{
    struct inlay_sqlite_job *job = NULL;

    pthread_mutex_lock(&lane->sqlite->lock);
    if (!inlay_list_empty(&lane->done)) {
        job = inlay_list_entry(lane->done.next, struct inlay_sqlite_job, node);
        inlay_list_remove(&job->node);
    }
    pthread_mutex_unlock(&lane->sqlite->lock);
    return job;
}

static void on_mail(struct inlay_mail *mail)
{
    struct inlay_sqlite_lane *lane =
        inlay_container_of(mail, struct inlay_sqlite_lane, mail);
    struct inlay_sqlite_job *job;

    pthread_mutex_lock(&lane->sqlite->lock);
    lane->is_posted = false;
    pthread_mutex_unlock(&lane->sqlite->lock);
    tell_failed(lane);
    /* One by one: whoever is told may give others up. */
    while (job = take_done(lane), job)
        inlay_order_done(hand_over(lane, job));
}

/* --- Waiting too long ----------------------------------------------------- */

static void fail_wait(struct inlay_sqlite_lane *lane,
                      struct inlay_sqlite_job *job)
{
    struct inlay_database *database = lane->base.database;
    uint32_t ms = database->config.pool_timeout;

    atomic_fetch_add_explicit(&atomic_load(&database->stats)->timeouts, 1,
                              memory_order_relaxed);
    if (job->hold && !job->takes)
        inlay_failure_set(&job->failure, INLAY_UNAVAILABLE,
                          "the connection was busy for %u ms", ms);
    else if (job->to == INLAY_SQLITE_TO_WRITE)
        inlay_failure_set(&job->failure, INLAY_UNAVAILABLE,
                          "nothing could be written for %u ms (pool_timeout): "
                          "SQLite has one writer, which has been busy, or in "
                          "a transaction",
                          ms);
    else
        inlay_failure_set(&job->failure, INLAY_UNAVAILABLE,
                          "no connection was free for %u ms (pool_timeout)",
                          ms);
}

/* A job that has waited too long, out of its queue; NULL: none. `left_ret`: ms
 * until the next one has, 0: none waits. */
static struct inlay_sqlite_job *take_late(struct inlay_sqlite_lane *lane,
                                          uint64_t now,
                                          uint64_t *left_ret)
{
    uint64_t most =
        (uint64_t)lane->base.database->config.pool_timeout * 1000000;
    struct inlay_sqlite_job *late = NULL;

    *left_ret = 0;
    pthread_mutex_lock(&lane->sqlite->lock);
    inlay_list_for_each (node, &lane->jobs) {
        struct inlay_sqlite_job *job =
            inlay_list_entry(node, struct inlay_sqlite_job, lane_node);

        if (job->state != INLAY_SQLITE_QUEUED)
            continue;
        if (job->since + most > now) {
            *left_ret = (job->since + most - now) / 1000000 + 1;
        } else {
            inlay_sqlite_dequeue(lane->sqlite, job);
            job->state = INLAY_SQLITE_DONE;
            late = job;
        }
        break;
    }
    pthread_mutex_unlock(&lane->sqlite->lock);
    return late;
}

static void on_alarm(struct inlay_alarm *alarm)
{
    struct inlay_sqlite_lane *lane =
        inlay_container_of(alarm, struct inlay_sqlite_lane, alarm);
    uint64_t now = inlay_clock_ns(), left;
    struct inlay_sqlite_job *job;

    while (job = take_late(lane, now, &left), job) {
        fail_wait(lane, job);
        inlay_order_done(hand_over(lane, job));
    }
    /* One that runs may yet have to wait: it turns out that it writes. */
    if (!left && !inlay_list_empty(&lane->jobs))
        left = lane->base.database->config.pool_timeout;
    if (left)
        inlay_alarm_set(lane->base.loop, &lane->alarm, left);
}

/* --- Lanes ---------------------------------------------------------------- */

static struct inlay_lane *sqlite_lane_create(struct inlay_database *database)
{
    struct inlay_sqlite_lane *lane = inlay_calloc(1, sizeof(*lane));

    if (!lane)
        return NULL;
    lane->sqlite = database->impl;
    inlay_list_init(&lane->jobs);
    inlay_list_init(&lane->holds);
    inlay_list_init(&lane->failed);
    inlay_list_init(&lane->done);
    lane->mail.on_receive = on_mail;
    lane->alarm.on_ring = on_alarm;
    return &lane->base;
}

static void sqlite_lane_begin(struct inlay_lane *lane)
{
    (void)lane; /* Threads and connections come with the first order. */
}

/* Of an orphan on any thread: it is in no list then. */
static void sqlite_release(struct inlay_hold *base)
{
    struct inlay_sqlite_hold *hold = (struct inlay_sqlite_hold *)base;
    struct inlay_sqlite *sqlite = hold->connection->sqlite;

    inlay_list_remove(&hold->node);
    pthread_mutex_lock(&sqlite->lock);
    /* Without a thread for it, the next job's will see to it, or the end. */
    inlay_sqlite_enqueue(sqlite, &hold->release);
    pthread_mutex_unlock(&sqlite->lock);
}

/* Its order is forgotten; a thread that is busy with it will throw the result
 * away. True: there is none, it is the caller's to drop. With the lock. */
static bool detach(struct inlay_sqlite_lane *lane, struct inlay_sqlite_job *job)
{
    bool is_running = job->state == INLAY_SQLITE_RUNNING;

    if (job->hold && !job->takes)
        job->hold->is_broken = true;
    if (job->state == INLAY_SQLITE_QUEUED)
        inlay_sqlite_dequeue(lane->sqlite, job);
    else if (!is_running)
        inlay_list_remove(&job->node);
    inlay_list_remove(&job->lane_node);
    if (is_running) {
        job->lane = NULL;
        job->order = NULL;
        inlay_sqlite_abandon(job);
    }
    return !is_running;
}

/* Nobody takes what has come out of it. */
static void drop(struct inlay_sqlite_job *job, bool has_run)
{
    if (job->takes && has_run && !job->failure.kind)
        sqlite_release(&job->hold->base);
    else if (job->takes)
        inlay_free(job->hold);
    inlay_sqlite_job_destroy(job);
}

static void sqlite_give_up(struct inlay_lane *base, struct inlay_order *order)
{
    struct inlay_sqlite_lane *lane = (struct inlay_sqlite_lane *)base;
    struct inlay_sqlite_job *job = order->driver;

    order->driver = NULL;
    if (!job) {
        inlay_list_remove(&order->node);
        return;
    }
    pthread_mutex_lock(&lane->sqlite->lock);
    bool has_run = job->state == INLAY_SQLITE_DONE;
    bool is_ours = detach(lane, job);
    pthread_mutex_unlock(&lane->sqlite->lock);
    if (is_ours)
        drop(job, has_run);
    else
        atomic_fetch_add_explicit(
            &atomic_load(&base->database->stats)->cancelled, 1,
            memory_order_relaxed);
}

/* Ends the oldest job of a lane that ends, and tells its owner. */
static void end_oldest(struct inlay_sqlite_lane *lane)
{
    struct inlay_sqlite_job *job =
        inlay_list_entry(lane->jobs.next, struct inlay_sqlite_job, lane_node);
    struct inlay_order *order = job->order;

    pthread_mutex_lock(&lane->sqlite->lock);
    if (job->state == INLAY_SQLITE_DONE) {
        inlay_list_remove(&job->node);
        pthread_mutex_unlock(&lane->sqlite->lock);
        inlay_order_done(hand_over(lane, job));
        return;
    }
    bool is_ours = detach(lane, job);
    pthread_mutex_unlock(&lane->sqlite->lock);
    if (is_ours)
        drop(job, false);
    order->driver = NULL;
    inlay_failure_set(&order->failure, INLAY_UNAVAILABLE,
                      "the database is being closed");
    inlay_order_done(order);
}

static void sqlite_lane_destroy(struct inlay_lane *base)
{
    struct inlay_sqlite_lane *lane = (struct inlay_sqlite_lane *)base;

    lane->is_ending = true;
    inlay_alarm_stop(base->loop, &lane->alarm);
    while (!inlay_list_empty(&lane->jobs) || !inlay_list_empty(&lane->failed)) {
        tell_failed(lane);
        if (!inlay_list_empty(&lane->jobs))
            end_oldest(lane);
    }
    inlay_list_for_each (node, &lane->holds) {
        struct inlay_sqlite_hold *hold =
            inlay_list_entry(node, struct inlay_sqlite_hold, node);

        inlay_list_remove(node);
        if (inlay_hold_orphan(&hold->base))
            sqlite_release(&hold->base);
    }
    inlay_loop_unpost(base->loop, &lane->mail);
    inlay_free(lane);
}

/* --- Orders --------------------------------------------------------------- */

static struct inlay_sqlite_hold *hold_create(struct inlay_sqlite_lane *lane)
{
    struct inlay_sqlite_hold *hold = inlay_calloc(1, sizeof(*hold));

    if (!hold)
        return NULL;
    hold->base.database = lane->base.database;
    hold->base.lane = &lane->base;
    inlay_list_init(&hold->node);
    inlay_list_init(&hold->cursors);
    hold->release.is_release = true;
    hold->release.hold = hold;
    inlay_list_init(&hold->release.node);
    inlay_list_init(&hold->release.lane_node);
    atomic_init(&hold->release.is_given_up, false);
    return hold;
}

/* Which connection it is for; a failure when it can't be for any. */
static void find_hold(struct inlay_sqlite_lane *lane,
                      struct inlay_sqlite_job *job)
{
    bool is_of_cursor =
        job->kind == INLAY_ORDER_FETCH || job->kind == INLAY_ORDER_CLOSE;

    if (is_of_cursor)
        job->hold = job->cursor ? job->cursor->hold : NULL;
    job->takes = !job->hold && (job->kind == INLAY_ORDER_BEGIN ||
                                job->kind == INLAY_ORDER_OPEN);
    if (job->takes) {
        job->hold = hold_create(lane);
        job->takes = job->hold;
        if (!job->hold)
            inlay_failure_set(&job->failure, INLAY_NO_MEMORY, "out of memory");
    } else if (job->hold && job->hold->is_broken) {
        inlay_failure_set(&job->failure, INLAY_INTERNAL,
                          "a statement of this transaction was cancelled: it "
                          "can only be rolled back");
    } else if (!job->hold && (is_of_cursor || job->kind == INLAY_ORDER_COMMIT ||
                              job->kind == INLAY_ORDER_SCRIPT)) {
        inlay_failure_set(&job->failure, INLAY_INTERNAL,
                          "it needs a transaction or a cursor");
    }
}

/* With the lock. */
static enum inlay_sqlite_queue find_queue(const struct inlay_sqlite *sqlite,
                                          const struct inlay_sqlite_job *job)
{
    if (!sqlite->nreaders ||
        (job->kind != INLAY_ORDER_QUERY && job->kind != INLAY_ORDER_OPEN) ||
        inlay_sqlite_writes(sqlite, job->hash))
        return INLAY_SQLITE_TO_WRITE;
    return job->kind == INLAY_ORDER_OPEN ? INLAY_SQLITE_TO_SCROLL
                                         : INLAY_SQLITE_TO_READ;
}

/* It has failed before it became a job. */
static void fail_order(struct inlay_sqlite_lane *lane,
                       struct inlay_order *order,
                       int kind,
                       const char *text)
{
    inlay_failure_set(&order->failure, kind, "%s", text);
    inlay_list_init(&order->node);
    inlay_list_append(&lane->failed, &order->node);
    pthread_mutex_lock(&lane->sqlite->lock);
    if (!lane->is_posted && !lane->is_ending) {
        lane->is_posted = true;
        inlay_loop_post(lane->base.loop, &lane->mail);
    }
    pthread_mutex_unlock(&lane->sqlite->lock);
}

static void enqueue(struct inlay_sqlite_lane *lane,
                    struct inlay_sqlite_job *job)
{
    struct inlay_sqlite *sqlite = lane->sqlite;

    pthread_mutex_lock(&sqlite->lock);
    job->to = find_queue(sqlite, job);
    if (!job->failure.kind && !inlay_sqlite_enqueue(sqlite, job))
        inlay_failure_set(&job->failure, INLAY_UNAVAILABLE,
                          "cannot start a thread for SQLite");
    if (job->failure.kind)
        inlay_sqlite_tell(job);
    pthread_mutex_unlock(&sqlite->lock);
}

static void sqlite_submit(struct inlay_lane *base, struct inlay_order *order)
{
    struct inlay_sqlite_lane *lane = (struct inlay_sqlite_lane *)base;
    struct inlay_sqlite_job *job;

    order->driver = NULL;
    order->rows = NULL;
    order->changed = 0;
    order->more = false;
    if (lane->is_ending) {
        fail_order(lane, order, INLAY_UNAVAILABLE,
                   "the database is being closed");
        return;
    }
    job = inlay_sqlite_job_create(order);
    if (!job) {
        fail_order(lane, order, INLAY_NO_MEMORY, "out of memory");
        return;
    }
    job->order = order;
    job->lane = lane;
    order->driver = job;
    inlay_list_append(&lane->jobs, &job->lane_node);
    if (!job->failure.kind)
        find_hold(lane, job);
    enqueue(lane, job);
    if (!lane->alarm.is_set)
        inlay_alarm_set(base->loop, &lane->alarm,
                        base->database->config.pool_timeout);
}

const struct inlay_driver inlay_driver_sqlite = {
    .name = "sqlite",
    .open = sqlite_open,
    .close = sqlite_close,
    .lane_create = sqlite_lane_create,
    .lane_begin = sqlite_lane_begin,
    .lane_destroy = sqlite_lane_destroy,
    .submit = sqlite_submit,
    .give_up = sqlite_give_up,
    .release = sqlite_release,
};
