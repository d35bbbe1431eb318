/*
 * compound.c - a struct DIE -> struct, text, bytes, slice, owned array or
 * optional. Which of them is said by its own name or by the typedef of a
 * member (inlay_len, inlay_owned, inlay_has). A layout that the rest could
 * not walk safely is refused: packed, overlapping or hidden members, offsets
 * outside of the struct.
 */
#include <dwarf.h>
#include <string.h>

#include "dwarf/reader.h"

#include "base/banned.h"

#define SIZE_MOST (1u << 24)
#define ALIGN_MOST 16 /* what an arena gives */
#define FIELDS_MOST 4096

/* A member as it is read, before it becomes a field. */
struct member {
    Dwarf_Die die, type;
    uint64_t offset;
    uint64_t align; /* alignas of the member, or 0 */
    unsigned marks; /* enum inlay_mark */
    bool has_type, has_offset, is_bits;
};

struct members {
    struct member *items;
    size_t count;
};

static size_t slot_of(struct inlay_compound **table,
                      size_t size,
                      const void *die,
                      unsigned variant)
{
    uint64_t key = (uintptr_t)die + variant;
    size_t at = (size_t)((key * 0x9E3779B97F4A7C15u) >> 20);

    for (at &= size - 1;
         table[at] && (table[at]->die != die || table[at]->variant != variant);)
        at = (at + 1) & (size - 1);
    return at;
}

static bool grow_table(struct inlay_reader *reader)
{
    size_t size = reader->table_size ? reader->table_size * 2 : 64;
    struct inlay_compound **table =
        inlay_arena_zalloc_array(&reader->scratch, size, sizeof(*table));

    if (!table)
        return false;
    for (size_t i = 0; i < reader->table_size; i++) {
        if (reader->table[i])
            table[slot_of(table, size, reader->table[i]->die,
                          reader->table[i]->variant)] = reader->table[i];
    }
    reader->table = table;
    reader->table_size = size;
    return true;
}

struct inlay_compound *inlay_compound_intern(struct inlay_reader *reader,
                                             const void *die,
                                             unsigned variant)
{
    struct inlay_compound *made;

    if (reader->table_count * 2 < reader->table_size || grow_table(reader)) {
        size_t at = slot_of(reader->table, reader->table_size, die, variant);

        if (reader->table[at])
            return reader->table[at];
        made = inlay_arena_new(reader->arena, struct inlay_compound);
        if (made) {
            made->die = die;
            made->variant = variant;
            reader->table[at] = made;
            reader->table_count++;
            return made;
        }
    }
    inlay_reader_no_memory(reader);
    return NULL;
}

static void read_member(struct member *member, Dwarf_Die *die)
{
    uint64_t ignored;

    member->die = *die;
    member->has_type = inlay_die_type(die, &member->type);
    member->has_offset =
        inlay_die_number(die, DW_AT_data_member_location, &member->offset);
    if (!inlay_die_number(die, DW_AT_alignment, &member->align))
        member->align = 0;
    member->is_bits = inlay_die_number(die, DW_AT_bit_size, &ignored);
    struct inlay_peeled peeled =
        inlay_die_peel(member->has_type ? &member->type : NULL);
    member->marks = peeled.is_void ? 0 : peeled.marks;
}

static bool read_members(struct inlay_reader *reader,
                         Dwarf_Die *die,
                         struct members *ret)
{
    size_t count = inlay_die_count(reader, die, DW_TAG_member);
    struct members members = {NULL, 0};
    Dwarf_Die child;

    if (count > FIELDS_MOST)
        count = FIELDS_MOST + 1;
    members.items = inlay_arena_zalloc_array(&reader->scratch, count + 1,
                                             sizeof(*members.items));
    if (!members.items) {
        inlay_reader_no_memory(reader);
        return false;
    }
    if (count && dwarf_child(die, &child) == 0) {
        do {
            if (dwarf_tag(&child) == DW_TAG_member)
                read_member(&members.items[members.count++], &child);
        } while (members.count < count && dwarf_siblingof(&child, &child) == 0);
    }
    *ret = members;
    return !reader->error;
}

/* The first member with one of these marks; SIZE_MAX: there is none. */
static size_t find_mark(const struct members *members, unsigned marks)
{
    for (size_t i = 0; i < members->count; i++) {
        if (members->items[i].marks & marks)
            return i;
    }
    return SIZE_MAX;
}

