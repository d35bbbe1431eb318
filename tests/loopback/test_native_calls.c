/* Native routes whose functions say more than a result: status and headers,
 * files, streams, waits, the pool, providers, others in the chain. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "client.h"
#include "dwarf/open.h"
#include "load/module.h"
#include "pool/workers.h"
#include "serve/admission.h"
#include "serve/native.h"

#include "base/banned.h"

static struct inlay_module *module; /* never freed, as modules are */

static int load(void **state)
{
    (void)state;
    module = open_source(NULL, "cc", "-Wall -Werror",
                         TEST_LOOPBACK "/native_calls_module.c");
    return 0;
}

static char last_log[512];

static void quiet(void *arg, enum inlay_log_level level, struct inlay_str text)
{
    char *last = arg;
    size_t len = inlay_min(text.len, sizeof(last_log) - 1);

    if (level != INLAY_LOG_ERROR)
        return; /* the watchdog's, of a busy machine */
    memcpy(last, text.ptr, len);
    last[len] = '\0';
}

static struct fixture *create(void)
{
    struct fixture *fixture = create_fixture();
    struct inlay_error *error =
        inlay_native_create(&module, 1, &fixture->first);

    if (error)
        fail_msg("%s", error->message);
    fixture->config.log.sink = quiet;
    fixture->config.log.arg = last_log;
    fixture->config.limits.write_window = 65536;
    return fixture;
}

static int setup(void **state)
{
    struct fixture *fixture = create();

    start_server(fixture);
    *state = fixture;
    return 0;
}

/* One request on a connection of its own; the whole answer. */
static const char *ask(const struct fixture *fixture, const char *request)
{
    int fd = open_client(fixture);

    send_text(fd, request);
    shutdown(fd, SHUT_WR);
    const char *text = exchange(fd, "", NULL);
    close(fd);
    return text;
}

#define ASK(path) "GET " path " HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"
#define POST(path, length, body)                                               \
    "POST " path " HTTP/1.1\r\n" HOST "Connection: close\r\n"                  \
    "Content-Type: application/json\r\nContent-Length: " length                \
    "\r\n\r\n" body

static int count_ended(const struct fixture *fixture)
{
    const char *text = strstr(ask(fixture, ASK("/ended")), "{\"count\":");

    assert_non_null(text);
    return (int)strtol(text + 9, NULL, 10);
}

static bool ended_becomes(const struct fixture *fixture, int least)
{
    for (int i = 0; i < 400; i++) {
        if (count_ended(fixture) >= least)
            return true;
        sleep_ms(5);
    }
    return false;
}

static void reset(int fd)
{
    struct linger off = {.l_onoff = 1};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
    close(fd);
}

/* --- The answer --------------------------------------------------------- */

static void says_more(void **state)
{
    const char *text = ask(*state, ASK("/accepted?n=3"));

    has(text, "HTTP/1.1 202 Accepted\r\n");
    has(text, "x-n: 3\r\nx-more: a\r\nx-more: b\r\n");
    has(text, "content-type: application/vnd.count+json\r\n");
    lacks(text, "application/json");
    has(text, "\r\n\r\n{\"count\":3}");
    text = ask(*state, ASK("/bad-header"));
    has(text, "HTTP/1.1 500 ");
    lacks(text, "set-cookie");
    has(last_log, "inlay_header_set(\"x-bad\"): the value has a line break");
    ask(*state, ASK("/bad-name?with=h&name=%22%0a&value=a"));
    has(last_log, "inlay_header_add(\"\\x22\\x0a\"): the name is none that");
    ask(*state, ASK("/bad-name?with=h&name=Upgrade&value=a"));
    has(last_log, "inlay_header_add(\"Upgrade\"): this header is about");
    ask(*state, ASK("/bad-name?with=c&name=a%20b&value=a"));
    has(last_log, "inlay_cookie_set(\"a b\"): the name is none that a cookie");
    ask(*state, ASK("/bad-name?with=c&name=ab&value=%C3%BC"));
    has(last_log, "inlay_cookie_set(\"ab\"): the value has characters");
    text = ask(*state, ASK("/denied"));
    has(text, "HTTP/1.1 401 ");
    has(text, "www-authenticate: Bearer\r\n");
    has(text, "{\"detail\":\"who are you?\"}");
    text = ask(*state, ASK("/page?name=%3Cb%3E"));
    has(text, "HTTP/1.1 404 ");
    has(text, "content-type: application/json\r\n");
    has(text, "x-kept: yes\r\n");
    lacks(text, "text/html");
    lacks(text, "etag");
    text = ask(*state, ASK("/parts/a%20b?q=%20"));
    has(text, "\r\n\r\nGET /parts/a b q=%20 /parts/{rest:path} ");
}

