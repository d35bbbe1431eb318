/* Pointers to what providers and states return. */
#include "fixture.h"

static void assert_given(const struct inlay_type *type,
                         const char *name,
                         bool is_const)
{
    assert_int_equal(type->kind, INLAY_KIND_INJECTED);
    assert_int_equal(type->injected, INLAY_INJECTED_PROVIDED);
    assert_int_equal(type->injected_const, is_const);
    assert_int_equal(type->size, 8);
    assert_str(type->provided, name);
}

static void check_params(const struct fixture *fixture)
{
    const struct inlay_func *take = fixture_func(fixture, "take");

    assert_reason(fixture, "take", "");
    assert_int_equal(take->nparams, 5);
    assert_given(take->params[0].type, "store", true);
    assert_given(take->params[1].type, "config", false);
    assert_given(take->params[2].type, "opaque", false);
    assert_given(take->params[3].type, "user", true);
    /* Nobody provides it: a body, or a query. */
    assert_int_equal(take->params[4].type->kind, INLAY_KIND_POINTER);
}

static void check_providers(const struct fixture *fixture)
{
    const struct inlay_func *open = fixture_func(fixture, "open_store");
    const struct inlay_func *user = fixture_func(fixture, "current_user");

    assert_reason(fixture, "open_store", "");
    assert_false(open->exported);
    assert_given(open->result, "store", false);
    assert_given(open->params[0].type, "config", false);
    assert_given(fixture_func(fixture, "find_opaque")->result, "opaque", false);
    assert_int_equal(user->result->kind, INLAY_KIND_STRUCT);
    /* What closes it is read, too, though only the record names it. */
    assert_given(fixture_func(fixture, "close_config")->params[0].type,
                 "config", true);
    /* It is no object: there is no class of it. */
    assert_int_equal(fixture->debug.nobjects, 0);
    assert_given(fixture_func(fixture, "config_new")->result, "config", false);
    assert_null(fixture_func(fixture, "config_free")->object);
}

static void check_others(const struct fixture *fixture)
{
    const struct inlay_func *wait = fixture_func(fixture, "wait_for");

    assert_int_equal(fixture_func(fixture, "find_user")->result->kind,
                     INLAY_KIND_POINTER);
    assert_reason(fixture, "find_user", "");
    assert_int_equal(fixture_type(fixture, "by_value")->kind,
                     INLAY_KIND_STRUCT);
    assert_int_equal(fixture_type(fixture, "held")->fields[0].type->kind,
                     INLAY_KIND_POINTER);
    assert_reason(fixture, "leak_store", "the result has type struct store *");
    assert_int_equal(wait->params[0].type->injected, INLAY_INJECTED_REQUEST);
    assert_false(wait->params[0].type->injected_const);
    assert_int_equal(wait->params[1].type->injected, INLAY_INJECTED_SOCKET);
    assert_true(
        fixture_func(fixture, "find_opaque")->params[0].type->injected_const);
}

static void check_c(const char *cc, const char *flags)
{
    struct fixture fixture;

    if (!compile_has(cc))
        skip();
    fixture_open(&fixture, cc, flags, "provided.c");
    check_params(&fixture);
    check_providers(&fixture);
    check_others(&fixture);
    fixture_close(&fixture);
}

static void test_gcc(void **state)
{
    (void)state;
    check_c("gcc", "-O2");
}

static void test_clang(void **state)
{
    (void)state;
    check_c("clang", "-O0 -gdwarf-4");
}

/* Relocations that name the function, and packed ones. */
static void test_symbolic(void **state)
{
    (void)state;
    check_c("gcc", "-O2 -Wl,-Bsymbolic -fvisibility=protected");
    check_c("gcc", "-O2 -Wl,-z,pack-relative-relocs");
}

static void test_cxx(void **state)
{
    struct fixture fixture;

    (void)state;
    if (!compile_has("g++"))
        skip();
    fixture_open(&fixture, "g++", "-O2", "provided.cpp");
    assert_reason(&fixture, "count", "");
    assert_given(fixture_type(&fixture, "count"), "Store", true);
    assert_given(fixture_func(&fixture, "open_store")->result, "Store", false);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gcc),
        cmocka_unit_test(test_clang),
        cmocka_unit_test(test_symbolic),
        cmocka_unit_test(test_cxx),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
