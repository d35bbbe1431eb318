#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macros.h"
#include "http/accept_encoding.h"

#include "base/banned.h"

static const enum inlay_coding all[] = {INLAY_CODING_ZSTD, INLAY_CODING_BR,
                                        INLAY_CODING_GZIP};

/* "zstd", "br", "gzip" or "identity", of all three. */
static const char *chosen(const char *value)
{
    struct inlay_header headers[] = {
        {INLAY_STR("accept"), INLAY_STR("zstd")},
        {INLAY_STR("accept-encoding"), inlay_str_from(value)},
    };

    return inlay_coding_name(inlay_coding_choose(headers, value ? 2 : 1, all,
                                                 inlay_array_size(all)))
        .ptr;
}

static void browsers_and_tools(void **state)
{
    (void)state;
    assert_string_equal(chosen("gzip, deflate, br, zstd"), "zstd");
    assert_string_equal(chosen("gzip, deflate, br"), "br");
    assert_string_equal(chosen("gzip, deflate"), "gzip");
    assert_string_equal(chosen("gzip"), "gzip");
    assert_string_equal(chosen("X-GZIP"), "gzip");
    assert_string_equal(chosen("deflate"), "identity");
    assert_string_equal(chosen(NULL), "identity");
    assert_string_equal(chosen(""), "identity");
    assert_string_equal(chosen("*"), "zstd");
}

static void weights(void **state)
{
    (void)state;
    assert_string_equal(chosen("gzip;q=1.0, br;q=0.9"), "gzip");
    assert_string_equal(chosen("gzip;q=0.5 , br ; q=0.5"), "br");
    assert_string_equal(chosen("gzip;Q=0.501, br;q=0.5"), "gzip");
    assert_string_equal(chosen("gzip;q=0, br;q=0.001"), "br");
    assert_string_equal(chosen("gzip;q=0"), "identity");
    assert_string_equal(chosen("gzip;q=0.000, *;q=0"), "identity");
    assert_string_equal(chosen("*, zstd;q=0"), "br");
    assert_string_equal(chosen("*;q=0.3, gzip;q=0.4"), "gzip");
    assert_string_equal(chosen("zstd;q=1.000,br"), "zstd");
}

static void identity(void **state)
{
    (void)state;
    assert_string_equal(chosen("identity"), "identity");
    assert_string_equal(chosen("identity, gzip"), "gzip");
    assert_string_equal(chosen("identity, gzip;q=0.9"), "identity");
    assert_string_equal(chosen("identity;q=0.5, gzip;q=0.9"), "gzip");
    assert_string_equal(chosen("identity;q=0, gzip;q=0.1"), "gzip");
    assert_string_equal(chosen("*;q=0.8, zstd;q=0, br;q=0, gzip;q=0.5"),
                        "identity");
    /* Nothing is acceptable: what most can read. */
    assert_string_equal(chosen("identity;q=0"), "identity");
    assert_string_equal(chosen("*;q=0"), "identity");
}

static void what_is_not_valid(void **state)
{
    static const char *const bad[] = {
        "gzip;q=1.001",    "gzip;q=2",     "gzip;q=-1",    "gzip;q=",
        "gzip;q=0.5555",   "gzip;level=1", "gzip;q=1;x=1", "gzip;q=.5",
        "gzip;q=1e0",      "gzip q=1",     "gzi\tp",       ";q=1",
        ",,;,;;,gzip;q==", "gzip;q = 1",   "*gzip",
    };

    (void)state;
    for (size_t i = 0; i < inlay_array_size(bad); i++)
        assert_string_equal(chosen(bad[i]), "identity");
    assert_string_equal(chosen(" ,gzip;, br;q=nope,"), "gzip");
    assert_string_equal(chosen("br;q=1;, zstd;q=0."), "br");
}

static void several_fields_and_offers(void **state)
{
    const struct inlay_header headers[] = {
        {INLAY_STR("accept-encoding"), INLAY_STR("br;q=0.2")},
        {INLAY_STR("accept-encoding"), INLAY_STR("gzip;q=0.1")},
    };
    const enum inlay_coding swapped[] = {INLAY_CODING_GZIP, INLAY_CODING_BR};

    (void)state;
    assert_int_equal(inlay_coding_choose(headers, 2, swapped, 2),
                     INLAY_CODING_BR);
    assert_int_equal(inlay_coding_choose(headers, 2, swapped, 1),
                     INLAY_CODING_GZIP);
    assert_int_equal(inlay_coding_choose(headers, 2, swapped, 0),
                     INLAY_CODING_IDENTITY);
    assert_int_equal(inlay_coding_choose(NULL, 0, swapped, 2),
                     INLAY_CODING_IDENTITY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(browsers_and_tools),
        cmocka_unit_test(weights),
        cmocka_unit_test(identity),
        cmocka_unit_test(what_is_not_valid),
        cmocka_unit_test(several_fields_and_offers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
