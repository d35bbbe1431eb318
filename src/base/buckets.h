/* buckets.h - the bounds of all histograms of durations, as metrics have them. */
#ifndef INLAY_BASE_BUCKETS_H
#define INLAY_BASE_BUCKETS_H

#include <stdint.h>

#include "base/macros.h"

/* Upper bounds of the buckets: nanoseconds, and seconds as text. */
#define INLAY_BUCKET_BOUNDS(X)                                                 \
    X(100000, "0.0001")                                                        \
    X(250000, "0.00025")                                                       \
    X(500000, "0.0005")                                                        \
    X(1000000, "0.001")                                                        \
    X(2500000, "0.0025")                                                       \
    X(5000000, "0.005")                                                        \
    X(10000000, "0.01")                                                        \
    X(25000000, "0.025")                                                       \
    X(50000000, "0.05")                                                        \
    X(100000000, "0.1")                                                        \
    X(250000000, "0.25")                                                       \
    X(500000000, "0.5")                                                        \
    X(1000000000, "1.0")                                                       \
    X(2500000000, "2.5")                                                       \
    X(5000000000, "5.0")                                                       \
    X(10000000000, "10.0")

#define INLAY_BUCKET_COUNT_(ns, text) +1
enum { INLAY_BUCKETS = 1 INLAY_BUCKET_BOUNDS(INLAY_BUCKET_COUNT_) };
#undef INLAY_BUCKET_COUNT_

/* The bucket of a duration; the last one is +Inf. */
static inline unsigned inlay_bucket_of(uint64_t ns)
{
    static const uint64_t bounds[] = {
#define INLAY_BUCKET_NS_(bound, text) bound,
        INLAY_BUCKET_BOUNDS(INLAY_BUCKET_NS_)
#undef INLAY_BUCKET_NS_
    };
    unsigned at = 0;

    while (at < inlay_array_size(bounds) && ns > bounds[at])
        at++;
    return at;
}

#endif
