/* job.c - to a thread of the pool and back into the loop. */
#include "py/job.h"

#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "load/crash.h"
#include "py/convert.h"
#include "py/handle.h"

#include "base/banned.h"

/*
 * The way back into one event loop. A stack that many push to and one takes
 * all of: no lock that a fork could leave locked.
 */
struct inlay_py_lane {
    atomic_size_t refs;
    int fd;                              /* eventfd */
    _Atomic(struct inlay_py_job *) done; /* newest first; or CLOSED */
};

/* What the loop and the module's WeakKeyDictionary `lanes` hold. */
struct lane_object {
    PyObject_HEAD
    struct inlay_py_lane *lane;
};

#define CLOSED ((struct inlay_py_job *)1)

/*
 * Done, but their loop is gone. Of the process, because the threads are, and
 * may outlive the module; the next job sweeps up.
 */
static _Atomic(struct inlay_py_job *) orphans;

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

/* Those of a stack that somebody took, oldest first. */
static struct inlay_py_job *reverse(struct inlay_py_job *newest)
{
    struct inlay_py_job *oldest = NULL;

    while (newest) {
        struct inlay_py_job *job = newest;

        newest = job->next;
        job->next = oldest;
        oldest = job;
    }
    return oldest;
}

/* Nobody is left to want them. */
static void drop_all(struct inlay_py_job *jobs)
{
    while (jobs) {
        struct inlay_py_job *job = jobs;
        PyObject *owner = job->owner, *future = job->future;

        jobs = job->next;
        if (owner)
            *job->slot = NULL;
        job_destroy(job);
        Py_XDECREF(future);
        Py_XDECREF(owner);
    }
}

/* --- Lanes ---------------------------------------------------------------- */

/* Any thread. */
static void lane_unref(struct inlay_py_lane *lane)
{
    if (atomic_fetch_sub(&lane->refs, 1) != 1)
        return;
    close(lane->fd);
    inlay_free(lane);
}

/* The job is done. On a thread of the pool; takes its reference over. */
static void lane_push(struct inlay_py_lane *lane, struct inlay_py_job *job)
{
    _Atomic(struct inlay_py_job *) *to = &lane->done;
    struct inlay_py_job *before = atomic_load(to);

    do {
        if (before == CLOSED) {
            to = &orphans;
            before = atomic_load(to);
        }
        job->next = before;
    } while (!atomic_compare_exchange_weak(to, &before, job));
    if (to == &lane->done && !before)
        eventfd_write(lane->fd, 1);
    lane_unref(lane);
}

static void lane_close(struct inlay_py_lane *lane)
{
    struct inlay_py_job *jobs = atomic_exchange(&lane->done, CLOSED);

    if (jobs != CLOSED)
        drop_all(reverse(jobs));
}

/* Whoever waits for this job goes on. 0 or -1. */
static int wake(struct inlay_asgi_state *names, struct inlay_py_job *job)
{
    if (!job->owner) {
        job_destroy(job);
        return 0;
    }
    /* From here on the job is the owner's, who may be gone at the end. */
    PyObject *owner = inlay_take(job->owner);
    PyObject *future = inlay_take(job->future);
    PyObject *done = PyObject_CallMethodNoArgs(future, names->name_done);
    PyObject *set = NULL;
    /* A task that is being cancelled has cancelled it. */
    if (done == Py_False)
        set =
            PyObject_CallMethodOneArg(future, names->name_set_result, Py_None);
    int result = done && (set || done != Py_False) ? 0 : -1;
    Py_XDECREF(done);
    Py_XDECREF(set);
    Py_DECREF(future);
    Py_DECREF(owner);
    return result;
}

static PyObject *lane_drain(PyObject *object,
                            PyTypeObject *type,
                            PyObject *const *args,
                            Py_ssize_t nargs,
                            PyObject *kwnames)
{
    struct inlay_py_state *state = PyType_GetModuleState(type);
    struct inlay_py_lane *lane = ((struct lane_object *)object)->lane;
    eventfd_t count;

    (void)args, (void)nargs, (void)kwnames;
    eventfd_read(lane->fd, &count);
    if (atomic_load(&lane->done) == CLOSED)
        Py_RETURN_NONE;
    struct inlay_py_job *jobs = reverse(atomic_exchange(&lane->done, NULL));
    while (jobs) {
        struct inlay_py_job *job = jobs;

        jobs = job->next;
        if (wake(&state->asgi, job) < 0)
            PyErr_WriteUnraisable(object);
    }
    Py_RETURN_NONE;
}

