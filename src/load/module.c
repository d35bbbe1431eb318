/* module.c - debug information and dlopen put together. */
#include "load/module.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "load/context.h"
#include "load/crash.h"
#include "load/records.h"

#include "base/banned.h"

#define ARENA_LIMIT ((size_t)256 << 20)

/* Is it the program that runs? Its functions are there already. */
static bool is_program(const struct inlay_module *module)
{
    char path[PATH_MAX];

    return realpath("/proc/self/exe", path) &&
           inlay_str_equal(module->path, inlay_str_from(path));
}

static struct inlay_error *map_file(struct inlay_module *module)
{
    struct link_map *map;

    module->handle = dlopen(is_program(module) ? NULL : module->path.ptr,
                            RTLD_NOW | RTLD_LOCAL);
    if (!module->handle || dlinfo(module->handle, RTLD_DI_LINKMAP, &map))
        return inlay_error_create(INLAY_ERROR_IMPORT, "%s", dlerror());
    module->base = map->l_addr;
    return NULL;
}

/* The module's pointers to the services of this process. */
static struct inlay_error *fill_slots(struct inlay_module *module,
                                      const struct inlay_debug *debug)
{
    struct inlay_records records;
    struct inlay_error *error =
        inlay_records_find(module, &debug->sections[INLAY_SECTION_api],
                           sizeof(struct inlay_api_record), &records);

    for (size_t i = 0; !error && i < records.count; i++) {
        const struct inlay_api_record *record =
            (const struct inlay_api_record *)records.items + i;

        if (record->abi != INLAY_ABI || record->size > sizeof(struct inlay_api))
            error = inlay_error_create(
                INLAY_ERROR_IMPORT,
                "%.*s: built with an inlay.h of ABI %u (%u bytes), this is "
                "ABI %u (%zu bytes): compile it again",
                inlay_str_arg(module->path), record->abi, record->size,
                (unsigned)INLAY_ABI, sizeof(struct inlay_api));
        else if (!inlay_module_contains(module, (uintptr_t)record->slot,
                                        sizeof(void *), PF_W))
            error = inlay_error_create(INLAY_ERROR_IMPORT,
                                       "%.*s: its inlay_api_ is not its own",
                                       inlay_str_arg(module->path));
        else
            *record->slot = &inlay_api_table;
    }
    return error;
}

/* The plan of one function; one that can't be made is a reason. */
static struct inlay_error *make_callable(struct inlay_module *module,
                                         struct inlay_callable *callable)
{
    struct inlay_func *func = callable->func;
    uintptr_t entry = module->base + func->address;
    struct inlay_error *error;

    if (!inlay_module_contains(module, entry, 1, PF_X)) {
        if (!func->reason.len)
            func->reason = INLAY_STR("its address is not in the module");
        return NULL;
    }
    func->entry = (void *)entry;
    if (func->reason.len)
        return NULL;
    error = inlay_call_prepare(func, &module->arena, &callable->plan);
    if (!error || error->code != INLAY_ERROR_TYPE)
        return error;
    func->reason =
        inlay_arena_copy(&module->arena, inlay_str_from(error->message));
    inlay_error_destroy(error);
    return func->reason.ptr ? NULL : inlay_error_no_memory();
}

static struct inlay_error *make_callables(struct inlay_module *module,
                                          const struct inlay_debug *debug)
{
    struct inlay_doc_cache docs = {0};
    struct inlay_error *error = NULL;

    module->callables = inlay_arena_zalloc_array(
        &module->arena, inlay_max(debug->nfuncs, (size_t)1),
        sizeof(*module->callables));
    if (!module->callables)
        return inlay_error_no_memory();
    module->ncallables = debug->nfuncs;
    for (size_t i = 0; !error && i < debug->nfuncs; i++) {
        struct inlay_func *func = &debug->funcs[i];

        module->callables[i].func = func;
        if (!debug->documented)
            func->doc = inlay_doc_find(&docs, &func->decl, &module->arena);
        error = make_callable(module, &module->callables[i]);
    }
    inlay_doc_cache_deinit(&docs);
    return error;
}

static struct inlay_error *set_names(struct inlay_module *module,
                                     struct inlay_str name,
                                     const char *path)
{
    char real[PATH_MAX];

    /* dlopen searches elsewhere when there is no slash. */
    if (!realpath(path, real))
        return inlay_error_create(INLAY_ERROR_IMPORT, "cannot open %s: %s",
                                  path, strerror(errno));
    module->name = inlay_arena_copy(&module->arena, name);
    module->path = inlay_arena_copy(&module->arena, inlay_str_from(real));
    if (!module->name.ptr || !module->path.ptr)
        return inlay_error_no_memory();
    return NULL;
}

static struct inlay_error *open_module(struct inlay_module *module,
                                       struct inlay_str name,
                                       const char *path,
                                       struct inlay_str root)
{
    struct inlay_debug debug;
    struct inlay_error *error;

    (void)((error = set_names(module, name, path)) ||
           (error = inlay_dwarf_read(module->path.ptr, root, &module->arena,
                                     &debug)) ||
           (error = map_file(module)) || (error = fill_slots(module, &debug)) ||
           (error = make_callables(module, &debug)) ||
           (error = inlay_defaults_apply(module, &debug)) ||
           (error = inlay_traits_apply(module, &debug)) ||
           (error = inlay_routes_apply(module, &debug)) ||
           (error = inlay_sources_apply(module, &debug)) ||
           (error = inlay_constraints_apply(module, &debug)) ||
           (error = inlay_provides_apply(module, &debug)) ||
           (error = inlay_layers_apply(module, &debug)) ||
           (error = inlay_notes_apply(module, &debug)) ||
           (error = inlay_queries_apply(module, &debug)));
    if (!error)
        inlay_crash_add(module, root);
    return error;
}

struct inlay_error *inlay_module_open(struct inlay_str name,
                                      const char *path,
                                      struct inlay_str root,
                                      struct inlay_module **ret)
{
    struct inlay_module *module = inlay_calloc(1, sizeof(*module));
    struct inlay_error *error;

    if (!module)
        return inlay_error_no_memory();
    inlay_arena_init(&module->arena, ARENA_LIMIT);
    error = open_module(module, name, path, root);
    if (error) {
        /* What dlopen has brought in stays: code of it may have run. */
        inlay_arena_deinit(&module->arena);
        inlay_free(module);
        return error;
    }
    *ret = module;
    return NULL;
}

const struct inlay_callable *inlay_module_find(
    const struct inlay_module *module,
    struct inlay_str name)
{
    const struct inlay_callable *found = NULL;

    for (size_t i = 0; i < module->ncallables; i++) {
        const struct inlay_callable *at = &module->callables[i];

        if (!inlay_str_equal(at->func->name, name))
            continue;
        if (at->func->exported)
            return at;
        if (!found)
            found = at;
    }
    return found;
}
