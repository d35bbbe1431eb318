/* Answers that take time: order, back-pressure, clients that go, draining and
 * stopping, no memory. */
#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "client.h"

#include "base/banned.h"

static int setup(void **state)
{
    struct fixture *fixture = create_fixture();

    start_server(fixture);
    *state = fixture;
    return 0;
}

static void in_order(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_client(fixture);

    send_text(fd, GET("/hello") GET("/later?a") GET("/show?b"));
    assert_true(becomes(&fixture->test.pending, 1));
    const char *text = exchange(fd, "", "hello");
    lacks(text, "?b");
    /* Bytes behind it wait; they are not read for ever either. */
    send_text(fd, GET("/show?c"));
    sleep_ms(20);
    test_handler_release(&fixture->test, fixture->server);
    text = exchange(fd, "", "|c|x|1");
    const char *a = strstr(text, "GET|/later|/later|a|x|1");
    const char *b = strstr(text, "GET|/show|/show|b|x|1");
    const char *c = strstr(text, "GET|/show|/show|c|x|1");
    assert_true(a && b && c && a < b && b < c);
    close(fd);
}

static void abort_on_reset(void **state)
{
    struct fixture *fixture = *state;
    struct linger off = {.l_onoff = 1};
    int fd = open_client(fixture);

    send_text(fd, GET("/later"));
    assert_true(becomes(&fixture->test.pending, 1));
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
    close(fd);
    assert_true(becomes(&fixture->test.aborts, 1));
    assert_true(connections_become(fixture, 0));
    /* With bytes waiting behind the request: nothing is read then. */
    fd = open_client(fixture);
    send_text(fd, GET("/later"));
    assert_true(becomes(&fixture->test.pending, 2));
    for (int i = 0; i < 10; i++)
        send_text(fd, GET("/hello"));
    sleep_ms(20);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
    close(fd);
    assert_true(becomes(&fixture->test.aborts, 2));
    sleep_ms(10);
    assert_int_equal(atomic_load(&fixture->test.aborts), 2);
}

static void half_closed(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_client(fixture);

    send_text(fd, GET("/later?x"));
    shutdown(fd, SHUT_WR);
    assert_true(becomes(&fixture->test.pending, 1));
    assert_true(becomes(&fixture->test.eofs, 1));
    test_handler_release(&fixture->test, fixture->server);
    has(exchange(fd, "", NULL), "GET|/later|/later|x|x|1");
    assert_int_equal(atomic_load(&fixture->test.aborts), 0);
    close(fd);
    /* Two requests, then the end: both are answered. */
    fd = open_client(fixture);
    send_text(fd, GET("/later?1") GET("/show?2"));
    shutdown(fd, SHUT_WR);
    assert_true(becomes(&fixture->test.pending, 2));
    sleep_ms(10);
    test_handler_release(&fixture->test, fixture->server);
    const char *text = exchange(fd, "", NULL);
    has(text, "|1|x|1");
    has(text, "|2|x|1");
    close(fd);
    assert_true(connections_become(fixture, 0));
}

static void half_a_body(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_client(fixture);

    send_text(fd,
              "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\nhalf");
    sleep_ms(10);
    shutdown(fd, SHUT_WR);
    assert_true(becomes(&fixture->test.aborts, 1));
    assert_true(is_closed(fd));
    close(fd);
}

