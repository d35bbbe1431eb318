/* parallel.c - loops of C functions: splitting, contexts, errors. */
#include "load/parallel.h"

#include <inlay.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "load/context.h"
#include "load/crash.h"
#include "pool/loops.h"

#include "base/banned.h"

/* Parts per thread of a for without a grain: no thread waits long at its end */
#define FOR_PARTS 64
/* Parts of a reduce without a grain, whatever the machine. */
#define REDUCE_PARTS 256
/* Parts of a result that lie on the stack while they wait to be merged. */
#define SMALL_RESULT 256
/* Memory of bodies on a thread without a running call. */
#define LONE_LIMIT ((size_t)1 << 30)

/* A context for parts on another thread than the caller's. */
struct child {
    struct child *next, *next_idle;
    struct inlay_context context;
    struct inlay_arena arena;
};

/* In the caller's arena: ends what children have allocated. */
struct adopted {
    struct child *children;
};

struct loop {
    size_t grain; /* at least 1 */
    void (*for_body)(void *ctx, size_t begin, size_t end);
    void (*reduce_body)(void *ctx, size_t begin, size_t end, void *part);
    void (*merge)(void *into, const void *part);
    void *ctx;
    const void *neutral; /* of a reduce: what each part begins with */
    size_t size;

    struct inlay_context *caller;
    struct adopted *adopted;
    size_t limit;          /* of each child's memory */
    struct inlay_str what; /* what children are for, as their contexts say */
    const struct inlay_func *func;
    atomic_bool failed;

    pthread_mutex_t lock; /* for what follows */
    struct child *children, *idle;
    size_t error_at; /* first index of the part that failed */
    int error;
    struct inlay_str error_text; /* in the arena of its part's context */
};

/* --- Errors and contexts -------------------------------------------------- */

static void note_error(struct loop *loop,
                       size_t at,
                       int error,
                       struct inlay_str text)
{
    pthread_mutex_lock(&loop->lock);
    if (!loop->error || at < loop->error_at) {
        loop->error_at = at;
        loop->error = error;
        loop->error_text = text;
    }
    pthread_mutex_unlock(&loop->lock);
    atomic_store_explicit(&loop->failed, true, memory_order_relaxed);
}

static void note_no_memory(struct loop *loop, size_t at)
{
    note_error(loop, at, INLAY_NO_MEMORY,
               INLAY_STR("out of memory for a parallel loop"));
}

/* What a body has left in the thread's context becomes the loop's error. */
static void check_error(struct loop *loop, size_t at)
{
    struct inlay_context *context = inlay_context_current;

    if (inlay_likely(!context->error))
        return;
    note_error(loop, at, context->error, context->error_text);
    inlay_context_clear_error(context);
}

static bool has_failed(struct loop *loop)
{
    return atomic_load_explicit(&loop->failed, memory_order_relaxed);
}

/* For crash reports: what all of it is for, said by an outer call maybe. */
static const struct inlay_context *named_call(const struct inlay_context *call)
{
    while (call->outer && !call->what.len)
        call = call->outer;
    return call;
}

static struct child *child_take(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    struct child *child = loop->idle;
    if (child)
        loop->idle = child->next_idle;
    pthread_mutex_unlock(&loop->lock);
    if (child)
        return child;
    child = inlay_calloc(1, sizeof(*child));
    if (!child)
        return NULL;
    inlay_arena_init(&child->arena, loop->limit);
    child->context.arena = &child->arena;
    child->context.what = loop->what;
    child->context.func = loop->func;
    pthread_mutex_lock(&loop->lock);
    child->next = loop->children;
    loop->children = child;
    pthread_mutex_unlock(&loop->lock);
    return child;
}

static void child_give(struct loop *loop, struct child *child)
{
    pthread_mutex_lock(&loop->lock);
    child->next_idle = loop->idle;
    loop->idle = child;
    pthread_mutex_unlock(&loop->lock);
}

