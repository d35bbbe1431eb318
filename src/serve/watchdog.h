/*
 * watchdog.h - names C functions that hold an I/O thread: everybody else whom
 * it serves has to wait. An I/O thread writes down which call it runs; a
 * thread looks at that a few times per limits.watchdog, and sleeps when no
 * native code is called for a while. It is started by the first call.
 */
#ifndef INLAY_SERVE_WATCHDOG_H
#define INLAY_SERVE_WATCHDOG_H

#include <stdatomic.h>

#include "base/error.h"
#include "base/macros.h"
#include "load/context.h"

struct inlay_server;
struct inlay_watchdog;

/* What an I/O thread runs; written by it, read by the watchdog. */
struct inlay_busy {
    _Atomic(uint32_t) turn; /* odd: a function runs; what follows is its */
    atomic_bool asleep;     /* the watchdog; it wants to be woken */
    _Atomic(const char *) what;
    atomic_size_t what_len;
    _Atomic(const struct inlay_func *) func;
    struct inlay_watchdog *watchdog; /* NULL: off */
};

/* Off unless limits.watchdog says otherwise. Before the threads start. */
struct inlay_error *inlay_watchdog_create(struct inlay_server *server);
/* After the I/O threads have ended; NULL is allowed. */
void inlay_watchdog_destroy(struct inlay_watchdog *watchdog);

void inlay_watchdog_wake(struct inlay_busy *busy);

/* The call that runs now; false: none does, or another one than a moment ago.
 * `func` may be NULL. Any thread. */
bool inlay_busy_get(struct inlay_busy *busy,
                    struct inlay_str *what_ret,
                    const struct inlay_func **func_ret);

/*
 * On the I/O thread: it runs this call from now on (its step: context->func);
 * NULL, or a call that is for no request: none. To be said at each change:
 *
 *     inlay_context_enter or _resume; inlay_busy_set(busy, context);
 *     ...
 *     inlay_context_leave; inlay_busy_set(busy, inlay_context_current);
 */
static inline void inlay_busy_set(struct inlay_busy *busy,
                                  const struct inlay_context *context)
{
    uint32_t turn = atomic_load_explicit(&busy->turn, memory_order_relaxed);

    if (turn % 2)
        atomic_store_explicit(&busy->turn, ++turn, memory_order_release);
    if (!context || !context->what.len)
        return;
    /* Whoever reads one of these and then the same odd turn has them all. */
    atomic_store_explicit(&busy->what, context->what.ptr, memory_order_release);
    atomic_store_explicit(&busy->what_len, context->what.len,
                          memory_order_release);
    atomic_store_explicit(&busy->func, context->func, memory_order_release);
    atomic_store_explicit(&busy->turn, turn + 1, memory_order_release);
    if (inlay_unlikely(
            atomic_load_explicit(&busy->asleep, memory_order_relaxed)))
        inlay_watchdog_wake(busy);
}

#endif
