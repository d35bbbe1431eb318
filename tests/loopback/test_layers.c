/* Layers by option and by record, before a handler that knows none of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "client.h"
#include "serve/layers.h"

#include "base/banned.h"

#define JSON_END "\"}"

static int setup(void **state)
{
    *state = create_fixture();
    return 0;
}

/* A server with these layers, and a client of it. */
static int begin(struct fixture *fixture,
                 const struct inlay_str *layers,
                 size_t count)
{
    fixture->config.layers = (struct inlay_strs){layers, count};
    start_server(fixture);
    return open_client(fixture);
}

#define BEGIN(fixture, ...)                                                    \
    begin((fixture), (const struct inlay_str[]){__VA_ARGS__},                  \
          sizeof((const struct inlay_str[]){__VA_ARGS__}) /                    \
              sizeof(struct inlay_str))

/* --- Rates ------------------------------------------------------------------ */

static void rate(void **state)
{
    int fd = BEGIN(*state, INLAY_STR("rate-limit /hello 2/hour"));
    const char *text = exchange(fd, GET("/hello"), "hello");

    has(text, " 200 OK\r\n");
    has(text, "\r\nratelimit-policy: \"/hello\";q=2;w=3600\r\n");
    has(text, "\r\nratelimit: \"/hello\";r=1;t=1800\r\n");
    has(exchange(fd, GET("/hello"), "hello"), ";r=0;t=3600\r\n");
    text = exchange(fd, GET("/hello"), JSON_END);
    has(text, " 429 Too Many Requests\r\n");
    has(text, "\r\nretry-after: 1800\r\n");
    has(text, "\r\ncontent-type: application/json\r\n");
    has(text, "{\"detail\":\"Too Many Requests\"}");
    /* Other spellings of the path, another method, another connection. */
    has(exchange(fd, GET("/hello/"), JSON_END), " 429 ");
    has(exchange(fd, GET("//hello"), JSON_END), " 429 ");
    has(exchange(fd, GET("/x/%2e%2e/%68ello?a"), JSON_END), " 429 ");
    has(exchange(fd, "DELETE /hello HTTP/1.1\r\n" HOST "\r\n", JSON_END),
        " 429 ");
    lacks(exchange(fd, GET("/show"), "|1"), "ratelimit");
    close(fd);
    fd = open_client(*state);
    has(exchange(fd,
                 "POST /hello HTTP/1.1\r\n" HOST
                 "Content-Length: 3\r\n\r\nabc" GET("/show"),
                 "|1"),
        " 429 ");
    close(fd);
}

static void rate_by_header(void **state)
{
    int fd = BEGIN(*state, INLAY_STR("rate-limit /* 1/hour by header:x-key"));

    has(exchange(fd, GET("/hello"), "hello"), " 200 ");
    for (int i = 0; i < 3; i++) {
        char request[128];

        snprintf(request, sizeof(request),
                 "GET /hello HTTP/1.1\r\n" HOST "X-Key: %d\r\n\r\n", i);
        has(exchange(fd, request, "hello"), " 200 ");
        has(exchange(fd, request, JSON_END), " 429 ");
    }
    has(exchange(fd, GET("/hello"), JSON_END), " 429 ");
    close(fd);
}

static void rate_by_cookie(void **state)
{
    int fd = BEGIN(*state, INLAY_STR("rate-limit /* 1/hour by cookie:sid"));

#define WITH(cookie) "GET /hello HTTP/1.1\r\n" HOST "Cookie: " cookie "\r\n\r\n"
    has(exchange(fd, WITH("a=1; sid=x"), "hello"), " 200 ");
    has(exchange(fd, WITH("sid=x; a=2"), JSON_END), " 429 ");
    has(exchange(fd, WITH("sid=y"), "hello"), " 200 ");
    has(exchange(fd, WITH("sid="), "hello"), " 200 ");
    has(exchange(fd, WITH("b=1"), JSON_END), " 429 ");
#undef WITH
    close(fd);
}

