/* Limits with short times: of what runs at once, of who takes too long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "client.h"
#include "serve/admission.h"

#include "base/banned.h"

static int setup(void **state)
{
    *state = create_fixture();
    return 0;
}

static struct inlay_limits *limits_of(void **state)
{
    return &((struct fixture *)*state)->config.limits;
}

/* --- Requests at once ----------------------------------------------------- */

static bool queued_becomes(const struct fixture *fixture, size_t count)
{
    size_t active, queued = 0;

    for (int i = 0; i < 1000; i++) {
        inlay_admission_count(fixture->server->admission, &active, &queued);
        if (queued == count)
            return true;
        sleep_ms(2);
    }
    return false;
}

/* A client whose request is with the application, until a release. */
static int occupy(struct fixture *fixture, int count)
{
    int fd = open_client(fixture);

    send_text(fd, GET("/later?first"));
    assert_true(becomes(&fixture->test.pending, count));
    return fd;
}

/* A plain end would leave the answer its reader. */
static void reset(int fd)
{
    struct linger off = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
    close(fd);
}

static void refused(const char *text)
{
    has(text, "HTTP/1.1 503 Service Unavailable\r\n");
    has(text, "retry-after: 1\r\n");
    has(text, "content-type: application/json\r\n");
    has(text, "{\"detail\":\"The server is busy, try again later\"}");
    lacks(text, "connection: close");
}

static void too_many(void **state)
{
    struct fixture *fixture = *state;

    limits_of(state)->concurrency = 2;
    fixture->config.health_path = INLAY_STR("/alive");
    start_server(fixture);
    int first = occupy(fixture, 1), second = occupy(fixture, 2);
    int other = open_client(fixture);
    refused(exchange(other, GET("/hello"), "later\"}"));
    /* The connection goes on; who stands before the application answers. */
    has(exchange(other, GET("/alive"), "\r\n\r\n"), " 200 OK");
    refused(exchange(other, GET("/show"), "later\"}"));
    test_handler_release(&fixture->test, fixture->server);
    has(exchange(first, "", "first"), " 200 OK");
    has(exchange(second, "", "first"), " 200 OK");
    has(exchange(other, GET("/hello"), "hello"), " 200 OK");
    close(first);
    close(second);
    close(other);
}

static void queue_in_order(void **state)
{
    struct fixture *fixture = *state;
    static char post[200000 + 100];
    int fds[3];

    limits_of(state)->concurrency = 1;
    limits_of(state)->queue = 3;
    start_server(fixture);
    int first = occupy(fixture, 1);
    fds[0] = open_client(fixture);
    send_text(fds[0], GET("/later?second"));
    assert_true(queued_becomes(fixture, 1));
    /* A body waits with its client. */
    int len = snprintf(post, sizeof(post),
                       "POST /echo HTTP/1.1\r\n" HOST
                       "Content-Length: 200000\r\n\r\n");
    memset(post + len, 'b', 200000);
    post[len + 199999] = 'e';
    fds[1] = open_client(fixture);
    send_bytes(fds[1], post, (size_t)len + 1000);
    assert_true(queued_becomes(fixture, 2));
    fds[2] = open_client(fixture);
    send_text(fds[2], GET("/hello"));
    assert_true(queued_becomes(fixture, 3));
    int other = open_client(fixture);
    refused(exchange(other, GET("/hello"), "later\"}"));
    test_handler_release(&fixture->test, fixture->server);
    has(exchange(first, "", "first"), " 200 OK");
    /* The next one has the slot, the others still wait. */
    assert_true(becomes(&fixture->test.pending, 2));
    assert_true(queued_becomes(fixture, 2));
    assert_int_equal(atomic_load(&fixture->test.body_bytes), 0);
    test_handler_release(&fixture->test, fixture->server);
    has(exchange(fds[0], "", "second"), " 200 OK");
    send_bytes(fds[1], post + len + 1000, 199000);
    has(exchange(fds[1], "", "be"), " 200 OK");
    has(exchange(fds[2], "", "hello"), " 200 OK");
    assert_true(queued_becomes(fixture, 0));
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    close(first);
    close(other);
}

