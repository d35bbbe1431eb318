/*
 * siphash.h - SipHash-2-4 (Aumasson, Bernstein): a hash of keys that clients
 * choose, for tables of a fixed size. Who does not know `seed` can't make
 * them meet.
 */
#ifndef INLAY_BASE_SIPHASH_H
#define INLAY_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct inlay_siphash {
    uint64_t seed[2];
};

/* From the kernel; 0 or -1 with errno. */
int inlay_siphash_init(struct inlay_siphash *hash);

uint64_t inlay_siphash_of(const struct inlay_siphash *hash,
                          const void *data,
                          size_t len);

#endif
