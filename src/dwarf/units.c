/*
 * units.c - finds the DIE of every wanted function. By address, not by name:
 * names have aliases and static twins. Units without wanted code are not
 * entered.
 */
#include <dwarf.h>
#include <gelf.h>
#include <string.h>

#include "dwarf/reader.h"

#include "base/banned.h"

#define NAMESPACES_MOST 16 /* in one another */

/* The first wanted function at or behind `address`. */
static size_t lower_bound(const struct inlay_reader *reader, uint64_t address)
{
    size_t low = 0, high = reader->nwanted;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (reader->wanted[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_wanted(const struct inlay_reader *reader, uint64_t address)
{
    size_t at = lower_bound(reader, address);

    return at < reader->nwanted && reader->wanted[at].address == address;
}

static bool unit_is_wanted(struct inlay_reader *reader, Dwarf_Die *unit)
{
    ptrdiff_t offset = 0;
    Dwarf_Addr base, start, end;
    bool any = false;

    while ((offset = dwarf_ranges(unit, offset, &base, &start, &end)) > 0) {
        if (!inlay_die_step(reader))
            return false;
        any = true;
        size_t at = lower_bound(reader, start);
        if (at < reader->nwanted && reader->wanted[at].address < end)
            return true;
    }
    return !any;
}

/*
 * Where its code starts. A function split into a hot and a cold part has no
 * low_pc, only ranges: the entry is the one with a symbol.
 */
static bool function_entry(struct inlay_reader *reader,
                           Dwarf_Die *die,
                           uint64_t *ret)
{
    ptrdiff_t offset = 0;
    Dwarf_Addr base, start, end;

    if (dwarf_lowpc(die, &start) == 0) {
        *ret = start;
        return true;
    }
    bool any = false;
    while ((offset = dwarf_ranges(die, offset, &base, &start, &end)) > 0) {
        if (!inlay_die_step(reader))
            return any;
        if (!any || is_wanted(reader, start))
            *ret = start;
        any = true;
        if (is_wanted(reader, start))
            break;
    }
    return any;
}

static void offer(struct inlay_wanted *wanted,
                  Dwarf_Die *die,
                  enum inlay_match match)
{
    if (match > wanted->match) {
        wanted->match = match;
        wanted->die = *die;
    }
}

static void match_address(struct inlay_reader *reader,
                          Dwarf_Die *die,
                          uint64_t address)
{
    const char *name = dwarf_diename(die);

    for (size_t i = lower_bound(reader, address);
         i < reader->nwanted && reader->wanted[i].address == address; i++) {
        struct inlay_wanted *wanted = &reader->wanted[i];
        bool named = !wanted->name || (name && !strcmp(wanted->name, name));

        offer(wanted, die, named ? INLAY_MATCH_BOTH : INLAY_MATCH_ADDRESS);
    }
}

/* gcc's identical code folding leaves the twin a DIE without an address. */
static void match_name(struct inlay_reader *reader, Dwarf_Die *die)
{
    const char *name = dwarf_diename(die);

    if (!name || inlay_die_flag(die, DW_AT_declaration) ||
        !inlay_die_flag(die, DW_AT_external))
        return;
    for (size_t i = 0; i < reader->nwanted; i++) {
        struct inlay_wanted *wanted = &reader->wanted[i];

        if (!inlay_die_step(reader))
            return;
        if (wanted->name && strcmp(wanted->name, name) == 0)
            offer(wanted, die, INLAY_MATCH_NAME);
    }
}

static void visit(struct inlay_reader *reader, Dwarf_Die *die)
{
    uint64_t entry;

    switch (dwarf_tag(die)) {
    case DW_TAG_subprogram:
        if (inlay_die_flag(die, DW_AT_prototyped))
            reader->prototyped = true;
        if (function_entry(reader, die, &entry))
            match_address(reader, die, entry);
        else
            match_name(reader, die);
        break;
    case DW_TAG_base_type:
    case DW_TAG_structure_type:
    case DW_TAG_pointer_type:
    case DW_TAG_typedef:
        reader->typed = true;
        break;
    default:
        break;
    }
}

/* `within` is a unit, or a namespace: Rust puts all of a crate in one. */
static void visit_all(struct inlay_reader *reader, Dwarf_Die *within, int depth)
{
    Dwarf_Die child;

    if (dwarf_child(within, &child))
        return;
    do {
        if (!inlay_die_step(reader))
            return;
        if (dwarf_tag(&child) != DW_TAG_namespace)
            visit(reader, &child);
        else if (depth < NAMESPACES_MOST)
            visit_all(reader, &child, depth + 1);
    } while (dwarf_siblingof(&child, &child) == 0);
}

static bool is_unit_section(const char *name, bool types)
{
    static const char *const names[2][3] = {
        {".debug_info", ".zdebug_info", ".debug_info.dwo"},
        {".debug_types", ".zdebug_types", ".debug_types.dwo"},
    };

    for (int i = 0; i < 3; i++) {
        if (strcmp(name, names[types][i]) == 0)
            return true;
    }
    return false;
}

/* Bytes of units: libdw takes a unit's own word for where it ends. */
static uint64_t units_size(Dwarf *dwarf, bool types)
{
    Elf *elf = dwarf_getelf(dwarf);
    uint64_t size = UINT64_MAX;
    GElf_Shdr header;
    size_t names;

    if (elf_getshdrstrndx(elf, &names) < 0)
        return 0;
    for (Elf_Scn *at = NULL; (at = elf_nextscn(elf, at));) {
        const char *name = gelf_getshdr(at, &header)
                               ? elf_strptr(elf, names, header.sh_name)
                               : NULL;
        if (!name || !is_unit_section(name, types) ||
            header.sh_type == SHT_NOBITS)
            continue;
        const Elf_Data *data = elf_getdata(at, NULL);
        size = inlay_min(size, data ? (uint64_t)data->d_size : 0);
    }
    return size;
}

/*
 * Does every unit end with the null entry that closes its DIEs? Then a name
 * in it (DW_FORM_string) ends before the section does, which libdw does not
 * check. `types` asks for DWARF 4's .debug_types.
 */
static bool units_are_closed(Dwarf *dwarf, bool types)
{
    Dwarf_Off at = 0, next;
    size_t header;
    uint64_t signature, size = units_size(dwarf, types);
    Dwarf_Die die;

    while (dwarf_next_unit(dwarf, at, &next, &header, NULL, NULL, NULL, NULL,
                           types ? &signature : NULL, NULL) == 0) {
        Dwarf_Die *found = types ? dwarf_offdie_types(dwarf, at + header, &die)
                                 : dwarf_offdie(dwarf, at + header, &die);

        if (!found || next > size || next <= at + header ||
            ((const char *)die.addr)[next - at - header - 1] != '\0')
            return false;
        at = next;
    }
    return true;
}

struct inlay_error *inlay_units_check(struct inlay_reader *reader, Dwarf *dwarf)
{
    if (units_are_closed(dwarf, false) && units_are_closed(dwarf, true))
        return NULL;
    return inlay_error_create(INLAY_ERROR_IMPORT,
                              "%s: its debug information is damaged",
                              reader->path);
}

struct inlay_error *inlay_units_match(struct inlay_reader *reader)
{
    Dwarf_CU *unit = NULL, *next;
    Dwarf_Die die, split;
    uint8_t type;
    int found;

    if (!reader->dwarf)
        return NULL;
    struct inlay_error *error = inlay_units_check(reader, reader->dwarf);
    if (error)
        return error;
    while ((found = dwarf_get_units(reader->dwarf, unit, &next, NULL, &type,
                                    &die, &split)) == 0) {
        Dwarf_Die *root = &die;

        unit = next;
        if (!inlay_die_step(reader))
            break;
        if (type == DW_UT_skeleton) {
            if (dwarf_tag(&split) == DW_TAG_invalid)
                return inlay_error_create(
                    INLAY_ERROR_IMPORT,
                    "%s: its debug information is in a .dwo file that is not "
                    "there (compile without -gsplit-dwarf)",
                    reader->path);
            root = &split;
            error = inlay_units_check(reader, dwarf_cu_getdwarf(split.cu));
            if (error)
                return error;
        }
        if (dwarf_tag(root) == DW_TAG_compile_unit &&
            unit_is_wanted(reader, &die))
            visit_all(reader, root, 0);
    }
    if (found < 0 && !reader->error)
        return inlay_error_create(INLAY_ERROR_IMPORT,
                                  "%s: debug information can't be read: %s",
                                  reader->path, dwarf_errmsg(-1));
    return inlay_take(reader->error);
}
