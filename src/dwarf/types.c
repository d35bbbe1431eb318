/*
 * types.c - DIE -> type: names and qualifiers off, scalars by encoding and
 * size (the names of base types differ between compilers), which type may
 * stand where, and for all that has no Python form a reason that says what
 * to write instead.
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
    struct inlay_type *owner;
    Dwarf_Die elem;
    bool is_void;
};

static unsigned mark_of(const char *name)
{
    static const struct {
        const char *name;
        enum inlay_mark mark;
    } marks[] = {
        {"inlay_len", INLAY_MARK_LEN},   {"inlay_owned", INLAY_MARK_OWNED},
        {"inlay_has", INLAY_MARK_HAS},   {"inlay_text", INLAY_MARK_TEXT},
        {"inlay_html", INLAY_MARK_HTML},
    };

    for (size_t i = 0; i < inlay_array_size(marks); i++) {
        if (strcmp(name, marks[i].name) == 0)
            return marks[i].mark;
    }
    return 0;
}

static void peel_typedef(struct inlay_peeled *peeled, Dwarf_Die *die)
{
    const char *name = dwarf_diename(die);

    if (name && *name) {
        if (!peeled->alias)
            peeled->alias = name;
        peeled->direct = name;
        peeled->marks |= mark_of(name);
    }
    if (!peeled->align &&
        !inlay_die_number(die, DW_AT_alignment, &peeled->align))
        peeled->align = 0;
}

/*
 * Rust's aliases leave no trace: there a struct of one member stands for a
 * typedef with a meaning. Its member's type in *inner_ret.
 */
static bool is_newtype(Dwarf_Die *die, unsigned *marks, Dwarf_Die *inner_ret)
{
    const char *name = dwarf_diename(die);
    unsigned mark = name ? mark_of(name) : 0;
    Dwarf_Die member, next;
    uint64_t offset;

    if (!mark || dwarf_child(die, &member) ||
        dwarf_tag(&member) != DW_TAG_member ||
        !inlay_die_number(&member, DW_AT_data_member_location, &offset) ||
        offset || dwarf_siblingof(&member, &next) == 0)
        return false;
    *marks |= mark;
    return inlay_die_type(&member, inner_ret);
}

struct inlay_peeled inlay_die_peel(Dwarf_Die *die)
{
    struct inlay_peeled peeled = {.is_void = !die};
    Dwarf_Die inner;

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
        case DW_TAG_structure_type:
            peeled.die = inlay_die_described(&peeled.die);
            if (!is_newtype(&peeled.die, &peeled.marks, &inner))
                return peeled;
            peeled.die = inner;
            continue;
        default:
            peeled.die = inlay_die_described(&peeled.die);
            return peeled;
        }
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

