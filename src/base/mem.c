#include "base/mem.h"

#include <stdbool.h>
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "base/macros.h"

#include "base/banned.h"

/* The one word of thread state here; -1 is off. Tests set it. */
static __thread long mem_budget = -1;

static bool mem_refused(void)
{
    if (inlay_likely(mem_budget < 0))
        return false;
    if (mem_budget == 0)
        return true;
    mem_budget--;
    return false;
}

void inlay_mem_tune(void)
{
#ifdef __GLIBC__
    if (getenv("MALLOC_TRIM_THRESHOLD_"))
        return;
    mallopt(M_TRIM_THRESHOLD, 4 << 20);
    /* To set one ends glibc's own raising of the other. */
    mallopt(M_MMAP_THRESHOLD, 2 << 20);
#endif
}

void inlay_mem_trim(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

void inlay_mem_fail_after(long count)
{
    mem_budget = count < 0 ? -1 : count;
}

void *inlay_malloc(size_t size)
{
    return mem_refused() ? NULL : malloc(size);
}

void *inlay_calloc(size_t count, size_t size)
{
    return mem_refused() ? NULL : calloc(count, size);
}

void *inlay_realloc(void *ptr, size_t size)
{
    return mem_refused() ? NULL : realloc(ptr, size);
}

void inlay_free(void *ptr)
{
    free(ptr);
}
