#include "base/slab.h"

#include <string.h>

#include "base/mem.h"
#include "base/sanitizers.h"

#include "base/banned.h"

#define BLOCK_BYTES (INLAY_SANITIZED ? 1 : 32768)

/* Before each object. */
union tag {
    struct block *block; /* while it is in use */
    union tag *next;     /* in the block's free list, else */
    _Alignas(16) char align[16];
};

struct block {
    struct inlay_list node; /* in slab->open, unless it is full */
    union tag *free;
    size_t used;
    _Alignas(16) char bytes[];
};

static size_t stride(const struct inlay_slab *slab)
{
    return sizeof(union tag) + ((slab->size + 15) & ~(size_t)15);
}

void inlay_slab_init(struct inlay_slab *slab, size_t size)
{
    slab->size = size;
    inlay_list_init(&slab->open);
}

void inlay_slab_deinit(struct inlay_slab *slab)
{
    inlay_list_for_each (node, &slab->open)
        inlay_free(inlay_list_entry(node, struct block, node));
    inlay_list_init(&slab->open);
}

static struct block *add_block(struct inlay_slab *slab)
{
    size_t step = stride(slab);
    size_t count = BLOCK_BYTES > step ? BLOCK_BYTES / step : 1;
    struct block *block = inlay_malloc(sizeof(*block) + count * step);

    if (!block)
        return NULL;
    block->free = NULL;
    block->used = 0;
    for (size_t i = count; i-- > 0;) {
        union tag *tag = (union tag *)(void *)(block->bytes + i * step);

        tag->next = block->free;
        block->free = tag;
    }
    inlay_list_init(&block->node);
    inlay_list_append(&slab->open, &block->node);
    return block;
}

void *inlay_slab_alloc(struct inlay_slab *slab)
{
    struct block *block =
        inlay_list_empty(&slab->open)
            ? add_block(slab)
            : inlay_list_entry(slab->open.next, struct block, node);

    if (!block)
        return NULL;
    union tag *tag = block->free;
    block->free = tag->next;
    block->used++;
    if (!block->free)
        inlay_list_remove(&block->node);
    tag->block = block;
    return memset(tag + 1, 0, slab->size);
}

/* A block that nobody uses goes, unless it is the only one with room. */
void inlay_slab_free(struct inlay_slab *slab, void *object)
{
    union tag *tag = (union tag *)object - 1;
    struct block *block = tag->block;

    if (!block->free)
        inlay_list_append(&slab->open, &block->node);
    tag->next = block->free;
    block->free = tag;
    if (--block->used || block->node.next == block->node.prev)
        return;
    inlay_list_remove(&block->node);
    inlay_free(block);
}
