/* array.c - T[N] within a struct, and enums. */
#include <dwarf.h>
#include <stdio.h>
#include <string.h>

#include "dwarf/reader.h"

#include "base/banned.h"

#define DIMENSIONS_MOST 8
#define SIZE_MOST ((uint64_t)1 << 24)
#define MEMBERS_MOST 65536

/* The number of elements; 0: none is known, or it is counted otherwise. */
static uint64_t count_of(Dwarf_Die *range)
{
    uint64_t bound;

    if (dwarf_tag(range) != DW_TAG_subrange_type ||
        dwarf_hasattr(range, DW_AT_byte_stride) ||
        dwarf_hasattr(range, DW_AT_bit_stride))
        return 0;
    if (inlay_die_number(range, DW_AT_lower_bound, &bound) && bound)
        return 0;
    if (inlay_die_number(range, DW_AT_count, &bound))
        return bound;
    return inlay_die_number(range, DW_AT_upper_bound, &bound) ? bound + 1 : 0;
}

/* How many; -1 when there are too many, or one of them is not known. */
static int read_dimensions(Dwarf_Die *die, uint64_t counts[DIMENSIONS_MOST])
{
    Dwarf_Die child;
    int dimensions = 0;

    if (dwarf_hasattr(die, DW_AT_byte_stride) ||
        dwarf_hasattr(die, DW_AT_bit_stride) || dwarf_child(die, &child))
        return -1;
    do {
        if (dimensions == DIMENSIONS_MOST ||
            !(counts[dimensions++] = count_of(&child)))
            return -1;
    } while (dwarf_siblingof(&child, &child) == 0);
    return dimensions;
}

bool inlay_array_name(struct inlay_reader *reader, struct inlay_type *type)
{
    const struct inlay_type *core = type;
    char counts[200] = "";
    size_t len = 0;

    for (; core->kind == INLAY_KIND_ARRAY || core->kind == INLAY_KIND_CHARS;
         core = core->elem) {
        if (len < sizeof(counts) - 16)
            len += (size_t)snprintf(counts + len, sizeof(counts) - len, "[%u]",
                                    core->count);
        if (core->kind == INLAY_KIND_CHARS) {
            type->name = inlay_arena_format(reader->arena, "char%s", counts);
            break;
        }
    }
    if (core->kind != INLAY_KIND_CHARS)
        type->name = core->name.len
                         ? inlay_arena_format(reader->arena, "%.*s%s",
                                              inlay_str_arg(core->name), counts)
                         : INLAY_STR("");
    if (!type->name.ptr)
        inlay_reader_no_memory(reader);
    return !reader->error;
}

/* `count` of `elem`; NULL when the reading must end. */
static struct inlay_type *make_array(struct inlay_reader *reader,
                                     const struct inlay_type *elem,
                                     uint64_t count)
{
    struct inlay_type *type = inlay_arena_new(reader->arena, struct inlay_type);

    if (!type) {
        inlay_reader_no_memory(reader);
        return NULL;
    }
    type->kind =
        elem->kind == INLAY_KIND_CHAR ? INLAY_KIND_CHARS : INLAY_KIND_ARRAY;
    type->size = (uint32_t)(elem->size * count);
    type->align = elem->align;
    type->decl.file = INLAY_STR("");
    type->elem = elem;
    type->count = (uint32_t)count;
    return inlay_array_name(reader, type) ? type : NULL;
}

const struct inlay_type *inlay_array_resolve(struct inlay_reader *reader,
                                             const struct inlay_peeled *peeled,
                                             int depth)
{
    Dwarf_Die die = peeled->die, inner;
    uint64_t counts[DIMENSIONS_MOST];
    int dimensions;

    if (dwarf_hasattr(&die, DW_AT_GNU_vector))
        return inlay_types_refuse(reader, &die,
                                  "vector types have no Python form");
    dimensions = read_dimensions(&die, counts);
    if (dimensions < 1)
        return inlay_types_refuse(
            reader, &die,
            "arrays of no fixed length have no Python form: write INLAY_SLICE");
    const struct inlay_type *type = inlay_types_resolve(
        reader, inlay_die_type(&die, &inner) ? &inner : NULL, INLAY_AT_ARRAY,
        depth + 1);
    for (int i = dimensions - 1;
         i >= 0 && type && type->kind != INLAY_KIND_UNSUPPORTED; i--) {
        if (counts[i] > SIZE_MOST || type->size * counts[i] > SIZE_MOST)
            return inlay_types_refuse(reader, &die, "it is too large");
        type = make_array(reader, type, counts[i]);
    }
    return type;
}

