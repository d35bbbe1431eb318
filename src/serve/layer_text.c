#include "serve/layer_text.h"

#include "base/macros.h"

#include "base/banned.h"

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)
#define MOST (10 * 86400 * SECOND)

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool inlay_layer_word(struct inlay_str *rest, struct inlay_str *ret)
{
    size_t from = 0, to;

    while (from < rest->len && is_blank(rest->ptr[from]))
        from++;
    for (to = from; to < rest->len && !is_blank(rest->ptr[to]);)
        to++;
    if (from == to)
        return false;
    *ret = inlay_str_make(rest->ptr + from, to - from);
    *rest = inlay_str_make(rest->ptr + to, rest->len - to);
    return true;
}

bool inlay_layer_part(struct inlay_str *rest,
                      char separator,
                      struct inlay_str *ret)
{
    if (!rest->ptr)
        return false;
    const char *end =
        rest->len ? memchr(rest->ptr, separator, rest->len) : NULL;
    size_t len = end ? (size_t)(end - rest->ptr) : rest->len;
    *ret = inlay_str_trim(inlay_str_make(rest->ptr, len));
    *rest = end ? inlay_str_make(end + 1, rest->len - len - 1)
                : inlay_str_make(NULL, 0);
    return true;
}

bool inlay_layer_number(struct inlay_str text, uint64_t most, uint64_t *ret)
{
    uint64_t value = 0;

    if (!text.len)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        uint64_t digit = (uint64_t)text.ptr[i] - '0';

        if (digit > 9 || value > (most - inlay_min(most, digit)) / 10)
            return false;
        value = value * 10 + digit;
    }
    *ret = value;
    return value <= most;
}

/* 0: there is no such unit. */
static uint64_t unit_of(struct inlay_str text)
{
    static const struct {
        struct inlay_str name;
        uint64_t ns;
    } units[] = {
        {INLAY_STR("ms"), MS},
        {INLAY_STR("s"), SECOND},
        {INLAY_STR("sec"), SECOND},
        {INLAY_STR("second"), SECOND},
        {INLAY_STR("seconds"), SECOND},
        {INLAY_STR("m"), 60 * SECOND},
        {INLAY_STR("min"), 60 * SECOND},
        {INLAY_STR("minute"), 60 * SECOND},
        {INLAY_STR("minutes"), 60 * SECOND},
        {INLAY_STR("h"), 3600 * SECOND},
        {INLAY_STR("hour"), 3600 * SECOND},
        {INLAY_STR("hours"), 3600 * SECOND},
        {INLAY_STR("d"), 86400 * SECOND},
        {INLAY_STR("day"), 86400 * SECOND},
        {INLAY_STR("days"), 86400 * SECOND},
    };

    for (size_t i = 0; i < inlay_array_size(units); i++) {
        if (inlay_str_equal(units[i].name, text))
            return units[i].ns;
    }
    return 0;
}

bool inlay_layer_duration(struct inlay_str text, bool bare, uint64_t *ns_ret)
{
    uint64_t whole = 1, thousandths = 0, weight = 100;
    size_t at = 0;

    while (at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9')
        at++;
    if (at == 0 && !bare)
        return false;
    if (at &&
        !inlay_layer_number(inlay_str_make(text.ptr, at), 1000000000, &whole))
        return false;
    if (at && at < text.len && text.ptr[at] == '.') {
        size_t from = ++at;

        for (; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9';
             at++, weight /= 10)
            thousandths += weight * (uint64_t)(text.ptr[at] - '0');
        if (at == from)
            return false;
    }
    uint64_t unit = unit_of(inlay_str_make(text.ptr + at, text.len - at));
    if (!unit || whole > MOST / unit)
        return false;
    *ns_ret = whole * unit + thousandths * (unit / 1000);
    return *ns_ret >= MS && *ns_ret <= MOST;
}
