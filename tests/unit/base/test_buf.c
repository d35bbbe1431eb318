#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"

#include "base/banned.h"

static void test_append(void **state)
{
    struct inlay_buf buf;

    (void)state;
    inlay_buf_init(&buf, 1 << 16);
    assert_int_equal(inlay_buf_len(&buf), 0);
    assert_int_equal(inlay_buf_append(&buf, NULL, 0), 0);
    assert_int_equal(inlay_buf_append_literal(&buf, "ab"), 0);
    assert_int_equal(inlay_buf_append_str(&buf, INLAY_STR("cd")), 0);
    assert_int_equal(inlay_buf_append_char(&buf, 'e'), 0);
    assert_int_equal(inlay_buf_append_u64(&buf, UINT64_MAX), 0);
    assert_int_equal(inlay_buf_append_i64(&buf, INT64_MIN), 0);
    assert_int_equal(inlay_buf_format(&buf, "<%s>", "x"), 0);
    assert_true(
        inlay_str_is(inlay_buf_view(&buf),
                     "abcde18446744073709551615-9223372036854775808<x>"));
    inlay_buf_deinit(&buf);
    assert_null(buf.data);
    assert_int_equal(buf.limit, 1 << 16);
}

static void test_limit(void **state)
{
    struct inlay_buf buf;

    (void)state;
    inlay_buf_init(&buf, 10);
    assert_int_equal(inlay_buf_append_literal(&buf, "0123456789"), 0);
    assert_int_equal(inlay_buf_append_char(&buf, 'x'), -1);
    assert_int_equal(inlay_buf_reserve(&buf, 1), -1);
    assert_int_equal(inlay_buf_reserve(&buf, SIZE_MAX), -1);
    assert_int_equal(inlay_buf_reserve(&buf, SIZE_MAX - 5), -1);
    assert_int_equal(inlay_buf_len(&buf), 10);
    /* The limit counts what is not consumed. */
    inlay_buf_consume(&buf, 4);
    assert_int_equal(inlay_buf_append_literal(&buf, "abcd"), 0);
    assert_int_equal(inlay_buf_append_char(&buf, 'x'), -1);
    assert_true(inlay_str_is(inlay_buf_view(&buf), "456789abcd"));
    inlay_buf_deinit(&buf);
    inlay_buf_init(&buf, 0);
    assert_int_equal(inlay_buf_append(&buf, "", 0), 0);
    assert_int_equal(inlay_buf_append_char(&buf, 'x'), -1);
    inlay_buf_deinit(&buf);
}

/* A stream through a small buffer: it moves, and grows no further. */
static void test_stream(void **state)
{
    struct inlay_buf buf;
    unsigned char next_in = 0, next_out = 0;

    (void)state;
    inlay_buf_init(&buf, 1000);
    for (int i = 0; i < 10000; i++) {
        for (int j = 0; j < i % 97; j++)
            if (inlay_buf_append_char(&buf, (char)next_in) == 0)
                next_in++;
        size_t take = inlay_min(inlay_buf_len(&buf), (size_t)(i % 89));
        for (size_t j = 0; j < take; j++)
            assert_int_equal((unsigned char)buf.data[buf.start + j],
                             next_out++);
        inlay_buf_consume(&buf, take);
        assert_true(inlay_buf_len(&buf) <= 1000);
        assert_true(buf.size <= 4096);
    }
    inlay_buf_deinit(&buf);
}

static void test_clear(void **state)
{
    struct inlay_buf buf;

    (void)state;
    inlay_buf_init(&buf, 1 << 20);
    assert_int_equal(inlay_buf_reserve(&buf, 10000), 0);
    inlay_buf_added(&buf, 0);
    inlay_buf_shrink(&buf, 20000);
    assert_non_null(buf.data);
    inlay_buf_shrink(&buf, 100);
    assert_null(buf.data);
    assert_int_equal(inlay_buf_append_char(&buf, 'x'), 0);
    inlay_buf_consume(&buf, 1);
    assert_int_equal(buf.start, 0);
    assert_int_equal(buf.end, 0);
    inlay_buf_deinit(&buf);
}

static void test_no_memory(void **state)
{
    struct inlay_buf buf;

    (void)state;
    inlay_buf_init(&buf, 1 << 20);
    inlay_mem_fail_after(1);
    assert_int_equal(inlay_buf_append_literal(&buf, "abc"), 0);
    assert_int_equal(inlay_buf_reserve(&buf, 5000), -1);
    assert_int_equal(inlay_buf_format(&buf, "%5000d", 1), -1);
    inlay_mem_fail_after(-1);
    assert_true(inlay_str_is(inlay_buf_view(&buf), "abc"));
    assert_int_equal(inlay_buf_format(&buf, "%5000d", 1), 0);
    assert_int_equal(inlay_buf_len(&buf), 5003);
    inlay_buf_deinit(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append),    cmocka_unit_test(test_limit),
        cmocka_unit_test(test_stream),    cmocka_unit_test(test_clear),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
