/*
 * asgi_websocket.c - a WebSocket as the application sees it: connect, accept
 * or refuse, messages, the end (ASGI specs/www.rst; docs/extensions.rst for
 * the refusal with an answer of one's own).
 */
#include "py/py.h"

#include "http/header.h"
#include "py/asgi_request.h"

#include "base/banned.h"

#define ABNORMAL 1006 /* RFC 6455 7.4.1: no close frame came */

/* --- receive() ----------------------------------------------------------- */

/* How it ended is kept: receive() says it again. Steals `reason`. */
static PyObject *disconnect(struct inlay_asgi_request *request,
                            unsigned code,
                            PyObject *reason)
{
    struct inlay_asgi_state *state = inlay_asgi_state(request);
    PyObject *message = reason ? PyDict_Copy(state->end_message) : NULL;
    PyObject *number = message ? PyLong_FromUnsignedLong(code) : NULL;

    if (!number || PyDict_SetItem(message, state->name_code, number) < 0 ||
        PyDict_SetItem(message, state->name_reason, reason) < 0)
        Py_CLEAR(message);
    Py_XDECREF(number);
    request->code = (uint16_t)code;
    Py_XSETREF(request->reason, reason);
    request->left = !request->complete;
    return message;
}

static PyObject *ended(struct inlay_asgi_request *request)
{
    if (request->reason)
        return disconnect(request, request->code, Py_NewRef(request->reason));
    return disconnect(request, ABNORMAL, PyUnicode_FromString(""));
}

static PyObject *make_message(struct inlay_asgi_request *request,
                              struct inlay_record record,
                              struct inlay_str bytes)
{
    struct inlay_asgi_state *state = inlay_asgi_state(request);
    Py_ssize_t len = (Py_ssize_t)bytes.len;
    bool text = record.kind != INLAY_RECORD_BINARY;
    PyObject *value = text ? PyUnicode_DecodeUTF8(bytes.ptr, len, "replace")
                           : PyBytes_FromStringAndSize(bytes.ptr, len);

    if (record.kind == INLAY_RECORD_CLOSE)
        return disconnect(request, record.number, value);
    PyObject *message =
        value ? PyDict_Copy(text ? state->text_message : state->bytes_message)
              : NULL;
    if (!message ||
        PyDict_SetItem(message, text ? state->name_text : state->name_bytes,
                       value) < 0)
        Py_CLEAR(message);
    Py_XDECREF(value);
    return message;
}

static PyObject *next_message(struct inlay_asgi_request *request)
{
    struct inlay_relay *relay = request->relay;
    struct inlay_record record;
    struct inlay_str bytes;

    if (!request->wanted) {
        request->wanted = true;
        return PyDict_Copy(inlay_asgi_state(request)->connect_message);
    }
    if (request->finished)
        return ended(request);
    if (!request->accepted && (request->complete || inlay_relay_left(relay)))
        return ended(request);
    switch (inlay_relay_message(relay, &record, &bytes)) {
    case INLAY_RELAY_OK:
        return make_message(request, record, bytes);
    case INLAY_RELAY_GONE:
        return ended(request);
    case INLAY_RELAY_WAIT:
    case INLAY_RELAY_FULL:
    case INLAY_RELAY_OVER:
        break;
    }
    return request->complete ? ended(request) : NULL;
}

/* --- Accept and refuse --------------------------------------------------- */

/* What the handshake itself says (RFC 6455 4.2.2), or what would frame it. */
static bool is_handshake(struct inlay_str name)
{
    static const struct inlay_str names[] = {
        INLAY_STR("connection"),
        INLAY_STR("content-length"),
        INLAY_STR("sec-websocket-accept"),
        INLAY_STR("sec-websocket-extensions"),
        INLAY_STR("transfer-encoding"),
        INLAY_STR("upgrade"),
    };

    return inlay_header_name_among(name, names, inlay_array_size(names));
}

static int add_header(struct inlay_asgi_request *request,
                      struct inlay_str name,
                      struct inlay_str value)
{
    if (inlay_str_is_nocase(name, "sec-websocket-protocol")) {
        PyErr_SetString(PyExc_RuntimeError,
                        "a header 'sec-websocket-protocol' is not allowed: "
                        "use the key 'subprotocol' of 'websocket.accept'");
        return -1;
    }
    if (is_handshake(name)) {
        PyErr_Format(PyExc_RuntimeError,
                     "a header '%.*s' is not allowed in 'websocket.accept'",
                     (int)name.len, name.ptr);
        return -1;
    }
    if (inlay_relay_header(request->relay, name, value) != INLAY_RELAY_OK) {
        PyErr_SetString(PyExc_RuntimeError, "the headers are too large");
        return -1;
    }
    return 0;
}

