/* Lifted routes before an application, and what is said without one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "client.h"
#include "native_sample.h"
#include "serve/alone.h"
#include "serve/lifted.h"

#include "base/banned.h"

#define JSON "Content-Type: application/json\r\n"
#define CLOSE "Connection: close\r\n"
#define BODY_LIMIT 200000 /* collected for C */

struct lifting {
    struct fixture fixture;
    struct inlay_module *module;
    struct inlay_handler *lifted;
};

static const struct inlay_callable *function(const struct inlay_module *module,
                                             const char *name)
{
    return inlay_module_find(module, inlay_str_from(name));
}

static void lift(struct lifting *lifting)
{
    static const struct inlay_lifted_barrier barriers[] = {
        {INLAY_STR("GET"), INLAY_STR("/fails/5")},
        {INLAY_STR("GET"), INLAY_STR("/fails/6/{rest:path}")},
    };
    const struct inlay_module *module = lifting->module;
    const struct inlay_lifted_decl decls[] = {
        {.methods = INLAY_STR("GET"),
         .path = INLAY_STR("/sum"),
         .callable = function(module, "sum_squares"),
         .module = module,
         .status = 201},
        {.methods = INLAY_STR("GET,POST"),
         .path = INLAY_STR("/list"),
         .callable = function(module, "same_list"),
         .module = module,
         .status = 200},
        {.methods = INLAY_STR("POST"),
         .path = INLAY_STR("/nothing"),
         .callable = function(module, "nothing"),
         .module = module,
         .status = 200},
        {.methods = INLAY_STR("GET"),
         .path = INLAY_STR("/fails/{kind:int}"),
         .callable = function(module, "fails"),
         .module = module,
         .status = 200,
         .explains = true,
         .barriers = barriers,
         .nbarriers = inlay_array_size(barriers)},
        {.methods = INLAY_STR("GET"),
         .path = INLAY_STR("/bare/{kind}"),
         .callable = function(module, "fails"),
         .module = module,
         .status = 200},
    };

    assert_null(
        inlay_lifted_replace(lifting->lifted, decls, inlay_array_size(decls)));
}

static int set_up(void **state)
{
    struct lifting *lifting = calloc(1, sizeof(*lifting));

    assert_non_null(lifting);
    prepare(&lifting->fixture);
    lifting->fixture.config.limits.native_body_bytes = BODY_LIMIT;
    lifting->fixture.test.any = true;
    lifting->module = sample_module_create(NULL);
    assert_null(inlay_lifted_create(&lifting->lifted));
    lift(lifting);
    lifting->fixture.first = lifting->lifted;
    start_server(&lifting->fixture);
    *state = lifting;
    return 0;
}

static int tear_down(void **state)
{
    struct lifting *lifting = *state;

    exchange(-1, NULL, NULL);
    stop_server(&lifting->fixture);
    sample_module_destroy(lifting->module);
    free(lifting);
    return 0;
}

static const char *ask(const struct lifting *lifting, const char *request)
{
    int fd = open_client(&lifting->fixture);
    const char *text = exchange(fd, request, NULL);

    close(fd);
    return text;
}

#define GET_CLOSE(path) "GET " path " HTTP/1.1\r\n" HOST CLOSE "\r\n"
#define POST(path, length)                                                     \
    "POST " path " HTTP/1.1\r\n" HOST CLOSE JSON "Content-Length: " length     \
    "\r\n\r\n"

static void answered(void **state)
{
    struct lifting *lifting = *state;
    const char *text = ask(lifting, GET_CLOSE("/sum?a=3&b=4"));

    has(text, "HTTP/1.1 201 ");
    has(text, "\"sum_of_squares\":25}");
    has(ask(lifting, POST("/list", "7") "[1,2,3]"), "\r\n\r\n[1,2,3]");
    /* A body is one, whatever the method. */
    has(ask(lifting, "GET /list HTTP/1.1\r\n" HOST CLOSE JSON
                     "Content-Length: 3\r\n\r\n[4]"),
        "\r\n\r\n[4]");
    has(ask(lifting, POST("/nothing", "0")), "\r\n\r\nnull");
    assert_int_equal(atomic_load(&lifting->fixture.test.body_bytes), 0);
}

/* The application's answer is "0", or 200 once it has read the body. */
static void handed_on(void **state)
{
    struct lifting *lifting = *state;
    static const char *const requests[] = {
        GET_CLOSE("/sum?a=x"),     GET_CLOSE("/sum/"),
        GET_CLOSE("/nowhere"),     GET_CLOSE("/fails/5"),
        GET_CLOSE("/fails/-1"),    GET_CLOSE("/fails/1234567890123456789"),
        GET_CLOSE("/list"),        GET_CLOSE("/bare/1%0A"),
        POST("/sum?a=1&b=2", "0"),
    };

    for (size_t i = 0; i < inlay_array_size(requests); i++) {
        const char *text = ask(lifting, requests[i]);

        has(text, "HTTP/1.1 200 ");
        has(text, "\r\n\r\n0");
    }
    has(ask(lifting, "HEAD /sum?a=1&b=2 HTTP/1.1\r\n" HOST CLOSE "\r\n"),
        "text/plain");
}

static void handed_on_with_body(void **state)
{
    struct lifting *lifting = *state;
    atomic_size_t *bytes = &lifting->fixture.test.body_bytes;
    int fd = open_client(&lifting->fixture);

    has(ask(lifting, POST("/list", "7") "[1,\"x\"]"), "text/plain");
    assert_int_equal(atomic_load(bytes), 7);
    /* In pieces, and not even text. */
    send_text(fd, POST("/list", "7") "[1,");
    sleep_ms(10);
    has(exchange(fd, "\xff\xff\xff]", NULL), "text/plain");
    assert_int_equal(atomic_load(bytes), 14);
    close(fd);
    has(ask(lifting, "POST /list HTTP/1.1\r\n" HOST CLOSE JSON
                     "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n[]"),
        "text/plain");
    assert_int_equal(atomic_load(bytes), 16);
}

