#include "http/urlencoded.h"

#include "http/header.h"
#include "http/url.h"

#include "base/banned.h"

void inlay_urlencoded_init(struct inlay_urlencoded *urlencoded,
                           size_t limit,
                           int (*on_pair)(void *arg,
                                          struct inlay_str name,
                                          struct inlay_str value),
                           void *arg)
{
    urlencoded->on_pair = on_pair;
    urlencoded->arg = arg;
    urlencoded->limit = limit;
    urlencoded->equals = false;
    /* The '=' is not counted. */
    inlay_buf_init(&urlencoded->pair, limit < SIZE_MAX ? limit + 1 : limit);
}

void inlay_urlencoded_deinit(struct inlay_urlencoded *urlencoded)
{
    inlay_buf_deinit(&urlencoded->pair);
}

/* Does the pair get too long with that piece? */
static bool too_long(struct inlay_urlencoded *urlencoded,
                     struct inlay_str piece)
{
    if (!urlencoded->equals && piece.len)
        urlencoded->equals = memchr(piece.ptr, '=', piece.len) != NULL;
    return inlay_buf_len(&urlencoded->pair) + piece.len - urlencoded->equals >
           urlencoded->limit;
}

/* A whole pair; empty ones are none. */
static enum inlay_urlencoded_status take(struct inlay_urlencoded *urlencoded,
                                         struct inlay_str pair)
{
    struct inlay_str name, value;

    if (inlay_query_next(&pair, &name, &value) &&
        urlencoded->on_pair(urlencoded->arg, name, value) != 0)
        return INLAY_URLENCODED_STOPPED;
    return INLAY_URLENCODED_OK;
}

enum inlay_urlencoded_status inlay_urlencoded_feed(
    struct inlay_urlencoded *urlencoded,
    struct inlay_str bytes)
{
    struct inlay_buf *begun = &urlencoded->pair;

    while (bytes.len) {
        const char *end = memchr(bytes.ptr, '&', bytes.len);
        size_t len = end ? (size_t)(end - bytes.ptr) : bytes.len;
        struct inlay_str piece = inlay_str_make(bytes.ptr, len);
        size_t taken = end ? len + 1 : len;

        if (too_long(urlencoded, piece))
            return INLAY_URLENCODED_TOO_LONG;
        if ((!end || inlay_buf_len(begun)) &&
            inlay_buf_append_str(begun, piece) < 0)
            return INLAY_URLENCODED_NO_MEMORY;
        if (end) {
            if (inlay_buf_len(begun))
                piece = inlay_buf_view(begun);
            enum inlay_urlencoded_status status = take(urlencoded, piece);
            if (status != INLAY_URLENCODED_OK)
                return status;
            inlay_buf_clear(begun);
            urlencoded->equals = false;
        }
        bytes = inlay_str_make(bytes.ptr + taken, bytes.len - taken);
    }
    return INLAY_URLENCODED_OK;
}

enum inlay_urlencoded_status inlay_urlencoded_finish(
    struct inlay_urlencoded *urlencoded)
{
    return take(urlencoded, inlay_buf_view(&urlencoded->pair));
}

/* `text` at `out`, with U+FFFD for what is not UTF-8; the end of it. */
static char *put_readable(char *out, struct inlay_str text)
{
    while (text.len) {
        size_t len = inlay_utf8_character(text);
        size_t skip = len ? len : inlay_utf8_bad(text);

        memcpy(out, len ? text.ptr : "\xef\xbf\xbd", len ? len : 3);
        out += len ? len : 3;
        text = inlay_str_make(text.ptr + skip, text.len - skip);
    }
    return out;
}

struct inlay_str inlay_urlencoded_decode(struct inlay_str raw,
                                         struct inlay_arena *arena)
{
    /* "%FF" is the worst: three bytes that become three; a byte by itself
     * becomes two. */
    char *text = inlay_arena_alloc(arena, raw.len * 2 + 1);
    char *out = text;

    if (!text)
        return inlay_str_make(NULL, 0);
    for (size_t i = 0, end; i < raw.len; i = end) {
        unsigned char c = (unsigned char)raw.ptr[i];

        for (end = i; end < raw.len && !(raw.ptr[end] & 0x80);)
            end++;
        if (end == i) {
            *out++ = (char)(0xc0 | c >> 6);
            *out++ = (char)(0x80 | (c & 0x3f));
            end++;
            continue;
        }
        struct inlay_str run =
            inlay_url_decode(inlay_str_make(raw.ptr + i, end - i), true, arena);
        if (!run.ptr)
            return run;
        out = put_readable(out, run);
    }
    return inlay_str_make(text, (size_t)(out - text));
}
