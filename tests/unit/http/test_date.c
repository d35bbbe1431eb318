#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/date.h"

#include "base/banned.h"

static void check(time_t now, const char *text)
{
    struct inlay_http_date date = {0};
    struct inlay_str got = inlay_http_date_text(&date, now);

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
    struct inlay_http_date date = {0};

    (void)state;
    inlay_http_date_text(&date, 784111777);
    date.text[0] = 'X';
    assert_int_equal(inlay_http_date_text(&date, 784111777).ptr[0], 'X');
    assert_int_equal(inlay_http_date_text(&date, 784111778).ptr[0], 'S');
    assert_int_equal(inlay_http_date_text(&date, 784111777).ptr[24], '7');
}

static void check_read(const char *text, time_t expected)
{
    time_t got = -1;

    assert_int_equal(inlay_date_read(inlay_str_from(text), &got), 0);
    assert_int_equal(got, expected);
}

static void test_read(void **state)
{
    (void)state;
    check_read("Sun, 06 Nov 1994 08:49:37 GMT", 784111777);
    check_read("Sunday, 06-Nov-94 08:49:37 GMT", 784111777);
    check_read("Sun Nov  6 08:49:37 1994", 784111777);
    check_read("Thu, 01 Jan 1970 00:00:00 GMT", 0);
    check_read("Mon, 01 Jan 1900 00:00:00 GMT", -2208988800);
    check_read("Tuesday, 01-Jan-69 00:00:00 GMT", 3124224000);
    check_read("Fri, 31 Dec 9999 23:59:60 GMT", 253402300800);
    for (time_t at = 1; at < 4000000000; at += 86399 * 7) {
        struct inlay_http_date date = {0};

        check_read(inlay_http_date_text(&date, at).ptr, at);
    }
}

static void test_not_a_date(void **state)
{
    static const char *const bad[] = {
        "Sun, 06 Nov 1994 hh:mm:ss GMT",
        "Sun, 06 Nov 1994 08:49:3s GMT",
        "",
        "0",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 06 Nox 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov -994 08:49:37 GMT",
        "Sun, 06 Nov 1899 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "S,n, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "1994-11-06T08:49:37Z",
    };
    time_t got;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(inlay_date_read(inlay_str_from(bad[i]), &got), -1);
    assert_int_equal(inlay_date_read(inlay_str_make("Sun, 06 Nov\0"
                                                    "1994 08:49:37 GMT",
                                                    29),
                                     &got),
                     -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_remade_when_second_changes),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_not_a_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
