#include "echo.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/mem.h"
#include "serve/response.h"
#include "serve/websocket.h"

#include "base/banned.h"

#define WAIT_MS 3000

/* --- The handler --------------------------------------------------------- */

static struct echo *of(struct inlay_handler *handler)
{
    return (struct echo *)handler;
}

static enum inlay_outcome answer(struct inlay_request *request, int status)
{
    inlay_response_send(request, status, INLAY_STR("text/plain"),
                        INLAY_STR("no"));
    return INLAY_HANDLED;
}

static enum inlay_outcome accept_with_headers(struct inlay_request *request)
{
    static const struct inlay_header headers[] = {
        {INLAY_STR("x-a"), INLAY_STR("1")},
        {INLAY_STR("content-length"), INLAY_STR("7")},
        {INLAY_STR("set-cookie"), INLAY_STR("b=2")},
    };

    if (inlay_websocket_accept(request, INLAY_STR("chat"), headers, 3) < 0)
        return answer(request, 500);
    return INLAY_PENDING;
}

static enum inlay_outcome accept_evil(struct inlay_request *request)
{
    static const struct inlay_header headers[] = {
        {INLAY_STR("x-a"), INLAY_STR("1\r\nx: y")},
        {INLAY_STR("Sec-WebSocket-Accept"), INLAY_STR("x")},
        {INLAY_STR("Upgrade"), INLAY_STR("x")},
        {INLAY_STR("connection"), INLAY_STR("close")},
    };

    for (size_t i = 0; i < inlay_array_size(headers); i++)
        if (inlay_websocket_accept(request, INLAY_STR(""), headers + i, 1) == 0)
            abort();
    if (inlay_websocket_accept(request, INLAY_STR("a b"), NULL, 0) == 0)
        abort();
    return answer(request, 500);
}

/* /oom?n: the nth allocation from here fails, and all that follow. */
static enum inlay_outcome accept_without_memory(struct inlay_request *request)
{
    char number[8] = "";

    memcpy(number, request->query.ptr,
           inlay_min(request->query.len, sizeof(number) - 1));
    inlay_mem_fail_after(strtol(number, NULL, 10));
    int status = inlay_websocket_accept(request, INLAY_STR("chat"), NULL, 0);
    inlay_mem_fail_after(-1);
    return status < 0 ? answer(request, 503) : INLAY_PENDING;
}

static enum inlay_outcome on_request(struct inlay_handler *handler,
                                     struct inlay_request *request)
{
    struct echo *echo = of(handler);

    if (!request->websocket)
        return answer(request, 200);
    if (inlay_str_is(request->path, "/deny"))
        return answer(request, 403);
    if (inlay_str_is(request->path, "/headers"))
        return accept_with_headers(request);
    if (inlay_str_is(request->path, "/evil"))
        return accept_evil(request);
    if (inlay_str_is(request->path, "/oom"))
        return accept_without_memory(request);
    if (inlay_str_is(request->path, "/late")) {
        echo->request = request;
        atomic_fetch_add(&echo->pending, 1);
        return INLAY_PENDING;
    }
    if (inlay_websocket_accept(request, INLAY_STR(""), NULL, 0) < 0)
        abort();
    if (inlay_websocket_accept(request, INLAY_STR(""), NULL, 0) == 0 ||
        inlay_response_start(request, 200, NULL, 0, -1) == 0)
        abort(); /* once only, and no answer after it */
    if (inlay_str_is(request->path, "/brief"))
        inlay_websocket_close(request, 4000, INLAY_STR("brief"));
    return INLAY_PENDING;
}

static void flood(struct echo *echo, struct inlay_request *request)
{
    while (echo->flood && inlay_response_queued(request) < FLOOD_PIECE) {
        struct inlay_chunk *chunk =
            inlay_chunk_create(INLAY_WEBSOCKET_ROOM + FLOOD_PIECE);

        if (!chunk)
            abort();
        memset(chunk->data, 'f', INLAY_WEBSOCKET_ROOM + FLOOD_PIECE);
        chunk->len = FLOOD_PIECE;
        if (inlay_websocket_send_chunk(request, INLAY_WEBSOCKET_BINARY, chunk))
            abort();
        echo->flood--;
        size_t queued = inlay_response_queued(request);
        if (queued > atomic_load(&echo->most_queued))
            atomic_store(&echo->most_queued, queued);
    }
}

