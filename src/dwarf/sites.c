/*
 * sites.c - places that ask a database (inlay/db.h). Each is a static variable
 * in section "inlay_query"; the type of its member `types` says what the place
 * gives and gets: a pointer to a struct of pointers, `row` and, of three
 * arguments, `arg3`, `arg2` and `arg1`: numbers count down to the last one.
 * Variables are found by their address: all of them have one name, and the
 * compiler leaves the type where it first described the function, and the
 * address in that place, in a copy, or in both.
 */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "dwarf/reader.h"

#include "base/banned.h"

#define DEPTH_MOST 200 /* scopes in one another */

/* A variable that lies in the section. */
struct found {
    uint64_t address;
    Dwarf_Die die;
};

struct search {
    struct inlay_reader *reader;
    struct inlay_section section;
    struct inlay_buf found; /* struct found */
};

/*
 * The address of a location that is nothing else. By its bytes: what libdw
 * offers for an index (DW_OP_addrx) believes any number.
 */
static bool location_address(Dwarf_Die *die, uint64_t *ret)
{
    Dwarf_Attribute attribute;
    Dwarf_Block block;
    Dwarf_Addr address;

    if (!dwarf_attr(die, DW_AT_location, &attribute))
        return false;
    switch (dwarf_whatform(&attribute)) {
    case DW_FORM_exprloc:
    case DW_FORM_block:
    case DW_FORM_block1:
    case DW_FORM_block2:
    case DW_FORM_block4:
        break;
    default:
        return false; /* a list of places: of a variable on the stack */
    }
    if (dwarf_formblock(&attribute, &block) || block.length < 2)
        return false;
    if (block.data[0] == DW_OP_addr) {
        if (block.length != 1 + sizeof(*ret))
            return false;
        memcpy(ret, block.data + 1, sizeof(*ret));
        return true;
    }
    if (block.data[0] == DW_OP_addrx)
        attribute.form = DW_FORM_addrx;
    else if (block.data[0] == DW_OP_GNU_addr_index)
        attribute.form = DW_FORM_GNU_addr_index;
    else
        return false;
    attribute.valp = block.data + 1;
    /* The number ends within the block. */
    if ((block.data[block.length - 1] & 0x80) ||
        dwarf_formaddr(&attribute, &address))
        return false;
    *ret = address;
    return true;
}

static void visit(struct search *search, Dwarf_Die *die)
{
    struct found found = {.die = *die};

    if (!location_address(die, &found.address) ||
        found.address - search->section.address >= search->section.size)
        return;
    if (inlay_buf_append(&search->found, &found, sizeof(found)) < 0)
        inlay_reader_no_memory(search->reader);
}

static void visit_all(struct search *search, Dwarf_Die *within, int depth)
{
    Dwarf_Die child;

    if (depth > DEPTH_MOST || dwarf_child(within, &child))
        return;
    do {
        if (!inlay_die_step(search->reader))
            return;
        switch (dwarf_tag(&child)) {
        case DW_TAG_variable:
            visit(search, &child);
            break;
        case DW_TAG_subprogram:
        case DW_TAG_lexical_block:
        case DW_TAG_inlined_subroutine:
        case DW_TAG_namespace:
            visit_all(search, &child, depth + 1);
            break;
        default:
            break;
        }
    } while (dwarf_siblingof(&child, &child) == 0);
}

/* inlay_units_match has looked whether all of them can be read. */
static void visit_units(struct search *search)
{
    Dwarf_CU *unit = NULL, *next;
    Dwarf_Die die, split;
    uint8_t type;

    while (dwarf_get_units(search->reader->dwarf, unit, &next, NULL, &type,
                           &die, &split) == 0) {
        Dwarf_Die *root = type == DW_UT_skeleton ? &split : &die;

        unit = next;
        if (!inlay_die_step(search->reader))
            return;
        if (dwarf_tag(root) == DW_TAG_compile_unit)
            visit_all(search, root, 0);
    }
}

/* The struct that a pointer of that type leads to. */
static bool pointed_struct(Dwarf_Die *die, Dwarf_Die *ret)
{
    Dwarf_Die inner;

    if (!inlay_die_type(die, &inner))
        return false;
    struct inlay_peeled pointer = inlay_die_peel(&inner);
    if (pointer.is_void || pointer.broken ||
        dwarf_tag(&pointer.die) != DW_TAG_pointer_type ||
        !inlay_die_type(&pointer.die, &inner))
        return false;
    struct inlay_peeled to = inlay_die_peel(&inner);
    *ret = to.die;
    return !to.is_void && !to.broken && dwarf_tag(ret) == DW_TAG_structure_type;
}

