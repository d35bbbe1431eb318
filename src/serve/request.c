#include "serve/request.h"

#include "base/clock.h"
#include "base/mem.h"
#include "http/url.h"
#include "serve/session.h"

#include "base/banned.h"

#define SPARE_MOST 64 /* requests kept per thread, each with 64 KiB or less */

struct inlay_str inlay_request_header(const struct inlay_request *request,
                                      struct inlay_str name)
{
    for (size_t i = 0; i < request->nheaders; i++) {
        if (inlay_str_equal(request->headers[i].name, name))
            return request->headers[i].value;
    }
    return (struct inlay_str){NULL, 0};
}

struct inlay_str inlay_path_without_root(struct inlay_str path,
                                         struct inlay_str root)
{
    while (root.len && root.ptr[root.len - 1] == '/')
        root.len--;
    if (inlay_likely(!root.len) || !inlay_str_starts(path, root))
        return path;
    if (path.len == root.len)
        return INLAY_STR("/");
    if (path.ptr[root.len] != '/')
        return path;
    return inlay_str_make(path.ptr + root.len, path.len - root.len);
}

struct inlay_str inlay_request_local_path(const struct inlay_request *request)
{
    return inlay_path_without_root(request->path,
                                   request->thread->server->config.root_path);
}

/* The messages of a WebSocket have no last one. */
static bool may_pause(const struct inlay_request *request)
{
    return !request->body_done || request->status == 101;
}

void inlay_request_pause(struct inlay_request *request)
{
    if (may_pause(request))
        request->stream->pause(request);
}

void inlay_request_resume(struct inlay_request *request)
{
    if (may_pause(request))
        request->stream->resume(request);
}

void inlay_request_want_body(struct inlay_request *request)
{
    request->body_wanted = true;
    request->stream->want_body(request);
}

/* --- Lasting heads ------------------------------------------------------ */

static struct inlay_str put(char **at, struct inlay_str text)
{
    struct inlay_str copy = {*at, text.len};

    if (text.len)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return copy;
}

int inlay_request_retain(struct inlay_request *request)
{
    bool decoded = request->path.ptr != request->raw_path.ptr;
    size_t size = request->method.len + request->raw_path.len +
                  request->query.len +
                  request->nheaders * sizeof(struct inlay_header);

    if (request->retained)
        return 0;
    for (size_t i = 0; i < request->nheaders; i++)
        size += request->headers[i].name.len + request->headers[i].value.len;
    struct inlay_header *headers = inlay_arena_alloc(&request->arena, size);
    if (!headers)
        return -1;
    char *at = (char *)(headers + request->nheaders);
    for (size_t i = 0; i < request->nheaders; i++) {
        headers[i].name = put(&at, request->headers[i].name);
        headers[i].value = put(&at, request->headers[i].value);
    }
    request->headers = headers;
    request->method = put(&at, request->method);
    request->raw_path = put(&at, request->raw_path);
    request->query = put(&at, request->query);
    if (!decoded)
        request->path = request->raw_path;
    request->retained = true;
    return 0;
}

int inlay_request_retain_path(struct inlay_request *request,
                              const struct inlay_str *views,
                              size_t count,
                              struct inlay_str *ret)
{
    struct inlay_str old = request->path;

    if (inlay_request_retain(request) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        ret[i] = views[i];
        if (ret[i].len && ret[i].ptr >= old.ptr &&
            ret[i].ptr < old.ptr + old.len)
            ret[i].ptr = request->path.ptr + (ret[i].ptr - old.ptr);
    }
    return 0;
}

/* --- From the spare list and back --------------------------------------- */

static struct inlay_exchange *take_spare(struct inlay_io_thread *thread)
{
    struct inlay_exchange *exchange = thread->spare;

    if (inlay_likely(exchange != NULL)) {
        thread->spare = exchange->next;
        thread->nspare--;
        return exchange;
    }
    exchange = inlay_malloc(sizeof(*exchange));
    if (!exchange)
        return NULL;
    inlay_arena_init(&exchange->request.arena,
                     thread->server->config.limits.request_memory);
    inlay_timer_init(&exchange->deadline);
    inlay_timer_init(&exchange->rate);
    return exchange;
}

struct inlay_exchange *inlay_exchange_create(
    struct inlay_session *session,
    const struct inlay_http1_head *head)
{
    struct inlay_exchange *exchange = take_spare(session->thread);

    if (!exchange)
        return NULL;
    struct inlay_request *request = &exchange->request;
    struct inlay_arena arena = request->arena;
    *request = (struct inlay_request){
        .thread = session->thread,
        .arena = arena,
        .method_id = head->method_id,
        .method = head->method,
        .raw_path = head->path,
        .query = head->query,
        .headers = head->headers,
        .nheaders = head->nheaders,
        .http_major = 1,
        .http_minor = head->minor,
        .scheme = INLAY_STR("http"),
        .root_path = session->thread->server->config.root_path,
        .client = &session->client,
        .local = &session->local,
        .has_body = head->chunked || head->content_length > 0,
        .content_length = head->content_length,
        .native_allow = INLAY_STR(""),
        .began = session->thread->server->timed ? inlay_clock_ns() : 0,
        .stream = &inlay_http1_stream,
        .length = -1,
        .close = !head->keep_alive,
    };
    request->body_done = !request->has_body;
    exchange->session = session;
    exchange->next = NULL;
    exchange->replay = NULL;
    exchange->eof_told = false;
    exchange->awaited = 0;
    exchange->patience = &session->thread->request_timers;
    request->path = inlay_url_decode(head->path, false, &request->arena);
    if (inlay_unlikely(!request->path.ptr)) {
        inlay_exchange_destroy(exchange);
        return NULL;
    }
    return exchange;
}

void inlay_exchange_destroy(struct inlay_exchange *exchange)
{
    struct inlay_io_thread *thread = exchange->request.thread;

    exchange->session = NULL;
    inlay_exchange_stop(exchange);
    if (thread->nspare >= SPARE_MOST) {
        inlay_arena_deinit(&exchange->request.arena);
        inlay_free(exchange);
        return;
    }
    inlay_arena_reset(&exchange->request.arena);
    exchange->next = thread->spare;
    thread->spare = exchange;
    thread->nspare++;
}

void inlay_exchange_free_spare(struct inlay_io_thread *thread)
{
    while (thread->spare) {
        struct inlay_exchange *exchange = thread->spare;

        thread->spare = exchange->next;
        inlay_arena_deinit(&exchange->request.arena);
        inlay_free(exchange);
    }
    thread->nspare = 0;
}
