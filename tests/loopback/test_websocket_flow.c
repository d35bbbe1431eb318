/* WebSockets over time: deadlines, back-pressure, the server's end. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "echo.h"

#include "base/banned.h"

/* --- Deadlines ----------------------------------------------------------- */

static void short_pings(struct inlay_limits *limits)
{
    limits->ws_ping_interval = 60;
    limits->ws_ping_timeout = 150; /* machines are busy at times */
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
    int fd = open_echo(world), silent = open_echo(world);

    inlay_server_drain(world->fixture.server);
    assert_int_equal(read_close(world, fd), 1012);
    assert_true(becomes(&world->echo.ends, 2));
    expect_end(world, 1012, "");
    send_frame(fd, CLOSE, "\x03\xf4", 2);
    assert_true(is_closed(fd));
    close(fd);
    /* Who does not answer is not waited for long. */
    assert_int_equal(read_close(world, silent), 1012);
    uint64_t began = inlay_clock_ms();
    while (inlay_server_connections(world->fixture.server) &&
           inlay_clock_ms() - began < 4000)
        sleep_ms(10);
    assert_int_equal(inlay_server_connections(world->fixture.server), 0);
    close(silent);
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

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
