#include "serve/websocket.h"

#include "base/mem.h"
#include "serve/metrics.h"
#include "serve/websocket_session.h"

#include "base/banned.h"

#define CLOSE_MS 10000 /* for the peer's close frame, after ours */
#define DRAIN_MS 2000  /* the same when the server drains */
#define SMALL 4096     /* chunks up to this are copied: fewer pieces to send */

static struct inlay_websocket_session *socket_of(
    const struct inlay_request *request)
{
    return inlay_session_of(request)->websocket;
}

/* --- Frames out ---------------------------------------------------------- */

static int put_frame(struct inlay_session *session,
                     unsigned opcode,
                     struct inlay_str bytes)
{
    struct inlay_buf *out = inlay_conn_out(&session->conn);

    if (session->conn.closed ||
        inlay_buf_reserve(out, INLAY_WEBSOCKET_ROOM + bytes.len) < 0)
        return -1;
    char *begin = inlay_buf_tail(out);
    size_t len = inlay_websocket_head(begin, opcode, bytes.len);
    if (bytes.len)
        memcpy(begin + len, bytes.ptr, bytes.len);
    len += bytes.len;
    inlay_buf_added(out, len);
    inlay_conn_wrote(&session->conn);
    inlay_session_wrote(session, len);
    return 0;
}

/* Takes a chunk of a message with ROOM before it. */
static int put_chunk(struct inlay_session *session,
                     unsigned opcode,
                     struct inlay_chunk *chunk)
{
    char head[INLAY_WEBSOCKET_ROOM];
    size_t len = inlay_websocket_head(head, opcode, chunk->len);

    chunk->sent = INLAY_WEBSOCKET_ROOM - len;
    memcpy(chunk->data + chunk->sent, head, len);
    len += chunk->len;
    chunk->len += INLAY_WEBSOCKET_ROOM;
    if (inlay_conn_write_chunk(&session->conn, chunk) < 0)
        return -1;
    inlay_session_wrote(session, len);
    return 0;
}

static int put_copy(struct inlay_session *session,
                    unsigned opcode,
                    struct inlay_str bytes)
{
    if (bytes.len <= SMALL)
        return put_frame(session, opcode, bytes);
    if (bytes.len > SIZE_MAX / 2)
        return -1;
    struct inlay_chunk *chunk =
        inlay_chunk_create(INLAY_WEBSOCKET_ROOM + bytes.len);
    if (!chunk)
        return -1;
    chunk->len = bytes.len;
    memcpy(chunk->data + INLAY_WEBSOCKET_ROOM, bytes.ptr, bytes.len);
    return put_chunk(session, opcode, chunk);
}

static bool is_open(const struct inlay_websocket_session *ws)
{
    return ws && ws->phase < INLAY_WEBSOCKET_CLOSING;
}

/* 1: it was sent compressed; 0: it is to be sent as it is; or -1, and the
 * connection ends: later messages would refer to what the client never got. */
static int put_compressed(struct inlay_websocket_session *ws,
                          enum inlay_websocket_kind kind,
                          struct inlay_str bytes)
{
    struct inlay_websocket_deflate *deflate = ws->engine.deflate;
    struct inlay_buf packed;

    if (!deflate || bytes.len < INLAY_DEFLATE_LEAST)
        return 0;
    inlay_buf_init(&packed, bytes.len + bytes.len / 8 + 1024);
    int status = 0;
    if (inlay_websocket_deflate(deflate, bytes, &packed) == 0)
        status = put_copy(ws->session, kind | INLAY_WEBSOCKET_COMPRESSED,
                          inlay_buf_view(&packed)) < 0
                     ? -1
                     : 1;
    inlay_buf_deinit(&packed);
    if (status < 0)
        inlay_conn_close(&ws->session->conn);
    return status;
}

int inlay_websocket_send(struct inlay_request *request,
                         enum inlay_websocket_kind kind,
                         struct inlay_str bytes)
{
    struct inlay_websocket_session *ws = socket_of(request);

