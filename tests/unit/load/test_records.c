/* Routes, defaults and statuses; and what is said about wrong ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dwarf/compile.h"
#include "load/module.h"

static const void *fallback(const struct inlay_func *func,
                            const char *name,
                            const char *text)
{
    for (size_t i = 0; i < func->nparams; i++) {
        const struct inlay_param *param = &func->params[i];

        if (!inlay_str_equal(param->name, inlay_str_from(name)))
            continue;
        assert_true(
            inlay_str_equal(param->fallback_text, inlay_str_from(text)));
        return param->fallback;
    }
    fail_msg("no parameter %s", name);
    return NULL;
}

static void check_defaults(const struct inlay_func *func)
{
    struct {
        bool has;
        int64_t value;
    } const *shift = fallback(func, "shift", "-7"),
            *none = fallback(func, "none", "");
    struct {
        bool has;
        struct inlay_str value;
    } const *name = fallback(func, "name", "\"x\"");

    assert_null(fallback(func, "id", ""));
    assert_int_equal(*(const uint8_t *)fallback(func, "limit", "20"), 20);
    assert_true(shift->has && shift->value == -7);
    assert_true(!none->has);
    assert_true(name->has && inlay_str_is(name->value, "x"));
    assert_true(inlay_str_is(
        *(const struct inlay_str *)fallback(func, "q", "\"gr\xc3\xbcn\""),
        "gr\xc3\xbcn"));
    assert_null(*(const char *const *)fallback(func, "c", "NULL"));
    assert_true(*(const double *)fallback(func, "rate", "5") == 5);
    assert_true(*(const float *)fallback(func, "scale", "2.5") == 2.5f);
    assert_true(*(const bool *)fallback(func, "all", "true"));
    assert_true(*(const uint64_t *)fallback(func, "big", "UINT64_MAX") ==
                UINT64_MAX);
}

static void check_more_defaults(const struct inlay_func *func)
{
    const inlay_bytes *bytes = fallback(func, "bytes", "\"\\xff\"");
    const struct inlay_str *page = fallback(func, "page", "\"<p>\"");

    assert_int_equal(*(const int *)fallback(func, "color", "blue"), 7);
    /* No member, but a number that fits. */
    assert_int_equal(*(const int *)fallback(func, "mask", "red | blue"), 8 - 1);
    assert_int_equal(*(const char *)fallback(func, "letter", "'x'"), 'x');
    assert_null(*(void *const *)fallback(func, "pixel", "NULL"));
    assert_int_equal(bytes->len, 1);
    assert_int_equal(bytes->ptr[0], 0xFF);
    assert_true(inlay_str_is(*page, "<p>"));
    assert_true(*(const double *)fallback(func, "real", "1ul << 63") == 0x1p63);
}

static void check_routes(const struct inlay_module *module)
{
    const struct inlay_route_decl *routes = module->routes;
    const struct inlay_callable *find =
        inlay_module_find(module, INLAY_STR("find"));

    assert_int_equal(module->nroutes, 3);
    assert_true(inlay_str_is(routes[0].methods, "GET"));
    assert_true(inlay_str_is(routes[0].path, "/find/{id}"));
    assert_int_equal(routes[0].status, 201);
    assert_ptr_equal(routes[0].callable, find);
    assert_true(inlay_str_is(routes[0].decl.file, TEST_DWARF "/records.c"));
    assert_int_equal(routes[0].decl.line, 21);
    assert_true(inlay_str_is(routes[1].methods, "POST,PUT"));
    assert_int_equal(routes[1].status, 201);
    assert_true(inlay_str_is(routes[2].path, "/rest/{rest:path}"));
    assert_int_equal(routes[2].status, 0);
}

