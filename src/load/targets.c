#include "load/targets.h"

#include "base/macros.h"
#include "base/mem.h"

#include "base/banned.h"

static bool has_struct(const struct inlay_structs *structs,
                       const struct inlay_type *type)
{
    for (size_t i = 0; i < structs->count; i++)
        if (structs->items[i] == type)
            return true;
    return false;
}

static bool add_struct(struct inlay_structs *structs,
                       const struct inlay_type *type)
{
    if (has_struct(structs, type))
        return true;
    if (structs->count == structs->size) {
        size_t size = structs->size ? structs->size * 2 : 16;
        struct inlay_type **grown =
            inlay_realloc(structs->items, size * sizeof(*grown));

        if (!grown)
            return false;
        structs->items = grown;
        structs->size = size;
    }
    /* Nobody but this loading has it so far: it may still change. */
    structs->items[structs->count++] = (struct inlay_type *)type;
    return true;
}

static bool look_at(void *arg, const struct inlay_type *type)
{
    const struct inlay_signature *signature;

    if (type->kind == INLAY_KIND_STRUCT)
        return add_struct(arg, type);
    if (type->kind != INLAY_KIND_CALLBACK)
        return true;
    signature = type->signature;
    for (size_t i = 0; i < signature->nparams; i++)
        if (!inlay_type_walk(signature->params[i], look_at, arg))
            return false;
    return inlay_type_walk(signature->result, look_at, arg);
}

struct inlay_error *inlay_structs_find(const struct inlay_module *module,
                                       struct inlay_structs *ret)
{
    struct inlay_structs structs = {0};
    bool ok = true;

    for (size_t i = 0; ok && i < module->ncallables; i++) {
        const struct inlay_func *func = module->callables[i].func;

        ok = inlay_type_walk(func->result, look_at, &structs);
        for (size_t j = 0; ok && j < func->nparams; j++)
            ok = inlay_type_walk(func->params[j].type, look_at, &structs);
    }
    if (!ok) {
        inlay_structs_deinit(&structs);
        return inlay_error_no_memory();
    }
    *ret = structs;
    return NULL;
}

void inlay_structs_deinit(struct inlay_structs *structs)
{
    inlay_free(structs->items);
}

/* "const struct ns::user" -> "user"; was there a word that says "type"? */
static struct inlay_str strip(struct inlay_str what, bool *is_type)
{
    static const struct inlay_str words[] = {
        {"const ", 6}, {"volatile ", 9}, {"struct ", 7}, {"class ", 6}};
    bool found = true;

    *is_type = false;
    while (found) {
        found = false;
        for (size_t i = 0; i < inlay_array_size(words); i++) {
            if (!inlay_str_starts(what, words[i]))
                continue;
            what = inlay_str_make(what.ptr + words[i].len,
                                  what.len - words[i].len);
            *is_type = found = true;
        }
    }
    for (size_t i = what.len; i > 1; i--)
        if (what.ptr[i - 1] == ':' && what.ptr[i - 2] == ':')
            return inlay_str_make(what.ptr + i, what.len - i);
    return what;
}

static bool is_called(const struct inlay_type *type, struct inlay_str name)
{
    const struct inlay_alias *alias = type->aliases;

    if (inlay_str_equal(type->name, name))
        return true;
    while (alias && !inlay_str_equal(alias->name, name))
        alias = alias->next;
    return alias != NULL;
}

static bool same_source(const struct inlay_source *a,
                        const struct inlay_source *b)
{
    return a->line == b->line && inlay_str_equal(a->file, b->file);
}

static struct inlay_error *ambiguous(struct inlay_str name,
                                     const struct inlay_source *a,
                                     const struct inlay_source *b)
{
    return inlay_records_wrong(
        "there are two different %.*s, at %.*s:%u and at %.*s:%u: give one of "
        "them another name",
        inlay_str_arg(name), inlay_str_arg(a->file), a->line,
        inlay_str_arg(b->file), b->line);
}

/* And those that are the same function under another name. */
static struct inlay_error *find_funcs(const struct inlay_module *module,
                                      struct inlay_str name,
                                      struct inlay_targets *targets)
{
    const struct inlay_func *found = NULL;

    for (size_t i = 0; i < module->ncallables; i++) {
        const struct inlay_func *func = module->callables[i].func;

        if (!inlay_str_equal(func->name, name))
            continue;
        if (found && !same_source(&found->decl, &func->decl))
            return ambiguous(name, &found->decl, &func->decl);
        found = func;
    }
    for (size_t i = 0; found && i < module->ncallables; i++) {
        struct inlay_func *func = module->callables[i].func;

        if (func == found || (func->entry && func->entry == found->entry))
            targets->funcs[targets->nfuncs++] = func;
    }
    return NULL;
}

static struct inlay_error *find_types(const struct inlay_structs *structs,
                                      struct inlay_str name,
                                      struct inlay_targets *targets)
{
    for (size_t i = 0; i < structs->count; i++) {
        struct inlay_type *type = structs->items[i];

        if (!is_called(type, name))
            continue;
        if (targets->ntypes > 0 &&
            !same_source(&targets->types[0]->decl, &type->decl))
            return ambiguous(name, &targets->types[0]->decl, &type->decl);
        targets->types[targets->ntypes++] = type;
    }
    return NULL;
}

struct inlay_error *inlay_targets_find(const struct inlay_module *module,
                                       const struct inlay_structs *structs,
                                       const char *what,
                                       struct inlay_arena *arena,
                                       struct inlay_targets *ret)
{
    struct inlay_targets targets = {0};
    struct inlay_error *error = NULL;
    bool is_type;
    struct inlay_str name = strip(inlay_str_from(what), &is_type);

    targets.funcs = inlay_arena_zalloc_array(arena, module->ncallables + 1,
                                             sizeof(*targets.funcs));
    targets.types = inlay_arena_zalloc_array(arena, structs->count + 1,
                                             sizeof(*targets.types));
    if (!targets.funcs || !targets.types)
        return inlay_error_no_memory();
    if (!is_type)
        error = find_funcs(module, name, &targets);
    if (!error && targets.nfuncs == 0)
        error = find_types(structs, name, &targets);
    if (error)
        return error;
    if (targets.nfuncs == 0 && targets.ntypes == 0)
        return inlay_records_wrong(
            is_type ? "no function of this module takes or returns a %s"
                    : "this module has no function %s, and none that takes or "
                      "returns such a struct",
            what);
    *ret = targets;
    return NULL;
}
