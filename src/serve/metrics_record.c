/* What is counted of a request, on its I/O thread. */
#include "serve/metrics.h"
#include "serve/server.h"

#include "base/banned.h"

#define STATUS_NONE 499 /* as nginx: there was no answer to be had any more */

/* --- Histograms ---------------------------------------------------------- */

void inlay_histogram_add(struct inlay_histogram *histogram, uint64_t ns)
{
    inlay_metric_add(&histogram->buckets[inlay_bucket_of(ns)], 1);
    inlay_metric_add(&histogram->sum, ns);
}

/* --- Routes -------------------------------------------------------------- */

struct inlay_str inlay_metrics_route_text(const struct inlay_metrics *metrics,
                                          unsigned route)
{
    const struct inlay_metrics_route *entry;

    if (route < INLAY_METRICS_NAMED || route >= INLAY_METRICS_ROUTES)
        return INLAY_STR("");
    entry = &metrics->slot->routes[route];
    return inlay_str_make(entry->text, atomic_load(&entry->len));
}

/* As much of it as is kept; never half a character. */
static struct inlay_str kept_text(struct inlay_str text)
{
    if (text.len <= INLAY_METRICS_ROUTE_TEXT)
        return text;
    text.len = INLAY_METRICS_ROUTE_TEXT;
    while (text.len && ((unsigned char)text.ptr[text.len] & 0xc0) == 0x80)
        text.len--;
    return text;
}

/* Under the lock. */
static unsigned find_or_add(struct inlay_metrics *metrics,
                            enum inlay_metrics_kind kind,
                            struct inlay_str text)
{
    struct inlay_metrics_slot *slot = metrics->slot;
    unsigned count = (unsigned)atomic_load(&slot->nroutes);

    for (unsigned i = INLAY_METRICS_NAMED; i < count; i++) {
        if (atomic_load(&slot->routes[i].kind) == (unsigned)kind &&
            inlay_str_equal(inlay_metrics_route_text(metrics, i), text))
            return i;
    }
    if (count >= INLAY_METRICS_ROUTES)
        return kind + INLAY_METRICS_NKINDS;
    memcpy(slot->routes[count].text, text.ptr, text.len);
    atomic_store(&slot->routes[count].kind, (unsigned char)kind);
    atomic_store(&slot->routes[count].len, (unsigned char)text.len);
    atomic_store(&slot->nroutes, count + 1);
    return count;
}

unsigned inlay_metrics_route(struct inlay_metrics *metrics,
                             enum inlay_metrics_kind kind,
                             struct inlay_str text)
{
    if (!text.len)
        return kind;
    pthread_mutex_lock(&metrics->lock);
    unsigned route = find_or_add(metrics, kind, kept_text(text));
    pthread_mutex_unlock(&metrics->lock);
    return route;
}

static unsigned route_of(struct inlay_metrics_thread *thread,
                         enum inlay_metrics_kind kind,
                         struct inlay_str text)
{
    size_t at = ((uintptr_t)text.ptr >> 3 ^ (uintptr_t)text.ptr >> 11) &
                (INLAY_METRICS_CACHE - 1);

    if (!text.len)
        return kind;
    if (inlay_unlikely(thread->cache[at].text != text.ptr)) {
        thread->cache[at].route =
            inlay_metrics_route(thread->metrics, kind, text);
        thread->cache[at].text = text.ptr;
    }
    return thread->cache[at].route;
}

/* --- Requests ------------------------------------------------------------ */

/* The place of `key`, or a free one; NULL: there is none. */
static struct inlay_metrics_series *find_series(struct inlay_metrics_io *io,
                                                uint64_t key)
{
    size_t at = (key ^ key >> 20) * UINT64_C(0x9e3779b97f4a7c15) >> 32;

    for (size_t i = 0; i < INLAY_METRICS_SERIES; i++, at++) {
        struct inlay_metrics_series *series =
            &io->series[at & (INLAY_METRICS_SERIES - 1)];
        uint64_t there =
            atomic_load_explicit(&series->key, memory_order_relaxed);

        if (there == key || there == 0)
            return series;
    }
    return NULL;
}