static void send_back(struct inlay_request *request,
                      enum inlay_websocket_kind kind,
                      struct inlay_str bytes)
{
    struct inlay_chunk *chunk;

    if (kind == INLAY_WEBSOCKET_TEXT) {
        if (inlay_websocket_send(request, kind, bytes) < 0)
            abort();
        return;
    }
    chunk = inlay_chunk_create(INLAY_WEBSOCKET_ROOM + bytes.len);
    if (!chunk)
        abort();
    if (bytes.len)
        memcpy(chunk->data + INLAY_WEBSOCKET_ROOM, bytes.ptr, bytes.len);
    chunk->len = bytes.len;
    if (inlay_websocket_send_chunk(request, kind, chunk) < 0)
        abort();
}

/* Compressed it can't be queued; then no other may be sent either. */
static void lose_message(struct inlay_request *request)
{
    char noise[24 << 10]; /* more than kept memory has room for */
    struct inlay_str bytes = {noise, sizeof(noise)};
    uint32_t random = 1;

    for (size_t i = 0; i < sizeof(noise); i++) {
        random = random * 1664525u + 1013904223u;
        noise[i] = (char)(random >> 25);
    }
    inlay_mem_fail_after(1); /* what it is compressed to */
    if (inlay_websocket_send(request, INLAY_WEBSOCKET_TEXT, bytes) == 0)
        abort();
    inlay_mem_fail_after(-1);
    if (inlay_websocket_send(request, INLAY_WEBSOCKET_TEXT, bytes) == 0)
        abort();
}

static void on_message(struct inlay_handler *handler,
                       struct inlay_request *request,
                       enum inlay_websocket_kind kind,
                       struct inlay_str bytes)
{
    struct echo *echo = of(handler);

    atomic_fetch_add(&echo->total, bytes.len);
    if (inlay_str_is(bytes, "close")) {
        inlay_websocket_close(request, 4001, INLAY_STR("bye"));
    } else if (inlay_str_is(bytes, "oom")) {
        /* More than memory that is kept has room for. */
        static const char zeros[1 << 16];

        inlay_mem_fail_after(0);
        if (inlay_websocket_send(request, kind,
                                 inlay_str_make(zeros, sizeof(zeros))) == 0)
            abort();
        inlay_response_abort(request);
        inlay_mem_fail_after(-1);
    } else if (inlay_str_starts(bytes, INLAY_STR("lose "))) {
        lose_message(request);
    } else if (inlay_str_is(bytes, "abort")) {
        inlay_response_abort(request);
    } else if (inlay_str_is(bytes, "pause")) {
        inlay_request_pause(request);
        echo->request = request;
    } else if (inlay_str_is(bytes, "flood")) {
        echo->flood = FLOOD_PIECES;
        flood(echo, request);
    } else {
        send_back(request, kind, bytes);
    }
    atomic_fetch_add(&echo->messages, 1);
}

static void on_drained(struct inlay_handler *handler,
                       struct inlay_request *request)
{
    flood(of(handler), request);
}

static void on_abort(struct inlay_handler *handler,
                     struct inlay_request *request)
{
    (void)request;
    of(handler)->request = NULL;
    atomic_fetch_add(&of(handler)->aborts, 1);
}

static void on_websocket_end(struct inlay_handler *handler,
                             struct inlay_request *request,
                             uint16_t code,
                             struct inlay_str reason)
{
    struct echo *echo = of(handler);

    if (echo->request == request)
        echo->request = NULL;
    snprintf(echo->reason, sizeof(echo->reason), "%.*s", (int)reason.len,
             reason.len ? reason.ptr : "");
    atomic_store(&echo->code, code);
    atomic_fetch_add(&echo->ends, 1);
}

static void on_release(struct inlay_mail *mail)
{
    struct echo *echo = inlay_container_of(mail, struct echo, release);
    struct inlay_request *request = echo->request;

    echo->request = NULL;
    if (request && request->started)
        inlay_request_resume(request);
    else if (request && inlay_websocket_accept(request, INLAY_STR(""), NULL, 0))
        abort();
    atomic_fetch_add(&echo->releases, 1);
}

static const struct inlay_handler_ops echo_ops = {
    .on_request = on_request,
    .on_drained = on_drained,
    .on_abort = on_abort,
    .on_message = on_message,
    .on_websocket_end = on_websocket_end,
};

/* --- The client ---------------------------------------------------------- */

