#include "http/cookie.h"

#include "base/banned.h"

/* What Python's str.strip takes off, as far as a header can have it. */
static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\x85' || c == '\xa0';
}

static struct inlay_str trim(struct inlay_str text)
{
    while (text.len && is_blank(text.ptr[0])) {
        text.ptr++;
        text.len--;
    }
    while (text.len && is_blank(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

bool inlay_cookie_next(struct inlay_str *rest,
                       struct inlay_str *name_ret,
                       struct inlay_str *raw_ret)
{
    while (rest->len) {
        const char *from = rest->ptr;
        const char *end = memchr(from, ';', rest->len);
        size_t len = end ? (size_t)(end - from) : rest->len;
        size_t taken = end ? len + 1 : len;
        const char *is = len ? memchr(from, '=', len) : NULL;
        size_t key = is ? (size_t)(is - from) : 0;
        size_t value = is ? key + 1 : 0;

        *rest = inlay_str_make(from + taken, rest->len - taken);
        *name_ret = trim(inlay_str_make(from, key));
        *raw_ret = trim(inlay_str_make(from + value, len - value));
        if (name_ret->len || raw_ret->len)
            return true;
    }
    return false;
}

struct inlay_str inlay_cookie_find(struct inlay_str header,
                                   struct inlay_str name)
{
    struct inlay_str found = {NULL, 0}, at, value;

    while (inlay_cookie_next(&header, &at, &value))
        if (inlay_str_equal(at, name))
            found = value;
    return found;
}

static bool is_octal(const char *at)
{
    return at[0] >= '0' && at[0] <= '3' && at[1] >= '0' && at[1] <= '7' &&
           at[2] >= '0' && at[2] <= '7';
}

struct inlay_str inlay_cookie_unquote(struct inlay_str raw,
                                      struct inlay_arena *arena)
{
    if (raw.len < 2 || raw.ptr[0] != '"' || raw.ptr[raw.len - 1] != '"')
        return raw;
    raw = inlay_str_make(raw.ptr + 1, raw.len - 2);
    if (!raw.len || !memchr(raw.ptr, '\\', raw.len))
        return raw;
    char *text = inlay_arena_alloc(arena, raw.len);
    size_t len = 0;

    if (!text)
        return inlay_str_make(NULL, 0);
    for (size_t i = 0; i < raw.len; i++) {
        const char *at = raw.ptr + i;

        if (*at == '\\' && raw.len - i > 3 && is_octal(at + 1)) {
            text[len++] =
                (char)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));
            i += 3;
        } else {
            if (*at == '\\' && raw.len - i > 1)
                at = raw.ptr + ++i;
            text[len++] = *at;
        }
    }
    return inlay_str_make(text, len);
}
