/*
 * websocket_session.h - an accepted WebSocket, between websocket_accept.c,
 * which answers the handshake, and websocket.c, which is what follows. I/O
 * thread only.
 */
#ifndef INLAY_SERVE_WEBSOCKET_SESSION_H
#define INLAY_SERVE_WEBSOCKET_SESSION_H

#include "http/websocket_deflate.h"
#include "serve/session.h"
#include "serve/websocket.h"

enum inlay_websocket_phase {
    INLAY_WEBSOCKET_OPEN,
    INLAY_WEBSOCKET_PINGED,  /* a pong is awaited */
    INLAY_WEBSOCKET_CLOSING, /* our close was sent; the peer's is awaited */
    INLAY_WEBSOCKET_OVER,    /* the connection ends */
};

struct inlay_websocket_session {
    struct inlay_websocket engine;
    struct inlay_session *session;
    const struct inlay_conn_ops *http_ops; /* the connection's, before */
    enum inlay_websocket_phase phase;
    bool held;   /* the handler wants no message for now */
    bool choked; /* pongs are not read: nothing is, until they are */
    bool heard;  /* something came since the ping was sent */
};

/* `terms` NULL: without compression. NULL: no memory. */
struct inlay_websocket_session *inlay_websocket_create(
    struct inlay_session *session,
    const struct inlay_deflate_terms *terms);
void inlay_websocket_destroy(struct inlay_websocket_session *ws);

/* What an accepted request may do: no answer, but pause and resume. */
extern const struct inlay_stream_ops inlay_websocket_stream;

#endif
