#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/macros.h"
#include "samples.h"

#include "base/banned.h"

/* Most of what text becomes is compared with FastAPI: see test_golden.c. */

struct fixture {
    struct inlay_arena arena;
    struct inlay_violations violations;
    struct inlay_place query, x;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    inlay_arena_init(&f->arena, 1 << 20);
    inlay_violations_init(&f->violations, &f->arena);
    f->query = (struct inlay_place){.name = INLAY_STR("query")};
    f->x = (struct inlay_place){.outer = &f->query, .name = INLAY_STR("x")};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    inlay_arena_deinit(&f->arena);
    free(f);
    return 0;
}

static int read_text(struct fixture *f,
                     struct inlay_str text,
                     const struct inlay_type *type,
                     void *ret)
{
    return inlay_text_read(text, type, &f->arena, &f->x, &f->violations, ret);
}

static void check_violations(struct fixture *f, const char *expected)
{
    struct inlay_buf out;

    inlay_buf_init(&out, 1 << 16);
    assert_int_equal(inlay_violations_write(&f->violations, &out), 0);
    assert_int_equal(inlay_buf_append_char(&out, '\0'), 0);
    assert_string_equal(out.data, expected);
    inlay_buf_deinit(&out);
}

static void test_scalars(void **state)
{
    struct fixture *f = *state;
    int16_t i16;
    uint64_t u64;
    float f32;
    bool flag;
    inlay_str text;
    const char *cstr;
    sample_maybe_i64 maybe;

    assert_int_equal(read_text(f, INLAY_STR("-32768"), &sample_i16, &i16), 0);
    assert_int_equal(i16, -32768);
    assert_int_equal(
        read_text(f, INLAY_STR("18446744073709551615"), &sample_u64, &u64), 0);
    assert_true(u64 == UINT64_MAX);
    assert_int_equal(read_text(f, INLAY_STR("0.1"), &sample_f32, &f32), 0);
    assert_true(f32 == 0.1f);
    assert_int_equal(read_text(f, INLAY_STR("oN"), &sample_bool, &flag), 0);
    assert_true(flag);
    assert_int_equal(read_text(f, INLAY_STR("\xC3\xA9"), &sample_str, &text),
                     0);
    assert_true(inlay_str_is(text, "\xC3\xA9"));
    assert_int_equal(read_text(f, INLAY_STR("abc"), &sample_cstr, &cstr), 0);
    assert_string_equal(cstr, "abc");
    assert_int_equal(read_text(f, INLAY_STR(""), &sample_cstr, &cstr), 0);
    assert_string_equal(cstr, "");
    assert_int_equal(
        read_text(f, INLAY_STR("7"), &sample_maybe_i64_type, &maybe), 0);
    assert_true(maybe.has && maybe.value == 7);
    assert_int_equal(f->violations.count, 0);
}

static void test_nul(void **state)
{
    struct fixture *f = *state;
    const char *cstr;
    inlay_str text;

    assert_int_equal(read_text(f, INLAY_STR("a\0b"), &sample_str, &text), 0);
    assert_int_equal(text.len, 3);
    assert_int_equal(read_text(f, INLAY_STR("a\0b"), &sample_cstr, &cstr),
                     INLAY_TEXT_INVALID);
    check_violations(
        f, "{\"detail\":[{\"type\":\"value_error\",\"loc\":[\"query\",\"x\"],"
           "\"msg\":\"Value error, text must not contain a NUL character\","
           "\"input\":\"a\\u0000b\",\"ctx\":{\"error\":{}}}]}");
}

static void test_unicode(void **state)
{
    struct fixture *f = *state;
    inlay_str text;

    assert_int_equal(
        read_text(f, INLAY_STR("a\xFF\xE2\x82"), &sample_str, &text),
        INLAY_TEXT_INVALID);
    check_violations(
        f, "{\"detail\":[{\"type\":\"string_unicode\",\"loc\":[\"query\","
           "\"x\"],\"msg\":\"Input should be a valid string, unable to parse "
           "raw data as a unicode string\",\"input\":\"a\xEF\xBF\xBD"
           "\xEF\xBF\xBD\"}]}");
}

