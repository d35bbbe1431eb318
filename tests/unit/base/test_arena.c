#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/mem.h"

#include "base/banned.h"

static void test_alloc(void **state)
{
    struct inlay_arena arena;
    char *last = NULL;

    (void)state;
    inlay_arena_init(&arena, 1 << 20);
    for (size_t size = 1; size < 300; size++) {
        char *at = inlay_arena_alloc(&arena, size);

        assert_non_null(at);
        assert_int_equal((uintptr_t)at % 16, 0);
        assert_ptr_not_equal(at, last);
        memset(at, 0xAA, size);
        last = at;
    }
    assert_true(arena.size <= arena.limit);
    inlay_arena_deinit(&arena);
    assert_null(arena.blocks);
}

/* A block of its own leaves the rest of the current one in use. */
static void test_large(void **state)
{
    struct inlay_arena arena;

    (void)state;
    inlay_arena_init(&arena, 1 << 20);
    char *first = inlay_arena_alloc(&arena, 16);
    char *large = inlay_arena_alloc(&arena, 100000);
    char *second = inlay_arena_alloc(&arena, 16);
    assert_non_null(large);
    memset(large, 1, 100000);
    assert_ptr_equal(second, first + 16);
    inlay_arena_deinit(&arena);
    /* The first allocation of all may be the large one. */
    large = inlay_arena_alloc(&arena, 100000);
    assert_non_null(large);
    memset(large, 1, 100000);
    second = inlay_arena_alloc(&arena, 100000);
    assert_non_null(second);
    memset(second, 1, 100000);
    inlay_arena_deinit(&arena);
}

static void test_limit(void **state)
{
    struct inlay_arena arena;

    (void)state;
    inlay_arena_init(&arena, 10000);
    assert_false(arena.full);
    assert_null(inlay_arena_alloc(&arena, 10001));
    assert_true(arena.full);
    inlay_arena_reset(&arena);
    assert_false(arena.full);
    assert_null(inlay_arena_alloc(&arena, SIZE_MAX));
    assert_null(inlay_arena_alloc(&arena, SIZE_MAX - 15));
    assert_null(inlay_arena_alloc(&arena, SIZE_MAX - 31));
    assert_null(inlay_arena_zalloc_array(&arena, SIZE_MAX / 2, 3));
    assert_int_equal(arena.size, 0);
    while (inlay_arena_alloc(&arena, 100))
        assert_true(arena.size <= 10000);
    assert_true(arena.size > 9000);
    inlay_arena_deinit(&arena);
    inlay_arena_init(&arena, 0);
    assert_null(inlay_arena_alloc(&arena, 1));
    inlay_arena_deinit(&arena);
}

static void test_zeroed(void **state)
{
    struct inlay_arena arena;

    (void)state;
    inlay_arena_init(&arena, 1 << 20);
    memset(inlay_arena_alloc(&arena, 1000), 0xFF, 1000);
    inlay_arena_reset(&arena);
    const char *at = inlay_arena_zalloc_array(&arena, 100, 10);
    assert_non_null(at);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(at[i], 0);
    inlay_arena_deinit(&arena);
}

static void test_reset(void **state)
{
    struct inlay_arena arena;

    (void)state;
    inlay_arena_init(&arena, 1 << 20);
    inlay_arena_reset(&arena);
    for (int i = 0; i < 100; i++)
        assert_non_null(inlay_arena_alloc(&arena, 5000));
    inlay_arena_reset(&arena);
    assert_true(arena.size > 0 && arena.size <= 65536);
    size_t kept = arena.size;
    inlay_mem_fail_after(0);
    assert_non_null(inlay_arena_alloc(&arena, 64));
    inlay_mem_fail_after(-1);
    assert_int_equal(arena.size, kept);
    inlay_arena_deinit(&arena);
}

