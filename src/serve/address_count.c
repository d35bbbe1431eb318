#include "serve/address_count.h"

#include <pthread.h>
#include <sys/random.h>
#include <time.h>

#include "base/macros.h"
#include "base/mem.h"

#include "base/banned.h"

#define SHARDS 16
#define SLOTS_FIRST 64

struct slot {
    struct inlay_ip ip;
    size_t count; /* 0: free */
};

/* Open addressing by linear probing; at most half full. */
struct shard {
    pthread_mutex_t lock;
    struct slot *slots;
    size_t size, used; /* size: a power of two, or 0 */
};

struct inlay_address_counts {
    size_t most;
    uint64_t seed; /* peers choose their addresses, but not where they lie */
    struct shard shards[SHARDS];
};

static struct inlay_ip key_of(const struct inlay_ip *ip)
{
    struct inlay_ip key = *ip;

    if (!inlay_ip_is_v4(ip))
        memset(key.bytes + 8, 0, 8);
    return key;
}

static uint64_t mix(uint64_t hash)
{
    hash = (hash ^ (hash >> 32)) * UINT64_C(0xff51afd7ed558ccd);
    hash = (hash ^ (hash >> 29)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return hash ^ (hash >> 32);
}

static uint64_t hash_of(const struct inlay_address_counts *counts,
                        const struct inlay_ip *key)
{
    uint64_t words[2];

    memcpy(words, key->bytes, sizeof(words));
    return mix(mix(counts->seed ^ words[0]) + (counts->seed ^ words[1]));
}

static struct slot *find(const struct shard *shard,
                         uint64_t hash,
                         const struct inlay_ip *key)
{
    size_t at = (size_t)hash & (shard->size - 1);

    while (shard->slots[at].count &&
           memcmp(&shard->slots[at].ip, key, sizeof(*key)) != 0)
        at = (at + 1) & (shard->size - 1);
    return &shard->slots[at];
}

static int grow(const struct inlay_address_counts *counts, struct shard *shard)
{
    struct shard bigger = *shard;

    bigger.size = shard->size ? shard->size * 2 : SLOTS_FIRST;
    bigger.slots = inlay_calloc(bigger.size, sizeof(*bigger.slots));
    if (!bigger.slots)
        return -1;
    for (size_t i = 0; i < shard->size; i++) {
        struct slot *slot = &shard->slots[i];

        if (slot->count)
            *find(&bigger, hash_of(counts, &slot->ip), &slot->ip) = *slot;
    }
    inlay_free(shard->slots);
    shard->slots = bigger.slots;
    shard->size = bigger.size;
    return 0;
}

/* The slot is free now: those behind it that were pushed on move up. */
static void close_gap(const struct inlay_address_counts *counts,
                      struct shard *shard,
                      struct slot *gap)
{
    size_t mask = shard->size - 1, free = (size_t)(gap - shard->slots);

    for (size_t at = (free + 1) & mask; shard->slots[at].count;
         at = (at + 1) & mask) {
        size_t home = (size_t)hash_of(counts, &shard->slots[at].ip) & mask;

        if (((at - home) & mask) < ((at - free) & mask))
            continue; /* it may not stand before its home */
        shard->slots[free] = shard->slots[at];
        shard->slots[at].count = 0;
        free = at;
    }
}

static struct shard *shard_of(struct inlay_address_counts *counts,
                              uint64_t hash)
{
    return &counts->shards[hash >> 60];
}

_Static_assert(SHARDS == 16, "the hash's upper four bits choose one");

bool inlay_address_counts_enter(struct inlay_address_counts *counts,
                                const struct inlay_ip *ip)
{
    struct inlay_ip key = key_of(ip);
    uint64_t hash = hash_of(counts, &key);
    struct shard *shard = shard_of(counts, hash);
    bool entered = false;

    pthread_mutex_lock(&shard->lock);
    if (shard->used * 2 < shard->size || grow(counts, shard) == 0) {
        struct slot *slot = find(shard, hash, &key);

        entered = slot->count < counts->most;
        if (entered && slot->count++ == 0) {
            slot->ip = key;
            shard->used++;
        }
    }
    pthread_mutex_unlock(&shard->lock);
    return entered;
}

void inlay_address_counts_leave(struct inlay_address_counts *counts,
                                const struct inlay_ip *ip)
{
    struct inlay_ip key = key_of(ip);
    uint64_t hash = hash_of(counts, &key);
    struct shard *shard = shard_of(counts, hash);

    pthread_mutex_lock(&shard->lock);
    struct slot *slot = find(shard, hash, &key);
    if (--slot->count == 0) {
        shard->used--;
        close_gap(counts, shard, slot);
    }
    pthread_mutex_unlock(&shard->lock);
}

struct inlay_address_counts *inlay_address_counts_create(size_t most)
{
    struct inlay_address_counts *counts = inlay_calloc(1, sizeof(*counts));

    if (!counts)
        return NULL;
    counts->most = most;
    if (getrandom(&counts->seed, sizeof(counts->seed), GRND_NONBLOCK) !=
        sizeof(counts->seed))
        counts->seed = (uint64_t)(uintptr_t)counts ^ (uint64_t)clock();
    for (size_t i = 0; i < SHARDS; i++)
        pthread_mutex_init(&counts->shards[i].lock, NULL);
    return counts;
}

void inlay_address_counts_destroy(struct inlay_address_counts *counts)
{
    if (!counts)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_destroy(&counts->shards[i].lock);
        inlay_free(counts->shards[i].slots);
    }
    inlay_free(counts);
}
