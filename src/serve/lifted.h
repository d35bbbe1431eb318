/*
 * lifted.h - endpoints of the application that are C functions, answered
 * without it. A handler of the chain, right before the application's; which
 * routes may go here is decided by Python (lift.py), the rules are FastAPI's:
 * structs and lists are the body, whatever the method; nothing is 200 "null";
 * GET does not bring HEAD. A request that does not fit is handed on to the
 * application, with its body. A function that was called is never called again:
 * its error is answered here, as the application would. One that takes an
 * inlay_db * waits as a native route's does.
 */
#ifndef INLAY_SERVE_LIFTED_H
#define INLAY_SERVE_LIFTED_H

#include "base/error.h"
#include "load/module.h"
#include "serve/handler.h"

/* A route that stands before another one, as far as both can match. */
struct inlay_lifted_barrier {
    struct inlay_str methods; /* those of them that matter: "GET" */
    struct inlay_str path;    /* at least the paths that it matches */
};

struct inlay_lifted_decl {
    struct inlay_str methods; /* "GET,POST" */
    struct inlay_str path;    /* "/users/{id}", prefixes included */
    const struct inlay_callable *callable;
    const struct inlay_module *module;
    int status; /* of its answer */
    /* What inlay_fail says is answered as a native route does it; else it is
     * a 500, as of any exception that an application does not handle. */
    bool explains;
    /* The application has a root path of its own, in place of the server's. */
    bool own_root;
    const struct inlay_lifted_barrier *barriers;
    size_t nbarriers;
};

/* Without routes. */
struct inlay_error *inlay_lifted_create(struct inlay_handler **ret);

/*
 * These routes in the place of all; everything is copied but callables and
 * modules. INLAY_ERROR_IMPORT or _VALUE says why one can't be bound: nothing
 * is changed then. Any thread, at any time.
 */
struct inlay_error *inlay_lifted_replace(struct inlay_handler *lifted,
                                         const struct inlay_lifted_decl *decls,
                                         size_t ndecls);

#endif
