/*
 * native_route.h - what the native handler knows of its routes; shared by
 * native.c (built once), native_serve.c (answers) and openapi.c (describes).
 */
#ifndef INLAY_SERVE_NATIVE_ROUTE_H
#define INLAY_SERVE_NATIVE_ROUTE_H

#include <stdatomic.h>

#include "serve/bind.h"
#include "serve/native.h"
#include "serve/native_call.h"
#include "serve/route.h"

/*
 * A record's route for those of its methods that are bound alike: a record
 * for GET and POST whose function takes a struct makes two.
 */
struct inlay_native_route {
    const struct inlay_route_decl *decl;
    const struct inlay_module *module;
    struct inlay_str methods;      /* "GET" or "GET,HEAD" */
    const struct inlay_bind *bind; /* of its handler: the last of steps */
    struct inlay_steps steps;
    int status;                    /* of a plain answer */
    bool no_content;               /* the plain answer has no body */
    struct inlay_str media;        /* of a plain answer: "application/json" */
    struct inlay_str content_type; /* the same as a header has it */
};

/* All routes at a time; immutable once it is published. */
struct inlay_native_table {
    struct inlay_native_table *older; /* what it has replaced, or NULL */
    struct inlay_arena arena;
    struct inlay_route_tree *tree; /* targets: struct inlay_native_route */
    struct inlay_native_route *routes;
    size_t nroutes;
};

/*
 * Requests keep the route that they have found, so tables that were replaced
 * stay until the handler goes.
 */
struct inlay_native {
    struct inlay_handler handler;
    _Atomic(struct inlay_native_table *) table; /* the newest one */
};

static inline struct inlay_native *inlay_native_of(
    const struct inlay_handler *handler)
{
    return inlay_container_of(handler, struct inlay_native, handler);
}

/* The table of the moment; any thread. */
static inline const struct inlay_native_table *inlay_native_table_of(
    const struct inlay_handler *handler)
{
    return atomic_load_explicit(&inlay_native_of(handler)->table,
                                memory_order_acquire);
}

/* The handler's calls; native_serve.c. */
enum inlay_outcome inlay_native_on_request(struct inlay_handler *handler,
                                           struct inlay_request *request);
void inlay_native_on_body(struct inlay_handler *handler,
                          struct inlay_request *request,
                          struct inlay_str chunk,
                          bool last);

#endif
