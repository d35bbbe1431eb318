#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#include "base/banned.h"

#define BLOCK_FIRST 4096
#define BLOCK_MOST 65536

struct inlay_arena_block {
    struct inlay_arena_block *next;
    size_t size; /* of the whole block, this header included */
    char data[] __attribute__((aligned(16)));
};

struct inlay_arena_defer {
    struct inlay_arena_defer *next;
    void (*fn)(void *);
    void *arg;
};

void inlay_arena_init(struct inlay_arena *arena, size_t limit)
{
    *arena = (struct inlay_arena){.limit = limit};
}

void inlay_arena_run_defers(struct inlay_arena *arena,
                            const struct inlay_arena_defer *until)
{
    /* A defer may add another one: take them one by one. */
    while (arena->defers != until) {
        struct inlay_arena_defer *defer = arena->defers;

        arena->defers = defer->next;
        defer->fn(defer->arg);
    }
}

static void use_block(struct inlay_arena *arena,
                      struct inlay_arena_block *block)
{
    arena->at = block->data;
    arena->end = (char *)block + block->size;
}

void inlay_arena_deinit(struct inlay_arena *arena)
{
    inlay_arena_run_defers(arena, NULL);
    while (arena->blocks) {
        struct inlay_arena_block *block = arena->blocks;

        arena->blocks = block->next;
        inlay_free(block);
    }
    arena->at = arena->end = NULL;
    arena->size = 0;
}

void inlay_arena_reset(struct inlay_arena *arena)
{
    struct inlay_arena_block *keep = NULL;

    inlay_arena_run_defers(arena, NULL);
    while (arena->blocks) {
        struct inlay_arena_block *block = arena->blocks;

        arena->blocks = block->next;
        if (!keep && block->size <= BLOCK_MOST)
            keep = block;
        else
            inlay_free(block);
    }
    arena->at = arena->end = NULL;
    arena->size = 0;
    arena->full = false;
    if (keep) {
        keep->next = NULL;
        arena->blocks = keep;
        arena->size = keep->size;
        use_block(arena, keep);
    }
}

static size_t block_size(const struct inlay_arena *arena, size_t need)
{
    size_t size = arena->size < BLOCK_FIRST ? BLOCK_FIRST : arena->size;

    size = inlay_min(size, (size_t)BLOCK_MOST);
    return inlay_max(size, need);
}

void *inlay_arena_alloc_slow(struct inlay_arena *arena, size_t size)
{
    size_t rounded = (size + 15) & ~(size_t)15;
    size_t need = rounded + sizeof(struct inlay_arena_block);

    if (rounded < size || need < rounded || arena->size > arena->limit ||
        need > arena->limit - arena->size) {
        arena->full = true;
        return NULL;
    }
    size_t whole = block_size(arena, need);
    whole = inlay_min(whole, arena->limit - arena->size);
    struct inlay_arena_block *block = inlay_malloc(whole);
    if (!block)
        return NULL;
    block->size = whole;
    block->next = arena->blocks;
    arena->blocks = block;
    arena->size += whole;
    /* A large block of its own leaves the rest of the current one in use. */
    if (need > BLOCK_MOST && arena->at != NULL)
        return block->data;
    use_block(arena, block);
    arena->at += rounded;
    return block->data;
}

void *inlay_arena_zalloc(struct inlay_arena *arena, size_t size)
{
    void *ptr = inlay_arena_alloc(arena, size);

    return ptr ? memset(ptr, 0, size) : NULL;
}

void *inlay_arena_zalloc_array(struct inlay_arena *arena,
                               size_t count,
                               size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    return inlay_arena_zalloc(arena, total);
}

struct inlay_str inlay_arena_copy(struct inlay_arena *arena,
                                  struct inlay_str text)
{
    char *ptr = inlay_arena_alloc(arena, text.len + 1);

    if (!ptr)
        return (struct inlay_str){NULL, 0};
    if (text.len)
        memcpy(ptr, text.ptr, text.len);
    ptr[text.len] = '\0';
    return (struct inlay_str){ptr, text.len};
}

struct inlay_str inlay_arena_format(struct inlay_arena *arena,
                                    const char *format,
                                    ...)
{
    va_list args, again;
    struct inlay_str text = {NULL, 0};

    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length >= 0) {
        char *ptr = inlay_arena_alloc(arena, (size_t)length + 1);
        if (ptr) {
            vsnprintf(ptr, (size_t)length + 1, format, again);
            text = (struct inlay_str){ptr, (size_t)length};
        }
    }
    va_end(again);
    return text;
}

int inlay_arena_defer(struct inlay_arena *arena, void (*fn)(void *), void *arg)
{
    struct inlay_arena_defer *defer = inlay_arena_alloc(arena, sizeof(*defer));

    if (!defer)
        return -1;
    *defer = (struct inlay_arena_defer){arena->defers, fn, arg};
    arena->defers = defer;
    return 0;
}

void inlay_arena_absorb(struct inlay_arena *into, struct inlay_arena *from)
{
    struct inlay_arena_defer **defer = &from->defers;
    struct inlay_arena_block **block = &into->blocks;

    while (*defer)
        defer = &(*defer)->next;
    *defer = into->defers;
    into->defers = from->defers;
    while (*block)
        block = &(*block)->next;
    *block = from->blocks;
    into->size += from->size;
    inlay_arena_init(from, from->limit);
}
