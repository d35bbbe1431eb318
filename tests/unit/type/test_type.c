#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/mem.h"
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
    assert_text(inlay_type_describe(&sample_color_type, &arena), "Color");
    assert_text(inlay_type_describe(&sample_colors_type, &arena), "Color[]");
    assert_text(inlay_type_describe(&sample_char, &arena), "str");
    assert_text(inlay_type_describe(&sample_chars4, &arena), "str");
    assert_text(inlay_type_describe(&sample_bytes, &arena), "bytes");
    assert_text(inlay_type_describe(&sample_triple_type, &arena), "int[3]");
    assert_text(inlay_type_describe(&sample_link_ptr_type, &arena), "Link");
    assert_text(inlay_type_describe(&sample_owned_i64s_type, &arena), "int[]");
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

/* A struct of these types, and what of it has no JSON form. */
static void check_without(const struct inlay_type *type,
                          bool reading,
                          const struct inlay_type *expected,
                          const char *expected_why)
{
    const struct inlay_type slice = {.kind = INLAY_KIND_SLICE, .elem = type};
    const struct inlay_field fields[] = {
        {.name = INLAY_STR("a"), .type = &sample_node_type},
        {.name = INLAY_STR("b"), .type = &slice},
    };
    const struct inlay_type whole = {
        .kind = INLAY_KIND_STRUCT,
        .fields = fields,
        .nfields = 2,
    };
    struct inlay_str why = INLAY_STR("");

    assert_ptr_equal(inlay_type_without_json(&whole, reading, &why), expected);
    if (expected)
        assert_non_null(
            memmem(why.ptr, why.len, expected_why, strlen(expected_why)));
}

static void test_without_json(void **state)
{
    static const enum inlay_kind kinds[] = {
        INLAY_KIND_HANDLE,   INLAY_KIND_OBJECT,      INLAY_KIND_CALLBACK,
        INLAY_KIND_USERDATA, INLAY_KIND_ARROW_ARRAY, INLAY_KIND_ARROW_SCHEMA,
    };
    struct inlay_str why;

    (void)state;
    check_without(&sample_misc_type, true, NULL, NULL);
    check_without(&sample_kinds_type, true, NULL, NULL);
    check_without(&sample_owned_i64s_type, false, NULL, NULL);
    check_without(&sample_owned_i64s_type, true, &sample_owned_i64s_type,
                  "take an INLAY_SLICE");
    check_without(&sample_union, false, &sample_union, "has no JSON form");
    for (size_t i = 0; i < inlay_array_size(kinds); i++) {
        const struct inlay_type type = {.kind = kinds[i]};

        check_without(&type, true, &type, " ");
        check_without(&type, false, &type, " ");
    }
    inlay_mem_fail_after(0);
    assert_non_null(inlay_type_without_json(&sample_misc_type, true, &why));
    inlay_mem_fail_after(-1);
}

static bool collect(void *arg, const struct inlay_type *type)
{
    struct inlay_buf *out = arg;

    if (type->kind == INLAY_KIND_STRUCT || type->kind == INLAY_KIND_ENUM) {
        assert_int_equal(inlay_buf_append_str(out, type->name), 0);
        assert_int_equal(inlay_buf_append_char(out, ' '), 0);
    }
    return type->kind != INLAY_KIND_CSTR;
}

/* Each struct once, whatever reaches it; the function can end it. */
static void test_walk(void **state)
{
    struct inlay_buf out;

    (void)state;
    inlay_buf_init(&out, 1000);
    assert_false(inlay_type_walk(&sample_misc_type, collect, &out));
    assert_true(inlay_type_walk(&sample_order_type, collect, &out));
    assert_true(inlay_type_walk(&sample_nodes_type, collect, &out));
    assert_true(inlay_type_walk(&sample_kinds_type, collect, &out));
    assert_true(inlay_str_is(inlay_buf_view(&out),
                             "Misc Order Item Node Kinds Color Level Item Link "
                             "Color "));
    inlay_buf_deinit(&out);
}

static void test_enum(void **state)
{
    /* As wide as the widest: what is loaded is the low end. */
    int64_t level = -1, color = UINT32_MAX;

    (void)state;
    assert_int_equal(inlay_enum_load(&sample_level_type, &level), -1);
    assert_true(inlay_enum_load(&sample_color_type, &color) == UINT32_MAX);
    assert_ptr_equal(inlay_enum_find(&sample_level_type, 1),
                     &sample_level_type.members[1]);
    assert_null(inlay_enum_find(&sample_level_type, 2));
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
        cmocka_unit_test(test_without_json),
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_enum),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