static void check_good(const char *cc, const char *flags)
{
    struct compile_dir dir;
    struct inlay_module *module;

    if (!compile_has(cc))
        skip();
    compile_dir_init(&dir);
    char *path = compile(&dir, cc, flags, "records.c");
    struct inlay_error *error = inlay_module_open(
        INLAY_STR("pkg.records"), path, inlay_str_from(TEST_DWARF), &module);
    if (error)
        fail_msg("%s", error->message);
    compile_keep(module);
    const struct inlay_callable *find =
        inlay_module_find(module, INLAY_STR("find"));
    assert_non_null(find->plan);
    assert_false(find->func->exported);
    assert_true(inlay_str_is(find->func->doc, "Finds one."));
    check_defaults(find->func);
    check_more_defaults(
        inlay_module_find(module, INLAY_STR("more_defaults"))->func);
    check_routes(module);
    assert_true(inlay_str_is(module->name, "pkg.records"));
    assert_null(inlay_module_find(module, INLAY_STR("nothing")));
    free(path);
    compile_dir_deinit(&dir);
}

static void test_gcc(void **state)
{
    (void)state;
    check_good("gcc", "-O2");
}

static void test_gcc_sections(void **state)
{
    (void)state;
    check_good("gcc", "-ffunction-sections -fdata-sections -Wl,--gc-sections");
}

static void test_clang(void **state)
{
    (void)state;
    check_good("clang", "-O2");
}

