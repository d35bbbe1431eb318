/*
 * crash.h - what is left to say when native code kills the process: SIGSEGV,
 * SIGBUS, SIGFPE, SIGILL and SIGABRT in a module's function, or in what it
 * calls, print function, file and line to stderr, in one write; then the
 * signal goes its way (a handler that was there before, or the core dump at
 * the true place). A crash elsewhere is passed on without a word.
 *
 * All that the handler reads was made when the module was loaded and never
 * changes or goes away.
 */
#ifndef INLAY_LOAD_CRASH_H
#define INLAY_LOAD_CRASH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "base/str.h"

struct inlay_module;

/*
 * Makes the tables of a module that was loaded from sources under `root`;
 * the first one installs the handlers. Without memory the module goes
 * without reports. Any thread.
 */
void inlay_crash_add(struct inlay_module *module, struct inlay_str root);

struct inlay_crash_place {
    struct inlay_str function; /* "" when it is not known */
    struct inlay_str within;   /* what it was inlined into, or "" */
    struct inlay_str file;     /* absolute; "" when it is not known */
    uint32_t line;
};

/*
 * Where in the sources `address` is; of a return address ask for the byte
 * before it. False: not in a module. Safe in signal handlers.
 */
bool inlay_crash_describe(uintptr_t address, struct inlay_crash_place *ret);

extern __thread bool inlay_crash_thread_ready
    __attribute__((tls_model("initial-exec")));
void inlay_crash_thread_slow(void);

/*
 * To be called by a thread before its first call of native code: gives it a
 * stack for signals, without which a stack overflow can't be reported. It
 * goes with the thread. A thread that has one keeps it.
 */
static inline void inlay_crash_thread(void)
{
    if (inlay_unlikely(!inlay_crash_thread_ready))
        inlay_crash_thread_slow();
}

#endif
