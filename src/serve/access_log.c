#include "serve/access_log.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "serve/compress.h"
#include "serve/request_id.h"
#include "serve/server.h"

#include "base/banned.h"

#define TEXT_MOST 8192 /* of a target or a header: the rest is left out */
#define ENDED_EARLY 499

/* A line that is being written. */
struct line {
    const struct inlay_request *request;
    const struct inlay_access_format *format;
    struct inlay_access_lines *lines;
    struct inlay_buf *out;
    int status;
    uint64_t duration;   /* ns; 0: not known */
    struct timespec now; /* zero: not asked for yet */
    bool failed;
};

static void put(struct line *line, struct inlay_str text)
{
    line->failed |= inlay_buf_append_str(line->out, text) < 0;
}
#define put_literal(line, literal) put((line), INLAY_STR(literal))

static void put_u64(struct line *line, uint64_t value)
{
    line->failed |= inlay_buf_append_u64(line->out, value) < 0;
}

/* --- Text ---------------------------------------------------------------- */

static const char hex[] = "0123456789abcdef";

/* A client chooses these bytes: only printable ASCII goes out as it is. */
static char *escape(char *at, struct inlay_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
            *at++ = (char)c;
            continue;
        }
        *at++ = '\\';
        *at++ = 'x';
        *at++ = hex[c >> 4];
        *at++ = hex[c & 15];
    }
    return at;
}

/* The inside of a JSON string; what is not UTF-8 is taken as Latin-1. */
static char *escape_json(char *at, struct inlay_str text)
{
    bool utf8 = inlay_utf8_valid(text);

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c == '"' || c == '\\') {
            *at++ = '\\';
            *at++ = (char)c;
        } else if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8)) {
            memcpy(at, "\\u00", 4);
            at[4] = hex[c >> 4];
            at[5] = hex[c & 15];
            at += 6;
        } else {
            *at++ = (char)c;
        }
    }
    return at;
}

/* Somebody's text: quoted in JSON, null or "-" when there is none. */
static void put_text(struct line *line, struct inlay_str text)
{
    struct inlay_buf *out = line->out;

    text.len = inlay_min(text.len, (size_t)TEXT_MOST);
    if (!text.len) {
        put(line, line->format->json ? INLAY_STR("null") : INLAY_STR("-"));
        return;
    }
    if (inlay_buf_reserve(out, text.len * 6 + 2) < 0) {
        line->failed = true;
        return;
    }
    char *begin = inlay_buf_tail(out), *at = begin;
    if (line->format->json) {
        *at++ = '"';
        at = escape_json(at, text);
        *at++ = '"';
    } else {
        at = escape(at, text);
    }
    inlay_buf_added(out, (size_t)(at - begin));
}

/* --- Numbers and times --------------------------------------------------- */

/* `ns` in `unit`s of ns. */
static void put_real(struct line *line,
                     uint64_t ns,
                     uint64_t unit,
                     unsigned digits)
{
    uint64_t scale = 1, fraction;
    char text[10];

    put_u64(line, ns / unit);
    if (!digits)
        return;
    for (unsigned i = 0; i < digits; i++)
        scale *= 10;
    fraction = ns % unit * scale / unit;
    text[0] = '.';
    for (unsigned i = digits; i > 0; i--, fraction /= 10)
        text[i] = (char)('0' + fraction % 10);
    put(line, inlay_str_make(text, digits + 1));
}

static void put_duration(struct line *line,
                         const struct inlay_access_step *step)
{
    uint64_t ns = step->atom == INLAY_ACCESS_QUEUE_MS ? line->request->queue_ns
                                                      : line->duration;

    if (!ns)
        put_text(line, INLAY_STR(""));
    else if (step->atom == INLAY_ACCESS_SECONDS)
        put_u64(line, ns / 1000000000u);
    else if (step->atom == INLAY_ACCESS_MS)
        put_u64(line, ns / 1000000u);
    else if (step->atom == INLAY_ACCESS_US)
        put_u64(line, ns / 1000u);
    else if (step->atom == INLAY_ACCESS_SECONDS_REAL)
        put_real(line, ns, 1000000000u, step->digits);
    else
        put_real(line, ns, 1000000u, step->digits);
}