/* A handler that does not take the body holds the client back. */
static void body_held(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_client(fixture);
    size_t size = 32u << 20, sent = 0;
    char *body = calloc(1, size);

    assert_non_null(body);
    send_text(fd, "POST /hold HTTP/1.1\r\n" HOST
                  "Content-Length: 33554432\r\n\r\n");
    for (int quiet = 0; sent < size && quiet < 30;) {
        ssize_t count =
            send(fd, body + sent, size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

        quiet = count > 0 ? 0 : quiet + 1;
        sent += count > 0 ? (size_t)count : 0;
        sleep_ms(1);
    }
    assert_true(sent < size);
    assert_int_equal(atomic_load(&fixture->test.body_bytes), 0);
    test_handler_release(&fixture->test, fixture->server);
    send_bytes(fd, body + sent, 1000);
    for (int i = 0; i < 1000; i++) {
        if (atomic_load(&fixture->test.body_bytes) == sent + 1000)
            break;
        sleep_ms(2);
    }
    assert_int_equal(atomic_load(&fixture->test.body_bytes), sent + 1000);
    close(fd);
    assert_true(becomes(&fixture->test.aborts, 1));
    free(body);
}

/* The rest of a body that is held back will not come: no deadline ends it. */
static void body_held_then_gone(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_client(fixture);

    send_text(fd,
              "POST /hold HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\nhalf");
    assert_true(becomes(&fixture->test.pending, 1));
    close(fd);
    sleep_ms(20);
    assert_int_equal(atomic_load(&fixture->test.aborts), 0);
    test_handler_release(&fixture->test, fixture->server);
    assert_true(becomes(&fixture->test.aborts, 1));
    assert_true(connections_become(fixture, 0));
    assert_int_equal(atomic_load(&fixture->test.eofs), 0);
}

/* What a client says is no line of its own in the log. */
static void access_log(void **state)
{
    struct fixture *fixture = *state;
    int pipes[2], out = dup(STDOUT_FILENO);
    char text[1024] = "", wanted[200];

    prepare(fixture);
    fixture->config.access_format = INLAY_STR("uvicorn");
    assert_int_equal(pipe(pipes), 0);
    fflush(stdout);
    /* The log is opened at the start. */
    dup2(pipes[1], STDOUT_FILENO);
    start_server(fixture);
    int fd = open_client(fixture);
    struct sockaddr_in own;
    socklen_t size = sizeof(own);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &size), 0);
    const char *answer =
        exchange(fd, "GET /nowhere?a=\"1 HTTP/1.1\r\n" HOST "\r\n" GET("/204"),
                 "\r\n\r\nHTTP/1.1 204");
    ssize_t count = read(pipes[0], text, sizeof(text) - 1);
    dup2(out, STDOUT_FILENO);
    assert_non_null(answer);
    assert_true(count > 0);
    snprintf(wanted, sizeof(wanted),
             "INFO:     127.0.0.1:%d - \"GET /nowhere?a=\\x221 HTTP/1.1\" "
             "404 Not Found\n",
             ntohs(own.sin_port));
    assert_memory_equal(text, wanted, strlen(wanted));
    has(text, " \"GET /204 HTTP/1.1\" 204 No Content\n");
    close(fd);
    close(pipes[0]);
    close(pipes[1]);
    close(out);
}

static void slow_reader(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_client(fixture);
    size_t len;

    fixture->test.big = 64u << 20;
    send_text(fd, "GET /big HTTP/1.0\r\n\r\n");
    sleep_ms(100);
    size_t before = atomic_load(&fixture->test.streamed);
    sleep_ms(50);
    assert_int_equal(before, atomic_load(&fixture->test.streamed));
    assert_true(before < 32u << 20);
    char *text = read_until(fd, NULL, &len);
    assert_true(len > 64u << 20);
    assert_true(len < (64u << 20) + 1000);
    assert_true(atomic_load(&fixture->test.most_queued) <= 2 * 65536 + 1000);
    assert_int_equal(atomic_load(&fixture->test.aborts), 0);
    free(text);
    close(fd);
}

static long resident_kib(void)
{
    char line[256];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");

    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    }
    fclose(file);
    return kib;
}

/* 10 KB answers are asked for and never read. */
static void never_reads(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_client(fixture);
    char batch[6000] = "";
    size_t len = 0, sent = 0;
    long before = resident_kib();

    for (int i = 0; i < 100; i++) {
        memcpy(batch + len, GET("/10k"), sizeof(GET("/10k")) - 1);
        len += sizeof(GET("/10k")) - 1;
    }
    for (int quiet = 0; sent < 8u << 20 && quiet < 50;) {
        ssize_t count = send(fd, batch, len, MSG_NOSIGNAL | MSG_DONTWAIT);

        quiet = count == (ssize_t)len ? 0 : quiet + 1;
        sent += count > 0 ? (size_t)count : 0;
        if (count != (ssize_t)len)
            sleep_ms(1);
    }
#ifndef __SANITIZE_ADDRESS__ /* it keeps freed memory */
    assert_true(resident_kib() - before < 4096);
#endif
    (void)before;
    has(exchange(open_client(fixture), GET("/hello"), "hello"), "200 OK");
    close(fd);
}

