/*
 * frame.h - one call from Python into C: the context that inlay_alloc and
 * inlay_fail find, and what has to live until the call is over. Hold the GIL.
 *
 * Every thread gets a context of its own with its first call, which stays its
 * current one: a call that neither allocates nor fails costs one test. Such a
 * context is clean (not dirty) whenever nothing in its arena is in use; a
 * call that begins while it is dirty (a conversion ran Python code, and that
 * calls C) gets a context and an arena of its own.
 */
#ifndef INLAY_PY_FRAME_H
#define INLAY_PY_FRAME_H

#include "py/py.h"

#include "base/macros.h"
#include "load/context.h"
#include "py/state.h"

/* Arguments of one call: the caller has them in memory already. */
#define INLAY_PY_ARENA_MOST ((size_t)1 << 40)

struct inlay_py_keep; /* a reference or buffer, held until the end */
struct inlay_py_lent; /* a struct that C may change: convert.h */

/* An object of C's own idiom that nobody may close now. */
struct inlay_py_pin {
    struct inlay_py_pin *next;
    PyObject *object; /* strong */
};

struct inlay_py_frame {
    struct inlay_context *context;
    struct inlay_py_keep *keeps;
    struct inlay_py_lent *lent; /* newest first; in the call's arena */
    struct inlay_py_pin *pins;  /* NULL, or &first_pin and others */
    struct inlay_py_pin first_pin;
    PyObject *exception; /* strong: what a callback raised; ends the call */
    bool nested;         /* `own` and `arena` are in use */
    struct inlay_context own;
    struct inlay_arena arena;
};

/* What a call that holds the GIL gives back while it waits: the GIL. */
extern const struct inlay_waiting inlay_py_gil;

/*
 * A frame with a context of its own, which is nobody's current one yet: of a
 * call that another thread is going to make, without the GIL. inlay_py_frame_
 * end ends it, on any thread that has the GIL.
 */
void inlay_py_frame_open(struct inlay_py_frame *frame);

/* -1 with MemoryError. */
int inlay_py_frame_begin_slow(struct inlay_py_frame *frame,
                              struct inlay_py_state *state);
void inlay_py_frame_end_slow(struct inlay_py_frame *frame);

/* handle.c - the objects that the call has used may be closed again. */
void inlay_py_frame_unpin(struct inlay_py_frame *frame);

static inline int inlay_py_frame_begin(struct inlay_py_frame *frame,
                                       struct inlay_py_state *state)
{
    struct inlay_context *context = inlay_context_current;

    if (inlay_unlikely(!context || context->dirty))
        return inlay_py_frame_begin_slow(frame, state);
    frame->context = context;
    frame->keeps = NULL;
    frame->lent = NULL;
    frame->pins = NULL;
    frame->exception = NULL;
    frame->nested = false;
    return 0;
}

/* Lets everything go; a pending exception stays. */
static inline void inlay_py_frame_end(struct inlay_py_frame *frame)
{
    if (inlay_unlikely(frame->context->dirty || frame->nested))
        inlay_py_frame_end_slow(frame);
    else if (frame->pins)
        inlay_py_frame_unpin(frame);
}

/* Memory until the end of the call; NULL with MemoryError. */
void *inlay_py_frame_alloc(struct inlay_py_frame *frame, size_t size);

/* Holds a reference to `object` until the end. -1 with MemoryError. */
int inlay_py_frame_keep(struct inlay_py_frame *frame, PyObject *object);

/*
 * The buffer of `object`, held until the end. NULL with an exception, as
 * PyObject_GetBuffer.
 */
Py_buffer *inlay_py_frame_view(struct inlay_py_frame *frame,
                               PyObject *object,
                               int flags);

/* Gives the newest view back: it can't be used after all. */
void inlay_py_frame_drop(struct inlay_py_frame *frame);

/*
 * For calls without a frame, whose context got dirty: an inlay_fail becomes
 * the exception (-1), and the context is clean again.
 */
int inlay_py_context_settle(struct inlay_py_state *state,
                            struct inlay_context *context);

#endif