/* The compound becomes a type without a Python form. */
static void refuse(struct inlay_reader *reader,
                   struct inlay_type *type,
                   Dwarf_Die *die,
                   struct inlay_str reason)
{
    char spelled[256];

    inlay_die_spell(die, spelled, sizeof(spelled));
    struct inlay_str name =
        inlay_arena_copy(reader->arena, inlay_str_from(spelled));
    if (!name.ptr || !reason.ptr) {
        inlay_reader_no_memory(reader);
        return;
    }
    type->kind = INLAY_KIND_UNSUPPORTED;
    type->name = name;
    type->reason = reason;
}

static struct inlay_str member_name(struct member *member)
{
    const char *name = dwarf_diename(&member->die);

    return inlay_str_from(name ? name : "");
}

/*
 * NULL when a member of this type lies well in a struct of `size` bytes
 * behind byte `end`; else what is wrong, to follow its name.
 */
static const char *misplaced(const struct member *member,
                             const struct inlay_type *type,
                             uint64_t size,
                             uint64_t end)
{
    if (!member->has_offset)
        return "has no offset";
    if (member->offset > size || type->size > size - member->offset)
        return "lies outside of it";
    if (member->offset < end)
        return "overlaps the one before it (in Rust, write #[repr(C)])";
    if (member->offset % type->align)
        return "is not aligned: packed structs have no Python form";
    return NULL;
}

/* Alignment of the whole; 0 when it is more than there is. */
static uint32_t whole_align(Dwarf_Die *die, uint64_t align, uint64_t size)
{
    uint64_t own;

    if (inlay_die_number(die, DW_AT_alignment, &own) && own > align)
        align = own;
    if (align > ALIGN_MOST || (align & (align - 1)) || size % align)
        return 0;
    return (uint32_t)align;
}

/* One field; false when the struct has been refused or reading ends. */
static bool make_field(struct inlay_reader *reader,
                       struct inlay_type *type,
                       struct member *member,
                       struct inlay_field *field,
                       Dwarf_Die *die,
                       int depth)
{
    struct inlay_str name = member_name(member);
    const struct inlay_field *last = field == type->fields ? NULL : field - 1;
    uint64_t end = last ? (uint64_t)last->offset + last->type->size : 0;

    if (!name.len) {
        refuse(reader, type, die,
               INLAY_STR("it has a member without a name: give it one"));
        return false;
    }
    field->name = inlay_die_name(reader, &member->die);
    field->decl = inlay_die_source(reader, &member->die, NULL);
    if (member->is_bits)
        field->type = inlay_types_refuse(
            reader, member->has_type ? &member->type : NULL,
            "bit fields are not supported: write a whole integer");
    else
        field->type =
            inlay_types_resolve(reader, member->has_type ? &member->type : NULL,
                                INLAY_AT_FIELD, depth + 1);
    if (!field->type || reader->error ||
        !inlay_compound_name_after(reader, field->type, type->name, name.ptr))
        return false;
    if (field->type->kind == INLAY_KIND_UNSUPPORTED) {
        field->offset = (uint32_t)end;
        return true;
    }
    const char *wrong = misplaced(member, field->type, type->size, end);
    if (wrong) {
        refuse(reader, type, die,
               inlay_arena_format(reader->arena, "member '%.*s' %s",
                                  inlay_str_arg(name), wrong));
        return false;
    }
    field->offset = (uint32_t)member->offset;
    return true;
}

static void make_struct(struct inlay_reader *reader,
                        struct inlay_type *type,
                        struct members *members,
                        Dwarf_Die *die,
                        int depth)
{
    struct inlay_field *fields = inlay_arena_zalloc_array(
        reader->arena, members->count, sizeof(*fields));
    uint64_t align = 1, end = 0;
    bool certain = true;

    if (!fields) {
        inlay_reader_no_memory(reader);
        return;
    }
    type->fields = fields;
    for (size_t i = 0; i < members->count; i++) {
        if (!make_field(reader, type, &members->items[i], &fields[i], die,
                        depth))
            return;
        const struct inlay_type *inner = fields[i].type;
        certain &= inner->kind != INLAY_KIND_UNSUPPORTED;
        align = inlay_max(align, (uint64_t)inner->align);
        align = inlay_max(align, members->items[i].align);
        end = (uint64_t)fields[i].offset + inner->size;
    }
    type->kind = INLAY_KIND_STRUCT;
    type->nfields = members->count;
    type->natural_align = (uint32_t)inlay_min(align, (uint64_t)ALIGN_MOST);
    if (!certain)
        return; /* a field without a Python form is refused on its own */
    type->align = whole_align(die, align, type->size);
    if (!type->align)
        refuse(reader, type, die,
               INLAY_STR("it is packed, or aligned to more than 16 bytes"));
    else if (fields[0].offset || type->size - end >= type->align)
        refuse(reader, type, die, INLAY_STR("it has hidden members"));
}

