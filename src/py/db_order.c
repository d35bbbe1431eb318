/* db_order.c - an order on its way, and who waits for it. */
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "db/call.h"
#include "py/db.h"
#include "py/errors.h"

#include "base/banned.h"

/* A signal that comes just before a thread sleeps does not wake it up. */
#define SLEEP_NS 200000000

/* --- Holds ---------------------------------------------------------------- */

struct inlay_py_hold *inlay_py_hold_create(void)
{
    struct inlay_py_hold *hold = inlay_calloc(1, sizeof(*hold));

    if (!hold) {
        PyErr_NoMemory();
        return NULL;
    }
    atomic_init(&hold->refs, 1);
    hold->pid = getpid();
    return hold;
}

void inlay_py_hold_unref(struct inlay_py_hold *hold)
{
    if (!hold || atomic_fetch_sub(&hold->refs, 1) != 1)
        return;
    if (hold->hold && hold->pid == getpid())
        inlay_hold_release(hold->hold);
    inlay_free(hold);
}

/* --- Orders --------------------------------------------------------------- */

struct inlay_py_order *inlay_py_order_create(struct inlay_database *database,
                                             struct inlay_py_hold *hold)
{
    struct inlay_py_order *order = inlay_calloc(1, sizeof(*order));

    if (!order) {
        PyErr_NoMemory();
        return NULL;
    }
    order->database = database;
    inlay_arena_init(&order->arena, INLAY_PY_DB_MEMORY);
    sem_init(&order->done, 0, 0);
    if (hold) {
        order->hold = hold;
        atomic_fetch_add(&hold->refs, 1);
    }
    return order;
}

void inlay_py_order_destroy(struct inlay_py_order *order)
{
    inlay_rowset_destroy(inlay_take(order->order.rows));
    inlay_py_hold_unref(order->hold);
    inlay_arena_deinit(&order->arena);
    sem_destroy(&order->done);
    inlay_free(order);
}

/* The connection that it has taken, or is done with. */
static void settle_hold(struct inlay_py_order *self)
{
    struct inlay_py_hold *hold = self->hold;

    if (!hold)
        return;
    if (!hold->hold && !self->order.failure.kind)
        hold->hold = self->order.hold;
    atomic_store(&hold->busy, false);
}

/* On the thread of a lane, or within submit. */
static void on_done(struct inlay_order *order)
{
    struct inlay_py_order *self =
        inlay_container_of(order, struct inlay_py_order, order);

    settle_hold(self);
    if (!self->blocks) {
        /* The loop may take long, or be gone: others want the connection. */
        if (atomic_load(&self->abandoned))
            inlay_py_hold_unref(inlay_take(self->hold));
        inlay_py_errand_done(&self->errand);
    } else if (atomic_exchange(&self->abandoned, true)) {
        inlay_py_order_destroy(self);
    } else { /* it is there until the waiter has seen this */
        sem_post(&self->done);
    }
}

static void destroy_errand(struct inlay_py_errand *errand)
{
    inlay_py_order_destroy(
        inlay_container_of(errand, struct inlay_py_order, errand));
}

static void forget_errand(struct inlay_py_errand *errand)
{
    *inlay_container_of(errand, struct inlay_py_order, errand)->slot = NULL;
}

/* -1 with an exception when it can't go now. */
static int begin(struct inlay_py_order *self)
{
    struct inlay_py_hold *hold = self->hold;

    if (self->started) {
        PyErr_SetString(PyExc_RuntimeError, "an order is asked only once");
        return -1;
    }
    if (hold && hold->pid != getpid()) {
        PyErr_SetString(PyExc_RuntimeError,
                        "this transaction (or cursor) is of the process that "
                        "forked this one");
        return -1;
    }
    if (hold && hold->broken) {
        PyErr_SetString(PyExc_RuntimeError,
                        "this transaction (or cursor) can't go on: somebody "
                        "was cancelled while he waited for a statement of it");
        return -1;
    }
    if (hold && atomic_exchange(&hold->busy, true)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "another statement of this transaction is under way: "
                        "await it first, or use one transaction per task");
        return -1;
    }
    self->started = true;
    self->order.on_done = on_done;
    if (hold)
        self->order.hold = hold->hold;
    return 0;
}

