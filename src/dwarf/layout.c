/*
 * layout.c - a number that tells the layout of one struct from another's, for
 * hot swaps: members and what they point to, by name, place and type. Code
 * may be handed objects of other code when both have the same number.
 */
#include <dwarf.h>
#include <string.h>

#include "dwarf/reader.h"

#include "base/banned.h"

#define TYPES_MOST 1024
#define DEPTH_MOST 64

struct layout {
    struct inlay_reader *reader;
    uint64_t hash;     /* FNV-1a */
    bool incomplete;   /* nobody can say */
    const void **seen; /* DIEs of structs, in order; TYPES_MOST */
    size_t nseen;
};

static void add(struct layout *layout, uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        layout->hash ^= value >> (8 * i) & 0xff;
        layout->hash *= 0x100000001b3u;
    }
}

static void add_text(struct layout *layout, const char *text)
{
    for (; text && *text; text++)
        add(layout, (unsigned char)*text);
    add(layout, 0);
}

static void add_number(struct layout *layout, Dwarf_Die *die, unsigned name)
{
    uint64_t value = 0;

    add(layout, inlay_die_number(die, name, &value) ? value + 1 : 0);
}

static void add_type_of(struct layout *layout, Dwarf_Die *die, int depth);

/* Has it been here? Its number stands for it then: a type may hold itself. */
static bool is_known(struct layout *layout, Dwarf_Die *die)
{
    for (size_t i = 0; i < layout->nseen; i++)
        if (layout->seen[i] == die->addr) {
            add(layout, i);
            return true;
        }
    if (layout->nseen == TYPES_MOST)
        layout->incomplete = true;
    else
        layout->seen[layout->nseen++] = die->addr;
    return layout->incomplete;
}

static void add_members(struct layout *layout, Dwarf_Die *die, int depth)
{
    Dwarf_Die child;

    if (dwarf_child(die, &child))
        return;
    do {
        if (!inlay_die_step(layout->reader)) {
            layout->incomplete = true;
            return;
        }
        int tag = dwarf_tag(&child);
        if (tag != DW_TAG_member && tag != DW_TAG_inheritance &&
            tag != DW_TAG_subrange_type)
            continue;
        add(layout, (uint64_t)tag);
        add_text(layout, dwarf_diename(&child));
        add_number(layout, &child, DW_AT_data_member_location);
        add_number(layout, &child, DW_AT_data_bit_offset);
        add_number(layout, &child, DW_AT_bit_offset);
        add_number(layout, &child, DW_AT_bit_size);
        add_number(layout, &child, DW_AT_count);
        add_number(layout, &child, DW_AT_upper_bound);
        if (tag != DW_TAG_subrange_type)
            add_type_of(layout, &child, depth);
    } while (dwarf_siblingof(&child, &child) == 0);
}

static void add_type(struct layout *layout, Dwarf_Die *die, int depth)
{
    struct inlay_peeled peeled = inlay_die_peel(die);
    Dwarf_Die *type = &peeled.die;

    if (depth > DEPTH_MOST || peeled.broken || !inlay_die_step(layout->reader))
        layout->incomplete = true;
    if (peeled.is_void || layout->incomplete)
        return;
    add(layout, (uint64_t)dwarf_tag(type));
    add_number(layout, type, DW_AT_byte_size);
    switch (dwarf_tag(type)) {
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_union_type:
        add_text(layout, dwarf_diename(type));
        if (!is_known(layout, type))
            add_members(layout, type, depth + 1);
        break;
    case DW_TAG_array_type:
        add_members(layout, type, depth + 1);
        add_type_of(layout, type, depth + 1);
        break;
    case DW_TAG_pointer_type:
    case DW_TAG_reference_type:
        add_type_of(layout, type, depth + 1);
        break;
    case DW_TAG_base_type:
        add_number(layout, type, DW_AT_encoding);
        break;
    default: /* enums, functions: code of another generation stays callable */
        break;
    }
}

static void add_type_of(struct layout *layout, Dwarf_Die *die, int depth)
{
    Dwarf_Die type;

    if (inlay_die_type(die, &type))
        add_type(layout, &type, depth);
    else
        add(layout, 0);
}

uint64_t inlay_die_layout(struct inlay_reader *reader, Dwarf_Die *die)
{
    struct layout layout = {.reader = reader, .hash = 0xcbf29ce484222325u};

    if (inlay_die_flag(die, DW_AT_declaration))
        return 0;
    layout.seen = inlay_arena_zalloc_array(&reader->scratch, TYPES_MOST,
                                           sizeof(*layout.seen));
    if (!layout.seen) {
        inlay_reader_no_memory(reader);
        return 0;
    }
    add_type(&layout, die, 0);
    return layout.incomplete ? 0 : layout.hash | 1;
}
