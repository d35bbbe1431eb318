/*
 * types.c - DIE -> type: names and qualifiers off, scalars by encoding and
 * size (the names of base types differ between compilers), and for all that
 * has no Python form a reason that says what to write instead.
 */
#include <dwarf.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "dwarf/reader.h"

#include "base/banned.h"

#define HOPS_MOST 64  /* typedefs and qualifiers on one type */
#define DEPTH_MOST 32 /* structs by value in one another */

struct inlay_scalar {
    struct inlay_scalar *next;
    struct inlay_type type;
};

struct inlay_later {
    struct inlay_later *next;
    struct inlay_type *slice;
    Dwarf_Die elem;
    bool is_void;
};

static bool is_named(Dwarf_Die *die, const char *name)
{
    const char *own = dwarf_diename(die);

    return own && strcmp(own, name) == 0;
}

static void peel_typedef(struct inlay_peeled *peeled, Dwarf_Die *die)
{
    const char *name = dwarf_diename(die);

    if (name && *name) {
        if (!peeled->alias)
            peeled->alias = name;
        peeled->direct = name;
        peeled->has_len_mark |= strcmp(name, "inlay_len") == 0;
        peeled->has_has_mark |= strcmp(name, "inlay_has") == 0;
    }
    if (!peeled->align &&
        !inlay_die_number(die, DW_AT_alignment, &peeled->align))
        peeled->align = 0;
}

struct inlay_peeled inlay_die_peel(Dwarf_Die *die)
{
    struct inlay_peeled peeled = {.is_void = !die};

    if (!die)
        return peeled;
    peeled.die = *die;
    for (int hops = 0; hops < HOPS_MOST; hops++) {
        switch (dwarf_tag(&peeled.die)) {
        case DW_TAG_typedef:
            peel_typedef(&peeled, &peeled.die);
            break;
        case DW_TAG_const_type:
            peeled.is_const = true;
            break;
        case DW_TAG_atomic_type:
            peeled.is_atomic = true;
            break;
        case DW_TAG_volatile_type:
        case DW_TAG_restrict_type:
            break;
        default:
            return peeled;
        }
        Dwarf_Die inner;
        if (!inlay_die_type(&peeled.die, &inner)) {
            peeled.is_void = true;
            return peeled;
        }
        peeled.die = inner;
    }
    peeled.broken = true;
    return peeled;
}

const struct inlay_type *inlay_types_refuse(struct inlay_reader *reader,
                                            Dwarf_Die *die,
                                            const char *format,
                                            ...)
{
    struct inlay_type *type = inlay_arena_new(reader->arena, struct inlay_type);
    char spelled[256], reason[512];
    va_list args;

    va_start(args, format);
    vsnprintf(reason, sizeof(reason), format, args);
    va_end(args);
    inlay_die_spell(die, spelled, sizeof(spelled));
    if (type) {
        type->kind = INLAY_KIND_UNSUPPORTED;
        type->align = 1;
        type->decl.file = INLAY_STR("");
        type->name = inlay_arena_copy(reader->arena, inlay_str_from(spelled));
        type->reason = inlay_arena_copy(reader->arena, inlay_str_from(reason));
        if (type->name.ptr && type->reason.ptr)
            return type;
    }
    inlay_reader_no_memory(reader);
    return NULL;
}

/* One type per kind, size and name: scalars are compared by pointer. */
static const struct inlay_type *scalar(struct inlay_reader *reader,
                                       enum inlay_kind kind,
                                       uint32_t size,
                                       const char *name)
{
    struct inlay_str key = inlay_str_from(name);
    struct inlay_scalar *at;

    for (at = reader->scalars; at; at = at->next) {
        if (at->type.kind == kind && at->type.size == size &&
            inlay_str_equal(at->type.name, key))
            return &at->type;
    }
    at = inlay_arena_new(reader->arena, struct inlay_scalar);
    if (at)
        at->type.name = inlay_arena_copy(reader->arena, key);
    if (!at || !at->type.name.ptr) {
        inlay_reader_no_memory(reader);
        return NULL;
    }
    at->type.kind = kind;
    at->type.size = size;
    at->type.align = size ? size : 1;
    at->type.decl.file = INLAY_STR("");
    at->next = reader->scalars;
    reader->scalars = at;
    return &at->type;
}

