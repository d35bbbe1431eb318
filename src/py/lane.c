/* lane.c - from any thread back into an event loop. */
#include "py/lane.h"

#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"

#include "base/banned.h"

/*
 * The way back into one event loop. A stack that many push to and one takes
 * all of: no lock that a fork could leave locked.
 */
struct inlay_py_lane {
    atomic_size_t refs;
    int fd;                                 /* eventfd */
    _Atomic(struct inlay_py_errand *) done; /* newest first; or CLOSED */
};

/* What the loop and the module's WeakKeyDictionary `lanes` hold. */
struct lane_object {
    PyObject_HEAD
    struct inlay_py_lane *lane;
};

#define CLOSED ((struct inlay_py_errand *)1)

/*
 * Done, but their loop is gone. Of the process, because the threads are, and
 * may outlive the module; the next errand sweeps up.
 */
static _Atomic(struct inlay_py_errand *) orphans;

/* Those of a stack that somebody took, oldest first. */
static struct inlay_py_errand *reverse(struct inlay_py_errand *newest)
{
    struct inlay_py_errand *oldest = NULL;

    while (newest) {
        struct inlay_py_errand *errand = newest;

        newest = errand->next;
        errand->next = oldest;
        oldest = errand;
    }
    return oldest;
}

/* Nobody is left to want them. */
static void drop_all(struct inlay_py_errand *errands)
{
    while (errands) {
        struct inlay_py_errand *errand = errands;
        PyObject *owner = errand->owner, *future = errand->future;

        errands = errand->next;
        if (owner)
            errand->forget(errand);
        errand->destroy(errand);
        Py_XDECREF(future);
        Py_XDECREF(owner);
    }
}

/* Any thread. */
static void lane_unref(struct inlay_py_lane *lane)
{
    if (atomic_fetch_sub(&lane->refs, 1) != 1)
        return;
    close(lane->fd);
    inlay_free(lane);
}

void inlay_py_errand_done(struct inlay_py_errand *errand)
{
    struct inlay_py_lane *lane = inlay_take(errand->lane);
    _Atomic(struct inlay_py_errand *) *to = &lane->done;
    struct inlay_py_errand *before = atomic_load(to);

    do {
        if (before == CLOSED) {
            to = &orphans;
            before = atomic_load(to);
        }
        errand->next = before;
    } while (!atomic_compare_exchange_weak(to, &before, errand));
    if (to == &lane->done && !before)
        eventfd_write(lane->fd, 1);
    lane_unref(lane);
}

static void lane_close(struct inlay_py_lane *lane)
{
    struct inlay_py_errand *errands = atomic_exchange(&lane->done, CLOSED);

    if (errands != CLOSED)
        drop_all(reverse(errands));
}

/* Whoever waits for this errand goes on. 0 or -1. */
static int wake(struct inlay_asgi_state *names, struct inlay_py_errand *errand)
{
    if (!errand->owner) {
        errand->destroy(errand);
        return 0;
    }
    /* From here on the errand is the owner's, who may be gone at the end. */
    PyObject *owner = inlay_take(errand->owner);
    PyObject *future = inlay_take(errand->future);
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
    struct inlay_py_errand *errands =
        reverse(atomic_exchange(&lane->done, NULL));
    while (errands) {
        struct inlay_py_errand *errand = errands;

        errands = errand->next;
        if (wake(&state->asgi, errand) < 0)
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

/* The loop's lane (a new reference), made with its first errand. */
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

int inlay_py_errand_begin(struct inlay_py_state *state,
                          struct inlay_py_errand *errand,
                          PyObject *owner,
                          PyObject *loop,
                          PyObject **future_ret)
{
    drop_all(atomic_exchange(&orphans, NULL));
    _cleanup_decref_ PyObject *lane = lane_of(state, loop);
    if (!lane)
        return -1;
    PyObject *future =
        PyObject_CallMethodNoArgs(loop, state->asgi.name_create_future);
    if (!future)
        return -1;
    errand->owner = Py_NewRef(owner);
    errand->future = Py_NewRef(future);
    errand->lane = ((struct lane_object *)lane)->lane;
    atomic_fetch_add(&errand->lane->refs, 1);
    *future_ret = future;
    return 0;
}

void inlay_py_errand_revoke(struct inlay_py_errand *errand)
{
    lane_unref(inlay_take(errand->lane));
    inlay_py_errand_abandon(errand);
}

void inlay_py_errand_abandon(struct inlay_py_errand *errand)
{
    PyObject *owner = inlay_take(errand->owner);
    PyObject *future = inlay_take(errand->future);

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
