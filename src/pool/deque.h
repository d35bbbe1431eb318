/*
 * deque.h - a Chase-Lev work-stealing deque of fixed size: its owner pushes
 * and takes at the bottom, any thread steals at the top.
 *
 * After Le, Pop, Cohen, Zappa Nardelli, "Correct and Efficient Work-Stealing
 * for Weak Memory Models" (PPoPP 2013), figure 1, without growing: who finds
 * it full does the work himself. Their fences are seq_cst accesses of top and
 * bottom here, which cost the same on x86-64 and which ThreadSanitizer sees.
 */
#ifndef INLAY_POOL_DEQUE_H
#define INLAY_POOL_DEQUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Joins within joins of one thread; binary splitting needs 64 per loop. */
#define INLAY_DEQUE_SIZE 256

struct inlay_piece;

/* A piece and what a thief has to know before it is his. */
struct inlay_deque_entry {
    _Atomic(struct inlay_piece *) piece;
    _Atomic(const void *) root;
    _Atomic unsigned depth;
};

struct inlay_deque {
    _Atomic int64_t top __attribute__((aligned(64)));
    _Atomic int64_t bottom __attribute__((aligned(64)));
    struct inlay_deque_entry entries[INLAY_DEQUE_SIZE];
};

/* Owner. False: full. */
static inline bool inlay_deque_push(struct inlay_deque *deque,
                                    struct inlay_piece *piece,
                                    const void *root,
                                    unsigned depth)
{
    int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_relaxed);
    int64_t top = atomic_load_explicit(&deque->top, memory_order_acquire);

    if (bottom - top >= INLAY_DEQUE_SIZE)
        return false;
    struct inlay_deque_entry *entry =
        &deque->entries[bottom % INLAY_DEQUE_SIZE];
    atomic_store_explicit(&entry->piece, piece, memory_order_relaxed);
    atomic_store_explicit(&entry->root, root, memory_order_relaxed);
    atomic_store_explicit(&entry->depth, depth, memory_order_relaxed);
    /* Not only a release: the pusher looks for sleepers next. */
    atomic_store(&deque->bottom, bottom + 1);
    return true;
}

/* Owner: the newest piece, or NULL. */
static inline struct inlay_piece *inlay_deque_take(struct inlay_deque *deque)
{
    int64_t bottom =
        atomic_load_explicit(&deque->bottom, memory_order_relaxed) - 1;

    atomic_store(&deque->bottom, bottom);
    int64_t top = atomic_load(&deque->top);
    if (top > bottom) {
        atomic_store_explicit(&deque->bottom, bottom + 1, memory_order_relaxed);
        return NULL;
    }
    struct inlay_piece *piece = atomic_load_explicit(
        &deque->entries[bottom % INLAY_DEQUE_SIZE].piece, memory_order_relaxed);
    if (top < bottom)
        return piece;
    /* The last one: against the thieves. */
    if (!atomic_compare_exchange_strong(&deque->top, &top, top + 1))
        piece = NULL;
    atomic_store_explicit(&deque->bottom, bottom + 1, memory_order_relaxed);
    return piece;
}

/* A hint for the owner. */
static inline bool inlay_deque_is_empty(struct inlay_deque *deque)
{
    return atomic_load_explicit(&deque->top, memory_order_relaxed) >=
           atomic_load_explicit(&deque->bottom, memory_order_relaxed);
}

/*
 * Anyone: may the oldest piece be taken by who works for `root` (NULL: for
 * all) from `depth` on? Fills in what inlay_deque_steal needs.
 */
struct inlay_deque_look {
    int64_t top;
    struct inlay_piece *piece;
    const void *root;
    unsigned depth;
};

static inline bool inlay_deque_look(struct inlay_deque *deque,
                                    const void *root,
                                    unsigned depth,
                                    struct inlay_deque_look *ret)
{
    ret->top = atomic_load(&deque->top);
    if (ret->top >= atomic_load(&deque->bottom))
        return false;
    struct inlay_deque_entry *entry =
        &deque->entries[ret->top % INLAY_DEQUE_SIZE];
    /* They may be a newer entry's by now: then the steal fails. */
    ret->piece = atomic_load_explicit(&entry->piece, memory_order_relaxed);
    ret->root = atomic_load_explicit(&entry->root, memory_order_relaxed);
    ret->depth = atomic_load_explicit(&entry->depth, memory_order_relaxed);
    return !root || (ret->root == root && ret->depth >= depth);
}

/* Anyone: takes the piece that was looked at; false: another one did. */
static inline bool inlay_deque_steal(struct inlay_deque *deque,
                                     const struct inlay_deque_look *look)
{
    int64_t top = look->top;

    return atomic_compare_exchange_strong(&deque->top, &top, top + 1);
}

#endif
