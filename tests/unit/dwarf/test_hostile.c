/*
 * Damaged files: whatever they say, reading them ends, with an error or with
 * functions that can be looked at. Bytes are changed where the file means
 * something: headers, symbols, debug information.
 */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "dwarf/compile.h"
#include "dwarf/dwarf.h"

struct image {
    char *data, *damaged;
    size_t size;
};

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void read_image(struct image *image, const char *path)
{
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    image->size = (size_t)ftell(file);
    rewind(file);
    image->data = malloc(image->size);
    image->damaged = malloc(image->size);
    assert_int_equal(fread(image->data, 1, image->size, file), image->size);
    fclose(file);
}

/* Into a file in memory: thousands of them go to no disk. */
static void write_image(const struct image *image, int fd, size_t size)
{
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, image->damaged, size, 0), (ssize_t)size);
}

/* Reads every string and follows every pointer, once. */
static uint64_t look_at_type(const struct inlay_type *type, int depth)
{
    uint64_t sum = type->size + type->align + inlay_str_hash(type->name) +
                   inlay_str_hash(type->decl.file);

    if (depth > 6)
        return sum;
    switch (type->kind) {
    case INLAY_KIND_SLICE:
    case INLAY_KIND_OPTIONAL:
        return sum + look_at_type(type->elem, depth + 1);
    case INLAY_KIND_STRUCT:
        for (size_t i = 0; i < type->nfields; i++)
            sum += inlay_str_hash(type->fields[i].name) +
                   look_at_type(type->fields[i].type, depth + 1);
        return sum;
    case INLAY_KIND_CHAR:
    case INLAY_KIND_ENUM:
    case INLAY_KIND_BYTES:
    case INLAY_KIND_OWNED:
    case INLAY_KIND_CHARS:
    case INLAY_KIND_ARRAY:
    case INLAY_KIND_POINTER:
    case INLAY_KIND_HANDLE:
    case INLAY_KIND_OBJECT:
    case INLAY_KIND_CALLBACK:
    case INLAY_KIND_USERDATA:
    case INLAY_KIND_ARROW_ARRAY:
    case INLAY_KIND_ARROW_SCHEMA:
    case INLAY_KIND_UNSUPPORTED:
        return sum + inlay_str_hash(type->reason);
    case INLAY_KIND_VOID:
    case INLAY_KIND_BOOL:
    case INLAY_KIND_INT:
    case INLAY_KIND_UINT:
    case INLAY_KIND_FLOAT:
    case INLAY_KIND_CSTR:
    case INLAY_KIND_STR:
        break;
    }
    return sum;
}

/* What a callable function's types promise to those who convert. */
static void check_type(const struct inlay_type *type, int depth)
{
    assert_int_not_equal(type->kind, INLAY_KIND_UNSUPPORTED);
    assert_true(type->align >= 1 && type->align <= 16);
    assert_int_equal(type->size % type->align, 0);
    if (depth > 6)
        return;
    if (type->kind == INLAY_KIND_OPTIONAL) {
        check_type(type->elem, depth + 1);
        assert_true(type->value_offset + type->elem->size <= type->size);
        assert_true(type->has_offset < type->size);
    } else if (type->kind == INLAY_KIND_SLICE) {
        check_type(type->elem, depth + 1);
        assert_true(type->elem->size > 0);
        assert_int_equal(type->ptr_offset + type->len_offset, 8);
    } else if (type->kind == INLAY_KIND_STRUCT) {
        for (size_t i = 0; i < type->nfields; i++) {
            const struct inlay_field *field = &type->fields[i];

            check_type(field->type, depth + 1);
            assert_true(field->offset + field->type->size <= type->size);
            assert_int_equal(field->offset % field->type->align, 0);
        }
    }
}

static void look_at(const struct inlay_debug *debug)
{
    volatile uint64_t sum = 0;

    for (size_t i = 0; i < debug->nfuncs; i++) {
        const struct inlay_func *func = &debug->funcs[i];

        sum += inlay_str_hash(func->name) + inlay_str_hash(func->reason) +
               inlay_str_hash(func->decl.file);
        for (size_t j = 0; j < func->nparams; j++) {
            if (!func->reason.len)
                check_type(func->params[j].type, 0);
            if (func->params[j].type)
                sum += look_at_type(func->params[j].type, 0);
        }
    }
}

