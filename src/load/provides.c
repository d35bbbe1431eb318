/*
 * provides.c - INLAY_PROVIDE, INLAY_STATE, INLAY_BEFORE, INLAY_AFTER: who gives
 * the module's functions what they need, and who is asked before and after.
 */
#include <stdlib.h>
#include <string.h>

#include "load/pattern.h"
#include "load/records.h"

#include "base/banned.h"

static struct inlay_source source_of(const char *file, uint32_t line)
{
    return (struct inlay_source){inlay_str_from(file ? file : ""), line};
}

/* --- Who provides what ---------------------------------------------------- */

static bool is_provided(const struct inlay_type *type)
{
    return type->kind == INLAY_KIND_INJECTED &&
           type->injected == INLAY_INJECTED_PROVIDED;
}

static const char *macro_of(uint32_t once)
{
    return once ? "INLAY_STATE" : "INLAY_PROVIDE";
}

/* The struct that a state or provider gives. */
static struct inlay_error *read_type(const struct inlay_func *func,
                                     bool once,
                                     struct inlay_str *ret)
{
    const struct inlay_type *type = func->result;

    if (is_provided(type)) {
        *ret = type->provided;
        return NULL;
    }
    if (once || type->kind != INLAY_KIND_STRUCT)
        return inlay_records_wrong(
            "%.*s returns %.*s: %s", inlay_str_arg(func->name),
            inlay_str_arg(type->name),
            once ? "a state is a pointer to a struct"
                 : "a provider returns a struct or a pointer to one");
    *ret = type->name;
    return NULL;
}

/* The module's own function at that address, whether it can be called. */
static const struct inlay_func *func_at(const struct inlay_module *module,
                                        const void *entry)
{
    for (size_t i = 0; i < module->ncallables; i++) {
        if (module->callables[i].func->entry == entry)
            return module->callables[i].func;
    }
    return NULL;
}

/* What closes a state takes it, as far as we can see: free() is libc's. */
static struct inlay_error *check_close(const struct inlay_module *module,
                                       const struct inlay_provide_decl *decl)
{
    const struct inlay_func *func =
        decl->close ? func_at(module, (void *)(uintptr_t)decl->close) : NULL;

    if (!func || (func->nparams == 1 && is_provided(func->params[0].type) &&
                  inlay_str_equal(func->params[0].type->provided, decl->type)))
        return NULL;
    return inlay_records_wrong(
        "%.*s does not take what %.*s returns: write void %.*s(%.*s state)",
        inlay_str_arg(func->name), inlay_str_arg(decl->callable->func->name),
        inlay_str_arg(func->name),
        inlay_str_arg(decl->callable->func->result->name));
}

static bool is_database(const struct inlay_type *type)
{
    return type->kind == INLAY_KIND_INJECTED &&
           type->injected == INLAY_INJECTED_DB;
}

/* A state is opened without a request: it has other states and defaults. */
static struct inlay_error *check_state(const struct inlay_func *func)
{
    for (size_t i = 0; i < func->nparams; i++) {
        const struct inlay_param *param = &func->params[i];

        if (is_database(param->type))
            return inlay_records_wrong(
                "parameter %.*s of %.*s is a database, which a call has while "
                "it runs, and a state is opened before there are any: ask it "
                "in a function of INLAY_PROVIDE",
                inlay_str_arg(param->name), inlay_str_arg(func->name));
        if (!is_provided(param->type) && !param->fallback)
            return inlay_records_wrong(
                "parameter %.*s of %.*s has nobody who gives it: a state is "
                "opened with other states, and with parameters that have an "
                "INLAY_DEFAULT",
                inlay_str_arg(param->name), inlay_str_arg(func->name));
    }
    return NULL;
}

static const struct inlay_provide_decl *find_type(
    const struct inlay_module *module,
    struct inlay_str type)
{
    for (size_t i = 0; i < module->nprovides; i++) {
        if (inlay_str_equal(module->provides[i].type, type))
            return &module->provides[i];
    }
    return NULL;
}

static struct inlay_error *read_provide(
    struct inlay_module *module,
    const struct inlay_provide_record *record,
    struct inlay_provide_decl *ret)
{
    struct inlay_callable *callable;
    struct inlay_error *error;

