/* clock.h - monotonic time. */
#ifndef INLAY_BASE_CLOCK_H
#define INLAY_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds since some fixed point; never goes back. */
static inline uint64_t inlay_clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t inlay_clock_ms(void)
{
    return inlay_clock_ns() / 1000000u;
}

#endif
