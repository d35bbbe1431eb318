/*
 * Calls of functions with random signatures, compiled by gcc and clang: each
 * stores what it was given where the test can see it, and returns what the
 * test has laid out.
 */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "dwarf/open.h"
#include "load/abi.h"
#include "load/module.h"

enum { STRUCTS = 24, FUNCS = 120, PARAMS_MOST = 14, SLOT = 512 };

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static const char *const scalars[] = {
    "bool",          "int8_t",       "int16_t",        "int32_t",
    "int64_t",       "uint8_t",      "uint16_t",       "uint32_t",
    "uint64_t",      "float",        "double",         "float",
    "double",        "const char *", "inlay_str",      "inlay_bytes",
    "many_int",      "maybe_i8",     "maybe_f32",      "maybe_f64",
    "maybe_str",     "char",         "enum sign",      "enum plain",
    "enum narrow",   "inlay_date",   "inlay_datetime", "inlay_uuid",
    "struct node *",
};
static const char *const results[] = {"owned", "PyObject *", "struct thing *"};
/* Some come with the next one. */
static const char *const params[][2] = {
    {"PyObject *", NULL},   {"const struct thing *", NULL},
    {"compare", "void *"},  {"struct ArrowArray *", "struct ArrowSchema *"},
    {"inlay_upload", NULL},
};

static void write_type(struct inlay_buf *text, uint64_t *random, int structs)
{
    uint64_t pick = next_random(random);

    if (structs && pick % 3 == 0)
        inlay_buf_format(text, "struct s%d", (int)(pick / 3 % structs));
    else
        inlay_buf_format(text, "%s",
                         scalars[pick / 3 % inlay_array_size(scalars)]);
}

/* Members, some of them arrays: 4 of at most 96 bytes. */
static void write_struct(struct inlay_buf *text, uint64_t *random, int index)
{
    /* The first half is of one kind of number each: registers in a row. */
    static const char *const same[] = {"float",   "double", "float",
                                       "int32_t", "char",   "int64_t"};
    int count = 1 + (int)(next_random(random) % 4);

    inlay_buf_format(text, "struct %s s%d {\n",
                     index % 7 == 5 ? "__attribute__((aligned(16)))" : "",
                     index);
    for (int i = 0; i < count; i++) {
        uint64_t length = next_random(random) % 6;

        if (index % 7 == 6 && i == 0)
            inlay_buf_format(text, "_Alignas(16) ");
        if (index < STRUCTS / 2)
            inlay_buf_format(text, "%s",
                             same[index % (int)inlay_array_size(same)]);
        else
            write_type(text, random, i ? 0 : STRUCTS / 2);
        inlay_buf_format(text, " m%d", i);
        if (index % 2 && length && length < 4)
            inlay_buf_format(text, "[%d]", (int)length);
        inlay_buf_format(text, ";\n");
    }
    inlay_buf_format(text, "};\n");
}

static void write_params(struct inlay_buf *text, uint64_t *random, int count)
{
    const char *next = NULL;

    for (int i = 0; i < count; i++) {
        uint64_t pick = next_random(random);

        inlay_buf_format(text, i ? ", " : "");
        if (next) {
            inlay_buf_format(text, "%s", next);
            next = NULL;
        } else if (pick % 5 == 0) {
            pick = pick / 5 % inlay_array_size(params);
            inlay_buf_format(text, "%s", params[pick][0]);
            next = params[pick][1];
        } else {
            write_type(text, random, STRUCTS);
        }
        inlay_buf_format(text, " p%d", i);
    }
}

static void write_func(struct inlay_buf *text, uint64_t *random, int index)
{
    int count = (int)(next_random(random) % (PARAMS_MOST + 1));
    uint64_t pick = next_random(random);

    inlay_buf_format(text, "typedef ");
    if (pick % 8 == 0)
        inlay_buf_format(text, "void");
    else if (pick % 8 == 1)
        inlay_buf_format(text, "%s",
                         results[pick / 8 % inlay_array_size(results)]);
    else
        write_type(text, random, STRUCTS);
    inlay_buf_format(text, " r%d;\nr%d f%d(", index, index, index);
    write_params(text, random, count);
    inlay_buf_format(text, "%s)\n{\n", count ? "" : "void");
    for (int i = 0; i < count; i++)
        inlay_buf_format(text,
                         "    memcpy(seen + %d, &p%d, sizeof(p%d));\n"
                         "    wide[%d] = WIDE(p%d);\n",
                         i * SLOT, i, i, i, i);
    inlay_buf_format(text, "    return *(r%d *)give;\n}\n", index);
}

