/*
 * db_listen.c - inlay._core.Listener: notifications of a channel, between the
 * database's own thread, which gets them, and whoever waits for one.
 */
#include <pthread.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "db/notes.h"
#include "py/db.h"
#include "py/errors.h"

#include "base/banned.h"

/* Somebody who waits; one at a time. */
struct wait {
    struct inlay_py_errand errand; /* of a loop */
    struct wait **slot;
    bool blocks; /* a thread, by `done` */
    bool for_ready;
    atomic_bool abandoned;
    sem_t done;
};

enum state { STARTING, READY, FAILED };

struct listening {
    atomic_size_t refs; /* of the Python object, and of the lane's thread */
    struct inlay_lane *lane;
    struct inlay_subscriber subscriber; /* of the lane's thread */
    struct inlay_mail begin, end;
    pid_t pid;            /* a fork of the process has no such thread */
    pthread_mutex_t lock; /* for what follows */
    enum state state;
    struct inlay_failure failure;
    struct inlay_note_queue notes;
    struct wait *waiting;
    char channel[INLAY_CHANNEL_MOST + 1];
};

struct listener_object {
    PyObject_HEAD
    struct listening *listening; /* NULL: closed */
    struct wait *wait;           /* on its way, or done and not looked at */
};

/* --- Waits ---------------------------------------------------------------- */

static struct wait *wait_create(bool for_ready)
{
    struct wait *wait = inlay_calloc(1, sizeof(*wait));

    if (!wait) {
        PyErr_NoMemory();
        return NULL;
    }
    sem_init(&wait->done, 0, 0);
    wait->for_ready = for_ready;
    return wait;
}

static void wait_destroy(struct wait *wait)
{
    sem_destroy(&wait->done);
    inlay_free(wait);
}

static void destroy_errand(struct inlay_py_errand *errand)
{
    wait_destroy(inlay_container_of(errand, struct wait, errand));
}

static void forget_errand(struct inlay_py_errand *errand)
{
    *inlay_container_of(errand, struct wait, errand)->slot = NULL;
}

/* It is nobody's but the waiter's from here on. Without the GIL. */
static void wait_end(struct wait *wait)
{
    if (!wait->blocks)
        inlay_py_errand_done(&wait->errand);
    else if (atomic_exchange(&wait->abandoned, true))
        wait_destroy(wait);
    else
        sem_post(&wait->done);
}

/* Under the lock: is there what it waits for? */
static bool is_there(const struct listening *listening, const struct wait *wait)
{
    return listening->notes.first || listening->state == FAILED ||
           (wait->for_ready && listening->state == READY);
}

/* Who waits and need not any more, taken out. Under the lock. */
static struct wait *take_wait(struct listening *listening)
{
    struct wait *wait = listening->waiting;

    if (!wait || !is_there(listening, wait))
        return NULL;
    listening->waiting = NULL;
    return wait;
}

/* --- On the lane's thread ------------------------------------------------- */

static void unref(struct listening *listening)
{
    if (atomic_fetch_sub(&listening->refs, 1) != 1)
        return;
    inlay_note_queue_deinit(&listening->notes);
    pthread_mutex_destroy(&listening->lock);
    inlay_free(listening);
}

static void on_notification(struct inlay_subscriber *subscriber,
                            struct inlay_str payload,
                            bool gap)
{
    struct listening *listening =
        inlay_container_of(subscriber, struct listening, subscriber);

    pthread_mutex_lock(&listening->lock);
    listening->notes.lost += gap;
    if (payload.ptr)
        inlay_note_queue_push(&listening->notes, subscriber->channel, payload);
    struct wait *wait = take_wait(listening);
    pthread_mutex_unlock(&listening->lock);
    if (wait)
        wait_end(wait);
}

static void on_ready(struct inlay_subscriber *subscriber,
                     const struct inlay_failure *failure)
{
    struct listening *listening =
        inlay_container_of(subscriber, struct listening, subscriber);

    pthread_mutex_lock(&listening->lock);
    listening->state = failure ? FAILED : READY;
    if (failure)
        listening->failure = *failure;
    struct wait *wait = take_wait(listening);
    pthread_mutex_unlock(&listening->lock);
    if (wait)
        wait_end(wait);
}

static void on_begin(struct inlay_mail *mail)
{
    struct listening *listening =
        inlay_container_of(mail, struct listening, begin);

    inlay_listen(listening->lane, &listening->subscriber);
}

/* Letters come in order: it has begun. */
static void on_end(struct inlay_mail *mail)
{
    struct listening *listening =
        inlay_container_of(mail, struct listening, end);

    /* One that failed is not the driver's any more; written here alone. */
    if (listening->state != FAILED)
        inlay_unlisten(listening->lane, &listening->subscriber);
    unref(listening);
}

