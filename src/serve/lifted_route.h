/*
 * lifted_route.h - inside serve/: lifted routes as they are followed. Built by
 * lifted_table.c, found by lifted.c, called by lifted_call.c.
 */
#ifndef INLAY_SERVE_LIFTED_ROUTE_H
#define INLAY_SERVE_LIFTED_ROUTE_H

#include <stdatomic.h>

#include "serve/lifted.h"
#include "serve/native_call.h"
#include "serve/quarantine.h"
#include "serve/request.h"
#include "serve/route.h"

struct inlay_lifted_route {
    struct inlay_str methods, path;
    struct inlay_str what; /* "GET /users/{id}": for logs and crash reports */
    const struct inlay_callable *callable;
    struct inlay_step step;          /* its function, */
    struct inlay_steps steps;        /* which is all of them */
    struct inlay_route_tree *before; /* its barriers; NULL: none */
    unsigned whole;                  /* bit i: parameter i is an {x:int} */
    int status;
    bool explains, own_root; /* as in inlay_lifted_decl */
    bool is_void;            /* the answer is "null" */
    bool no_content;         /* the status has no body */
    struct inlay_switch on;  /* not ON: turned off, or crashed */
};

/* All of a time; immutable once it is published. */
struct inlay_lifted_table {
    struct inlay_lifted_table *older; /* what it has replaced, or NULL */
    struct inlay_arena arena;
    struct inlay_route_tree *tree; /* targets: struct inlay_lifted_route */
    struct inlay_lifted_route *routes;
    size_t nroutes;
};

struct inlay_lifted {
    struct inlay_handler handler;
    _Atomic(struct inlay_lifted_table *) table; /* the newest one */
};

static inline struct inlay_lifted *inlay_lifted_of(
    const struct inlay_handler *handler)
{
    return inlay_container_of(handler, struct inlay_lifted, handler);
}

struct inlay_error *inlay_lifted_table_create(
    const struct inlay_lifted_decl *decls,
    size_t ndecls,
    struct inlay_lifted_table **ret);
void inlay_lifted_table_destroy(struct inlay_lifted_table *table);

/* --- Hot ---------------------------------------------------------------- */

/*
 * Calls the function and answers: HANDLED, the request is over; PENDING, it
 * waits for a database, request->handler_data is its call. DECLINED: what the
 * client has sent does not fit, and nothing was done. `input` has `npath` values
 * of the path; its body lies in the arena unless the steps are PLAIN.
 */
enum inlay_outcome inlay_lifted_call(struct inlay_request *request,
                                     const struct inlay_lifted_route *route,
                                     const struct inlay_bind_input *input,
                                     size_t npath);

#endif
