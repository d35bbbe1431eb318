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

/* INLAY_HEADER and its like; sources.c. */
struct inlay_param_source {
    bool given;            /* a record says where the parameter comes from */
    uint32_t kind;         /* enum inlay_source_kind */
    struct inlay_str name; /* of the header, cookie, field */
    struct inlay_source decl;
};

/* INLAY_ANSWERS(f, 404, "No such user") */
struct inlay_answer_note {
    int status;
    struct inlay_str text;
};

/* What documents say of a function's routes; notes.c. */
struct inlay_notes {
    struct inlay_str summary; /* "" when there is none */
    const struct inlay_str *tags;
    size_t ntags;
    const struct inlay_answer_note *answers;
    size_t nanswers;
    bool deprecated;
    bool replaces; /* INLAY_REPLACES */
};

struct inlay_callable {
    struct inlay_func *func;      /* func->entry is set */
    struct inlay_call_plan *plan; /* NULL when func->reason is set */
    const struct inlay_param_source *sources; /* of each parameter; or NULL */
    const struct inlay_notes *notes;          /* or NULL */
};

/* INLAY_PROVIDE, INLAY_STATE; provides.c. */
struct inlay_provide_decl {
    const struct inlay_callable *callable;
    struct inlay_str type; /* tag of the struct that its result points to */
    bool once;             /* a state: per worker */
    void (*close)(void *); /* of a state, or NULL */
    struct inlay_source decl;
};

/* INLAY_BEFORE, INLAY_AFTER; provides.c. */
struct inlay_guard_decl {
    const struct inlay_callable *callable;
    struct inlay_str pattern;
    bool after;
    struct inlay_source decl;
};

/* INLAY_LAYER; layers.c. */
struct inlay_layer_decl {
    struct inlay_str name, pattern, value;
    struct inlay_source decl;
};

struct inlay_module {
    struct inlay_arena arena;
    struct inlay_str name; /* "fast", "pkg.fast" */
    struct inlay_str path; /* of the shared object */
    struct inlay_callable *callables;
    size_t ncallables;
    struct inlay_route_decl *routes; /* in the order of their file */
    size_t nroutes;
    struct inlay_provide_decl *provides; /* in the order of their file */
    size_t nprovides;
    struct inlay_guard_decl *guards; /* in the order of their file */
    size_t nguards;
    struct inlay_layer_decl *layers;
    size_t nlayers;
    void *handle; /* dlopen's */
    uintptr_t base;
};

/*
 * Loads the shared object at `path`; or the running program, when that is
 * what lies there. `root` is the folder of its sources; "": any.
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
