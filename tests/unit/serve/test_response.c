/* response.c above a protocol that only notes what it is told. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "serve/response.h"
#include "serve/server.h"

#include "base/banned.h"

struct noted {
    struct inlay_request request; /* first */
    struct inlay_io_thread thread;
    struct inlay_server server;
    char headers[2048], body[2048];
    size_t headers_len, body_len;
    int started, ended, aborted, informed, trailers;
    int fail_start;
};

static struct noted *of(const struct inlay_request *request)
{
    return (struct noted *)(uintptr_t)request;
}

static int note_start(struct inlay_request *request,
                      const struct inlay_header *headers,
                      size_t nheaders)
{
    struct noted *noted = of(request);

    if (noted->fail_start)
        return -1;
    noted->started++;
    for (size_t i = 0; i < nheaders; i++)
        noted->headers_len += (size_t)snprintf(
            noted->headers + noted->headers_len,
            sizeof(noted->headers) - noted->headers_len, "%.*s=%.*s;",
            inlay_str_arg(headers[i].name), inlay_str_arg(headers[i].value));
    return 0;
}

static int note_write(struct inlay_request *request, struct inlay_str bytes)
{
    struct noted *noted = of(request);

    assert_true(bytes.len < sizeof(noted->body) - noted->body_len);
    memcpy(noted->body + noted->body_len, bytes.ptr, bytes.len);
    noted->body_len += bytes.len;
    return 0;
}

static int note_write_chunk(struct inlay_request *request,
                            struct inlay_chunk *chunk)
{
    int status = note_write(request, inlay_str_make(chunk->data, chunk->len));

    inlay_chunk_destroy(chunk);
    return status;
}

static int note_inform(struct inlay_request *request,
                       int status,
                       const struct inlay_header *headers,
                       size_t nheaders)
{
    of(request)->informed++;
    assert_true(status > 101 && status < 200);
    return nheaders && headers ? 0 : -1;
}

static int note_trailers(struct inlay_request *request,
                         const struct inlay_header *headers,
                         size_t nheaders)
{
    of(request)->trailers++;
    assert_true(request->chunked);
    return nheaders && headers ? 0 : -1;
}

static void note_end(struct inlay_request *request)
{
    of(request)->ended++;
}

static void note_abort(struct inlay_request *request)
{
    of(request)->aborted++;
}

static const struct inlay_stream_ops note_ops = {
    .start = note_start,
    .write = note_write,
    .write_chunk = note_write_chunk,
    .inform = note_inform,
    .trailers = note_trailers,
    .end = note_end,
    .abort = note_abort,
};

static struct noted noted;

static struct inlay_request *begin(enum inlay_method method, int minor)
{
    inlay_arena_deinit(&noted.request.arena);
    memset(&noted, 0, sizeof(noted));
    inlay_arena_init(&noted.request.arena, 1u << 20);
    noted.request.thread = &noted.thread;
    noted.thread.server = &noted.server;
    noted.request.method_id = method;
    noted.request.http_major = 1;
    noted.request.http_minor = (uint8_t)minor;
    noted.request.length = -1;
    noted.request.native_allow = INLAY_STR("");
    noted.request.stream = &note_ops;
    return &noted.request;
}

static struct inlay_header header(const char *name, const char *value)
{
    return (struct inlay_header){inlay_str_from(name), inlay_str_from(value)};
}

static int start_one(const char *name, const char *value, int status)
{
    struct inlay_header one = header(name, value);

    begin(INLAY_METHOD_GET, 1);
    return inlay_response_start(&noted.request, status, &one, 1, -1);
}

