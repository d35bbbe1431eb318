#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "samples.h"

#include "base/banned.h"

/* Reading with too little memory says so, whichever allocation it was. */

static const char good[] =
    "{\"id\":1,\"items\":[{\"name\":\"a\",\"price\":1.5}],\"note\":\"x\","
    "\"tags\":[\"b\",\"c\"],\"ok\":true}";
static const char bad[] =
    "{\"id\":{\"a\":[1,2,{\"b\":null}]},\"items\":[{},3,\"\\u00e9\"],"
    "\"rank\":256,\"tags\":[1e300],\"ok\":[]}";
static const char kinds[] =
    "{\"color\":\"red\",\"level\":\"low\",\"letter\":\"a\",\"code\":\"b\","
    "\"triple\":[1,2,3],\"pair\":[{\"name\":\"a\",\"price\":1},{\"name\":\"b\","
    "\"price\":2}],\"data\":\"AAAA\",\"link\":{\"value\":1,\"next\":{\"value\":"
    "2}}}";
static const char bad_kinds[] =
    "{\"color\":1,\"level\":\"x\",\"letter\":\"\",\"code\":\"bbbb\","
    "\"triple\":[1,2],\"pair\":[1,2,3],\"data\":\"AAA!\",\"link\":{\"next\":1}"
    "}";
static const char broken[] = "{\"id\":[1,2,{\"a\":";

/* Parse, read, write; INLAY_JSON_NO_MEMORY when one of them had too little. */
static int run(const char *text, size_t arena_limit, struct inlay_buf *out)
{
    bool is_kinds = text == kinds || text == bad_kinds;
    const struct inlay_type *type =
        is_kinds ? &sample_kinds_type : &sample_order_type;
    struct inlay_place body = {.name = INLAY_STR("body")};
    struct inlay_violations violations;
    struct inlay_json_doc doc;
    struct inlay_arena arena;
    union {
        struct sample_order order;
        struct sample_kinds kinds;
    } value;
    int written = 0;

    inlay_arena_init(&arena, arena_limit);
    inlay_violations_init(&violations, &arena);
    int status = inlay_json_parse(inlay_str_from(text), &arena, &body,
                                  &violations, &doc);
    if (status == INLAY_JSON_OK)
        status =
            inlay_json_read(&doc, type, &arena, &body, &violations, &value);
    if (status == INLAY_JSON_OK)
        written = inlay_json_write(type, &value, out);
    else if (status == INLAY_JSON_INVALID)
        written = inlay_violations_write(&violations, out);
    inlay_arena_deinit(&arena);
    return written < 0 ? INLAY_JSON_NO_MEMORY : status;
}

static void check_failing(const char *text, int expected)
{
    int status = INLAY_JSON_NO_MEMORY;
    long count = 0;

    for (; status == INLAY_JSON_NO_MEMORY; count++) {
        struct inlay_buf out;

        inlay_buf_init(&out, 1 << 16);
        inlay_mem_fail_after(count);
        status = run(text, 1 << 20, &out);
        inlay_mem_fail_after(-1);
        inlay_buf_deinit(&out);
        assert_true(count < 10000);
    }
    assert_int_equal(status, expected);
    assert_true(count > 1);
}

static void test_failing_nth(void **state)
{
    (void)state;
    check_failing(good, INLAY_JSON_OK);
    check_failing(bad, INLAY_JSON_INVALID);
    check_failing(broken, INLAY_JSON_INVALID);
    check_failing(kinds, INLAY_JSON_OK);
    check_failing(bad_kinds, INLAY_JSON_INVALID);
}

static void check_arena_limits(const char *text, int expected)
{
    int status = INLAY_JSON_NO_MEMORY;

    for (size_t limit = 0; limit < 20000; limit += 16) {
        struct inlay_buf out;
        int last = status;

        inlay_buf_init(&out, 1 << 16);
        status = run(text, limit, &out);
        inlay_buf_deinit(&out);
        assert_true(status == INLAY_JSON_NO_MEMORY || status == expected);
        /* Enough stays enough. */
        if (last == expected)
            assert_int_equal(status, expected);
    }
    assert_int_equal(status, expected);
}

static void test_arena_limits(void **state)
{
    (void)state;
    check_arena_limits(good, INLAY_JSON_OK);
    check_arena_limits(bad, INLAY_JSON_INVALID);
    check_arena_limits(broken, INLAY_JSON_INVALID);
    check_arena_limits(kinds, INLAY_JSON_OK);
    check_arena_limits(bad_kinds, INLAY_JSON_INVALID);
}

static void test_text(void **state)
{
    struct inlay_place query = {.name = INLAY_STR("query")};
    struct inlay_str digits = {good, 0};
    char text[300];
    int status = INLAY_TEXT_NO_MEMORY;

    (void)state;
    memset(text, '1', sizeof(text));
    digits = inlay_str_make(text, sizeof(text));
    for (long count = 0; status == INLAY_TEXT_NO_MEMORY; count++) {
        struct inlay_violations violations;
        struct inlay_arena arena;
        double value;

        inlay_arena_init(&arena, 1 << 20);
        inlay_violations_init(&violations, &arena);
        inlay_mem_fail_after(count);
        status = inlay_text_read(digits, &sample_f64, &arena, &query,
                                 &violations, &value);
        if (status == INLAY_TEXT_OK)
            status = inlay_text_read(INLAY_STR("x\xFF"), &sample_f64, &arena,
                                     &query, &violations, &value);
        inlay_mem_fail_after(-1);
        inlay_arena_deinit(&arena);
        assert_true(count < 100);
    }
    assert_int_equal(status, INLAY_TEXT_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failing_nth),
        cmocka_unit_test(test_arena_limits),
        cmocka_unit_test(test_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
