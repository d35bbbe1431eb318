/*
 * compress.h - answers in a content coding (RFC 9110 8.4) that the client
 * accepts: native and ASGI answers of the configured types. docs/compression.md
 * says which are left as they are.
 *
 * A whole answer that is written at once gets its new content-length; any other
 * is chunked, and what has been written can be decoded after each write. Once
 * begun, an answer uses one encoder of its I/O thread until it ends.
 */
#ifndef INLAY_SERVE_COMPRESS_H
#define INLAY_SERVE_COMPRESS_H

#include "base/arena.h"
#include "base/error.h"
#include "http/accept_encoding.h"
#include "http/header.h"

struct inlay_chunk;
struct inlay_request;
struct inlay_server_config;

/* "text/" and a star, "application/" star "+json": at most one star. */
struct inlay_type_pattern {
    struct inlay_str before, after;
    bool exact; /* there is no star, and so nothing in `after` */
};

struct inlay_compression {
    enum inlay_coding codings[INLAY_CODING_COUNT]; /* best first */
    size_t ncodings;
    struct inlay_type_pattern *types;
    size_t ntypes;
    size_t min_size; /* bytes; shorter answers go as they are */
};

/* compression.c; cold. NULL in `ret` when nothing is configured; it lies in
 * the arena. INLAY_ERROR_VALUE names what is wrong. */
struct inlay_error *inlay_compression_create(
    const struct inlay_server_config *config,
    struct inlay_arena *arena,
    struct inlay_compression **ret);

/*
 * In place of request->stream->start: an answer that can be compressed gets a
 * Vary, and request->compress when it will be. 0 or -1.
 */
int inlay_compress_start(struct inlay_request *request,
                         const struct inlay_header *headers,
                         size_t nheaders);

/* For requests with request->compress. Body bytes, at least one. 0 or -1. */
int inlay_compress_write(struct inlay_request *request, struct inlay_str bytes);
/* Takes the chunk. A part of a file goes as it is, and what follows: -1 when
 * the answer has already begun otherwise. */
int inlay_compress_write_chunk(struct inlay_request *request,
                               struct inlay_chunk *chunk);

/* The body has ended: before trailers and end; twice is once. 0; or -1, also
 * when anything failed before: abort. */
int inlay_compress_end(struct inlay_request *request);

/* Body bytes that went out. */
uint64_t inlay_compress_sent(const struct inlay_request *request);

#endif
