/*
 * An open file as an answer: its headers, what the client already has of it
 * (RFC 9110 13), and which parts it wants (14).
 */
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include "http/date.h"
#include "http/etag.h"
#include "http/ranges.h"
#include "serve/response.h"
#include "serve/server.h"
#include "serve/static_files.h"

#include "base/banned.h"

/* Up to here a read into the answer costs less than a sendfile (measured). */
#define READ_MOST 8192
#define HEADERS_MOST 9
#define ETAG_MOST 48
#define BOUNDARY_LEN 32

struct reply {
    struct inlay_request *request;
    struct inlay_static_file *file;
    struct inlay_header headers[HEADERS_MOST];
    size_t nheaders;
    struct inlay_str etag;
    time_t modified; /* as last-modified says */
    char etag_text[ETAG_MOST];
    struct inlay_http_date date;
};

/* What the request's headers say about it; ptr NULL: no such header. */
struct conditions {
    bool if_match, matched;           /* it lists our etag */
    bool if_none_match, none_matched; /* likewise */
    struct inlay_str modified_since, unmodified_since, range, if_range;
};

static void add(struct reply *reply,
                struct inlay_str name,
                struct inlay_str value)
{
    reply->headers[reply->nheaders++] = (struct inlay_header){name, value};
}

/* --- Validators -------------------------------------------------------- */

