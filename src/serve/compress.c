#include "serve/compress.h"

#include "serve/encoder.h"
#include "serve/request.h"
#include "serve/response.h"
#include "serve/server.h"

#include "base/banned.h"

#define WHOLE_MOST ((size_t)1 << 20) /* longer answers are streamed */
#define OUT_MOST (2 * WHOLE_MOST)
#define OUT_KEPT ((size_t)64 << 10) /* by the thread, between answers */

/* One answer's; in its request's arena. */
struct inlay_compress {
    struct inlay_header *headers; /* of the answer, with a copy of each text */
    size_t nheaders;              /* and room for one more */
    enum inlay_coding coding;
    struct inlay_encoder *encoder; /* a stream has begun */
    struct inlay_encoders *encoders;
    uint64_t written; /* bytes that came out */
    bool plain;       /* decided: as it is */
    bool ended;
    bool failed; /* something is missing: it must not end as if whole */
};

/* --- What may be compressed ---------------------------------------------- */

/* What the headers of an answer say about it. */
struct view {
    struct inlay_str type, vary; /* ptr NULL: none */
    bool fixed;                  /* must go as it is */
};

static void look(struct view *view, const struct inlay_header *header)
{
    struct inlay_str name = header->name;

    switch (name.len) {
    case 4:
        if (inlay_str_is_nocase(name, "vary") && !view->vary.ptr)
            view->vary = header->value;
        break;
    case 6:
        view->fixed |= inlay_str_is_nocase(name, "digest");
        break;
    case 11:
        view->fixed |= inlay_str_is_nocase(name, "content-md5") ||
                       inlay_str_is_nocase(name, "repr-digest");
        break;
    case 12:
        if (inlay_str_is_nocase(name, "content-type"))
            view->type = header->value;
        break;
    case 13:
        view->fixed |=
            inlay_str_is_nocase(name, "content-range") ||
            (inlay_str_is_nocase(name, "cache-control") &&
             inlay_header_has_token(header->value, INLAY_STR("no-transform")));
        break;
    case 14:
        view->fixed |= inlay_str_is_nocase(name, "content-digest");
        break;
    case 16:
        view->fixed |= inlay_str_is_nocase(name, "content-encoding");
        break;
    default:
        break;
    }
}

static bool matches(const struct inlay_type_pattern *pattern,
                    struct inlay_str type)
{
    size_t before = pattern->before.len, after = pattern->after.len;

    if (type.len < before + after || (pattern->exact && type.len != before))
        return false;
    return inlay_str_equal_nocase(inlay_str_make(type.ptr, before),
                                  pattern->before) &&
           inlay_str_equal_nocase(
               inlay_str_make(type.ptr + type.len - after, after),
               pattern->after);
}

static bool type_fits(const struct inlay_compression *compression,
                      struct inlay_str type)
{
    const char *end = type.len ? memchr(type.ptr, ';', type.len) : NULL;

    if (end)
        type.len = (size_t)(end - type.ptr);
    type = inlay_str_trim(type);
    for (size_t i = 0; type.len && i < compression->ntypes; i++) {
        if (matches(&compression->types[i], type))
            return true;
    }
    return false;
}

/* Could somebody get this answer compressed? Then caches must know. */
static bool may_vary(const struct inlay_request *request,
                     const struct inlay_compression *compression,
                     const struct view *view)
{
    int64_t length = request->length;

    if (view->fixed || request->as_is || request->status == 204 ||
        request->status == 206 || request->status == 304)
        return false;
    if (length >= 0 &&
        (length == 0 || (uint64_t)length < compression->min_size))
        return false;
    return type_fits(compression, view->type);
}

static enum inlay_coding choose(const struct inlay_request *request,
                                const struct inlay_compression *compression)
{
    /* Of HTTP/1.0 only the connection's end would end a stream. */
    if (request->head_only ||
        (request->http_major == 1 && request->http_minor == 0))
        return INLAY_CODING_IDENTITY;
    return inlay_coding_choose(request->headers, request->nheaders,
                               compression->codings, compression->ncodings);
}

/* --- Headers ------------------------------------------------------------- */

static struct inlay_str merge_vary(struct inlay_arena *arena,
                                   struct inlay_str vary)
{
    if (!vary.len)
        return INLAY_STR("Accept-Encoding");
    if (inlay_header_has_token(vary, INLAY_STR("accept-encoding")) ||
        inlay_header_has_token(vary, INLAY_STR("*")))
        return vary;
    return inlay_arena_format(arena, "%.*s, Accept-Encoding",
                              inlay_str_arg(vary));
}

/*
 * A copy of the headers with a Vary; of their texts too when they must last
 * until the body comes. `ret` has room for three more. 0 or -1.
 */
