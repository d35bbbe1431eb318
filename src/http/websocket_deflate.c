#include "http/websocket_deflate.h"

#include <zlib.h>

#include "base/mem.h"
#include "http/header.h"

#include "base/banned.h"

#define BITS_LEAST 9 /* zlib has no raw deflate with a window of 256 bytes */
#define BITS_OURS 12
#define BITS_MOST 15
#define MEMORY_LEVEL 5
#define LEVEL 3
#define PIECE_LEAST 512
#define PIECE_MOST ((size_t)64 << 10)
#define INPUT_MOST ((size_t)1 << 30) /* zlib counts in unsigned int */

struct inlay_websocket_deflate {
    struct inlay_deflate_terms terms;
    z_stream *in, *out; /* NULL: not needed yet */
    bool used;          /* `out`, since inlay_deflate_rest */
};

/* --- The offer ----------------------------------------------------------- */

struct scanner {
    const char *at, *end;
};

static void skip_blanks(struct scanner *scanner)
{
    while (scanner->at < scanner->end &&
           (*scanner->at == ' ' || *scanner->at == '\t'))
        scanner->at++;
}

static bool take_char(struct scanner *scanner, char c)
{
    skip_blanks(scanner);
    if (scanner->at == scanner->end || *scanner->at != c)
        return false;
    scanner->at++;
    return true;
}

/* Empty: there is none. */
static struct inlay_str take_token(struct scanner *scanner)
{
    skip_blanks(scanner);
    const char *begin = scanner->at;
    while (scanner->at < scanner->end && inlay_token_char(*scanner->at))
        scanner->at++;
    return inlay_str_make(begin, (size_t)(scanner->at - begin));
}

/* A token, maybe in quotes (RFC 6455 9.1: it is a token inside). */
static struct inlay_str take_value(struct scanner *scanner)
{
    bool quoted = take_char(scanner, '"');
    struct inlay_str value = take_token(scanner);

    if (quoted && !take_char(scanner, '"'))
        value.len = 0;
    return value;
}

/* 8 to 15, without leading zeros; 0: it is not. */
static uint8_t read_bits(struct inlay_str text)
{
    if (text.len == 1 && (text.ptr[0] == '8' || text.ptr[0] == '9'))
        return (uint8_t)(text.ptr[0] - '0');
    if (text.len == 2 && text.ptr[0] == '1' && text.ptr[1] >= '0' &&
        text.ptr[1] <= '5')
        return (uint8_t)(10 + text.ptr[1] - '0');
    return 0;
}

/* Each parameter once, with a value where there must be one. */
static bool read_param(struct inlay_deflate_terms *terms,
                       struct inlay_str name,
                       bool has_value,
                       struct inlay_str value)
{
    uint8_t bits = has_value ? read_bits(value) : BITS_MOST;
    bool *flag = NULL;

    if (inlay_str_is(name, "server_no_context_takeover"))
        flag = &terms->server_no_takeover;
    else if (inlay_str_is(name, "client_no_context_takeover"))
        flag = &terms->client_no_takeover;
    if (flag) {
        bool fine = !*flag && !has_value;

        *flag = true;
        return fine;
    }
    if (inlay_str_is(name, "server_max_window_bits")) {
        if (!has_value || terms->server_bits || bits < BITS_LEAST)
            return false;
        terms->server_bits = inlay_min(bits, (uint8_t)BITS_OURS);
        return true;
    }
    if (inlay_str_is(name, "client_max_window_bits")) {
        if (!bits || terms->client_bits)
            return false;
        terms->client_bits = inlay_min(bits, (uint8_t)BITS_OURS);
        return true;
    }
    return false;
}

/*
 * One offer, to the comma behind it. -1: the header is malformed; else whether
 * it is acceptable.
 */
static int read_offer(struct scanner *scanner,
                      struct inlay_deflate_terms *terms)
{
    struct inlay_str name = take_token(scanner);
    bool fine = inlay_str_is(name, "permessage-deflate");

    *terms = (struct inlay_deflate_terms){0};
    if (!name.len)
        return -1;
    while (take_char(scanner, ';')) {
        struct inlay_str param = take_token(scanner), value = {NULL, 0};
        bool has_value = take_char(scanner, '=');

        if (has_value)
            value = take_value(scanner);
        if (!param.len || (has_value && !value.len))
            return -1;
        fine = fine && read_param(terms, param, has_value, value);
    }
    skip_blanks(scanner);
    if (scanner->at < scanner->end && *scanner->at != ',')
        return -1;
    return fine;
}

