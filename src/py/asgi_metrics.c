#include "py/py.h"

#include "py/asgi_metrics.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "py/asgi_request.h"
#include "py/relay_io.h"

#include "base/banned.h"

/* --- The wait for the GIL ------------------------------------------------ */

/* Nanoseconds that the Python thread has spent in the queue for a core. */
static uint64_t queued_ns(const struct inlay_asgi_metrics *self)
{
    char text[64];
    ssize_t len = self->schedstat < 0
                      ? -1
                      : pread(self->schedstat, text, sizeof(text) - 1, 0);

    if (len <= 0)
        return 0;
    text[len] = 0;
    const char *second = strchr(text, ' ');
    return second ? strtoull(second, NULL, 10) : 0;
}

/* Its time on a core, or waiting for one. Any thread. */
static uint64_t busy_ns(const struct inlay_asgi_metrics *self)
{
    struct timespec time;

    if (clock_gettime(self->cpu, &time) < 0)
        return 0;
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec +
           queued_ns(self);
}

/*
 * Once a second, on an I/O thread. So an idle loop is measured too, and one
 * that hangs without requests is seen to.
 */
static void on_tick(void *arg)
{
    struct inlay_asgi_metrics *self = arg;

    if (!atomic_load(&self->bridge->idle))
        return;
    if (!atomic_load(&self->asked)) {
        self->busy_then = busy_ns(self);
        atomic_store(&self->asked, true);
    }
    inlay_bridge_ring(self->bridge);
}

/* --- Life ---------------------------------------------------------------- */

static void open_clocks(struct inlay_asgi_metrics *self)
{
    char path[64];

    if (pthread_getcpuclockid(pthread_self(), &self->cpu) != 0)
        self->cpu = CLOCK_MONOTONIC; /* then it is always busy */
    snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", gettid());
    self->schedstat = open(path, O_RDONLY | O_CLOEXEC);
}

int inlay_asgi_metrics_init(struct inlay_asgi *asgi,
                            struct inlay_metrics *metrics)
{
    struct inlay_asgi_metrics *self = inlay_calloc(1, sizeof(*self));

    if (!self) {
        PyErr_NoMemory();
        return -1;
    }
    open_clocks(self);
    self->metrics = metrics;
    self->bridge = asgi->bridge;
    asgi->metrics = self;
    asgi->bridge->rung = &metrics->slot->python.rung;
    metrics->on_tick = on_tick;
    metrics->tick_arg = self;
    return 0;
}

void inlay_asgi_metrics_stop(struct inlay_asgi *asgi)
{
    if (!asgi->metrics)
        return;
    asgi->metrics->metrics = NULL;
    asgi->bridge->rung = NULL;
}

void inlay_asgi_metrics_free(struct inlay_asgi *asgi)
{
    struct inlay_asgi_metrics *self = asgi->metrics;

    if (!self)
        return;
    asgi->metrics = NULL;
    for (size_t i = 0; i < INLAY_ASGI_ROUTES; i++)
        Py_XDECREF(self->routes[i].route);
    if (self->schedstat >= 0)
        close(self->schedstat);
    inlay_free(self);
}

int inlay_asgi_metrics_traverse(struct inlay_asgi_metrics *metrics,
                                visitproc visit,
                                void *arg)
{
    for (size_t i = 0; metrics && i < INLAY_ASGI_ROUTES; i++)
        Py_VISIT(metrics->routes[i].route);
    return 0;
}

/* --- Times --------------------------------------------------------------- */

static void add_span(struct inlay_histogram *histogram,
                     uint64_t from,
                     uint64_t to)
{
    inlay_histogram_add(histogram, to > from ? to - from : 0);
}

/*
 * The loop was woken `lag` ns ago. When its thread was neither running nor
 * runnable in that time, it waited for the GIL.
 */
static void sample_gil(struct inlay_asgi_metrics *self, uint64_t lag)
{
    uint64_t busy = busy_ns(self) - self->busy_then;

    inlay_histogram_add(&self->metrics->slot->python.gil,
                        lag > busy ? lag - busy : 0);
    atomic_store(&self->asked, false);
}

