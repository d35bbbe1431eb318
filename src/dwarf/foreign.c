/*
 * foreign.c - what other languages put into a struct: classes with more than
 * members (C++), values of one kind or another (Rust). None of it could have
 * been written in C, so none of it is passed as C would.
 */
#include <dwarf.h>
#include <string.h>

#include "dwarf/reader.h"

#include "base/banned.h"

/* A pointer or reference to it, taken by a function of the class. */
static bool takes_reference(struct inlay_reader *reader, Dwarf_Die *function)
{
    Dwarf_Die child, type;
    bool any = false;
    size_t count = 0;

    if (dwarf_child(function, &child))
        return false;
    do {
        if (!inlay_die_step(reader))
            return false;
        if (dwarf_tag(&child) != DW_TAG_formal_parameter ||
            inlay_die_flag(&child, DW_AT_artificial))
            continue;
        count++;
        if (inlay_die_type(&child, &type)) {
            int tag = dwarf_tag(&type);

            any |= tag == DW_TAG_reference_type ||
                   tag == DW_TAG_rvalue_reference_type;
        }
    } while (dwarf_siblingof(&child, &child) == 0);
    return any && count == 1;
}

static const char *problem_of_function(struct inlay_reader *reader,
                                       Dwarf_Die *function,
                                       const char *owner,
                                       bool is_trivial)
{
    const char *name = dwarf_diename(function);
    uint64_t value;

    if (inlay_die_number(function, DW_AT_virtuality, &value) && value)
        return "it has virtual functions";
    /* The compiler's own, or the default one: as in C. */
    if (!name || is_trivial || inlay_die_flag(function, DW_AT_artificial) ||
        (inlay_die_number(function, DW_AT_defaulted, &value) &&
         value == DW_DEFAULTED_in_class))
        return NULL;
    if (*name == '~')
        return "it has a destructor";
    if (owner && strcmp(name, owner) == 0 && takes_reference(reader, function))
        return "it has a constructor that copies or moves it";
    return NULL;
}

static const char *problem_of_child(struct inlay_reader *reader,
                                    Dwarf_Die *child,
                                    const char *owner,
                                    uint64_t convention)
{
    switch (dwarf_tag(child)) {
    case DW_TAG_inheritance:
        return "it has a base class";
    case DW_TAG_variant_part:
        return "an Option or an enum with values has no C form: write a "
               "pointer, or a struct with an inlay_has";
    case DW_TAG_variable:
        return "it has a static member";
    case DW_TAG_member:
        return inlay_die_flag(child, DW_AT_declaration)
                   ? "it has a static member"
                   : NULL;
    case DW_TAG_subprogram:
        /* clang says whether these matter. */
        return problem_of_function(reader, child, owner,
                                   convention == DW_CC_pass_by_value);
    default:
        return NULL;
    }
}

/* A name that only a generic type or a tuple has. */
static bool is_generic(const char *name)
{
    return name && strpbrk(name, "<>&[]()*{} ");
}

const char *inlay_foreign_problem(struct inlay_reader *reader, Dwarf_Die *die)
{
    const char *name = dwarf_diename(die), *problem = NULL;
    enum inlay_language language = inlay_die_language(reader, die);
    uint64_t convention = 0;
    Dwarf_Die child;

    if (language == INLAY_LANGUAGE_C)
        return NULL;
    if (inlay_die_flag(die, DW_AT_declaration) && !is_generic(name) &&
        language == INLAY_LANGUAGE_CXX)
        return "it is not defined where it is used, or has virtual functions "
               "or constructors (clang describes those with "
               "-fstandalone-debug)";
    inlay_die_number(die, DW_AT_calling_convention, &convention);
    if (dwarf_child(die, &child) == 0) {
        do {
            if (!inlay_die_step(reader))
                return NULL;
            problem = problem_of_child(reader, &child, name, convention);
        } while (!problem && dwarf_siblingof(&child, &child) == 0);
    }
    if (!problem && convention == DW_CC_pass_by_reference)
        return "it is passed by reference: it, or a member, has a destructor "
               "or a constructor that copies it";
    if (!problem && is_generic(name))
        return "its name is none that C could have: write a struct that is "
               "not generic";
    return problem;
}
