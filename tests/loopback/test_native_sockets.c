/* WebSockets whose functions are C (tests/py/sockets/sockets.c): what becomes
 * of them when the client, the server or the memory goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "dwarf/open.h"
#include "echo.h"
#include "load/module.h"
#include "serve/native.h"

#include "base/banned.h"

#define INPUT TEST_LOOPBACK "/../py/sockets/sockets.c"
#define QUEUE 4
#define FLOOD 4 /* of `endless`: it sends what is not read */

static struct inlay_module *module; /* never freed, as modules are */

static int load(void **state)
{
    (void)state;
    module = open_source(NULL, "cc", "-Wall -Werror", INPUT);
    return 0;
}

/* --- A server --------------------------------------------------------------- */

/* Asked before: the nth allocation from there fails, and all that follow. */
struct miser {
    struct inlay_handler handler; /* first */
    struct inlay_mail mail;
    atomic_long budget;
    atomic_int restored;
};

static enum inlay_outcome starve(struct inlay_handler *handler,
                                 struct inlay_request *request)
{
    struct miser *miser = (struct miser *)handler;

    (void)request;
    inlay_mem_fail_after(atomic_load(&miser->budget));
    return INLAY_DECLINED;
}

/* There is memory again. */
static void on_restore(struct inlay_mail *mail)
{
    struct miser *miser = inlay_container_of(mail, struct miser, mail);

    inlay_mem_fail_after(-1);
    atomic_fetch_add(&miser->restored, 1);
}

static const struct inlay_handler_ops miser_ops = {
    .guards = true,
    .on_request = starve,
};

static struct miser miser = {
    .handler.ops = &miser_ops,
    .mail.on_receive = on_restore,
};

static void no_log(void *arg inlay_unused,
                   enum inlay_log_level level inlay_unused,
                   struct inlay_str text inlay_unused)
{
}

static int open_server(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    inlay_buf_init(&world->in, SIZE_MAX / 2);
    prepare(&world->fixture);
    atomic_store(&miser.budget, -1);
    world->fixture.first = &miser.handler;
    struct inlay_error *error =
        inlay_native_create(&module, 1, &world->fixture.more);
    if (error)
        fail_msg("%s", error->message);
    world->fixture.config.log.sink = no_log;
    world->fixture.config.limits.ws_queue = QUEUE;
    world->fixture.config.limits.write_window = 65536;
    start_server(&world->fixture);
    *state = world;
    return 0;
}

static void close_world(struct world *world)
{
    exchange(-1, NULL, NULL);
    stop_server(&world->fixture);
    inlay_buf_deinit(&world->in);
    free(world);
}

static int close_server(void **state)
{
    struct world *world = *state;

    assert_true(connections_become(&world->fixture, 0));
    close_world(world);
    return 0;
}

static void reset(int fd)
{
    struct linger off = {.l_onoff = 1};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
    close(fd);
}

/* The client closes in order. */
static void leave(struct world *world, int fd)
{
    send_frame(fd, CLOSE, "\x03\xe8", 2);
    assert_int_equal(read_close(world, fd), 1000);
    close(fd);
}

/* --- Messages ----------------------------------------------------------------- */

static void echoes(void **state)
{
    struct world *world = *state;
    int fd = open_echo(world);
    static char large[300000];

    for (size_t i = 0; i < sizeof(large); i++)
        large[i] = (char)(i * 7);
    send_frame_text(fd, TEXT, "");
    expect_text(world, fd, "");
    for (int i = 0; i < 3; i++) {
        send_frame(fd, BINARY, large, sizeof(large));
        expect_frame(world, fd, BINARY, large, sizeof(large));
        send_frame_text(fd, TEXT & 0x7f, "two ");
        send_frame_text(fd, PING, "p");
        expect_frame(world, fd, PONG, "p", 1);
        send_frame_text(fd, LAST, "parts");
        expect_text(world, fd, "two parts");
    }
    leave(world, fd);
}

