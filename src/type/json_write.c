#include <math.h>

#include "type/base64.h"
#include "type/calendar.h"
#include "type/json.h"
#include "type/real.h"

#include "base/banned.h"

/*
 * Values nest by slices of a type that holds itself, or pointers to it: C
 * decides how deep, and may have made a ring. What json_read.c has read can be
 * written.
 */
#define DEPTH_MOST 128

#define INTEGER_MOST 20
#define INTEGERS_AT_ONCE 64

static int write_value(const struct inlay_type *type,
                       const char *value,
                       struct inlay_buf *out,
                       unsigned depth);

/* Room for the longest is enough; near the limit the real length counts. */
static inline int write_i64(int64_t value, struct inlay_buf *out)
{
    char text[INTEGER_MOST];

    if (inlay_likely(inlay_buf_reserve(out, INTEGER_MOST) == 0)) {
        inlay_buf_added(out, inlay_format_i64(inlay_buf_tail(out), value));
        return 0;
    }
    return inlay_buf_append(out, text, inlay_format_i64(text, value));
}

static inline int write_u64(uint64_t value, struct inlay_buf *out)
{
    char text[INTEGER_MOST];

    if (inlay_likely(inlay_buf_reserve(out, INTEGER_MOST) == 0)) {
        inlay_buf_added(out, inlay_format_u64(inlay_buf_tail(out), value));
        return 0;
    }
    return inlay_buf_append(out, text, inlay_format_u64(text, value));
}

static int write_real(const struct inlay_type *type,
                      const char *value,
                      struct inlay_buf *out)
{
    char text[INLAY_REAL_MOST];
    size_t len;

    if (type->size == sizeof(float)) {
        float narrow;
        memcpy(&narrow, value, sizeof(narrow));
        if (!isfinite(narrow))
            return inlay_buf_append_literal(out, "null");
        len = inlay_real_format_float(text, narrow, INLAY_REAL_ANSWER);
    } else {
        double wide;
        memcpy(&wide, value, sizeof(wide));
        if (!isfinite(wide))
            return inlay_buf_append_literal(out, "null");
        len = inlay_real_format(text, wide, INLAY_REAL_ANSWER);
    }
    return inlay_buf_append(out, text, len);
}

static bool needs_escape(char c)
{
    return (unsigned char)c < 0x20 || c == '"' || c == '\\';
}

/* Might one of eight bytes need an escape? */
static inline bool odd_word(const char *at)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t word, quote, slash;

    memcpy(&word, at, sizeof(word));
    quote = word ^ (ones * '"');
    slash = word ^ (ones * '\\');
    return (((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) |
            ((slash - ones) & ~slash)) &
           tops;
}

/* How many bytes from the start need no escape. */
static size_t plain_length(struct inlay_str text)
{
    size_t i = 0;

    while (text.len - i >= 8 && !odd_word(text.ptr + i))
        i += 8;
    /* The rest, with some that were looked at. */
    if (i && text.len - i < 8 && !odd_word(text.ptr + text.len - 8))
        return text.len;
    while (i < text.len && !needs_escape(text.ptr[i]))
        i++;
    return i;
}

static int write_escape(char c, struct inlay_buf *out)
{
    static const char digits[] = "0123456789abcdef";
    static const char letters[] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n',  ['\f'] = 'f',
        ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\',
    };
    unsigned char at = (unsigned char)c;

    if (letters[at]) {
        const char pair[2] = {'\\', letters[at]};
        return inlay_buf_append(out, pair, sizeof(pair));
    }
    const char six[6] = {'\\', 'u', '0', '0', digits[at >> 4], digits[at & 15]};
    return inlay_buf_append(out, six, sizeof(six));
}

int inlay_json_write_inside(struct inlay_str text, struct inlay_buf *out)
{
    if (!inlay_utf8_valid(text))
        return -1;
    for (;;) {
        size_t plain = plain_length(text);

        if (inlay_buf_append(out, text.ptr, plain) < 0)
            return -1;
        if (plain == text.len)
            break;
        if (write_escape(text.ptr[plain], out) < 0)
            return -1;
        text = inlay_str_make(text.ptr + plain + 1, text.len - plain - 1);
    }
    return 0;
}