static void free_children(void *arg)
{
    struct adopted *adopted = arg;

    while (adopted->children) {
        struct child *child = adopted->children;

        adopted->children = child->next;
        inlay_arena_deinit(&child->arena);
        inlay_free(child);
    }
}

static void append_owned(struct inlay_context *context,
                         struct inlay_owned_block *blocks)
{
    struct inlay_owned_block **at = &context->owned;

    while (*at)
        at = &(*at)->next;
    *at = blocks;
}

/* The children's memory becomes the caller's, and counts as such. */
static void adopt_children(struct loop *loop)
{
    struct inlay_arena *arena = loop->caller->arena;

    while (loop->children) {
        struct child *child = loop->children;

        loop->children = child->next;
        if (!child->context.dirty) {
            inlay_free(child);
            continue;
        }
        append_owned(loop->caller, child->context.owned);
        arena->size += inlay_min(child->arena.size, arena->limit - arena->size);
        child->next = loop->adopted->children;
        loop->adopted->children = child;
    }
}

/* --- Splitting ------------------------------------------------------------ */

struct part {
    struct loop *loop;
    /* The splitting thread's; whoever has it as his current one is that. */
    struct inlay_context *context;
    size_t begin, end;
    void *into; /* of a reduce */
};

static void run_for(struct loop *loop, size_t begin, size_t end);
static void run_reduce(struct loop *loop, size_t begin, size_t end, void *into);

static void run_range(struct part *part)
{
    if (part->loop->for_body)
        run_for(part->loop, part->begin, part->end);
    else
        run_reduce(part->loop, part->begin, part->end, part->into);
}

static void run_part(void *arg)
{
    struct part *part = arg;

    if (part->context == inlay_context_current) {
        run_range(part);
        return;
    }
    struct child *child = child_take(part->loop);
    if (!child) {
        note_no_memory(part->loop, part->begin);
        return;
    }
    inlay_crash_thread();
    inlay_context_resume(&child->context);
    run_range(part);
    inlay_context_leave(&child->context);
    child_give(part->loop, child);
}

static void split(struct loop *loop,
                  size_t begin,
                  size_t end,
                  void *left,
                  void *right)
{
    struct inlay_context *context = inlay_context_current;
    size_t middle = begin + (end - begin) / 2;
    struct part a = {loop, context, begin, middle, left};
    struct part b = {loop, context, middle, end, right};

    inlay_loops_join(run_part, &a, run_part, &b);
}

static bool can_split(const struct loop *loop, size_t begin, size_t end)
{
    return (end - begin) / 2 >= loop->grain;
}

/*
 * Grain by grain, and half of the rest is offered whenever the last offer has
 * been taken: no thread is idle while there is more than a grain left, and
 * nothing is split in vain (Tzannes et al., "Lazy binary-splitting", 2010).
 */
static void run_for(struct loop *loop, size_t begin, size_t end)
{
    while (begin < end && !has_failed(loop)) {
        bool splits = can_split(loop, begin, end);
        size_t stop = splits ? begin + loop->grain : end;

        if (splits && inlay_loops_hungry()) {
            split(loop, begin, end, NULL, NULL);
            return;
        }
        loop->for_body(loop->ctx, begin, stop);
        check_error(loop, begin);
        begin = stop;
    }
}

static void run_reduce(struct loop *loop, size_t begin, size_t end, void *into)
{
    char small[SMALL_RESULT] __attribute__((aligned(16)));
    void *right = small, *large = NULL;

    if (has_failed(loop))
        return;
    if (!can_split(loop, begin, end)) {
        loop->reduce_body(loop->ctx, begin, end, into);
        check_error(loop, begin);
        return;
    }
    if (loop->size > sizeof(small))
        right = large = inlay_malloc(loop->size);
    if (!right) {
        note_no_memory(loop, begin);
        return;
    }
    memcpy(right, loop->neutral, loop->size);
    split(loop, begin, end, into, right);
    if (!has_failed(loop)) {
        loop->merge(into, right);
        check_error(loop, begin);
    }
    inlay_free(large);
}