bool inlay_deflate_negotiate(struct inlay_str offers,
                             struct inlay_deflate_terms *ret)
{
    struct scanner scanner = {offers.ptr, offers.ptr + offers.len};
    struct inlay_deflate_terms terms;

    do {
        int status = read_offer(&scanner, &terms);

        if (status < 0)
            return false;
        if (status > 0) {
            *ret = terms;
            return true;
        }
    } while (take_char(&scanner, ','));
    return false;
}

static size_t put(char *buf, size_t at, struct inlay_str text)
{
    memcpy(buf + at, text.ptr, text.len);
    return at + text.len;
}

static size_t put_bits(char *buf, size_t at, uint8_t bits)
{
    return at + inlay_format_u64(buf + at, bits);
}

size_t inlay_deflate_answer(const struct inlay_deflate_terms *terms,
                            char buf[INLAY_DEFLATE_ANSWER_MOST])
{
    size_t at = put(buf, 0, INLAY_STR("permessage-deflate"));

    if (terms->server_no_takeover)
        at = put(buf, at, INLAY_STR("; server_no_context_takeover"));
    if (terms->client_no_takeover)
        at = put(buf, at, INLAY_STR("; client_no_context_takeover"));
    if (terms->server_bits) {
        at = put(buf, at, INLAY_STR("; server_max_window_bits="));
        at = put_bits(buf, at, terms->server_bits);
    }
    if (terms->client_bits) {
        at = put(buf, at, INLAY_STR("; client_max_window_bits="));
        at = put_bits(buf, at, terms->client_bits);
    }
    return at;
}

/* --- zlib's state -------------------------------------------------------- */

static void *z_alloc(void *opaque inlay_unused, unsigned count, unsigned size)
{
    return inlay_calloc(count, size);
}

static void z_free(void *opaque inlay_unused, void *memory)
{
    inlay_free(memory);
}

static z_stream *make_stream(void)
{
    z_stream *stream = inlay_calloc(1, sizeof(*stream));

    if (stream) {
        stream->zalloc = z_alloc;
        stream->zfree = z_free;
    }
    return stream;
}

static z_stream *make_inflater(const struct inlay_deflate_terms *terms)
{
    int bits = terms->client_bits ? terms->client_bits : BITS_MOST;
    z_stream *stream = make_stream();

    if (stream && inflateInit2(stream, -inlay_max(bits, BITS_LEAST)) != Z_OK) {
        inlay_free(stream);
        return NULL;
    }
    return stream;
}

static z_stream *make_deflater(const struct inlay_deflate_terms *terms)
{
    int bits = terms->server_bits ? terms->server_bits : BITS_OURS;
    z_stream *stream = make_stream();

    if (stream && deflateInit2(stream, LEVEL, Z_DEFLATED, -bits, MEMORY_LEVEL,
                               Z_DEFAULT_STRATEGY) != Z_OK) {
        inlay_free(stream);
        return NULL;
    }
    return stream;
}

static void end_inflater(struct inlay_websocket_deflate *deflate)
{
    if (!deflate->in)
        return;
    inflateEnd(deflate->in);
    inlay_free(deflate->in);
    deflate->in = NULL;
}

static void end_deflater(struct inlay_websocket_deflate *deflate)
{
    if (!deflate->out)
        return;
    deflateEnd(deflate->out);
    inlay_free(deflate->out);
    deflate->out = NULL;
}

struct inlay_websocket_deflate *inlay_deflate_create(
    const struct inlay_deflate_terms *terms)
{
    struct inlay_websocket_deflate *deflate = inlay_calloc(1, sizeof(*deflate));

    if (deflate)
        deflate->terms = *terms;
    return deflate;
}

void inlay_deflate_destroy(struct inlay_websocket_deflate *deflate)
{
    if (!deflate)
        return;
    end_inflater(deflate);
    end_deflater(deflate);
    inlay_free(deflate);
}

void inlay_deflate_rest(struct inlay_websocket_deflate *deflate)
{
    if (!deflate->used)
        end_deflater(deflate);
    deflate->used = false;
}

/* --- Messages ------------------------------------------------------------ */

