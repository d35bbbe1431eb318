/*
 * lifted.c - which lifted route a request is for, and its body. Whenever in
 * doubt the request is declined: then the application answers it, as it would
 * without all of this.
 */
#include "serve/lifted.h"

#include "base/mem.h"
#include "http/media_type.h"
#include "serve/collect.h"
#include "serve/lifted_route.h"
#include "serve/native_route.h"
#include "serve/response.h"
#include "serve/server.h"
#include "serve/session.h"

#include "base/banned.h"

/* A request whose body is being collected; in its arena. */
struct collected {
    struct inlay_native_call call; /* first: none has begun, its task is NULL */
    const struct inlay_lifted_route *route;
    struct inlay_str params[INLAY_PATTERN_PARAMS];
    size_t nparams;
    struct inlay_collected body;
};

static const struct inlay_limits *limits_of(const struct inlay_request *request)
{
    return &request->thread->server->config.limits;
}

/* --- Which route --------------------------------------------------------- */

static bool has_method(struct inlay_str methods, struct inlay_str wanted)
{
    struct inlay_str method;

    while (inlay_pattern_next_method(&methods, &method))
        if (inlay_str_equal(method, wanted))
            return true;
    return false;
}

/* Digits only, few enough for any int64_t: what Starlette's int takes. */
static bool is_whole(struct inlay_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    return text.len && text.len <= 18;
}

/* Do values of parameters with a converter mean the same here and there? */
static bool agrees(const struct inlay_lifted_route *route,
                   const struct inlay_route_match *match)
{
    for (size_t i = 0; i < match->nparams; i++)
        if (route->whole & (1u << i) && !is_whole(match->params[i]))
            return false;
    return true;
}

/*
 * The tree finds a route that matches, the application takes the first one
 * that was registered: one that comes before it and matches too is one of its
 * barriers.
 */
static const struct inlay_lifted_route *find(
    const struct inlay_lifted_table *table,
    struct inlay_request *request,
    struct inlay_route_match *match)
{
    struct inlay_route_match other;
    struct inlay_str path = request->path;

    if (!inlay_route_tree_find(table->tree, request->method, path, match) ||
        !match->target)
        return NULL;
    const struct inlay_lifted_route *route = match->target;
    if (!has_method(route->methods, request->method) ||
        (route->own_root && request->root_path.len) ||
        (path.len && memchr(path.ptr, '\n', path.len)) || /* "." in a regex */
        !agrees(route, match))
        return NULL;
    if (route->before &&
        inlay_route_tree_find(route->before, request->method, path, &other) &&
        other.target)
        return NULL;
    return route;
}

/* --- The body ------------------------------------------------------------ */

/* Binds, calls, answers, or waits; DECLINED: the application is to do it. */
static enum inlay_outcome serve(struct inlay_request *request,
                                const struct inlay_lifted_route *route,
                                const struct inlay_str *params,
                                size_t nparams,
                                struct inlay_str body)
{
    struct inlay_bind_input input = {
        .path = params,
        .body = body,
        .body_is_json =
            body.len && inlay_media_type_is_json(inlay_request_header(
                            request, INLAY_STR("content-type"))),
    };

    request->route = route->path;
    enum inlay_outcome outcome =
        inlay_lifted_call(request, route, &input, nparams);
    if (outcome == INLAY_DECLINED)
        request->route = INLAY_STR("");
    return outcome;
}

static bool is_encoded(const struct inlay_request *request)
{
    struct inlay_str coding =
        inlay_request_header(request, INLAY_STR("content-encoding"));

    return coding.len != 0;
}

static enum inlay_outcome await_body(struct inlay_request *request,
                                     const struct inlay_lifted_route *route,
                                     const struct inlay_route_match *match)
{
    struct collected *collected;

    if (is_encoded(request) ||
        request->content_length >
            (int64_t)limits_of(request)->native_body_bytes)
        return INLAY_DECLINED;
    collected = inlay_arena_new(&request->arena, struct collected);
    if (!collected ||
        inlay_request_retain_path(request, match->params, match->nparams,
                                  collected->params) < 0)
        return INLAY_DECLINED;
    collected->route = route;
    collected->nparams = match->nparams;
    request->handler_data = collected;
    inlay_request_want_body(request);
    return INLAY_PENDING;
}