static void drops_framing(void **state)
{
    (void)state;
    const struct inlay_header headers[] = {
        header("X-A", "1"),
        header("Transfer-Encoding", "chunked"),
        header("Connection", "keep-alive, Close"),
        header("keep-alive", "timeout=5"),
        header("UPGRADE", "h2c"),
        header("Set-Cookie", "a=1"),
        header("set-cookie", "b=2"),
        header("Server", "mine"),
        header("Allow", "PUT"),
    };
    struct inlay_request *request = begin(INLAY_METHOD_GET, 1);

    assert_int_equal(inlay_response_start(request, 200, headers,
                                          inlay_array_size(headers), -1),
                     0);
    assert_string_equal(noted.headers, "X-A=1;Set-Cookie=a=1;set-cookie=b=2;"
                                       "Server=mine;allow=PUT;");
    assert_true(request->close && request->chunked && request->has_server);
    assert_false(request->has_date);
    assert_int_equal(inlay_response_start(request, 200, NULL, 0, -1), -1);
}

static void many_headers(void **state)
{
    struct inlay_header headers[100];

    (void)state;
    begin(INLAY_METHOD_GET, 1);
    for (size_t i = 0; i < inlay_array_size(headers); i++)
        headers[i] = header("x", "y");
    noted.request.native_allow = INLAY_STR("GET");
    assert_int_equal(inlay_response_start(&noted.request, 405, headers, 100, 0),
                     0);
    assert_int_equal(noted.headers_len, 100 * 4 + sizeof("allow=GET;") - 1);
}

static void refuses_headers(void **state)
{
    (void)state;
    assert_int_equal(start_one("x-a", "1\r\nx-evil: 2", 200), -1);
    assert_int_equal(start_one("x-a", "a\nb", 200), -1);
    assert_int_equal(start_one("x a", "1", 200), -1);
    assert_int_equal(start_one("", "1", 200), -1);
    assert_int_equal(start_one("x:", "1", 200), -1);
    assert_int_equal(start_one("x-a", "1", 199), -1);
    assert_int_equal(start_one("x-a", "1", 101), -1);
    assert_int_equal(start_one("x-a", "1", 1000), -1);
    assert_int_equal(start_one("x-a", "1", -200), -1);
    assert_int_equal(noted.started, 0);
    assert_int_equal(start_one("x-a", "caf\xe9\t1", 599), 0);
}

static void reads_content_length(void **state)
{
    static const char *const bad[] = {
        "",
        "-1",
        "+1",
        "1 2",
        "1,1",
        "0x1",
        "9223372036854775808",
        "1e3",
        "١",
        "99999999999999999999999",
    };
    const struct inlay_header two[] = {
        header("content-length", "1"),
        header("Content-Length", "1"),
    };

    (void)state;
    for (size_t i = 0; i < inlay_array_size(bad); i++)
        assert_int_equal(start_one("content-length", bad[i], 200), -1);
    assert_int_equal(start_one("Content-Length", " 12 ", 200), 0);
    assert_int_equal(noted.request.length, 12);
    assert_false(noted.request.chunked);
    assert_string_equal(noted.headers, "");
    begin(INLAY_METHOD_GET, 1);
    assert_int_equal(inlay_response_start(&noted.request, 200, two, 2, -1), -1);
}

static void frames(void **state)
{
    struct inlay_request *request;

    (void)state;
    request = begin(INLAY_METHOD_GET, 1);
    assert_int_equal(inlay_response_start(request, 200, NULL, 0, 5), 0);
    assert_true(request->length == 5 && !request->chunked && !request->close);
    request = begin(INLAY_METHOD_GET, 0);
    assert_int_equal(inlay_response_start(request, 200, NULL, 0, -1), 0);
    assert_true(!request->chunked && request->close);
    request = begin(INLAY_METHOD_HEAD, 1);
    assert_int_equal(inlay_response_start(request, 200, NULL, 0, 5), 0);
    assert_true(request->length == 5 && request->head_only);
    request = begin(INLAY_METHOD_HEAD, 0);
    assert_int_equal(inlay_response_start(request, 200, NULL, 0, -1), 0);
    assert_true(!request->close && !request->chunked);
    start_one("content-length", "5", 204);
    assert_true(noted.request.length == -1 && noted.request.head_only);
    start_one("content-length", "5", 304);
    assert_true(noted.request.length == 5 && noted.request.head_only);
    request = begin(INLAY_METHOD_GET, 1);
    noted.thread.draining = true;
    assert_int_equal(inlay_response_start(request, 200, NULL, 0, -1), 0);
    assert_true(request->close);
}

