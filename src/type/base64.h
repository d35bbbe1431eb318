/*
 * base64.h - bytes as text (RFC 4648). Written with the alphabet of section 4
 * and padding; read with either alphabet, padded or not, but strictly else,
 * as pydantic reads bytes with val_json_bytes="base64".
 */
#ifndef INLAY_TYPE_BASE64_H
#define INLAY_TYPE_BASE64_H

#include "base/buf.h"
#include "base/str.h"

/* Bytes that text of `len` characters can stand for at most. */
static inline size_t inlay_base64_room(size_t len)
{
    return len / 4 * 3 + 3;
}

#define INLAY_BASE64_REASON_SIZE 96

/*
 * `out` has inlay_base64_room() bytes. 0, or -1 with pydantic's words for
 * what is wrong, NUL-terminated.
 */
int inlay_base64_read(struct inlay_str text,
                      uint8_t *out,
                      size_t *len_ret,
                      char reason_ret[INLAY_BASE64_REASON_SIZE]);

/* Appended, without quotes. 0 or -1 (limit, memory). */
int inlay_base64_write(struct inlay_bytes bytes, struct inlay_buf *out);

#endif