/* One more read into world->in; false: nothing came, or the end. */
static bool read_more(struct world *world, int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    if (poll(&wait, 1, WAIT_MS) <= 0)
        return false;
    assert_int_equal(inlay_buf_reserve(&world->in, 262144), 0);
    ssize_t count = recv(fd, inlay_buf_tail(&world->in), 262144, 0);
    if (count <= 0)
        return false;
    inlay_buf_added(&world->in, (size_t)count);
    return true;
}

const char *read_head(struct world *world, int fd)
{
    static char head[4096];

    for (;;) {
        struct inlay_str all = inlay_buf_view(&world->in);
        const char *end =
            all.len ? memmem(all.ptr, all.len, "\r\n\r\n", 4) : NULL;
        if (end) {
            size_t len = (size_t)(end - all.ptr) + 4;

            assert_true(len < sizeof(head));
            memcpy(head, all.ptr, len);
            head[len] = '\0';
            inlay_buf_consume(&world->in, len);
            return head;
        }
        if (!read_more(world, fd))
            return "";
    }
}

int open_with(struct world *world, const char *request)
{
    int fd = open_client(&world->fixture);

    inlay_buf_clear(&world->in);
    send_text(fd, request);
    has(read_head(world, fd), "HTTP/1.1 101 Switching Protocols\r\n");
    return fd;
}

int open_echo(struct world *world)
{
    return open_with(world, OPEN("/echo", ""));
}

void send_frame(int fd, unsigned first, const void *data, size_t len)
{
    struct inlay_buf frame;

    inlay_buf_init(&frame, SIZE_MAX / 2);
    put_frame(&frame, first, data, len);
    send_bytes(fd, frame.data, inlay_buf_len(&frame));
    inlay_buf_deinit(&frame);
}

void send_frame_text(int fd, unsigned first, const char *text)
{
    send_frame(fd, first, text, strlen(text));
}

int next_frame(struct world *world, int fd, struct inlay_str *payload)
{
    static char *copy;
    size_t size;
    int first;

    while ((first = read_frame(inlay_buf_view(&world->in), payload, &size)) < 0)
        if (!read_more(world, fd))
            return -1;
    copy = realloc(copy, payload->len + 1);
    assert_non_null(copy);
    memcpy(copy, payload->ptr, payload->len);
    payload->ptr = copy;
    inlay_buf_consume(&world->in, size);
    if (inlay_buf_len(&world->in) == 0)
        inlay_buf_deinit(&world->in);
    return first;
}

void expect_frame(struct world *world,
                  int fd,
                  unsigned first,
                  const void *data,
                  size_t len)
{
    struct inlay_str payload;

    assert_int_equal(next_frame(world, fd, &payload), first);
    assert_int_equal(payload.len, len);
    assert_memory_equal(payload.ptr, data, len);
}

void expect_text(struct world *world, int fd, const char *text)
{
    expect_frame(world, fd, TEXT, text, strlen(text));
}

unsigned read_close(struct world *world, int fd)
{
    struct inlay_str payload;

    assert_int_equal(next_frame(world, fd, &payload), CLOSE);
    if (!payload.len)
        return 1005;
    return (unsigned)((uint8_t)payload.ptr[0] << 8 | (uint8_t)payload.ptr[1]);
}

void expect_end(struct world *world, int code, const char *reason)
{
    assert_true(becomes(&world->echo.ends, 1));
    assert_int_equal(atomic_load(&world->echo.code), code);
    assert_string_equal(world->echo.reason, reason);
}

void release(struct world *world)
{
    inlay_loop_post(&world->fixture.server->threads[0].loop,
                    &world->echo.release);
}

/* --- Fixture ------------------------------------------------------------- */

int setup_with(void **state, void (*change)(struct inlay_limits *limits))
{
    struct world *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    world->echo.handler.ops = &echo_ops;
    world->echo.release.on_receive = on_release;
    inlay_buf_init(&world->in, SIZE_MAX / 2);
    prepare(&world->fixture);
    world->fixture.more = &world->echo.handler;
    world->fixture.config.limits.ws_message_bytes = 1u << 20;
    if (change)
        change(&world->fixture.config.limits);
    start_server(&world->fixture);
    *state = world;
    return 0;
}

int setup(void **state)
{
    return setup_with(state, NULL);
}

int teardown(void **state)
{
    struct world *world = *state;

    exchange(-1, NULL, NULL);
    assert_true(connections_become(&world->fixture, 0));
    stop_server(&world->fixture);
    inlay_buf_deinit(&world->in);
    free(world);
    return 0;
}
