#include "serve/response.h"

#include <limits.h>
#include <unistd.h>

#include "serve/answer.h"
#include "serve/compress.h"
#include "serve/server.h"

#include "base/banned.h"

#define HEADERS_LOCAL 24 /* more than these go through the arena */

/* --- Headers ------------------------------------------------------------ */

enum field {
    FIELD_OTHER,
    FIELD_CONTENT_LENGTH,
    FIELD_CONNECTION,
    FIELD_DROPPED, /* framing and hop-by-hop: ours to say */
    FIELD_DATE,
    FIELD_SERVER,
    FIELD_ALLOW,
};

static enum field classify(struct inlay_str name)
{
    switch (name.len) {
    case 4:
        return inlay_str_is_nocase(name, "date") ? FIELD_DATE : FIELD_OTHER;
    case 5:
        return inlay_str_is_nocase(name, "allow") ? FIELD_ALLOW : FIELD_OTHER;
    case 6:
        return inlay_str_is_nocase(name, "server") ? FIELD_SERVER : FIELD_OTHER;
    case 7:
        return inlay_str_is_nocase(name, "upgrade") ? FIELD_DROPPED
                                                    : FIELD_OTHER;
    case 10:
        if (inlay_str_is_nocase(name, "connection"))
            return FIELD_CONNECTION;
        return inlay_str_is_nocase(name, "keep-alive") ? FIELD_DROPPED
                                                       : FIELD_OTHER;
    case 14:
        return inlay_str_is_nocase(name, "content-length")
                   ? FIELD_CONTENT_LENGTH
                   : FIELD_OTHER;
    case 17:
        return inlay_str_is_nocase(name, "transfer-encoding") ? FIELD_DROPPED
                                                              : FIELD_OTHER;
    default:
        return FIELD_OTHER;
    }
}

/* `theirs` with the methods of `ours` that it lacks. */
static struct inlay_str merge_allow(struct inlay_arena *arena,
                                    struct inlay_str theirs,
                                    struct inlay_str ours)
{
    struct inlay_str merged = theirs;

    while (ours.len) {
        const char *comma = memchr(ours.ptr, ',', ours.len);
        size_t len = comma ? (size_t)(comma - ours.ptr) : ours.len;
        struct inlay_str method = inlay_str_trim(inlay_str_make(ours.ptr, len));

        ours.ptr += comma ? len + 1 : len;
        ours.len -= comma ? len + 1 : len;
        char lower[32];
        if (method.len == 0 || method.len > sizeof(lower))
            continue;
        for (size_t i = 0; i < method.len; i++)
            lower[i] = inlay_ascii_lower(method.ptr[i]);
        if (inlay_header_has_token(merged, inlay_str_make(lower, method.len)))
            continue;
        merged =
            inlay_arena_format(arena, "%.*s%s%.*s", inlay_str_arg(merged),
                               merged.len ? ", " : "", inlay_str_arg(method));
        if (!merged.ptr)
            return merged;
    }
    return merged;
}

struct kept {
    struct inlay_header *headers;
    size_t count;
    int64_t length; /* of content-length, -1: none */
    bool close, date, server;
    struct inlay_str allow; /* ptr NULL: none */
};

static int keep(struct kept *kept, struct inlay_header header)
{
    if (!inlay_header_value_valid(header.value))
        return -1;
    /* The commonest: it is a name, and none of those below. */
    if (inlay_str_is(header.name, "content-type")) {
        kept->headers[kept->count++] = header;
        return 0;
    }
    if (!inlay_header_name_valid(header.name))
        return -1;
    switch (classify(header.name)) {
    case FIELD_OTHER:
        break;
    case FIELD_CONTENT_LENGTH:
        if (kept->length >= 0)
            return -1;
        kept->length = inlay_header_length(inlay_str_trim(header.value));
        return kept->length < 0 ? -1 : 0;
    case FIELD_CONNECTION:
        kept->close |= inlay_header_has_token(header.value, INLAY_STR("close"));
        return 0;
    case FIELD_DROPPED:
        return 0;
    case FIELD_DATE:
        kept->date = true;
        break;
    case FIELD_SERVER:
        kept->server = true;
        break;
    case FIELD_ALLOW:
        kept->allow = header.value;
        return 0;
    }
    kept->headers[kept->count++] = header;
    return 0;
}

static int keep_allow(struct inlay_request *request,
                      int status,
                      struct kept *kept)
{
    struct inlay_str allow = kept->allow;

    if (status == 405 && request->native_allow.len)
        allow = merge_allow(&request->arena, allow, request->native_allow);
    else if (!allow.ptr)
        return 0;
    if (!allow.ptr)
        return -1;
    kept->headers[kept->count++] =
        (struct inlay_header){INLAY_STR("allow"), allow};
    return 0;
}

/* --- Start and write ---------------------------------------------------- */

