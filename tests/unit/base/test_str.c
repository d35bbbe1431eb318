#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/macros.h"
#include "base/str.h"

#include "base/banned.h"

static void test_compare(void **state)
{
    struct inlay_str null = {NULL, 0};

    (void)state;
    assert_true(inlay_str_equal(null, INLAY_STR("")));
    assert_true(inlay_str_equal(inlay_str_from(NULL), null));
    assert_true(inlay_str_is(INLAY_STR("a\0b"), "a\0b"));
    assert_false(inlay_str_is(INLAY_STR("a\0b"), "a\0c"));
    assert_false(inlay_str_is(INLAY_STR("a"), "ab"));
    assert_true(inlay_str_starts(INLAY_STR("abc"), INLAY_STR("ab")));
    assert_true(inlay_str_starts(null, null));
    assert_false(inlay_str_starts(INLAY_STR("a"), INLAY_STR("ab")));
    assert_true(
        inlay_str_equal_nocase(INLAY_STR("Host-1@"), INLAY_STR("hOST-1@")));
    /* '@' and '`' differ by the same bit as 'A' and 'a'. */
    assert_false(inlay_str_equal_nocase(INLAY_STR("@"), INLAY_STR("`")));
    assert_false(inlay_str_equal_nocase(INLAY_STR("a"), INLAY_STR("ab")));
    assert_int_equal(inlay_str_hash(INLAY_STR("")), 2166136261u);
    assert_int_equal(inlay_str_hash(INLAY_STR("a")), 0xE40C292Cu);
}

/* At every length, with every byte at every place. */
static void test_lower(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 20; len++) {
        for (int byte = 0; byte < 256; byte++) {
            char text[20], expected[20];

            for (size_t i = 0; i < len; i++) {
                text[i] = (char)(byte + (int)i * 37);
                expected[i] = inlay_ascii_lower(text[i]);
            }
            inlay_ascii_lower_all(text, len);
            assert_memory_equal(text, expected, len);
        }
    }
}

/* A text that is whole and the same in one piece: one has a shorter way. */
static void test_utf8_short(void **state)
{
    char text[80];

    (void)state;
    for (size_t len = 1; len <= sizeof(text); len++) {
        memset(text, 'a', sizeof(text));
        assert_true(inlay_utf8_valid(inlay_str_make(text, len)));
        for (size_t at = 0; at < len; at++) {
            text[at] = (char)0x80;
            assert_false(inlay_utf8_valid(inlay_str_make(text, len)));
            text[at] = 'a';
        }
    }
}

static void test_trim(void **state)
{
    (void)state;
    assert_true(inlay_str_is(inlay_str_trim(INLAY_STR(" \ta b\t ")), "a b"));
    assert_int_equal(inlay_str_trim(INLAY_STR(" \t ")).len, 0);
    assert_int_equal(inlay_str_trim(INLAY_STR("")).len, 0);
    assert_true(inlay_str_is(inlay_str_trim(INLAY_STR("\r\n")), "\r\n"));
}

