/* lifted_table.c - lifted routes, bound by FastAPI's rules. */
#include "base/mem.h"
#include "serve/lifted_route.h"

#include "base/banned.h"

#define LIFTED_MEMORY ((size_t)256 << 20)

static struct inlay_error *copy(struct inlay_lifted_table *table,
                                struct inlay_str text,
                                struct inlay_str *ret)
{
    *ret = inlay_arena_copy(&table->arena, text);
    return ret->ptr ? NULL : inlay_error_no_memory();
}

/* Which parameters are an {x:int}; they are counted as they come. */
static unsigned whole_params(struct inlay_str path)
{
    struct inlay_str name, kind;
    unsigned whole = 0;

    for (unsigned i = 0; inlay_pattern_next_param(&path, &name, &kind); i++)
        if (inlay_str_is(kind, "int"))
            whole |= 1u << i;
    return whole;
}

/* A database is the server's to give; FastAPI has no others of these. */
static bool has_source(const struct inlay_callable *callable)
{
    for (size_t i = 0; callable->sources && i < callable->func->nparams; i++)
        if (callable->sources[i].given &&
            callable->sources[i].kind != INLAY_SOURCE_DB)
            return true;
    return false;
}

static bool has_other_injected(const struct inlay_bind *bind)
{
    for (size_t i = 0; i < bind->nparams; i++)
        if (bind->params[i].source >= INLAY_BIND_REQUEST &&
            bind->params[i].source != INLAY_BIND_DB)
            return true;
    return false;
}

static struct inlay_error *bind_route(struct inlay_lifted_table *table,
                                      const struct inlay_lifted_decl *decl,
                                      struct inlay_lifted_route *route)
{
    const struct inlay_func *func = decl->callable->func;
    struct inlay_bind_target target = {
        .callable = decl->callable,
        .methods = route->methods,
        .path = route->path,
        .with_body = true,
        .decl = func->decl,
    };
    struct inlay_bind *bind = NULL;
    struct inlay_error *error =
        inlay_bind_create(&target, &table->arena, &bind);

    if (error)
        return error;
    if (has_source(decl->callable))
        return inlay_bind_error(&target,
                                "FastAPI knows nothing of INLAY_HEADER and its "
                                "like");
    if (has_other_injected(bind) || bind->nraw || bind->nform)
        return inlay_bind_error(
            &target,
            "%.*s takes what only a call through Python gives it here: the "
            "request, a raw body or a form",
            inlay_str_arg(func->name));
    if (func->is_async)
        return inlay_bind_error(&target, "%.*s is INLAY_ASYNC: it is awaited",
                                inlay_str_arg(func->name));
    route->step = (struct inlay_step){
        .bind = bind,
        .colour = inlay_colour_of(func),
    };
    route->steps = (struct inlay_steps){
        .items = &route->step,
        .count = 1,
        .colour = route->step.colour,
    };
    return NULL;
}

static struct inlay_error *add_barriers(struct inlay_lifted_route *route,
                                        const struct inlay_lifted_decl *decl)
{
    struct inlay_error *error = NULL;

    if (decl->nbarriers)
        error = inlay_route_tree_create(&route->before);
    for (size_t i = 0; !error && i < decl->nbarriers; i++)
        error = inlay_route_tree_add(route->before, decl->barriers[i].methods,
                                     decl->barriers[i].path, route);
    return error;
}

static struct inlay_error *add_route(struct inlay_lifted_table *table,
                                     const struct inlay_lifted_decl *decl)
{
    struct inlay_lifted_route *route = &table->routes[table->nroutes++];
    const struct inlay_func *func = decl->callable->func;
    struct inlay_error *error = copy(table, decl->methods, &route->methods);

    if (!error)
        error = copy(table, decl->path, &route->path);
    if (error)
        return error;
    route->callable = decl->callable;
    route->what = inlay_arena_format(&table->arena, "%.*s %.*s",
                                     inlay_str_arg(route->methods),
                                     inlay_str_arg(route->path));
    if (!route->what.ptr)
        return inlay_error_no_memory();
    route->status = decl->status;
    route->explains = decl->explains;
    route->own_root = decl->own_root;
    route->is_void = func->result->kind == INLAY_KIND_VOID;
    route->no_content = decl->status == 204;
    route->whole = whole_params(route->path);
    error = bind_route(table, decl, route);
    if (!error)
        error = add_barriers(route, decl);
    if (!error)
        error = inlay_route_tree_add(table->tree, route->methods, route->path,
                                     route);
    return error;
}

struct inlay_error *inlay_lifted_table_create(
    const struct inlay_lifted_decl *decls,
    size_t ndecls,
    struct inlay_lifted_table **ret)
{
    struct inlay_lifted_table *table = inlay_calloc(1, sizeof(*table));
    struct inlay_error *error;

    if (!table)
        return inlay_error_no_memory();
    inlay_arena_init(&table->arena, LIFTED_MEMORY);
    error = inlay_route_tree_create(&table->tree);
    if (!error) {
        table->routes = inlay_arena_zalloc_array(&table->arena, ndecls + 1,
                                                 sizeof(*table->routes));
        if (!table->routes)
            error = inlay_error_no_memory();
    }
    for (size_t i = 0; !error && i < ndecls; i++)
        error = add_route(table, &decls[i]);
    if (error) {
        inlay_lifted_table_destroy(table);
        return error;
    }
    *ret = table;
    return NULL;
}

void inlay_lifted_table_destroy(struct inlay_lifted_table *table)
{
    for (size_t i = 0; i < table->nroutes; i++)
        inlay_route_tree_destroy(table->routes[i].before);
    inlay_route_tree_destroy(table->tree);
    inlay_arena_deinit(&table->arena);
    inlay_free(table);
}