/* All at once, byte by byte, and with what follows in the same segments. */
static void any_chunking(void **state)
{
    static const size_t sizes[] = {1, 2, 3, 7, 64, 1000, 100000};
    struct world *world = *state;
    char text[16];

    for (size_t i = 0; i < inlay_array_size(sizes); i++) {
        int fd = open_echo(world);
        struct inlay_buf all;

        inlay_buf_init(&all, SIZE_MAX / 2);
        for (int number = 0; number < 50; number++) {
            snprintf(text, sizeof(text), "message %d", number);
            put_frame(&all, TEXT, text, strlen(text));
        }
        for (size_t at = 0; at < inlay_buf_len(&all); at += sizes[i])
            send_bytes(fd, all.data + at,
                       inlay_min(sizes[i], inlay_buf_len(&all) - at));
        inlay_buf_deinit(&all);
        for (int number = 0; number < 50; number++) {
            snprintf(text, sizeof(text), "message %d", number);
            expect_text(world, fd, text);
        }
        leave(world, fd);
    }
}

/* More than may wait, while the function is asleep. */
static void messages_wait(void **state)
{
    struct world *world = *state;
    int fd = open_with(world, OPEN("/sleeper?ms=50", ""));
    char text[16];

    for (int number = 0; number < 20 * QUEUE; number++) {
        snprintf(text, sizeof(text), "%d", number);
        send_frame_text(fd, TEXT, text);
    }
    for (int number = 0; number < 20 * QUEUE; number++) {
        snprintf(text, sizeof(text), "%d", number);
        expect_text(world, fd, text);
    }
    leave(world, fd);
}

static void refusals(void **state)
{
    static const struct {
        const char *request, *begin;
    } all[] = {
        {OPEN("/silent", ""), "HTTP/1.1 403 "},
        {OPEN("/silent?says=1", ""), "HTTP/1.1 418 "},
        {OPEN("/chooses", ""), "HTTP/1.1 500 "},
        {OPEN("/own-header", ""), "HTTP/1.1 500 "},
        {OPEN("/parameters/x", ""), "HTTP/1.1 422 "},
        {OPEN("/fails?when=before&kind=4", ""), "HTTP/1.1 403 "},
        {OPEN("/elsewhere", ""), "HTTP/1.1 307 "},
        {OPEN("/nowhere", ""), "HTTP/1.1 404 "},
    };
    struct world *world = *state;

    for (size_t i = 0; i < inlay_array_size(all); i++) {
        int fd = open_client(&world->fixture);
        const char *text = exchange(fd, all[i].request, NULL);

        if (strncmp(text, all[i].begin, strlen(all[i].begin)) != 0)
            fail_msg("%zu: %s", i, text);
        close(fd);
    }
}

static void closes(void **state)
{
    struct world *world = *state;
    int fd = open_with(world, OPEN("/closes?code=4000", ""));

    expect_text(world, fd, "first");
    assert_int_equal(read_close(world, fd), 4000);
    send_frame(fd, CLOSE, "\x0f\xa0", 2);
    assert_true(is_closed(fd));
    close(fd);
    fd = open_with(world, OPEN("/fails?when=after&kind=11", ""));
    send_frame_text(fd, TEXT, "x");
    assert_int_equal(read_close(world, fd), 1011);
    reset(fd);
}

/* --- Ends ----------------------------------------------------------------------- */

static const char *const endless[] = {
    OPEN("/echo", ""),     OPEN("/waits", ""),
    OPEN("/stubborn", ""), OPEN("/sleeper?ms=60000", ""),
    OPEN("/flood", ""),    OPEN("/chat/a", ""),
};

/* At whatever it waits for. */
static void client_goes(void **state)
{
    struct world *world = *state;

    for (int how = 0; how < 3; how++) {
        for (size_t i = 0; i < inlay_array_size(endless); i++) {
            int fd = open_with(world, endless[i]);

            send_frame_text(fd, TEXT, "x");
            if (how == 0)
                reset(fd);
            else if (how == 1)
                send_frame(fd, CLOSE, "\x03\xe8", 2);
            if (how)
                close(fd);
        }
        assert_true(connections_become(&world->fixture, 0));
    }
}