/* Each is put behind the functions below, on line 9. */
static const char *const wrong[][2] = {
    {"INLAY_DEFAULT(f, b, 1)", "INLAY_DEFAULT(f, b, 1): f has no parameter b"},
    {"INLAY_DEFAULT(f, a, 300)",
     "INLAY_DEFAULT(f, a, 300): 300 does not fit uint8_t (0 to 255)"},
    {"INLAY_DEFAULT(f, a, -1)",
     "INLAY_DEFAULT(f, a, -1): -1 does not fit uint8_t (0 to 255)"},
    {"INLAY_DEFAULT(f, a, \"x\")", "INLAY_DEFAULT(f, a, \"x\"): the "
                                   "parameter has type uint8_t: write an "
                                   "integer"},
    {"INLAY_DEFAULT(f, a, 1.5)", "INLAY_DEFAULT(f, a, 1.5): the parameter "
                                 "has type uint8_t: write an integer"},
    {"INLAY_DEFAULT(f, a, NULL)", "INLAY_DEFAULT(f, a, NULL): the parameter "
                                  "has type uint8_t: write an integer"},
    {"INLAY_DEFAULT(f, i, 40000)", "INLAY_DEFAULT(f, i, 40000): 40000 does "
                                   "not fit int16_t (-32768 to 32767)"},
    {"INLAY_DEFAULT(f, s, 1)", "INLAY_DEFAULT(f, s, 1): the parameter has "
                               "type inlay_str: write a string"},
    {"INLAY_DEFAULT(f, s, \"\\xff\")", "INLAY_DEFAULT(f, s, \"\\xff\"): the "
                                       "string is not UTF-8"},
    {"INLAY_DEFAULT(f, t, 2)", "INLAY_DEFAULT(f, t, 2): the parameter has "
                               "type bool: write true or false"},
    {"INLAY_DEFAULT(f, r, 1e300)",
     "INLAY_DEFAULT(f, r, 1e300): 1e300 does not fit float"},
    {"INLAY_DEFAULT(f, r, \"x\")", "INLAY_DEFAULT(f, r, \"x\"): the "
                                   "parameter has type float: write a "
                                   "number"},
    {"INLAY_DEFAULT(f, u, -1)",
     "INLAY_DEFAULT(f, u, -1): -1 does not fit uint64_t (0 to "
     "18446744073709551615)"},
    {"INLAY_DEFAULT(f, m, \"x\")", "INLAY_DEFAULT(f, m, \"x\"): the "
                                   "parameter has type int8_t: write an "
                                   "integer"},
    {"INLAY_DEFAULT(f, i, 18446744073709551615ul)",
     "INLAY_DEFAULT(f, i, 18446744073709551615ul): 18446744073709551615 does "
     "not fit int16_t (-32768 to 32767)"},
    {"INLAY_DEFAULT(f, u, -1ll)",
     "INLAY_DEFAULT(f, u, -1ll): -1 does not fit uint64_t (0 to "
     "18446744073709551615)"},
    {"INLAY_DEFAULT(f, c, 200)", "INLAY_DEFAULT(f, c, 200): the parameter has "
                                 "type char: write an ASCII character, as "
                                 "'x'"},
    {"INLAY_DEFAULT(f, c, \"x\")", "INLAY_DEFAULT(f, c, \"x\"): the parameter "
                                   "has type char: write an ASCII character, "
                                   "as 'x'"},
    {"INLAY_DEFAULT(f, e, -1)", "INLAY_DEFAULT(f, e, -1): -1 does not fit "
                                "color (0 to 4294967295)"},
    {"INLAY_DEFAULT(f, e, \"red\")", "INLAY_DEFAULT(f, e, \"red\"): the "
                                     "parameter has type color: write an "
                                     "integer"},
    {"INLAY_DEFAULT(f, q, 0)", "INLAY_DEFAULT(f, q, 0): the parameter has type "
                               "const struct pixel *: write NULL"},
    {"INLAY_DEFAULT(f, y, NULL)", "INLAY_DEFAULT(f, y, NULL): the parameter "
                                  "has type inlay_bytes: write a string"},
    {"INLAY_DEFAULT(f, p, 1)",
     "INLAY_DEFAULT(f, p, 1): a parameter of type point can't have a "
     "default: make it an INLAY_OPTIONAL"},
    {"INLAY_DEFAULT(f, a, 1); INLAY_DEFAULT(f, a, 1)",
     "INLAY_DEFAULT(f, a, 1): a has a default already"},
    {"INLAY_DEFAULT(g, v, 1)",
     "INLAY_DEFAULT(..., v, 1): g can't be called: parameter 'v' has type "
     "void *: void pointers have no Python form, but for one beside a "
     "callback that takes it"},
    {"INLAY_GET(\"/g\", g)",
     "route GET /g: g can't be called: parameter 'v' has type void *: void "
     "pointers have no Python form, but for one beside a callback that takes "
     "it"},
    {"INLAY_GET(\"/x\", puts)", "route GET /x: the function is not one of "
                                "this module, or has no debug information"},
    {"INLAY_GET(\"/x\", NULL)", "route GET /x: the function is not one of "
                                "this module, or has no debug information"},
    {"INLAY_GET(\"x\", f)", "route GET x: the path has to begin with /"},
    {"INLAY_GET(\"\", f)", "route GET : the path has to begin with /"},
    {"INLAY_GET(\"/{b}\", f)", "route GET /{b}: f has no parameter b"},
    {"INLAY_GET(\"/{a\", f)", "route GET /{a: a parameter of the path must be "
                              "a whole segment, as in /{id}/"},
    {"INLAY_GET(\"/a}\", f)", "route GET /a}: a parameter of the path must be "
                              "a whole segment, as in /{id}/"},
    {"INLAY_GET(\"/{}\", f)",
     "route GET /{}: a parameter's name is not an identifier"},
    {"INLAY_GET(\"/{{a}\", f)",
     "route GET /{{a}: a parameter's name is not an identifier"},
    {"INLAY_GET(\"/{a}/{a}\", f)",
     "route GET /{a}/{a}: two parameters of the path have the same name"},
    {"INLAY_GET(\"/{a}{i}\", f)", "route GET /{a}{i}: a parameter of the path "
                                  "must be a whole segment, as in /{id}/"},
    {"INLAY_GET(\"/{a:hex}\", f)",
     "route GET /{a:hex}: a parameter's kind, behind the colon, is not str, "
     "int, float or path"},
    {"INLAY_GET(\"/{s:path}/x\", f)",
     "route GET /{s:path}/x: nothing can follow a {...:path} parameter"},
    {"INLAY_GET(\"/{p}\", f)",
     "route GET /{p}: parameter 'p' has type point: a part of a path is a "
     "number, a bool, an enum or text"},
    {"INLAY_GET(\"/a b\", f)",
     "route GET /a b: the path has a character that no path has"},
    {"INLAY_ROUTE(\"get\", \"/\", f)",
     "route get /: the methods are written as in \"GET,HEAD\""},
    {"INLAY_ROUTE(\"GET,\", \"/\", f)",
     "route GET, /: the methods are written as in \"GET,HEAD\""},
    {"INLAY_ROUTE(\"\", \"/\", f)",
     "route  /: the methods are written as in \"GET,HEAD\""},
    {"INLAY_STATUS(f, 201)", "INLAY_STATUS(..., 201): f has no route"},
    {"INLAY_GET(\"/\", f); INLAY_STATUS(f, 99)",
     "INLAY_STATUS(..., 99): a status is a number from 200 to 599"},
    {"INLAY_GET(\"/\", f); INLAY_STATUS(f, 201); INLAY_STATUS(f, 201)",
     "INLAY_STATUS(..., 201): f has a status already"},
};

