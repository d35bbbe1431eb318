/*
 * asgi_await.c - what send() and receive() return: an awaitable that is
 * finished already, or one that waits for the I/O thread. Both have send,
 * throw, close and __await__, so that they pass for coroutines:
 * asyncio.create_task(receive()) works.
 */
#include "py/py.h"

#include "py/asgi_request.h"

#include "base/banned.h"

struct ready {
    PyObject_HEAD
    PyObject *value; /* the result; or the exception, NULL: was raised */
    bool failed;
};

/* One waiter has one signal: cancelling it leaves the others alone. */
struct inlay_asgi_wait {
    PyObject_HEAD
    struct inlay_list node; /* in request->waits while the signal is open */
    struct inlay_asgi_request *request; /* strong */
    PyObject *signal;                   /* NULL: not waiting at the moment */
    enum inlay_asgi_wait_kind kind;
};

/* The value of a finished awaitable as StopIteration; steals `value`. */
static PyObject *stop_iteration(PyObject *value)
{
    if (value == Py_None) {
        PyErr_SetNone(PyExc_StopIteration);
    } else if (PyTuple_Check(value) || PyExceptionInstance_Check(value)) {
        /* These PyErr_SetObject would take apart. */
        PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value);

        if (stop)
            PyErr_SetObject(PyExc_StopIteration, stop);
        Py_XDECREF(stop);
    } else {
        PyErr_SetObject(PyExc_StopIteration, value);
    }
    Py_DECREF(value);
    return NULL;
}

PyObject *inlay_asgi_sent(PySendResult status, PyObject *result)
{
    if (status == PYGEN_RETURN)
        return stop_iteration(result);
    return status == PYGEN_NEXT ? result : NULL;
}

PyObject *inlay_asgi_throw(PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs < 1 || nargs > 3) {
        PyErr_SetString(PyExc_TypeError, "throw() takes 1 to 3 arguments");
    } else if (PyExceptionInstance_Check(args[0])) {
        PyErr_SetObject((PyObject *)Py_TYPE(args[0]), args[0]);
    } else if (PyExceptionClass_Check(args[0])) {
        PyErr_SetObject(args[0],
                        nargs > 1 && args[1] != Py_None ? args[1] : NULL);
    } else {
        PyErr_SetString(PyExc_TypeError,
                        "throw() takes an exception or its class");
    }
    return NULL;
}

/* --- Finished ------------------------------------------------------------ */

PyObject *inlay_asgi_ready(struct inlay_asgi_state *state, PyObject *value)
{
    if (!value)
        return NULL;
    struct ready *ready = PyObject_New(struct ready, state->ready_type);

    if (!ready) {
        Py_DECREF(value);
        return NULL;
    }
    ready->value = value;
    ready->failed = false;
    return (PyObject *)ready;
}

PyObject *inlay_asgi_failed(struct inlay_asgi_state *state)
{
    PyObject *exception = inlay_py_exception_take();
    PyObject *ready = inlay_asgi_ready(state, exception);

    if (ready)
        ((struct ready *)ready)->failed = true;
    return ready;
}

static PySendResult ready_send(PyObject *self,
                               PyObject *value inlay_unused,
                               PyObject **ret)
{
    struct ready *ready = (struct ready *)self;

    if (ready->failed) {
        PyObject *exception = ready->value;

        /* Its traceback may lead back here, where no collector looks. */
        *ret = ready->value = NULL;
        if (exception)
            inlay_py_exception_restore(exception);
        else
            PyErr_SetString(PyExc_RuntimeError,
                            "cannot reuse already awaited coroutine");
        return PYGEN_ERROR;
    }
    *ret = Py_NewRef(ready->value);
    return PYGEN_RETURN;
}

static PyObject *ready_next(PyObject *self)
{
    struct ready *ready = (struct ready *)self;

    if (!ready->failed && ready->value == Py_None)
        return NULL; /* the short way to say StopIteration */
    PyObject *result;
    PySendResult status = ready_send(self, Py_None, &result);
    return inlay_asgi_sent(status, result);
}

static PyObject *ready_method_send(PyObject *self, PyObject *value)
{
    PyObject *result;
    PySendResult status = ready_send(self, value, &result);

    return inlay_asgi_sent(status, result);
}

static PyObject *ready_throw(PyObject *self inlay_unused,
                             PyObject *const *args,
                             Py_ssize_t nargs)
{
    return inlay_asgi_throw(args, nargs);
}

static PyObject *ready_close(PyObject *self inlay_unused,
                             PyObject *unused inlay_unused)
{
    Py_RETURN_NONE;
}

