/* HTTP/1 over TCP: framing, keep-alive, limits, what clients can do. */
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

    fixture->config.limits.body_bytes = 1u << 20;
    start_server(fixture);
    *state = fixture;
    return 0;
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;

    for (; (text = strstr(text, part)) != NULL; text++)
        count++;
    return count;
}

static void keep_alive(void **state)
{
    int fd = open_client(*state);

    for (int i = 0; i < 3; i++) {
        const char *text = exchange(fd, GET("/hello"), "hello");

        assert_memory_equal(text, "HTTP/1.1 200 OK\r\n", 17);
        has(text, "\r\ncontent-length: 5\r\n");
        has(text, "date: ");
        has(text, " GMT\r\nserver: inlay\r\n");
        has(text, "\r\ncontent-type: text/plain\r\n");
        lacks(text, "connection:");
    }
    const char *text = exchange(
        fd, "GET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", NULL);
    has(text, "connection: close\r\n");
    has(text, "\r\n\r\nhello");
    close(fd);
}

static void pipelined(void **state)
{
    int fd = open_client(*state);
    char batch[4096], *at = batch;
    size_t len;

    for (int i = 0; i < 16; i++)
        at += snprintf(at, 200, "GET /show?%d HTTP/1.1\r\n" HOST "\r\n", i);
    send_text(fd, batch);
    /* All in one write: the first read has the last answer. */
    struct timeval wait = {.tv_sec = 2};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    char text[65536];
    ssize_t count = recv(fd, text, sizeof(text) - 1, 0);
    assert_true(count > 0);
    len = (size_t)count;
    text[len] = '\0';
    assert_int_equal(count_of(text, "HTTP/1.1 200 OK"), 16);
    const char *before = text;
    for (int i = 0; i < 16; i++) {
        char line[64];

        snprintf(line, sizeof(line), "GET|/show|/show|%d|x|1", i);
        before = strstr(before, line);
        assert_non_null(before);
    }
    close(fd);
}

static void byte_by_byte(void **state)
{
    int fd = open_client(*state);
    const char *request =
        "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
        "5;a=b\r\nhello\r\n3\r\n ab\r\n0\r\nT: v\r\n\r\n";

    for (int round = 0; round < 2; round++) {
        for (const char *at = request; *at; at++)
            send_bytes(fd, at, 1);
        const char *text = exchange(fd, "", "hello ab");
        has(text, "200 OK");
        has(text, "\r\ncontent-length: 8\r\n");
    }
    has(exchange(fd, GET("/hello"), "hello"), "200 OK");
    close(fd);
}

static void early_hints_and_trailers(void **state)
{
    int fd = open_client(*state);
    const char *text = exchange(fd, GET("/extras"), "x-sum: 42\r\n\r\n");
    static const char early[] =
        "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n"
        "HTTP/1.1 200 OK\r\n";

    assert_memory_equal(text, early, sizeof(early) - 1);
    has(text, "\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 42\r\n\r\n");
    /* Nothing was left behind. */
    has(exchange(fd, GET("/hello"), "hello"), "HTTP/1.1 200 OK");
    text = exchange(fd, "GET /extras HTTP/1.0\r\n\r\n", NULL);
    assert_memory_equal(text, early + sizeof(early) - 18, 17);
    assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\nabc");
    close(fd);
}

static void files_in_answers(void **state)
{
    int fd = open_client(*state);
    const char *text = exchange(fd, GET("/file"), "\r\n0\r\n\r\n");

    has(text, "\r\n\r\n1\r\n[\r\na\r\n0123456789\r\na\r\n0123456789\r\n"
              "1\r\n]\r\n0\r\n\r\n");
    lacks(exchange(fd, "HEAD /file HTTP/1.1\r\n" HOST "\r\n", "\r\n\r\n"), "[");
    text = exchange(fd, "GET /file HTTP/1.0\r\n\r\n", NULL);
    has(text, "\r\n\r\n[01234567890123456789]");
    close(fd);
}

static void path_and_query(void **state)
{
    int fd = open_client(*state);

    has(exchange(fd, GET("/%73how?a=%20&b"), "|1"),
        "GET|/show|/%73how|a=%20&b|x|1");
    close(fd);
}

