/*
 * The page: first the whole server, summed over all workers that there ever
 * were; then inlay_worker_*, of those that live. No family has both, so that
 * a sum over one counts nothing twice.
 */
#include <stddef.h>

#include "http/http1.h"
#include "serve/metrics_area.h"
#include "serve/metrics_page.h"
#include "serve/metrics_rows.h"

#include "base/banned.h"

#define ROWS_MOST ((size_t)256 << 20)

static const char *const methods[] = {
    [INLAY_METHOD_OTHER] = "other",     [INLAY_METHOD_GET] = "GET",
    [INLAY_METHOD_HEAD] = "HEAD",       [INLAY_METHOD_POST] = "POST",
    [INLAY_METHOD_PUT] = "PUT",         [INLAY_METHOD_PATCH] = "PATCH",
    [INLAY_METHOD_DELETE] = "DELETE",   [INLAY_METHOD_OPTIONS] = "OPTIONS",
    [INLAY_METHOD_CONNECT] = "CONNECT", [INLAY_METHOD_TRACE] = "TRACE",
    [INLAY_METRICS_NO_METHOD] = "none",
};

static void label(struct inlay_metrics_labels *labels,
                  const char *name,
                  const char *value)
{
    inlay_metrics_label(labels, name, inlay_str_from(value));
}

static void render_program(struct inlay_metrics_page *page,
                           const struct inlay_metrics_area *area)
{
    static const char *const reasons[] = {
#define REASON(name, text) text,
        INLAY_METRICS_RESTARTS(REASON)
#undef REASON
    };
    static const char *const states[INLAY_METRICS_NSTATES] = {
        [INLAY_METRICS_STARTING] = "starting",
        [INLAY_METRICS_SPARE] = "spare",
        [INLAY_METRICS_READY] = "ready",
    };
    struct inlay_metrics_labels labels = {0};
    uint64_t counts[INLAY_METRICS_NSTATES] = {0};

    inlay_metrics_label(&labels, "version", area->info.version);
    inlay_metrics_label(&labels, "python", area->info.python);
    inlay_metrics_family(page, "inlay_build_info", INLAY_METRICS_GAUGE,
                         "Which program this is; always 1.");
    inlay_metrics_sample(page, "inlay_build_info", "", &labels, 1);
    inlay_metrics_family(page, "inlay_start_time_seconds", INLAY_METRICS_GAUGE,
                         "When the server was started, since 1970.");
    inlay_metrics_sample_ns(page, "inlay_start_time_seconds", "", NULL,
                            area->head->started * 1000000);
    for (unsigned i = 0; i < area->head->nslots; i++) {
        unsigned state = atomic_load(&area->head->places[i].state);

        counts[inlay_min(state, INLAY_METRICS_NSTATES - 1u)]++;
    }
    inlay_metrics_family(page, "inlay_workers", INLAY_METRICS_GAUGE,
                         "Worker processes.");
    for (size_t i = INLAY_METRICS_STARTING; i < INLAY_METRICS_NSTATES; i++) {
        labels.len = 0;
        label(&labels, "state", states[i]);
        inlay_metrics_sample(page, "inlay_workers", "", &labels, counts[i]);
    }
    inlay_metrics_family(page, "inlay_restarts", INLAY_METRICS_COUNTER,
                         "Workers that were replaced, by reason.");
    for (size_t i = 0; i < INLAY_METRICS_NRESTARTS; i++) {
        labels.len = 0;
        label(&labels, "reason", reasons[i]);
        inlay_metrics_sample(page, "inlay_restarts", "_total", &labels,
                             atomic_load(&area->head->restarts[i]));
    }
    inlay_metrics_render_crashes(page, &area->crashes);
}

static void render_rows(struct inlay_metrics_page *page,
                        const struct inlay_metrics_row *rows,
                        size_t count)
{
    inlay_metrics_family(page, "inlay_requests", INLAY_METRICS_COUNTER,
                         "Requests that are over.");
    for (size_t i = 0; i < count; i++) {
        struct inlay_metrics_labels labels = {0};

        label(&labels, "kind",
              inlay_metrics_kind_text(rows[i].kind, rows[i].status));
        inlay_metrics_label(&labels, "route", rows[i].route);
        label(&labels, "method", methods[rows[i].method]);
        inlay_metrics_label_u64(&labels, "status", rows[i].status);
        inlay_metrics_sample(page, "inlay_requests", "_total", &labels,
                             rows[i].count);
    }
}

enum refusal { REFUSED_PARSE, REFUSED_TIMEOUT, REFUSED_LIMIT, REFUSED_ROUTE };

static enum refusal refusal_of(unsigned status)
{
    switch (status) {
    case 404:
    case 405:
        return REFUSED_ROUTE;
    case 408:
    case 504:
        return REFUSED_TIMEOUT;
    case 413:
    case 414:
    case 429:
    case 431:
    case 500:
    case 503:
        return REFUSED_LIMIT;
    default:
        return REFUSED_PARSE;
    }
}

static void render_refused(struct inlay_metrics_page *page,
                           const struct inlay_metrics_row *rows,
                           size_t count)
{
    static const char *const reasons[] = {"parse", "timeout", "limit", "route"};
    uint64_t sums[inlay_array_size(reasons)] = {0};

    for (size_t i = 0; i < count; i++) {
        if (rows[i].kind == INLAY_METRICS_SERVER && rows[i].status >= 400)
            sums[refusal_of(rows[i].status)] += rows[i].count;
    }
    inlay_metrics_family(page, "inlay_refused", INLAY_METRICS_COUNTER,
                         "Requests that the server itself refused.");
    for (size_t i = 0; i < inlay_array_size(reasons); i++) {
        struct inlay_metrics_labels labels = {0};

        label(&labels, "reason", reasons[i]);
        inlay_metrics_sample(page, "inlay_refused", "_total", &labels, sums[i]);
    }
}

