/* Which comment belongs to which function. */
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

static const char *const expected[][2] = {
    {"d1", "one line"},
    {"d2", "block\n  indented\n\nend"},
    {"d3", "two\nlines"},
    {"d4", ""},
    {"d5", "typed"},
    {"d6", "attr"},
    {"d7", ""},
    {"d8", "macro"},
    {"d9", ""},
    {"d10", "split"},
    {"d11", "boxed          *"},
    {"d12", ""},
    {"d13", "tab \xe2\x80\x94 \xc3\xbcn\xc3\xaf"
            "code"},
    {"d14", "open\nend"},
};

static const char *expected_of(struct inlay_str name)
{
    for (size_t i = 0; i < inlay_array_size(expected); i++) {
        if (inlay_str_equal(name, inlay_str_from(expected[i][0])))
            return expected[i][1];
    }
    return NULL;
}

static void test_comments(void **state)
{
    struct compile_dir dir;
    struct inlay_arena arena;
    struct inlay_debug debug;
    struct inlay_doc_cache cache = {0};

    (void)state;
    compile_dir_init(&dir);
    inlay_arena_init(&arena, 1 << 20);
    char *path = compile(&dir, "cc", "", "docs.c");
    assert_null(
        inlay_dwarf_read(path, inlay_str_from(TEST_DWARF), &arena, &debug));
    assert_int_equal(debug.nfuncs, inlay_array_size(expected));
    for (size_t i = 0; i < debug.nfuncs; i++) {
        const struct inlay_func *func = &debug.funcs[i];
        const char *text = expected_of(func->name);
        struct inlay_str doc = inlay_doc_find(&cache, &func->decl, &arena);

        if (!text || !inlay_str_equal(doc, inlay_str_from(text)))
            fail_msg("%.*s: \"%.*s\", not \"%s\"", inlay_str_arg(func->name),
                     inlay_str_arg(doc), text);
    }
    free(path);
    inlay_doc_cache_deinit(&cache);
    inlay_arena_deinit(&arena);
    compile_dir_deinit(&dir);
}

static struct inlay_str find_in(const char *text,
                                size_t len,
                                uint32_t line,
                                struct inlay_arena *arena)
{
    struct compile_dir dir;
    struct inlay_doc_cache cache = {0};
    char path[100];

    compile_dir_init(&dir);
    snprintf(path, sizeof(path), "%s/x.c", dir.path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    fclose(file);
    struct inlay_source source = {inlay_str_from(path), line};
    struct inlay_str doc = inlay_doc_find(&cache, &source, arena);
    inlay_doc_cache_deinit(&cache);
    compile_dir_deinit(&dir);
    return doc;
}

/* Whatever a file holds and whichever line is asked for. */
static void test_odd_files(void **state)
{
    static const char *const texts[] = {
        "",         "\n",          "/*",
        "*/",       "/*\n*/",      "/**/\nf",
        "/***/\nf", "//\nf",       "/*/\nf",
        "*/\nf",    " /** */\nf",  "/*\r\n*/\r\nf",
        "///\n\nf", "/*\xff*/\nf", "a /* b\n*/\nf",
    };
    struct inlay_arena arena;

    (void)state;
    inlay_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < inlay_array_size(texts); i++) {
        for (uint32_t line = 0; line < 6; line++) {
            struct inlay_str doc =
                find_in(texts[i], strlen(texts[i]), line, &arena);
            assert_int_equal(doc.len, 0);
        }
    }
    struct inlay_str doc = find_in("// a\0b\nf", 8, 2, &arena);
    assert_true(inlay_str_is(doc, "a"));
    doc = find_in("/* a\r\n * b\r\n */\r\nf", 18, 4, &arena);
    assert_true(inlay_str_is(doc, "a\nb"));
    inlay_arena_deinit(&arena);
}

static void test_no_file(void **state)
{
    static const char *const paths[] = {"/nowhere/x.c", "/dev/zero", "/tmp",
                                        ""};
    struct inlay_arena arena;
    struct inlay_doc_cache cache = {0};

    (void)state;
    inlay_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < inlay_array_size(paths); i++) {
        struct inlay_source source = {inlay_str_from(paths[i]), 7};

        assert_int_equal(inlay_doc_find(&cache, &source, &arena).len, 0);
    }
    inlay_doc_cache_deinit(&cache);
    inlay_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comments),
        cmocka_unit_test(test_odd_files),
        cmocka_unit_test(test_no_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
