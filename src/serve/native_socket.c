#include "serve/native_socket.h"

#include <stdio.h>

#include "http/http1.h"
#include "load/context.h"
#include "serve/native_task.h"
#include "serve/response.h"
#include "serve/server.h"
#include "serve/websocket.h"

#include "base/banned.h"

#define CLOSE_NORMAL 1000
#define CLOSE_POLICY 1008     /* RFC 6455 7.4.1: "violates its policy" */
#define COPIED ((size_t)4096) /* longer messages go without another copy */

/* What stands before each message that waits. */
struct record {
    size_t len;
    bool binary;
};

/* In the request's arena; what `inbox` has is freed when the call is over. */
struct native_socket {
    struct inlay_io_thread *thread;
    struct inlay_buf inbox;     /* records; the first one may be in use */
    size_t messages;            /* in it */
    size_t in_use;              /* bytes of it that the function was given */
    struct inlay_message given; /* to the function that waits, as it came */
    bool hungry;                /* it waits in inlay_receive */
    bool has_given;
    bool accepted;
    bool shut;   /* we have closed it */
    bool ended;  /* the request is over, or will be at once */
    bool paused; /* the client is to wait */
};

static struct native_socket *socket_of(const struct inlay_native_call *call)
{
    return call->work->arg;
}

static const struct inlay_limits *limits_of(const struct native_socket *socket)
{
    return &socket->thread->server->config.limits;
}

/* --- Who may ----------------------------------------------------------------- */

/* The call whose function runs, if `context` is its own socket; else NULL, and
 * it has failed. */
static struct inlay_native_call *own_call(struct inlay_context *context,
                                          const char *name)
{
    struct inlay_context *current = inlay_context_current;

    if (context == current)
        return inlay_native_call_of(context);
    inlay_native_misuse(inlay_native_call_of(current), name,
                        "only the function that a socket was given to can");
    return NULL;
}

/* The same for what may be done to others' of this thread. */
static struct native_socket *any_socket(struct inlay_context *context,
                                        const char *name)
{
    struct native_socket *socket = socket_of(inlay_native_call_of(context));
    struct inlay_native_call *running =
        inlay_native_call_of(inlay_context_current);

    if (!inlay_native_is_pooled(running) &&
        (context == inlay_context_current ||
         running->request->thread == socket->thread))
        return socket;
    inlay_native_misuse(running, name,
                        "the socket is served by another thread");
    return NULL;
}

/* --- Accepting --------------------------------------------------------------- */

/* Sec-WebSocket-Protocol: a list; a client refuses what is not on it. */
static bool is_offered(const struct inlay_request *request,
                       struct inlay_str subprotocol)
{
    for (size_t i = 0; i < request->nheaders; i++) {
        struct inlay_str rest = request->headers[i].value;

        if (!inlay_str_is_nocase(request->headers[i].name,
                                 "sec-websocket-protocol"))
            continue;
        while (rest.len) {
            const char *comma = memchr(rest.ptr, ',', rest.len);
            size_t len = comma ? (size_t)(comma - rest.ptr) : rest.len;

            if (inlay_str_equal(inlay_str_trim(inlay_str_make(rest.ptr, len)),
                                subprotocol))
                return true;
            rest.ptr += len + (comma != NULL);
            rest.len -= len + (comma != NULL);
        }
    }
    return false;
}

static bool accept_it(struct inlay_native_call *call,
                      struct inlay_str subprotocol)
{
    struct native_socket *socket = socket_of(call);

    if (inlay_unlikely(call->task->closed || call->context.error))
        return inlay_native_refuse(&call->context);
    if (socket->accepted)
        return true;
    if (call->said && (call->said->status || call->said->redirected ||
                       call->said->has_file || call->said->next)) {
        inlay_native_misuse(call, "inlay_accept", "there is an answer already");
        return false;
    }
    if (subprotocol.len && !is_offered(call->request, subprotocol)) {
        inlay_native_misuse(call, "inlay_accept",
                            "the client has not offered that subprotocol");
        return false;
    }
    if (inlay_websocket_accept(call->request, subprotocol, NULL, 0) < 0) {
        inlay_context_fail(&call->context, INLAY_UNAVAILABLE,
                           INLAY_STR("the WebSocket can't be accepted"));
        return false;
    }
    socket->accepted = true;
    return true;
}

static bool accept_socket(struct inlay_context *context,
                          struct inlay_str subprotocol)
{
    struct inlay_native_call *call = own_call(context, "inlay_accept");