    if (!is_open(ws))
        return -1;
    int status = put_compressed(ws, kind, bytes);
    if (status == 0)
        status = put_copy(ws->session, kind, bytes);
    if (status >= 0)
        inlay_metrics_count(request->thread->metrics, INLAY_METRICS_WS_SENT, 1);
    return status < 0 ? -1 : 0;
}

int inlay_websocket_send_chunk(struct inlay_request *request,
                               enum inlay_websocket_kind kind,
                               struct inlay_chunk *chunk)
{
    struct inlay_websocket_session *ws = socket_of(request);
    struct inlay_str bytes =
        inlay_str_make(chunk->data + INLAY_WEBSOCKET_ROOM, chunk->len);
    int status = is_open(ws) ? put_compressed(ws, kind, bytes) : -1;

    if (status >= 0)
        inlay_metrics_count(request->thread->metrics, INLAY_METRICS_WS_SENT, 1);
    if (status == 0 && bytes.len > SMALL)
        return put_chunk(ws->session, kind, chunk);
    if (status == 0)
        status = put_frame(ws->session, kind, bytes);
    inlay_chunk_destroy(chunk);
    return status < 0 ? -1 : 0;
}

/* --- The end ------------------------------------------------------------- */

static void send_close(struct inlay_websocket_session *ws,
                       unsigned code,
                       struct inlay_str reason)
{
    char payload[INLAY_WEBSOCKET_CONTROL_MOST];
    size_t len = inlay_websocket_close_payload(payload, code, reason);

    if (put_frame(ws->session, INLAY_WEBSOCKET_CLOSE,
                  inlay_str_make(payload, len)) < 0)
        inlay_conn_close(&ws->session->conn);
}

/* The request is over; its handler hears of it, unless it said so itself. */
static void tell_end(struct inlay_websocket_session *ws,
                     unsigned code,
                     struct inlay_str reason)
{
    struct inlay_exchange *exchange = ws->session->exchange;

    if (!exchange)
        return;
    struct inlay_handler *handler = exchange->request.handler;
    if (handler->ops->on_websocket_end)
        handler->ops->on_websocket_end(handler, &exchange->request,
                                       (uint16_t)code, reason);
    inlay_session_finish(ws->session, false);
}

/* No more frames, in or out. */
static void finish(struct inlay_websocket_session *ws,
                   unsigned code,
                   struct inlay_str reason)
{
    ws->phase = INLAY_WEBSOCKET_OVER;
    tell_end(ws, code, reason);
    inlay_session_close(ws->session);
}

/* RFC 6455 7.1.7. */
static void fail(struct inlay_websocket_session *ws,
                 unsigned code,
                 const char *text)
{
    struct inlay_str reason = inlay_str_from(text);

    if (ws->phase == INLAY_WEBSOCKET_OVER)
        return;
    if (ws->phase != INLAY_WEBSOCKET_CLOSING)
        send_close(ws, code, reason);
    finish(ws, code, reason);
}

/* Our close is under way: the peer's is read, whatever was held back. */
static void await_close(struct inlay_websocket_session *ws)
{
    struct inlay_session *session = ws->session;
    struct inlay_io_thread *thread = session->thread;

    ws->phase = INLAY_WEBSOCKET_CLOSING;
    ws->held = ws->choked = false;
    inlay_timer_start(&thread->loop,
                      thread->draining ? &thread->ws_drain_timers
                                       : &thread->ws_close_timers,
                      &session->timer);
    inlay_conn_resume(&session->conn);
}

void inlay_websocket_shut(struct inlay_request *request,
                          uint16_t code,
                          struct inlay_str reason)
{
    struct inlay_websocket_session *ws = socket_of(request);

    if (!is_open(ws))
        return;
    send_close(ws, code, reason);
    await_close(ws);
}

void inlay_websocket_close(struct inlay_request *request,
                           uint16_t code,
                           struct inlay_str reason)
{
    struct inlay_session *session = inlay_session_of(request);

    inlay_websocket_shut(request, code, reason);
    inlay_session_finish(session, false);
}

