#include "serve/native.h"

#include "base/mem.h"
#include "load/pattern.h"
#include "serve/native_route.h"
#include "serve/native_socket.h"
#include "serve/request.h"

#include "base/banned.h"

#define NATIVE_MEMORY ((size_t)256 << 20)

static void table_destroy(struct inlay_native_table *table)
{
    if (table->injections)
        inlay_injections_close(table->injections);
    inlay_route_tree_destroy(table->tree);
    inlay_route_tree_destroy(table->sockets);
    inlay_arena_deinit(&table->arena);
    inlay_free(table);
}

static struct inlay_native_table *counted(
    const struct inlay_native_table *table)
{
    return (struct inlay_native_table *)(uintptr_t)table;
}

void inlay_native_table_ref(const struct inlay_native_table *table)
{
    atomic_fetch_add(&counted(table)->refs, 1);
}

void inlay_native_table_unref(const struct inlay_native_table *table)
{
    if (atomic_fetch_sub(&counted(table)->refs, 1) == 1)
        table_destroy(counted(table));
}

static void destroy(struct inlay_handler *handler)
{
    struct inlay_native *native = inlay_native_of(handler);
    struct inlay_native_table *table = atomic_load(&native->table), *older;

    for (; table; table = older) {
        older = table->older;
        inlay_native_table_unref(table);
    }
    inlay_free(native);
}

static const struct inlay_handler_ops native_ops = {
    .kind = "native",
    .on_request = inlay_native_on_request,
    .on_body = inlay_native_on_body,
    .on_room = inlay_native_on_room,
    .on_drained = inlay_native_on_drained,
    .on_abort = inlay_native_on_abort,
    .on_eof = inlay_native_on_eof,
    .on_message = inlay_native_on_message,
    .on_websocket_end = inlay_native_on_websocket_end,
    .destroy = destroy,
};

/* RFC 9110: answers with these have no content. */
static bool has_no_content(int status)
{
    return status < 200 || status == 204 || status == 205 || status == 304;
}

/* What a plain answer is, by the type of the result. */
static void set_media(struct inlay_native_route *route)
{
    const struct inlay_type *type = route->decl->callable->func->result;
    struct inlay_str media = INLAY_STR("application/json");

    if (type->kind == INLAY_KIND_BYTES)
        media = INLAY_STR("application/octet-stream");
    else if (type->kind == INLAY_KIND_STR && type->media.len)
        media = type->media;
    route->content_type = media;
    const char *end = memchr(media.ptr, ';', media.len);
    route->media =
        end ? inlay_str_make(media.ptr, (size_t)(end - media.ptr)) : media;
}

static struct inlay_bind_target target_of(const struct inlay_route_decl *decl,
                                          bool with_body)
{
    return (struct inlay_bind_target){
        .callable = decl->callable,
        .methods = decl->methods,
        .path = decl->path,
        .with_body = with_body,
        .decl = decl->decl,
    };
}

static struct inlay_error *set_status(struct inlay_native_route *route)
{
    const struct inlay_route_decl *decl = route->decl;
    const struct inlay_bind_target target = target_of(decl, false);
    const struct inlay_func *func = decl->callable->func;
    bool is_void = func->result->kind == INLAY_KIND_VOID;

    route->status = decl->status ? decl->status : is_void ? 204 : 200;
    route->no_content = is_void || has_no_content(route->status);
    if (route->status < 200 || route->status > 599)
        return inlay_bind_error(&target, "status %d is not in 200 to 599",
                                route->status);
    if (!is_void && has_no_content(route->status))
        return inlay_bind_error(
            &target, "status %d has no content, and %.*s returns %.*s",
            route->status, inlay_str_arg(func->name),
            inlay_str_arg(func->result->name));
    return NULL;
}

static bool is_socket(const struct inlay_route_decl *decl)
{
    return inlay_pattern_is_socket(decl->methods);
}

static bool has_socket(const struct inlay_func *func)
{
    for (size_t i = 0; i < func->nparams; i++) {
        const struct inlay_type *type = func->params[i].type;

        if (type->kind == INLAY_KIND_INJECTED &&
            type->injected == INLAY_INJECTED_SOCKET)
            return true;
    }
    return false;
}

/* What a WebSocket's function looks like. */
static struct inlay_error *check_socket(const struct inlay_route_decl *decl)
{
    const struct inlay_bind_target target = target_of(decl, false);
    const struct inlay_func *func = decl->callable->func;

    if (!has_socket(func))
        return inlay_bind_error(
            &target,
            "%.*s has no parameter inlay_socket *: it can't talk to its client",
            inlay_str_arg(func->name));
    if (func->result->kind != INLAY_KIND_VOID)
        return inlay_bind_error(
            &target,
            "%.*s returns %.*s, and a WebSocket has no answer: inlay_send, "
            "inlay_close",
            inlay_str_arg(func->name), inlay_str_arg(func->result->name));
    return NULL;
}