    *ret = (struct inlay_provide_decl){
        .once = record->once != 0,
        .close = record->close,
        .decl = source_of(record->file, record->line),
    };
    if ((error = inlay_records_function(module, record->func, &callable)) ||
        (error = read_type(callable->func, ret->once, &ret->type)))
        return error;
    ret->callable = callable;
    if (!ret->once)
        return NULL;
    error = check_state(callable->func);
    return error ? error : check_close(module, ret);
}

static int compare_provides(const void *left, const void *right)
{
    return inlay_records_order(
        &((const struct inlay_provide_decl *)left)->decl,
        &((const struct inlay_provide_decl *)right)->decl);
}

static struct inlay_error *apply_provides(struct inlay_module *module,
                                          const struct inlay_debug *debug)
{
    struct inlay_records records;
    struct inlay_error *error =
        inlay_records_find(module, &debug->sections[INLAY_SECTION_provide],
                           sizeof(struct inlay_provide_record), &records);

    if (error || !records.count)
        return error;
    module->provides = inlay_arena_zalloc_array(&module->arena, records.count,
                                                sizeof(*module->provides));
    if (!module->provides)
        return inlay_error_no_memory();
    for (; module->nprovides < records.count; module->nprovides++) {
        const struct inlay_provide_record *record =
            (const struct inlay_provide_record *)records.items +
            module->nprovides;

        error =
            read_provide(module, record, &module->provides[module->nprovides]);
        if (error)
            return inlay_records_error(error, record->file, record->line,
                                       macro_of(record->once));
    }
    qsort(module->provides, module->nprovides, sizeof(*module->provides),
          compare_provides);
    return NULL;
}

/* One type, one provider: in the order of their file. */
static struct inlay_error *check_twins(const struct inlay_module *module)
{
    for (size_t i = 0; i < module->nprovides; i++) {
        const struct inlay_provide_decl *decl = &module->provides[i];
        const struct inlay_provide_decl *other = find_type(module, decl->type);

        if (other != decl)
            return inlay_records_error(
                inlay_records_wrong("%.*s and %.*s (%.*s:%u) both give %.*s: "
                                    "of each type there is one",
                                    inlay_str_arg(decl->callable->func->name),
                                    inlay_str_arg(other->callable->func->name),
                                    inlay_str_arg(other->decl.file),
                                    other->decl.line,
                                    inlay_str_arg(decl->type)),
                decl->decl.file.ptr, decl->decl.line, macro_of(decl->once));
    }
    return NULL;
}

/* --- What each of them needs ---------------------------------------------- */

/* A walk through the graph, depth first: who needs whom. */
struct walk {
    const struct inlay_module *module;
    struct inlay_arena *arena;
    const struct inlay_provide_decl **path; /* from the first to this one */
    size_t depth;
    bool *is_done; /* by number of the declaration */
};

/* "a -> b -> a": none of them can be the first. */
static struct inlay_error *cycle(const struct walk *walk,
                                 const struct inlay_provide_decl *again)
{
    struct inlay_str text = INLAY_STR("");
    size_t from = 0;

    while (walk->path[from] != again)
        from++;
    for (size_t i = from; i < walk->depth && text.ptr; i++)
        text = inlay_arena_format(
            walk->arena, "%.*s%.*s -> ", inlay_str_arg(text),
            inlay_str_arg(walk->path[i]->callable->func->name));
    if (!text.ptr)
        return inlay_error_no_memory();
    return inlay_records_wrong(
        "%.*s%.*s: each needs what the next one gives, so none can be called "
        "first",
        inlay_str_arg(text), inlay_str_arg(again->callable->func->name));
}

static bool is_on_path(const struct walk *walk,
                       const struct inlay_provide_decl *decl)
{
    for (size_t i = 0; i < walk->depth; i++) {
        if (walk->path[i] == decl)
            return true;
    }
    return false;
}

static struct inlay_error *visit(struct walk *walk,
                                 const struct inlay_provide_decl *decl);

static struct inlay_error *visit_param(struct walk *walk,
                                       const struct inlay_provide_decl *decl,
                                       const struct inlay_param *param)
{
    const struct inlay_provide_decl *next =
        is_provided(param->type)
            ? find_type(walk->module, param->type->provided)
            : NULL;

    if (!next)
        return NULL;
    if (decl->once && !next->once)
        return inlay_records_wrong(
            "parameter %.*s of %.*s is given by %.*s once per request, and a "
            "state is opened before there are any",
            inlay_str_arg(param->name),
            inlay_str_arg(decl->callable->func->name),
            inlay_str_arg(next->callable->func->name));
    return is_on_path(walk, next) ? cycle(walk, next) : visit(walk, next);
}