const struct inlay_type *inlay_types_scalar(struct inlay_reader *reader,
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
    return inlay_types_scalar(reader, kind, (uint32_t)size, name);
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
    return inlay_types_scalar(reader, INLAY_KIND_FLOAT, (uint32_t)size, name);
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
    if (size == 1 && strcmp(own, "char") == 0 &&
        (encoding == DW_ATE_signed_char || encoding == DW_ATE_unsigned_char))
        return inlay_types_scalar(reader, INLAY_KIND_CHAR, 1, name);
    switch (encoding) {
    case DW_ATE_boolean:
        if (size == 1)
            return inlay_types_scalar(reader, INLAY_KIND_BOOL, 1,
                                      strcmp(name, "_Bool") == 0 ? "bool"
                                                                 : name);
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

static const struct inlay_type *resolve_core(struct inlay_reader *reader,
                                             const struct inlay_peeled *peeled,
                                             enum inlay_position at,
                                             int depth)
{
    Dwarf_Die die = peeled->die;

    switch (dwarf_tag(&die)) {
    case DW_TAG_base_type:
        return base(reader, peeled);
    case DW_TAG_pointer_type:
        return inlay_pointer_resolve(reader, peeled, at);
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
        return inlay_compound_resolve(reader, peeled, depth);
    case DW_TAG_array_type:
        return inlay_array_resolve(reader, peeled, depth);
    case DW_TAG_enumeration_type:
        return inlay_enum_resolve(reader, peeled);
    case DW_TAG_union_type:
        return inlay_types_refuse(reader, &die, "unions have no Python form");
    case DW_TAG_reference_type:
    case DW_TAG_rvalue_reference_type:
        return inlay_types_refuse(reader, &die,
                                  "references have no Python form: write a "
                                  "pointer, or the type without &");
    default:
        return inlay_types_refuse(reader, &die, "it has no Python form");
    }
}

/* The steps of the search are those of the reading. */
static bool is_flat(struct inlay_reader *reader,
                    const struct inlay_type *type,
                    bool named)
{
    bool flat = inlay_type_flat(type, named, &reader->budget);

    return inlay_die_step(reader) && flat;
}

/* Why a pointer to a struct can't stand there; NULL: it can. */
static const char *misplaced_pointer(enum inlay_position at)
{
    switch (at) {
    case INLAY_AT_ITEM:
    case INLAY_AT_OWNED:
        return "slices hold structs by value: write INLAY_SLICE(name, struct "
               "x)";
    case INLAY_AT_VALUE:
        return "a pointer can be NULL by itself: write it without "
               "INLAY_OPTIONAL";
    case INLAY_AT_ARRAY:
        return "arrays of pointers have no Python form: write INLAY_SLICE";
    case INLAY_AT_CALLBACK_RESULT:
        return "callbacks return numbers, or structs of numbers";
    case INLAY_AT_PARAM:
    case INLAY_AT_RESULT:
    case INLAY_AT_FIELD:
    case INLAY_AT_TARGET:
    case INLAY_AT_CALLBACK:
    case INLAY_AT_ARGUMENT:
        break;
    }
    return NULL;
}

/* The same for kinds that stand in few places. */
static const char *misplaced(const struct inlay_type *type,
                             enum inlay_position at)
{
    switch (type->kind) {
    case INLAY_KIND_VOID:
        return at == INLAY_AT_RESULT || at == INLAY_AT_CALLBACK_RESULT
                   ? NULL
                   : "void is not a value";
    case INLAY_KIND_CHAR:
        return at == INLAY_AT_ITEM
                   ? "for text write inlay_str, for numbers a slice of int8_t"
                   : NULL;
    case INLAY_KIND_CHARS:
    case INLAY_KIND_ARRAY:
        return at == INLAY_AT_FIELD || at == INLAY_AT_ARRAY
                   ? NULL
                   : "arrays stand within structs only: write INLAY_SLICE";
    case INLAY_KIND_OWNED:
        return at == INLAY_AT_RESULT
                   ? NULL
                   : "INLAY_ARRAY is a result only: write INLAY_SLICE";
    case INLAY_KIND_HANDLE:
        return at == INLAY_AT_PARAM || at == INLAY_AT_RESULT
                   ? NULL
                   : "an object is a parameter or a result only";
    case INLAY_KIND_OBJECT:
        return at == INLAY_AT_PARAM || at == INLAY_AT_RESULT
                   ? NULL
                   : "Python objects are parameters or results only";
    case INLAY_KIND_CALLBACK:
        return at == INLAY_AT_PARAM ? NULL
                                    : "a function pointer is a parameter only";
    case INLAY_KIND_USERDATA:
        return at == INLAY_AT_PARAM || at == INLAY_AT_CALLBACK ||
                       at == INLAY_AT_ARGUMENT
                   ? NULL
                   : "void pointers have no Python form";
    case INLAY_KIND_INJECTED:
        return at == INLAY_AT_PARAM || at == INLAY_AT_RESULT
                   ? NULL
                   : "what a provider gives is a parameter only";
    case INLAY_KIND_ARROW_ARRAY:
    case INLAY_KIND_ARROW_SCHEMA:
        return at == INLAY_AT_PARAM
                   ? NULL
                   : "Arrow data are parameters only: return INLAY_ARRAY";
    case INLAY_KIND_UPLOAD:
        return at == INLAY_AT_PARAM || at == INLAY_AT_FIELD ||
                       at == INLAY_AT_ITEM || at == INLAY_AT_VALUE
                   ? NULL
                   : "an upload is a parameter of a route, or within one";
    case INLAY_KIND_POINTER:
        return misplaced_pointer(at);
    case INLAY_KIND_BOOL:
    case INLAY_KIND_INT:
    case INLAY_KIND_UINT:
    case INLAY_KIND_FLOAT:
    case INLAY_KIND_ENUM:
    case INLAY_KIND_CSTR:
    case INLAY_KIND_STR:
    case INLAY_KIND_BYTES:
    case INLAY_KIND_DATE:
    case INLAY_KIND_DATETIME:
    case INLAY_KIND_UUID:
    case INLAY_KIND_SLICE:
    case INLAY_KIND_OPTIONAL:
    case INLAY_KIND_STRUCT:
    case INLAY_KIND_UNSUPPORTED:
        break;
    }
    return NULL;
}

/* What a place holds only some types of. NULL: this one, too. */
static const char *unfit(struct inlay_reader *reader,
                         const struct inlay_type *type,
                         enum inlay_position at)
{
    const char *why = misplaced(type, at);

    if (why || type->kind == INLAY_KIND_UNSUPPORTED)
        return why;
    switch (at) {
    case INLAY_AT_OWNED:
        return is_flat(reader, type, false)
                   ? NULL
                   : "INLAY_ARRAY holds numbers or structs of numbers: return "
                     "INLAY_SLICE";
    case INLAY_AT_TARGET:
        return type->kind == INLAY_KIND_STRUCT
                   ? NULL
                   : "a pointer leads to a plain struct: write this one by "
                     "value";
    case INLAY_AT_CALLBACK:
        return type->kind == INLAY_KIND_BYTES ||
                       type->kind == INLAY_KIND_SLICE ||
                       type->kind == INLAY_KIND_OPTIONAL
                   ? "callbacks take numbers, text, structs and pointers to "
                     "structs"
                   : NULL;
    case INLAY_AT_CALLBACK_RESULT:
        return type->kind == INLAY_KIND_VOID || is_flat(reader, type, true)
                   ? NULL
                   : "callbacks return numbers, or structs of numbers";
    case INLAY_AT_PARAM:
    case INLAY_AT_RESULT:
    case INLAY_AT_FIELD:
    case INLAY_AT_ITEM:
    case INLAY_AT_VALUE:
    case INLAY_AT_ARRAY:
    case INLAY_AT_ARGUMENT:
        break;
    }
    return NULL;
}

const struct inlay_type *inlay_types_resolve(struct inlay_reader *reader,
                                             Dwarf_Die *die,
                                             enum inlay_position at,
                                             int depth)
{
    struct inlay_peeled peeled = inlay_die_peel(die);
    const struct inlay_type *type;

    if (!inlay_die_step(reader))
        return NULL;
    if (peeled.broken || depth > DEPTH_MOST)
        return inlay_types_refuse(reader, die, "types nest too deeply");
    if (peeled.is_atomic)
        return inlay_types_refuse(reader, die,
                                  "_Atomic has no Python form: write the "
                                  "type without it");
    if (peeled.is_void)
        type = inlay_types_scalar(reader, INLAY_KIND_VOID, 0, "void");
    else
        type = resolve_core(reader, &peeled, at, depth);
    if (!type || type->kind == INLAY_KIND_UNSUPPORTED)
        return type;
    /* gcc repeats a struct's alignment on its typedefs. */
    if (!peeled.is_void && peeled.align && peeled.align != type->align)
        return inlay_types_refuse(reader, die,
                                  "it has an alignment of its own");
    const char *why = unfit(reader, type, at);
    if (reader->error)
        return NULL;
    return why ? inlay_types_refuse(reader, die, "%s", why) : type;
}

void inlay_types_later(struct inlay_reader *reader,
                       struct inlay_type *owner,
                       Dwarf_Die *elem)
{
    struct inlay_later *later =
        inlay_arena_new(&reader->scratch, struct inlay_later);

    if (!later) {
        inlay_reader_no_memory(reader);
        return;
    }
    later->owner = owner;
    later->is_void = !elem;
    if (elem)
        later->elem = *elem;
    later->next = reader->later;
    reader->later = later;
}

static enum inlay_position item_position(const struct inlay_type *owner)
{
    return owner->kind == INLAY_KIND_POINTER ? INLAY_AT_TARGET
           : owner->kind == INLAY_KIND_OWNED ? INLAY_AT_OWNED
                                             : INLAY_AT_ITEM;
}

/* Would it be without end? Where a struct lies between, that has a name. */
static bool is_ring(const struct inlay_type *owner,
                    const struct inlay_type *elem)
{
    while (elem && elem != owner &&
           (elem->kind == INLAY_KIND_SLICE || elem->kind == INLAY_KIND_OWNED ||
            elem->kind == INLAY_KIND_OPTIONAL ||
            elem->kind == INLAY_KIND_ARRAY))
        elem = elem->elem;
    return elem == owner;
}

static bool finish_one(struct inlay_reader *reader, struct inlay_later *later)
{
    struct inlay_type *owner = later->owner;
    Dwarf_Die *die = later->is_void ? NULL : &later->elem;
    const struct inlay_type *elem =
        inlay_types_resolve(reader, die, item_position(owner), 0);

    if (elem && owner->kind == INLAY_KIND_POINTER && !elem->name.len)
        elem = inlay_types_refuse(reader, die, "it has no name: give it one");
    else if (elem && is_ring(owner, elem))
        elem = inlay_types_refuse(
            reader, die,
            "it is a slice of itself: write a slice of structs that have one");
    owner->elem = elem;
    return elem &&
           (owner->kind == INLAY_KIND_POINTER ||
            inlay_compound_name_after(reader, elem, owner->name, "item"));
}

bool inlay_types_finish(struct inlay_reader *reader)
{
    while (reader->later && !reader->error) {
        struct inlay_later *later = reader->later;

        reader->later = later->next;
        if (!finish_one(reader, later))
            return false;
    }
    return !reader->error;
}