/* An answer that only the end would end is not cut to look whole. */
static void cut_by_half_a_body(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_client(fixture);
    char bytes[4096];
    ssize_t count;

    send_text(fd, "POST /big HTTP/1.0\r\nContent-Length: 9\r\n\r\nhalf");
    sleep_ms(20);
    shutdown(fd, SHUT_WR);
    assert_true(becomes(&fixture->test.aborts, 1));
    do
        count = recv(fd, bytes, sizeof(bytes), 0);
    while (count > 0);
    assert_true(count < 0 && errno == ECONNRESET);
    close(fd);
}

/* --- Draining and stopping ---------------------------------------------- */

/* Who waits in the listen queue when it drains is answered. */
static void drained_queue(void **state)
{
    struct fixture *fixture = *state;
    int fds[200];

    prepare(fixture);
    create_server(fixture);
    for (size_t i = 0; i < inlay_array_size(fds); i++) {
        fds[i] = open_client(fixture);
        send_text(fds[i], GET("/hello"));
    }
    inlay_server_drain(fixture->server);
    assert_null(inlay_server_start(fixture->server));
    for (size_t i = 0; i < inlay_array_size(fds); i++) {
        has(exchange(fds[i], "", NULL), "hello");
        close(fds[i]);
    }
    assert_false(inlay_server_accepting(fixture->server));
}

/* Every I/O thread knows: what is sent from now on is answered by one that
 * drains. */
static bool has_heard(const struct fixture *fixture)
{
    for (int i = 0; i < 400 && inlay_server_accepting(fixture->server); i++)
        sleep_ms(5);
    return !inlay_server_accepting(fixture->server);
}

static void drained(void **state)
{
    struct fixture *fixture = *state;
    int idle = open_client(fixture), busy = open_client(fixture);
    int fresh = open_client(fixture), silent = open_client(fixture);
    int kept = open_client(fixture);

    has(exchange(idle, GET("/hello"), "hello"), "200 OK");
    has(exchange(kept, GET("/hello"), "hello"), "200 OK");
    send_text(busy, GET("/later?x"));
    assert_true(becomes(&fixture->test.pending, 1));
    assert_true(connections_become(fixture, 5));
    inlay_server_drain(fixture->server);
    inlay_server_drain(fixture->server);
    assert_true(has_heard(fixture));
    /* A request that was on its way is still answered. */
    has(exchange(fresh, GET("/hello"), NULL), "connection: close\r\n");
    has(exchange(kept, GET("/hello"), NULL), "connection: close\r\n");
    assert_true(is_closed(idle));
    assert_true(is_closed(silent));
    close(fresh);
    close(kept);
    assert_true(connections_become(fixture, 1));
    test_handler_release(&fixture->test, fixture->server);
    const char *text = exchange(busy, "", NULL);
    has(text, "connection: close\r\n");
    has(text, "|x|x|1");
    close(busy);
    assert_true(connections_become(fixture, 0));
    close(idle);
    close(silent);
}

/* Others take over: who is idle stays so until his time is over. */
static void retired(void **state)
{
    struct fixture *fixture = *state;
    int idle = open_client(fixture), kept = open_client(fixture);

    has(exchange(idle, GET("/hello"), "hello"), "200 OK");
    has(exchange(kept, GET("/hello"), "hello"), "200 OK");
    inlay_server_retire(fixture->server);
    usleep(400 * 1000); /* longer than a stop gives him */
    assert_true(connections_become(fixture, 2));
    has(exchange(kept, GET("/hello"), NULL), "connection: close\r\n");
    close(kept);
    assert_true(connections_become(fixture, 1));
    close(idle);
    assert_true(connections_become(fixture, 0));
}

static void stopped_while_busy(void **state)
{
    struct fixture *fixture = *state;
    int fds[10];

    for (int i = 0; i < 10; i++) {
        fds[i] = open_client(fixture);
        send_text(fds[i], GET("/later"));
    }
    assert_true(becomes(&fixture->test.pending, 10));
    inlay_server_destroy(fixture->server);
    assert_int_equal(atomic_load(&fixture->test.aborts), 10);
    assert_true(atomic_load(&fixture->test.destroyed));
    for (int i = 0; i < 10; i++) {
        assert_true(is_closed(fds[i]));
        close(fds[i]);
    }
    close(fixture->listen_fd);
    exchange(-1, NULL, NULL);
    free(fixture);
}

