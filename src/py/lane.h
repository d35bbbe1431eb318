/*
 * lane.h - the way back into an event loop, for what other threads do for it.
 * Hold the GIL, but where it is said.
 *
 * Each loop has a lane: an eventfd that it watches and a stack of errands that
 * are done. The thread that puts the first one there writes the eventfd; the
 * loop then takes all of them. No thread that does errands takes the GIL.
 */
#ifndef INLAY_PY_LANE_H
#define INLAY_PY_LANE_H

#include "py/py.h"

#include "py/state.h"

struct inlay_py_lane;

/* Embed it, zeroed. */
struct inlay_py_errand {
    struct inlay_py_errand *next; /* among those that are done */
    struct inlay_py_lane *lane;   /* counted; until it is done */
    /*
     * Strong, while it is on its way and somebody wants to know: the loop's
     * future, which then gets None as its result, and who waits for it (so
     * that a task that nobody else holds can't vanish).
     */
    PyObject *future, *owner;
    /* It came back and nobody wants it. A pending exception stays. */
    void (*destroy)(struct inlay_py_errand *errand);
    /* The loop is gone: its owner does not have it any more; then destroy. */
    void (*forget)(struct inlay_py_errand *errand);
};

/* It goes; sets *future_ret to a new future of the loop. -1 with an exception. */
int inlay_py_errand_begin(struct inlay_py_state *state,
                          struct inlay_py_errand *errand,
                          PyObject *owner,
                          PyObject *loop,
                          PyObject **future_ret);

/* It does not go after all, and never will be done. */
void inlay_py_errand_revoke(struct inlay_py_errand *errand);

/* Nobody wants it any more: destroyed when it is done. */
void inlay_py_errand_abandon(struct inlay_py_errand *errand);

/* Any thread, without the GIL: it is the loop's again. */
void inlay_py_errand_done(struct inlay_py_errand *errand);

/* Types of this file. 0, or -1 with an exception. */
int inlay_py_lanes_init(PyObject *module, struct inlay_py_state *state);

#endif
