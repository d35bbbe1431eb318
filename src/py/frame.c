/* frame.c - contexts of threads, and what a call holds on to. */
#include "py/frame.h"

#include "base/mem.h"
#include "load/crash.h"
#include "py/errors.h"

#include "base/banned.h"

struct inlay_py_keep {
    struct inlay_py_keep *next;
    PyObject *object; /* NULL: `view` is held */
    Py_buffer view;
};

struct inlay_py_thread {
    struct inlay_context context;
    struct inlay_arena arena;
};

static void *gil_release(void)
{
    /* Without it: NOGIL, the pool, a loop within a loop. */
    return inlay_py_has_gil() ? PyEval_SaveThread() : NULL;
}

static void gil_take(void *given)
{
    PyEval_RestoreThread(given);
}

const struct inlay_waiting inlay_py_gil = {gil_release, gil_take};

/* At the end of a thread, by pthread. */
static void thread_destroy(void *arg)
{
    struct inlay_py_thread *thread = arg;

    if (inlay_context_current == &thread->context)
        inlay_context_leave(&thread->context);
    inlay_arena_deinit(&thread->arena);
    inlay_free(thread);
}

static struct inlay_context *thread_context(struct inlay_py_state *state)
{
    struct inlay_py_thread *thread = NULL;

    if (state->has_thread_key)
        thread = inlay_calloc(1, sizeof(*thread));
    if (!thread)
        return NULL;
    if (pthread_setspecific(state->thread_key, thread) != 0) {
        inlay_free(thread);
        return NULL;
    }
    inlay_crash_thread();
    inlay_arena_init(&thread->arena, INLAY_PY_ARENA_MOST);
    inlay_context_enter(&thread->context, &thread->arena);
    thread->context.waiting = &inlay_py_gil;
    return &thread->context;
}

void inlay_py_frame_open(struct inlay_py_frame *frame)
{
    frame->keeps = NULL;
    frame->lent = NULL;
    frame->pins = NULL;
    frame->exception = NULL;
    frame->nested = true;
    inlay_arena_init(&frame->arena, INLAY_PY_ARENA_MOST);
    frame->own = (struct inlay_context){
        .arena = &frame->arena,
        .waiting = &inlay_py_gil,
    };
    frame->context = &frame->own;
}

int inlay_py_frame_begin_slow(struct inlay_py_frame *frame,
                              struct inlay_py_state *state)
{
    inlay_py_frame_open(frame);
    if (inlay_context_current) {
        inlay_context_resume(&frame->own);
        return 0;
    }
    frame->nested = false;
    frame->context = thread_context(state);
    if (frame->context)
        return 0;
    PyErr_NoMemory();
    return -1;
}

static void context_clean(struct inlay_context *context)
{
    /* Defers may use the services: errors of theirs go the same way. */
    inlay_arena_reset(context->arena);
    inlay_context_clear_error(context);
    context->owned = NULL;
    context->dirty = false;
}

static void release(struct inlay_py_keep *keep)
{
    if (keep->object)
        Py_DECREF(keep->object);
    else
        PyBuffer_Release(&keep->view);
}

void inlay_py_frame_end_slow(struct inlay_py_frame *frame)
{
    /* It was opened for another thread: its defers run here. */
    if (frame->nested && inlay_context_current != &frame->own)
        inlay_context_resume(&frame->own);
    /* Arguments are still there for them. */
    inlay_arena_run_defers(frame->context->arena, NULL);
    inlay_py_frame_unpin(frame);
    Py_CLEAR(frame->exception);
    /*
     * What is let go may run Python code, which may call C again: the
     * context is still dirty, so that such a call leaves it alone.
     */
    if (frame->keeps) {
        PyObject *exception = inlay_py_exception_take();

        for (struct inlay_py_keep *keep = frame->keeps; keep; keep = keep->next)
            release(keep);
        inlay_py_exception_restore(exception);
    }
    if (frame->nested) {
        inlay_arena_deinit(&frame->arena);
        inlay_context_leave(&frame->own);
    } else {
        context_clean(frame->context);
    }
}

void *inlay_py_frame_alloc(struct inlay_py_frame *frame, size_t size)
{
    frame->context->dirty = true;
    void *ptr = inlay_arena_alloc(frame->context->arena, size ? size : 1);
    if (!ptr)
        PyErr_NoMemory();
    return ptr;
}

int inlay_py_frame_keep(struct inlay_py_frame *frame, PyObject *object)
{
    struct inlay_py_keep *keep = inlay_py_frame_alloc(frame, sizeof(*keep));

    if (!keep)
        return -1;
    keep->object = Py_NewRef(object);
    keep->next = frame->keeps;
    frame->keeps = keep;
    return 0;
}

Py_buffer *inlay_py_frame_view(struct inlay_py_frame *frame,
                               PyObject *object,
                               int flags)
{
    struct inlay_py_keep *keep = inlay_py_frame_alloc(frame, sizeof(*keep));

    if (!keep || PyObject_GetBuffer(object, &keep->view, flags) < 0)
        return NULL;
    keep->object = NULL;
    keep->next = frame->keeps;
    frame->keeps = keep;
    return &keep->view;
}

void inlay_py_frame_drop(struct inlay_py_frame *frame)
{
    struct inlay_py_keep *keep = frame->keeps;

    frame->keeps = keep->next;
    release(keep);
}

int inlay_py_context_settle(struct inlay_py_state *state,
                            struct inlay_context *context)
{
    int result = 0;

    if (context->error)
        result = inlay_py_raise_failed(state, context);
    context_clean(context);
    return result;
}

int inlay_py_frames_init(PyObject *module, struct inlay_py_state *state)
{
    (void)module;
    if (pthread_key_create(&state->thread_key, thread_destroy) != 0) {
        PyErr_SetString(PyExc_RuntimeError, "no thread-specific keys left");
        return -1;
    }
    state->has_thread_key = true;
    return 0;
}
