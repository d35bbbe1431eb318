/* What a session waits for, how long it may take, and what happens then. */
#include "serve/metrics.h"
#include "serve/replay.h"
#include "serve/session.h"

#include "base/banned.h"

/* NULL: none is running. */
static struct inlay_timer_queue *queue_of(struct inlay_io_thread *thread,
                                          enum inlay_session_phase phase)
{
    switch (phase) {
    case INLAY_SESSION_NEW:
    case INLAY_SESSION_HEAD:
        return &thread->header_timers;
    case INLAY_SESSION_BODY:
        return &thread->body_timers;
    case INLAY_SESSION_IDLE:
        return &thread->keep_alive_timers;
    case INLAY_SESSION_HELD:
    case INLAY_SESSION_CLOSING:
        return NULL;
    }
    return NULL;
}

/* The clock of the body's average: it stands while nothing is awaited. */
static void watch_rate(struct inlay_session *session, bool awaited)
{
    struct inlay_io_thread *thread = session->thread;
    struct inlay_exchange *exchange = session->exchange;

    if (awaited != inlay_list_empty(&exchange->rate.node) ||
        !thread->server->config.limits.body_rate)
        return;
    if (awaited) {
        exchange->awaited_from = thread->loop.now;
        inlay_timer_start(&thread->loop, &thread->rate_timers, &exchange->rate);
    } else {
        exchange->awaited += thread->loop.now - exchange->awaited_from;
        inlay_timer_stop(&exchange->rate);
    }
}

void inlay_session_set_phase(struct inlay_session *session,
                             enum inlay_session_phase phase)
{
    struct inlay_timer_queue *queue = queue_of(session->thread, phase);
    /* Of a body that nobody reads all the rest has to come in time. */
    bool same = phase == INLAY_SESSION_BODY && session->phase == phase &&
                !session->exchange;

    session->phase = phase;
    session->fresh = false;
    if (session->exchange)
        watch_rate(session, phase == INLAY_SESSION_BODY);
    if (same)
        return;
    if (queue)
        inlay_timer_start(&session->thread->loop, queue, &session->timer);
    else
        inlay_timer_stop(&session->timer);
}

enum inlay_session_phase inlay_session_awaited(
    const struct inlay_session *session)
{
    if (session->receiving) {
        const struct inlay_request *request =
            session->exchange ? &session->exchange->request : NULL;

        /* Nobody is slow whom we hold back, or who waits for a "100 Continue"
         * that the handler has not asked for. */
        if (request && (session->held || request->body_done ||
                        (session->expects && !request->body_wanted)))
            return INLAY_SESSION_HELD;
        return INLAY_SESSION_BODY;
    }
    /* The write deadline watches who does not read. */
    if (session->exchange || !inlay_session_window_open(session))
        return INLAY_SESSION_HELD;
    if (inlay_http1_in_head(session->http1))
        return INLAY_SESSION_HEAD;
    /* Bytes that begin nothing (empty lines) do not extend the wait. */
    if (session->phase == INLAY_SESSION_NEW && !session->fresh)
        return INLAY_SESSION_NEW;
    return INLAY_SESSION_IDLE;
}

void inlay_session_expire(struct inlay_timer *timer)
{
    struct inlay_session *session =
        inlay_container_of(timer, struct inlay_session, timer);

    switch (session->phase) {
    case INLAY_SESSION_HEAD:
        inlay_session_refuse(session, 408, "the request head took too long");
        break;
    case INLAY_SESSION_BODY:
        if (session->exchange)
            inlay_session_give_up(session, 408,
                                  "the request body took too long");
        else
            inlay_conn_close(&session->conn);
        break;
    case INLAY_SESSION_NEW:
    case INLAY_SESSION_HELD:
    case INLAY_SESSION_IDLE:
    case INLAY_SESSION_CLOSING:
        /* Answers that a slow reader has not taken are not idleness. */
        if (session->conn.queued)
            inlay_session_close(session);
        else
            inlay_conn_close(&session->conn);
        break;
    }
}

/* --- Deadlines of a request ---------------------------------------------- */

void inlay_exchange_pend(struct inlay_exchange *exchange)
{
    struct inlay_io_thread *thread = exchange->request.thread;

    if (inlay_unlikely(exchange->patience->duration) &&
        inlay_list_empty(&exchange->deadline.node))
        inlay_timer_start(&thread->loop, exchange->patience,
                          &exchange->deadline);
}

void inlay_exchange_stop(struct inlay_exchange *exchange)
{
    if (inlay_unlikely(!inlay_list_empty(&exchange->deadline.node)))
        inlay_timer_stop(&exchange->deadline);
    if (inlay_unlikely(!inlay_list_empty(&exchange->rate.node)))
        inlay_timer_stop(&exchange->rate);
    if (inlay_unlikely(exchange->replay != NULL))
        inlay_replay_stop(exchange->replay);
}

void inlay_exchange_expire(struct inlay_timer *timer)
{
    struct inlay_exchange *exchange =
        inlay_container_of(timer, struct inlay_exchange, deadline);
    struct inlay_request *request = &exchange->request;
    struct inlay_handler *handler = request->handler;

    if (request->started)
        return;
    if (handler->ops->on_timeout)
        handler->ops->on_timeout(handler, request);
    if (handler->ops->on_abort)
        handler->ops->on_abort(handler, request);
    inlay_response_error(request, 504, INLAY_STR("Gateway Timeout"));
}

void inlay_exchange_expire_rate(struct inlay_timer *timer)
{
    struct inlay_exchange *exchange =
        inlay_container_of(timer, struct inlay_exchange, rate);
    struct inlay_session *session = exchange->session;
    struct inlay_io_thread *thread = session->thread;
    uint64_t rate = thread->server->config.limits.body_rate;
    uint64_t ms = exchange->awaited + thread->loop.now - exchange->awaited_from;

    if (session->body_seen * 1000 < rate * ms)
        inlay_session_give_up(session, 408,
                              "the request body comes too slowly");
    else
        inlay_timer_start(&thread->loop, &thread->rate_timers, timer);
}

/* --- Of writes ------------------------------------------------------------ */

static uint64_t bytes_sent(const struct inlay_session *session)
{
    return session->written - session->conn.queued;
}

void inlay_session_wrote(struct inlay_session *session, size_t len)
{
    session->written += len;
    inlay_metrics_count(session->thread->metrics, INLAY_METRICS_SENT, len);
    if (inlay_list_empty(&session->write_timer.node)) {
        session->write_mark = session->written - len;
        inlay_timer_start(&session->thread->loop,
                          &session->thread->write_timers,
                          &session->write_timer);
    }
}

void inlay_session_expire_write(struct inlay_timer *timer)
{
    struct inlay_session *session =
        inlay_container_of(timer, struct inlay_session, write_timer);

    if (!session->conn.queued)
        return;
    if (bytes_sent(session) == session->write_mark) {
        inlay_metrics_count(session->thread->metrics,
                            INLAY_METRICS_WRITE_EXPIRED, 1);
        inlay_conn_close(&session->conn);
        return;
    }
    session->write_mark = bytes_sent(session);
    inlay_timer_start(&session->thread->loop, &session->thread->write_timers,
                      timer);
}
