/*
 * pg_connect.c - what blocks: connecting (DNS, TLS, authentication) and
 * cancelling. A job knows its lane until that ends; then it is an orphan, and
 * cleans up after itself. Each has a thread for as long as it takes, and not
 * the pool's: that may be full of calls which wait for this very connection.
 */
#include <dlfcn.h>
#include <linux/close_range.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "db/pg.h"
#include "net/loop.h"

#include "base/banned.h"

#define CONNECT_SECONDS "5"
#define CANCELS 20      /* of one statement */
#define AGAIN_MS 100    /* between them */
#define REST_FIRST 100u /* ms */
#define REST_MOST 5000u
#define UNWINDER "libgcc_s.so.1" /* of pthread_cancel */

/* --- Pauses --------------------------------------------------------------- */

void inlay_pg_backoff_rest(struct inlay_loop *loop,
                           struct inlay_pg_backoff *backoff)
{
    unsigned shift = inlay_min(backoff->failures, 6u);
    uint64_t ms = inlay_min(REST_FIRST << shift, REST_MOST);

    /* A jitter of a quarter each way, so that workers don't come together. */
    ms = ms - ms / 4 + inlay_clock_ns() / 1024 % (ms / 2 + 1);
    backoff->failures++;
    backoff->is_resting = true;
    inlay_alarm_set(loop, &backoff->alarm, ms);
}

/* --- Jobs ----------------------------------------------------------------- */

static void destroy(struct inlay_pg_job *job)
{
    inlay_list_remove(&job->node);
    PQfinish(job->made);
    PQfreeCancel(job->cancel);
    if (job->has_place)
        inlay_pg_pool_drop(job->database, NULL);
    inlay_pg_database_drop(job->database);
    inlay_free(job);
}

/* On the job's thread: to the loop, unless nobody is there any more. */
static void finish(struct inlay_pg_job *job)
{
    struct inlay_pg_database *database = job->database;

    pthread_mutex_lock(&database->lock);
    bool orphan = job->state == INLAY_PG_JOB_ORPHAN;
    if (!orphan) {
        job->state = INLAY_PG_JOB_POSTED;
        /* Under the lock: the loop lasts until the lane has seen the state. */
        inlay_loop_post(job->loop, &job->mail);
    }
    pthread_mutex_unlock(&database->lock);
    if (orphan)
        destroy(job);
}

static struct inlay_pg_job *create(struct inlay_pg_lane *lane,
                                   void (*on_receive)(struct inlay_mail *mail))
{
    struct inlay_pg_job *job = inlay_calloc(1, sizeof(*job));

    if (!job)
        return NULL;
    job->mail.on_receive = on_receive;
    job->database = inlay_pg_database_take(lane->database);
    job->loop = lane->base.loop;
    job->lane = lane;
    inlay_list_init(&job->node);
    return job;
}

static bool start(struct inlay_pg_job *job, void *(*run)(void *job))
{
    pthread_t thread;

    inlay_list_append(&job->lane->jobs, &job->node);
    if (inlay_thread_start(&thread, run, job) == 0) {
        pthread_detach(thread);
        return true;
    }
    destroy(job);
    return false;
}

/* Letters that have come are freed with the lane, as its loop has had its last
 * tick. */
void inlay_pg_jobs_end(struct inlay_pg_lane *lane)
{
    inlay_list_for_each (node, &lane->jobs) {
        struct inlay_pg_job *job =
            inlay_list_entry(node, struct inlay_pg_job, node);
        struct inlay_pg_database *database = job->database;

        inlay_list_remove(&job->node);
        if (job->connection)
            job->connection->cancel = NULL;
        job->connection = NULL;
        pthread_mutex_lock(&database->lock);
        bool posted = job->state == INLAY_PG_JOB_POSTED;
        job->state = INLAY_PG_JOB_ORPHAN;
        pthread_mutex_unlock(&database->lock);
        if (!posted)
            continue;
        inlay_loop_unpost(lane->base.loop, &job->mail);
        destroy(job);
    }
}

/* --- Connecting ----------------------------------------------------------- */

/* The URL's own settings win over those before it. */
static void *run_connect(void *arg)
{
    struct inlay_pg_job *job = arg;
    const char *const keywords[] = {"connect_timeout",
                                    "fallback_application_name", "dbname",
                                    "client_encoding", NULL};
    const char *const values[] = {CONNECT_SECONDS, "inlay", job->database->url,
                                  "UTF8", NULL};

    job->made = PQconnectdbParams(keywords, values, 1);
    if (job->made && PQstatus(job->made) == CONNECTION_OK &&
        (PQsetnonblocking(job->made, 1) < 0 ||
         !PQenterPipelineMode(job->made))) {
        PQfinish(job->made);
        job->made = NULL;
    }
    finish(job);
    return NULL;
}

