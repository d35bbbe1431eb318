#include "serve/metrics_rows.h"

#include <stdlib.h>

#include "base/banned.h"

/* --- Words of the slots -------------------------------------------------- */

uint64_t inlay_metrics_slot_count(const struct inlay_metrics_area *area,
                                  unsigned slot,
                                  enum inlay_metrics_io_counter counter)
{
    struct inlay_metrics_slot *at = inlay_metrics_slot_of(area, slot);
    uint64_t sum = 0;

    for (unsigned t = 0; t < area->head->nthreads; t++)
        sum +=
            atomic_load_explicit(&inlay_metrics_io_of(at, t)->counters[counter],
                                 memory_order_relaxed);
    return sum;
}

uint64_t inlay_metrics_total(const struct inlay_metrics_area *area,
                             enum inlay_metrics_io_counter counter)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < area->head->nslots; i++) {
        if (inlay_metrics_used(area, i))
            sum += inlay_metrics_slot_count(area, i, counter);
    }
    return sum;
}

uint64_t inlay_metrics_python_count(const struct inlay_metrics_area *area,
                                    unsigned slot,
                                    size_t offset)
{
    const char *python =
        (const char *)&inlay_metrics_slot_of(area, slot)->python;

    return atomic_load_explicit(
        (const inlay_metric *)(const void *)(python + offset),
        memory_order_relaxed);
}

uint64_t inlay_metrics_python_total(const struct inlay_metrics_area *area,
                                    size_t offset)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < area->head->nslots; i++) {
        if (inlay_metrics_used(area, i))
            sum += inlay_metrics_python_count(area, i, offset);
    }
    return sum;
}

const char *inlay_metrics_kind_text(unsigned kind, unsigned status)
{
    static const char *const kinds[] = {
#define KIND(name, text) text,
        INLAY_METRICS_KINDS(KIND)
#undef KIND
    };

    if (kind == INLAY_METRICS_SERVER && status >= 400)
        return "refused";
    return kinds[kind];
}

/* --- Routes -------------------------------------------------------------- */

/* A worker with wild pointers may have written anything: all is bounded. */
static struct inlay_str route_text(const struct inlay_metrics_slot *slot,
                                   unsigned route)
{
    const struct inlay_metrics_route *entry;

    if (route < INLAY_METRICS_NKINDS)
        return INLAY_STR("*");
    if (route < INLAY_METRICS_NAMED || route >= INLAY_METRICS_ROUTES)
        return INLAY_STR("other");
    entry = &slot->routes[route];
    size_t len = atomic_load(&entry->len);
    return inlay_str_make(entry->text,
                          inlay_min(len, (size_t)INLAY_METRICS_ROUTE_TEXT));
}

static unsigned route_kind(const struct inlay_metrics_slot *slot,
                           unsigned route)
{
    if (route < INLAY_METRICS_NAMED)
        return route % INLAY_METRICS_NKINDS;
    unsigned kind = atomic_load(&slot->routes[route].kind);
    return inlay_min(kind, INLAY_METRICS_NKINDS - 1u);
}

