/*
 * route_limits.h - how many requests of a pattern run at once, and how long
 * each may take until its answer begins.
 */
#ifndef INLAY_SERVE_ROUTE_LIMITS_H
#define INLAY_SERVE_ROUTE_LIMITS_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/error.h"
#include "net/loop.h"

struct inlay_request;

/* --- At once -------------------------------------------------------------- */

/* Shared by the I/O threads. A request's memory, and its slot with it, may be
 * the pool's still when the server is gone: whoever is the last one frees. */
struct inlay_slots {
    size_t most;
    atomic_size_t users; /* requests that hold a slot, and the layer */
};

/* "2". Errors: INLAY_ERROR_VALUE. */
struct inlay_error *inlay_slots_parse(struct inlay_str text,
                                      struct inlay_slots **ret);

/* Of the layer. NULL is allowed. */
void inlay_slots_destroy(struct inlay_slots *slots);

/* The request holds a slot until its memory goes. False: there was none, it
 * has got its 503 and is over. I/O thread. */
bool inlay_slots_admit(struct inlay_slots *slots,
                       struct inlay_request *request);

/* 503 with Retry-After: come again. The request is over. */
void inlay_request_refuse_busy(struct inlay_request *request);

/* --- For so long ----------------------------------------------------------- */

/* Timers of one pattern: a queue per I/O thread, which sets it up itself. */
struct inlay_patience {
    uint64_t ms;
    struct inlay_timer_queue *queues;
};

/* "3s", "500ms". The queues are in the arena, which must outlast the loops.
 * Errors: INLAY_ERROR_VALUE. */
struct inlay_error *inlay_patience_parse(struct inlay_str text,
                                         unsigned nthreads,
                                         struct inlay_arena *arena,
                                         struct inlay_patience *ret);

/* The request's answer must begin within it, or a shorter time that it has
 * already. I/O thread. */
void inlay_patience_apply(struct inlay_patience *patience,
                          struct inlay_request *request);

#endif
