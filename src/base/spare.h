/*
 * spare.h - a thread's used blocks of memory, for whoever needs one next:
 * buffers that live as long as a request then cost no malloc, and an idle
 * connection still has none. One thread.
 */
#ifndef INLAY_BASE_SPARE_H
#define INLAY_BASE_SPARE_H

#include <stddef.h>

#include "base/buf.h"

struct inlay_spare_block;

struct inlay_spare {
    struct inlay_spare_block *first;
    size_t count;
};

/* Frees what is kept. All zeros is an empty one. */
void inlay_spare_deinit(struct inlay_spare *spare);

/* A block of 1 KiB or more, and its size; NULL without memory. */
void *inlay_spare_take(struct inlay_spare *spare, size_t *size_ret);

/* Keeps memory of inlay_malloc, or frees it; NULL is allowed. */
void inlay_spare_give(struct inlay_spare *spare, void *data, size_t size);

/* The same for a buffer: memory when it has none, and back (it is empty
 * then, and can be used again). */
static inline void inlay_spare_lend(struct inlay_spare *spare,
                                    struct inlay_buf *buf)
{
    if (!buf->data)
        buf->data = inlay_spare_take(spare, &buf->size);
}

static inline void inlay_spare_return(struct inlay_spare *spare,
                                      struct inlay_buf *buf)
{
    if (!buf->data)
        return;
    inlay_spare_give(spare, buf->data, buf->size);
    inlay_buf_init(buf, buf->limit);
}

#endif