static void test_utf8(void **state)
{
    static const struct {
        struct inlay_str text;
        bool valid;
    } cases[] = {
        {INLAY_STR(""), true},
        {INLAY_STR("a\0b"), true},
        {INLAY_STR("\xC2\x80"), true},
        {INLAY_STR("\xDF\xBF"), true},
        {INLAY_STR("\xE0\xA0\x80"), true},
        {INLAY_STR("\xED\x9F\xBF"), true},
        {INLAY_STR("\xEE\x80\x80"), true},
        {INLAY_STR("\xF0\x90\x80\x80"), true},
        {INLAY_STR("\xF4\x8F\xBF\xBF"), true},
        {INLAY_STR("\x80"), false},
        {INLAY_STR("\xC0\xAF"), false},
        {INLAY_STR("\xC1\xBF"), false},
        {INLAY_STR("\xC2"), false},
        {INLAY_STR("\xC2\x7F"), false},
        {INLAY_STR("\xE0\x9F\xBF"), false},
        {INLAY_STR("\xE1\x80"), false},
        {INLAY_STR("\xED\xA0\x80"), false},
        {INLAY_STR("\xF0\x8F\xBF\xBF"), false},
        {INLAY_STR("\xF4\x90\x80\x80"), false},
        {INLAY_STR("\xF5\x80\x80\x80"), false},
        {INLAY_STR("\xF0\x90\x80"), false},
        {INLAY_STR("\xFF"), false},
    };

    (void)state;
    for (size_t i = 0; i < inlay_array_size(cases); i++) {
        struct inlay_str text = cases[i].text;
        char padded[64];

        assert_int_equal(inlay_utf8_valid(text), cases[i].valid);
        /* At each place of the words that are read at once. */
        for (size_t before = 0; before < 20; before++) {
            memset(padded, 'x', sizeof(padded));
            memcpy(padded + before, text.ptr, text.len);
            assert_int_equal(
                inlay_utf8_valid(inlay_str_make(padded, sizeof(padded))),
                cases[i].valid);
            assert_int_equal(
                inlay_utf8_valid(inlay_str_make(padded, before + text.len)),
                cases[i].valid);
        }
    }
    assert_int_equal(inlay_utf8_length(INLAY_STR("a\xC3\xA9\xF0\x9F\x98\x80")),
                     3);
}

/* Cut anywhere, the answer is the same, and a wrong byte is refused at once. */
static void test_utf8_pieces(void **state)
{
    static const struct inlay_str texts[] = {
        INLAY_STR("\xce\xba\xe1\xbd\xb9\xcf\x83 \xf0\x9f\x98\x80."),
        INLAY_STR("\xce\xba\xf4\x90\x80\x80 more"),
        INLAY_STR("0123456789\xe0\x9f\xbf"),
        INLAY_STR("\xed\xa0\x80"),
        INLAY_STR("01234567\x80"),
        INLAY_STR("cut \xf0\x9f\x98"),
    };

    (void)state;
    for (size_t i = 0; i < inlay_array_size(texts); i++) {
        struct inlay_str text = texts[i];

        for (size_t a = 0; a <= text.len; a++) {
            for (size_t b = a; b <= text.len; b++) {
                struct inlay_utf8 utf8 = {0};
                bool fine =
                    inlay_utf8_feed(&utf8, inlay_str_make(text.ptr, a)) &&
                    inlay_utf8_feed(&utf8,
                                    inlay_str_make(text.ptr + a, b - a)) &&
                    inlay_utf8_feed(&utf8,
                                    inlay_str_make(text.ptr + b, text.len - b));

                assert_int_equal(fine && !utf8.left, inlay_utf8_valid(text));
            }
        }
    }
    struct inlay_utf8 utf8 = {0};
    assert_true(inlay_utf8_feed(&utf8, INLAY_STR("\xce\xba\xf4")));
    assert_int_equal(utf8.left, 3);
    assert_false(inlay_utf8_feed(&utf8, INLAY_STR("\x90")));
}

static void check_number(uint64_t value)
{
    char text[21], expected[24];

    text[inlay_format_u64(text, value)] = '\0';
    snprintf(expected, sizeof(expected), "%" PRIu64, value);
    assert_string_equal(text, expected);
    text[inlay_format_i64(text, (int64_t)value)] = '\0';
    snprintf(expected, sizeof(expected), "%" PRId64, (int64_t)value);
    assert_string_equal(text, expected);
}

static void test_numbers(void **state)
{
    (void)state;
    check_number(0);
    check_number(UINT64_MAX);
    check_number((uint64_t)INT64_MIN);
    check_number(INT64_MAX);
    for (uint64_t power = 1; power < UINT64_MAX / 10; power *= 10) {
        check_number(power - 1);
        check_number(power);
        check_number(0 - power);
        check_number(power * 9);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare),    cmocka_unit_test(test_trim),
        cmocka_unit_test(test_utf8),       cmocka_unit_test(test_utf8_pieces),
        cmocka_unit_test(test_numbers),    cmocka_unit_test(test_lower),
        cmocka_unit_test(test_utf8_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