/* As the first header. 0 or -1. */
static int add_subprotocol(struct inlay_asgi_request *request,
                           PyObject *message)
{
    struct inlay_str value = INLAY_STR("");
    _cleanup_decref_ PyObject *given =
        inlay_asgi_get(message, inlay_asgi_state(request)->name_subprotocol);

    if (!given && PyErr_Occurred())
        return -1;
    if (given) {
        Py_ssize_t len;
        const char *text = PyUnicode_AsUTF8AndSize(given, &len);

        if (!text)
            return -1;
        value = inlay_str_make(text, (size_t)len);
        if (len && !inlay_header_name_valid(value)) {
            PyErr_Format(PyExc_ValueError, "%R is no subprotocol", given);
            return -1;
        }
    }
    if (inlay_relay_header(request->relay, INLAY_STR("sec-websocket-protocol"),
                           value) != INLAY_RELAY_OK) {
        PyErr_SetString(PyExc_RuntimeError, "the headers are too large");
        return -1;
    }
    return 0;
}

static PyObject *send_accept(struct inlay_asgi_request *request,
                             PyObject *message)
{
    if (request->scope)
        inlay_asgi_metrics_route(request);
    inlay_relay_start(request->relay, 101);
    if (add_subprotocol(request, message) < 0 ||
        inlay_asgi_headers(request, message, add_header) < 0)
        return NULL;
    enum inlay_relay_status status = inlay_relay_accept(request->relay);
    if (status == INLAY_RELAY_OK)
        request->accepted = true;
    return inlay_asgi_sent_part(request, status, true);
}

/* websocket.close instead of an accept. */
static PyObject *refuse(struct inlay_asgi_request *request)
{
    if (request->left || inlay_relay_gone(request->relay))
        return Py_NewRef(inlay_asgi_state(request)->ready_none);
    if (request->scope)
        inlay_asgi_metrics_route(request);
    inlay_relay_start(request->relay, 403);
    return inlay_asgi_sent_part(
        request, inlay_relay_send(request->relay, INLAY_STR(""), false), false);
}

/* --- Messages and close -------------------------------------------------- */

static PyObject *hand_over(struct inlay_asgi_request *request,
                           enum inlay_websocket_kind kind,
                           struct inlay_str bytes)
{
    return inlay_asgi_sent_part(
        request, inlay_relay_send_message(request->relay, kind, bytes), true);
}

static PyObject *send_text(struct inlay_asgi_request *request, PyObject *text)
{
    Py_ssize_t len;

    if (!PyUnicode_Check(text)) {
        PyErr_Format(PyExc_TypeError, "text must be str, not %s",
                     Py_TYPE(text)->tp_name);
        return NULL;
    }
    /* Of ASCII it is the string itself; else it is kept with it, so that a
     * broadcast encodes once. */
    const char *utf8 = PyUnicode_AsUTF8AndSize(text, &len);
    if (!utf8)
        return NULL;
    return hand_over(request, INLAY_WEBSOCKET_TEXT,
                     inlay_str_make(utf8, (size_t)len));
}

static PyObject *send_bytes(struct inlay_asgi_request *request, PyObject *bytes)
{
    Py_buffer buffer;

    if (PyBytes_Check(bytes))
        return hand_over(request, INLAY_WEBSOCKET_BINARY,
                         inlay_str_make(PyBytes_AS_STRING(bytes),
                                        (size_t)PyBytes_GET_SIZE(bytes)));
    if (!PyObject_CheckBuffer(bytes)) {
        PyErr_Format(PyExc_TypeError, "bytes must be bytes, not %s",
                     Py_TYPE(bytes)->tp_name);
        return NULL;
    }
    if (PyObject_GetBuffer(bytes, &buffer, PyBUF_SIMPLE) < 0)
        return NULL;
    PyObject *result =
        hand_over(request, INLAY_WEBSOCKET_BINARY,
                  inlay_str_make(buffer.buf, (size_t)buffer.len));
    PyBuffer_Release(&buffer);
    return result;
}

static PyObject *send_data(struct inlay_asgi_request *request,
                           PyObject *message)
{
    struct inlay_asgi_state *state = inlay_asgi_state(request);

    if (request->left)
        return inlay_asgi_raise_disconnected(state);
    PyObject *value = inlay_asgi_get(message, state->name_bytes);
    PyObject *result = NULL;
    if (value) {
        result = send_bytes(request, value);
    } else if (!PyErr_Occurred() &&
               (value = inlay_asgi_get(message, state->name_text))) {
        result = send_text(request, value);
    } else if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError,
                        "'websocket.send' needs 'text' or 'bytes'");
    }
    Py_XDECREF(value);
    return result;
}

