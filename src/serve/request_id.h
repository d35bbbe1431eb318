/*
 * request_id.h - x-request-id (config.request_id) and W3C traceparent. A
 * request that comes with a usable id keeps it, whoever sent it: it is a label
 * for logs and nothing rests on it. Others get 128 random bits as hex.
 */
#ifndef INLAY_SERVE_REQUEST_ID_H
#define INLAY_SERVE_REQUEST_ID_H

#include <stdint.h>

#include "base/str.h"

struct inlay_request;

#define INLAY_REQUEST_ID_MOST 128

/* Per I/O thread; not for secrets. */
struct inlay_random {
    uint64_t state[2];
};

/* Seeded by the kernel. */
void inlay_random_init(struct inlay_random *random);
uint64_t inlay_random_next(struct inlay_random *random);

/*
 * Sets request->id, and makes it every x-request-id of request->headers, one
 * at least: the client's first when that is usable, else ours.
 * 0, or -1 without memory: the request goes on without.
 */
int inlay_request_id_assign(struct inlay_request *request);

/*
 * The trace-id of a traceparent header (W3C Trace Context 2.2.2), a view of
 * 32 hex digits; "" when there is none or it is not valid.
 */
struct inlay_str inlay_request_trace_id(const struct inlay_request *request);

#endif
