/*
 * elf.c - what the file offers, by its symbols and records. The truth about
 * what is exported is .dynsym; debug information only describes it.
 */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dwarf/reader.h"

#include "base/banned.h"

/* The linker puts it at our own ELF header, which names our machine. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

static struct inlay_error *check_header(struct inlay_reader *reader)
{
    GElf_Ehdr header;

    if (elf_kind(reader->elf) != ELF_K_ELF ||
        !gelf_getehdr(reader->elf, &header))
        return inlay_error_create(INLAY_ERROR_IMPORT, "%s: not an ELF file",
                                  reader->path);
    /* ET_EXEC: a program that is running may be one. */
    if (header.e_type != ET_DYN && header.e_type != ET_EXEC)
        return inlay_error_create(INLAY_ERROR_IMPORT,
                                  "%s: not a shared object (compile with "
                                  "-shared)",
                                  reader->path);
    if (header.e_machine != __ehdr_start.e_machine ||
        header.e_ident[EI_CLASS] != __ehdr_start.e_ident[EI_CLASS] ||
        header.e_ident[EI_DATA] != __ehdr_start.e_ident[EI_DATA])
        return inlay_error_create(
            INLAY_ERROR_IMPORT, "%s: built for another machine", reader->path);
    return NULL;
}

static bool is_exported_function(const GElf_Sym *symbol)
{
    int bind = GELF_ST_BIND(symbol->st_info);
    int visibility = GELF_ST_VISIBILITY(symbol->st_other);

    return GELF_ST_TYPE(symbol->st_info) == STT_FUNC &&
           symbol->st_shndx != SHN_UNDEF &&
           (bind == STB_GLOBAL || bind == STB_WEAK) &&
           (visibility == STV_DEFAULT || visibility == STV_PROTECTED);
}

static int compare_wanted(const void *left, const void *right)
{
    const struct inlay_wanted *a = left, *b = right;

    if (a->address != b->address)
        return a->address < b->address ? -1 : 1;
    if (!a->name || !b->name)
        return !a->name - !b->name;
    return strcmp(a->name, b->name);
}

/* A growing list of what is wanted. */
static struct inlay_error *want(struct inlay_buf *list,
                                uint64_t address,
                                const char *name,
                                bool provides)
{
    struct inlay_wanted wanted = {
        .address = address,
        .name = name,
        .recorded = !name,
        .provides = provides,
    };

    if (inlay_buf_append(list, &wanted, sizeof(wanted)) < 0)
        return inlay_error_no_memory();
    return NULL;
}

static struct inlay_error *read_symbols(struct inlay_reader *reader,
                                        Elf_Scn *section,
                                        const GElf_Shdr *header,
                                        struct inlay_buf *list)
{
    Elf_Data *data = elf_getdata(section, NULL);
    size_t count = data ? data->d_size / sizeof(Elf64_Sym) : 0;
    GElf_Sym symbol;

    for (size_t i = 1; i < count; i++) {
        if (!gelf_getsym(data, (int)i, &symbol))
            break;
        if (!is_exported_function(&symbol))
            continue;
        const char *name =
            elf_strptr(reader->elf, header->sh_link, symbol.st_name);
        if (!name || !*name)
            continue;
        struct inlay_error *error = want(list, symbol.st_value, name, false);
        if (error)
            return error;
    }
    return NULL;
}