/* A slice or, when its length is an inlay_owned, an owned array. */
static void make_slice(struct inlay_reader *reader,
                       struct inlay_type *type,
                       struct members *members,
                       size_t len_at,
                       Dwarf_Die *die)
{
    struct member *len = &members->items[len_at];
    struct member *ptr = &members->items[!len_at];
    struct inlay_peeled peeled = {.is_void = true};
    bool owned = len->marks & INLAY_MARK_OWNED;
    Dwarf_Die elem;

    if (members->count == 2 && ptr->has_type)
        peeled = inlay_die_peel(&ptr->type);
    if (peeled.is_void || peeled.broken || peeled.is_atomic ||
        dwarf_tag(&peeled.die) != DW_TAG_pointer_type || !len->has_offset ||
        !ptr->has_offset || type->size != 16 ||
        len->offset + ptr->offset != 8 ||
        (len->offset != 0 && ptr->offset != 0)) {
        refuse(reader, type, die,
               owned ? INLAY_STR("a struct with an inlay_owned is an array: it "
                                 "has two members, T *ptr and inlay_owned len")
                     : INLAY_STR("a struct with an inlay_len is a slice: it "
                                 "has two members, T *ptr and inlay_len len"));
        return;
    }
    bool has_elem = inlay_die_type(&peeled.die, &elem);
    type->kind = owned ? INLAY_KIND_OWNED : INLAY_KIND_SLICE;
    type->align = 8;
    type->ptr_offset = (uint32_t)ptr->offset;
    type->len_offset = (uint32_t)len->offset;
    type->elem_const = inlay_pointer_is_const(reader, &peeled.die);
    inlay_types_later(reader, type, has_elem ? &elem : NULL);
}

static void make_optional(struct inlay_reader *reader,
                          struct inlay_type *type,
                          struct members *members,
                          size_t has_at,
                          Dwarf_Die *die,
                          int depth)
{
    struct member *has = &members->items[has_at];
    struct member *value = &members->items[!has_at];
    const struct inlay_type *elem;

    if (members->count != 2 || !has->has_offset || !value->has_type ||
        value->is_bits || has->is_bits) {
        refuse(reader, type, die,
               INLAY_STR("a struct with an inlay_has is an optional: it has "
                         "two members, inlay_has has and T value"));
        return;
    }
    elem = inlay_types_resolve(reader, &value->type, INLAY_AT_VALUE, depth + 1);
    if (!elem || !inlay_compound_name_after(reader, elem, type->name, "value"))
        return;
    type->elem = elem;
    if (elem->kind == INLAY_KIND_UNSUPPORTED) {
        type->kind = INLAY_KIND_OPTIONAL;
        return;
    }
    type->align =
        whole_align(die, inlay_max(elem->align, value->align), type->size);
    if (elem->kind == INLAY_KIND_OPTIONAL) {
        refuse(reader, type, die,
               INLAY_STR("an optional of an optional has no Python form"));
    } else if (has->offset >= type->size || !type->align ||
               (has->offset && value->offset) ||
               misplaced(value, elem, type->size, 0) ||
               (has->offset >= value->offset &&
                has->offset - value->offset < elem->size)) {
        refuse(reader, type, die, INLAY_STR("its layout is not plain"));
    } else {
        type->kind = INLAY_KIND_OPTIONAL;
        type->has_offset = (uint32_t)has->offset;
        type->value_offset = (uint32_t)value->offset;
    }
}

/* {ptr, len}, as inlay_str and inlay_bytes are. */
static bool is_view(const struct inlay_type *type,
                    const struct members *members)
{
    return members->count == 2 && type->size == sizeof(struct inlay_str) &&
           members->items[0].offset == offsetof(struct inlay_str, ptr) &&
           members->items[1].offset == offsetof(struct inlay_str, len);
}