static void on_connected(struct inlay_mail *mail)
{
    struct inlay_pg_job *job =
        inlay_container_of(mail, struct inlay_pg_job, mail);
    struct inlay_pg_lane *lane = job->lane;
    PGconn *made = job->made;
    bool listens = job->listens;

    job->made = NULL;
    job->has_place = false; /* it is the lane's now */
    destroy(job);
    if (listens)
        inlay_pg_listen_connected(lane, made);
    else
        inlay_pg_lane_connected(lane, made);
}

bool inlay_pg_connect(struct inlay_pg_lane *lane, bool listens)
{
    struct inlay_pg_job *job = create(lane, on_connected);

    if (!job)
        return false;
    job->listens = listens;
    if (!start(job, run_connect))
        return false;
    job->has_place = !listens; /* looked at when its lane has gone */
    return true;
}

/* --- Cancelling ----------------------------------------------------------- */

/*
 * PQcancel waits for as long as the server, or the network, lets it (libpq has
 * another one from 17 on). It has no memory of its own, only a socket, so that a
 * thread with descriptors of its own can be ended within it, and nothing stays
 * (nothing of ours on its stack either, where ASan would go on watching it).
 * Linux before 5.9 has no such thing: it may take as long as it takes.
 */
static void *run_request(void *arg)
{
    struct inlay_pg_job *job = arg;

    if (close_range(3, ~0u, CLOSE_RANGE_UNSHARE) < 0)
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    /* Here, where there are descriptors: without it pthread_cancel ends the
     * process. */
    dlopen(UNWINDER, RTLD_LAZY);
    /* When it fails the statement goes on, up to its timeout. */
    PQcancel(job->cancel, job->why, sizeof(job->why));
    return NULL;
}

static void *run_cancel(void *arg)
{
    struct inlay_pg_job *job = arg;
    uint64_t due = job->database->cancel_ms;
    struct timespec until;
    pthread_t thread;

    clock_gettime(CLOCK_REALTIME, &until);
    due += (uint64_t)until.tv_nsec / 1000000;
    until.tv_sec += (time_t)(due / 1000);
    until.tv_nsec = (long)(due % 1000) * 1000000;
    if (inlay_thread_start(&thread, run_request, job) == 0 &&
        pthread_timedjoin_np(thread, NULL, &until) != 0) {
        if (dlopen(UNWINDER, RTLD_LAZY | RTLD_NOLOAD))
            pthread_cancel(thread);
        pthread_join(thread, NULL);
    }
    finish(job);
    return NULL;
}

bool inlay_pg_is_unwanted(const struct inlay_pg_connection *connection)
{
    const struct inlay_pg_unit *unit = &connection->units[connection->first];

    if (connection->special.is_on)
        return !connection->special.order;
    return connection->count && connection->use != INLAY_PG_FREE &&
           unit->counts && !unit->order;
}

static void on_cancelled(struct inlay_mail *mail)
{
    struct inlay_pg_job *job =
        inlay_container_of(mail, struct inlay_pg_job, mail);
    struct inlay_pg_connection *connection = job->connection;
    struct inlay_pg_lane *lane = job->lane;

    destroy(job);
    if (!connection)
        return;
    connection->cancel = NULL;
    if (connection->is_too_much)
        inlay_pg_flush(connection); /* it is read again */
    if (inlay_pg_is_unwanted(connection) && connection->cancels < CANCELS)
        inlay_alarm_set(lane->base.loop, &connection->alarm, AGAIN_MS);
    inlay_pg_connection_settle(connection);
    inlay_pg_connection_count(connection);
    inlay_pg_lane_pump(lane);
    inlay_pg_lane_deliver(lane);
}

void inlay_pg_cancel(struct inlay_pg_connection *connection)
{
    struct inlay_pg_job *job;

    if (!connection->pg || connection->cancel)
        return;
    job = create(connection->lane, on_cancelled);
    if (!job)
        return;
    job->cancel = PQgetCancel(connection->pg);
    job->connection = connection;
    if (!job->cancel) {
        destroy(job);
        return;
    }
    if (!start(job, run_cancel))
        return;
    connection->cancel = job;
    if (!connection->cancels++)
        inlay_pg_stat(connection->lane, cancelled, 1);
}
