/*
 * websocket_deflate.h - compression of WebSocket messages (RFC 7692
 * permessage-deflate): the offer, and what it is about. zlib's state is made
 * by the first message that needs it: per connection about 40 KiB for what is
 * sent (a window of 4 KiB) and 11 KiB for what comes, 40 KiB when the client
 * does not let the server choose its window.
 */
#ifndef INLAY_HTTP_WEBSOCKET_DEFLATE_H
#define INLAY_HTTP_WEBSOCKET_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* Shorter messages are not worth it. */
#define INLAY_DEFLATE_LEAST 64

/* What was agreed on. */
struct inlay_deflate_terms {
    bool server_no_takeover, client_no_takeover; /* each message on its own */
    uint8_t server_bits, client_bits; /* of the windows; 0: not spoken of */
};

/*
 * The first acceptable offer in the value of a Sec-WebSocket-Extensions
 * header. False: there is none.
 */
bool inlay_deflate_negotiate(struct inlay_str offers,
                             struct inlay_deflate_terms *ret);

/* The value of the header that accepts it; its length. */
#define INLAY_DEFLATE_ANSWER_MOST 160
size_t inlay_deflate_answer(const struct inlay_deflate_terms *terms,
                            char buf[INLAY_DEFLATE_ANSWER_MOST]);

struct inlay_websocket_deflate;

/* NULL: no memory. */
struct inlay_websocket_deflate *inlay_deflate_create(
    const struct inlay_deflate_terms *terms);
void inlay_deflate_destroy(struct inlay_websocket_deflate *deflate);

enum inlay_inflate_status {
    INLAY_INFLATE_OK,
    INLAY_INFLATE_BROKEN,
    INLAY_INFLATE_TOO_BIG, /* it passes out's limit */
    INLAY_INFLATE_NO_MEMORY,
};

/* Bytes of a compressed message, the last ones of it, decompressed to the end
 * of `out`. After a failure it must not be used again. */
enum inlay_inflate_status inlay_websocket_inflate(
    struct inlay_websocket_deflate *deflate,
    struct inlay_str bytes,
    bool last,
    struct inlay_buf *out);

/* A whole message, compressed, to the end of `out`. 0, or -1: send it as it
 * is (no memory; `out` is as before). */
int inlay_websocket_deflate(struct inlay_websocket_deflate *deflate,
                            struct inlay_str bytes,
                            struct inlay_buf *out);

/*
 * Frees the compressor when it has not been used since the last call: what it
 * forgets costs a few bytes later.
 */
void inlay_deflate_rest(struct inlay_websocket_deflate *deflate);

#endif
