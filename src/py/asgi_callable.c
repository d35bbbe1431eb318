/*
 * asgi_callable.c - receive and send, what applications call. A message counts
 * from the call of send() on; what is wrong with it is raised where the result
 * is awaited, as a coroutine would.
 */
#include "py/py.h"

#include <stddef.h>

#include "py/asgi_request.h"

#include "base/banned.h"

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
    PyObject *message = request->protocol->message(request);
    if (message)
        return inlay_asgi_ready(inlay_asgi_state(request), message);
    if (PyErr_Occurred())
        return NULL;
    return inlay_asgi_wait(request, INLAY_ASGI_RECEIVE);
}

static PyObject *send_message(struct inlay_asgi_request *request,
                              PyObject *message)
{
    struct inlay_asgi_state *state = inlay_asgi_state(request);

    if (!PyDict_Check(message)) {
        PyErr_Format(PyExc_TypeError, "a message must be a dict, not %s",
                     Py_TYPE(message)->tp_name);
        return NULL;
    }
    _cleanup_decref_ PyObject *type =
        inlay_py_dict_get(message, state->name_type);
    if (!type) {
        if (!PyErr_Occurred())
            PyErr_SetObject(PyExc_KeyError, state->name_type);
        return NULL;
    }
    if (!PyUnicode_Check(type)) {
        PyErr_Format(PyExc_RuntimeError, "Unexpected ASGI message %R.", type);
        return NULL;
    }
    return request->protocol->send(request, type, message);
}

static PyObject *send_call(PyObject *self,
                           PyObject *const *args,
                           size_t nargsf,
                           PyObject *kwnames)
{
    struct inlay_asgi_request *request =
        ((struct inlay_asgi_callable *)self)->request;
    Py_ssize_t nkeywords = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    PyObject *result;

    /* One argument: by position, or as send(message=…). */
    if (PyVectorcall_NARGS(nargsf) + nkeywords != 1 ||
        (nkeywords && PyUnicode_CompareWithASCIIString(
                          PyTuple_GET_ITEM(kwnames, 0), "message") != 0)) {
        PyErr_SetString(PyExc_TypeError, "send() takes one message");
        return NULL;
    }
    result = send_message(request, args[0]);
    if (!result)
        result = inlay_asgi_failed(inlay_asgi_state(request));
    return result;
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
                           send_call);
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
    if (inlay_asgi_type_create(module, &receive_spec, &state->receive_type) < 0)
        return -1;
    return inlay_asgi_type_create(module, &send_spec, &state->send_type);
}
