/*
 * multipart.c - a state machine of step_*, each of which takes at least a byte
 * or changes the state. Data is searched for the delimiter, "\r\n--boundary":
 * as '\r' is nowhere in it but at its start, what has matched so far and does
 * not go on is data, and the search begins anew at the byte in hand.
 */
#include "http/multipart.h"

#include "http/header.h"
#include "http/option.h"

#include "base/banned.h"

enum state {
    STATE_START,        /* nothing yet */
    STATE_SKIP,         /* blank lines before the first delimiter */
    STATE_FIRST,        /* within the first delimiter */
    STATE_FIRST_END,    /* behind it */
    STATE_FIRST_LF,     /* "\r" came */
    STATE_FIRST_DASH,   /* "-" came: no parts */
    STATE_HEADER,       /* a header, or the empty line */
    STATE_NAME,         /* within a header's name */
    STATE_VALUE_START,  /* behind the colon */
    STATE_VALUE,        /* within the value */
    STATE_VALUE_LF,     /* its "\r" came */
    STATE_HEADERS_LF,   /* the empty line's "\r" came */
    STATE_DATA,         /* and the delimiter, as far as it has matched */
    STATE_DELIMITED,    /* behind a whole delimiter */
    STATE_DELIMITED_LF, /* "\r" came */
    STATE_DELIMITED_DASH,
    STATE_PADDING, /* blanks behind a delimiter */
    STATE_PADDING_LF,
    STATE_END, /* the rest is ignored */
};

enum inlay_multipart_status inlay_multipart_init(
    struct inlay_multipart *multipart,
    struct inlay_str boundary,
    const struct inlay_multipart_ops *ops,
    void *arg)
{
    memset(multipart, 0, sizeof(*multipart));
    if (boundary.len > INLAY_MULTIPART_BOUNDARY)
        return INLAY_MULTIPART_INVALID;
    multipart->ops = ops;
    multipart->arg = arg;
    multipart->state = STATE_START;
    memcpy(multipart->delimiter, "\r\n--", 4);
    if (boundary.len)
        memcpy(multipart->delimiter + 4, boundary.ptr, boundary.len);
    multipart->delimiter_len = 4 + boundary.len;
    inlay_buf_init(&multipart->line, INLAY_MULTIPART_LINE);
    inlay_buf_init(&multipart->disposition, INLAY_MULTIPART_LINE);
    inlay_buf_init(&multipart->type, INLAY_MULTIPART_LINE);
    return INLAY_MULTIPART_OK;
}

void inlay_multipart_deinit(struct inlay_multipart *multipart)
{
    inlay_buf_deinit(&multipart->line);
    inlay_buf_deinit(&multipart->disposition);
    inlay_buf_deinit(&multipart->type);
}

/* --- Events -------------------------------------------------------------- */

/* `len` bytes of data. */
static int give(struct inlay_multipart *multipart, const char *at, size_t len)
{
    if (len &&
        multipart->ops->on_data(multipart->arg, inlay_str_make(at, len)) != 0)
        return INLAY_MULTIPART_STOPPED;
    return INLAY_MULTIPART_OK;
}

/* What looked like a delimiter is data; `more` came behind it. */
static int give_back(struct inlay_multipart *multipart, const char *more)
{
    size_t matched = multipart->matched;
    int status = give(multipart, multipart->delimiter, matched);

    multipart->matched = 0;
    multipart->state = STATE_DATA;
    return status < 0 ? status : give(multipart, more, strlen(more));
}

static int begin_part(struct inlay_multipart *multipart)
{
    multipart->state = STATE_HEADER;
    multipart->nheaders = 0;
    multipart->has_disposition = multipart->has_type = false;
    return INLAY_MULTIPART_OK;
}

