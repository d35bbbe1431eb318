/*
 * loops.h - two pieces of work on as many cores as there are: one
 * work-stealing pool per process, apart from the pool of blocking calls
 * (workers.h), so that those who sleep never hold up those who compute.
 * Knows nothing of calls, errors or Python: load/parallel.c does.
 *
 * Threads ("inlay-loop/N") start with the first join, have signals blocked
 * and sleep while there is nothing to do. Any thread may join, also within a
 * piece of another join: it works until both of its own pieces are done, and
 * while it waits it takes only smaller pieces of the same outermost join, so
 * that nobody waits longer than for his own work, and stacks stay shallow.
 * After fork the child starts without threads. Nobody waits for the threads
 * when the process ends.
 */
#ifndef INLAY_POOL_LOOPS_H
#define INLAY_POOL_LOOPS_H

#include <stdbool.h>

/*
 * a(a_arg) and b(b_arg), at the same time if a thread is free; both done,
 * and what they wrote can be read. Never fails: without threads or room it
 * is a, then b, on this thread.
 */
void inlay_loops_join(void (*a)(void *arg),
                      void *a_arg,
                      void (*b)(void *arg),
                      void *b_arg);

/*
 * Would a join be stolen? True when there are threads and nothing that this
 * thread has offered is still to be taken. A hint, and cheap.
 */
bool inlay_loops_hungry(void);

/*
 * Threads of all loops together, the callers' not counted; 0 (as it begins):
 * INLAY_LOOP_THREADS of the environment (there 0 is none), else one less than
 * the cores that this process may use. Counts until the first join.
 */
void inlay_loops_configure(unsigned threads);
unsigned inlay_loops_threads(void);

#endif
