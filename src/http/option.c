#include "http/option.h"

#include "base/banned.h"

/* Up to the ';' that ends it: one that an even number of quotes precedes. */
static struct inlay_str take_segment(struct inlay_str *rest)
{
    bool quoted = false;
    size_t len = 0;

    for (; len < rest->len; len++) {
        char c = rest->ptr[len];

        if (c == '"' && !(len && rest->ptr[len - 1] == '\\'))
            quoted = !quoted;
        else if (c == ';' && !quoted)
            break;
    }
    /* A quote without its end takes all that is left. */
    size_t taken = len < rest->len ? len + 1 : len;
    struct inlay_str segment = inlay_str_make(rest->ptr, len);

    *rest = taken ? inlay_str_make(rest->ptr + taken, rest->len - taken)
                  : INLAY_STR("");
    return segment;
}

struct inlay_str inlay_option_value(struct inlay_str *rest)
{
    return inlay_str_trim(take_segment(rest));
}

bool inlay_option_next(struct inlay_str *rest,
                       struct inlay_str *name_ret,
                       struct inlay_str *raw_ret)
{
    while (rest->len) {
        struct inlay_str segment = take_segment(rest);
        const char *is =
            segment.len ? memchr(segment.ptr, '=', segment.len) : NULL;
        size_t len = is ? (size_t)(is - segment.ptr) : segment.len;

        *name_ret = inlay_str_trim(inlay_str_make(segment.ptr, len));
        *raw_ret =
            is ? inlay_str_trim(inlay_str_make(is + 1, segment.len - len - 1))
               : INLAY_STR("");
        if (!name_ret->len || !memchr(name_ret->ptr, '*', name_ret->len))
            return true;
    }
    return false;
}

/* Drops the first of each two, "\" and `second`. */
static size_t unescape(char *text, size_t len, char second)
{
    size_t to = 0;

    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\\' && i + 1 < len && text[i + 1] == second)
            i++;
        text[to++] = text[i];
    }
    return to;
}

struct inlay_str inlay_option_unquote(struct inlay_str raw, char *into)
{
    size_t len = raw.len;

    if (len < 2 || raw.ptr[0] != '"' || raw.ptr[len - 1] != '"') {
        if (len)
            memmove(into, raw.ptr, len);
        return inlay_str_make(into, len);
    }
    len -= 2;
    memmove(into, raw.ptr + 1, len);
    len = unescape(into, len, '\\');
    return inlay_str_make(into, unescape(into, len, '"'));
}
