/* A module from its file to calls on two threads. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "dwarf/open.h"
#include "load/context.h"
#include "load/module.h"

static void invoke(const struct inlay_module *module,
                   const char *name,
                   void *arg,
                   void *ret)
{
    const struct inlay_callable *callable =
        inlay_module_find(module, inlay_str_from(name));
    void *const args[] = {arg};

    inlay_call_invoke(callable->plan, callable->func->entry, args, ret);
}

static void test_calls(void **state)
{
    struct inlay_module *module = open_source(NULL, "cc", "", "records.c");
    struct inlay_arena arena;
    struct inlay_context context;
    int64_t number = 41, result;
    struct inlay_str text = INLAY_STR("abc"), wrapped;

    (void)state;
    inlay_arena_init(&arena, 1 << 20);
    inlay_context_enter(&context, &arena);
    invoke(module, "not_a_route", &number, &result);
    assert_int_equal(result, 42);
    assert_true(context.dirty);
    invoke(module, "rest", &text, &wrapped);
    assert_true(inlay_str_is(wrapped, "<abc>"));
    assert_int_equal(context.error, INLAY_OK);
    invoke(module, "fails", &number, &result);
    assert_int_equal(context.error, INLAY_NOT_FOUND);
    assert_true(inlay_str_is(context.error_text, "no 41"));
    inlay_context_leave(&context);
    inlay_arena_deinit(&arena);
}

struct caller {
    pthread_t thread;
    const struct inlay_module *module;
    int64_t first;
    bool ok;
};

static void *call_often(void *arg)
{
    struct caller *caller = arg;
    struct inlay_arena arena;

    inlay_arena_init(&arena, 1 << 16);
    caller->ok = true;
    for (int64_t i = 0; i < 2000; i++) {
        struct inlay_context context;
        int64_t number = caller->first + i, result = 0;
        char expected[32];

        inlay_context_enter(&context, &arena);
        invoke(caller->module, "not_a_route", &number, &result);
        caller->ok &= result == number + 1;
        invoke(caller->module, "fails", &number, &result);
        snprintf(expected, sizeof(expected), "no %d", (int)number);
        caller->ok &=
            inlay_str_equal(context.error_text, inlay_str_from(expected));
        inlay_context_leave(&context);
        inlay_arena_reset(&arena);
    }
    inlay_arena_deinit(&arena);
    return NULL;
}

static void test_threads(void **state)
{
    struct inlay_module *module = open_source(NULL, "cc", "", "records.c");
    struct caller callers[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        callers[i].module = module;
        callers[i].first = i * 1000000;
        assert_int_equal(
            pthread_create(&callers[i].thread, NULL, call_often, &callers[i]),
            0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_true(callers[i].ok);
    }
}

static void assert_error(struct inlay_error *error, const char *part)
{
    assert_non_null(error);
    assert_int_equal(error->code, INLAY_ERROR_IMPORT);
    if (!strstr(error->message, part))
        fail_msg("\"%s\" without \"%s\"", error->message, part);
    inlay_error_destroy(error);
}

static struct inlay_error *open_m(const char *flags, const char *text)
{
    struct inlay_module *module;

    return open_try(NULL, "cc", flags, "m.c", text, &module);
}

static void test_errors(void **state)
{
    struct inlay_module *module;

    (void)state;
    assert_error(inlay_module_open(INLAY_STR("m"), "/nowhere.so", INLAY_STR(""),
                                   &module),
                 "cannot open /nowhere.so: No such file");
    assert_error(open_m("-s", "int f(void) { return 1; }"),
                 "no debug information");
    assert_error(open_m("", "int gone(void);\n"
                            "int f(void) { return gone(); }"),
                 "undefined symbol: gone");
    assert_error(open_m("", "#include <inlay.h>\n"
                            "INLAY_RECORD_(api, &inlay_api_, 7, 8);\n"
                            "int f(void) { return 1; }"),
                 "built with an inlay.h of ABI 7");
    assert_error(open_m("", "#include <inlay.h>\n"
                            "INLAY_RECORD_(api, &inlay_api_, 1, 800);\n"
                            "int f(void) { return 1; }"),
                 "compile it again");
    assert_error(open_m("", "char odd[5] __attribute__((section("
                            "\"inlay_route\"))) = {1};\n"
                            "int f(void) { return 1; }"),
                 "its records are of another inlay.h");
    /* No inlay.h at all is fine. */
    assert_null(open_m("", "int f(void) { return 1; }"));
    assert_null(open_m("", "int only_data;"));
}

/* Whichever allocation fails: an error, no leak, no crash. */
static void test_no_memory(void **state)
{
    struct compile_dir dir;
    struct inlay_module *module;
    bool opened = false;

    (void)state;
    compile_dir_init(&dir);
    char *path = compile(&dir, "cc", "", "records.c");
    for (long count = 0; count < 200 && !opened; count++) {
        inlay_mem_fail_after(count);
        struct inlay_error *error = inlay_module_open(
            INLAY_STR("m"), path, inlay_str_from(TEST_DWARF), &module);
        inlay_mem_fail_after(-1);
        opened = !error;
        if (error)
            assert_int_equal(error->code, INLAY_ERROR_NO_MEMORY);
        inlay_error_destroy(error);
    }
    assert_true(opened);
    open_keep(module);
    free(path);
    compile_dir_deinit(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
