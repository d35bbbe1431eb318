#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/accept.h"

#include "base/banned.h"

static bool allows(const char *accept, const char *types)
{
    const struct inlay_header headers[] = {
        {INLAY_STR("host"), INLAY_STR("x")},
        {INLAY_STR("accept"), inlay_str_from(accept)},
    };

    return inlay_accept_allows(headers, accept ? 2 : 1, inlay_str_from(types));
}

static void test_allows(void **state)
{
    (void)state;
    assert_true(allows(NULL, "text/csv"));
    assert_true(allows("", "text/csv"));
    assert_true(allows("nonsense", "text/csv"));
    assert_true(allows("*/*", "text/csv"));
    assert_true(allows("text/*", "text/csv"));
    assert_true(allows("TEXT/Csv", "text/csv"));
    assert_true(allows("text/html, text/csv;q=0.001", "text/csv"));
    assert_true(allows("text/csv;charset=utf-8", "text/csv"));
    assert_true(allows("text/html,*/*;q=0.8", "text/csv"));
    assert_true(allows("application/json", "text/csv, application/json"));
    assert_true(allows("application/json", "text/csv application/json"));
    assert_false(allows("application/json", "text/csv"));
    assert_false(allows("text/*", "application/json"));
    assert_false(allows("text/csv;q=0", "text/csv"));
    assert_false(allows("text/csv; q=0.000, */*", "text/csv"));
    assert_false(allows("*/*;q=0", "text/csv"));
    assert_false(allows("text/*;q=0, */*", "text/csv"));
    assert_false(allows("text/csv;q=2", "text/csv"));
    assert_true(allows("text/*;q=0, text/csv", "text/csv"));
    assert_true(allows("*/csv, text/csv", "text/csv"));
    assert_false(allows("*/csv", "text/csv"));
}

static void test_several(void **state)
{
    const struct inlay_header headers[] = {
        {INLAY_STR("accept"), INLAY_STR("text/html")},
        {INLAY_STR("accept"), INLAY_STR("text/csv")},
    };

    (void)state;
    assert_true(inlay_accept_allows(headers, 2, INLAY_STR("text/csv")));
    assert_false(inlay_accept_allows(headers, 1, INLAY_STR("text/csv")));
}

static void test_valid(void **state)
{
    (void)state;
    assert_true(inlay_accept_types_valid(INLAY_STR("text/csv")));
    assert_true(inlay_accept_types_valid(INLAY_STR("text/csv , a/b+c")));
    assert_false(inlay_accept_types_valid(INLAY_STR("")));
    assert_false(inlay_accept_types_valid(INLAY_STR("text")));
    assert_false(inlay_accept_types_valid(INLAY_STR("text/")));
    assert_false(inlay_accept_types_valid(INLAY_STR("text/*")));
    assert_false(inlay_accept_types_valid(INLAY_STR("text/csv;q=1")));
    assert_false(inlay_accept_types_valid(INLAY_STR(" , ")));
    assert_true(inlay_accept_types_valid(INLAY_STR("a/b,,c/d ")));
}

static void test_qvalue(void **state)
{
    (void)state;
    assert_int_equal(inlay_accept_qvalue(INLAY_STR("1.000")), 1000);
    assert_int_equal(inlay_accept_qvalue(INLAY_STR("0.5")), 500);
    assert_int_equal(inlay_accept_qvalue(INLAY_STR("0.")), 0);
    assert_int_equal(inlay_accept_qvalue(INLAY_STR("1.001")), 0);
    assert_int_equal(inlay_accept_qvalue(INLAY_STR("x")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allows),
        cmocka_unit_test(test_several),
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_qvalue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