static struct inlay_error *visit(struct walk *walk,
                                 const struct inlay_provide_decl *decl)
{
    const struct inlay_func *func = decl->callable->func;
    size_t number = (size_t)(decl - walk->module->provides);
    struct inlay_error *error = NULL;

    if (walk->is_done[number])
        return NULL;
    walk->is_done[number] = true;
    walk->path[walk->depth++] = decl;
    for (size_t i = 0; !error && i < func->nparams; i++)
        error = visit_param(walk, decl, &func->params[i]);
    walk->depth--;
    return error;
}

static struct inlay_error *check_graph(struct inlay_module *module)
{
    size_t count = module->nprovides;
    struct walk walk = {
        .module = module,
        .arena = &module->arena,
        .path = inlay_arena_zalloc_array(&module->arena, count + 1,
                                         sizeof(*walk.path)),
        .is_done = inlay_arena_zalloc(&module->arena, count + 1),
    };

    if (!walk.path || !walk.is_done)
        return inlay_error_no_memory();
    for (size_t i = 0; i < count; i++) {
        const struct inlay_provide_decl *decl = &module->provides[i];
        struct inlay_error *error = visit(&walk, decl);

        if (error)
            return inlay_records_error(error, decl->decl.file.ptr,
                                       decl->decl.line, macro_of(decl->once));
    }
    return NULL;
}

/* --- Guards and hooks ------------------------------------------------------ */

static struct inlay_error *read_guard(struct inlay_module *module,
                                      const struct inlay_guard_record *record,
                                      struct inlay_guard_decl *ret)
{
    struct inlay_callable *callable;
    struct inlay_error *error;

    *ret = (struct inlay_guard_decl){
        .pattern = inlay_str_from(record->pattern ? record->pattern : ""),
        .after = record->after != 0,
        .decl = source_of(record->file, record->line),
    };
    const char *why = inlay_pattern_bad_cover(ret->pattern);
    if (why)
        return inlay_records_wrong("%s", why);
    error = inlay_records_function(module, record->func, &callable);
    if (error)
        return error;
    const struct inlay_func *func = callable->func;
    if (func->result->kind != INLAY_KIND_VOID)
        return inlay_records_wrong(
            "%.*s returns %.*s, which nobody would look at: make it void, and "
            "call inlay_fail where it refuses",
            inlay_str_arg(func->name), inlay_str_arg(func->result->name));
    ret->callable = callable;
    return NULL;
}

static int compare_guards(const void *left, const void *right)
{
    return inlay_records_order(&((const struct inlay_guard_decl *)left)->decl,
                               &((const struct inlay_guard_decl *)right)->decl);
}

static struct inlay_error *apply_guards(struct inlay_module *module,
                                        const struct inlay_debug *debug)
{
    struct inlay_records records;
    struct inlay_error *error =
        inlay_records_find(module, &debug->sections[INLAY_SECTION_guard],
                           sizeof(struct inlay_guard_record), &records);

    if (error || !records.count)
        return error;
    module->guards = inlay_arena_zalloc_array(&module->arena, records.count,
                                              sizeof(*module->guards));
    if (!module->guards)
        return inlay_error_no_memory();
    for (; module->nguards < records.count; module->nguards++) {
        const struct inlay_guard_record *record =
            (const struct inlay_guard_record *)records.items + module->nguards;

        error = read_guard(module, record, &module->guards[module->nguards]);
        if (!error)
            continue;
        struct inlay_str what =
            inlay_arena_format(&module->arena, "%s(\"%s\")",
                               record->after ? "INLAY_AFTER" : "INLAY_BEFORE",
                               record->pattern ? record->pattern : "");
        return inlay_records_error(error, record->file, record->line,
                                   what.ptr ? what.ptr : "guard");
    }
    qsort(module->guards, module->nguards, sizeof(*module->guards),
          compare_guards);
    return NULL;
}

struct inlay_error *inlay_provides_apply(struct inlay_module *module,
                                         const struct inlay_debug *debug)
{
    struct inlay_error *error;

    (void)((error = apply_provides(module, debug)) ||
           (error = check_twins(module)) || (error = check_graph(module)) ||
           (error = apply_guards(module, debug)));
    return error;
}