static enum inlay_outcome on_request(struct inlay_handler *handler,
                                     struct inlay_request *request)
{
    const struct inlay_lifted_table *table = atomic_load_explicit(
        &inlay_lifted_of(handler)->table, memory_order_acquire);
    struct inlay_route_match match;

    if (inlay_likely(!table->nroutes))
        return INLAY_DECLINED;
    const struct inlay_lifted_route *route = find(table, request, &match);
    if (!route)
        return INLAY_DECLINED;
    if (inlay_unlikely(inlay_switch_of(&route->on) != INLAY_SWITCH_ON))
        return inlay_switch_follow(&route->on, request);
    if (route->step.bind->nbody && request->has_body)
        return await_body(request, route, &match);
    return serve(request, route, match.params, match.nparams, INLAY_STR(""));
}

static void take_bytes(struct inlay_request *request,
                       struct collected *collected,
                       struct inlay_str chunk,
                       bool last)
{
    struct inlay_str body = chunk;
    bool lasting = collected->route->steps.colour != INLAY_COLOUR_PLAIN;

    if (!last || collected->body.len || lasting) {
        if (inlay_collect(request, &collected->body, chunk) < 0) {
            inlay_response_error(request, 413, INLAY_STR("Content Too Large"));
            return;
        }
        body = inlay_collected_view(&collected->body);
    }
    /* More than is collected for C streams into the application. */
    if (!last && collected->body.len <= limits_of(request)->native_body_bytes)
        return;
    if (!last || serve(request, collected->route, collected->params,
                       collected->nparams, body) == INLAY_DECLINED)
        inlay_session_next(request, body);
}

static void on_body(struct inlay_handler *handler inlay_unused,
                    struct inlay_request *request,
                    struct inlay_str chunk,
                    bool last)
{
    struct inlay_native_call *call = request->handler_data;

    if (call->task)
        inlay_native_take_body(call, chunk, last);
    else
        take_bytes(request, request->handler_data, chunk, last);
}

/* --- Life ---------------------------------------------------------------- */

static void destroy(struct inlay_handler *handler)
{
    struct inlay_lifted *lifted = inlay_lifted_of(handler);
    struct inlay_lifted_table *table = atomic_load(&lifted->table), *older;

    for (; table; table = older) {
        older = table->older;
        inlay_lifted_table_destroy(table);
    }
    inlay_free(lifted);
}

static const struct inlay_handler_ops lifted_ops = {
    .kind = "native",
    .on_request = on_request,
    .on_body = on_body,
    .on_room = inlay_native_on_room,
    .on_drained = inlay_native_on_drained,
    .on_abort = inlay_native_on_abort,
    /* No on_eof: the application's functions are not told of it either. */
    .destroy = destroy,
};

struct inlay_error *inlay_lifted_create(struct inlay_handler **ret)
{
    struct inlay_lifted *lifted = inlay_calloc(1, sizeof(*lifted));
    struct inlay_lifted_table *table;

    if (!lifted)
        return inlay_error_no_memory();
    struct inlay_error *error = inlay_lifted_table_create(NULL, 0, &table);
    if (error) {
        inlay_free(lifted);
        return error;
    }
    lifted->handler.ops = &lifted_ops;
    atomic_init(&lifted->table, table);
    *ret = &lifted->handler;
    return NULL;
}

struct inlay_error *inlay_lifted_replace(struct inlay_handler *handler,
                                         const struct inlay_lifted_decl *decls,
                                         size_t ndecls)
{
    struct inlay_lifted *lifted = inlay_lifted_of(handler);
    struct inlay_lifted_table *table;
    struct inlay_error *error =
        inlay_lifted_table_create(decls, ndecls, &table);

    if (error)
        return error;
    table->older = atomic_load(&lifted->table);
    while (!atomic_compare_exchange_weak(&lifted->table, &table->older, table))
        continue;
    return NULL;
}
