#include "handler.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "serve/response.h"

#include "base/banned.h"

#define BLOCK 65536

/* What a pending request keeps; in its arena. */
struct pending {
    struct inlay_list node;
    struct inlay_request *request;
    struct inlay_buf body;
    size_t left;
    bool hold;
};

static const char block[BLOCK], ballast[30000000];

static struct test_handler *of(struct inlay_handler *handler)
{
    return (struct test_handler *)handler;
}

static enum inlay_outcome text(struct inlay_request *request,
                               int status,
                               const char *body)
{
    inlay_response_send(request, status, INLAY_STR("text/plain"),
                        inlay_str_from(body));
    return INLAY_HANDLED;
}

static void free_body(void *arg)
{
    struct pending *pending = arg;

    inlay_buf_deinit(&pending->body);
    inlay_list_remove(&pending->node);
}

static struct pending *wait(struct inlay_request *request)
{
    struct pending *pending = inlay_arena_new(&request->arena, struct pending);

    if (!pending)
        return NULL;
    inlay_list_init(&pending->node);
    pending->request = request;
    inlay_buf_init(&pending->body, 64u << 20);
    request->handler_data = pending;
    if (inlay_arena_defer(&request->arena, free_body, pending) < 0) {
        free_body(pending);
        return NULL;
    }
    return pending;
}

/* --- Paths -------------------------------------------------------------- */

static void answer_headers(struct inlay_request *request,
                           const char *name,
                           const char *value,
                           const char *body)
{
    struct inlay_header header = {inlay_str_from(name), inlay_str_from(value)};

    if (inlay_response_start(request, 200, &header, 1, -1) < 0) {
        text(request, 500, "refused");
        return;
    }
    inlay_response_write(request, inlay_str_from(body));
    inlay_response_end(request);
}

static enum inlay_outcome answer_stream(struct test_handler *test inlay_unused,
                                        struct inlay_request *request)
{
    struct inlay_chunk *chunk = inlay_chunk_create(3);

    if (!chunk)
        abort();
    memcpy(chunk->data, "def", 3);
    inlay_response_start(request, 200, NULL, 0, -1);
    inlay_response_write(request, INLAY_STR("abc"));
    inlay_response_write(request, INLAY_STR(""));
    inlay_response_write_chunk(request, chunk);
    inlay_response_end(request);
    return INLAY_HANDLED;
}

/* Links first, then a body and what is only known behind it. */
static enum inlay_outcome answer_extras(struct test_handler *test inlay_unused,
                                        struct inlay_request *request)
{
    struct inlay_header link = {INLAY_STR("link"), INLAY_STR("</a.css>")};
    struct inlay_header sum = {INLAY_STR("x-sum"), INLAY_STR("42")};

    inlay_response_inform(request, 103, &link, 1);
    inlay_response_start(request, 200, NULL, 0, -1);
    inlay_response_write(request, INLAY_STR("abc"));
    inlay_response_trailers(request, &sum, 1);
    inlay_response_end(request);
    return INLAY_HANDLED;
}

/* "[" and "0123456789" of a file, twice, and "]". */
static enum inlay_outcome answer_file(struct test_handler *test inlay_unused,
                                      struct inlay_request *request)
{
    int fd = memfd_create("file", MFD_CLOEXEC);

    if (fd < 0 || write(fd, "..0123456789", 12) != 12)
        abort();
    inlay_response_start(request, 200, NULL, 0, -1);
    inlay_response_write(request, INLAY_STR("["));
    inlay_response_write_file(request, dup(fd), 2, 10);
    inlay_response_write_file(request, fd, 2, 10);
    inlay_response_write(request, INLAY_STR("]"));
    inlay_response_end(request);
    return INLAY_HANDLED;
}

