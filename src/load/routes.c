/* routes.c - INLAY_GET and its like, INLAY_STATUS -> route declarations. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load/pattern.h"
#include "load/records.h"
#include "type/text.h"

#include "base/banned.h"

static const struct inlay_param *find_param(const struct inlay_func *func,
                                            struct inlay_str name)
{
    for (size_t i = 0; i < func->nparams; i++)
        if (inlay_str_equal(func->params[i].name, name))
            return &func->params[i];
    return NULL;
}

/* The request, or what a provider makes of it: either may be what looks at a
 * part of the path. A database does not. */
static bool is_given(const struct inlay_func *func)
{
    for (size_t i = 0; i < func->nparams; i++)
        if (func->params[i].type->kind == INLAY_KIND_INJECTED &&
            func->params[i].type->injected != INLAY_INJECTED_DB)
            return true;
    return false;
}

/* Each name in the path is a parameter that text can become. */
static struct inlay_error *check_names(const struct inlay_func *func,
                                       struct inlay_str path)
{
    struct inlay_str name, kind;

    while (inlay_pattern_next_param(&path, &name, &kind)) {
        const struct inlay_param *param = find_param(func, name);

        if (!param && is_given(func))
            continue;
        if (!param)
            return inlay_records_wrong("%.*s has no parameter %.*s",
                                       inlay_str_arg(func->name),
                                       inlay_str_arg(name));
        if (!inlay_text_readable(param->type))
            return inlay_records_wrong(
                "parameter '%.*s' has type %.*s: a part of a path is a "
                "number, a bool, an enum or text",
                inlay_str_arg(name), inlay_str_arg(param->type->name));
    }
    return NULL;
}

static struct inlay_error *read_route(struct inlay_module *module,
                                      const struct inlay_route_record *record,
                                      struct inlay_route_decl *ret)
{
    struct inlay_callable *callable;
    struct inlay_error *error;

    if (!record->methods || !record->path)
        return inlay_records_wrong("the record is empty");
    *ret = (struct inlay_route_decl){
        .methods = inlay_str_from(record->methods),
        .path = inlay_str_from(record->path),
        .decl = {inlay_str_from(record->file ? record->file : ""),
                 record->line},
    };
    const char *why = inlay_pattern_bad_methods(ret->methods);
    if (!why)
        why = inlay_pattern_bad_path(ret->path);
    if (why)
        return inlay_records_wrong("%s", why);
    if ((error = inlay_records_function(module, record->func, &callable)) ||
        (error = check_names(callable->func, ret->path)))
        return error;
    ret->callable = callable;
    return NULL;
}

static int compare_routes(const void *left, const void *right)
{
    const struct inlay_route_decl *a = left, *b = right;
    int order = inlay_records_order(&a->decl, &b->decl);

    return order ? order : strcmp(a->path.ptr, b->path.ptr);
}

static struct inlay_error *apply_routes(struct inlay_module *module,
                                        const struct inlay_debug *debug)
{
    struct inlay_records records;
    struct inlay_error *error =
        inlay_records_find(module, &debug->sections[INLAY_SECTION_route],
                           sizeof(struct inlay_route_record), &records);

    if (error || !records.count)
        return error;
    module->routes = inlay_arena_zalloc_array(&module->arena, records.count,
                                              sizeof(*module->routes));
    if (!module->routes)
        return inlay_error_no_memory();
    for (; module->nroutes < records.count; module->nroutes++) {
        const struct inlay_route_record *record =
            (const struct inlay_route_record *)records.items + module->nroutes;

        error = read_route(module, record, &module->routes[module->nroutes]);
        if (!error)
            continue;
        struct inlay_str what =
            inlay_arena_format(&module->arena, "route %s %s",
                               record->methods ? record->methods : "",
                               record->path ? record->path : "");
        return inlay_records_error(error, record->file, record->line,
                                   what.ptr ? what.ptr : "route");
    }
    qsort(module->routes, module->nroutes, sizeof(*module->routes),
          compare_routes);
    return NULL;
}

static struct inlay_error *set_status(struct inlay_module *module,
                                      const struct inlay_status_record *record)
{
    struct inlay_callable *callable;
    struct inlay_error *error =
        inlay_records_function(module, record->func, &callable);
    bool found = false;

    if (error)
        return error;
    if (record->status < 200 || record->status > 599)
        return inlay_records_wrong("a status is a number from 200 to 599");
    for (size_t i = 0; i < module->nroutes; i++) {
        struct inlay_route_decl *route = &module->routes[i];

        if (route->callable != callable)
            continue;
        if (route->status)
            return inlay_records_wrong("%.*s has a status already",
                                       inlay_str_arg(callable->func->name));
        route->status = record->status;
        found = true;
    }
    if (!found)
        return inlay_records_wrong("%.*s has no route",
                                   inlay_str_arg(callable->func->name));
    return NULL;
}

static struct inlay_error *apply_status(struct inlay_module *module,
                                        const struct inlay_debug *debug)
{
    struct inlay_records records;
    struct inlay_error *error =
        inlay_records_find(module, &debug->sections[INLAY_SECTION_status],
                           sizeof(struct inlay_status_record), &records);

    for (size_t i = 0; !error && i < records.count; i++) {
        const struct inlay_status_record *record =
            (const struct inlay_status_record *)records.items + i;
        char what[64];

        error = set_status(module, record);
        if (!error)
            continue;
        snprintf(what, sizeof(what), "INLAY_STATUS(..., %d)",
                 (int)record->status);
        error = inlay_records_error(error, record->file, record->line, what);
    }
    return error;
}

struct inlay_error *inlay_routes_apply(struct inlay_module *module,
                                       const struct inlay_debug *debug)
{
    struct inlay_error *error = apply_routes(module, debug);

    return error ? error : apply_status(module, debug);
}
