/* Types of parameters and results, as gcc and clang describe them. */
#include "fixture.h"

/* The type of a function that takes one and gives it back. */
static const struct inlay_type *type_of(const struct fixture *fixture,
                                        const char *name)
{
    const struct inlay_func *func = fixture_func(fixture, name);

    assert_int_equal(func->reason.len, 0);
    assert_int_equal(func->nparams, 1);
    assert_true(inlay_str_is(func->params[0].name, "v"));
    assert_true(func->exported);
    return func->params[0].type;
}

static void check_scalars(const struct fixture *fixture)
{
    static const struct {
        const char *func, *name;
        enum inlay_kind kind;
        uint32_t size;
    } cases[] = {
        {"ok_bool", "bool", INLAY_KIND_BOOL, 1},
        {"ok_i8", "int8_t", INLAY_KIND_INT, 1},
        {"ok_i16", "int16_t", INLAY_KIND_INT, 2},
        {"ok_i32", "int32_t", INLAY_KIND_INT, 4},
        {"ok_i64", "int64_t", INLAY_KIND_INT, 8},
        {"ok_u8", "uint8_t", INLAY_KIND_UINT, 1},
        {"ok_u16", "uint16_t", INLAY_KIND_UINT, 2},
        {"ok_u32", "uint32_t", INLAY_KIND_UINT, 4},
        {"ok_u64", "uint64_t", INLAY_KIND_UINT, 8},
        {"ok_short", NULL, INLAY_KIND_INT, 2},
        {"ok_unsigned", "unsigned int", INLAY_KIND_UINT, 4},
        {"ok_long", NULL, INLAY_KIND_INT, 8},
        {"ok_ull", NULL, INLAY_KIND_UINT, 8},
        {"ok_size", "size_t", INLAY_KIND_UINT, 8},
        {"ok_schar", "signed char", INLAY_KIND_INT, 1},
        {"ok_uchar", "unsigned char", INLAY_KIND_UINT, 1},
        {"ok_float", "float", INLAY_KIND_FLOAT, 4},
        {"ok_double", "double", INLAY_KIND_FLOAT, 8},
        {"ok_cstr", "const char *", INLAY_KIND_CSTR, 8},
        {"ok_str", "inlay_str", INLAY_KIND_STR, 16},
        {"ok_id", "user_id", INLAY_KIND_INT, 8},
        {"ok_odd", "odd_id", INLAY_KIND_INT, 8},
    };

    for (size_t i = 0; i < inlay_array_size(cases); i++) {
        const struct inlay_type *type = type_of(fixture, cases[i].func);

        assert_int_equal(type->kind, cases[i].kind);
        assert_int_equal(type->size, cases[i].size);
        assert_int_equal(type->align, inlay_min(cases[i].size, 8u));
        if (cases[i].name)
            assert_str(type->name, cases[i].name);
    }
    /* The same type twice is the same pointer. */
    assert_ptr_equal(type_of(fixture, "ok_i64"),
                     fixture_func(fixture, "ok_none")->result);
}

static void check_structs(const struct fixture *fixture)
{
    const struct inlay_type *user = type_of(fixture, "ok_user");

    assert_int_equal(user->kind, INLAY_KIND_STRUCT);
    assert_int_equal(user->size, 32);
    assert_int_equal(user->align, 8);
    assert_str(user->name, "user");
    assert_int_equal(user->decl.line, 5);
    assert_int_equal(user->nfields, 3);
    assert_str(user->fields[1].name, "name");
    assert_int_equal(user->fields[1].offset, 8);
    assert_int_equal(user->fields[1].type->kind, INLAY_KIND_STR);
    assert_int_equal(user->fields[2].decl.line, 8);
    if (fixture->is_dwarf5)
        assert_int_equal(type_of(fixture, "ok_aligned")->align, 16);

    const struct inlay_type *deep = type_of(fixture, "ok_deep");
    assert_str(deep->name, "deep");
    assert_str(deep->fields[0].type->name, "deep.middle");
    assert_str(deep->fields[0].type->fields[0].type->name, "deep.middle.inner");
    assert_ptr_equal(deep, type_of(fixture, "ok_alias"));

    const struct inlay_type *tree = type_of(fixture, "ok_tree");
    assert_int_equal(tree->fields[1].type->kind, INLAY_KIND_SLICE);
    assert_ptr_equal(tree->fields[1].type->elem, tree);
}

