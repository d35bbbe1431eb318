/* Behind a proxy: its headers, its PROXY header, and who may send them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "client.h"
#include "serve/response.h"

#include "base/banned.h"

#define GET_WITH(path, headers) "GET " path " HTTP/1.1\r\n" HOST headers "\r\n"
#define WHO(headers) GET_WITH("/who", headers)
#define V1 "PROXY TCP4 192.0.2.7 192.0.2.8 1111 2222\r\n"

/* GET /who: "client:port local:port scheme host root." */
static enum inlay_outcome say_who(struct inlay_handler *handler,
                                  struct inlay_request *request)
{
    struct inlay_str host = inlay_request_header(request, INLAY_STR("host"));
    bool local = request->local->port == 2222;

    (void)handler;
    struct inlay_str text = inlay_arena_format(
        &request->arena, "<%s:%d %s %.*s %.*s %.*s>", request->client->host,
        strcmp(request->client->host, "127.0.0.1") ? request->client->port : 0,
        local ? request->local->host : "ours", inlay_str_arg(request->scheme),
        inlay_str_arg(host), inlay_str_arg(request->root_path));
    inlay_response_send(request, 200, INLAY_STR("text/plain"), text);
    return INLAY_HANDLED;
}

static const struct inlay_handler_ops who_ops = {
    .kind = "test",
    .on_request = say_who,
};
static struct inlay_handler who = {.ops = &who_ops};

static int setup(void **state)
{
    struct fixture *fixture = create_fixture();

    fixture->more = &who;
    *state = fixture;
    return 0;
}

static void start_trusting(struct fixture *fixture, const char *entry)
{
    struct inlay_str text = inlay_str_from(entry);

    fixture->config.trusted = (struct inlay_strs){&text, 1};
    start_server(fixture);
}

#define FORWARDED                                                              \
    "X-Forwarded-For: 6.6.6.6, 192.0.2.1\r\nX-Forwarded-Proto: https\r\n"      \
    "X-Forwarded-Host: example.com\r\nX-Forwarded-Prefix: /api\r\n"

static void trusted_headers(void **state)
{
    struct fixture *fixture = *state;

    fixture->config.root_path = INLAY_STR("/v1");
    start_trusting(fixture, "127.0.0.0/8");
    int fd = open_client(fixture);
    has(exchange(fd, WHO(FORWARDED), ">"),
        "<192.0.2.1:0 ours https example.com /api/v1>");
    /* Nothing of it stays. */
    has(exchange(fd, WHO(""), ">"), "<127.0.0.1:0 ours http x /v1>");
    has(exchange(fd, WHO("Forwarded: for=\"192.0.2.9:7\";host=a\r\n"), ">"),
        "<192.0.2.9:7 ours http a /v1>");
    has(exchange(fd, "GET /who HTTP/1.0\r\nX-Forwarded-Host: b\r\n\r\n", ">"),
        "<127.0.0.1:0 ours http b /v1>");
    close(fd);
}

/* A request that waits keeps what was said of it. */
static void trusted_later(void **state)
{
    struct fixture *fixture = *state;

    start_trusting(fixture, "*");
    int fd = open_client(fixture);
    send_text(fd, GET_WITH("/later", FORWARDED));
    assert_true(becomes(&fixture->test.pending, 1));
    test_handler_release(&fixture->test, fixture->server);
    has(exchange(fd, "", "|1"), "|example.com|1");
    close(fd);
}

static void untrusted_headers(void **state)
{
    struct fixture *fixture = *state;

    start_trusting(fixture, "10.0.0.0/8");
    int fd = open_client(fixture);
    has(exchange(fd, WHO(FORWARDED), ">"), "<127.0.0.1:0 ours http x >");
    close(fd);
}

static void headers_off(void **state)
{
    struct fixture *fixture = *state;

    fixture->config.proxy_headers = false;
    start_trusting(fixture, "*");
    int fd = open_client(fixture);
    has(exchange(fd, WHO(FORWARDED), ">"), "<127.0.0.1:0 ours http x >");
    close(fd);
}

static void proxy_line(void **state)
{
    struct fixture *fixture = *state;

    fixture->config.proxy_protocol = true;
    start_trusting(fixture, "127.0.0.1");
    int fd = open_client(fixture);
    has(exchange(fd, V1 WHO(""), ">"), "<192.0.2.7:1111 192.0.2.8 http x >");
    /* The client is nobody's proxy. */
    has(exchange(fd, WHO(FORWARDED), ">"),
        "<192.0.2.7:1111 192.0.2.8 http x >");
    close(fd);
    /* In pieces. */
    fd = open_client(fixture);
    for (const char *at = V1 "GET"; *at; at++) {
        send_bytes(fd, at, 1);
        sleep_ms(1);
    }
    has(exchange(fd, &WHO("")[3], ">"), "<192.0.2.7:1111 192.0.2.8 http x >");
    close(fd);
    /* The balancer's own. */
    fd = open_client(fixture);
    has(exchange(fd, "PROXY UNKNOWN\r\n" WHO(FORWARDED), ">"),
        "<192.0.2.1:0 ours https example.com /api>");
    close(fd);
}