/* The texts of a second are made once, in no language but English. */
static void set_second(struct inlay_access_lines *lines, time_t second)
{
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr",
                                       "May", "Jun", "Jul", "Aug",
                                       "Sep", "Oct", "Nov", "Dec"};
    struct tm tm, utc;

    lines->second = second;
    if (!localtime_r(&second, &tm) || !gmtime_r(&second, &utc))
        return;
    int year = tm.tm_year % 8000 + 1900;
    unsigned month = (unsigned)tm.tm_mon % 12;
    unsigned day = (unsigned)tm.tm_mday % 32, hour = (unsigned)tm.tm_hour % 24;
    unsigned minute = (unsigned)tm.tm_min % 60, sec = (unsigned)tm.tm_sec % 61;
    unsigned zone = (unsigned)(tm.tm_gmtoff < 0 ? -tm.tm_gmtoff : tm.tm_gmtoff);
    char sign = tm.tm_gmtoff < 0 ? '-' : '+';

    zone = zone / 60 % 6000;
    zone = zone / 60 * 100 + zone % 60;
    snprintf(lines->clf, sizeof(lines->clf),
             "[%02u/%s/%04d:%02u:%02u:%02u %c%04u]", day, months[month], year,
             hour, minute, sec, sign, zone);
    snprintf(lines->plain, sizeof(lines->plain),
             "%04d-%02u-%02u %02u:%02u:%02u %c%04u", year, month + 1, day, hour,
             minute, sec, sign, zone);
    snprintf(lines->iso, sizeof(lines->iso), "%04d-%02u-%02uT%02u:%02u:%02u",
             utc.tm_year % 8000 + 1900, (unsigned)utc.tm_mon % 12 + 1,
             (unsigned)utc.tm_mday % 32, (unsigned)utc.tm_hour % 24,
             (unsigned)utc.tm_min % 60, (unsigned)utc.tm_sec % 61);
}

static void put_time(struct line *line, const struct inlay_access_step *step)
{
    struct inlay_access_lines *lines = line->lines;

    if (!line->now.tv_sec)
        clock_gettime(CLOCK_REALTIME, &line->now);
    if (lines->second != line->now.tv_sec)
        set_second(lines, line->now.tv_sec);
    if (step->atom == INLAY_ACCESS_TIME_CLF) {
        put(line, inlay_str_from(lines->clf));
    } else if (step->atom == INLAY_ACCESS_TIME) {
        put(line, inlay_str_from(lines->plain));
    } else {
        unsigned ms = (unsigned)line->now.tv_nsec / 1000000u;
        char text[6] = {'.',
                        (char)('0' + ms / 100 % 10),
                        (char)('0' + ms / 10 % 10),
                        (char)('0' + ms % 10),
                        'Z',
                        '"'};

        if (line->format->json)
            put_literal(line, "\"");
        put(line, inlay_str_from(lines->iso));
        put(line, inlay_str_make(text, line->format->json ? 6 : 5));
    }
}

/* --- The request --------------------------------------------------------- */

static void put_target(struct line *line)
{
    const struct inlay_request *request = line->request;

    put_text(line, request->raw_path);
    if (request->query.len) {
        put_literal(line, "?");
        put_text(line, request->query);
    }
}

static void put_version(struct line *line)
{
    put_u64(line, line->request->http_major);
    if (line->request->http_major < 2) {
        put_literal(line, ".");
        put_u64(line, line->request->http_minor);
    }
}

static void put_protocol(struct line *line)
{
    bool json = line->format->json;

    if (!line->request->http_major) {
        put_text(line, INLAY_STR(""));
        return;
    }
    put(line, json ? INLAY_STR("\"HTTP/") : INLAY_STR("HTTP/"));
    put_version(line);
    if (json)
        put_literal(line, "\"");
}

static void put_line(struct line *line)
{
    if (!line->request->method.len) {
        put_literal(line, "-");
        return;
    }
    put_text(line, line->request->method);
    put_literal(line, " ");
    put_target(line);
    put_literal(line, " ");
    put_protocol(line);
}

static void put_client(struct line *line)
{
    const struct inlay_address *client = line->request->client;

    put_text(line, inlay_str_from(client->host)); /* it may be a path */
    if (client->host[0] && client->port >= 0) {
        put_literal(line, ":");
        put_u64(line, (uint64_t)client->port);
    }
}

static struct inlay_str kind_of(const struct inlay_request *request)
{
    const struct inlay_handler *handler = request->handler;

    return inlay_str_from(handler && handler->ops->kind ? handler->ops->kind
                                                        : "server");
}

static uint64_t bytes_of(const struct inlay_request *request)
{
    return request->compress ? inlay_compress_sent(request) : request->sent;
}

static struct inlay_str reason_of(int status)
{
    return status == ENDED_EARLY ? INLAY_STR("Client Closed Request")
                                 : inlay_http_reason(status);
}

static void put_header(struct line *line, const struct inlay_access_step *step)
{
    const struct inlay_request *request = line->request;

    if (step->atom == INLAY_ACCESS_HEADER)
        put_text(line, inlay_request_header(request, step->text));
    else
        put_text(line, request->logged ? request->logged[step->index]
                                       : INLAY_STR(""));
}

