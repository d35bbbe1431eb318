#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"
#include "samples.h"

#include "base/banned.h"

#define assert_text(got, literal) assert_true(inlay_str_is((got), literal))

static const struct inlay_type slice_of_maybe = {
    .kind = INLAY_KIND_SLICE,
    .elem = &sample_maybe_i64_type,
};
static const struct inlay_type maybe_slice = {
    .kind = INLAY_KIND_OPTIONAL,
    .elem = &sample_items_type,
};

static void test_describe(void **state)
{
    struct inlay_arena arena;

    (void)state;
    inlay_arena_init(&arena, 1 << 16);
    assert_text(inlay_type_describe(&sample_void, &arena), "None");
    assert_text(inlay_type_describe(&sample_bool, &arena), "bool");
    assert_text(inlay_type_describe(&sample_u8, &arena), "int");
    assert_text(inlay_type_describe(&sample_f32, &arena), "float");
    assert_text(inlay_type_describe(&sample_cstr, &arena), "str");
    assert_text(inlay_type_describe(&sample_items_type, &arena), "Item[]");
    assert_text(inlay_type_describe(&sample_maybe_str_type, &arena),
                "str | None");
    assert_text(inlay_type_describe(&slice_of_maybe, &arena), "(int | None)[]");
    assert_text(inlay_type_describe(&maybe_slice, &arena), "Item[] | None");
    assert_text(inlay_type_describe(&sample_union, &arena), "union x");
    inlay_arena_deinit(&arena);
}

static void test_describe_no_memory(void **state)
{
    struct inlay_arena arena;

    (void)state;
    inlay_arena_init(&arena, 0);
    assert_null(inlay_type_describe(&maybe_slice, &arena).ptr);
    inlay_arena_deinit(&arena);
}

static void test_unsupported(void **state)
{
    const struct inlay_type slice = {
        .kind = INLAY_KIND_SLICE,
        .elem = &sample_union,
    };
    const struct inlay_field fields[] = {
        {.name = INLAY_STR("a"), .type = &sample_node_type},
        {.name = INLAY_STR("b"), .type = &slice},
    };
    const struct inlay_type whole = {
        .kind = INLAY_KIND_STRUCT,
        .fields = fields,
        .nfields = 2,
    };

    (void)state;
    assert_null(inlay_type_unsupported(&sample_misc_type));
    assert_null(inlay_type_unsupported(&sample_node_type));
    assert_ptr_equal(inlay_type_unsupported(&sample_union), &sample_union);
    assert_ptr_equal(inlay_type_unsupported(&whole), &sample_union);
}

static void test_limits(void **state)
{
    (void)state;
    assert_int_equal(inlay_int_least(1), -128);
    assert_int_equal(inlay_int_most(2), 32767);
    assert_true(inlay_int_least(8) == INT64_MIN);
    assert_true(inlay_uint_most(8) == UINT64_MAX);
    assert_true(inlay_uint_most(4) == UINT32_MAX);
    for (uint32_t size = 1; size <= 8; size *= 2) {
        uint64_t cell = 0;
        inlay_int_store(&cell, size, (uint64_t)-2);
        assert_true(inlay_int_load(&cell, size) == -2);
        assert_true(inlay_uint_load(&cell, size) == inlay_uint_most(size) - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_describe),
        cmocka_unit_test(test_describe_no_memory),
        cmocka_unit_test(test_unsupported),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
