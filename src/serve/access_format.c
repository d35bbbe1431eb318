#include "serve/access_format.h"

#include <string.h>

#include "base/str.h"
#include "http/header.h"

#include "base/banned.h"

#define FORMAT_MOST 4096
#define STEPS_MOST 256
#define LITERAL_CHAR_LEAST 0x20

/* Names of gunicorn (one letter), granian, uvicorn's formatter, and ours. */
static const struct {
    struct inlay_str name;
    enum inlay_access_atom atom;
} atoms[] = {
    {INLAY_STR("h"), INLAY_ACCESS_HOST},
    {INLAY_STR("l"), INLAY_ACCESS_DASH},
    {INLAY_STR("u"), INLAY_ACCESS_DASH},
    {INLAY_STR("t"), INLAY_ACCESS_TIME_CLF},
    {INLAY_STR("r"), INLAY_ACCESS_LINE},
    {INLAY_STR("m"), INLAY_ACCESS_METHOD},
    {INLAY_STR("U"), INLAY_ACCESS_PATH},
    {INLAY_STR("q"), INLAY_ACCESS_QUERY},
    {INLAY_STR("H"), INLAY_ACCESS_PROTOCOL},
    {INLAY_STR("s"), INLAY_ACCESS_STATUS},
    {INLAY_STR("B"), INLAY_ACCESS_BYTES},
    {INLAY_STR("b"), INLAY_ACCESS_BYTES_DASH},
    {INLAY_STR("T"), INLAY_ACCESS_SECONDS},
    {INLAY_STR("M"), INLAY_ACCESS_MS},
    {INLAY_STR("D"), INLAY_ACCESS_US},
    {INLAY_STR("L"), INLAY_ACCESS_SECONDS_REAL},
    {INLAY_STR("p"), INLAY_ACCESS_WORKER},
    {INLAY_STR("addr"), INLAY_ACCESS_HOST},
    {INLAY_STR("time"), INLAY_ACCESS_TIME},
    {INLAY_STR("dt_ms"), INLAY_ACCESS_MS_REAL},
    {INLAY_STR("status"), INLAY_ACCESS_STATUS},
    {INLAY_STR("path"), INLAY_ACCESS_PATH},
    {INLAY_STR("query_string"), INLAY_ACCESS_QUERY},
    {INLAY_STR("method"), INLAY_ACCESS_METHOD},
    {INLAY_STR("scheme"), INLAY_ACCESS_SCHEME},
    {INLAY_STR("protocol"), INLAY_ACCESS_PROTOCOL},
    {INLAY_STR("client_addr"), INLAY_ACCESS_CLIENT},
    {INLAY_STR("request_line"), INLAY_ACCESS_LINE},
    {INLAY_STR("full_path"), INLAY_ACCESS_TARGET},
    {INLAY_STR("http_version"), INLAY_ACCESS_VERSION},
    {INLAY_STR("port"), INLAY_ACCESS_PORT},
    {INLAY_STR("reason"), INLAY_ACCESS_REASON},
    {INLAY_STR("bytes"), INLAY_ACCESS_BYTES},
    {INLAY_STR("duration_ms"), INLAY_ACCESS_MS_REAL},
    {INLAY_STR("queue_ms"), INLAY_ACCESS_QUEUE_MS},
    {INLAY_STR("iso_time"), INLAY_ACCESS_TIME_ISO},
    {INLAY_STR("request_id"), INLAY_ACCESS_REQUEST_ID},
    {INLAY_STR("trace_id"), INLAY_ACCESS_TRACE_ID},
    {INLAY_STR("worker"), INLAY_ACCESS_WORKER},
    {INLAY_STR("kind"), INLAY_ACCESS_KIND},
    {INLAY_STR("route"), INLAY_ACCESS_ROUTE},
};

/* Names of the formats themselves. */
#define COMMON "%(h)s %(l)s %(u)s %(t)s \"%(r)s\" %(s)s %(b)s"
static const struct {
    struct inlay_str name, text;
    bool json, uvicorn;
} formats[] = {
    {INLAY_STR("uvicorn"),
     INLAY_STR("INFO:     %(client_addr)s - \"%(r)s\" %(s)s %(reason)s"), false,
     true},
    {INLAY_STR("common"), INLAY_STR(COMMON), false, false},
    {INLAY_STR("combined"), INLAY_STR(COMMON " \"%(f)s\" \"%(a)s\""), false,
     false},
    {INLAY_STR("json"),
     INLAY_STR("{\"time\":%(iso_time)s,\"client\":%(h)s,\"method\":%(m)s,"
               "\"path\":%(U)s,\"query\":%(q)s,\"protocol\":%(H)s,"
               "\"status\":%(s)s,\"bytes\":%(B)s,"
               "\"duration_ms\":%(duration_ms)s,\"queue_ms\":%(queue_ms)s,"
               "\"request_id\":%(request_id)s,\"trace_id\":%(trace_id)s,"
               "\"worker\":%(worker)s,\"user_agent\":%(a)s,\"referer\":%(f)s,"
               "\"kind\":%(kind)s,\"route\":%(route)s}"),
     true, false},
    {INLAY_STR("fields"),
     INLAY_STR("%(client_addr)s\t%(m)s\t%(full_path)s\t%(http_version)s\t"
               "%(s)s"),
     false, true},
};