static void ready_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    Py_XDECREF(((struct ready *)self)->value);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyMethodDef ready_methods[] = {
    {"send", ready_method_send, METH_O, NULL},
    {"throw", (PyCFunction)(void (*)(void))ready_throw, METH_FASTCALL, NULL},
    {"close", ready_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot ready_slots[] = {
    {Py_am_await, PyObject_SelfIter},
    {Py_am_send, ready_send},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, ready_next},
    {Py_tp_methods, ready_methods},
    {Py_tp_dealloc, ready_dealloc},
    {0, NULL},
};

static PyType_Spec ready_spec = {
    .name = "inlay._core.Ready",
    .basicsize = sizeof(struct ready),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = ready_slots,
};

/* --- Waiting ------------------------------------------------------------- */

PyObject *inlay_asgi_wait(struct inlay_asgi_request *request,
                          enum inlay_asgi_wait_kind kind)
{
    struct inlay_asgi_wait *wait = PyObject_GC_New(
        struct inlay_asgi_wait, inlay_asgi_state(request)->wait_type);

    if (!wait)
        return NULL;
    inlay_list_init(&wait->node);
    wait->request = (void *)Py_NewRef((PyObject *)request);
    wait->signal = NULL;
    wait->kind = kind;
    PyObject_GC_Track(wait);
    return (PyObject *)wait;
}

/* The request keeps one signal for the next wait. */
static void wait_release(struct inlay_asgi_wait *wait)
{
    PyObject *signal = wait->signal;

    inlay_list_remove(&wait->node);
    if (!signal)
        return;
    wait->signal = NULL;
    if (wait->request->signal)
        Py_DECREF(signal);
    else
        wait->request->signal = signal;
}

/* Asks once more; a result, or NULL: an exception, or nothing yet. */
static PyObject *wait_look(struct inlay_asgi_wait *wait)
{
    struct inlay_asgi_request *request = wait->request;

    if (wait->kind == INLAY_ASGI_RECEIVE)
        return request->protocol->message(request);
    if (request->complete)
        Py_RETURN_NONE;
    switch (inlay_relay_writable(request->relay)) {
    case INLAY_RELAY_WAIT:
        return NULL;
    case INLAY_RELAY_GONE:
        return inlay_asgi_raise_disconnected(inlay_asgi_state(request));
    case INLAY_RELAY_OK:
    case INLAY_RELAY_FULL:
    case INLAY_RELAY_OVER:
        break;
    }
    Py_RETURN_NONE;
}

static int wait_open(struct inlay_asgi_wait *wait)
{
    struct inlay_asgi_request *request = wait->request;
    PyObject *signal = request->signal;

    request->signal = NULL;
    if (signal && !inlay_asgi_signal_reset(signal))
        Py_CLEAR(signal);
    if (!signal)
        signal = inlay_asgi_signal_create(&request->server->asgi);
    if (!signal)
        return -1;
    wait->signal = signal;
    inlay_list_append(&request->waits, &wait->node);
    return 0;
}

static PySendResult wait_send(PyObject *self,
                              PyObject *value inlay_unused,
                              PyObject **ret)
{
    struct inlay_asgi_wait *wait = (struct inlay_asgi_wait *)self;

    *ret = NULL;
    if (wait->signal && inlay_asgi_signal_open(wait->signal)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "await wasn't used with send() or receive()");
        return PYGEN_ERROR;
    }
    wait_release(wait);
    *ret = wait_look(wait);
    if (*ret)
        return PYGEN_RETURN;
    if (PyErr_Occurred() || wait_open(wait) < 0)
        return PYGEN_ERROR;
    *ret = inlay_asgi_signal_yield(wait->signal);
    return PYGEN_NEXT;
}

static PyObject *wait_next(PyObject *self)
{
    PyObject *result = NULL;
    PySendResult status = wait_send(self, Py_None, &result);

    return inlay_asgi_sent(status, result);
}

static PyObject *wait_method_send(PyObject *self, PyObject *value inlay_unused)
{
    return wait_next(self);
}

static PyObject *wait_throw(PyObject *self,
                            PyObject *const *args,
                            Py_ssize_t nargs)
{
    wait_release((struct inlay_asgi_wait *)self);
    return inlay_asgi_throw(args, nargs);
}

static PyObject *wait_close(PyObject *self, PyObject *unused inlay_unused)
{
    wait_release((struct inlay_asgi_wait *)self);
    Py_RETURN_NONE;
}

void inlay_asgi_wake(struct inlay_asgi_request *request, bool now)
{
    struct inlay_list waits;

    if (inlay_list_empty(&request->waits))
        return;
    PyObject *exception = inlay_py_exception_take();
    /* Those who find nothing wait again: in the request's list. */
    inlay_list_init(&waits);
    inlay_list_for_each (node, &request->waits) {
        inlay_list_remove(node);
        inlay_list_append(&waits, node);
    }
    while (!inlay_list_empty(&waits)) {
        struct inlay_asgi_wait *wait =
            inlay_list_entry(waits.next, struct inlay_asgi_wait, node);

        inlay_list_remove(&wait->node);
        inlay_asgi_signal_set(wait->signal, now);
    }
    inlay_py_exception_restore(exception);
}

static int wait_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct inlay_asgi_wait *wait = (struct inlay_asgi_wait *)self;

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(wait->request);
    Py_VISIT(wait->signal);
    return 0;
}

/* The request stays: it is what every other method needs. */
static int wait_clear(PyObject *self)
{
    wait_release((struct inlay_asgi_wait *)self);
    return 0;
}

static void wait_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    wait_clear(self);
    Py_CLEAR(((struct inlay_asgi_wait *)self)->request);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMethodDef wait_methods[] = {
    {"send", wait_method_send, METH_O, NULL},
    {"throw", (PyCFunction)(void (*)(void))wait_throw, METH_FASTCALL, NULL},
    {"close", wait_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot wait_slots[] = {
    {Py_am_await, PyObject_SelfIter},
    {Py_am_send, wait_send},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, wait_next},
    {Py_tp_methods, wait_methods},
    {Py_tp_traverse, wait_traverse},
    {Py_tp_clear, wait_clear},
    {Py_tp_dealloc, wait_dealloc},
    {0, NULL},
};

static PyType_Spec wait_spec = {
    .name = "inlay._core.Wait",
    .basicsize = sizeof(struct inlay_asgi_wait),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = wait_slots,
};

int inlay_asgi_await_init(PyObject *module, struct inlay_asgi_state *state)
{
    if (inlay_asgi_type_create(module, &ready_spec, &state->ready_type) < 0 ||
        inlay_asgi_type_create(module, &wait_spec, &state->wait_type) < 0)
        return -1;
    state->ready_none = inlay_asgi_ready(state, Py_NewRef(Py_None));
    return state->ready_none ? 0 : -1;
}