static int copy_headers(struct inlay_request *request,
                        const struct inlay_header *headers,
                        size_t *count,
                        struct inlay_str vary,
                        bool deep,
                        struct inlay_header **ret)
{
    struct inlay_arena *arena = &request->arena;
    struct inlay_header *copy =
        inlay_arena_zalloc_array(arena, *count + 3, sizeof(*copy));
    struct inlay_str merged = merge_vary(arena, vary);
    size_t n = 0;

    if (!copy || !merged.ptr)
        return -1;
    for (size_t i = 0; i < *count; i++) {
        if (vary.ptr && headers[i].value.ptr == vary.ptr)
            continue;
        copy[n] = headers[i];
        if (deep) {
            copy[n].name = inlay_arena_copy(arena, headers[i].name);
            copy[n].value = inlay_arena_copy(arena, headers[i].value);
            if (!copy[n].name.ptr || !copy[n].value.ptr)
                return -1;
        }
        n++;
    }
    if (deep)
        merged = inlay_arena_copy(arena, merged);
    copy[n++] = (struct inlay_header){INLAY_STR("vary"), merged};
    *ret = copy;
    *count = n;
    return merged.ptr ? 0 : -1;
}

/* The bytes differ now: a strong validator becomes weak, ranges of what
 * was would be wrong. 0 or -1. */
static int mark_coded(struct inlay_request *request,
                      struct inlay_compress *compress)
{
    struct inlay_header *headers = compress->headers;
    size_t n = 0;

    for (size_t i = 0; i < compress->nheaders; i++) {
        struct inlay_header header = headers[i];

        if (inlay_str_is_nocase(header.name, "accept-ranges"))
            continue;
        if (inlay_str_is_nocase(header.name, "etag") && header.value.len &&
            header.value.ptr[0] == '"') {
            header.value = inlay_arena_format(&request->arena, "W/%.*s",
                                              inlay_str_arg(header.value));
            if (!header.value.ptr)
                return -1;
        }
        headers[n++] = header;
    }
    headers[n++] = (struct inlay_header){INLAY_STR("content-encoding"),
                                         inlay_coding_name(compress->coding)};
    compress->nheaders = n;
    return 0;
}

/* --- The head ------------------------------------------------------------ */

/* The head goes out, framed by `length` (-1: chunked) while the request's own
 * counts what the handler writes. */
static int start_coded(struct inlay_request *request,
                       struct inlay_compress *compress,
                       int64_t length)
{
    int64_t plain = request->length;

    if (mark_coded(request, compress) < 0)
        return -1;
    request->length = length;
    request->chunked = length < 0 && request->http_major == 1;
    int started =
        request->stream->start(request, compress->headers, compress->nheaders);
    request->length = plain;
    return started;
}

static int start_plain(struct inlay_request *request,
                       struct inlay_compress *compress)
{
    compress->plain = true;
    return request->stream->start(request, compress->headers,
                                  compress->nheaders);
}

static void give_back(void *arg)
{
    struct inlay_compress *compress = arg;

    inlay_encoder_give(compress->encoders, compress->encoder);
}

static int start_stream(struct inlay_request *request,
                        struct inlay_compress *compress)
{
    compress->encoder =
        inlay_encoder_take(compress->encoders, compress->coding, -1);
    if (!compress->encoder)
        return start_plain(request, compress);
    if (inlay_arena_defer(&request->arena, give_back, compress) < 0) {
        give_back(compress);
        return -1;
    }
    return start_coded(request, compress, -1);
}

int inlay_compress_start(struct inlay_request *request,
                         const struct inlay_header *headers,
                         size_t nheaders)
{
    const struct inlay_compression *compression =
        request->thread->server->compression;
    struct view view = {0};
    struct inlay_header *copy;

    for (size_t i = 0; i < nheaders; i++)
        look(&view, &headers[i]);
    if (!may_vary(request, compression, &view))
        return request->stream->start(request, headers, nheaders);
    enum inlay_coding coding = choose(request, compression);
    bool coded = coding != INLAY_CODING_IDENTITY;
    if (copy_headers(request, headers, &nheaders, view.vary, coded, &copy) < 0)
        return -1;
    if (!coded)
        return request->stream->start(request, copy, nheaders);
    struct inlay_compress *compress =
        inlay_arena_new(&request->arena, struct inlay_compress);
    if (!compress)
        return -1;
    compress->headers = copy;
    compress->nheaders = nheaders;
    compress->coding = coding;
    compress->encoders = &request->thread->encoders;
    if (!compress->encoders->out.limit)
        inlay_buf_init(&compress->encoders->out, OUT_MOST);
    request->compress = compress;
    /* A whole one waits for its body, to be told with its new length. */
    if (request->length >= 0 || start_stream(request, compress) == 0)
        return 0;
    request->compress = NULL;
    return -1;
}

/* --- The body ------------------------------------------------------------ */

