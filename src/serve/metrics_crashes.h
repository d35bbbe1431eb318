/*
 * metrics_crashes.h - native routes that have crashed, as the supervisor
 * counts them: written by its main thread, rendered by any one other.
 */
#ifndef INLAY_SERVE_METRICS_CRASHES_H
#define INLAY_SERVE_METRICS_CRASHES_H

#include "base/str.h"
#include "serve/metrics_layout.h"
#include "serve/metrics_page.h"

#define INLAY_METRICS_CRASHED 128 /* routes; the last one stands for the rest */

struct inlay_metrics_crashed {
    atomic_uchar len;                     /* of `route`; 0: free */
    char route[INLAY_METRICS_ROUTE_TEXT]; /* written once */
    inlay_metric crashes;
    atomic_bool quarantined;
};

/* Zeroed memory: none has. */
struct inlay_metrics_crashes {
    struct inlay_metrics_crashed routes[INLAY_METRICS_CRASHED];
};

/* It crashed ("GET /users/{id}"). */
void inlay_metrics_route_crashed(struct inlay_metrics_crashes *crashes,
                                 struct inlay_str route);
/* It does not run any more, or does again. */
void inlay_metrics_route_quarantined(struct inlay_metrics_crashes *crashes,
                                     struct inlay_str route,
                                     bool quarantined);
void inlay_metrics_render_crashes(struct inlay_metrics_page *page,
                                  const struct inlay_metrics_crashes *crashes);

#endif