/* Room at the end of `out`, within its limit; 0: there is none. */
static size_t make_room(struct inlay_buf *out, size_t wanted)
{
    size_t room = inlay_min(inlay_max(wanted, (size_t)PIECE_LEAST), PIECE_MOST);

    room = inlay_min(room, out->limit - inlay_buf_len(out));
    if (room && inlay_buf_reserve(out, room) < 0)
        return 0;
    return room;
}

static enum inlay_inflate_status inflate_piece(z_stream *stream,
                                               struct inlay_str bytes,
                                               struct inlay_buf *out)
{
    stream->next_in = (z_const Bytef *)(uintptr_t)bytes.ptr;
    stream->avail_in = (uInt)bytes.len;
    do {
        size_t room = make_room(out, (size_t)stream->avail_in * 4);

        if (!room)
            return inlay_buf_len(out) >= out->limit ? INLAY_INFLATE_TOO_BIG
                                                    : INLAY_INFLATE_NO_MEMORY;
        stream->next_out = (Bytef *)inlay_buf_tail(out);
        stream->avail_out = (uInt)room;
        int status = inflate(stream, Z_SYNC_FLUSH);
        inlay_buf_added(out, room - stream->avail_out);
        /* RFC 7692 7.2.3.4: a last block ends neither message nor window. */
        if (status == Z_STREAM_END)
            status = inflateResetKeep(stream);
        if (status == Z_MEM_ERROR)
            return INLAY_INFLATE_NO_MEMORY;
        if (status != Z_OK && status != Z_BUF_ERROR)
            return INLAY_INFLATE_BROKEN;
    } while (stream->avail_in || !stream->avail_out);
    return INLAY_INFLATE_OK;
}

enum inlay_inflate_status inlay_websocket_inflate(
    struct inlay_websocket_deflate *deflate,
    struct inlay_str bytes,
    bool last,
    struct inlay_buf *out)
{
    enum inlay_inflate_status status = INLAY_INFLATE_OK;

    if (!deflate->in)
        deflate->in = make_inflater(&deflate->terms);
    if (!deflate->in)
        return INLAY_INFLATE_NO_MEMORY;
    while (bytes.len && !status) {
        size_t len = inlay_min(bytes.len, INPUT_MOST);

        status =
            inflate_piece(deflate->in, inlay_str_make(bytes.ptr, len), out);
        bytes.ptr += len;
        bytes.len -= len;
    }
    /* RFC 7692 7.2.2: what the sender has cut off. */
    if (last && !status)
        status =
            inflate_piece(deflate->in, inlay_str_make("\0\0\xff\xff", 4), out);
    if (last && deflate->terms.client_no_takeover)
        end_inflater(deflate);
    return status;
}

/* Adds the tail that RFC 7692 7.2.1 cuts off. 0 or -1. */
static int deflate_all(z_stream *stream,
                       struct inlay_str bytes,
                       struct inlay_buf *out)
{
    stream->next_in = (z_const Bytef *)(uintptr_t)bytes.ptr;
    stream->avail_in = (uInt)bytes.len;
    do {
        size_t room = make_room(out, stream->avail_in + (size_t)64);

        if (!room)
            return -1;
        stream->next_out = (Bytef *)inlay_buf_tail(out);
        stream->avail_out = (uInt)room;
        int status = deflate(stream, Z_SYNC_FLUSH);
        if (status != Z_OK && status != Z_BUF_ERROR)
            return -1;
        inlay_buf_added(out, room - stream->avail_out);
    } while (!stream->avail_out);
    return 0;
}

int inlay_websocket_deflate(struct inlay_websocket_deflate *deflate,
                            struct inlay_str bytes,
                            struct inlay_buf *out)
{
    size_t before = inlay_buf_len(out);

    if (!bytes.len || bytes.len > INPUT_MOST)
        return -1;
    if (!deflate->out)
        deflate->out = make_deflater(&deflate->terms);
    if (!deflate->out)
        return -1;
    deflate->used = true;
    if (deflate_all(deflate->out, bytes, out) < 0 ||
        inlay_buf_len(out) < before + 4) {
        /* The client has not seen what it refers to: begin anew. */
        out->end = out->start + before;
        end_deflater(deflate);
        return -1;
    }
    out->end -= 4;
    if (deflate->terms.server_no_takeover)
        deflateReset(deflate->out);
    return 0;
}
