/*
 * coroutine.h - a call with a stack of its own, so that it can wait on its I/O
 * thread: to its code that looks like blocking. Never under CPython.
 *
 * Stacks are 256 KiB of address space (memory follows use), with a guard page
 * below: an overflow is a SIGSEGV that inlay_coroutine_overflow tells from
 * others. ASan and TSan know of every switch. One thread per
 * inlay_coroutines and all that is made from it.
 */
#ifndef INLAY_NET_COROUTINE_H
#define INLAY_NET_COROUTINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INLAY_COROUTINE_STACK ((size_t)256 << 10)

struct inlay_coroutine;

/* Stacks to use again, of one thread. */
struct inlay_coroutines {
    struct inlay_coroutine *spare;
    unsigned nspare; /* at most 64 are kept; their memory is given back */
    unsigned active;
};

void inlay_coroutines_init(struct inlay_coroutines *coroutines);
/* None may be active. */
void inlay_coroutines_deinit(struct inlay_coroutines *coroutines);

/*
 * fn(arg) will run at the first resume. NULL without memory. It goes back to
 * the spare ones by itself when fn has returned.
 */
struct inlay_coroutine *inlay_coroutine_create(
    struct inlay_coroutines *coroutines,
    void (*fn)(void *arg),
    void *arg);

/*
 * Runs it until it yields (true) or fn has returned (false: it is gone). Not
 * from within itself; a coroutine may resume another one.
 */
bool inlay_coroutine_resume(struct inlay_coroutine *coroutine);

/* Back to whoever resumed the running one; returns at the next resume. */
void inlay_coroutine_yield(void);

/* Not running: it never will again; its stack is used anew, as it is. */
void inlay_coroutine_abandon(struct inlay_coroutine *coroutine);

/* The thread's running one, or NULL. */
struct inlay_coroutine *inlay_coroutine_current(void);

/* Does `address` lie in the guard page of the thread's running coroutine?
 * Safe in signal handlers. */
bool inlay_coroutine_overflow(uintptr_t address);

/* The stack of the running one: for those who walk it. False: none. Safe in
 * signal handlers. */
bool inlay_coroutine_stack(uintptr_t *low_ret, uintptr_t *high_ret);

#endif
