#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "base/thread.h"
#include "net/coroutine.h"

#include "base/banned.h"

#define MANY 3000
#define SPARE 64

static int set_up(void **state)
{
    static struct inlay_coroutines coroutines;

    inlay_coroutines_init(&coroutines);
    *state = &coroutines;
    return 0;
}

static int tear_down(void **state)
{
    inlay_coroutines_deinit(*state);
    return 0;
}

struct run {
    struct inlay_coroutines *coroutines;
    struct inlay_coroutine *self;
    int rounds; /* to yield */
    int steps;  /* that were run */
    double sum; /* kept in a register, if it can be */
};

static void count(void *arg)
{
    struct run *run = arg;
    double sum = 0.5;

    assert_ptr_equal(inlay_coroutine_current(), run->self);
    for (int i = 0; i < run->rounds; i++) {
        run->steps++;
        sum += i;
        inlay_coroutine_yield();
        assert_ptr_equal(inlay_coroutine_current(), run->self);
    }
    run->sum = sum;
}

static void start(struct run *run,
                  struct inlay_coroutines *coroutines,
                  int rounds)
{
    *run = (struct run){.coroutines = coroutines, .rounds = rounds};
    run->self = inlay_coroutine_create(coroutines, count, run);
    assert_non_null(run->self);
}

/* --- One ------------------------------------------------------------------ */

static void test_steps(void **state)
{
    struct inlay_coroutines *coroutines = *state;
    struct run run;

    start(&run, coroutines, 3);
    assert_int_equal(run.steps, 0);
    assert_int_equal(coroutines->active, 1);
    for (int i = 1; i <= 3; i++) {
        assert_true(inlay_coroutine_resume(run.self));
        assert_int_equal(run.steps, i);
        assert_null(inlay_coroutine_current());
    }
    assert_false(inlay_coroutine_resume(run.self));
    assert_true(run.sum > 3.4 && run.sum < 3.6);
    assert_int_equal(coroutines->active, 0);
    assert_int_equal(coroutines->nspare, 1);
}

static void test_reuse(void **state)
{
    struct inlay_coroutines *coroutines = *state;
    struct inlay_coroutine *first = NULL;
    struct run run;

    for (int i = 0; i < 1000; i++) {
        start(&run, coroutines, 1);
        first = first ? first : run.self;
        assert_ptr_equal(run.self, first);
        assert_true(inlay_coroutine_resume(run.self));
        assert_false(inlay_coroutine_resume(run.self));
    }
}

static void test_abandon(void **state)
{
    struct inlay_coroutines *coroutines = *state;
    struct inlay_coroutine *first;
    struct run run;

    start(&run, coroutines, 1); /* before it began */
    first = run.self;
    inlay_coroutine_abandon(run.self);
    assert_int_equal(run.steps, 0);
    assert_int_equal(coroutines->active, 0);

    for (int i = 0; i < 1000; i++) { /* in the midst of it */
        start(&run, coroutines, 5);
        assert_ptr_equal(run.self, first);
        assert_true(inlay_coroutine_resume(run.self));
        assert_true(inlay_coroutine_resume(run.self));
        inlay_coroutine_abandon(run.self);
        assert_int_equal(run.steps, 2);
    }
    assert_int_equal(coroutines->active, 0);
    assert_int_equal(coroutines->nspare, 1);
}

/* --- Several -------------------------------------------------------------- */

struct nest {
    struct inlay_coroutines *coroutines;
    int depth, resumed;
};

static void nest(void *arg)
{
    struct nest *self = arg, inner = {self->coroutines, self->depth - 1, 0};
    struct inlay_coroutine *me = inlay_coroutine_current();

    inlay_coroutine_yield();
    self->resumed++;
    if (self->depth) {
        struct inlay_coroutine *coroutine =
            inlay_coroutine_create(self->coroutines, nest, &inner);

        assert_non_null(coroutine);
        assert_true(inlay_coroutine_resume(coroutine));
        assert_ptr_equal(inlay_coroutine_current(), me);
        inlay_coroutine_yield(); /* the inner one waits meanwhile */
        assert_false(inlay_coroutine_resume(coroutine));
        assert_ptr_equal(inlay_coroutine_current(), me);
        assert_int_equal(inner.resumed, inner.depth ? 2 : 1);
        self->resumed++;
    }
}

/* Each level resumes the next one to its end, through one that waits. */
static void nest_through(void *arg)
{
    struct nest *self = arg, inner = {self->coroutines, self->depth - 1, 0};

    inlay_coroutine_yield();
    if (self->depth) {
        struct inlay_coroutine *coroutine =
            inlay_coroutine_create(self->coroutines, nest_through, &inner);

        assert_non_null(coroutine);
        while (inlay_coroutine_resume(coroutine))
            inlay_coroutine_yield();
        self->resumed = inner.resumed;
    }
    self->resumed++;
}

