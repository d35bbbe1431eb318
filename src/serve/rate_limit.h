/*
 * rate_limit.h - so many requests in so much time, per client: a token bucket,
 * kept as the time at which it will be full (GCRA, as ATM Forum TM 4.0 has
 * it). Buckets lie in a table of a fixed size, which nobody can make larger or
 * fill on purpose: places come from a keyed hash, and the one that gives way
 * is the fullest of eight, which knows least.
 */
#ifndef INLAY_SERVE_RATE_LIMIT_H
#define INLAY_SERVE_RATE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

struct inlay_request;
struct inlay_rate_limit;

enum inlay_rate_by { INLAY_RATE_ADDRESS, INLAY_RATE_HEADER, INLAY_RATE_COOKIE };

struct inlay_rate {
    uint64_t count;  /* requests */
    uint64_t period; /* ns */
    uint64_t burst;  /* at once */
    enum inlay_rate_by by;
    struct inlay_str name; /* of the header, in lower case, or cookie */
};

/*
 * "100/minute", "5/second burst 10", "20/10s by header:x-api-key", "… by
 * cookie:sid", "… by address". Errors: INLAY_ERROR_VALUE. The name is in the
 * arena.
 */
struct inlay_error *inlay_rate_parse(struct inlay_str text,
                                     struct inlay_arena *arena,
                                     struct inlay_rate *ret);

/* `sets` of eight buckets, a power of two; INLAY_RATE_SETS: 1 MiB of them,
 * taken as they are used. `name` is what clients are told. Cold. */
#define INLAY_RATE_SETS 8192
struct inlay_error *inlay_rate_limit_create(const struct inlay_rate *rate,
                                            struct inlay_str name,
                                            size_t sets,
                                            struct inlay_rate_limit **ret);
/* NULL is allowed. */
void inlay_rate_limit_destroy(struct inlay_rate_limit *limit);

struct inlay_rate_verdict {
    bool allowed;
    uint64_t left;  /* requests that could follow at once */
    uint64_t reset; /* ns until the bucket is full */
    uint64_t retry; /* ns until the next one is allowed; 0: at once */
};

/* One more request of `key` at `now` (inlay_clock_ns). Any thread. */
struct inlay_rate_verdict inlay_rate_limit_take(struct inlay_rate_limit *limit,
                                                struct inlay_str key,
                                                uint64_t now);

/*
 * One more request: its key by the rate, its answer's ratelimit headers. False:
 * it has got its 429 and is over. I/O thread.
 */
bool inlay_rate_limit_admit(struct inlay_rate_limit *limit,
                            struct inlay_request *request);

#endif
