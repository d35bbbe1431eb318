/*
 * A shared object, damaged -> functions and types, or an error. Most changes
 * go where the file means something: its sections of symbols and debug
 * information. scripts/fuzz.sh compiles the seeds.
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/macros.h"
#include "look.h"

#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data,
                               size_t size,
                               size_t most,
                               unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

struct range {
    size_t at, size;
};

static bool is_worth(const char *name)
{
    return strncmp(name, ".debug", 6) == 0 || strcmp(name, ".dynsym") == 0 ||
           strcmp(name, ".inlay_docs") == 0 ||
           strncmp(name, "inlay_", 6) == 0 || strncmp(name, ".rela", 5) == 0;
}

static bool is_inside(struct range range, size_t size)
{
    return range.size && range.at <= size && range.size <= size - range.at;
}

/* The sections that are worth damaging; the input may be anything. */
static size_t find_ranges(const uint8_t *data, size_t size, struct range *ret)
{
    Elf64_Ehdr header;
    Elf64_Shdr section, names;
    size_t count = 0;

    if (size < sizeof(header))
        return 0;
    memcpy(&header, data, sizeof(header));
    struct range table = {header.e_shoff, header.e_shnum * sizeof(section)};
    if (!is_inside(table, size) || header.e_shstrndx >= header.e_shnum)
        return 0;
    memcpy(&names, data + table.at + header.e_shstrndx * sizeof(names),
           sizeof(names));
    struct range text = {names.sh_offset, names.sh_size};
    if (!is_inside(text, size) || data[text.at + text.size - 1] != '\0')
        return 0;
    for (int i = 1; i < header.e_shnum && count < 32; i++) {
        memcpy(&section, data + table.at + (size_t)i * sizeof(section),
               sizeof(section));
        struct range range = {section.sh_offset, section.sh_size};
        if (section.sh_name < text.size && is_inside(range, size) &&
            is_worth((const char *)data + text.at + section.sh_name))
            ret[count++] = range;
    }
    return count;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data,
                               size_t size,
                               size_t most,
                               unsigned seed)
{
    struct range ranges[32];
    size_t count = find_ranges(data, size, ranges);

    if (!count || seed % 16 == 0)
        return LLVMFuzzerMutate(data, size, most);
    struct range range = ranges[seed / 16 % count];
    size_t part = inlay_min(range.size, (size_t)64);
    size_t at = seed / 512 % (range.size - part + 1);
    /* Of a piece of a section; its length stays. */
    LLVMFuzzerMutate(data + range.at + at, part, part);
    return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1; /* one file in memory for all runs */
    char path[64];

    if (fd < 0)
        fd = memfd_create("fuzz.so", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 0) || pwrite(fd, data, size, 0) < 0)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    look_at_file(path);
    return 0;
}
