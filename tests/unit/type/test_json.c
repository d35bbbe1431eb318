#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/macros.h"
#include "samples.h"

#include "base/banned.h"

/* What FastAPI can be asked is in test_golden.c; here is what is ours. */

struct fixture {
    struct inlay_arena arena;
    struct inlay_violations violations;
    struct inlay_place body;
    struct inlay_buf out;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    inlay_arena_init(&f->arena, 1 << 26);
    inlay_buf_init(&f->out, 1 << 24);
    inlay_violations_init(&f->violations, &f->arena);
    f->body = (struct inlay_place){.name = INLAY_STR("body")};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    inlay_buf_deinit(&f->out);
    inlay_arena_deinit(&f->arena);
    free(f);
    return 0;
}

static int read_json(struct fixture *f,
                     struct inlay_str text,
                     const struct inlay_type *type,
                     void *ret)
{
    struct inlay_json_doc doc;
    int status =
        inlay_json_parse(text, &f->arena, &f->body, &f->violations, &doc);

    if (status != INLAY_JSON_OK)
        return status;
    return inlay_json_read(&doc, type, &f->arena, &f->body, &f->violations,
                           ret);
}

static const char *written(struct fixture *f,
                           const struct inlay_type *type,
                           const void *value)
{
    inlay_buf_clear(&f->out);
    assert_int_equal(inlay_json_write(type, value, &f->out), 0);
    assert_int_equal(inlay_buf_append_char(&f->out, '\0'), 0);
    return f->out.data;
}

static const char *violations(struct fixture *f)
{
    inlay_buf_clear(&f->out);
    assert_int_equal(inlay_violations_write(&f->violations, &f->out), 0);
    assert_int_equal(inlay_buf_append_char(&f->out, '\0'), 0);
    return f->out.data;
}

#define MISC                                                                   \
    "{\"i8\":-128,\"i16\":-32768,\"i32\":-2147483648,\"u16\":65535,"           \
    "\"u32\":4294967295,\"u64\":18446744073709551615,\"f32\":0.1,"             \
    "\"cstr\":\"a\\n\",\"maybe_item\":{\"name\":\"\xC3\xA9\",\"price\":1.5},"  \
    "\"order\":{\"id\":1,\"items\":[{\"name\":\"\",\"price\":1e+16}],"         \
    "\"note\":null,\"tags\":[\"x\",\"\"],\"rank\":255,\"ok\":true},"           \
    "\"node\":{\"value\":1,\"kids\":[{\"value\":2,\"kids\":[]},"               \
    "{\"value\":3,\"kids\":[{\"value\":4,\"kids\":[]}]}]}}"

static void test_round_trip(void **state)
{
    struct fixture *f = *state;
    struct sample_misc misc, again;

    assert_int_equal(read_json(f, INLAY_STR(MISC), &sample_misc_type, &misc),
                     INLAY_JSON_OK);
    assert_true(misc.u64 == UINT64_MAX && misc.f32 == 0.1f);
    assert_string_equal(misc.cstr, "a\n");
    assert_true(misc.maybe_item.has && !misc.order.note.has);
    assert_int_equal(misc.node.kids.ptr[1].kids.ptr[0].value, 4);
    assert_string_equal(written(f, &sample_misc_type, &misc), MISC);
    /* Absent optionals and a null const char * are nothing. */
    assert_int_equal(
        read_json(f,
                  INLAY_STR("{\"i8\":1,\"i16\":1,\"i32\":1,\"u16\":1,\"u32\":1,"
                            "\"u64\":1,\"f32\":1,\"cstr\":null,\"order\":{"
                            "\"id\":1,\"items\":[],\"tags\":[],\"ok\":0},"
                            "\"node\":{\"kids\":[],\"value\":\"5\"}}"),
                  &sample_misc_type, &again),
        INLAY_JSON_OK);
    assert_false(again.maybe_item.has);
    assert_null(again.cstr);
}

#define KINDS                                                                  \
    "{\"color\":\"blue\",\"level\":\"low\",\"letter\":\"x\",\"code\":"         \
    "\"\xC3\xA9-\",\"triple\":[1,-2,3],\"pair\":[{\"name\":\"a\",\"price\":1." \
    "0},"                                                                      \
    "{\"name\":\"b\",\"price\":2.0}],\"data\":\"/+8=\",\"link\":{\"value\":1," \
    "\"next\":{\"value\":2,\"next\":null}},\"maybe_color\":\"red\"}"

