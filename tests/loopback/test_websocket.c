/* WebSockets from the handshake to the end, over a socket. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "client.h"
#include "frames.h"
#include "http/websocket_deflate.h"
#include "serve/response.h"
#include "serve/websocket.h"

#include "base/banned.h"

#define WAIT_MS 3000
#define FLOOD_PIECE ((size_t)64 << 10)
#define FLOOD_PIECES 400 /* 25 MiB */

#define has(text, part) assert_non_null(strstr((text), (part)))
#define lacks(text, part) assert_null(strstr((text), (part)))

/* --- The handler --------------------------------------------------------- */

/*
 * /echo accepts at once, /late when it is released; both echo messages, but
 * for those that are commands: see on_message. /deny answers 403, /headers
 * accepts with a subprotocol and headers, /evil tries with a bad one.
 */
struct echo {
    struct inlay_handler handler; /* first */
    struct inlay_mail release;
    struct inlay_request *request; /* /late's, or the one that is paused */
    size_t flood;                  /* pieces still to be sent */
    atomic_int pending, messages, ends, aborts, releases;
    atomic_int code; /* of the last end */
    atomic_size_t most_queued, total;
    char reason[128]; /* before `ends` grows */
};

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
        inlay_mem_fail_after(0);
        if (inlay_websocket_send(request, kind, bytes) == 0)
            abort();
        inlay_response_abort(request);
        inlay_mem_fail_after(-1);
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

struct world {
    struct fixture fixture;
    struct echo echo;
    struct inlay_buf in; /* of the last client: bytes after the head */
};

#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define UPGRADE "Connection: Upgrade\r\nUpgrade: websocket\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define OPEN(path, more)                                                       \
    "GET " path " HTTP/1.1\r\nHost: x\r\n" UPGRADE KEY VERSION more "\r\n"

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

/* Reads a head, which lasts until the next call. */
static const char *read_head(struct world *world, int fd)
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

static int open_with(struct world *world, const char *request)
{
    int fd = open_client(&world->fixture);

    inlay_buf_clear(&world->in);
    send_text(fd, request);
    has(read_head(world, fd), "HTTP/1.1 101 Switching Protocols\r\n");
    return fd;
}

static int open_echo(struct world *world)
{
    return open_with(world, OPEN("/echo", ""));
}

static void send_frame(int fd, unsigned first, const void *data, size_t len)
{
    struct inlay_buf frame;

    inlay_buf_init(&frame, SIZE_MAX / 2);
    put_frame(&frame, first, data, len);
    send_bytes(fd, frame.data, inlay_buf_len(&frame));
    inlay_buf_deinit(&frame);
}

static void send_frame_text(int fd, unsigned first, const char *text)
{
    send_frame(fd, first, text, strlen(text));
}

/* The next frame's first byte; the payload lasts until the next call. */
static int next_frame(struct world *world, int fd, struct inlay_str *payload)
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

