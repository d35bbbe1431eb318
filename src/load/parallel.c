/* parallel.c - loops of C functions. */
#include "load/parallel.h"

#include "base/banned.h"

bool inlay_parallel_for_run(size_t n,
                            size_t grain,
                            void (*body)(void *ctx, size_t begin, size_t end),
                            void *ctx)
{
    (void)grain;
    body(ctx, 0, n);
    return true;
}

bool inlay_parallel_reduce_run(
    size_t n,
    size_t grain,
    void (*body)(void *ctx, size_t begin, size_t end, void *part),
    void (*merge)(void *into, const void *part),
    void *ctx,
    void *result,
    size_t size)
{
    (void)grain;
    (void)merge;
    (void)size;
    body(ctx, 0, n, result);
    return true;
}
