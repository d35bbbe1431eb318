/* Which functions are found, however the compiler has laid them out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dwarf/compile.h"
#include "dwarf/dwarf.h"

struct fixture {
    struct compile_dir dir;
    struct inlay_arena arena;
    struct inlay_debug debug;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    compile_dir_init(&fixture->dir);
    inlay_arena_init(&fixture->arena, (size_t)64 << 20);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    inlay_arena_deinit(&fixture->arena);
    compile_dir_deinit(&fixture->dir);
    free(fixture);
    return 0;
}

static struct inlay_error *read_text(struct fixture *fixture,
                                     const char *cc,
                                     const char *flags,
                                     const char *text,
                                     const char *root)
{
    char *path = compile_text(&fixture->dir, cc, flags, "in.c", text);
    struct inlay_error *error =
        inlay_dwarf_read(path, inlay_str_from(root ? root : fixture->dir.path),
                         &fixture->arena, &fixture->debug);

    free(path);
    return error;
}

static void assert_names(const struct inlay_debug *debug, const char *expected)
{
    char names[500] = "";
    size_t len = 0;

    for (size_t i = 0; i < debug->nfuncs; i++) {
        const struct inlay_func *func = &debug->funcs[i];

        len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%.*s",
                                i ? " " : "", inlay_str_arg(func->name));
        if (func->nparams)
            len += (size_t)snprintf(names + len, sizeof(names) - len, "(%.*s)",
                                    inlay_str_arg(func->params[0].name));
    }
    assert_string_equal(names, expected);
}

static void read_input(struct fixture *fixture,
                       const char *cc,
                       const char *flags,
                       const char *input)
{
    char *path = compile(&fixture->dir, cc, flags, input);
    struct inlay_error *error = inlay_dwarf_read(
        path, inlay_str_from(TEST_DWARF), &fixture->arena, &fixture->debug);

    if (error)
        fail_msg("%s", error->message);
    free(path);
}

static void test_cold(void **state)
{
    struct fixture *fixture = *state;

    read_input(fixture, "cc", "-O2", "cold.c");
    assert_names(&fixture->debug, "checked(x) caller(x)");
    read_input(fixture, "cc", "-O0", "cold.c");
    assert_names(&fixture->debug, "checked(x) caller(x)");
}

/* Each twin keeps its own line and its parameters' names. */
static void test_folded(void **state)
{
    struct fixture *fixture = *state;

    if (!compile_has("gcc"))
        skip();
    read_input(fixture, "gcc", "-O2 -fipa-icf", "folded.c");
    assert_names(&fixture->debug, "twin_one(first) twin_two(second)");
    read_input(fixture, "gcc", "-O2", "folded.c");
    assert_names(&fixture->debug, "twin_one(first) twin_two(second)");
}

static void test_lto(void **state)
{
    struct fixture *fixture = *state;

    if (!compile_has("gcc"))
        skip();
    read_input(fixture, "gcc", "-flto", "folded.c");
    assert_names(&fixture->debug, "twin_one(first) twin_two(second)");
}

static void test_other_folders(void **state)
{
    struct fixture *fixture = *state;

    assert_null(read_text(fixture, "cc", "",
                          "#line 5 \"/usr/include/other.h\"\n"
                          "int theirs(int a) { return a; }\n"
                          "#line 3 \"in.c\"\n"
                          "int x;\n",
                          NULL));
    assert_names(&fixture->debug, "");
    assert_null(
        read_text(fixture, "cc", "", "int mine(int a) { return a; }\n", "/"));
    assert_names(&fixture->debug, "mine(a)");
    assert_null(
        read_text(fixture, "cc", "", "int mine(int a) { return a; }\n", ""));
    assert_names(&fixture->debug, "mine(a)");
    /* "/tmp/inlay-te" is no folder of it, though its path begins so. */
    char part[64];
    snprintf(part, sizeof(part), "%.12s", fixture->dir.path);
    assert_null(
        read_text(fixture, "cc", "", "int mine(int a) { return a; }\n", part));
    assert_names(&fixture->debug, "");
}

static void test_recorded(void **state)
{
    struct fixture *fixture = *state;

    assert_null(read_text(fixture, "cc", "",
                          "#include <inlay.h>\n"
                          "static int a(int x) { return x; }\n"
                          "static int b(int x) { return x + 1; }\n"
                          "static int c(int x) { return x + 2; }\n"
                          "int d(int x) { return b(x) + c(x); }\n"
                          "INLAY_GET(\"/{x}\", a);\n"
                          "INLAY_GET(\"/a/{x}\", a);\n"
                          "INLAY_DEFAULT(c, x, 1);\n"
                          "INLAY_STATUS(d, 201);\n",
                          NULL));
    assert_names(&fixture->debug, "a(x) c(x) d(x)");
    assert_false(fixture->debug.funcs[0].exported);
    assert_true(fixture->debug.funcs[2].exported);
    assert_int_equal(fixture->debug.sections[INLAY_SECTION_route].size,
                     2 * sizeof(struct inlay_route_record));
    assert_int_equal(fixture->debug.sections[INLAY_SECTION_api].size,
                     sizeof(struct inlay_api_record));
}

