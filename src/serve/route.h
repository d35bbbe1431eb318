/*
 * route.h - paths with parameters -> targets: a tree of segments. `{id}` is
 * one segment without '/', `{id:int}` one of digits, `{x:float}` one that may
 * have a fraction, `{id:uuid}` one of 32 hex digits with or without hyphens,
 * `{rest:path}` everything that is left: what Starlette's converters take.
 * Literal segments win over parameters, parameters over {rest:path};
 * otherwise the order of addition. Built cold, then read by any thread.
 */
#ifndef INLAY_SERVE_ROUTE_H
#define INLAY_SERVE_ROUTE_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "load/pattern.h"

struct inlay_route_tree;

struct inlay_route_match {
    void *target; /* of the method asked for; NULL: other methods only */
    struct inlay_str allow; /* "GET, HEAD, POST": methods of this path */
    struct inlay_str params[INLAY_PATTERN_PARAMS]; /* views of the path */
    size_t nparams;
    /* What `allow` is a view of when several routes know the path. */
    char allow_text[128];
};

struct inlay_error *inlay_route_tree_create(struct inlay_route_tree **ret);
void inlay_route_tree_destroy(struct inlay_route_tree *tree);

/*
 * `methods`: "GET" or "GET,HEAD"; GET brings HEAD with it unless that has a
 * target of its own. INLAY_ERROR_VALUE: bad path, or the same method and
 * shape of path twice.
 */
struct inlay_error *inlay_route_tree_add(struct inlay_route_tree *tree,
                                         struct inlay_str methods,
                                         struct inlay_str path,
                                         void *target);

/*
 * true when the path is known; see match->target for the method. When the
 * best path lacks the method and another one has it, that one answers.
 */
bool inlay_route_tree_find(const struct inlay_route_tree *tree,
                           struct inlay_str method,
                           struct inlay_str path,
                           struct inlay_route_match *match);

#endif
