#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "serve/access_log.h"
#include "serve/server.h"

#include "base/banned.h"

static struct inlay_server server;
static struct inlay_io_thread thread;
static struct inlay_request request;
static struct inlay_arena arena;
static struct inlay_address client;
static struct inlay_header headers[4];

static const struct inlay_handler_ops native_ops = {.kind = "native"};
static struct inlay_handler handler = {&native_ops};

/* A request to be changed, and the error of the format. */
static struct inlay_error *prepare(const char *format)
{
    inlay_buf_deinit(&thread.access.buf);
    inlay_arena_deinit(&arena);
    inlay_arena_init(&arena, 1u << 20);
    server = (struct inlay_server){.access_out = {.pid = 77}};
    thread = (struct inlay_io_thread){.server = &server};
    inlay_list_init(&thread.loop.later);
    inlay_list_init(&thread.access.flush.node);
    inlay_timer_init(&thread.access.again);
    inlay_buf_init(&thread.access.buf, 4096);
    client = (struct inlay_address){.host = "10.0.0.1", .port = 5000};
    headers[0] = (struct inlay_header){INLAY_STR("user-agent"),
                                       INLAY_STR("agent 1 \"x\"\n")};
    headers[1] = (struct inlay_header){
        INLAY_STR("traceparent"),
        INLAY_STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")};
    headers[2] = (struct inlay_header){INLAY_STR("x-a"), INLAY_STR("caf\xe9")};
    request = (struct inlay_request){
        .thread = &thread,
        .client = &client,
        .method = INLAY_STR("GET"),
        .raw_path = INLAY_STR("/p"),
        .query = INLAY_STR("q=1"),
        .headers = headers,
        .nheaders = 3,
        .http_major = 1,
        .http_minor = 1,
        .scheme = INLAY_STR("http"),
        .handler = &handler,
        .route = INLAY_STR("/{p}"),
        .id = INLAY_STR("r1"),
        .status = 200,
        .started = true,
        .sent = 12,
    };
    return inlay_access_format_create(&arena, inlay_str_from(format),
                                      &server.access);
}

/* The lines written so far; kept until the next call. */
static const char *lines(void)
{
    static char text[4096];
    struct inlay_str all = inlay_buf_view(&thread.access.buf);

    memset(text, 0, sizeof(text));
    if (all.len && all.len < sizeof(text))
        memcpy(text, all.ptr, all.len);
    return text;
}

/* Do they contain that? */
static bool written(const char *part)
{
    return strstr(lines(), part) != NULL;
}

static void becomes(const char *line)
{
    struct inlay_str text;

    inlay_buf_clear(&thread.access.buf);
    inlay_access_log_add(&request, 499);
    text = inlay_buf_view(&thread.access.buf);
    if (!inlay_str_equal(text, inlay_str_from(line)))
        print_error("%.*s", inlay_str_arg(text));
    assert_true(inlay_str_equal(text, inlay_str_from(line)));
}

static void gives(const char *format, const char *line)
{
    assert_null(prepare(format));
    becomes(line);
}

static void uvicorns(void **state)
{
    (void)state;
    gives("uvicorn",
          "INFO:     10.0.0.1:5000 - \"GET /p?q=1 HTTP/1.1\" 200 OK\n");
    request.status = 0;
    becomes("INFO:     10.0.0.1:5000 - \"GET /p?q=1 HTTP/1.1\" 499 Client "
            "Closed Request\n");
    request.status = 200;
    /* A client of a Unix socket chooses the path that it is called by. */
    client = (struct inlay_address){.host = "/tmp/a\nb", .port = -1};
    request.raw_path = INLAY_STR("/\x1b");
    request.query = INLAY_STR("\"\\");
    becomes("INFO:     /tmp/a\\x0ab - \"GET /\\x1b?\\x22\\x5c HTTP/1.1\" 200 "
            "OK\n");
    request.unlogged = true;
    becomes("");
}

static void websockets(void **state)
{
    (void)state;
    assert_null(prepare("uvicorn"));
    request.websocket = true;
    request.status = 403;
    becomes("INFO:     10.0.0.1:5000 - \"WebSocket /p?q=1\" 403\n");
    request.status = 101;
    becomes("");
    inlay_access_log_accepted(&request);
    assert_true(inlay_str_is(
        inlay_buf_view(&thread.access.buf),
        "INFO:     10.0.0.1:5000 - \"WebSocket /p?q=1\" [accepted]\n"));
    assert_null(prepare("fields"));
    request.websocket = true;
    request.status = 101;
    inlay_access_log_accepted(&request);
    assert_true(inlay_str_is(inlay_buf_view(&thread.access.buf),
                             "10.0.0.1:5000\tWebSocket\t/p?q=1\t\t101\n"));
    assert_null(prepare("%(s)s"));
    request.websocket = true;
    request.status = 101;
    inlay_access_log_accepted(&request);
    assert_int_equal(inlay_buf_len(&thread.access.buf), 0);
    becomes("101\n");
}

static void texts(void **state)
{
    (void)state;
    gives("%(h)s %(l)s %(u)s \"%(r)s\" %(m)s %(U)s %(q)s %(H)s %(s)s %(B)s "
          "%(b)s \"%(f)s\" \"%(a)s\" %(p)s",
          "10.0.0.1 - - \"GET /p?q=1 HTTP/1.1\" GET /p q=1 HTTP/1.1 200 12 12 "
          "\"-\" \"agent 1 \\x22x\\x22\\x0a\" 77\n");
    gives("%(addr)s %(method)s %(path)s?%(query_string)s %(scheme)s "
          "%(protocol)s %(status)d 100%%",
          "10.0.0.1 GET /p?q=1 http HTTP/1.1 200 100%\n");
    gives("%(client_addr)s %(request_line)s %(full_path)s %(http_version)s "
          "%(port)s %(reason)s",
          "10.0.0.1:5000 GET /p?q=1 HTTP/1.1 /p?q=1 1.1 5000 OK\n");
    gives("%(request_id)s %(trace_id)s %(worker)s %(kind)s %(route)s",
          "r1 0af7651916cd43dd8448eb211c80319c 77 native /{p}\n");
    gives("%({X-A}i)s %(header{x-a})s %({user-agent}i)s %({none}i)s",
          "caf\\xe9 caf\\xe9 agent 1 \\x22x\\x22\\x0a -\n");
    gives("%(b)s", "12\n");
    request.sent = 0;
    becomes("-\n");
    gives("fields", "10.0.0.1:5000\tGET\t/p?q=1\t1.1\t200\n");
    request.raw_path = INLAY_STR("/\t");
    becomes("10.0.0.1:5000\tGET\t/\\x09?q=1\t1.1\t200\n");
}

static void answer_headers(void **state)
{
    static const struct inlay_str values[] = {INLAY_STR("text/plain"),
                                              INLAY_STR("")};

    (void)state;
    gives("%({Content-Type}o)s %({etag}o)s", "- -\n");
    assert_int_equal(server.access->nanswer_headers, 2);
    assert_true(inlay_str_is(server.access->answer_headers[0], "content-type"));
    request.logged = values;
    becomes("text/plain -\n");
}

static void json(void **state)
{
    (void)state;
    assert_null(prepare("json"));
    assert_true(server.access->timed);
    inlay_access_log_add(&request, 499);
    /* {"time":"2000-10-10T11:55:36.123Z", */
    assert_memory_equal(lines(), "{\"time\":\"20", 11);
    assert_string_equal(
        lines() + 32,
        "Z\",\"client\":\"10.0.0.1\",\"method\":\"GET\",\"path\":\"/p\","
        "\"query\":\"q=1\",\"protocol\":\"HTTP/1.1\",\"status\":200,"
        "\"bytes\":12,\"duration_ms\":null,\"queue_ms\":null,"
        "\"request_id\":\"r1\","
        "\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\",\"worker\":77,"
        "\"user_agent\":\"agent 1 \\\"x\\\"\\u000a\",\"referer\":null,"
        "\"kind\":\"native\",\"route\":\"/{p}\"}\n");
    headers[0].value = INLAY_STR("caf\xe9");
    inlay_access_log_add(&request, 499);
    assert_true(written("\"caf\\u00e9\""));
    headers[0].value = INLAY_STR("caf\xc3\xa9");
    inlay_access_log_add(&request, 499);
    assert_true(written("\"caf\xc3\xa9\""));
}

static void durations(void **state)
{
    unsigned long us, ms, s;
    double real, dt;
    (void)state;
    assert_null(prepare("%(D)s %(M)s %(T)s %(L)s %(dt_ms).3f %(queue_ms).1f"));
    assert_true(server.access->timed);
    request.began = inlay_clock_ns() - 2345678901u;
    request.queue_ns = 1250000;
    inlay_access_log_add(&request, 499);
    assert_int_equal(
        sscanf(lines(), "%lu %lu %lu %lf %lf 1.2\n", &us, &ms, &s, &real, &dt),
        5);
    assert_true(us >= 2345678 && us < 10000000);
    assert_int_equal(ms, us / 1000);
    assert_int_equal(s, us / 1000000);
    assert_true(real * 1e6 >= (double)us && real * 1e6 < (double)us + 2);
    assert_true(dt * 1e3 >= (double)us - 1);
    assert_true(written(" 1.2\n"));
    assert_null(prepare("%(s)s %(t)s"));
    assert_false(server.access->timed);
}

static void times(void **state)
{
    int day, year, hour, minute, second;
    char month[4], zone[6];

    (void)state;
    assert_null(prepare("%(t)s|%(time)s"));
    inlay_access_log_add(&request, 499);
    assert_int_equal(sscanf(lines(), "[%d/%3s/%d:%d:%d:%d %5s]|", &day, month,
                            &year, &hour, &minute, &second, zone),
                     7);
    assert_true(year >= 2024 && day <= 31 && hour < 24 && minute < 60);
}

static void refused(void **state)
{
    (void)state;
    assert_null(prepare("combined"));
    inlay_access_log_refused(&thread, &client, 400);
    assert_memory_equal(lines(), "10.0.0.1 - - [", 14);
    assert_true(written("] \"-\" 400 - \"-\" \"-\"\n"));
    assert_null(prepare("uvicorn"));
    inlay_access_log_refused(&thread, &client, 408);
    assert_true(
        inlay_str_is(inlay_buf_view(&thread.access.buf),
                     "INFO:     10.0.0.1:5000 - \"-\" 408 Request Timeout\n"));
    assert_null(prepare("json"));
    inlay_access_log_refused(&thread, &client, 400);
    assert_true(written("\"method\":null,\"path\":null,\"query\":null,"
                        "\"protocol\":null,\"status\":400"));
}

/* A line goes whole or not at all. */
static void keeps_lines_whole(void **state)
{
    (void)state;
    assert_null(prepare("uvicorn"));
    inlay_buf_deinit(&thread.access.buf);
    inlay_buf_init(&thread.access.buf, 130);
    for (int i = 0; i < 5; i++)
        inlay_access_log_add(&request, 499);
    size_t len = strlen(lines());
    assert_int_equal(len, 2 * 55);
    assert_int_equal(lines()[len - 1], '\n');
    assert_int_equal(thread.access.dropped, 3);
}

static void refuses_formats(void **state)
{
    static const struct {
        const char *format, *message;
    } bad[] = {
        {"nginx", "neither uvicorn, common, combined or json"},
        {"%(x)s", "no such name"},
        {"%(x)s tail", "at \"%(x)s tail\""},
        {"%(h", "parenthesis is not closed"},
        {"%(h)", "ends in s"},
        {"%(h)x", "ends in s"},
        {"100%", "another %"},
        {"%h", "another %"},
        {"%(h)s\n", "control characters"},
        {"%({x-a)s", "brace is not closed"},
        {"%(}x{i)s", "brace is not closed"},
        {"%({}i)s", "no header name"},
        {"%({x}e)s", "{name}i"},
    };

    (void)state;
    for (size_t i = 0; i < inlay_array_size(bad); i++) {
        struct inlay_error *error = prepare(bad[i].format);

        assert_non_null(error);
        assert_int_equal(error->code, INLAY_ERROR_VALUE);
        if (!strstr(error->message, bad[i].message))
            print_error("%s: %s\n", bad[i].format, error->message);
        assert_non_null(strstr(error->message, bad[i].message));
        assert_non_null(strstr(error->message, "access_log_format"));
        inlay_error_destroy(error);
    }
}

static int deinit(void **state)
{
    (void)state;
    inlay_buf_deinit(&thread.access.buf);
    inlay_arena_deinit(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uvicorns),
        cmocka_unit_test(websockets),
        cmocka_unit_test(texts),
        cmocka_unit_test(answer_headers),
        cmocka_unit_test(json),
        cmocka_unit_test(durations),
        cmocka_unit_test(times),
        cmocka_unit_test(refused),
        cmocka_unit_test(keeps_lines_whole),
        cmocka_unit_test(refuses_formats),
    };

    return cmocka_run_group_tests(tests, NULL, deinit);
}