/* More than is collected streams into the application. */
static void large_bodies(void **state)
{
    struct lifting *lifting = *state;
    size_t size = 3 * (size_t)BODY_LIMIT;
    char *body = malloc(size);
    int fd = open_client(&lifting->fixture);
    char head[64];

    assert_non_null(body);
    memset(body, ' ', size);
    send_text(fd, "POST /list HTTP/1.1\r\n" HOST CLOSE JSON
                  "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 3; i++) {
        snprintf(head, sizeof(head), "%x\r\n", BODY_LIMIT);
        send_text(fd, head);
        send_bytes(fd, body + (size_t)i * BODY_LIMIT, BODY_LIMIT);
        send_text(fd, "\r\n");
    }
    has(exchange(fd, "0\r\n\r\n", NULL), "text/plain");
    close(fd);
    assert_int_equal(atomic_load(&lifting->fixture.test.body_bytes), size);
    fd = open_client(&lifting->fixture);
    snprintf(head, sizeof(head), "Content-Length: %zu\r\n\r\n", size);
    send_text(fd, "POST /list HTTP/1.1\r\n" HOST CLOSE JSON);
    send_text(fd, head);
    send_bytes(fd, body, size);
    has(exchange(fd, "", NULL), "text/plain");
    close(fd);
    assert_int_equal(atomic_load(&lifting->fixture.test.body_bytes), 2 * size);
    free(body);
}

static void failures(void **state)
{
    struct lifting *lifting = *state;
    const char *text = ask(lifting, GET_CLOSE("/fails/2"));

    has(text, "HTTP/1.1 404 ");
    has(text, "{\"detail\":");
    text = ask(lifting, GET_CLOSE("/bare/2"));
    has(text, "HTTP/1.1 500 ");
    has(text, "\r\n\r\nInternal Server Error");
    has(text, "text/plain; charset=utf-8");
}

/* A client that leaves in the middle of a body. */
static void aborted(void **state)
{
    struct lifting *lifting = *state;
    int fd = open_client(&lifting->fixture);

    send_text(fd, POST("/list", "7") "[1,");
    sleep_ms(10);
    close(fd);
    assert_true(connections_become(&lifting->fixture, 0));
}

static void replaced(void **state)
{
    struct lifting *lifting = *state;
    int fd = open_client(&lifting->fixture);
    struct inlay_lifted_decl bad = {
        .methods = INLAY_STR("GET"),
        .path = INLAY_STR("/bad/{nobody}"),
        .callable = function(lifting->module, "sum_squares"),
        .module = lifting->module,
        .status = 200,
    };

    /* A request goes on with the route that it has found. */
    send_text(fd, POST("/list", "7") "[1,");
    sleep_ms(10);
    struct inlay_error *error = inlay_lifted_replace(lifting->lifted, &bad, 1);
    assert_non_null(error);
    has(error->message, "{nobody}");
    inlay_error_destroy(error);
    has(ask(lifting, GET_CLOSE("/sum?a=3&b=4")), "25}");
    assert_null(inlay_lifted_replace(lifting->lifted, NULL, 0));
    has(ask(lifting, GET_CLOSE("/sum?a=3&b=4")), "text/plain");
    has(exchange(fd, "2,3]", NULL), "[1,2,3]");
    close(fd);
}

/* --- Without an application ---------------------------------------------- */

static void alone(void **state)
{
    struct inlay_module *module = sample_module_create("files"), *both[2];
    struct inlay_handler *native, *handler;
    struct lifting lifting;

    (void)state;
    prepare(&lifting.fixture);
    assert_null(inlay_native_create(&module, 1, &native));
    assert_null(inlay_alone_create(native, true, &handler));
    lifting.fixture.first = native;
    lifting.fixture.more = handler;
    start_server(&lifting.fixture);
    has(ask(&lifting, GET_CLOSE("/nope")), "HTTP/1.1 404 ");
    has(ask(&lifting, GET_CLOSE("/docs/?x")), "location: /docs?x\r\n");
    has(ask(&lifting, GET_CLOSE("/files")), "location: /files/\r\n");
    has(ask(&lifting, GET_CLOSE("//files")), "HTTP/1.1 404 ");
    has(ask(&lifting, "OPTIONS /files/x HTTP/1.1\r\n" HOST CLOSE "\r\n"),
        "allow: GET, HEAD, OPTIONS\r\n");
    has(ask(&lifting, POST("/docs", "0")), "allow: GET, HEAD\r\n");
    has(ask(&lifting, GET_CLOSE("/docs")), "default-src 'none'");
    has(ask(&lifting, GET_CLOSE("/openapi.json")), "\"/files/{rest}\"");
    lacks(ask(&lifting, GET_CLOSE("/openapi.json")), "/plain");
    both[0] = module;
    both[1] = sample_module_create("plain");
    assert_null(inlay_native_replace(native, both, 2));
    assert_null(inlay_alone_update(handler));
    has(ask(&lifting, GET_CLOSE("/openapi.json")), "\"/plain\"");
    exchange(-1, NULL, NULL);
    stop_server(&lifting.fixture);
    sample_module_destroy(both[0]);
    sample_module_destroy(both[1]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(answered),     TEST(handed_on),         TEST(handed_on_with_body),
        TEST(large_bodies), TEST(failures),          TEST(aborted),
        TEST(replaced),     cmocka_unit_test(alone),
    };

    return cmocka_run_group_tests_name("lifted", tests, NULL, NULL);
}