static char *write_source(uint64_t seed)
{
    struct inlay_buf text;

    inlay_buf_init(&text, (size_t)4 << 20);
    inlay_buf_format(
        &text,
        "#include <inlay.h>\n"
        "#include <string.h>\n"
        "INLAY_SLICE(many_int, int32_t);\n"
        "INLAY_OPTIONAL(maybe_i8, int8_t);\n"
        "INLAY_OPTIONAL(maybe_f32, float);\n"
        "INLAY_OPTIONAL(maybe_f64, double);\n"
        "INLAY_OPTIONAL(maybe_str, inlay_str);\n"
        "INLAY_ARRAY(owned, double);\n"
        "enum sign { MINUS = -1, PLUS };\n"
        "enum plain { ONE, TWO };\n"
        "enum __attribute__((packed)) narrow { LITTLE = -1 };\n"
        "struct node { int v; struct node *next; };\n"
        "typedef struct _object PyObject;\n"
        "struct ArrowArray;\n"
        "struct ArrowSchema;\n"
        "struct thing;\n"
        "typedef int (*compare)(int, void *);\n"
        "struct thing *thing_new(void) { return 0; }\n"
        "void thing_free(struct thing *t) {}\n"
        "char seen[%d] __attribute__((aligned(16)));\n"
        "char give[%d] __attribute__((aligned(16)));\n"
        "int64_t wide[%d];\n"
        "#define WIDE(p) _Generic((p), bool: (p), int8_t: (p), int16_t: (p), "
        "int32_t: (p), uint8_t: (p), uint16_t: (p), uint32_t: (p), char: (p), "
        "default: 0)\n",
        (PARAMS_MOST + 1) * SLOT, SLOT, PARAMS_MOST + 1);
    for (int i = 0; i < STRUCTS; i++)
        write_struct(&text, &seed, i);
    for (int i = 0; i < FUNCS; i++)
        write_func(&text, &seed, i);
    assert_int_equal(inlay_buf_append_char(&text, '\0'), 0);
    return text.data;
}

/* Random values of a type; padding stays what it is. */
static void fill(const struct inlay_type *type, char *at, uint64_t *random)
{
    if (type->kind == INLAY_KIND_STRUCT) {
        for (size_t i = 0; i < type->nfields; i++)
            fill(type->fields[i].type, at + type->fields[i].offset, random);
    } else if (type->kind == INLAY_KIND_ARRAY) {
        for (uint32_t i = 0; i < type->count; i++)
            fill(type->elem, at + i * type->elem->size, random);
    } else if (type->kind == INLAY_KIND_OPTIONAL) {
        at[type->has_offset] = next_random(random) & 1;
        fill(type->elem, at + type->value_offset, random);
    } else {
        for (uint32_t i = 0; i < type->size; i++)
            at[i] = (char)(next_random(random) >> 8);
        /* A bool is 0 or 1, and nothing else. */
        if (type->kind == INLAY_KIND_BOOL)
            *at &= 1;
    }
}

static bool same(const struct inlay_type *type, const char *a, const char *b)
{
    bool equal = true;

    if (type->kind == INLAY_KIND_STRUCT) {
        for (size_t i = 0; i < type->nfields; i++)
            equal &= same(type->fields[i].type, a + type->fields[i].offset,
                          b + type->fields[i].offset);
        return equal;
    }
    if (type->kind == INLAY_KIND_ARRAY) {
        for (uint32_t i = 0; i < type->count; i++)
            equal &= same(type->elem, a + i * type->elem->size,
                          b + i * type->elem->size);
        return equal;
    }
    if (type->kind == INLAY_KIND_OPTIONAL)
        return a[type->has_offset] == b[type->has_offset] &&
               same(type->elem, a + type->value_offset, b + type->value_offset);
    if (type->kind == INLAY_KIND_DATETIME)
        return memcmp(a, b, offsetof(inlay_datetime, offset) + 4) == 0;
    return memcmp(a, b, type->size) == 0;
}