/* What inlay.h has besides: known by its name and where its members lie. */
static bool make_known(struct inlay_type *type, const struct members *members)
{
    static const struct {
        struct inlay_str name;
        enum inlay_kind kind;
        uint32_t size, align;
        size_t count;
        uint32_t offsets[3];
    } known[] = {
        {{"inlay_date", 10}, INLAY_KIND_DATE, 4, 2, 3, {0, 2, 3}},
        {{"inlay_datetime", 14}, INLAY_KIND_DATETIME, 16, 8, 2, {0, 8}},
        {{"inlay_uuid", 10}, INLAY_KIND_UUID, 16, 1, 1, {0}},
        {{"inlay_upload", 12}, INLAY_KIND_UPLOAD, 48, 8, 3, {0, 16, 32}},
    };

    for (size_t i = 0; i < inlay_array_size(known); i++) {
        bool same = inlay_str_equal(type->name, known[i].name) &&
                    type->size == known[i].size &&
                    members->count == known[i].count;

        for (size_t j = 0; same && j < members->count; j++)
            same = members->items[j].has_offset && !members->items[j].is_bits &&
                   members->items[j].offset == known[i].offsets[j];
        if (!same)
            continue;
        type->kind = known[i].kind;
        type->align = known[i].align;
        return true;
    }
    return false;
}

static void make_text(struct inlay_type *type, unsigned variant)
{
    type->kind = INLAY_KIND_STR;
    type->align = _Alignof(struct inlay_str);
    type->media = INLAY_STR("");
    if (variant & INLAY_MARK_HTML) {
        type->name = INLAY_STR("inlay_html");
        type->media = INLAY_STR("text/html; charset=utf-8");
    } else if (variant & INLAY_MARK_TEXT) {
        type->name = INLAY_STR("inlay_text");
        type->media = INLAY_STR("text/plain; charset=utf-8");
    }
}

static void fill_members(struct inlay_reader *reader,
                         struct inlay_compound *compound,
                         struct members *members,
                         Dwarf_Die *die,
                         int depth)
{
    struct inlay_type *type = &compound->type;
    size_t len_at = find_mark(members, INLAY_MARK_LEN | INLAY_MARK_OWNED);
    size_t has_at = find_mark(members, INLAY_MARK_HAS);

    if (len_at != SIZE_MAX) {
        make_slice(reader, type, members, len_at, die);
    } else if (has_at != SIZE_MAX) {
        make_optional(reader, type, members, has_at, die, depth);
    } else if (is_view(type, members) &&
               inlay_str_is(type->name, "inlay_str")) {
        make_text(type, compound->variant);
    } else if (is_view(type, members) &&
               inlay_str_is(type->name, "inlay_bytes")) {
        type->kind = INLAY_KIND_BYTES;
        type->align = _Alignof(struct inlay_str);
    } else if (!make_known(type, members)) {
        make_struct(reader, type, members, die, depth);
    }
}

static void fill(struct inlay_reader *reader,
                 struct inlay_compound *compound,
                 Dwarf_Die *die,
                 int depth)
{
    struct inlay_type *type = &compound->type;
    const char *foreign = inlay_foreign_problem(reader, die);
    struct members members;

    if (foreign) {
        refuse(reader, type, die,
               inlay_arena_copy(reader->arena, inlay_str_from(foreign)));
        return;
    }
    if (inlay_die_flag(die, DW_AT_declaration)) {
        refuse(reader, type, die,
               INLAY_STR("it is not defined where it is used: include its "
                         "header; a pointer to it can come from INLAY_STATE "
                         "or INLAY_PROVIDE"));
        return;
    }
    if (!read_members(reader, die, &members))
        return;
    if (!members.count || !type->size)
        refuse(reader, type, die, INLAY_STR("it has no members"));
    else if (members.count > FIELDS_MOST || type->size > SIZE_MOST)
        refuse(reader, type, die, INLAY_STR("it is too large"));
    else
        fill_members(reader, compound, &members, die, depth);
}

struct inlay_str inlay_compound_name(struct inlay_reader *reader,
                                     const struct inlay_peeled *peeled)
{
    Dwarf_Die die = peeled->die;
    struct inlay_str name = inlay_die_name(reader, &die);

    if (name.len || !peeled->direct)
        return name;
    name = inlay_arena_copy(reader->arena, inlay_str_from(peeled->direct));
    if (!name.ptr)
        inlay_reader_no_memory(reader);
    return name;
}