/* Built elsewhere: neither root nor source exist, their names are compared. */
static void test_moved(void **state)
{
    struct fixture *fixture = *state;
    char flags[200];

    snprintf(flags, sizeof(flags), "-ffile-prefix-map=%s=/inlay/pkg",
             fixture->dir.path);
    const char *text = "#line 1 \"/inlay/pkg/../other/x.c\"\n"
                       "int theirs(int a) { return a; }\n"
                       "#line 1 \"/inlay/pkg/./sub//in.c\"\n"
                       "int mine(int a) { return a; }\n"
                       "#line 2 \"/inlay/pkgs/in.c\"\n"
                       "int neighbours(int a) { return a; }\n";
    assert_null(read_text(fixture, "cc", flags, text, "/inlay/pkg"));
    assert_names(&fixture->debug, "mine(a)");
    assert_true(
        inlay_str_is(fixture->debug.funcs[0].decl.file, "/inlay/pkg/sub/in.c"));
    text = "int mine(int a) { return a; }\n";
    assert_null(read_text(fixture, "cc", flags, text, "/inlay/pkg/"));
    assert_names(&fixture->debug, "mine(a)");
    assert_true(
        inlay_str_is(fixture->debug.funcs[0].decl.file, "/inlay/pkg/in.c"));
    assert_null(read_text(fixture, "cc", flags, text, "/inlay/pk"));
    assert_names(&fixture->debug, "");
}

/* Puts a section ".inlay_docs" into an object. */
static char *add_docs(struct fixture *fixture,
                      char *object,
                      const char *docs,
                      size_t len)
{
    char path[100], command[500];

    snprintf(path, sizeof(path), "%s/docs", fixture->dir.path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(docs, 1, len, file), len);
    fclose(file);
    snprintf(command, sizeof(command),
             "objcopy --add-section=.inlay_docs=%s %s", path, object);
    assert_int_equal(system(command), 0);
    return object;
}

static void check_docs(struct fixture *fixture,
                       const char *docs,
                       size_t len,
                       const char *one,
                       const char *two)
{
    char *path = compile_text(&fixture->dir, "cc", "", "in.c",
                              "/* not this */\n"
                              "int one(int a) { return a; }\n"
                              "int two(int a) { return a + 1; }\n");

    if (docs)
        add_docs(fixture, path, docs, len);
    assert_null(inlay_dwarf_read(path, inlay_str_from(fixture->dir.path),
                                 &fixture->arena, &fixture->debug));
    assert_int_equal(fixture->debug.nfuncs, 2);
    assert_int_equal(fixture->debug.documented, docs != NULL);
    assert_true(
        inlay_str_equal(fixture->debug.funcs[0].doc, inlay_str_from(one)));
    assert_true(
        inlay_str_equal(fixture->debug.funcs[1].doc, inlay_str_from(two)));
    free(path);
}

static void test_embedded_docs(void **state)
{
    struct fixture *fixture = *state;

    if (!compile_has("objcopy"))
        skip();
    check_docs(fixture, NULL, 0, "", "");
    check_docs(fixture, "two\0Second.\nLine\0one\0First\0", 27, "First",
               "Second.\nLine");
    check_docs(fixture, "none\0x\0two\0cut", 14, "", "");
    check_docs(fixture, "one\0\xff\0two\0\xc3\xa9\0", 13, "", "\xc3\xa9");
    check_docs(fixture, "\0", 1, "", "");
}

static void assert_error(struct inlay_error *error, const char *part)
{
    assert_non_null(error);
    assert_int_equal(error->code, INLAY_ERROR_IMPORT);
    if (!strstr(error->message, part))
        fail_msg("\"%s\" without \"%s\"", error->message, part);
    inlay_error_destroy(error);
}

static void test_errors(void **state)
{
    struct fixture *fixture = *state;
    const char *text = "int f(int a) { return a; }\n";

    assert_error(read_text(fixture, "cc", "-s", text, NULL),
                 "no debug information");
    assert_error(read_text(fixture, "cc", "-g0", text, NULL),
                 "no debug information");
    assert_error(read_text(fixture, "cc", "-g1", text, NULL), "-g1");
    assert_error(read_text(fixture, "cc", "-c", text, NULL),
                 "not a shared object");
    assert_error(inlay_dwarf_read("/nowhere.so", INLAY_STR(""), &fixture->arena,
                                  &fixture->debug),
                 "cannot open /nowhere.so: No such file");
    assert_error(inlay_dwarf_read(TEST_DWARF "/types.c", INLAY_STR(""),
                                  &fixture->arena, &fixture->debug),
                 "not an ELF file");
    assert_error(inlay_dwarf_read("/dev/null", INLAY_STR(""), &fixture->arena,
                                  &fixture->debug),
                 "not an ELF file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cold, setup, teardown),
        cmocka_unit_test_setup_teardown(test_folded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lto, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_folders, setup, teardown),
        cmocka_unit_test_setup_teardown(test_recorded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_moved, setup, teardown),
        cmocka_unit_test_setup_teardown(test_embedded_docs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
