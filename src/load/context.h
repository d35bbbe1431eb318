/*
 * context.h - the running call: its memory and its error. One pointer per
 * thread, so that inlay_alloc and inlay_fail of a module find them. A thread
 * without a running call has none, and there they fail safely.
 */
#ifndef INLAY_LOAD_CONTEXT_H
#define INLAY_LOAD_CONTEXT_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"

struct inlay_context {
    struct inlay_arena *arena;
    struct inlay_context *outer; /* the call that this one interrupts */
    bool dirty;                  /* the arena was used or the call failed */
    int error;                   /* enum inlay_error_kind; first one wins */
    struct inlay_str error_text; /* in the arena */
};

extern __thread struct inlay_context *inlay_context_current
    __attribute__((tls_model("initial-exec")));

/* Fills in `context` and makes it the thread's current call. */
static inline void inlay_context_enter(struct inlay_context *context,
                                       struct inlay_arena *arena)
{
    *context = (struct inlay_context){
        .arena = arena,
        .outer = inlay_context_current,
    };
    inlay_context_current = context;
}

/* Back to the outer call; the arena stays the caller's. */
static inline void inlay_context_leave(struct inlay_context *context)
{
    inlay_context_current = context->outer;
}

/* The services that modules get; one immutable table. */
extern const struct inlay_api inlay_api_table;

/* HTTP status and short text of an error kind ("NotFound"). */
int inlay_error_kind_status(int kind);
struct inlay_str inlay_error_kind_text(int kind);

#endif
