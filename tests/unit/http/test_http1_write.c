#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/http1.h"

#include "base/banned.h"

static void test_response(void **state)
{
    static const char expected[] = "HTTP/1.1 404 Not Found\r\n"
                                   "content-type: text/plain\r\n"
                                   "x-empty: \r\n"
                                   "\r\n";
    struct inlay_buf out;

    (void)state;
    inlay_buf_init(&out, 4096);
    assert_int_equal(inlay_http1_write_status(&out, 404), 0);
    assert_int_equal(inlay_http1_write_header(&out, INLAY_STR("content-type"),
                                              INLAY_STR("text/plain")),
                     0);
    assert_int_equal(inlay_http1_write_header(&out, INLAY_STR("x-empty"),
                                              inlay_str_make(NULL, 0)),
                     0);
    assert_int_equal(inlay_http1_write_end(&out), 0);
    assert_int_equal(inlay_buf_len(&out), sizeof(expected) - 1);
    assert_memory_equal(out.data, expected, sizeof(expected) - 1);
    inlay_buf_deinit(&out);
}

static void test_status(void **state)
{
    struct inlay_buf out;

    (void)state;
    inlay_buf_init(&out, 4096);
    assert_int_equal(inlay_http1_write_status(&out, 299), 0);
    assert_int_equal(inlay_buf_len(&out), 15);
    assert_memory_equal(out.data, "HTTP/1.1 299 \r\n", 15);
    assert_int_equal(inlay_http1_write_status(&out, 99), -1);
    assert_int_equal(inlay_http1_write_status(&out, 1000), -1);
    assert_int_equal(inlay_buf_len(&out), 15);
    assert_true(inlay_str_is(inlay_http_reason(200), "OK"));
    assert_true(inlay_str_is(inlay_http_reason(431),
                             "Request Header Fields Too Large"));
    assert_int_equal(inlay_http_reason(-1).len, 0);
    inlay_buf_deinit(&out);
}

static void test_limit(void **state)
{
    struct inlay_buf out;

    (void)state;
    inlay_buf_init(&out, 20);
    assert_int_equal(inlay_http1_write_status(&out, 200), 0);
    assert_int_equal(
        inlay_http1_write_header(&out, INLAY_STR("a"), INLAY_STR("b")), -1);
    assert_int_equal(inlay_buf_len(&out), 17);
    inlay_buf_deinit(&out);
}

static void check_chunk(size_t len, const char *expected)
{
    char head[18];
    size_t count = inlay_http1_chunk_head(head, len);

    assert_int_equal(count, strlen(expected));
    assert_memory_equal(head, expected, count);
}

static void test_chunk_head(void **state)
{
    (void)state;
    check_chunk(0, "0\r\n");
    check_chunk(15, "f\r\n");
    check_chunk(16, "10\r\n");
    check_chunk(31, "1f\r\n");
    check_chunk(65536, "10000\r\n");
    check_chunk(SIZE_MAX, "ffffffffffffffff\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_response),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_chunk_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
