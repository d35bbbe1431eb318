/*
 * cleanup.h - guards for cold code: the variable cleans up after itself when
 * its scope ends. inlay_take(ptr) hands the value over instead.
 */
#ifndef INLAY_BASE_CLEANUP_H
#define INLAY_BASE_CLEANUP_H

#include <unistd.h>

#include "base/mem.h"

#define _cleanup_(fn) __attribute__((cleanup(fn)))

static inline void inlay_cleanup_free(void *ptr)
{
    inlay_free(*(void **)ptr);
}
#define _cleanup_free_ _cleanup_(inlay_cleanup_free)

static inline void inlay_cleanup_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}
#define _cleanup_close_ _cleanup_(inlay_cleanup_close)

/* The pointer, which the guard then no longer owns. */
#define inlay_take(ptr)                                                        \
    __extension__({                                                            \
        __typeof__(ptr) inlay_taken_ = (ptr);                                  \
        (ptr) = NULL;                                                          \
        inlay_taken_;                                                          \
    })

#endif