static const struct inlay_type *integer(struct inlay_reader *reader,
                                        Dwarf_Die *die,
                                        enum inlay_kind kind,
                                        uint64_t size,
                                        const char *name)
{
    if (strstr(name, "_BitInt") ||
        (size != 1 && size != 2 && size != 4 && size != 8))
        return inlay_types_refuse(reader, die,
                                  "integers of %llu bytes have no Python "
                                  "form: write int64_t or uint64_t",
                                  (unsigned long long)size);
    return scalar(reader, kind, (uint32_t)size, name);
}

static const struct inlay_type *floating(struct inlay_reader *reader,
                                         Dwarf_Die *die,
                                         uint64_t size,
                                         const char *name)
{
    if (size != 4 && size != 8)
        return inlay_types_refuse(reader, die,
                                  "only float and double have a Python form: "
                                  "write double");
    /* The other kind of 4 or 8 bytes (_Float32) has the same layout. */
    return scalar(reader, INLAY_KIND_FLOAT, (uint32_t)size, name);
}

static const struct inlay_type *base(struct inlay_reader *reader,
                                     const struct inlay_peeled *peeled)
{
    Dwarf_Die die = peeled->die;
    const char *own = dwarf_diename(&die);
    const char *name = peeled->alias ? peeled->alias : own;
    uint64_t encoding = 0, size = 0;

    inlay_die_number(&die, DW_AT_encoding, &encoding);
    inlay_die_number(&die, DW_AT_byte_size, &size);
    if (!own || !name)
        return inlay_types_refuse(reader, &die, "it has no name");
    if (encoding != DW_ATE_boolean && strcmp(own, "char") == 0)
        return inlay_types_refuse(
            reader, &die,
            "a plain char is neither number nor text: write int8_t, uint8_t "
            "or inlay_str");
    switch (encoding) {
    case DW_ATE_boolean:
        if (size == 1)
            return scalar(reader, INLAY_KIND_BOOL, 1,
                          strcmp(name, "_Bool") == 0 ? "bool" : name);
        return inlay_types_refuse(reader, &die, "write bool");
    case DW_ATE_signed:
    case DW_ATE_signed_char:
        return integer(reader, &die, INLAY_KIND_INT, size, name);
    case DW_ATE_unsigned:
    case DW_ATE_unsigned_char:
        return integer(reader, &die, INLAY_KIND_UINT, size, name);
    case DW_ATE_float:
        return floating(reader, &die, size, name);
    case DW_ATE_complex_float:
        return inlay_types_refuse(
            reader, &die,
            "complex numbers are not supported: write a struct of two "
            "doubles");
    case DW_ATE_UTF:
        return inlay_types_refuse(reader, &die,
                                  "character types have no Python form: write "
                                  "inlay_str");
    default:
        return inlay_types_refuse(reader, &die, "it has no Python form");
    }
}

static const struct inlay_type *pointer(struct inlay_reader *reader,
                                        const struct inlay_peeled *peeled)
{
    Dwarf_Die die = peeled->die, inner;
    struct inlay_peeled to =
        inlay_die_peel(inlay_die_type(&die, &inner) ? &inner : NULL);
    char spelled[200];

    if (to.is_void)
        return inlay_types_refuse(reader, &die,
                                  "void pointers have no Python form");
    int tag = dwarf_tag(&to.die);
    if (tag == DW_TAG_base_type && is_named(&to.die, "char")) {
        if (to.is_const && !to.is_atomic)
            return scalar(reader, INLAY_KIND_CSTR, 8, "const char *");
        return inlay_types_refuse(reader, &die,
                                  "write const char * or inlay_str for text");
    }
    if (tag == DW_TAG_subroutine_type)
        return inlay_types_refuse(reader, &die,
                                  "function pointers have no Python form");
    inlay_die_spell(&inner, spelled, sizeof(spelled));
    if (tag == DW_TAG_structure_type || tag == DW_TAG_union_type)
        return inlay_types_refuse(
            reader, &die,
            "pointers are not supported: write %s for one by value, or "
            "INLAY_SLICE(name, %s) for many",
            spelled, spelled);
    return inlay_types_refuse(
        reader, &die,
        "a pointer does not say how many: write INLAY_SLICE(name, %s)",
        spelled);
}