/* RFC 6455 7.4: which codes a server may send. */
static bool is_code(long code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static int read_code(PyObject *given, uint16_t *ret)
{
    int overflow;
    long code;

    *ret = 1000;
    if (!given)
        return PyErr_Occurred() ? -1 : 0;
    if (!PyLong_Check(given)) {
        PyErr_Format(PyExc_TypeError, "code must be an int, not %s",
                     Py_TYPE(given)->tp_name);
        return -1;
    }
    code = PyLong_AsLongAndOverflow(given, &overflow);
    if (overflow || !is_code(code)) {
        PyErr_Format(PyExc_ValueError,
                     "%S is no code for 'websocket.close': 1000-1003, "
                     "1007-1014 and 3000-4999 are",
                     given);
        return -1;
    }
    *ret = (uint16_t)code;
    return 0;
}

static PyObject *send_close(struct inlay_asgi_request *request,
                            PyObject *message)
{
    struct inlay_asgi_state *state = inlay_asgi_state(request);
    _cleanup_decref_ PyObject *given =
        inlay_asgi_get(message, state->name_code);
    uint16_t code;
    Py_ssize_t len;

    if (read_code(given, &code) < 0)
        return NULL;
    PyObject *reason = inlay_asgi_get(message, state->name_reason);
    if (!reason && !PyErr_Occurred())
        reason = PyUnicode_FromString("");
    const char *text = reason ? PyUnicode_AsUTF8AndSize(reason, &len) : NULL;
    if (!text) {
        Py_XDECREF(reason);
        return NULL;
    }
    /* A client that has gone has got what this asks for. */
    if (request->left || inlay_relay_gone(request->relay)) {
        Py_DECREF(reason);
        return Py_NewRef(state->ready_none);
    }
    inlay_relay_close(request->relay, code, inlay_str_make(text, (size_t)len));
    request->code = code;
    Py_XSETREF(request->reason, reason);
    return inlay_asgi_sent_part(request, INLAY_RELAY_OK, false);
}

/* --- send() -------------------------------------------------------------- */

/* The handshake is not answered yet. */
static PyObject *send_first(struct inlay_asgi_request *request,
                            PyObject *type,
                            PyObject *message)
{
    struct inlay_asgi_state *state = inlay_asgi_state(request);

    if (inlay_asgi_is(type, state->name_websocket_close))
        return refuse(request);
    if (request->left)
        return inlay_asgi_raise_disconnected(state);
    if (inlay_asgi_is(type, state->name_websocket_accept))
        return send_accept(request, message);
    if (!inlay_asgi_is(type, state->name_websocket_start))
        return inlay_asgi_raise_expected("websocket.accept', 'websocket.close' "
                                         "or 'websocket.http.response.start",
                                         type);
    if (inlay_asgi_send_start(request, message) < 0)
        return NULL;
    return Py_NewRef(state->ready_none);
}

static PyObject *send_message(struct inlay_asgi_request *request,
                              PyObject *type,
                              PyObject *message)
{
    struct inlay_asgi_state *state = inlay_asgi_state(request);

    if (request->complete) {
        PyErr_Format(PyExc_RuntimeError,
                     "Unexpected ASGI message '%U', after sending "
                     "'websocket.close' or response already completed.",
                     type);
        return NULL;
    }
    if (request->accepted) {
        if (inlay_asgi_is(type, state->name_websocket_send))
            return send_data(request, message);
        if (inlay_asgi_is(type, state->name_websocket_close))
            return send_close(request, message);
        return inlay_asgi_raise_expected("websocket.send' or 'websocket.close",
                                         type);
    }
    if (!request->started)
        return send_first(request, type, message);
    if (!inlay_asgi_is(type, state->name_websocket_body))
        return inlay_asgi_raise_expected("websocket.http.response.body", type);
    return inlay_asgi_send_body(request, message);
}

static const char *missing(const struct inlay_asgi_request *request)
{
    if (request->accepted || inlay_relay_left(request->relay))
        return NULL;
    return request->started ? "completing response" : "completing handshake";
}

const struct inlay_asgi_protocol inlay_asgi_websocket = {
    .scope = inlay_asgi_websocket_scope,
    .message = next_message,
    .send = send_message,
    .missing = missing,
};

int inlay_asgi_websocket_init(struct inlay_asgi_state *state)
{
    state->connect_message =
        Py_BuildValue("{OO}", state->name_type, state->name_websocket_connect);
    state->text_message =
        Py_BuildValue("{OOOO}", state->name_type, state->name_websocket_receive,
                      state->name_text, Py_None);
    state->bytes_message =
        Py_BuildValue("{OOOO}", state->name_type, state->name_websocket_receive,
                      state->name_bytes, Py_None);
    state->end_message = Py_BuildValue(
        "{OOOOOO}", state->name_type, state->name_websocket_disconnect,
        state->name_code, Py_None, state->name_reason, Py_None);
    return state->connect_message && state->text_message &&
                   state->bytes_message && state->end_message
               ? 0
               : -1;
}
