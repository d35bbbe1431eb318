#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/macros.h"
#include "base/mem.h"
#include "samples.h"
#include "type/constraint.h"
#include "type/regexp.h"
#include "type/schema.h"

#include "base/banned.h"

/* JSON is compared with FastAPI: see test_golden.c. */

#define LARGE ((size_t)1 << 20)

struct fixture {
    struct inlay_arena arena;
    struct inlay_violations violations;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    inlay_arena_init(&f->arena, (size_t)64 << 20);
    inlay_violations_init(&f->violations, &f->arena);
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

/* --- Patterns ----------------------------------------------------------- */

static const struct inlay_regex *compiled(struct fixture *f,
                                          struct inlay_str pattern)
{
    const struct inlay_regex *regex;

    assert_null(inlay_regex_create(pattern, &f->arena, &regex));
    return regex;
}

static void test_search(void **state)
{
    static const struct {
        inlay_str pattern, text;
        bool found;
    } cases[] = {
        {{"b", 1}, {"abc", 3}, true},
        {{"^b", 2}, {"abc", 3}, false},
        {{"^$", 2}, {NULL, 0}, true},
        {{"c$", 2}, {"abc\n", 4}, false}, /* the very end */
        {{"^.$", 3}, {"\xC3\xA9", 2}, true},
        {{"^\\w\\d$", 6}, {"\xC3\xA9\xD9\xA3", 4}, true}, /* Unicode's */
        {{"a.c", 3}, {"a\rc", 3}, true},
        {{"a.c", 3}, {"a\nc", 3}, false},
        {{"(?<=a)b", 7}, {"xab", 3}, true},
        {{"(?i)\xC3\x89", 6}, {"\xC3\xA9", 2}, true},
        {{"\\x{1F600}$", 10}, {"\xF0\x9F\x98\x80", 4}, true},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < inlay_array_size(cases); i++)
        if (inlay_regex_search(compiled(f, cases[i].pattern), cases[i].text) !=
            cases[i].found)
            fail_msg("case %zu", i);
}

static void test_bad_patterns(void **state)
{
    struct fixture *f = *state;
    const struct inlay_regex *regex;
    struct inlay_error *error =
        inlay_regex_create(INLAY_STR("a(b"), &f->arena, &regex);

    assert_non_null(error);
    assert_int_equal(error->code, INLAY_ERROR_IMPORT);
    assert_string_equal(error->message,
                        "missing closing parenthesis, at byte 3");
    inlay_error_destroy(error);
    /* Half a character. */
    error = inlay_regex_create(INLAY_STR("a\\C"), &f->arena, &regex);
    assert_non_null(error);
    inlay_error_destroy(error);
}

static uint64_t search_ns(const struct inlay_regex *regex,
                          struct inlay_str text,
                          bool *found)
{
    uint64_t began = inlay_clock_ns();

    *found = inlay_regex_search(regex, text);
    return inlay_clock_ns() - began;
}

/* Steps that explode, and a plain repeat from each of a million starts. */
static void test_search_ends(void **state)
{
    static const inlay_str patterns[] = {
        {"^(a+)+$", 7},
        {"(a+)+$", 6},
        {"(a|aa)+$", 8},
        {"(x+x+)+y", 8},
        {"[a-z]*[0-9]", 11},
        {"(.*)*b", 6},
        {"(a*)*(a*)*(a*)*b$", 17},
        {"(?:a?){30}a{30}$", 16},
    };
    static const size_t sizes[] = {30, 300, 5000, LARGE};
    struct fixture *f = *state;
    char *text = malloc(LARGE + 1);
    bool found;

    memset(text, 'a', LARGE);
    for (size_t i = 0; i < inlay_array_size(patterns); i++)
        for (size_t j = 0; j < inlay_array_size(sizes); j++) {
            text[sizes[j]] = '!';
            uint64_t ns = search_ns(compiled(f, patterns[i]),
                                    inlay_str_make(text, sizes[j] + 1), &found);
            text[sizes[j]] = 'a';
            /* Fifty of them are allowed; machines are busy. */
            if (ns > 2000000000u)
                fail_msg("%s took %u ms", patterns[i].ptr,
                         (unsigned)(ns / 1000000));
            assert_false(found);
        }
    free(text);
}

/* A plain search of a long text finds what is at its end. */
static void test_search_far(void **state)
{
    struct fixture *f = *state;
    char *text = malloc(LARGE);
    bool found;

    for (size_t i = 0; i + 1 < LARGE; i += 2)
        memcpy(text + i, "\xC3\xA9", 2);
    text[LARGE - 2] = 'a';
    text[LARGE - 1] = '7';
    search_ns(compiled(f, INLAY_STR("a[0-9]")), inlay_str_make(text, LARGE),
              &found);
    assert_true(found);
    search_ns(compiled(f, INLAY_STR("^\xC3\xA9+a7$")),
              inlay_str_make(text, LARGE), &found);
    assert_true(found);
    free(text);
}

static void *search_often(void *arg)
{
    const struct inlay_regex *regex = arg;
    uintptr_t wrong = 0;

    for (int i = 0; i < 2000; i++) {
        wrong += !inlay_regex_search(regex, INLAY_STR("hello world 42"));
        wrong += inlay_regex_search(regex, INLAY_STR("hello world"));
    }
    return (void *)wrong;
}

static void test_search_threads(void **state)
{
    struct fixture *f = *state;
    const struct inlay_regex *regex = compiled(f, INLAY_STR("([0-9]+)$"));
    pthread_t threads[8];
    void *wrong;

    for (size_t i = 0; i < inlay_array_size(threads); i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, search_often, (void *)regex), 0);
    for (size_t i = 0; i < inlay_array_size(threads); i++) {
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
}

static void test_search_memory(void **state)
{
    struct fixture *f = *state;
    const struct inlay_regex *regex = compiled(f, INLAY_STR("a"));

    inlay_mem_fail_after(0);
    bool found = inlay_regex_search(regex, INLAY_STR("a"));
    inlay_mem_fail_after(-1);
    assert_false(found);
    assert_true(inlay_regex_search(regex, INLAY_STR("a")));
}

/* --- Values ------------------------------------------------------------- */

static void test_hold(void **state)
{
    const struct inlay_constraints least = {
        .has_least = true, .least = 5, .max_length = SIZE_MAX};
    const struct inlay_constraints both = {
        .has_most = true, .most = 9, .min_length = 2, .max_length = 3};
    int64_t numbers[] = {1, 2, 10, 4};
    sample_i64s slice = {numbers, 4};
    sample_maybe_i64 maybe = {.has = false};
    struct inlay_breach breach;

    (void)state;
    assert_true(inlay_constraints_hold(&least, &sample_maybe_i64_type, &maybe,
                                       &breach));
    maybe = (sample_maybe_i64){.has = true, .value = 4};
    assert_false(inlay_constraints_hold(&least, &sample_maybe_i64_type, &maybe,
                                        &breach));
    assert_int_equal(breach.fault, INLAY_FAULT_GREATER_EQUAL);
    assert_false(breach.in_list);
    assert_false(
        inlay_constraints_hold(&both, &sample_i64s_type, &slice, &breach));
    assert_int_equal(breach.fault, INLAY_FAULT_LIST_LONG);
    assert_int_equal(breach.count, 4);
    slice.len = 3;
    assert_false(
        inlay_constraints_hold(&both, &sample_i64s_type, &slice, &breach));
    assert_int_equal(breach.fault, INLAY_FAULT_LESS_EQUAL);
    assert_true(breach.in_list && breach.index == 2);
    slice.len = 2;
    assert_true(
        inlay_constraints_hold(&both, &sample_i64s_type, &slice, &breach));
    slice.len = 1;
    assert_false(
        inlay_constraints_hold(&both, &sample_i64s_type, &slice, &breach));
    assert_int_equal(breach.fault, INLAY_FAULT_LIST_SHORT);
}

static int test_one(const struct inlay_constraints *constraints,
                    const struct inlay_type *type,
                    const void *value)
{
    return inlay_constraints_test(constraints, type, value, NULL);
}

static void test_numbers(void **state)
{
    const struct inlay_constraints large = {
        .has_least = true,
        .has_most = true,
        .least = 1,
        .most = (int64_t)(UINT64_MAX - 1),
        .max_length = SIZE_MAX,
    };
    const struct inlay_constraints real = {
        .has_least = true,
        .has_most = true,
        .real = true,
        .least_real = -1,
        .most_real = 1,
        .max_length = SIZE_MAX,
    };
    uint64_t numbers[] = {0, 1, UINT64_MAX - 1, UINT64_MAX};
    double reals[] = {-1, 1, __builtin_nan(""), 1.5};
    float narrow = -1.5f;

    (void)state;
    assert_int_equal(test_one(&large, &sample_u64, &numbers[0]),
                     INLAY_FAULT_GREATER_EQUAL);
    assert_int_equal(test_one(&large, &sample_u64, &numbers[1]), INLAY_LAX_OK);
    assert_int_equal(test_one(&large, &sample_u64, &numbers[2]), INLAY_LAX_OK);
    assert_int_equal(test_one(&large, &sample_u64, &numbers[3]),
                     INLAY_FAULT_LESS_EQUAL);
    assert_int_equal(test_one(&real, &sample_f64, &reals[0]), INLAY_LAX_OK);
    assert_int_equal(test_one(&real, &sample_f64, &reals[1]), INLAY_LAX_OK);
    assert_int_equal(test_one(&real, &sample_f64, &reals[2]),
                     INLAY_FAULT_LESS_EQUAL);
    assert_int_equal(test_one(&real, &sample_f64, &reals[3]),
                     INLAY_FAULT_LESS_EQUAL);
    assert_int_equal(test_one(&real, &sample_f32, &narrow),
                     INLAY_FAULT_GREATER_EQUAL);
}

static void test_texts(void **state)
{
    const struct inlay_constraints length = {.min_length = 2, .max_length = 3};
    inlay_str short_ = INLAY_STR("\xC3\xA9"), fine = INLAY_STR("\xC3\xA9xx");
    const char *none = NULL, *long_ = "abcd";
    const char chars[4] = {'a', 'b', 'c', 'd'};
    inlay_bytes bytes = {(const uint8_t *)"abcd", 4};

    (void)state;
    assert_int_equal(test_one(&length, &sample_str, &short_),
                     INLAY_FAULT_STRING_SHORT);
    assert_int_equal(test_one(&length, &sample_str, &fine), INLAY_LAX_OK);
    assert_int_equal(test_one(&length, &sample_cstr, &none), INLAY_LAX_OK);
    assert_int_equal(test_one(&length, &sample_cstr, &long_),
                     INLAY_FAULT_STRING_LONG);
    assert_int_equal(test_one(&length, &sample_chars4, chars),
                     INLAY_FAULT_STRING_LONG);
    assert_int_equal(test_one(&length, &sample_bytes, &bytes),
                     INLAY_FAULT_BYTES_LONG);
}

/* --- What is said of them ----------------------------------------------- */

static void check_text(const struct inlay_buf *out, const char *expected)
{
    struct inlay_str text = inlay_buf_view(out);

    if (!inlay_str_equal(text, inlay_str_from(expected)))
        fail_msg("expected %s\ngot      %.*s", expected, inlay_str_arg(text));
}

static void test_read_text(void **state)
{
    const struct inlay_constraints constraints = {
        .has_least = true,
        .least = -5,
        .least_text = INLAY_STR("-5"),
        .max_length = SIZE_MAX,
    };
    struct fixture *f = *state;
    struct inlay_place query = {.name = INLAY_STR("query")};
    struct inlay_buf out;
    sample_maybe_i64 value;

    inlay_buf_init(&out, 1 << 16);
    assert_int_equal(inlay_text_read_within(
                         INLAY_STR("-5"), &sample_maybe_i64_type, &constraints,
                         &f->arena, &query, &f->violations, &value),
                     INLAY_TEXT_OK);
    assert_true(value.has && value.value == -5);
    /* What does not fit its type does not fit the bound, either. */
    assert_int_equal(inlay_text_read_within(INLAY_STR("-99999999999999999999"),
                                            &sample_maybe_i64_type,
                                            &constraints, &f->arena, &query,
                                            &f->violations, &value),
                     INLAY_TEXT_INVALID);
    assert_false(inlay_constraints_check_count(
        &(struct inlay_constraints){.min_length = 1, .max_length = SIZE_MAX},
        &sample_i64s_type, 0, &query, &f->violations, INLAY_STR("[]")));
    assert_int_equal(inlay_violations_write(&f->violations, &out), 0);
    check_text(
        &out,
        "{\"detail\":[{\"type\":\"greater_than_equal\",\"loc\":[\"query\"],"
        "\"msg\":\"Input should be greater than or equal to -5\","
        "\"input\":\"-99999999999999999999\",\"ctx\":{\"ge\":-5}},"
        "{\"type\":\"too_short\",\"loc\":[\"query\"],\"msg\":\"List should "
        "have "
        "at least 1 item after validation, not 0\",\"input\":[],\"ctx\":"
        "{\"field_type\":\"List\",\"min_length\":1,\"actual_length\":0}}]}");
    inlay_buf_deinit(&out);
}

/* Rust writes numbers out in full, JSON as Python does. */
static void test_bounds(void **state)
{
    static const struct {
        const char *bound, *plain;
    } cases[] = {
        {"0", "0"},
        {"-12", "-12"},
        {"0.0", "0"},
        {"1.5", "1.5"},
        {"-0.25", "-0.25"},
        {"1e+20", "100000000000000000000"},
        {"1e-07", "0.0000001"},
        {"-1.5e-05", "-0.000015"},
        {"1.2345e+16", "12345000000000000"},
    };
    struct inlay_place place = {.name = INLAY_STR("x")};
    struct fixture *f = *state;

    for (size_t i = 0; i < inlay_array_size(cases); i++) {
        struct inlay_violations violations;
        struct inlay_buf out;

        inlay_violations_init(&violations, &f->arena);
        inlay_buf_init(&out, 1 << 16);
        inlay_violations_add_bound(&violations, &place, INLAY_FAULT_LESS_EQUAL,
                                   INLAY_STR("1"), &sample_f64, INLAY_STR(""),
                                   inlay_str_from(cases[i].bound));
        assert_int_equal(inlay_violations_write(&violations, &out), 0);
        struct inlay_str expected = inlay_arena_format(
            &f->arena,
            "{\"detail\":[{\"type\":\"less_than_equal\",\"loc\":[\"x\"],"
            "\"msg\":\"Input should be less than or equal to %s\","
            "\"input\":1,\"ctx\":{\"le\":%s}}]}",
            cases[i].plain, cases[i].bound);
        check_text(&out, expected.ptr);
        inlay_buf_deinit(&out);
    }
}

static void test_schema(void **state)
{
    struct inlay_buf out;

    (void)state;
    inlay_buf_init(&out, 1 << 16);
    assert_int_equal(inlay_schema_write_definition(&sample_rules_type, &out),
                     0);
    check_text(
        &out,
        "{\"additionalProperties\":false,\"properties\":{"
        "\"age\":{\"type\":\"integer\",\"maximum\":150,\"minimum\":0,"
        "\"format\":\"int64\",\"title\":\"Age\"},"
        "\"big\":{\"type\":\"integer\",\"maximum\":18446744073709551614,"
        "\"minimum\":1,\"format\":\"uint64\",\"title\":\"Big\"},"
        "\"name\":{\"type\":\"string\",\"maxLength\":5,\"minLength\":1,"
        "\"pattern\":\"^[a-z\xC3\xA9]+$\",\"title\":\"Name\"},"
        "\"score\":{\"type\":\"number\",\"maximum\":1e+20,\"minimum\":0.5,"
        "\"format\":\"double\",\"title\":\"Score\"},"
        "\"counts\":{\"items\":{\"type\":\"integer\",\"maximum\":9,"
        "\"format\":\"int64\"},\"type\":\"array\",\"maxItems\":3,"
        "\"minItems\":2,\"title\":\"Counts\"},"
        "\"words\":{\"items\":{\"type\":\"string\",\"pattern\":\"^[a-z]+$\"},"
        "\"type\":\"array\",\"maxItems\":2,\"title\":\"Words\"},"
        "\"rank\":{\"anyOf\":[{\"type\":\"integer\",\"minimum\":-1,"
        "\"format\":\"int64\"},{\"type\":\"null\"}],\"title\":\"Rank\"},"
        "\"data\":{\"type\":\"string\",\"maxLength\":2,\"minLength\":1,"
        "\"contentEncoding\":\"base64\","
        "\"contentMediaType\":\"application/octet-stream\","
        "\"title\":\"Data\"},"
        "\"day\":{\"anyOf\":[{\"type\":\"string\",\"format\":\"date\"},"
        "{\"type\":\"null\"}],\"title\":\"Day\"}},"
        "\"type\":\"object\",\"required\":[\"age\",\"big\",\"name\",\"score\","
        "\"counts\",\"words\",\"data\"],\"title\":\"Rules\"}");
    inlay_buf_deinit(&out);
}

/* A thousand texts, each of which takes its time: together, they don't. */
static void test_patterns_of_one_input(void **state)
{
    struct fixture *f = *state;
    struct inlay_str text = INLAY_STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!");
    struct inlay_constraints constraints = {
        .max_length = SIZE_MAX,
        .regex = compiled(f, INLAY_STR("(a+)+$")),
    };
    const struct inlay_type type = {.kind = INLAY_KIND_STR,
                                    .size = sizeof(text)};
    uint64_t began = inlay_clock_ns();

    inlay_violations_init(&f->violations, &f->arena);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(
            inlay_constraints_test(&constraints, &type, &text, &f->violations),
            INLAY_FAULT_STRING_PATTERN);
    assert_true(inlay_clock_ns() - began < 2000000000u);
    /* What would match does no longer: nobody looks. */
    text = INLAY_STR("a");
    assert_int_equal(
        inlay_constraints_test(&constraints, &type, &text, &f->violations),
        INLAY_FAULT_STRING_PATTERN);
    assert_int_equal(inlay_constraints_test(&constraints, &type, &text, NULL),
                     INLAY_LAX_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_search),
        TEST(test_bad_patterns),
        TEST(test_search_ends),
        TEST(test_search_far),
        TEST(test_search_threads),
        TEST(test_search_memory),
        TEST(test_hold),
        TEST(test_numbers),
        TEST(test_texts),
        TEST(test_read_text),
        TEST(test_bounds),
        TEST(test_schema),
        TEST(test_patterns_of_one_input),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
