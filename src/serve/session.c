#include "serve/session.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "serve/access_log.h"
#include "serve/forwarded.h"
#include "serve/layers.h"
#include "serve/metrics.h"
#include "serve/peer.h"
#include "serve/replay.h"

#include "base/banned.h"

/* The request in hand is over without an answer: its handler hears of it. */
static void abort_exchange(struct inlay_session *session)
{
    struct inlay_exchange *exchange = session->exchange;

    if (!exchange)
        return;
    struct inlay_handler *handler = exchange->request.handler;
    session->exchange = NULL;
    session->held = false;
    inlay_metric_add(&session->thread->requests, 1);
    if (session->thread->server->access)
        inlay_access_log_add(&exchange->request, 499);
    if (session->thread->metrics)
        inlay_metrics_aborted(session->thread->metrics, &exchange->request);
    if (handler && handler->ops->on_abort)
        handler->ops->on_abort(handler, &exchange->request);
    inlay_exchange_destroy(exchange);
}

/* The answer still goes out, but its reader may be gone. */
void inlay_exchange_tell_eof(struct inlay_exchange *exchange)
{
    struct inlay_request *request = &exchange->request;
    const struct inlay_replay *replay = exchange->replay;

    if (exchange->eof_told ||
        (!request->body_done && !(replay && replay->whole && !replay->begun)))
        return;
    exchange->eof_told = true;
    if (request->handler->ops->on_eof)
        request->handler->ops->on_eof(request->handler, request);
}

void inlay_session_close(struct inlay_session *session)
{
    if (session->closing)
        return;
    session->closing = true;
    inlay_session_set_phase(session, INLAY_SESSION_CLOSING);
    inlay_conn_close_after_write(&session->conn);
}

/*
 * Ends a connection whose answer has begun and will not be whole: the missing
 * rest shows it, but for a body that only the connection's end would end.
 */
static void cut(struct inlay_session *session, bool until_close)
{
    struct linger off = {.l_onoff = 1, .l_linger = 0};

    if (!until_close) {
        inlay_session_close(session);
        return;
    }
    setsockopt(session->conn.watch.fd, SOL_SOCKET, SO_LINGER, &off,
               sizeof(off));
    inlay_conn_close(&session->conn);
}

static bool ends_by_close(const struct inlay_request *request)
{
    return request->started && !request->chunked && !request->head_only &&
           request->length < 0;
}

void inlay_session_abandon(struct inlay_session *session)
{
    bool until_close =
        session->exchange && ends_by_close(&session->exchange->request);

    abort_exchange(session);
    cut(session, until_close);
}

/*
 * After anything happened: the end of input, and the right deadline.
 * `all_taken`: no bytes wait in conn->in.
 */
static void settle(struct inlay_session *session, bool all_taken)
{
    if (session->closing || session->conn.closed)
        return;
    if (all_taken && session->conn.eof) {
        bool until_close = false;

        if (session->receiving && session->exchange) {
            until_close = ends_by_close(&session->exchange->request);
            abort_exchange(session);
        }
        if (!session->exchange) {
            cut(session, until_close);
            return;
        }
    }
    if (session->conn.eof_told && session->exchange)
        inlay_exchange_tell_eof(session->exchange);
    if (session->closing)
        return;
    enum inlay_session_phase phase = inlay_session_awaited(session);
    if (phase == session->phase && !session->fresh)
        return;
    inlay_session_set_phase(session, phase);
    /* The answer began before that: the client was not told. */
    if (session->thread->draining && phase == INLAY_SESSION_IDLE && all_taken)
        inlay_session_drain(session);
}

/* As inlay_session_refuse says it, with the headers that layers and guards
 * have for whoever answers. */
static void refuse_request(struct inlay_request *request,
                           int status,
                           const char *reason)
{
    struct inlay_handler *handler = request->handler;
    struct inlay_str text = inlay_arena_format(&request->arena, "%s\n", reason);

    if (handler && handler->ops->on_abort)
        handler->ops->on_abort(handler, request);
    request->close = true;
    inlay_response_send(request, status, INLAY_STR("text/plain; charset=utf-8"),
                        text.ptr ? text : inlay_str_from(reason));
}

void inlay_session_give_up(struct inlay_session *session,
                           int status,
                           const char *reason)
{
    struct inlay_request *request =
        session->exchange ? &session->exchange->request : NULL;
    bool started = request && request->started;
    bool until_close = request && ends_by_close(request);

    if (request && !started && inlay_unlikely(request->extra != NULL)) {
        refuse_request(request, status, reason);
        return;
    }
    if (request && !started)
        request->status = status; /* for its line in the access log */
    session->told = request != NULL;
    abort_exchange(session);
    if (started)
        cut(session, until_close);
    else
        inlay_session_refuse(session, status, reason);
}

