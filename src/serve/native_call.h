/*
 * native_call.h - C functions at work on a request: those of a route (its
 * providers, then its handler) or of a guard, one after the other, with what
 * they say of the answer. I/O thread only, but for functions that run on the
 * pool.
 *
 * The colour of a list of steps is the strongest of its functions': PLAIN ones
 * run at once, on the thread's own stack. If one may wait (an inlay_request *
 * or inlay_socket * parameter) or runs on the pool (INLAY_ASYNC), all run
 * in a coroutine, which waits for the pool as for anything else.
 */
#ifndef INLAY_SERVE_NATIVE_CALL_H
#define INLAY_SERVE_NATIVE_CALL_H

#include "load/context.h"
#include "net/coroutine.h"
#include "serve/bind.h"
#include "serve/request.h"

enum inlay_colour {
    INLAY_COLOUR_PLAIN,
    INLAY_COLOUR_COROUTINE,
    INLAY_COLOUR_POOL,
};

/* "I/O thread", "coroutine", "pool": what `inlay routes` prints. */
const char *inlay_colour_text(enum inlay_colour colour);

/* Of a function alone. */
enum inlay_colour inlay_colour_of(const struct inlay_func *func);

/* One function with its place in a list. */
struct inlay_step {
    const struct inlay_bind *bind;
    enum inlay_colour colour;
    bool provides; /* its result, a pointer, goes to provided[slot] */
    uint16_t slot;
};

/* Providers before those who need them; the last one is who it is all for. */
struct inlay_steps {
    struct inlay_step *items;
    size_t count;
    size_t nslots; /* of results of providers */
    enum inlay_colour colour;
    bool counted; /* a state is used: the table must outlive the call */
};

#endif
