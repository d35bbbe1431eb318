/* funcs.c - the DIEs of functions -> struct inlay_func. */
#include <dwarf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dwarf/reader.h"

#include "base/banned.h"

#define PARAMS_MOST 255

static bool is_c(struct inlay_reader *reader, Dwarf_Die *die)
{
    return inlay_die_language(reader, die) == INLAY_LANGUAGE_C;
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
            reader, inlay_die_type(&child, &type) ? &type : NULL,
            INLAY_AT_PARAM, 0);
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
    if (is_c(reader, die) && !inlay_die_flag(die, DW_AT_prototyped)) {
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

/* ": field 'v' of holder has type union value", when it is not the whole. */
static struct inlay_str where(struct inlay_reader *reader,
                              const struct inlay_problem *problem,
                              const struct inlay_type *whole)
{
    if (problem->type == whole)
        return INLAY_STR("");
    if (problem->field)
        return inlay_arena_format(reader->arena,
                                  ": field '%.*s' of %.*s has type %.*s",
                                  inlay_str_arg(problem->field->name),
                                  inlay_str_arg(problem->owner->name),
                                  inlay_str_arg(problem->type->name));
    return inlay_arena_format(reader->arena, ", which is made of %.*s",
                              inlay_str_arg(problem->type->name));
}

/* ": parameter 2 of the callback has type int *" */
static struct inlay_str where_in_callback(struct inlay_reader *reader,
                                          const struct inlay_problem *problem)
{
    struct inlay_str inner = where(reader, problem, problem->of_callback);
    struct inlay_str name = problem->of_callback->name;

    if (!inner.ptr)
        return inner;
    if (!problem->callback_param)
        return inlay_arena_format(reader->arena,
                                  ": the callback's result has type %.*s%.*s",
                                  inlay_str_arg(name), inlay_str_arg(inner));
    return inlay_arena_format(
        reader->arena, ": parameter %zu of the callback has type %.*s%.*s",
        problem->callback_param, inlay_str_arg(name), inlay_str_arg(inner));
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
    struct inlay_str place = problem.of_callback
                                 ? where_in_callback(reader, &problem)
                                 : where(reader, &problem, type);
    if (!place.ptr) {
        inlay_reader_no_memory(reader);
        return;
    }
    refuse(reader, func,
           inlay_arena_format(reader->arena, "%s has type %s%.*s: %.*s", who,
                              spelled, inlay_str_arg(place),
                              inlay_str_arg(problem.type->reason)));
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

static bool takes_userdata(const struct inlay_type *type)
{
    if (type->kind != INLAY_KIND_CALLBACK)
        return false;
    for (size_t i = 0; i < type->signature->nparams; i++) {
        if (type->signature->params[i]->kind == INLAY_KIND_USERDATA)
            return true;
    }
    return false;
}

/*
 * A void * is what a callback that takes one is given: one for each. Others
 * are data, of which nobody knows what they are.
 */
static void check_userdata(struct inlay_reader *reader, struct inlay_func *func)
{
    size_t takers = 0, count = 0, last = 0;

    for (size_t i = 0; i < func->nparams; i++) {
        takers += takes_userdata(func->params[i].type);
        if (func->params[i].type->kind == INLAY_KIND_USERDATA) {
            last = i;
            count++;
        }
    }
    if (count > takers)
        refuse(reader, func,
               inlay_arena_format(
                   reader->arena,
                   "parameter '%.*s' has type void *: void pointers have no "
                   "Python form, but for one beside a callback that takes it",
                   inlay_str_arg(func->params[last].name)));
}

static bool is_kind(const struct inlay_func *func,
                    size_t index,
                    enum inlay_kind kind)
{
    return index < func->nparams && func->params[index].type->kind == kind;
}

/* An array's schema is behind it, else before it; SIZE_MAX: it has none. */
static size_t schema_of(const struct inlay_func *func, size_t array)
{
    if (!is_kind(func, array, INLAY_KIND_ARROW_ARRAY))
        return SIZE_MAX;
    if (is_kind(func, array + 1, INLAY_KIND_ARROW_SCHEMA))
        return array + 1;
    return is_kind(func, array - 1, INLAY_KIND_ARROW_SCHEMA) ? array - 1
                                                             : SIZE_MAX;
}

/* Each schema belongs to one array, and nobody can take it for another's. */
static void check_arrow(struct inlay_reader *reader, struct inlay_func *func)
{
    for (size_t i = 0; i < func->nparams; i++) {
        int arrays =
            (schema_of(func, i - 1) == i) + (schema_of(func, i + 1) == i);

        if (is_kind(func, i, INLAY_KIND_ARROW_SCHEMA) && arrays != 1)
            refuse(reader, func,
                   inlay_arena_format(
                       reader->arena,
                       "parameter '%.*s' has type struct ArrowSchema *: a "
                       "schema stands behind the struct ArrowArray * that it "
                       "describes, each behind its own",
                       inlay_str_arg(func->params[i].name)));
    }
}

/*
 * Names of other languages are mangled: those functions are not bound. One
 * of C++ is kept all the same, with what to write as its reason.
 */
static bool is_mangled(struct inlay_reader *reader,
                       const struct inlay_wanted *wanted)
{
    Dwarf_Die die = wanted->die;

    return wanted->match == INLAY_MATCH_ADDRESS && !is_c(reader, &die) &&
           strncmp(wanted->name, "_Z", 2) == 0;
}

/* What can't be bound whatever its types are; true when it was refused. */
static bool refuse_foreign(struct inlay_reader *reader,
                           struct inlay_wanted *wanted,
                           struct inlay_func *func)
{
    if (wanted->match != INLAY_MATCH_ADDRESS || is_c(reader, &wanted->die))
        return false;
    if (is_mangled(reader, wanted)) {
        func->name = inlay_die_name(reader, &wanted->die);
        refuse(reader, func,
               INLAY_STR("it is a function of C++: write extern \"C\" before "
                         "it"));
        return true;
    }
    const char *twin = dwarf_diename(&wanted->die);
    refuse(reader, func,
           inlay_arena_format(reader->arena,
                              "the compiler has made it one with %.200s, "
                              "which does the same: what it takes is not known",
                              twin ? twin : "another one"));
    return true;
}

static void build(struct inlay_reader *reader,
                  struct inlay_wanted *wanted,
                  struct inlay_func *func)
{
    Dwarf_Die *die = &wanted->die, type;
    Dwarf_Die function = inlay_die_parameters(die);
    struct inlay_shape shape = inlay_die_shape(reader, &function);

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
    func->result = wanted->provides ? inlay_provided_result(reader, die) : NULL;
    if (!func->result && !reader->error)
        func->result = inlay_types_resolve(
            reader, inlay_die_type(die, &type) ? &type : NULL, INLAY_AT_RESULT,
            0);
    if (refuse_foreign(reader, wanted, func))
        return;
    if (shape.nparams > PARAMS_MOST) {
        refuse(reader, func, INLAY_STR("it has more than 255 parameters"));
        return;
    }
    func->nparams = shape.nparams;
    func->params = inlay_arena_zalloc_array(reader->arena,
                                            inlay_max(shape.nparams, (size_t)1),
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
    check_prototype(reader, die, func, shape.variadic);
    check_types(reader, die, &function, func);
    check_userdata(reader, func);
    check_arrow(reader, func);
}

/* Is there a function of that very name? Then it is not overloaded. */
static bool is_taken(struct inlay_reader *reader, const char *name)
{
    for (size_t i = 0; i < reader->nwanted; i++) {
        const struct inlay_wanted *wanted = &reader->wanted[i];

        if (!inlay_die_step(reader) ||
            (wanted->name && strcmp(wanted->name, name) == 0))
            return true;
    }
    return false;
}

static bool is_plain_cxx(struct inlay_reader *reader, Dwarf_Die *die)
{
    const char *name = dwarf_diename(die);

    return inlay_die_language(reader, die) == INLAY_LANGUAGE_CXX && name &&
           !strpbrk(name, "<~ ") && strncmp(name, "operator", 8) != 0 &&
           !dwarf_hasattr_integrate(die, DW_AT_object_pointer) &&
           !dwarf_hasattr(die, DW_AT_specification) && !is_taken(reader, name);
}

/* Is it the module's own? */
static bool belongs(struct inlay_reader *reader, struct inlay_wanted *wanted)
{
    const char *name;
    bool own;

    if (wanted->match == INLAY_MATCH_NONE)
        return false;
    if (!wanted->name && (!(name = dwarf_diename(&wanted->die)) || !*name))
        return false;
    inlay_die_source(reader, &wanted->die, &own);
    if (!own && !wanted->recorded)
        return false;
    return !is_mangled(reader, wanted) || is_plain_cxx(reader, &wanted->die);
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

static void build_all(struct inlay_reader *reader)
{
    struct inlay_debug *debug = reader->debug;

    for (size_t i = 0; i < reader->nwanted && !reader->error; i++) {
        if (reader->wanted[i].match != INLAY_MATCH_NONE)
            build(reader, &reader->wanted[i], &debug->funcs[debug->nfuncs++]);
    }
    /* The result of the last one that was refused. */
    inlay_types_finish(reader);
}

struct inlay_error *inlay_funcs_build(struct inlay_reader *reader)
{
    struct inlay_debug *debug = reader->debug;

    debug->funcs = inlay_arena_zalloc_array(
        reader->arena, inlay_max(reader->nwanted, (size_t)1),
        sizeof(*debug->funcs));
    if (!debug->funcs)
        return inlay_error_no_memory();
    for (size_t i = 0; i < reader->nwanted; i++) {
        if (!belongs(reader, &reader->wanted[i]))
            reader->wanted[i].match = INLAY_MATCH_NONE;
    }
    if (inlay_provided_find(reader) && inlay_objects_find(reader))
        build_all(reader);
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
    return inlay_objects_finish(reader) ? NULL : inlay_take(reader->error);
}
