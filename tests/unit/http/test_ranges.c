#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/macros.h"
#include "http/ranges.h"

#include "base/banned.h"

/* "0+10 20+5" of a file of `size`; "whole", "none". */
static const char *ranges(const char *value, uint64_t size)
{
    static char text[1024];
    struct inlay_range found[INLAY_RANGES_MOST];
    int count = inlay_ranges_read(inlay_str_from(value), size, found);
    size_t len = 0;

    if (count == INLAY_RANGES_WHOLE)
        return "whole";
    if (count == INLAY_RANGES_NONE)
        return "none";
    for (int i = 0; i < count; i++) {
        assert_true(found[i].len > 0);
        assert_true(found[i].start < size);
        assert_true(found[i].len <= size - found[i].start);
        len +=
            (size_t)snprintf(text + len, sizeof(text) - len, "%s%llu+%llu",
                             i ? " " : "", (unsigned long long)found[i].start,
                             (unsigned long long)found[i].len);
    }
    return text;
}

static void single(void **state)
{
    (void)state;
    assert_string_equal(ranges("bytes=0-0", 100), "0+1");
    assert_string_equal(ranges("bytes=0-99", 100), "0+100");
    assert_string_equal(ranges("bytes=10-19", 100), "10+10");
    assert_string_equal(ranges("BYTES=10-", 100), "10+90");
    assert_string_equal(ranges("bytes=10-1000", 100), "10+90");
    assert_string_equal(ranges("bytes=-1", 100), "99+1");
    assert_string_equal(ranges("bytes=-100", 100), "0+100");
    assert_string_equal(ranges("bytes=-1000", 100), "0+100");
    assert_string_equal(ranges("bytes=99-", 100), "99+1");
    assert_string_equal(ranges("bytes=0-18446744073709551615", 100), "0+100");
    assert_string_equal(ranges("bytes=-99999999999999999999999", 100), "0+100");
    assert_string_equal(ranges("bytes= 1-2 ", 100), "1+2");
}

static void unsatisfiable(void **state)
{
    (void)state;
    assert_string_equal(ranges("bytes=100-", 100), "none");
    assert_string_equal(ranges("bytes=100-200", 100), "none");
    assert_string_equal(ranges("bytes=-0", 100), "none");
    assert_string_equal(ranges("bytes=0-", 0), "none");
    assert_string_equal(ranges("bytes=-5", 0), "none");
    assert_string_equal(ranges("bytes=99999999999999999999-", 100), "none");
    assert_string_equal(ranges("bytes=100-,200-300,-0", 100), "none");
}

static void ignored(void **state)
{
    static const char *const bad[] = {
        "",           "bytes",      "bytes=",          "bytes=,",
        "bytes=-",    "bytes=a-b",  "bytes=1-2x",      "bytes=2-1",
        "items=0-1",  "bytes:0-1",  "bytes=1",         "bytes=1-2;3-4",
        "bytes =0-1", "bytes=--1",  "bytes=0x1-2",     "bytes=1-2,5-4",
        "bytes=+1-2", "bytes=1- 2", "bytes=0-1,a",     "0-1",
        "bytes=1 -2", "bytes=1-2-", "bytes=\xd9\xa1-",
    };

    (void)state;
    for (size_t i = 0; i < inlay_array_size(bad); i++)
        assert_string_equal(ranges(bad[i], 100), "whole");
}

static void several(void **state)
{
    char text[1024] = "bytes=";

    (void)state;
    assert_string_equal(ranges("bytes=0-1,4-5", 100), "0+2 4+2");
    assert_string_equal(ranges("bytes=4-5,, 0-1,", 100), "0+2 4+2");
    assert_string_equal(ranges("bytes=0-1,2-3", 100), "0+4");
    assert_string_equal(ranges("bytes=0-50,10-20,40-60", 100), "0+61");
    assert_string_equal(ranges("bytes=-10,0-0,95-", 100), "0+1 90+10");
    assert_string_equal(ranges("bytes=0-0,500-", 100), "0+1");
    assert_string_equal(ranges("bytes=0-,0-,0-,0-", 100), "0+100");
    size_t len = strlen(text);
    for (int i = 0; i < INLAY_RANGES_MOST; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%d-%d,", i * 2,
                                i * 2);
    assert_int_equal(strncmp(ranges(text, 100), "0+1 2+1 4+1 ", 12), 0);
    snprintf(text + len, sizeof(text) - len, "90-91");
    assert_string_equal(ranges(text, 100), "whole");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single),
        cmocka_unit_test(unsatisfiable),
        cmocka_unit_test(ignored),
        cmocka_unit_test(several),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