static void test_kinds(void **state)
{
    struct fixture *f = *state;
    struct sample_kinds kinds;

    assert_int_equal(read_json(f, INLAY_STR(KINDS), &sample_kinds_type, &kinds),
                     INLAY_JSON_OK);
    assert_true(kinds.color == blue && kinds.level == low);
    assert_int_equal(kinds.letter, 'x');
    assert_memory_equal(kinds.code, "\xC3\xA9-", 4);
    assert_true(kinds.triple[1] == -2 && kinds.pair[1].price == 2);
    assert_int_equal(kinds.data.len, 2);
    assert_memory_equal(kinds.data.ptr, "\xFF\xEF", 2);
    assert_int_equal(kinds.link->next->value, 2);
    assert_null(kinds.link->next->next);
    assert_true(kinds.maybe_color.has && kinds.maybe_color.value == red);
    assert_string_equal(written(f, &sample_kinds_type, &kinds), KINDS);
    assert_int_equal(
        read_json(f, INLAY_STR("\"top\""), &sample_level_type, &kinds.level),
        INLAY_JSON_OK);
    assert_string_equal(written(f, &sample_level_type, &kinds.level),
                        "\"high\"");
}

/* Two characters of four bytes: char[4] has room for three bytes. */
static void test_own_lengths(void **state)
{
    struct fixture *f = *state;
    char code[4], letter;

    assert_int_equal(
        read_json(f, INLAY_STR("\"\xC3\xA9\xC3\xA9\""), &sample_chars4, code),
        INLAY_JSON_INVALID);
    assert_int_equal(
        read_json(f, INLAY_STR("\"a\\u0000\""), &sample_chars4, code),
        INLAY_JSON_INVALID);
    assert_int_equal(
        read_json(f, INLAY_STR("\"\xC3\xA9\""), &sample_char, &letter),
        INLAY_JSON_INVALID);
    assert_string_equal(
        violations(f),
        "{\"detail\":[{\"type\":\"string_too_long\",\"loc\":[\"body\"],"
        "\"msg\":\"String should have at most 3 characters\",\"input\":"
        "\"\xC3\xA9\xC3\xA9\",\"ctx\":{\"max_length\":3}},"
        "{\"type\":\"value_error\",\"loc\":[\"body\"],\"msg\":\"Value error, "
        "text must not contain a NUL character\",\"input\":\"a\\u0000\","
        "\"ctx\":{\"error\":{}}},"
        "{\"type\":\"value_error\",\"loc\":[\"body\"],\"msg\":\"Value error, "
        "text must be an ASCII character\",\"input\":\"\xC3\xA9\","
        "\"ctx\":{\"error\":{}}}]}");
    letter = 'x';
    assert_int_equal(
        read_json(f, INLAY_STR("\"\\u0000\""), &sample_char, &letter),
        INLAY_JSON_OK);
    assert_string_equal(written(f, &sample_char, &letter), "\"\\u0000\"");
}

static void test_numbers(void **state)
{
    struct fixture *f = *state;
    sample_i64s ints;
    sample_f64s reals;

    assert_int_equal(read_json(f,
                               INLAY_STR("[1,-2,9223372036854775807,\"4\",5.0,"
                                         "-9223372036854775808,true]"),
                               &sample_i64s_type, &ints),
                     INLAY_JSON_OK);
    assert_string_equal(written(f, &sample_i64s_type, &ints),
                        "[1,-2,9223372036854775807,4,5,"
                        "-9223372036854775808,1]");
    assert_int_equal(read_json(f, INLAY_STR("[1,-2.5,\" 1e3\",false,1e-7]"),
                               &sample_f64s_type, &reals),
                     INLAY_JSON_OK);
    assert_string_equal(written(f, &sample_f64s_type, &reals),
                        "[1.0,-2.5,1000.0,0.0,1e-7]");
    assert_int_equal(read_json(f, INLAY_STR("[]"), &sample_i64s_type, &ints),
                     INLAY_JSON_OK);
    assert_int_equal(ints.len, 0);
}

