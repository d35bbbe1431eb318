#include "serve/answer.h"

#include "base/clock.h"
#include "serve/compress.h"
#include "serve/request.h"
#include "serve/response.h"
#include "serve/server.h"

#include "base/banned.h"

/* The first of that name, or NULL. */
static const struct inlay_header *find(const struct inlay_header *headers,
                                       size_t nheaders,
                                       struct inlay_str name)
{
    for (size_t i = 0; i < nheaders; i++) {
        if (inlay_str_equal_nocase(headers[i].name, name))
            return &headers[i];
    }
    return NULL;
}

/* "queue;dur=0.12, app;dur=3.4" (W3C Server Timing), in milliseconds. */
static struct inlay_str timing(struct inlay_request *request)
{
    double queue = (double)request->queue_ns / 1e6;
    double all = (double)(inlay_clock_ns() - request->began) / 1e6;

    if (!request->queue_ns)
        return inlay_arena_format(&request->arena, "app;dur=%.3f", all);
    return inlay_arena_format(&request->arena, "queue;dur=%.3f, app;dur=%.3f",
                              queue, all > queue ? all - queue : 0.0);
}

/* The values that the access log's format asks for; none without memory. */
static void keep_logged(struct inlay_request *request,
                        const struct inlay_access_format *format,
                        const struct inlay_header *headers,
                        size_t nheaders)
{
    struct inlay_str *values = inlay_arena_zalloc_array(
        &request->arena, format->nanswer_headers, sizeof(*values));

    if (!values)
        return;
    for (size_t i = 0; i < format->nanswer_headers; i++) {
        const struct inlay_header *header =
            find(headers, nheaders, format->answer_headers[i]);

        if (header)
            values[i] = inlay_arena_copy(&request->arena, header->value);
    }
    request->logged = values;
}

int inlay_answer_start(struct inlay_request *request,
                       const struct inlay_header *headers,
                       size_t nheaders)
{
    const struct inlay_server *server = request->thread->server;
    const struct inlay_str id = INLAY_STR("x-request-id");
    struct inlay_header *more =
        inlay_arena_alloc(&request->arena, (nheaders + 2) * sizeof(*more));
    size_t count = nheaders;

    if (!more)
        return -1;
    if (nheaders)
        memcpy(more, headers, nheaders * sizeof(*more));
    if (request->id.len && !find(headers, nheaders, id))
        more[count++] = (struct inlay_header){id, request->id};
    if (server->config.server_timing && request->began) {
        struct inlay_str text = timing(request);

        if (!text.ptr)
            return -1;
        more[count++] = (struct inlay_header){INLAY_STR("server-timing"), text};
    }
    if (server->access && server->access->nanswer_headers)
        keep_logged(request, server->access, more, count);
    if (server->compression)
        return inlay_compress_start(request, more, count);
    return request->stream->start(request, more, count);
}
