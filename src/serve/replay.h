/*
 * replay.h - body bytes that had arrived, and been given to one handler,
 * before another one got the request: given once more, at the pace that it
 * sets by pause and resume. Private to serve/, I/O thread only.
 */
#ifndef INLAY_SERVE_REPLAY_H
#define INLAY_SERVE_REPLAY_H

#include "net/loop.h"
#include "serve/session.h"

/* In the request's arena; exchange->replay while there are bytes left. */
struct inlay_replay {
    struct inlay_later later; /* goes on */
    struct inlay_exchange *exchange;
    struct inlay_str body; /* what is left */
    bool held;             /* its handler wants no more for now */
    bool begun;            /* its handler has been given some */
    bool given;            /* nothing is left, not even an empty end */
    bool whole;            /* the body has arrived, and this is its end */
};

/*
 * Begins, with what the handler of the PENDING request takes at once: nothing
 * if it has paused it. `body` is valid during the call, and all of it if `whole`. Nothing new comes from the client until all of it
 * was given. The request may be over afterwards.
 */
void inlay_replay_begin(struct inlay_request *request,
                        struct inlay_str body,
                        bool whole);

/* inlay_session_hold's part. */
void inlay_replay_hold(struct inlay_replay *replay, bool held);

/* The exchange ends. */
void inlay_replay_stop(struct inlay_replay *replay);

#endif
