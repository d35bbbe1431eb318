/* Rates as text; buckets: exact counts, many threads, a flood of clients. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "serve/layer_text.h"
#include "serve/rate_limit.h"

#include "base/banned.h"

#define SECOND UINT64_C(1000000000)

static struct inlay_rate rate_of(const char *text)
{
    struct inlay_arena arena;
    struct inlay_rate rate;

    inlay_arena_init(&arena, 1 << 16);
    struct inlay_error *error =
        inlay_rate_parse(inlay_str_from(text), &arena, &rate);
    assert_null(error);
    if (rate.name.len) {
        static char names[64];

        memcpy(names, rate.name.ptr, rate.name.len);
        rate.name.ptr = names;
    }
    inlay_arena_deinit(&arena);
    return rate;
}

static void texts(void **state)
{
    struct inlay_rate rate = rate_of("100/minute");

    (void)state;
    assert_int_equal(rate.count, 100);
    assert_int_equal(rate.burst, 100);
    assert_true(rate.period == 60 * SECOND);
    assert_int_equal(rate.by, INLAY_RATE_ADDRESS);
    rate = rate_of(" 5/second burst 10  by header:X-Api-Key ");
    assert_int_equal(rate.burst, 10);
    assert_int_equal(rate.by, INLAY_RATE_HEADER);
    assert_true(inlay_str_is(rate.name, "x-api-key"));
    rate = rate_of("20/10s by cookie:Sid");
    assert_true(rate.period == 10 * SECOND);
    assert_int_equal(rate.by, INLAY_RATE_COOKIE);
    assert_true(inlay_str_is(rate.name, "Sid"));
    assert_int_equal(rate_of("1/day by address").by, INLAY_RATE_ADDRESS);
}

static void bad_texts(void **state)
{
    static const char *const texts[] = {
        "",
        "5",
        "5/",
        "/minute",
        "0/second",
        "-1/second",
        "5/fortnight",
        "5 / second",
        "x/second",
        "5/second burst",
        "5/second burst 0",
        "5/second burst x",
        "5/second by",
        "5/second by header",
        "5/second by header:",
        "5/second by header:a b",
        "5/second by magic:x",
        "5/second by address:x",
        "5/second or more",
        "99999999999999999999/second",
        "1000000000/ms",
        "1/day burst 1000",
    };
    struct inlay_arena arena;
    struct inlay_rate rate;

    (void)state;
    inlay_arena_init(&arena, 1 << 16);
    for (size_t i = 0; i < inlay_array_size(texts); i++) {
        struct inlay_error *error =
            inlay_rate_parse(inlay_str_from(texts[i]), &arena, &rate);

        if (!error)
            fail_msg("taken: %s", texts[i]);
        assert_int_equal(error->code, INLAY_ERROR_VALUE);
        inlay_error_destroy(error);
    }
    inlay_arena_deinit(&arena);
}

static void durations(void **state)
{
    uint64_t ns;

    (void)state;
    assert_true(inlay_layer_duration(INLAY_STR("3s"), false, &ns));
    assert_true(ns == 3 * SECOND);
    assert_true(inlay_layer_duration(INLAY_STR("1.5s"), false, &ns));
    assert_true(ns == 3 * SECOND / 2);
    assert_true(inlay_layer_duration(INLAY_STR("500ms"), false, &ns));
    assert_true(ns == SECOND / 2);
    assert_true(inlay_layer_duration(INLAY_STR("10days"), false, &ns));
    assert_true(inlay_layer_duration(INLAY_STR("hour"), true, &ns));
    assert_false(inlay_layer_duration(INLAY_STR("hour"), false, &ns));
    assert_false(inlay_layer_duration(INLAY_STR("3"), true, &ns));
    assert_false(inlay_layer_duration(INLAY_STR(""), true, &ns));
    assert_false(inlay_layer_duration(INLAY_STR("1.s"), true, &ns));
    assert_false(inlay_layer_duration(INLAY_STR("0s"), true, &ns));
    assert_false(inlay_layer_duration(INLAY_STR("0.5ms"), true, &ns));
    assert_false(inlay_layer_duration(INLAY_STR("11days"), true, &ns));
    assert_false(inlay_layer_duration(INLAY_STR("99999999999s"), true, &ns));
    assert_false(inlay_layer_duration(INLAY_STR("-3s"), true, &ns));
    assert_false(
        inlay_layer_duration(INLAY_STR("18446744073709551616s"), true, &ns));
}

static struct inlay_rate_limit *limit_of(const char *text, size_t sets)
{
    struct inlay_rate rate = rate_of(text);
    struct inlay_rate_limit *limit;

    assert_null(inlay_rate_limit_create(&rate, INLAY_STR("/*"), sets, &limit));
    return limit;
}

static void bucket(void **state)
{
    struct inlay_rate_limit *limit = limit_of("2/second burst 3", 1);
    const struct inlay_str a = INLAY_STR("a"), b = INLAY_STR("b");
    uint64_t now = 1000 * SECOND;

    (void)state;
    for (int left = 2; left >= 0; left--) {
        struct inlay_rate_verdict verdict =
            inlay_rate_limit_take(limit, a, now);

        assert_true(verdict.allowed);
        assert_int_equal(verdict.left, left);
        assert_true(verdict.reset == (uint64_t)(3 - left) * SECOND / 2);
    }
    struct inlay_rate_verdict refused = inlay_rate_limit_take(limit, a, now);
    assert_false(refused.allowed);
    assert_true(refused.retry == SECOND / 2);
    assert_true(inlay_rate_limit_take(limit, b, now).allowed);
    assert_false(inlay_rate_limit_take(limit, a, now + SECOND / 2 - 1).allowed);
    /* Who was refused has not paid for it. */
    assert_true(inlay_rate_limit_take(limit, a, now + SECOND / 2).allowed);
    assert_false(inlay_rate_limit_take(limit, a, now + SECOND / 2).allowed);
    assert_int_equal(inlay_rate_limit_take(limit, a, now + 100 * SECOND).left,
                     2);
    inlay_rate_limit_destroy(limit);
}