static void known_already(void **state)
{
    const char *text = ask(*state, ASK("/tagged"));

    has(text, "HTTP/1.1 200 OK\r\n");
    has(text, "etag: \"v1\"\r\n");
    text = ask(*state, "GET /tagged HTTP/1.1\r\n" HOST
                       "Connection: close\r\nIf-None-Match: W/\"v1\"\r\n\r\n");
    has(text, "HTTP/1.1 304 ");
    has(text, "etag: \"v1\"\r\n");
    lacks(text, "count");
    lacks(text, "content-length");
    text = ask(*state, "GET /tagged HTTP/1.1\r\n" HOST
                       "Connection: close\r\nIf-None-Match: \"v2\"\r\n\r\n");
    has(text, "HTTP/1.1 200 OK\r\n");
}

static void trailers(void **state)
{
    const char *text = ask(*state, ASK("/trailed"));

    has(text, "trailer: x-sum\r\n");
    has(text, "transfer-encoding: chunked\r\n");
    has(text, "{\"count\":7}\r\n0\r\nx-sum: 7\r\n\r\n");
}

static void redirects(void **state)
{
    const char *text = ask(*state, ASK("/moved?to=%0D%0Ax:%20%C3%A4%3F"));

    has(text, "HTTP/1.1 303 See Other\r\n");
    has(text, "location: /to/%0D%0Ax:%20%C3%A4?\r\n");
    has(text, "content-length: 0\r\n");
    has(ask(*state, ASK("/twice")), "HTTP/1.1 500 ");
    has(last_log, "inlay_send_file: there is an answer already");
}

static void files(void **state)
{
    char request[512], path[] = "/tmp/inlay-calls-XXXXXX";
    int fd = mkstemp(path);

    assert_int_equal(write(fd, "0123456789", 10), 10);
    close(fd);
    snprintf(request, sizeof(request), ASK("/file?path=%s"), path);
    const char *text = ask(*state, request);
    has(text, "HTTP/1.1 200 OK\r\n");
    has(text, "content-length: 10\r\n");
    has(text, "last-modified: ");
    has(text, "\r\n\r\n0123456789");
    char etag[64];
    assert_int_equal(sscanf(strstr(text, "etag: "), "etag: %63s", etag), 1);
    snprintf(request, sizeof(request),
             "GET /file?path=%s HTTP/1.1\r\n" HOST
             "Connection: close\r\nRange: bytes=2-4\r\n\r\n",
             path);
    text = ask(*state, request);
    has(text, "HTTP/1.1 206 ");
    has(text, "content-range: bytes 2-4/10\r\n");
    has(text, "\r\n\r\n234");
    snprintf(request, sizeof(request),
             "GET /file?path=%s HTTP/1.1\r\n" HOST
             "Connection: close\r\nIf-None-Match: %s\r\n\r\n",
             path, etag);
    has(ask(*state, request), "HTTP/1.1 304 ");
    unlink(path);
    snprintf(request, sizeof(request), ASK("/file?path=%s"), path);
    text = ask(*state, request);
    has(text, "HTTP/1.1 404 ");
    has(text, "{\"detail\":\"Not Found\"}");
    has(ask(*state, ASK("/file?path=/tmp")), "HTTP/1.1 404 ");
    has(ask(*state, ASK("/file?path=/dev/zero")), "HTTP/1.1 404 ");
}

