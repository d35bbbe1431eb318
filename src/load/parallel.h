/*
 * parallel.h - inlay_parallel_for and _reduce: loops of pool/loops.h with the
 * calling function's context. Every thread that takes part has a child
 * context with an arena of its own, whose memory goes with the caller's; the
 * first error of a body is the call's, and parts that have not begun are left
 * out. What the caller holds for others (context->waiting) is given back
 * meanwhile.
 */
#ifndef INLAY_LOAD_PARALLEL_H
#define INLAY_LOAD_PARALLEL_H

#include <stdbool.h>
#include <stddef.h>

bool inlay_parallel_for_run(size_t n,
                            size_t grain,
                            void (*body)(void *ctx, size_t begin, size_t end),
                            void *ctx);

bool inlay_parallel_reduce_run(
    size_t n,
    size_t grain,
    void (*body)(void *ctx, size_t begin, size_t end, void *part),
    void (*merge)(void *into, const void *part),
    void *ctx,
    void *result,
    size_t size);

#endif
