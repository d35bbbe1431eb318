/* spell.c - a type as it is written in C, for messages. */
#include <dwarf.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "dwarf/reader.h"

#include "base/banned.h"

#define DEPTH_MOST 12
#define PARAMS_MOST 8 /* of a function pointer */

struct text {
    char *data;
    size_t size, len; /* len < size; data[len] is NUL */
};

static void add(struct text *text, const char *format, ...) inlay_printf(2, 3);

static void add(struct text *text, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int len =
        vsnprintf(text->data + text->len, text->size - text->len, format, args);
    va_end(args);
    if (len > 0)
        text->len = inlay_min(text->len + (size_t)len, text->size - 1);
}

static void spell(struct text *text, Dwarf_Die *die, int depth);

static void spell_inner(struct text *text, Dwarf_Die *die, int depth)
{
    Dwarf_Die inner;

    spell(text, inlay_die_type(die, &inner) ? &inner : NULL, depth + 1);
}

static void spell_params(struct text *text, Dwarf_Die *function, int depth)
{
    Dwarf_Die child, type;
    int count = 0;

    if (dwarf_child(function, &child) == 0) {
        do {
            int tag = dwarf_tag(&child);

            if (tag != DW_TAG_formal_parameter &&
                tag != DW_TAG_unspecified_parameters)
                continue;
            add(text, count++ ? ", " : "(");
            if (tag == DW_TAG_unspecified_parameters)
                add(text, "...");
            else
                spell(text, inlay_die_type(&child, &type) ? &type : NULL,
                      depth + 1);
        } while (count < PARAMS_MOST && dwarf_siblingof(&child, &child) == 0);
    }
    add(text, count ? ")" : "(void)");
}

static void spell_pointer(struct text *text, Dwarf_Die *die, int depth)
{
    Dwarf_Die inner;

    if (inlay_die_type(die, &inner) &&
        dwarf_tag(&inner) == DW_TAG_subroutine_type) {
        spell_inner(text, &inner, depth + 1);
        add(text,
            text->len && text->data[text->len - 1] == '*' ? "(*)" : " (*)");
        spell_params(text, &inner, depth + 1);
        return;
    }
    spell_inner(text, die, depth);
    add(text, text->len && text->data[text->len - 1] == '*' ? "*" : " *");
}

static void spell_qualified(struct text *text,
                            Dwarf_Die *die,
                            const char *word,
                            int depth)
{
    Dwarf_Die inner;

    if (inlay_die_type(die, &inner) &&
        dwarf_tag(&inner) == DW_TAG_pointer_type) {
        spell(text, &inner, depth + 1);
        add(text, "%s", word);
        return;
    }
    add(text, "%s ", word);
    spell_inner(text, die, depth);
}

static void spell_array(struct text *text, Dwarf_Die *die, int depth)
{
    Dwarf_Die child;
    uint64_t count;
    int dimensions = 0;

    spell_inner(text, die, depth);
    if (dwarf_child(die, &child))
        return;
    do {
        if (dwarf_tag(&child) != DW_TAG_subrange_type)
            continue;
        if (inlay_die_number(&child, DW_AT_count, &count))
            add(text, "[%llu]", (unsigned long long)count);
        else if (inlay_die_number(&child, DW_AT_upper_bound, &count))
            add(text, "[%llu]", (unsigned long long)count + 1);
        else
            add(text, "[]");
    } while (++dimensions < 8 && dwarf_siblingof(&child, &child) == 0);
}

static void spell_tagged(struct text *text, Dwarf_Die *die, const char *word)
{
    Dwarf_Die core = inlay_die_described(die);
    const char *name = dwarf_diename(&core);

    if (name && *name)
        add(text, "%s %.100s", word, name);
    else
        add(text, "%s without a name", word);
}

static void spell(struct text *text, Dwarf_Die *die, int depth)
{
    const char *name;

    if (text->len + 1 == text->size)
        return; /* full: what a broken file goes on about is not read */
    if (!die || depth > DEPTH_MOST) {
        add(text, die ? "..." : "void");
        return;
    }
    switch (dwarf_tag(die)) {
    case DW_TAG_const_type:
        spell_qualified(text, die, "const", depth);
        break;
    case DW_TAG_volatile_type:
        spell_qualified(text, die, "volatile", depth);
        break;
    case DW_TAG_atomic_type:
        spell_qualified(text, die, "_Atomic", depth);
        break;
    case DW_TAG_restrict_type:
        spell_inner(text, die, depth);
        break;
    case DW_TAG_pointer_type:
        spell_pointer(text, die, depth);
        break;
    case DW_TAG_array_type:
        spell_array(text, die, depth);
        break;
    case DW_TAG_structure_type:
        spell_tagged(text, die, "struct");
        break;
    case DW_TAG_union_type:
        spell_tagged(text, die, "union");
        break;
    case DW_TAG_enumeration_type:
        spell_tagged(text, die, "enum");
        break;
    case DW_TAG_subroutine_type:
        spell_inner(text, die, depth);
        add(text, " ");
        spell_params(text, die, depth);
        break;
    case DW_TAG_class_type:
        spell_tagged(text, die, "class");
        break;
    case DW_TAG_reference_type:
    case DW_TAG_rvalue_reference_type:
        spell_inner(text, die, depth);
        add(text, " &");
        break;
    default:
        name = dwarf_diename(die);
        add(text, "%.100s", name && *name ? name : "unknown");
        break;
    }
}

void inlay_die_spell(Dwarf_Die *die, char *buf, size_t size)
{
    struct text text = {buf, size, 0};

    buf[0] = '\0';
    spell(&text, die, 0);
}