/* However many come, those who are at their limit stay there. */
static void flood(void **state)
{
    struct inlay_rate_limit *limit = limit_of("10/hour", 64);
    uint64_t now = 1000 * SECOND;
    size_t forgotten = 0;
    char name[32];

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        int len = snprintf(name, sizeof(name), "greedy %u", i);

        for (int j = 0; j < 11; j++)
            assert_int_equal(inlay_rate_limit_take(
                                 limit, inlay_str_make(name, (size_t)len), now)
                                 .allowed,
                             j < 10);
    }
    for (unsigned i = 0; i < 100000; i++) {
        int len = snprintf(name, sizeof(name), "visitor %u", i);

        assert_true(
            inlay_rate_limit_take(limit, inlay_str_make(name, (size_t)len), now)
                .allowed);
    }
    for (unsigned i = 0; i < 20; i++) {
        int len = snprintf(name, sizeof(name), "greedy %u", i);

        forgotten +=
            inlay_rate_limit_take(limit, inlay_str_make(name, (size_t)len), now)
                .allowed;
    }
    assert_int_equal(forgotten, 0);
    inlay_rate_limit_destroy(limit);
}

#define THREADS 4

static atomic_size_t allowed;

static void *hammer(void *arg)
{
    for (unsigned i = 0; i < 5000; i++) {
        if (inlay_rate_limit_take(arg, INLAY_STR("one"), 1000 * SECOND).allowed)
            atomic_fetch_add(&allowed, 1);
        inlay_rate_limit_take(arg, inlay_str_make((char *)&i, sizeof(i)),
                              1000 * SECOND);
    }
    return NULL;
}

static void threads(void **state)
{
    struct inlay_rate_limit *limit = limit_of("1000/hour", 256);
    pthread_t handles[THREADS];

    (void)state;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&handles[i], NULL, hammer, limit), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(handles[i], NULL);
    assert_int_equal(atomic_load(&allowed), 1000);
    inlay_rate_limit_destroy(limit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),     cmocka_unit_test(bad_texts),
        cmocka_unit_test(durations), cmocka_unit_test(bucket),
        cmocka_unit_test(flood),     cmocka_unit_test(threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
