/* asgi_send.c - the start and the body of an answer, checked and handed to the
 * I/O thread. */
#include "py/py.h"

#include "http/header.h"
#include "py/asgi_request.h"

#include "base/banned.h"

/* --- http.response.start ------------------------------------------------- */

static int read_length(struct inlay_asgi_request *request,
                       struct inlay_str value)
{
    int64_t length = inlay_header_length(value);

    if (length < 0 || (request->expected >= 0 && request->expected != length)) {
        PyErr_SetString(PyExc_RuntimeError, "Invalid Content-Length header.");
        return -1;
    }
    request->expected = length;
    return 0;
}

static bool is_length(struct inlay_str name)
{
    static const char length[] = "content-length";

    if (name.len != sizeof(length) - 1)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (inlay_ascii_lower(name.ptr[i]) != length[i])
            return false;
    }
    return true;
}

static int add_header(struct inlay_asgi_request *request,
                      struct inlay_str name,
                      struct inlay_str value)
{
    if (is_length(name)) {
        bool again = request->expected >= 0;

        if (read_length(request, value) < 0)
            return -1;
        if (again)
            return 0;
    }
    if (inlay_relay_header(request->relay, name, value) != INLAY_RELAY_OK) {
        PyErr_SetString(PyExc_RuntimeError, "the headers are too large");
        return -1;
    }
    return 0;
}

static int read_status(struct inlay_asgi_request *request,
                       PyObject *message,
                       int *ret)
{
    struct inlay_asgi_state *state = inlay_asgi_state(request);
    _cleanup_decref_ PyObject *given =
        inlay_py_dict_get(message, state->name_status);

    if (!given) {
        if (!PyErr_Occurred())
            PyErr_SetObject(PyExc_KeyError, state->name_status);
        return -1;
    }
    if (!PyLong_Check(given)) {
        PyErr_Format(PyExc_TypeError, "status must be an int, not %s",
                     Py_TYPE(given)->tp_name);
        return -1;
    }
    int overflow;
    long status = PyLong_AsLongAndOverflow(given, &overflow);
    if (overflow || status < 200 || status > 999) {
        PyErr_Format(PyExc_ValueError, "%S is no status of a final response",
                     given);
        return -1;
    }
    *ret = (int)status;
    return 0;
}

int inlay_asgi_send_start(struct inlay_asgi_request *request, PyObject *message)
{
    struct inlay_relay *relay = request->relay;
    int status, trailers = 0;

    if (read_status(request, message, &status) < 0)
        return -1;
    /* To a client that does not read them they are not sent. */
    if (inlay_unlikely(relay->wants_trailers && !relay->websocket))
        trailers = inlay_asgi_get_flag(
            message, inlay_asgi_state(request)->name_trailers, false);
    if (trailers < 0)
        return -1;
    request->expected = -1;
    if (request->scope)
        inlay_asgi_metrics_route(request);
    inlay_relay_start(relay, status);
    if (inlay_asgi_headers(request, message, add_header) < 0)
        return -1;
    request->bodiless =
        status == 204 || status == 304 || relay->method_id == INLAY_METHOD_HEAD;
    request->trailers = trailers;
    request->started = true;
    return 0;
}

/* --- http.response.body -------------------------------------------------- */

int inlay_asgi_body_check(struct inlay_asgi_request *request,
                          size_t len,
                          bool more)
{
    if (request->bodiless || request->expected < 0)
        return 0;
    if (len > (uint64_t)request->expected) {
        PyErr_SetString(PyExc_RuntimeError,
                        "Response content longer than Content-Length");
        return -1;
    }
    if (!more && len < (uint64_t)request->expected) {
        PyErr_SetString(PyExc_RuntimeError,
                        "Response content shorter than Content-Length");
        return -1;
    }
    request->expected -= (int64_t)len;
    return 0;
}

PyObject *inlay_asgi_sent_part(struct inlay_asgi_request *request,
                               enum inlay_relay_status status,
                               bool more)
{
    struct inlay_asgi_state *state = inlay_asgi_state(request);

    switch (status) {
    case INLAY_RELAY_GONE:
        return inlay_asgi_raise_disconnected(state);
    case INLAY_RELAY_FULL:
        return PyErr_NoMemory();
    case INLAY_RELAY_OVER:
        return inlay_asgi_raise_over(request);
    case INLAY_RELAY_OK:
    case INLAY_RELAY_WAIT:
        break;
    }
    if (!more && !request->trailers) {
        request->complete = true;
        inlay_asgi_wake(request, false);
        return Py_NewRef(state->ready_none);
    }
    if (!more)
        request->trailing = true;
    if (status == INLAY_RELAY_WAIT)
        return inlay_asgi_wait(request, INLAY_ASGI_DRAIN);
    return Py_NewRef(state->ready_none);
}

/* `object` is a bytes object that holds `bytes`, or NULL. */
static enum inlay_relay_status relay_part(struct inlay_asgi_request *request,
                                          PyObject *object,
                                          struct inlay_str bytes,
                                          bool more)
{
    if (!object || bytes.len <= INLAY_ASGI_LENT)
        return inlay_relay_send(request->relay, bytes, more);
    struct inlay_chunk *chunk = inlay_asgi_lend(request->relay->bridge, object);
    return chunk ? inlay_relay_send_chunk(request->relay, chunk, more)
                 : INLAY_RELAY_FULL;
}

/* What send() is to return, or NULL with an exception. */
static PyObject *hand_over(struct inlay_asgi_request *request,
                           PyObject *object,
                           struct inlay_str bytes,
                           bool more)
{
    if (request->left)
        return inlay_asgi_raise_disconnected(inlay_asgi_state(request));
    if (inlay_asgi_body_check(request, bytes.len, more) < 0)
        return NULL;
    if (request->bodiless && request->relay->answered)
        bytes.len = 0;
    request->mixed = true;
    return inlay_asgi_sent_part(
        request, relay_part(request, object, bytes, more || request->trailers),
        more);
}

PyObject *inlay_asgi_send_body(struct inlay_asgi_request *request,
                               PyObject *message)
{
    struct inlay_asgi_state *state = inlay_asgi_state(request);

    if (request->complete)
        return Py_NewRef(state->ready_none);
    int more = inlay_asgi_get_flag(message, state->name_more_body, false);
    if (more < 0)
        return NULL;
    _cleanup_decref_ PyObject *body =
        inlay_py_dict_get(message, state->name_body);
    if (!body) {
        if (PyErr_Occurred())
            return NULL;
        return hand_over(request, NULL, inlay_str_make("", 0), more);
    }
    if (PyBytes_Check(body))
        return hand_over(request, body,
                         inlay_str_make(PyBytes_AS_STRING(body),
                                        (size_t)PyBytes_GET_SIZE(body)),
                         more);
    Py_buffer buffer;
    if (!PyObject_CheckBuffer(body)) {
        PyErr_Format(PyExc_TypeError, "body must be bytes, not %s",
                     Py_TYPE(body)->tp_name);
        return NULL;
    }
    if (PyObject_GetBuffer(body, &buffer, PyBUF_SIMPLE) < 0)
        return NULL;
    PyObject *result = hand_over(
        request, NULL, inlay_str_make(buffer.buf, (size_t)buffer.len), more);
    PyBuffer_Release(&buffer);
    return result;
}
