#include "http/http1.h"

#include <llhttp.h>

#include "base/mem.h"
#include "http/http1_check.h"
#include "http/http1_scan.h"

#include "base/banned.h"

#define BLANK_MAX 4096     /* bytes of empty lines before a request line */
#define CHUNK_LINE_FREE 20 /* CRLF, 16 digits, CRLF: not held against it */
#define FIELDS_FIRST 32

enum state {
    STATE_START,    /* between messages */
    STATE_METHOD,   /* in the method token */
    STATE_HEAD,     /* llhttp reads the rest of the head */
    STATE_IDENTITY, /* body_left bytes of body to come */
    STATE_CHUNKED,  /* llhttp reads the chunked body */
    STATE_COMPLETE, /* on_complete is due */
    STATE_CLOSED,   /* after a last message: what follows is dropped */
    STATE_FAILED,
};

/* What a step of the engine wants next. */
enum step {
    STEP_AGAIN,
    STEP_MORE,   /* everything was taken */
    STEP_PAUSED, /* an event said stop */
    STEP_FAILED,
};

_Static_assert(sizeof(union inlay_http1_field) == sizeof(struct inlay_header),
               "the fields become an array of headers in place");

struct inlay_http1 {
    llhttp_t parser;
    const struct inlay_http1_limits *limits;
    const struct inlay_http1_events *events;
    struct inlay_spare *spare; /* or NULL */
    void *arg;
    struct inlay_http1_error error;
    uint8_t state;          /* enum state */
    bool keep_alive;        /* of the message at hand */
    bool after_cr;          /* of an empty line before the message */
    bool in_name, in_value; /* a field's span has begun */
    bool line_done;         /* the request line has been read */
    bool ended;             /* the chunked body has */
    uint8_t minor;
    enum inlay_method method_id;
    uint16_t blank; /* bytes of empty lines so far */
    uint16_t method_len;
    uint32_t target, target_len; /* offset in the head */
    struct inlay_buf raw;        /* the head's bytes; its limit is the head's */
    union inlay_http1_field *fields;
    size_t nfields, fields_size;
    const char *piece;  /* head bytes of this feed, not in `raw` yet */
    uint64_t body_left; /* of an identity body */
    /* Chunked framing: bytes since the last data, and what they add up to
     * beyond what every chunk needs. */
    const char *gap_from;
    size_t gap, excess;
};

static enum step fail(struct inlay_http1 *http1, int status, const char *reason)
{
    http1->state = STATE_FAILED;
    http1->error = (struct inlay_http1_error){status, reason};
    return STEP_FAILED;
}

/* --- llhttp's callbacks -------------------------------------------------- */

static uint32_t offset_of(const struct inlay_http1 *http1, const char *at)
{
    return (uint32_t)(inlay_buf_len(&http1->raw) + (size_t)(at - http1->piece));
}

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    struct inlay_http1 *http1 = parser->data;

    if (http1->target_len == 0)
        http1->target = offset_of(http1, at);
    http1->target_len += (uint32_t)len;
    return 0;
}

/* "GET /" and a line end is a whole HTTP/0.9 line to llhttp. */
static int on_url_complete(llhttp_t *parser)
{
    if (parser->http_minor != 9) /* the version has not been read yet */
        return 0;
    fail(parser->data, 400, "invalid request line");
    return -1;
}

