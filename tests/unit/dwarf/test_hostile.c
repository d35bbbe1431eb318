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
#include "look.h"

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

/* The bytes that are worth damaging: [from, to) of the file. */
struct range {
    size_t from, to;
};

static bool is_worth(const char *name)
{
    static const char *const names[] = {
        ".debug_info",   ".debug_info", ".debug_abbrev", ".debug_rnglists",
        ".debug_ranges", ".dynsym",     ".rela.dyn",     ".shstrtab",
        ".debug_line",   ".debug_addr",
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

static void check_damaged(const char *cc,
                          const char *flags,
                          const char *source,
                          int rounds)
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
    char *path = compile(&dir, cc, flags, source);
    snprintf(damaged, sizeof(damaged), "/proc/self/fd/%d", fd);
    read_image(&image, path);
    size_t count = find_ranges(&image, ranges);
    for (int i = 0; i < rounds; i++) {
        damage(&image, ranges, count, &random);
        write_image(&image, fd, image.size);
        look_at_file(damaged);
    }
    memcpy(image.damaged, image.data, image.size);
    for (int i = 0; i < rounds / 10; i++) {
        write_image(&image, fd, next_random(&random) % image.size);
        look_at_file(damaged);
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
    check_damaged("gcc", "-O2", "types.c", 1000);
    check_damaged("gcc", "-O2", "kinds.c", 1000);
    check_damaged("gcc", "-O2 -gdwarf-4", "objects.c", 500);
    check_damaged("gcc", "-O2", "sites.c", 500);
}

static void test_clang(void **state)
{
    (void)state;
    check_damaged("clang", "-O2", "types.c", 1000);
    check_damaged("clang", "-O2", "kinds.c", 1000);
    check_damaged("clang", "-O2", "sites.c", 500);
}

/* Without memory at any point it is an error, nothing else. */
static void check_little_memory(const char *source)
{
    struct compile_dir dir;
    struct inlay_arena arena;
    struct inlay_debug debug;
    bool read = false;

    compile_dir_init(&dir);
    char *path = compile(&dir, "cc", "", source);
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

static void test_little_memory(void **state)
{
    (void)state;
    check_little_memory("types.c");
    check_little_memory("kinds.c");
    check_little_memory("objects.c");
    check_little_memory("sites.c");
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