static void queue_deadline(void **state)
{
    struct fixture *fixture = *state;

    limits_of(state)->concurrency = 1;
    limits_of(state)->queue = 1;
    limits_of(state)->queue_timeout = 50;
    start_server(fixture);
    int first = occupy(fixture, 1);
    int other = open_client(fixture);
    refused(exchange(other, GET("/hello"), "later\"}"));
    assert_true(queued_becomes(fixture, 0));
    reset(first);
    assert_true(becomes(&fixture->test.aborts, 1));
    has(exchange(other, GET("/hello"), "hello"), " 200 OK");
    close(other);
}

/* Who leaves gives his place in the queue to others, and takes no slot. */
static void queue_left(void **state)
{
    struct fixture *fixture = *state;

    limits_of(state)->concurrency = 1;
    limits_of(state)->queue = 1;
    start_server(fixture);
    int first = occupy(fixture, 1);
    int other = open_client(fixture);
    send_text(other, GET("/later?gone"));
    assert_true(queued_becomes(fixture, 1));
    close(other);
    assert_true(queued_becomes(fixture, 0));
    other = open_client(fixture);
    send_text(other, GET("/hello"));
    assert_true(queued_becomes(fixture, 1));
    test_handler_release(&fixture->test, fixture->server);
    has(exchange(other, "", "hello"), " 200 OK");
    assert_int_equal(atomic_load(&fixture->test.pending), 1);
    assert_int_equal(atomic_load(&fixture->test.aborts), 0);
    close(other);
    close(first);
}

static void stopped_with_queue(void **state)
{
    struct fixture *fixture = *state;

    limits_of(state)->concurrency = 1;
    limits_of(state)->queue = 10;
    fixture->config.io_threads = 2;
    start_server(fixture);
    int first = occupy(fixture, 1), fds[8];
    for (size_t i = 0; i < 8; i++) {
        fds[i] = open_client(fixture);
        send_text(fds[i], GET("/hello"));
    }
    assert_true(queued_becomes(fixture, 8));
    inlay_server_drain(fixture->server);
    reset(first);
    for (size_t i = 0; i < 8; i++) {
        has(exchange(fds[i], "", NULL), "connection: close");
        close(fds[i]);
    }
    assert_true(connections_become(fixture, 0));
}

/* The teardown finds all of them waiting. */
static void cut_with_queue(void **state)
{
    struct fixture *fixture = *state;

    limits_of(state)->concurrency = 1;
    limits_of(state)->queue = 10;
    fixture->config.io_threads = 2;
    start_server(fixture);
    occupy(fixture, 1);
    for (size_t i = 0; i < 8; i++)
        send_text(open_client(fixture), GET("/hello"));
    assert_true(queued_becomes(fixture, 8));
}

/* Four threads, two slots: every request gets one, and none is lost. */
static void queue_of_threads(void **state)
{
    enum { CLIENTS = 40, ROUNDS = 20 };
    struct fixture *fixture = *state;
    static const char head[] =
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\n";
    size_t active = 1, queued;
    int fds[CLIENTS];

    limits_of(state)->concurrency = 2;
    limits_of(state)->queue = CLIENTS;
    fixture->config.io_threads = 4;
    start_server(fixture);
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = open_client(fixture);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CLIENTS; i++)
            send_text(fds[i], head);
        for (int i = 0; i < CLIENTS; i++)
            send_text(fds[i], "abc");
        for (int i = 0; i < CLIENTS; i++) {
            if ((i + round) % 7 == 0) { /* leaves, wherever it is */
                close(fds[i]);
                fds[i] = open_client(fixture);
            } else {
                has(exchange(fds[i], "", "abc"), " 200 OK");
            }
        }
    }
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    assert_true(connections_become(fixture, 0));
    for (int i = 0; i < 1000 && active; i++) {
        inlay_admission_count(fixture->server->admission, &active, &queued);
        sleep_ms(1);
    }
    assert_int_equal(active, 0);
    assert_int_equal(queued, 0);
}

/* --- Connections of one address ------------------------------------------- */