int inlay_json_write_string(struct inlay_str text, struct inlay_buf *out)
{
    if (inlay_buf_append(out, "\"", 1) < 0 ||
        inlay_json_write_inside(text, out) < 0)
        return -1;
    return inlay_buf_append(out, "\"", 1);
}

static int write_cstr(const char *value, struct inlay_buf *out)
{
    const char *text;

    memcpy(&text, value, sizeof(text));
    if (!text)
        return inlay_buf_append_literal(out, "null");
    return inlay_json_write_string(inlay_str_from(text), out);
}

/* One ASCII character; JSON has no other form for a byte. */
static int write_char(char value, struct inlay_buf *out)
{
    return inlay_json_write_string(inlay_str_make(&value, 1), out);
}

/* Up to the first NUL; a full array has none. */
static int write_chars(const struct inlay_type *type,
                       const char *value,
                       struct inlay_buf *out)
{
    return inlay_json_write_string(
        inlay_str_make(value, strnlen(value, type->size)), out);
}

/* Its name; what has none, a combination of flags perhaps, is a number. */
static int write_enum(const struct inlay_type *type,
                      const char *value,
                      struct inlay_buf *out)
{
    int64_t number = inlay_enum_load(type, value);
    const struct inlay_enumerator *member = inlay_enum_find(type, number);

    if (member)
        return inlay_json_write_string(member->name, out);
    return type->is_signed ? write_i64(number, out)
                           : write_u64((uint64_t)number, out);
}

static int write_bytes(const char *value, struct inlay_buf *out)
{
    struct inlay_bytes bytes;

    memcpy(&bytes, value, sizeof(bytes));
    if ((bytes.len > 0 && !bytes.ptr) || inlay_buf_append_char(out, '"') < 0 ||
        inlay_base64_write(bytes, out) < 0)
        return -1;
    return inlay_buf_append_char(out, '"');
}

static int write_time(const struct inlay_type *type,
                      const char *value,
                      struct inlay_buf *out)
{
    char text[INLAY_TIME_TEXT_MOST + 2] = "\"";
    int len = inlay_time_write(type, value, text + 1);

    if (len < 0)
        return -1;
    text[len + 1] = '"';
    return inlay_buf_append(out, text, (size_t)len + 2);
}

/*
 * Integers of a slice, as far as there is room for the longest of each: the
 * room is asked for once per batch. Returns how many were written.
 */
static size_t write_integers(const struct inlay_type *elem,
                             const char *value,
                             size_t count,
                             struct inlay_buf *out)
{
    size_t done = 0;

    while (done < count) {
        size_t some = inlay_min(count - done, (size_t)INTEGERS_AT_ONCE);

        if (inlay_buf_reserve(out, some * (INTEGER_MOST + 1)) < 0)
            break;
        char *start = inlay_buf_tail(out), *at = start;
        for (size_t i = 0; i < some; i++, value += elem->size) {
            *at = ',';
            at += done + i > 0;
            at += inlay_format_i64(at, inlay_int_load(value, elem->size));
        }
        inlay_buf_added(out, (size_t)(at - start));
        done += some;
    }
    return done;
}

static int write_elements(const struct inlay_type *elem,
                          const char *value,
                          size_t count,
                          struct inlay_buf *out,
                          unsigned depth)
{
    size_t i = 0;

    if (elem->kind == INLAY_KIND_INT)
        i = write_integers(elem, value, count, out);
    for (; i < count; i++) {
        if ((i && inlay_buf_append_literal(out, ",") < 0) ||
            write_value(elem, value + i * elem->size, out, depth) < 0)
            return -1;
    }
    return 0;
}

static int write_list(const struct inlay_type *elem,
                      const char *at,
                      size_t count,
                      struct inlay_buf *out,
                      unsigned depth)
{
    if (count == 0)
        return inlay_buf_append_literal(out, "[]");
    if (!at || inlay_buf_append_literal(out, "[") < 0 ||
        write_elements(elem, at, count, out, depth) < 0)
        return -1;
    return inlay_buf_append_literal(out, "]");
}

/* SLICE and OWNED. */
static int write_slice(const struct inlay_type *type,
                       const char *value,
                       struct inlay_buf *out,
                       unsigned depth)
{
    const char *at;
    inlay_len len;

    memcpy(&at, value + type->ptr_offset, sizeof(at));
    memcpy(&len, value + type->len_offset, sizeof(len));
    return write_list(type->elem, at, len, out, depth);
}

