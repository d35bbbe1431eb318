#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/macros.h"
#include "base/str.h"
#include "type/real.h"

#include "base/banned.h"

static void check(double value, const char *answer, const char *repr)
{
    char text[INLAY_REAL_MOST + 1];

    text[inlay_real_format(text, value, INLAY_REAL_ANSWER)] = '\0';
    assert_string_equal(text, answer);
    text[inlay_real_format(text, value, INLAY_REAL_REPR)] = '\0';
    assert_string_equal(text, repr);
}

static void test_styles(void **state)
{
    (void)state;
    check(0.0, "0.0", "0.0");
    check(-0.0, "-0.0", "-0.0");
    check(1, "1.0", "1.0");
    check(-2.5, "-2.5", "-2.5");
    check(1e15, "1000000000000000.0", "1000000000000000.0");
    check(9999999999999998.0, "9999999999999998.0", "9999999999999998.0");
    check(1e16, "1e+16", "1e+16");
    check(-1.5e300, "-1.5e+300", "-1.5e+300");
    check(0.0001, "0.0001", "0.0001");
    check(1e-5, "0.00001", "1e-05");
    check(1.25e-5, "0.0000125", "1.25e-05");
    check(1e-6, "1e-6", "1e-06");
    check(5e-324, "5e-324", "5e-324");
    check(1.7976931348623157e308, "1.7976931348623157e+308",
          "1.7976931348623157e+308");
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* What is written reads back as the same value, in both styles. */
static void test_round_trip(void **state)
{
    char text[INLAY_REAL_MOST + 1];
    uint64_t seed = 88172645463325252u;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = next_random(&seed);
        double value;

        /* Half of them of a common size. */
        if (i % 2)
            value = ldexp((double)(int64_t)bits, -(int)(bits % 96));
        else
            memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value))
            continue;
        for (int style = 0; style < 2; style++) {
            size_t len =
                inlay_real_format(text, value, (enum inlay_real_style)style);
            assert_true(len <= INLAY_REAL_MOST);
            text[len] = '\0';
            assert_true(strtod(text, NULL) == value);
        }
    }
}

static void test_floats(void **state)
{
    static const struct {
        float value;
        const char *text;
    } cases[] = {
        {0.1f, "0.1"},
        {1.0f, "1.0"},
        {16777216.0f, "16777216.0"},
        {3.4028234663852886e38f, "3.4028235e+38"},
        {1e-45f, "1e-45"},
        {0.0f, "0.0"},
        {-0.0f, "-0.0"},
        {9.999999e9f, "9999999000.0"},
        {0.3f, "0.3"},
        {123456.789f, "123456.79"},
    };
    char text[INLAY_REAL_MOST + 1];
    uint64_t seed = 42;

    (void)state;
    for (size_t i = 0; i < inlay_array_size(cases); i++) {
        text[inlay_real_format_float(text, cases[i].value, INLAY_REAL_ANSWER)] =
            '\0';
        assert_string_equal(text, cases[i].text);
    }
    for (int i = 0; i < 20000; i++) {
        uint32_t bits = (uint32_t)next_random(&seed);
        float value;

        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value))
            continue;
        text[inlay_real_format_float(text, value, INLAY_REAL_ANSWER)] = '\0';
        assert_true(strtof(text, NULL) == value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_styles),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_floats),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