static void address_limit(void **state)
{
    struct fixture *fixture = *state;
    static const struct inlay_str trusted[] = {INLAY_STR("10.0.0.0/8")};

    limits_of(state)->address_connections = 2;
    fixture->config.trusted = (struct inlay_strs){trusted, 1};
    start_server(fixture);
    int first = open_client(fixture), second = open_client(fixture);
    has(exchange(first, GET("/hello"), "hello"), "200");
    has(exchange(second, GET("/hello"), "hello"), "200");
    int third = open_client(fixture);
    assert_true(is_closed(third));
    close(third);
    close(second);
    assert_true(connections_become(fixture, 1));
    second = open_client(fixture);
    has(exchange(second, GET("/hello"), "hello"), "200");
    close(first);
    close(second);
}

/* Its clients would share one limit. */
static void address_of_proxy(void **state)
{
    struct fixture *fixture = *state;
    static const struct inlay_str trusted[] = {INLAY_STR("127.0.0.1")};
    int fds[4];

    limits_of(state)->address_connections = 2;
    fixture->config.trusted = (struct inlay_strs){trusted, 1};
    start_server(fixture);
    for (int i = 0; i < 4; i++) {
        fds[i] = open_client(fixture);
        has(exchange(fds[i], GET("/hello"), "hello"), "200");
    }
    for (int i = 0; i < 4; i++)
        close(fds[i]);
}

/* --- Time ------------------------------------------------------------------ */

static void request_deadline(void **state)
{
    struct fixture *fixture = *state;

    limits_of(state)->request_timeout = 50;
    start_server(fixture);
    int fd = open_client(fixture);
    const char *text = exchange(fd, GET("/later"), "Timeout\"}");
    has(text, " 504 Gateway Timeout\r\n");
    has(text, "{\"detail\":\"Gateway Timeout\"}");
    assert_int_equal(atomic_load(&fixture->test.aborts), 1);
    /* It is that request's fault, not the connection's. */
    has(exchange(fd, GET("/hello"), "hello"), "200");
    sleep_ms(100);
    has(exchange(fd, GET("/hello"), "hello"), "200");
    /* One whose body is late, too. */
    text = exchange(
        fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 900000\r\n\r\na",
        NULL);
    has(text, " 504 ");
    close(fd);
    assert_int_equal(atomic_load(&fixture->test.aborts), 2);
}

/* An answer that has begun in time may take any time. */
static void request_begun(void **state)
{
    struct fixture *fixture = *state;
    size_t len;

    limits_of(state)->request_timeout = 30;
    start_server(fixture);
    int fd = open_client(fixture);
    send_text(fd, GET("/big"));
    sleep_ms(120);
    char *text = read_until(fd, "\r\n0\r\n\r\n", &len);
    assert_true(len > fixture->test.big);
    free(text);
    close(fd);
}

static void request_deadline_in_queue(void **state)
{
    struct fixture *fixture = *state;

    limits_of(state)->request_timeout = 60;
    limits_of(state)->concurrency = 1;
    limits_of(state)->queue = 1;
    start_server(fixture);
    int first = occupy(fixture, 1), other = open_client(fixture);
    has(exchange(other, GET("/later"), "long\"}"), " 504 ");
    assert_true(queued_becomes(fixture, 0));
    close(first);
    close(other);
}

/* Bytes come all the time, but too few. */
static void body_rate(void **state)
{
    struct fixture *fixture = *state;

    limits_of(state)->body_rate = 10000;
    limits_of(state)->body_grace = 100;
    start_server(fixture);
    int fd = open_client(fixture);
    uint64_t began = inlay_clock_ms();
    send_text(fd,
              "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n");
    for (int i = 0; i < 40; i++) {
        send(fd, "a", 1, MSG_NOSIGNAL);
        sleep_ms(5);
    }
    const char *text = exchange(fd, "", NULL);
    has(text, " 408 Request Timeout\r\n");
    has(text, "too slowly");
    assert_true(inlay_clock_ms() - began < 1500);
    assert_int_equal(atomic_load(&fixture->test.aborts), 1);
    close(fd);
    /* 20 KB/s are enough. */
    static char block[1000];
    fd = open_client(fixture);
    send_text(fd,
              "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 10000\r\n\r\n");
    for (int i = 0; i < 10; i++) {
        send_bytes(fd, block, sizeof(block));
        sleep_ms(20);
    }
    has(exchange(fd, "", "\r\n\r\n"), " 200 OK");
    close(fd);
}