/* Sections whose records begin with a function; of others size is 0. */
static const size_t function_records[INLAY_SECTION_COUNT] = {
#define WITH(name)                                                             \
    [INLAY_SECTION_##name] = sizeof(struct inlay_##name##_record),
#define WITHOUT(name)
    INLAY_SECTIONS(WITH, WITHOUT)
#undef WITH
#undef WITHOUT
};

/* A pointer to a function in the records of INLAY_PROVIDE and INLAY_STATE:
 * what provides, or what closes a state. */
static bool is_provide_slot(const struct inlay_debug *debug,
                            uint64_t address,
                            bool *provides_ret)
{
    const struct inlay_section *section =
        &debug->sections[INLAY_SECTION_provide];
    uint64_t at = address - section->address;

    if (at >= section->size)
        return false;
    at %= sizeof(struct inlay_provide_record);
    *provides_ret = at == offsetof(struct inlay_provide_record, func);
    return *provides_ret || at == offsetof(struct inlay_provide_record, close);
}

static bool is_function_slot(const struct inlay_debug *debug,
                             uint64_t address,
                             bool *provides_ret)
{
    *provides_ret = false;
    if (is_provide_slot(debug, address, provides_ret))
        return true;
    for (int i = 0; i < INLAY_SECTION_COUNT; i++) {
        uint64_t at = address - debug->sections[i].address;

        if (function_records[i] && at < debug->sections[i].size &&
            at % function_records[i] == 0)
            return true;
    }
    return false;
}

/*
 * The address that a relocation stands for; 0: none of ours. One that names
 * an exported function, which is wanted anyway, counts where it says more.
 */
static uint64_t relocated(struct inlay_reader *reader,
                          const GElf_Shdr *header,
                          const GElf_Rela *rela)
{
    size_t index = GELF_R_SYM(rela->r_info);
    Elf_Scn *symbols = index ? elf_getscn(reader->elf, header->sh_link) : NULL;
    Elf_Data *data = symbols ? elf_getdata(symbols, NULL) : NULL;
    GElf_Sym symbol;

    if (!index)
        return rela->r_addend > 0 ? (uint64_t)rela->r_addend : 0;
    if (!data || index > INT32_MAX || rela->r_addend ||
        !gelf_getsym(data, (int)index, &symbol) || symbol.st_shndx == SHN_UNDEF)
        return 0;
    return symbol.st_value;
}

/* Relocations into records carry the functions' addresses. */
static struct inlay_error *read_relocations(struct inlay_reader *reader,
                                            Elf_Scn *section,
                                            const GElf_Shdr *header,
                                            struct inlay_buf *list)
{
    const struct inlay_debug *debug = reader->debug;
    Elf_Data *data = elf_getdata(section, NULL);
    size_t count = data ? data->d_size / sizeof(Elf64_Rela) : 0;
    GElf_Rela rela;
    bool provides;

    for (size_t i = 0; i < count; i++) {
        if (!gelf_getrela(data, (int)i, &rela))
            break;
        if (!is_function_slot(debug, rela.r_offset, &provides) ||
            (GELF_R_SYM(rela.r_info) && !provides))
            continue;
        uint64_t address = relocated(reader, header, &rela);
        if (!address)
            continue;
        struct inlay_error *error = want(list, address, NULL, provides);
        if (error)
            return error;
    }
    return NULL;
}

/* Packed relocations (-z pack-relative-relocs) leave them in place. */
static struct inlay_error *read_slots(Elf_Scn *section,
                                      const GElf_Shdr *header,
                                      const struct inlay_debug *debug,
                                      struct inlay_buf *list)
{
    Elf_Data *data = elf_getdata(section, NULL);
    size_t size = data && data->d_buf ? data->d_size : 0;
    bool provides;

    for (size_t at = 0; at + 8 <= size; at += 8) {
        uint64_t address;

        memcpy(&address, (const char *)data->d_buf + at, sizeof(address));
        if (!address ||
            !is_function_slot(debug, header->sh_addr + at, &provides))
            continue;
        struct inlay_error *error = want(list, address, NULL, provides);
        if (error)
            return error;
    }
    return NULL;
}

static struct inlay_section *record_section(struct inlay_debug *debug,
                                            const char *name)
{
    static const char *const names[INLAY_SECTION_COUNT] = {
#define NAME(name) "inlay_" #name,
        INLAY_SECTIONS(NAME, NAME)
#undef NAME
    };

    for (int i = 0; i < INLAY_SECTION_COUNT; i++) {
        if (strcmp(name, names[i]) == 0)
            return &debug->sections[i];
    }
    return NULL;
}

/* Documentation that the object carries: not loaded, read here. */
static struct inlay_error *read_docs(struct inlay_reader *reader,
                                     Elf_Scn *section)
{
    const Elf_Data *data = elf_getdata(section, NULL);
    struct inlay_str text = {data ? data->d_buf : NULL,
                             data && data->d_buf ? data->d_size : 0};

    reader->docs = inlay_arena_copy(reader->arena, text);
    return reader->docs.ptr ? NULL : inlay_error_no_memory();
}

static struct inlay_error *find_sections(struct inlay_reader *reader)
{
    struct inlay_error *error;
    size_t names;
    GElf_Shdr header;

    if (elf_getshdrstrndx(reader->elf, &names) < 0)
        return inlay_error_create(INLAY_ERROR_IMPORT,
                                  "%s: has no section names", reader->path);
    for (Elf_Scn *at = NULL; (at = elf_nextscn(reader->elf, at));) {
        const char *name;
        struct inlay_section *section;

        if (!gelf_getshdr(at, &header) ||
            !(name = elf_strptr(reader->elf, names, header.sh_name)))
            continue;
        section = record_section(reader->debug, name);
        if (section && header.sh_type == SHT_PROGBITS &&
            (header.sh_flags & SHF_ALLOC))
            *section = (struct inlay_section){header.sh_addr, header.sh_size};
        if (header.sh_type == SHT_PROGBITS && !(header.sh_flags & SHF_ALLOC) &&
            strcmp(name, ".inlay_docs") == 0 && (error = read_docs(reader, at)))
            return error;
    }
    return NULL;
}

static struct inlay_error *list_wanted(struct inlay_reader *reader,
                                       struct inlay_buf *list)
{
    const struct inlay_debug *debug = reader->debug;
    struct inlay_error *error = NULL;
    GElf_Shdr header;
    bool provides;

    for (Elf_Scn *at = NULL; !error && (at = elf_nextscn(reader->elf, at));) {
        if (!gelf_getshdr(at, &header))
            continue;
        if (header.sh_type == SHT_DYNSYM)
            error = read_symbols(reader, at, &header, list);
        else if (header.sh_type == SHT_RELA)
            error = read_relocations(reader, at, &header, list);
        else if (header.sh_type == SHT_PROGBITS &&
                 (header.sh_flags & SHF_ALLOC) &&
                 is_function_slot(debug, header.sh_addr, &provides))
            error = read_slots(at, &header, debug, list);
    }
    return error;
}

/* All names of the function, the last ones of `all`. */
static void record(struct inlay_wanted *all,
                   size_t count,
                   const struct inlay_wanted *by)
{
    while (count-- > 0 && all[count].address == by->address) {
        all[count].recorded = true;
        all[count].provides |= by->provides;
    }
}

/* Several records on one function, or a symbol's, are one wish. */
static size_t merge_wanted(struct inlay_wanted *all, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        struct inlay_wanted *last = kept ? &all[kept - 1] : NULL;

        if (last && last->address == all[i].address && !all[i].name) {
            record(all, kept, &all[i]);
            continue;
        }
        if (last && compare_wanted(last, &all[i]) == 0)
            continue;
        all[kept++] = all[i];
    }
    return kept;
}

