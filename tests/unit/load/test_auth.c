/* Bearer and Basic credentials, comparing, signed text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "http/hmac.h"
#include "load/context.h"

#include "base/banned.h"

#undef fail /* cmocka's */

static const struct inlay_api *const api = &inlay_api_table;
static const struct inlay_str key = INLAY_STR("0123456789abcdef");

struct call {
    struct inlay_arena arena;
    struct inlay_context context;
};

static void begin(struct call *call)
{
    inlay_arena_init(&call->arena, 1 << 20);
    inlay_context_enter(&call->context, &call->arena);
}

static void end(struct call *call)
{
    inlay_context_leave(&call->context);
    inlay_arena_deinit(&call->arena);
}

static void bearer(void **state)
{
    static const struct {
        const char *text, *token;
    } good[] = {
        {"Bearer mF_9.B5f-4.1JqM", "mF_9.B5f-4.1JqM"}, /* RFC 6750 2.1 */
        {"bearer abc==", "abc=="},
        {"BEARER   a+b/c~", "a+b/c~"},
        {" Bearer x ", "x"},
    };
    static const char *const bad[] = {
        "",
        "Bearer",
        "Bearer ",
        "Bearer  ",
        "Bearerx",
        "Basic x",
        "Bearer a b",
        "Bearer ===",
        "Bearer a=b",
        "Bearer \"x\"",
        "Bearer a,b",
        "Bearer\tx",
        "Bearer \xc3\xa9",
    };
    struct inlay_str token;

    (void)state;
    for (size_t i = 0; i < inlay_array_size(good); i++) {
        assert_true(api->bearer(inlay_str_from(good[i].text), &token));
        assert_true(inlay_str_equal(token, inlay_str_from(good[i].token)));
        assert_true(api->bearer(inlay_str_from(good[i].text), NULL));
    }
    for (size_t i = 0; i < inlay_array_size(bad); i++)
        assert_false(api->bearer(inlay_str_from(bad[i]), &token));
    assert_false(api->bearer(inlay_str_make(NULL, 0), &token));
}

static bool reads(const char *text, const char *user, const char *password)
{
    struct inlay_str name, word;

    return api->basic(inlay_str_from(text), &name, &word) &&
           inlay_str_equal(name, inlay_str_from(user)) &&
           inlay_str_equal(word, inlay_str_from(password));
}

static void basic(void **state)
{
    static const char *const bad[] = {
        "",
        "Basic",
        "Basic ",
        "Basic !!!!",
        "Basic QWxhZGRpbg==",      /* no colon */
        "Basic YTpiCg==",          /* a line feed */
        "Basic YQA6Yg==",          /* a NUL */
        "Basic /zphYg==",          /* no UTF-8 */
        "Basic QWxhZGRpbjpvcGVuI", /* cut */
        "Basic QWxh ZGRpbjpvcGVu",
        "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
    };
    struct call call;
    struct inlay_str user, password;

    (void)state;
    assert_false(api->basic(INLAY_STR("Basic YTpi"), &user, &password));
    begin(&call);
    /* RFC 7617 2, 2.1 */
    assert_true(
        reads("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"));
    assert_true(reads("basic dGVzdDoxMjPCow==", "test", "123\xc2\xa3"));
    assert_true(reads("BASIC  Og==", "", ""));
    assert_true(reads("Basic YTpiOmM=", "a", "b:c"));
    assert_true(api->basic(INLAY_STR("Basic YTpi"), NULL, NULL));
    for (size_t i = 0; i < inlay_array_size(bad); i++)
        assert_false(api->basic(inlay_str_from(bad[i]), &user, &password));
    assert_false(api->basic(inlay_str_make(NULL, 0), &user, &password));
    assert_int_equal(call.context.error, INLAY_OK);
    assert_true(call.context.dirty);
    end(&call);
}

static void equal(void **state)
{
    (void)state;
    assert_true(api->equal(INLAY_STR("a"), INLAY_STR("a")));
    assert_false(api->equal(INLAY_STR("a"), INLAY_STR("b")));
    assert_false(api->equal(INLAY_STR("a"), inlay_str_make(NULL, 7)));
    assert_true(api->equal(inlay_str_make(NULL, 7), INLAY_STR("")));
}

static void signs(void **state)
{
    static const struct inlay_str texts[] = {
        INLAY_STR("user=7"),
        INLAY_STR(""),
        INLAY_STR("a.b.c; \"\xff\0\r\n"),
        INLAY_STR(">>>???"),
    };
    struct inlay_str text;
    struct call call;

    (void)state;
    begin(&call);
    for (size_t i = 0; i < inlay_array_size(texts); i++) {
        struct inlay_str made = api->sign(key, texts[i]);

        assert_non_null(made.ptr);
        for (size_t j = 0; j < made.len; j++)
            assert_non_null(strchr("abcdefghijklmnopqrstuvwxyz.-_0123456789"
                                   "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
                                   made.ptr[j]));
        assert_true(api->verify(key, made, 0, &text));
        assert_true(inlay_str_equal(text, texts[i]));
        assert_true(api->verify(key, made, 10, NULL));
    }
    assert_int_equal(call.context.error, INLAY_OK);
    end(&call);
}