void inlay_session_hold(struct inlay_session *session, bool held)
{
    struct inlay_conn *conn = &session->conn;

    if (inlay_unlikely(session->exchange && session->exchange->replay)) {
        inlay_replay_hold(session->exchange->replay, held);
        return;
    }
    session->held = held;
    if (session->feeding || session->closing)
        return;
    if (held)
        inlay_conn_pause(conn);
    else if (conn->paused)
        inlay_conn_resume(conn);
    inlay_session_set_phase(session, inlay_session_awaited(session));
}

/* --- The engine's events ------------------------------------------------ */

/* May the engine go on? One request at a time, and room for its answer. */
static bool can_feed(const struct inlay_session *session)
{
    if (session->closing || session->held || session->websocket)
        return false;
    if (session->exchange)
        return session->receiving;
    return session->receiving || inlay_session_window_open(session);
}

static void ask(struct inlay_session *session,
                struct inlay_exchange *exchange,
                struct inlay_handler *handler,
                enum inlay_outcome *outcome_ret)
{
    struct inlay_request *request = &exchange->request;

    request->handler = handler;
    enum inlay_outcome outcome = handler->ops->on_request(handler, request);
    if (session->exchange != exchange)
        outcome = INLAY_HANDLED;
    else if (outcome == INLAY_HANDLED)
        /* It said so but never ended its answer. */
        inlay_response_abort(request);
    else if (outcome == INLAY_PENDING && inlay_request_retain(request) < 0)
        inlay_session_give_up(session, 503, "out of memory");
    else if (outcome == INLAY_PENDING)
        inlay_exchange_pend(exchange);
    *outcome_ret = outcome;
}

void inlay_session_forward(struct inlay_request *request,
                           struct inlay_handler *handler)
{
    struct inlay_exchange *exchange = inlay_exchange_of(request);
    struct inlay_session *session = exchange->session;
    enum inlay_outcome outcome;

    ask(session, exchange, handler, &outcome);
    if (outcome == INLAY_DECLINED)
        ask(session, exchange, session->thread->server->fallback, &outcome);
    if (session->exchange == exchange)
        inlay_request_resume(request);
}

/* Those of the chain from number `first` on, then the fallback. */
static enum inlay_outcome ask_from(struct inlay_session *session,
                                   struct inlay_exchange *exchange,
                                   size_t first)
{
    struct inlay_server *server = session->thread->server;
    enum inlay_outcome outcome = INLAY_DECLINED;

    for (size_t i = first; i < server->nhandlers; i++) {
        struct inlay_handler *handler = server->handlers[i];

        if (inlay_unlikely(exchange->request.websocket) &&
            !handler->ops->on_message && !handler->ops->guards)
            continue;
        ask(session, exchange, handler, &outcome);
        if (outcome != INLAY_DECLINED)
            return outcome;
    }
    ask(session, exchange, server->fallback, &outcome);
    return outcome;
}

void inlay_session_next(struct inlay_request *request, struct inlay_str body)
{
    struct inlay_exchange *exchange = inlay_exchange_of(request);
    struct inlay_session *session = exchange->session;
    struct inlay_server *server = session->thread->server;
    bool whole = request->body_done;
    size_t first = 0;

    while (first < server->nhandlers &&
           server->handlers[first] != request->handler)
        first++;
    /* Before it is asked: it may pause it again. */
    inlay_request_resume(request);
    request->handler_data = NULL;
    request->body_done = !request->has_body;
    if (ask_from(session, exchange, first + 1) == INLAY_PENDING &&
        session->exchange == exchange && request->has_body)
        inlay_replay_begin(request, body, whole);
}

static void dispatch(struct inlay_session *session,
                     struct inlay_exchange *exchange)
{
    ask_from(session, exchange, 0);
}