/* --- Waiting ------------------------------------------------------------ */

static void waits(void **state)
{
    struct fixture *fixture = *state;
    int slow = open_client(fixture);

    /* Another is served meanwhile; what is pipelined behind comes behind. */
    send_text(slow, GET("/slept?ms=60") GET("/accepted?n=1"));
    has(ask(fixture, ASK("/slept?ms=0")), "{\"count\":1}");
    has(ask(fixture, ASK("/slept?ms=5")), "{\"count\":1}");
    const char *text = exchange(slow, "", "vnd.count+json");
    const char *first = strstr(text, "{\"count\":1}");
    assert_true(first && first < strstr(text, "202 Accepted"));
    close(slow);
    has(ask(fixture, ASK("/cannot")), "HTTP/1.1 500 ");
    has(last_log, "inlay_sleep: cannot takes no inlay_request *");
    has(last_log, "GET /cannot: 500 from cannot (");
    has(ask(fixture, ASK("/cannot-as-const")), "HTTP/1.1 500 ");
    has(last_log, "takes its inlay_request * as const");
}

/* Waits of many lengths ring in their order. */
static void many_sleep(void **state)
{
    struct fixture *fixture = *state;
    int fds[50];

    for (int i = 0; i < 50; i++) {
        char request[128];

        fds[i] = open_client(fixture);
        snprintf(request, sizeof(request),
                 "GET /slept?ms=%d HTTP/1.1\r\n" HOST "\r\n",
                 (i * 37) % 50 + 1);
        send_text(fds[i], request);
    }
    for (int i = 0; i < 50; i++) {
        has(exchange(fds[i], "", "{\"count\":1}"), "200 OK");
        close(fds[i]);
    }
}

static void client_goes(void **state)
{
    struct fixture *fixture = *state;
    int before = count_ended(fixture);
    int fd = open_client(fixture);

    send_text(fd, GET("/slept?ms=600000"));
    sleep_ms(20);
    reset(fd);
    assert_true(ended_becomes(fixture, before + 1));
    fd = open_client(fixture);
    send_text(fd, GET("/ticks?n=1000000&ms=1"));
    free(read_until(fd, "data: 3", NULL));
    close(fd);
    assert_true(ended_becomes(fixture, before + 2));
    fd = open_client(fixture);
    send_text(fd, GET("/large?parts=1000000"));
    sleep_ms(20);
    reset(fd);
    assert_true(ended_becomes(fixture, before + 3));
}

static void deaf(void **state)
{
    struct fixture *fixture = *state;
    int before = count_ended(fixture);
    const char *text = ask(fixture, ASK("/deaf?fails=true"));

    has(text, "HTTP/1.1 409 ");
    has(text, "at first");
    assert_int_equal(count_ended(fixture), before + 1);
    has(last_log, "GET /deaf: deaf (");
    has(last_log, "it went on waiting after it had failed");
    int fd = open_client(fixture);
    send_text(fd, GET("/deaf?fails=false"));
    free(read_until(fd, "x\r\n1\r\nx", NULL));
    reset(fd);
    assert_true(ended_becomes(fixture, before + 2));
    has(last_log, "it went on waiting after its client had gone");
    /* Nobody waits for the body of a HEAD: it ends, and is left in the end. */
    has(ask(fixture, "HEAD /beats?looks=true HTTP/1.1\r\n" HOST "\r\n"),
        "200 OK");
    assert_int_equal(count_ended(fixture), before + 3);
    has(ask(fixture, "HEAD /beats?looks=false HTTP/1.1\r\n" HOST "\r\n"),
        "200 OK");
    assert_int_equal(count_ended(fixture), before + 4);
}

