/* Parameters of a header's value: what python-multipart makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "http/option.h"

#include "base/banned.h"

/* `all` is "value|name=text|…". */
static void check(const char *given, const char *all)
{
    struct inlay_str rest = inlay_str_from(given), name, raw;
    struct inlay_buf text;
    char room[256];

    inlay_buf_init(&text, 1000);
    inlay_buf_append_str(&text, inlay_option_value(&rest));
    while (inlay_option_next(&rest, &name, &raw)) {
        assert_true(raw.len <= sizeof(room));
        inlay_buf_append_char(&text, '|');
        inlay_buf_append_str(&text, name);
        inlay_buf_append_char(&text, '=');
        inlay_buf_append_str(&text, inlay_option_unquote(raw, room));
    }
    inlay_buf_append_char(&text, '\0');
    assert_string_equal(text.data, all);
    inlay_buf_deinit(&text);
}

static void options(void **state)
{
    (void)state;
    check("", "");
    check(" form-data ", "form-data");
    check("form-data;name=a", "form-data|name=a");
    check("form-data; name = \"a b\" ; x", "form-data|name=a b|x=");
    check("a;b=\"c;d\";e=f", "a|b=c;d|e=f");
    check("a;b=\"c\\\";d\";e=f", "a|b=c\";d|e=f");
    check("a;b=\"c\\\\d\"", "a|b=c\\d");
    check("a;b=\"c;d=e", "a|b=\"c;d=e");
    check("a;b=\"", "a|b=\"");
    check("a;b=\"\"", "a|b=");
    check("a;;b=c;", "a|=|b=c");
    check("a;b*=utf-8''x;b*0=y;b=z", "a|b=z");
    check("a;b=c=d", "a|b=c=d");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(options)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
