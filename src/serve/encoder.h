/*
 * encoder.h - one content coding as a stream: gzip (zlib), br (brotli) and
 * zstd behind one interface. A state costs much to create (tables of some
 * hundred KiB), so each I/O thread keeps a few of each coding. I/O thread
 * only.
 */
#ifndef INLAY_SERVE_ENCODER_H
#define INLAY_SERVE_ENCODER_H

#include <stddef.h>

#include "base/buf.h"
#include "http/accept_encoding.h"

#define INLAY_ENCODER_BLOCK 16384 /* what a call gives at least, if there is */
#define INLAY_ENCODERS_USED 64    /* at once, per thread: up to 1 MB each */

struct inlay_encoder;

/* Of one I/O thread; zeroed to begin with. */
struct inlay_encoders {
    struct inlay_encoder *spare[INLAY_CODING_COUNT];
    unsigned nspare[INLAY_CODING_COUNT];
    unsigned used;
    struct inlay_buf out; /* for compress.c: what is about to be sent */
};

enum inlay_encode {
    INLAY_ENCODE_MORE,   /* what comes out is the coding's affair */
    INLAY_ENCODE_FLUSH,  /* all that went in can be decoded */
    INLAY_ENCODE_FINISH, /* and the stream ends */
};

/*
 * For one stream, of exactly `size` bytes (-1: not known). NULL: no memory, or
 * INLAY_ENCODERS_USED are used. What it gave goes back by
 * inlay_encoder_give, from any state.
 */
struct inlay_encoder *inlay_encoder_take(struct inlay_encoders *encoders,
                                         enum inlay_coding coding,
                                         int64_t size);
void inlay_encoder_give(struct inlay_encoders *encoders,
                        struct inlay_encoder *encoder);
void inlay_encoders_free(struct inlay_encoders *encoders);

/*
 * Takes bytes off `in` and appends what becomes of them to `out`. 0: `in` is
 * empty and `how` is done. 1: at least INLAY_ENCODER_BLOCK bytes came out;
 * call again with the rest. -1: no memory, or `out` is at its limit.
 */
int inlay_encoder_run(struct inlay_encoder *encoder,
                      struct inlay_str *in,
                      enum inlay_encode how,
                      struct inlay_buf *out);

#endif