static void assert_same(const struct inlay_type *type,
                        const char *a,
                        const char *b,
                        const char *what,
                        int index)
{
    if (!same(type, a, b))
        fail_msg("%s, %d: differs", what, index);
}

static void check_wide(const struct inlay_type *type,
                       const void *at,
                       int64_t wide,
                       const char *what)
{
    if (type->size == 8)
        return;
    if (type->kind == INLAY_KIND_CHAR && *(const char *)at != wide)
        fail_msg("%s: a char is not extended", what);
    if ((type->kind == INLAY_KIND_INT ||
         (type->kind == INLAY_KIND_ENUM && type->is_signed)) &&
        inlay_int_load(at, type->size) != wide)
        fail_msg("%s: an int is not extended", what);
    if ((type->kind == INLAY_KIND_UINT || type->kind == INLAY_KIND_BOOL) &&
        (int64_t)inlay_uint_load(at, type->size) != wide)
        fail_msg("%s: an unsigned int is not extended", what);
}

struct memory {
    char *seen, *give;
    int64_t *wide;
};

static void check_call(const struct inlay_callable *callable,
                       const struct memory *memory,
                       uint64_t *random)
{
    const struct inlay_func *func = callable->func;
    static char values[PARAMS_MOST + 1][SLOT] __attribute__((aligned(16)));
    static char result[SLOT] __attribute__((aligned(16)));
    void *args[PARAMS_MOST + 1];
    char name[16];

    snprintf(name, sizeof(name), "%.15s", func->name.ptr);
    memset(values, 0xa5, sizeof(values));
    memset(memory->seen, 0x5a, (PARAMS_MOST + 1) * SLOT);
    memset(result, 0x77, sizeof(result));
    for (size_t i = 0; i < func->nparams; i++) {
        assert_true(func->params[i].type->size <= SLOT);
        fill(func->params[i].type, values[i], random);
        args[i] = values[i];
    }
    fill(func->result, memory->give, random);
    inlay_call_invoke(callable->plan, func->entry, args,
                      func->result->size ? result : NULL);
    for (size_t i = 0; i < func->nparams; i++) {
        assert_same(func->params[i].type, values[i], memory->seen + i * SLOT,
                    name, (int)i);
        check_wide(func->params[i].type, values[i], memory->wide[i], name);
    }
    assert_same(func->result, result, memory->give, name, -1);
    /* Nothing is written behind the result. */
    for (size_t i = func->result->size; i < SLOT; i++)
        assert_int_equal(result[i], 0x77);
}

static void check_source(struct compile_dir *dir,
                         const char *cc,
                         const char *flags,
                         uint64_t seed)
{
    char *text = write_source(seed);
    struct inlay_module *module = open_text(dir, cc, flags, "calls.c", text);

    assert_int_equal(module->ncallables, FUNCS + 2);
    struct memory memory = {
        dlsym(module->handle, "seen"),
        dlsym(module->handle, "give"),
        dlsym(module->handle, "wide"),
    };
    for (size_t i = 0; i < module->ncallables; i++) {
        if (!module->callables[i].plan)
            fail_msg("%.*s: %.*s",
                     inlay_str_arg(module->callables[i].func->name),
                     inlay_str_arg(module->callables[i].func->reason));
        if (module->callables[i].func->name.ptr[0] != 'f')
            continue;
        for (int again = 0; again < 20; again++)
            check_call(&module->callables[i], &memory, &seed);
    }
    inlay_free(text);
}

static void check_compiler(const char *cc)
{
    struct compile_dir dir;

    if (!compile_has(cc))
        skip();
    compile_dir_init(&dir);
    check_source(&dir, cc, "-O2", 0x9E3779B97F4A7C15u);
    check_source(&dir, cc, "-O0", 0xD1B54A32D192ED03u);
    compile_dir_deinit(&dir);
}