/* While we hold the body back, nobody is slow. */
static void body_held(void **state)
{
    struct fixture *fixture = *state;
    static char body[100000];

    limits_of(state)->body_rate = 100000000;
    limits_of(state)->body_grace = 30;
    start_server(fixture);
    int fd = open_client(fixture);
    send_text(fd,
              "POST /hold HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n");
    assert_true(becomes(&fixture->test.pending, 1));
    send_bytes(fd, body, sizeof(body));
    sleep_ms(150);
    test_handler_release(&fixture->test, fixture->server);
    has(exchange(fd, "", "\r\n\r\n"), " 200 OK");
    close(fd);
}

static void continue_deadline(void **state)
{
    struct fixture *fixture = *state;

    limits_of(state)->body_timeout = 50;
    start_server(fixture);
    int fd = open_client(fixture);
    const char *text =
        exchange(fd,
                 "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n"
                 "Expect: 100-continue\r\n\r\n",
                 NULL);
    has(text, "HTTP/1.1 100 Continue\r\n\r\n");
    has(text, " 408 ");
    close(fd);
    /* The one who was not asked waits for the application. */
    fd = open_client(fixture);
    send_text(fd, "POST /later HTTP/1.1\r\n" HOST "Content-Length: 5\r\n"
                  "Expect: 100-continue\r\n\r\n");
    assert_true(becomes(&fixture->test.pending, 1));
    sleep_ms(150);
    test_handler_release(&fixture->test, fixture->server);
    has(exchange(fd, "", NULL), " 200 OK");
    close(fd);
}

/* The rest of a body that nobody reads has to come within one timeout. */
static void unread_drips(void **state)
{
    struct fixture *fixture = *state;

    limits_of(state)->body_timeout = 80;
    start_server(fixture);
    int fd = open_client(fixture);
    has(exchange(
            fd, "POST /hello HTTP/1.1\r\n" HOST "Content-Length: 60000\r\n\r\n",
            "hello"),
        " 200 OK");
    uint64_t began = inlay_clock_ms();
    while (inlay_server_connections(fixture->server) &&
           inlay_clock_ms() - began < 1500) {
        send(fd, "a", 1, MSG_NOSIGNAL);
        sleep_ms(5);
    }
    assert_true(inlay_clock_ms() - began < 1000);
    close(fd);
}

/* --- Memory ---------------------------------------------------------------- */

static size_t resident(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*u %lu", &pages), 1);
    fclose(file);
    return (size_t)pages * 4096;
}

/* Clients that never read: what is held of them has its bound. */
static void never_reading(void **state)
{
    enum { CLIENTS = 100 };
    struct fixture *fixture = *state;
    static char requests[64 * sizeof(GET("/10k"))];
    size_t len = 0;
    int fds[CLIENTS], small = 4096;

    fixture->test.big = (size_t)1 << 30;
    start_server(fixture);
    for (int i = 0; i < 64; i++) {
        memcpy(requests + len, GET("/10k"), sizeof(GET("/10k")) - 1);
        len += sizeof(GET("/10k")) - 1;
    }
    size_t before = resident();
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = open_client(fixture);
        setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
        if (i % 2) {
            send_text(fds[i], GET("/big"));
        } else { /* 640 KB of answers per flight, as many as go */
            for (int n = 0; n < 200; n++) {
                if (send(fds[i], requests, len, MSG_NOSIGNAL | MSG_DONTWAIT) <
                    (ssize_t)len)
                    break;
            }
        }
    }
    sleep_ms(200);
    size_t grown = resident() - before;
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    /* A window and what is on its way into it, each. */
    size_t window = fixture->config.limits.write_window;
    assert_true(grown < CLIENTS * (window + ((size_t)256 << 10)));
#endif
    (void)grown;
    assert_true(connections_become(fixture, 0));
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, destroy_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(too_many),           test(queue_in_order),
        test(queue_deadline),     test(queue_left),
        test(stopped_with_queue), test(cut_with_queue),
        test(queue_of_threads),   test(address_limit),
        test(address_of_proxy),   test(request_deadline),
        test(request_begun),      test(request_deadline_in_queue),
        test(body_rate),          test(body_held),
        test(continue_deadline),  test(unread_drips),
        test(never_reading),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
