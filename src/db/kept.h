/*
 * kept.h - statements that a connection keeps, by their text, with the one used
 * longest ago first. What a statement is, and when one has to go, is the
 * driver's. One thread at a time.
 */
#ifndef INLAY_DB_KEPT_H
#define INLAY_DB_KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/str.h"

/* In a statement; node is init'ed while it is not kept. */
struct inlay_kept {
    struct inlay_kept *next; /* in its bucket */
    struct inlay_list node;  /* in `order` */
    uint64_t hash;           /* inlay_kept_hash of the text */
    struct inlay_str text;   /* in the statement's memory */
};

struct inlay_kept_table {
    struct inlay_kept **buckets; /* NULL until the first one */
    size_t nbuckets;             /* a power of 2 */
    size_t count, most;          /* 0: none are kept */
    struct inlay_list order;     /* oldest use first */
};

void inlay_kept_init(struct inlay_kept_table *table, size_t most);
/* Frees the buckets, not what is in them. It is empty then. */
void inlay_kept_deinit(struct inlay_kept_table *table);

uint64_t inlay_kept_hash(struct inlay_str text);

/* That of the text, or NULL. */
struct inlay_kept *inlay_kept_find(const struct inlay_kept_table *table,
                                   struct inlay_str text,
                                   uint64_t hash);

/*
 * Keeps it, as the one used last; also beyond `most`: the caller makes room.
 * False: none are kept, or there is no memory for the buckets.
 */
bool inlay_kept_add(struct inlay_kept_table *table, struct inlay_kept *kept);
void inlay_kept_remove(struct inlay_kept_table *table, struct inlay_kept *kept);

/* It is the one used last. */
void inlay_kept_use(struct inlay_kept_table *table, struct inlay_kept *kept);

#endif