static int compare_text(struct inlay_str a, struct inlay_str b)
{
    size_t len = inlay_min(a.len, b.len);
    int order = len ? memcmp(a.ptr, b.ptr, len) : 0;

    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_u(unsigned a, unsigned b)
{
    return (a > b) - (a < b);
}

/* Calls `add` for each worker's I/O threads. 0, or -1: it failed. */
static int add_all(const struct inlay_metrics_area *area,
                   int (*add)(const struct inlay_metrics_slot *,
                              const struct inlay_metrics_io *,
                              struct inlay_buf *),
                   struct inlay_buf *ret)
{
    for (unsigned i = 0; i < area->head->nslots; i++) {
        if (!inlay_metrics_used(area, i))
            continue;
        struct inlay_metrics_slot *slot = inlay_metrics_slot_of(area, i);

        for (unsigned t = 0; t < area->head->nthreads; t++) {
            if (add(slot, inlay_metrics_io_of(slot, t), ret) < 0)
                return -1;
        }
    }
    return 0;
}

/* --- Counts -------------------------------------------------------------- */

static int compare_rows(const void *left, const void *right)
{
    const struct inlay_metrics_row *a = left, *b = right;
    int order = compare_u(a->kind, b->kind);

    if (!order)
        order = compare_text(a->route, b->route);
    if (!order)
        order = compare_u(a->method, b->method);
    return order ? order : compare_u(a->status, b->status);
}

static int add_rows(const struct inlay_metrics_slot *slot,
                    const struct inlay_metrics_io *io,
                    struct inlay_buf *ret)
{
    for (size_t i = 0; i < INLAY_METRICS_SERIES; i++) {
        const struct inlay_metrics_series *series = &io->series[i];
        uint64_t key = atomic_load_explicit(&series->key, memory_order_relaxed);
        struct inlay_metrics_row row = {
            .route = route_text(slot, INLAY_METRICS_KEY_ROUTE(key)),
            .kind = INLAY_METRICS_KEY_KIND(key),
            .method = INLAY_METRICS_KEY_METHOD(key),
            .status = INLAY_METRICS_KEY_STATUS(key),
            .count = atomic_load_explicit(&series->count, memory_order_relaxed),
        };

        if (row.count == 0 || row.kind >= INLAY_METRICS_NKINDS ||
            row.method > INLAY_METRICS_NO_METHOD)
            continue;
        if (inlay_buf_append(ret, &row, sizeof(row)) < 0)
            return -1;
    }
    return 0;
}

/* Sorts, and adds those up that are alike. */
static void merge_rows(struct inlay_buf *buf)
{
    struct inlay_metrics_row *rows = (void *)(buf->data + buf->start);
    size_t count = inlay_buf_len(buf) / sizeof(*rows), kept = 0;

    if (!count)
        return;
    qsort(rows, count, sizeof(*rows), compare_rows);
    for (size_t i = 1; i < count; i++) {
        if (compare_rows(&rows[kept], &rows[i]) == 0)
            rows[kept].count += rows[i].count;
        else
            rows[++kept] = rows[i];
    }
    buf->end = buf->start + (kept + 1) * sizeof(*rows);
}

int inlay_metrics_rows(const struct inlay_metrics_area *area,
                       struct inlay_buf *ret)
{
    if (add_all(area, add_rows, ret) < 0)
        return -1;
    merge_rows(ret);
    return 0;
}

/* --- Times --------------------------------------------------------------- */

static int compare_timed(const void *left, const void *right)
{
    const struct inlay_metrics_timed *a = left, *b = right;
    int order = compare_u(a->kind, b->kind);

    return order ? order : compare_text(a->route, b->route);
}

static bool any(const struct inlay_histogram *histogram)
{
    struct inlay_metrics_times times = {0};

    inlay_metrics_times_add(&times, histogram);
    return inlay_metrics_times_count(&times) > 0;
}

static int add_timed(const struct inlay_metrics_slot *slot,
                     const struct inlay_metrics_io *io,
                     struct inlay_buf *ret)
{
    uint64_t count = atomic_load(&slot->nroutes);

    count = inlay_min(count, (uint64_t)INLAY_METRICS_ROUTES);
    for (unsigned i = 0; i < count; i++) {
        struct inlay_metrics_timed timed = {
            .route = route_text(slot, i),
            .kind = route_kind(slot, i),
            .histogram = &io->latency[i],
        };

        if (any(timed.histogram) &&
            inlay_buf_append(ret, &timed, sizeof(timed)) < 0)
            return -1;
    }
    return 0;
}

static void merge_timed(struct inlay_buf *buf)
{
    struct inlay_metrics_timed *all = (void *)(buf->data + buf->start);
    size_t count = inlay_buf_len(buf) / sizeof(*all), kept = 0;

    if (!count)
        return;
    qsort(all, count, sizeof(*all), compare_timed);
    inlay_metrics_times_add(&all[0].times, all[0].histogram);
    for (size_t i = 1; i < count; i++) {
        if (compare_timed(&all[kept], &all[i]) != 0)
            all[++kept] = all[i];
        inlay_metrics_times_add(&all[kept].times, all[i].histogram);
    }
    buf->end = buf->start + (kept + 1) * sizeof(*all);
}

int inlay_metrics_timed(const struct inlay_metrics_area *area,
                        struct inlay_buf *ret)
{
    if (add_all(area, add_timed, ret) < 0)
        return -1;
    merge_timed(ret);
    return 0;
}
