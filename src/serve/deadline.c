/* What a session waits for, how long it may take, and what happens then. */
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

void inlay_session_set_phase(struct inlay_session *session,
                             enum inlay_session_phase phase)
{
    struct inlay_timer_queue *queue = queue_of(session->thread, phase);

    session->phase = phase;
    session->fresh = false;
    if (queue)
        inlay_timer_start(&session->thread->loop, queue, &session->timer);
    else
        inlay_timer_stop(&session->timer);
}

enum inlay_session_phase inlay_session_awaited(
    const struct inlay_session *session)
{
    if (session->receiving) {
        /* Who waits for "100 Continue" is not slow, nor who is held back. */
        if (session->exchange && (session->held || session->expects ||
                                  session->exchange->request.body_done))
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

static uint64_t bytes_sent(const struct inlay_session *session)
{
    return session->written - session->conn.queued;
}

void inlay_session_wrote(struct inlay_session *session, size_t len)
{
    session->written += len;
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
        inlay_conn_close(&session->conn);
        return;
    }
    session->write_mark = bytes_sent(session);
    inlay_timer_start(&session->thread->loop, &session->thread->write_timers,
                      timer);
}