static inlay_noinline struct inlay_metrics_series *take_series(
    struct inlay_metrics_io *io,
    struct inlay_metrics_series *series,
    uint64_t key)
{
    uint64_t taken = atomic_load_explicit(&io->nseries, memory_order_relaxed);
    unsigned kind = INLAY_METRICS_KEY_KIND(key);

    if (taken >= INLAY_METRICS_SERIES_FILL) {
        /* What is left is for one row per kind and class of status. */
        key = INLAY_METRICS_KEY(kind, INLAY_METHOD_OTHER,
                                INLAY_METRICS_KEY_STATUS(key) / 100 * 100,
                                kind + INLAY_METRICS_NKINDS);
        series = find_series(io, key);
        if (!series ||
            atomic_load_explicit(&series->key, memory_order_relaxed) == key)
            return series;
    }
    inlay_metric_add(&io->nseries, 1);
    atomic_store_explicit(&series->key, key, memory_order_relaxed);
    return series;
}

static void count_request(struct inlay_metrics_io *io,
                          enum inlay_metrics_kind kind,
                          unsigned method,
                          int status,
                          unsigned route)
{
    uint64_t key =
        INLAY_METRICS_KEY(kind, method, (unsigned)status & 0xfff, route);
    struct inlay_metrics_series *series = find_series(io, key);

    if (inlay_unlikely(
            !series ||
            atomic_load_explicit(&series->key, memory_order_relaxed) != key))
        series = take_series(io, series, key);
    if (inlay_likely(series != NULL))
        inlay_metric_add(&series->count, 1);
}

static enum inlay_metrics_kind kind_of(const struct inlay_request *request)
{
    const char *kind = request->handler ? request->handler->ops->kind : NULL;

    switch (kind ? kind[0] : 0) {
    case 'n':
        return INLAY_METRICS_NATIVE;
    case 'a':
        return INLAY_METRICS_ASGI;
    case 's':
        return INLAY_METRICS_STATIC;
    default:
        return INLAY_METRICS_SERVER;
    }
}

/* False: it was counted before; the second end of a WebSocket is its own. */
static bool end_once(struct inlay_metrics_io *io, struct inlay_request *request)
{
    if (inlay_unlikely(request->counted)) {
        if (request->status == 101)
            inlay_metric_add(&io->counters[INLAY_METRICS_WS_CLOSED], 1);
        return false;
    }
    request->counted = true;
    inlay_metric_add(&io->counters[INLAY_METRICS_ENDED], 1);
    return true;
}

static void count_end(struct inlay_metrics_thread *thread,
                      const struct inlay_request *request,
                      enum inlay_metrics_kind kind,
                      int status)
{
    struct inlay_metrics_io *io = thread->io;
    unsigned route = route_of(thread, kind_of(request), request->route);

    count_request(io, kind, request->method_id, status, route);
    /* How long a refusal took says nothing of its route. */
    if (inlay_unlikely(kind == INLAY_METRICS_SERVER))
        route = kind;
    inlay_histogram_add(&io->latency[route], inlay_clock_ns() - request->began);
}

void inlay_metrics_end(struct inlay_metrics_thread *thread,
                       struct inlay_request *request,
                       bool cut)
{
    if (!end_once(thread->io, request))
        return;
    if (inlay_unlikely(cut))
        inlay_metric_add(&thread->io->counters[INLAY_METRICS_ABORTED], 1);
    count_end(thread, request, kind_of(request),
              request->status ? request->status : STATUS_NONE);
}

void inlay_metrics_aborted(struct inlay_metrics_thread *thread,
                           struct inlay_request *request)
{
    bool refused = request->status && !request->started;

    if (!end_once(thread->io, request))
        return;
    if (!refused)
        inlay_metric_add(&thread->io->counters[INLAY_METRICS_ABORTED], 1);
    count_end(thread, request,
              refused ? INLAY_METRICS_SERVER : kind_of(request),
              request->status ? request->status : STATUS_NONE);
}

void inlay_metrics_websocket(struct inlay_metrics_thread *thread,
                             struct inlay_request *request)
{
    struct inlay_metrics_io *io = thread->io;
    unsigned route = route_of(thread, INLAY_METRICS_WEBSOCKET, request->route);

    if (!end_once(io, request))
        return;
    inlay_metric_add(&io->counters[INLAY_METRICS_WS_OPENED], 1);
    count_request(io, INLAY_METRICS_WEBSOCKET, request->method_id, 101, route);
}

void inlay_metrics_refused(struct inlay_metrics_thread *thread, int status)
{
    count_request(thread->io, INLAY_METRICS_SERVER, INLAY_METRICS_NO_METHOD,
                  status, INLAY_METRICS_SERVER);
}
