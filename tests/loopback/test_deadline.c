/* Deadlines of 50 ms: of a head, a body, a write, and of idleness. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "client.h"

#include "base/banned.h"

static int setup(void **state)
{
    struct fixture *fixture = create_fixture();

    fixture->config.limits.header_timeout = 50;
    fixture->config.limits.body_timeout = 50;
    fixture->config.limits.keep_alive_timeout = 50;
    fixture->config.limits.write_timeout = 50;
    start_server(fixture);
    *state = fixture;
    return 0;
}

static void head_deadline(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_client(fixture);

    has(exchange(fd, "GET / HTTP/1.1\r\nHo", NULL), " 408 Request Timeout\r\n");
    close(fd);
    /* Drips do not extend it. */
    fd = open_client(fixture);
    send_text(fd, "GET / HTTP/1.1\r\nX: ");
    uint64_t began = inlay_clock_ms();
    for (int i = 0; i < 30; i++) {
        send(fd, "a", 1, MSG_NOSIGNAL);
        sleep_ms(10);
    }
    has(exchange(fd, "", NULL), " 408 ");
    assert_true(inlay_clock_ms() - began < 2000);
    close(fd);
    /* Nor is it forgotten behind a request that was answered. */
    fd = open_client(fixture);
    const char *text = exchange(fd, GET("/hello") "GET / HT", NULL);
    has(text, "200 OK");
    has(text, " 408 ");
    close(fd);
}

static void silent_deadlines(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_client(fixture);

    assert_string_equal(exchange(fd, "", NULL), "");
    close(fd);
    fd = open_client(fixture);
    const char *text = exchange(fd, GET("/hello"), NULL);
    has(text, "hello");
    lacks(text, "408");
    close(fd);
    fd = open_client(fixture);
    assert_string_equal(exchange(fd, "\r\n\r\n", NULL), "");
    close(fd);
    assert_true(connections_become(fixture, 0));
}

static void body_deadline(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_client(fixture);
    const char *text = exchange(
        fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nabc",
        NULL);

    has(text, " 408 ");
    assert_int_equal(atomic_load(&fixture->test.aborts), 1);
    close(fd);
}

/* A handler may take its time: no deadline is running. */
static void no_deadline(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_client(fixture);

    send_text(fd, GET("/later?x"));
    assert_true(becomes(&fixture->test.pending, 1));
    sleep_ms(150);
    test_handler_release(&fixture->test, fixture->server);
    has(exchange(fd, "", "|x|x|1"), "200 OK");
    close(fd);
}

static void write_deadline(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_client(fixture);

    fixture->test.big = 256u << 20;
    send_text(fd, GET("/big"));
    assert_true(becomes(&fixture->test.aborts, 1));
    assert_true(connections_become(fixture, 0));
    close(fd);
}

/* Who reads slowly, yet reads, gets all answers: no deadline is for him. */
static void slow_but_moving(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_client(fixture);
    static char requests[1000 * sizeof(GET("/10k"))], read_into[131072];
    size_t len = 0, total = 0;

    for (int i = 0; i < 1000; i++) {
        memcpy(requests + len, GET("/10k"), sizeof(GET("/10k")) - 1);
        len += sizeof(GET("/10k")) - 1;
    }
    send_bytes(fd, requests, len);
    for (;;) {
        ssize_t count = recv(fd, read_into, sizeof(read_into), 0);

        if (count <= 0)
            break;
        total += (size_t)count;
        sleep_ms(2);
    }
    assert_true(total > 1000 * 10000);
    assert_int_equal(inlay_server_requests(fixture->server), 1000);
    close(fd);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, destroy_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(head_deadline), test(silent_deadlines), test(body_deadline),
        test(no_deadline),   test(write_deadline),   test(slow_but_moving),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
