/*
 * http1.h - the HTTP/1.x request engine (RFC 9112): bytes in, events out; no
 * socket, no clock. llhttp reads the grammar in strict mode, but for the plain
 * heads of http1_scan.h; what it lets through and the RFCs forbid is refused
 * here. Any chunking of the same bytes
 * gives the same events.
 */
#ifndef INLAY_HTTP_HTTP1_H
#define INLAY_HTTP_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/spare.h"
#include "base/str.h"
#include "http/header.h"

/* Limits of one request head; the body's are the caller's. */
struct inlay_http1_limits {
    size_t head_bytes;    /* request line + headers (431; 414 in the line) */
    size_t header_count;  /* 431 */
    size_t trailer_bytes; /* trailers and chunk extensions of a body (400);
                             neither is handed on */
};

enum inlay_method {
    INLAY_METHOD_OTHER, /* a valid token that is none of these */
    INLAY_METHOD_GET,
    INLAY_METHOD_HEAD,
    INLAY_METHOD_POST,
    INLAY_METHOD_PUT,
    INLAY_METHOD_PATCH,
    INLAY_METHOD_DELETE,
    INLAY_METHOD_OPTIONS,
    INLAY_METHOD_CONNECT,
    INLAY_METHOD_TRACE,
};

/*
 * Views, all of them into the engine's own copy of the head: valid until the
 * next feed; when the message ended and on_complete said to go on, until that
 * next message begins or feed returns.
 */
struct inlay_http1_head {
    enum inlay_method method_id;
    struct inlay_str method; /* as sent */
    struct inlay_str target; /* as sent: origin, absolute or asterisk form */
    struct inlay_str path;   /* raw, of the target; "*" for asterisk form */
    struct inlay_str query;  /* raw, without '?'; "" when absent */
    uint8_t minor;           /* HTTP/1.minor: 0 or 1 */
    bool keep_alive;         /* what the client allows */
    bool chunked;
    bool expects_continue;  /* only of HTTP/1.1 and with a body to come */
    bool upgrade;           /* Connection: upgrade with an Upgrade field, of
                              HTTP/1.1; the body is read all the same */
    bool forwarded;         /* a Forwarded or an X-Forwarded- field is there */
    int64_t content_length; /* -1: none */
    struct inlay_header *headers; /* without trailers; host is the target's
                                     in absolute form (RFC 9112 3.2.2) */
    size_t nheaders;
};

struct inlay_http1;

/*
 * Called from within inlay_http1_feed, which returns PAUSED after one that
 * returned false: no other is called before the next feed. on_complete follows
 * every on_head unless the bytes end or are wrong. None may destroy or feed
 * the engine.
 */
struct inlay_http1_events {
    bool (*on_head)(void *arg, const struct inlay_http1_head *head);
    bool (*on_body)(void *arg, struct inlay_str chunk);
    bool (*on_complete)(void *arg); /* the message has ended */
};

enum inlay_http1_status {
    INLAY_HTTP1_MORE = 0, /* everything was taken; more may come */
    /* An event said stop: feed the rest later, and even if no byte is left:
     * then with len 0, for on_complete may be due. */
    INLAY_HTTP1_PAUSED = 1,
    INLAY_HTTP1_ERROR = -1, /* see inlay_http1_error; close after answering */
};

/* What to answer to bytes that are no request: never more than these. */
struct inlay_http1_error {
    int status;         /* 400, 414, 417, 431, 501, 505, or 503: no memory */
    const char *reason; /* one line for the client: what is wrong */
};

/*
 * About 300 bytes while idle: head memory exists only during a head. Limits
 * and events stay the caller's and must outlive the engine. NULL: no memory.
 */
struct inlay_http1 *inlay_http1_create(const struct inlay_http1_limits *limits,
                                       const struct inlay_http1_events *events,
                                       void *arg);
void inlay_http1_destroy(struct inlay_http1 *http1);

/* The same in the caller's memory, of so many bytes and aligned as malloc's;
 * memory of heads comes from `spare` and goes there, or NULL. */
size_t inlay_http1_size(void);
void inlay_http1_init(struct inlay_http1 *http1,
                      const struct inlay_http1_limits *limits,
                      const struct inlay_http1_events *events,
                      struct inlay_spare *spare,
                      void *arg);
/* Twice is once; it is not fed any more. */
void inlay_http1_deinit(struct inlay_http1 *http1);

/*
 * Feed bytes. `consumed_ret` says how many were taken: all of them unless
 * PAUSED. After on_complete the engine is ready for the next message; a
 * handler that is not returns false from it and feeds the rest later. What
 * follows a message without keep_alive is taken and dropped (RFC 9112 9.6).
 * After ERROR no event is called again.
 */
enum inlay_http1_status inlay_http1_feed(struct inlay_http1 *http1,
                                         const char *data,
                                         size_t len,
                                         size_t *consumed_ret);

/* Between two feeds: nobody needs the last head's views any more. */
void inlay_http1_forget(struct inlay_http1 *http1);

const struct inlay_http1_error *inlay_http1_error(
    const struct inlay_http1 *http1);

/* Has a message begun that has not ended (a head or a body is awaited)? */
bool inlay_http1_in_message(const struct inlay_http1 *http1);

/* Has any byte of the next head arrived (empty lines do not count)? */
bool inlay_http1_in_head(const struct inlay_http1 *http1);

/* Is it a host as a Host field has it: uri-host [ ":" port ] (RFC 9110 7.2)?
 * An empty one is, without a port. */
bool inlay_http_authority_valid(struct inlay_str text);

/* --- Writing (http1_write.c) ------------------------------------------- */

/* "OK"; "" for a code without a registered name. */
struct inlay_str inlay_http_reason(int status);

/* Chunked framing: "1f\r\n" before a chunk, "\r\n" after, "0\r\n\r\n" last. */
size_t inlay_http1_chunk_head(char buf[18], size_t len);

#endif