static int end_part(struct inlay_multipart *multipart, bool last)
{
    multipart->matched = 0;
    if (multipart->ops->on_end(multipart->arg) != 0)
        return INLAY_MULTIPART_STOPPED;
    if (!last)
        return begin_part(multipart);
    multipart->state = STATE_END;
    return INLAY_MULTIPART_OK;
}

/* Internet Explorer 6 sends the whole path. */
static struct inlay_str without_folders(struct inlay_str name)
{
    const char *last;

    if ((name.len < 3 || name.ptr[1] != ':' || name.ptr[2] != '\\') &&
        !inlay_str_starts(name, INLAY_STR("\\\\")))
        return name;
    last = memrchr(name.ptr, '\\', name.len);
    return inlay_str_make(last + 1, name.len - (size_t)(last + 1 - name.ptr));
}

static int finish_headers(struct inlay_multipart *multipart)
{
    struct inlay_multipart_part part = {.is_file = false};
    struct inlay_str rest = multipart->has_disposition
                                ? inlay_buf_view(&multipart->disposition)
                                : INLAY_STR("");
    struct inlay_str name, raw;
    bool named = false;

    inlay_option_value(&rest);
    while (inlay_option_next(&rest, &name, &raw)) {
        /* It lies in our own buffer, and gets shorter. */
        struct inlay_str value = inlay_option_unquote(raw, (char *)raw.ptr);

        if (inlay_str_is_nocase(name, "name")) {
            part.name = value;
            named = true;
        } else if (inlay_str_is_nocase(name, "filename")) {
            part.filename = without_folders(value);
            part.is_file = true;
        }
    }
    if (!named)
        return INLAY_MULTIPART_NO_NAME;
    if (multipart->has_type) {
        part.type = inlay_buf_view(&multipart->type);
        if (!part.type.ptr)
            part.type = INLAY_STR("");
    }
    multipart->state = STATE_DATA;
    multipart->matched = 0;
    if (multipart->ops->on_part(multipart->arg, &part) != 0)
        return INLAY_MULTIPART_STOPPED;
    return INLAY_MULTIPART_OK;
}

/* --- Headers ------------------------------------------------------------- */

/* Counts bytes of a header; false: it is too long. */
static bool lengthen(struct inlay_multipart *multipart, size_t count)
{
    multipart->line_len += count;
    return multipart->line_len <= INLAY_MULTIPART_LINE;
}

static int begin_header(struct inlay_multipart *multipart)
{
    if (++multipart->nheaders > INLAY_MULTIPART_HEADERS)
        return INLAY_MULTIPART_INVALID;
    multipart->line_len = 0;
    inlay_buf_clear(&multipart->line);
    multipart->state = STATE_NAME;
    return INLAY_MULTIPART_OK;
}

/* Where the value of the header goes: of a type the first one counts, of a
 * disposition the last. */
static void choose_value(struct inlay_multipart *multipart)
{
    struct inlay_str name = inlay_buf_view(&multipart->line);

    multipart->state = STATE_VALUE_START;
    multipart->value = NULL;
    if (inlay_str_is_nocase(name, "content-disposition")) {
        multipart->value = &multipart->disposition;
        multipart->has_disposition = true;
    } else if (inlay_str_is_nocase(name, "content-type") &&
               !multipart->has_type) {
        multipart->value = &multipart->type;
        multipart->has_type = true;
    }
    if (multipart->value)
        inlay_buf_clear(multipart->value);
}

static ptrdiff_t step_name(struct inlay_multipart *multipart,
                           const char *data,
                           size_t len)
{
    const char *colon = memchr(data, ':', len);
    size_t count = colon ? (size_t)(colon - data) : len;

    if (!lengthen(multipart, count + (colon != NULL)))
        return INLAY_MULTIPART_INVALID;
    for (size_t i = 0; i < count; i++)
        if (!inlay_token_char(data[i]))
            return INLAY_MULTIPART_INVALID;
    if (inlay_buf_append(&multipart->line, data, count) < 0)
        return INLAY_MULTIPART_NO_MEMORY;
    if (!colon)
        return (ptrdiff_t)len;
    if (!inlay_buf_len(&multipart->line))
        return INLAY_MULTIPART_INVALID;
    choose_value(multipart);
    return (ptrdiff_t)count + 1;
}

