/*
 * coroutine.c - stacks, and the switch between them by Boost.Context's two
 * functions: 12 ns, where glibc's swapcontext takes 490 (it sets the signal
 * mask, a system call). One mapping is, from below: the guard, the stack, and
 * at its upper end the struct itself.
 *
 * Page faults are what a stack costs (2 us each, 10 us for a new mapping), so
 * used ones are kept. How deep one was used is seen without asking the kernel
 * (mincore: 1.7 us): whether the words two pages down are still zero, and
 * where the stack pointer was when it waited.
 */
#include "net/coroutine.h"

#include <string.h>
#include <sys/mman.h>

#include "base/fiber.h"
#include "base/macros.h"

#include "base/banned.h"

/* A page of any size, and frames that are larger than a page. */
#define GUARD ((size_t)64 << 10)
#define MAPPED (GUARD + INLAY_COROUTINE_STACK)
#define SPARE_MOST 64
#define WHOLE_MOST 8 /* of them, those that keep all that they have used */
#define KEPT ((size_t)8 << 10) /* by the others, and the size of a mark */
#define MARK ((size_t)256)
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

/* boost/context/detail/fcontext.hpp, which is C++. */
struct transfer {
    void *context; /* where it came from */
    void *data;
};
struct transfer jump_fcontext(void *to, void *data);
void *make_fcontext(void *top, size_t size, void (*fn)(struct transfer));

struct inlay_coroutine {
    struct inlay_coroutines *owner;
    struct inlay_coroutine *next;  /* spare */
    struct inlay_coroutine *outer; /* running: the one that resumed it */
    void *context;                 /* of it while it waits, or of the resumer */
    uintptr_t deepest;             /* where its stack ended when it waited */
    void (*fn)(void *arg);
    void *arg;
    bool ended;
    struct inlay_fiber fiber;
};

static __thread struct inlay_coroutine *current
    __attribute__((tls_model("initial-exec")));

/* --- Stacks --------------------------------------------------------------- */

/* The upper end of the stack is the struct. */
static char *top_of(struct inlay_coroutine *coroutine)
{
    return (char *)((uintptr_t)coroutine & ~(uintptr_t)63);
}

static char *mapping_of(struct inlay_coroutine *coroutine)
{
    return (char *)(coroutine + 1) - MAPPED;
}

static char *low_of(struct inlay_coroutine *coroutine)
{
    return mapping_of(coroutine) + GUARD;
}

static size_t size_of(struct inlay_coroutine *coroutine)
{
    return (size_t)(top_of(coroutine) - low_of(coroutine));
}

static char *mark_of(struct inlay_coroutine *coroutine)
{
    return (char *)(coroutine + 1) - KEPT;
}

/* A guard of the newer kind leaves neighbours one mapping: their number is
 * limited (vm.max_map_count). */
static bool guard(char *memory)
{
    return madvise(memory, GUARD, MADV_GUARD_INSTALL) == 0 ||
           mprotect(memory, GUARD, PROT_NONE) == 0;
}

static struct inlay_coroutine *map_stack(struct inlay_coroutines *coroutines)
{
    char *memory =
        mmap(NULL, MAPPED, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

    if (memory == MAP_FAILED)
        return NULL;
    if (!guard(memory)) {
        munmap(memory, MAPPED);
        return NULL;
    }
    struct inlay_coroutine *coroutine =
        (struct inlay_coroutine *)(memory + MAPPED) - 1;
    coroutine->owner = coroutines;
    inlay_fiber_map(low_of(coroutine), size_of(coroutine));
    return coroutine;
}

static void unmap_stack(struct inlay_coroutine *coroutine)
{
    inlay_fiber_unmap(low_of(coroutine), size_of(coroutine));
    munmap(mapping_of(coroutine), MAPPED);
}

/* Words of frames that are gone: for a sanitizer they are nobody's. */
__attribute__((no_sanitize("address", "thread"))) static bool is_deep(
    struct inlay_coroutine *coroutine)
{
    const uint64_t *mark = (const uint64_t *)mark_of(coroutine);
    uint64_t any = 0;

    for (size_t i = 0; i < MARK / sizeof(*mark); i++)
        any |= mark[i];
    return any || coroutine->deepest < (uintptr_t)mark;
}

__attribute__((no_sanitize("address", "thread"))) static void trim(
    struct inlay_coroutine *coroutine)
{
    volatile uint64_t *mark = (uint64_t *)mark_of(coroutine);

