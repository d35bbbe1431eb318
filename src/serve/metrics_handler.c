/* GET /metrics, in the supervisor: Prometheus scrapes it. */
#include "base/mem.h"
#include "serve/metrics_area.h"
#include "serve/request.h"
#include "serve/response.h"

#include "base/banned.h"

#define PAGE_MOST ((size_t)64 << 20)

struct metrics_handler {
    struct inlay_handler handler; /* first */
    const struct inlay_metrics_area *area;
};

/* What the client accepts; it lists no other form that we know. */
static bool wants_open_metrics(const struct inlay_request *request)
{
    struct inlay_str accept =
        inlay_request_header(request, INLAY_STR("accept"));

    return accept.len &&
           memmem(accept.ptr, accept.len, "application/openmetrics-text", 28);
}

static void answer(const struct metrics_handler *self,
                   struct inlay_request *request)
{
    bool open_metrics = wants_open_metrics(request);
    struct inlay_str type =
        open_metrics ? INLAY_STR("application/openmetrics-text; version=1.0.0; "
                                 "charset=utf-8")
                     : INLAY_STR("text/plain; version=0.0.4; charset=utf-8");
    struct inlay_buf page;

    inlay_buf_init(&page, PAGE_MOST);
    if (inlay_metrics_render(self->area, open_metrics, &page) < 0)
        inlay_response_error(request, 503,
                             INLAY_STR("No memory for the metrics"));
    else
        inlay_response_send(request, 200, type, inlay_buf_view(&page));
    inlay_buf_deinit(&page);
}

static enum inlay_outcome on_request(struct inlay_handler *handler,
                                     struct inlay_request *request)
{
    const struct metrics_handler *self =
        inlay_container_of(handler, struct metrics_handler, handler);

    if (!inlay_str_is(request->path, "/metrics"))
        return INLAY_DECLINED;
    if (request->method_id != INLAY_METHOD_GET &&
        request->method_id != INLAY_METHOD_HEAD) {
        request->native_allow = INLAY_STR("GET, HEAD");
        return INLAY_DECLINED;
    }
    answer(self, request);
    return INLAY_HANDLED;
}

static void destroy(struct inlay_handler *handler)
{
    inlay_free(inlay_container_of(handler, struct metrics_handler, handler));
}

static const struct inlay_handler_ops metrics_ops = {
    .kind = "metrics",
    .on_request = on_request,
    .destroy = destroy,
};

struct inlay_error *inlay_metrics_handler_create(
    const struct inlay_metrics_area *area,
    struct inlay_handler **ret)
{
    struct metrics_handler *self = inlay_malloc(sizeof(*self));

    if (!self)
        return inlay_error_no_memory();
    self->handler.ops = &metrics_ops;
    self->area = area;
    *ret = &self->handler;
    return NULL;
}
