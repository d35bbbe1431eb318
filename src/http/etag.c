#include "http/etag.h"

#include "base/banned.h"

static struct inlay_str skip(struct inlay_str text, size_t len)
{
    return inlay_str_make(text.ptr + len, text.len - len);
}

bool inlay_etag_listed(struct inlay_str list, struct inlay_str etag, bool weak)
{
    list = inlay_str_trim(list);
    if (inlay_str_is(list, "*"))
        return true;
    while (list.len) {
        char c = list.ptr[0];

        if (c == ',' || c == ' ' || c == '\t') {
            list = skip(list, 1);
            continue;
        }
        bool is_weak = inlay_str_starts(list, INLAY_STR("W/"));
        if (is_weak)
            list = skip(list, 2);
        if (list.len < 2 || list.ptr[0] != '"')
            return false;
        const char *end = memchr(list.ptr + 1, '"', list.len - 1);
        if (!end)
            return false;
        size_t len = (size_t)(end - list.ptr) + 1;
        if ((weak || !is_weak) &&
            inlay_str_equal(inlay_str_make(list.ptr, len), etag))
            return true;
        list = skip(list, len);
    }
    return false;
}
