/*
 * asgi_request.c - one request on the Python side: its life, and the
 * coroutine that its task runs.
 */
#include "py/py.h"

#include "py/asgi_request.h"

#include "base/log.h"

#include "base/banned.h"

/* --- Calling the application --------------------------------------------- */

/* What `await` would iterate over; steals `awaitable`. */
static PyObject *get_iterator(PyObject *awaitable)
{
    PyAsyncMethods *async = Py_TYPE(awaitable)->tp_as_async;
    PyObject *iterator = NULL;

    if (PyCoro_CheckExact(awaitable) || PyGen_CheckExact(awaitable))
        return awaitable;
    if (async && async->am_await)
        iterator = async->am_await(awaitable);
    else
        PyErr_Format(PyExc_TypeError,
                     "object %s can't be used in 'await' expression",
                     Py_TYPE(awaitable)->tp_name);
    Py_DECREF(awaitable);
    return iterator;
}

/* In the request's task and context: app(scope, receive, send). 0 or -1. */
static int call_application(struct inlay_asgi_request *request)
{
    struct inlay_asgi *asgi = &request->server->asgi;
    PyObject *args[4] = {NULL};
    PyObject *awaitable = NULL;

    args[1] = request->protocol->scope(asgi, request->relay);
    if (args[1] && asgi->metrics)
        Py_XSETREF(request->scope, Py_NewRef(args[1]));
    if (args[1])
        args[2] = inlay_asgi_receive_create(request);
    if (args[2])
        args[3] = inlay_asgi_send_create(request);
    if (args[3])
        awaitable = PyObject_Vectorcall(
            asgi->app, args + 1, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    for (size_t i = 1; i < inlay_array_size(args); i++)
        Py_XDECREF(args[i]);
    request->coroutine = awaitable ? get_iterator(awaitable) : NULL;
    return request->coroutine ? 0 : -1;
}

/* --- The coroutine ------------------------------------------------------- */

/* One step at a time, as of any coroutine. 0 or -1. */
static int step_begin(struct inlay_asgi_request *request)
{
    if (request->running) {
        PyErr_SetString(PyExc_ValueError, "coroutine already executing");
        return -1;
    }
    request->running = true;
    Py_INCREF(request);
    return 0;
}

static void step_end(struct inlay_asgi_request *request)
{
    request->running = false;
    Py_DECREF(request);
}

/* The outcome of a step that has ended the application's coroutine. */
static PySendResult ended(struct inlay_asgi_request *request,
                          PyObject *result,
                          PyObject **ret)
{
    *ret = NULL;
    if (result) {
        inlay_asgi_returned(request, result);
        Py_DECREF(result);
    } else if (inlay_asgi_raised(request)) {
        return PYGEN_ERROR;
    }
    *ret = Py_NewRef(Py_None);
    return PYGEN_RETURN;
}

static PySendResult request_send(PyObject *self,
                                 PyObject *value,
                                 PyObject **ret)
{
    struct inlay_asgi_request *request = (struct inlay_asgi_request *)self;
    PySendResult status;

    *ret = NULL;
    if (request->finished) {
        PyErr_SetString(PyExc_RuntimeError,
                        "cannot reuse already awaited coroutine");
        return PYGEN_ERROR;
    }
    if (step_begin(request) < 0)
        return PYGEN_ERROR;
    if (!request->coroutine && call_application(request) < 0) {
        status = ended(request, NULL, ret);
    } else {
        status = PyIter_Send(request->coroutine, value, ret);
        if (status != PYGEN_NEXT)
            status = ended(request, status == PYGEN_RETURN ? *ret : NULL, ret);
    }
    step_end(request);
    return status;
}

static PyObject *request_next(PyObject *self)
{
    PyObject *result;
    PySendResult status = request_send(self, Py_None, &result);

    return inlay_asgi_sent(status, result);
}

static PyObject *request_method_send(PyObject *self, PyObject *value)
{
    PyObject *result;
    PySendResult status = request_send(self, value, &result);

    return inlay_asgi_sent(status, result);
}

/* The value of the pending StopIteration, which is cleared. */
static PyObject *stop_value(void)
{
    _cleanup_decref_ PyObject *exception = inlay_py_exception_take();

    return exception ? PyObject_GetAttrString(exception, "value") : NULL;
}

static PyObject *throw_into(struct inlay_asgi_request *request,
                            PyObject *const *args,
                            Py_ssize_t nargs)
{
    PyObject *method = NULL;

    if (!request->coroutine)
        return inlay_asgi_throw(args, nargs);
    method = PyObject_GetAttr(request->coroutine,
                              inlay_asgi_state(request)->name_throw_);
    if (!method) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError))
            return NULL;
        PyErr_Clear();
        return inlay_asgi_throw(args, nargs);
    }
    PyObject *result = PyObject_Vectorcall(method, args, (size_t)nargs, NULL);
    Py_DECREF(method);
    return result;
}

