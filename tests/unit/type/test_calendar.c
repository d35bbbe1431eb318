#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/macros.h"
#include "samples.h"
#include "type/calendar.h"
#include "type/lax.h"

#include "base/banned.h"

/* What is read is compared with FastAPI: see test_golden.c. */

static void test_days(void **state)
{
    int64_t days = inlay_time_days(1, 1, 1);

    (void)state;
    assert_int_equal(inlay_time_days(1970, 1, 1), 0);
    assert_int_equal(inlay_time_days(2000, 3, 1), 11017);
    assert_int_equal(inlay_time_days(9999, 12, 31), 2932896);
    /* Each day of all years follows the one before it. */
    for (int year = 1; year <= 9999; year++)
        for (int month = 1; month <= 12; month++)
            for (int day = 1; day <= 31; day++) {
                struct inlay_date date = {(int16_t)year, (uint8_t)month,
                                          (uint8_t)day};
                if (!inlay_time_date_valid(date))
                    continue;
                struct inlay_date back = inlay_time_date(days);
                if (inlay_time_days(year, month, day) != days ||
                    memcmp(&date, &back, sizeof(date)) != 0)
                    fail_msg("%d-%d-%d", year, month, day);
                days++;
            }
    assert_int_equal(days, 2932897);
}

static void test_valid(void **state)
{
    static const struct inlay_date wrong[] = {
        {0, 1, 1},     {10000, 1, 1}, {-1, 1, 1},    {2026, 0, 1},
        {2026, 13, 1}, {2026, 1, 0},  {2026, 1, 32}, {2026, 2, 29},
        {1900, 2, 29}, {2026, 4, 31},
    };
    char text[INLAY_TIME_TEXT_MOST];

    (void)state;
    assert_true(inlay_time_date_valid((struct inlay_date){2024, 2, 29}));
    assert_true(inlay_time_date_valid((struct inlay_date){2000, 2, 29}));
    for (size_t i = 0; i < inlay_array_size(wrong); i++) {
        assert_false(inlay_time_date_valid(wrong[i]));
        assert_int_equal(inlay_time_write(&sample_date, &wrong[i], text), -1);
    }
}

static void check_datetime(int64_t us, int32_t offset, const char *expected)
{
    struct inlay_datetime moment = {.us = us, .offset = offset};
    char text[INLAY_TIME_TEXT_MOST + 1];
    int len = inlay_time_write(&sample_datetime, &moment, text);

    if (!expected) {
        assert_int_equal(len, -1);
        return;
    }
    assert_true(len > 0 && len <= INLAY_TIME_TEXT_MOST);
    text[len] = '\0';
    assert_string_equal(text, expected);
}

static void test_write(void **state)
{
    const int64_t second = 1000000;

    (void)state;
    check_datetime(0, 0, "1970-01-01T00:00:00Z");
    check_datetime(0, INLAY_NAIVE, "1970-01-01T00:00:00");
    check_datetime(-1, 0, "1969-12-31T23:59:59.999999Z");
    check_datetime(500000, 3600, "1970-01-01T01:00:00.500000+01:00");
    check_datetime(0, -5400, "1969-12-31T22:30:00-01:30");
    /* RFC 3339 has no seconds of an offset: it is the same moment. */
    check_datetime(0, 3601, "1970-01-01T01:00:00+01:00");
    check_datetime(0, -3661, "1969-12-31T22:59:00-01:01");
    check_datetime(0, -59, "1970-01-01T00:00:00Z");
    check_datetime(0, 86340, "1970-01-01T23:59:00+23:59");
    check_datetime(253402300799 * second, 0, "9999-12-31T23:59:59Z");
    check_datetime(-62135596800 * second, 0, "0001-01-01T00:00:00Z");
    check_datetime(253402300800 * second, -1800, "9999-12-31T23:30:00-00:30");
    check_datetime(253402300800 * second, 0, NULL);
    check_datetime(-62135596801 * second, 0, NULL);
    check_datetime(0, 86400, NULL);
    check_datetime(0, -86400, NULL);
    check_datetime(0, INT32_MAX, NULL);
    check_datetime(0, INT32_MIN + 1, NULL);
    check_datetime(INT64_MAX, 0, NULL);
    check_datetime(INT64_MIN, INLAY_NAIVE, NULL);
    check_datetime(INT64_MAX, 86399, NULL);
}

static void test_values(void **state)
{
    char reason[INLAY_TIME_REASON_SIZE];
    struct inlay_datetime moment;
    struct inlay_arena arena;
    uint8_t uuid[16];

    (void)state;
    inlay_arena_init(&arena, 1 << 20);
    assert_int_equal(
        inlay_time_of_text(INLAY_STR("2026-11-21T10:00:00.5+01:00"),
                           &sample_datetime, &arena, &moment, reason),
        INLAY_LAX_OK);
    assert_int_equal(moment.us, 1795251600500000);
    assert_int_equal(moment.offset, 3600);
    assert_int_equal(inlay_time_of_text(INLAY_STR("2026-11-21T10:00"),
                                        &sample_datetime, &arena, &moment,
                                        reason),
                     INLAY_LAX_OK);
    assert_int_equal(moment.us, 1795255200000000);
    assert_int_equal(moment.offset, INLAY_NAIVE);
    assert_int_equal(
        inlay_time_of_text(INLAY_STR("{00010203-0405-0607-0809-0A0b0c0d0eff}"),
                           &sample_uuid, &arena, uuid, reason),
        INLAY_LAX_OK);
    for (size_t i = 0; i < 15; i++)
        assert_int_equal(uuid[i], i);
    assert_int_equal(uuid[15], 0xff);
    assert_int_equal(inlay_time_of_text(inlay_str_make(NULL, 0), &sample_date,
                                        &arena, &moment, reason),
                     INLAY_FAULT_DATE_FROM_DATETIME);
    assert_string_equal(reason, "input is too short");
    assert_int_equal(inlay_time_of_integer(0, &sample_uuid, uuid, reason),
                     INLAY_FAULT_UUID_TYPE);
    assert_int_equal(inlay_time_of_real(0, &sample_uuid, uuid, reason),
                     INLAY_FAULT_UUID_TYPE);
    inlay_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_days),
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