    if (!is_deep(coroutine))
        return;
    madvise(low_of(coroutine), (size_t)(mark_of(coroutine) - low_of(coroutine)),
            MADV_DONTNEED);
    for (size_t i = 0; i < MARK / sizeof(*mark); i++)
        mark[i] = 0;
}

static void put_away(struct inlay_coroutine *coroutine)
{
    struct inlay_coroutines *owner = coroutine->owner;

    owner->active--;
    inlay_fiber_end(&coroutine->fiber);
    if (owner->nspare == SPARE_MOST) {
        unmap_stack(coroutine);
        return;
    }
    if (owner->nspare >= WHOLE_MOST)
        trim(coroutine);
    coroutine->next = owner->spare;
    owner->spare = coroutine;
    owner->nspare++;
}

void inlay_coroutines_init(struct inlay_coroutines *coroutines)
{
    *coroutines = (struct inlay_coroutines){0};
}

void inlay_coroutines_deinit(struct inlay_coroutines *coroutines)
{
    struct inlay_coroutine *coroutine = coroutines->spare, *next;

    for (; coroutine; coroutine = next) {
        next = coroutine->next;
        unmap_stack(coroutine);
    }
    inlay_coroutines_init(coroutines);
}

/* --- Switches ------------------------------------------------------------- */

static void run(struct transfer from)
{
    struct inlay_coroutine *coroutine = from.data;

    inlay_fiber_resumed(&coroutine->fiber);
    coroutine->context = from.context;
    coroutine->fn(coroutine->arg);
    coroutine->ended = true;
    inlay_fiber_leave(&coroutine->fiber, true);
    jump_fcontext(coroutine->context, NULL);
    __builtin_unreachable();
}

struct inlay_coroutine *inlay_coroutine_create(
    struct inlay_coroutines *coroutines,
    void (*fn)(void *arg),
    void *arg)
{
    struct inlay_coroutine *coroutine = coroutines->spare;

    if (coroutine) {
        coroutines->spare = coroutine->next;
        coroutines->nspare--;
    } else {
        coroutine = map_stack(coroutines);
        if (!coroutine)
            return NULL;
    }
    coroutines->active++;
    coroutine->fn = fn;
    coroutine->arg = arg;
    coroutine->ended = false;
    coroutine->outer = NULL;
    coroutine->deepest = UINTPTR_MAX;
    inlay_fiber_begin(&coroutine->fiber, low_of(coroutine), size_of(coroutine));
    coroutine->context =
        make_fcontext(top_of(coroutine), size_of(coroutine), run);
    return coroutine;
}

bool inlay_coroutine_resume(struct inlay_coroutine *coroutine)
{
    void *fake = NULL;

    coroutine->outer = current;
    current = coroutine;
    inlay_fiber_enter(&coroutine->fiber, &fake, low_of(coroutine),
                      size_of(coroutine));
    struct transfer back = jump_fcontext(coroutine->context, coroutine);
    inlay_fiber_entered(fake);
    current = coroutine->outer;
    if (coroutine->ended) {
        put_away(coroutine);
        return false;
    }
    coroutine->context = back.context;
    coroutine->deepest = inlay_min(coroutine->deepest, (uintptr_t)back.context);
    return true;
}

void inlay_coroutine_yield(void)
{
    struct inlay_coroutine *coroutine = current;

    inlay_fiber_leave(&coroutine->fiber, false);
    struct transfer from = jump_fcontext(coroutine->context, NULL);
    inlay_fiber_resumed(&coroutine->fiber);
    coroutine->context = from.context;
}

void inlay_coroutine_abandon(struct inlay_coroutine *coroutine)
{
    put_away(coroutine);
}

/* --- The running one ------------------------------------------------------ */

struct inlay_coroutine *inlay_coroutine_current(void)
{
    return current;
}

bool inlay_coroutine_overflow(uintptr_t address)
{
    if (!current)
        return false;
    uintptr_t mapping = (uintptr_t)mapping_of(current);
    return address >= mapping && address < mapping + GUARD;
}

bool inlay_coroutine_stack(uintptr_t *low_ret, uintptr_t *high_ret)
{
    if (!current)
        return false;
    *low_ret = (uintptr_t)low_of(current);
    *high_ret = (uintptr_t)top_of(current);
    return true;
}