    return call && inlay_native_may_wait(call, "inlay_accept") &&
           accept_it(call, subprotocol);
}

/* --- Receiving --------------------------------------------------------------- */

static bool is_full(const struct native_socket *socket)
{
    const struct inlay_limits *limits = limits_of(socket);

    return socket->messages >= limits->ws_queue ||
           inlay_buf_len(&socket->inbox) >= limits->body_window;
}

/* The bytes of the last one were valid until now. */
static void release(struct native_socket *socket)
{
    if (!socket->in_use)
        return;
    inlay_buf_consume(&socket->inbox, socket->in_use);
    socket->in_use = 0;
    if (inlay_buf_len(&socket->inbox) == 0)
        inlay_buf_shrink(&socket->inbox, COPIED);
}

static void take(struct native_socket *socket, struct inlay_message *ret)
{
    const char *first = socket->inbox.data + socket->inbox.start;
    struct record record;

    memcpy(&record, first, sizeof(record));
    ret->binary = record.binary;
    ret->data = inlay_str_make(first + sizeof(record), record.len);
    socket->in_use = sizeof(record) + record.len;
    socket->messages--;
}

static void read_on(struct inlay_native_call *call)
{
    struct native_socket *socket = socket_of(call);

    if (!socket->paused || socket->ended || is_full(socket))
        return;
    socket->paused = false;
    inlay_request_resume(call->request);
}

/*
 * What has come before the end is still received. Who waits gets the message
 * where it lies: the function runs on at once, and until its next wait.
 */
static bool receive(struct inlay_context *context, struct inlay_message *ret)
{
    struct inlay_native_call *call = own_call(context, "inlay_receive");
    struct inlay_message none = {.data = INLAY_STR("")};

    if (ret)
        *ret = none;
    if (!call || !ret || !inlay_native_may_wait(call, "inlay_receive"))
        return false;
    struct native_socket *socket = socket_of(call);
    release(socket);
    if (!socket->accepted && !accept_it(call, INLAY_STR("")))
        return false;
    if (socket->shut)
        return inlay_native_refuse(context);
    if (!socket->messages) {
        read_on(call);
        socket->hungry = true;
        inlay_native_await(call, INLAY_NATIVE_MESSAGE);
        socket->hungry = false;
        if (!socket->has_given)
            return false;
        socket->has_given = false;
        *ret = socket->given;
        return true;
    }
    take(socket, ret);
    read_on(call);
    return true;
}

static int keep(struct native_socket *socket,
                bool binary,
                struct inlay_str bytes)
{
    struct record record = {.len = bytes.len, .binary = binary};

    if (bytes.len > SIZE_MAX / 4 ||
        inlay_buf_reserve(&socket->inbox, sizeof(record) + bytes.len) < 0)
        return -1;
    inlay_buf_append(&socket->inbox, &record, sizeof(record));
    inlay_buf_append(&socket->inbox, bytes.ptr, bytes.len);
    socket->messages++;
    return 0;
}

void inlay_native_on_message(struct inlay_handler *handler inlay_unused,
                             struct inlay_request *request,
                             enum inlay_websocket_kind kind,
                             struct inlay_str bytes)
{
    struct inlay_native_call *call = request->handler_data;
    bool binary = kind == INLAY_WEBSOCKET_BINARY;

    /* It may have closed the socket and go on. */
    if (!call || socket_of(call)->shut)
        return;
    struct native_socket *socket = socket_of(call);
    if (socket->hungry) {
        socket->hungry = false;
        socket->given = (struct inlay_message){.data = bytes, .binary = binary};
        socket->has_given = true;
        inlay_native_wake(call, INLAY_NATIVE_MESSAGE);
        return;
    }
    if (keep(socket, binary, bytes) < 0) {
        socket->shut = true;
        inlay_websocket_shut(request, INLAY_WEBSOCKET_INTERNAL_ERROR,
                             INLAY_STR("out of memory"));
        inlay_native_close(call);
        return;
    }
    if (is_full(socket) && !socket->paused) {
        socket->paused = true;
        inlay_request_pause(request);
    }
}

/* --- Sending ----------------------------------------------------------------- */

static bool is_window_open(const struct inlay_native_call *call)
{
    return inlay_response_queued(call->request) <=
           limits_of(socket_of(call))->write_window;
}

