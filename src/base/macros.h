/* macros.h - the few macros that every folder uses. */
#ifndef INLAY_BASE_MACROS_H
#define INLAY_BASE_MACROS_H

#include <stddef.h>

#define inlay_likely(x) __builtin_expect(!!(x), 1)
#define inlay_unlikely(x) __builtin_expect(!!(x), 0)

#define inlay_array_size(a) (sizeof(a) / sizeof((a)[0]))

/* The struct of `type` whose member `member` is at `ptr`. */
#define inlay_container_of(ptr, type, member)                                  \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define inlay_min(a, b) ((a) < (b) ? (a) : (b))
#define inlay_max(a, b) ((a) > (b) ? (a) : (b))

#define inlay_printf(fmt, args) __attribute__((format(printf, fmt, args)))
#define inlay_unused __attribute__((unused))
#define inlay_noinline __attribute__((noinline))
#define inlay_cold __attribute__((cold))

#endif
