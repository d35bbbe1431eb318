#include "serve/encoder.h"

#include <brotli/encode.h>
#include <limits.h>
#include <zlib.h>
#include <zstd.h>

#include "base/mem.h"

#include "base/banned.h"

#define SPARES 4 /* of each coding, per thread */
#define GZIP_LEVEL 5
#define BR_QUALITY 4
#define ZSTD_LEVEL 3
/* Windows: answers are small, and streams many. */
#define BR_WINDOW 18
#define ZSTD_WINDOW 18

struct inlay_encoder {
    enum inlay_coding coding;
    struct inlay_encoder *next; /* among the spare ones */
    z_stream gzip;
    BrotliEncoderState *br;
    ZSTD_CCtx *zstd;
};

/* --- gzip ---------------------------------------------------------------- */

static int open_gzip(struct inlay_encoder *encoder)
{
    /* 16: a gzip header, not zlib's. */
    return deflateInit2(&encoder->gzip, GZIP_LEVEL, Z_DEFLATED, MAX_WBITS + 16,
                        MAX_MEM_LEVEL - 1, Z_DEFAULT_STRATEGY) == Z_OK
               ? 0
               : -1;
}

static int run_gzip(struct inlay_encoder *encoder,
                    struct inlay_str *in,
                    enum inlay_encode how,
                    struct inlay_buf *out,
                    size_t room)
{
    static const int flushes[] = {
        [INLAY_ENCODE_MORE] = Z_NO_FLUSH,
        [INLAY_ENCODE_FLUSH] = Z_SYNC_FLUSH,
        [INLAY_ENCODE_FINISH] = Z_FINISH,
    };
    z_stream *stream = &encoder->gzip;
    size_t taken = inlay_min(in->len, (size_t)UINT_MAX);
    int flush = taken < in->len ? Z_NO_FLUSH : flushes[how];

    stream->next_in = (Bytef *)(uintptr_t)in->ptr;
    stream->avail_in = (uInt)taken;
    stream->next_out = (Bytef *)inlay_buf_tail(out);
    stream->avail_out = (uInt)room;
    int status = deflate(stream, flush);
    inlay_buf_added(out, room - stream->avail_out);
    taken -= stream->avail_in;
    in->ptr += taken;
    in->len -= taken;
    /* No progress is no error: there was nothing left to flush. */
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
        return -1;
    if (how == INLAY_ENCODE_FINISH)
        return status == Z_STREAM_END ? 0 : 1;
    return in->len == 0 && stream->avail_out > 0 ? 0 : 1;
}

/* --- br ------------------------------------------------------------------ */

/* A brotli state serves one stream: it has to be created anew. Keeping its
 * memory was measured to be no faster, it clears its tables anyway. */
static int open_br(struct inlay_encoder *encoder, int64_t size)
{
    if (encoder->br)
        BrotliEncoderDestroyInstance(encoder->br);
    encoder->br = BrotliEncoderCreateInstance(NULL, NULL, NULL);
    if (!encoder->br)
        return -1;
    BrotliEncoderSetParameter(encoder->br, BROTLI_PARAM_QUALITY, BR_QUALITY);
    BrotliEncoderSetParameter(encoder->br, BROTLI_PARAM_LGWIN, BR_WINDOW);
    if (size >= 0)
        BrotliEncoderSetParameter(encoder->br, BROTLI_PARAM_SIZE_HINT,
                                  (uint32_t)inlay_min(size, INT32_MAX));
    return 0;
}

static int run_br(struct inlay_encoder *encoder,
                  struct inlay_str *in,
                  enum inlay_encode how,
                  struct inlay_buf *out,
                  size_t room)
{
    static const BrotliEncoderOperation operations[] = {
        [INLAY_ENCODE_MORE] = BROTLI_OPERATION_PROCESS,
        [INLAY_ENCODE_FLUSH] = BROTLI_OPERATION_FLUSH,
        [INLAY_ENCODE_FINISH] = BROTLI_OPERATION_FINISH,
    };
    const uint8_t *next_in = (const uint8_t *)in->ptr;
    uint8_t *next_out = (uint8_t *)inlay_buf_tail(out);
    size_t left = room;

    if (!BrotliEncoderCompressStream(encoder->br, operations[how], &in->len,
                                     &next_in, &left, &next_out, NULL))
        return -1;
    in->ptr = (const char *)next_in;
    inlay_buf_added(out, room - left);
    if (in->len || BrotliEncoderHasMoreOutput(encoder->br))
        return 1;
    return how != INLAY_ENCODE_FINISH || BrotliEncoderIsFinished(encoder->br)
               ? 0
               : 1;
}

/* --- zstd ---------------------------------------------------------------- */

