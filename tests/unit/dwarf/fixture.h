/* fixture.h - a source of tests/dwarf, compiled and read. */
#ifndef TESTS_UNIT_DWARF_FIXTURE_H
#define TESTS_UNIT_DWARF_FIXTURE_H

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
    bool is_dwarf5; /* it tells of alignment and _Atomic */
    struct compile_dir dir;
    struct inlay_arena arena;
    struct inlay_debug debug;
};

static inline void fixture_open(struct fixture *fixture,
                                const char *cc,
                                const char *flags,
                                const char *source)
{
    compile_dir_init(&fixture->dir);
    inlay_arena_init(&fixture->arena, (size_t)64 << 20);
    fixture->is_dwarf5 = !strstr(flags, "-gdwarf-4");
    char *path = compile(&fixture->dir, cc, flags, source);
    struct inlay_error *error = inlay_dwarf_read(
        path, inlay_str_from(TEST_DWARF), &fixture->arena, &fixture->debug);
    if (error)
        fail_msg("%s", error->message);
    free(path);
}

static inline void fixture_close(struct fixture *fixture)
{
    inlay_arena_deinit(&fixture->arena);
    compile_dir_deinit(&fixture->dir);
}

static inline const struct inlay_func *fixture_find(
    const struct fixture *fixture,
    const char *name)
{
    for (size_t i = 0; i < fixture->debug.nfuncs; i++) {
        if (inlay_str_equal(fixture->debug.funcs[i].name, inlay_str_from(name)))
            return &fixture->debug.funcs[i];
    }
    return NULL;
}

static inline const struct inlay_func *fixture_func(
    const struct fixture *fixture,
    const char *name)
{
    const struct inlay_func *func = fixture_find(fixture, name);

    if (!func) {
        fail_msg("%s is not there", name);
        abort(); /* the compiler does not know that this is not reached */
    }
    return func;
}

/* The type of a callable function's first parameter, else of its result. */
static inline const struct inlay_type *fixture_type(
    const struct fixture *fixture,
    const char *name)
{
    const struct inlay_func *func = fixture_func(fixture, name);

    if (func->reason.len)
        fail_msg("%s: %.*s", name, inlay_str_arg(func->reason));
    return func->nparams ? func->params[0].type : func->result;
}

static inline void assert_str(struct inlay_str text, const char *expected)
{
    if (!inlay_str_equal(text, inlay_str_from(expected)))
        fail_msg("\"%.*s\", not \"%s\"", inlay_str_arg(text), expected);
}

/* The reason begins with this; "": there is none. */
static inline void assert_reason(const struct fixture *fixture,
                                 const char *name,
                                 const char *reason)
{
    const struct inlay_func *func = fixture_func(fixture, name);

    if (!func->reason.len != !*reason ||
        !inlay_str_starts(func->reason, inlay_str_from(reason)))
        fail_msg("%s: \"%.*s\", not \"%s\"", name, inlay_str_arg(func->reason),
                 reason);
}

#endif