static void test_gcc(void **state)
{
    (void)state;
    check_compiler("gcc");
}

static void test_clang(void **state)
{
    (void)state;
    check_compiler("clang");
}

static const char own[] =
    "#include <inlay.h>\n"
    "int64_t ten(int64_t a, int64_t b, int64_t c, int64_t d, int64_t e,\n"
    "            int64_t f, int64_t g, int64_t h, int64_t i, int64_t j)\n"
    "{ return a+2*b+3*c+4*d+5*e+6*f+7*g+8*h+9*i+10*j; }\n"
    "double reals(double a, double b, double c, double d, double e,\n"
    "             double f, double g, double h, double i, float j)\n"
    "{ return a+2*b+3*c+4*d+5*e+6*f+7*g+8*h+9*i+10*j; }\n"
    "int8_t narrow(int8_t a) { return a - 1; }\n"
    "bool negate(bool a) { return !a; }\n"
    "float half(float a) { return a / 2; }\n"
    "void nothing(void) {}\n"
    "#define F(n) int64_t m##n;\n"
    "#define T(n) F(n##0) F(n##1) F(n##2) F(n##3) F(n##4) F(n##5) F(n##6) \n"
    "struct wide { T(1) T(2) T(3) T(4) T(5) T(6) T(7) T(8) T(9) };\n"
    "struct wider { struct wide a, b, c, d, e, f, g, h, i; };\n"
    "int64_t sum(struct wide w) { return w.m10 + w.m96; }\n"
    "int64_t much(struct wider w) { return w.a.m10; }\n"
    "struct wider back(int64_t a)\n"
    "{ struct wider w = {.a.m10 = a}; w.i.m96 = a + 1; return w; }\n";

static const struct inlay_callable *find(const struct inlay_module *module,
                                         const char *name)
{
    return inlay_module_find(module, inlay_str_from(name));
}

static void invoke(const struct inlay_module *module,
                   const char *name,
                   void *args[],
                   void *ret)
{
    const struct inlay_callable *callable = find(module, name);

    assert_non_null(callable->plan);
    inlay_call_invoke(callable->plan, callable->func->entry, args, ret);
}

static void check_scalars(const struct inlay_module *module)
{
    int64_t ints[10], sum = 0;
    double reals[9], real = 0;
    float last = 2, half = 3;
    int8_t narrow = -128;
    bool flag = true;
    void *args[10];

    for (int i = 0; i < 10; i++) {
        ints[i] = i + 1;
        args[i] = &ints[i];
    }
    invoke(module, "ten", args, &sum);
    assert_int_equal(sum, 385);
    for (int i = 0; i < 9; i++) {
        reals[i] = 1;
        args[i] = &reals[i];
    }
    args[9] = &last;
    invoke(module, "reals", args, &real);
    assert_true(real == 65);
    args[0] = &narrow;
    invoke(module, "narrow", args, &narrow);
    assert_int_equal(narrow, 127);
    args[0] = &flag;
    invoke(module, "negate", args, &flag);
    assert_false(flag);
    args[0] = &half;
    invoke(module, "half", args, &half);
    assert_true(half == 1.5f);
    invoke(module, "nothing", args, NULL);
}

static void test_by_hand(void **state)
{
    struct inlay_module *module = open_text(NULL, "cc", "", "own.c", own);

    (void)state;
    check_scalars(module);

    const struct inlay_callable *much = find(module, "much");
    assert_null(much->plan);
    assert_true(
        inlay_str_is(much->func->reason,
                     "its arguments take more than 4000 bytes by value"));
    int64_t *wide = calloc(1, find(module, "sum")->func->params[0].type->size);
    void *args[] = {wide};
    int64_t sum = 0;
    wide[0] = 5;
    wide[62] = 37;
    invoke(module, "sum", args, &sum);
    assert_int_equal(sum, 42);
    size_t size = find(module, "back")->func->result->size;
    int64_t *back = calloc(1, size);
    args[0] = &sum;
    invoke(module, "back", args, back);
    assert_int_equal(back[0], 42);
    assert_int_equal(back[size / 8 - 1], 43);
    free(back);
    free(wide);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_gcc),
        cmocka_unit_test(test_clang),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
