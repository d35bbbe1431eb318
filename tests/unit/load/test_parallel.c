/* Loops of C functions: each index once, errors, memory, order of merges. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "load/context.h"
#include "load/parallel.h"
#include "pool/loops.h"

#undef fail /* cmocka's */

#define MOST 100000

static const struct inlay_api *const api = &inlay_api_table;

static atomic_uchar seen[MOST];

struct counting {
    size_t grain;
    atomic_size_t parts, short_parts;
};

static void count(void *ctx, size_t begin, size_t end)
{
    struct counting *counting = ctx;

    if (end - begin < counting->grain)
        atomic_fetch_add(&counting->short_parts, 1);
    atomic_fetch_add(&counting->parts, 1);
    for (size_t i = begin; i < end; i++)
        atomic_fetch_add(&seen[i], 1);
}

static void test_each_index_once(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 3, 7, 63, 64, 1000, MOST};
    static const size_t grains[] = {0, 1, 2, 5, 1000, MOST + 1, SIZE_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        for (size_t j = 0; j < sizeof(grains) / sizeof(*grains); j++) {
            struct counting counting = {.grain = grains[j]};
            size_t n = sizes[i];

            memset((void *)seen, 0, sizeof(seen));
            assert_true(api->parallel_for(n, grains[j], count, &counting));
            for (size_t k = 0; k < n; k++)
                assert_int_equal(seen[k], 1);
            /* A part is short only when it is all there is. */
            if (n >= grains[j])
                assert_int_equal(counting.short_parts, 0);
            if (grains[j] >= n)
                assert_int_equal(counting.parts, n ? 1 : 0);
        }
    }
}

/* --- Errors ------------------------------------------------------------------ */

struct failing {
    size_t at, also_at;
    atomic_size_t done;
};

static void fail_at(void *ctx, size_t begin, size_t end)
{
    struct failing *failing = ctx;

    for (size_t i = begin; i < end; i++) {
        if (i == failing->at)
            api->fail(INLAY_NOT_FOUND, "no %zu", i);
        if (i == failing->also_at)
            api->fail(INLAY_DENIED, "not %zu", i);
    }
    atomic_fetch_add(&failing->done, end - begin);
}

struct call {
    struct inlay_context context;
    struct inlay_arena arena;
};

static void call_begin(struct call *call)
{
    inlay_arena_init(&call->arena, (size_t)1 << 26);
    inlay_context_enter(&call->context, &call->arena);
}

static void call_end(struct call *call)
{
    inlay_context_leave(&call->context);
    inlay_arena_deinit(&call->arena);
}

static void test_error_ends_the_loop(void **state)
{
    int cut = 0;

    (void)state;
    for (int round = 0; round < 50; round++) {
        struct failing failing = {.at = 10, .also_at = SIZE_MAX};
        struct call call;

        call_begin(&call);
        assert_false(api->parallel_for(MOST, 1, fail_at, &failing));
        assert_int_equal(call.context.error, INLAY_NOT_FOUND);
        assert_true(inlay_str_is(call.context.error_text, "no 10"));
        /* On a busy machine the others may be done before it begins. */
        cut += failing.done < MOST;
        assert_true(api->failed());
        /* A call that has failed begins no loop. */
        size_t before = failing.done;
        assert_false(api->parallel_for(MOST, 1, fail_at, &failing));
        assert_false(api->parallel_for(1, 0, fail_at, &failing));
        assert_int_equal(failing.done, before);
        call_end(&call);
    }
    assert_true(cut > 0);
}

struct both {
    atomic_int begun, failed;
};

/* Both parts run, and index 0 fails after index 1. */
static void fail_both(void *ctx, size_t begin, size_t end)
{
    struct both *both = ctx;

    (void)end;
    atomic_fetch_add(&both->begun, 1);
    while (atomic_load(&both->begun) < 2 ||
           (begin == 0 && !atomic_load(&both->failed)))
        usleep(100);
    usleep(begin ? 0 : 1000);
    api->fail(INLAY_CONFLICT, "part %zu", begin);
    atomic_fetch_add(&both->failed, 1);
}