static PyObject *request_throw(PyObject *self,
                               PyObject *const *args,
                               Py_ssize_t nargs)
{
    struct inlay_asgi_request *request = (struct inlay_asgi_request *)self;
    PyObject *result;

    if (request->finished)
        return inlay_asgi_throw(args, nargs);
    if (step_begin(request) < 0)
        return NULL;
    result = throw_into(request, args, nargs);
    if (!result) {
        PyObject *value =
            PyErr_ExceptionMatches(PyExc_StopIteration) ? stop_value() : NULL;

        PySendResult status = ended(request, value, &result);
        result = inlay_asgi_sent(status, result);
    }
    step_end(request);
    return result;
}

static PyObject *request_close(PyObject *self, PyObject *unused inlay_unused)
{
    struct inlay_asgi_request *request = (struct inlay_asgi_request *)self;
    PyObject *result = NULL;

    if (request->finished)
        Py_RETURN_NONE;
    if (step_begin(request) < 0)
        return NULL;
    if (request->coroutine)
        result = PyObject_CallMethodNoArgs(
            request->coroutine, inlay_asgi_state(request)->name_close);
    else
        result = Py_NewRef(Py_None);
    PyObject *exception = inlay_py_exception_take();
    PyErr_SetNone(PyExc_GeneratorExit);
    inlay_asgi_raised(request);
    PyErr_Clear();
    if (exception)
        inlay_py_exception_restore(exception);
    step_end(request);
    return result;
}

/* cr_frame, cr_await, __qualname__…: what tools ask a task's coroutine for. */
static PyObject *request_getattro(PyObject *self, PyObject *name)
{
    PyObject *coroutine = ((struct inlay_asgi_request *)self)->coroutine;
    PyObject *value = PyObject_GenericGetAttr(self, name);

    if (value || !coroutine || !PyErr_ExceptionMatches(PyExc_AttributeError))
        return value;
    PyErr_Clear();
    return PyObject_GetAttr(coroutine, name);
}

/* --- The object ---------------------------------------------------------- */

static struct inlay_asgi_request *request_create(
    struct inlay_server_object *server,
    struct inlay_relay *relay)
{
    struct inlay_asgi_request *request = PyObject_GC_New(
        struct inlay_asgi_request, server->asgi.state->request_type);

    if (!request)
        return NULL;
    inlay_list_init(&request->node);
    inlay_list_init(&request->waits);
    request->server = (void *)Py_NewRef((PyObject *)server);
    request->relay = relay;
    request->protocol =
        relay->websocket ? &inlay_asgi_websocket : &inlay_asgi_http;
    request->coroutine = request->task = request->signal = NULL;
    request->scope = NULL;
    request->complete = request->left = request->wanted = false;
    request->running = request->finished = false;
    request->expected = -1;
    request->received = 0;
    request->room = 0;
    request->offered = false;
    request->started = request->bodiless = request->body_over = false;
    request->trailers = request->trailing = request->mixed = false;
    request->accepted = false;
    request->reason = NULL;
    relay->owner = request;
    Py_INCREF(request);
    inlay_list_append(&server->asgi.requests, &request->node);
    PyObject_GC_Track(request);
    return request;
}

void inlay_asgi_forget(struct inlay_asgi_request *request)
{
    if (inlay_list_empty(&request->node))
        return;
    inlay_list_remove(&request->node);
    Py_DECREF(request);
}

static int request_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct inlay_asgi_request *request = (struct inlay_asgi_request *)self;

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(request->server);
    Py_VISIT(request->coroutine);
    Py_VISIT(request->task);
    Py_VISIT(request->signal);
    Py_VISIT(request->scope);
    return 0;
}