static enum inlay_outcome show(struct test_handler *test inlay_unused,
                               struct inlay_request *request)
{
    struct inlay_str host = inlay_request_header(request, INLAY_STR("host"));
    struct inlay_str line = inlay_arena_format(
        &request->arena, "%.*s|%.*s|%.*s|%.*s|%.*s|%d",
        inlay_str_arg(request->method), inlay_str_arg(request->path),
        inlay_str_arg(request->raw_path), inlay_str_arg(request->query),
        inlay_str_arg(host), request->http_minor);

    inlay_response_send(request, 200, INLAY_STR("text/plain"), line);
    return INLAY_HANDLED;
}

static void stream_more(struct test_handler *test,
                        struct inlay_request *request)
{
    struct pending *pending = request->handler_data;

    while (pending->left && inlay_response_queued(request) < BLOCK) {
        size_t len = inlay_min(pending->left, sizeof(block));

        if (inlay_response_write(request, inlay_str_make(block, len)) < 0) {
            inlay_response_abort(request);
            return;
        }
        pending->left -= len;
        atomic_fetch_add(&test->streamed, len);
        size_t queued = inlay_response_queued(request);
        if (queued > atomic_load(&test->most_queued))
            atomic_store(&test->most_queued, queued);
    }
    if (!pending->left)
        inlay_response_end(request);
}

static enum inlay_outcome collect(struct test_handler *test,
                                  struct inlay_request *request)
{
    if (!request->has_body)
        return text(request, 200, test->any ? "0" : "");
    if (!wait(request))
        return text(request, 503, "");
    inlay_request_want_body(request);
    return INLAY_PENDING;
}

/* /oom?n: the nth allocation from here fails, until a release. */
static enum inlay_outcome run_out(struct test_handler *test inlay_unused,
                                  struct inlay_request *request)
{
    char number[16] = "";

    memcpy(number, request->query.ptr,
           inlay_min(request->query.len, sizeof(number) - 1));
    text(request, 200, "hello");
    inlay_mem_fail_after(strtol(number, NULL, 10));
    return INLAY_HANDLED;
}

static enum inlay_outcome cut(struct test_handler *test inlay_unused,
                              struct inlay_request *request)
{
    inlay_response_start(request, 200, NULL, 0, -1);
    inlay_response_write(request, INLAY_STR("part"));
    inlay_response_abort(request);
    return INLAY_HANDLED;
}

static enum inlay_outcome known(struct test_handler *test inlay_unused,
                                struct inlay_request *request)
{
    request->native_allow = INLAY_STR("GET, HEAD");
    return INLAY_DECLINED;
}

static enum inlay_outcome big(struct test_handler *test,
                              struct inlay_request *request)
{
    struct pending *pending = wait(request);

    if (!pending)
        return text(request, 503, "");
    pending->left = test->big;
    inlay_response_start(request, 200, NULL, 0, -1);
    stream_more(test, request);
    return INLAY_PENDING;
}

static enum inlay_outcome later(struct test_handler *test,
                                struct inlay_request *request)
{
    struct pending *pending = wait(request);

    if (!pending)
        return text(request, 503, "");
    inlay_list_append(&test->later, &pending->node);
    pending->hold = !inlay_str_is(request->path, "/later");
    if (pending->hold)
        inlay_request_pause(request);
    atomic_fetch_add(&test->pending, 1);
    return INLAY_PENDING;
}

/* What is answered at once: a body, by way of one header or none. */
static const struct answer {
    const char *path;
    int status;
    const char *name, *value, *body;
    size_t len; /* of zeros instead of `body` */
} answers[] = {
    {"/hello", 200, NULL, NULL, "hello", 0},
    {"/204", 204, NULL, NULL, "illegal", 0},
    {"/304", 304, NULL, NULL, "illegal", 0},
    {"/10k", 200, NULL, NULL, NULL, 10000},
    {"/oneshot", 200, NULL, NULL, NULL, sizeof(ballast)},
    {"/close", 200, "Connection", "close", "bye", 0},
    {"/long", 200, "content-length", "2", "toolong", 0},
    {"/short", 200, "content-length", "10", "short", 0},
    {"/evil", 200, "x-a", "1\r\nx-evil: 2", "ok", 0},
};

