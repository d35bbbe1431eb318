/*
 * response.h - the answer to a request, one way for every handler and
 * protocol: framing (length, chunked, none), HEAD, 204 and 304, Date and
 * Server headers, keep-alive or close. I/O thread only.
 */
#ifndef INLAY_SERVE_RESPONSE_H
#define INLAY_SERVE_RESPONSE_H

#include <stdint.h>

#include "http/header.h"
#include "net/conn.h"
#include "serve/request.h"

/*
 * What a protocol does for response.c (http1 here, http2 later). `start`
 * frames by request->length, chunked and head_only, which response.c has set.
 */
struct inlay_stream_ops {
    int (*start)(struct inlay_request *request,
                 const struct inlay_header *headers,
                 size_t nheaders);
    int (*write)(struct inlay_request *request, struct inlay_str bytes);
    int (*write_chunk)(struct inlay_request *request,
                       struct inlay_chunk *chunk);
    /* A 1xx before the answer. */
    int (*inform)(struct inlay_request *request,
                  int status,
                  const struct inlay_header *headers,
                  size_t nheaders);
    /* After the last body byte, before `end`; only of a chunked answer. */
    int (*trailers)(struct inlay_request *request,
                    const struct inlay_header *headers,
                    size_t nheaders);
    void (*end)(struct inlay_request *request); /* request is gone after it */
    void (*abort)(struct inlay_request *request);
    void (*pause)(struct inlay_request *request);
    void (*resume)(struct inlay_request *request);
    void (*want_body)(struct inlay_request *request);
    size_t (*queued)(const struct inlay_request *request);
};

/*
 * Status line and headers. Names and values are checked (-1: refused).
 * content-length among the headers sets the length; transfer-encoding,
 * connection (other than close), keep-alive and upgrade are dropped: framing
 * is ours. `length` >= 0 announces a content-length when no header does; -1
 * leaves it to chunked (HTTP/1.1) or close (HTTP/1.0). 0 or -1.
 */
int inlay_response_start(struct inlay_request *request,
                         int status,
                         const struct inlay_header *headers,
                         size_t nheaders,
                         int64_t length);

/*
 * Body bytes; dropped for HEAD, 204, 304. More than announced is cut and the
 * connection will close. 0, or -1: give up (inlay_response_abort).
 */
int inlay_response_write(struct inlay_request *request, struct inlay_str bytes);
int inlay_response_write_chunk(struct inlay_request *request,
                               struct inlay_chunk *chunk);

/*
 * `len` bytes of a regular file from `offset` on, sent by the kernel. Takes
 * over `fd`, also on failure. A file that turns out shorter cuts the answer.
 * For answers that nothing compresses: request->as_is, before the start.
 */
int inlay_response_write_file(struct inlay_request *request,
                              int fd,
                              uint64_t offset,
                              uint64_t len);

/*
 * An informational answer, 100 < status < 200, before the start: 103 with
 * links (RFC 8297). Does nothing for HTTP/1.0. 0, or -1: a header that is
 * not valid or speaks of framing, 101, or too late.
 */
int inlay_response_inform(struct inlay_request *request,
                          int status,
                          const struct inlay_header *headers,
                          size_t nheaders);

/*
 * Trailer fields (RFC 9110 6.5), before the end and once. Dropped when the
 * framing has no room for them (a length, HTTP/1.0, no body). 0, or -1: a
 * field that is not valid or must not be a trailer.
 */
int inlay_response_trailers(struct inlay_request *request,
                            const struct inlay_header *headers,
                            size_t nheaders);

/* May a field of that name be a trailer (RFC 9110 6.5.1)? */
bool inlay_response_may_trail(struct inlay_str name);

/*
 * The answer is complete, the request is over and its memory may go: do not
 * touch it afterwards. Less than announced closes the connection.
 */
void inlay_response_end(struct inlay_request *request);

/* Cut: the client must see that the answer is not whole. Request is over. */
void inlay_response_abort(struct inlay_request *request);

/* A whole answer: start, write, end. The request is over. */
void inlay_response_send(struct inlay_request *request,
                         int status,
                         struct inlay_str content_type,
                         struct inlay_str body);
/* The same with further headers. */
void inlay_response_send_with(struct inlay_request *request,
                              int status,
                              const struct inlay_header *headers,
                              size_t nheaders,
                              struct inlay_str body);

/* {"detail": text} as FastAPI says it. The request is over. */
void inlay_response_error(struct inlay_request *request,
                          int status,
                          struct inlay_str detail);

/* Bytes of the connection not yet written to the socket. */
size_t inlay_response_queued(const struct inlay_request *request);

#endif
