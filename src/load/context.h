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

/* What a call gives back while it waits for others: Python's lock. */
struct inlay_waiting {
    void *(*begin)(void); /* what `end` needs; NULL: nothing was given */
    void (*end)(void *given);
};

/* Memory of inlay_array that nobody has taken yet. */
struct inlay_owned_block {
    struct inlay_owned_block *next;
    void *ptr;   /* inlay_malloc'ed, zeroed */
    size_t size; /* bytes */
};

struct inlay_context {
    struct inlay_arena *arena;
    struct inlay_context *outer; /* the call that this one interrupts */
    bool dirty;                  /* the arena was used or the call failed */
    int error;                   /* enum inlay_error_kind; first one wins */
    struct inlay_str error_text; /* in the arena */
    /* NULL: the caller holds nothing that others wait for. */
    const struct inlay_waiting *waiting;
    /* The blocks themselves are the arena's; freed by it unless taken. */
    struct inlay_owned_block *owned;
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

/*
 * Makes a call the thread's current one (again), be it that another thread
 * began it; inlay_context_leave ends that.
 */
static inline void inlay_context_resume(struct inlay_context *context)
{
    context->outer = inlay_context_current;
    inlay_context_current = context;
}

/* Back to the outer call; the arena stays the caller's. */
static inline void inlay_context_leave(struct inlay_context *context)
{
    inlay_context_current = context->outer;
}

/*
 * Takes the memory of an inlay_array of this call out of it: the caller
 * frees it with inlay_free. False: it is none of this call's.
 */
bool inlay_context_take(struct inlay_context *context,
                        const void *ptr,
                        size_t *size_ret);

/* The services that modules get; one immutable table. */
extern const struct inlay_api inlay_api_table;

/* HTTP status and short text of an error kind ("NotFound"). */
int inlay_error_kind_status(int kind);
struct inlay_str inlay_error_kind_text(int kind);

#endif
