/*
 * arena.h - memory that goes all at once: of a request, a call, a module.
 * One owner, one thread at a time. Blocks grow to a limit set from birth.
 */
#ifndef INLAY_BASE_ARENA_H
#define INLAY_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "base/str.h"

struct inlay_arena_block;
struct inlay_arena_defer;

struct inlay_arena {
    char *at;                         /* next free byte, aligned 16 */
    char *end;                        /* end of the current block */
    struct inlay_arena_block *blocks; /* newest first */
    struct inlay_arena_defer *defers; /* newest first */
    size_t size;                      /* bytes of all blocks */
    size_t limit;                     /* `size` never passes it */
    bool full; /* since reset the limit has refused some, not the system */
};

/* Nothing is allocated until the first inlay_arena_alloc. */
void inlay_arena_init(struct inlay_arena *arena, size_t limit);

/* Runs the defers and frees every block. */
void inlay_arena_deinit(struct inlay_arena *arena);

/* Runs the defers; keeps one small block for the next use. */
void inlay_arena_reset(struct inlay_arena *arena);

void *inlay_arena_alloc_slow(struct inlay_arena *arena, size_t size);

/* Aligned 16, not zeroed; NULL past the limit or without memory. */
static inline void *inlay_arena_alloc(struct inlay_arena *arena, size_t size)
{
    size_t rounded = (size + 15) & ~(size_t)15;

    if (inlay_unlikely(rounded < size ||
                       (size_t)(arena->end - arena->at) < rounded))
        return inlay_arena_alloc_slow(arena, size);
    void *ptr = arena->at;
    arena->at += rounded;
    return ptr;
}

/* The same, zeroed. */
void *inlay_arena_zalloc(struct inlay_arena *arena, size_t size);

/* A zeroed struct; a zeroed array, NULL when its size overflows. */
#define inlay_arena_new(arena, type)                                           \
    ((type *)inlay_arena_zalloc((arena), sizeof(type)))
void *inlay_arena_zalloc_array(struct inlay_arena *arena,
                               size_t count,
                               size_t size);

/*
 * A copy with a NUL behind it, so that it can also be given to libc. On
 * failure ptr is NULL.
 */
struct inlay_str inlay_arena_copy(struct inlay_arena *arena,
                                  struct inlay_str text);
struct inlay_str inlay_arena_format(struct inlay_arena *arena,
                                    const char *format,
                                    ...) inlay_printf(2, 3);

/* fn(arg) runs at reset or deinit, last in first out. -1 without memory. */
int inlay_arena_defer(struct inlay_arena *arena, void (*fn)(void *), void *arg);

/* All of `from` becomes part of `into`, its defers as the newer ones; `from` is
 * as after inlay_arena_init. */
void inlay_arena_absorb(struct inlay_arena *into, struct inlay_arena *from);

/* Runs those now that came after `until`, which was arena->defers then; for
 * what has to outlive them but not the arena. NULL: all. */
void inlay_arena_run_defers(struct inlay_arena *arena,
                            const struct inlay_arena_defer *until);

#endif