static void test_lowest_error_counts(void **state)
{
    (void)state;
    for (int round = 0; round < 10; round++) {
        struct both both = {0};
        struct call call;

        call_begin(&call);
        assert_false(api->parallel_for(2, 1, fail_both, &both));
        assert_true(inlay_str_is(call.context.error_text, "part 0"));
        call_end(&call);
    }
}

/* --- Memory ------------------------------------------------------------------- */

static inlay_str texts[1000];
static void *blocks[1000];
static atomic_int defers;

static void deferred(void *arg)
{
    (void)arg;
    atomic_fetch_add(&defers, 1);
}

static void make_texts(void *ctx, size_t begin, size_t end)
{
    (void)ctx;
    for (size_t i = begin; i < end; i++) {
        texts[i] = api->format("text %zu", i);
        blocks[i] = api->array(i, 8);
        api->defer(deferred, NULL);
    }
    usleep(50); /* long enough for the others to come */
}

static void test_memory_lives_as_the_callers(void **state)
{
    struct call call;
    char expected[20];
    size_t size;

    (void)state;
    call_begin(&call);
    assert_true(api->parallel_for(1000, 10, make_texts, NULL));
    for (size_t i = 0; i < 1000; i++) {
        snprintf(expected, sizeof(expected), "text %zu", i);
        assert_int_equal(texts[i].len, strlen(expected));
        assert_memory_equal(texts[i].ptr, expected, texts[i].len);
    }
    assert_int_equal(defers, 0);
    /* Arrays can be handed out, whichever thread has made them. */
    for (size_t i = 0; i < 1000; i += 3) {
        assert_true(inlay_context_take(&call.context, blocks[i], &size));
        assert_int_equal(size, i * 8);
        assert_false(inlay_context_take(&call.context, blocks[i], &size));
        inlay_free(blocks[i]);
    }
    assert_true(call.arena.size <= call.arena.limit);
    call_end(&call);
    assert_int_equal(defers, 1000);
}

static void use_memory(void *ctx, size_t begin, size_t end)
{
    (void)ctx;
    (void)end;
    if (!api->alloc(60000))
        assert_true(api->failed());
    usleep(begin ? 0 : 100);
}

static void test_memory_has_a_limit(void **state)
{
    struct call call;
    bool succeeded = true;

    (void)state;
    call_begin(&call);
    call.arena.limit = 1 << 20;
    for (int i = 0; succeeded && i < 20; i++)
        succeeded = api->parallel_for(8, 1, use_memory, NULL);
    assert_false(succeeded);
    assert_int_equal(call.context.error, INLAY_NO_MEMORY);
    call_end(&call);
    call_begin(&call);
    call.arena.limit = 0;
    assert_false(api->parallel_for(8, 1, use_memory, NULL));
    assert_int_equal(call.context.error, INLAY_NO_MEMORY);
    call_end(&call);
}

/* --- Nested loops, threads without a call, what is held -------------------------- */

static void inner(void *ctx, size_t begin, size_t end)
{
    atomic_fetch_add((atomic_size_t *)ctx, end - begin);
}

static void outer(void *ctx, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++)
        assert_true(api->parallel_for(100, 3, inner, ctx));
}

static void inner_fails(void *ctx, size_t begin, size_t end)
{
    (void)ctx;
    if (begin <= 50 && 50 < end)
        api->fail(INLAY_TIMEOUT, "inside");
}

static void outer_fails(void *ctx, size_t begin, size_t end)
{
    (void)end;
    if (begin == 3) {
        bool succeeded = api->parallel_for(100, 1, inner_fails, ctx);

        *(int *)ctx = succeeded ? 1 : 2;
    }
}

