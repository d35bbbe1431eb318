/* asgi_receive.c - the receive callable: what the client sent, as messages. */
#include "py/py.h"

#include <stddef.h>

#include "py/asgi_request.h"

#include "base/banned.h"

/* Steals `body`, which may be NULL: NULL. */
static PyObject *part(struct inlay_asgi_request *request,
                      PyObject *body,
                      bool last)
{
    struct inlay_asgi_state *state = inlay_asgi_state(request);
    PyObject *message = body ? PyDict_Copy(state->request_message) : NULL;

    if (!message || PyDict_SetItem(message, state->name_body, body) < 0 ||
        (!last && PyDict_SetItem(message, state->name_more_body, Py_True) < 0))
        Py_CLEAR(message);
    Py_XDECREF(body);
    return message;
}

/*
 * A client that ended its side may still read, and gets its answer; but once
 * the application was told that it left, send() says so too.
 */
static PyObject *disconnect(struct inlay_asgi_request *request)
{
    request->left = !request->complete;
    return PyDict_Copy(inlay_asgi_state(request)->disconnect_message);
}

PyObject *inlay_asgi_message(struct inlay_asgi_request *request)
{
    struct inlay_relay *relay = request->relay;
    struct inlay_str bytes;
    bool last;

    if (request->complete || request->finished)
        return disconnect(request);
    if (request->body_over)
        return inlay_relay_left(relay) ? disconnect(request) : NULL;
    switch (inlay_relay_body_begin(relay, &bytes, &last)) {
    case INLAY_RELAY_OK:
        break;
    case INLAY_RELAY_GONE:
        return disconnect(request);
    case INLAY_RELAY_WAIT:
    case INLAY_RELAY_FULL:
        return NULL;
    }
    /* The I/O thread may wait for the lock: nothing that runs Python. */
    PyObject *body =
        bytes.len ? PyBytes_FromStringAndSize(bytes.ptr, (Py_ssize_t)bytes.len)
                  : Py_NewRef(inlay_asgi_state(request)->empty_bytes);
    inlay_relay_body_end(relay);
    request->body_over = last;
    return part(request, body, last);
}

static PyObject *receive_call(PyObject *self,
                              PyObject *const *args inlay_unused,
                              size_t nargsf,
                              PyObject *kwnames)
{
    struct inlay_asgi_request *request =
        ((struct inlay_asgi_callable *)self)->request;

    if (PyVectorcall_NARGS(nargsf) || (kwnames && PyTuple_GET_SIZE(kwnames))) {
        PyErr_SetString(PyExc_TypeError, "receive() takes no arguments");
        return NULL;
    }
    if (!request->wanted && !request->complete && !request->finished) {
        request->wanted = true;
        if (request->relay->expects_continue && request->relay->has_body)
            inlay_relay_want_body(request->relay);
    }
    PyObject *message = inlay_asgi_message(request);
    if (message)
        return inlay_asgi_ready(inlay_asgi_state(request), message);
    if (PyErr_Occurred())
        return NULL;
    return inlay_asgi_wait(request, INLAY_ASGI_RECEIVE);
}

/* --- The types of both callables ----------------------------------------- */

static PyObject *callable_create(struct inlay_asgi_request *request,
                                 PyTypeObject *type,
                                 vectorcallfunc vectorcall)
{
    struct inlay_asgi_callable *callable =
        PyObject_GC_New(struct inlay_asgi_callable, type);

    if (!callable)
        return NULL;
    callable->vectorcall = vectorcall;
    callable->request = (void *)Py_NewRef((PyObject *)request);
    PyObject_GC_Track(callable);
    return (PyObject *)callable;
}

PyObject *inlay_asgi_receive_create(struct inlay_asgi_request *request)
{
    return callable_create(request, inlay_asgi_state(request)->receive_type,
                           receive_call);
}

PyObject *inlay_asgi_send_create(struct inlay_asgi_request *request)
{
    return callable_create(request, inlay_asgi_state(request)->send_type,
                           inlay_asgi_send_call);
}

static int callable_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((struct inlay_asgi_callable *)self)->request);
    return 0;
}

/* No tp_clear: the request cuts the circle, and calls need their request. */
static void callable_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    Py_CLEAR(((struct inlay_asgi_callable *)self)->request);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMemberDef callable_members[] = {
    {"__vectorcalloffset__", Py_T_PYSSIZET,
     offsetof(struct inlay_asgi_callable, vectorcall), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot callable_slots[] = {
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_members, callable_members},
    {Py_tp_traverse, callable_traverse},
    {Py_tp_dealloc, callable_dealloc},
    {0, NULL},
};

static PyType_Spec receive_spec = {
    .name = "inlay._core.Receive",
    .basicsize = sizeof(struct inlay_asgi_callable),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = callable_slots,
};

static PyType_Spec send_spec = {
    .name = "inlay._core.Send",
    .basicsize = sizeof(struct inlay_asgi_callable),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = callable_slots,
};

int inlay_asgi_callables_init(PyObject *module, struct inlay_asgi_state *state)
{
    if (inlay_asgi_type_create(module, &receive_spec, &state->receive_type) <
            0 ||
        inlay_asgi_type_create(module, &send_spec, &state->send_type) < 0)
        return -1;
    state->request_message = Py_BuildValue(
        "{OOOOOO}", state->name_type, state->name_http_request,
        state->name_body, state->empty_bytes, state->name_more_body, Py_False);
    state->disconnect_message =
        Py_BuildValue("{OO}", state->name_type, state->name_http_disconnect);
    return state->request_message && state->disconnect_message ? 0 : -1;
}