static bool on_head(void *arg, const struct inlay_http1_head *head)
{
    struct inlay_session *session = arg;
    uint64_t cap = session->thread->server->config.limits.body_bytes;
    struct inlay_layers *layers = atomic_load_explicit(
        &session->thread->server->layers, memory_order_acquire);

    session->fresh = true;
    session->receiving = true;
    session->body_seen = 0;
    session->body_length = head->chunked              ? -1
                           : head->content_length < 0 ? 0
                                                      : head->content_length;
    session->expects = head->expects_continue;
    struct inlay_exchange *exchange = inlay_exchange_create(session, head);
    if (inlay_unlikely(!exchange)) {
        inlay_session_refuse(session, 503, "out of memory");
        return false;
    }
    session->exchange = exchange;
    inlay_metrics_count(session->thread->metrics, INLAY_METRICS_BEGUN, 1);
    session->phase = INLAY_SESSION_HEAD; /* over: what follows is new */
    if (inlay_unlikely(head->forwarded) && session->trusted &&
        inlay_forwarded_apply(&exchange->request,
                              &session->thread->server->trusted) < 0) {
        inlay_session_give_up(session, 503, "out of memory");
        return false;
    }
    if (inlay_unlikely(session->thread->server->config.request_id))
        inlay_request_id_assign(&exchange->request);
    if (inlay_unlikely(layers != NULL) &&
        !inlay_layers_admit(layers, &exchange->request))
        return !session->closing && !session->held;
    if (inlay_unlikely(cap && head->content_length > 0 &&
                       (uint64_t)head->content_length > cap)) {
        exchange->request.close = true;
        inlay_response_error(&exchange->request, 413,
                             INLAY_STR("Content Too Large"));
        return false;
    }
    if (inlay_likely(!head->upgrade) ||
        inlay_websocket_meet(&exchange->request, head))
        dispatch(session, exchange);
    return !session->closing && !session->held;
}

static bool on_body(void *arg, struct inlay_str chunk)
{
    struct inlay_session *session = arg;
    struct inlay_exchange *exchange = session->exchange;
    uint64_t cap = session->thread->server->config.limits.body_bytes;

    session->fresh = true;
    session->expects = false;
    session->body_seen += chunk.len;
    if (inlay_unlikely(cap && session->body_seen > cap)) {
        inlay_session_give_up(session, 413, "the request body is too large");
        return false;
    }
    if (exchange && exchange->request.handler->ops->on_body) {
        struct inlay_request *request = &exchange->request;
        bool last = session->body_length >= 0 &&
                    session->body_seen >= (uint64_t)session->body_length;

        request->body_done = last;
        if (last)
            session->held = false;
        request->handler->ops->on_body(request->handler, request, chunk, last);
    }
    return !session->closing && !session->held;
}

static bool on_complete(void *arg)
{
    struct inlay_session *session = arg;
    struct inlay_exchange *exchange = session->exchange;

    session->fresh = true;
    session->receiving = false;
    session->expects = false;
    session->held = false;
    if (exchange && exchange->replay) {
        exchange->replay->whole = true;
    } else if (exchange && !exchange->request.body_done) {
        struct inlay_request *request = &exchange->request;

        request->body_done = true;
        if (request->handler->ops->on_body)
            request->handler->ops->on_body(request->handler, request,
                                           INLAY_STR(""), true);
    }
    return can_feed(session);
}

static const struct inlay_http1_events engine_events = {
    .on_head = on_head,
    .on_body = on_body,
    .on_complete = on_complete,
};

/* --- The connection's events -------------------------------------------- */

static size_t on_data(struct inlay_conn *conn, const char *data, size_t len)
{
    struct inlay_session *session = (struct inlay_session *)conn;
    size_t taken = 0;

    if (inlay_unlikely(session->proxy != NULL)) {
        taken = inlay_peer_read(session, data, len);
        if (session->proxy || conn->closed)
            return taken;
    }
    while (taken < len && can_feed(session)) {
        size_t used = 0;

        session->feeding = true;
        enum inlay_http1_status status =
            inlay_http1_feed(session->http1, data + taken, len - taken, &used);
        session->feeding = false;
        taken += used;
        if (inlay_unlikely(status == INLAY_HTTP1_ERROR && !session->closing)) {
            const struct inlay_http1_error *error =
                inlay_http1_error(session->http1);

            inlay_session_give_up(session, error->status, error->reason);
        }
    }
    inlay_metrics_count(session->thread->metrics, INLAY_METRICS_RECEIVED,
                        taken);
    if (session->exchange && session->exchange->request.retained)
        inlay_http1_forget(session->http1); /* it may wait for long */
    if (inlay_unlikely(session->websocket != NULL)) {
        inlay_websocket_begin(session);
        return taken;
    }
    if (session->closing || conn->closed)
        return len;
    if (taken < len || session->held)
        inlay_conn_pause(conn);
    settle(session, taken == len);
    return taken;
}

/* Of a body whose length is known the next bytes can go to their reader. */
static char *on_room(struct inlay_conn *conn, size_t *len_ret)
{
    struct inlay_session *session = (struct inlay_session *)conn;
    struct inlay_exchange *exchange = session->exchange;

    if (inlay_likely(!session->receiving) || !exchange || session->held ||
        session->body_length <= 0 || inlay_buf_len(&conn->in))
        return NULL;
    struct inlay_request *request = &exchange->request;
    uint64_t left = (uint64_t)session->body_length - session->body_seen;
    if (left == 0 || !request->handler || !request->handler->ops->on_room)
        return NULL;
    char *room =
        request->handler->ops->on_room(request->handler, request, len_ret);
    *len_ret = (size_t)inlay_min((uint64_t)*len_ret, left);
    return room;
}

