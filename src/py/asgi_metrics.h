/*
 * asgi_metrics.h - what the Python thread counts when metrics are on: how long
 * requests wait for it, how late the event loop runs what it was woken for,
 * how long it waits for the GIL, and which route of the application answered.
 * The thread of the event loop, with the GIL.
 */
#ifndef INLAY_PY_ASGI_METRICS_H
#define INLAY_PY_ASGI_METRICS_H

#include "py/py.h"

#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "serve/metrics.h"

struct inlay_asgi;
struct inlay_asgi_request;
struct inlay_relay;

#define INLAY_ASGI_ROUTES 256 /* slots of the cache; a power of two */

struct inlay_asgi_metrics {
    struct inlay_metrics *metrics; /* the server's; NULL: it was stopped */
    struct inlay_bridge *bridge;
    /* Once a second an I/O thread wakes the event loop, and notes what time
     * its thread has been running, or runnable, until then. */
    clockid_t cpu;      /* of the Python thread */
    int schedstat;      /* of it, proc(5); -1: the kernel has none */
    atomic_bool asked;  /* by the I/O thread, answered by the next batch */
    uint64_t busy_then; /* ns; written before `asked` is set */
    /* scope["route"] -> its text in the metrics' table. */
    struct {
        PyObject *route; /* NULL: free */
        struct inlay_str text;
    } routes[INLAY_ASGI_ROUTES];
};

/* For a server with metrics, before it starts. 0 or -1. */
int inlay_asgi_metrics_init(struct inlay_asgi *asgi,
                            struct inlay_metrics *metrics);
/* The server's metrics are about to go, or are gone: nothing is counted. */
void inlay_asgi_metrics_stop(struct inlay_asgi *asgi);
void inlay_asgi_metrics_free(struct inlay_asgi *asgi);
int inlay_asgi_metrics_traverse(struct inlay_asgi_metrics *metrics,
                                visitproc visit,
                                void *arg);

/* Around a batch of server_poll, which begins at asgi->now. */
void inlay_asgi_metrics_poll(struct inlay_asgi *asgi);
void inlay_asgi_metrics_polled(struct inlay_asgi *asgi);

/* A relay was taken out of the queue, at relay->taken_at. */
void inlay_asgi_metrics_taken(struct inlay_asgi_metrics *metrics,
                              const struct inlay_relay *relay);

/* The answer begins, and with it the router has had its say: relay->route
 * gets the template, request->scope goes. */
void inlay_asgi_metrics_route(struct inlay_asgi_request *request);

/* The application raised, or did not complete its answer. */
void inlay_asgi_metrics_failed(struct inlay_asgi_request *request, bool raised);

#endif