static char *put_hex(char *at, uint64_t value)
{
    char digits[16];
    size_t len = 0;

    do {
        digits[len++] = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (value);
    while (len)
        *at++ = digits[--len];
    return at;
}

/* Another file, another time, another coding: another tag. The same on every
 * machine that has the file with its time. */
static void make_etag(struct reply *reply)
{
    const struct inlay_static_file *file = reply->file;
    char *at = reply->etag_text;

    *at++ = '"';
    at = put_hex(at, (uint64_t)file->modified.tv_sec * 1000000000 +
                         (uint64_t)file->modified.tv_nsec);
    *at++ = '-';
    at = put_hex(at, file->size);
    if (file->coding != INLAY_CODING_IDENTITY) {
        struct inlay_str name = inlay_coding_name(file->coding);
        *at++ = '-';
        memcpy(at, name.ptr, name.len);
        at += name.len;
    }
    *at++ = '"';
    reply->etag =
        inlay_str_make(reply->etag_text, (size_t)(at - reply->etag_text));
}

/* RFC 9110 8.8.2.1: not later than the answer itself. */
static void make_date(struct reply *reply)
{
    time_t now = time(NULL);

    reply->modified = inlay_min(reply->file->modified.tv_sec, now);
}

/* --- Conditions -------------------------------------------------------- */

static void read_condition(struct conditions *ret,
                           const struct inlay_header *header,
                           struct inlay_str etag)
{
    struct inlay_str name = header->name, value = header->value;

    switch (name.len) {
    case 5:
        if (inlay_str_is(name, "range")) /* of two, neither */
            ret->range = ret->range.ptr ? INLAY_STR("") : value;
        break;
    case 8:
        if (inlay_str_is(name, "if-range")) {
            ret->if_range = ret->if_range.ptr ? INLAY_STR("") : value;
        } else if (inlay_str_is(name, "if-match")) {
            ret->if_match = true;
            ret->matched |= inlay_etag_listed(value, etag, false);
        }
        break;
    case 13:
        if (inlay_str_is(name, "if-none-match")) {
            ret->if_none_match = true;
            ret->none_matched |= inlay_etag_listed(value, etag, true);
        }
        break;
    case 17:
        if (inlay_str_is(name, "if-modified-since"))
            ret->modified_since = value;
        break;
    case 19:
        if (inlay_str_is(name, "if-unmodified-since"))
            ret->unmodified_since = value;
        break;
    default:
        break;
    }
}

/* Not later than that date? `otherwise` when it is none. */
static bool modified_by(const struct reply *reply,
                        struct inlay_str date,
                        bool otherwise)
{
    time_t since;

    if (!date.ptr || inlay_date_read(date, &since) < 0)
        return otherwise;
    return reply->modified <= since;
}

/* 200, 304 or 412, in the order of RFC 9110 13.2.2. */
static int judge(const struct reply *reply, const struct conditions *conditions)
{
    if (conditions->if_match) {
        if (!conditions->matched)
            return 412;
    } else if (!modified_by(reply, conditions->unmodified_since, true)) {
        return 412;
    }
    if (conditions->if_none_match)
        return conditions->none_matched ? 304 : 200;
    return modified_by(reply, conditions->modified_since, false) ? 304 : 200;
}

/* Is it still the file that the client has the other parts of? */
static bool range_holds(const struct reply *reply, struct inlay_str if_range)
{
    time_t date;

    if (!if_range.ptr || inlay_str_equal(if_range, reply->etag))
        return true;
    return inlay_date_read(if_range, &date) == 0 && date == reply->modified;
}

/* --- The body ---------------------------------------------------------- */

static void fail(struct reply *reply, int status)
{
    close(reply->file->fd);
    if (reply->request->started)
        inlay_response_abort(reply->request);
    else
        inlay_response_error(reply->request, status, inlay_http_reason(status));
}

static int start(struct reply *reply, int status, uint64_t len)
{
    if (len > INT64_MAX)
        return -1;
    reply->request->as_is = true;
    return inlay_response_start(reply->request, status, reply->headers,
                                reply->nheaders, (int64_t)len);
}

/* Somebody may be writing it: then what is read is neither the old nor the
 * new. */
static bool read_part(const struct reply *reply,
                      uint64_t offset,
                      size_t len,
                      char room[READ_MOST],
                      struct inlay_str *ret)
{
    *ret = inlay_str_make(room, len);
    return pread(reply->file->fd, room, len, (off_t)offset) == (ssize_t)len;
}

/* One range, or all of it. */
static void send_part(struct reply *reply,
                      int status,
                      uint64_t offset,
                      uint64_t len)
{
    struct inlay_request *request = reply->request;
    struct inlay_str bytes;
    char room[READ_MOST];
    bool read = len <= READ_MOST && request->method_id != INLAY_METHOD_HEAD;

    if ((read && !read_part(reply, offset, (size_t)len, room, &bytes)) ||
        start(reply, status, len) < 0) {
        fail(reply, 500);
        return;
    }
    int fd = reply->file->fd, sent;
    if (read) {
        close(fd);
        sent = inlay_response_write(request, bytes);
    } else {
        sent = inlay_response_write_file(request, fd, offset, len);
    }
    if (sent < 0)
        inlay_response_abort(request);
    else
        inlay_response_end(request);
}

static void send_range(struct reply *reply, struct inlay_range range)
{
    struct inlay_str text =
        inlay_arena_format(&reply->request->arena, "bytes %llu-%llu/%llu",
                           (unsigned long long)range.start,
                           (unsigned long long)(range.start + range.len - 1),
                           (unsigned long long)reply->file->size);

    if (!text.ptr) {
        fail(reply, 503);
        return;
    }
    add(reply, INLAY_STR("content-range"), text);
    send_part(reply, 206, range.start, range.len);
}

static void refuse_range(struct reply *reply)
{
    struct inlay_request *request = reply->request;
    struct inlay_header headers[] = {
        {INLAY_STR("content-range"),
         inlay_arena_format(&request->arena, "bytes */%llu",
                            (unsigned long long)reply->file->size)},
        {INLAY_STR("content-type"), INLAY_STR("application/json")},
    };

    if (!headers[0].value.ptr) {
        fail(reply, 503);
        return;
    }
    close(reply->file->fd);
    inlay_response_send_with(request, 416, headers, 2,
                             INLAY_STR("{\"detail\":\"Range Not "
                                       "Satisfiable\"}"));
}

/* --- Several ranges (RFC 9110 14.6) ------------------------------------ */

struct parts {
    const struct inlay_range *ranges;
    int count;
    struct inlay_str heads[INLAY_RANGES_MOST], tail;
    uint64_t len; /* of all */
};

static int make_boundary(char boundary[BOUNDARY_LEN])
{
    unsigned char bytes[BOUNDARY_LEN / 2];

    if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
        return -1;
    for (size_t i = 0; i < BOUNDARY_LEN; i++)
        boundary[i] = "0123456789abcdef"[bytes[i / 2] >> (i % 2 * 4) & 15];
    return 0;
}

/* What stands between the ranges, and how long all becomes. */
static int make_parts(struct reply *reply,
                      struct parts *parts,
                      const char boundary[BOUNDARY_LEN])
{
    struct inlay_arena *arena = &reply->request->arena;
    struct inlay_str type = reply->file->type->type;

    parts->len = 0;
    for (int i = 0; i < parts->count; i++) {
        const struct inlay_range *range = &parts->ranges[i];

        parts->heads[i] = inlay_arena_format(
            arena,
            "%s--%.*s\r\ncontent-type: %.*s\r\n"
            "content-range: bytes %llu-%llu/%llu\r\n\r\n",
            i ? "\r\n" : "", BOUNDARY_LEN, boundary, inlay_str_arg(type),
            (unsigned long long)range->start,
            (unsigned long long)(range->start + range->len - 1),
            (unsigned long long)reply->file->size);
        if (!parts->heads[i].ptr)
            return -1;
        parts->len += parts->heads[i].len + range->len;
    }
    parts->tail =
        inlay_arena_format(arena, "\r\n--%.*s--\r\n", BOUNDARY_LEN, boundary);
    parts->len += parts->tail.len;
    return parts->tail.ptr ? 0 : -1;
}

/* A small one is read: many ranges must not be as many descriptors, which
 * stay open until they are sent. */
static int write_part(struct reply *reply, struct inlay_range range)
{
    struct inlay_request *request = reply->request;
    struct inlay_str bytes;

    if (range.len <= READ_MOST) {
        char room[READ_MOST];

        if (!read_part(reply, range.start, (size_t)range.len, room, &bytes))
            return -1;
        return inlay_response_write(request, bytes);
    }
    int fd = fcntl(reply->file->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    return inlay_response_write_file(request, fd, range.start, range.len);
}

static int write_parts(struct reply *reply, const struct parts *parts)
{
    struct inlay_request *request = reply->request;

    for (int i = 0; i < parts->count; i++) {
        if (inlay_response_write(request, parts->heads[i]) < 0 ||
            write_part(reply, parts->ranges[i]) < 0)
            return -1;
    }
    return inlay_response_write(request, parts->tail);
}

static void send_ranges(struct reply *reply,
                        const struct inlay_range *ranges,
                        int count)
{
    struct parts parts = {.ranges = ranges, .count = count};
    char boundary[BOUNDARY_LEN];
    struct inlay_str type;

    if (make_boundary(boundary) < 0 ||
        make_parts(reply, &parts, boundary) < 0) {
        fail(reply, 503);
        return;
    }
    type = inlay_arena_format(&reply->request->arena,
                              "multipart/byteranges; boundary=%.*s",
                              BOUNDARY_LEN, boundary);
    reply->headers[0].value = type;
    if (!type.ptr || start(reply, 206, parts.len) < 0 ||
        write_parts(reply, &parts) < 0) {
        fail(reply, 503);
        return;
    }
    close(reply->file->fd);
    inlay_response_end(reply->request);
}

/* --- All of it --------------------------------------------------------- */

static void send_whole_or_parts(struct reply *reply,
                                const struct conditions *conditions)
{
    struct inlay_range ranges[INLAY_RANGES_MOST];
    int count = INLAY_RANGES_WHOLE;

    /* RFC 9110 14.2: of GET only. */
    if (conditions->range.ptr &&
        reply->request->method_id == INLAY_METHOD_GET &&
        range_holds(reply, conditions->if_range))
        count = inlay_ranges_read(conditions->range, reply->file->size, ranges);
    if (inlay_likely(count == INLAY_RANGES_WHOLE))
        send_part(reply, 200, 0, reply->file->size);
    else if (count == INLAY_RANGES_NONE)
        refuse_range(reply);
    else if (count == 1)
        send_range(reply, ranges[0]);
    else
        send_ranges(reply, ranges, count);
}

/* What a 304 says as well. */
static void add_headers(struct reply *reply, struct inlay_str cache_control)
{
    add(reply, INLAY_STR("etag"), reply->etag);
    add(reply, INLAY_STR("last-modified"),
        inlay_http_date_text(&reply->date, reply->modified));
    if (reply->file->varies)
        add(reply, INLAY_STR("vary"), INLAY_STR("accept-encoding"));
    if (cache_control.len)
        add(reply, INLAY_STR("cache-control"), cache_control);
}

/* RFC 9110 13.1: conditions are those of GET and HEAD. */
static bool is_conditional(const struct inlay_request *request, int status)
{
    return status == 0 && (request->method_id == INLAY_METHOD_GET ||
                           request->method_id == INLAY_METHOD_HEAD);
}

void inlay_static_answer(struct inlay_request *request,
                         struct inlay_static_file *file,
                         struct inlay_str cache_control,
                         int status)
{
    struct reply reply = {.request = request, .file = file};
    struct conditions conditions = {.if_match = false};
    bool conditional = is_conditional(request, status);
    int verdict = 200;

    make_etag(&reply);
    make_date(&reply);
    for (size_t i = 0; conditional && i < request->nheaders; i++)
        read_condition(&conditions, &request->headers[i], reply.etag);
    if (conditional)
        verdict = judge(&reply, &conditions);
    if (verdict == 412) {
        fail(&reply, 412);
        return;
    }
    if (verdict == 304) {
        close(file->fd);
        add_headers(&reply, cache_control);
        inlay_response_send_with(request, 304, reply.headers, reply.nheaders,
                                 INLAY_STR(""));
        return;
    }
    add(&reply, INLAY_STR("content-type"), file->type->type);
    if (conditional)
        add(&reply, INLAY_STR("accept-ranges"), INLAY_STR("bytes"));
    if (file->coding != INLAY_CODING_IDENTITY)
        add(&reply, INLAY_STR("content-encoding"),
            inlay_coding_name(file->coding));
    add_headers(&reply, cache_control);
    if (conditional)
        send_whole_or_parts(&reply, &conditions);
    else
        send_part(&reply, status ? status : 200, 0, file->size);
}
