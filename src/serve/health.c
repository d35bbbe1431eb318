/*
 * config.health_path, with or without the root path, answered on the I/O
 * thread: 200 while this worker takes requests, 503 when it drains. It says
 * nothing about the application. Probes come every few seconds and have no
 * line in the access log.
 */
#include "base/mem.h"
#include "serve/response.h"
#include "serve/session.h"

#include "base/banned.h"

bool inlay_health_asked(const struct inlay_request *request)
{
    struct inlay_str path = request->thread->server->config.health_path;

    return path.len &&
           inlay_str_equal(inlay_request_local_path(request), path) &&
           (request->method_id == INLAY_METHOD_GET ||
            request->method_id == INLAY_METHOD_HEAD);
}

static enum inlay_outcome on_request(struct inlay_handler *handler,
                                     struct inlay_request *request)
{
    const struct inlay_header headers[] = {
        {INLAY_STR("content-type"), INLAY_STR("application/json")},
        {INLAY_STR("cache-control"), INLAY_STR("no-store")},
    };
    bool draining = request->thread->draining;

    (void)handler;
    if (!inlay_health_asked(request))
        return INLAY_DECLINED;
    request->unlogged = true;
    inlay_response_send_with(request, draining ? 503 : 200, headers, 2,
                             draining ? INLAY_STR("{\"status\":\"draining\"}")
                                      : INLAY_STR("{\"status\":\"ok\"}"));
    return INLAY_HANDLED;
}

static void destroy(struct inlay_handler *handler)
{
    inlay_free(handler);
}

static const struct inlay_handler_ops health_ops = {
    .kind = "health",
    .on_request = on_request,
    .destroy = destroy,
};

struct inlay_error *inlay_health_add(struct inlay_server *server)
{
    struct inlay_str path = server->config.health_path;

    if (path.ptr[0] != '/')
        return inlay_error_create(INLAY_ERROR_VALUE,
                                  "health_path: \"%.*s\" must begin with /",
                                  inlay_str_arg(path));
    struct inlay_handler *handler = inlay_malloc(sizeof(*handler));
    if (!handler)
        return inlay_error_no_memory();
    handler->ops = &health_ops;
    struct inlay_error *error = inlay_server_add_handler(server, handler);
    if (error)
        inlay_free(handler);
    return error;
}
