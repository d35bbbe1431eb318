/*
 * workers.h - threads for calls that block: a bounded queue, first come first
 * served. Threads start when there is work and none is idle, up to a limit,
 * and end when they had none for a while. Knows nothing of Python.
 *
 * Any thread may call. Nobody waits for the threads when the process ends.
 * After fork the child has no threads and an empty queue: jobs of the parent
 * are the parent's and never run here.
 */
#ifndef INLAY_POOL_WORKERS_H
#define INLAY_POOL_WORKERS_H

#include <stdbool.h>
#include <stddef.h>

/* A job, embedded in what it is about; the caller's again in `run`. */
struct inlay_job {
    struct inlay_job *next, *prev; /* in the queue */
    bool queued;
    void (*run)(struct inlay_job *job); /* on a thread of the pool */
};

enum inlay_submit {
    INLAY_SUBMIT_OK,
    INLAY_SUBMIT_FULL,      /* as many wait as may */
    INLAY_SUBMIT_NO_THREAD, /* there is none, and none can be started */
};

struct inlay_workers_limits {
    unsigned threads; /* most of them at once; 40, as anyio's */
    size_t queue;     /* most jobs that wait for a thread; 1,000 */
    unsigned idle_ms; /* a thread ends after this time without work; 10 s */
};

struct inlay_workers_stats {
    struct inlay_workers_limits limits;
    unsigned threads; /* that there are */
    unsigned running; /* of them: those with a job */
    size_t waiting;   /* jobs in the queue */
};

/* Limits from now on; a zero keeps one as it is. */
void inlay_workers_configure(const struct inlay_workers_limits *limits);
void inlay_workers_stats(struct inlay_workers_stats *ret);

/* `job->run` is set. The job is the pool's only if this is OK. */
enum inlay_submit inlay_workers_submit(struct inlay_job *job);

/*
 * Takes a job that was submitted out of the queue; false: a thread has it, or
 * had it (or the process forked since).
 */
bool inlay_workers_cancel(struct inlay_job *job);

#endif
