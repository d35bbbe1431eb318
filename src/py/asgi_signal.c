/*
 * asgi_signal.c - what a task waits on while send() or receive() waits: like
 * a future, but when the news is taken off the queue the task's next step
 * runs at once, without another turn of the event loop.
 */
#include "py/py.h"

#include <stddef.h>

#include "py/asgi_request.h"
#include "py/state.h"

#include "base/banned.h"

enum state { OPEN, DONE, CANCELLED };

struct inlay_asgi_signal {
    PyObject_HEAD
    PyObject *loop;
    PyObject *callback, *context; /* of the task that waits, or NULL */
    PyObject *message;            /* of cancel(), or NULL */
    enum state state;
    char blocking; /* asyncio: it was yielded by an await */
    bool ending;   /* inlay_asgi_signal_set has a reference */
};

static struct inlay_asgi_state *state_of(PyObject *self)
{
    PyObject *module = PyType_GetModule(Py_TYPE(self));

    return &inlay_py_state_of(module)->asgi;
}

/* --- For asgi_await.c ----------------------------------------------------- */

PyObject *inlay_asgi_signal_create(struct inlay_asgi *asgi)
{
    struct inlay_asgi_signal *signal =
        PyObject_GC_New(struct inlay_asgi_signal, asgi->state->signal_type);

    if (!signal)
        return NULL;
    signal->loop = Py_NewRef(asgi->loop);
    signal->callback = signal->context = signal->message = NULL;
    signal->state = OPEN;
    signal->blocking = signal->ending = false;
    PyObject_GC_Track(signal);
    return (PyObject *)signal;
}

bool inlay_asgi_signal_reset(PyObject *object)
{
    struct inlay_asgi_signal *signal = (struct inlay_asgi_signal *)object;

    if (Py_REFCNT(object) != (signal->ending ? 2 : 1) || signal->callback)
        return false;
    Py_CLEAR(signal->message);
    signal->state = OPEN;
    return true;
}

PyObject *inlay_asgi_signal_yield(PyObject *object)
{
    ((struct inlay_asgi_signal *)object)->blocking = true;
    return Py_NewRef(object);
}

bool inlay_asgi_signal_open(PyObject *object)
{
    return ((struct inlay_asgi_signal *)object)->state == OPEN;
}