void inlay_websocket_drain(struct inlay_session *session)
{
    struct inlay_websocket_session *ws = session->websocket;

    if (ws->phase == INLAY_WEBSOCKET_CLOSING)
        await_close(ws); /* not for so long */
    if (!is_open(ws))
        return;
    send_close(ws, INLAY_WEBSOCKET_RESTART, INLAY_STR(""));
    await_close(ws);
    tell_end(ws, INLAY_WEBSOCKET_RESTART, INLAY_STR(""));
}

/*
 * After anything happened; `all_taken`: no bytes wait to be fed. The end of
 * input without a close frame; a drain that came before the 101 had left.
 */
static void settle(struct inlay_websocket_session *ws, bool all_taken)
{
    struct inlay_session *session = ws->session;

    if (ws->phase == INLAY_WEBSOCKET_OVER || session->conn.closed)
        return;
    if (session->conn.eof && all_taken)
        finish(ws, INLAY_WEBSOCKET_LOST, INLAY_STR(""));
    else if (session->thread->draining && is_open(ws))
        inlay_websocket_drain(session);
}

/* --- The engine's events ------------------------------------------------- */

static bool can_read(const struct inlay_websocket_session *ws)
{
    return !ws->held && !ws->choked && !ws->session->conn.closed;
}

static bool on_message(void *arg,
                       enum inlay_websocket_kind kind,
                       struct inlay_str bytes)
{
    struct inlay_websocket_session *ws = arg;

    if (is_open(ws)) {
        struct inlay_request *request = &ws->session->exchange->request;

        inlay_metrics_count(request->thread->metrics, INLAY_METRICS_WS_RECEIVED,
                            1);
        request->handler->ops->on_message(request->handler, request, kind,
                                          bytes);
    }
    return can_read(ws);
}

static bool on_ping(void *arg, struct inlay_str bytes)
{
    struct inlay_websocket_session *ws = arg;
    struct inlay_session *session = ws->session;

    if (!is_open(ws))
        return true;
    if (put_frame(session, INLAY_WEBSOCKET_PONG, bytes) < 0)
        inlay_conn_close(&session->conn);
    /* Who pings and does not read must not fill our memory. */
    ws->choked = !inlay_session_window_open(session);
    return can_read(ws);
}

static void await_ping(struct inlay_websocket_session *ws)
{
    struct inlay_io_thread *thread = ws->session->thread;

    ws->phase = INLAY_WEBSOCKET_OPEN;
    inlay_timer_start(&thread->loop, &thread->ws_ping_timers,
                      &ws->session->timer);
}

static bool on_pong(void *arg, struct inlay_str bytes)
{
    struct inlay_websocket_session *ws = arg;

    (void)bytes;
    if (ws->phase == INLAY_WEBSOCKET_PINGED)
        await_ping(ws);
    return true;
}

static void on_peer_close(void *arg, uint16_t code, struct inlay_str reason)
{
    struct inlay_websocket_session *ws = arg;

    if (is_open(ws))
        send_close(ws, code, INLAY_STR(""));
    finish(ws, code, reason);
}

static const struct inlay_websocket_events engine_events = {
    .on_message = on_message,
    .on_ping = on_ping,
    .on_pong = on_pong,
    .on_close = on_peer_close,
};

/* --- The connection's events --------------------------------------------- */

static size_t on_data(struct inlay_conn *conn, const char *data, size_t len)
{
    struct inlay_session *session = (struct inlay_session *)conn;
    struct inlay_websocket_session *ws = session->websocket;
    size_t taken = 0;

    ws->heard = true;
    if (can_read(ws)) {
        /* They lie in the loop's memory or the connection's own buffer. */
        char *bytes = (char *)(uintptr_t)data;

        if (inlay_websocket_feed(&ws->engine, bytes, len, &taken) ==
            INLAY_WEBSOCKET_ERROR)
            fail(ws, ws->engine.code, ws->engine.reason);
    }
    inlay_metrics_count(session->thread->metrics, INLAY_METRICS_RECEIVED,
                        taken);
    if (ws->phase == INLAY_WEBSOCKET_OVER || conn->closed)
        return len;
    if (!can_read(ws))
        inlay_conn_pause(conn);
    settle(ws, taken == len);
    return taken;
}

