/*
 * codes.c - which function an address belongs to: functions, parts of them
 * and what was inlined into them, as one sorted array.
 */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "dwarf/reader.h"

#include "base/banned.h"

#define DEPTH_MOST 64

struct walk {
    struct inlay_reader *reader;
    struct inlay_buf *codes;
};

static bool add(struct walk *walk, Dwarf_Die *die, bool is_inlined)
{
    struct inlay_code code = {.is_inlined = is_inlined};
    Dwarf_Addr base, begin, end;
    ptrdiff_t at = 0;

    while ((at = dwarf_ranges(die, at, &base, &begin, &end)) > 0) {
        if (!inlay_die_step(walk->reader))
            return false;
        if (begin >= end)
            continue;
        if (!code.name.ptr)
            code.name = inlay_die_name(walk->reader, die);
        code.begin = begin;
        code.end = end;
        if (inlay_buf_append(walk->codes, &code, sizeof(code)) < 0)
            inlay_reader_no_memory(walk->reader);
        if (walk->reader->error)
            return false;
    }
    return true;
}

/* False: the reading must end. */
static bool walk_children(struct walk *walk, Dwarf_Die *parent, int depth)
{
    Dwarf_Die die;

    if (depth == DEPTH_MOST || dwarf_child(parent, &die) != 0)
        return true;
    do {
        int tag = dwarf_tag(&die);
        bool is_inlined = tag == DW_TAG_inlined_subroutine;

        if (!inlay_die_step(walk->reader))
            return false;
        switch (tag) {
        case DW_TAG_subprogram:
        case DW_TAG_inlined_subroutine:
            if (!add(walk, &die, is_inlined))
                return false;
            break;
        case DW_TAG_lexical_block:
        case DW_TAG_namespace:
        case DW_TAG_class_type:
        case DW_TAG_structure_type:
            break;
        default:
            continue;
        }
        if (!walk_children(walk, &die, depth + 1))
            return false;
    } while (dwarf_siblingof(&die, &die) == 0);
    return true;
}

void inlay_codes_read(struct inlay_reader *reader,
                      Dwarf_Die *unit,
                      struct inlay_buf *codes)
{
    walk_children(&(struct walk){reader, codes}, unit, 0);
}

/* What contains another one comes before it. */
static int compare(const void *left, const void *right)
{
    const struct inlay_code *a = left, *b = right;

    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    if (a->end != b->end)
        return a->end > b->end ? -1 : 1;
    return a->is_inlined - b->is_inlined;
}

struct inlay_error *inlay_codes_make(struct inlay_arena *arena,
                                     const struct inlay_buf *codes,
                                     struct inlay_lines *ret)
{
    size_t len = inlay_buf_len(codes);
    struct inlay_code *items = inlay_arena_alloc(arena, len ? len : 1);

    if (!items)
        return inlay_error_no_memory();
    if (len)
        memcpy(items, inlay_buf_view(codes).ptr, len);
    ret->codes = items;
    ret->ncodes = len / sizeof(*items);
    qsort(items, ret->ncodes, sizeof(*items), compare);
    return NULL;
}

size_t inlay_codes_find(const struct inlay_lines *lines,
                        uint64_t address,
                        const struct inlay_code *ret[],
                        size_t most)
{
    size_t low = 0, high = lines->ncodes, found = 0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (lines->codes[middle].begin <= address)
            low = middle + 1;
        else
            high = middle;
    }
    while (low-- > 0 && found < most) {
        const struct inlay_code *code = &lines->codes[low];

        if (address >= code->end)
            continue;
        ret[found++] = code;
        if (!code->is_inlined)
            break;
    }
    return found;
}
