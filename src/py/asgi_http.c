/* asgi_http.c - a request as the application sees it: what it receives, and
 * which messages it may send. */
#include "py/py.h"

#include "py/asgi_request.h"

#include "base/banned.h"

/* Bytes of room offered at once for the rest of a body: the first time, at
 * most; and how many must be missing for that. */
#define ROOM_FIRST 65536
#define ROOM_MOST (256u << 10)
#define ROOM_LEAST 16384

/* --- receive() ----------------------------------------------------------- */

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

/* The bytes that landed in the room offered; ends the chunk. */
static PyObject *take_landed(struct inlay_asgi_request *request,
                             struct inlay_chunk *chunk)
{
    request->offered = false;
    request->received += chunk->sent;
    /* The client is fast: it fills what it is given. */
    if (chunk->sent == chunk->len && request->room < ROOM_MOST)
        request->room *= 2;
    return inlay_asgi_landed(chunk);
}

/* The same of bytes in the relay, whose lock is held and given up. */
static PyObject *take_copied(struct inlay_asgi_request *request,
                             struct inlay_str bytes)
{
    /* The I/O thread may wait for the lock: nothing that runs Python. */
    PyObject *body =
        bytes.len ? PyBytes_FromStringAndSize(bytes.ptr, (Py_ssize_t)bytes.len)
                  : Py_NewRef(inlay_asgi_state(request)->empty_bytes);

    request->received += bytes.len;
    inlay_relay_body_end(request->relay);
    return body;
}

/* Much of the body is still to come: it may land where it will be. Without
 * memory an exception is pending. */
static void offer_room(struct inlay_asgi_request *request)
{
    struct inlay_relay *relay = request->relay;

    if (request->offered || relay->content_length < 0)
        return;
    uint64_t left = (uint64_t)relay->content_length - request->received;
    if (left < ROOM_LEAST)
        return;
    if (request->room == 0)
        request->room = ROOM_FIRST;
    struct inlay_chunk *chunk = inlay_asgi_room(
        relay->bridge, (size_t)inlay_min(left, (uint64_t)request->room));
    if (!chunk)
        return;
    request->offered = true;
    inlay_relay_body_room(relay, chunk);
}

static PyObject *next_message(struct inlay_asgi_request *request)
{
    struct inlay_relay *relay = request->relay;
    struct inlay_chunk *landed;
    struct inlay_str bytes;
    bool last;

    if (request->complete || request->finished)
        return disconnect(request);
    if (!request->wanted) {
        request->wanted = true;
        if (relay->expects_continue && relay->has_body)
            inlay_relay_want_body(relay);
    }
    if (request->body_over)
        return inlay_relay_left(relay) ? disconnect(request) : NULL;
    switch (inlay_relay_body_begin(relay, &landed, &bytes, &last)) {
    case INLAY_RELAY_OK:
        break;
    case INLAY_RELAY_GONE:
        return disconnect(request);
    case INLAY_RELAY_WAIT:
        offer_room(request);
        return NULL;
    case INLAY_RELAY_FULL:
    case INLAY_RELAY_OVER:
        return NULL;
    }
    request->body_over = last;
    return part(request,
                landed ? take_landed(request, landed)
                       : take_copied(request, bytes),
                last);
}

/* --- send() -------------------------------------------------------------- */

static PyObject *send_message(struct inlay_asgi_request *request,
                              PyObject *type,
                              PyObject *message)
{
    struct inlay_asgi_state *state = inlay_asgi_state(request);

    bool part = inlay_asgi_is(type, state->name_response_body);
    if (!part && !inlay_asgi_is(type, state->name_response_start))
        return inlay_asgi_extension_send(request, type, message);
    if (request->complete)
        return Py_NewRef(state->ready_none);
    if (request->trailing)
        return inlay_asgi_raise_expected("http.response.trailers", type);
    if (part != request->started)
        return inlay_asgi_raise_expected(
            part ? "http.response.start" : "http.response.body", type);
    if (part)
        return inlay_asgi_send_body(request, message);
    if (inlay_asgi_send_start(request, message) < 0)
        return NULL;
    return Py_NewRef(state->ready_none);
}

static const char *missing(const struct inlay_asgi_request *request)
{
    if (inlay_relay_left(request->relay))
        return NULL;
    return request->started ? "completing response" : "starting response";
}

const struct inlay_asgi_protocol inlay_asgi_http = {
    .scope = inlay_asgi_scope,
    .message = next_message,
    .send = send_message,
    .missing = missing,
};

int inlay_asgi_http_init(struct inlay_asgi_state *state)
{
    state->request_message = Py_BuildValue(
        "{OOOOOO}", state->name_type, state->name_http_request,
        state->name_body, state->empty_bytes, state->name_more_body, Py_False);
    state->disconnect_message =
        Py_BuildValue("{OO}", state->name_type, state->name_http_disconnect);
    return state->request_message && state->disconnect_message ? 0 : -1;
}
