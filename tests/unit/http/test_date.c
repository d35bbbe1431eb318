#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/date.h"

#include "base/banned.h"

static void check(time_t now, const char *text)
{
    struct inlay_date date = {0};
    struct inlay_str got = inlay_date_text(&date, now);

    assert_int_equal(got.len, INLAY_DATE_LEN);
    assert_string_equal(got.ptr, text);
}

static void test_text(void **state)
{
    (void)state;
    check(784111777, "Sun, 06 Nov 1994 08:49:37 GMT");
    check(0, "Thu, 01 Jan 1970 00:00:00 GMT");
    check(951782400, "Tue, 29 Feb 2000 00:00:00 GMT");
    check(4102444799, "Thu, 31 Dec 2099 23:59:59 GMT");
}

static void test_remade_when_second_changes(void **state)
{
    struct inlay_date date = {0};

    (void)state;
    inlay_date_text(&date, 784111777);
    date.text[0] = 'X';
    assert_int_equal(inlay_date_text(&date, 784111777).ptr[0], 'X');
    assert_int_equal(inlay_date_text(&date, 784111778).ptr[0], 'S');
    assert_int_equal(inlay_date_text(&date, 784111777).ptr[24], '7');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_remade_when_second_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