static int put(struct inlay_native_call *call, struct inlay_message message)
{
    enum inlay_websocket_kind kind =
        message.binary ? INLAY_WEBSOCKET_BINARY : INLAY_WEBSOCKET_TEXT;

    return inlay_websocket_send(call->request, kind, message.data);
}

/* May it be sent at all? Else the running call has failed. */
static bool is_sendable(struct inlay_message message)
{
    struct inlay_native_call *running =
        inlay_native_call_of(inlay_context_current);

    if (message.data.len && !message.data.ptr) {
        inlay_native_misuse(running, "inlay_send", "a NULL with a length");
        return false;
    }
    if (!message.binary && !inlay_utf8_valid(message.data)) {
        inlay_native_misuse(running, "inlay_send",
                            "the text is not UTF-8; set `binary`");
        return false;
    }
    return true;
}

/* To somebody else's: it is sent at once, or not at all. */
static bool send_to(struct inlay_native_call *call,
                    struct inlay_message message)
{
    struct native_socket *socket = any_socket(&call->context, "inlay_send");

    return socket && socket->accepted && !socket->shut && !socket->ended &&
           is_window_open(call) && is_sendable(message) &&
           put(call, message) == 0;
}

static bool send_message(struct inlay_context *context,
                         struct inlay_message message)
{
    struct inlay_native_call *call = inlay_native_call_of(context);

    if (context != inlay_context_current)
        return send_to(call, message);
    if (!inlay_native_may_wait(call, "inlay_send"))
        return false;
    struct native_socket *socket = socket_of(call);
    if (!socket->accepted && !accept_it(call, INLAY_STR("")))
        return false;
    if (socket->shut || call->task->closed)
        return inlay_native_refuse(context);
    if (!is_sendable(message))
        return false;
    if (put(call, message) < 0)
        return inlay_native_refuse(context);
    while (!is_window_open(call)) {
        if (!inlay_native_await(call, INLAY_NATIVE_DRAINED))
            return false;
    }
    return true;
}

/* --- The end ----------------------------------------------------------------- */

static void close_it(struct inlay_context *context,
                     int code,
                     struct inlay_str reason)
{
    struct native_socket *socket = any_socket(context, "inlay_close");
    struct inlay_native_call *call = inlay_native_call_of(context);

    if (!socket || socket->shut || socket->ended || call->task->closed)
        return;
    if (code < CLOSE_NORMAL || code > 4999 ||
        !inlay_websocket_code_valid((unsigned)code)) {
        inlay_native_misuse(inlay_native_call_of(inlay_context_current),
                            "inlay_close",
                            "the code is not one of 1000 to 1003, 1007 to "
                            "1014 and 3000 to 4999");
        return;
    }
    if (!socket->accepted && (context != inlay_context_current ||
                              !inlay_native_may_wait(call, "inlay_close") ||
                              !accept_it(call, INLAY_STR(""))))
        return;
    socket->shut = true;
    inlay_websocket_shut(call->request, (uint16_t)code, reason);
}

/* Whose fault was it (RFC 6455 7.4.1)? */
static uint16_t code_of(int error)
{
    return inlay_error_kind_status(error) < 500
               ? CLOSE_POLICY
               : INLAY_WEBSOCKET_INTERNAL_ERROR;
}

static void log_failure(const struct inlay_native_call *call)
{
    const struct inlay_func *func = call->step->bind->callable->func;

    if (!call->context.error ||
        code_of(call->context.error) != INLAY_WEBSOCKET_INTERNAL_ERROR)
        return;
    inlay_log_write(&socket_of(call)->thread->server->config.log,
                    INLAY_LOG_ERROR, "%.*s: closed, from %.*s (%.*s:%u): %.*s",
                    inlay_str_arg(call->work->what), inlay_str_arg(func->name),
                    inlay_str_arg(func->decl.file), func->decl.line,
                    inlay_str_arg(call->context.error_text));
}

/* Its function said neither yes nor no. */
static void refuse(struct inlay_native_call *call)
{
    int status = inlay_native_status(call, 403);

    inlay_response_error(call->request, status, inlay_http_reason(status));
}

