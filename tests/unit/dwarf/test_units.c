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
    assert_int_equal(fixture->debug.route.size,
                     2 * sizeof(struct inlay_route_record));
    assert_int_equal(fixture->debug.api.size, sizeof(struct inlay_api_record));
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
        cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