/* Every byte counts, and every other key is another one. */
static void changed(void **state)
{
    struct inlay_str text = INLAY_STR("kept");
    struct call call;

    (void)state;
    begin(&call);
    struct inlay_str made = api->sign(key, INLAY_STR("user=7"));
    for (size_t i = 0; i < made.len; i++) {
        char copy[128];

        memcpy(copy, made.ptr, made.len);
        copy[i] ^= 1;
        assert_false(
            api->verify(key, inlay_str_make(copy, made.len), 0, &text));
    }
    for (size_t len = 0; len < made.len; len++)
        assert_false(api->verify(key, inlay_str_make(made.ptr, len), 0, &text));
    assert_false(api->verify(INLAY_STR("0123456789abcdeF"), made, 0, &text));
    assert_false(api->verify(key, inlay_str_make(NULL, 0), 0, &text));
    assert_true(inlay_str_is(text, "kept"));
    assert_int_equal(call.context.error, INLAY_OK);
    end(&call);
}

/* "text.time" signed as the key's holder would at another time. */
static struct inlay_str sign_at(const char *head, char out[256])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t digest[INLAY_HMAC_SIZE + 1] = {0};
    size_t len = strlen(head);

    inlay_hmac_sha256(key, inlay_str_from(head), digest);
    memcpy(out, head, len);
    out[len++] = '.';
    for (size_t bit = 0; bit < 256; bit += 6) {
        unsigned two = (unsigned)digest[bit / 8] << 8 | digest[bit / 8 + 1];

        out[len++] = letters[two >> (10 - bit % 8) & 63];
    }
    return inlay_str_make(out, len);
}

static void ages(void **state)
{
    static const struct {
        long shift;       /* seconds from now when it was signed */
        uint32_t max_age; /* what is asked for */
        bool good;
    } cases[] = {
        {0, 5, true},      {-100, 0, true}, {-100, 50, false},
        {-100, 500, true}, {30, 500, true}, {3600, 500, false},
        {3600, 0, true},
    };
    char head[64], out[256];
    struct inlay_str text;
    struct call call;

    (void)state;
    begin(&call);
    for (size_t i = 0; i < inlay_array_size(cases); i++) {
        snprintf(head, sizeof(head), "aGk.%ld",
                 (long)time(NULL) + cases[i].shift);
        assert_int_equal(
            api->verify(key, sign_at(head, out), cases[i].max_age, &text),
            cases[i].good);
    }
    assert_true(inlay_str_is(text, "hi"));
    /* Signed, but not by inlay_sign. */
    assert_false(api->verify(key, sign_at("aGk", out), 0, &text));
    assert_false(api->verify(key, sign_at("aGk.", out), 0, &text));
    assert_false(api->verify(key, sign_at("aGk.x", out), 0, &text));
    assert_false(api->verify(key, sign_at("aGk.-1", out), 0, &text));
    assert_false(
        api->verify(key, sign_at("aGk.99999999999999999999", out), 0, &text));
    assert_false(api->verify(key, sign_at("a.1", out), 0, &text));
    end(&call);
}

static void weak_keys(void **state)
{
    struct inlay_str text;
    struct call call;

    (void)state;
    assert_null(api->sign(key, INLAY_STR("x")).ptr); /* no call */
    assert_false(api->verify(key, INLAY_STR("x"), 0, &text));
    begin(&call);
    assert_null(api->sign(INLAY_STR("short"), INLAY_STR("x")).ptr);
    assert_int_equal(call.context.error, INLAY_INTERNAL);
    assert_null(api->sign(key, INLAY_STR("x")).ptr); /* it has failed */
    end(&call);
    begin(&call);
    assert_false(
        api->verify(inlay_str_make(NULL, 64), INLAY_STR("x"), 0, &text));
    assert_int_equal(call.context.error, INLAY_INTERNAL);
    end(&call);
}

static void without_memory(void **state)
{
    struct call call;
    char text[4096];

    (void)state;
    memset(text, 'a', sizeof(text));
    inlay_arena_init(&call.arena, 256);
    inlay_context_enter(&call.context, &call.arena);
    assert_null(api->sign(key, inlay_str_make(text, sizeof(text))).ptr);
    assert_int_equal(call.context.error, INLAY_NO_MEMORY);
    end(&call);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bearer),    cmocka_unit_test(basic),
        cmocka_unit_test(equal),     cmocka_unit_test(signs),
        cmocka_unit_test(changed),   cmocka_unit_test(ages),
        cmocka_unit_test(weak_keys), cmocka_unit_test(without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
