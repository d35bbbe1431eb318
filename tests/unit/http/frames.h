/* frames.h - a WebSocket client's frames, for tests. */
#ifndef INLAY_TESTS_UNIT_FRAMES_H
#define INLAY_TESTS_UNIT_FRAMES_H

#include "base/buf.h"

/* The first byte of frames; RSV1 is added by compressed ones. */
#define FIN 0x80u
#define RSV1 0x40u
#define TEXT 0x81u
#define BINARY 0x82u
#define LAST 0x80u /* a continuation */
#define CLOSE 0x88u
#define PING 0x89u
#define PONG 0x8Au

/* A masked frame, whose mask depends on the length of `out`. */
void put_frame(struct inlay_buf *out,
               unsigned first,
               const void *data,
               size_t len);

/* A server's frame at the start of `bytes`: its first byte, or -1 when it is
 * not whole or not in the shortest form; `size_ret` is its size. */
int read_frame(struct inlay_str bytes,
               struct inlay_str *payload_ret,
               size_t *size_ret);

#endif