static void expect_frame(struct world *world,
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

static void expect_text(struct world *world, int fd, const char *text)
{
    expect_frame(world, fd, TEXT, text, strlen(text));
}

static unsigned read_close(struct world *world, int fd)
{
    struct inlay_str payload;

    assert_int_equal(next_frame(world, fd, &payload), CLOSE);
    if (!payload.len)
        return 1005;
    return (unsigned)((uint8_t)payload.ptr[0] << 8 | (uint8_t)payload.ptr[1]);
}

static void expect_end(struct world *world, int code, const char *reason)
{
    assert_true(becomes(&world->echo.ends, 1));
    assert_int_equal(atomic_load(&world->echo.code), code);
    assert_string_equal(world->echo.reason, reason);
}

static void release(struct world *world)
{
    inlay_loop_post(&world->fixture.server->threads[0].loop,
                    &world->echo.release);
}

/* --- Fixture ------------------------------------------------------------- */

static int setup_with(void **state, void (*change)(struct inlay_limits *limits))
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

static int setup(void **state)
{
    return setup_with(state, NULL);
}

static int teardown(void **state)
{
    struct world *world = *state;

    exchange(-1, NULL, NULL);
    assert_true(connections_become(&world->fixture, 0));
    stop_server(&world->fixture);
    inlay_buf_deinit(&world->in);
    free(world);
    return 0;
}

/* --- Handshakes ---------------------------------------------------------- */

static void accepting(void **state)
{
    struct world *world = *state;
    int fd = open_client(&world->fixture);

    send_text(fd, OPEN("/headers", "Sec-WebSocket-Protocol: chat, b\r\n"));
    const char *head = read_head(world, fd);
    has(head, "HTTP/1.1 101 Switching Protocols\r\n");
    has(head, "\r\nupgrade: websocket\r\n");
    has(head, "\r\nconnection: Upgrade\r\n");
    has(head, "\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n");
    has(head, "\r\nsec-websocket-protocol: chat\r\n");
    has(head, "\r\nx-a: 1\r\n");
    has(head, "\r\nset-cookie: b=2\r\n");
    has(head, "\r\nserver: inlay\r\n");
    lacks(head, "content-length");
    lacks(head, "transfer-encoding");
    lacks(head, "sec-websocket-extensions");
    send_frame_text(fd, TEXT, "hi");
    expect_text(world, fd, "hi");
    close(fd);
    expect_end(world, 1006, "");
}

static void refusing(void **state)
{
    struct world *world = *state;
    static const struct {
        const char *request, *status;
    } samples[] = {
        {OPEN("/deny", ""), " 403 "},
        {OPEN("/evil", ""), " 500 "},
        {"GET /echo HTTP/1.1\r\nHost: x\r\n" UPGRADE VERSION "\r\n", " 400 "},
        {"GET /echo HTTP/1.1\r\nHost: x\r\n" UPGRADE KEY "\r\n", " 400 "},
        {"GET /echo HTTP/1.1\r\nHost: x\r\n" UPGRADE KEY
         "Sec-WebSocket-Version: 8\r\n\r\n",
         " 426 "},
    };

    for (size_t i = 0; i < inlay_array_size(samples); i++) {
        int fd = open_client(&world->fixture);
        const char *text = exchange(fd, samples[i].request, NULL);

        has(text, samples[i].status);
        has(text, "connection: close\r\n");
        if (strstr(samples[i].status, "426")) {
            has(text, "sec-websocket-version: 13\r\n");
            has(text, "upgrade: websocket\r\n");
        }
        close(fd);
    }
    assert_int_equal(atomic_load(&world->echo.ends), 0);
    assert_int_equal(atomic_load(&world->echo.aborts), 0);
}

/* What asks for something else is a request as any other. */
static void not_followed(void **state)
{
    struct world *world = *state;
    static const char *const requests[] = {
        "GET /plain HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
        "Upgrade: h2c\r\n\r\n",
        "POST /plain HTTP/1.1\r\nHost: x\r\n" UPGRADE KEY VERSION
        "Content-Length: 0\r\n\r\n",
        "GET /plain HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n" KEY VERSION
        "\r\n",
        "GET /plain HTTP/1.0\r\nConnection: keep-alive, Upgrade\r\n"
        "Upgrade: websocket\r\n" KEY VERSION "\r\n",
    };
    int fd = open_client(&world->fixture);

    for (size_t i = 0; i < inlay_array_size(requests); i++)
        has(exchange(fd, requests[i], "\r\n\r\nno"), "HTTP/1.1 200 OK\r\n");
    close(fd);
}

/* Frames that came with the request are not lost, nor what is behind them. */
static void early_frames(void **state)
{
    struct world *world = *state;
    struct inlay_buf bytes;

    inlay_buf_init(&bytes, SIZE_MAX / 2);
    inlay_buf_append_literal(&bytes, OPEN("/late", ""));
    put_frame(&bytes, TEXT, "one", 3);
    put_frame(&bytes, PING, "p", 1);
    put_frame(&bytes, TEXT, "two", 3);
    size_t frames = inlay_buf_len(&bytes) - strlen(OPEN("/late", ""));
    for (size_t cut = 0; cut <= frames; cut++) {
        int fd = open_client(&world->fixture);
        int before = atomic_load(&world->echo.pending);
        size_t head = inlay_buf_len(&bytes) - cut;

        inlay_buf_clear(&world->in);
        send_bytes(fd, bytes.data, head);
        assert_true(becomes(&world->echo.pending, before + 1));
        if (cut % 2)
            send_bytes(fd, bytes.data + head, cut);
        release(world);
        if (cut % 2 == 0)
            send_bytes(fd, bytes.data + head, cut);
        has(read_head(world, fd), " 101 ");
        expect_text(world, fd, "one");
        expect_frame(world, fd, PONG, "p", 1);
        expect_text(world, fd, "two");
        close(fd);
        assert_true(becomes(&world->echo.ends, before + 1));
    }
    /* Accepted while the request is still being read. */
    int fd = open_client(&world->fixture);
    memcpy(bytes.data + 4, "/echo", 5);
    inlay_buf_clear(&world->in);
    send_bytes(fd, bytes.data, inlay_buf_len(&bytes));
    has(read_head(world, fd), " 101 ");
    expect_text(world, fd, "one");
    expect_frame(world, fd, PONG, "p", 1);
    expect_text(world, fd, "two");
    close(fd);
    inlay_buf_deinit(&bytes);
}

/* The client goes before it is accepted. */
static void gone_before(void **state)
{
    struct world *world = *state;
    int fd = open_client(&world->fixture);
    struct linger off = {.l_onoff = 1, .l_linger = 0};

    send_text(fd, OPEN("/late", ""));
    assert_true(becomes(&world->echo.pending, 1));
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
    close(fd);
    assert_true(becomes(&world->echo.aborts, 1));
    /* It ended its side only: it is accepted, and is over. */
    fd = open_client(&world->fixture);
    send_text(fd, OPEN("/late", ""));
    shutdown(fd, SHUT_WR);
    assert_true(becomes(&world->echo.pending, 2));
    sleep_ms(20);
    release(world);
    expect_end(world, 1006, "");
    close(fd);
}

/* --- Messages ------------------------------------------------------------ */

static void echoing(void **state)
{
    static const size_t sizes[] = {0,     1,     125,   126,   4096,   4097,
                                   16384, 65535, 65536, 65537, 1000000};
    struct world *world = *state;
    char *bytes = malloc(1000000);
    int fd = open_echo(world);

    assert_non_null(bytes);
    for (size_t i = 0; i < 1000000; i++)
        bytes[i] = (char)('a' + i % 26);
    for (size_t i = 0; i < inlay_array_size(sizes); i++) {
        send_frame(fd, TEXT, bytes, sizes[i]);
        expect_frame(world, fd, TEXT, bytes, sizes[i]);
        send_frame(fd, BINARY, bytes, sizes[i]);
        expect_frame(world, fd, BINARY, bytes, sizes[i]);
        send_frame(fd, 2, bytes, sizes[i] / 2);
        send_frame(fd, PING, "mid", 3);
        send_frame(fd, LAST, bytes + sizes[i] / 2, sizes[i] - sizes[i] / 2);
        expect_frame(world, fd, PONG, "mid", 3);
        expect_frame(world, fd, BINARY, bytes, sizes[i]);
    }
    for (int i = 0; i < 1000; i++)
        send_frame(fd, TEXT, bytes, 10);
    for (int i = 0; i < 1000; i++)
        expect_frame(world, fd, TEXT, bytes, 10);
    send_frame(fd, CLOSE, "\x03\xe8", 2);
    assert_int_equal(read_close(world, fd), 1000);
    assert_true(is_closed(fd));
    expect_end(world, 1000, "");
    close(fd);
    free(bytes);
}

static void failing(void **state)
{
    static const struct {
        unsigned first;
        const char *data;
        size_t len;
        unsigned code;
    } samples[] = {
        {TEXT, "\xff", 1, 1007},     {0x83, "", 0, 1002},
        {LAST, "x", 1, 1002},        {CLOSE, "\x03\xed", 2, 1002},
        {TEXT | RSV1, "x", 1, 1002},
    };
    struct world *world = *state;

    for (size_t i = 0; i < inlay_array_size(samples); i++) {
        int fd = open_echo(world);

        send_frame(fd, TEXT, "a", 1);
        send_frame(fd, samples[i].first, samples[i].data, samples[i].len);
        send_frame(fd, TEXT, "b", 1);
        expect_text(world, fd, "a");
        assert_int_equal(read_close(world, fd), samples[i].code);
        assert_true(is_closed(fd));
        assert_true(becomes(&world->echo.ends, (int)i + 1));
        assert_int_equal(atomic_load(&world->echo.code), samples[i].code);
        close(fd);
    }
    /* More than the limit; said as soon as it is announced. */
    int fd = open_echo(world);
    send_bytes(fd, "\x82\xff\0\0\0\0\0\x10\0\1mask", 14);
    assert_int_equal(read_close(world, fd), 1009);
    close(fd);
    assert_true(becomes(&world->echo.ends, 6));
    assert_string_equal(world->echo.reason, "the message is too big");
}

/* --- Closing ------------------------------------------------------------- */

static void peer_closes(void **state)
{
    struct world *world = *state;
    int fd = open_echo(world);

    send_frame_text(fd, CLOSE,
                    "\x0f\xa1"
                    "because");
    assert_int_equal(read_close(world, fd), 4001);
    assert_true(is_closed(fd));
    expect_end(world, 4001, "because");
    close(fd);
    fd = open_echo(world);
    send_frame(fd, CLOSE, "", 0);
    assert_int_equal(read_close(world, fd), 1005);
    assert_true(is_closed(fd));
    close(fd);
    assert_true(becomes(&world->echo.ends, 2));
    assert_int_equal(atomic_load(&world->echo.code), 1005);
}

static void we_close(void **state)
{
    struct world *world = *state;
    struct inlay_str payload;
    int fd = open_echo(world);

    send_frame_text(fd, TEXT, "last");
    send_frame_text(fd, TEXT, "close");
    expect_text(world, fd, "last");
    assert_int_equal(next_frame(world, fd, &payload), CLOSE);
    assert_int_equal(payload.len, 5);
    assert_memory_equal(payload.ptr,
                        "\x0f\xa1"
                        "bye",
                        5);
    /* What is on its way is read, not answered, until the peer's close. */
    send_frame_text(fd, TEXT, "late");
    send_frame_text(fd, PING, "late");
    send_frame(fd, CLOSE, "\x0f\xa1", 2);
    assert_true(is_closed(fd));
    close(fd);
    assert_int_equal(atomic_load(&world->echo.ends), 0);
    assert_int_equal(atomic_load(&world->echo.messages), 2);
    /* Within the accepting call, and by the way an answer is cut. */
    fd = open_with(world, OPEN("/brief", ""));
    assert_int_equal(read_close(world, fd), 4000);
    send_frame(fd, CLOSE, "\x0f\xa0", 2);
    assert_true(is_closed(fd));
    close(fd);
    fd = open_echo(world);
    send_frame_text(fd, TEXT, "abort");
    assert_int_equal(read_close(world, fd), 1011);
    close(fd);
}

/* A client that is cut off, and one that ends its side without a word. */
static void lost(void **state)
{
    struct world *world = *state;
    struct linger off = {.l_onoff = 1, .l_linger = 0};
    int fd = open_echo(world);

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
    close(fd);
    expect_end(world, 1006, "");
    fd = open_echo(world);
    send_frame(fd, 1, "half", 4);
    shutdown(fd, SHUT_WR);
    assert_true(is_closed(fd));
    close(fd);
    assert_true(becomes(&world->echo.ends, 2));
    assert_int_equal(atomic_load(&world->echo.code), 1006);
}

/* --- Deadlines ----------------------------------------------------------- */

static void short_pings(struct inlay_limits *limits)
{
    limits->ws_ping_interval = 60;
    limits->ws_ping_timeout = 60;
}

static int setup_pings(void **state)
{
    return setup_with(state, short_pings);
}

static void pings(void **state)
{
    struct world *world = *state;
    int fd = open_echo(world);

    for (int i = 0; i < 3; i++) {
        expect_frame(world, fd, PING, "", 0);
        send_frame(fd, PONG, "", 0);
    }
    send_frame_text(fd, TEXT, "alive");
    expect_text(world, fd, "alive");
    /* Without a pong it ends. */
    expect_frame(world, fd, PING, "", 0);
    assert_int_equal(read_close(world, fd), 1011);
    assert_true(is_closed(fd));
    expect_end(world, 1011, "keepalive ping timeout");
    close(fd);
}

/* Who sends a long message can't send a pong within it. */
static void busy_peer(void **state)
{
    struct world *world = *state;
    int fd = open_echo(world);
    struct inlay_str payload;
    struct inlay_buf frame;

    inlay_buf_init(&frame, 1024);
    put_frame(&frame, TEXT, "0123456789012345678901234567890123456789", 40);
    for (size_t i = 0; i < inlay_buf_len(&frame); i++) {
        send_bytes(fd, frame.data + i, 1);
        sleep_ms(10);
    }
    int first;
    do
        first = next_frame(world, fd, &payload);
    while (first == PING);
    assert_int_equal(first, TEXT);
    close(fd);
    inlay_buf_deinit(&frame);
    expect_end(world, 1006, "");
}

/* A handler that is slow is not the peer's fault. */
static void slow_handler(void **state)
{
    struct world *world = *state;
    int fd = open_echo(world);
    struct inlay_str payload;
    int first;

    send_frame_text(fd, TEXT, "pause");
    send_frame_text(fd, TEXT, "after");
    sleep_ms(400);
    assert_int_equal(atomic_load(&world->echo.messages), 1);
    assert_int_equal(atomic_load(&world->echo.ends), 0);
    release(world);
    do
        first = next_frame(world, fd, &payload);
    while (first == PING);
    assert_int_equal(first, TEXT);
    assert_memory_equal(payload.ptr, "after", 5);
    close(fd);
}

static void short_writes(struct inlay_limits *limits)
{
    limits->write_timeout = 150;
}

static int setup_writes(void **state)
{
    return setup_with(state, short_writes);
}

static void never_reads(void **state)
{
    struct world *world = *state;
    int fd = open_echo(world);

    send_frame_text(fd, TEXT, "flood");
    expect_end(world, 1006, "");
    assert_true(world->echo.flood > 0);
    close(fd);
}

/* The frame again and again, until nothing more goes; the bytes sent. */
static size_t send_until_held(int fd, struct inlay_str frame)
{
    struct inlay_buf frames;
    size_t sent = 0;

    inlay_buf_init(&frames, SIZE_MAX / 2);
    while (inlay_buf_len(&frames) < 65536)
        inlay_buf_append_str(&frames, frame);
    while (sent < 64u << 20) {
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        size_t at = sent % inlay_buf_len(&frames);
        ssize_t count = send(fd, frames.data + at, inlay_buf_len(&frames) - at,
                             MSG_DONTWAIT | MSG_NOSIGNAL);

        if (count > 0)
            sent += (size_t)count;
        else if (errno != EAGAIN || poll(&wait, 1, 100) <= 0)
            break;
    }
    inlay_buf_deinit(&frames);
    return sent;
}

/* Pongs that nobody reads cost bounded memory: pings are not read either. */
static void ping_flood(void **state)
{
    static const char bytes[125];
    struct world *world = *state;
    int fd = open_echo(world);
    struct inlay_buf frame;

    inlay_buf_init(&frame, 1024);
    put_frame(&frame, PING, bytes, sizeof(bytes));
    assert_true(send_until_held(fd, inlay_buf_view(&frame)) < 32u << 20);
    close(fd);
    inlay_buf_deinit(&frame);
    assert_true(becomes(&world->echo.ends, 1));
}

/* --- Back-pressure ------------------------------------------------------- */

static void flooding(void **state)
{
    struct world *world = *state;
    int fd = open_echo(world);

    send_frame_text(fd, TEXT, "flood");
    for (int i = 0; i < FLOOD_PIECES; i++) {
        struct inlay_str payload;

        assert_int_equal(next_frame(world, fd, &payload), BINARY);
        assert_int_equal(payload.len, FLOOD_PIECE);
        assert_int_equal(payload.ptr[FLOOD_PIECE - 1], 'f');
    }
    assert_true(atomic_load(&world->echo.most_queued) < 4 * FLOOD_PIECE);
    close(fd);
}

/* While the handler wants nothing, the client is held back. */
static void pausing(void **state)
{
    static char bytes[60000];
    struct world *world = *state;
    int fd = open_echo(world);
    struct inlay_buf frame;
    size_t sent = 0, back = 0;

    inlay_buf_init(&frame, 1u << 20);
    put_frame(&frame, BINARY, bytes, sizeof(bytes));
    send_frame_text(fd, TEXT, "pause");
    assert_true(becomes(&world->echo.messages, 1));
    sent = send_until_held(fd, inlay_buf_view(&frame));
    assert_true(sent < 32u << 20);
    assert_int_equal(atomic_load(&world->echo.messages), 1);
    release(world);
    size_t whole = sent / inlay_buf_len(&frame);
    for (; back < whole; back++)
        expect_frame(world, fd, BINARY, bytes, sizeof(bytes));
    close(fd);
    inlay_buf_deinit(&frame);
}

/* --- Drain --------------------------------------------------------------- */

static void draining(void **state)
{
    struct world *world = *state;
    int fd = open_echo(world);

    inlay_server_drain(world->fixture.server);
    assert_int_equal(read_close(world, fd), 1012);
    expect_end(world, 1012, "");
    send_frame(fd, CLOSE, "\x03\xf4", 2);
    assert_true(is_closed(fd));
    close(fd);
}

/* Accepted while it drains: it is told at once. */
static void accepted_in_drain(void **state)
{
    struct world *world = *state;
    int fd = open_client(&world->fixture);

    send_text(fd, OPEN("/late", ""));
    assert_true(becomes(&world->echo.pending, 1));
    inlay_server_drain(world->fixture.server);
    sleep_ms(20);
    release(world);
    has(read_head(world, fd), " 101 ");
    assert_int_equal(read_close(world, fd), 1012);
    expect_end(world, 1012, "");
    close(fd);
}

/* Stopped at once: everybody hears of it. */
static void stopping(void **state)
{
    struct world *world = *state;
    int fd = open_echo(world), late = open_client(&world->fixture);

    send_text(late, OPEN("/late", ""));
    assert_true(becomes(&world->echo.pending, 1));
    stop_server(&world->fixture);
    assert_int_equal(atomic_load(&world->echo.ends), 1);
    assert_int_equal(atomic_load(&world->echo.code), 1006);
    assert_int_equal(atomic_load(&world->echo.aborts), 1);
    close(fd);
    close(late);
    start_server(&world->fixture);
}

/* --- Without memory ------------------------------------------------------- */

static void no_memory(void **state)
{
    struct world *world = *state;
    int n = 0, status = 503;

    for (; n < 50 && status == 503; n++) {
        int fd = open_client(&world->fixture);
        char request[512];

        snprintf(request, sizeof(request),
                 OPEN("/oom?%d", "Sec-WebSocket-Extensions: "
                                 "permessage-deflate\r\n"),
                 n);
        inlay_buf_clear(&world->in);
        send_text(fd, request);
        const char *head = read_head(world, fd);
        if (strstr(head, " 101 ")) {
            status = 101;
            send_frame_text(fd, TEXT, "oom");
            assert_int_equal(next_frame(world, fd, &(struct inlay_str){0}), -1);
        } else {
            has(head, " 503 ");
        }
        close(fd);
    }
    assert_int_equal(status, 101);
    assert_true(n > 3);
}

/* --- Compression --------------------------------------------------------- */

static void compression(void **state)
{
    struct world *world = *state;
    struct inlay_deflate_terms terms = {.client_bits = 12};
    struct inlay_websocket_deflate *deflate = inlay_deflate_create(&terms);
    struct inlay_buf packed, plain;
    char text[3000];

    assert_non_null(deflate);
    inlay_buf_init(&packed, 1u << 20);
    inlay_buf_init(&plain, 1u << 20);
    int fd = open_client(&world->fixture);
    send_text(fd, OPEN("/echo", "Sec-WebSocket-Extensions: permessage-deflate; "
                                "client_max_window_bits\r\n"));
    has(read_head(world, fd),
        "\r\nsec-websocket-extensions: permessage-deflate; "
        "client_max_window_bits=12\r\n");
    for (unsigned round = 0; round < 10; round++) {
        struct inlay_str payload;

        for (size_t i = 0; i < sizeof(text); i++)
            text[i] = (char)('a' + (i * (round + 1)) % 7);
        inlay_buf_clear(&packed);
        inlay_buf_clear(&plain);
        inlay_websocket_deflate(deflate, inlay_str_make(text, sizeof(text)),
                                &packed);
        send_frame(fd, (round % 2 ? TEXT : BINARY) | RSV1, packed.data,
                   inlay_buf_len(&packed));
        assert_int_equal(next_frame(world, fd, &payload),
                         (round % 2 ? TEXT : BINARY) | RSV1);
        assert_true(payload.len < sizeof(text) / 4);
        assert_int_equal(
            inlay_websocket_inflate(deflate, payload, true, &plain),
            INLAY_INFLATE_OK);
        assert_int_equal(inlay_buf_len(&plain), sizeof(text));
        assert_memory_equal(plain.data, text, sizeof(text));
        /* What is short goes as it is. */
        send_frame_text(fd, TEXT, "short");
        expect_text(world, fd, "short");
    }
    /* A bomb: 8 MiB of zeros, by a limit of 1 MiB. */
    char *zeros = calloc(1, 8u << 20);
    assert_non_null(zeros);
    inlay_buf_clear(&packed);
    inlay_websocket_deflate(deflate, inlay_str_make(zeros, 8u << 20), &packed);
    send_frame(fd, BINARY | RSV1, packed.data, inlay_buf_len(&packed));
    assert_int_equal(read_close(world, fd), 1009);
    close(fd);
    free(zeros);
    inlay_buf_deinit(&packed);
    inlay_buf_deinit(&plain);
    inlay_deflate_destroy(deflate);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(accepting),
        test(refusing),
        test(not_followed),
        test(early_frames),
        test(gone_before),
        test(echoing),
        test(failing),
        test(peer_closes),
        test(we_close),
        test(lost),
        cmocka_unit_test_setup_teardown(pings, setup_pings, teardown),
        cmocka_unit_test_setup_teardown(busy_peer, setup_pings, teardown),
        cmocka_unit_test_setup_teardown(slow_handler, setup_pings, teardown),
        cmocka_unit_test_setup_teardown(never_reads, setup_writes, teardown),
        test(ping_flood),
        test(flooding),
        test(pausing),
        test(draining),
        test(accepted_in_drain),
        test(stopping),
        test(no_memory),
        test(compression),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
