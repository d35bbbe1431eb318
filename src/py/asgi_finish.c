/* asgi_finish.c - the application is done: what becomes of the answer. */
#include "py/py.h"

#include <stdarg.h>

#include "base/log.h"
#include "py/asgi_request.h"

#include "base/banned.h"

#define CHAIN 32 /* causes of an exception that are looked at */

void inlay_asgi_log(struct inlay_asgi_state *state,
                    int level,
                    PyObject *exception,
                    const char *format,
                    ...)
{
    PyObject *pending = inlay_py_exception_take();
    va_list args;

    va_start(args, format);
    _cleanup_decref_ PyObject *text = PyUnicode_FromFormatV(format, args);
    va_end(args);
    _cleanup_decref_ PyObject *number = PyLong_FromLong(level);
    _cleanup_decref_ PyObject *names = PyTuple_Pack(1, state->name_exc_info);
    PyObject *vector[] = {NULL, state->logger, number, text, exception};
    PyObject *result = NULL;

    if (text && number && names)
        result = PyObject_VectorcallMethod(state->name_log, vector + 1,
                                           3 | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                           exception ? names : NULL);
    if (!result)
        PyErr_WriteUnraisable(state->logger);
    Py_XDECREF(result);
    if (pending)
        inlay_py_exception_restore(pending);
}

/* Nothing of the application will follow. The caller has a reference. */
static void end(struct inlay_asgi_request *request)
{
    PyObject *coroutine = request->coroutine, *task = request->task;

    request->finished = true;
    request->coroutine = request->task = NULL;
    atomic_fetch_sub(&request->server->asgi.bridge->in_flight, 1);
    inlay_asgi_wake(request, false);
    PyObject *pending = inlay_py_exception_take();
    Py_XDECREF(coroutine);
    Py_XDECREF(task);
    inlay_asgi_forget(request);
    if (pending)
        inlay_py_exception_restore(pending);
}

/*
 * Nothing was sent yet: 500. Something was: the client must see the cut. A
 * WebSocket is closed: with 1011, or 1000 after a plain return.
 */
static void fail(struct inlay_asgi_request *request, bool raised)
{
    struct inlay_relay *relay = request->relay;

    if (request->complete)
        return;
    request->complete = true;
    if (request->accepted) {
        inlay_relay_close(relay, raised ? 1011 : 1000, INLAY_STR(""));
        return;
    }
    if (relay->answered) {
        inlay_relay_abort(relay);
        return;
    }
    if (request->scope)
        inlay_asgi_metrics_route(request);
    inlay_relay_start(relay, 500);
    if (inlay_relay_header(relay, INLAY_STR("content-type"),
                           INLAY_STR("text/plain; charset=utf-8")) !=
            INLAY_RELAY_OK ||
        inlay_relay_send(relay, INLAY_STR("Internal Server Error"), false) ==
            INLAY_RELAY_FULL)
        inlay_relay_abort(relay);
}

void inlay_asgi_returned(struct inlay_asgi_request *request, PyObject *result)
{
    struct inlay_asgi_state *state = inlay_asgi_state(request);

    if (result != Py_None)
        inlay_asgi_log(state, INLAY_LOG_ERROR, NULL,
                       "ASGI callable should return None, but returned '%S'.",
                       result);
    const char *missing =
        request->complete ? NULL : request->protocol->missing(request);
    if (missing) {
        inlay_asgi_metrics_failed(request, false);
        inlay_asgi_log(state, INLAY_LOG_ERROR, NULL,
                       "ASGI callable returned without %s.", missing);
    }
    fail(request, false);
    end(request);
}

/* Did it come from our telling that the client is gone? */
static bool from_disconnect(struct inlay_asgi_state *state, PyObject *exception)
{
    PyObject *at = Py_NewRef(exception);
    bool found = false;

    for (int i = 0; at && i < CHAIN; i++) {
        if (PyErr_GivenExceptionMatches(at, state->disconnected)) {
            found = true;
            break;
        }
        PyObject *next = PyException_GetCause(at);
        if (!next)
            next = PyException_GetContext(at);
        Py_SETREF(at, next);
    }
    Py_XDECREF(at);
    return found;
}

static bool is_news(struct inlay_asgi_request *request,
                    PyObject *exception,
                    bool cancelled)
{
    struct inlay_asgi_state *state = inlay_asgi_state(request);

    if (cancelled && request->server->asgi.stopping)
        return false;
    if (!request->left && !inlay_relay_gone(request->relay))
        return true;
    return !cancelled && !from_disconnect(state, exception);
}

bool inlay_asgi_raised(struct inlay_asgi_request *request)
{
    struct inlay_asgi_state *state = inlay_asgi_state(request);
    PyObject *exception = inlay_py_exception_take();
    bool cancelled =
        PyErr_GivenExceptionMatches(exception, state->cancelled_error);
    bool closing = PyErr_GivenExceptionMatches(exception, PyExc_GeneratorExit);

    if (!closing && is_news(request, exception, cancelled)) {
        inlay_asgi_metrics_failed(request, true);
        inlay_asgi_log(state, INLAY_LOG_ERROR, exception,
                       "Exception in ASGI application");
    }
    fail(request, true);
    end(request);
    if (!cancelled && !closing) {
        /* Contained, SystemExit included: one request does not end all. */
        Py_DECREF(exception);
        return false;
    }
    inlay_py_exception_restore(exception);
    return true;
}
