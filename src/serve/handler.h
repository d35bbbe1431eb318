/*
 * handler.h - who answers a request. Native routes and the ASGI application
 * implement the same vtable and stand in one chain; the server never asks
 * which one it talks to. All calls come on the request's I/O thread, which
 * never takes the GIL.
 */
#ifndef INLAY_SERVE_HANDLER_H
#define INLAY_SERVE_HANDLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "http/websocket.h"

struct inlay_request;
struct inlay_handler;

enum inlay_outcome {
    INLAY_HANDLED,  /* the answer is complete */
    INLAY_PENDING,  /* it will be: body or time is needed */
    INLAY_DECLINED, /* not mine: ask the next one */
};

struct inlay_handler_ops {
    /* Asked about WebSockets too, though it accepts none: it lets requests
     * pass or refuses them. */
    bool guards;
    /* What logs and metrics call its answers: "native", "asgi", "static". */
    const char *kind;
    /* The head is complete; request->has_body says whether on_body follows. */
    enum inlay_outcome (*on_request)(struct inlay_handler *handler,
                                     struct inlay_request *request);
    /*
     * Body bytes of a PENDING request, in order; `last` with the final call,
     * whose chunk may be empty. The bytes are valid during the call.
     */
    void (*on_body)(struct inlay_handler *handler,
                    struct inlay_request *request,
                    struct inlay_str chunk,
                    bool last);
    /*
     * NULL is allowed. Where the next bytes of a PENDING request's body shall
     * land, `*len_ret` at most; on_body then gets them there. NULL: anywhere.
     * Only of bodies whose length is known.
     */
    char *(*on_room)(struct inlay_handler *handler,
                     struct inlay_request *request,
                     size_t *len_ret);
    /* Everything written so far has left for the socket. */
    void (*on_drained)(struct inlay_handler *handler,
                       struct inlay_request *request);
    /*
     * The request ends without its answer being complete, or the peer went
     * away: exactly once, and not after the answer was ended. `request` is
     * not to be used afterwards.
     */
    void (*on_abort)(struct inlay_handler *handler,
                     struct inlay_request *request);
    /* NULL is allowed. Called after the I/O threads have ended. */
    void (*destroy)(struct inlay_handler *handler);
    /*
     * NULL is allowed. The peer ended its side after a whole request: it may
     * be gone, or may still read. The answer is sent all the same, on_abort
     * follows when that fails. At most once.
     */
    void (*on_eof)(struct inlay_handler *handler,
                   struct inlay_request *request);
    /*
     * NULL: never accepts, and is not asked for one. A whole message of an
     * accepted WebSocket (serve/websocket.h), text being valid UTF-8; valid
     * during the call.
     */
    void (*on_message)(struct inlay_handler *handler,
                       struct inlay_request *request,
                       enum inlay_websocket_kind kind,
                       struct inlay_str bytes);
    /*
     * An accepted WebSocket has ended, in place of on_abort: exactly once,
     * and not after inlay_websocket_close. The peer's code (RFC 6455 7.4):
     * 1005 when it gave none, 1006 when the connection was lost, ours when
     * we failed it (1012: the server drains). `request` is not to be used
     * afterwards.
     */
    void (*on_websocket_end)(struct inlay_handler *handler,
                             struct inlay_request *request,
                             uint16_t code,
                             struct inlay_str reason);
    /*
     * NULL is allowed. The request's time is over (limits.request_timeout):
     * whoever works on it should stop. on_abort follows at once.
     */
    void (*on_timeout)(struct inlay_handler *handler,
                       struct inlay_request *request);
};

/* Embedded first in its implementation. */
struct inlay_handler {
    const struct inlay_handler_ops *ops;
};

#endif
