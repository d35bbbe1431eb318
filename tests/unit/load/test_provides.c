/* Providers, states and guards; and what is said about wrong ones. */
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

#define HEAD                                                                   \
    "#include <stdlib.h>\n"                                                    \
    "#include <inlay.h>\n"                                                     \
    "struct a { int x; }; struct b { int x; }; struct c { int x; };\n"

static const char good[] =
    HEAD "static void guard(struct a *a) { (void)a; }\n"
         "static struct b *make_b(struct a *a, struct c *c, inlay_db *db) { "
         "(void)a; (void)c; (void)db; return 0; }\n"
         "static struct c make_c(inlay_str q) { (void)q; return (struct "
         "c){0}; }\n"
         "static struct a *open_a(int64_t size) { (void)size; return 0; }\n"
         "static void close_a(struct a *a) { free(a); }\n"
         "INLAY_DEFAULT(open_a, size, 7);\n"
         "INLAY_STATE(open_a, close_a);\n"
         "INLAY_PROVIDE(make_b);\n"
         "INLAY_PROVIDE(make_c);\n"
         "INLAY_BEFORE(\"/a/*\", guard);\n"
         "INLAY_AFTER(\"/b\", guard);\n"
         "INLAY_BEFORE(\"/*\", guard);\n";

static void test_good(void **state)
{
    struct inlay_module *module = open_text(NULL, "cc", "", "text.c", good);

    (void)state;
    assert_int_equal(module->nprovides, 3);
    assert_true(inlay_str_is(module->provides[0].type, "a"));
    assert_true(module->provides[0].once);
    assert_non_null(module->provides[0].close);
    assert_true(inlay_str_is(module->provides[1].type, "b"));
    assert_false(module->provides[1].once);
    assert_true(inlay_str_is(module->provides[2].type, "c"));
    assert_int_equal(module->nguards, 3);
    assert_true(inlay_str_is(module->guards[0].pattern, "/a/*"));
    assert_false(module->guards[0].after);
    assert_true(module->guards[1].after);
    assert_true(inlay_str_is(module->guards[2].pattern, "/*"));
}