static void check_wrong(struct compile_dir *dir,
                        const char *record,
                        const char *expected)
{
    char text[1000], message[1000];
    struct inlay_module *module;

    snprintf(text, sizeof(text),
             "#include <stdio.h>\n"
             "#include <inlay.h>\n"
             "typedef struct { int x; } point; struct pixel { int x; };\n"
             "INLAY_OPTIONAL(maybe, int8_t); enum color { red };\n"
             "int f(uint8_t a, int16_t i, inlay_str s, bool t, float r,\n"
             "      uint64_t u, maybe m, point p, char c, enum color e, "
             "const struct pixel *q, inlay_bytes y)\n"
             "{ return a; }\n"
             "int g(void *v) { return !v; }\n"
             "%s;\n",
             record);
    char *path = compile_text(dir, "cc", "", "wrong.c", text);
    struct inlay_error *error = inlay_module_open(
        INLAY_STR("wrong"), path, inlay_str_from(dir->path), &module);
    if (!error)
        fail_msg("%s is taken", record);
    snprintf(message, sizeof(message), "%s/wrong.c:9: %s", dir->path, expected);
    assert_string_equal(error->message, message);
    assert_int_equal(error->code, INLAY_ERROR_IMPORT);
    inlay_error_destroy(error);
    free(path);
}

static void test_wrong(void **state)
{
    struct compile_dir dir;

    (void)state;
    compile_dir_init(&dir);
    for (size_t i = 0; i < inlay_array_size(wrong); i++)
        check_wrong(&dir, wrong[i][0], wrong[i][1]);
    compile_dir_deinit(&dir);
}

static struct inlay_error *open_twins(const char *flags,
                                      struct inlay_module **ret)
{
    struct compile_dir dir;
    struct inlay_error *error;

    compile_dir_init(&dir);
    char *path = compile_text(&dir, "gcc", flags, "twins.c",
                              "#include <inlay.h>\n"
                              "static long one(long a) { return a % 7; }\n"
                              "static long two(long b) { return b % 7; }\n"
                              "long third(long c) { return c % 5; }\n"
                              "INLAY_GET(\"/1/{a}\", one);\n"
                              "INLAY_GET(\"/2/{b}\", two);\n"
                              "INLAY_NOGIL(third);\n");
    error = inlay_module_open(INLAY_STR("twins"), path,
                              inlay_str_from(dir.path), ret);
    free(path);
    compile_dir_deinit(&dir);
    return error;
}

/* An alias is the same function; a folded twin can't be told apart. */
static void test_shared_address(void **state)
{
    struct inlay_module *module;
    struct inlay_error *error;

    (void)state;
    if (!compile_has("gcc"))
        skip();
    error = open_twins("-Wl,--defsym=fourth=third", &module);
    assert_null(error);
    compile_keep(module);
    assert_ptr_equal(
        inlay_module_find(module, INLAY_STR("fourth"))->func->entry,
        inlay_module_find(module, INLAY_STR("third"))->func->entry);
    assert_true(inlay_module_find(module, INLAY_STR("fourth"))->func->nogil);
    assert_true(inlay_module_find(module, INLAY_STR("third"))->func->nogil);
    error = open_twins("-fipa-icf", &module);
    assert_non_null(error);
    inlay_error_destroy(error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gcc),
        cmocka_unit_test(test_gcc_sections),
        cmocka_unit_test(test_clang),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_shared_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