void inlay_asgi_metrics_poll(struct inlay_asgi *asgi)
{
    struct inlay_asgi_metrics *self = asgi->metrics;

    if (!self->metrics)
        return;
    struct inlay_metrics_python *python = &self->metrics->slot->python;
    uint64_t rung = atomic_load_explicit(&python->rung, memory_order_relaxed);
    uint64_t lag = asgi->now > rung ? asgi->now - rung : 0;

    /* A request that blocks the loop within this batch shows from now on;
     * inlay_bridge_next clears it when nothing is left. */
    atomic_store_explicit(&python->rung, asgi->now, memory_order_relaxed);
    if (!rung)
        return;
    inlay_histogram_add(&python->lag, lag);
    if (inlay_unlikely(atomic_load(&self->asked)))
        sample_gil(self, lag);
}

void inlay_asgi_metrics_polled(struct inlay_asgi *asgi)
{
    inlay_metric *rung = asgi->bridge->rung;

    /* Something is left: the loop is to come again at once. */
    if (rung && !atomic_load(&asgi->bridge->idle))
        atomic_store_explicit(rung, asgi->now, memory_order_relaxed);
}

void inlay_asgi_metrics_taken(struct inlay_asgi_metrics *self,
                              const struct inlay_relay *relay)
{
    if (!self->metrics)
        return;
    struct inlay_metrics_python *python = &self->metrics->slot->python;

    inlay_metric_add(&python->taken, 1);
    add_span(&python->queue, relay->began, relay->taken_at);
}

void inlay_asgi_metrics_failed(struct inlay_asgi_request *request, bool raised)
{
    struct inlay_asgi_metrics *self = request->server->asgi.metrics;

    if (!self || !self->metrics)
        return;
    struct inlay_metrics_python *python = &self->metrics->slot->python;
    inlay_metric_add(raised ? &python->exceptions : &python->incomplete, 1);
}

/* --- Routes -------------------------------------------------------------- */

/* route.path, as the metrics keep it; "": it has none. */
static struct inlay_str read_route(struct inlay_asgi_metrics *self,
                                   enum inlay_metrics_kind kind,
                                   PyObject *route)
{
    _cleanup_decref_ PyObject *path = PyObject_GetAttrString(route, "path");
    Py_ssize_t len = 0;
    const char *text = path && PyUnicode_Check(path)
                           ? PyUnicode_AsUTF8AndSize(path, &len)
                           : NULL;

    if (!text) {
        PyErr_Clear();
        return INLAY_STR("");
    }
    return inlay_metrics_route_text(
        self->metrics, inlay_metrics_route(self->metrics, kind,
                                           inlay_str_make(text, (size_t)len)));
}

static struct inlay_str find_route(struct inlay_asgi_metrics *self,
                                   enum inlay_metrics_kind kind,
                                   PyObject *route)
{
    size_t at = ((uintptr_t)route >> 4 ^ (uintptr_t)route >> 12) &
                (INLAY_ASGI_ROUTES - 1);

    if (self->routes[at].route != route) {
        struct inlay_str text = read_route(self, kind, route);

        Py_XSETREF(self->routes[at].route, Py_NewRef(route));
        self->routes[at].text = text;
    }
    return self->routes[at].text;
}

void inlay_asgi_metrics_route(struct inlay_asgi_request *request)
{
    struct inlay_asgi_metrics *self = request->server->asgi.metrics;
    _cleanup_decref_ PyObject *scope = request->scope;
    enum inlay_metrics_kind kind = request->relay->websocket
                                       ? INLAY_METRICS_WEBSOCKET
                                       : INLAY_METRICS_ASGI;

    request->scope = NULL;
    if (!scope || !self->metrics)
        return;
    PyObject *pending = PyErr_Occurred() ? inlay_py_exception_take() : NULL;
    _cleanup_decref_ PyObject *route =
        inlay_py_dict_get(scope, inlay_asgi_state(request)->name_route);
    if (route)
        request->relay->route = find_route(self, kind, route);
    else if (PyErr_Occurred())
        PyErr_Clear();
    if (pending)
        inlay_py_exception_restore(pending);
}