/* The member `types` of the variable -> what it points to. */
static bool find_types(struct inlay_reader *reader,
                       Dwarf_Die *variable,
                       Dwarf_Die *ret)
{
    Dwarf_Die type, member;

    if (!inlay_die_type(variable, &type))
        return false;
    struct inlay_peeled peeled = inlay_die_peel(&type);
    if (peeled.is_void || peeled.broken ||
        dwarf_tag(&peeled.die) != DW_TAG_structure_type ||
        dwarf_child(&peeled.die, &member))
        return false;
    do {
        const char *name = dwarf_diename(&member);

        if (!inlay_die_step(reader))
            return false;
        if (name && strcmp(name, "types") == 0)
            return pointed_struct(&member, ret);
    } while (dwarf_siblingof(&member, &member) == 0);
    return false;
}

/* "row" is 0, "arg3" is 3; -1: neither. */
static int number_of(const char *name)
{
    int number = 0;

    if (!name || strcmp(name, "row") == 0)
        return name ? 0 : -1;
    if (strncmp(name, "arg", 3) != 0 || !name[3] || strlen(name) > 5)
        return -1;
    for (const char *at = name + 3; *at; at++) {
        if (*at < '0' || *at > '9')
            return -1;
        number = number * 10 + (*at - '0');
    }
    return number >= 1 && number <= INLAY_QUERY_ARGS ? number : -1;
}

/* What the member points to; NULL when the reading must end. */
static const struct inlay_type *read_type(struct inlay_reader *reader,
                                          Dwarf_Die *member,
                                          enum inlay_position at)
{
    Dwarf_Die type, inner;
    struct inlay_peeled peeled = {.is_void = true};

    if (inlay_die_type(member, &type))
        peeled = inlay_die_peel(&type);
    if (peeled.is_void || peeled.broken ||
        dwarf_tag(&peeled.die) != DW_TAG_pointer_type)
        return inlay_types_refuse(reader, member, "it is no pointer");
    bool has_inner = inlay_die_type(&peeled.die, &inner);
    return inlay_types_resolve(reader, has_inner ? &inner : NULL, at, 0);
}

/* False: it is no place of ours, or the reading must end. */
static bool read_site(struct inlay_reader *reader,
                      struct found *found,
                      struct inlay_site *ret)
{
    const struct inlay_type *types[INLAY_QUERY_ARGS + 1] = {NULL};
    Dwarf_Die holder, member;
    size_t count = 0;

    if (!find_types(reader, &found->die, &holder) ||
        dwarf_child(&holder, &member))
        return false;
    do {
        int number = number_of(dwarf_diename(&member));

        if (!inlay_die_step(reader))
            return false;
        if (number < 0 || dwarf_tag(&member) != DW_TAG_member)
            return false;
        types[number] = read_type(reader, &member,
                                  number ? INLAY_AT_ARGUMENT : INLAY_AT_RESULT);
        if (!types[number])
            return false;
        count = inlay_max(count, (size_t)number);
    } while (dwarf_siblingof(&member, &member) == 0);
    for (size_t i = 0; i <= count; i++) {
        if (!types[i])
            return false;
    }
    const struct inlay_type **args = inlay_arena_zalloc_array(
        reader->arena, inlay_max(count, (size_t)1), sizeof(const void *));
    if (!args) {
        inlay_reader_no_memory(reader);
        return false;
    }
    for (size_t i = 0; i < count; i++)
        args[i] = types[count - i];
    *ret = (struct inlay_site){
        .address = found->address,
        .row = types[0],
        .args = args,
        .nargs = count,
    };
    return true;
}

static int compare_found(const void *left, const void *right)
{
    const struct found *a = left, *b = right;

    return (a->address > b->address) - (a->address < b->address);
}

/* One site per address; several DIEs may describe it. */
static void read_all(struct inlay_reader *reader,
                     struct found *found,
                     size_t count)
{
    struct inlay_debug *debug = reader->debug;

    qsort(found, count, sizeof(*found), compare_found);
    debug->sites =
        inlay_arena_zalloc_array(reader->arena, count, sizeof(*debug->sites));
    if (!debug->sites) {
        inlay_reader_no_memory(reader);
        return;
    }
    for (size_t i = 0; i < count && !reader->error; i++) {
        const struct inlay_site *last =
            debug->nsites ? &debug->sites[debug->nsites - 1] : NULL;

        if (last && last->address == found[i].address)
            continue;
        if (read_site(reader, &found[i], &debug->sites[debug->nsites]))
            debug->nsites++;
    }
    inlay_types_finish(reader);
}

struct inlay_error *inlay_sites_build(struct inlay_reader *reader)
{
    struct search search = {
        .reader = reader,
        .section = reader->debug->sections[INLAY_SECTION_query],
    };

    if (!search.section.size || !reader->dwarf)
        return NULL;
    inlay_buf_init(&search.found, (size_t)64 << 20);
    visit_units(&search);
    size_t count = inlay_buf_len(&search.found) / sizeof(struct found);
    if (count && !reader->error) {
        struct found *found =
            inlay_arena_zalloc_array(&reader->scratch, count, sizeof(*found));

        if (found) {
            memcpy(found, search.found.data + search.found.start,
                   count * sizeof(*found));
            read_all(reader, found, count);
        } else {
            inlay_reader_no_memory(reader);
        }
    }
    inlay_buf_deinit(&search.found);
    return inlay_take(reader->error);
}
