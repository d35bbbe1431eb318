/* What a server counts of real connections, and GET /metrics over HTTP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "client.h"
#include "serve/metrics.h"
#include "serve/metrics_area.h"

#include "base/banned.h"

struct measured {
    struct fixture fixture; /* first */
    struct inlay_metrics_area *area;
    atomic_int ticks;
};

static void on_tick(void *arg)
{
    atomic_fetch_add(&((struct measured *)arg)->ticks, 1);
}

static int setup(void **state)
{
    static const struct inlay_metrics_info info = {INLAY_STR("1"),
                                                   INLAY_STR("3")};
    struct measured *measured = calloc(1, sizeof(*measured));
    struct fixture *fixture = &measured->fixture;

    prepare(fixture);
    assert_null(inlay_metrics_area_create(1, 2, &info, &measured->area));
    assert_null(inlay_metrics_handler_create(measured->area, &fixture->more));
    inlay_metrics_area_started(measured->area, 0, getpid());
    fixture->config.metrics_fd = measured->area->fd;
    fixture->config.limits.body_timeout = 50;
    create_server(fixture);
    fixture->server->metrics->on_tick = on_tick;
    fixture->server->metrics->tick_arg = measured;
    assert_null(inlay_server_start(fixture->server));
    *state = measured;
    return 0;
}

static int teardown(void **state)
{
    struct measured *measured = *state;

    exchange(-1, NULL, NULL);
    stop_server(&measured->fixture);
    inlay_metrics_area_destroy(measured->area);
    free(measured);
    return 0;
}

/* The page, from the server itself; the text is kept until the next call. */
static const char *scrape(const struct fixture *fixture)
{
    int fd = open_client(fixture);
    const char *text = exchange(
        fd, "GET /metrics HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", NULL);

    close(fd);
    return text;
}

/* Of a series without labels; -1: it is not there. */
static long value_of(const char *page, const char *name)
{
    char line[128];
    const char *at;

    snprintf(line, sizeof(line), "\n%s ", name);
    at = strstr(page, line);
    return at ? strtol(at + strlen(line), NULL, 10) : -1;
}

/* Does the page come to have this line? */
static bool comes(const struct fixture *fixture, const char *line)
{
    for (int i = 0; i < 200; i++) {
        if (strstr(scrape(fixture), line))
            return true;
        sleep_ms(10);
    }
    return false;
}

static void page(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_client(fixture);

    has(exchange(fd, GET("/metrics"), "inlay_worker_gil_wait_seconds_count"),
        "content-type: text/plain; version=0.0.4; charset=utf-8\r\n");
    has(exchange(fd,
                 "GET /metrics HTTP/1.1\r\n" HOST
                 "Accept: application/openmetrics-text;version=1.0.0,*/*\r\n"
                 "\r\n",
                 "# EOF\n"),
        "content-type: application/openmetrics-text; version=1.0.0; "
        "charset=utf-8\r\n");
    const char *head =
        exchange(fd, "HEAD /metrics HTTP/1.1\r\n" HOST "\r\n", "\r\n\r\n");
    has(head, " 200 OK\r\n");
    lacks(head, "# HELP");
    head = exchange(
        fd, "POST /metrics HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", "}");
    has(head, " 405 ");
    has(head, "allow: GET, HEAD\r\n");
    has(exchange(fd, GET("/nothing"), "}"), " 404 ");
    close(fd);
}

static void requests(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_client(fixture);

    exchange(fd, GET("/hello") GET("/hello") GET("/204"), " 204 ");
    exchange(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nab",
             "ab");
    const char *text = scrape(fixture);
    has(text, "inlay_requests_total{kind=\"server\",route=\"*\","
              "method=\"GET\",status=\"200\"} 2\n");
    has(text, "method=\"GET\",status=\"204\"} 1\n");
    has(text, "method=\"POST\",status=\"200\"} 1\n");
    has(text, "duration_seconds_count{kind=\"server\",route=\"*\"} 4\n");
    /* The one that asks is not over yet. */
    assert_int_equal(value_of(text, "inlay_requests_in_flight"), 1);
    assert_int_equal(value_of(text, "inlay_connections_open"), 2);
    assert_int_equal(value_of(text, "inlay_connections_accepted_total"), 2);
    assert_true(value_of(text, "inlay_received_bytes_total") >=
                (long)strlen(GET("/hello")) * 3);
    assert_true(value_of(text, "inlay_sent_bytes_total") > 400);
    has(text, "inlay_worker_up{worker=\"0\"} 1\n");
    close(fd);
    assert_true(comes(fixture, "\ninlay_connections_open 1\n"));
}

static void refusals(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_client(fixture);

    has(exchange(fd, "GARBAGE\r\n\r\n", NULL), " 400 ");
    close(fd);
    fd = open_client(fixture);
    has(exchange(fd,
                 "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nabc",
                 NULL),
        " 408 ");
    close(fd);
    const char *text = scrape(fixture);
    has(text, "inlay_requests_total{kind=\"refused\",route=\"*\","
              "method=\"none\",status=\"400\"} 1\n");
    has(text, "inlay_requests_total{kind=\"refused\",route=\"*\","
              "method=\"POST\",status=\"408\"} 1\n");
    has(text, "inlay_refused_total{reason=\"parse\"} 1\n");
    has(text, "inlay_refused_total{reason=\"timeout\"} 1\n");
    assert_int_equal(value_of(text, "inlay_requests_aborted_total"), 0);
    assert_int_equal(value_of(text, "inlay_requests_in_flight"), 1);
}

static void aborts(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_client(fixture);

    /* The answer is cut in the middle. */
    exchange(fd, GET("/short"), NULL);
    close(fd);
    /* The client leaves without one. */
    fd = open_client(fixture);
    send_text(fd, GET("/later"));
    assert_true(becomes(&fixture->test.pending, 1));
    struct linger off = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
    close(fd);
    assert_true(comes(fixture, "\ninlay_requests_aborted_total 2\n"));
    has(scrape(fixture), "method=\"GET\",status=\"499\"} 1\n");
}

static void ticks(void **state)
{
    struct measured *measured = *state;

    assert_true(becomes(&measured->ticks, 1));
    has(scrape(&measured->fixture),
        "inlay_worker_pool_threads{worker=\"0\"} 0\n");
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(page), test(requests), test(refusals), test(aborts), test(ticks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
