/*
 * quarantine.h - native routes, guards and hooks that are not to run: an
 * operator has turned them off (--native-off), or they have crashed too often. A byte
 * each, embedded in what it is about and read once per request; who writes it
 * is the control thread of a worker.
 */
#ifndef INLAY_SERVE_QUARANTINE_H
#define INLAY_SERVE_QUARANTINE_H

#include <stdatomic.h>
#include <stddef.h>

#include "serve/handler.h"

enum inlay_switch_state {
    INLAY_SWITCH_ON,     /* it runs */
    INLAY_SWITCH_PASS,   /* the next handler of the chain answers */
    INLAY_SWITCH_REFUSE, /* 503: there is nobody else; a guard: always, a hook:
                            500 */
};

/* Zeroed memory is ON. */
struct inlay_switch {
    atomic_uchar state;
};

static inline enum inlay_switch_state inlay_switch_of(
    const struct inlay_switch *at)
{
    return (enum inlay_switch_state)atomic_load_explicit(&at->state,
                                                         memory_order_relaxed);
}

/*
 * What becomes of a request whose route is not ON: DECLINED, or HANDLED (the
 * 503). Of a guard's request call inlay_switch_refuse instead, whatever the
 * state is: a guard that can't be asked is never a pass.
 */
enum inlay_outcome inlay_switch_follow(const struct inlay_switch *at,
                                       struct inlay_request *request);

/* 503 with retry-after. The request is over. I/O thread. */
void inlay_switch_refuse(struct inlay_request *request);

/*
 * Sets the routes of `native` that have these methods and this path, as
 * inlay_native_info tells them, or the guards or hooks of this path when
 * `methods` is "guard" or "hook"; says how many. Requests that have found their route go on with it.
 * Any thread, but not while routes are replaced.
 */
size_t inlay_native_switch(struct inlay_handler *native,
                           struct inlay_str methods,
                           struct inlay_str path,
                           enum inlay_switch_state state);

/* The same of lifted routes (lifted.h). */
size_t inlay_lifted_switch(struct inlay_handler *lifted,
                           struct inlay_str methods,
                           struct inlay_str path,
                           enum inlay_switch_state state);

struct inlay_native_table;

/* What `to` has of the routes and guards of `from` is as it is there. */
void inlay_native_keep_switches(const struct inlay_native_table *from,
                                struct inlay_native_table *to);

#endif
