/* C++ and Rust: what they can give C, and what they can't. */
#include "fixture.h"

static void open_language(struct fixture *fixture,
                          const char *command,
                          const char *source)
{
    compile_dir_init(&fixture->dir);
    inlay_arena_init(&fixture->arena, (size_t)64 << 20);
    char *path = compile_with(&fixture->dir, command, source);
    struct inlay_error *error = inlay_dwarf_read(
        path, inlay_str_from(TEST_DWARF), &fixture->arena, &fixture->debug);
    if (error)
        fail_msg("%s", error->message);
    free(path);
}

struct expected {
    const char *name;
    enum inlay_kind kind; /* of the first parameter, else of the result */
    const char *reason;   /* what it begins with; NULL: it is callable */
};

static void check_all(const struct fixture *fixture,
                      const struct expected *all,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_reason(fixture, all[i].name, all[i].reason ? all[i].reason : "");
        if (!all[i].reason &&
            fixture_type(fixture, all[i].name)->kind != all[i].kind)
            fail_msg("%s is another kind", all[i].name);
    }
    /* Of those that can't be called as well. */
    for (size_t i = 0; i < fixture->debug.nfuncs; i++) {
        const struct inlay_type *result = fixture->debug.funcs[i].result;

        if (result->kind == INLAY_KIND_SLICE)
            assert_non_null(result->elem);
    }
    assert_int_equal(fixture->debug.nfuncs, count);
}

static struct inlay_str doc_of(struct fixture *fixture, const char *name)
{
    struct inlay_doc_cache cache = {0};
    struct inlay_str doc = inlay_doc_find(
        &cache, &fixture_func(fixture, name)->decl, &fixture->arena);

    inlay_doc_cache_deinit(&cache);
    return doc;
}

static const struct expected cxx[] = {
    {"ok_namespace", INLAY_KIND_STRUCT, NULL},
    {"ok_add", INLAY_KIND_INT, NULL},
    {"ok_plain", INLAY_KIND_STRUCT, NULL},
    {"ok_functions", INLAY_KIND_STRUCT, NULL},
    {"ok_defaulted", INLAY_KIND_STRUCT, NULL},
    {"ok_color", INLAY_KIND_ENUM, NULL},
    {"ok_bool", INLAY_KIND_BOOL, NULL},
    {"ok_text", INLAY_KIND_CSTR, NULL},
    {"ok_str", INLAY_KIND_STR, NULL},
    {"ok_plains", INLAY_KIND_SLICE, NULL},
    {"ok_maybe", INLAY_KIND_OPTIONAL, NULL},
    {"ok_pointer", INLAY_KIND_POINTER, NULL},
    {"ok_callback", INLAY_KIND_CALLBACK, NULL},
    {"thing_new", INLAY_KIND_INT, NULL},
    {"thing_free", INLAY_KIND_HANDLE, NULL},
    {"thing_size", INLAY_KIND_HANDLE, NULL},
    {"no_derived", 0,
     "parameter 'v' has type struct derived: it has a base class"},
    {"no_virtual", 0, "parameter 'v' has type struct with_virtual: it "},
    {"no_destructor", 0, "parameter 'v' has type struct with_destructor: it "},
    {"no_copy", 0, "parameter 'v' has type struct with_copy: it "},
    {"no_member", 0, "parameter 'v' has type struct with_member: "},
    {"no_reference", 0, "parameter 'v' has type int &: references"},
    {"no_const_reference", 0,
     "parameter 'v' has type const struct plain &: references"},
    {"no_moved", 0, "parameter 'v' has type struct plain &: references"},
    {"no_generic", 0, "parameter 'v' has type struct generic<int>: its name"},
    {"no_string", 0, "parameter 'v' has type "},
    {"no_member_pointer", 0, "parameter 'v' has type "},
    {"no_linkage", 0, "it is a function of C++: write extern \"C\" before it"},
};

static void check_cxx(const char *compiler, const char *flags)
{
    struct fixture fixture;
    char command[300];

    if (!compile_has(compiler))
        skip();
    snprintf(command, sizeof(command),
             "%s -std=gnu++17 -g -fPIC -shared -w -I%s %s", compiler,
             TEST_INCLUDE, flags);
    open_language(&fixture, command, "languages.cpp");
    check_all(&fixture, cxx, inlay_array_size(cxx));
    assert_int_equal(fixture.debug.nobjects, 1);
    const struct inlay_type *color = fixture_type(&fixture, "ok_color");
    assert_int_equal(color->size, 1);
    assert_false(color->is_signed);
    assert_int_equal(color->members[1].value, 200);
    assert_true(fixture_type(&fixture, "ok_plains")->elem_const);
    assert_str(doc_of(&fixture, "ok_add"), "Adds.");
    fixture_close(&fixture);
}

static void test_gxx(void **state)
{
    (void)state;
    check_cxx("g++", "-O2 -fno-ipa-icf");
    check_cxx("g++", "-O0 -gdwarf-4");
}

