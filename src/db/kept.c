/* kept.c - statements that a connection keeps, by their text. */
#include "db/kept.h"

#include "base/mem.h"

#include "base/banned.h"

#define BUCKETS_FEWEST 16
#define BUCKETS_MOST 65536

void inlay_kept_init(struct inlay_kept_table *table, size_t most)
{
    *table = (struct inlay_kept_table){.most = most};
    inlay_list_init(&table->order);
}

void inlay_kept_deinit(struct inlay_kept_table *table)
{
    inlay_free(table->buckets);
    inlay_kept_init(table, table->most);
}

/* Eight bytes at a time: texts are the program's, not a client's, and the
 * table is small. */
uint64_t inlay_kept_hash(struct inlay_str text)
{
    const uint64_t prime = 0x9E3779B97F4A7C15u;
    uint64_t hash = text.len * prime, word = 0;
    size_t at = 0;

    for (; at + 8 <= text.len; at += 8) {
        memcpy(&word, text.ptr + at, 8);
        hash = (hash ^ word) * prime;
        hash ^= hash >> 29;
    }
    word = 0;
    if (at < text.len)
        memcpy(&word, text.ptr + at, text.len - at);
    hash = (hash ^ word) * prime;
    return hash ^ hash >> 32;
}

static struct inlay_kept **bucket_of(const struct inlay_kept_table *table,
                                     uint64_t hash)
{
    return &table->buckets[hash & (table->nbuckets - 1)];
}

struct inlay_kept *inlay_kept_find(const struct inlay_kept_table *table,
                                   struct inlay_str text,
                                   uint64_t hash)
{
    struct inlay_kept *it = table->buckets ? *bucket_of(table, hash) : NULL;

    while (it && (it->hash != hash || !inlay_str_equal(it->text, text)))
        it = it->next;
    return it;
}

static bool make_buckets(struct inlay_kept_table *table)
{
    size_t count = BUCKETS_FEWEST;

    if (table->buckets)
        return true;
    while (count < table->most && count < BUCKETS_MOST)
        count *= 2;
    table->buckets = inlay_calloc(count, sizeof(struct inlay_kept *));
    table->nbuckets = count;
    return table->buckets != NULL;
}

bool inlay_kept_add(struct inlay_kept_table *table, struct inlay_kept *kept)
{
    if (!table->most || !make_buckets(table))
        return false;
    struct inlay_kept **bucket = bucket_of(table, kept->hash);
    kept->next = *bucket;
    *bucket = kept;
    inlay_list_append(&table->order, &kept->node);
    table->count++;
    return true;
}

void inlay_kept_remove(struct inlay_kept_table *table, struct inlay_kept *kept)
{
    struct inlay_kept **at = bucket_of(table, kept->hash);

    while (*at != kept)
        at = &(*at)->next;
    *at = kept->next;
    inlay_list_remove(&kept->node);
    table->count--;
}

void inlay_kept_use(struct inlay_kept_table *table, struct inlay_kept *kept)
{
    inlay_list_remove(&kept->node);
    inlay_list_append(&table->order, &kept->node);
}
