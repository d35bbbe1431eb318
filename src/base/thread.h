/*
 * thread.h - starting threads of our own: signals are blocked in them, as
 * those are for the application's main thread. Signals of a thread's own
 * fault (SIGSEGV, SIGABRT…) stay open: blocked, they would kill without the
 * crash report.
 */
#ifndef INLAY_BASE_THREAD_H
#define INLAY_BASE_THREAD_H

#include <pthread.h>

/* In a loop that waits for another core: lets its sibling run. */
static inline void inlay_thread_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield" ::: "memory");
#endif
}

/* Starts run(arg), joinable. Returns 0, or the error number of pthread. */
int inlay_thread_start(pthread_t *ret, void *(*run)(void *arg), void *arg);

#endif