static ptrdiff_t step_value(struct inlay_multipart *multipart,
                            const char *data,
                            size_t len)
{
    const char *end = memchr(data, '\r', len);
    size_t count = end ? (size_t)(end - data) : len;

    if (!lengthen(multipart, count))
        return INLAY_MULTIPART_INVALID;
    if (multipart->value && inlay_buf_append(multipart->value, data, count) < 0)
        return INLAY_MULTIPART_NO_MEMORY;
    if (!end)
        return (ptrdiff_t)len;
    multipart->state = STATE_VALUE_LF;
    return (ptrdiff_t)count + 1;
}

/* --- Data ---------------------------------------------------------------- */

/* Data, up to what may be a delimiter. */
static ptrdiff_t step_data(struct inlay_multipart *multipart,
                           const char *data,
                           size_t len)
{
    size_t at = 0, seen = 0;
    const char *found;

    if (multipart->matched) {
        if (*data != multipart->delimiter[multipart->matched])
            return give_back(multipart, "");
        if (++multipart->matched == multipart->delimiter_len)
            multipart->state = STATE_DELIMITED;
        return 1;
    }
    while ((found = memchr(data + at, '\r', len - at))) {
        at = (size_t)(found - data);
        seen = len - at < multipart->delimiter_len ? len - at
                                                   : multipart->delimiter_len;
        if (memcmp(found, multipart->delimiter, seen) == 0)
            break;
        at++;
    }
    if (!found) {
        at = len;
        seen = 0;
    }
    int status = give(multipart, data, at);
    if (status < 0)
        return status;
    multipart->matched = seen;
    if (seen == multipart->delimiter_len)
        multipart->state = STATE_DELIMITED;
    return (ptrdiff_t)(at + seen);
}

/* Behind a delimiter: another line, the end, or data after all. */
static int step_delimited(struct inlay_multipart *multipart, char c, int *taken)
{
    int status = INLAY_MULTIPART_OK;

    switch (c) {
    case '\r':
        multipart->state = STATE_DELIMITED_LF;
        break;
    case '-':
        multipart->state = STATE_DELIMITED_DASH;
        break;
    case ' ':
    case '\t':
        multipart->state = STATE_PADDING;
        break;
    default:
        *taken = 0;
        status = give_back(multipart, "");
        break;
    }
    return status;
}

static int step_padding(struct inlay_multipart *multipart, char c)
{
    if (c == '\r')
        multipart->state = STATE_PADDING_LF;
    else if (c != ' ' && c != '\t')
        return INLAY_MULTIPART_INVALID;
    return INLAY_MULTIPART_OK;
}

/* --- All of it ----------------------------------------------------------- */

/* `next` when `c` is what must come here. */
static int expect(struct inlay_multipart *multipart, bool fine, enum state next)
{
    multipart->state = (int)next;
    return fine ? INLAY_MULTIPART_OK : INLAY_MULTIPART_INVALID;
}

