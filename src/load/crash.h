/*
 * crash.h - what is left to say when native code kills the process: SIGSEGV,
 * SIGBUS, SIGFPE, SIGILL and SIGABRT in a module's function, or in what it
 * calls, print function, file and line to stderr, in one write; then the
 * signal goes its way (a handler that was there before, or the core dump at
 * the true place). So do those while the parameters of a native call are read
 * or its result is written: a wild pointer in it is the function's. A crash
 * elsewhere is passed on without a word.
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

/*
 * For a supervisor: from now on each crash in a module is also written to
 * `fd` (a pipe shared by all workers; -1: to none), in one write, one line of
 * fields that tabs separate:
 *
 *     pid TAB signal TAB route TAB function TAB place NL
 *     4711  SIGSEGV  GET /users/{id}  get_user  /app/fast.c:12
 *
 * The route is "METHODS PATH" as its record has them (methods as in
 * inlay_native_info), "guard PATTERN" in a guard, "" elsewhere (a call from
 * Python, a start-up). The function is the route's (or guard's), or, outside
 * of those, the one that crashed; the place is where it crashed, "while its
 * result was written", or "" when it is not known.
 * It stands before anything that takes long (core dumps).
 */
void inlay_crash_report_to(int fd);

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
