#include "serve/quarantine.h"

#include "serve/lifted_route.h"
#include "serve/native_route.h"
#include "serve/response.h"

#include "base/banned.h"

/* Seconds. An operator ends it, nobody knows when. */
#define RETRY_AFTER INLAY_STR("60")

void inlay_switch_refuse(struct inlay_request *request)
{
    const struct inlay_header headers[] = {
        {INLAY_STR("content-type"), INLAY_STR("application/json")},
        {INLAY_STR("cache-control"), INLAY_STR("no-store")},
        {INLAY_STR("retry-after"), RETRY_AFTER},
    };

    inlay_response_send_with(request, 503, headers, inlay_array_size(headers),
                             INLAY_STR("{\"detail\":\"Service Unavailable\"}"));
}

enum inlay_outcome inlay_switch_follow(const struct inlay_switch *at,
                                       struct inlay_request *request)
{
    if (inlay_switch_of(at) != INLAY_SWITCH_REFUSE)
        return INLAY_DECLINED;
    inlay_switch_refuse(request);
    return INLAY_HANDLED;
}

static void set(struct inlay_switch *at, enum inlay_switch_state state)
{
    atomic_store_explicit(&at->state, (unsigned char)state,
                          memory_order_relaxed);
}

static bool is_route(const struct inlay_native_route *route,
                     struct inlay_str methods,
                     struct inlay_str path)
{
    return inlay_str_equal(route->decl->path, path) &&
           inlay_str_equal(route->methods, methods);
}

static size_t switch_guards(const struct inlay_native_table *table,
                            struct inlay_str pattern,
                            bool after,
                            enum inlay_switch_state state)
{
    size_t count = 0;

    for (size_t i = 0; i < table->guards.count; i++) {
        struct inlay_guard *guard = &table->guards.items[i];

        if (guard->decl->after != after ||
            !inlay_str_equal(guard->decl->pattern, pattern))
            continue;
        set(&guard->on, state);
        count++;
    }
    return count;
}

size_t inlay_native_switch(struct inlay_handler *native,
                           struct inlay_str methods,
                           struct inlay_str path,
                           enum inlay_switch_state state)
{
    const struct inlay_native_table *table = inlay_native_table_of(native);
    size_t count = 0;

    if (inlay_str_is(methods, "guard") || inlay_str_is(methods, "hook"))
        return switch_guards(table, path, inlay_str_is(methods, "hook"), state);
    for (size_t i = 0; i < table->nroutes; i++) {
        if (!is_route(&table->routes[i], methods, path))
            continue;
        set(&table->routes[i].on, state);
        count++;
    }
    return count;
}

size_t inlay_lifted_switch(struct inlay_handler *lifted,
                           struct inlay_str methods,
                           struct inlay_str path,
                           enum inlay_switch_state state)
{
    const struct inlay_lifted_table *table = atomic_load_explicit(
        &inlay_lifted_of(lifted)->table, memory_order_acquire);
    size_t count = 0;

    for (size_t i = 0; i < table->nroutes; i++) {
        struct inlay_lifted_route *route = &table->routes[i];

        if (!inlay_str_equal(route->path, path) ||
            !inlay_str_equal(route->methods, methods))
            continue;
        set(&route->on, state);
        count++;
    }
    return count;
}

void inlay_native_keep_switches(const struct inlay_native_table *from,
                                struct inlay_native_table *to)
{
    for (size_t i = 0; i < from->nroutes; i++) {
        const struct inlay_native_route *old = &from->routes[i];

        for (size_t j = 0; j < to->nroutes; j++) {
            if (is_route(&to->routes[j], old->methods, old->decl->path))
                set(&to->routes[j].on, inlay_switch_of(&old->on));
        }
    }
    for (size_t i = 0; i < from->guards.count; i++) {
        const struct inlay_guard *old = &from->guards.items[i];
        enum inlay_switch_state state = inlay_switch_of(&old->on);

        if (state != INLAY_SWITCH_ON)
            switch_guards(to, old->decl->pattern, old->decl->after, state);
    }
}
