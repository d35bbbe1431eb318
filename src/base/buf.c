#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

#include "base/banned.h"

#define SIZE_FIRST 256

void inlay_buf_init(struct inlay_buf *buf, size_t limit)
{
    *buf = (struct inlay_buf){.limit = limit};
}

void inlay_buf_deinit(struct inlay_buf *buf)
{
    inlay_free(buf->data);
    *buf = (struct inlay_buf){.limit = buf->limit};
}

int inlay_buf_grow(struct inlay_buf *buf, size_t more)
{
    size_t len = inlay_buf_len(buf);

    if (len > buf->limit || more > buf->limit - len)
        return -1;
    /* Moving is cheaper than growing when half of the memory is consumed. */
    if (buf->start >= buf->size / 2 && buf->size - len >= more && buf->data) {
        memmove(buf->data, buf->data + buf->start, len);
        buf->start = 0;
        buf->end = len;
        return 0;
    }
    size_t need = buf->end + more;
    size_t size = inlay_max(buf->size, (size_t)SIZE_FIRST);
    while (size < need)
        size = size > SIZE_MAX / 2 ? need : size * 2;
    char *data = inlay_realloc(buf->data, size);
    if (!data)
        return -1;
    buf->data = data;
    buf->size = size;
    return 0;
}

int inlay_buf_append_char(struct inlay_buf *buf, char c)
{
    return inlay_buf_append(buf, &c, 1);
}

int inlay_buf_append_u64(struct inlay_buf *buf, uint64_t value)
{
    if (inlay_buf_reserve(buf, 20) < 0)
        return -1;
    buf->end += inlay_format_u64(inlay_buf_tail(buf), value);
    return 0;
}

int inlay_buf_append_i64(struct inlay_buf *buf, int64_t value)
{
    if (inlay_buf_reserve(buf, 20) < 0)
        return -1;
    buf->end += inlay_format_i64(inlay_buf_tail(buf), value);
    return 0;
}

int inlay_buf_format(struct inlay_buf *buf, const char *format, ...)
{
    va_list args, again;
    int status = -1;

    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length >= 0 && inlay_buf_reserve(buf, (size_t)length + 1) == 0) {
        vsnprintf(inlay_buf_tail(buf), (size_t)length + 1, format, again);
        buf->end += (size_t)length;
        status = 0;
    }
    va_end(again);
    return status;
}

void inlay_buf_shrink(struct inlay_buf *buf, size_t keep)
{
    inlay_buf_clear(buf);
    if (buf->size > keep) {
        inlay_free(buf->data);
        buf->data = NULL;
        buf->size = 0;
    }
}