/* --- Listeners ------------------------------------------------------------ */

static struct listening *listening_create(struct inlay_database *database,
                                          struct inlay_str channel)
{
    struct listening *listening = inlay_calloc(1, sizeof(*listening));

    if (!listening) {
        PyErr_NoMemory();
        return NULL;
    }
    struct inlay_error *error =
        inlay_database_own_lane(database, &listening->lane);
    if (error) {
        inlay_free(listening);
        inlay_py_raise(error);
        return NULL;
    }
    memcpy(listening->channel, channel.ptr, channel.len);
    atomic_init(&listening->refs, 2);
    pthread_mutex_init(&listening->lock, NULL);
    inlay_note_queue_init(&listening->notes);
    listening->subscriber = (struct inlay_subscriber){
        .channel = inlay_str_make(listening->channel, channel.len),
        .on_notification = on_notification,
        .on_ready = on_ready,
    };
    listening->pid = getpid();
    listening->begin.on_receive = on_begin;
    listening->end.on_receive = on_end;
    inlay_loop_post(listening->lane->loop, &listening->begin);
    return listening;
}

static PyObject *db_listen(PyObject *module, PyObject *args)
{
    struct inlay_py_state *state = inlay_py_state_of(module);
    struct inlay_database *database;
    const char *name, *channel;
    Py_ssize_t name_len, len;

    if (!PyArg_ParseTuple(args, "s#s#:db_listen", &name, &name_len, &channel,
                          &len))
        return NULL;
    if (!inlay_channel_valid(inlay_str_make(channel, (size_t)len))) {
        PyErr_SetString(PyExc_ValueError,
                        "the name of a channel has 1 to 63 bytes");
        return NULL;
    }
    struct inlay_error *error =
        inlay_database_find(inlay_str_make(name, (size_t)name_len), &database);
    if (error) {
        inlay_py_raise(error);
        return NULL;
    }
    PyObject *object = state->listener_type->tp_alloc(state->listener_type, 0);
    struct listener_object *self = (struct listener_object *)object;
    if (object) {
        self->listening =
            listening_create(database, inlay_str_make(channel, (size_t)len));
        if (!self->listening)
            Py_CLEAR(object);
    }
    return object;
}

static struct listening *listening_of(PyObject *object)
{
    struct listening *listening = ((struct listener_object *)object)->listening;

    if (listening && listening->pid == getpid())
        return listening;
    PyErr_SetString(PyExc_RuntimeError,
                    listening ? "this listener is of the process that forked "
                                "this one"
                              : "the listener is closed");
    return NULL;
}

/* Puts it where the lane's thread finds it, unless there is nothing to wait
 * for. */
static void wait_begin(struct listening *listening, struct wait *wait)
{
    pthread_mutex_lock(&listening->lock);
    bool there = is_there(listening, wait);
    if (!there)
        listening->waiting = wait;
    pthread_mutex_unlock(&listening->lock);
    if (there)
        wait_end(wait);
}

/* Nobody waits any more; before it is done or after. */
static void wait_cancel(struct listener_object *self)
{
    struct wait *wait = inlay_take(self->wait);
    struct listening *listening = self->listening;

    if (!wait)
        return;
    pthread_mutex_lock(&listening->lock);
    bool waits = listening->waiting == wait;
    if (waits)
        listening->waiting = NULL;
    pthread_mutex_unlock(&listening->lock);
    if (!wait->errand.owner) {
        wait_destroy(wait);
    } else if (waits) {
        inlay_py_errand_revoke(&wait->errand);
        wait_destroy(wait);
    } else {
        inlay_py_errand_abandon(&wait->errand);
    }
}

static bool is_free(struct listener_object *self)
{
    /* One that came back is looked at by the next. */
    if (self->wait && !self->wait->blocks && !self->wait->errand.owner)
        wait_destroy(inlay_take(self->wait));
    if (!self->wait)
        return true;
    PyErr_SetString(PyExc_RuntimeError,
                    "somebody waits for this listener already");
    return false;
}

/* start(loop, for_ready) -> future */
static PyObject *listener_start(PyObject *object, PyObject *args)
{
    struct listener_object *self = (struct listener_object *)object;
    PyObject *loop, *future;
    int for_ready;

    if (!PyArg_ParseTuple(args, "Op:start", &loop, &for_ready) ||
        !listening_of(object) || !is_free(self))
        return NULL;
    struct wait *wait = wait_create(for_ready);
    if (!wait)
        return NULL;
    wait->errand.destroy = destroy_errand;
    wait->errand.forget = forget_errand;
    wait->slot = &self->wait;
    if (inlay_py_errand_begin(PyType_GetModuleState(Py_TYPE(object)),
                              &wait->errand, object, loop, &future) < 0) {
        wait_destroy(wait);
        return NULL;
    }
    self->wait = wait;
    wait_begin(self->listening, wait);
    return future;
}