static int write_pointer(const struct inlay_type *type,
                         const char *value,
                         struct inlay_buf *out,
                         unsigned depth)
{
    const char *at;

    memcpy(&at, value, sizeof(at));
    return at ? write_value(type->elem, at, out, depth)
              : inlay_buf_append_literal(out, "null");
}

/* A field's name is a C identifier: nothing in it needs an escape. */
static int write_key(struct inlay_str name, char before, struct inlay_buf *out)
{
    if (inlay_buf_reserve(out, name.len + 4) < 0)
        return -1;
    char *at = inlay_buf_tail(out);
    at[0] = before;
    at[1] = '"';
    memcpy(at + 2, name.ptr, name.len);
    at[name.len + 2] = '"';
    at[name.len + 3] = ':';
    inlay_buf_added(out, name.len + 4);
    return 0;
}

static int write_struct(const struct inlay_type *type,
                        const char *value,
                        struct inlay_buf *out,
                        unsigned depth)
{
    if (type->nfields == 0)
        return inlay_buf_append_literal(out, "{}");
    for (size_t i = 0; i < type->nfields; i++) {
        const struct inlay_field *field = &type->fields[i];

        if (write_key(field->name, i ? ',' : '{', out) < 0 ||
            write_value(field->type, value + field->offset, out, depth) < 0)
            return -1;
    }
    return inlay_buf_append_literal(out, "}");
}

static int write_value(const struct inlay_type *type,
                       const char *value,
                       struct inlay_buf *out,
                       unsigned depth)
{
    struct inlay_str text;

    if (depth > DEPTH_MOST)
        return -1;
    switch (type->kind) {
    case INLAY_KIND_VOID:
        return inlay_buf_append_literal(out, "null");
    case INLAY_KIND_BOOL:
        return *(const uint8_t *)value ? inlay_buf_append_literal(out, "true")
                                       : inlay_buf_append_literal(out, "false");
    case INLAY_KIND_INT:
        return write_i64(inlay_int_load(value, type->size), out);
    case INLAY_KIND_UINT:
        return write_u64(inlay_uint_load(value, type->size), out);
    case INLAY_KIND_FLOAT:
        return write_real(type, value, out);
    case INLAY_KIND_CHAR:
        return write_char(*value, out);
    case INLAY_KIND_ENUM:
        return write_enum(type, value, out);
    case INLAY_KIND_CSTR:
        return write_cstr(value, out);
    case INLAY_KIND_CHARS:
        return write_chars(type, value, out);
    case INLAY_KIND_BYTES:
        return write_bytes(value, out);
    case INLAY_KIND_DATE:
    case INLAY_KIND_DATETIME:
    case INLAY_KIND_UUID:
        return write_time(type, value, out);
    case INLAY_KIND_STR:
        memcpy(&text, value, sizeof(text));
        if (text.len > 0 && !text.ptr)
            return -1;
        return inlay_json_write_string(text, out);
    case INLAY_KIND_SLICE:
    case INLAY_KIND_OWNED:
        return write_slice(type, value, out, depth + 1);
    case INLAY_KIND_ARRAY:
        return write_list(type->elem, value, type->count, out, depth + 1);
    case INLAY_KIND_POINTER:
        return write_pointer(type, value, out, depth);
    case INLAY_KIND_OPTIONAL:
        if (!*(const uint8_t *)(value + type->has_offset))
            return inlay_buf_append_literal(out, "null");
        return write_value(type->elem, value + type->value_offset, out,
                           depth + 1);
    case INLAY_KIND_STRUCT:
        return write_struct(type, value, out, depth + 1);
    case INLAY_KIND_UPLOAD:
    case INLAY_KIND_HANDLE:
    case INLAY_KIND_OBJECT:
    case INLAY_KIND_CALLBACK:
    case INLAY_KIND_USERDATA:
    case INLAY_KIND_ARROW_ARRAY:
    case INLAY_KIND_ARROW_SCHEMA:
    case INLAY_KIND_INJECTED:
    case INLAY_KIND_UNSUPPORTED:
        return -1;
    }
    return -1;
}

int inlay_json_write(const struct inlay_type *type,
                     const void *value,
                     struct inlay_buf *out)
{
    return write_value(type, value, out, 0);
}