static void render_requests(struct inlay_metrics_page *page,
                            const struct inlay_metrics_area *area)
{
    struct inlay_buf buf;

    inlay_buf_init(&buf, ROWS_MOST);
    if (inlay_metrics_rows(area, &buf) < 0)
        page->failed = true;
    const struct inlay_metrics_row *rows = (void *)inlay_buf_view(&buf).ptr;
    size_t count = inlay_buf_len(&buf) / sizeof(*rows);
    render_rows(page, rows, count);
    render_refused(page, rows, count);
    inlay_buf_deinit(&buf);
}

static void render_durations(struct inlay_metrics_page *page,
                             const struct inlay_metrics_area *area)
{
    static const char name[] = "inlay_request_duration_seconds";
    struct inlay_buf buf;

    inlay_buf_init(&buf, ROWS_MOST);
    if (inlay_metrics_timed(area, &buf) < 0)
        page->failed = true;
    const struct inlay_metrics_timed *all = (void *)inlay_buf_view(&buf).ptr;
    inlay_metrics_family(page, name, INLAY_METRICS_HISTOGRAM,
                         "From a request's head to the end of its answer.");
    for (size_t i = 0; i < inlay_buf_len(&buf) / sizeof(*all); i++) {
        struct inlay_metrics_labels labels = {0};

        label(&labels, "kind", inlay_metrics_kind_text(all[i].kind, 0));
        inlay_metrics_label(&labels, "route", all[i].route);
        inlay_metrics_sample_times(page, name, &labels, &all[i].times);
    }
    inlay_buf_deinit(&buf);
}

static void render_totals(struct inlay_metrics_page *page,
                          const struct inlay_metrics_area *area)
{
    static const struct {
        const char *name, *help;
        enum inlay_metrics_io_counter counter;
    } all[] = {
        {"inlay_requests_aborted",
         "Requests whose answer was cut, or whose client left before it.",
         INLAY_METRICS_ABORTED},
        {"inlay_received_bytes", "Bytes from clients, heads included.",
         INLAY_METRICS_RECEIVED},
        {"inlay_sent_bytes", "Bytes to clients, heads included.",
         INLAY_METRICS_SENT},
        {"inlay_connections_accepted", "Connections that were accepted.",
         INLAY_METRICS_ACCEPTED},
        {"inlay_connections_rejected",
         "Connections that were closed at once: too many of one address.",
         INLAY_METRICS_REJECTED},
        {"inlay_connections_closed", "Connections that have ended.",
         INLAY_METRICS_CLOSED},
        {"inlay_write_timeouts",
         "Connections cut because the client took no byte.",
         INLAY_METRICS_WRITE_EXPIRED},
        {"inlay_native_calls_held",
         "Calls of C that held an I/O thread for longer than --watchdog.",
         INLAY_METRICS_HELD},
        {"inlay_websockets_opened", "WebSockets that were accepted.",
         INLAY_METRICS_WS_OPENED},
        {"inlay_websocket_messages_received", "Messages from clients.",
         INLAY_METRICS_WS_RECEIVED},
        {"inlay_websocket_messages_sent", "Messages to clients.",
         INLAY_METRICS_WS_SENT},
    };

    for (size_t i = 0; i < inlay_array_size(all); i++) {
        inlay_metrics_family(page, all[i].name, INLAY_METRICS_COUNTER,
                             all[i].help);
        inlay_metrics_sample(page, all[i].name, "_total", NULL,
                             inlay_metrics_total(area, all[i].counter));
    }
}

static void render_errors(struct inlay_metrics_page *page,
                          const struct inlay_metrics_area *area)
{
    static const struct {
        const char *type;
        size_t offset;
    } all[] = {
        {"exception", offsetof(struct inlay_metrics_python, exceptions)},
        {"incomplete", offsetof(struct inlay_metrics_python, incomplete)},
    };
    static const char name[] = "inlay_application_errors";

    inlay_metrics_family(page, name, INLAY_METRICS_COUNTER,
                         "ASGI calls that raised, or left their answer "
                         "incomplete.");
    for (size_t i = 0; i < inlay_array_size(all); i++) {
        struct inlay_metrics_labels labels = {0};

        label(&labels, "type", all[i].type);
        inlay_metrics_sample(page, name, "_total", &labels,
                             inlay_metrics_python_total(area, all[i].offset));
    }
}

/* --- The page ------------------------------------------------------------- */

int inlay_metrics_render(const struct inlay_metrics_area *area,
                         bool open_metrics,
                         struct inlay_buf *out)
{
    struct inlay_metrics_page page = {.out = out, .open_metrics = open_metrics};

    render_program(&page, area);
    render_requests(&page, area);
    render_durations(&page, area);
    render_totals(&page, area);
    render_errors(&page, area);
    inlay_metrics_render_databases(&page, area);
    inlay_metrics_render_states(&page, area, false);
    inlay_metrics_render_workers(&page, area);
    inlay_metrics_page_end(&page);
    return page.failed ? -1 : 0;
}