/* --- Streams ------------------------------------------------------------ */

static void streams(void **state)
{
    const char *text = ask(*state, ASK("/numbers?n=3"));

    has(text, "HTTP/1.1 200 OK\r\n");
    has(text, "content-type: text/plain; charset=utf-8\r\nx-kind: numbers\r\n");
    has(text, "transfer-encoding: chunked\r\n");
    has(text, "\r\n\r\n2\r\n0\n\r\n2\r\n1\n\r\n2\r\n2\n\r\n0\r\n\r\n");
    text = ask(*state, "HEAD /numbers?n=1000000 HTTP/1.1\r\n" HOST
                       "Connection: close\r\n\r\n");
    has(text, "HTTP/1.1 200 OK\r\n");
    has(text, "x-kind: numbers\r\n");
    assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
    text = ask(*state, "GET /numbers?n=2 HTTP/1.0\r\n\r\n");
    has(text, "connection: close\r\n");
    has(text, "\r\n\r\n0\n1\n");
    /* No answer at all: what the function is void for. */
    has(ask(*state, ASK("/numbers?n=0")), "HTTP/1.1 204 ");
}

static void cut_in_the_middle(void **state)
{
    const char *text = ask(*state, ASK("/broken"));

    has(text, "HTTP/1.1 200 OK\r\n");
    has(text, "begun");
    lacks(text, "\r\n0\r\n\r\n");
    has(last_log, "GET /broken: 500 from broken (");
    has(last_log, "in the middle");
}

static void events(void **state)
{
    const char *text = ask(*state, ASK("/ticks?n=1&ms=0"));

    has(text, "content-type: text/event-stream\r\n");
    has(text, "cache-control: no-store\r\n");
    int fd = open_client(*state);
    text = exchange(fd, GET("/ticks?n=2&ms=0"), "0\r\n\r\n");
    has(text, "event: tick\ndata: 0\ndata: more\n\n");
    has(text, "event: tick\ndata: 1\ndata: more\n\n");
    close(fd);
}

/* The function waits for a client that does not read. */
static void slow_reader(void **state)
{
    struct fixture *fixture = *state;
    int before = count_ended(fixture), fd = open_client(fixture);

    send_text(fd, ASK("/large?parts=400"));
    sleep_ms(50);
    assert_int_equal(count_ended(fixture), before);
    size_t len = 0;
    free(read_until(fd, NULL, &len));
    assert_true(len > 400 * 65536);
    close(fd);
    assert_int_equal(count_ended(fixture), before + 1);
}