static const struct {
    const char *path;
    enum inlay_outcome (*run)(struct test_handler *test,
                              struct inlay_request *request);
} paths[] = {
    {"/show", show},
    {"/oom", run_out},
    {"/stream", answer_stream},
    {"/echo", collect},
    {"/405", known},
    {"/cut", cut},
    {"/big", big},
    {"/later", later},
    {"/hold", later},
    {"/deaf", later},
    {"/extras", answer_extras},
    {"/file", answer_file},
};

static enum inlay_outcome give(struct inlay_request *request,
                               const struct answer *answer)
{
    if (answer->name)
        answer_headers(request, answer->name, answer->value, answer->body);
    else if (answer->len)
        inlay_response_send(request, answer->status, INLAY_STR(""),
                            inlay_str_make(ballast, answer->len));
    else
        text(request, answer->status, answer->body);
    return INLAY_HANDLED;
}

static enum inlay_outcome on_request(struct inlay_handler *handler,
                                     struct inlay_request *request)
{
    struct test_handler *test = of(handler);

    for (size_t i = 0; i < inlay_array_size(answers); i++) {
        if (inlay_str_equal(request->path, inlay_str_from(answers[i].path)))
            return give(request, &answers[i]);
    }
    for (size_t i = 0; i < inlay_array_size(paths); i++) {
        if (inlay_str_equal(request->path, inlay_str_from(paths[i].path)))
            return paths[i].run(test, request);
    }
    return test->any ? collect(test, request) : INLAY_DECLINED;
}

static void on_body(struct inlay_handler *handler,
                    struct inlay_request *request,
                    struct inlay_str chunk,
                    bool last)
{
    struct test_handler *test = of(handler);
    struct pending *pending = request->handler_data;

    atomic_fetch_add(&test->body_bytes, chunk.len);
    if (inlay_str_is(request->path, "/later"))
        return;
    if (!test->any && inlay_buf_append_str(&pending->body, chunk) < 0) {
        inlay_response_error(request, 503, INLAY_STR("no memory"));
        return;
    }
    if (last)
        inlay_response_send(request, 200, INLAY_STR("text/plain"),
                            inlay_buf_view(&pending->body));
}

static void on_drained(struct inlay_handler *handler,
                       struct inlay_request *request)
{
    if (inlay_str_is(request->path, "/big"))
        stream_more(of(handler), request);
}

static void on_abort(struct inlay_handler *handler,
                     struct inlay_request *request)
{
    (void)request;
    atomic_fetch_add(&of(handler)->aborts, 1);
}

static void on_eof(struct inlay_handler *handler, struct inlay_request *request)
{
    (void)request;
    atomic_fetch_add(&of(handler)->eofs, 1);
}

static void destroy(struct inlay_handler *handler)
{
    atomic_store(&of(handler)->destroyed, true);
}

static void on_release(struct inlay_mail *mail)
{
    struct test_handler *test =
        inlay_container_of(mail, struct test_handler, release);

    inlay_mem_fail_after(-1);
    inlay_list_for_each (node, &test->later) {
        struct pending *pending = inlay_list_entry(node, struct pending, node);
        struct inlay_request *request = pending->request;

        if (inlay_str_is(request->path, "/later"))
            show(test, request);
        else if (pending->hold)
            inlay_request_resume(request);
        pending->hold = false;
    }
    atomic_fetch_add(&test->releases, 1);
}

static const struct inlay_handler_ops test_ops = {
    .on_request = on_request,
    .on_body = on_body,
    .on_drained = on_drained,
    .on_abort = on_abort,
    .destroy = destroy,
    .on_eof = on_eof,
};

void test_handler_init(struct test_handler *test)
{
    *test = (struct test_handler){.handler.ops = &test_ops, .big = 8u << 20};
    inlay_list_init(&test->later);
    test->release.on_receive = on_release;
}

void test_handler_release(struct test_handler *test,
                          struct inlay_server *server)
{
    inlay_loop_post(&server->threads[0].loop, &test->release);
}
