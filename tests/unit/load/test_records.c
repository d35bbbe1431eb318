/* Routes, defaults and statuses; and what is said about wrong ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dwarf/open.h"
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
    open_keep(module);
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
    {"enum e { A, B }; int en(enum e v) { return v; } INLAY_DEFAULT(en, v, 5)",
     "INLAY_DEFAULT(en, v, 5): e has no member of this value"},
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
    {"INLAY_DEFAULT(f, d, \"2026-13-01\")",
     "INLAY_DEFAULT(f, d, \"2026-13-01\"): \"2026-13-01\" is no inlay_date: "
     "month value is outside expected range of 1-12"},
    {"INLAY_DEFAULT(f, d, 5)", "INLAY_DEFAULT(f, d, 5): the parameter has type "
                               "inlay_date: write a string, as "
                               "\"2026-11-21\""},
    {"INLAY_DEFAULT(f, d, \"2026-11-21T10:00\")",
     "INLAY_DEFAULT(f, d, \"2026-11-21T10:00\"): \"2026-11-21T10:00\" is no "
     "inlay_date"},
    {"INLAY_RANGE(f, b, 0, 1)", "INLAY_RANGE(f, b): f has no parameter b"},
    {"INLAY_RANGE(f, a, 0, 256)",
     "INLAY_RANGE(f, a): 256 does not fit uint8_t"},
    {"INLAY_RANGE(f, a, -1, 2)", "INLAY_RANGE(f, a): -1 does not fit uint8_t"},
    {"INLAY_RANGE(f, u, -1, 2)", "INLAY_RANGE(f, u): -1 does not fit uint64_t"},
    {"INLAY_RANGE(f, i, 0, 18446744073709551615u)",
     "INLAY_RANGE(f, i): 18446744073709551615u does not fit int16_t"},
    {"INLAY_RANGE(f, a, 0.5, 2)",
     "INLAY_RANGE(f, a): 0.5 is no whole number: the bounds of one are whole"},
    {"INLAY_RANGE(f, u, 0, 1e300)",
     "INLAY_RANGE(f, u): 1e300 does not fit uint64_t"},
    {"INLAY_RANGE(f, i, 0, INT64_MAX)",
     "INLAY_RANGE(f, i): INT64_MAX does not fit int16_t"},
    {"INLAY_RANGE(f, r, 0, 1e39)",
     "INLAY_RANGE(f, r): 1e39 does not fit float"},
    {"INLAY_RANGE(f, a, 3, 2)", "INLAY_RANGE(f, a): 3 is more than 2"},
    {"INLAY_RANGE(f, r, 0.5, 0.25)",
     "INLAY_RANGE(f, r): 0.5 is more than 0.25"},
    {"INLAY_RANGE(f, a, INLAY_NONE, INLAY_NONE)",
     "INLAY_RANGE(f, a): both ends are open"},
    {"INLAY_RANGE(f, s, 0, 1)", "INLAY_RANGE(f, s): s is no number"},
    {"INLAY_RANGE(f, t, 0, 1)", "INLAY_RANGE(f, t): t is no number"},
    {"INLAY_RANGE(f, e, 0, 1)", "INLAY_RANGE(f, e): e is no number"},
    {"INLAY_RANGE(f, a, 0, 1); INLAY_RANGE(f, a, 0, 1)",
     "INLAY_RANGE(f, a): a has a range already"},
    {"INLAY_RANGE(point, y, 0, 1)", "INLAY_RANGE(point, y): point has no "
                                    "member y"},
    {"INLAY_RANGE(struct unused, x, 0, 1)",
     "INLAY_RANGE(struct unused, x): no function of this module takes or "
     "returns a struct unused"},
    {"INLAY_RANGE(int, x, 0, 1)",
     "INLAY_RANGE(int, x): this module has no function int, and none that "
     "takes or returns such a struct"},
    {"INLAY_LENGTH(f, a, 0, 1)",
     "INLAY_LENGTH(f, a): a has no length: it is no "
     "text, bytes or slice"},
    {"INLAY_LENGTH(f, s, -1, 1)",
     "INLAY_LENGTH(f, s): a length of -1 can't be"},
    {"INLAY_LENGTH(f, s, 2, 1)", "INLAY_LENGTH(f, s): 2 is more than 1"},
    {"INLAY_LENGTH(f, s, INLAY_NONE, INLAY_NONE)",
     "INLAY_LENGTH(f, s): both ends are open"},
    {"INLAY_LENGTH(f, s, 1, 2); INLAY_LENGTH(f, s, 1, 2)",
     "INLAY_LENGTH(f, s): s has a length already"},
    {"INLAY_PATTERN(f, a, \"x\")", "INLAY_PATTERN(f, a): a is no text"},
    {"INLAY_PATTERN(f, s, \"(x\")",
     "INLAY_PATTERN(f, s): missing closing parenthesis, at byte 2"},
    {"INLAY_PATTERN(f, s, \"\")", "INLAY_PATTERN(f, s): the pattern is empty"},
    {"INLAY_PATTERN(f, s, \"\xff\")",
     "INLAY_PATTERN(f, s): the pattern is not UTF-8"},
    {"INLAY_PATTERN(f, s, \"x\"); INLAY_PATTERN(f, s, \"y\")",
     "INLAY_PATTERN(f, s): s has a pattern already"},
    {"INLAY_STRICT(f)", "INLAY_STRICT(f): f is a function: write a struct"},
    {"INLAY_CHECK(struct unused, 0)",
     "INLAY_CHECK(struct unused): the record is empty"},
    {"static const char *k(const point *v) { return v ? 0 : \"\"; } "
     "INLAY_CHECK(point, k); INLAY_CHECK(point, k)",
     "INLAY_CHECK(point): point has a check already"},
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
     "int, float, uuid or path"},
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
    {"INLAY_HEADER(f, b, \"x\")", "INLAY_HEADER: f has no parameter 'b'"},
    {"INLAY_HEADER(f, a, \"x y\")",
     "INLAY_HEADER: \"x y\" can't be the name of a header"},
    {"INLAY_HEADER(f, a, \"\")", "INLAY_HEADER: \"\" can't be the name of a "
                                 "header"},
    {"INLAY_COOKIE(f, a, \"x;y\")",
     "INLAY_COOKIE: \"x;y\" can't be the name of a cookie"},
    {"INLAY_QUERY(f, a, \"\\xff\")",
     "INLAY_QUERY: \"\xff\" can't be the name of a query parameter"},
    {"INLAY_FORM(f, a); INLAY_FORM(f, a)",
     "INLAY_FORM: parameter 'a' of f has INLAY_FORM already, in line 9"},
    {"INLAY_FORM(g, v)",
     "INLAY_FORM: g can't be called: parameter 'v' has type void *: void "
     "pointers have no Python form, but for one beside a callback that takes "
     "it"},
    {"int h(inlay_request *r) { return !r; } INLAY_HEADER(h, r, 0)",
     "INLAY_HEADER: parameter 'r' of h is given by the server, not by the "
     "client"},
    {"int h(inlay_db *d) { return !d; } INLAY_QUERY(h, d, 0)",
     "INLAY_QUERY: parameter 'd' of h is given by the server, not by the "
     "client"},
    {"INLAY_DB(f, a, \"x\")",
     "INLAY_DB: parameter 'a' of f has type uint8_t: a "
     "database is an inlay_db *"},
    {"int h(inlay_request *r) { return !r; } INLAY_DB(h, r, \"x\")",
     "INLAY_DB: parameter 'r' of h has type inlay_request *: a database is an "
     "inlay_db *"},
    {"int h(inlay_db *d) { return !d; } INLAY_DB(h, e, \"x\")",
     "INLAY_DB: h has no parameter 'e'"},
    {"int h(inlay_db *d) { return !d; } INLAY_DB(h, d, \"a b\")",
     "INLAY_DB: \"a b\" can't be the name of a database: it has up to 31 "
     "letters, digits, _ and -"},
    {"int h(inlay_db *d) { return !d; } INLAY_DB(h, d, \"\")",
     "INLAY_DB: \"\" can't be the name of a database: it has up to 31 letters, "
     "digits, _ and -"},
    {"int h(inlay_db *d) { return !d; } INLAY_DB(h, d, 0)",
     "INLAY_DB: \"\" can't be the name of a database: it has up to 31 letters, "
     "digits, _ and -"},
    {"int h(inlay_db *d) { return !d; } "
     "INLAY_DB(h, d, \"a2345678901234567890123456789012\")",
     "INLAY_DB: \"a2345678901234567890123456789012\" can't be the name of a "
     "database: it has up to 31 letters, digits, _ and -"},
    {"int h(inlay_db *d) { return !d; } INLAY_DB(h, d, \"x\"); "
     "INLAY_DB(h, d, \"y\")",
     "INLAY_DB: parameter 'd' of h has INLAY_DB already, in line 9"},
    {"int h(inlay_db *d) { return !d; } INLAY_GET(\"/{id}\", h)",
     "route GET /{id}: h has no parameter id"},
    {"int h(inlay_db *d) { return !d; } INLAY_GET(\"/{d}\", h)",
     "route GET /{d}: parameter 'd' has type inlay_db *: a part of a path is a "
     "number, a bool, an enum or text"},
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
             "typedef struct { int x; } point; struct pixel { int x; }; "
             "struct unused { int x; };\n"
             "INLAY_OPTIONAL(maybe, int8_t); enum color { red };\n"
             "int f(uint8_t a, int16_t i, inlay_str s, bool t, float r,\n"
             "      uint64_t u, maybe m, point p, char c, enum color e, "
             "const struct pixel *q, inlay_bytes y, inlay_date d)\n"
             "{ return a; }\n"
             "int g(void *v) { return !v; }\n"
             "%s;\n",
             record);
    struct inlay_error *error =
        open_try(dir, "cc", "", "wrong.c", text, &module);
    if (!error)
        fail_msg("%s is taken", record);
    snprintf(message, sizeof(message), "%s/wrong.c:9: %s", dir->path, expected);
    assert_string_equal(error->message, message);
    assert_int_equal(error->code, INLAY_ERROR_IMPORT);
    inlay_error_destroy(error);
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

/* Each of two has its own; one may be without. */
static void test_databases_have_names(void **state)
{
    static const char longest[] = "A_b-45678901234567890123456789x";
    struct inlay_module *module =
        open_text(NULL, "cc", "", "named.c",
                  "#include <inlay.h>\n"
                  "int f(inlay_db *main, int x, inlay_db *one, inlay_db *two)\n"
                  "{ (void)main; (void)one; (void)two; return x; }\n"
                  "INLAY_DB(f, one, \"reports\");\n"
                  "INLAY_DB(f, two, \"A_b-45678901234567890123456789x\");\n");
    const struct inlay_callable *f = inlay_module_find(module, INLAY_STR("f"));

    (void)state;
    assert_non_null(f->sources);
    assert_false(f->sources[0].given);
    assert_false(f->sources[1].given);
    assert_true(f->sources[2].given);
    assert_int_equal(f->sources[2].kind, INLAY_SOURCE_DB);
    assert_true(inlay_str_is(f->sources[2].name, "reports"));
    assert_int_equal(f->sources[2].decl.line, 4);
    assert_true(inlay_str_equal(f->sources[3].name, inlay_str_from(longest)));
}

