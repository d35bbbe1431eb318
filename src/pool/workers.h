/*
 * workers.h - threads for calls that block: a bounded queue, first come first
 * served. Threads start when there is work and none is idle, up to `threads`,
 * and end when there was none for a while. Knows nothing of Python.
 *
 * Any thread may submit. After fork the child has no threads and an empty
 * queue: jobs of the parent are the parent's.
 */
#ifndef INLAY_POOL_WORKERS_H
#define INLAY_POOL_WORKERS_H

#include <stdbool.h>
#include <stddef.h>

/* A job, embedded in what it is about; the caller's until `run` was called. */
struct inlay_job {
    struct inlay_job *next, *prev;
    void (*run)(struct inlay_job *job); /* on a thread of the pool */
    bool queued;
};

enum inlay_submit {
    INLAY_SUBMIT_OK,
    INLAY_SUBMIT_FULL,    /* as many wait as may */
    INLAY_SUBMIT_STOPPED, /* the process ends */
    INLAY_SUBMIT_NO_THREAD,
};

#define INLAY_WORKERS_THREADS 40 /* as anyio's limiter of threads */
#define INLAY_WORKERS_QUEUE 1000

/* Limits from now on; 0 keeps one as it is. */
void inlay_workers_configure(unsigned threads, size_t queue);
unsigned inlay_workers_threads(void);
size_t inlay_workers_queue(void);
size_t inlay_workers_waiting(void);

enum inlay_submit inlay_workers_submit(struct inlay_job *job);

/* Takes a job out of the queue; false: it runs or has run. */
bool inlay_workers_cancel(struct inlay_job *job);

#endif