/* A message that breaks the rules, while others wait. */
static void client_errs(void **state)
{
    struct world *world = *state;
    int fd = open_with(world, OPEN("/sleeper?ms=60000", ""));

    for (int i = 0; i < QUEUE - 1; i++)
        send_frame_text(fd, TEXT, "x");
    send_frame(fd, TEXT, "\xff", 1);
    assert_int_equal(read_close(world, fd), 1007);
    reset(fd);
}

/* A function that gets messages after it has failed, closed or been left. */
static void messages_come_late(void **state)
{
    struct world *world = *state;
    int fd = open_with(world, OPEN("/closes?code=4000", ""));

    for (int i = 0; i < 100; i++)
        send_frame_text(fd, TEXT, "late");
    expect_text(world, fd, "first");
    assert_int_equal(read_close(world, fd), 4000);
    reset(fd);
    fd = open_with(world, OPEN("/fails?when=after&kind=1", ""));
    for (int i = 0; i < 100; i++)
        send_frame_text(fd, TEXT, "late");
    assert_int_equal(read_close(world, fd), 1008);
    reset(fd);
}

static void drains(void **state)
{
    struct world *world = *state;
    int fds[inlay_array_size(endless)];

    for (size_t i = 0; i < inlay_array_size(endless); i++)
        fds[i] = open_with(world, endless[i]);
    inlay_server_drain(world->fixture.server);
    for (size_t i = 0; i < inlay_array_size(endless); i++) {
        inlay_buf_clear(&world->in);
        if (i != FLOOD)
            assert_int_equal(read_close(world, fds[i]), 1012);
        reset(fds[i]);
    }
}

/* The server is stopped in the midst of it. */
static void server_stops(void **state)
{
    struct world *world;
    void *local;
    int fds[inlay_array_size(endless)];

    (void)state;
    open_server(&local);
    world = local;
    for (size_t i = 0; i < inlay_array_size(endless); i++)
        fds[i] = open_with(world, endless[i]);
    close_world(world);
    for (size_t i = 0; i < inlay_array_size(endless); i++)
        close(fds[i]);
}

static void no_memory(void **state)
{
    struct world *world = *state;

    for (long budget = 0; budget < 40; budget++) {
        atomic_store(&miser.budget, budget);
        int fd = open_client(&world->fixture);
        send_text(fd, OPEN("/sleeper?ms=0", ""));
        for (int i = 0; i < 3; i++)
            send_frame_text(fd, TEXT, "x");
        sleep_ms(2);
        reset(fd);
        atomic_store(&miser.budget, -1);
        atomic_store(&miser.restored, 0);
        inlay_loop_post(&world->fixture.server->threads[0].loop, &miser.mail);
        assert_true(becomes(&miser.restored, 1));
        reset(open_echo(world));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(echoes, open_server, close_server),
        cmocka_unit_test_setup_teardown(any_chunking, open_server,
                                        close_server),
        cmocka_unit_test_setup_teardown(messages_wait, open_server,
                                        close_server),
        cmocka_unit_test_setup_teardown(refusals, open_server, close_server),
        cmocka_unit_test_setup_teardown(closes, open_server, close_server),
        cmocka_unit_test_setup_teardown(client_goes, open_server, close_server),
        cmocka_unit_test_setup_teardown(client_errs, open_server, close_server),
        cmocka_unit_test_setup_teardown(messages_come_late, open_server,
                                        close_server),
        cmocka_unit_test_setup_teardown(drains, open_server, close_server),
        cmocka_unit_test(server_stops),
        cmocka_unit_test_setup_teardown(no_memory, open_server, close_server),
    };

    return cmocka_run_group_tests(tests, load, NULL);
}