/* Two structs of one name, in two units. */
static void test_two_structs(void **state)
{
    static const char text[] = "#include <inlay.h>\n"
                               "struct same { int a, b; };\n"
                               "int one(struct same v) { return v.a; }\n"
                               "INLAY_RANGE(struct same, a, 0, 1);\n";
    struct compile_dir dir;
    struct inlay_module *module;
    char expected[1000];

    (void)state;
    compile_dir_init(&dir);
    free(compile_text(&dir, "cc", "", "other.c",
                      "struct same { int x; };\n"
                      "int two(struct same v) { return v.x; }\n"));
    snprintf(expected, sizeof(expected), "%s/other.c", dir.path);
    struct inlay_error *error =
        open_try(&dir, "cc", expected, "mixed.c", text, &module);
    assert_non_null(error);
    snprintf(expected, sizeof(expected),
             "%s/mixed.c:4: INLAY_RANGE(struct same, a): there are two "
             "different same, at %s/mixed.c:2 and at %s/other.c:1: give one of "
             "them another name",
             dir.path, dir.path, dir.path);
    if (strcmp(error->message, expected) != 0) {
        snprintf(expected, sizeof(expected),
                 "%s/mixed.c:4: INLAY_RANGE(struct same, a): there are two "
                 "different same, at %s/other.c:1 and at %s/mixed.c:2: give "
                 "one of them another name",
                 dir.path, dir.path, dir.path);
        assert_string_equal(error->message, expected);
    }
    inlay_error_destroy(error);
    compile_dir_deinit(&dir);
}

