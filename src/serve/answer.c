#include "serve/answer.h"

#include "base/clock.h"
#include "serve/compress.h"
#include "serve/guard.h"
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

/* --- Headers of guards, layers and native functions --------------------- */

static bool is_framing(struct inlay_str name)
{
    static const struct inlay_str names[] = {
        INLAY_STR("content-length"), INLAY_STR("transfer-encoding"),
        INLAY_STR("connection"),     INLAY_STR("upgrade"),
        INLAY_STR("keep-alive"),     INLAY_STR("trailer"),
    };

    return inlay_header_name_among(name, names, inlay_array_size(names));
}

/* Those of that name go. */
static void drop_extras(struct inlay_request *request, struct inlay_str name)
{
    struct inlay_extra **at = &request->extra;

    while (*at) {
        if (inlay_str_equal_nocase((*at)->header.name, name))
            *at = (*at)->next;
        else
            at = &(*at)->next;
    }
}

int inlay_request_add_header(struct inlay_request *request,
                             struct inlay_str name,
                             struct inlay_str value,
                             bool replaces)
{
    struct inlay_arena *arena = &request->arena;
    struct inlay_extra **end;

    if (request->started || !inlay_header_name_valid(name) ||
        !inlay_header_value_valid(value) || is_framing(name))
        return -1;
    struct inlay_extra *extra = inlay_arena_alloc(arena, sizeof(*extra));
    if (!extra)
        return -2;
    *extra = (struct inlay_extra){
        .header = {inlay_arena_copy(arena, name),
                   inlay_arena_copy(arena, value)},
        .replaces = replaces,
    };
    if (!extra->header.name.ptr || !extra->header.value.ptr)
        return -2;
    if (replaces)
        drop_extras(request, name);
    for (end = &request->extra; *end;)
        end = &(*end)->next;
    *end = extra;
    return 0;
}

void inlay_request_drop_content(struct inlay_request *request)
{
    static const struct inlay_str names[] = {
        INLAY_STR("content-type"),
        INLAY_STR("content-encoding"),
        INLAY_STR("content-language"),
        INLAY_STR("content-disposition"),
        INLAY_STR("content-location"),
        INLAY_STR("content-range"),
        INLAY_STR("etag"),
        INLAY_STR("last-modified"),
    };

    for (size_t i = 0; request->extra && i < inlay_array_size(names); i++)
        drop_extras(request, names[i]);
}

/* Is a header of that name replaced? */
static bool is_replaced(const struct inlay_request *request,
                        struct inlay_str name)
{
    for (const struct inlay_extra *it = request->extra; it; it = it->next) {
        if (it->replaces && inlay_str_equal_nocase(it->header.name, name))
            return true;
    }
    return false;
}

/* A Vary that the answer has said itself, as it may have layers of its own. */
static bool is_varied(const struct inlay_header *headers,
                      size_t nheaders,
                      const struct inlay_header *extra)
{
    if (!inlay_str_is_nocase(extra->name, "vary"))
        return false;
    for (size_t i = 0; i < nheaders; i++) {
        if (inlay_str_is_nocase(headers[i].name, "vary") &&
            inlay_header_has_token(headers[i].value, extra->value))
            return true;
    }
    return false;
}

/* `headers` with those of request->extra in them; there is room. */
static void extend(struct inlay_request *request,
                   struct inlay_header *headers,
                   size_t *nheaders)
{
    size_t count = 0;

    for (size_t i = 0; i < *nheaders; i++) {
        if (!is_replaced(request, headers[i].name))
            headers[count++] = headers[i];
    }
    for (const struct inlay_extra *it = request->extra; it; it = it->next) {
        if (is_varied(headers, count, &it->header))
            continue;
        headers[count++] = it->header;
        request->has_date |= inlay_str_is_nocase(it->header.name, "date");
        request->has_server |= inlay_str_is_nocase(it->header.name, "server");
    }
    *nheaders = count;
}

static size_t count_extras(const struct inlay_request *request)
{
    size_t count = 0;

    for (const struct inlay_extra *it = request->extra; it; it = it->next)
        count++;
    return count;
}

static int dress(struct inlay_request *request,
                 const struct inlay_header *headers,
                 size_t nheaders)
{
    const struct inlay_server *server = request->thread->server;
    const struct inlay_str id = INLAY_STR("x-request-id");
    struct inlay_header *more = inlay_arena_alloc(
        &request->arena,
        (nheaders + count_extras(request) + 2) * sizeof(*more));
    size_t count = nheaders;

    if (!more)
        return -1;
    if (nheaders)
        memcpy(more, headers, nheaders * sizeof(*more));
    if (request->extra)
        extend(request, more, &count);
    if (request->id.len && !find(more, count, id))
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

/*
 * A hook has failed, and nobody knows what is lacking: a 500 in place of the
 * answer, whatever comes of that. A handshake has no such answer.
 */
static int replace(struct inlay_request *request)
{
    const struct inlay_str body =
        INLAY_STR("{\"detail\":\"Internal Server Error\"}");
    const struct inlay_header type = {INLAY_STR("content-type"),
                                      INLAY_STR("application/json")};

    if (request->status == 101)
        return -1;
    request->status = 500;
    request->head_only = request->method_id == INLAY_METHOD_HEAD;
    request->chunked = false;
    request->length = (int64_t)body.len;
    request->has_date = request->has_server = false;
    request->as_is = true;
    inlay_request_drop_content(request);
    if (dress(request, &type, 1) < 0 ||
        (!request->head_only && request->stream->write(request, body) < 0))
        return -1;
    request->head_only = true; /* no byte of it goes out */
    return 0;
}

int inlay_answer_start(struct inlay_request *request,
                       const struct inlay_header *headers,
                       size_t nheaders)
{
    struct inlay_handler *hooks = request->thread->server->hooks;

    if (inlay_unlikely(hooks && inlay_guards_answer(hooks, request) < 0))
        return replace(request);
    return dress(request, headers, nheaders);
}
