/*
 * The bridge and its relays without Python: the test's thread plays its part,
 * clients send, read, stop reading and leave. Whoever waits must be told.
 */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "client.h"
#include "py/relay.h"

#include "base/banned.h"

#define CLIENTS 4
#define ROUNDS 150
#define PART 20000
#define PARTS 20
#define BODY 200000

/* What the application knows of a request. */
struct app {
    struct inlay_relay *relay;
    bool body_over;
    int parts; /* of the answer, sent */
};

struct relay_fixture {
    struct fixture fixture;
    struct inlay_bridge *bridge;
    atomic_int running; /* clients */
    size_t served;
};

/* --- The application ----------------------------------------------------- */

static bool read_body(struct app *app)
{
    struct inlay_chunk *landed;
    struct inlay_str bytes;

    while (!app->body_over) {
        if (inlay_relay_body_begin(app->relay, &landed, &bytes,
                                   &app->body_over) != INLAY_RELAY_OK)
            return false;
        inlay_relay_body_end(app->relay);
    }
    return true;
}

static void start(struct app *app)
{
    inlay_relay_start(app->relay, 200);
    inlay_relay_header(app->relay, INLAY_STR("x-relay"), INLAY_STR("1"));
}

/* Is the answer complete, or nobody there to read it? */
static bool send_parts(struct app *app)
{
    static char part[PART];

    if (app->parts == 0)
        start(app);
    while (app->parts < PARTS) {
        if (app->parts > 0 &&
            inlay_relay_writable(app->relay) == INLAY_RELAY_WAIT)
            return false;
        bool more = ++app->parts < PARTS;
        if (inlay_relay_send(app->relay, inlay_str_make(part, PART), more) ==
            INLAY_RELAY_GONE)
            return true;
    }
    return true;
}

/* Goes on as far as it can. Is the request over? */
static bool step(struct app *app)
{
    struct inlay_relay *relay = app->relay;

    if (inlay_relay_gone(relay))
        return true;
    inlay_relay_want_body(relay);
    if (!read_body(app))
        return inlay_relay_gone(relay);
    if (inlay_str_is(relay->path, "/wait")) {
        if (!inlay_relay_left(relay))
            return false;
        inlay_relay_abort(relay);
        return true;
    }
    if (inlay_str_is(relay->path, "/parts"))
        return send_parts(app);
    start(app);
    inlay_relay_send(relay, INLAY_STR("whole"), false);
    return true;
}

static void handle(struct relay_fixture *all, struct inlay_relay *relay)
{
    struct app *app = relay->owner;

    if (!app && relay->taken) {
        inlay_relay_unref(relay);
        return;
    }
    if (!app) {
        relay->taken = true;
        app = calloc(1, sizeof(*app));
        assert_non_null(app);
        app->relay = relay;
        relay->owner = app;
    } else {
        inlay_relay_unref(relay); /* the queue's; the first was kept */
    }
    if (!step(app))
        return;
    relay->owner = NULL;
    free(app);
    atomic_fetch_sub(&all->bridge->in_flight, 1);
    inlay_relay_unref(relay);
    all->served++;
}

static bool readable(const struct inlay_bridge *bridge, int ms)
{
    struct pollfd wait = {.fd = bridge->wake, .events = POLLIN};

    return poll(&wait, 1, ms) > 0;
}

static void poll_once(struct relay_fixture *all)
{
    struct inlay_relay *relay;

    inlay_bridge_batch_begin(all->bridge);
    for (int i = 0; i < 4 && (relay = inlay_bridge_next(all->bridge)); i++)
        handle(all, relay);
    inlay_bridge_batch_end(all->bridge);
}

/* --- The clients --------------------------------------------------------- */

static void leave(int fd, bool reset)
{
    struct linger off = {.l_onoff = 1};

    if (reset)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
    close(fd);
}

static void post(int fd)
{
    static char body[BODY];

    send_text(fd, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n"
                  "\r\n");
    send_bytes(fd, body, BODY);
    free(read_until(fd, "whole", NULL));
}

