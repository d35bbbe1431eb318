/*
 * pointer.c - what a pointer is: text, a struct that lies elsewhere, an
 * object, a Python object, Arrow data, a callback and what goes with it. All
 * others don't say how many they point to.
 */
#include <dwarf.h>
#include <string.h>

#include "dwarf/reader.h"

#include "base/banned.h"

static bool is_named(Dwarf_Die *die, const char *name)
{
    const char *own = dwarf_diename(die);

    return own && strcmp(own, name) == 0;
}

/* char, or what Rust's c_char is on this machine. */
static bool is_char(struct inlay_reader *reader, Dwarf_Die *die)
{
    if (dwarf_tag(die) != DW_TAG_base_type)
        return false;
    if (inlay_die_language(reader, die) == INLAY_LANGUAGE_RUST)
        return is_named(die, (char)-1 < 0 ? "i8" : "u8");
    return is_named(die, "char");
}

/* Rust's pointers have no const below them: their name says it. */
bool inlay_pointer_is_const(struct inlay_reader *reader, Dwarf_Die *die)
{
    const char *name = dwarf_diename(die);
    Dwarf_Die inner;

    if (inlay_die_language(reader, die) == INLAY_LANGUAGE_RUST)
        return name && strncmp(name, "*const ", 7) == 0;
    return inlay_die_type(die, &inner) && inlay_die_peel(&inner).is_const;
}

static bool is_rust_reference(struct inlay_reader *reader, Dwarf_Die *die)
{
    const char *name = dwarf_diename(die);

    return name && *name == '&' &&
           inlay_die_language(reader, die) == INLAY_LANGUAGE_RUST;
}

/* A type per pointer DIE; a new one is filled in. */
static struct inlay_type *intern(struct inlay_reader *reader, Dwarf_Die *die)
{
    struct inlay_compound *compound =
        inlay_compound_intern(reader, die->addr, 0);
    char spelled[256];

    if (!compound)
        return NULL;
    struct inlay_type *type = &compound->type;
    if (type->kind != INLAY_KIND_VOID)
        return type;
    inlay_die_spell(die, spelled, sizeof(spelled));
    type->size = type->align = 8;
    type->decl.file = INLAY_STR("");
    type->name = inlay_arena_copy(reader->arena, inlay_str_from(spelled));
    if (!type->name.ptr) {
        inlay_reader_no_memory(reader);
        return NULL;
    }
    return type;
}

static bool injected_of(Dwarf_Die *core, enum inlay_injected *ret)
{
    if (is_named(core, "inlay_request"))
        *ret = INLAY_INJECTED_REQUEST;
    else if (is_named(core, "inlay_socket"))
        *ret = INLAY_INJECTED_SOCKET;
    else if (is_named(core, "inlay_db"))
        *ret = INLAY_INJECTED_DB;
    else
        return false;
    return true;
}

static const struct inlay_type *to_struct(struct inlay_reader *reader,
                                          Dwarf_Die *die,
                                          Dwarf_Die *inner,
                                          const struct inlay_peeled *to,
                                          enum inlay_position at)
{
    Dwarf_Die core = to->die;
    const struct inlay_object *object = inlay_objects_of(reader, to);
    bool constant = inlay_pointer_is_const(reader, die);

    if (is_named(&core, "_object"))
        return inlay_types_scalar(reader, INLAY_KIND_OBJECT, 8, "PyObject *");
    if (is_named(&core, "ArrowArray"))
        return inlay_types_scalar(reader, INLAY_KIND_ARROW_ARRAY, 8,
                                  "struct ArrowArray *");
    if (is_named(&core, "ArrowSchema"))
        return inlay_types_scalar(reader, INLAY_KIND_ARROW_SCHEMA, 8,
                                  "struct ArrowSchema *");
    if (is_named(&core, "ArrowArrayStream"))
        return inlay_types_refuse(reader, die,
                                  "streams have no form of their own: take a "
                                  "struct ArrowArray * and a struct "
                                  "ArrowSchema *");
    if (at == INLAY_AT_PARAM && inlay_provided_has(reader, to))
        return inlay_provided_pointer(reader, die, to);
    struct inlay_type *type = intern(reader, die);
    if (!type || type->kind != INLAY_KIND_VOID)
        return type;
    if (injected_of(&core, &type->injected)) {
        type->kind = INLAY_KIND_INJECTED;
        type->injected_const = constant;
        return type;
    }
    if (object) {
        type->kind = INLAY_KIND_HANDLE;
        type->object = object;
        type->object_const = constant;
        return type;
    }
    type->kind = INLAY_KIND_POINTER;
    type->elem_const = constant;
    inlay_types_later(reader, type, inner);
    return reader->error ? NULL : type;
}