static void on_eof(struct inlay_conn *conn)
{
    settle((struct inlay_session *)conn, inlay_buf_len(&conn->in) == 0);
}

static void on_drained(struct inlay_conn *conn)
{
    struct inlay_session *session = (struct inlay_session *)conn;

    inlay_timer_stop(&session->write_timer);
    if (session->closing)
        return;
    if (session->exchange) {
        struct inlay_request *request = &session->exchange->request;

        if (request->started && request->handler->ops->on_drained)
            request->handler->ops->on_drained(request->handler, request);
    }
    if (conn->paused && can_feed(session))
        inlay_conn_resume(conn);
    settle(session, inlay_buf_len(&conn->in) == 0);
}

static void on_close(struct inlay_conn *conn)
{
    struct inlay_session *session = (struct inlay_session *)conn;

    session->closing = true;
    inlay_timer_stop(&session->timer);
    inlay_timer_stop(&session->write_timer);
    abort_exchange(session);
    inlay_peer_leave(session);
    inlay_list_remove(&session->node);
    inlay_io_thread_leave(session->thread);
    inlay_http1_deinit(session->http1);
    inlay_slab_free(&session->thread->sessions, session);
}

static const struct inlay_conn_ops conn_ops = {
    .on_data = on_data,
    .on_room = on_room,
    .on_eof = on_eof,
    .on_drained = on_drained,
    .on_close = on_close,
};

/* --- Start and end ------------------------------------------------------ */

int inlay_session_create(struct inlay_io_thread *thread,
                         int fd,
                         const struct inlay_address *client)
{
    struct inlay_session *session = inlay_slab_alloc(&thread->sessions);

    if (!session) {
        close(fd);
        return -1;
    }
    session->http1 = (struct inlay_http1 *)(void *)(session + 1);
    inlay_http1_init(session->http1, &thread->server->config.limits.head,
                     &engine_events, &thread->loop.spare, session);
    session->thread = thread;
    session->client = *client;
    session->local = inlay_address_local(fd);
    inlay_list_init(&session->node);
    inlay_timer_init(&session->timer);
    inlay_timer_init(&session->write_timer);
    if (inlay_peer_enter(session) < 0 ||
        inlay_conn_init(&session->conn, &thread->loop, fd, &conn_ops) < 0) {
        inlay_peer_leave(session);
        inlay_http1_deinit(session->http1);
        inlay_slab_free(&thread->sessions, session);
        close(fd);
        return -1;
    }
    inlay_list_append(&thread->connections, &session->node);
    inlay_session_set_phase(session, INLAY_SESSION_NEW);
    return 0;
}

void inlay_session_drain(struct inlay_session *session)
{
    if (session->websocket) {
        inlay_websocket_drain(session);
        return;
    }
    bool idle = !session->exchange && !session->receiving &&
                !inlay_http1_in_head(session->http1) &&
                inlay_buf_len(&session->conn.in) == 0;

    if (session->closing || !idle)
        return;
    /* A busy client's next request is likely on its way: its answer says that
     * it is the last one. */
    if (!atomic_load(&session->thread->server->patient))
        inlay_timer_start(&session->thread->loop,
                          &session->thread->drain_timers, &session->timer);
}

/* What is left of the body is small, and it is on its way. */
static bool can_drain(const struct inlay_session *session)
{
    if (session->body_length < 0)
        return false;
    uint64_t left = (uint64_t)session->body_length - session->body_seen;
    return left == 0 || (left <= INLAY_SESSION_DRAIN && !session->expects);
}

void inlay_session_finish(struct inlay_session *session, bool cut_off)
{
    struct inlay_exchange *exchange = session->exchange;
    struct inlay_request *request = &exchange->request;
    struct inlay_server *server = session->thread->server;
    bool until_close = ends_by_close(request);
    bool close = request->close || (session->receiving && !can_drain(session));

    if (server->access)
        inlay_access_log_add(request, 500);
    if (session->thread->metrics)
        inlay_metrics_end(session->thread->metrics, request, cut_off);
    inlay_metric_add(&session->thread->requests, 1);
    session->exchange = NULL;
    session->held = false;
    inlay_exchange_destroy(exchange);
    if (session->closing || session->conn.closed || session->websocket)
        return;
    if (cut_off) {
        cut(session, until_close);
    } else if (close) {
        inlay_session_close(session);
    } else if (!session->feeding) {
        bool all_taken = inlay_buf_len(&session->conn.in) == 0;

        session->fresh = true;
        if (session->conn.paused)
            inlay_conn_resume(&session->conn);
        settle(session, all_taken);
    }
}
