/*
 * mem.h - the allocator of the core: libc's, with a switch for tests that
 * makes the nth allocation of this thread fail.
 */
#ifndef INLAY_BASE_MEM_H
#define INLAY_BASE_MEM_H

#include <stddef.h>

/* As malloc, calloc, realloc, free. NULL when there is no memory. */
void *inlay_malloc(size_t size);
void *inlay_calloc(size_t count, size_t size);
void *inlay_realloc(void *ptr, size_t size);
void inlay_free(void *ptr);

/*
 * For a process that serves: the allocator keeps up to 4 MiB of free memory
 * per arena instead of 128 KiB. Otherwise every message of 64 KiB is given
 * back to the kernel and faulted in again, page by page. Not when the
 * environment sets MALLOC_TRIM_THRESHOLD_. Any thread, more than once.
 */
void inlay_mem_tune(void);

/* What lies free in the allocator goes back to the kernel: after much was freed
 * that is seldom needed. Milliseconds per 100 MiB. Any thread. */
void inlay_mem_trim(void);

/*
 * Tests only: let `count` further allocations of this thread succeed, then
 * fail every one; a negative count turns the switch off.
 */
void inlay_mem_fail_after(long count);

#endif