static void on_eof(struct inlay_conn *conn)
{
    struct inlay_session *session = (struct inlay_session *)conn;

    settle(session->websocket, inlay_buf_len(&conn->in) == 0);
}

static void on_drained(struct inlay_conn *conn)
{
    struct inlay_session *session = (struct inlay_session *)conn;
    struct inlay_websocket_session *ws = session->websocket;

    inlay_timer_stop(&session->write_timer);
    if (is_open(ws)) {
        struct inlay_request *request = &session->exchange->request;

        if (request->handler->ops->on_drained)
            request->handler->ops->on_drained(request->handler, request);
    }
    if (ws->choked) {
        ws->choked = false;
        if (!ws->held)
            inlay_conn_resume(conn);
    }
    settle(ws, inlay_buf_len(&conn->in) == 0);
}

static void on_close(struct inlay_conn *conn)
{
    struct inlay_session *session = (struct inlay_session *)conn;
    struct inlay_websocket_session *ws = session->websocket;
    const struct inlay_conn_ops *http_ops = ws->http_ops;

    ws->phase = INLAY_WEBSOCKET_OVER;
    tell_end(ws, INLAY_WEBSOCKET_LOST, INLAY_STR(""));
    session->websocket = NULL;
    inlay_websocket_destroy(ws);
    http_ops->on_close(conn);
}

static const struct inlay_conn_ops conn_ops = {
    .on_data = on_data,
    .on_eof = on_eof,
    .on_drained = on_drained,
    .on_close = on_close,
};

/* --- What a request may still do ----------------------------------------- */

static int refuse_start(struct inlay_request *request inlay_unused,
                        const struct inlay_header *headers inlay_unused,
                        size_t nheaders inlay_unused)
{
    return -1;
}

static int refuse_write(struct inlay_request *request inlay_unused,
                        struct inlay_str bytes inlay_unused)
{
    return -1;
}

static int refuse_chunk(struct inlay_request *request inlay_unused,
                        struct inlay_chunk *chunk)
{
    inlay_chunk_destroy(chunk);
    return -1;
}

static int refuse_inform(struct inlay_request *request inlay_unused,
                         int status inlay_unused,
                         const struct inlay_header *headers inlay_unused,
                         size_t nheaders inlay_unused)
{
    return -1;
}

/* A handler that gives up without a code. */
static void end(struct inlay_request *request)
{
    inlay_websocket_close(request, 1000, INLAY_STR(""));
}

static void abort_messages(struct inlay_request *request)
{
    inlay_websocket_close(request, INLAY_WEBSOCKET_INTERNAL_ERROR,
                          INLAY_STR(""));
}

static void pause_messages(struct inlay_request *request)
{
    struct inlay_websocket_session *ws = socket_of(request);

    ws->held = true;
    inlay_conn_pause(&ws->session->conn);
}

static void resume_messages(struct inlay_request *request)
{
    struct inlay_websocket_session *ws = socket_of(request);

    if (!ws->held)
        return;
    ws->held = false;
    if (!ws->choked)
        inlay_conn_resume(&ws->session->conn);
}

static void want_nothing(struct inlay_request *request inlay_unused)
{
}

static size_t queued(const struct inlay_request *request)
{
    return inlay_session_of(request)->conn.queued;
}

const struct inlay_stream_ops inlay_websocket_stream = {
    .start = refuse_start,
    .write = refuse_write,
    .write_chunk = refuse_chunk,
    .inform = refuse_inform,
    .trailers = refuse_start,
    .end = end,
    .abort = abort_messages,
    .pause = pause_messages,
    .resume = resume_messages,
    .want_body = want_nothing,
    .queued = queued,
};

/* --- Deadlines ----------------------------------------------------------- */

static struct inlay_session *session_of_timer(struct inlay_timer *timer)
{
    return inlay_container_of(timer, struct inlay_session, timer);
}