static void check_markers(const struct fixture *fixture)
{
    const struct inlay_type *users = type_of(fixture, "ok_users");
    const struct inlay_type *numbers = type_of(fixture, "ok_numbers");
    const struct inlay_type *backwards = type_of(fixture, "ok_backwards");
    const struct inlay_type *maybe = type_of(fixture, "ok_maybe_int");

    assert_int_equal(users->kind, INLAY_KIND_SLICE);
    assert_str(users->name, "users");
    assert_ptr_equal(users->elem, type_of(fixture, "ok_user"));
    assert_false(users->elem_const);
    assert_true(numbers->elem_const);
    assert_ptr_equal(numbers->elem, type_of(fixture, "ok_i64"));
    assert_int_equal(type_of(fixture, "ok_names")->elem->kind, INLAY_KIND_STR);
    assert_ptr_equal(type_of(fixture, "ok_rows")->elem, numbers);
    assert_int_equal(backwards->ptr_offset, 8);
    assert_int_equal(backwards->len_offset, 0);

    assert_int_equal(maybe->kind, INLAY_KIND_OPTIONAL);
    assert_str(maybe->name, "maybe_int");
    assert_int_equal(maybe->has_offset, 0);
    assert_int_equal(maybe->value_offset, 8);
    assert_int_equal(maybe->size, 16);
    const struct inlay_param *param =
        fixture_func(fixture, "ok_maybe_user")->params;
    assert_int_equal(param->type->elem->kind, INLAY_KIND_STRUCT);
    assert_non_null(param->fallback);
    for (uint32_t i = 0; i < param->type->size; i++)
        assert_int_equal(((const char *)param->fallback)[i], 0);
    assert_int_equal(fixture_func(fixture, "ok_void")->result->kind,
                     INLAY_KIND_VOID);
}

static const char *const refusals[][2] = {
    {"no_union",
     "parameter 'v' has type union value: unions have no Python form"},
    {"no_field", "parameter 'v' has type struct holder: field 'v' of "
                 "holder.in has type union value: unions have no Python "
                 "form"},
    {"no_bits", "parameter 'v' has type struct bits: field 'a' of bits has "
                "type int: bit fields are not supported: write a whole "
                "integer"},
    {"no_flexible",
     "parameter 'v' has type struct flexible: field 'v' of flexible has type "
     "double[]: arrays of no fixed length have no Python form: write "
     "INLAY_SLICE"},
    {"no_function",
     "parameter 'v' has type struct pointer_to_function: field 'f' of "
     "pointer_to_function has type int (*)(int): a function pointer is a "
     "parameter only"},
    {"no_anonymous", "parameter 'v' has type struct anonymous: it has a "
                     "member without a name: give it one"},
    {"no_empty", "parameter 'v' has type struct empty: it has no members"},
    {"no_packed", "parameter 'v' has type struct packed: member 'b' is not "
                  "aligned: packed structs have no Python form"},
    {"no_packed_end", "parameter 'v' has type struct packed_end: it is "
                      "packed, or aligned to more than 16 bytes"},
    {"no_aligned", "parameter 'v' has type struct aligned64: it is packed, "
                   "or aligned to more than 16 bytes"},
    {"no_text", "parameter 'v' has type char *: write const char * or "
                "inlay_str for text"},
    {"no_pointer", "parameter 'v' has type int *: a pointer does not say how "
                   "many: write INLAY_SLICE(name, int)"},
    {"no_void",
     "parameter 'v' has type void *: void pointers have no Python form, but "
     "for one beside a callback that takes it"},
    {"no_int128", "parameter 'v' has type __int128: integers of 16 bytes "
                  "have no Python form: write int64_t or uint64_t"},
    {"no_long_double", "parameter 'v' has type long double: only float and "
                       "double have a Python form: write double"},
    {"no_complex", NULL}, /* its name differs */
    {"no_atomic", "parameter 'v' has type _Atomic int: _Atomic has no Python "
                  "form: write the type without it"},
    {"no_vector", NULL},
    {"no_loose",
     "parameter 'v' has type loose: it has an alignment of its own"},
    {"no_chars", "parameter 'v' has type chars, which is made of char: for "
                 "text write inlay_str, for numbers a slice of int8_t"},
    {"no_voids",
     "parameter 'v' has type voids, which is made of void: void is not a "
     "value"},
    {"no_opaque", "parameter 'v' has type opaques, which is made of struct "
                  "opaque: it is not defined where it is used: include its "
                  "header; a pointer to it can come from INLAY_STATE or "
                  "INLAY_PROVIDE"},
    {"no_three", "parameter 'v' has type three: a struct with an inlay_len "
                 "is a slice: it has two members, T *ptr and inlay_len len"},
    {"no_maybe_maybe", "parameter 'v' has type maybe_maybe: an optional of "
                       "an optional has no Python form"},
    {"no_result",
     "the result has type union value: unions have no Python form"},
    {"no_prototype", "it has no prototype: write no_prototype(void) when it "
                     "takes nothing"},
    {"no_old_style", "it is defined in the old style: write the parameters' "
                     "types between the parentheses"},
    {"no_variadic", "it takes a variable number of arguments (...)"},
    {"no_name", "parameter 2 has no name"},
};

