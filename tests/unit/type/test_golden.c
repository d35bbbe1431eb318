/*
 * The same input to FastAPI and to us gives the same bytes: answers (written
 * from the C value that was read) and 422 bodies. See make_golden.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "samples.h"

#include "base/banned.h"

enum { SOURCE, TYPE, STATUS, INPUT, ANSWER, COLUMNS };

#define MEMORY_MOST ((size_t)16 << 20)

static int hex(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* "\XX" to bytes, in place. */
static struct inlay_str unescape(char *text)
{
    char *out = text;

    for (char *at = text; *at; at++) {
        if (*at == '\\') {
            *out++ = (char)(hex(at[1]) << 4 | hex(at[2]));
            at += 2;
        } else {
            *out++ = *at;
        }
    }
    return inlay_str_make(text, (size_t)(out - text));
}

/* 200 and the value as JSON, or 422 and the violations. */
static int answer(const struct inlay_str *columns,
                  struct inlay_arena *arena,
                  struct inlay_buf *out)
{
    const struct inlay_type *type = sample_by_name(columns[TYPE]);
    struct inlay_violations violations;
    struct inlay_json_doc doc;
    bool fine;

    assert_non_null(type);
    inlay_violations_init(&violations, arena);
    void *value = inlay_arena_alloc(arena, type->size);
    assert_non_null(value);
    if (inlay_str_is(columns[SOURCE], "body")) {
        struct inlay_place body = {.name = INLAY_STR("body")};
        int status =
            inlay_json_parse(columns[INPUT], arena, &body, &violations, &doc);
        if (status == INLAY_JSON_OK)
            status =
                inlay_json_read(&doc, type, arena, &body, &violations, value);
        assert_int_not_equal(status, INLAY_JSON_NO_MEMORY);
        fine = status == INLAY_JSON_OK;
    } else {
        struct inlay_place query = {.name = INLAY_STR("query")};
        struct inlay_place x = {.outer = &query, .name = INLAY_STR("x")};
        int status = inlay_text_read(columns[INPUT], type, arena, &x,
                                     &violations, value);
        assert_int_not_equal(status, INLAY_TEXT_NO_MEMORY);
        fine = status == INLAY_TEXT_OK;
    }
    assert_int_equal(fine, violations.count == 0);
    assert_int_equal(fine ? inlay_json_write(type, value, out)
                          : inlay_violations_write(&violations, out),
                     0);
    return fine ? 200 : 422;
}

static bool check_case(const struct inlay_str *columns)
{
    struct inlay_arena arena;
    struct inlay_buf out;

    inlay_arena_init(&arena, MEMORY_MOST);
    inlay_buf_init(&out, MEMORY_MOST);
    int status = answer(columns, &arena, &out);
    struct inlay_str text = inlay_buf_view(&out);
    bool same =
        inlay_str_equal(text, columns[ANSWER]) &&
        inlay_str_equal(columns[STATUS],
                        status == 200 ? INLAY_STR("200") : INLAY_STR("422"));
    if (!same)
        print_error("%.*s %.*s: %.*s\n  expected %.*s\n  got      %.*s\n",
                    inlay_str_arg(columns[SOURCE]),
                    inlay_str_arg(columns[TYPE]), inlay_str_arg(columns[INPUT]),
                    inlay_str_arg(columns[ANSWER]), inlay_str_arg(text));
    inlay_buf_deinit(&out);
    inlay_arena_deinit(&arena);
    return same;
}

static void test_golden(void **state)
{
    FILE *file = fopen(GOLDEN_FILE, "r");
    char *line = NULL;
    size_t size = 0, cases = 0, wrong = 0;
    ssize_t len;

    struct inlay_arena patterns;

    (void)state;
    assert_non_null(file);
    inlay_arena_init(&patterns, MEMORY_MOST);
    sample_rules_init(&patterns);
    while ((len = getline(&line, &size, file)) > 0) {
        struct inlay_str columns[COLUMNS];
        char *at = line;

        line[len - 1] = '\0';
        for (int i = 0; i < COLUMNS; i++) {
            char *column = at;
            at = at ? strchr(at, '\t') : NULL;
            if (at)
                *at++ = '\0';
            assert_non_null(column);
            columns[i] = unescape(column);
        }
        cases++;
        wrong += !check_case(columns);
    }
    free(line);
    fclose(file);
    inlay_arena_deinit(&patterns);
    assert_true(cases > 1000);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
