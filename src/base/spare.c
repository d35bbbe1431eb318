#include "base/spare.h"

#include "base/mem.h"
#include "base/sanitizers.h"

#include "base/banned.h"

/* A thread keeps 64 blocks of 16 KiB at most: one for each of the connections
 * that a tick usually answers. */
#define KEPT_MOST (INLAY_SANITIZED ? 0 : 64)
#define SIZE_LEAST ((size_t)1 << 10)
#define SIZE_MOST ((size_t)16 << 10)

struct inlay_spare_block {
    struct inlay_spare_block *next;
    size_t size;
};

void inlay_spare_deinit(struct inlay_spare *spare)
{
    while (spare->first) {
        struct inlay_spare_block *block = spare->first;

        spare->first = block->next;
        inlay_free(block);
    }
    spare->count = 0;
}

void *inlay_spare_take(struct inlay_spare *spare, size_t *size_ret)
{
    struct inlay_spare_block *block = spare->first;

    if (!block) {
        block = inlay_malloc(SIZE_LEAST);
        *size_ret = block ? SIZE_LEAST : 0;
        return block;
    }
    spare->first = block->next;
    spare->count--;
    *size_ret = block->size;
    return block;
}

void inlay_spare_give(struct inlay_spare *spare, void *data, size_t size)
{
    struct inlay_spare_block *block = data;

    if (!block)
        return;
    if (spare->count >= KEPT_MOST || size < SIZE_LEAST || size > SIZE_MOST) {
        inlay_free(block);
        return;
    }
    block->next = spare->first;
    block->size = size;
    spare->first = block;
    spare->count++;
}