static void check_refusals(const struct fixture *fixture)
{
    for (size_t i = 0; i < inlay_array_size(refusals); i++) {
        const struct inlay_func *func = fixture_find(fixture, refusals[i][0]);

        assert_non_null(func);
        if (!fixture->is_dwarf5 && (strstr(refusals[i][0], "aligned") ||
                                    strstr(refusals[i][0], "atomic") ||
                                    strstr(refusals[i][0], "loose")))
            continue;
        if (!func->reason.len)
            fail_msg("%s is not refused", refusals[i][0]);
        if (refusals[i][1])
            assert_str(func->reason, refusals[i][1]);
    }
}

static void check_functions(const struct fixture *fixture)
{
    const struct inlay_debug *debug = &fixture->debug;
    uint32_t last = 0;

    assert_null(fixture_find(fixture, "hidden"));
    assert_null(fixture_find(fixture, "invisible"));
    assert_null(fixture_find(fixture, "inlined"));
    assert_int_equal(fixture_func(fixture, "alias_a")->address,
                     fixture_func(fixture, "alias_b")->address);
    for (size_t i = 0; i < debug->nfuncs; i++) {
        assert_true(debug->funcs[i].decl.line >= last);
        last = debug->funcs[i].decl.line;
        assert_str(debug->funcs[i].decl.file, TEST_DWARF "/types.c");
    }
}

static void check_all(const char *cc, const char *flags)
{
    struct fixture fixture;

    if (!compile_has(cc))
        skip();
    fixture_open(&fixture, cc, flags, "types.c");
    check_scalars(&fixture);
    check_structs(&fixture);
    check_markers(&fixture);
    check_refusals(&fixture);
    check_functions(&fixture);
    fixture_close(&fixture);
}

static void test_gcc(void **state)
{
    (void)state;
    check_all("gcc", "-O2");
}

static void test_gcc_dwarf4_unoptimized(void **state)
{
    (void)state;
    check_all("gcc", "-O0 -gdwarf-4");
}

static void test_gcc_compressed(void **state)
{
    (void)state;
    check_all("gcc", "-gz");
}

static void test_clang(void **state)
{
    (void)state;
    check_all("clang", "-O2");
}

static void test_clang_unoptimized(void **state)
{
    (void)state;
    check_all("clang", "-O0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gcc),
        cmocka_unit_test(test_gcc_dwarf4_unoptimized),
        cmocka_unit_test(test_gcc_compressed),
        cmocka_unit_test(test_clang),
        cmocka_unit_test(test_clang_unoptimized),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
