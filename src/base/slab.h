/*
 * slab.h - objects of one size that come and go, in blocks of their own: so
 * that nothing short-lived lies between them, whose gaps they would then keep
 * open. One thread at a time.
 */
#ifndef INLAY_BASE_SLAB_H
#define INLAY_BASE_SLAB_H

#include <stddef.h>

#include "base/list.h"

struct inlay_slab {
    size_t size;            /* of an object */
    struct inlay_list open; /* of blocks with room, but for full ones */
};

void inlay_slab_init(struct inlay_slab *slab, size_t size);
/* All objects have been freed before. */
void inlay_slab_deinit(struct inlay_slab *slab);

/* Zeroed, aligned 16; NULL without memory. */
void *inlay_slab_alloc(struct inlay_slab *slab);
void inlay_slab_free(struct inlay_slab *slab, void *object);

#endif