static const struct inlay_constraints *constraints_of(
    const struct inlay_func *func,
    const char *name)
{
    for (size_t i = 0; i < func->nparams; i++)
        if (inlay_str_equal(func->params[i].name, inlay_str_from(name)))
            return func->params[i].constraints;
    fail_msg("no parameter %s", name);
    return NULL;
}

/* Of the struct by its tag and a typedef, of parameters, through lists. */
static void test_constraints(void **state)
{
    static const char text[] =
        "#include <inlay.h>\n"
        "typedef struct user_tag { uint64_t big; double real; float f; "
        "inlay_str name; } user;\n"
        "INLAY_SLICE(users, user); INLAY_SLICE(ints, int32_t);\n"
        "INLAY_OPTIONAL(maybe, ints); INLAY_OPTIONAL(text, inlay_str);\n"
        "int64_t f(users u, maybe m, text t, int64_t n)\n"
        "{ return (int64_t)u.len + m.has + t.has + n; }\n"
        "INLAY_RANGE(user, big, 9223372036854775808u, 18446744073709551615u);\n"
        "INLAY_RANGE(struct user_tag, real, 0, 1e20);\n"
        "INLAY_RANGE(user, f, INLAY_NONE, 0.1);\n"
        "INLAY_LENGTH(user, name, 1, 3);\n"
        "INLAY_PATTERN(user, name, \"^a\");\n"
        "INLAY_STRICT(user);\n"
        "static const char *check(const user *v) { return v->big ? 0 : \"no\"; "
        "}\n"
        "INLAY_CHECK(user, check);\n"
        "INLAY_RANGE(f, m, -1, INLAY_NONE);\n"
        "INLAY_RANGE(f, n, INT64_MIN + 1, INT64_MAX);\n"
        "INLAY_LENGTH(f, m, INLAY_NONE, 4);\n"
        "INLAY_LENGTH(f, t, 2, INLAY_NONE);\n";
    struct inlay_module *module =
        open_text(NULL, "cc", "-Wall -Werror", "fine.c", text);

    (void)state;
    const struct inlay_func *f =
        inlay_module_find(module, INLAY_STR("f"))->func;
    const struct inlay_type *user = f->params[0].type->elem;
    const struct inlay_constraints *big = user->fields[0].constraints;
    assert_true(user->strict && user->check);
    assert_true(big->has_least && big->has_most && !big->real);
    assert_true(inlay_str_is(big->least_text, "9223372036854775808"));
    assert_true(inlay_str_is(big->most_text, "18446744073709551615"));
    const struct inlay_constraints *real = user->fields[1].constraints;
    assert_true(real->real && real->least_real == 0 && real->most_real == 1e20);
    assert_true(inlay_str_is(real->least_text, "0.0"));
    assert_true(inlay_str_is(real->most_text, "1e+20"));
    const struct inlay_constraints *narrow = user->fields[2].constraints;
    assert_true(!narrow->has_least && narrow->most_real == (double)0.1f);
    assert_true(inlay_str_is(narrow->most_text, "0.1"));
    const struct inlay_constraints *name = user->fields[3].constraints;
    assert_true(name->min_length == 1 && name->max_length == 3 && name->regex);
    assert_null(f->params[0].constraints);
    const struct inlay_constraints *list = constraints_of(f, "m");
    assert_true(list->has_least && list->least == -1 && !list->has_most);
    assert_true(list->min_length == 0 && list->max_length == 4);
    const struct inlay_constraints *maybe = constraints_of(f, "t");
    assert_true(maybe->min_length == 2 && maybe->max_length == SIZE_MAX);
    const struct inlay_constraints *number = constraints_of(f, "n");
    assert_true(number->least == INT64_MIN + 1 && number->most == INT64_MAX);
    assert_true(inlay_str_is(number->most_text, "9223372036854775807"));
}