/* As a callback of the event loop. 0 or -1. */
static int call_soon(struct inlay_asgi_signal *signal,
                     PyObject *callback,
                     PyObject *context)
{
    PyObject *names = context ? Py_BuildValue("(s)", "context") : NULL;
    PyObject *args[] = {signal->loop, callback, (PyObject *)signal, context};
    PyObject *result = NULL;

    if (!context || names)
        result = PyObject_VectorcallMethod(
            state_of((PyObject *)signal)->name_call_soon, args, 3, names);
    Py_XDECREF(names);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

static int call_now(struct inlay_asgi_signal *signal,
                    PyObject *callback,
                    PyObject *context)
{
    if (context && PyContext_Enter(context) < 0) {
        PyErr_Clear(); /* it is in use: in its own time, then */
        return call_soon(signal, callback, context);
    }
    PyObject *result = PyObject_CallOneArg(callback, (PyObject *)signal);
    if (context) {
        PyObject *exception = inlay_py_exception_take();

        if (PyContext_Exit(context) < 0)
            PyErr_WriteUnraisable(callback);
        if (exception)
            inlay_py_exception_restore(exception);
    }
    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* Whoever waits goes on; what it raises, SystemExit too, ends there. */
static void end(struct inlay_asgi_signal *signal, enum state state, bool now)
{
    PyObject *callback = signal->callback, *context = signal->context;

    signal->state = state;
    signal->callback = signal->context = NULL;
    if (!callback)
        return;
    if ((now ? call_now(signal, callback, context)
             : call_soon(signal, callback, context)) < 0)
        PyErr_WriteUnraisable(callback);
    Py_DECREF(callback);
    Py_XDECREF(context);
}

void inlay_asgi_signal_set(PyObject *object, bool now)
{
    struct inlay_asgi_signal *signal = (struct inlay_asgi_signal *)object;

    if (signal->state != OPEN)
        return;
    Py_INCREF(signal);
    signal->ending = true;
    end(signal, DONE, now); /* which may reset it and wait again */
    signal->ending = false;
    Py_DECREF(signal);
}

/* --- For tasks ------------------------------------------------------------ */

static PyObject *signal_get_loop(PyObject *self, PyObject *unused inlay_unused)
{
    return Py_NewRef(((struct inlay_asgi_signal *)self)->loop);
}

/* add_done_callback(callback, *, context=None): of one task. */
static PyObject *signal_add(PyObject *self,
                            PyObject *const *args,
                            Py_ssize_t nargs,
                            PyObject *kwnames)
{
    struct inlay_asgi_signal *signal = (struct inlay_asgi_signal *)self;
    Py_ssize_t nkeywords = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    PyObject *context = nkeywords == 1 && args[1] != Py_None ? args[1] : NULL;

    if (nargs != 1 || nkeywords > 1 ||
        (context && !PyContext_CheckExact(context))) {
        PyErr_SetString(PyExc_TypeError,
                        "add_done_callback() takes a callback and a context");
        return NULL;
    }
    if (signal->callback) {
        PyErr_SetString(PyExc_RuntimeError,
                        "send() or receive() is awaited by two tasks");
        return NULL;
    }
    if (signal->state != OPEN) {
        if (call_soon(signal, args[0], context) < 0)
            return NULL;
        Py_RETURN_NONE;
    }
    signal->callback = Py_NewRef(args[0]);
    signal->context = Py_XNewRef(context);
    Py_RETURN_NONE;
}

static PyObject *signal_remove(PyObject *self, PyObject *callback)
{
    struct inlay_asgi_signal *signal = (struct inlay_asgi_signal *)self;
    int same = signal->callback
                   ? PyObject_RichCompareBool(signal->callback, callback, Py_EQ)
                   : 0;

    if (same < 0)
        return NULL;
    if (same) {
        Py_CLEAR(signal->callback);
        Py_CLEAR(signal->context);
    }
    return PyLong_FromLong(same);
}

/* cancel(msg=None) */
static PyObject *signal_cancel(PyObject *self,
                               PyObject *const *args,
                               Py_ssize_t nargs,
                               PyObject *kwnames)
{
    struct inlay_asgi_signal *signal = (struct inlay_asgi_signal *)self;
    Py_ssize_t count = nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);

    if (count > 1) {
        PyErr_SetString(PyExc_TypeError, "cancel() takes one message at most");
        return NULL;
    }
    if (signal->state != OPEN)
        Py_RETURN_FALSE;
    if (count && args[0] != Py_None)
        Py_XSETREF(signal->message, Py_NewRef(args[0]));
    end(signal, CANCELLED, false);
    Py_RETURN_TRUE;
}

static PyObject *signal_done(PyObject *self, PyObject *unused inlay_unused)
{
    return PyBool_FromLong(((struct inlay_asgi_signal *)self)->state != OPEN);
}

static PyObject *signal_cancelled(PyObject *self, PyObject *unused inlay_unused)
{
    return PyBool_FromLong(((struct inlay_asgi_signal *)self)->state ==
                           CANCELLED);
}

/* result() and exception(): None, or CancelledError is raised. */
static PyObject *signal_result(PyObject *self, PyObject *unused inlay_unused)
{
    struct inlay_asgi_signal *signal = (struct inlay_asgi_signal *)self;

    switch (signal->state) {
    case DONE:
        Py_RETURN_NONE;
    case CANCELLED:
        if (signal->message)
            PyErr_SetObject(state_of(self)->cancelled_error, signal->message);
        else
            PyErr_SetNone(state_of(self)->cancelled_error);
        return NULL;
    case OPEN:
        break;
    }
    PyErr_SetString(state_of(self)->invalid_state_error,
                    "send() or receive() still waits");
    return NULL;
}

/* --- The type ------------------------------------------------------------- */

static int signal_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct inlay_asgi_signal *signal = (struct inlay_asgi_signal *)self;

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(signal->loop);
    Py_VISIT(signal->callback);
    Py_VISIT(signal->context);
    Py_VISIT(signal->message);
    return 0;
}

static int signal_clear(PyObject *self)
{
    struct inlay_asgi_signal *signal = (struct inlay_asgi_signal *)self;

    Py_CLEAR(signal->callback);
    Py_CLEAR(signal->context);
    Py_CLEAR(signal->message);
    return 0;
}

static void signal_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    signal_clear(self);
    Py_DECREF(((struct inlay_asgi_signal *)self)->loop);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMethodDef signal_methods[] = {
    {"get_loop", signal_get_loop, METH_NOARGS, NULL},
    {"add_done_callback", (PyCFunction)(void (*)(void))signal_add,
     METH_FASTCALL | METH_KEYWORDS, NULL},
    {"remove_done_callback", signal_remove, METH_O, NULL},
    {"cancel", (PyCFunction)(void (*)(void))signal_cancel,
     METH_FASTCALL | METH_KEYWORDS, NULL},
    {"done", signal_done, METH_NOARGS, NULL},
    {"cancelled", signal_cancelled, METH_NOARGS, NULL},
    {"result", signal_result, METH_NOARGS, NULL},
    {"exception", signal_result, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef signal_members[] = {
    {"_asyncio_future_blocking", Py_T_BOOL,
     offsetof(struct inlay_asgi_signal, blocking), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot signal_slots[] = {
    {Py_tp_methods, signal_methods},   {Py_tp_members, signal_members},
    {Py_tp_traverse, signal_traverse}, {Py_tp_clear, signal_clear},
    {Py_tp_dealloc, signal_dealloc},   {0, NULL},
};

static PyType_Spec signal_spec = {
    .name = "inlay._core.Signal",
    .basicsize = sizeof(struct inlay_asgi_signal),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = signal_slots,
};

int inlay_asgi_signal_init(PyObject *module, struct inlay_asgi_state *state)
{
    return inlay_asgi_type_create(module, &signal_spec, &state->signal_type);
}