static void cuts_and_counts(void **state)
{
    struct inlay_request *request = begin(INLAY_METHOD_GET, 1);

    (void)state;
    assert_int_equal(inlay_response_write(request, INLAY_STR("x")), -1);
    inlay_response_start(request, 200, NULL, 0, 4);
    assert_int_equal(inlay_response_write(request, INLAY_STR("abc")), 0);
    struct inlay_chunk *chunk = inlay_chunk_create(3);
    assert_non_null(chunk);
    memcpy(chunk->data, "def", 3);
    assert_int_equal(inlay_response_write_chunk(request, chunk), 0);
    assert_int_equal(inlay_response_write(request, INLAY_STR("ghi")), 0);
    assert_memory_equal(noted.body, "abcd", 5);
    assert_true(request->close);
    inlay_response_end(request);
    assert_int_equal(noted.ended, 1);
    request = begin(INLAY_METHOD_GET, 1);
    inlay_response_start(request, 200, NULL, 0, 4);
    inlay_response_write(request, INLAY_STR("abc"));
    inlay_response_end(request);
    assert_true(noted.aborted == 1 && noted.ended == 0);
    request = begin(INLAY_METHOD_HEAD, 1);
    inlay_response_start(request, 200, NULL, 0, 4);
    inlay_response_write(request, INLAY_STR("abcdef"));
    inlay_response_end(request);
    assert_true(noted.ended == 1 && noted.body_len == 0 && !request->close);
}

static void whole_answers(void **state)
{
    struct inlay_request *request = begin(INLAY_METHOD_GET, 1);
    struct inlay_header evil = header("x", "a\nb");

    (void)state;
    inlay_response_error(request, 404, INLAY_STR("a \"b\"\\\n\xc3\xa9"));
    assert_string_equal(noted.headers, "content-type=application/json;");
    assert_string_equal(noted.body,
                        "{\"detail\":\"a \\\"b\\\"\\\\\\u000a\xc3\xa9\"}");
    assert_true(noted.ended == 1 && request->length == (int)noted.body_len);
    request = begin(INLAY_METHOD_GET, 1);
    inlay_response_error(request, 404, INLAY_STR("bad \xff"));
    assert_string_equal(noted.body, "{\"detail\":\"bad ?\"}");
    request = begin(INLAY_METHOD_GET, 1);
    inlay_response_send_with(request, 200, &evil, 1, INLAY_STR("x"));
    assert_int_equal(request->status, 500);
    assert_int_equal(noted.ended, 1);
    request = begin(INLAY_METHOD_GET, 1);
    inlay_response_end(request);
    assert_int_equal(request->status, 500);
    request = begin(INLAY_METHOD_GET, 1);
    noted.fail_start = 1;
    inlay_response_send(request, 200, INLAY_STR("a/b"), INLAY_STR("x"));
    assert_true(noted.aborted == 1 && noted.ended == 0);
}

static int inform(int minor, int status, const char *name, const char *value)
{
    struct inlay_header one = header(name, value);

    begin(INLAY_METHOD_GET, minor);
    return inlay_response_inform(&noted.request, status, &one, 1);
}

static void informs(void **state)
{
    (void)state;
    assert_int_equal(inform(1, 103, "link", "</a>; rel=preload"), 0);
    assert_int_equal(noted.informed, 1);
    /* A client of HTTP/1.0 knows of no 1xx. */
    assert_int_equal(inform(0, 103, "link", "</a>"), 0);
    assert_int_equal(noted.informed, 0);
    assert_int_equal(inform(1, 101, "link", "</a>"), -1);
    assert_int_equal(inform(1, 200, "link", "</a>"), -1);
    assert_int_equal(inform(1, 99, "link", "</a>"), -1);
    assert_int_equal(inform(1, 103, "link", "a\r\nb: c"), -1);
    assert_int_equal(inform(1, 103, "li nk", "a"), -1);
    assert_int_equal(inform(1, 103, "Content-Length", "1"), -1);
    assert_int_equal(inform(1, 103, "transfer-encoding", "chunked"), -1);
    assert_int_equal(noted.informed, 0);
    begin(INLAY_METHOD_GET, 1);
    inlay_response_start(&noted.request, 200, NULL, 0, -1);
    assert_int_equal(inlay_response_inform(&noted.request, 103, NULL, 0), -1);
    assert_int_equal(noted.informed, 0);
}