/* What a record is looked up with is not kept for all of them. */
static void test_many_constraints(void **state)
{
    static const char text[] =
        "#include <inlay.h>\n"
        "#define ONE(x) long f##x(long a) { return a; }"
        " INLAY_RANGE(f##x, a, 0, 9);\n"
        "#define TEN(x) ONE(x##0) ONE(x##1) ONE(x##2) ONE(x##3) ONE(x##4)"
        " ONE(x##5) ONE(x##6) ONE(x##7) ONE(x##8) ONE(x##9)\n"
        "#define HUNDRED(x) TEN(x##0) TEN(x##1) TEN(x##2) TEN(x##3) TEN(x##4)"
        " TEN(x##5) TEN(x##6) TEN(x##7) TEN(x##8) TEN(x##9)\n"
        "HUNDRED(a) HUNDRED(b) HUNDRED(c) HUNDRED(d) HUNDRED(e)\n"
        "HUNDRED(g) HUNDRED(h) HUNDRED(i) HUNDRED(j) HUNDRED(k)\n"
        "HUNDRED(l) HUNDRED(m) HUNDRED(n) HUNDRED(o) HUNDRED(p)\n";
    struct inlay_module *module = open_text(NULL, "cc", "", "many.c", text);

    (void)state;
    assert_int_equal(
        constraints_of(inlay_module_find(module, INLAY_STR("fp99"))->func, "a")
            ->most,
        9);
}

static struct inlay_error *open_twins(const char *flags,
                                      struct inlay_module **ret)
{
    return open_try(NULL, "gcc", flags, "twins.c",
                    "#include <inlay.h>\n"
                    "static long one(long a) { return a % 7; }\n"
                    "static long two(long b) { return b % 7; }\n"
                    "long third(long c) { return c % 5; }\n"
                    "INLAY_GET(\"/1/{a}\", one);\n"
                    "INLAY_GET(\"/2/{b}\", two);\n"
                    "INLAY_NOGIL(third);\n",
                    ret);
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
        cmocka_unit_test(test_databases_have_names),
        cmocka_unit_test(test_two_structs),
        cmocka_unit_test(test_constraints),
        cmocka_unit_test(test_many_constraints),
        cmocka_unit_test(test_shared_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
