#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "samples.h"

#include "base/banned.h"

static void test_limits(void **state)
{
    struct inlay_arena arena;
    struct inlay_violations violations;
    struct inlay_place place = {.index = 0};
    struct inlay_buf out;

    (void)state;
    inlay_arena_init(&arena, 1 << 20);
    inlay_violations_init(&violations, &arena);
    assert_int_equal(violations.most, 1000);
    violations.most = 2;
    for (size_t i = 0; i < 5; i++) {
        place.index = i;
        inlay_violations_add(&violations, &place, INLAY_FAULT_INT_TYPE,
                             INLAY_STR("null"), &sample_i8, INLAY_STR(""));
    }
    assert_int_equal(violations.count, 5);
    assert_false(violations.no_memory);
    inlay_buf_init(&out, 1 << 16);
    assert_int_equal(inlay_violations_write(&violations, &out), 0);
    assert_int_equal(inlay_buf_append_char(&out, '\0'), 0);
    assert_string_equal(
        out.data,
        "{\"detail\":[{\"type\":\"int_type\",\"loc\":[0],\"msg\":\"Input "
        "should be a valid integer\",\"input\":null},{\"type\":\"int_type\","
        "\"loc\":[1],\"msg\":\"Input should be a valid integer\","
        "\"input\":null}]}");
    inlay_buf_deinit(&out);
    inlay_arena_deinit(&arena);
}

static void test_no_memory(void **state)
{
    struct inlay_arena arena;
    struct inlay_violations violations;

    (void)state;
    inlay_arena_init(&arena, 16);
    inlay_violations_init(&violations, &arena);
    inlay_violations_add(&violations, NULL, INLAY_FAULT_MISSING, INLAY_STR(""),
                         NULL, INLAY_STR(""));
    assert_true(violations.no_memory);
    assert_int_equal(violations.count, 1);
    inlay_arena_deinit(&arena);
}

/* The place and the detail may go as soon as they were added. */
static void test_copies(void **state)
{
    struct inlay_arena arena;
    struct inlay_violations violations;
    struct inlay_buf out;

    (void)state;
    inlay_arena_init(&arena, 1 << 20);
    inlay_violations_init(&violations, &arena);
    {
        char detail[] = "a \"reason\"";
        struct inlay_place body = {.name = INLAY_STR("body")};
        struct inlay_place name = {.outer = &body, .name = INLAY_STR("a\"b")};
        struct inlay_place index = {.outer = &name, .index = 3};

        inlay_violations_add(&violations, &index, INLAY_FAULT_LESS_EQUAL,
                             INLAY_STR("128"), &sample_i8, INLAY_STR(""));
        inlay_violations_add(&violations, &body, INLAY_FAULT_JSON_INVALID,
                             INLAY_STR("{}"), NULL, inlay_str_from(detail));
        memset(detail, 0, sizeof(detail));
        body = name = index = (struct inlay_place){0};
    }
    inlay_buf_init(&out, 1 << 16);
    assert_int_equal(inlay_violations_write(&violations, &out), 0);
    assert_int_equal(inlay_buf_append_char(&out, '\0'), 0);
    assert_string_equal(
        out.data, "{\"detail\":[{\"type\":\"less_than_equal\",\"loc\":"
                  "[\"body\",\"a\\\"b\",3],\"msg\":\"Input should be less "
                  "than or equal to 127\",\"input\":128,\"ctx\":"
                  "{\"le\":127}},{\"type\":\"json_invalid\",\"loc\":"
                  "[\"body\"],\"msg\":\"JSON decode error\",\"input\":{},"
                  "\"ctx\":{\"error\":\"a \\\"reason\\\"\"}}]}");
    inlay_buf_deinit(&out);
    inlay_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_copies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