static void head_and_empty(void **state)
{
    int fd = open_client(*state);
    const char *text = exchange(fd,
                                "HEAD /hello HTTP/1.1\r\n" HOST "\r\n"
                                "HEAD /stream HTTP/1.1\r\n" HOST
                                "\r\n" GET("/204") GET("/304") GET("/hello"),
                                "\r\n\r\nhello");

    assert_int_equal(count_of(text, "HTTP/1.1 "), 5);
    lacks(text, "abc");
    lacks(text, "illegal");
    lacks(text, "transfer-encoding");
    /* Of the HEAD and of the last GET. */
    assert_int_equal(count_of(text, "content-length: 5"), 2);
    assert_int_equal(count_of(text, "content-length"), 2);
    close(fd);
}

static void streamed(void **state)
{
    int fd = open_client(*state);
    const char *text = exchange(fd, GET("/stream"), "0\r\n\r\n");

    has(text, "transfer-encoding: chunked\r\n\r\n"
              "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n");
    has(exchange(fd, GET("/hello"), "hello"), "200 OK");
    close(fd);
}

static void http10(void **state)
{
    int fd = open_client(*state);
    const char *text = exchange(
        fd, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "hello");

    has(text, "HTTP/1.1 200 OK");
    has(text, "connection: keep-alive\r\n");
    text = exchange(
        fd, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", NULL);
    lacks(text, "chunked");
    has(text, "connection: close\r\n");
    has(text, "\r\n\r\nabcdef");
    close(fd);
    fd = open_client(*state);
    text = exchange(fd, "GET /hello HTTP/1.0\r\n\r\n", NULL);
    has(text, "\r\n\r\nhello");
    close(fd);
}

static void bodies(void **state)
{
    int fd = open_client(*state);
    const char *text = exchange(
        fd,
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nfirst"
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n"
        "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
        "6\r\nsecond\r\n0\r\n\r\n",
        "second");

    has(text, "\r\n\r\nfirstHTTP/1.1 200 OK\r\n");
    assert_int_equal(count_of(text, "HTTP/1.1 200 OK"), 3);
    close(fd);
}

static void big_body(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_client(fixture);
    char *body = malloc(1u << 20);
    size_t len;

    assert_non_null(body);
    memset(body, 'b', 1u << 20);
    send_text(fd, "POST /echo HTTP/1.1\r\n" HOST
                  "Connection: close\r\nContent-Length: 1048576\r\n\r\n");
    send_bytes(fd, body, 1u << 20);
    free(body);
    char *text = read_until(fd, NULL, &len);
    has(text, "200 OK");
    assert_true(len > 1u << 20);
    free(text);
    close(fd);
}

static void expect_continue(void **state)
{
    int fd = open_client(*state);
    const char *text =
        exchange(fd,
                 "POST /echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
                 "Content-Length: 5\r\n\r\n",
                 "\r\n\r\n");

    assert_string_equal(text, "HTTP/1.1 100 Continue\r\n\r\n");
    text = exchange(fd, "hello", "hello");
    assert_memory_equal(text, "HTTP/1.1 200 OK\r\n", 17);
    /* Not wanted: the answer comes at once, and the connection ends. */
    text = exchange(fd,
                    "POST /hello HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
                    "Content-Length: 5\r\n\r\n",
                    NULL);
    lacks(text, " 100 ");
    has(text, "connection: close\r\n");
    has(text, "\r\n\r\nhello");
    close(fd);
}

static void unread_body(void **state)
{
    int fd = open_client(*state);
    const char *text = exchange(
        fd, "POST /hello HTTP/1.1\r\n" HOST "Content-Length: 40\r\n\r\n",
        "hello");

    lacks(text, "connection:");
    text = exchange(
        fd, "GET /evil HTTP/1.1\r\nHost: x\r\n\r\n0123456789" GET("/show"),
        "|1");
    assert_int_equal(count_of(text, "HTTP/1.1"), 1);
    has(text, "GET|/show");
    text = exchange(
        fd, "POST /hello HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n",
        NULL);
    has(text, "connection: close\r\n");
    close(fd);
}

static void faulty_handlers(void **state)
{
    int fd = open_client(*state);
    const char *text = exchange(fd, GET("/evil"), "refused");

    lacks(text, "x-evil");
    has(text, " 500 Internal Server Error\r\n");
    text = exchange(fd, GET("/long"), NULL);
    has(text, "content-length: 2\r\n");
    assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\nto");
    close(fd);
    fd = open_client(*state);
    text = exchange(fd, GET("/short"), NULL);
    has(text, "content-length: 10\r\n");
    assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\nshort");
    close(fd);
    fd = open_client(*state);
    text = exchange(fd, GET("/cut"), NULL);
    has(text, "\r\n\r\n4\r\npart\r\n");
    lacks(text, "0\r\n\r\n");
    close(fd);
    fd = open_client(*state);
    /* Only the end of the connection would end this body: it is a reset. */
    char byte;
    send_text(fd, "GET /cut HTTP/1.0\r\n\r\n");
    ssize_t count;
    while ((count = recv(fd, &byte, 1, 0)) > 0)
        continue;
    assert_int_equal(count, -1);
    close(fd);
    fd = open_client(*state);
    text = exchange(fd, GET("/close"), NULL);
    has(text, "connection: close\r\n");
    assert_int_equal(count_of(text, "connection"), 1);
    close(fd);
}

static void nobody_knows(void **state)
{
    int fd = open_client(*state);
    const char *text = exchange(fd, GET("/nowhere"), "}");

    has(text, " 404 Not Found\r\n");
    has(text, "\r\n\r\n{\"detail\":\"Not Found\"}");
    text = exchange(fd, GET("/405"), "}");
    has(text, " 405 Method Not Allowed\r\n");
    has(text, "\r\nallow: GET, HEAD\r\n");
    has(text, "{\"detail\":\"Method Not Allowed\"}");
    close(fd);
}

static void refused(struct fixture *fixture,
                    const char *request,
                    const char *status)
{
    int fd = open_client(fixture);
    const char *text = exchange(fd, request, NULL);

    has(text, status);
    has(text, "connection: close\r\n");
    assert_int_equal(count_of(text, "HTTP/1.1 "), 1);
    close(fd);
}

static void limits(void **state)
{
    char *text = malloc(200000);

    assert_non_null(text);
    refused(*state, "GARBAGE\r\n\r\n", " 400 ");
    refused(*state,
            "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1048577\r\n\r\n",
            " 413 ");
    int len = snprintf(text, 100, "GET /");
    memset(text + len, 'a', 100000);
    snprintf(text + len + 100000, 100, " HTTP/1.1\r\n" HOST "\r\n");
    refused(*state, text, " 414 ");
    len = snprintf(text, 100, "GET / HTTP/1.1\r\n" HOST "X: ");
    memset(text + len, 'a', 100000);
    snprintf(text + len + 100000, 100, "\r\n\r\n");
    refused(*state, text, " 431 ");
    len = snprintf(text, 100, "GET / HTTP/1.1\r\n" HOST);
    for (int i = 0; i < 200; i++)
        len += snprintf(text + len, 100, "X-%d: v\r\n", i);
    snprintf(text + len, 100, "\r\n");
    refused(*state, text, " 431 ");
    free(text);
}

static void chunked_too_large(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_client(fixture);
    char chunk[65536 + 9];

    memcpy(chunk, "10000\r\n", 7);
    memset(chunk + 7, 'c', 65536);
    memcpy(chunk + 7 + 65536, "\r\n", 2);
    send_text(fd, "POST /echo HTTP/1.1\r\n" HOST
                  "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 17; i++)
        send_bytes(fd, chunk, sizeof(chunk));
    const char *text = exchange(fd, "", NULL);
    has(text, " 413 ");
    assert_int_equal(atomic_load(&fixture->test.aborts), 1);
    close(fd);
}

static void error_after_answers(void **state)
{
    int fd = open_client(*state);
    const char *text = exchange(
        fd, GET("/hello") "BAD\x01 REQUEST\r\n\r\n" GET("/hello"), NULL);

    assert_memory_equal(text, "HTTP/1.1 200 OK\r\n", 17);
    has(text, "helloHTTP/1.1 400 ");
    assert_int_equal(count_of(text, "HTTP/1.1 "), 2);
    close(fd);
}

static void many_connections(void **state)
{
    struct fixture *fixture = *state;
    int fds[100];

    for (size_t i = 0; i < inlay_array_size(fds); i++)
        fds[i] = open_client(fixture);
    for (size_t i = 0; i < inlay_array_size(fds); i++)
        has(exchange(fds[i], GET("/hello"), "hello"), "200 OK");
    assert_true(connections_become(fixture, 100));
    for (size_t i = 0; i < inlay_array_size(fds); i++)
        close(fds[i]);
    assert_true(connections_become(fixture, 0));
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, destroy_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(keep_alive),
        test(pipelined),
        test(byte_by_byte),
        test(early_hints_and_trailers),
        test(files_in_answers),
        test(path_and_query),
        test(head_and_empty),
        test(streamed),
        test(http10),
        test(bodies),
        test(big_body),
        test(expect_continue),
        test(unread_body),
        test(faulty_handlers),
        test(nobody_knows),
        test(limits),
        test(chunked_too_large),
        test(error_after_answers),
        test(many_connections),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