/* What the body is and how it ends; -1 for `length`: not known. */
static void set_framing(struct inlay_request *request,
                        int status,
                        int64_t header_length,
                        int64_t length)
{
    bool head = request->method_id == INLAY_METHOD_HEAD;

    request->head_only = head || status == 204 || status == 304;
    if (header_length >= 0)
        length = header_length;
    else if (status == 304)
        length = -1;
    /* RFC 9110 8.6: never with 204. */
    request->length = status == 204 ? -1 : length;
    request->chunked = false;
    if (request->head_only || request->length >= 0)
        return;
    if (request->http_major == 1 && request->http_minor == 0)
        request->close = true;
    else
        request->chunked = request->http_major == 1;
}

int inlay_response_start(struct inlay_request *request,
                         int status,
                         const struct inlay_header *headers,
                         size_t nheaders,
                         int64_t length)
{
    struct inlay_header local[HEADERS_LOCAL];
    struct kept kept = {.headers = local, .length = -1};

    if (request->started || status < 200 || status > 999)
        return -1;
    /* One more may be added: allow. */
    if (nheaders >= HEADERS_LOCAL) {
        if (nheaders > SIZE_MAX / sizeof(*headers) - 1)
            return -1;
        kept.headers = inlay_arena_alloc(&request->arena,
                                         (nheaders + 1) * sizeof(*headers));
        if (!kept.headers)
            return -1;
    }
    for (size_t i = 0; i < nheaders; i++) {
        if (keep(&kept, headers[i]) < 0)
            return -1;
    }
    if (keep_allow(request, status, &kept) < 0)
        return -1;
    set_framing(request, status, kept.length, length);
    request->close |= kept.close || request->thread->draining;
    request->has_date = kept.date;
    request->has_server = kept.server;
    request->status = status;
    int started =
        inlay_unlikely(request->thread->server->dresses || request->extra)
            ? inlay_answer_start(request, kept.headers, kept.count)
            : request->stream->start(request, kept.headers, kept.count);
    if (started < 0) {
        request->status = 0;
        return -1;
    }
    request->started = true;
    return 0;
}

/* How many of `len` body bytes may go out. */
static size_t admit(struct inlay_request *request, size_t len)
{
    uint64_t left;

    if (request->head_only)
        return 0;
    if (request->length >= 0) {
        left = (uint64_t)request->length - request->sent;
        if (inlay_unlikely(len > left)) {
            request->close = true;
            len = (size_t)left;
        }
    }
    request->sent += len;
    return len;
}

int inlay_response_write(struct inlay_request *request, struct inlay_str bytes)
{
    if (inlay_unlikely(!request->started || request->trailed))
        return -1;
    bytes.len = admit(request, bytes.len);
    if (inlay_unlikely(request->compress != NULL) && bytes.len)
        return inlay_compress_write(request, bytes);
    return bytes.len ? request->stream->write(request, bytes) : 0;
}

int inlay_response_write_chunk(struct inlay_request *request,
                               struct inlay_chunk *chunk)
{
    bool open = request->started && !request->trailed;
    size_t len = open ? admit(request, chunk->len) : 0;

    if (len == 0) {
        inlay_chunk_destroy(chunk);
        return open ? 0 : -1;
    }
    chunk->len = len;
    if (inlay_unlikely(request->compress != NULL))
        return inlay_compress_write_chunk(request, chunk);
    return request->stream->write_chunk(request, chunk);
}

int inlay_response_write_file(struct inlay_request *request,
                              int fd,
                              uint64_t offset,
                              uint64_t len)
{
    bool open = request->started && !request->trailed;

    len = open ? admit(request, len) : 0;
    if (len == 0) {
        close(fd);
        return open ? 0 : -1;
    }
    struct inlay_chunk *chunk = inlay_chunk_of_file(fd, offset, len);
    if (chunk && request->compress)
        return inlay_compress_write_chunk(request, chunk);
    return chunk ? request->stream->write_chunk(request, chunk) : -1;
}

/* --- Before and after the answer ---------------------------------------- */

int inlay_response_inform(struct inlay_request *request,
                          int status,
                          const struct inlay_header *headers,
                          size_t nheaders)
{
    /* 101 would change the protocol. */
    if (request->started || status <= 101 || status > 199)
        return -1;
    for (size_t i = 0; i < nheaders; i++) {
        if (!inlay_header_name_valid(headers[i].name) ||
            !inlay_header_value_valid(headers[i].value))
            return -1;
        /* It has no body to be framed (RFC 9110 15.2). */
        switch (classify(headers[i].name)) {
        case FIELD_CONTENT_LENGTH:
        case FIELD_CONNECTION:
        case FIELD_DROPPED:
            return -1;
        case FIELD_OTHER:
        case FIELD_DATE:
        case FIELD_SERVER:
        case FIELD_ALLOW:
            break;
        }
    }
    if (request->http_major == 1 && request->http_minor == 0)
        return 0;
    return request->stream->inform(request, status, headers, nheaders);
}

/*
 * RFC 9110 6.5.1: what frames, routes, authenticates or changes how the
 * answer is read can't come behind it.
 */
