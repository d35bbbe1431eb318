/*
 * parallel.h - inlay_parallel_for and _reduce: loops of pool/loops.h with the
 * calling function's context. Every other thread that takes part has a child
 * context, whose memory goes with the caller's: what a body has allocated
 * lives as long as what the caller has. The first error (of those that came
 * up, the one with the lowest index) is the call's, and parts that have not
 * begun are left out. What the caller holds for others (context->waiting) is
 * given back while a loop of more than one part runs.
 *
 * Any thread, also one without a running call: there bodies have a context
 * that ends with the loop, and of an error only `false` is left.
 *
 * body and merge may use all services, start loops, and end by returning
 * only. Reduce splits by n and grain alone, so that its result does not
 * depend on threads; a for splits when there is somebody to help.
 */
#ifndef INLAY_LOAD_PARALLEL_H
#define INLAY_LOAD_PARALLEL_H

#include <stdbool.h>
#include <stddef.h>

/* False: the call has failed, now or before. */
bool inlay_parallel_for_run(size_t n,
                            size_t grain,
                            void (*body)(void *ctx, size_t begin, size_t end),
                            void *ctx);

/* *result has `size` bytes; parts are aligned 16. */
bool inlay_parallel_reduce_run(
    size_t n,
    size_t grain,
    void (*body)(void *ctx, size_t begin, size_t end, void *part),
    void (*merge)(void *into, const void *part),
    void *ctx,
    void *result,
    size_t size);

#endif
