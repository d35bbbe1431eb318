/* Urlencoded bodies in any pieces, and their texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "http/urlencoded.h"

#include "base/banned.h"

static int on_pair(void *arg, struct inlay_str name, struct inlay_str value)
{
    struct inlay_buf *text = arg;

    inlay_buf_append_char(text, '[');
    inlay_buf_append_str(text, name);
    inlay_buf_append_char(text, '|');
    inlay_buf_append_str(text, value);
    return inlay_buf_append_char(text, ']');
}

static enum inlay_urlencoded_status run(struct inlay_str body,
                                        size_t step,
                                        size_t limit,
                                        struct inlay_buf *text)
{
    struct inlay_urlencoded urlencoded;
    enum inlay_urlencoded_status status = INLAY_URLENCODED_OK;

    inlay_urlencoded_init(&urlencoded, limit, on_pair, text);
    for (size_t at = 0; status == INLAY_URLENCODED_OK && at < body.len;) {
        size_t len = step < body.len - at ? step : body.len - at;
        char *piece = inlay_malloc(len);

        assert_non_null(piece);
        memcpy(piece, body.ptr + at, len);
        status = inlay_urlencoded_feed(&urlencoded, inlay_str_make(piece, len));
        inlay_free(piece);
        at += len;
    }
    if (status == INLAY_URLENCODED_OK)
        status = inlay_urlencoded_finish(&urlencoded);
    inlay_urlencoded_deinit(&urlencoded);
    return status;
}

static void check(const char *body, size_t limit, int status, const char *pairs)
{
    for (size_t step = 1; step <= strlen(body) + 1; step++) {
        struct inlay_buf text;

        inlay_buf_init(&text, 1000);
        assert_int_equal(run(inlay_str_from(body), step, limit, &text), status);
        assert_true(
            inlay_str_equal(inlay_buf_view(&text), inlay_str_from(pairs)));
        inlay_buf_deinit(&text);
    }
}

static void pairs(void **state)
{
    (void)state;
    check("", 9, 0, "");
    check("a=1", 9, 0, "[a|1]");
    check("a=1&b=2", 9, 0, "[a|1][b|2]");
    check("&&a=1&&b&=&", 9, 0, "[a|1][b|][|]");
    check("a=b=c&a=;d", 9, 0, "[a|b=c][a|;d]");
    check("ab=cd&x", 4, 0, "[ab|cd][x|]");
    check("a=1&ab=cde&x", 4, INLAY_URLENCODED_TOO_LONG, "[a|1]");
    check("abcd=&abcde", 4, INLAY_URLENCODED_TOO_LONG, "[abcd|]");
}

static void stopped(void **state)
{
    struct inlay_buf text;

    (void)state;
    inlay_buf_init(&text, 3);
    assert_int_equal(run(INLAY_STR("a=1&b=2"), 2, 9, &text),
                     INLAY_URLENCODED_STOPPED);
    inlay_buf_deinit(&text);
}

static void decodes(const char *raw, const char *text)
{
    struct inlay_arena arena;

    inlay_arena_init(&arena, 1u << 16);
    struct inlay_str decoded =
        inlay_urlencoded_decode(inlay_str_from(raw), &arena);
    assert_non_null(decoded.ptr);
    assert_int_equal(decoded.len, strlen(text));
    assert_memory_equal(decoded.ptr, text, decoded.len);
    inlay_arena_deinit(&arena);
}

/* What urllib.parse.unquote_plus(raw.decode("latin-1")) gives. */
static void texts(void **state)
{
    (void)state;
    decodes("", "");
    decodes("a+b%20c%2B", "a b c+");
    decodes("%", "%");
    decodes("%4%zz%41", "%4%zzA");
    decodes("%C3%A4", "\xc3\xa4");
    decodes("\xc3\xa4", "\xc3\x83\xc2\xa4");
    decodes("%FF%C3", "\xef\xbf\xbd\xef\xbf\xbd");
    decodes("%E2%82", "\xef\xbf\xbd");
    decodes("%C3\xa4%A4", "\xef\xbf\xbd\xc2\xa4\xef\xbf\xbd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs),
        cmocka_unit_test(stopped),
        cmocka_unit_test(texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
