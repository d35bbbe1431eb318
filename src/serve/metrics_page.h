/*
 * metrics_page.h - lines of Prometheus' text format 0.0.4, or of OpenMetrics
 * 1.0.0, which differ in the names of counters' families and in the end.
 * A page that has failed stays so; look at `failed` once.
 */
#ifndef INLAY_SERVE_METRICS_PAGE_H
#define INLAY_SERVE_METRICS_PAGE_H

#include "base/buf.h"
#include "serve/metrics_layout.h"

struct inlay_metrics_page {
    struct inlay_buf *out;
    bool open_metrics;
    bool failed; /* no memory, or past the limit of `out` */
};

/* `a="1",b="2"`, escaped. What has no room is left out. */
struct inlay_metrics_labels {
    size_t len;
    char text[512];
};

enum inlay_metrics_type {
    INLAY_METRICS_COUNTER, /* the name without its _total */
    INLAY_METRICS_GAUGE,
    INLAY_METRICS_HISTOGRAM,
};

/* A histogram, read once. */
struct inlay_metrics_times {
    uint64_t buckets[INLAY_METRICS_BUCKETS], sum;
};

void inlay_metrics_label(struct inlay_metrics_labels *labels,
                         const char *name,
                         struct inlay_str value);
void inlay_metrics_label_u64(struct inlay_metrics_labels *labels,
                             const char *name,
                             uint64_t value);

/* HELP and TYPE; the samples of the family follow. `help` is a literal. */
void inlay_metrics_family(struct inlay_metrics_page *page,
                          const char *name,
                          enum inlay_metrics_type type,
                          const char *help);

/* A sample: `name` and `suffix` ("" or "_total"); labels may be NULL. */
void inlay_metrics_sample(struct inlay_metrics_page *page,
                          const char *name,
                          const char *suffix,
                          const struct inlay_metrics_labels *labels,
                          uint64_t value);
/* The same, of nanoseconds, in seconds. */
void inlay_metrics_sample_ns(struct inlay_metrics_page *page,
                             const char *name,
                             const char *suffix,
                             const struct inlay_metrics_labels *labels,
                             uint64_t ns);

/* Adds what `histogram` has. */
void inlay_metrics_times_add(struct inlay_metrics_times *times,
                             const struct inlay_histogram *histogram);
uint64_t inlay_metrics_times_count(const struct inlay_metrics_times *times);

/* Its _bucket, _sum and _count. */
void inlay_metrics_sample_times(struct inlay_metrics_page *page,
                                const char *name,
                                const struct inlay_metrics_labels *labels,
                                const struct inlay_metrics_times *times);

void inlay_metrics_page_end(struct inlay_metrics_page *page);

#endif
