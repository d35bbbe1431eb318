/*
 * sqlite_threads.c - which job is done next, on which connection, and the
 * threads that do it. Whoever takes a job looks whether there is another one
 * that could be done, and wakes a thread for it: so a job whose connection is
 * free waits only when all threads are busy.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "db/sqlite.h"

#include "base/banned.h"

/* A job and where it is done. */
struct pick {
    struct inlay_sqlite_job *job; /* NULL: none that could be done now */
    struct inlay_sqlite_connection *connection;
};

static struct inlay_db_stats *stats_of(struct inlay_sqlite *sqlite)
{
    return atomic_load(&sqlite->database->stats);
}

static void count(_Atomic(uint64_t) *counter, uint64_t by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

/* --- Which one ------------------------------------------------------------ */

static struct inlay_sqlite_job *first_of(struct inlay_list *queue)
{
    if (inlay_list_empty(queue))
        return NULL;
    return inlay_list_entry(queue->next, struct inlay_sqlite_job, node);
}

static bool is_free(const struct inlay_sqlite_connection *connection)
{
    return !connection->is_busy && !connection->held;
}

static struct inlay_sqlite_connection *find_free(struct inlay_sqlite *sqlite,
                                                 size_t from,
                                                 size_t to)
{
    struct inlay_sqlite_connection *closed = NULL;

    /* One that is open, if there is. */
    for (size_t i = from; i < to; i++) {
        struct inlay_sqlite_connection *at = &sqlite->connections[i];

        if (!is_free(at))
            continue;
        if (at->is_open)
            return at;
        closed = closed ? closed : at;
    }
    return closed;
}

/* A connection for the queue's next job, or NULL. */
static struct inlay_sqlite_connection *connection_for(
    struct inlay_sqlite *sqlite,
    enum inlay_sqlite_queue queue)
{
    struct inlay_sqlite_connection *writer = inlay_sqlite_writer(sqlite);
    size_t scroll = 1 + INLAY_SQLITE_READERS;

    if (queue == INLAY_SQLITE_TO_WRITE)
        return is_free(writer) ? writer : NULL;
    /* It makes the file, and makes it one with a WAL: begin_job. */
    if (!writer->is_open && !is_free(writer))
        return NULL;
    return queue == INLAY_SQLITE_TO_READ
               ? find_free(sqlite, 1, 1 + sqlite->nreaders)
               : find_free(sqlite, scroll, INLAY_SQLITE_CONNECTIONS);
}

static void consider(struct pick *pick,
                     struct inlay_sqlite_job *job,
                     struct inlay_sqlite_connection *connection)
{
    if (connection && (!pick->job || job->number < pick->job->number))
        *pick = (struct pick){job, connection};
}

/* The oldest job that could be done now. */
static struct pick pick_job(struct inlay_sqlite *sqlite)
{
    struct pick pick = {NULL, NULL};
    struct inlay_sqlite_job *job;

    for (int i = 0; i < INLAY_SQLITE_QUEUES; i++) {
        job = first_of(&sqlite->queues[i]);
        if (job)
            consider(&pick, job,
                     connection_for(sqlite, (enum inlay_sqlite_queue)i));
    }
    for (size_t i = 0; i < INLAY_SQLITE_CONNECTIONS; i++) {
        struct inlay_sqlite_connection *at = &sqlite->connections[i];

        if (!at->held || at->is_busy)
            continue;
        job = first_of(&at->queue);
        if (job)
            consider(&pick, job, at);
    }
    return pick;
}

bool inlay_sqlite_writes(const struct inlay_sqlite *sqlite, uint64_t hash)
{
    return sqlite->writes[hash % INLAY_SQLITE_WRITES] == hash;
}

/* --- What is counted ------------------------------------------------------ */

/* The one place where either changes, for the gauges. */
static void set_use(struct inlay_sqlite_connection *connection,
                    bool is_busy,
                    struct inlay_sqlite_hold *held)
{
    struct inlay_db_stats *stats = stats_of(connection->sqlite);
    bool was_used = connection->is_busy || connection->held;
    bool is_used = is_busy || held;

    count(&stats->busy, (uint64_t)is_used - was_used);
    count(&stats->held, (uint64_t)(held != NULL) - (connection->held != NULL));
    connection->is_busy = is_busy;
    connection->held = held;
}

/* --- A job's end ---------------------------------------------------------- */

/* It has a connection to itself from now on, if that was asked and went well.
 * The lock is given up while that has to be undone. */
static void settle_hold(struct inlay_sqlite_connection *connection,
                        struct inlay_sqlite_job *job)
{
    struct inlay_sqlite *sqlite = connection->sqlite;

    if (!job->takes || job->failure.kind || job->is_rerouted)
        return;
    if (atomic_load(&job->is_given_up)) {
        pthread_mutex_unlock(&sqlite->lock);
        inlay_sqlite_clean(connection, job->hold);
        pthread_mutex_lock(&sqlite->lock);
        return;
    }
    job->hold->connection = connection;
    set_use(connection, true, job->hold);
}

/* A new one is better, when nobody has this one and what is in it lasts. */
static void close_bad(struct inlay_sqlite_connection *connection,
                      const struct inlay_sqlite_job *job)
{
    struct inlay_sqlite *sqlite = connection->sqlite;

    if (!connection->is_bad || sqlite->in_memory || connection->held ||
        (job->takes && !job->failure.kind))
        return;
    count(&stats_of(sqlite)->lost, 1);
    connection->is_open = false;
    pthread_mutex_unlock(&sqlite->lock);
    inlay_sqlite_disconnect(connection);
    pthread_mutex_lock(&sqlite->lock);
}

/* Back to the queue: it writes, as is known of it from now on. */
static void reroute(struct inlay_sqlite *sqlite, struct inlay_sqlite_job *job)
{
    sqlite->writes[job->hash % INLAY_SQLITE_WRITES] = job->hash;
    job->is_rerouted = false;
    job->state = INLAY_SQLITE_QUEUED;
    job->to = INLAY_SQLITE_TO_WRITE;
    /* One of a cursor's hold, which may be given back before this is done. */
    if (!job->takes)
        job->hold = NULL;
    inlay_list_append(&sqlite->queues[job->to], &job->node);
    count(&stats_of(sqlite)->waiting, 1);
}

void inlay_sqlite_tell(struct inlay_sqlite_job *job)
{
    struct inlay_sqlite_lane *lane = job->lane;

    job->state = INLAY_SQLITE_DONE;
    inlay_list_append(&lane->done, &job->node);
    if (!lane->is_posted) {
        lane->is_posted = true;
        inlay_loop_post(lane->base.loop, &lane->mail);
    }
}

/* Orders that came on a hold after its release: the caller's mistake. */
static void refuse_rest(struct inlay_sqlite_connection *connection)
{
    inlay_list_for_each (node, &connection->queue) {
        struct inlay_sqlite_job *job =
            inlay_list_entry(node, struct inlay_sqlite_job, node);

        inlay_sqlite_dequeue(connection->sqlite, job);
        inlay_failure_set(&job->failure, INLAY_INTERNAL,
                          "its connection has been given back");
        job->hold = NULL;
        inlay_sqlite_tell(job);
    }
}

/* What nobody is told of. */
static void discard(struct inlay_sqlite_job *job)
{
    struct inlay_sqlite_hold *hold =
        job->takes || job->is_release ? job->hold : NULL;

    /* That of a hold is a part of it. */
    if (!job->is_release)
        inlay_sqlite_job_destroy(job);
    inlay_free(hold);
}

/* With the lock, which is given up for what takes its time. */
static void end_job(struct inlay_sqlite_connection *connection,
                    struct inlay_sqlite_job *job)
{
    struct inlay_sqlite *sqlite = connection->sqlite;

    /* From here on it can't be interrupted: the connection may go. */
    job->connection = NULL;
    if (job->is_release) {
        refuse_rest(connection);
        set_use(connection, true, NULL);
    }
    close_bad(connection, job);
    settle_hold(connection, job);
    connection->is_open = connection->db != NULL;
    set_use(connection, false, connection->held);
    if (job->is_release || atomic_load(&job->is_given_up)) {
        pthread_mutex_unlock(&sqlite->lock);
        discard(job);
        pthread_mutex_lock(&sqlite->lock);
    } else if (job->is_rerouted) {
        reroute(sqlite, job);
    } else {
        inlay_sqlite_tell(job);
    }
}

/* --- Doing ---------------------------------------------------------------- */

static void leave_queue(struct inlay_sqlite *sqlite,
                        struct inlay_sqlite_job *job)
{
    inlay_list_remove(&job->node);
    if (!job->is_release)
        atomic_fetch_sub_explicit(&stats_of(sqlite)->waiting, 1,
                                  memory_order_relaxed);
}

static void begin_job(struct inlay_sqlite *sqlite, struct pick pick)
{
    struct inlay_sqlite_job *job = pick.job;

    leave_queue(sqlite, job);
    if (job->has_waited) {
        count(&stats_of(sqlite)->wait_ns, inlay_clock_ns() - job->since);
        job->has_waited = false;
    }
    job->state = INLAY_SQLITE_RUNNING;
    job->connection = pick.connection;
    set_use(pick.connection, true, pick.connection->held);
}

/* A thread for the next job, if there is one and one is to be had. */
static void wake_thread(struct inlay_sqlite *sqlite);

/* With the lock, which is given up meanwhile. */
static void do_job(struct inlay_sqlite *sqlite, struct pick pick)
{
    struct inlay_sqlite_connection *writer = inlay_sqlite_writer(sqlite);
    bool opens = pick.connection != writer && !pick.connection->is_open &&
                 !writer->is_open && is_free(writer);
    bool is_ready = true;

    begin_job(sqlite, pick);
    if (opens)
        set_use(writer, true, NULL);
    wake_thread(sqlite);
    pthread_mutex_unlock(&sqlite->lock);
    if (opens) {
        writer->job = pick.job;
        is_ready = inlay_sqlite_connect(writer, &pick.job->failure);
        writer->job = NULL;
        pthread_mutex_lock(&sqlite->lock);
        writer->is_open = is_ready;
        set_use(writer, false, NULL);
        wake_thread(sqlite);
        pthread_mutex_unlock(&sqlite->lock);
    }
    if (is_ready)
        inlay_sqlite_run(pick.connection, pick.job);
    pthread_mutex_lock(&sqlite->lock);
    end_job(pick.connection, pick.job);
}

/* --- Threads -------------------------------------------------------------- */

/* False: nothing came for a while. */
static bool rest(struct inlay_sqlite *sqlite)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + (uint64_t)sqlite->idle_ms * 1000000;
    until.tv_sec += (time_t)(ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    sqlite->nidle++;
    int status = pthread_cond_timedwait(&sqlite->wake, &sqlite->lock, &until);
    sqlite->nidle--;
    return status == 0;
}

static void *work(void *arg)
{
    struct inlay_sqlite *sqlite = arg;
    bool has_come = true;

    pthread_setname_np(pthread_self(), "inlay-sqlite");
    pthread_mutex_lock(&sqlite->lock);
    for (;;) {
        struct pick pick = pick_job(sqlite);

        if (pick.job) {
            do_job(sqlite, pick);
            has_come = true;
        } else if (sqlite->is_closing || !has_come) {
            break;
        } else {
            has_come = rest(sqlite);
        }
    }
    sqlite->threads--;
    pthread_cond_signal(&sqlite->ended);
    pthread_mutex_unlock(&sqlite->lock);
    return NULL;
}

static bool start_thread(struct inlay_sqlite *sqlite)
{
    pthread_t thread;

    if (inlay_thread_start(&thread, work, sqlite))
        return false;
    pthread_detach(thread);
    sqlite->threads++;
    return true;
}

static void wake_thread(struct inlay_sqlite *sqlite)
{
    if (!sqlite->nidle && sqlite->threads >= sqlite->most_threads)
        return;
    if (!pick_job(sqlite).job)
        return;
    if (sqlite->nidle)
        pthread_cond_signal(&sqlite->wake);
    else if (!sqlite->is_closing)
        start_thread(sqlite);
}

void inlay_sqlite_end_threads(struct inlay_sqlite *sqlite)
{
    struct pick pick;

    pthread_mutex_lock(&sqlite->lock);
    sqlite->is_closing = true;
    pthread_cond_broadcast(&sqlite->wake);
    while (sqlite->threads)
        pthread_cond_wait(&sqlite->ended, &sqlite->lock);
    while (pick = pick_job(sqlite), pick.job)
        do_job(sqlite, pick);
    pthread_mutex_unlock(&sqlite->lock);
}

/* --- Queues --------------------------------------------------------------- */

static struct inlay_sqlite_connection *owned_by(
    const struct inlay_sqlite_job *job)
{
    return job->hold && !job->takes ? job->hold->connection : NULL;
}

bool inlay_sqlite_enqueue(struct inlay_sqlite *sqlite,
                          struct inlay_sqlite_job *job)
{
    struct inlay_sqlite_connection *owned = owned_by(job);
    struct inlay_list *queue = owned ? &owned->queue : &sqlite->queues[job->to];
    struct inlay_db_stats *stats = stats_of(sqlite);

    job->has_waited =
        !inlay_list_empty(queue) ||
        (owned ? owned->is_busy : !connection_for(sqlite, job->to));
    job->state = INLAY_SQLITE_QUEUED;
    job->number = sqlite->number++;
    inlay_list_append(queue, &job->node);
    if (!job->is_release)
        count(&stats->waiting, 1);
    wake_thread(sqlite);
    if (!sqlite->threads && !job->is_release && pick_job(sqlite).job) {
        leave_queue(sqlite, job);
        return false;
    }
    if (job->has_waited && !job->is_release)
        count(&stats->waits, 1);
    return true;
}

void inlay_sqlite_dequeue(struct inlay_sqlite *sqlite,
                          struct inlay_sqlite_job *job)
{
    leave_queue(sqlite, job);
}

void inlay_sqlite_abandon(struct inlay_sqlite_job *job)
{
    atomic_store(&job->is_given_up, true);
    /* It ends sooner than the progress handler would see to it. */
    if (job->connection && job->connection->is_open)
        sqlite3_interrupt(job->connection->db);
}
