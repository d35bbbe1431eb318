#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "samples.h"
#include "type/schema.h"

#include "base/banned.h"

static void check(const struct inlay_type *type,
                  const char *title,
                  const char *expected)
{
    struct inlay_buf out;

    inlay_buf_init(&out, 1 << 16);
    assert_int_equal(inlay_schema_write(type, inlay_str_from(title), &out), 0);
    assert_int_equal(inlay_buf_append_char(&out, '\0'), 0);
    assert_string_equal(out.data, expected);
    inlay_buf_deinit(&out);
}

static void check_definition(const struct inlay_type *type,
                             const char *expected)
{
    struct inlay_buf out;

    inlay_buf_init(&out, 1 << 16);
    assert_int_equal(inlay_schema_write_definition(type, &out), 0);
    assert_int_equal(inlay_buf_append_char(&out, '\0'), 0);
    assert_string_equal(out.data, expected);
    inlay_buf_deinit(&out);
}

static void test_uses(void **state)
{
    (void)state;
    check(&sample_i64, "X",
          "{\"type\":\"integer\",\"format\":\"int64\",\"title\":\"X\"}");
    check(&sample_i8, "",
          "{\"type\":\"integer\",\"maximum\":127,\"minimum\":-128,"
          "\"format\":\"int8\"}");
    check(&sample_u32, "",
          "{\"type\":\"integer\",\"maximum\":4294967295,\"minimum\":0,"
          "\"format\":\"uint32\"}");
    check(&sample_u64, "",
          "{\"type\":\"integer\",\"minimum\":0,\"format\":\"uint64\"}");
    check(&sample_f32, "", "{\"type\":\"number\",\"format\":\"float\"}");
    check(&sample_f64, "", "{\"type\":\"number\",\"format\":\"double\"}");
    check(&sample_bool, "", "{\"type\":\"boolean\"}");
    check(&sample_cstr, "", "{\"type\":\"string\"}");
    check(&sample_void, "", "{\"type\":\"null\"}");
    check(&sample_maybe_str_type, "Note",
          "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}],"
          "\"title\":\"Note\"}");
    check(&sample_items_type, "Items",
          "{\"items\":{\"$ref\":\"#/components/schemas/Item\"},"
          "\"type\":\"array\",\"title\":\"Items\"}");
    check(&sample_item_type, "Item",
          "{\"$ref\":\"#/components/schemas/Item\"}");
}

static void test_more_uses(void **state)
{
    const struct inlay_type nameless = {
        .kind = INLAY_KIND_ENUM,
        .members = sample_level_type.members,
        .nmembers = 2,
    };

    (void)state;
    check(&sample_color_type, "X", "{\"$ref\":\"#/components/schemas/Color\"}");
    check(&nameless, "X",
          "{\"type\":\"string\",\"enum\":[\"low\",\"high\"],"
          "\"title\":\"X\"}");
    check(&sample_maybe_color_type, "X",
          "{\"anyOf\":[{\"$ref\":\"#/components/schemas/Color\"},"
          "{\"type\":\"null\"}],\"title\":\"X\"}");
    check(&sample_link_ptr_type, "",
          "{\"anyOf\":[{\"$ref\":\"#/components/schemas/Link\"},"
          "{\"type\":\"null\"}]}");
    check(&sample_char, "",
          "{\"type\":\"string\",\"maxLength\":1,\"minLength\":1}");
    check(&sample_chars4, "", "{\"type\":\"string\",\"maxLength\":3}");
    check(&sample_bytes, "",
          "{\"type\":\"string\",\"contentEncoding\":\"base64\","
          "\"contentMediaType\":\"application/octet-stream\"}");
    check(&sample_triple_type, "X",
          "{\"items\":{\"type\":\"integer\",\"format\":\"int64\"},"
          "\"type\":\"array\",\"maxItems\":3,\"minItems\":3,"
          "\"title\":\"X\"}");
    check(&sample_owned_i64s_type, "",
          "{\"items\":{\"type\":\"integer\",\"format\":\"int64\"},"
          "\"type\":\"array\"}");
}