/* Line 4 onwards, and the whole message behind the folder. */
static const char *const wrong[][2] = {
    {"struct a *f(void) { return 0; }\n"
     "struct a *g(void) { return 0; }\n"
     "INLAY_PROVIDE(f);\nINLAY_PROVIDE(g);",
     "7: INLAY_PROVIDE: g and f (DIR/text.c:6) both give a: of each type "
     "there is one"},
    {"void f(void) { }\nINLAY_PROVIDE(f);",
     "5: INLAY_PROVIDE: f returns void: a provider returns a struct or a "
     "pointer to one"},
    {"int f(void) { return 0; }\nINLAY_PROVIDE(f);",
     "5: INLAY_PROVIDE: f returns int: a provider returns a struct or a "
     "pointer to one"},
    {"struct a f(void) { return (struct a){0}; }\nINLAY_STATE(f, 0);",
     "5: INLAY_STATE: f returns a: a state is a pointer to a struct"},
    {"struct a *f(int x) { (void)x; return 0; }\nINLAY_STATE(f, 0);",
     "5: INLAY_STATE: parameter x of f has nobody who gives it: a state is "
     "opened with other states, and with parameters that have an "
     "INLAY_DEFAULT"},
    {"struct a *f(inlay_request *r) { (void)r; return 0; }\n"
     "INLAY_STATE(f, 0);",
     "5: INLAY_STATE: parameter r of f has nobody who gives it: a state is "
     "opened with other states, and with parameters that have an "
     "INLAY_DEFAULT"},
    {"struct a *f(inlay_db *db) { (void)db; return 0; }\n"
     "INLAY_STATE(f, 0);",
     "5: INLAY_STATE: parameter db of f is a database, which a call has while "
     "it runs, and a state is opened before there are any: ask it in a "
     "function of INLAY_PROVIDE"},
    {"struct a *f(void) { return 0; }\n"
     "static void g(struct b *b) { (void)b; }\n"
     "INLAY_STATE(f, g);",
     "6: INLAY_STATE: g does not take what f returns: write void g(struct a * "
     "state)"},
    {"struct a *f(struct b *b) { (void)b; return 0; }\n"
     "struct b *g(void) { return 0; }\n"
     "INLAY_STATE(f, 0);\nINLAY_PROVIDE(g);",
     "6: INLAY_STATE: parameter b of f is given by g once per request, and a "
     "state is opened before there are any"},
    {"struct a *f(struct a *a) { return a; }\nINLAY_PROVIDE(f);",
     "5: INLAY_PROVIDE: f -> f: each needs what the next one gives, so none "
     "can be called first"},
    {"struct a *f(struct b *b) { (void)b; return 0; }\n"
     "struct b *g(struct c *c) { (void)c; return 0; }\n"
     "struct c *h(const struct a *a) { (void)a; return 0; }\n"
     "INLAY_PROVIDE(f);\nINLAY_PROVIDE(g);\nINLAY_PROVIDE(h);",
     "7: INLAY_PROVIDE: f -> g -> h -> f: each needs what the next one gives, "
     "so none can be called first"},
    {"struct a *f(struct b *b) { (void)b; return 0; }\n"
     "struct b *g(struct a *a) { (void)a; return 0; }\n"
     "INLAY_STATE(f, 0);\nINLAY_STATE(g, 0);",
     "6: INLAY_STATE: f -> g -> f: each needs what the next one gives, so "
     "none can be called first"},
    {"struct a *f(void *v) { return v; }\nINLAY_PROVIDE(f);",
     "5: INLAY_PROVIDE: f can't be called: parameter 'v' has type void *: "
     "void pointers have no Python form, but for one beside a callback that "
     "takes it"},
    {"int f(void) { return 1; }\nINLAY_BEFORE(\"/\", f);",
     "5: INLAY_BEFORE(\"/\"): f returns int, which nobody would look at: make "
     "it void, and call inlay_fail where it refuses"},
    {"void f(void *v) { (void)v; }\nINLAY_BEFORE(\"/\", f);",
     "5: INLAY_BEFORE(\"/\"): f can't be called: parameter 'v' has type void "
     "*: void pointers have no Python form, but for one beside a callback "
     "that takes it"},
    {"void f(void) { }\nINLAY_BEFORE(\"admin\", f);",
     "5: INLAY_BEFORE(\"admin\"): the pattern must begin with '/'"},
    {"void f(void) { }\nINLAY_AFTER(\"\", f);",
     "5: INLAY_AFTER(\"\"): the pattern must begin with '/'"},
    {"void f(void) { }\nINLAY_BEFORE(\"/a*b\", f);",
     "5: INLAY_BEFORE(\"/a*b\"): a '*' may stand at the pattern's end only"},
    {"void f(void) { }\nINLAY_BEFORE(\"/*/b\", f);",
     "5: INLAY_BEFORE(\"/*/b\"): a '*' may stand at the pattern's end only"},
    {"void f(void) { }\nINLAY_BEFORE(\"/**\", f);",
     "5: INLAY_BEFORE(\"/**\"): a '*' may stand at the pattern's end only"},
    {"void f(void) { }\nINLAY_BEFORE(\"/users/{id}\", f);",
     "5: INLAY_BEFORE(\"/users/{id}\"): a pattern has no parameters: write "
     "\"/users/*\", not \"/users/{id}\""},
    {"void f(void) { }\nINLAY_BEFORE(\"/%61\", f);",
     "5: INLAY_BEFORE(\"/%61\"): paths are decoded before they are matched: "
     "write the character in place of its %-form"},
    {"void f(void) { }\nINLAY_BEFORE(\"/a//b\", f);",
     "5: INLAY_BEFORE(\"/a//b\"): the pattern has \"//\", \"/./\" or "
     "\"/../\": write the path as it is without"},
    {"void f(void) { }\nINLAY_BEFORE(\"/a/..\", f);",
     "5: INLAY_BEFORE(\"/a/..\"): the pattern has \"//\", \"/./\" or "
     "\"/../\": write the path as it is without"},
    {"void f(void) { }\nINLAY_BEFORE(\"/a?b\", f);",
     "5: INLAY_BEFORE(\"/a?b\"): the pattern has a character that no path "
     "has"},
    {"void f(void) { }\nINLAY_BEFORE(\"/\\xff\", f);",
     "5: INLAY_BEFORE(\"/\xff\"): the pattern is not UTF-8"},
};

/* The whole message; "DIR" is the test's folder. */
static char *expand(const struct compile_dir *dir, const char *text)
{
    const char *at = strstr(text, "DIR");
    char *ret;

    if (at)
        assert_true(asprintf(&ret, "%s/text.c:%.*s%s%s", dir->path,
                             (int)(at - text), text, dir->path, at + 3) > 0);
    else
        assert_true(asprintf(&ret, "%s/text.c:%s", dir->path, text) > 0);
    return ret;
}

static void test_wrong(void **state)
{
    struct compile_dir dir;
    struct inlay_module *module;
    char text[1000];

    (void)state;
    compile_dir_init(&dir);
    for (size_t i = 0; i < inlay_array_size(wrong); i++) {
        snprintf(text, sizeof(text), HEAD "%s\n", wrong[i][0]);
        struct inlay_error *error =
            open_try(&dir, "cc", "", "text.c", text, &module);
        if (!error)
            fail_msg("%s is taken", wrong[i][0]);
        char *message = expand(&dir, wrong[i][1]);
        assert_string_equal(error->message, message);
        assert_int_equal(error->code, INLAY_ERROR_IMPORT);
        inlay_error_destroy(error);
        free(message);
    }
    compile_dir_deinit(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