static const struct inlay_type *to_function(struct inlay_reader *reader,
                                            Dwarf_Die *die,
                                            Dwarf_Die *function,
                                            enum inlay_position at)
{
    /* Elsewhere its types might lie within one that is being made. */
    if (at != INLAY_AT_PARAM)
        return inlay_types_refuse(reader, die,
                                  "a function pointer is a parameter only");
    struct inlay_type *type = intern(reader, die);
    if (!type || type->kind != INLAY_KIND_VOID)
        return type;
    return inlay_callback_fill(reader, type, die, function);
}

static const struct inlay_type *to_scalar(struct inlay_reader *reader,
                                          Dwarf_Die *die,
                                          Dwarf_Die *inner,
                                          const struct inlay_peeled *to,
                                          enum inlay_position at)
{
    Dwarf_Die core = to->die;
    char spelled[200];

    if (is_char(reader, &core)) {
        /* An argument is looked at, not changed: a literal, a char[N]. */
        if ((inlay_pointer_is_const(reader, die) || at == INLAY_AT_ARGUMENT) &&
            !to->is_atomic)
            return inlay_types_scalar(reader, INLAY_KIND_CSTR, 8,
                                      "const char *");
        if (is_named(&core, "char"))
            return inlay_types_refuse(
                reader, die, "write const char * or inlay_str for text");
    }
    if (dwarf_tag(&core) == DW_TAG_pointer_type)
        return inlay_types_refuse(reader, die,
                                  "pointers to pointers have no Python form");
    if (dwarf_tag(&core) == DW_TAG_union_type)
        return inlay_types_refuse(reader, die, "unions have no Python form");
    inlay_die_spell(inner, spelled, sizeof(spelled));
    return inlay_types_refuse(
        reader, die,
        "a pointer does not say how many: write INLAY_SLICE(name, %s)",
        spelled);
}

const struct inlay_type *inlay_pointer_resolve(
    struct inlay_reader *reader,
    const struct inlay_peeled *peeled,
    enum inlay_position at)
{
    Dwarf_Die die = peeled->die, inner;
    bool has_inner = inlay_die_type(&die, &inner);
    struct inlay_peeled to = inlay_die_peel(has_inner ? &inner : NULL);
    uint64_t size = 8;

    inlay_die_number(&die, DW_AT_byte_size, &size);
    if (size != 8)
        return inlay_types_refuse(reader, &die, "its pointers have %llu bytes",
                                  (unsigned long long)size);
    if (to.is_void && !to.is_const)
        return inlay_types_scalar(reader, INLAY_KIND_USERDATA, 8, "void *");
    if (to.is_void)
        return inlay_types_refuse(reader, &die,
                                  "void pointers have no Python form");
    if (to.broken)
        return inlay_types_refuse(reader, &die, "types nest too deeply");
    if (is_rust_reference(reader, &die))
        return inlay_types_refuse(reader, &die,
                                  "references have no Python form: write "
                                  "*const or *mut");
    switch (dwarf_tag(&to.die)) {
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
        return to_struct(reader, &die, &inner, &to, at);
    case DW_TAG_subroutine_type:
        return to_function(reader, &die, &to.die, at);
    default:
        return to_scalar(reader, &die, &inner, &to, at);
    }
}