static void proxy_binary(void **state)
{
    static const char header[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0f"
                                 "\xc0\0\2\7\xc0\0\2\x08\x04\x57\x08\xae"
                                 "\x04\0\0";
    struct fixture *fixture = *state;

    fixture->config.proxy_protocol = true;
    start_trusting(fixture, "127.0.0.1");
    int fd = open_client(fixture);
    send_bytes(fd, header, sizeof(header) - 1);
    has(exchange(fd, WHO(""), ">"), "<192.0.2.7:1111 192.0.2.8 http x >");
    close(fd);
}

static void proxy_wrong(void **state)
{
    struct fixture *fixture = *state;

    fixture->config.proxy_protocol = true;
    start_trusting(fixture, "127.0.0.1");
    int fd = open_client(fixture);
    assert_string_equal(exchange(fd, WHO(""), NULL), "");
    close(fd);
    fd = open_client(fixture);
    assert_string_equal(exchange(fd, "PROXY TCP4 1.2.3.4\r\n" WHO(""), NULL),
                        "");
    close(fd);
    assert_true(connections_become(fixture, 0));
}

static void proxy_untrusted(void **state)
{
    struct fixture *fixture = *state;

    fixture->config.proxy_protocol = true;
    start_trusting(fixture, "10.0.0.0/8");
    int fd = open_client(fixture);
    assert_string_equal(exchange(fd, V1 WHO(""), NULL), "");
    close(fd);
}

static void proxy_late(void **state)
{
    struct fixture *fixture = *state;

    fixture->config.proxy_protocol = true;
    fixture->config.limits.header_timeout = 80;
    start_trusting(fixture, "127.0.0.1");
    int silent = open_client(fixture), slow = open_client(fixture);
    send_text(slow, "PROXY TCP4");
    for (int i = 0; i < 30; i++) { /* drips do not extend it */
        send_text(slow, i ? "1" : " ");
        sleep_ms(10);
    }
    assert_true(is_closed(silent));
    assert_true(is_closed(slow));
    close(silent);
    close(slow);
    /* Nor do they stay when it is cut off. */
    slow = open_client(fixture);
    send_text(slow, "PROXY");
    close(slow);
    assert_true(connections_become(fixture, 0));
}

static void proxy_address_limit(void **state)
{
    struct fixture *fixture = *state;

    fixture->config.proxy_protocol = true;
    fixture->config.limits.address_connections = 1;
    start_trusting(fixture, "127.0.0.1");
    int first = open_client(fixture), second = open_client(fixture);
    has(exchange(first, V1 WHO(""), ">"), "<192.0.2.7");
    assert_string_equal(exchange(second, V1 WHO(""), NULL), "");
    close(second);
    second = open_client(fixture);
    has(exchange(second, "PROXY TCP4 192.0.2.9 192.0.2.8 1 2222\r\n" WHO(""),
                 ">"),
        "<192.0.2.9");
    close(first);
    close(second);
    assert_true(connections_become(fixture, 0));
    first = open_client(fixture);
    has(exchange(first, V1 WHO(""), ">"), "<192.0.2.7");
    close(first);
}

/* What is wrong with the settings is said at the start. */
static void wrong_settings(void **state)
{
    struct fixture *fixture = *state;
    struct inlay_str entry = INLAY_STR("10.0.0.1/8");
    struct inlay_server *server;

    fixture->config.trusted = (struct inlay_strs){&entry, 1};
    struct inlay_error *error = inlay_server_create(&fixture->config, &server);
    assert_non_null(error);
    assert_int_equal(error->code, INLAY_ERROR_VALUE);
    has(error->message, "forwarded_allow_ips: \"10.0.0.1/8\"");
    inlay_error_destroy(error);
    fixture->config.trusted.count = 0;
    fixture->config.proxy_protocol = true;
    error = inlay_server_create(&fixture->config, &server);
    assert_non_null(error);
    has(error->message, "proxy_protocol: ");
    inlay_error_destroy(error);
    fixture->config.proxy_protocol = false;
    start_server(fixture);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, destroy_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(trusted_headers),   test(trusted_later),
        test(untrusted_headers), test(headers_off),
        test(proxy_line),        test(proxy_binary),
        test(proxy_wrong),       test(proxy_untrusted),
        test(proxy_late),        test(proxy_address_limit),
        test(wrong_settings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