/* Not in the golden cases: FastAPI fails at NaN, and has no float of 32 bit. */
static void test_not_finite(void **state)
{
    static const char *const texts[] = {
        "nan",   "inf",  "-Infinity", "+iNf",
        "1e400", "i_nf", "-NaN",      "1e99999999999999999999",
    };
    struct fixture *f = *state;
    double f64;
    float f32;

    for (size_t i = 0; i < inlay_array_size(texts); i++)
        assert_int_equal(
            read_text(f, inlay_str_from(texts[i]), &sample_f64, &f64),
            INLAY_TEXT_INVALID);
    assert_int_equal(f->violations.count, inlay_array_size(texts));
    inlay_violations_init(&f->violations, &f->arena);
    assert_int_equal(read_text(f, INLAY_STR("-4e38"), &sample_f32, &f32),
                     INLAY_TEXT_INVALID);
    check_violations(
        f, "{\"detail\":[{\"type\":\"greater_than_equal\",\"loc\":[\"query\","
           "\"x\"],\"msg\":\"Input should be greater than or equal to "
           "-3.4028234663852886e+38\",\"input\":\"-4e38\","
           "\"ctx\":{\"ge\":-3.4028234663852886e+38}}]}");
}

/* Texts of thousands of digits; what pydantic says about each. */
static void test_long(void **state)
{
    static const struct {
        size_t ones;
        const char *end;
        const char *type;
    } cases[] = {
        {4300, "", "less_than_equal"},   {4301, "", "int_parsing_size"},
        {5000, "x", "int_parsing_size"}, {4000, "x", "int_parsing"},
        {4300, ".0", "less_than_equal"},
    };
    static char text[6000];
    struct fixture *f = *state;

    for (size_t i = 0; i < inlay_array_size(cases); i++) {
        struct inlay_buf out;
        int64_t value;
        size_t end = strlen(cases[i].end);

        memset(text, '1', cases[i].ones);
        memcpy(text + cases[i].ones, cases[i].end, end);
        inlay_violations_init(&f->violations, &f->arena);
        assert_int_equal(read_text(f, inlay_str_make(text, cases[i].ones + end),
                                   &sample_i64, &value),
                         INLAY_TEXT_INVALID);
        inlay_buf_init(&out, 1 << 16);
        assert_int_equal(inlay_violations_write(&f->violations, &out), 0);
        assert_int_equal(inlay_buf_append_char(&out, '\0'), 0);
        char *quote = strchr(out.data + 20, '"');
        assert_non_null(quote);
        *quote = '\0';
        assert_string_equal(out.data + 20, cases[i].type);
        inlay_buf_deinit(&out);
    }
}

static void test_readable(void **state)
{
    (void)state;
    assert_true(inlay_text_readable(&sample_i64));
    assert_true(inlay_text_readable(&sample_cstr));
    assert_true(inlay_text_readable(&sample_maybe_str_type));
    assert_true(inlay_text_readable(&sample_color_type));
    assert_true(inlay_text_readable(&sample_maybe_color_type));
    assert_true(inlay_text_readable(&sample_char));
    assert_true(inlay_text_readable(&sample_chars4));
    assert_false(inlay_text_readable(&sample_bytes));
    assert_false(inlay_text_readable(&sample_triple_type));
    assert_false(inlay_text_readable(&sample_link_ptr_type));
    assert_false(inlay_text_readable(&sample_object));
    assert_false(inlay_text_readable(&sample_maybe_item_type));
    assert_false(inlay_text_readable(&sample_items_type));
    assert_false(inlay_text_readable(&sample_item_type));
    assert_false(inlay_text_readable(&sample_void));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_scalars, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nul, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unicode, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_finite, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long, setup, teardown),
        cmocka_unit_test(test_readable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