/* Before the first part. */
static int step_first(struct inlay_multipart *multipart, char c, int *taken)
{
    switch ((enum state)multipart->state) {
    case STATE_START:
        *taken = 0;
        multipart->matched = 2; /* no line break before the first one */
        return expect(multipart, true,
                      c == '\r' || c == '\n' ? STATE_SKIP : STATE_FIRST);
    case STATE_SKIP:
        *taken = c != '-';
        return expect(multipart, true, c == '-' ? STATE_FIRST : STATE_SKIP);
    case STATE_FIRST:
        if (c != multipart->delimiter[multipart->matched])
            return INLAY_MULTIPART_INVALID;
        if (++multipart->matched == multipart->delimiter_len)
            multipart->state = STATE_FIRST_END;
        return INLAY_MULTIPART_OK;
    case STATE_FIRST_END:
        return expect(multipart, c == '\r' || c == '-',
                      c == '-' ? STATE_FIRST_DASH : STATE_FIRST_LF);
    case STATE_FIRST_LF:
        return c == '\n' ? begin_part(multipart) : INLAY_MULTIPART_INVALID;
    case STATE_FIRST_DASH:
        return expect(multipart, c == '-', STATE_END);
    case STATE_HEADER:
    case STATE_NAME:
    case STATE_VALUE_START:
    case STATE_VALUE:
    case STATE_VALUE_LF:
    case STATE_HEADERS_LF:
    case STATE_DATA:
    case STATE_DELIMITED:
    case STATE_DELIMITED_LF:
    case STATE_DELIMITED_DASH:
    case STATE_PADDING:
    case STATE_PADDING_LF:
    case STATE_END:
        break;
    }
    return INLAY_MULTIPART_INVALID;
}

/* The states that look at one byte; *taken is 0 when it is left for the next
 * state. */
static int step_byte(struct inlay_multipart *multipart, char c, int *taken)
{
    *taken = 1;
    switch ((enum state)multipart->state) {
    case STATE_START:
    case STATE_SKIP:
    case STATE_FIRST:
    case STATE_FIRST_END:
    case STATE_FIRST_LF:
    case STATE_FIRST_DASH:
        return step_first(multipart, c, taken);
    case STATE_HEADER:
        *taken = c == '\r';
        if (c != '\r')
            return begin_header(multipart);
        return expect(multipart, true, STATE_HEADERS_LF);
    case STATE_VALUE_START:
        *taken = c == ' ';
        if (c != ' ')
            return expect(multipart, true, STATE_VALUE);
        return lengthen(multipart, 1) ? INLAY_MULTIPART_OK
                                      : INLAY_MULTIPART_INVALID;
    case STATE_VALUE_LF:
        return expect(multipart, c == '\n', STATE_HEADER);
    case STATE_HEADERS_LF:
        return c == '\n' ? finish_headers(multipart) : INLAY_MULTIPART_INVALID;
    case STATE_DELIMITED:
        return step_delimited(multipart, c, taken);
    case STATE_DELIMITED_LF:
        *taken = c == '\n';
        return c == '\n' ? end_part(multipart, false)
                         : give_back(multipart, "\r");
    case STATE_DELIMITED_DASH:
        *taken = c == '-';
        return c == '-' ? end_part(multipart, true) : give_back(multipart, "-");
    case STATE_PADDING:
        return step_padding(multipart, c);
    case STATE_PADDING_LF:
        return c == '\n' ? end_part(multipart, false) : INLAY_MULTIPART_INVALID;
    case STATE_NAME:
    case STATE_VALUE:
    case STATE_DATA:
    case STATE_END:
        break;
    }
    return INLAY_MULTIPART_INVALID;
}

enum inlay_multipart_status inlay_multipart_feed(
    struct inlay_multipart *multipart,
    struct inlay_str bytes)
{
    size_t at = 0;

    while (at < bytes.len) {
        const char *data = bytes.ptr + at;
        size_t len = bytes.len - at;
        enum state state = (enum state)multipart->state;
        int one = 0;
        ptrdiff_t taken;

        if (state == STATE_END)
            break;
        if (state == STATE_DATA) {
            taken = step_data(multipart, data, len);
        } else if (state == STATE_NAME) {
            taken = step_name(multipart, data, len);
        } else if (state == STATE_VALUE) {
            taken = step_value(multipart, data, len);
        } else {
            taken = step_byte(multipart, *data, &one);
            if (taken == INLAY_MULTIPART_OK)
                taken = one;
        }
        if (taken < 0)
            return (enum inlay_multipart_status)taken;
        at += (size_t)taken;
    }
    return INLAY_MULTIPART_OK;
}
