/*
 * metrics_layout.h - the shared memory in which workers count and from which
 * the supervisor renders: a head, then one slot per worker. Every word is
 * atomic and has one writer, so an update is a plain add; nobody waits for
 * anybody, and what a worker that was killed had counted stays. (Those of
 * databases, db/stats.h, have several, all of one process.)
 *
 * A slot is a place for workers, not one process: the next worker in it goes
 * on counting where the last one ended, so no counter ever goes back.
 */
#ifndef INLAY_SERVE_METRICS_LAYOUT_H
#define INLAY_SERVE_METRICS_LAYOUT_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/buckets.h"
#include "db/database.h"
#include "http/http1.h"

typedef _Atomic(uint64_t) inlay_metric;

/* --- Histograms of durations --------------------------------------------- */

#define INLAY_METRICS_BOUNDS(X) INLAY_BUCKET_BOUNDS(X)
enum { INLAY_METRICS_BUCKETS = INLAY_BUCKETS };

struct inlay_histogram {
    inlay_metric buckets[INLAY_METRICS_BUCKETS]; /* each its own; last: +Inf */
    inlay_metric sum;                            /* ns */
};

/* --- Requests ------------------------------------------------------------ */

/* Who answered; the first two are told apart by their status. */
#define INLAY_METRICS_KINDS(X)                                                 \
    X(SERVER, "server") /* the server itself; "refused" from 400 on */         \
    X(NATIVE, "native")                                                        \
    X(ASGI, "asgi")                                                            \
    X(STATIC, "static")                                                        \
    X(WEBSOCKET, "websocket")

enum inlay_metrics_kind {
#define INLAY_METRICS_KIND_(name, text) INLAY_METRICS_##name,
    INLAY_METRICS_KINDS(INLAY_METRICS_KIND_)
#undef INLAY_METRICS_KIND_
        INLAY_METRICS_NKINDS
};

/*
 * Route numbers: the kind's own number is "*" (no template is known), that
 * and INLAY_METRICS_NKINDS is "other" (the table is full); then the table.
 */
#define INLAY_METRICS_ROUTES 512
#define INLAY_METRICS_NAMED (2 * INLAY_METRICS_NKINDS)
#define INLAY_METRICS_ROUTE_TEXT 122

struct inlay_metrics_route {
    atomic_uchar kind, len;
    char text[INLAY_METRICS_ROUTE_TEXT]; /* written once, then counted in
                                            nroutes: never changed */
};

/* A count of requests that are alike; open addressing by `key`. */
#define INLAY_METRICS_SERIES 1024     /* a power of two */
#define INLAY_METRICS_SERIES_FILL 896 /* from here on routes are "other" */
#define INLAY_METRICS_NO_METHOD (INLAY_METHOD_TRACE + 1) /* no head was read */

struct inlay_metrics_series {
    inlay_metric key; /* INLAY_METRICS_KEY; 0: free */
    inlay_metric count;
};

#define INLAY_METRICS_KEY(kind, method, status, route)                         \
    ((uint64_t)1 << 40 | (uint64_t)(kind) << 32 | (uint64_t)(method) << 24 |   \
     (uint64_t)(status) << 12 | (uint64_t)(route))
#define INLAY_METRICS_KEY_KIND(key) ((unsigned)((key) >> 32) & 0xff)
#define INLAY_METRICS_KEY_METHOD(key) ((unsigned)((key) >> 24) & 0xff)
#define INLAY_METRICS_KEY_STATUS(key) ((unsigned)((key) >> 12) & 0xfff)
#define INLAY_METRICS_KEY_ROUTE(key) ((unsigned)(key)&0xfff)

/* --- A worker's slot ----------------------------------------------------- */

/* Counters of an I/O thread. */
#define INLAY_METRICS_IO(X)                                                    \
    X(ACCEPTED)      /* connections */                                         \
    X(CLOSED)        /* connections */                                         \
    X(REJECTED)      /* connections, for their address or want of memory */    \
    X(RECEIVED)      /* bytes, as they came from clients */                    \
    X(SENT)          /* bytes, given to connections */                         \
    X(BEGUN)         /* requests: a head was read */                           \
    X(ENDED)         /* requests: answered, or given up */                     \
    X(ABORTED)       /* requests whose answer was not completed */             \
    X(QUEUED)        /* requests put into the queue to Python */               \
    X(WS_OPENED)     /* WebSockets */                                          \
    X(WS_CLOSED)     /* WebSockets */                                          \
    X(WS_RECEIVED)   /* messages */                                            \
    X(WS_SENT)       /* messages */                                            \
    X(WRITE_EXPIRED) /* connections cut: the client took no byte */            \
    X(HELD)          /* native calls that held it too long; the watchdog's */

