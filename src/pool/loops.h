/*
 * loops.h - two pieces of work on as many cores as there are: one
 * work-stealing pool per process, apart from the pool of blocking calls
 * (workers.h), so that those who sleep never hold up those who compute.
 * Threads start with the first join. Knows nothing of calls, errors or
 * Python: load/parallel.c does.
 *
 * Any thread may join, also within a piece of another join: it works until
 * both of its own pieces are done. After fork the child starts without
 * threads.
 */
#ifndef INLAY_POOL_LOOPS_H
#define INLAY_POOL_LOOPS_H

/* a(a_arg) and b(b_arg), at the same time if a thread is free; both done. */
void inlay_loops_join(void (*a)(void *arg),
                      void *a_arg,
                      void (*b)(void *arg),
                      void *b_arg);

/*
 * Threads of all loops together, the callers' not counted; 0: one less than
 * the cores that this process may use. Counts until the first join.
 */
void inlay_loops_configure(unsigned threads);
unsigned inlay_loops_threads(void);

#endif
