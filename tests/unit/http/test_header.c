#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/header.h"

#include "base/banned.h"

static void test_name(void **state)
{
    static const char chars[] = "!#$%&'*+-.^_`|~0123456789"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz";

    (void)state;
    for (int c = 0; c < 256; c++) {
        char text = (char)c;
        bool token = c && strchr(chars, c);
        assert_int_equal(inlay_header_name_valid(inlay_str_make(&text, 1)),
                         token);
    }
    assert_false(inlay_header_name_valid(INLAY_STR("")));
    assert_true(inlay_header_name_valid(INLAY_STR("x-a")));
    assert_false(inlay_header_name_valid(INLAY_STR("x a")));
}

static void test_value(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char text[] = {'a', (char)c, 'b'};
        bool valid = c == '\t' || (c >= ' ' && c != 0x7f);
        assert_int_equal(inlay_header_value_valid(inlay_str_make(text, 3)),
                         valid);
    }
    assert_true(inlay_header_value_valid(INLAY_STR("")));
}

static void test_token(void **state)
{
    struct inlay_str close = INLAY_STR("close");

    (void)state;
    assert_true(inlay_header_has_token(INLAY_STR("close"), close));
    assert_true(inlay_header_has_token(INLAY_STR("a,\t CLOSE ,b"), close));
    assert_true(inlay_header_has_token(INLAY_STR(",,close"), close));
    assert_false(inlay_header_has_token(INLAY_STR("closed"), close));
    assert_false(inlay_header_has_token(INLAY_STR("x close"), close));
    assert_false(inlay_header_has_token(INLAY_STR(""), close));
    assert_false(inlay_header_has_token(INLAY_STR(","), close));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_name),
        cmocka_unit_test(test_value),
        cmocka_unit_test(test_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
