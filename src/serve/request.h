/*
 * request.h - one request from its head to the end of its answer. Owned by
 * its connection's I/O thread. Everything it holds lives in its arena.
 */
#ifndef INLAY_SERVE_REQUEST_H
#define INLAY_SERVE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "http/header.h"
#include "http/http1.h"
#include "net/conn.h"
#include "net/listener.h"
#include "serve/handler.h"

struct inlay_compress;
struct inlay_io_thread;
struct inlay_native_table;
struct inlay_provided;
struct inlay_stream_ops;

/* A header for the answer of whoever gives it. */
struct inlay_extra {
    struct inlay_extra *next;
    struct inlay_header header; /* in the request's arena */
    bool replaces;              /* the answer's own of that name go */
};

struct inlay_request {
    struct inlay_io_thread *thread;
    struct inlay_arena arena; /* limit: limits->request_memory */

    /* The head. Views valid until the request ends. */
    enum inlay_method method_id;
    struct inlay_str method;
    struct inlay_str raw_path;    /* as sent, without the query */
    struct inlay_str path;        /* percent-decoded once, never normalised */
    struct inlay_str query;       /* raw */
    struct inlay_header *headers; /* names in lower case, in order */
    size_t nheaders;
    uint8_t http_major, http_minor; /* 1, 1 */
    struct inlay_str scheme;        /* "http"; a trusted proxy's word */
    struct inlay_str root_path;     /* the server's, or a trusted prefix */
    const struct inlay_address *client, *local;
    bool websocket; /* it asks for one, validly (RFC 6455 4.2.1) */

    bool has_body;          /* on_body will be called */
    int64_t content_length; /* -1: none given */
    bool body_done;         /* the whole body has arrived */
    bool body_wanted;       /* inlay_request_want_body was called */
    bool retained;          /* the head is in the arena */

    /* Who answers; set while it is PENDING. */
    struct inlay_handler *handler;
    void *handler_data; /* the handler's own */

    /* Methods that native routes have for this path, "GET, HEAD"; merged
     * into the Allow header of a 405, whoever gives it. "" when none. */
    struct inlay_str native_allow;

    /* For logs and metrics. */
    uint64_t began;         /* inlay_clock_ns of its dispatch; 0: not wanted */
    uint64_t queue_ns;      /* of it, until the Python thread took it */
    struct inlay_str id;    /* its x-request-id; "": none (request_id.h) */
    struct inlay_str route; /* the pattern of its native route; "" none */
    bool unlogged;          /* no line in the access log */
    bool counted;           /* its end is in the metrics */

    /* The answer, for response.c, the access log and metrics. */
    const struct inlay_stream_ops *stream;
    struct inlay_extra *extra;       /* in order; answer.c puts them in */
    struct inlay_provided *provided; /* results of providers (native_call.h) */
    /* Whose guards it has passed and whose routes it takes; NULL: none yet. */
    const struct inlay_native_table *native_table;
    int status;                /* 0: not started */
    bool started, ended;       /* head written; answer complete */
    bool head_only;            /* HEAD, 204, 304: no body goes out */
    bool chunked;              /* transfer-encoding: chunked */
    bool trailed;              /* trailers are written: the body has ended */
    bool as_is;                /* set before the start: never compressed */
    int64_t length;            /* announced content-length, -1: none */
    uint64_t sent;             /* body bytes written by the handler */
    bool close;                /* connection ends after this answer */
    bool has_date, has_server; /* the handler gives these headers itself */
    struct inlay_compress *compress; /* the body goes through it; or NULL */
    const struct inlay_str *logged;  /* what the access log shows of the
                                        answer's headers; or NULL */
};

/* The value of the first header of that (lower-case) name; ptr NULL: none. */
struct inlay_str inlay_request_header(const struct inlay_request *request,
                                      struct inlay_str name);

/* The path without a root path that is a prefix of whole segments; or itself. */
struct inlay_str inlay_path_without_root(struct inlay_str path,
                                         struct inlay_str root);

/* The path without the server's root_path, when that is a prefix of whole
 * segments: what native routes and static mounts are found by. */
struct inlay_str inlay_request_local_path(const struct inlay_request *request);

/*
 * Stop and go on reading the body: the client is held back, memory stays
 * bounded. Only of a PENDING request whose body is not done.
 */
void inlay_request_pause(struct inlay_request *request);
void inlay_request_resume(struct inlay_request *request);

/*
 * A header for the answer, whoever gives it: guards, layers and native
 * functions say so. Name (any case) and value are copied; `replaces` drops
 * earlier ones of that name, the answer's own too. 0; -1 when it is not valid,
 * speaks of framing (content-length, transfer-encoding, connection, upgrade,
 * keep-alive, trailer) or the answer has begun; -2 without memory.
 */
int inlay_request_add_header(struct inlay_request *request,
                             struct inlay_str name,
                             struct inlay_str value,
                             bool replaces);

/* Drops those of them that speak of the content: an error's is another one,
 * and its text, which a client may have written, is no HTML. */
void inlay_request_drop_content(struct inlay_request *request);

/* The body is wanted: sends "100 Continue" when the client waits for it. */
void inlay_request_want_body(struct inlay_request *request);

/*
 * Copies the head's views into the arena, so that they last as long as the
 * request; done for every request that on_request leaves PENDING. A handler
 * that shows the request to another thread calls it before it does. 0, or -1
 * without memory.
 */
int inlay_request_retain(struct inlay_request *request);

/*
 * The same, with views of the path: `ret` has each of `views` as it is then.
 * Those of other memory stay. `ret` may be `views`.
 */
int inlay_request_retain_path(struct inlay_request *request,
                              const struct inlay_str *views,
                              size_t count,
                              struct inlay_str *ret);

#endif