static int on_version(llhttp_t *parser)
{
    struct inlay_http1 *http1 = parser->data;

    if (parser->http_major != 1) {
        fail(http1, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
        return -1;
    }
    /* RFC 9112 2.3: a later minor version is read as the latest known. */
    http1->minor = parser->http_minor ? 1 : 0;
    http1->line_done = true;
    return 0;
}

static int grow_fields(struct inlay_http1 *http1)
{
    size_t size = inlay_max(http1->fields_size * 2, (size_t)FIELDS_FIRST) *
                  sizeof(*http1->fields);
    union inlay_http1_field *fields =
        http1->spare && !http1->fields ? inlay_spare_take(http1->spare, &size)
                                       : inlay_realloc(http1->fields, size);

    if (!fields) {
        fail(http1, 503, "out of memory");
        return -1;
    }
    http1->fields = fields;
    http1->fields_size = size / sizeof(*fields);
    return 0;
}

static int add_field(struct inlay_http1 *http1)
{
    if (inlay_unlikely(http1->nfields == http1->fields_size) &&
        grow_fields(http1) < 0)
        return -1;
    memset(&http1->fields[http1->nfields], 0, sizeof(union inlay_http1_field));
    return 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t len)
{
    struct inlay_http1 *http1 = parser->data;

    if (http1->state != STATE_HEAD) /* a trailer: RFC 9110 6.5.1 */
        return 0;
    if (!http1->in_name) {
        if (add_field(http1) < 0)
            return -1;
        http1->in_name = true;
        http1->fields[http1->nfields].at.name = offset_of(http1, at);
    }
    http1->fields[http1->nfields].at.name_len += (uint32_t)len;
    return 0;
}

/* Not before the name is whole: it may yet prove to be none. */
static int on_field_complete(llhttp_t *parser)
{
    struct inlay_http1 *http1 = parser->data;

    if (http1->state != STATE_HEAD ||
        http1->nfields < http1->limits->header_count)
        return 0;
    fail(http1, 431, "too many header fields");
    return -1;
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
    struct inlay_http1 *http1 = parser->data;

    if (http1->state != STATE_HEAD)
        return 0;
    if (!http1->in_value) {
        http1->in_value = true;
        http1->fields[http1->nfields].at.value = offset_of(http1, at);
    }
    http1->fields[http1->nfields].at.value_len += (uint32_t)len;
    return 0;
}

static int on_value_complete(llhttp_t *parser)
{
    struct inlay_http1 *http1 = parser->data;

    if (http1->state == STATE_HEAD) {
        http1->nfields++;
        http1->in_name = http1->in_value = false;
    }
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    (void)parser;
    return HPE_PAUSED; /* the rest is done outside of llhttp's stack */
}

/* A stretch of framing has ended: does it keep the limit? */
static int settle_gap(struct inlay_http1 *http1)
{
    if (http1->gap > CHUNK_LINE_FREE)
        http1->excess += http1->gap - CHUNK_LINE_FREE;
    http1->gap = 0;
    if (http1->excess <= http1->limits->trailer_bytes)
        return 0;
    fail(http1, 400, "too many bytes of chunk extensions and trailers");
    return -1;
}

static int on_chunk_header(llhttp_t *parser)
{
    if (parser->content_length <= INT64_MAX)
        return 0;
    fail(parser->data, 400, "invalid chunk size");
    return -1;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct inlay_http1 *http1 = parser->data;

    if (len == 0)
        return 0;
    http1->gap += (size_t)(at - http1->gap_from);
    http1->gap_from = at + len;
    if (http1->gap && settle_gap(http1) < 0)
        return -1;
    if (http1->events->on_body(http1->arg, inlay_str_make(at, len)))
        return 0;
    return HPE_PAUSED;
}

static int on_message_complete(llhttp_t *parser)
{
    struct inlay_http1 *http1 = parser->data;

    http1->ended = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_url_complete = on_url_complete,
    .on_version_complete = on_version,
    .on_header_field = on_field,
    .on_header_field_complete = on_field_complete,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_chunk_header = on_chunk_header,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* What llhttp refused, unless a callback has said so already. */
static enum step fail_grammar(struct inlay_http1 *http1)
{
    if (http1->state == STATE_FAILED)
        return STEP_FAILED;
    switch (llhttp_get_errno(&http1->parser)) {
    case HPE_INVALID_URL:
        return fail(http1, 400, "invalid request target");
    case HPE_INVALID_VERSION:
    case HPE_INVALID_CONSTANT:
        return fail(http1, 400, "invalid request line");
    case HPE_UNEXPECTED_SPACE:
    case HPE_INVALID_HEADER_TOKEN:
        return fail(http1, 400, "invalid header field");
    case HPE_INVALID_CONTENT_LENGTH:
        return fail(http1, 400, "invalid Content-Length");
    case HPE_UNEXPECTED_CONTENT_LENGTH:
        return fail(http1, 400, "contradictory Content-Length");
    case HPE_INVALID_TRANSFER_ENCODING:
        return fail(http1, 400, "invalid Transfer-Encoding");
    case HPE_INVALID_CHUNK_SIZE:
        return fail(http1, 400, "invalid chunk size");
    case HPE_STRICT:
        if (http1->state == STATE_CHUNKED)
            return fail(http1, 400, "malformed chunk");
        return fail(http1, 400, "a line does not end in CR LF");
    case HPE_CR_EXPECTED:
    case HPE_LF_EXPECTED:
        return fail(http1, 400, "a line does not end in CR LF");
    default:
        return fail(http1, 400, "malformed request");
    }
}

/* --- The head ------------------------------------------------------------ */

static void release_head(struct inlay_http1 *http1)
{
    if (http1->spare) {
        inlay_spare_give(http1->spare, http1->fields,
                         http1->fields_size * sizeof(*http1->fields));
        inlay_spare_return(http1->spare, &http1->raw);
    } else {
        inlay_free(http1->fields);
        inlay_buf_deinit(&http1->raw);
    }
    http1->fields = NULL;
    http1->nfields = http1->fields_size = 0;
}

static void begin_message(struct inlay_http1 *http1, const char *at)
{
    inlay_buf_clear(&http1->raw);
    if (http1->spare)
        inlay_spare_lend(http1->spare, &http1->raw);
    http1->nfields = 0;
    http1->in_name = http1->in_value = false;
    http1->line_done = http1->ended = false;
    http1->blank = 0;
    http1->method_len = 0;
    http1->target = http1->target_len = 0;
    http1->gap = http1->excess = 0;
    http1->piece = at;
    http1->state = STATE_METHOD;
}

static enum step scan_head(struct inlay_http1 *http1,
                           const char **at,
                           const char *end);

/* RFC 9112 2.2: empty lines before a request line are ignored; not endless. */
static enum step step_start(struct inlay_http1 *http1,
                            const char **at,
                            const char *end)
{
    while (*at < end) {
        char c = **at;
        if (http1->after_cr) {
            if (c != '\n')
                return fail(http1, 400, "CR without LF");
            http1->after_cr = false;
        } else if (c == '\r') {
            http1->after_cr = true;
        } else {
            begin_message(http1, *at);
            return scan_head(http1, at, end);
        }
        if (++http1->blank > BLANK_MAX)
            return fail(http1, 400, "too many empty lines");
        ++*at;
    }
    return STEP_MORE;
}

static enum step fail_head_limit(struct inlay_http1 *http1)
{
    if (http1->line_done)
        return fail(http1, 431, "the header fields are too long");
    return fail(http1, 414, "the request line is too long");
}

/* The bytes up to `end` belong to the head: keep them. */
static enum step keep_head(struct inlay_http1 *http1, const char *end)
{
    size_t len = (size_t)(end - http1->piece);

    if (len > http1->raw.limit - inlay_buf_len(&http1->raw))
        return fail_head_limit(http1);
    if (inlay_buf_append(&http1->raw, http1->piece, len) < 0)
        return fail(http1, 503, "out of memory");
    http1->piece = end;
    return STEP_MORE;
}

static enum inlay_method method_id(struct inlay_str method)
{
    static const struct inlay_str names[] = {
        [INLAY_METHOD_GET] = INLAY_STR("GET"),
        [INLAY_METHOD_HEAD] = INLAY_STR("HEAD"),
        [INLAY_METHOD_POST] = INLAY_STR("POST"),
        [INLAY_METHOD_PUT] = INLAY_STR("PUT"),
        [INLAY_METHOD_PATCH] = INLAY_STR("PATCH"),
        [INLAY_METHOD_DELETE] = INLAY_STR("DELETE"),
        [INLAY_METHOD_OPTIONS] = INLAY_STR("OPTIONS"),
        [INLAY_METHOD_CONNECT] = INLAY_STR("CONNECT"),
        [INLAY_METHOD_TRACE] = INLAY_STR("TRACE"),
    };

    if (inlay_likely(inlay_str_is(method, "GET")))
        return INLAY_METHOD_GET;
    for (size_t i = INLAY_METHOD_HEAD; i < inlay_array_size(names); i++)
        if (inlay_str_equal(method, names[i]))
            return (enum inlay_method)i;
    return INLAY_METHOD_OTHER;
}

/* The method is whole and in `raw`. */
static int know_method(struct inlay_http1 *http1)
{
    http1->method_id =
        method_id(inlay_str_make(http1->raw.data, http1->method_len));
    if (http1->method_id != INLAY_METHOD_CONNECT)
        return 0;
    fail(http1, 501, "CONNECT is not implemented");
    return -1;
}

/* The token has ended, and at a space. */
static enum step finish_method(struct inlay_http1 *http1, const char *end)
{
    if (keep_head(http1, end) == STEP_FAILED)
        return STEP_FAILED;
    if (know_method(http1) < 0)
        return STEP_FAILED;
    http1->state = STATE_HEAD;
    if (llhttp_execute(&http1->parser, "GET ", 4) != HPE_OK)
        return fail_grammar(http1);
    return STEP_AGAIN;
}

/*
 * The method is read here: llhttp knows a fixed list of them, RFC 9110 9.1
 * any token. It is told GET instead, which also means nothing special to it.
 */
static enum step step_method(struct inlay_http1 *http1,
                             const char **at,
                             const char *end)
{
    for (; *at < end; ++*at) {
        char c = **at;
        if (c == ' ' && http1->method_len) {
            ++*at;
            return finish_method(http1, *at);
        }
        if (!inlay_token_char(c))
            return fail(http1, 400, "invalid method");
        if (++http1->method_len > INLAY_HTTP1_METHOD_MAX)
            return fail(http1, 501, "unknown method");
    }
    return keep_head(http1, end);
}

/* "METHOD target HTTP/1.x\r\n" with single spaces, as RFC 9112 3 has it. */
static bool line_valid(const struct inlay_http1 *http1)
{
    const char *head = http1->raw.data;
    size_t target_end = (size_t)http1->target + http1->target_len;

    if (http1->target != (uint32_t)http1->method_len + 1 ||
        inlay_buf_len(&http1->raw) < target_end + 13)
        return false;
    return memcmp(head + target_end, " HTTP/1.", 8) == 0 &&
           memcmp(head + target_end + 9, "\r\n", 2) == 0;
}

/* Offsets become views; names become lower case. */
static void resolve_fields(struct inlay_http1 *http1)
{
    char *head = http1->raw.data;

    for (size_t i = 0; i < http1->nfields; i++) {
        union inlay_http1_field *field = &http1->fields[i];
        struct inlay_str name =
            inlay_str_make(head + field->at.name, field->at.name_len);
        struct inlay_str value =
            inlay_str_make(head + field->at.value, field->at.value_len);
        inlay_ascii_lower_all(head + field->at.name, name.len);
        field->header = (struct inlay_header){name, inlay_str_trim(value)};
    }
}

/* The head is whole and in `raw`, its grammar is right. */
static enum step finish_head(struct inlay_http1 *http1)
{
    const char *raw = http1->raw.data;
    struct inlay_http1_head head = {
        .method_id = http1->method_id,
        .method = inlay_str_make(raw, http1->method_len),
        .target = inlay_str_make(raw + http1->target, http1->target_len),
        .minor = http1->minor,
    };

    resolve_fields(http1);
    head.headers = http1->nfields ? &http1->fields[0].header : NULL;
    head.nheaders = http1->nfields;
    struct inlay_http1_error error = inlay_http1_check(&head);
    if (error.status)
        return fail(http1, error.status, error.reason);

    http1->keep_alive = head.keep_alive;
    http1->body_left =
        head.content_length > 0 ? (uint64_t)head.content_length : 0;
    if (head.chunked) {
        http1->state = STATE_CHUNKED;
        http1->parser.flags |= F_CHUNKED; /* it misses "chunked" and a tab */
    } else {
        http1->state = http1->body_left ? STATE_IDENTITY : STATE_COMPLETE;
    }
    return http1->events->on_head(http1->arg, &head) ? STEP_AGAIN : STEP_PAUSED;
}

static enum step step_head(struct inlay_http1 *http1,
                           const char **at,
                           const char *end)
{
    size_t had = offset_of(http1, *at);
    size_t room = http1->raw.limit > had ? http1->raw.limit - had : 0;
    size_t len = (size_t)(end - *at);
    bool last = len >= room;

    /* llhttp never sees a byte past the limit, however the bytes are cut. */
    len = inlay_min(len, room);
    enum llhttp_errno error = llhttp_execute(&http1->parser, *at, len);
    if (error == HPE_OK) {
        if (last)
            return fail_head_limit(http1);
        *at += len;
        return keep_head(http1, end);
    }
    if (error != HPE_PAUSED)
        return fail_grammar(http1);
    *at = llhttp_get_error_pos(&http1->parser);
    llhttp_resume(&http1->parser);
    http1->parser.upgrade = 0; /* the body is read whoever upgrades */
    if (keep_head(http1, *at) == STEP_FAILED)
        return STEP_FAILED;
    if (!line_valid(http1))
        return fail(http1, 400, "invalid request line");
    /* The one control character that llhttp lets through. */
    if (memchr(http1->raw.data, 0x7f, inlay_buf_len(&http1->raw)))
        return fail(http1, 400, "control character in the request head");
    return finish_head(http1);
}

/* The message has begun: is its head one that needs no llhttp? */
static enum step scan_head(struct inlay_http1 *http1,
                           const char **at,
                           const char *end)
{
    size_t len = inlay_min((size_t)(end - *at), http1->raw.limit);
    struct inlay_http1_scan scan;

    if (!http1->fields && grow_fields(http1) < 0)
        return STEP_FAILED;
    size_t room = inlay_min(http1->fields_size, http1->limits->header_count);
    if (!inlay_http1_scan(inlay_str_make(*at, len), http1->fields, room,
                          &scan)) {
        llhttp_reset(&http1->parser);
        return STEP_AGAIN;
    }
    *at += scan.len;
    if (keep_head(http1, *at) == STEP_FAILED)
        return STEP_FAILED;
    http1->method_len = scan.method_len;
    http1->target = (uint32_t)scan.method_len + 1;
    http1->target_len = scan.target_len;
    http1->minor = scan.minor;
    http1->nfields = scan.nfields;
    return know_method(http1) < 0 ? STEP_FAILED : finish_head(http1);
}

/* --- The body ------------------------------------------------------------ */

static enum step step_identity(struct inlay_http1 *http1,
                               const char **at,
                               const char *end)
{
    size_t len = (size_t)(end - *at);

    if (len == 0)
        return STEP_MORE;
    if (len > http1->body_left)
        len = (size_t)http1->body_left;
    struct inlay_str chunk = inlay_str_make(*at, len);
    *at += len;
    http1->body_left -= len;
    if (http1->body_left == 0)
        http1->state = STATE_COMPLETE;
    return http1->events->on_body(http1->arg, chunk) ? STEP_AGAIN : STEP_PAUSED;
}

static enum step step_chunked(struct inlay_http1 *http1,
                              const char **at,
                              const char *end)
{
    http1->gap_from = *at;
    enum llhttp_errno error =
        llhttp_execute(&http1->parser, *at, (size_t)(end - *at));
    if (error != HPE_OK && error != HPE_PAUSED)
        return fail_grammar(http1);
    *at = error == HPE_OK ? end : llhttp_get_error_pos(&http1->parser);
    http1->gap += (size_t)(*at - http1->gap_from);
    size_t gap = http1->gap;
    if (settle_gap(http1) < 0)
        return STEP_FAILED;
    if (error == HPE_OK) {
        /* It may go on in the next feed: not settled yet. */
        http1->gap = gap;
        if (gap > CHUNK_LINE_FREE)
            http1->excess -= gap - CHUNK_LINE_FREE;
        return STEP_MORE;
    }
    llhttp_resume(&http1->parser);
    if (!http1->ended)
        return STEP_PAUSED;
    http1->state = STATE_COMPLETE;
    return STEP_AGAIN;
}

static enum step step_complete(struct inlay_http1 *http1)
{
    http1->state = http1->keep_alive ? STATE_START : STATE_CLOSED;
    return http1->events->on_complete(http1->arg) ? STEP_AGAIN : STEP_PAUSED;
}

/* --- The engine ---------------------------------------------------------- */

struct inlay_http1 *inlay_http1_create(const struct inlay_http1_limits *limits,
                                       const struct inlay_http1_events *events,
                                       void *arg)
{
    struct inlay_http1 *http1 = inlay_malloc(sizeof(*http1));

    if (http1)
        inlay_http1_init(http1, limits, events, NULL, arg);
    return http1;
}

size_t inlay_http1_size(void)
{
    return sizeof(struct inlay_http1);
}

void inlay_http1_init(struct inlay_http1 *http1,
                      const struct inlay_http1_limits *limits,
                      const struct inlay_http1_events *events,
                      struct inlay_spare *spare,
                      void *arg)
{
    memset(http1, 0, sizeof(*http1));
    llhttp_init(&http1->parser, HTTP_REQUEST, &settings);
    /* Not leniency: versions are judged by on_version, with a 505. */
    llhttp_set_lenient_version(&http1->parser, 1);
    http1->parser.data = http1;
    http1->limits = limits;
    http1->events = events;
    http1->spare = spare;
    http1->arg = arg;
    inlay_buf_init(&http1->raw, inlay_min(limits->head_bytes, UINT32_MAX));
}

void inlay_http1_destroy(struct inlay_http1 *http1)
{
    if (!http1)
        return;
    release_head(http1);
    inlay_free(http1);
}

void inlay_http1_deinit(struct inlay_http1 *http1)
{
    release_head(http1);
}

static enum step step(struct inlay_http1 *http1,
                      const char **at,
                      const char *end)
{
    switch ((enum state)http1->state) {
    case STATE_START:
        return step_start(http1, at, end);
    case STATE_METHOD:
        return step_method(http1, at, end);
    case STATE_HEAD:
        return step_head(http1, at, end);
    case STATE_IDENTITY:
        return step_identity(http1, at, end);
    case STATE_CHUNKED:
        return step_chunked(http1, at, end);
    case STATE_COMPLETE:
        return step_complete(http1);
    case STATE_CLOSED:
        *at = end;
        return STEP_MORE;
    case STATE_FAILED:
        break;
    }
    return STEP_FAILED;
}

enum inlay_http1_status inlay_http1_feed(struct inlay_http1 *http1,
                                         const char *data,
                                         size_t len,
                                         size_t *consumed_ret)
{
    const char *at = data ? data : "", *end = at + len;
    const char *from = at;
    enum step next;

    http1->piece = at;
    if (!inlay_http1_in_head(http1))
        release_head(http1);
    do
        next = step(http1, &at, end);
    while (next == STEP_AGAIN);

    *consumed_ret = next == STEP_FAILED ? len : (size_t)(at - from);
    if (next == STEP_FAILED)
        return INLAY_HTTP1_ERROR;
    if (next == STEP_PAUSED)
        return INLAY_HTTP1_PAUSED;
    if (!inlay_http1_in_message(http1))
        release_head(http1);
    return INLAY_HTTP1_MORE;
}

void inlay_http1_forget(struct inlay_http1 *http1)
{
    if (!inlay_http1_in_head(http1))
        release_head(http1);
}

const struct inlay_http1_error *inlay_http1_error(
    const struct inlay_http1 *http1)
{
    return &http1->error;
}

bool inlay_http1_in_message(const struct inlay_http1 *http1)
{
    return http1->state > STATE_START && http1->state < STATE_CLOSED;
}

bool inlay_http1_in_head(const struct inlay_http1 *http1)
{
    return http1->state == STATE_METHOD || http1->state == STATE_HEAD;
}