/* The route that has the path and one of the methods already, or NULL. */
static const struct inlay_native_route *find_twin(
    struct inlay_native_table *table,
    const struct inlay_native_route *route)
{
    for (size_t i = 0; i < table->nroutes; i++) {
        const struct inlay_native_route *other = &table->routes[i];
        struct inlay_route_tree *tree = NULL;
        struct inlay_error *error = inlay_route_tree_create(&tree);

        if (!error)
            error = inlay_route_tree_add(tree, other->methods,
                                         other->decl->path, table);
        if (!error)
            error = inlay_route_tree_add(tree, route->methods,
                                         route->decl->path, table);
        bool clash = error != NULL;
        inlay_error_destroy(error);
        inlay_route_tree_destroy(tree);
        if (clash)
            return other;
    }
    return NULL;
}

static struct inlay_error *add_route(struct inlay_native_table *table,
                                     const struct inlay_module *module,
                                     const struct inlay_route_decl *decl,
                                     struct inlay_str methods,
                                     bool with_body)
{
    struct inlay_native_route *route = &table->routes[table->nroutes];
    struct inlay_bind_target target = target_of(decl, with_body);
    struct inlay_error *error;

    *route = (struct inlay_native_route){
        .decl = decl, .module = module, .methods = methods};
    set_media(route);
    route->what =
        inlay_arena_format(&table->arena, "%.*s %.*s", inlay_str_arg(methods),
                           inlay_str_arg(decl->path));
    if (!route->what.ptr)
        return inlay_error_no_memory();
    error = is_socket(decl) ? check_socket(decl) : set_status(route);
    if (error)
        return error;
    error = inlay_steps_create(table->injections, module, &target,
                               &table->arena, &route->steps);
    if (error)
        return error;
    route->bind = route->steps.items[route->steps.count - 1].bind;
    /* The pool may have it when the server is no more. */
    route->steps.counted |= route->steps.colour == INLAY_COLOUR_POOL;

    _cleanup_error_ struct inlay_error *bad =
        inlay_route_tree_add(is_socket(decl) ? table->sockets : table->tree,
                             methods, decl->path, route);
    if (!bad) {
        table->nroutes++;
        return NULL;
    }
    if (bad->code != INLAY_ERROR_VALUE)
        return inlay_error_no_memory();
    const struct inlay_native_route *twin = find_twin(table, route);
    if (twin)
        return inlay_bind_error(&target, "%s: %.*s:%u", bad->message,
                                inlay_str_arg(twin->decl->decl.file),
                                twin->decl->decl.line);
    return inlay_bind_error(&target, "%s", bad->message);
}

static bool takes_body(struct inlay_str method)
{
    return inlay_str_is(method, "POST") || inlay_str_is(method, "PUT") ||
           inlay_str_is(method, "PATCH");
}

/* The methods of `all` that take a body, or those that don't: "GET,HEAD". */
static struct inlay_str pick_methods(struct inlay_str all,
                                     bool with_body,
                                     struct inlay_arena *arena)
{
    char *text = inlay_arena_alloc(arena, all.len + 1);
    struct inlay_str method;
    size_t len = 0;

    if (!text)
        return (struct inlay_str){NULL, 0};
    while (inlay_pattern_next_method(&all, &method)) {
        if (takes_body(method) != with_body)
            continue;
        if (len)
            text[len++] = ',';
        if (method.len)
            memcpy(text + len, method.ptr, method.len);
        len += method.len;
    }
    return inlay_str_make(text, len);
}

static struct inlay_error *add_decl(struct inlay_native_table *table,
                                    const struct inlay_module *module,
                                    const struct inlay_route_decl *decl)
{
    for (int with_body = 0; with_body < 2; with_body++) {
        struct inlay_str methods =
            pick_methods(decl->methods, with_body, &table->arena);

        if (!methods.ptr)
            return inlay_error_no_memory();
        if (!methods.len && (with_body || decl->methods.len))
            continue;
        struct inlay_error *error =
            add_route(table, module, decl, methods, with_body);
        if (error)
            return error;
    }
    return NULL;
}

static struct inlay_error *add_modules(struct inlay_native_table *table,
                                       struct inlay_module *const *modules,
                                       size_t nmodules)
{
    size_t count = 0;

    for (size_t i = 0; i < nmodules; i++)
        count += modules[i]->nroutes * 2;
    table->routes = inlay_arena_zalloc_array(&table->arena, count + 1,
                                             sizeof(*table->routes));
    if (!table->routes)
        return inlay_error_no_memory();
    for (size_t i = 0; i < nmodules; i++) {
        for (size_t j = 0; j < modules[i]->nroutes; j++) {
            struct inlay_error *error =
                add_decl(table, modules[i], &modules[i]->routes[j]);

            if (error)
                return error;
        }
    }
    return NULL;
}