static void test_nested(void **state)
{
    struct call call;
    atomic_size_t total = 0;
    int inside = 0;

    (void)state;
    call_begin(&call);
    assert_true(api->parallel_for(200, 1, outer, &total));
    assert_int_equal(total, 200 * 100);
    assert_false(api->parallel_for(8, 1, outer_fails, &inside));
    assert_int_equal(inside, 2);
    assert_int_equal(call.context.error, INLAY_TIMEOUT);
    assert_true(inlay_str_is(call.context.error_text, "inside"));
    call_end(&call);
}

static void *without_call(void *arg)
{
    struct failing failing = {.at = 500, .also_at = SIZE_MAX};
    atomic_size_t total = 0;
    bool *succeeded = arg;

    defers = 0;
    *succeeded = !inlay_context_current &&
                 api->parallel_for(1000, 1, make_texts, NULL) &&
                 defers == 1000 && /* the memory has gone with the loop */
                 api->parallel_for(50, 1, outer, &total) && total == 5000 &&
                 !api->parallel_for(1000, 1, fail_at, &failing) &&
                 !api->parallel_for(501, 1000, fail_at, &failing) &&
                 !inlay_context_current;
    return NULL;
}

static void test_without_call(void **state)
{
    pthread_t thread;
    bool succeeded;

    (void)state;
    pthread_create(&thread, NULL, without_call, &succeeded);
    pthread_join(thread, NULL);
    assert_true(succeeded);
}

static int held = 1, begins, ends;

static void *hold_begin(void)
{
    assert_int_equal(held, 1);
    held = 0;
    begins++;
    return &held;
}

static void hold_end(void *given)
{
    assert_ptr_equal(given, &held);
    held = 1;
    ends++;
}

static void *hold_nothing(void)
{
    begins++;
    return NULL;
}

static void test_waiting(void **state)
{
    const struct inlay_waiting waiting = {hold_begin, hold_end};
    const struct inlay_waiting nothing = {hold_nothing, hold_end};
    atomic_size_t total = 0;
    struct call call;

    (void)state;
    call_begin(&call);
    call.context.waiting = &waiting;
    assert_true(api->parallel_for(10, 10, inner, &total));
    assert_int_equal(begins, 0); /* not for one part */
    assert_true(api->parallel_for(50, 1, outer, &total));
    assert_int_equal(begins, 1); /* not by the loops within */
    assert_int_equal(ends, 1);
    assert_int_equal(held, 1);
    assert_ptr_equal(call.context.waiting, &waiting);
    call.context.waiting = &nothing;
    assert_true(api->parallel_for(50, 1, inner, &total));
    assert_int_equal(begins, 2);
    assert_int_equal(ends, 1);
    call_end(&call);
}

/* --- Reduce ------------------------------------------------------------------------ */

struct text {
    size_t len;
    char chars[2000];
};

static void append(struct text *text, const char *more, size_t len)
{
    if (text->len + len <= sizeof(text->chars))
        memcpy(text->chars + text->len, more, len);
    text->len += len;
}

/* Each part as "(…)": the whole text is the tree. */
static void write_part(void *ctx, size_t begin, size_t end, void *part)
{
    struct text *text = part;
    char one[50];

    assert_int_equal((uintptr_t)part % 16, 0);
    assert_int_equal(text->len, 0);
    if (ctx)
        usleep((unsigned)(begin % 7) * 30);
    int len = snprintf(one, sizeof(one), "%zu-%zu", begin, end);
    append(text, one, (size_t)len);
}

static void write_merge(void *into, const void *part)
{
    const struct text *right = part;
    struct text *left = into;
    struct text whole = {0};

    append(&whole, "(", 1);
    append(&whole, left->chars, left->len);
    append(&whole, " ", 1);
    append(&whole, right->chars, right->len);
    append(&whole, ")", 1);
    *left = whole;
}

