#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/etag.h"

#include "base/banned.h"

static bool listed(const char *list, bool weak)
{
    return inlay_etag_listed(inlay_str_from(list), INLAY_STR("\"a,b\""), weak);
}

static void strong(void **state)
{
    (void)state;
    assert_true(listed("\"a,b\"", false));
    assert_true(listed("*", false));
    assert_true(listed(" \"x\" , \"a,b\"\t", false));
    assert_true(listed("W/\"a,b\", \"a,b\"", false));
    assert_true(listed("\"x\"\"a,b\"", false));
    assert_false(listed("W/\"a,b\"", false));
    assert_false(listed("\"A,B\"", false));
    assert_false(listed("\"x\", \"y\"", false));
}

static void weak(void **state)
{
    (void)state;
    assert_true(listed("W/\"a,b\"", true));
    assert_true(listed("\"a,b\"", true));
    assert_true(listed("\"x\",W/\"a,b\"", true));
    assert_false(listed("w/\"a,b\"", true));
    assert_false(listed("W/\"x\"", true));
}

static void not_valid(void **state)
{
    static const char *const bad[] = {
        "",         "a,b",  "\"",         "\"a,b",      "W/",
        "W/W/",     "W",    "*, *",       "\"x\" *",    ",,,",
        "a,\"a,b",  "\"\"", "'a,b'",      "W/ \"a,b\"", "\"x\";\"a,b\"",
        "(\"a,b\"", "**",   "x, \"a,b\"",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(listed(bad[i], false));
        assert_false(listed(bad[i], true));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strong),
        cmocka_unit_test(weak),
        cmocka_unit_test(not_valid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
