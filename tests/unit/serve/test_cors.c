/* Texts of CORS layers, and which origins they allow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "serve/cors_parts.h"

#include "base/banned.h"

static struct inlay_arena arena;

static struct inlay_cors *cors_of(const char *text)
{
    struct inlay_cors *cors = NULL;
    struct inlay_error *error =
        inlay_cors_parse(inlay_str_from(text), &arena, &cors);

    if (error)
        fail_msg("%s: %s", text, error->message);
    return cors;
}

static bool allows(const char *text, const char *origin)
{
    return inlay_cors_allows(cors_of(text), inlay_str_from(origin));
}

static void origins(void **state)
{
    static const char *const evil[] = {
        "https://example.com",
        "https://.example.com",
        "https://evilexample.com",
        "https://a.example.com.evil.com",
        "https://evil.com/.example.com",
        "https://evil.com?.example.com",
        "https://evil.com#.example.com",
        "https://evil.com@a.example.com",
        "https://evil.com:80.example.com",
        "http://a.example.com",
        "https://a.example.com:8443",
        "https://a.example.com:",
        "ftp://https://a.example.com",
        "https://",
        "://a.example.com",
        "a.example.com",
        "null",
        "",
    };

    (void)state;
    assert_true(allows("*", "https://anything"));
    assert_true(allows("https://a.example http://b:81", "http://b:81"));
    assert_false(allows("https://a.example http://b:81", "http://b"));
    assert_false(allows("https://a.example", "https://a.example/"));
    assert_false(allows("https://a.example", "https://A.example"));
    assert_true(allows("null", "null"));
    assert_true(allows("https://*.example.com", "https://a.example.com"));
    assert_true(allows("https://*.example.com", "https://a.b.example.com"));
    assert_true(allows("http://localhost:*", "http://localhost:5173"));
    assert_true(allows("http://localhost:*", "http://localhost"));
    assert_false(allows("http://localhost:*", "http://localhost:1x"));
    assert_false(allows("http://localhost:*", "http://localhost:1:2"));
    assert_true(allows("http://[::1]:*", "http://[::1]:80"));
    assert_true(allows("https://*.a.example:*", "https://x.a.example:1"));
    for (size_t i = 0; i < inlay_array_size(evil); i++) {
        if (allows("https://*.example.com", evil[i]))
            fail_msg("allowed: %s", evil[i]);
    }
}

static void lists(void **state)
{
    struct inlay_cors *cors =
        cors_of("max-age=5 * credentials method=POST,GET header=X-Token,Accept "
                "expose-header=x-a,x-b expose-header=x-c");

    (void)state;
    assert_true(cors->any_origin && cors->credentials && !cors->any_header);
    assert_true(inlay_str_is(cors->max_age, "5"));
    assert_true(inlay_str_is(cors->allow_methods, "POST, GET"));
    assert_true(inlay_str_is(cors->allow_headers,
                             "Accept, Accept-Language, Content-Language, "
                             "Content-Type, X-Token"));
    assert_true(inlay_str_is(cors->expose_headers, "x-a, x-b, x-c"));
    cors = cors_of("* method=* header=*");
    assert_true(cors->any_header);
    assert_int_equal(cors->nmethods, 8);
    cors = cors_of("*");
    assert_true(inlay_str_is(cors->allow_methods, "GET"));
    assert_true(inlay_str_is(cors->max_age, "600"));
    assert_int_equal(cors->expose_headers.len, 0);
}

static void bad(void **state)
{
    static const char *const texts[][2] = {
        {"", "origin: "},
        {"credentials", "origin: "},
        {"example.com", "origin: "},
        {"https://", "origin: "},
        {"https://a.example/", "origin: "},
        {"https://a.example:80/x", "origin: "},
        {"https://*", "origin: "},
        {"https://*example.com", "origin: "},
        {"https://a.*.example.com", "origin: "},
        {"https://A.example", "origin: "},
        {"*://a.example", "origin: "},
        {"https://a.example:x", "origin: "},
        {"* method=", "method: "},
        {"* method=GET,", "method: "},
        {"* method=G@T", "method: "},
        {"* header=a:b", "header: "},
        {"* expose-header=,", "expose-header: "},
        {"* max-age=x", "max-age: "},
        {"* max-age=-1", "max-age: "},
        {"* max-age=99999999999", "max-age: "},
        {"* colour=red", "origin: "},
    };
    struct inlay_cors *cors;

    (void)state;
    for (size_t i = 0; i < inlay_array_size(texts); i++) {
        struct inlay_error *error =
            inlay_cors_parse(inlay_str_from(texts[i][0]), &arena, &cors);

        if (!error)
            fail_msg("taken: %s", texts[i][0]);
        assert_int_equal(error->code, INLAY_ERROR_VALUE);
        if (!inlay_str_starts(inlay_str_from(error->message),
                              inlay_str_from(texts[i][1])))
            fail_msg("%s: %s", texts[i][0], error->message);
        inlay_error_destroy(error);
    }
}

static int setup(void **state)
{
    (void)state;
    inlay_arena_init(&arena, 1 << 22);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    inlay_arena_deinit(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(origins),
        cmocka_unit_test(lists),
        cmocka_unit_test(bad),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
