#include "http/url.h"

#include "base/banned.h"

static int hex_value(char c)
{
    char lower = inlay_ascii_lower(c);

    if (c >= '0' && c <= '9')
        return c - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool inlay_url_encoded(struct inlay_str text, bool plus)
{
    return text.len && (memchr(text.ptr, '%', text.len) ||
                        (plus && memchr(text.ptr, '+', text.len)));
}

struct inlay_str inlay_url_decode(struct inlay_str text,
                                  bool plus,
                                  struct inlay_arena *arena)
{
    if (!inlay_url_encoded(text, plus))
        return text.ptr ? text : INLAY_STR("");
    char *copy = inlay_arena_alloc(arena, text.len);
    if (!copy)
        return inlay_str_make(NULL, 0);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%' && text.len - i > 2) {
            int high = hex_value(text.ptr[i + 1]);
            int low = hex_value(text.ptr[i + 2]);
            if (high >= 0 && low >= 0) {
                c = (char)(high << 4 | low);
                i += 2;
            }
        } else if (c == '+' && plus) {
            c = ' ';
        }
        copy[len++] = c;
    }
    return inlay_str_make(copy, len);
}

bool inlay_query_next(struct inlay_str *rest,
                      struct inlay_str *name_ret,
                      struct inlay_str *value_ret)
{
    while (rest->len) {
        const char *from = rest->ptr;
        const char *amp = memchr(from, '&', rest->len);
        size_t len = amp ? (size_t)(amp - from) : rest->len;
        size_t skip = amp ? len + 1 : len;

        *rest = inlay_str_make(from + skip, rest->len - skip);
        if (len == 0)
            continue;
        size_t name_len = 0;
        while (name_len < len && from[name_len] != '=') /* names are short */
            name_len++;
        skip = inlay_min(name_len + 1, len);
        *name_ret = inlay_str_make(from, name_len);
        *value_ret = inlay_str_make(from + skip, len - skip);
        return true;
    }
    return false;
}
