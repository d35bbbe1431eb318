/* Patterns of guards and layers, and the forms of a request's path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "serve/path_pattern.h"
#include "serve/request.h"
#include "serve/server.h"

#include "base/banned.h"

static bool matches(const char *pattern, const char *path)
{
    return inlay_path_pattern_matches(inlay_str_from(pattern),
                                      inlay_str_from(path));
}

static void patterns(void **state)
{
    (void)state;
    assert_true(matches("/*", "/"));
    assert_true(matches("/*", "/a/b"));
    assert_true(matches("/admin/*", "/admin"));
    assert_true(matches("/admin/*", "/admin/"));
    assert_true(matches("/admin/*", "/admin/x/y"));
    assert_false(matches("/admin/*", "/administrator"));
    assert_false(matches("/admin/*", "/Admin/x"));
    assert_false(matches("/admin/*", "/"));
    assert_true(matches("/adm*", "/adm"));
    assert_true(matches("/adm*", "/admin/x"));
    assert_false(matches("/adm*", "/ad"));
    assert_true(matches("/login", "/login"));
    assert_true(matches("/login", "/login/"));
    assert_true(matches("/login/", "/login"));
    assert_false(matches("/login", "/login/x"));
    assert_false(matches("/login", "/loginx"));
    assert_true(matches("/", "/"));
    assert_false(matches("/", "/x"));
}

static void bad(void **state)
{
    static const char *const patterns[] = {
        "",      "x",      "*",       "/a*b", "/**",
        "/a//b", "/a/./b", "/a/../b", "/%41", "/a?",
    };

    (void)state;
    for (size_t i = 0; i < inlay_array_size(patterns); i++)
        assert_non_null(inlay_path_pattern_bad(inlay_str_from(patterns[i])));
    assert_null(inlay_path_pattern_bad(INLAY_STR("/")));
    assert_null(inlay_path_pattern_bad(INLAY_STR("/*")));
    assert_null(inlay_path_pattern_bad(INLAY_STR("/a/b.c/*")));
    assert_null(inlay_path_pattern_bad(INLAY_STR("/a/x*")));
}

/* Does a request of that path, decoded, match? */
static bool asked(const char *pattern,
                  const char *path,
                  const char *root,
                  const char *prefixed)
{
    struct inlay_server server = {.config.root_path = inlay_str_from(root)};
    struct inlay_io_thread thread = {.server = &server};
    struct inlay_request request = {
        .thread = &thread,
        .path = inlay_str_from(path),
        .root_path = inlay_str_from(prefixed),
    };
    struct inlay_path_forms forms;

    inlay_arena_init(&request.arena, 1 << 16);
    assert_int_equal(inlay_path_forms_of(&request, &forms), 0);
    bool matched = inlay_path_forms_match(&forms, inlay_str_from(pattern));
    inlay_arena_deinit(&request.arena);
    return matched;
}

static void spellings(void **state)
{
    static const char *const paths[] = {
        "/admin",
        "/admin/",
        "/admin/x",
        "//admin/x",
        "/admin//x",
        "/./admin/x",
        "/x/../admin/x",
        "/admin/.",
        "/admin/./x",
        "/../admin",
        "/x/y/../../admin",
        "/x//../admin/x",
        "/x/./../admin/",
        "///admin///",
        "/admin/..",
        "/x/..//admin",
        "/admin/x/..",
        "/..//./admin/x",
        "/admin/x/../../y",
        "/admin.",
        "/admin%2fx",
        "/x\\..\\admin",
        "/admin;a=b/x",
        /* Decoded to the end, or read by one rule alone, they are another. */
        "/admin\\%2e%2e",
        "/x/%2e%2e/admin/%252e%252e/y",
        "/admin%2f..",
        "/admin%252f%252e%252e",
        "/admin%25252fx",
    };
    static const char *const others[] = {
        "/",          "/adm",     "/administrator", "/x/admin",
        "/x/./admin", "/admin.x", "/.admin",        "/a/b/../admin",
    };

    (void)state;
    for (size_t i = 0; i < inlay_array_size(paths); i++)
        assert_true(asked("/admin/*", paths[i], "", ""));
    for (size_t i = 0; i < inlay_array_size(others); i++)
        assert_false(asked("/admin/*", others[i], "", ""));
    assert_true(asked("/admin/*", "/admin\0/x", "", ""));
    assert_true(asked("/*", "*", "", ""));
    assert_true(asked("/*", "", "", ""));
}

static void roots(void **state)
{
    (void)state;
    assert_true(asked("/admin/*", "/app/admin/x", "/app", "/app"));
    assert_true(asked("/admin/*", "/admin/x", "/app", "/app"));
    assert_true(asked("/admin/*", "//app/admin", "/app", "/app"));
    assert_true(asked("/admin/*", "/app//admin", "/app", "/app"));
    assert_true(asked("/admin/*", "/app/../admin", "/app", "/app"));
    assert_true(asked("/admin/*", "/app/./x/../admin", "/app/", "/app/"));
    assert_false(asked("/admin/*", "/application/admin", "/app", "/app"));
    assert_true(asked("/", "/app", "/app", "/app"));
    /* A trusted proxy's prefix is taken off by applications. */
    assert_true(asked("/admin/*", "/pre/app/admin", "/app", "/pre/app"));
    assert_true(asked("/admin/*", "/pre/admin", "", "/pre"));
    assert_true(asked("/admin/*", "/pre/./admin", "", "/pre"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns),
        cmocka_unit_test(bad),
        cmocka_unit_test(spellings),
        cmocka_unit_test(roots),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