static int trail(int64_t length, const char *name, const char *value)
{
    struct inlay_header one = header(name, value);

    begin(INLAY_METHOD_GET, 1);
    inlay_response_start(&noted.request, 200, NULL, 0, length);
    return inlay_response_trailers(&noted.request, &one, 1);
}

static void trails(void **state)
{
    (void)state;
    assert_int_equal(trail(-1, "x-checksum", "1"), 0);
    assert_int_equal(noted.trailers, 1);
    assert_int_equal(inlay_response_write(&noted.request, INLAY_STR("x")), -1);
    assert_int_equal(inlay_response_trailers(&noted.request, NULL, 0), -1);
    assert_int_equal(noted.body_len, 0);
    /* No room for them. */
    assert_int_equal(trail(0, "x-checksum", "1"), 0);
    assert_int_equal(noted.trailers, 0);
    assert_int_equal(trail(-1, "x", "1\r\ny: 2"), -1);
    assert_int_equal(trail(-1, "Content-Length", "1"), -1);
    assert_int_equal(trail(-1, "transfer-encoding", "chunked"), -1);
    assert_int_equal(trail(-1, "Set-Cookie", "a=b"), -1);
    assert_int_equal(trail(-1, "location", "/"), -1);
    begin(INLAY_METHOD_GET, 1);
    assert_int_equal(inlay_response_trailers(&noted.request, NULL, 0), -1);
    assert_int_equal(noted.trailers, 0);
}

/* Whatever becomes of the answer, the descriptor is taken over. */
static void closes_files(void **state)
{
    struct inlay_request *request = begin(INLAY_METHOD_HEAD, 1);
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)state;
    assert_int_equal(inlay_response_write_file(request, fd, 0, 1), -1);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    inlay_response_start(request, 200, NULL, 0, 1);
    assert_int_equal(inlay_response_write_file(request, fd, 0, 1), 0);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    request = begin(INLAY_METHOD_GET, 1);
    inlay_response_start(request, 200, NULL, 0, INT64_MAX);
    assert_int_equal(inlay_response_write_file(request, fd, INT64_MAX, 2), -1);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void merges_allow(void **state)
{
    struct inlay_header allow = header("allow", "POST, get");
    struct inlay_request *request = begin(INLAY_METHOD_PUT, 1);

    (void)state;
    request->native_allow = INLAY_STR("GET, HEAD");
    inlay_response_send_with(request, 405, &allow, 1, INLAY_STR(""));
    assert_string_equal(noted.headers, "allow=POST, get, HEAD;");
    request = begin(INLAY_METHOD_PUT, 1);
    request->native_allow = INLAY_STR("GET, HEAD");
    inlay_response_send_with(request, 405, NULL, 0, INLAY_STR(""));
    assert_string_equal(noted.headers, "allow=GET, HEAD;");
    request = begin(INLAY_METHOD_PUT, 1);
    request->native_allow = INLAY_STR("GET, HEAD");
    inlay_response_send_with(request, 200, NULL, 0, INLAY_STR(""));
    assert_string_equal(noted.headers, "");
    inlay_arena_deinit(&request->arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drops_framing),
        cmocka_unit_test(many_headers),
        cmocka_unit_test(refuses_headers),
        cmocka_unit_test(reads_content_length),
        cmocka_unit_test(frames),
        cmocka_unit_test(cuts_and_counts),
        cmocka_unit_test(whole_answers),
        cmocka_unit_test(informs),
        cmocka_unit_test(trails),
        cmocka_unit_test(closes_files),
        cmocka_unit_test(merges_allow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