static void test_more_definitions(void **state)
{
    (void)state;
    check_definition(&sample_level_type,
                     "{\"type\":\"string\",\"enum\":[\"low\",\"high\","
                     "\"top\"],\"title\":\"Level\"}");
    check_definition(&sample_link_type,
                     "{\"properties\":{\"value\":{\"type\":\"integer\","
                     "\"maximum\":2147483647,\"minimum\":-2147483648,"
                     "\"format\":\"int32\",\"title\":\"Value\"},\"next\":"
                     "{\"anyOf\":[{\"$ref\":\"#/components/schemas/Link\"},"
                     "{\"type\":\"null\"}]}},\"type\":\"object\","
                     "\"required\":[\"value\"],\"title\":\"Link\"}");
}

static void test_definition(void **state)
{
    (void)state;
    check_definition(&sample_item_type,
                     "{\"properties\":{\"name\":{\"type\":\"string\","
                     "\"title\":\"Name\"},\"price\":{\"type\":\"number\","
                     "\"format\":\"double\",\"title\":\"Price\"}},"
                     "\"type\":\"object\",\"required\":[\"name\",\"price\"],"
                     "\"title\":\"Item\"}");
}

/* An object of optionals alone has no "required"; a $ref takes no title. */
static void test_optional_definition(void **state)
{
    const struct inlay_field field = {
        .name = INLAY_STR("the_item"),
        .type = &sample_maybe_item_type,
    };
    const struct inlay_type type = {
        .kind = INLAY_KIND_STRUCT,
        .name = INLAY_STR("Q"),
        .fields = &field,
        .nfields = 1,
    };

    (void)state;
    check_definition(&type, "{\"properties\":{\"the_item\":{\"anyOf\":["
                            "{\"$ref\":\"#/components/schemas/Item\"},"
                            "{\"type\":\"null\"}]}},\"type\":\"object\","
                            "\"title\":\"Q\"}");
}

static void test_titles(void **state)
{
    static const char *const titles[][2] = {
        {"sum_of", "Sum Of"},
        {"x2y", "X2Y"},
        {"a__b", "A  B"},
        {"camelCase", "Camelcase"},
        {"a_", "A"},
        {"_a", "A"},
        {"HTTPd", "Httpd"},
        {"x1st_x", "X1St X"},
        {"", ""},
        {"aBC_dEF", "Abc Def"},
        {"_", ""},
    };

    (void)state;
    for (size_t i = 0; i < inlay_array_size(titles); i++) {
        struct inlay_buf out;

        inlay_buf_init(&out, 100);
        assert_int_equal(
            inlay_schema_write_title(inlay_str_from(titles[i][0]), &out), 0);
        assert_int_equal(inlay_buf_append_char(&out, '\0'), 0);
        assert_string_equal(out.data, titles[i][1]);
        inlay_buf_deinit(&out);
    }
}

/* Whatever the limit: an error, or the whole text. */
static void test_limit(void **state)
{
    struct inlay_buf out;
    int status = -1;

    (void)state;
    for (size_t limit = 0; status < 0; limit++) {
        inlay_buf_init(&out, limit);
        status = inlay_schema_write_definition(&sample_order_type, &out);
        status |= inlay_schema_write_definition(&sample_kinds_type, &out);
        assert_true(inlay_buf_len(&out) <= limit);
        inlay_buf_deinit(&out);
        assert_true(limit < 10000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uses),
        cmocka_unit_test(test_definition),
        cmocka_unit_test(test_more_uses),
        cmocka_unit_test(test_more_definitions),
        cmocka_unit_test(test_optional_definition),
        cmocka_unit_test(test_titles),
        cmocka_unit_test(test_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
