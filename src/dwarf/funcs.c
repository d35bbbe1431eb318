/* funcs.c - the DIEs of functions -> struct inlay_func. */
#include <dwarf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dwarf/reader.h"

#include "base/banned.h"

#define PARAMS_MOST 255

static bool is_c(Dwarf_Die *die)
{
    Dwarf_Die unit;

    if (!dwarf_cu_die(die->cu, &unit, NULL, NULL, NULL, NULL, NULL, NULL))
        return false;
    switch (dwarf_srclang(&unit)) {
    case DW_LANG_C:
    case DW_LANG_C89:
    case DW_LANG_C99:
    case DW_LANG_C11:
    case 0x2c: /* DW_LANG_C17 */
    case 0x3e: /* DW_LANG_C23 */
        return true;
    default:
        return false;
    }
}

/*
 * The DIE whose children are the parameters as written: of an optimized
 * copy that is its abstract origin.
 */
static Dwarf_Die parameters_of(Dwarf_Die *die)
{
    Dwarf_Die at = *die, origin;
    Dwarf_Attribute attribute;

    for (int hops = 0; hops < 8; hops++) {
        if (!dwarf_attr(&at, DW_AT_abstract_origin, &attribute) ||
            !dwarf_formref_die(&attribute, &origin))
            break;
        at = origin;
    }
    return at;
}

struct signature {
    size_t nparams;
    bool variadic;
};

static struct signature count_params(struct inlay_reader *reader,
                                     Dwarf_Die *function)
{
    struct signature signature = {0, false};
    Dwarf_Die child;

    if (dwarf_child(function, &child))
        return signature;
    do {
        if (!inlay_die_step(reader))
            break;
        int tag = dwarf_tag(&child);
        if (tag == DW_TAG_formal_parameter)
            signature.nparams++;
        else if (tag == DW_TAG_unspecified_parameters)
            signature.variadic = true;
    } while (dwarf_siblingof(&child, &child) == 0);
    return signature;
}

static void read_params(struct inlay_reader *reader,
                        Dwarf_Die *function,
                        struct inlay_func *func)
{
    Dwarf_Die child, type;
    size_t count = 0;

    if (!func->nparams || dwarf_child(function, &child))
        return;
    do {
        if (dwarf_tag(&child) != DW_TAG_formal_parameter)
            continue;
        struct inlay_param *param = &func->params[count++];

        param->name = inlay_die_name(reader, &child);
        param->type = inlay_types_resolve(
            reader, inlay_die_type(&child, &type) ? &type : NULL);
        param->fallback_text = INLAY_STR("");
        if (!param->type ||
            !inlay_compound_name_after(reader, param->type, func->name,
                                       param->name.ptr))
            return;
    } while (count < func->nparams && dwarf_siblingof(&child, &child) == 0);
    func->nparams = count;
}

static void refuse(struct inlay_reader *reader,
                   struct inlay_func *func,
                   struct inlay_str reason)
{
    if (!reason.ptr)
        inlay_reader_no_memory(reader);
    else if (!func->reason.len)
        func->reason = reason;
}

static void check_prototype(struct inlay_reader *reader,
                            Dwarf_Die *die,
                            struct inlay_func *func,
                            bool variadic)
{
    if (is_c(die) && !inlay_die_flag(die, DW_AT_prototyped)) {
        if (func->nparams)
            refuse(reader, func,
                   INLAY_STR("it is defined in the old style: write the "
                             "parameters' types between the parentheses"));
        else
            refuse(reader, func,
                   inlay_arena_format(
                       reader->arena,
                       "it has no prototype: write %.*s(void) when it takes "
                       "nothing",
                       inlay_str_arg(func->name)));
    }
    if (variadic)
        refuse(reader, func,
               INLAY_STR("it takes a variable number of arguments (...)"));
}

/* "parameter 'u'" or "the result" has a type without a Python form. */
static void check_type(struct inlay_reader *reader,
                       struct inlay_func *func,
                       const struct inlay_type *type,
                       const char *who,
                       Dwarf_Die *die)
{
    struct inlay_problem problem = inlay_types_problem(reader, type);
    char spelled[256];

    if (!problem.type)
        return;
    inlay_die_spell(die, spelled, sizeof(spelled));
    struct inlay_str bad = problem.type->name;
    struct inlay_str why = problem.type->reason;
    if (problem.type == type)
        refuse(reader, func,
               inlay_arena_format(reader->arena, "%s has type %s: %.*s", who,
                                  spelled, inlay_str_arg(why)));
    else if (problem.field)
        refuse(reader, func,
               inlay_arena_format(
                   reader->arena,
                   "%s has type %s: field '%.*s' of %.*s has type %.*s: %.*s",
                   who, spelled, inlay_str_arg(problem.field->name),
                   inlay_str_arg(problem.owner->name), inlay_str_arg(bad),
                   inlay_str_arg(why)));
    else
        refuse(reader, func,
               inlay_arena_format(
                   reader->arena, "%s has type %s, which is made of %.*s: %.*s",
                   who, spelled, inlay_str_arg(bad), inlay_str_arg(why)));
}

