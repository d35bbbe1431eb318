/*
 * websocket_handshake.h - the request that opens a WebSocket, and what its
 * answer must contain (RFC 6455 4.2).
 */
#ifndef INLAY_HTTP_WEBSOCKET_HANDSHAKE_H
#define INLAY_HTTP_WEBSOCKET_HANDSHAKE_H

#include "http/header.h"
#include "http/http1.h"
#include "http/websocket_deflate.h"

enum inlay_handshake {
    INLAY_HANDSHAKE_NONE, /* it asks for something else, or is no GET without
                             a body: the upgrade is not followed */
    INLAY_HANDSHAKE_VALID,
    INLAY_HANDSHAKE_MALFORMED,   /* 400 */
    INLAY_HANDSHAKE_BAD_VERSION, /* 426, with Sec-WebSocket-Version: 13 */
};

/* Of a head with `upgrade`. `reason_ret` is set for the last two: a line for
 * the client. */
enum inlay_handshake inlay_websocket_check(const struct inlay_http1_head *head,
                                           const char **reason_ret);

/* Sec-WebSocket-Accept for a valid handshake, without a NUL. 0, or -1: this
 * machine's libcrypto refuses SHA-1. */
#define INLAY_WEBSOCKET_ACCEPT_LEN 28
int inlay_websocket_accept_key(const struct inlay_header *headers,
                               size_t nheaders,
                               char buf[INLAY_WEBSOCKET_ACCEPT_LEN]);

/* The first acceptable offer of permessage-deflate in any header. */
bool inlay_websocket_find_deflate(const struct inlay_header *headers,
                                  size_t nheaders,
                                  struct inlay_deflate_terms *ret);

/* The subprotocols that are offered, as the client orders them. */
struct inlay_subprotocols {
    const struct inlay_header *headers;
    size_t nheaders;
    struct inlay_str rest; /* of the header at hand */
};

static inline struct inlay_subprotocols inlay_subprotocols_of(
    const struct inlay_header *headers,
    size_t nheaders)
{
    return (struct inlay_subprotocols){headers, nheaders, {NULL, 0}};
}

/* The next one; false: there is none. */
bool inlay_subprotocols_next(struct inlay_subprotocols *list,
                             struct inlay_str *ret);

#endif