/* The client is who a trusted proxy says; a /64 is one of them. */
static void rate_behind_proxy(void **state)
{
    static const struct inlay_str trusted[] = {INLAY_STR("127.0.0.1")};
    static const struct {
        const char *address;
        bool first;
    } clients[] = {
        {"192.0.2.1", true},
        {"192.0.2.1", false},
        {"192.0.2.2", true},
        {"::ffff:192.0.2.2", false},
        {"2001:db8::1", true},
        {"2001:db8::ffff:1", false},
        {"2001:db8:0:1::1", true},
        {"_hidden", true},
        {"_hidden", false},
        {"_other", true},
        {"6.6.6.6, 192.0.2.1", false},
    };
    struct fixture *fixture = *state;

    fixture->config.proxy_headers = true;
    fixture->config.trusted = (struct inlay_strs){trusted, 1};
    int fd = BEGIN(fixture, INLAY_STR("rate-limit /* 1/hour"));
    for (size_t i = 0; i < inlay_array_size(clients); i++) {
        char request[160];

        snprintf(request, sizeof(request),
                 "GET /hello HTTP/1.1\r\n" HOST "X-Forwarded-For: %s\r\n\r\n",
                 clients[i].address);
        has(exchange(fd, request, clients[i].first ? "hello" : JSON_END),
            clients[i].first ? " 200 " : " 429 ");
    }
    close(fd);
}

static void health_is_free(void **state)
{
    struct fixture *fixture = *state;

    fixture->config.health_path = INLAY_STR("/healthz");
    int fd = BEGIN(fixture, INLAY_STR("rate-limit /* 1/hour"));
    has(exchange(fd, GET("/hello"), "hello"), " 200 ");
    has(exchange(fd, GET("/hello"), JSON_END), " 429 ");
    for (int i = 0; i < 3; i++)
        has(exchange(fd, GET("/healthz"), JSON_END), " 200 ");
    has(exchange(fd, "POST /healthz HTTP/1.1\r\n" HOST "\r\n", JSON_END),
        " 429 ");
    close(fd);
}

/* --- At once ----------------------------------------------------------------- */

