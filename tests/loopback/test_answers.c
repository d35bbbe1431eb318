/* What settings add to answers: headers, ids, times, codings, a health path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "client.h"

#include "base/banned.h"

#define GET_WITH(path, header)                                                 \
    "GET " path " HTTP/1.1\r\n" HOST header "\r\n\r\n"

static int setup(void **state)
{
    *state = create_fixture();
    return 0;
}

static void default_headers(void **state)
{
    static const struct inlay_str lines[] = {INLAY_STR("X-A:  b c "),
                                             INLAY_STR("x-empty:")};
    struct fixture *fixture = *state;

    fixture->config.headers = (struct inlay_strs){lines, 2};
    start_server(fixture);
    int fd = open_client(fixture);
    has(exchange(fd, GET("/hello"), "hello"),
        "\r\nserver: inlay\r\nX-A: b c\r\nx-empty: \r\n");
    has(exchange(fd, GET("/nowhere"), "}"), "\r\nX-A: b c\r\n");
    has(exchange(fd, "NONSENSE\r\n\r\n", NULL), "\r\nX-A: b c\r\n");
    close(fd);
}

/* As in uvicorn: who gives a server header does without ours. */
static void own_server_header(void **state)
{
    static const struct inlay_str lines[] = {INLAY_STR("Server: mine"),
                                             INLAY_STR("Date: today")};
    struct fixture *fixture = *state;

    fixture->config.headers = (struct inlay_strs){lines, 2};
    start_server(fixture);
    int fd = open_client(fixture);
    const char *text = exchange(fd, GET("/hello"), "hello");
    has(text, "HTTP/1.1 200 OK\r\nServer: mine\r\nDate: today\r\ncontent-type");
    close(fd);
}

static void request_ids(void **state)
{
    struct fixture *fixture = *state;

    fixture->config.request_id = true;
    start_server(fixture);
    int fd = open_client(fixture);
    has(exchange(fd, GET_WITH("/hello", "X-Request-ID: ab-1"), "hello"),
        "\r\nx-request-id: ab-1\r\n");
    const char *text = exchange(fd, GET("/nowhere"), "}");
    char *id = strstr(text, "\r\nx-request-id: ");
    assert_non_null(id);
    assert_int_equal(strspn(id + 16, "0123456789abcdef"), 32);
    text = exchange(fd, GET_WITH("/hello", "x-request-id: <a>"), "hello");
    lacks(text, "<a>");
    has(text, "\r\nx-request-id: ");
    /* One that waits, so that its head moves. */
    send_text(fd, "POST /echo HTTP/1.1\r\n" HOST
                  "x-request-id: later\r\nContent-Length: 4\r\n\r\n");
    sleep_ms(20);
    has(exchange(fd, "body", "body"), "\r\nx-request-id: later\r\n");
    close(fd);
}

static void server_timing(void **state)
{
    struct fixture *fixture = *state;

    fixture->config.server_timing = true;
    start_server(fixture);
    int fd = open_client(fixture);
    const char *text = exchange(fd, GET("/hello"), "hello");
    double ms = -1;
    has(text, "\r\nserver-timing: app;dur=");
    sscanf(strstr(text, "dur=") + 4, "%lf", &ms);
    assert_true(ms >= 0 && ms < 2000);
    close(fd);
}

