/* asgi.c - the ASGI side's part of the module's state. */
#include "py/py.h"

#include "py/asgi.h"

#include "py/asgi_request.h"
#include "py/state.h"

#include "base/banned.h"

int inlay_asgi_type_create(PyObject *module,
                           PyType_Spec *spec,
                           PyTypeObject **ret)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);

    if (!type)
        return -1;
    *ret = (PyTypeObject *)type;
    return 0;
}

static int init_names(struct inlay_asgi_state *state)
{
#define NAME(field, text)                                                      \
    state->name_##field = PyUnicode_InternFromString(text);                    \
    if (!state->name_##field)                                                  \
        return -1;
    INLAY_ASGI_NAMES(NAME)
#undef NAME
    state->empty_bytes = PyBytes_FromStringAndSize("", 0);
    return state->empty_bytes ? 0 : -1;
}

/* Takes over the reference. */
static int keep(PyObject **slot, PyObject *value)
{
    Py_XSETREF(*slot, value);
    return value ? 0 : -1;
}

int inlay_asgi_runtime_init(struct inlay_asgi_state *state)
{
    if (state->logger)
        return 0;
    _cleanup_decref_ PyObject *logging = PyImport_ImportModule("logging");
    _cleanup_decref_ PyObject *asyncio =
        logging ? PyImport_ImportModule("asyncio") : NULL;

    if (!asyncio ||
        keep(&state->task_class, PyObject_GetAttrString(asyncio, "Task")) < 0 ||
        keep(&state->cancelled_error,
             PyObject_GetAttrString(asyncio, "CancelledError")) < 0 ||
        keep(&state->invalid_state_error,
             PyObject_GetAttrString(asyncio, "InvalidStateError")) < 0)
        return -1;
    return keep(&state->logger,
                PyObject_CallMethod(logging, "getLogger", "s", "inlay.error"));
}

static int init_disconnected(PyObject *module, struct inlay_asgi_state *state)
{
    state->disconnected = PyErr_NewExceptionWithDoc(
        "inlay._core.ClientDisconnected",
        "send() was called, but the client has gone.", PyExc_OSError, NULL);
    if (!state->disconnected)
        return -1;
    return PyModule_AddObjectRef(module, "ClientDisconnected",
                                 state->disconnected);
}

int inlay_py_server_init(PyObject *module, struct inlay_py_state *py_state)
{
    struct inlay_asgi_state *state = &py_state->asgi;

    if (init_names(state) < 0 || init_disconnected(module, state) < 0 ||
        inlay_asgi_await_init(module, state) < 0 ||
        inlay_asgi_signal_init(module, state) < 0 ||
        inlay_asgi_http_init(state) < 0 ||
        inlay_asgi_websocket_init(state) < 0 ||
        inlay_asgi_callables_init(module, state) < 0 ||
        inlay_asgi_task_init(module, state) < 0 ||
        inlay_asgi_request_init(module, state) < 0 ||
        inlay_asgi_server_init(module, state) < 0)
        return -1;
    return 0;
}

int inlay_asgi_state_traverse(struct inlay_asgi_state *state,
                              visitproc visit,
                              void *arg)
{
#define REF(type, field) Py_VISIT(state->field);
    INLAY_ASGI_REFS(REF)
#undef REF
    return 0;
}

void inlay_asgi_state_clear(struct inlay_asgi_state *state)
{
#define REF(type, field) Py_CLEAR(state->field);
    INLAY_ASGI_REFS(REF)
#undef REF
#define NAME(field, text) Py_CLEAR(state->name_##field);
    INLAY_ASGI_NAMES(NAME)
#undef NAME
}
