/*
 * inject.h - what functions of routes, guards and providers are given: states
 * (INLAY_STATE), one per worker, and results of providers (INLAY_PROVIDE), one
 * per request. Made for all modules of a table of routes at once.
 */
#ifndef INLAY_SERVE_INJECT_H
#define INLAY_SERVE_INJECT_H

#include "base/arena.h"
#include "base/error.h"
#include "serve/bind.h"
#include "serve/native_call.h"

struct inlay_injections;
struct inlay_request;

/*
 * The states of one module. A module that a hot swap has left as it is keeps
 * them: several tables share a set.
 */
struct inlay_state_set {
    atomic_size_t refs;
    const struct inlay_module *module;
    struct inlay_state *states;  /* by number in module->provides; those of
                                   providers are not used */
    struct inlay_state **opened; /* in the order in which they were */
    size_t nopened;
    struct inlay_arena memory; /* what open functions have allocated */
};

/* The states and providers of one module, for one table. */
struct inlay_injection {
    const struct inlay_module *module;
    struct inlay_state_set *set;
    uint16_t *slots; /* by number in module->provides, of providers */
    size_t nslots;   /* of providers */
};

#define INLAY_INJECT_SHARDS 16

/* Requests that use states; by thread, so that none waits for another. */
struct inlay_inject_shard {
    _Alignas(64) atomic_size_t users;
    struct inlay_injections *whole;
};

struct inlay_injections {
    struct inlay_inject_shard shards[INLAY_INJECT_SHARDS];
    struct inlay_injection *items; /* as the modules */
    size_t count;
    bool has_states;
    atomic_bool retired; /* another table has been published */
    atomic_flag closed;
};

/*
 * Cold. Nothing is opened yet. `older` (NULL: there is none) is what it will
 * replace: modules that are in both keep their states. All lives in the arena
 * but the states: inlay_injections_close before it goes.
 */
struct inlay_error *inlay_injections_create(struct inlay_module *const *modules,
                                            size_t nmodules,
                                            struct inlay_injections *older,
                                            struct inlay_arena *arena,
                                            struct inlay_injections **ret);

/*
 * The providers that the function needs, each once, those first that others
 * need, then the function itself; `target->injector` is set here. Errors:
 * inlay_bind_create's.
 */
struct inlay_error *inlay_steps_create(
    const struct inlay_injections *injections,
    const struct inlay_module *module,
    const struct inlay_bind_target *target,
    struct inlay_arena *arena,
    struct inlay_steps *ret);

/* The colour of the function and of all that it needs, for those who list it;
 * a list of steps knows its own. */
enum inlay_colour inlay_inject_colour(const struct inlay_module *module,
                                      const struct inlay_func *func);

/*
 * Calls the open functions of states that are not open, those first whose
 * states others need. When one fails or gives NULL: INLAY_ERROR_IMPORT, with
 * its file:line and its words. The caller's thread.
 */
struct inlay_error *inlay_injections_open(struct inlay_injections *injections);

/* Closes the states that no other table has, in reverse order; once. Any
 * thread. */
void inlay_injections_close(struct inlay_injections *injections);

/* Their successor has been published: closes them when nobody uses them any
 * more. Any thread. */
void inlay_injections_retire(struct inlay_injections *injections);

/*
 * They are open until the request ends. 0; -1 when they are retired: look for
 * their successor; -2 without memory. The request's I/O thread. (The other
 * function of native_call.h that is made here is inlay_provided_of.)
 */
int inlay_injections_hold(struct inlay_injections *injections,
                          struct inlay_request *request);

#endif