static int write_out(struct inlay_request *request,
                     struct inlay_compress *compress)
{
    struct inlay_str text = inlay_buf_view(&compress->encoders->out);

    compress->written += text.len;
    return text.len ? request->stream->write(request, text) : 0;
}

static int write_stream(struct inlay_request *request,
                        struct inlay_compress *compress,
                        struct inlay_str bytes,
                        enum inlay_encode how)
{
    struct inlay_buf *out = &compress->encoders->out;
    int status;

    do {
        inlay_buf_clear(out);
        status = inlay_encoder_run(compress->encoder, &bytes, how, out);
        if (status < 0 || write_out(request, compress) < 0)
            return -1;
    } while (status == 1);
    return 0;
}

/* All of it is there: encoded at once. 1: that does not make it shorter. */
static int encode_whole(struct inlay_compress *compress, struct inlay_str bytes)
{
    struct inlay_buf *out = &compress->encoders->out;
    struct inlay_encoder *encoder = inlay_encoder_take(
        compress->encoders, compress->coding, (int64_t)bytes.len);
    size_t len = bytes.len;
    int status = 1;

    if (!encoder)
        return 1;
    inlay_buf_clear(out);
    while (status == 1 && inlay_buf_len(out) < len)
        status = inlay_encoder_run(encoder, &bytes, INLAY_ENCODE_FINISH, out);
    inlay_encoder_give(compress->encoders, encoder);
    return status == 0 && inlay_buf_len(out) < len ? 0 : 1;
}

static int write_whole(struct inlay_request *request,
                       struct inlay_compress *compress,
                       struct inlay_str bytes)
{
    struct inlay_buf *out = &compress->encoders->out;
    int status = encode_whole(compress, bytes);

    if (status == 0)
        status = start_coded(request, compress, (int64_t)inlay_buf_len(out)) < 0
                     ? -1
                     : write_out(request, compress);
    else if (start_plain(request, compress) < 0)
        status = -1;
    else
        status = request->stream->write(request, bytes);
    compress->ended = true;
    inlay_buf_clear(out);
    if (out->size > OUT_KEPT)
        inlay_buf_shrink(out, OUT_KEPT);
    return status;
}

static int write_body(struct inlay_request *request, struct inlay_str bytes)
{
    struct inlay_compress *compress = request->compress;

    if (compress->plain)
        return request->stream->write(request, bytes);
    if (!compress->encoder) {
        if (bytes.len == (uint64_t)request->length && bytes.len <= WHOLE_MOST)
            return write_whole(request, compress, bytes);
        if (start_stream(request, compress) < 0)
            return -1;
        if (compress->plain)
            return request->stream->write(request, bytes);
    }
    return write_stream(request, compress, bytes, INLAY_ENCODE_FLUSH);
}

int inlay_compress_write(struct inlay_request *request, struct inlay_str bytes)
{
    struct inlay_compress *compress = request->compress;

    if (!compress->failed)
        compress->failed = write_body(request, bytes) < 0;
    return compress->failed ? -1 : 0;
}

static int write_file(struct inlay_request *request, struct inlay_chunk *chunk)
{
    struct inlay_compress *compress = request->compress;
    bool begun = compress->encoder || compress->ended;

    if (!compress->plain && (begun || start_plain(request, compress) < 0)) {
        if (begun)
            inlay_log_write(&request->thread->server->config.log,
                            INLAY_LOG_ERROR,
                            "%.*s: a file can't go on an answer that is being "
                            "compressed; give it cache-control: no-transform",
                            inlay_str_arg(request->raw_path));
        inlay_chunk_destroy(chunk);
        return -1;
    }
    return request->stream->write_chunk(request, chunk);
}

int inlay_compress_write_chunk(struct inlay_request *request,
                               struct inlay_chunk *chunk)
{
    struct inlay_compress *compress = request->compress;

    if (chunk->fd >= 0 && !compress->failed) {
        compress->failed = write_file(request, chunk) < 0;
        return compress->failed ? -1 : 0;
    }
    int status =
        inlay_compress_write(request, inlay_str_make(chunk->data, chunk->len));
    inlay_chunk_destroy(chunk);
    return status;
}

int inlay_compress_end(struct inlay_request *request)
{
    struct inlay_compress *compress = request->compress;

    if (!compress->failed && !compress->ended && !compress->plain) {
        compress->ended = true;
        int status = compress->encoder
                         ? write_stream(request, compress, INLAY_STR(""),
                                        INLAY_ENCODE_FINISH)
                         : start_plain(request, compress);
        compress->failed = status < 0;
    }
    return compress->failed ? -1 : 0;
}

uint64_t inlay_compress_sent(const struct inlay_request *request)
{
    const struct inlay_compress *compress = request->compress;

    return compress->plain ? request->sent : compress->written;
}