int inlay_py_order_start(struct inlay_py_state *state,
                         struct inlay_py_order **slot,
                         PyObject *owner,
                         PyObject *loop,
                         PyObject **future_ret)
{
    struct inlay_py_order *self = *slot;

    if (begin(self) < 0)
        return -1;
    self->errand.destroy = destroy_errand;
    self->errand.forget = forget_errand;
    self->slot = slot;
    if (inlay_py_errand_begin(state, &self->errand, owner, loop, future_ret) <
        0) {
        if (self->hold)
            atomic_store(&self->hold->busy, false);
        return -1;
    }
    inlay_database_submit(self->database, NULL, &self->order);
    return 0;
}

static int sleep_once(sem_t *done)
{
    struct timespec until;
    int status;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += SLEEP_NS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    Py_BEGIN_ALLOW_THREADS;
    status = sem_timedwait(done, &until);
    Py_END_ALLOW_THREADS;
    return status;
}

int inlay_py_db_sleep(sem_t *done)
{
    while (sleep_once(done) < 0)
        if (PyErr_CheckSignals() < 0)
            return -1;
    return 0;
}

int inlay_py_order_wait(struct inlay_py_order **slot)
{
    struct inlay_py_order *self = *slot;

    if (begin(self) < 0)
        return -1;
    self->blocks = true;
    Py_BEGIN_ALLOW_THREADS;
    inlay_database_submit(self->database, NULL, &self->order);
    Py_END_ALLOW_THREADS;
    if (inlay_py_db_sleep(&self->done) < 0) {
        *slot = NULL;
        inlay_py_order_drop(self);
        return -1;
    }
    self->finished = true;
    return 0;
}

/* It is under way for a thread that had to go, holding its exception. */
static void drop_blocking(struct inlay_py_order *self)
{
    if (!atomic_exchange(&self->abandoned, true))
        return;
    /* Done in this very moment: that thread still has to say so. */
    while (sem_wait(&self->done) < 0)
        continue;
    inlay_py_order_destroy(self);
}

/* So that nothing waits behind what nobody wants. But a transaction that was
 * to be committed is, if it can be. */
static void abandon(struct inlay_py_order *self)
{
    if (self->order.kind != INLAY_ORDER_COMMIT)
        inlay_database_abandon(self->database, &self->order);
}

void inlay_py_order_drop(struct inlay_py_order *self)
{
    bool on_its_way = self->blocks ? !self->finished : !!self->errand.owner;

    if (!on_its_way) {
        inlay_py_order_destroy(self);
        return;
    }
    if (self->hold)
        self->hold->broken = true;
    if (self->blocks) {
        abandon(self);
        drop_blocking(self);
        return;
    }
    atomic_store(&self->abandoned, true);
    abandon(self);
    inlay_py_errand_abandon(&self->errand);
}

int inlay_py_db_raise(struct inlay_py_state *state,
                      const struct inlay_failure *failure)
{
    struct inlay_str told = inlay_db_told(failure);

    inlay_py_raise_stated(state, failure->kind, inlay_str_from(failure->text),
                          failure->sqlstate, failure->may_retry);
    if (told.ptr == failure->text)
        return -1;
    PyObject *exception = inlay_py_exception_take();
    if (!exception)
        return -1;
    _cleanup_decref_ PyObject *detail = inlay_py_text(told);
    if (!detail || PyObject_SetAttrString(exception, "detail", detail) < 0)
        PyErr_Clear();
    inlay_py_exception_restore(exception);
    return -1;
}
