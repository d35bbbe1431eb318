#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/http1.h"

#include "base/banned.h"

static void test_reason(void **state)
{
    (void)state;
    assert_true(inlay_str_is(inlay_http_reason(200), "OK"));
    assert_true(inlay_str_is(inlay_http_reason(431),
                             "Request Header Fields Too Large"));
    assert_int_equal(inlay_http_reason(299).len, 0);
    assert_int_equal(inlay_http_reason(-1).len, 0);
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
        cmocka_unit_test(test_reason),
        cmocka_unit_test(test_chunk_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