/* Is it signed? gcc says so of the enum itself, others of its integer type. */
static bool enum_is_signed(Dwarf_Die *die)
{
    uint64_t encoding;
    Dwarf_Die inner;

    if (inlay_die_number(die, DW_AT_encoding, &encoding))
        return encoding == DW_ATE_signed || encoding == DW_ATE_signed_char;
    if (inlay_die_type(die, &inner)) {
        struct inlay_peeled peeled = inlay_die_peel(&inner);

        if (!peeled.is_void && !peeled.broken &&
            inlay_die_number(&peeled.die, DW_AT_encoding, &encoding))
            return encoding == DW_ATE_signed || encoding == DW_ATE_signed_char;
    }
    return true;
}

/* False: it is no number, or none of that size. */
static bool read_value(Dwarf_Die *die,
                       const struct inlay_type *type,
                       int64_t *ret)
{
    Dwarf_Attribute attribute;
    Dwarf_Word word;
    Dwarf_Sword sword;

    if (!dwarf_attr(die, DW_AT_const_value, &attribute))
        return false;
    switch (dwarf_whatform(&attribute)) {
    case DW_FORM_sdata:
    case DW_FORM_implicit_const:
        if (dwarf_formsdata(&attribute, &sword))
            return false;
        break;
    default:
        if (dwarf_formudata(&attribute, &word))
            return false;
        sword = (int64_t)word;
        if (type->is_signed && type->size < 8 &&
            word > (uint64_t)inlay_int_most(type->size))
            return false;
        break;
    }
    *ret = sword;
    if (type->is_signed)
        return sword >= inlay_int_least(type->size) &&
               sword <= inlay_int_most(type->size);
    return (uint64_t)sword <= inlay_uint_most(type->size);
}

/* NULL when all is well; else why it is refused, or the reading must end. */
static const char *read_enumerators(struct inlay_reader *reader,
                                    struct inlay_type *type,
                                    Dwarf_Die *die)
{
    size_t count = inlay_die_count(reader, die, DW_TAG_enumerator), at = 0;
    Dwarf_Die child;

    if (!count)
        return "it has no names";
    if (count > MEMBERS_MOST)
        return "it has more than 65536 names";
    struct inlay_enumerator *members =
        inlay_arena_zalloc_array(reader->arena, count, sizeof(*members));
    if (!members) {
        inlay_reader_no_memory(reader);
        return "";
    }
    if (dwarf_child(die, &child))
        return "";
    do {
        if (dwarf_tag(&child) != DW_TAG_enumerator)
            continue;
        members[at].name = inlay_die_name(reader, &child);
        if (reader->error || !members[at].name.len ||
            !read_value(&child, type, &members[at].value))
            return "a value of it does not fit";
        at++;
    } while (at < count && dwarf_siblingof(&child, &child) == 0);
    type->members = members;
    type->nmembers = at;
    return NULL;
}

static const char *fill_enum(struct inlay_reader *reader,
                             struct inlay_type *type,
                             Dwarf_Die *die)
{
    uint64_t size = 0;

    if (inlay_die_flag(die, DW_AT_declaration))
        return "it is not defined where it is used: include its header";
    inlay_die_number(die, DW_AT_byte_size, &size);
    if (size != 1 && size != 2 && size != 4 && size != 8)
        return "it has no size that an integer could have";
    type->size = type->align = (uint32_t)size;
    type->is_signed = enum_is_signed(die);
    return read_enumerators(reader, type, die);
}

const struct inlay_type *inlay_enum_resolve(struct inlay_reader *reader,
                                            const struct inlay_peeled *peeled)
{
    Dwarf_Die die = peeled->die;
    struct inlay_compound *compound =
        inlay_compound_intern(reader, die.addr, 0);

    if (!compound)
        return NULL;
    struct inlay_type *type = &compound->type;
    if (type->kind != INLAY_KIND_VOID)
        return type;
    type->name = inlay_compound_name(reader, peeled);
    type->decl.file = INLAY_STR("");
    const char *why = fill_enum(reader, type, &die);
    if (reader->error)
        return NULL;
    if (why)
        return inlay_types_refuse(reader, &die, "%s", why);
    type->kind = INLAY_KIND_ENUM;
    return type;
}