static void test_text(void **state)
{
    struct inlay_arena arena;

    (void)state;
    inlay_arena_init(&arena, 1 << 20);
    struct inlay_str copy = inlay_arena_copy(&arena, INLAY_STR("ab\0c"));
    assert_int_equal(copy.len, 4);
    assert_memory_equal(copy.ptr, "ab\0c", 5);
    copy = inlay_arena_copy(&arena, (struct inlay_str){NULL, 0});
    assert_non_null(copy.ptr);
    assert_int_equal(copy.len, 0);
    copy = inlay_arena_format(&arena, "%d-%s", 7, "x");
    assert_string_equal(copy.ptr, "7-x");
    assert_int_equal(copy.len, 3);
    inlay_arena_deinit(&arena);
    inlay_arena_init(&arena, 0);
    assert_null(inlay_arena_copy(&arena, INLAY_STR("a")).ptr);
    assert_null(inlay_arena_format(&arena, "%d", 1).ptr);
    inlay_arena_deinit(&arena);
}

struct trail {
    struct inlay_arena *arena;
    char letters[8];
    size_t count;
};

static void leave_a(void *arg)
{
    struct trail *trail = arg;

    trail->letters[trail->count++] = 'a';
}

static void leave_b(void *arg)
{
    struct trail *trail = arg;

    trail->letters[trail->count++] = 'b';
}

/* Adds another one while the defers run. */
static void leave_more(void *arg)
{
    struct trail *trail = arg;

    assert_int_equal(inlay_arena_defer(trail->arena, leave_b, trail), 0);
    trail->letters[trail->count++] = 'm';
}

static void test_defer(void **state)
{
    struct inlay_arena arena;
    struct trail trail = {.arena = &arena};

    (void)state;
    inlay_arena_init(&arena, 1 << 20);
    assert_int_equal(inlay_arena_defer(&arena, leave_a, &trail), 0);
    assert_int_equal(inlay_arena_defer(&arena, leave_more, &trail), 0);
    inlay_arena_reset(&arena);
    assert_string_equal(trail.letters, "mba");
    assert_int_equal(inlay_arena_defer(&arena, leave_a, &trail), 0);
    assert_int_equal(inlay_arena_defer(&arena, leave_b, &trail), 0);
    inlay_arena_deinit(&arena);
    assert_string_equal(trail.letters, "mbaba");
}

static void test_absorb(void **state)
{
    struct trail trail = {.count = 0};
    struct inlay_arena arena, other;

    (void)state;
    trail.arena = &arena;
    inlay_arena_init(&arena, 1 << 20);
    inlay_arena_init(&other, 1 << 16);
    char *kept = inlay_arena_alloc(&arena, 100);
    assert_int_equal(inlay_arena_defer(&arena, leave_a, &trail), 0);
    char *moved = inlay_arena_alloc(&other, 5000);
    assert_int_equal(inlay_arena_defer(&other, leave_b, &trail), 0);
    memset(kept, 1, 100);
    memset(moved, 2, 5000);
    size_t size = arena.size + other.size;
    inlay_arena_absorb(&arena, &other);
    assert_int_equal(arena.size, size);
    assert_int_equal(other.size, 0);
    assert_int_equal(other.limit, 1 << 16);
    assert_int_equal(moved[4999], 2);
    inlay_arena_absorb(&arena, &other); /* nothing */
    assert_int_equal(arena.size, size);
    inlay_arena_deinit(&other);
    inlay_arena_deinit(&arena);
    assert_string_equal(trail.letters, "ba");
}

static void test_failing_nth(void **state)
{
    (void)state;
    for (long count = 0; count < 5; count++) {
        struct inlay_arena arena;
        struct trail trail = {.arena = &arena};
        size_t got = 0;

        inlay_arena_init(&arena, 1 << 20);
        inlay_mem_fail_after(count);
        while (got < 100 && inlay_arena_alloc(&arena, 70000))
            got++;
        int status = inlay_arena_defer(&arena, leave_a, &trail);
        inlay_mem_fail_after(-1);
        assert_int_equal(got, count);
        assert_false(arena.full);
        /* A failure changes nothing: the next one may do. */
        assert_non_null(inlay_arena_alloc(&arena, 70000));
        inlay_arena_deinit(&arena);
        assert_int_equal(trail.count, status == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc),       cmocka_unit_test(test_large),
        cmocka_unit_test(test_limit),       cmocka_unit_test(test_zeroed),
        cmocka_unit_test(test_reset),       cmocka_unit_test(test_text),
        cmocka_unit_test(test_defer),       cmocka_unit_test(test_absorb),
        cmocka_unit_test(test_failing_nth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