static void test_reduce_is_one_tree(void **state)
{
    struct text result __attribute__((aligned(16))) = {0};

    (void)state;
    assert_true(api->parallel_reduce(10, 2, write_part, write_merge, NULL,
                                     &result, sizeof(result)));
    assert_int_equal(result.len, strlen("((0-2 2-5) (5-7 7-10))"));
    assert_memory_equal(result.chars, "((0-2 2-5) (5-7 7-10))", result.len);
    struct text first = {0};
    for (int round = 0; round < 20; round++) {
        struct text again __attribute__((aligned(16))) = {0};

        assert_true(api->parallel_reduce(100, 0, write_part, write_merge,
                                         round % 2 ? &result : NULL, &again,
                                         sizeof(again)));
        if (round == 0)
            first = again;
        assert_int_equal(again.len, first.len);
        assert_memory_equal(again.chars, first.chars, first.len);
    }
}

static void sum(void *ctx, size_t begin, size_t end, void *part)
{
    const double *values = ctx;
    double *total = part;

    for (size_t i = begin; i < end; i++)
        *total += values[i];
}

static void sum_merge(void *into, const void *part)
{
    *(double *)into += *(const double *)part;
}

static void sum_fails(void *ctx, size_t begin, size_t end, void *part)
{
    (void)ctx;
    (void)end;
    if (begin == 0)
        api->fail(INLAY_OVERFLOW, "too much");
    *(double *)part += 1;
}

static void merge_fails(void *into, const void *part)
{
    (void)into;
    (void)part;
    api->fail(INLAY_CONFLICT, "can't be joined");
}

static void test_reduce(void **state)
{
    static double values[MOST];
    double total = 0, again = 0;
    struct call call;

    (void)state;
    for (size_t i = 0; i < MOST; i++)
        values[i] = 1.0 / (double)(i + 1);
    assert_true(api->parallel_reduce(MOST, 0, sum, sum_merge, values, &total,
                                     sizeof(total)));
    assert_true(total > 12.09 && total < 12.1);
    for (int i = 0; i < 20; i++) {
        again = 0;
        assert_true(api->parallel_reduce(MOST, 0, sum, sum_merge, values,
                                         &again, sizeof(again)));
        assert_memory_equal(&again, &total, sizeof(total)); /* to the bit */
    }
    again = 7;
    assert_true(api->parallel_reduce(0, 0, sum, sum_merge, values, &again,
                                     sizeof(again)));
    assert_true(again == 7);
    call_begin(&call);
    assert_false(api->parallel_reduce(100, 1, sum_fails, sum_merge, NULL,
                                      &again, sizeof(again)));
    assert_int_equal(call.context.error, INLAY_OVERFLOW);
    call_end(&call);
    call_begin(&call);
    assert_false(api->parallel_reduce(100, 1, sum, merge_fails, values, &again,
                                      sizeof(again)));
    assert_true(inlay_str_is(call.context.error_text, "can't be joined"));
    call_end(&call);
}

/* The nth allocation of this thread fails: no crash, no leak, an error. */
static void test_without_memory(void **state)
{
    (void)state;
    for (long nth = 0; nth < 20; nth++) {
        struct text result __attribute__((aligned(16))) = {0};
        atomic_size_t total = 0;
        struct call call;

        call_begin(&call);
        inlay_mem_fail_after(nth);
        bool looped = api->parallel_for(64, 1, inner, &total);
        bool reduced =
            looped && api->parallel_reduce(64, 8, write_part, write_merge, NULL,
                                           &result, sizeof(result));
        inlay_mem_fail_after(-1);
        if (looped)
            assert_int_equal(total, 64);
        if (!looped || !reduced)
            assert_int_equal(call.context.error, INLAY_NO_MEMORY);
        if (nth == 0)
            assert_false(looped);
        call_end(&call);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_index_once),
        cmocka_unit_test(test_error_ends_the_loop),
        cmocka_unit_test(test_lowest_error_counts),
        cmocka_unit_test(test_memory_lives_as_the_callers),
        cmocka_unit_test(test_memory_has_a_limit),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_without_call),
        cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_reduce_is_one_tree),
        cmocka_unit_test(test_reduce),
        cmocka_unit_test(test_without_memory),
    };

    inlay_loops_configure(3);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
