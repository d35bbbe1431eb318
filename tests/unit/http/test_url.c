#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/url.h"

#include "base/banned.h"

static void check(struct inlay_str text, bool plus, struct inlay_str expected)
{
    struct inlay_arena arena;

    inlay_arena_init(&arena, 65536);
    struct inlay_str got = inlay_url_decode(text, plus, &arena);
    assert_non_null(got.ptr);
    assert_int_equal(got.len, expected.len);
    assert_memory_equal(got.ptr, expected.ptr, expected.len);
    inlay_arena_deinit(&arena);
}

static void test_decode(void **state)
{
    (void)state;
    check(INLAY_STR(""), false, INLAY_STR(""));
    check(inlay_str_make(NULL, 0), true, INLAY_STR(""));
    check(INLAY_STR("/plain"), false, INLAY_STR("/plain"));
    check(INLAY_STR("%41%2f%2F%c3%A9"), false, INLAY_STR("A//\xc3\xa9"));
    check(INLAY_STR("%2541"), false, INLAY_STR("%41")); /* once */
    check(INLAY_STR("%00"), false, INLAY_STR("\0"));
    check(INLAY_STR("%"), false, INLAY_STR("%"));
    check(INLAY_STR("%4"), false, INLAY_STR("%4"));
    check(INLAY_STR("%g1%1g%%41"), false, INLAY_STR("%g1%1g%A"));
    check(INLAY_STR("a+b%2B"), true, INLAY_STR("a b+"));
    check(INLAY_STR("a+b"), false, INLAY_STR("a+b"));
}

static void test_decode_without_memory(void **state)
{
    struct inlay_arena arena;

    (void)state;
    inlay_arena_init(&arena, 0);
    assert_null(inlay_url_decode(INLAY_STR("%41"), false, &arena).ptr);
    assert_non_null(inlay_url_decode(INLAY_STR("a"), false, &arena).ptr);
    inlay_arena_deinit(&arena);
}

static void check_query(const char *query, const char *expected)
{
    struct inlay_str rest = inlay_str_from(query), name, value;
    char got[256] = "";
    size_t len = 0;

    while (inlay_query_next(&rest, &name, &value)) {
        memcpy(got + len, name.ptr, name.len);
        len += name.len;
        got[len++] = ':';
        memcpy(got + len, value.ptr, value.len);
        len += value.len;
        got[len++] = ' ';
    }
    got[len] = '\0';
    assert_string_equal(got, expected);
}

static void test_query(void **state)
{
    (void)state;
    check_query("", "");
    check_query("a=1&b=2", "a:1 b:2 ");
    check_query("&&a=1&&b&", "a:1 b: ");
    check_query("a=b=c&=x&=", "a:b=c :x : ");
    check_query("a%20b=%31", "a%20b:%31 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_decode_without_memory),
        cmocka_unit_test(test_query),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
