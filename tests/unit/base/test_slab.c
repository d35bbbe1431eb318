/* Objects of a slab: zeroed, apart from each other, and all given back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/slab.h"

#include "base/banned.h"

#define OBJECTS 1000
#define SIZE 900

static void test_come_and_go(void **state)
{
    static unsigned char *objects[OBJECTS];
    struct inlay_slab slab;

    (void)state;
    inlay_slab_init(&slab, SIZE);
    srand(1);
    for (int step = 0; step < 100000; step++) {
        /* First it fills, then it empties. */
        bool fill = rand() % 100 < (step < 50000 ? 60 : 30);
        size_t i = (size_t)rand() % OBJECTS;

        if (fill && !objects[i]) {
            objects[i] = inlay_slab_alloc(&slab);
            assert_non_null(objects[i]);
            assert_int_equal((uintptr_t)objects[i] % 16, 0);
            for (size_t at = 0; at < SIZE; at++)
                assert_int_equal(objects[i][at], 0);
            memset(objects[i], (int)i, SIZE);
        } else if (!fill && objects[i]) {
            for (size_t at = 0; at < SIZE; at++)
                assert_int_equal(objects[i][at], (unsigned char)i);
            inlay_slab_free(&slab, objects[i]);
            objects[i] = NULL;
        }
    }
    for (size_t i = 0; i < OBJECTS; i++) {
        if (objects[i])
            inlay_slab_free(&slab, objects[i]);
    }
    /* No more than one block is kept. */
    assert_ptr_equal(slab.open.next->next, &slab.open);
    inlay_slab_deinit(&slab);
}

static void test_no_memory(void **state)
{
    struct inlay_slab slab;

    (void)state;
    inlay_slab_init(&slab, SIZE);
    inlay_mem_fail_after(0);
    assert_null(inlay_slab_alloc(&slab));
    inlay_mem_fail_after(-1);
    void *object = inlay_slab_alloc(&slab);
    assert_non_null(object);
    inlay_slab_free(&slab, object);
    inlay_slab_deinit(&slab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_come_and_go),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