static void test_refused(void **state)
{
    static const char *const texts[] = {
        "NaN",         "[Infinity]",       "{\"a\":-Infinity}",
        "\"\\ud800\"", "\"\\udc00\"",      "\"\\ud800\\u0041\"",
        "\"\xFF\"",    "\"\xED\xA0\x80\"", "",
    };
    struct fixture *f = *state;
    double value;

    for (size_t i = 0; i < inlay_array_size(texts); i++)
        assert_int_equal(
            read_json(f, inlay_str_from(texts[i]), &sample_f64, &value),
            INLAY_JSON_INVALID);
    assert_int_equal(f->violations.count, inlay_array_size(texts));
    inlay_violations_init(&f->violations, &f->arena);
    assert_int_equal(
        read_json(f, INLAY_STR("[\"a\xE2\x82\"]"), &sample_f64, &value),
        INLAY_JSON_INVALID);
    assert_string_equal(
        violations(f),
        "{\"detail\":[{\"type\":\"json_invalid\",\"loc\":[\"body\",3],\"msg\":"
        "\"JSON decode error\",\"input\":{},\"ctx\":{\"error\":\"Invalid "
        "UTF-8\"}}]}");
}

/* Past double: finite_number; NUL in a const char *: value_error. */
static void test_own_faults(void **state)
{
    struct fixture *f = *state;
    double f64;
    float f32;
    int64_t i64;
    const char *cstr;

    assert_int_equal(read_json(f, INLAY_STR("1e999"), &sample_f64, &f64),
                     INLAY_JSON_INVALID);
    assert_int_equal(read_json(f, INLAY_STR("-1e999"), &sample_i64, &i64),
                     INLAY_JSON_INVALID);
    assert_int_equal(read_json(f, INLAY_STR("1e39"), &sample_f32, &f32),
                     INLAY_JSON_INVALID);
    assert_int_equal(
        read_json(f, INLAY_STR("\"\\u0000\""), &sample_cstr, &cstr),
        INLAY_JSON_INVALID);
    assert_string_equal(
        violations(f),
        "{\"detail\":[{\"type\":\"finite_number\",\"loc\":[\"body\"],\"msg\":"
        "\"Input should be a finite number\",\"input\":1e999},"
        "{\"type\":\"finite_number\",\"loc\":[\"body\"],\"msg\":"
        "\"Input should be a finite number\",\"input\":-1e999},"
        "{\"type\":\"less_than_equal\",\"loc\":[\"body\"],\"msg\":\"Input "
        "should be less than or equal to 3.4028234663852886e+38\",\"input\":"
        "1e+39,\"ctx\":{\"le\":3.4028234663852886e+38}},"
        "{\"type\":\"value_error\",\"loc\":[\"body\"],\"msg\":\"Value error, "
        "text must not contain a NUL character\",\"input\":\"\\u0000\","
        "\"ctx\":{\"error\":{}}}]}");
}

static void test_members(void **state)
{
    struct fixture *f = *state;
    struct inlay_json_doc doc;
    struct sample_item item;
    const int64_t seven = 7;
    int64_t number;
    sample_maybe_i64 maybe = {.has = true};

    assert_int_equal(
        inlay_json_parse(INLAY_STR("{\"a\":1,\"n\":5,\"n\":\"6\"}"), &f->arena,
                         &f->body, &f->violations, &doc),
        INLAY_JSON_OK);
#define MEMBER(name, type, fallback, ret)                                      \
    inlay_json_read_member(&doc, INLAY_STR(name), (type), NULL, (fallback),    \
                           &f->arena, &f->body, &f->violations, (ret))
    assert_int_equal(MEMBER("n", &sample_i64, NULL, &number), INLAY_JSON_OK);
    assert_int_equal(number, 6);
    assert_int_equal(MEMBER("m", &sample_i64, &seven, &number), INLAY_JSON_OK);
    assert_int_equal(number, 7);
    assert_int_equal(MEMBER("m", &sample_maybe_i64_type, NULL, &maybe),
                     INLAY_JSON_OK);
    assert_false(maybe.has);
    assert_int_equal(MEMBER("a", &sample_item_type, NULL, &item),
                     INLAY_JSON_INVALID);
    assert_int_equal(MEMBER("b", &sample_item_type, NULL, &item),
                     INLAY_JSON_INVALID);
    assert_int_equal(inlay_json_parse(INLAY_STR("[]"), &f->arena, &f->body,
                                      &f->violations, &doc),
                     INLAY_JSON_OK);
    assert_int_equal(MEMBER("c", &sample_item_type, NULL, &item),
                     INLAY_JSON_INVALID);
#undef MEMBER
    assert_string_equal(
        violations(f),
        "{\"detail\":[{\"type\":\"model_attributes_type\",\"loc\":[\"body\","
        "\"a\"],\"msg\":\"Input should be a valid dictionary or object to "
        "extract fields from\",\"input\":1},{\"type\":\"missing\",\"loc\":"
        "[\"body\",\"b\"],\"msg\":\"Field required\",\"input\":null},"
        "{\"type\":\"missing\",\"loc\":[\"body\",\"c\"],\"msg\":\"Field "
        "required\",\"input\":null}]}");
}

