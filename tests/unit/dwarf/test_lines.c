/* Which line an address belongs to: as addr2line would say. */
#include <dlfcn.h>

#include "fixture.h"

static const char text[] = "#include \"in.h\"\n"
                           "static volatile int x;\n"
                           "__attribute__((noinline))\n"
                           "static int inner(int a)\n"
                           "{\n"
                           "    x = a;\n"
                           "    return x / a;\n"
                           "}\n"
                           "\n"
                           "int outer(int a)\n"
                           "{\n"
                           "    return inner(a) + from_header(a);\n"
                           "}\n"
                           "int last(int a)\n"
                           "{\n"
                           "    return a + 1;\n"
                           "}\n";

static char *build(struct compile_dir *dir, const char *cc, const char *flags)
{
    char path[100];
    FILE *file;

    compile_dir_init(dir);
    snprintf(path, sizeof(path), "%s/in.h", dir->path);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs("static inline int from_header(int a)\n{\n    return a * 77;\n}\n",
          file);
    fclose(file);
    return compile_text(dir, cc, flags, "in.c", text);
}

static void read_lines(const char *path,
                       const char *root,
                       struct inlay_arena *arena,
                       struct inlay_lines *ret)
{
    inlay_arena_init(arena, (size_t)16 << 20);
    struct inlay_error *error =
        inlay_dwarf_lines(path, inlay_str_from(root), arena, ret);
    if (error)
        fail_msg("%s", error->message);
}

static void check_order(const struct inlay_lines *lines)
{
    for (size_t i = 0; i < lines->count; i++) {
        assert_true(i == 0 ||
                    lines->items[i - 1].address < lines->items[i].address);
        assert_true(!lines->items[i].line ||
                    lines->items[i].file < lines->nfiles);
    }
}

/* The function of that name: its address in the file. */
static uint64_t address_of(const char *path,
                           const char *root,
                           const char *name,
                           uint32_t *line_ret)
{
    struct fixture fixture;

    inlay_arena_init(&fixture.arena, (size_t)16 << 20);
    assert_null(inlay_dwarf_read(path, inlay_str_from(root), &fixture.arena,
                                 &fixture.debug));
    const struct inlay_func *func = fixture_func(&fixture, name);
    uint64_t address = func->address;
    *line_ret = func->decl.line;
    inlay_arena_deinit(&fixture.arena);
    return address;
}

static void check_lines(const char *cc, const char *flags)
{
    struct compile_dir dir;
    struct inlay_arena arena;
    struct inlay_lines lines;
    const struct inlay_line *line;
    bool seen[18] = {false};
    uint32_t declared;
    char name[100];

    if (!compile_has(cc))
        skip();
    char *path = build(&dir, cc, flags);
    read_lines(path, dir.path, &arena, &lines);
    check_order(&lines);
    assert_true(lines.nfiles >= 1);
    for (size_t i = 0; i < lines.count; i++) {
        snprintf(name, sizeof(name), "%s/in.c", dir.path);
        if (lines.items[i].line &&
            inlay_str_equal(lines.files[lines.items[i].file],
                            inlay_str_from(name)) &&
            lines.items[i].line < 18)
            seen[lines.items[i].line] = true;
    }
    assert_true(seen[6] && seen[7] && seen[12] && seen[16]);
    for (const char *const *at = (const char *const[]){"outer", "last", NULL};
         *at; at++) {
        uint64_t address = address_of(path, dir.path, *at, &declared);

        line = inlay_lines_find(&lines, address, address);
        assert_non_null(line);
        assert_true(line->line >= declared && line->line <= declared + 2);
        assert_ptr_equal(inlay_lines_find(&lines, address, address + 1), line);
    }
    assert_null(inlay_lines_find(&lines, 0, 0));
    assert_null(inlay_lines_find(&lines, UINT64_MAX, UINT64_MAX));
    inlay_arena_deinit(&arena);
    free(path);
    compile_dir_deinit(&dir);
}

static void test_gcc(void **state)
{
    (void)state;
    check_lines("gcc", "-O2");
    check_lines("gcc", "-O0 -gdwarf-4");
}

static void test_clang(void **state)
{
    (void)state;
    check_lines("clang", "-O2");
    check_lines("clang", "-O0");
}

/* With several units, some of them not the module's. */
static void test_other_files(void **state)
{
    struct compile_dir dir;
    struct inlay_arena arena;
    struct inlay_lines lines;

    (void)state;
    char *path = build(&dir, "cc", TEST_DWARF "/folded.c -O0");
    read_lines(path, dir.path, &arena, &lines);
    check_order(&lines);
    assert_int_equal(lines.nfiles, 2);
    inlay_arena_deinit(&arena);
    read_lines(path, TEST_DWARF, &arena, &lines);
    check_order(&lines);
    assert_int_equal(lines.nfiles, 1);
    assert_str(lines.files[0], TEST_DWARF "/folded.c");
    assert_true(lines.count > 0);
    inlay_arena_deinit(&arena);
    read_lines(path, "", &arena, &lines);
    check_order(&lines);
    assert_int_equal(lines.nfiles, 3);
    inlay_arena_deinit(&arena);
    read_lines(path, "/nowhere", &arena, &lines);
    assert_int_equal(lines.count, 0);
    assert_null(inlay_lines_find(&lines, 4096, 4096));
    inlay_arena_deinit(&arena);
    free(path);
    compile_dir_deinit(&dir);
}

static void test_errors(void **state)
{
    struct compile_dir dir;
    struct inlay_arena arena;
    struct inlay_lines lines;

    (void)state;
    char *path = build(&dir, "cc", "-s");
    read_lines(path, dir.path, &arena, &lines);
    assert_int_equal(lines.count, 0);
    free(path);
    struct inlay_error *error =
        inlay_dwarf_lines("/dev/null", INLAY_STR(""), &arena, &lines);
    assert_non_null(error);
    assert_int_equal(error->code, INLAY_ERROR_IMPORT);
    inlay_error_destroy(error);
    inlay_arena_deinit(&arena);
    compile_dir_deinit(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gcc),
        cmocka_unit_test(test_clang),
        cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
