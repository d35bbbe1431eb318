/* WebSockets from the handshake to the end, over a socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "echo.h"
#include "http/websocket_deflate.h"

#include "base/banned.h"

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
            /* Without memory that is kept not even a close frame. */
            int frame = next_frame(world, fd, &(struct inlay_str){0});
            assert_true(frame == -1 || frame == CLOSE);
        } else {
            has(head, " 503 ");
        }
        close(fd);
    }
    assert_int_equal(status, 101);
    assert_true(n > 2);
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

/* A message that the client never gets ends it: the next would be gibberish. */
static void lost_compressed(void **state)
{
    struct world *world = *state;
    struct inlay_str payload;
    char text[3000] = "lose ";
    int fd = open_with(world, OPEN("/echo", "Sec-WebSocket-Extensions: "
                                            "permessage-deflate\r\n"));

    memset(text + 5, 'x', sizeof(text) - 5);
    send_frame(fd, TEXT, text + 5, sizeof(text) - 5);
    assert_int_equal(next_frame(world, fd, &payload), TEXT | RSV1);
    send_frame(fd, TEXT, text, sizeof(text));
    assert_int_equal(next_frame(world, fd, &payload), -1);
    expect_end(world, 1006, "");
    close(fd);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(accepting),       test(refusing),
        test(not_followed),    test(early_frames),
        test(gone_before),     test(echoing),
        test(failing),         test(peer_closes),
        test(we_close),        test(lost),
        test(no_memory),       test(compression),
        test(lost_compressed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