static void read_damaged(const char *path)
{
    struct inlay_arena arena;
    struct inlay_debug debug;

    inlay_arena_init(&arena, (size_t)64 << 20);
    struct inlay_error *error =
        inlay_dwarf_read(path, INLAY_STR(""), &arena, &debug);
    if (!error)
        look_at(&debug);
    inlay_error_destroy(error);
    inlay_arena_deinit(&arena);
}

/* The bytes that are worth damaging: [from, to) of the file. */
struct range {
    size_t from, to;
};

static bool is_worth(const char *name)
{
    static const char *const names[] = {
        ".debug_info",   ".debug_info", ".debug_abbrev", ".debug_rnglists",
        ".debug_ranges", ".dynsym",     ".rela.dyn",     ".shstrtab",
    };

    for (size_t i = 0; i < inlay_array_size(names); i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

static size_t find_ranges(const struct image *image, struct range ranges[16])
{
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)(void *)image->data;
    const Elf64_Shdr *sections =
        (const Elf64_Shdr *)(void *)(image->data + header->e_shoff);
    const char *names = image->data + sections[header->e_shstrndx].sh_offset;
    size_t count = 0;

    ranges[count++] = (struct range){0, sizeof(*header)};
    ranges[count++] = (struct range){header->e_shoff, image->size};
    for (int i = 1; i < header->e_shnum && count < 16; i++) {
        if (is_worth(names + sections[i].sh_name))
            ranges[count++] = (struct range){
                sections[i].sh_offset,
                sections[i].sh_offset + sections[i].sh_size,
            };
    }
    return count;
}

static void damage(const struct image *image,
                   const struct range *ranges,
                   size_t count,
                   uint64_t *random)
{
    uint64_t changes = 1 + next_random(random) % 4;

    memcpy(image->damaged, image->data, image->size);
    for (uint64_t i = 0; i < changes; i++) {
        struct range range = ranges[next_random(random) % count];
        size_t at = range.from + next_random(random) % (range.to - range.from);

        image->damaged[at] = (char)next_random(random);
    }
}

static void check_damaged(const char *cc, const char *flags, int rounds)
{
    struct compile_dir dir;
    struct image image;
    struct range ranges[16];
    char damaged[100];
    int fd = memfd_create("damaged.so", 0);
    uint64_t random = 0x2545F4914F6CDD1Du;

    if (!compile_has(cc))
        skip();
    compile_dir_init(&dir);
    char *path = compile(&dir, cc, flags, "types.c");
    snprintf(damaged, sizeof(damaged), "/proc/self/fd/%d", fd);
    read_image(&image, path);
    size_t count = find_ranges(&image, ranges);
    for (int i = 0; i < rounds; i++) {
        damage(&image, ranges, count, &random);
        write_image(&image, fd, image.size);
        read_damaged(damaged);
    }
    memcpy(image.damaged, image.data, image.size);
    for (int i = 0; i < rounds / 10; i++) {
        write_image(&image, fd, next_random(&random) % image.size);
        read_damaged(damaged);
    }
    close(fd);
    free(image.data);
    free(image.damaged);
    free(path);
    compile_dir_deinit(&dir);
}

static void test_gcc(void **state)
{
    (void)state;
    check_damaged("gcc", "-O2", 1500);
}

static void test_clang(void **state)
{
    (void)state;
    check_damaged("clang", "-O2", 1500);
}

static void test_little_memory(void **state)
{
    struct compile_dir dir;
    struct inlay_arena arena;
    struct inlay_debug debug;
    bool read = false;

    (void)state;
    compile_dir_init(&dir);
    char *path = compile(&dir, "cc", "", "types.c");
    for (size_t limit = 0; limit < ((size_t)1 << 20) && !read; limit += 1024) {
        inlay_arena_init(&arena, limit);
        struct inlay_error *error =
            inlay_dwarf_read(path, INLAY_STR(""), &arena, &debug);

        read = !error;
        if (error)
            assert_int_equal(error->code, INLAY_ERROR_NO_MEMORY);
        inlay_error_destroy(error);
        inlay_arena_deinit(&arena);
    }
    assert_true(read);
    free(path);
    compile_dir_deinit(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gcc),
        cmocka_unit_test(test_clang),
        cmocka_unit_test(test_little_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
