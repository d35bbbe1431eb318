#include "http/ranges.h"

#include "base/macros.h"

#include "base/banned.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits off the front of *text; UINT64_MAX for any larger. false: none. */
static bool take_number(struct inlay_str *text, uint64_t *ret)
{
    uint64_t value = 0;
    size_t len = 0;

    for (; len < text->len && is_digit(text->ptr[len]); len++) {
        uint64_t digit = (uint64_t)(text->ptr[len] - '0');

        if (value > (UINT64_MAX - digit) / 10)
            value = UINT64_MAX;
        else
            value = value * 10 + digit;
    }
    *text = inlay_str_make(text->ptr + len, text->len - len);
    *ret = value;
    return len > 0;
}

/* One of the list. -1: not valid; 0: not satisfiable; 1. */
static int read_one(struct inlay_str text,
                    uint64_t size,
                    struct inlay_range *ret)
{
    uint64_t first, last;
    bool has_first = take_number(&text, &first);

    if (text.len == 0 || text.ptr[0] != '-')
        return -1;
    text = inlay_str_make(text.ptr + 1, text.len - 1);
    bool has_last = take_number(&text, &last);
    if (text.len || (!has_first && !has_last) ||
        (has_first && has_last && last < first))
        return -1;
    if (!has_first) { /* the last so many */
        uint64_t len = inlay_min(last, size);
        *ret = (struct inlay_range){size - len, len};
        return len > 0;
    }
    if (first >= size)
        return 0;
    uint64_t end = has_last && last < size ? last + 1 : size;
    *ret = (struct inlay_range){first, end - first};
    return 1;
}

/* In ascending order of the start: there are few. */
static void insert(struct inlay_range *ranges,
                   int count,
                   struct inlay_range range)
{
    int at = count;

    for (; at > 0 && ranges[at - 1].start > range.start; at--)
        ranges[at] = ranges[at - 1];
    ranges[at] = range;
}

static int join(struct inlay_range *ranges, int count)
{
    int kept = 0;

    for (int i = 1; i < count; i++) {
        struct inlay_range *last = &ranges[kept];
        uint64_t end = last->start + last->len;

        if (ranges[i].start > end)
            ranges[++kept] = ranges[i];
        else if (ranges[i].start + ranges[i].len > end)
            last->len = ranges[i].start + ranges[i].len - last->start;
    }
    return count ? kept + 1 : INLAY_RANGES_NONE;
}

int inlay_ranges_read(struct inlay_str value,
                      uint64_t size,
                      struct inlay_range ret[INLAY_RANGES_MOST])
{
    struct inlay_str unit = INLAY_STR("bytes=");
    int count = 0, seen = 0;

    if (value.len <= unit.len ||
        !inlay_str_equal_nocase(inlay_str_make(value.ptr, unit.len), unit))
        return INLAY_RANGES_WHOLE;
    value = inlay_str_make(value.ptr + unit.len, value.len - unit.len);
    for (size_t at = 0; at < value.len;) {
        const char *from = value.ptr + at;
        const char *comma = memchr(from, ',', value.len - at);
        size_t len = comma ? (size_t)(comma - from) : value.len - at;
        struct inlay_str text = inlay_str_trim(inlay_str_make(from, len));
        struct inlay_range range;

        at += len + 1;
        if (text.len == 0) /* RFC 9110 5.6.1.2: empty elements don't count */
            continue;
        int status = read_one(text, size, &range);
        if (status < 0 || ++seen > INLAY_RANGES_MOST)
            return INLAY_RANGES_WHOLE;
        if (status > 0)
            insert(ret, count++, range);
    }
    return seen ? join(ret, count) : INLAY_RANGES_WHOLE;
}
