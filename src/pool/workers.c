/* workers.c - the pool of threads for calls that block. */
#include "pool/workers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "base/macros.h"
#include "base/thread.h"

#include "base/banned.h"

/* On the stack of its thread. */
struct worker {
    struct worker *next; /* among the idle */
    struct inlay_job *job;
    bool dismissed;      /* it ends, and is not counted any more */
    pthread_cond_t wake; /* it got a job, or was dismissed */
};

/*
 * One per process, because threads are: limits that each user of the library
 * had for himself would add up. While a worker is idle, no job waits.
 */
static struct {
    pthread_mutex_t lock;
    struct inlay_workers_limits limits;
    struct inlay_job *first, *last; /* the queue */
    size_t waiting;
    struct worker *idle; /* who came last is taken first: others may end */
    unsigned threads, nidle;
    atomic_uint started; /* ever, for names */
} pool = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .limits = {.threads = 40, .queue = 1000, .idle_ms = 10000},
};

/* A job may fork: then the child's only thread is one of the pool. */
static __thread bool is_worker;

static void queue_append(struct inlay_job *job)
{
    job->queued = true;
    job->next = NULL;
    job->prev = pool.last;
    *(pool.last ? &pool.last->next : &pool.first) = job;
    pool.last = job;
    pool.waiting++;
}

static void queue_prepend(struct inlay_job *job)
{
    job->queued = true;
    job->next = pool.first;
    job->prev = NULL;
    *(pool.first ? &pool.first->prev : &pool.last) = job;
    pool.first = job;
    pool.waiting++;
}

static void queue_remove(struct inlay_job *job)
{
    *(job->prev ? &job->prev->next : &pool.first) = job->next;
    *(job->next ? &job->next->prev : &pool.last) = job->prev;
    job->next = job->prev = NULL;
    job->queued = false;
    pool.waiting--;
}

static struct inlay_job *queue_take(void)
{
    struct inlay_job *job = pool.first;

    if (job)
        queue_remove(job);
    return job;
}

/* --- Fork ----------------------------------------------------------------- */

static void before_fork(void)
{
    pthread_mutex_lock(&pool.lock);
}

static void after_fork_parent(void)
{
    pthread_mutex_unlock(&pool.lock);
}

/* The threads stayed in the parent, and so did what they waited on. */
static void after_fork_child(void)
{
    while (queue_take())
        continue;
    pool.idle = NULL;
    pool.threads = is_worker;
    pool.nidle = 0;
    atomic_store(&pool.started, pool.threads);
    pthread_mutex_init(&pool.lock, NULL);
}

static void watch_forks(void)
{
    pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

/* --- Threads -------------------------------------------------------------- */

/* The idle worker that came last, which does what `wake` then tells it. */
static struct worker *idle_take(void)
{
    struct worker *worker = pool.idle;

    if (worker) {
        pool.idle = worker->next;
        pool.nidle--;
        pthread_cond_signal(&worker->wake);
    }
    return worker;
}

static void idle_remove(struct worker *self)
{
    struct worker **at = &pool.idle;

    while (*at != self)
        at = &(*at)->next;
    *at = self->next;
    pool.nidle--;
}

/* The next job; NULL: the thread ends. The lock is held. */
static struct inlay_job *wait_for_job(struct worker *self)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns =
        (uint64_t)until.tv_nsec + (uint64_t)pool.limits.idle_ms * 1000000;
    until.tv_sec += (time_t)(ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    self->job = NULL;
    self->next = pool.idle;
    pool.idle = self;
    pool.nidle++;
    while (!self->job && !self->dismissed) {
        if (pthread_cond_timedwait(&self->wake, &pool.lock, &until) == 0 ||
            self->job || self->dismissed)
            continue;
        idle_remove(self);
        break;
    }
    return self->job;
}

static void *work(void *arg)
{
    struct inlay_job *job = arg;
    struct worker self = {.dismissed = false};
    pthread_condattr_t monotonic;
    char name[16];

    is_worker = true;
    snprintf(name, sizeof(name), "inlay-pool/%u",
             (atomic_fetch_add(&pool.started, 1) + 1) % 10000);
    pthread_setname_np(pthread_self(), name);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&self.wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    while (job) {
        job->run(job);
        pthread_mutex_lock(&pool.lock);
        job = NULL;
        if (pool.threads <= pool.limits.threads) {
            job = queue_take();
            if (!job)
                job = wait_for_job(&self);
        }
        if (!job && !self.dismissed)
            pool.threads--;
        pthread_mutex_unlock(&pool.lock);
    }
    pthread_cond_destroy(&self.wake);
    return NULL;
}

/* A new thread with this job. The lock is held. */
static bool start_thread(struct inlay_job *job)
{
    pthread_t thread;

    if (inlay_thread_start(&thread, work, job))
        return false;
    pthread_detach(thread);
    pool.threads++;
    return true;
}

/* --- Jobs ----------------------------------------------------------------- */

enum inlay_submit inlay_workers_submit(struct inlay_job *job)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    enum inlay_submit result = INLAY_SUBMIT_OK;

    pthread_once(&once, watch_forks);
    job->next = job->prev = NULL;
    job->queued = false;
    pthread_mutex_lock(&pool.lock);
    struct worker *worker = idle_take();
    if (worker) {
        worker->job = job;
    } else if (pool.threads >= pool.limits.threads || !start_thread(job)) {
        if (!pool.threads)
            result = INLAY_SUBMIT_NO_THREAD;
        else if (pool.waiting >= pool.limits.queue)
            result = INLAY_SUBMIT_FULL;
        else
            queue_append(job);
    }
    pthread_mutex_unlock(&pool.lock);
    return result;
}

bool inlay_workers_cancel(struct inlay_job *job)
{
    pthread_mutex_lock(&pool.lock);
    bool queued = job->queued;
    if (queued)
        queue_remove(job);
    pthread_mutex_unlock(&pool.lock);
    return queued;
}

void inlay_workers_configure(const struct inlay_workers_limits *limits)
{
    pthread_mutex_lock(&pool.lock);
    if (limits->threads)
        pool.limits.threads = limits->threads;
    if (limits->queue)
        pool.limits.queue = limits->queue;
    if (limits->idle_ms)
        pool.limits.idle_ms = limits->idle_ms;
    while (pool.idle && pool.threads > pool.limits.threads) {
        idle_take()->dismissed = true;
        pool.threads--;
    }
    /* More of them may run now. */
    while (pool.first && pool.threads < pool.limits.threads) {
        struct inlay_job *job = queue_take();

        if (!start_thread(job)) {
            queue_prepend(job);
            break;
        }
    }
    pthread_mutex_unlock(&pool.lock);
}

void inlay_workers_stats(struct inlay_workers_stats *ret)
{
    pthread_mutex_lock(&pool.lock);
    *ret = (struct inlay_workers_stats){
        .limits = pool.limits,
        .threads = pool.threads,
        .running = pool.threads - pool.nidle,
        .waiting = pool.waiting,
    };
    pthread_mutex_unlock(&pool.lock);
}
