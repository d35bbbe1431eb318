/*
 * module.h - a compiled shared object -> a module: functions ready to call
 * and routes ready to bind. Never unloaded: code, literals and types stay
 * valid until the process ends.
 */
#ifndef INLAY_LOAD_MODULE_H
#define INLAY_LOAD_MODULE_H

#include "base/arena.h"
#include "base/error.h"
#include "load/call.h"
#include "type/type.h"

/* INLAY_GET("/users/{id}", get_user) */
struct inlay_route_decl {
    struct inlay_str methods; /* "GET", "GET,HEAD" */
    struct inlay_str path;    /* "/users/{id}" */
    const struct inlay_callable *callable;
    int status;               /* INLAY_STATUS, or 0: 200, 204 for void */
    struct inlay_source decl; /* of the record */
};

struct inlay_callable {
    struct inlay_func *func;      /* func->entry is set */
    struct inlay_call_plan *plan; /* NULL when func->reason is set */
};

struct inlay_module {
    struct inlay_arena arena;
    struct inlay_str name; /* "fast", "pkg.fast" */
    struct inlay_str path; /* of the shared object */
    struct inlay_callable *callables;
    size_t ncallables;
    struct inlay_route_decl *routes; /* in the order of their file */
    size_t nroutes;
    void *handle; /* dlopen's */
    uintptr_t base;
};

/*
 * Loads the shared object at `path`. `root` is the folder of its sources.
 * Errors (INLAY_ERROR_IMPORT, message with file:line): debug information
 * missing, dlopen's own text, a default that names no parameter or does not
 * fit its type, a route on a function that can't be called (with the reason),
 * a route path that can't be parsed or names no parameter. The module is
 * malloc'ed and lives for ever.
 */
struct inlay_error *inlay_module_open(struct inlay_str name,
                                      const char *path,
                                      struct inlay_str root,
                                      struct inlay_module **ret);

/* The callable of that name, or NULL. */
const struct inlay_callable *inlay_module_find(
    const struct inlay_module *module,
    struct inlay_str name);

#endif