static void check_param(struct inlay_reader *reader,
                        struct inlay_func *func,
                        size_t index,
                        Dwarf_Die *die)
{
    struct inlay_param *param = &func->params[index];
    char who[300];
    Dwarf_Die type;

    if (!param->name.len) {
        snprintf(who, sizeof(who), "parameter %zu", index + 1);
        refuse(reader, func,
               inlay_arena_format(reader->arena, "%s has no name", who));
        return;
    }
    snprintf(who, sizeof(who), "parameter '%.*s'",
             (int)inlay_min(param->name.len, (size_t)200), param->name.ptr);
    check_type(reader, func, param->type, who,
               inlay_die_type(die, &type) ? &type : NULL);
    if (!func->reason.len && param->type->kind == INLAY_KIND_OPTIONAL) {
        param->fallback = inlay_arena_zalloc(reader->arena, param->type->size);
        if (!param->fallback)
            inlay_reader_no_memory(reader);
    }
}

static void check_types(struct inlay_reader *reader,
                        Dwarf_Die *die,
                        Dwarf_Die *function,
                        struct inlay_func *func)
{
    Dwarf_Die child, type;
    size_t index = 0;

    if (func->nparams && dwarf_child(function, &child) == 0) {
        do {
            if (dwarf_tag(&child) == DW_TAG_formal_parameter)
                check_param(reader, func, index++, &child);
        } while (index < func->nparams && !reader->error &&
                 dwarf_siblingof(&child, &child) == 0);
    }
    check_type(reader, func, func->result, "the result",
               inlay_die_type(die, &type) ? &type : NULL);
}

static void build(struct inlay_reader *reader,
                  struct inlay_wanted *wanted,
                  struct inlay_func *func)
{
    Dwarf_Die *die = &wanted->die, type;
    Dwarf_Die function = parameters_of(die);
    struct signature signature = count_params(reader, &function);

    func->name = wanted->name ? inlay_arena_copy(reader->arena,
                                                 inlay_str_from(wanted->name))
                              : inlay_die_name(reader, die);
    if (!func->name.ptr) {
        inlay_reader_no_memory(reader);
        return;
    }
    func->address = wanted->address;
    func->exported = wanted->name != NULL;
    func->doc = func->reason = INLAY_STR("");
    func->decl = inlay_die_source(reader, die, NULL);
    func->result =
        inlay_types_resolve(reader, inlay_die_type(die, &type) ? &type : NULL);
    if (signature.nparams > PARAMS_MOST) {
        refuse(reader, func, INLAY_STR("it has more than 255 parameters"));
        return;
    }
    func->nparams = signature.nparams;
    func->params = inlay_arena_zalloc_array(
        reader->arena, inlay_max(signature.nparams, (size_t)1),
        sizeof(*func->params));
    if (!func->params || !func->result) {
        inlay_reader_no_memory(reader);
        return;
    }
    if (!inlay_compound_name_after(reader, func->result, func->name, "result"))
        return;
    read_params(reader, &function, func);
    if (reader->error || !inlay_types_finish(reader))
        return;
    check_prototype(reader, die, func, signature.variadic);
    check_types(reader, die, &function, func);
}

/* Is it the module's own? Mangled names of other languages are not. */
static bool belongs(struct inlay_reader *reader, struct inlay_wanted *wanted)
{
    const char *name;
    bool own;

    if (wanted->match == INLAY_MATCH_NONE)
        return false;
    if (wanted->match == INLAY_MATCH_ADDRESS && !is_c(&wanted->die))
        return false;
    if (!wanted->name && (!(name = dwarf_diename(&wanted->die)) || !*name))
        return false;
    inlay_die_source(reader, &wanted->die, &own);
    return own || wanted->recorded;
}

static int compare_str(struct inlay_str a, struct inlay_str b)
{
    size_t len = inlay_min(a.len, b.len);
    int order = len ? memcmp(a.ptr, b.ptr, len) : 0;

    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_funcs(const void *left, const void *right)
{
    const struct inlay_func *a = left, *b = right;
    int order = compare_str(a->decl.file, b->decl.file);

    if (order)
        return order;
    if (a->decl.line != b->decl.line)
        return a->decl.line < b->decl.line ? -1 : 1;
    return compare_str(a->name, b->name);
}

struct inlay_error *inlay_funcs_build(struct inlay_reader *reader)
{
    struct inlay_debug *debug = reader->debug;

    debug->funcs = inlay_arena_zalloc_array(
        reader->arena, inlay_max(reader->nwanted, (size_t)1),
        sizeof(*debug->funcs));
    if (!debug->funcs)
        return inlay_error_no_memory();
    for (size_t i = 0; i < reader->nwanted && !reader->error; i++) {
        if (belongs(reader, &reader->wanted[i]))
            build(reader, &reader->wanted[i], &debug->funcs[debug->nfuncs++]);
    }
    if (reader->error)
        return inlay_take(reader->error);
    if (debug->nfuncs && !reader->typed && !reader->prototyped)
        return inlay_error_create(
            INLAY_ERROR_IMPORT,
            "%s: its debug information has no types (compile with -g, not "
            "-g1; write f(void), not f())",
            reader->path);
    if (debug->nfuncs)
        qsort(debug->funcs, debug->nfuncs, sizeof(*debug->funcs),
              compare_funcs);
    return NULL;
}