static void test_nesting(void **state)
{
    struct nest outer = {*state, 1, 0};
    struct inlay_coroutine *coroutine =
        inlay_coroutine_create(*state, nest, &outer);

    assert_true(inlay_coroutine_resume(coroutine));
    assert_true(inlay_coroutine_resume(coroutine));
    assert_false(inlay_coroutine_resume(coroutine));
    assert_int_equal(outer.resumed, 2);

    outer = (struct nest){*state, 20, 0};
    coroutine = inlay_coroutine_create(*state, nest_through, &outer);
    int times = 0;
    while (inlay_coroutine_resume(coroutine))
        times++;
    assert_int_equal(times, 21);
    assert_int_equal(outer.resumed, 21);
    assert_int_equal(((struct inlay_coroutines *)*state)->active, 0);
}

static void test_many(void **state)
{
    struct inlay_coroutines *coroutines = *state;
    struct run *runs = calloc(MANY, sizeof(*runs));

    assert_non_null(runs);
    for (size_t i = 0; i < MANY; i++)
        start(&runs[i], coroutines, (int)(i % 3) + 1);
    assert_int_equal(coroutines->active, MANY);
    for (size_t left = MANY; left;) {
        for (size_t i = 0; i < MANY; i++) {
            if (runs[i].self && !inlay_coroutine_resume(runs[i].self)) {
                runs[i].self = NULL;
                left--;
            }
        }
    }
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(runs[i].steps, i % 3 + 1);
    assert_int_equal(coroutines->active, 0);
    assert_int_equal(coroutines->nspare, SPARE);
    free(runs);
}

/* --- Stacks --------------------------------------------------------------- */

/* Uses `size` bytes of stack, and returns their sum. */
static inlay_noinline uint64_t use(size_t size, size_t step)
{
    volatile char block[4096];

    memset((char *)block, 1, sizeof(block));
    uint64_t sum = (uint64_t)block[step % sizeof(block)];
    if (size > sizeof(block))
        sum += use(size - sizeof(block), step);
    return sum + (uint64_t)block[0];
}

struct deep {
    size_t size;
    bool waits;
    uint64_t sum;
};

static void go_deep(void *arg)
{
    struct deep *deep = arg;
    uintptr_t low, high;

    assert_true(inlay_coroutine_stack(&low, &high));
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    assert_true(here > low && here < high);
    assert_true(high - low > INLAY_COROUTINE_STACK - 1024);
    assert_true(high - low <= INLAY_COROUTINE_STACK);
    assert_false(inlay_coroutine_overflow(low));
    assert_true(inlay_coroutine_overflow(low - 1));
    assert_true(inlay_coroutine_overflow(low - 4096));
    assert_false(inlay_coroutine_overflow(high));
    deep->sum = use(deep->size, 7);
    if (deep->waits)
        inlay_coroutine_yield();
}

/* Sanitizers' frames are larger. */
static void test_deep(void **state)
{
    struct deep deep = {INLAY_COROUTINE_STACK / 3, false, 0};
    uintptr_t low, high;

    assert_false(inlay_coroutine_stack(&low, &high));
    assert_false(inlay_coroutine_overflow((uintptr_t)&low));
    for (int i = 0; i < 10; i++) {
        struct inlay_coroutine *coroutine =
            inlay_coroutine_create(*state, go_deep, &deep);

        assert_false(inlay_coroutine_resume(coroutine));
        assert_true(deep.sum > 40);
    }
}

/* Bytes of memory behind this process's mappings. */
static size_t resident(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long size, pages;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &size, &pages), 2);
    fclose(file);
    return pages * 4096;
}

static void test_memory_is_given_back(void **state)
{
    struct deep deep = {INLAY_COROUTINE_STACK / 3, true, 0};
    struct inlay_coroutine *all[SPARE];

    for (size_t i = 0; i < SPARE; i++) {
        all[i] = inlay_coroutine_create(*state, go_deep, &deep);
        assert_true(inlay_coroutine_resume(all[i]));
    }
    size_t used = resident();
    for (size_t i = 0; i < SPARE; i++) {
        if (i % 2)
            inlay_coroutine_abandon(all[i]);
        else
            assert_false(inlay_coroutine_resume(all[i]));
    }
    assert_int_equal(((struct inlay_coroutines *)*state)->nspare, SPARE);
    size_t kept = resident();
    assert_true(kept < used);
    assert_true(used - kept > (SPARE - 10) * (INLAY_COROUTINE_STACK / 4));
}

static void *on_thread(void *arg)
{
    struct inlay_coroutines coroutines;
    struct run run;

    (void)arg;
    inlay_coroutines_init(&coroutines);
    for (int i = 0; i < 2000; i++) {
        start(&run, &coroutines, 2);
        assert_true(inlay_coroutine_resume(run.self));
        assert_true(inlay_coroutine_resume(run.self));
        assert_false(inlay_coroutine_resume(run.self));
    }
    inlay_coroutines_deinit(&coroutines);
    return NULL;
}

static void test_threads(void **state)
{
    pthread_t threads[3];

    (void)state;
    for (size_t i = 0; i < inlay_array_size(threads); i++)
        assert_int_equal(inlay_thread_start(&threads[i], on_thread, NULL), 0);
    for (size_t i = 0; i < inlay_array_size(threads); i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_steps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reuse, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_abandon, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nesting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deep, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory_is_given_back, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_threads, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
