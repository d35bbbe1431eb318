#include "base/siphash.h"

#include <endian.h>
#include <string.h>
#include <sys/random.h>

#include "base/banned.h"

int inlay_siphash_init(struct inlay_siphash *hash)
{
    return getrandom(hash->seed, sizeof(hash->seed), 0) == sizeof(hash->seed)
               ? 0
               : -1;
}

static uint64_t rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static void mix(uint64_t v[4], int rounds)
{
    while (rounds-- > 0) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
    }
}

static void add(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    mix(v, 2);
    v[0] ^= word;
}

uint64_t inlay_siphash_of(const struct inlay_siphash *hash,
                          const void *data,
                          size_t len)
{
    const unsigned char *at = data;
    uint64_t word, v[4] = {
                       hash->seed[0] ^ UINT64_C(0x736f6d6570736575),
                       hash->seed[1] ^ UINT64_C(0x646f72616e646f6d),
                       hash->seed[0] ^ UINT64_C(0x6c7967656e657261),
                       hash->seed[1] ^ UINT64_C(0x7465646279746573),
                   };

    for (size_t left = len; left >= 8; at += 8, left -= 8) {
        memcpy(&word, at, sizeof(word));
        add(v, le64toh(word));
    }
    word = 0;
    for (size_t i = 0; i < len % 8; i++)
        word |= (uint64_t)at[i] << (8 * i);
    add(v, word | (uint64_t)len << 56);
    v[2] ^= 0xff;
    mix(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
