#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "http/cookie.h"

#include "base/banned.h"

static void is(const char *header, const char *name, const char *value)
{
    struct inlay_str found =
        inlay_cookie_find(inlay_str_from(header), inlay_str_from(name));

    if (value)
        assert_true(inlay_str_equal(found, inlay_str_from(value)));
    else
        assert_null(found.ptr);
}

static void find(void **state)
{
    (void)state;
    is("a=1; b=2", "a", "1");
    is("a=1; b=2", "b", "2");
    is("a=1;b=2=3; ", "b", "2=3");
    is("a=1; a=2", "a", "2");
    is(" a = 1 ;", "a", "1");
    is("ab=1; b", "b", NULL);
    is("b; ;=;;a=", "a", "");
    is("a=1", "A", NULL);
    is("xa=1", "a", NULL);
    is("", "a", NULL);
    is(NULL, "a", NULL);
    is("a=\"q\"", "a", "\"q\"");
}

/* `all` is "name=text|…". */
static void reads(const char *header, const char *all)
{
    struct inlay_str rest = inlay_str_from(header), name, raw;
    struct inlay_arena arena;
    struct inlay_buf text;

    inlay_arena_init(&arena, 1u << 16);
    inlay_buf_init(&text, 1000);
    while (inlay_cookie_next(&rest, &name, &raw)) {
        inlay_buf_append_str(&text, name);
        inlay_buf_append_char(&text, '=');
        inlay_buf_append_str(&text, inlay_cookie_unquote(raw, &arena));
        inlay_buf_append_char(&text, '|');
    }
    inlay_buf_append_char(&text, '\0');
    assert_string_equal(text.data, all);
    inlay_buf_deinit(&text);
    inlay_arena_deinit(&arena);
}

/* As Starlette's cookie_parser. */
static void read_all(void **state)
{
    (void)state;
    reads("", "");
    reads(";; ;", "");
    reads("a=1; b = 2 ;c", "a=1|b=2|=c|");
    reads("=", "");
    reads("=x;a=", "=x|a=|");
    reads("a=b=c", "a=b=c|");
    reads("a=\"b\"; c=\"", "a=b|c=\"|");
    reads("a=\"b\\\"c\\\\d\"", "a=b\"c\\d|");
    reads("a=\"\\303\\244\\5\\400\"", "a=\xc3\xa4"
                                      "5400|");
    reads("a=\"x\\\"", "a=x\\|");
    reads("a=\xa0x\xa0", "a=x|");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(find),
        cmocka_unit_test(read_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