static void on_done(struct inlay_native_call *call)
{
    struct native_socket *socket = socket_of(call);
    struct inlay_str reason = INLAY_STR("");
    uint16_t code = CLOSE_NORMAL;

    inlay_buf_deinit(&socket->inbox);
    socket->ended = true;
    if (!socket->accepted) {
        if (!inlay_native_answer(call))
            refuse(call);
        return;
    }
    if (call->end == INLAY_NATIVE_FAILED) {
        code = code_of(call->context.error);
        log_failure(call);
        if (code == CLOSE_POLICY)
            reason = call->context.error_text;
    }
    call->request->handler_data = NULL;
    inlay_websocket_close(call->request, code, reason);
}

static void on_gone(struct inlay_native_call *call)
{
    inlay_buf_deinit(&socket_of(call)->inbox);
    if (call->end == INLAY_NATIVE_FAILED)
        log_failure(call);
}

void inlay_native_on_websocket_end(struct inlay_handler *handler inlay_unused,
                                   struct inlay_request *request,
                                   uint16_t code inlay_unused,
                                   struct inlay_str reason inlay_unused)
{
    struct inlay_native_call *call = request->handler_data;

    if (!call)
        return;
    socket_of(call)->ended = true;
    inlay_native_abort(call);
}

/* --- Services ---------------------------------------------------------------- */

static void say_header(struct inlay_context *context,
                       struct inlay_str name,
                       struct inlay_str value,
                       bool replaces)
{
    struct inlay_str own = INLAY_STR("sec-websocket-");

    if (name.len >= own.len &&
        inlay_str_equal_nocase(inlay_str_make(name.ptr, own.len), own))
        inlay_native_misuse(inlay_native_call_of(context), "a header",
                            "the handshake's own are set by inlay_accept");
    else
        inlay_native_say_header(context, name, value, replaces);
}

static void redirect(struct inlay_context *context,
                     int status,
                     struct inlay_str location)
{
    inlay_native_http.redirect(context, status, location);
}

static void send_file(struct inlay_context *context, struct inlay_str path)
{
    inlay_native_http.send_file(context, path);
}

static void pass_on(struct inlay_context *context)
{
    inlay_native_http.next(context);
}

static int answered(struct inlay_context *context)
{
    return inlay_native_http.answered(context);
}

static void misuse(struct inlay_context *context, const char *name)
{
    inlay_native_misuse(inlay_native_call_of(context), name,
                        "a WebSocket has no body: inlay_receive, inlay_send");
}

static void say_trailer(struct inlay_context *context,
                        struct inlay_str name inlay_unused,
                        struct inlay_str value inlay_unused)
{
    misuse(context, "inlay_trailer_set");
}

static ptrdiff_t read_body(struct inlay_context *context,
                           void *buffer inlay_unused,
                           size_t size inlay_unused)
{
    misuse(context, "inlay_read");
    return -1;
}

static bool write_body(struct inlay_context *context,
                       struct inlay_str bytes inlay_unused,
                       bool text inlay_unused)
{
    misuse(context, "inlay_write");
    return false;
}

static bool write_event(struct inlay_context *context,
                        struct inlay_str text inlay_unused)
{
    misuse(context, "inlay_event");
    return false;
}

static const struct inlay_http_ops socket_http = {
    .status = inlay_native_say_status,
    .header = say_header,
    .trailer = say_trailer,
    .redirect = redirect,
    .send_file = send_file,
    .next = pass_on,
    .part = inlay_native_part,
    .request_header = inlay_native_request_header,
    .answered = answered,
    .refuse = inlay_native_refuse,
    .read = read_body,
    .write = write_body,
    .event = write_event,
    .sleep = inlay_native_sleep,
    .accept = accept_socket,
    .receive = receive,
    .send = send_message,
    .close = close_it,
};

enum inlay_outcome inlay_native_socket_begin(
    struct inlay_request *request,
    const struct inlay_native_route *route,
    const struct inlay_route_match *match)
{
    struct native_socket *socket =
        inlay_arena_new(&request->arena, struct native_socket);
    struct inlay_native_work work = {
        .steps = &route->steps,
        .input = {.path = match->params},
        .npath = match->nparams,
        .what = route->what,
        .is_route = true,
        .http = &socket_http,
        .on_done = on_done,
        .on_gone = on_gone,
        .arg = socket,
    };
    struct inlay_native_call room, *over;

    if (!socket) {
        inlay_response_error(request, 503, inlay_http_reason(503));
        return INLAY_HANDLED;
    }
    socket->thread = request->thread;
    inlay_buf_init(&socket->inbox, SIZE_MAX / 2);
    over = inlay_native_begin(request, &work, &room);
    if (over)
        on_done(over);
    return INLAY_PENDING;
}