enum inlay_metrics_io_counter {
#define INLAY_METRICS_IO_(name) INLAY_METRICS_##name,
    INLAY_METRICS_IO(INLAY_METRICS_IO_)
#undef INLAY_METRICS_IO_
        INLAY_METRICS_NIO
};

/* One I/O thread's; written by it alone. */
struct inlay_metrics_io {
    inlay_metric counters[INLAY_METRICS_NIO];
    inlay_metric nseries; /* places of `series` that are taken */
    struct inlay_metrics_series series[INLAY_METRICS_SERIES];
    struct inlay_histogram latency[INLAY_METRICS_ROUTES]; /* by route */
};

/* Written by the Python thread alone, but for `rung`. */
struct inlay_metrics_python {
    inlay_metric taken;      /* of QUEUED, by the Python thread */
    inlay_metric exceptions; /* that an application raised */
    inlay_metric incomplete; /* answers that it did not complete */
    /* Since when the event loop owes us something, ns: it was woken and has
     * not come, or is at a batch of requests. 0: nothing waits. Written by
     * whoever wakes it, then by the loop. */
    inlay_metric rung;
    struct inlay_histogram queue; /* head read -> the Python thread has it */
    struct inlay_histogram lag;   /* wake-up written -> the loop runs us */
    struct inlay_histogram gil;   /* of the lag, once a second: neither running
                                     nor runnable */
};

struct inlay_metrics_slot {
    struct inlay_metrics_python python;
    _Alignas(64) inlay_metric pool_threads;  /* of pool/workers.h; once a */
    inlay_metric pool_running, pool_waiting; /* second, first I/O thread */
    struct inlay_db_counted databases[INLAY_DATABASES];
    inlay_metric nroutes; /* of `routes` that can be read, with the named */
    struct inlay_metrics_route routes[INLAY_METRICS_ROUTES];
    /* Then nthreads times struct inlay_metrics_io, INLAY_METRICS_IO_SIZE. */
};

#define INLAY_METRICS_ROUND_(size, to) (((size) + (to)-1) / (to) * (to))
#define INLAY_METRICS_PAGE ((size_t)4096)
#define INLAY_METRICS_IO_SIZE                                                  \
    INLAY_METRICS_ROUND_(sizeof(struct inlay_metrics_io), (size_t)64)

static inline struct inlay_metrics_io *inlay_metrics_io_of(
    struct inlay_metrics_slot *slot,
    unsigned thread)
{
    char *first = (char *)slot + INLAY_METRICS_ROUND_(sizeof(*slot), 64);

    return (void *)(first + thread * INLAY_METRICS_IO_SIZE);
}

/* --- The head ------------------------------------------------------------ */

/* Why a worker's place was filled anew. */
#define INLAY_METRICS_RESTARTS(X)                                              \
    X(EXIT, "exit")                                                            \
    X(SIGNAL, "signal")                                                        \
    X(HUNG, "hung")                                                            \
    X(MEMORY, "memory")                                                        \
    X(MAX_REQUESTS, "max_requests")                                            \
    X(RELOAD, "reload")

enum inlay_metrics_restart {
#define INLAY_METRICS_RESTART_(name, text) INLAY_METRICS_RESTART_##name,
    INLAY_METRICS_RESTARTS(INLAY_METRICS_RESTART_)
#undef INLAY_METRICS_RESTART_
        INLAY_METRICS_NRESTARTS
};

enum inlay_metrics_state {
    INLAY_METRICS_FREE,
    INLAY_METRICS_STARTING,
    INLAY_METRICS_SPARE, /* started up, waits for a place to serve in */
    INLAY_METRICS_READY, /* it serves */
    INLAY_METRICS_NSTATES
};

/* What the supervisor says of a slot; written by it alone. */
struct inlay_metrics_place {
    _Alignas(64) atomic_uint state;
    atomic_bool used;     /* ever: there is something to be read */
    atomic_int pid;       /* 0: none yet */
    inlay_metric started; /* ms since 1970 */
};

#define INLAY_METRICS_MAGIC UINT64_C(0x31736d796c6e49) /* "Inlyms1" */

struct inlay_metrics_head {
    uint64_t magic;
    uint64_t slot_size, slots_at; /* bytes; multiples of the page */
    uint32_t nslots, nthreads;
    uint64_t started; /* ms since 1970 */
    inlay_metric restarts[INLAY_METRICS_NRESTARTS];
    struct inlay_metrics_place places[];
};

#endif