/* Server and relay stay: send and receive may still be called. */
static int request_clear(PyObject *self)
{
    struct inlay_asgi_request *request = (struct inlay_asgi_request *)self;

    Py_CLEAR(request->coroutine);
    Py_CLEAR(request->task);
    Py_CLEAR(request->signal);
    Py_CLEAR(request->scope);
    return 0;
}

static void request_dealloc(PyObject *self)
{
    struct inlay_asgi_request *request = (struct inlay_asgi_request *)self;
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    request_clear(self);
    if (!request->finished) {
        /* It was dropped unfinished, with its server. */
        atomic_fetch_sub(&request->server->asgi.bridge->in_flight, 1);
        inlay_relay_abort(request->relay);
    }
    request->relay->owner = NULL;
    inlay_relay_unref(request->relay);
    Py_DECREF(request->server);
    Py_XDECREF(request->reason);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMethodDef request_methods[] = {
    {"send", request_method_send, METH_O, NULL},
    {"throw", (PyCFunction)(void (*)(void))request_throw, METH_FASTCALL, NULL},
    {"close", request_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot request_slots[] = {
    {Py_am_await, PyObject_SelfIter},   {Py_am_send, request_send},
    {Py_tp_iter, PyObject_SelfIter},    {Py_tp_iternext, request_next},
    {Py_tp_getattro, request_getattro}, {Py_tp_methods, request_methods},
    {Py_tp_traverse, request_traverse}, {Py_tp_clear, request_clear},
    {Py_tp_dealloc, request_dealloc},   {0, NULL},
};

static PyType_Spec request_spec = {
    .name = "inlay._core.Request",
    .basicsize = sizeof(struct inlay_asgi_request),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = request_slots,
};

int inlay_asgi_request_init(PyObject *module, struct inlay_asgi_state *state)
{
    return inlay_asgi_type_create(module, &request_spec, &state->request_type);
}

/* --- News of a relay ----------------------------------------------------- */

static void begin(struct inlay_server_object *server, struct inlay_relay *relay)
{
    struct inlay_asgi_state *state = server->asgi.state;
    struct inlay_asgi_request *request = request_create(server, relay);

    if (!request) {
        PyErr_WriteUnraisable((PyObject *)server);
        atomic_fetch_sub(&server->asgi.bridge->in_flight, 1);
        inlay_relay_abort(relay);
        inlay_relay_unref(relay);
        return;
    }
    if (relay->upgrade && !relay->websocket)
        inlay_asgi_log(state, INLAY_LOG_WARNING, NULL,
                       "Unsupported upgrade request.");
    if (inlay_asgi_task_run(request) < 0) {
        if (request->finished) {
            PyErr_WriteUnraisable((PyObject *)request);
        } else if (inlay_asgi_raised(request)) {
            PyErr_Clear();
        }
    }
    Py_DECREF(request);
}

int inlay_asgi_cancel(struct inlay_asgi_request *request, PyObject *message)
{
    if (!request->task)
        return 0;
    PyObject *result = PyObject_CallMethodOneArg(
        request->task, inlay_asgi_state(request)->name_cancel, message);

    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* A request that runs: its task is woken, or its time is over. */
static void news(struct inlay_asgi_request *request, bool now)
{
    Py_INCREF(request);
    if (inlay_unlikely(atomic_load(&request->relay->expired))) {
        PyObject *message = PyUnicode_FromString("the request timed out");

        if (!message || inlay_asgi_cancel(request, message) < 0)
            PyErr_WriteUnraisable((PyObject *)request);
        Py_XDECREF(message);
    }
    inlay_asgi_wake(request, now);
    Py_DECREF(request);
}

void inlay_asgi_handle(struct inlay_server_object *server,
                       struct inlay_relay *relay,
                       bool now)
{
    struct inlay_asgi_request *request = relay->owner;

    if (request) {
        news(request, now);
        inlay_relay_unref(relay);
    } else if (relay->taken) {
        inlay_relay_unref(relay); /* its request has been forgotten */
    } else {
        relay->taken = true;
        if (relay->timed)
            relay->taken_at = inlay_max(server->asgi.now, relay->began);
        if (server->asgi.metrics)
            inlay_asgi_metrics_taken(server->asgi.metrics, relay);
        if (inlay_relay_gone(relay)) {
            /* The client left before its turn: nobody waits for this. */
            atomic_fetch_sub(&server->asgi.bridge->in_flight, 1);
            inlay_relay_unref(relay);
        } else {
            begin(server, relay);
        }
    }
}