struct reader {
    struct inlay_arena *arena;
    struct inlay_access_format *format;
    struct inlay_str text;
    size_t at;
};

static struct inlay_error *wrong(const struct reader *reader,
                                 size_t at,
                                 const char *what)
{
    struct inlay_str rest = inlay_str_make(
        reader->text.ptr + at, inlay_min(reader->text.len - at, (size_t)40));

    return inlay_error_create(INLAY_ERROR_VALUE,
                              "access_log_format: %s, at \"%.*s\"", what,
                              inlay_str_arg(rest));
}

static struct inlay_access_step *add(struct reader *reader,
                                     enum inlay_access_atom atom)
{
    struct inlay_access_format *format = reader->format;
    struct inlay_access_step *step = &format->steps[format->nsteps++];

    *step = (struct inlay_access_step){.atom = atom};
    return step;
}

/* --- Atoms --------------------------------------------------------------- */

static struct inlay_error *add_header(struct reader *reader,
                                      struct inlay_str name,
                                      bool of_answer)
{
    struct inlay_access_format *format = reader->format;
    char *lower = inlay_arena_alloc(reader->arena, name.len + 1);

    if (!lower)
        return inlay_error_no_memory();
    for (size_t i = 0; i < name.len; i++)
        lower[i] = inlay_ascii_lower(name.ptr[i]);
    struct inlay_access_step *step = add(
        reader, of_answer ? INLAY_ACCESS_ANSWER_HEADER : INLAY_ACCESS_HEADER);
    step->text = inlay_str_make(lower, name.len);
    if (of_answer) {
        step->index = format->nanswer_headers;
        format->answer_headers[format->nanswer_headers++] = step->text;
    }
    return NULL;
}

/* "{name}i", "{name}o" of gunicorn, "header{name}" of granian. */
static struct inlay_error *read_braces(struct reader *reader,
                                       struct inlay_str name,
                                       size_t at)
{
    const char *open = memchr(name.ptr, '{', name.len);
    const char *close = memchr(name.ptr, '}', name.len);
    const char *end = name.ptr + name.len;

    if (!close || close < open)
        return wrong(reader, at, "a brace is not closed");
    struct inlay_str before =
        inlay_str_make(name.ptr, (size_t)(open - name.ptr));
    struct inlay_str header =
        inlay_str_trim(inlay_str_make(open + 1, (size_t)(close - open) - 1));
    struct inlay_str after =
        inlay_str_make(close + 1, (size_t)(end - close) - 1);

    if (!inlay_header_name_valid(header))
        return wrong(reader, at, "there is no header name in the braces");
    if (before.len == 0 && inlay_str_is(after, "i"))
        return add_header(reader, header, false);
    if (before.len == 0 && inlay_str_is(after, "o"))
        return add_header(reader, header, true);
    if (inlay_str_is(before, "header") && after.len == 0)
        return add_header(reader, header, false);
    return wrong(reader, at,
                 "braces mean {name}i, a header of the request, or {name}o, "
                 "of the answer");
}

static struct inlay_error *read_name(struct reader *reader,
                                     struct inlay_str name,
                                     size_t at)
{
    for (size_t i = 0; i < inlay_array_size(atoms); i++) {
        if (inlay_str_equal(atoms[i].name, name)) {
            add(reader, atoms[i].atom);
            return NULL;
        }
    }
    if (inlay_str_is(name, "f") || inlay_str_is(name, "referer"))
        return add_header(reader, INLAY_STR("referer"), false);
    if (inlay_str_is(name, "a") || inlay_str_is(name, "user_agent"))
        return add_header(reader, INLAY_STR("user-agent"), false);
    if (name.len && memchr(name.ptr, '{', name.len))
        return read_braces(reader, name, at);
    return wrong(reader, at,
                 "there is no such name (docs/logging.md lists them)");
}