static void one_client(struct relay_fixture *all, unsigned choice)
{
    int fd = open_client(&all->fixture);
    bool reset = choice & 16;

    switch (choice % 5) {
    case 0:
        for (int i = 0; i < 5; i++) {
            send_text(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
            free(read_until(fd, "whole", NULL));
        }
        break;
    case 1:
        post(fd);
        break;
    case 2:
        send_text(fd, "GET /parts HTTP/1.1\r\nHost: x\r\n\r\n");
        free(read_until(fd, reset ? "x-relay" : "\r\n0\r\n\r\n", NULL));
        break;
    case 3:
        send_text(fd, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
        sleep_ms(choice >> 5 & 3);
        break;
    case 4:
        send_text(fd, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
                      "\r\nhalf");
        sleep_ms(choice >> 5 & 1);
        break;
    }
    leave(fd, reset);
}

static void *client(void *arg)
{
    struct relay_fixture *all = arg;
    unsigned seed = (unsigned)(uintptr_t)pthread_self() >> 12;

    for (int i = 0; i < ROUNDS; i++) {
        seed = seed * 1103515245u + 12345u;
        one_client(all, seed >> 16);
    }
    atomic_fetch_sub(&all->running, 1);
    return NULL;
}

/* --- The tests ----------------------------------------------------------- */

static int setup(void **state)
{
    struct relay_fixture *all = calloc(1, sizeof(*all));

    assert_non_null(all);
    prepare(&all->fixture);
    all->fixture.config.io_threads = 2;
    assert_null(
        inlay_bridge_create(&all->fixture.config.limits, 2, &all->bridge));
    all->fixture.more = &all->bridge->handler;
    start_server(&all->fixture);
    *state = all;
    return 0;
}

static int teardown(void **state)
{
    struct relay_fixture *all = *state;
    struct inlay_relay *relay;

    stop_server(&all->fixture);
    while ((relay = inlay_bridge_next(all->bridge)))
        handle(all, relay);
    assert_int_equal(atomic_load(&all->bridge->in_flight), 0);
    inlay_bridge_unref(all->bridge);
    free(all);
    return 0;
}

/* Requests of every kind come to their end, with nobody but us awake. */
static void everybody_is_told(void **state)
{
    struct relay_fixture *all = *state;
    pthread_t threads[CLIENTS];

    atomic_store(&all->running, CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, client, all), 0);
    while (atomic_load(&all->running) > 0 ||
           atomic_load(&all->bridge->in_flight) > 0) {
        if (readable(all->bridge, 4000))
            poll_once(all);
        else if (atomic_load(&all->running) == 0)
            break;
    }
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&all->bridge->in_flight), 0);
    assert_true(all->served > ROUNDS);
}

/* The server stops while requests wait: each hears of it. */
static void stop_is_news(void **state)
{
    struct relay_fixture *all = *state;
    int fd = open_client(&all->fixture);

    send_text(fd, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(readable(all->bridge, 2000));
    poll_once(all);
    assert_int_equal(atomic_load(&all->bridge->in_flight), 1);
    close(fd); /* teardown looks at the rest */
}

/* A message that comes when this batch has written the others. */
static void late_note_wakes(void **state)
{
    struct relay_fixture *all = *state;

    inlay_bridge_log(all->bridge, INLAY_LOG_ERROR, INLAY_STR("first"));
    assert_true(readable(all->bridge, 0));
    inlay_free(inlay_bridge_note(all->bridge));
    assert_null(inlay_bridge_note(all->bridge));
    inlay_bridge_log(all->bridge, INLAY_LOG_ERROR, INLAY_STR("second"));
    poll_once(all);
    assert_true(readable(all->bridge, 0));
    inlay_free(inlay_bridge_note(all->bridge));
    poll_once(all);
    assert_false(readable(all->bridge, 0));
}

#define with_server(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_server(everybody_is_told),
        with_server(stop_is_news),
        with_server(late_note_wakes),
    };

    return cmocka_run_group_tests_name("relay", tests, NULL, NULL);
}