static void put_step(struct line *line, const struct inlay_access_step *step)
{
    const struct inlay_request *request = line->request;

    switch (step->atom) {
    case INLAY_ACCESS_LITERAL:
        put(line, step->text);
        break;
    case INLAY_ACCESS_DASH:
        put_literal(line, "-");
        break;
    case INLAY_ACCESS_HOST:
        put_text(line, inlay_str_from(request->client->host));
        break;
    case INLAY_ACCESS_PORT:
        if (request->client->port >= 0)
            put_u64(line, (uint64_t)request->client->port);
        else
            put_text(line, INLAY_STR(""));
        break;
    case INLAY_ACCESS_CLIENT:
        put_client(line);
        break;
    case INLAY_ACCESS_METHOD:
        put_text(line, request->method);
        break;
    case INLAY_ACCESS_PATH:
        put_text(line, request->raw_path);
        break;
    case INLAY_ACCESS_QUERY:
        put_text(line, request->query);
        break;
    case INLAY_ACCESS_TARGET:
        put_target(line);
        break;
    case INLAY_ACCESS_PROTOCOL:
        put_protocol(line);
        break;
    case INLAY_ACCESS_VERSION:
        put_version(line);
        break;
    case INLAY_ACCESS_LINE:
        put_line(line);
        break;
    case INLAY_ACCESS_SCHEME:
        put_text(line, request->scheme);
        break;
    case INLAY_ACCESS_STATUS:
        put_u64(line, (uint64_t)line->status);
        break;
    case INLAY_ACCESS_REASON:
        put(line, reason_of(line->status));
        break;
    case INLAY_ACCESS_BYTES:
        put_u64(line, bytes_of(request));
        break;
    case INLAY_ACCESS_BYTES_DASH:
        if (bytes_of(request))
            put_u64(line, bytes_of(request));
        else
            put_literal(line, "-");
        break;
    case INLAY_ACCESS_SECONDS:
    case INLAY_ACCESS_SECONDS_REAL:
    case INLAY_ACCESS_MS:
    case INLAY_ACCESS_MS_REAL:
    case INLAY_ACCESS_US:
    case INLAY_ACCESS_QUEUE_MS:
        put_duration(line, step);
        break;
    case INLAY_ACCESS_TIME_CLF:
    case INLAY_ACCESS_TIME_ISO:
    case INLAY_ACCESS_TIME:
        put_time(line, step);
        break;
    case INLAY_ACCESS_REQUEST_ID:
        put_text(line, request->id);
        break;
    case INLAY_ACCESS_TRACE_ID:
        put_text(line, inlay_request_trace_id(request));
        break;
    case INLAY_ACCESS_WORKER:
        put_u64(line, (uint64_t)request->thread->server->access_out.pid);
        break;
    case INLAY_ACCESS_KIND:
        put_text(line, kind_of(request));
        break;
    case INLAY_ACCESS_ROUTE:
        put_text(line, request->route);
        break;
    case INLAY_ACCESS_HEADER:
    case INLAY_ACCESS_ANSWER_HEADER:
        put_header(line, step);
        break;
    }
}

/* --- Lines --------------------------------------------------------------- */

static void begin(struct line *line,
                  const struct inlay_request *request,
                  int status)
{
    struct inlay_io_thread *thread = request->thread;

    *line = (struct line){
        .request = request,
        .format = thread->server->access,
        .lines = &thread->access,
        .out = &thread->access.buf,
        .status = status,
    };
    if (request->began)
        line->duration = inlay_max(inlay_clock_ns() - request->began, 1u);
}

/* A line that has no room is left out as a whole. */
static void end(struct line *line, size_t before)
{
    struct inlay_buf *out = line->out;

    put_literal(line, "\n");
    if (line->failed) {
        out->end = out->start + before;
        line->lines->dropped++;
    }
    inlay_access_log_ready(line->request->thread);
}

/* uvicorn's: INFO:     127.0.0.1:5000 - "WebSocket /path" [accepted] */
static void put_websocket(struct line *line)
{
    bool accepted = line->status == 101;

    put_literal(line, "INFO:     ");
    put_client(line);
    put_literal(line, " - \"WebSocket ");
    put_target(line);
    put_literal(line, "\" ");
    if (accepted)
        put_literal(line, "[accepted]");
    else
        put_u64(line, (uint64_t)line->status);
}

/* The same for logs.py: method "WebSocket", version "". */
static void put_websocket_fields(struct line *line)
{
    put_client(line);
    put_literal(line, "\tWebSocket\t");
    put_target(line);
    put_literal(line, "\t\t");
    put_u64(line, (uint64_t)line->status);
}

static void add(const struct inlay_request *request, int status)
{
    struct line line;

    begin(&line, request, status);
    size_t before = inlay_buf_len(line.out);
    if (request->websocket && line.format->uvicorn) {
        if (line.format->steps[0].atom == INLAY_ACCESS_LITERAL)
            put_websocket(&line);
        else
            put_websocket_fields(&line);
    } else {
        for (size_t i = 0; i < line.format->nsteps; i++)
            put_step(&line, &line.format->steps[i]);
    }
    end(&line, before);
}

void inlay_access_log_add(const struct inlay_request *request, int status)
{
    bool accepted = request->status == 101;

    if (request->unlogged ||
        (accepted && request->thread->server->access->uvicorn))
        return;
    add(request, request->status ? request->status : status);
}

void inlay_access_log_accepted(const struct inlay_request *request)
{
    const struct inlay_access_format *format = request->thread->server->access;

    if (format && format->uvicorn && !request->unlogged)
        add(request, 101);
}

void inlay_access_log_refused(struct inlay_io_thread *thread,
                              const struct inlay_address *client,
                              int status)
{
    const struct inlay_request nothing = {
        .thread = thread,
        .client = client,
    };

    add(&nothing, status);
}