static const struct inlay_type *array(struct inlay_reader *reader,
                                      Dwarf_Die *die)
{
    Dwarf_Die child;
    uint64_t bound;

    if (dwarf_hasattr(die, DW_AT_GNU_vector))
        return inlay_types_refuse(reader, die,
                                  "vector types have no Python form");
    if (dwarf_child(die, &child) == 0 &&
        !inlay_die_number(&child, DW_AT_count, &bound) &&
        !inlay_die_number(&child, DW_AT_upper_bound, &bound))
        return inlay_types_refuse(
            reader, die,
            "flexible array members have no Python form: write "
            "INLAY_SLICE");
    return inlay_types_refuse(
        reader, die,
        "arrays of fixed length are not supported yet: write INLAY_SLICE");
}

static const struct inlay_type *resolve_core(struct inlay_reader *reader,
                                             const struct inlay_peeled *peeled,
                                             int depth)
{
    Dwarf_Die die = peeled->die;

    switch (dwarf_tag(&die)) {
    case DW_TAG_base_type:
        return base(reader, peeled);
    case DW_TAG_pointer_type:
        return pointer(reader, peeled);
    case DW_TAG_structure_type:
        return inlay_compound_resolve(reader, peeled, depth);
    case DW_TAG_array_type:
        return array(reader, &die);
    case DW_TAG_union_type:
        return inlay_types_refuse(reader, &die, "unions have no Python form");
    case DW_TAG_enumeration_type:
        return inlay_types_refuse(reader, &die,
                                  "enums are not supported yet: write int");
    default:
        return inlay_types_refuse(reader, &die, "it has no Python form");
    }
}

static const struct inlay_type *resolve_at(struct inlay_reader *reader,
                                           Dwarf_Die *die,
                                           int depth)
{
    struct inlay_peeled peeled = inlay_die_peel(die);

    if (!inlay_die_step(reader))
        return NULL;
    if (peeled.broken || depth > DEPTH_MOST)
        return inlay_types_refuse(reader, die, "types nest too deeply");
    if (peeled.is_void)
        return scalar(reader, INLAY_KIND_VOID, 0, "void");
    if (peeled.is_atomic)
        return inlay_types_refuse(reader, die,
                                  "_Atomic has no Python form: write the "
                                  "type without it");
    const struct inlay_type *type = resolve_core(reader, &peeled, depth);
    /* gcc repeats a struct's alignment on its typedefs. */
    if (type && type->kind != INLAY_KIND_UNSUPPORTED && peeled.align &&
        peeled.align != type->align)
        return inlay_types_refuse(reader, die,
                                  "it has an alignment of its own");
    return type;
}

const struct inlay_type *inlay_types_resolve(struct inlay_reader *reader,
                                             Dwarf_Die *die)
{
    return resolve_at(reader, die, 0);
}

const struct inlay_type *inlay_types_value(struct inlay_reader *reader,
                                           Dwarf_Die *die,
                                           int depth)
{
    const struct inlay_type *type = resolve_at(reader, die, depth);

    if (type && type->kind == INLAY_KIND_VOID)
        return inlay_types_refuse(reader, die, "void is not a value");
    return type;
}

void inlay_types_later(struct inlay_reader *reader,
                       struct inlay_type *slice,
                       Dwarf_Die *elem)
{
    struct inlay_later *later =
        inlay_arena_new(&reader->scratch, struct inlay_later);

    if (!later) {
        inlay_reader_no_memory(reader);
        return;
    }
    later->slice = slice;
    later->is_void = !elem;
    if (elem)
        later->elem = *elem;
    later->next = reader->later;
    reader->later = later;
}

bool inlay_types_finish(struct inlay_reader *reader)
{
    while (reader->later && !reader->error) {
        struct inlay_later *later = reader->later;

        reader->later = later->next;
        const struct inlay_type *elem =
            inlay_types_value(reader, later->is_void ? NULL : &later->elem, 0);

        later->slice->elem = elem;
        if (!elem || !inlay_compound_name_after(reader, elem,
                                                later->slice->name, "item"))
            return false;
    }
    return !reader->error;
}