/* The chain of a running server has a place for them, or has not. */
static struct inlay_error *check_guards(const struct inlay_native *native,
                                        const struct inlay_guard_list *list)
{
    if ((list->count > list->nhooks && !native->has_guards) ||
        (list->nhooks && !native->has_hooks))
        return inlay_error_create(
            INLAY_ERROR_STATE,
            "%.*s:%u: the first guard or hook: the server must start anew",
            inlay_str_arg(list->items[0].decl->decl.file),
            list->items[0].decl->decl.line);
    return NULL;
}

/* A table of the routes of all these modules; its successor, when there is a
 * handler already. */
static struct inlay_error *table_create(struct inlay_module *const *modules,
                                        size_t nmodules,
                                        struct inlay_native *native,
                                        struct inlay_native_table **ret)
{
    struct inlay_native_table *older =
        native ? atomic_load(&native->table) : NULL;
    struct inlay_native_table *table = inlay_calloc(1, sizeof(*table));
    struct inlay_error *error;

    if (!table)
        return inlay_error_no_memory();
    inlay_arena_init(&table->arena, NATIVE_MEMORY);
    atomic_init(&table->refs, 1);
    (void)((error = inlay_route_tree_create(&table->tree)) ||
           (error = inlay_route_tree_create(&table->sockets)) ||
           (error = inlay_injections_create(
                modules, nmodules, older ? older->injections : NULL,
                &table->arena, &table->injections)) ||
           (error = add_modules(table, modules, nmodules)) ||
           (error = inlay_guards_bind(table->injections, &table->arena,
                                      &table->guards)) ||
           (error = native ? check_guards(native, &table->guards) : NULL) ||
           (error = inlay_injections_open(table->injections)));
    if (error) {
        table_destroy(table);
        return error;
    }
    *ret = table;
    return NULL;
}

struct inlay_error *inlay_native_create(struct inlay_module *const *modules,
                                        size_t nmodules,
                                        struct inlay_handler **ret)
{
    struct inlay_native *native = inlay_calloc(1, sizeof(*native));
    struct inlay_native_table *table;
    struct inlay_error *error;

    if (!native)
        return inlay_error_no_memory();
    error = table_create(modules, nmodules, NULL, &table);
    if (error) {
        inlay_free(native);
        return error;
    }
    native->handler.ops = &native_ops;
    atomic_init(&native->table, table);
    *ret = &native->handler;
    return NULL;
}

struct inlay_error *inlay_native_replace(struct inlay_handler *handler,
                                         struct inlay_module *const *modules,
                                         size_t nmodules)
{
    struct inlay_native *native = inlay_native_of(handler);
    struct inlay_native_table *table;
    struct inlay_error *error = table_create(modules, nmodules, native, &table);

    if (error)
        return error;
    table->older = atomic_load(&native->table);
    inlay_native_keep_switches(table->older, table);
    while (!atomic_compare_exchange_weak(&native->table, &table->older, table))
        continue;
    inlay_injections_retire(table->older->injections);
    return NULL;
}

int inlay_native_pin(struct inlay_handler *handler,
                     struct inlay_request *request)
{
    struct inlay_native *native = inlay_native_of(handler);

    while (!request->native_table) {
        struct inlay_native_table *table = atomic_load(&native->table);
        int status = inlay_injections_hold(table->injections, request);

        if (status == -2)
            return -1;
        if (status == 0)
            request->native_table = table;
    }
    return 0;
}

size_t inlay_native_count(const struct inlay_handler *native)
{
    return inlay_native_table_of(native)->nroutes;
}

struct inlay_native_info inlay_native_info(const struct inlay_handler *native,
                                           size_t index)
{
    const struct inlay_native_table *table = inlay_native_table_of(native);

    if (index >= table->nroutes)
        return (struct inlay_native_info){.methods = INLAY_STR("")};
    const struct inlay_native_route *route = &table->routes[index];
    return (struct inlay_native_info){
        .methods = route->methods,
        .path = route->decl->path,
        .function = route->decl->callable->func->name,
        .module = route->module->name,
        .decl = route->decl->decl,
        .runs = inlay_str_from(inlay_colour_text(route->steps.colour)),
    };
}

void inlay_native_set_alone(struct inlay_handler *native,
                            struct inlay_str path,
                            bool alone)
{
    const struct inlay_native_table *table = inlay_native_table_of(native);

    for (size_t i = 0; i < table->nroutes; i++)
        if (inlay_str_equal(table->routes[i].decl->path, path))
            atomic_store_explicit(&table->routes[i].alone, alone,
                                  memory_order_relaxed);
}