/* Digits behind the point when the format does not say. */
static unsigned usual_digits(enum inlay_access_atom atom)
{
    return atom == INLAY_ACCESS_SECONDS_REAL ? 6 : 3;
}

/* "%(name)s", "%(name)d", "%(name).3f". */
static struct inlay_error *read_atom(struct reader *reader)
{
    const char *text = reader->text.ptr;
    size_t begin = reader->at, at = begin + 2, len = reader->text.len;
    const char *close = memchr(text + at, ')', len - at);

    if (!close)
        return wrong(reader, begin, "a parenthesis is not closed");
    struct inlay_str name =
        inlay_str_make(text + at, (size_t)(close - text) - at);
    struct inlay_error *error = read_name(reader, name, begin);
    if (error)
        return error;
    struct inlay_access_step *step =
        &reader->format->steps[reader->format->nsteps - 1];
    at += name.len + 1;
    step->digits = usual_digits(step->atom);
    if (at + 1 < len && text[at] == '.' && text[at + 1] >= '0' &&
        text[at + 1] <= '9') {
        step->digits = (unsigned)(text[at + 1] - '0');
        at += 2;
    }
    if (at >= len || !strchr("sdif", text[at]))
        return wrong(reader, begin,
                     "a name ends in s, d or .3f, as %(status)s");
    reader->at = at + 1;
    return NULL;
}

/* --- Literals ------------------------------------------------------------ */

static struct inlay_error *read_literal(struct reader *reader)
{
    const char *text = reader->text.ptr;
    size_t begin = reader->at, at = begin;

    while (at < reader->text.len && text[at] != '%') {
        unsigned char c = (unsigned char)text[at];

        if ((c < LITERAL_CHAR_LEAST && c != '\t') || c == 0x7f)
            return wrong(reader, at, "control characters would break lines");
        at++;
    }
    add(reader, INLAY_ACCESS_LITERAL)->text =
        inlay_str_make(text + begin, at - begin);
    reader->at = at;
    return NULL;
}

static struct inlay_error *read_all(struct reader *reader)
{
    struct inlay_str text = reader->text;
    struct inlay_error *error = NULL;

    while (!error && reader->at < text.len) {
        const char *at = text.ptr + reader->at;
        size_t left = text.len - reader->at;

        if (reader->format->nsteps >= STEPS_MOST)
            return wrong(reader, reader->at, "there are too many names");
        if (*at != '%') {
            error = read_literal(reader);
        } else if (left >= 2 && at[1] == '%') {
            add(reader, INLAY_ACCESS_LITERAL)->text = inlay_str_make(at, 1);
            reader->at += 2;
        } else if (left >= 3 && at[1] == '(') {
            error = read_atom(reader);
        } else {
            return wrong(reader, reader->at,
                         "behind % there is (name)s, or another % for one");
        }
    }
    return error;
}

static bool is_timed(const struct inlay_access_format *format)
{
    for (size_t i = 0; i < format->nsteps; i++) {
        enum inlay_access_atom atom = format->steps[i].atom;

        if (atom >= INLAY_ACCESS_SECONDS && atom <= INLAY_ACCESS_QUEUE_MS)
            return true;
    }
    return false;
}

struct inlay_error *inlay_access_format_create(struct inlay_arena *arena,
                                               struct inlay_str text,
                                               struct inlay_access_format **ret)
{
    struct inlay_access_format *format =
        inlay_arena_new(arena, struct inlay_access_format);
    bool known = false;

    if (!format)
        return inlay_error_no_memory();
    format->steps =
        inlay_arena_zalloc_array(arena, STEPS_MOST, sizeof(*format->steps));
    format->answer_headers = inlay_arena_zalloc_array(
        arena, STEPS_MOST, sizeof(*format->answer_headers));
    if (!format->steps || !format->answer_headers)
        return inlay_error_no_memory();
    for (size_t i = 0; i < inlay_array_size(formats); i++) {
        if (!inlay_str_equal(formats[i].name, text))
            continue;
        text = formats[i].text;
        format->json = formats[i].json;
        format->uvicorn = formats[i].uvicorn;
        known = true;
        break;
    }
    if (text.len > FORMAT_MOST)
        return inlay_error_create(INLAY_ERROR_VALUE,
                                  "access_log_format: longer than %d bytes",
                                  FORMAT_MOST);
    struct reader reader = {arena, format, text, 0};
    if (!known && !memchr(text.ptr, '%', text.len))
        return wrong(&reader, 0,
                     "it is neither uvicorn, common, combined or json nor a "
                     "text with %(names)s");
    struct inlay_error *error = read_all(&reader);
    if (error)
        return error;
    format->timed = is_timed(format);
    *ret = format;
    return NULL;
}