/* Text that nests `count` deep: head…, then middle, then as many tails. */
static struct inlay_str nested(struct fixture *f,
                               const char *head,
                               const char *middle,
                               const char *tail,
                               size_t count)
{
    struct inlay_buf text;

    inlay_buf_init(&text, 1 << 24);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(inlay_buf_append_str(&text, inlay_str_from(head)), 0);
    assert_int_equal(inlay_buf_append_str(&text, inlay_str_from(middle)), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(inlay_buf_append_str(&text, inlay_str_from(tail)), 0);
    struct inlay_str copy = inlay_arena_copy(&f->arena, inlay_buf_view(&text));
    inlay_buf_deinit(&text);
    assert_non_null(copy.ptr);
    return copy;
}

static void test_depth(void **state)
{
    struct fixture *f = *state;
    struct sample_node node;
    int64_t number;

    struct inlay_str text = nested(f, "{\"value\":1,\"kids\":[", "", "]}", 60);
    assert_int_equal(read_json(f, text, &sample_node_type, &node),
                     INLAY_JSON_OK);
    assert_string_equal(written(f, &sample_node_type, &node), text.ptr);
    text = nested(f, "{\"value\":1,\"kids\":[", "", "]}", 5000);
    assert_int_equal(read_json(f, text, &sample_node_type, &node),
                     INLAY_JSON_INVALID);
    /* Echoed to a depth of 1000, parsed and diagnosed at any. */
    text = nested(f, "[", "1", "]", 100000);
    assert_int_equal(read_json(f, text, &sample_i64, &number),
                     INLAY_JSON_INVALID);
    text = nested(f, "[{\"a\":", "1", "}]", 900);
    assert_int_equal(read_json(f, text, &sample_i64, &number),
                     INLAY_JSON_INVALID);
    text = nested(f, "[{\"a\":", "", "", 100000);
    assert_int_equal(read_json(f, text, &sample_i64, &number),
                     INLAY_JSON_INVALID);
    assert_int_equal(f->violations.count, 4);
    assert_non_null(violations(f));
}

/* A value of C that holds itself ends, and is an error. */
static void test_write_endless(void **state)
{
    struct fixture *f = *state;
    struct sample_node node = {.value = 1};

    node.kids.ptr = &node;
    node.kids.len = 1;
    assert_int_equal(inlay_json_write(&sample_node_type, &node, &f->out), -1);
}

/* A ring of pointers as well; without one, they go as deep as slices. */
static void test_links(void **state)
{
    struct fixture *f = *state;
    struct sample_link ring = {.value = 1}, *link = &ring;

    ring.next = &ring;
    assert_int_equal(inlay_json_write(&sample_link_type, &ring, &f->out), -1);
    assert_int_equal(inlay_json_write(&sample_link_ptr_type, &link, &f->out),
                     -1);
    struct inlay_str text =
        nested(f, "{\"value\":1,\"next\":", "null", "}", 128);
    assert_int_equal(read_json(f, text, &sample_link_type, &ring),
                     INLAY_JSON_OK);
    assert_string_equal(written(f, &sample_link_type, &ring), text.ptr);
    text = nested(f, "{\"value\":1,\"next\":", "null", "}", 129);
    assert_int_equal(read_json(f, text, &sample_link_type, &ring),
                     INLAY_JSON_INVALID);
    link = NULL;
    assert_string_equal(written(f, &sample_link_ptr_type, &link), "null");
}

static void test_write_kinds(void **state)
{
    struct fixture *f = *state;
    int64_t numbers[] = {1, -2};
    sample_owned_i64s owned = {numbers, 2}, gone = {NULL, 1};
    inlay_bytes bytes = {(const uint8_t *)"\0\xFF", 2}, none = {NULL, 0};
    inlay_bytes wrong = {NULL, 1}, huge = {(const uint8_t *)"", SIZE_MAX};
    int8_t level = 77;
    uint32_t color = 4000000000u;

    assert_string_equal(written(f, &sample_owned_i64s_type, &owned), "[1,-2]");
    assert_string_equal(written(f, &sample_bytes, &bytes), "\"AP8=\"");
    assert_string_equal(written(f, &sample_bytes, &none), "\"\"");
    assert_string_equal(written(f, &sample_level_type, &level), "77");
    assert_string_equal(written(f, &sample_color_type, &color), "4000000000");
    assert_string_equal(written(f, &sample_chars4, "abcd"), "\"abcd\"");
    assert_string_equal(written(f, &sample_chars4, "a\0cd"), "\"a\"");
    assert_int_equal(inlay_json_write(&sample_owned_i64s_type, &gone, &f->out),
                     -1);
    assert_int_equal(inlay_json_write(&sample_bytes, &wrong, &f->out), -1);
    assert_int_equal(inlay_json_write(&sample_bytes, &huge, &f->out), -1);
    assert_int_equal(inlay_json_write(&sample_char, "\xC3", &f->out), -1);
    assert_int_equal(inlay_json_write(&sample_chars4, "abc\xC3", &f->out), -1);
}

static void test_write_values(void **state)
{
    struct fixture *f = *state;
    double numbers[] = {NAN, INFINITY, -INFINITY, 0.1};
    sample_f64s reals = {numbers, 4}, empty = {NULL, 0}, wrong = {NULL, 1};
    inlay_str bad = {"a\xFF", 2}, none = {NULL, 0}, null = {NULL, 1};
    const char *cstr = NULL;
    float narrow = INFINITY;

    assert_string_equal(written(f, &sample_f64s_type, &reals),
                        "[null,null,null,0.1]");
    assert_string_equal(written(f, &sample_f64s_type, &empty), "[]");
    assert_string_equal(written(f, &sample_cstr, &cstr), "null");
    assert_string_equal(written(f, &sample_str, &none), "\"\"");
    assert_string_equal(written(f, &sample_f32, &narrow), "null");
    assert_string_equal(written(f, &sample_void, NULL), "null");
    assert_int_equal(inlay_json_write(&sample_f64s_type, &wrong, &f->out), -1);
    assert_int_equal(inlay_json_write(&sample_str, &bad, &f->out), -1);
    assert_int_equal(inlay_json_write(&sample_str, &null, &f->out), -1);
    assert_int_equal(inlay_json_write(&sample_union, &null, &f->out), -1);
}

/* Escapes at each place of a text, as words of eight bytes are looked at. */
static void test_escapes(void **state)
{
    struct fixture *f = *state;

    for (size_t len = 1; len < 20; len++) {
        for (size_t at = 0; at < len; at++) {
            char text[20], expected[64];
            struct inlay_str view = {text, len};

            memset(text, '!', sizeof(text));
            text[at] = '"';
            snprintf(expected, sizeof(expected), "\"%.*s\\\"%.*s\"", (int)at,
                     "!!!!!!!!!!!!!!!!!!!!", (int)(len - at - 1),
                     "!!!!!!!!!!!!!!!!!!!!");
            assert_string_equal(written(f, &sample_str, &view), expected);
        }
    }
}

static void check_write_limit(struct fixture *f,
                              struct inlay_str text,
                              const struct inlay_type *type)
{
    void *value = inlay_arena_alloc(&f->arena, type->size);

    assert_int_equal(read_json(f, text, type, value), INLAY_JSON_OK);
    for (size_t limit = 0; limit <= text.len; limit++) {
        struct inlay_buf out;

        inlay_buf_init(&out, limit);
        assert_int_equal(inlay_json_write(type, value, &out),
                         limit < text.len ? -1 : 0);
        assert_true(inlay_buf_len(&out) <= limit);
        inlay_buf_deinit(&out);
    }
}

static void test_write_limit(void **state)
{
    check_write_limit(*state, INLAY_STR(MISC), &sample_misc_type);
    check_write_limit(*state, INLAY_STR(KINDS), &sample_kinds_type);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kinds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_lengths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_links, setup, teardown),
        cmocka_unit_test_setup_teardown(test_write_kinds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_faults, setup, teardown),
        cmocka_unit_test_setup_teardown(test_members, setup, teardown),
        cmocka_unit_test_setup_teardown(test_depth, setup, teardown),
        cmocka_unit_test_setup_teardown(test_write_endless, setup, teardown),
        cmocka_unit_test_setup_teardown(test_write_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_escapes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_write_limit, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