/* A signal's handler has raised: it waits no more. */
static void interrupt(struct listening *listening, struct wait *wait)
{
    pthread_mutex_lock(&listening->lock);
    bool waits = listening->waiting == wait;
    if (waits)
        listening->waiting = NULL;
    pthread_mutex_unlock(&listening->lock);
    if (!waits && !atomic_exchange(&wait->abandoned, true))
        return;
    /* Done in this very moment: that thread still has to say so. */
    while (!waits && sem_wait(&wait->done) < 0)
        continue;
    wait_destroy(wait);
}

static PyObject *listener_wait(PyObject *object, PyObject *for_ready)
{
    struct listener_object *self = (struct listener_object *)object;
    struct listening *listening = listening_of(object);

    if (!listening || !is_free(self))
        return NULL;
    struct wait *wait = wait_create(for_ready == Py_True);
    if (!wait)
        return NULL;
    wait->blocks = true;
    self->wait = wait;
    atomic_fetch_add(&listening->refs, 1); /* others may close it */
    wait_begin(listening, wait);
    int status = inlay_py_db_sleep(&wait->done);
    self->wait = NULL;
    if (status < 0)
        interrupt(listening, wait);
    else
        wait_destroy(wait);
    unref(listening);
    if (status < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* (payload, lost), or None when there is nothing; raises what it failed of. */
static PyObject *listener_take(PyObject *object, PyObject *unused)
{
    struct listening *listening = listening_of(object);

    (void)unused;
    if (!listening)
        return NULL;
    pthread_mutex_lock(&listening->lock);
    struct inlay_note *note = inlay_note_queue_take(&listening->notes);
    bool failed = !note && listening->state == FAILED;
    pthread_mutex_unlock(&listening->lock);
    if (failed) {
        inlay_py_db_raise(PyType_GetModuleState(Py_TYPE(object)),
                          &listening->failure);
        return NULL;
    }
    if (!note)
        Py_RETURN_NONE;
    PyObject *payload = inlay_py_text(inlay_str_make(note->payload, note->len));
    PyObject *pair =
        payload ? Py_BuildValue("(NI)", payload, note->lost) : NULL;
    inlay_free(note);
    return pair;
}

/* Raises what it failed of. */
static PyObject *listener_check(PyObject *object, PyObject *unused)
{
    struct listening *listening = listening_of(object);

    (void)unused;
    if (!listening)
        return NULL;
    pthread_mutex_lock(&listening->lock);
    bool failed = listening->state == FAILED;
    pthread_mutex_unlock(&listening->lock);
    if (!failed)
        Py_RETURN_NONE;
    inlay_py_db_raise(PyType_GetModuleState(Py_TYPE(object)),
                      &listening->failure);
    return NULL;
}

static PyObject *listener_cancel(PyObject *object, PyObject *unused)
{
    struct listener_object *self = (struct listener_object *)object;

    (void)unused;
    if (self->listening && self->wait && !self->wait->blocks)
        wait_cancel(self);
    Py_RETURN_NONE;
}

static PyObject *listener_close(PyObject *object, PyObject *unused)
{
    struct listener_object *self = (struct listener_object *)object;

    (void)unused;
    if (self->wait && self->wait->blocks) {
        PyErr_SetString(PyExc_RuntimeError, "a thread waits for this listener");
        return NULL;
    }
    if (!self->listening)
        Py_RETURN_NONE;
    if (self->listening->pid != getpid()) {
        self->listening = NULL;
        Py_RETURN_NONE;
    }
    wait_cancel(self);
    struct listening *listening = inlay_take(self->listening);
    inlay_loop_post(listening->lane->loop, &listening->end);
    unref(listening);
    Py_RETURN_NONE;
}

static void listener_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    Py_XDECREF(listener_close(object, NULL));
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef listener_methods[] = {
    {"start", listener_start, METH_VARARGS, NULL},
    {"wait", listener_wait, METH_O, NULL},
    {"take", listener_take, METH_NOARGS, NULL},
    {"check", listener_check, METH_NOARGS, NULL},
    {"cancel", listener_cancel, METH_NOARGS, NULL},
    {"close", listener_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot listener_slots[] = {
    {Py_tp_dealloc, listener_dealloc},
    {Py_tp_methods, listener_methods},
    {0, NULL},
};

static PyType_Spec listener_spec = {
    .name = "inlay._core.Listener",
    .basicsize = sizeof(struct listener_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = listener_slots,
};

static PyMethodDef functions[] = {
    {"db_listen", db_listen, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

int inlay_py_db_listen_init(PyObject *module, struct inlay_py_state *state)
{
    state->listener_type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &listener_spec, NULL);
    if (!state->listener_type ||
        PyModule_AddType(module, state->listener_type) < 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}
