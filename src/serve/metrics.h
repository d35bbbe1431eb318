/*
 * metrics.h - a worker's side of the metrics: its slot of the shared memory,
 * and what is counted there while requests run. Nothing here waits, locks
 * (but for a new route's first request) or allocates.
 */
#ifndef INLAY_SERVE_METRICS_H
#define INLAY_SERVE_METRICS_H

#include <pthread.h>

#include "base/clock.h"
#include "base/error.h"
#include "net/loop.h"
#include "serve/metrics_layout.h"
#include "serve/request.h"

#define INLAY_METRICS_CACHE 256 /* a power of two */
#define INLAY_METRICS_TICK_MS 1000

struct inlay_metrics;

/* One I/O thread's; touched by it alone. */
struct inlay_metrics_thread {
    struct inlay_metrics_io *io; /* in the slot */
    struct inlay_metrics *metrics;
    /* Routes by the address of their text, which never moves. */
    struct {
        const char *text;
        unsigned route;
    } cache[INLAY_METRICS_CACHE];
};

/* One per server; NULL there when metrics are off. */
struct inlay_metrics {
    struct inlay_metrics_slot *slot;
    size_t size;                    /* bytes that are mapped */
    pthread_mutex_t lock;           /* of new routes */
    struct inlay_timer_queue ticks; /* of `tick`, on the first I/O thread */
    struct inlay_timer tick;
    struct inlay_loop *loop; /* that one's */
    /* Once a second on the first I/O thread; set before it starts. */
    void (*on_tick)(void *arg);
    void *tick_arg;
    unsigned nthreads;
    struct inlay_metrics_thread threads[];
};

/*
 * Maps slot `slot` of the memory `fd` (metrics_area.h), which stays the
 * caller's. ValueError when it is no such memory, or has no such slot or not
 * so many I/O threads.
 */
struct inlay_error *inlay_metrics_open(int fd,
                                       unsigned slot,
                                       unsigned nthreads,
                                       struct inlay_metrics **ret);
/* NULL is allowed. What was counted stays. */
void inlay_metrics_close(struct inlay_metrics *metrics);

/* Begins the ticks, on the loop of the first I/O thread before it runs. */
void inlay_metrics_start(struct inlay_metrics *metrics,
                         struct inlay_loop *loop);

/* --- Counting ------------------------------------------------------------ */

/* One writer: no atomic read-modify-write is needed. */
static inline void inlay_metric_add(inlay_metric *metric, uint64_t count)
{
    atomic_store_explicit(
        metric, atomic_load_explicit(metric, memory_order_relaxed) + count,
        memory_order_relaxed);
}

/* The writer of one is its thread; `thread` NULL: metrics are off. */
static inline void inlay_metrics_count(struct inlay_metrics_thread *thread,
                                       enum inlay_metrics_io_counter counter,
                                       uint64_t count)
{
    if (inlay_unlikely(thread != NULL))
        inlay_metric_add(&thread->io->counters[counter], count);
}

/* One duration of `ns`. */
void inlay_histogram_add(struct inlay_histogram *histogram, uint64_t ns);

/*
 * A request is over, and its time ends now: answered by its handler or,
 * without one, by the server; `cut`: the answer is not whole. Of one that
 * inlay_metrics_websocket was called for, the WebSocket ends.
 */
void inlay_metrics_end(struct inlay_metrics_thread *thread,
                       struct inlay_request *request,
                       bool cut);

/* It is over without an answer of its handler: the client left, or the server
 * gave it up with request->status. */
void inlay_metrics_aborted(struct inlay_metrics_thread *thread,
                           struct inlay_request *request);

/* The request has become a WebSocket: it ends here, the WebSocket begins. */
void inlay_metrics_websocket(struct inlay_metrics_thread *thread,
                             struct inlay_request *request);

/* Refused before there was a request: a head that is none, or never came. */
void inlay_metrics_refused(struct inlay_metrics_thread *thread, int status);

/*
 * Any thread: the number of a route, made on its first use; "" is the one of
 * no route. Texts that differ after INLAY_METRICS_ROUTE_TEXT bytes are one.
 */
unsigned inlay_metrics_route(struct inlay_metrics *metrics,
                             enum inlay_metrics_kind kind,
                             struct inlay_str text);

/* Its text, in the slot: lasts as long as `metrics`. */
struct inlay_str inlay_metrics_route_text(const struct inlay_metrics *metrics,
                                          unsigned route);

#endif