static void uploads(void **state)
{
    struct fixture *fixture = *state;
    size_t size = 10u << 20;
    char *body = malloc(size);
    const char *sizes[] = {"7", "1000", "32768"};

    assert_non_null(body);
    memset(body, 1, size);
    for (size_t i = 0; i < 3; i++) {
        size_t len = i ? size : 1000;
        char head[256], want[64];
        int fd = open_client(fixture);

        snprintf(head, sizeof(head),
                 "POST /upload?size=%s HTTP/1.1\r\n" HOST
                 "Content-Length: %zu\r\n\r\n",
                 sizes[i], len);
        snprintf(want, sizeof(want), "{\"count\":%zu}", len);
        send_text(fd, head);
        send_bytes(fd, body, len);
        has(exchange(fd, "", "}"), want);
        /* The connection goes on. */
        has(exchange(fd, GET("/accepted?n=1"), "}"), "202");
        close(fd);
    }
    free(body);
    const char *text =
        ask(fixture, "POST /upload HTTP/1.1\r\n" HOST
                     "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "3\r\n\1\1\1\r\n2\r\n\1\1\r\n0\r\n\r\n");
    has(text, "{\"count\":5}");
    has(ask(fixture, "POST /upload HTTP/1.1\r\n" HOST
                     "Connection: close\r\nContent-Length: 0\r\n\r\n"),
        "{\"count\":0}");
    /* A body that nobody reads. */
    text = ask(fixture, POST("/ignore", "5", "12345"));
    has(text, "{\"count\":0}");
    int fd = open_client(fixture);
    text = exchange(fd,
                    "POST /upload HTTP/1.1\r\n" HOST
                    "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n",
                    "\r\n\r\n");
    has(text, "HTTP/1.1 100 Continue\r\n\r\n");
    has(exchange(fd, "\2", "}"), "{\"count\":2}");
    close(fd);
}

static void both_ways(void **state)
{
    int fd = open_client(*state);

    send_text(fd, "POST /echo-native HTTP/1.1\r\n" HOST
                  "Content-Length: 10\r\n\r\n");
    has(exchange(fd, "01234", "01234"), "200 OK");
    has(exchange(fd, "56789", "0\r\n\r\n"), "56789");
    /* It goes in the middle of a body. */
    send_text(fd, "POST /echo-native HTTP/1.1\r\n" HOST
                  "Content-Length: 10\r\n\r\n0");
    free(read_until(fd, "0", NULL));
    reset(fd);
    has(ask(*state, ASK("/ended")), "200 OK");
}

/* --- Somebody else ------------------------------------------------------ */

static void passes_on(void **state)
{
    struct fixture *fixture = *state;

    for (int waits = 0; waits < 2; waits++) {
        const char *text = ask(fixture, waits ? ASK("/show?waits=true")
                                              : ASK("/show?waits=false"));

        has(text, "x-passed: yes\r\n");
        has(text, "GET|/show|/show|waits=");
    }
    /* With its body: read by parameters, or on its way. */
    const char *text = ask(fixture, POST("/echo", "7", "{\"n\":1}"));
    has(text, "200 OK");
    has(text, "\r\n\r\n{\"n\":1}");
    text = ask(fixture, POST("/echo", "7", "{\"n\":x}"));
    has(text, "HTTP/1.1 422 ");
    text = ask(fixture, "POST /form HTTP/1.1\r\n" HOST "Content-Length: 6\r\n"
                        "Content-Type: application/x-www-form-urlencoded\r\n"
                        "\r\nname=x");
    has(text, "HTTP/1.1 500 ");
    has(last_log, "inlay_next: the form was read");
    text = ask(fixture, POST("/late", "2", "ab"));
    has(text, "HTTP/1.1 500 ");
    has(last_log, "inlay_next: inlay_read was called");
}

static bool queued_becomes(const struct fixture *fixture, size_t count)
{
    size_t active, queued = 0;

    for (int i = 0; i < 1000 && queued != count; i++) {
        sleep_ms(2);
        inlay_admission_count(fixture->server->admission, &active, &queued);
    }
    return queued == count;
}

static int setup_queue(void **state)
{
    struct fixture *fixture = create();

    fixture->config.limits.concurrency = 1;
    fixture->config.limits.queue = 3;
    start_server(fixture);
    *state = fixture;
    return 0;
}

/* A body that was read already waits with its request for the application. */
static void passes_to_queue(void **state)
{
    struct fixture *fixture = *state;
    static const char whole[] =
        "POST /echo HTTP/1.1\r\n" HOST
        "Content-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"n\":1}";
    static const char chunks[] =
        "POST /echo HTTP/1.1\r\n" HOST
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\n{\"n\r\n4\r\n\":2}\r\n0\r\n\r\n";
    int fds[4];

    for (int i = 0; i < 4; i++)
        fds[i] = open_client(fixture);
    send_text(fds[0], GET("/later?first"));
    assert_true(becomes(&fixture->test.pending, 1));
    send_text(fds[1], whole);
    assert_true(queued_becomes(fixture, 1));
    send_text(fds[2], chunks);
    assert_true(queued_becomes(fixture, 2));
    /* One leaves. */
    send_text(fds[3], whole);
    assert_true(queued_becomes(fixture, 3));
    shutdown(fds[3], SHUT_WR);
    assert_true(queued_becomes(fixture, 2));
    test_handler_release(&fixture->test, fixture->server);
    has(exchange(fds[0], "", "first"), " 200 OK");
    const char *text = exchange(fds[1], "", "{\"n\":1}");
    has(text, " 200 OK");
    lacks(text, "connection: close");
    text = exchange(fds[2], "", "{\"n\":2}");
    has(text, " 200 OK");
    lacks(text, "connection: close");
    for (int i = 0; i < 4; i++)
        close(fds[i]);
}

/* --- The pool ----------------------------------------------------------- */

static void on_pool(void **state)
{
    struct fixture *fixture = *state;
    const char *text = ask(fixture, ASK("/pooled?n=4"));

    has(text, "HTTP/1.1 201 Created\r\n");
    has(text, "x-route: /pooled\r\n");
    has(text, "{\"count\":8}");
    text = ask(fixture, ASK("/pooled?n=-4"));
    has(text, "HTTP/1.1 422 ");
    has(text, "{\"detail\":\"n is -4\"}");
    has(text, "x-route: /pooled\r\n");
    has(ask(fixture, ASK("/pooled?n=x")), "int_parsing");
    has(ask(fixture, ASK("/pooled-wait")), "HTTP/1.1 500 ");
    has(last_log, "pooled_wait is INLAY_ASYNC");
    has(ask(fixture,
            POST("/pooled-body", "26", "[{\"count\":1},{\"count\":2}]\n")),
        "[{\"count\":2},{\"count\":4}]");
    /* The thread serves others meanwhile, and pipelined ones wait. */
    int fd = open_client(fixture);
    send_text(fd, GET("/pooled?n=1&ms=50") GET("/accepted?n=5"));
    has(ask(fixture, ASK("/accepted?n=6")), "{\"count\":6}");
    text = exchange(fd, "", "{\"count\":5}");
    const char *first = strstr(text, "{\"count\":2}");
    assert_true(first && first < strstr(text, "{\"count\":5}"));
    close(fd);
}

static void pool_outlives_client(void **state)
{
    struct fixture *fixture = *state;
    int before = count_ended(fixture);

    for (int i = 0; i < 8; i++) {
        int fd = open_client(fixture);

        send_text(fd, GET("/pooled?n=1&ms=30"));
        sleep_ms(2);
        reset(fd);
    }
    assert_true(ended_becomes(fixture, before + 8));
}

static void pool_full(void **state)
{
    struct fixture *fixture = *state;
    const struct inlay_workers_limits few = {.threads = 1, .queue = 1};
    const struct inlay_workers_limits many = {.threads = 40, .queue = 1000};
    struct inlay_workers_stats stats;
    int fds[2];

    inlay_workers_configure(&few);
    for (int i = 0; i < 2; i++) {
        fds[i] = open_client(fixture);
        send_text(fds[i], GET("/pooled?n=1&ms=100"));
    }
    for (int i = 0; i < 200; i++) {
        inlay_workers_stats(&stats);
        if (stats.waiting == 1)
            break;
        sleep_ms(1);
    }
    assert_int_equal(stats.waiting, 1);
    const char *text = ask(fixture, ASK("/pooled?n=1"));
    has(text, "HTTP/1.1 503 ");
    has(text, "retry-after: 1\r\n");
    for (int i = 0; i < 2; i++) {
        has(exchange(fds[i], "", "{\"count\":2}"), "201");
        close(fds[i]);
    }
    inlay_workers_configure(&many);
}

/* The server ends while functions run, wait for a thread, or sleep. */
static void stops(void **state)
{
    struct fixture *fixture = *state;
    const struct inlay_workers_limits few = {.threads = 1, .queue = 10};
    const struct inlay_workers_limits many = {.threads = 40, .queue = 1000};
    struct inlay_workers_stats stats;
    int fds[4];

    inlay_workers_configure(&few);
    for (int i = 0; i < 4; i++) {
        fds[i] = open_client(fixture);
        send_text(fds[i],
                  i < 3 ? GET("/pooled?n=1&ms=100") : GET("/slept?ms=600000"));
    }
    for (int i = 0; i < 200; i++) {
        inlay_workers_stats(&stats);
        if (stats.waiting == 2)
            break;
        sleep_ms(1);
    }
    destroy_fixture(state);
    for (int i = 0; i < 4; i++) {
        assert_true(is_closed(fds[i]));
        close(fds[i]);
    }
    /* What ran is back, and has put its memory away. */
    for (int i = 0; i < 400; i++) {
        inlay_workers_stats(&stats);
        if (!stats.running && !stats.waiting)
            break;
        sleep_ms(1);
    }
    assert_int_equal(stats.running + stats.waiting, 0);
    inlay_workers_configure(&many);
}

/* --- Providers ---------------------------------------------------------- */

static void provides(void **state)
{
    const char *text = ask(*state, ASK("/greet?user=3&times=2"));

    has(text, "x-user: 3\r\n");
    has(text, "{\"count\":6}");
    /* What is wrong with all of them is said at once. */
    text = ask(*state, ASK("/greet?user=x&times=y"));
    has(text, "HTTP/1.1 422 ");
    const char *user = strstr(text, "[\"query\",\"user\"]");
    assert_true(user && user < strstr(text, "[\"query\",\"times\"]"));
    text = ask(*state, ASK("/greet?user=x&times=2"));
    has(text, "[\"query\",\"user\"]");
    /* It ends the request, in its way. */
    text = ask(*state, ASK("/greet?user=-1&times=2"));
    has(text, "HTTP/1.1 403 ");
    has(text, "not you");
    text = ask(*state, ASK("/greet?user=0&times=2"));
    has(text, "HTTP/1.1 303 ");
    has(text, "location: /login\r\n");
    /* A body that is none is the only thing to be said. */
    text = ask(*state, POST("/greet?user=x", "1", "{"));
    has(text, "json_invalid");
    lacks(text, "int_parsing");
    text = ask(*state, POST("/greet?user=x", "9", "{\"n\":\"y\"}"));
    user = strstr(text, "[\"query\",\"user\"]");
    assert_true(user && user < strstr(text, "[\"body\",\"n\"]"));
    has(ask(*state, POST("/greet?user=5", "7", "{\"n\":3}")), "{\"count\":15}");
}

/* A provider that waits returns nothing: who needs it is not called. */
static void provides_no_more(void **state)
{
    struct fixture *fixture = *state;
    int before = count_ended(fixture);
    int fd = open_client(fixture);

    send_text(fd, GET("/slow-greet"));
    sleep_ms(20);
    reset(fd);
    assert_true(ended_becomes(fixture, before + 1));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, destroy_fixture)
    const struct CMUnitTest tests[] = {
        TEST(says_more),
        TEST(known_already),
        TEST(trailers),
        TEST(redirects),
        TEST(files),
        TEST(waits),
        TEST(many_sleep),
        TEST(client_goes),
        TEST(deaf),
        TEST(streams),
        TEST(cut_in_the_middle),
        TEST(events),
        TEST(slow_reader),
        TEST(uploads),
        TEST(both_ways),
        TEST(passes_on),
        cmocka_unit_test_setup_teardown(passes_to_queue, setup_queue,
                                        destroy_fixture),
        TEST(on_pool),
        TEST(pool_outlives_client),
        TEST(pool_full),
        cmocka_unit_test_setup(stops, setup),
        TEST(provides),
        TEST(provides_no_more),
    };

    return cmocka_run_group_tests(tests, load, NULL);
}
