#include "serve/replay.h"

#include "base/banned.h"

/* The next piece, as large as the engine's would be. False: the request is
 * over. */
static bool give(struct inlay_replay *replay)
{
    struct inlay_exchange *exchange = replay->exchange;
    struct inlay_session *session = exchange->session;
    struct inlay_request *request = &exchange->request;
    struct inlay_str piece = replay->body;

    piece.len = inlay_min(piece.len, (size_t)INLAY_LOOP_SCRATCH);
    replay->body.len -= piece.len;
    if (replay->body.len)
        replay->body.ptr += piece.len;
    replay->begun = true;
    replay->given = !replay->body.len;
    bool last = replay->given && replay->whole;
    request->body_done = last;
    if (piece.len || last)
        request->handler->ops->on_body(request->handler, request, piece, last);
    return session->exchange == exchange;
}

static void run(struct inlay_later *later)
{
    struct inlay_replay *replay =
        inlay_container_of(later, struct inlay_replay, later);
    struct inlay_exchange *exchange = replay->exchange;
    struct inlay_session *session = exchange->session;

    while (!replay->held && !replay->given) {
        if (!give(replay))
            return;
    }
    if (!replay->given)
        return;
    exchange->replay = NULL;
    if (!replay->whole)
        inlay_session_hold(session, replay->held);
    else if (session->conn.eof_told)
        inlay_exchange_tell_eof(exchange);
}

void inlay_replay_hold(struct inlay_replay *replay, bool held)
{
    replay->held = held;
    if (!held)
        inlay_loop_later(&replay->exchange->session->thread->loop,
                         &replay->later);
}

void inlay_replay_stop(struct inlay_replay *replay)
{
    inlay_list_remove(&replay->later.node);
}

/* What was not taken at once has to last. */
static int keep(struct inlay_request *request, struct inlay_replay *replay)
{
    replay->body = inlay_arena_copy(&request->arena, replay->body);
    return replay->body.ptr ? 0 : -1;
}

void inlay_replay_begin(struct inlay_request *request,
                        struct inlay_str body,
                        bool whole)
{
    struct inlay_exchange *exchange = inlay_exchange_of(request);
    struct inlay_session *session = exchange->session;
    struct inlay_replay *replay;

    if (!request->handler->ops->on_body || (!body.len && !whole)) {
        request->body_done = whole;
        return;
    }
    replay = inlay_arena_new(&request->arena, struct inlay_replay);
    if (!replay) {
        inlay_session_give_up(session, 503, "out of memory");
        return;
    }
    inlay_list_init(&replay->later.node);
    replay->later.run = run;
    replay->exchange = exchange;
    replay->body = body;
    replay->whole = whole;
    /* Whom its handler holds back already; a client that has sent all has
     * nothing to wait for. */
    replay->held = session->held;
    if (replay->held != !replay->whole)
        inlay_session_hold(session, !replay->whole);
    exchange->replay = replay;
    while (!replay->held && !replay->given) {
        if (!give(replay))
            return;
    }
    if (replay->given)
        run(&replay->later);
    else if (keep(request, replay) < 0)
        inlay_session_give_up(session, 503, "out of memory");
}
