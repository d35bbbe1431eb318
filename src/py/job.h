/*
 * job.h - a call on its way to a thread of the pool (pool/workers.h), and
 * back into its event loop. Hold the GIL, but where it is said.
 *
 * Each loop has a lane: an eventfd that it watches and a stack of jobs that
 * are done. The thread that puts the first one there writes the eventfd; the
 * loop then takes all of them. No thread of the pool ever takes the GIL.
 */
#ifndef INLAY_PY_JOB_H
#define INLAY_PY_JOB_H

#include "py/py.h"

#include "pool/workers.h"
#include "py/callable.h"

struct inlay_py_lane;

struct inlay_py_job {
    struct inlay_job pooled;
    struct inlay_py_job *next;  /* among those that are done */
    struct inlay_py_lane *lane; /* counted; until the C function returned */
    /*
     * Strong, while the job is on its way and somebody wants to know: the
     * loop's future, which then gets None as its result, and who waits for
     * it (so that a task that nobody else holds can't vanish).
     */
    PyObject *future, *owner;
    struct inlay_py_job **slot; /* where the owner keeps the job */
    bool has_run;               /* and its result was not taken */
    struct inlay_py_running running;
    struct inlay_py_frame frame;
    size_t nargs;
    PyObject *args[]; /* strong; then the room of the call */
};

/* The arguments, converted and kept; NULL with an exception. */
struct inlay_py_job *inlay_py_job_create(const struct inlay_py_plan *plan,
                                         PyObject *const *args,
                                         size_t nargs,
                                         PyObject *kwnames);

/*
 * Hands the job in *slot to the pool, for the loop; sets *future_ret to a new
 * future of the loop. -1 with an exception: the job stays the caller's.
 */
int inlay_py_job_submit(struct inlay_py_job **slot,
                        PyObject *owner,
                        PyObject *loop,
                        PyObject **future_ret);

/* It is not on its way: not submitted, or done. */
static inline bool inlay_py_job_here(const struct inlay_py_job *job)
{
    return !job->owner;
}

/* The result of a job that is done; NULL with an exception. */
PyObject *inlay_py_job_result(struct inlay_py_job *job);

/*
 * Nobody wants it any more. A job that waits for a thread never runs; one
 * that runs does so to its end, and lets its arguments go then. A pending
 * exception stays.
 */
void inlay_py_job_drop(struct inlay_py_job *job);

/* Types of this file. 0, or -1 with an exception. */
int inlay_py_lanes_init(PyObject *module, struct inlay_py_state *state);

#endif
