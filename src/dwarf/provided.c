/*
 * provided.c - structs that functions of INLAY_PROVIDE and INLAY_STATE return:
 * a pointer to one is what the server gives. That is known before any type is
 * made. What such a struct consists of is the module's own business.
 */
#include <dwarf.h>
#include <string.h>

#include "dwarf/reader.h"

#include "base/banned.h"

#define VARIANT 1 /* the pointer's DIE has another type elsewhere */

struct inlay_given {
    struct inlay_given *next;
    const char *key;
    struct inlay_str name; /* the same in the caller's arena */
    uint64_t layout;       /* 0: incomplete in its unit */
};

static struct inlay_given *find(struct inlay_reader *reader,
                                const struct inlay_peeled *to)
{
    const char *key = reader->given ? inlay_die_key(to) : NULL;
    struct inlay_given *at = key ? reader->given : NULL;
    Dwarf_Die die = to->die;

    while (at && strcmp(at->key, key) != 0)
        at = at->next;
    if (!at || !at->layout)
        return at;
    /* Another unit's struct of that name is not this one. */
    uint64_t layout = inlay_die_layout(reader, &die);
    return !layout || layout == at->layout ? at : NULL;
}

static bool is_struct(const struct inlay_peeled *peeled)
{
    Dwarf_Die die = peeled->die;

    if (peeled->is_void || peeled->broken)
        return false;
    int tag = dwarf_tag(&die);
    return tag == DW_TAG_structure_type || tag == DW_TAG_class_type;
}

/* The struct that a provider returns, or returns a pointer to. */
static bool struct_of(Dwarf_Die *function, struct inlay_peeled *ret)
{
    Dwarf_Die type;

    if (inlay_die_points_to(function, ret))
        return true;
    if (!inlay_die_type(function, &type))
        return false;
    *ret = inlay_die_peel(&type);
    return is_struct(ret) && inlay_die_key(ret);
}

static bool add(struct inlay_reader *reader, const struct inlay_peeled *to)
{
    Dwarf_Die die = to->die;
    struct inlay_given *given = find(reader, to);
    uint64_t layout = inlay_die_layout(reader, &die);

    if (given) {
        given->layout = given->layout ? given->layout : layout;
        return !reader->error;
    }
    given = inlay_arena_new(&reader->scratch, struct inlay_given);
    if (given) {
        given->key = inlay_die_key(to);
        given->name =
            inlay_arena_copy(reader->arena, inlay_str_from(given->key));
    }
    if (!given || !given->name.ptr) {
        inlay_reader_no_memory(reader);
        return false;
    }
    given->layout = layout;
    given->next = reader->given;
    reader->given = given;
    return !reader->error;
}

bool inlay_provided_find(struct inlay_reader *reader)
{
    for (size_t i = 0; i < reader->nwanted && !reader->error; i++) {
        struct inlay_wanted *wanted = &reader->wanted[i];
        struct inlay_peeled to;

        if (!wanted->provides || wanted->match == INLAY_MATCH_NONE)
            continue;
        if (struct_of(&wanted->die, &to) && !add(reader, &to))
            return false;
    }
    return !reader->error;
}

bool inlay_provided_has(struct inlay_reader *reader,
                        const struct inlay_peeled *to)
{
    return find(reader, to) != NULL;
}

const struct inlay_type *inlay_provided_pointer(struct inlay_reader *reader,
                                                Dwarf_Die *pointer,
                                                const struct inlay_peeled *to)
{
    const struct inlay_given *given = find(reader, to);
    struct inlay_compound *compound =
        given ? inlay_compound_intern(reader, pointer->addr, VARIANT) : NULL;
    char spelled[256];

    if (!compound)
        return NULL;
    struct inlay_type *type = &compound->type;
    if (type->kind != INLAY_KIND_VOID)
        return type;
    inlay_die_spell(pointer, spelled, sizeof(spelled));
    type->name = inlay_arena_copy(reader->arena, inlay_str_from(spelled));
    if (!type->name.ptr) {
        inlay_reader_no_memory(reader);
        return NULL;
    }
    type->kind = INLAY_KIND_INJECTED;
    type->size = type->align = sizeof(void *);
    type->decl.file = INLAY_STR("");
    type->injected = INLAY_INJECTED_PROVIDED;
    type->injected_const = inlay_pointer_is_const(reader, pointer);
    type->provided = given->name;
    return type;
}

const struct inlay_type *inlay_provided_result(struct inlay_reader *reader,
                                               Dwarf_Die *function)
{
    struct inlay_peeled to;
    Dwarf_Die type;

    if (!inlay_die_points_to(function, &to) || !inlay_die_type(function, &type))
        return NULL;
    struct inlay_peeled pointer = inlay_die_peel(&type);
    return inlay_provided_pointer(reader, &pointer.die, &to);
}