static int open_zstd(struct inlay_encoder *encoder, int64_t size)
{
    ZSTD_CCtx *context = encoder->zstd;

    if (!context) {
        context = encoder->zstd = ZSTD_createCCtx();
        if (!context)
            return -1;
        ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, ZSTD_LEVEL);
        ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, ZSTD_WINDOW);
    } else {
        ZSTD_CCtx_reset(context, ZSTD_reset_session_only);
    }
    size_t status = ZSTD_CCtx_setPledgedSrcSize(
        context, size < 0 ? ZSTD_CONTENTSIZE_UNKNOWN : (uint64_t)size);
    return ZSTD_isError(status) ? -1 : 0;
}

static int run_zstd(struct inlay_encoder *encoder,
                    struct inlay_str *in,
                    enum inlay_encode how,
                    struct inlay_buf *out,
                    size_t room)
{
    static const ZSTD_EndDirective directives[] = {
        [INLAY_ENCODE_MORE] = ZSTD_e_continue,
        [INLAY_ENCODE_FLUSH] = ZSTD_e_flush,
        [INLAY_ENCODE_FINISH] = ZSTD_e_end,
    };
    ZSTD_inBuffer input = {in->ptr, in->len, 0};
    ZSTD_outBuffer output = {inlay_buf_tail(out), room, 0};
    size_t left =
        ZSTD_compressStream2(encoder->zstd, &output, &input, directives[how]);

    if (ZSTD_isError(left))
        return -1;
    if (input.pos) {
        in->ptr += input.pos;
        in->len -= input.pos;
    }
    inlay_buf_added(out, output.pos);
    if (how == INLAY_ENCODE_MORE)
        return in->len ? 1 : 0;
    return left ? 1 : 0;
}

/* --- All of them --------------------------------------------------------- */

static int open_encoder(struct inlay_encoder *encoder, int64_t size)
{
    switch (encoder->coding) {
    case INLAY_CODING_GZIP:
        if (encoder->gzip.state)
            return deflateReset(&encoder->gzip) == Z_OK ? 0 : -1;
        return open_gzip(encoder);
    case INLAY_CODING_BR:
        return open_br(encoder, size);
    case INLAY_CODING_ZSTD:
        return open_zstd(encoder, size);
    case INLAY_CODING_IDENTITY:
        break;
    }
    return -1;
}

static void destroy(struct inlay_encoder *encoder)
{
    if (encoder->gzip.state)
        deflateEnd(&encoder->gzip);
    if (encoder->br)
        BrotliEncoderDestroyInstance(encoder->br);
    ZSTD_freeCCtx(encoder->zstd);
    inlay_free(encoder);
}

struct inlay_encoder *inlay_encoder_take(struct inlay_encoders *encoders,
                                         enum inlay_coding coding,
                                         int64_t size)
{
    struct inlay_encoder *encoder = encoders->spare[coding];

    if (encoders->used >= INLAY_ENCODERS_USED)
        return NULL;
    if (encoder) {
        encoders->spare[coding] = encoder->next;
        encoders->nspare[coding]--;
    } else {
        encoder = inlay_calloc(1, sizeof(*encoder));
        if (!encoder)
            return NULL;
        encoder->coding = coding;
    }
    if (open_encoder(encoder, size) < 0) {
        destroy(encoder);
        return NULL;
    }
    encoders->used++;
    return encoder;
}

void inlay_encoder_give(struct inlay_encoders *encoders,
                        struct inlay_encoder *encoder)
{
    enum inlay_coding coding = encoder->coding;

    encoders->used--;
    if (encoders->nspare[coding] >= SPARES) {
        destroy(encoder);
        return;
    }
    encoder->next = encoders->spare[coding];
    encoders->spare[coding] = encoder;
    encoders->nspare[coding]++;
}

void inlay_encoders_free(struct inlay_encoders *encoders)
{
    for (size_t i = 0; i < INLAY_CODING_COUNT; i++) {
        while (encoders->spare[i]) {
            struct inlay_encoder *encoder = encoders->spare[i];

            encoders->spare[i] = encoder->next;
            destroy(encoder);
        }
        encoders->nspare[i] = 0;
    }
    inlay_buf_deinit(&encoders->out);
}

int inlay_encoder_run(struct inlay_encoder *encoder,
                      struct inlay_str *in,
                      enum inlay_encode how,
                      struct inlay_buf *out)
{
    size_t before = inlay_buf_len(out);
    int status = 1;

    while (status == 1 && inlay_buf_len(out) - before < INLAY_ENCODER_BLOCK) {
        if (inlay_buf_reserve(out, INLAY_ENCODER_BLOCK) < 0)
            return -1;
        switch (encoder->coding) {
        case INLAY_CODING_GZIP:
            status = run_gzip(encoder, in, how, out, INLAY_ENCODER_BLOCK);
            break;
        case INLAY_CODING_BR:
            status = run_br(encoder, in, how, out, INLAY_ENCODER_BLOCK);
            break;
        case INLAY_CODING_ZSTD:
            status = run_zstd(encoder, in, how, out, INLAY_ENCODER_BLOCK);
            break;
        case INLAY_CODING_IDENTITY:
            return -1;
        }
    }
    return status;
}