static void expire_ping(struct inlay_timer *timer)
{
    struct inlay_session *session = session_of_timer(timer);
    struct inlay_websocket_session *ws = session->websocket;

    if (ws->phase != INLAY_WEBSOCKET_OPEN)
        return;
    if (ws->engine.deflate)
        inlay_deflate_rest(ws->engine.deflate);
    if (put_frame(session, INLAY_WEBSOCKET_PING, INLAY_STR("")) < 0) {
        inlay_conn_close(&session->conn);
        return;
    }
    if (!session->thread->ws_pong_timers.duration) {
        await_ping(ws);
        return;
    }
    ws->phase = INLAY_WEBSOCKET_PINGED;
    ws->heard = false;
    inlay_timer_start(&session->thread->loop, &session->thread->ws_pong_timers,
                      timer);
}

static void expire_pong(struct inlay_timer *timer)
{
    struct inlay_session *session = session_of_timer(timer);
    struct inlay_websocket_session *ws = session->websocket;

    if (ws->phase != INLAY_WEBSOCKET_PINGED)
        return;
    /* In the middle of a long message it can't send a pong. Nor is one seen
     * while nothing is read, or the ping itself has not left. */
    if (ws->heard || !can_read(ws) || session->conn.queued)
        await_ping(ws);
    else
        fail(ws, INLAY_WEBSOCKET_INTERNAL_ERROR, "keepalive ping timeout");
}

static void expire_close(struct inlay_timer *timer)
{
    struct inlay_session *session = session_of_timer(timer);

    /* The write deadline watches who is slow to read what comes before. */
    if (session->conn.queued && !session->thread->draining)
        inlay_timer_start(&session->thread->loop,
                          &session->thread->ws_close_timers, timer);
    else
        inlay_conn_close(&session->conn);
}

void inlay_websocket_init_timers(struct inlay_io_thread *thread)
{
    const struct inlay_limits *limits = &thread->server->config.limits;
    struct inlay_loop *loop = &thread->loop;

    inlay_timer_queue_init(loop, &thread->ws_ping_timers,
                           limits->ws_ping_interval, expire_ping);
    inlay_timer_queue_init(loop, &thread->ws_pong_timers,
                           limits->ws_ping_timeout, expire_pong);
    inlay_timer_queue_init(loop, &thread->ws_close_timers, CLOSE_MS,
                           expire_close);
    inlay_timer_queue_init(loop, &thread->ws_drain_timers, DRAIN_MS,
                           expire_close);
}

/* --- Begin and end ------------------------------------------------------- */

struct inlay_websocket_session *inlay_websocket_create(
    struct inlay_session *session,
    const struct inlay_deflate_terms *terms)
{
    const struct inlay_limits *limits = &session->thread->server->config.limits;
    struct inlay_websocket_session *ws = inlay_calloc(1, sizeof(*ws));

    if (!ws)
        return NULL;
    inlay_websocket_init(&ws->engine, limits->ws_message_bytes, &engine_events,
                         ws);
    ws->session = session;
    if (!terms)
        return ws;
    ws->engine.deflate = inlay_deflate_create(terms);
    if (!ws->engine.deflate) {
        inlay_websocket_destroy(ws);
        return NULL;
    }
    return ws;
}

void inlay_websocket_destroy(struct inlay_websocket_session *ws)
{
    inlay_websocket_deinit(&ws->engine);
    inlay_deflate_destroy(ws->engine.deflate);
    inlay_free(ws);
}

void inlay_websocket_begin(struct inlay_session *session)
{
    struct inlay_websocket_session *ws = session->websocket;

    inlay_session_set_phase(session, INLAY_SESSION_HELD);
    inlay_http1_deinit(session->http1);
    ws->http_ops = session->conn.ops;
    session->conn.ops = &conn_ops;
    if (ws->phase == INLAY_WEBSOCKET_OPEN)
        await_ping(ws);
    else if (ws->phase == INLAY_WEBSOCKET_CLOSING)
        await_close(ws);
    if (can_read(ws))
        inlay_conn_resume(&session->conn);
    else
        inlay_conn_pause(&session->conn);
}