/* Parts were made before the whole had a name. */
static bool name_parts(struct inlay_reader *reader,
                       const struct inlay_type *type)
{
    bool ok = true;

    if (type->kind == INLAY_KIND_OPTIONAL)
        return inlay_compound_name_after(reader, type->elem, type->name,
                                         "value");
    if (type->kind != INLAY_KIND_STRUCT)
        return true;
    for (size_t i = 0; ok && i < type->nfields; i++)
        ok = inlay_compound_name_after(reader, type->fields[i].type, type->name,
                                       type->fields[i].name.ptr);
    return ok;
}

bool inlay_compound_name_after(struct inlay_reader *reader,
                               const struct inlay_type *type,
                               struct inlay_str owner,
                               const char *part)
{
    /* Only this reading has it so far: it may still change. */
    struct inlay_type *own = (struct inlay_type *)type;

    if (type->kind == INLAY_KIND_ARRAY && !type->name.len)
        return inlay_compound_name_after(reader, type->elem, owner, part) &&
               inlay_array_name(reader, own);
    if (type->name.len || !owner.len || reader->error)
        return !reader->error;
    own->name = inlay_arena_format(reader->arena, "%.*s.%s",
                                   inlay_str_arg(owner), part);
    if (!own->name.ptr) {
        inlay_reader_no_memory(reader);
        return false;
    }
    return name_parts(reader, own);
}

/* A typedef by which a struct is used: records may call it so. */
static bool add_alias(struct inlay_reader *reader,
                      struct inlay_type *type,
                      const char *name)
{
    const struct inlay_alias *at = type->aliases;
    struct inlay_alias *made;

    if (type->kind != INLAY_KIND_STRUCT || !name ||
        inlay_str_equal(type->name, inlay_str_from(name)))
        return true;
    while (at && !inlay_str_equal(at->name, inlay_str_from(name)))
        at = at->next;
    if (at)
        return true;
    made = inlay_arena_new(reader->arena, struct inlay_alias);
    if (made)
        made->name = inlay_arena_copy(reader->arena, inlay_str_from(name));
    if (!made || !made->name.ptr) {
        inlay_reader_no_memory(reader);
        return false;
    }
    made->next = type->aliases;
    type->aliases = made;
    return true;
}

const struct inlay_type *inlay_compound_resolve(
    struct inlay_reader *reader,
    const struct inlay_peeled *peeled,
    int depth)
{
    Dwarf_Die die = peeled->die;
    const struct inlay_object *object = inlay_objects_of(reader, peeled);
    const char *tag = dwarf_diename(&die);
    unsigned variant = peeled->marks & (INLAY_MARK_TEXT | INLAY_MARK_HTML);
    uint64_t size = 0;

    if (object)
        return inlay_types_refuse(
            reader, &die,
            "it is an object, made by %.*s_new: write a pointer to it",
            inlay_str_arg(object->name));
    if (!tag || strcmp(tag, "inlay_str") != 0)
        variant = 0;
    struct inlay_compound *compound =
        inlay_compound_intern(reader, die.addr, variant);
    if (!compound)
        return NULL;
    struct inlay_type *type = &compound->type;
    if (compound->building)
        return inlay_types_refuse(reader, &die, "it contains itself");
    if (type->kind != INLAY_KIND_VOID)
        return add_alias(reader, type, peeled->alias) &&
                       add_alias(reader, type, peeled->direct)
                   ? type
                   : NULL;
    inlay_die_number(&die, DW_AT_byte_size, &size);
    type->size = (uint32_t)inlay_min(size, (uint64_t)SIZE_MOST + 1);
    type->align = 1;
    type->name = inlay_compound_name(reader, peeled);
    type->decl = inlay_die_source(reader, &die, NULL);
    if (reader->error)
        return NULL;
    compound->building = true;
    fill(reader, compound, &die, depth);
    compound->building = false;
    if (type->kind != INLAY_KIND_STRUCT)
        type->decl = (struct inlay_source){INLAY_STR(""), 0};
    else if (!reader->error && add_alias(reader, type, peeled->alias))
        add_alias(reader, type, peeled->direct);
    return reader->error ? NULL : type;
}