static void capped(void **state)
{
    struct fixture *fixture = *state;

    prepare(fixture);
    fixture->config.limits.connections = 2;
    start_server(fixture);
    int first = open_client(fixture), second = open_client(fixture);
    has(exchange(first, GET("/hello"), "hello"), "200 OK");
    has(exchange(second, GET("/hello"), "hello"), "200 OK");
    int third = open_client(fixture);
    send_text(third, GET("/hello"));
    sleep_ms(60);
    assert_int_equal(inlay_server_connections(fixture->server), 2);
    close(first);
    has(exchange(third, "", "hello"), "200 OK");
    close(second);
    close(third);
}

/* Whichever allocation fails: no crash, no leak, and the server lives on. */
static void no_memory(void **state)
{
    struct fixture *fixture = *state;

    for (int n = 0; n < 40; n++) {
        char oom[100];
        int fd = open_client(fixture);

        snprintf(oom, sizeof(oom), "GET /oom?%d HTTP/1.1\r\n" HOST "\r\n", n);
        has(exchange(fd, oom, "hello"), "200 OK");
        send_text(fd, "POST /%65cho HTTP/1.1\r\n" HOST
                      "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
        send_text(fd, "0\r\n\r\nGET /10k HTTP/1.1\r\n" HOST "\r\n");
        send_text(fd, GET("/big") GET("/stream"));
        int second = open_client(fixture);
        sleep_ms(5);
        test_handler_release(&fixture->test, fixture->server);
        assert_true(becomes(&fixture->test.releases, n + 1));
        close(fd);
        close(second);
        fd = open_client(fixture);
        has(exchange(fd, GET("/hello"), "hello"), "200 OK");
        close(fd);
    }
    assert_true(connections_become(fixture, 0));
}

static void several_threads(void **state)
{
    struct fixture *fixture = *state;
    int fds[40];

    prepare(fixture);
    fixture->config.io_threads = 3;
    start_server(fixture);
    for (size_t i = 0; i < inlay_array_size(fds); i++) {
        fds[i] = open_client(fixture);
        send_text(fds[i], GET("/hello") GET("/stream"));
    }
    for (size_t i = 0; i < inlay_array_size(fds); i++)
        has(exchange(fds[i], GET("/show?x"), "|x|x|1"), "hello");
    /* Each has its share; two that accept at once may choose the same. */
    for (unsigned i = 0; i < 3; i++)
        assert_in_range(fixture->server->threads[i].nconnections, 10, 17);
    inlay_server_drain(fixture->server);
    for (size_t i = 0; i < inlay_array_size(fds); i++) {
        assert_true(is_closed(fds[i]));
        close(fds[i]);
    }
    assert_true(connections_become(fixture, 0));
    assert_int_equal(inlay_server_requests(fixture->server), 3 * 40);
}

/* An idle connection costs 1.5 KiB of heap at most. */
static void small_when_idle(void **state)
{
    struct fixture *fixture = *state;
    int fds[400];
    long before = 0;

    for (size_t i = 0; i < inlay_array_size(fds); i++) {
        fds[i] = open_client(fixture);
        has(exchange(fds[i], GET("/10k") GET("/hello"), "hello"), "200 OK");
        if (i == 99) {
            sleep_ms(20);
            before = (long)mallinfo2().uordblks;
        }
    }
    sleep_ms(20);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    long each = ((long)mallinfo2().uordblks - before) / 300;
    assert_true(each > 0 && each <= 1536);
#endif
    (void)before;
    for (size_t i = 0; i < inlay_array_size(fds); i++)
        close(fds[i]);
}

static int setup_none(void **state)
{
    *state = malloc(sizeof(struct fixture));
    return *state ? 0 : -1;
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, destroy_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(in_order),
        test(abort_on_reset),
        test(half_closed),
        test(half_a_body),
        test(body_held),
        test(body_held_then_gone),
        test(slow_reader),
        test(never_reads),
        test(cut_by_half_a_body),
        test(drained),
        test(retired),
        cmocka_unit_test_setup(stopped_while_busy, setup),
        test(no_memory),
        test(small_when_idle),
        cmocka_unit_test_setup_teardown(access_log, setup_none,
                                        destroy_fixture),
        cmocka_unit_test_setup_teardown(drained_queue, setup_none,
                                        destroy_fixture),
        cmocka_unit_test_setup_teardown(several_threads, setup_none,
                                        destroy_fixture),
        cmocka_unit_test_setup_teardown(capped, setup_none, destroy_fixture),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
