#include "frames.h"

#include <stdlib.h>

#include "base/banned.h"

static void put(struct inlay_buf *out, const void *data, size_t len)
{
    if (inlay_buf_append(out, data, len) < 0)
        abort();
}

void put_frame(struct inlay_buf *out,
               unsigned first,
               const void *data,
               size_t len)
{
    uint32_t key = (uint32_t)inlay_buf_len(out) * 2654435761u + 0x12345678u;
    unsigned char head[14] = {(unsigned char)first}, mask[4];
    size_t size = 2;

    if (len < 126) {
        head[1] = (unsigned char)len;
    } else if (len < 65536) {
        head[1] = 126;
        size = 4;
    } else {
        head[1] = 127;
        size = 10;
    }
    for (size_t i = 2; i < size; i++)
        head[i] = (unsigned char)((uint64_t)len >> 8 * (size - 1 - i));
    head[1] |= 0x80;
    memcpy(mask, &key, 4);
    memcpy(head + size, mask, 4);
    put(out, head, size + 4);
    for (size_t i = 0; i < len; i++) {
        unsigned char byte =
            (unsigned char)(((const unsigned char *)data)[i] ^ mask[i & 3]);

        put(out, &byte, 1);
    }
}

int read_frame(struct inlay_str bytes,
               struct inlay_str *payload_ret,
               size_t *size_ret)
{
    const unsigned char *head = (const unsigned char *)bytes.ptr;

    if (bytes.len < 2 || head[1] & 0x80)
        return -1;
    size_t count = head[1] == 126 ? 2 : head[1] == 127 ? 8 : 0;
    uint64_t len = count ? 0 : head[1];
    if (bytes.len < 2 + count)
        return -1;
    for (size_t i = 0; i < count; i++)
        len = len << 8 | head[2 + i];
    if ((count == 2 && len < 126) || (count == 8 && len < 65536))
        return -1;
    if (len > bytes.len - 2 - count)
        return -1;
    *payload_ret = inlay_str_make(bytes.ptr + 2 + count, (size_t)len);
    *size_ret = 2 + count + (size_t)len;
    return head[0];
}
