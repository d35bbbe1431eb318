/*
 * buf.h - a growable byte buffer with a limit from birth. Bytes are appended
 * at the end and consumed from the start.
 */
#ifndef INLAY_BASE_BUF_H
#define INLAY_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/macros.h"
#include "base/str.h"

struct inlay_buf {
    char *data;
    size_t start; /* first byte not consumed */
    size_t end;   /* one past the last byte; start <= end <= size */
    size_t size;  /* allocated bytes */
    size_t limit; /* end - start never passes it */
};

/* Nothing is allocated yet. */
void inlay_buf_init(struct inlay_buf *buf, size_t limit);

/* Frees the memory; the buffer is empty and can be used again. */
void inlay_buf_deinit(struct inlay_buf *buf);

static inline size_t inlay_buf_len(const struct inlay_buf *buf)
{
    return buf->end - buf->start;
}

static inline struct inlay_str inlay_buf_view(const struct inlay_buf *buf)
{
    /* NULL + 0 is undefined in C. */
    if (!buf->data)
        return inlay_str_make(NULL, 0);
    return inlay_str_make(buf->data + buf->start, buf->end - buf->start);
}

int inlay_buf_grow(struct inlay_buf *buf, size_t more);

/*
 * Room for `more` bytes behind the end: write there, then add to `end` (see
 * inlay_buf_added). 0, or -1 past the limit or without memory.
 */
static inline int inlay_buf_reserve(struct inlay_buf *buf, size_t more)
{
    if (inlay_likely(buf->size - buf->end >= more &&
                     buf->end - buf->start + more <= buf->limit))
        return 0;
    return inlay_buf_grow(buf, more);
}

static inline char *inlay_buf_tail(struct inlay_buf *buf)
{
    return buf->data + buf->end;
}

static inline void inlay_buf_added(struct inlay_buf *buf, size_t count)
{
    buf->end += count;
}

/* 0, or -1 (and nothing appended) past the limit or without memory. */
static inline int inlay_buf_append(struct inlay_buf *buf,
                                   const void *data,
                                   size_t len)
{
    if (inlay_unlikely(inlay_buf_reserve(buf, len) < 0))
        return -1;
    if (len)
        memcpy(buf->data + buf->end, data, len);
    buf->end += len;
    return 0;
}

static inline int inlay_buf_append_str(struct inlay_buf *buf,
                                       struct inlay_str text)
{
    return inlay_buf_append(buf, text.ptr, text.len);
}

#define inlay_buf_append_literal(buf, literal)                                 \
    inlay_buf_append((buf), "" literal, sizeof(literal) - 1)

int inlay_buf_append_char(struct inlay_buf *buf, char c);
int inlay_buf_append_u64(struct inlay_buf *buf, uint64_t value);
int inlay_buf_append_i64(struct inlay_buf *buf, int64_t value);
int inlay_buf_format(struct inlay_buf *buf, const char *format, ...)
    inlay_printf(2, 3);

/* Takes `count` bytes (at most the length) off the start. */
static inline void inlay_buf_consume(struct inlay_buf *buf, size_t count)
{
    buf->start += count;
    if (buf->start == buf->end)
        buf->start = buf->end = 0;
}

/* Empty; keeps the memory. */
static inline void inlay_buf_clear(struct inlay_buf *buf)
{
    buf->start = buf->end = 0;
}

/* Empty; gives memory above `keep` bytes back. */
void inlay_buf_shrink(struct inlay_buf *buf, size_t keep);

#endif
