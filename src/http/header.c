#include "http/header.h"

#include "base/banned.h"

bool inlay_header_name_valid(struct inlay_str name)
{
    return name.len > 0 && inlay_octets_are(name, INLAY_OCTET_TOKEN);
}

bool inlay_header_name_among(struct inlay_str name,
                             const struct inlay_str *names,
                             size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (inlay_str_equal_nocase(name, names[i]))
            return true;
    }
    return false;
}

bool inlay_header_value_valid(struct inlay_str value)
{
    size_t i = 0;

    if (value.len == 0)
        return true;
    while (value.len - i >= 8 && inlay_octets_are_plain(value.ptr + i))
        i += 8;
    return inlay_octets_are(inlay_str_make(value.ptr + i, value.len - i),
                            INLAY_OCTET_VALUE);
}

bool inlay_header_has_token(struct inlay_str list, struct inlay_str token)
{
    size_t at = 0;

    while (at < list.len) {
        const char *from = list.ptr + at;
        const char *comma = memchr(from, ',', list.len - at);
        size_t len = comma ? (size_t)(comma - from) : list.len - at;
        struct inlay_str item = inlay_str_trim(inlay_str_make(from, len));
        if (inlay_str_equal_nocase(item, token))
            return true;
        at += len + 1;
    }
    return false;
}

int64_t inlay_header_length(struct inlay_str text)
{
    int64_t length = 0;

    if (text.len == 0)
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' ||
            length > (INT64_MAX - 9) / 10)
            return -1;
        length = length * 10 + (text.ptr[i] - '0');
    }
    return length;
}

struct inlay_str inlay_header_text(struct inlay_str value,
                                   struct inlay_arena *arena)
{
    size_t len = 0, wide = 0;

    for (size_t i = 0; i < value.len; i++)
        wide += (unsigned char)value.ptr[i] >> 7;
    if (!wide)
        return value.ptr ? value : INLAY_STR("");
    char *text = inlay_arena_alloc(arena, value.len + wide);
    if (!text)
        return inlay_str_make(NULL, 0);
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];

        if (c & 0x80) {
            text[len++] = (char)(0xc0 | c >> 6);
            c = 0x80 | (c & 0x3f);
        }
        text[len++] = (char)c;
    }
    return inlay_str_make(text, len);
}