static void concurrency(void **state)
{
    struct fixture *fixture = *state;
    int fd = BEGIN(fixture, INLAY_STR("concurrency /later 1"));
    int first = open_client(fixture);

    send_text(first, GET("/later?first"));
    assert_true(becomes(&fixture->test.pending, 1));
    const char *text = exchange(fd, GET("/later"), JSON_END);
    has(text, " 503 Service Unavailable\r\n");
    has(text, "\r\nretry-after: 1\r\n");
    has(exchange(fd, GET("/hello"), "hello"), " 200 ");
    test_handler_release(&fixture->test, fixture->server);
    has(exchange(first, "", "first"), " 200 ");
    send_text(first, GET("/later?second"));
    assert_true(becomes(&fixture->test.pending, 2));
    has(exchange(fd, GET("/later"), JSON_END), " 503 ");
    /* Who goes leaves his place. */
    struct linger off = {.l_onoff = 1, .l_linger = 0};
    setsockopt(first, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
    close(first);
    assert_true(becomes(&fixture->test.aborts, 1));
    send_text(fd, GET("/later?third"));
    assert_true(becomes(&fixture->test.pending, 3));
    test_handler_release(&fixture->test, fixture->server);
    has(exchange(fd, "", "third"), " 200 ");
    close(fd);
}

/* --- For so long -------------------------------------------------------------- */

static void timeout(void **state)
{
    struct fixture *fixture = *state;

    fixture->config.limits.request_timeout = 60000;
    int fd =
        BEGIN(fixture, INLAY_STR("timeout /* 1h"),
              INLAY_STR("timeout /later 40ms"), INLAY_STR("timeout /lat* 2h"));
    const char *text = exchange(fd, GET("/later"), JSON_END);
    has(text, " 504 Gateway Timeout\r\n");
    has(text, "{\"detail\":\"Gateway Timeout\"}");
    assert_int_equal(atomic_load(&fixture->test.aborts), 1);
    /* Of that path alone. */
    send_text(fd, "POST /hold HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\na");
    assert_true(becomes(&fixture->test.pending, 2));
    sleep_ms(80);
    assert_int_equal(atomic_load(&fixture->test.aborts), 1);
    close(fd);
}

/* --- Origins ------------------------------------------------------------------- */

#define ORIGIN "Origin: https://a.example\r\n"
#define ALLOWED "\r\naccess-control-allow-origin: https://a.example\r\n"
#define PREFLIGHT(path)                                                        \
    "OPTIONS " path " HTTP/1.1\r\n" HOST ORIGIN                                \
    "Access-Control-Request-Method: GET\r\n\r\n"

static void preflight(void **state)
{
    int fd = BEGIN(*state, INLAY_STR("cors /* https://a.example credentials"),
                   INLAY_STR("rate-limit /* 1/hour"));

    for (int i = 0; i < 3; i++) {
        const char *text = exchange(fd, PREFLIGHT("/hello"), "OK");

        has(text, " 200 OK\r\n");
        has(text, ALLOWED);
        has(text, "\r\naccess-control-allow-credentials: true\r\n");
        has(text, "\r\nvary: Origin, ");
    }
    const char *text = exchange(fd,
                                "OPTIONS /hello HTTP/1.1\r\n" HOST
                                "Origin: https://b.example\r\n"
                                "Access-Control-Request-Method: PUT\r\n"
                                "Access-Control-Request-Headers: x-a\r\n\r\n",
                                "headers");
    has(text, " 400 Bad Request\r\n");
    lacks(text, "access-control-allow-origin");
    has(text, "\r\n\r\nDisallowed CORS origin, method, headers");
    /* No preflight: somebody else's. */
    text =
        exchange(fd, "OPTIONS /hello HTTP/1.1\r\n" HOST ORIGIN "\r\n", "hello");
    has(text, " 200 ");
    has(text, ALLOWED);
    close(fd);
}

/* Whoever answers, and whatever. */
static void dressed(void **state)
{
    struct fixture *fixture = *state;

    fixture->config.limits.body_bytes = 10;
    int fd = BEGIN(fixture, INLAY_STR("cors /x* https://b.example"),
                   INLAY_STR("cors /* https://a.example expose-header=x-t"),
                   INLAY_STR("rate-limit /10k 1/hour"));
    const char *text =
        exchange(fd, "GET /hello HTTP/1.1\r\n" HOST ORIGIN "\r\n", "hello");
    has(text, ALLOWED);
    has(text, "\r\nvary: Origin\r\n");
    has(text, "\r\naccess-control-expose-headers: x-t\r\n");
    text = exchange(fd, GET("/hello"), "hello");
    has(text, "\r\nvary: Origin\r\n");
    lacks(text, "access-control");
    text = exchange(fd, "GET /none HTTP/1.1\r\n" HOST ORIGIN "\r\n", JSON_END);
    has(text, " 404 ");
    has(text, ALLOWED);
    /* The first that matches. */
    text = exchange(fd, "GET /xyz HTTP/1.1\r\n" HOST ORIGIN "\r\n", JSON_END);
    lacks(text, "access-control-allow-origin");
    send_text(fd, "GET /10k HTTP/1.1\r\n" HOST "\r\n");
    size_t len;
    free(read_until(fd, "\r\n\r\n", &len));
    close(fd);
    fd = open_client(fixture);
    text = exchange(fd, "GET /10k HTTP/1.1\r\n" HOST ORIGIN "\r\n", JSON_END);
    has(text, " 429 ");
    has(text, ALLOWED);
    text = exchange(
        fd, "POST /hello HTTP/1.1\r\n" HOST ORIGIN "Content-Length: 11\r\n\r\n",
        JSON_END);
    has(text, " 413 ");
    has(text, ALLOWED);
    close(fd);
    /* In the middle of a body whose length nobody knew; and no body at all. */
    for (int i = 0; i < 2; i++) {
        fd = open_client(fixture);
        text = exchange(fd,
                        i ? "POST /echo HTTP/1.1\r\n" HOST ORIGIN
                            "Transfer-Encoding: chunked\r\n\r\n"
                            "8\r\n12345678\r\n8\r\n12345678\r\n"
                          : "POST /echo HTTP/1.1\r\n" HOST ORIGIN
                            "Transfer-Encoding: chunked\r\n\r\n!\r\n",
                        NULL);
        has(text, i ? "HTTP/1.1 413 " : "HTTP/1.1 400 ");
        has(text, ALLOWED);
        has(text, "\r\nconnection: close\r\n");
        close(fd);
        assert_int_equal(atomic_load(&fixture->test.aborts), i + 1);
    }
}

/* --- Records ------------------------------------------------------------------- */

static struct inlay_error *set(struct inlay_server *server,
                               const char *name,
                               const char *pattern,
                               const char *value)
{
    struct inlay_layer_decl decl = {
        .name = inlay_str_from(name),
        .pattern = inlay_str_from(pattern),
        .value = inlay_str_from(value),
        .decl = {INLAY_STR("fast.c"), 7},
    };
    struct inlay_module module = {.layers = &decl, .nlayers = 1};
    struct inlay_module *const modules[] = {&module};

    return inlay_layers_set(server, modules, 1);
}

static void wrong(struct inlay_server *server,
                  const char *name,
                  const char *pattern,
                  const char *value,
                  const char *part)
{
    struct inlay_error *error = set(server, name, pattern, value);

    assert_non_null(error);
    assert_int_equal(error->code, INLAY_ERROR_IMPORT);
    assert_ptr_equal(strstr(error->message, "fast.c:7: INLAY_LAYER(\""),
                     error->message);
    has(error->message, part);
    inlay_error_destroy(error);
}

/* New ones in a running server; bad ones change nothing. */
static void records(void **state)
{
    struct fixture *fixture = *state;

    start_server(fixture);
    int fd = open_client(fixture);
    lacks(exchange(fd, GET("/hello"), "hello"), "ratelimit");
    assert_null(set(fixture->server, "rate-limit", "/hello", "1/hour"));
    has(exchange(fd, GET("/hello"), "hello"), " 200 ");
    has(exchange(fd, GET("/hello"), JSON_END), " 429 ");
    wrong(fixture->server, "speed", "/", "1", "no such layer");
    wrong(fixture->server, "timeout", "hello", "1s", "begin with '/'");
    wrong(fixture->server, "timeout", "/", "1", "no time");
    wrong(fixture->server, "timeout", "/", "1s 2s", "no time");
    wrong(fixture->server, "concurrency", "/", "0", "no number");
    wrong(fixture->server, "rate-limit", "/", "1", "no rate");
    wrong(fixture->server, "cors", "/", "a", "origin: ");
    has(exchange(fd, GET("/hello"), JSON_END), " 429 ");
    assert_null(set(fixture->server, "rate-limit", "/hello", "5/hour"));
    has(exchange(fd, GET("/hello"), "hello"), ";r=4;");
    assert_null(inlay_layers_set(fixture->server, NULL, 0));
    lacks(exchange(fd, GET("/hello"), "hello"), "ratelimit");
    close(fd);
}

static void accept_types(void **state)
{
    int fd = BEGIN(*state, INLAY_STR("accept /hello text/csv text/plain"));

#define TAKES(types) "GET /hello HTTP/1.1\r\n" HOST "Accept: " types "\r\n\r\n"
    has(exchange(fd, GET("/hello"), "hello"), " 200 ");
    has(exchange(fd, TAKES("*/*"), "hello"), " 200 ");
    has(exchange(fd, TAKES("text/html, text/plain;q=0.1"), "hello"), " 200 ");
    has(exchange(fd, TAKES("text/html"), "Not Acceptable" JSON_END), " 406 ");
    has(exchange(fd, TAKES("text/*;q=0"), JSON_END), " 406 ");
#undef TAKES
    close(fd);
}

static void options(void **state)
{
    static const char *const texts[][2] = {
        {"rate-limit /x 5", "rate_limit: \"5\" is no rate"},
        {"rate-limit x 5/s", "rate_limit: \"x\": the pattern must"},
        {"concurrency /* many", "concurrency: \"many\""},
        {"timeout /* 3", "timeout: \"3\""},
        {"accept /* csv", "accept: \"csv\""},
        {"cors /* a.example", "cors_origin: \"a.example\""},
        {"cors /* * expose-header=?", "cors_expose_header: \"?\""},
        {"cors", "layers: "},
        {"speed /* 3", "layers: "},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < inlay_array_size(texts); i++) {
        struct inlay_str text = inlay_str_from(texts[i][0]);
        struct inlay_server *server;

        fixture->config.layers = (struct inlay_strs){&text, 1};
        struct inlay_error *error =
            inlay_server_create(&fixture->config, &server);
        assert_non_null(error);
        assert_int_equal(error->code, INLAY_ERROR_VALUE);
        if (strncmp(error->message, texts[i][1], strlen(texts[i][1])) != 0)
            fail_msg("%s: %s", texts[i][0], error->message);
        inlay_error_destroy(error);
    }
    fixture->config.layers.count = 0;
    start_server(fixture);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, destroy_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(rate),           T(rate_by_header),
        T(rate_by_cookie), T(rate_behind_proxy),
        T(health_is_free), T(concurrency),
        T(timeout),        T(preflight),
        T(dressed),        T(records),
        T(accept_types),   T(options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
