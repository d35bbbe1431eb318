/*
 * guard.h - INLAY_BEFORE and INLAY_AFTER: functions that every request whose
 * path matches goes through, whoever answers it. What may go wrong ends in a
 * refusal, never in a pass: without memory, with a form of the path that is
 * not known, when one can't be called.
 */
#ifndef INLAY_SERVE_GUARD_H
#define INLAY_SERVE_GUARD_H

#include "base/error.h"
#include "serve/handler.h"
#include "serve/inject.h"
#include "serve/native_call.h"
#include "serve/quarantine.h"

struct inlay_native_table;
struct inlay_request;
struct inlay_server;

struct inlay_guard {
    const struct inlay_guard_decl *decl;
    const struct inlay_module *module;
    struct inlay_steps steps;
    struct inlay_str what;  /* "guard /admin/(star)": for logs and reports */
    struct inlay_switch on; /* not ON: of a guard a 503, of a hook a 500 */
};

/* Those of all modules in their order, in files' order in each. */
struct inlay_guard_list {
    struct inlay_guard *items;
    size_t count;
    size_t nhooks; /* of INLAY_AFTER among them */
};

/*
 * Binds them; cold. INLAY_ERROR_IMPORT names file:line and what is wrong: a
 * parameter that a guard can't have, a hook that may wait.
 */
struct inlay_error *inlay_guards_bind(const struct inlay_injections *injections,
                                      struct inlay_arena *arena,
                                      struct inlay_guard_list *ret);

/*
 * When the native handler has guards or hooks: a handler that is to stand
 * before all that it guards; else *ret is NULL, and the chain has none. The
 * native handler stays the caller's, and lives longer. `server` is told of
 * hooks. Before the server's start.
 */
struct inlay_error *inlay_guards_create(struct inlay_server *server,
                                        struct inlay_handler *native,
                                        struct inlay_handler **ret);

/*
 * The hooks of a request whose answer is about to begin with request->status;
 * they may add headers (request->extra). 0, or -1: one has failed, which is
 * logged, or is not to run, and the answer is to be a 500.
 */
int inlay_guards_answer(struct inlay_handler *guards,
                        struct inlay_request *request);

#endif