bool inlay_response_may_trail(struct inlay_str name)
{
    static const struct inlay_str never[] = {
        INLAY_STR("age"),
        INLAY_STR("authorization"),
        INLAY_STR("cache-control"),
        INLAY_STR("connection"),
        INLAY_STR("content-encoding"),
        INLAY_STR("content-length"),
        INLAY_STR("content-range"),
        INLAY_STR("content-type"),
        INLAY_STR("date"),
        INLAY_STR("expires"),
        INLAY_STR("host"),
        INLAY_STR("keep-alive"),
        INLAY_STR("location"),
        INLAY_STR("pragma"),
        INLAY_STR("proxy-authenticate"),
        INLAY_STR("proxy-connection"),
        INLAY_STR("retry-after"),
        INLAY_STR("set-cookie"),
        INLAY_STR("te"),
        INLAY_STR("trailer"),
        INLAY_STR("transfer-encoding"),
        INLAY_STR("upgrade"),
        INLAY_STR("vary"),
        INLAY_STR("www-authenticate"),
    };

    return !inlay_header_name_among(name, never, inlay_array_size(never));
}

int inlay_response_trailers(struct inlay_request *request,
                            const struct inlay_header *headers,
                            size_t nheaders)
{
    if (!request->started || request->trailed)
        return -1;
    for (size_t i = 0; i < nheaders; i++) {
        if (!inlay_header_name_valid(headers[i].name) ||
            !inlay_header_value_valid(headers[i].value) ||
            !inlay_response_may_trail(headers[i].name))
            return -1;
    }
    if (request->compress && inlay_compress_end(request) < 0)
        return -1;
    if (request->chunked &&
        request->stream->trailers(request, headers, nheaders) < 0)
        return -1;
    request->trailed = true;
    return 0;
}

/* --- The end ------------------------------------------------------------ */

void inlay_response_end(struct inlay_request *request)
{
    if (inlay_unlikely(!request->started)) {
        inlay_response_error(request, 500, INLAY_STR("Internal Server Error"));
        return;
    }
    if (inlay_unlikely(!request->head_only && request->length >= 0 &&
                       request->sent < (uint64_t)request->length)) {
        inlay_response_abort(request);
        return;
    }
    if (inlay_unlikely(request->compress != NULL) &&
        inlay_compress_end(request) < 0) {
        inlay_response_abort(request);
        return;
    }
    request->ended = true;
    request->stream->end(request);
}

void inlay_response_abort(struct inlay_request *request)
{
    request->ended = true;
    request->stream->abort(request);
}

/* --- Whole answers ------------------------------------------------------ */

void inlay_response_send_with(struct inlay_request *request,
                              int status,
                              const struct inlay_header *headers,
                              size_t nheaders,
                              struct inlay_str body)
{
    /* Whatever of the request's body has not come is not wanted any more. */
    request->body_wanted = false;
    if (inlay_response_start(request, status, headers, nheaders,
                             (int64_t)body.len) < 0) {
        if (!request->started && status != 500) {
            inlay_response_error(request, 500,
                                 INLAY_STR("Internal Server Error"));
            return;
        }
        inlay_response_abort(request);
        return;
    }
    if (inlay_response_write(request, body) < 0)
        inlay_response_abort(request);
    else
        inlay_response_end(request);
}

void inlay_response_send(struct inlay_request *request,
                         int status,
                         struct inlay_str content_type,
                         struct inlay_str body)
{
    struct inlay_header header = {INLAY_STR("content-type"), content_type};

    inlay_response_send_with(request, status, &header, content_type.len ? 1 : 0,
                             body);
}

/* The inside of a JSON string; `at` has room for six bytes per byte. */
static char *put_escaped(char *at, struct inlay_str text)
{
    static const char digits[] = "0123456789abcdef";
    bool utf8 = inlay_utf8_valid(text);

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c == '"' || c == '\\') {
            *at++ = '\\';
            *at++ = (char)c;
        } else if (c < 0x20) {
            memcpy(at, "\\u00", 4);
            at[4] = digits[c >> 4];
            at[5] = digits[c & 15];
            at += 6;
        } else {
            *at++ = c < 0x80 || utf8 ? (char)c : '?';
        }
    }
    return at;
}

void inlay_response_error(struct inlay_request *request,
                          int status,
                          struct inlay_str detail)
{
    static const char open[] = "{\"detail\":\"";
    char local[512], *text = local;
    size_t size = sizeof(open) + 2 + detail.len * 6;

    if (size > sizeof(local)) {
        text = inlay_arena_alloc(&request->arena, size);
        if (!text) {
            detail = INLAY_STR("");
            text = local;
        }
    }
    memcpy(text, open, sizeof(open) - 1);
    char *at = put_escaped(text + sizeof(open) - 1, detail);
    *at++ = '"';
    *at++ = '}';
    inlay_response_send(request, status, INLAY_STR("application/json"),
                        inlay_str_make(text, (size_t)(at - text)));
}

size_t inlay_response_queued(const struct inlay_request *request)
{
    return request->stream->queued(request);
}
