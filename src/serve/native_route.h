/*
 * native_route.h - what the native handler knows of its routes; shared by
 * native.c (built once), native_serve.c (answers) and openapi.c (describes).
 */
#ifndef INLAY_SERVE_NATIVE_ROUTE_H
#define INLAY_SERVE_NATIVE_ROUTE_H

#include <stdatomic.h>

#include "serve/bind.h"
#include "serve/guard.h"
#include "serve/inject.h"
#include "serve/native.h"
#include "serve/native_call.h"
#include "serve/quarantine.h"
#include "serve/route.h"

/*
 * A record's route for those of its methods that are bound alike: a record
 * for GET and POST whose function takes a struct makes two.
 */
struct inlay_native_route {
    const struct inlay_route_decl *decl;
    const struct inlay_module *module;
    struct inlay_str methods;      /* "GET" or "GET,HEAD" */
    struct inlay_str what;         /* "GET,HEAD /users/{id}" */
    const struct inlay_bind *bind; /* of its handler: the last of steps */
    struct inlay_steps steps;
    int status;                    /* of a plain answer */
    bool no_content;               /* the plain answer has no body */
    struct inlay_str media;        /* of a plain answer: "application/json" */
    struct inlay_str content_type; /* the same as a header has it */
    struct inlay_switch on;        /* not ON: turned off, or crashed */
    atomic_bool alone;             /* nobody else knows what its path matches */
};

/* All routes at a time; immutable once it is published. */
struct inlay_native_table {
    struct inlay_native_table *older; /* what it has replaced, or NULL */
    atomic_size_t refs; /* the handler, and functions that are on the pool */
    struct inlay_arena arena;
    struct inlay_injections *injections; /* states are open while it is used */
    struct inlay_guard_list guards;
    struct inlay_route_tree *tree;    /* targets: struct inlay_native_route */
    struct inlay_route_tree *sockets; /* the same for WebSockets */
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
    bool has_guards, has_hooks; /* the chain has the handler of guard.h; it is
                                   told of hooks */
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

/* It goes, its states closed, with the last one. Any thread. */
void inlay_native_table_ref(const struct inlay_native_table *table);
void inlay_native_table_unref(const struct inlay_native_table *table);

/*
 * The request takes the newest table, unless it has one, and keeps it, with its
 * states open, to its end: request->native_table. 0, or -1 without memory.
 * I/O thread.
 */
int inlay_native_pin(struct inlay_handler *native,
                     struct inlay_request *request);

/* The handler's calls; native_serve.c. */
enum inlay_outcome inlay_native_on_request(struct inlay_handler *handler,
                                           struct inlay_request *request);
void inlay_native_on_body(struct inlay_handler *handler,
                          struct inlay_request *request,
                          struct inlay_str chunk,
                          bool last);
char *inlay_native_on_room(struct inlay_handler *handler,
                           struct inlay_request *request,
                           size_t *len_ret);
void inlay_native_on_drained(struct inlay_handler *handler,
                             struct inlay_request *request);
void inlay_native_on_abort(struct inlay_handler *handler,
                           struct inlay_request *request);
void inlay_native_on_eof(struct inlay_handler *handler,
                         struct inlay_request *request);

#endif