static struct inlay_error *read_wanted(struct inlay_reader *reader)
{
    struct inlay_buf list;

    inlay_buf_init(&list, (size_t)64 << 20);
    struct inlay_error *error = list_wanted(reader, &list);
    size_t count = inlay_buf_len(&list) / sizeof(struct inlay_wanted);
    if (!error && count) {
        struct inlay_wanted *all =
            inlay_arena_zalloc_array(&reader->scratch, count, sizeof(*all));

        if (all) {
            memcpy(all, list.data + list.start, count * sizeof(*all));
            qsort(all, count, sizeof(*all), compare_wanted);
            reader->wanted = all;
            reader->nwanted = merge_wanted(all, count);
        } else {
            error = inlay_error_no_memory();
        }
    }
    inlay_buf_deinit(&list);
    return error;
}

static bool is_name_section(const char *name)
{
    return strcmp(name, ".debug_str") == 0 ||
           strcmp(name, ".debug_line_str") == 0;
}

/*
 * Does the last name of each section of names end in it? libdw does not
 * check that. It has unpacked the compressed ones by now.
 */
static bool names_are_ended(struct inlay_reader *reader)
{
    size_t names;
    GElf_Shdr header;

    if (elf_getshdrstrndx(reader->elf, &names) < 0)
        return false;
    for (Elf_Scn *at = NULL; (at = elf_nextscn(reader->elf, at));) {
        if (!gelf_getshdr(at, &header))
            return false;
        const char *name = elf_strptr(reader->elf, names, header.sh_name);
        if (!name || !is_name_section(name) || header.sh_type == SHT_NOBITS ||
            (header.sh_flags & SHF_COMPRESSED))
            continue;
        const Elf_Data *data = elf_getdata(at, NULL);
        if (!data || (data->d_size &&
                      ((const char *)data->d_buf)[data->d_size - 1] != '\0'))
            return false;
    }
    return true;
}

struct inlay_error *inlay_elf_open(struct inlay_reader *reader)
{
    struct inlay_error *error;

    elf_version(EV_CURRENT);
    reader->fd = open(reader->path, O_RDONLY | O_CLOEXEC);
    if (reader->fd < 0)
        return inlay_error_create(INLAY_ERROR_IMPORT, "cannot open %s: %s",
                                  reader->path, strerror(errno));
    reader->elf = elf_begin(reader->fd, ELF_C_READ, NULL);
    if (!reader->elf)
        return inlay_error_create(INLAY_ERROR_IMPORT, "%s: not an ELF file",
                                  reader->path);
    if ((error = check_header(reader)))
        return error;
    reader->dwarf = dwarf_begin_elf(reader->elf, DWARF_C_READ, NULL);
    if (reader->dwarf && !names_are_ended(reader))
        return inlay_error_create(INLAY_ERROR_IMPORT,
                                  "%s: its debug information is damaged",
                                  reader->path);
    return NULL;
}

struct inlay_error *inlay_elf_list(struct inlay_reader *reader)
{
    struct inlay_error *error;

    if ((error = find_sections(reader)) || (error = read_wanted(reader)))
        return error;
    /* Compilers write none for an empty file. */
    if (!reader->dwarf && reader->nwanted)
        return inlay_error_create(INLAY_ERROR_IMPORT,
                                  "%s: has no debug information (compile "
                                  "with -g, do not strip)",
                                  reader->path);
    return NULL;
}

void inlay_elf_close(struct inlay_reader *reader)
{
    if (reader->dwarf)
        dwarf_end(reader->dwarf);
    if (reader->elf)
        elf_end(reader->elf);
    if (reader->fd >= 0)
        close(reader->fd);
}
