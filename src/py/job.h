/*
 * job.h - a call on its way to a thread of the pool (pool/workers.h), and
 * back into its event loop (lane.h). Hold the GIL.
 */
#ifndef INLAY_PY_JOB_H
#define INLAY_PY_JOB_H

#include "py/py.h"

#include "pool/workers.h"
#include "py/callable.h"
#include "py/lane.h"

struct inlay_py_job {
    struct inlay_job pooled;
    struct inlay_py_errand errand; /* until the C function returned */
    struct inlay_py_job **slot;    /* where the owner keeps the job */
    bool has_run;                  /* and its result was not taken */
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
    return !job->errand.owner;
}

/* The result of a job that is done; NULL with an exception. */
PyObject *inlay_py_job_result(struct inlay_py_job *job);

/*
 * Nobody wants it any more. A job that waits for a thread never runs; one
 * that runs does so to its end, and lets its arguments go then. A pending
 * exception stays.
 */
void inlay_py_job_drop(struct inlay_py_job *job);

#endif