/* --- A loop from its begin to its end ------------------------------------- */

/* Room for adopting is made now: at the end it must not fail. */
static bool prepare(struct loop *loop)
{
    struct inlay_context *caller = loop->caller;

    caller->dirty = true;
    loop->adopted = inlay_arena_new(caller->arena, struct adopted);
    if (!loop->adopted ||
        inlay_arena_defer(caller->arena, free_children, loop->adopted) < 0)
        return false;
    loop->limit = caller->arena->limit - caller->arena->size;
    loop->what = named_call(caller)->what;
    loop->func = named_call(caller)->func;
    pthread_mutex_init(&loop->lock, NULL);
    return true;
}

static void run_parts(struct loop *loop, size_t n, void *result)
{
    struct inlay_context *caller = loop->caller;
    const struct inlay_waiting *waiting = caller->waiting;
    void *given = NULL;

    if (!prepare(loop)) {
        caller->error = INLAY_NO_MEMORY;
        caller->error_text = INLAY_STR("out of memory for a parallel loop");
        return;
    }
    /* Loops within this one have nothing left to give. */
    caller->waiting = NULL;
    if (waiting)
        given = waiting->begin();
    if (loop->for_body)
        run_for(loop, 0, n);
    else
        run_reduce(loop, 0, n, result);
    if (given)
        waiting->end(given);
    caller->waiting = waiting;
    adopt_children(loop);
    caller->error = loop->error;
    if (loop->error)
        caller->error_text = loop->error_text;
    pthread_mutex_destroy(&loop->lock);
}

static bool run_loop(struct loop *loop, size_t n, void *result)
{
    struct inlay_context lone;
    struct inlay_arena arena;

    loop->caller = inlay_context_current;
    if (!loop->caller) {
        inlay_arena_init(&arena, LONE_LIMIT);
        inlay_context_enter(&lone, &arena);
        loop->caller = &lone;
    }
    if (n && !loop->caller->error) {
        if (can_split(loop, 0, n))
            run_parts(loop, n, result);
        else if (loop->for_body)
            loop->for_body(loop->ctx, 0, n);
        else
            loop->reduce_body(loop->ctx, 0, n, result);
    }
    bool succeeded = !loop->caller->error;
    if (loop->caller == &lone) {
        inlay_arena_run_defers(&arena, NULL);
        inlay_context_leave(&lone);
        inlay_arena_deinit(&arena);
    }
    return succeeded;
}

bool inlay_parallel_for_run(size_t n,
                            size_t grain,
                            void (*body)(void *ctx, size_t begin, size_t end),
                            void *ctx)
{
    struct loop loop = {.grain = grain, .for_body = body, .ctx = ctx};

    if (!grain)
        loop.grain = n / (FOR_PARTS * ((size_t)inlay_loops_threads() + 1));
    loop.grain = inlay_max(loop.grain, (size_t)1);
    return run_loop(&loop, n, NULL);
}

bool inlay_parallel_reduce_run(
    size_t n,
    size_t grain,
    void (*body)(void *ctx, size_t begin, size_t end, void *part),
    void (*merge)(void *into, const void *part),
    void *ctx,
    void *result,
    size_t size)
{
    char small[SMALL_RESULT] __attribute__((aligned(16)));
    struct loop loop = {
        .grain = inlay_max(grain ? grain : n / REDUCE_PARTS, (size_t)1),
        .reduce_body = body,
        .merge = merge,
        .ctx = ctx,
        .size = size,
    };
    void *neutral = size > sizeof(small) ? inlay_malloc(size) : small;

    if (!neutral) {
        if (inlay_context_current)
            inlay_api_table.fail(INLAY_NO_MEMORY,
                                 "out of memory for a parallel loop");
        return false;
    }
    memcpy(neutral, result, size);
    loop.neutral = neutral;
    bool succeeded = run_loop(&loop, n, result);
    if (neutral != small)
        inlay_free(neutral);
    return succeeded;
}
