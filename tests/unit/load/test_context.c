/* The services of inlay.h: with a running call, without one, without memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "load/context.h"

#undef fail /* cmocka's */

static const struct inlay_api *const api = &inlay_api_table;

static void test_without_call(void **state)
{
    (void)state;
    assert_null(inlay_context_current);
    assert_null(api->alloc(10));
    api->fail(INLAY_INVALID, "nobody hears %d", 1);
    assert_null(api->format("%d", 1).ptr);
    assert_null(api->copy(INLAY_STR("x")).ptr);
    api->defer(NULL, NULL);
}

static void count(void *arg)
{
    ++*(int *)arg;
}

static void test_services(void **state)
{
    struct inlay_arena arena;
    struct inlay_context context;
    int calls = 0;

    (void)state;
    inlay_arena_init(&arena, 1 << 20);
    inlay_context_enter(&context, &arena);
    assert_false(context.dirty);
    const char *bytes = api->alloc(100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(bytes[i], 0);
    assert_int_equal((uintptr_t)bytes % 16, 0);
    assert_non_null(api->alloc(0));
    assert_true(context.dirty);
    struct inlay_str text = api->format("%s-%d", "a", 7);
    assert_true(inlay_str_is(text, "a-7"));
    assert_true(inlay_str_is(api->copy(text), "a-7"));
    assert_true(inlay_str_is(api->copy(inlay_str_make(NULL, 0)), ""));
    api->defer(count, &calls);
    api->defer(count, &calls);
    api->defer(NULL, &calls);
    assert_int_equal(context.error, INLAY_OK);
    inlay_context_leave(&context);
    assert_int_equal(calls, 0);
    inlay_arena_deinit(&arena);
    assert_int_equal(calls, 2);
}

static void test_first_error_counts(void **state)
{
    struct inlay_arena arena;
    struct inlay_context outer, inner;

    (void)state;
    inlay_arena_init(&arena, 1 << 20);
    inlay_context_enter(&outer, &arena);
    inlay_context_enter(&inner, &arena);
    api->fail(INLAY_NOT_FOUND, "no %s", "user");
    api->fail(INLAY_DENIED, "second");
    inlay_context_leave(&inner);
    assert_ptr_equal(inlay_context_current, &outer);
    assert_int_equal(inner.error, INLAY_NOT_FOUND);
    assert_true(inlay_str_is(inner.error_text, "no user"));
    assert_int_equal(outer.error, INLAY_OK);
    api->fail(12345, NULL);
    assert_int_equal(outer.error, INLAY_INTERNAL);
    assert_int_equal(outer.error_text.len, 0);
    inlay_context_leave(&outer);
    assert_null(inlay_context_current);
    inlay_arena_deinit(&arena);
}

static void test_limit(void **state)
{
    struct inlay_arena arena;
    struct inlay_context context;

    (void)state;
    inlay_arena_init(&arena, 4096);
    inlay_context_enter(&context, &arena);
    assert_null(api->alloc(5000));
    assert_int_equal(context.error, INLAY_NO_MEMORY);
    assert_true(context.error_text.len > 0);
    inlay_context_leave(&context);

    inlay_context_enter(&context, &arena);
    assert_null(api->copy(inlay_str_make("x", SIZE_MAX)).ptr);
    assert_int_equal(context.error, INLAY_NO_MEMORY);
    inlay_context_leave(&context);

    /* An error without memory for its text is still that error. */
    inlay_context_enter(&context, &arena);
    api->fail(INLAY_CONFLICT, "%5000d", 1);
    assert_int_equal(context.error, INLAY_CONFLICT);
    assert_true(context.error_text.len > 0);
    assert_null(api->format("%5000d", 1).ptr);
    assert_int_equal(context.error, INLAY_CONFLICT);
    inlay_context_leave(&context);
    inlay_arena_deinit(&arena);
}

static void test_kinds(void **state)
{
    (void)state;
    assert_int_equal(inlay_error_kind_status(INLAY_INVALID), 422);
    assert_int_equal(inlay_error_kind_status(INLAY_NO_MEMORY), 503);
    assert_int_equal(inlay_error_kind_status(-1), 500);
    assert_int_equal(inlay_error_kind_status(INLAY_INTERNAL + 1), 500);
    assert_true(
        inlay_str_is(inlay_error_kind_text(INLAY_NOT_FOUND), "NotFound"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_call),
        cmocka_unit_test(test_services),
        cmocka_unit_test(test_first_error_counts),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_kinds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
