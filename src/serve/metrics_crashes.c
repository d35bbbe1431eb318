#include "serve/metrics_crashes.h"

#include <string.h>

#include "base/macros.h"

#include "base/banned.h"

static struct inlay_str name_of(const struct inlay_metrics_crashed *at)
{
    return inlay_str_make(at->route, atomic_load(&at->len));
}

/* Its place; the last one is everybody's who came too late. */
static struct inlay_metrics_crashed *find(struct inlay_metrics_crashes *crashes,
                                          struct inlay_str route)
{
    struct inlay_metrics_crashed *at = crashes->routes;
    struct inlay_metrics_crashed *last = at + INLAY_METRICS_CRASHED - 1;

    route.len = inlay_min(route.len, sizeof(at->route));
    while (at < last && atomic_load(&at->len) &&
           !inlay_str_equal(name_of(at), route))
        at++;
    if (at == last)
        route = INLAY_STR("other");
    if (route.len && !atomic_load(&at->len)) {
        memcpy(at->route, route.ptr, route.len);
        atomic_store(&at->len, (unsigned char)route.len); /* now it is seen */
    }
    return at;
}

void inlay_metrics_route_crashed(struct inlay_metrics_crashes *crashes,
                                 struct inlay_str route)
{
    atomic_fetch_add(&find(crashes, route)->crashes, 1);
}

void inlay_metrics_route_quarantined(struct inlay_metrics_crashes *crashes,
                                     struct inlay_str route,
                                     bool quarantined)
{
    atomic_store(&find(crashes, route)->quarantined, quarantined);
}

static void render(struct inlay_metrics_page *page,
                   const struct inlay_metrics_crashes *crashes,
                   bool counter)
{
    for (size_t i = 0; i < INLAY_METRICS_CRASHED; i++) {
        const struct inlay_metrics_crashed *at = &crashes->routes[i];
        struct inlay_metrics_labels labels = {0};

        if (!atomic_load(&at->len))
            continue;
        inlay_metrics_label(&labels, "route", name_of(at));
        if (counter)
            inlay_metrics_sample(page, "inlay_route_crashes", "_total", &labels,
                                 atomic_load(&at->crashes));
        else
            inlay_metrics_sample(page, "inlay_route_quarantined", "", &labels,
                                 atomic_load(&at->quarantined));
    }
}

void inlay_metrics_render_crashes(struct inlay_metrics_page *page,
                                  const struct inlay_metrics_crashes *crashes)
{
    inlay_metrics_family(page, "inlay_route_crashes", INLAY_METRICS_COUNTER,
                         "Crashes of native routes and guards.");
    render(page, crashes, true);
    inlay_metrics_family(page, "inlay_route_quarantined", INLAY_METRICS_GAUGE,
                         "Is the route kept from running, as it crashes?");
    render(page, crashes, false);
}