static void health(void **state)
{
    struct fixture *fixture = *state;

    fixture->config.health_path = INLAY_STR("/health");
    fixture->config.root_path = INLAY_STR("/api");
    start_server(fixture);
    int fd = open_client(fixture);
    has(exchange(fd, GET("/api/health"), "}"), " 200 ");
    has(exchange(fd, GET("/apis/health"), "}"), " 404 ");
    const char *text = exchange(fd, GET("/health"), "}");
    has(text, "HTTP/1.1 200 OK");
    has(text, "\r\ncache-control: no-store\r\n");
    has(text, "\r\n\r\n{\"status\":\"ok\"}");
    text = exchange(fd, "HEAD /health HTTP/1.1\r\n" HOST "\r\n", "\r\n\r\n");
    has(text, "200 OK");
    has(text, "content-length: 15");
    has(exchange(fd, "POST /health HTTP/1.1\r\n" HOST "\r\n", "}"), " 404 ");
    has(exchange(fd, GET("/healthy"), "}"), " 404 ");
    has(exchange(fd, GET("/health?deep"), "}"), " 200 ");
    send_text(fd, "GET /hea");
    sleep_ms(20);
    inlay_server_drain(fixture->server);
    sleep_ms(20);
    text = exchange(fd, "lth HTTP/1.1\r\n" HOST "\r\n", NULL);
    has(text, " 503 ");
    has(text, "{\"status\":\"draining\"}");
    close(fd);
}

#define LONG                                                                   \
    "/show?"                                                                   \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
    "aa"                                                                       \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
    "aa"

static void compressed(void **state)
{
    static const struct inlay_str codings[] = {INLAY_STR("br"),
                                               INLAY_STR("gzip")};
    static const struct inlay_str types[] = {INLAY_STR("text/*")};
    struct fixture *fixture = *state;
    size_t len;

    fixture->config.compress = (struct inlay_strs){codings, 2};
    fixture->config.compress_types = (struct inlay_strs){types, 1};
    fixture->config.compress_min_size = 100;
    start_server(fixture);
    int fd = open_client(fixture);
    for (int i = 0; i < 3; i++) { /* the connection goes on in step */
        send_text(fd, GET_WITH(LONG, "Accept-Encoding: gzip") GET("/hello"));
        char *text = read_until(fd, "\r\n\r\nhello", &len);
        has(text, "\r\nvary: Accept-Encoding\r\ncontent-encoding: gzip\r\n");
        has(text, "\r\ncontent-length: ");
        lacks(text, "chunked");
        free(text);
        text = NULL;
    }
    const char *plain = exchange(fd, GET(LONG), "|x|1");
    has(plain, "\r\nvary: Accept-Encoding\r\n");
    lacks(plain, "content-encoding");
    close(fd);
}

static void refuses(void **state)
{
    static const struct {
        struct inlay_str header;
        const char *message;
    } bad[] = {
        {INLAY_STR("X-A"), "has no colon"},
        {INLAY_STR("X A: 1"), "is no header name"},
        {INLAY_STR(": 1"), "is no header name"},
        {INLAY_STR("X-A: 1\r\nX-B: 2"), "control character"},
        {INLAY_STR("Content-Length: 1"), "can't be set"},
        {INLAY_STR("connection: close"), "can't be set"},
    };
    struct fixture *fixture = *state;
    struct inlay_server *server;

    for (size_t i = 0; i < inlay_array_size(bad); i++) {
        fixture->config.headers = (struct inlay_strs){&bad[i].header, 1};
        fixture->config.io_threads = 1;
        struct inlay_error *error =
            inlay_server_create(&fixture->config, &server);
        assert_non_null(error);
        assert_int_equal(error->code, INLAY_ERROR_VALUE);
        has(error->message, bad[i].message);
        inlay_error_destroy(error);
    }
    fixture->config.headers.count = 0;
    fixture->config.health_path = INLAY_STR("health");
    struct inlay_error *error = inlay_server_create(&fixture->config, &server);
    assert_non_null(error);
    has(error->message, "must begin with /");
    inlay_error_destroy(error);
    fixture->config.health_path = INLAY_STR("");
    fixture->config.access_format = INLAY_STR("%(what)s");
    error = inlay_server_create(&fixture->config, &server);
    assert_non_null(error);
    has(error->message, "no such name");
    inlay_error_destroy(error);
    fixture->config.access_format = INLAY_STR("");
    start_server(fixture);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, destroy_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(default_headers), test(own_server_header),
        test(request_ids),     test(server_timing),
        test(health),          test(compressed),
        test(refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