static void lane_dealloc(PyObject *object)
{
    struct lane_object *self = (struct lane_object *)object;
    PyTypeObject *type = Py_TYPE(object);

    if (self->lane) {
        lane_close(self->lane);
        lane_unref(self->lane);
    }
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *lane_create(struct inlay_py_state *state)
{
    PyTypeObject *type = state->lane_type;
    _cleanup_decref_ PyObject *object = type->tp_alloc(type, 0);
    struct inlay_py_lane *lane = inlay_calloc(1, sizeof(*lane));

    if (!object || !lane) {
        inlay_free(lane);
        return object ? PyErr_NoMemory() : NULL;
    }
    lane->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (lane->fd < 0) {
        inlay_free(lane);
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    atomic_init(&lane->refs, 1);
    atomic_init(&lane->done, NULL);
    ((struct lane_object *)object)->lane = lane;
    return Py_NewRef(object);
}

/* Lanes of loops that were closed and never drained lose what they hold. */
static int close_lanes(PyObject *lanes)
{
    /* In one step: threads of other loops change them meanwhile. */
    _cleanup_decref_ PyObject *refs =
        PyObject_CallMethod(lanes, "keyrefs", NULL);

    for (Py_ssize_t i = 0; refs && i < PyList_GET_SIZE(refs); i++) {
        _cleanup_decref_ PyObject *loop =
            PyObject_CallNoArgs(PyList_GET_ITEM(refs, i));
        if (!loop)
            return -1;
        if (loop == Py_None)
            continue;
        _cleanup_decref_ PyObject *closed =
            PyObject_CallMethod(loop, "is_closed", NULL);
        if (!closed)
            return -1;
        if (closed != Py_True)
            continue;
        _cleanup_decref_ PyObject *lane =
            PyObject_CallMethod(lanes, "pop", "OO", loop, Py_None);
        if (!lane)
            return -1;
        if (lane != Py_None)
            lane_close(((struct lane_object *)lane)->lane);
    }
    return refs ? 0 : -1;
}

/* The loop's lane (a new reference), made with its first job. */
static PyObject *lane_open(struct inlay_py_state *state, PyObject *loop)
{
    if (close_lanes(state->lanes) < 0)
        return NULL;
    _cleanup_decref_ PyObject *lane = lane_create(state);
    if (!lane)
        return NULL;
    _cleanup_decref_ PyObject *drain = PyObject_GetAttrString(lane, "drain");
    if (!drain)
        return NULL;
    _cleanup_decref_ PyObject *added =
        PyObject_CallMethod(loop, "add_reader", "iO",
                            ((struct lane_object *)lane)->lane->fd, drain);
    if (!added || PyObject_SetItem(state->lanes, loop, lane) < 0)
        return NULL;
    return Py_NewRef(lane);
}

static PyObject *lane_of(struct inlay_py_state *state, PyObject *loop)
{
    if (!state->lanes) {
        _cleanup_decref_ PyObject *weakref = PyImport_ImportModule("weakref");
        if (weakref)
            state->lanes =
                PyObject_CallMethod(weakref, "WeakKeyDictionary", NULL);
        if (!state->lanes)
            return NULL;
    }
    PyObject *lane = PyObject_GetItem(state->lanes, loop);
    if (lane || !PyErr_ExceptionMatches(PyExc_KeyError))
        return lane;
    PyErr_Clear();
    return lane_open(state, loop);
}

/* --- There and back ------------------------------------------------------- */

/* On a thread of the pool, without the GIL. */
static void job_run(struct inlay_job *pooled)
{
    struct inlay_py_job *job =
        inlay_container_of(pooled, struct inlay_py_job, pooled);

    inlay_crash_thread();
    inlay_context_resume(&job->frame.own);
    inlay_py_running_invoke(&job->running);
    inlay_context_leave(&job->frame.own);
    job->has_run = true;
    lane_push(inlay_take(job->lane), job);
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

    drop_all(atomic_exchange(&orphans, NULL));
    _cleanup_decref_ PyObject *lane = lane_of(state, loop);
    if (!lane)
        return -1;
    PyObject *future =
        PyObject_CallMethodNoArgs(loop, state->asgi.name_create_future);
    if (!future)
        return -1;
    job->pooled.run = job_run;
    job->slot = slot;
    job->owner = Py_NewRef(owner);
    job->future = Py_NewRef(future);
    job->lane = ((struct lane_object *)lane)->lane;
    atomic_fetch_add(&job->lane->refs, 1);
    enum inlay_submit result = inlay_workers_submit(&job->pooled);
    if (result == INLAY_SUBMIT_OK) {
        *future_ret = future;
        return 0;
    }
    lane_unref(inlay_take(job->lane));
    Py_CLEAR(job->owner);
    Py_CLEAR(job->future);
    Py_DECREF(future);
    return raise_refused(job->running.plan, result);
}

void inlay_py_job_drop(struct inlay_py_job *job)
{
    PyObject *owner = inlay_take(job->owner), *future = inlay_take(job->future);

    if (owner && inlay_workers_cancel(&job->pooled)) {
        lane_unref(inlay_take(job->lane));
        job_destroy(job);
    } else if (!owner) {
        job_destroy(job);
    }
    /* Else a thread has it, and sends it to its lane. */
    Py_XDECREF(future);
    Py_XDECREF(owner);
}

int inlay_py_lanes_init(PyObject *module, struct inlay_py_state *state)
{
    static PyMethodDef methods[] = {
        {"drain", (PyCFunction)(void (*)(void))lane_drain,
         METH_METHOD | METH_FASTCALL | METH_KEYWORDS, NULL},
        {NULL, NULL, 0, NULL},
    };
    static PyType_Slot slots[] = {
        {Py_tp_dealloc, lane_dealloc},
        {Py_tp_methods, methods},
        {0, NULL},
    };
    static PyType_Spec spec = {
        .name = "inlay._core.Lane",
        .basicsize = sizeof(struct lane_object),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
        .slots = slots,
    };

    state->lane_type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    return state->lane_type ? 0 : -1;
}
