/* job.c - a call: its arguments, to a thread of the pool, its result. */
#include "py/job.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "load/crash.h"
#include "py/convert.h"
#include "py/handle.h"

#include "base/banned.h"

/* --- Jobs ----------------------------------------------------------------- */

static void job_destroy(struct inlay_py_job *job)
{
    const struct inlay_py_type *type = job->running.plan->result;
    const char *at = job->running.room + job->running.plan->result_offset;
    PyObject *exception = inlay_py_exception_take();

    if (job->has_run) {
        if (!job->frame.context->error)
            inlay_py_handle_drop(type, at);
        inlay_py_result_drop(type, at);
    }
    inlay_py_frame_end(&job->frame);
    for (size_t i = 0; i < job->nargs; i++)
        Py_DECREF(job->args[i]);
    inlay_free(job);
    inlay_py_exception_restore(exception);
}

struct inlay_py_job *inlay_py_job_create(const struct inlay_py_plan *plan,
                                         PyObject *const *args,
                                         size_t nargs,
                                         PyObject *kwnames)
{
    size_t count = nargs + (kwnames ? (size_t)PyTuple_GET_SIZE(kwnames) : 0);
    size_t head = sizeof(struct inlay_py_job) + count * sizeof(PyObject *);

    head = (head + 15) & ~(size_t)15;
    struct inlay_py_job *job = inlay_malloc(head + plan->room);
    if (!job) {
        PyErr_NoMemory();
        return NULL;
    }
    *job = (struct inlay_py_job){
        .running = {plan, &job->frame, NULL, (char *)job + head},
        .nargs = count,
    };
    for (size_t i = 0; i < count; i++)
        job->args[i] = Py_NewRef(args[i]);
    inlay_py_frame_open(&job->frame);
    if (inlay_py_running_begin(&job->running, job->args, nargs, kwnames) < 0) {
        job_destroy(job);
        return NULL;
    }
    return job;
}

PyObject *inlay_py_job_result(struct inlay_py_job *job)
{
    job->has_run = false;
    return inlay_py_running_finish(&job->running);
}

static void destroy_errand(struct inlay_py_errand *errand)
{
    job_destroy(inlay_container_of(errand, struct inlay_py_job, errand));
}

static void forget_errand(struct inlay_py_errand *errand)
{
    *inlay_container_of(errand, struct inlay_py_job, errand)->slot = NULL;
}

/* --- There and back ------------------------------------------------------- */

/* On a thread of the pool, without the GIL. */
static void job_run(struct inlay_job *pooled)
{
    struct inlay_py_job *job =
        inlay_container_of(pooled, struct inlay_py_job, pooled);

    inlay_crash_thread();
    inlay_context_resume(&job->frame.own);
    if (job->running.plan->ndbs)
        inlay_py_db_invoke(&job->running);
    else
        inlay_py_running_invoke(&job->running);
    inlay_context_leave(&job->frame.own);
    job->has_run = true;
    inlay_py_errand_done(&job->errand);
}

static int raise_refused(const struct inlay_py_plan *plan,
                         enum inlay_submit why)
{
    PyObject *type = plan->module->state->errors[INLAY_UNAVAILABLE - 1];
    struct inlay_workers_stats stats;

    inlay_workers_stats(&stats);
    if (why == INLAY_SUBMIT_FULL)
        PyErr_Format(type,
                     "%U(): the pool's queue is full: %zu calls wait for %u "
                     "threads; await fewer at a time, or raise "
                     "INLAY_POOL_QUEUE",
                     plan->name, stats.waiting, stats.threads);
    else
        PyErr_Format(type, "%U(): the system starts no thread for the pool",
                     plan->name);
    return -1;
}

int inlay_py_job_submit(struct inlay_py_job **slot,
                        PyObject *owner,
                        PyObject *loop,
                        PyObject **future_ret)
{
    struct inlay_py_job *job = *slot;
    struct inlay_py_state *state = job->running.plan->module->state;
    PyObject *future;

    job->errand.destroy = destroy_errand;
    job->errand.forget = forget_errand;
    if (inlay_py_errand_begin(state, &job->errand, owner, loop, &future) < 0)
        return -1;
    job->pooled.run = job_run;
    job->slot = slot;
    enum inlay_submit result = inlay_workers_submit(&job->pooled);
    if (result == INLAY_SUBMIT_OK) {
        *future_ret = future;
        return 0;
    }
    inlay_py_errand_revoke(&job->errand);
    Py_DECREF(future);
    return raise_refused(job->running.plan, result);
}

void inlay_py_job_drop(struct inlay_py_job *job)
{
    bool was_on_its_way = !inlay_py_job_here(job);

    if (was_on_its_way && !inlay_workers_cancel(&job->pooled)) {
        /* A thread has it, and sends it to its lane. */
        inlay_py_errand_abandon(&job->errand);
        return;
    }
    if (was_on_its_way)
        inlay_py_errand_revoke(&job->errand);
    job_destroy(job);
}