static void test_clangxx(void **state)
{
    (void)state;
    check_cxx("clang++", "-O2");
    check_cxx("clang++", "-O0 -fstandalone-debug");
}

static const struct expected rust[] = {
    {"ok_add", INLAY_KIND_INT, NULL},
    {"ok_unit", INLAY_KIND_VOID, NULL},
    {"ok_bool", INLAY_KIND_BOOL, NULL},
    {"ok_float", INLAY_KIND_FLOAT, NULL},
    {"ok_point", INLAY_KIND_STRUCT, NULL},
    {"ok_pointer", INLAY_KIND_POINTER, NULL},
    {"ok_points", INLAY_KIND_SLICE, NULL},
    {"ok_reals", INLAY_KIND_OWNED, NULL},
    {"ok_maybe", INLAY_KIND_OPTIONAL, NULL},
    {"ok_cells", INLAY_KIND_STRUCT, NULL},
    {"ok_color", INLAY_KIND_ENUM, NULL},
    {"ok_text", INLAY_KIND_CSTR, NULL},
    {"ok_str", INLAY_KIND_STR, NULL},
    {"ok_html", INLAY_KIND_STR, NULL},
    {"ok_callback", INLAY_KIND_CALLBACK, NULL},
    {"counter_new", INLAY_KIND_INT, NULL},
    {"counter_free", INLAY_KIND_HANDLE, NULL},
    {"counter_get", INLAY_KIND_HANDLE, NULL},
    {"no_reference", 0,
     "parameter 'v' has type struct point *: references have no Python form"},
    {"no_loose", 0, "parameter 'v' has type struct loose: member 'b' overlaps"},
    {"no_valued", 0, "parameter 'v' has type struct valued: an Option or an"},
    {"no_option", 0, "parameter 'v' has type struct Option<i64>: an Option"},
    {"no_option_reference", 0, "parameter 'v' has type struct Option<&"},
    {"no_option_function", 0, "parameter 'v' has type struct Option<extern"},
    {"no_slice", 0, "parameter 'v' has type struct &["},
    {"no_string", 0, "parameter 'v' has type struct String: field 'vec' of"},
    {"no_char", 0, "parameter 'v' has type char: character types"},
    {"no_bytes", 0, "parameter 'v' has type u8 *: a pointer does not say how"},
    {"no_tuple", 0, "parameter 'v' has type struct (i32, i64): its name"},
};

static void test_rust(void **state)
{
    struct fixture fixture;

    (void)state;
    if (!compile_has("rustc"))
        skip();
    open_language(&fixture,
                  "rustc --crate-type cdylib -C opt-level=2 -C debuginfo=2 "
                  "-C llvm-args=-mergefunc-preserve-debug-info "
                  "-C llvm-args=-mergefunc-use-aliases=false",
                  "languages.rs");
    check_all(&fixture, rust, inlay_array_size(rust));
    assert_true(fixture_type(&fixture, "ok_pointer")->elem_const);
    assert_false(fixture_func(&fixture, "ok_pointer")->result->elem_const);
    assert_true(fixture_type(&fixture, "ok_points")->elem_const);
    assert_str(fixture_type(&fixture, "ok_html")->media,
               "text/html; charset=utf-8");
    assert_int_equal(fixture.debug.nobjects, 1);
    assert_true(fixture.debug.objects[0].decl.line > 0);
    assert_str(doc_of(&fixture, "ok_add"), "Adds.");
    fixture_close(&fixture);
}

/* Equal functions that the compiler has made one: one of them is unknown. */
static void test_rust_merged(void **state)
{
    struct fixture fixture;
    FILE *file;
    char path[100];

    (void)state;
    if (!compile_has("rustc"))
        skip();
    compile_dir_init(&fixture.dir);
    inlay_arena_init(&fixture.arena, (size_t)1 << 20);
    snprintf(path, sizeof(path), "%s/merged.rs", fixture.dir.path);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs("#[no_mangle] pub extern \"C\" fn one(a: i64) -> i64 { a * 31 + 7 }\n"
          "#[no_mangle] pub extern \"C\" fn two(b: i64) -> i64 { b * 31 + 7 "
          "}\n",
          file);
    fclose(file);
    char *object = compile_with(&fixture.dir,
                                "rustc --crate-type cdylib -C opt-level=2 -C "
                                "debuginfo=2",
                                path);
    assert_null(inlay_dwarf_read(object, inlay_str_from(fixture.dir.path),
                                 &fixture.arena, &fixture.debug));
    assert_int_equal(fixture.debug.nfuncs, 2);
    const struct inlay_func *one = fixture_func(&fixture, "one");
    const struct inlay_func *two = fixture_func(&fixture, "two");
    assert_int_equal(one->address == two->address,
                     one->reason.len || two->reason.len);
    assert_true(!one->reason.len || !two->reason.len);
    free(object);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gxx),
        cmocka_unit_test(test_clangxx),
        cmocka_unit_test(test_rust),
        cmocka_unit_test(test_rust_merged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
