#include "http/accept.h"

#include "base/banned.h"

/* How exactly a range has named a type. */
enum match {
    MATCH_NONE,
    MATCH_ANY,  /* star/star */
    MATCH_MAIN, /* text/star */
    MATCH_TYPE,
};

/* Up to the first `c`, which is taken off `rest` as well; trimmed. */
static struct inlay_str split(struct inlay_str *rest, char c)
{
    const char *end = rest->len ? memchr(rest->ptr, c, rest->len) : NULL;
    size_t len = end ? (size_t)(end - rest->ptr) : rest->len;
    struct inlay_str part = inlay_str_make(rest->ptr, len);

    if (rest->len) {
        size_t taken = end ? len + 1 : len;
        *rest = inlay_str_make(rest->ptr + taken, rest->len - taken);
    }
    return inlay_str_trim(part);
}

int32_t inlay_accept_qvalue(struct inlay_str text)
{
    int32_t value, unit = 100;

    if (text.len == 0 || text.len > 5 || text.ptr[0] < '0' || text.ptr[0] > '1')
        return 0;
    if (text.len > 1 && text.ptr[1] != '.')
        return 0;
    value = (text.ptr[0] - '0') * 1000;
    for (size_t i = 2; i < text.len; i++, unit /= 10) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return 0;
        value += (text.ptr[i] - '0') * unit;
    }
    return value > 1000 ? 0 : value;
}

/* "text/csv" in two tokens; false: it is none. */
static bool read_type(struct inlay_str text,
                      struct inlay_str *main_ret,
                      struct inlay_str *sub_ret)
{
    *main_ret = split(&text, '/');
    *sub_ret = text;
    return inlay_header_name_valid(*main_ret) &&
           inlay_header_name_valid(*sub_ret);
}

static enum match compare(struct inlay_str range, struct inlay_str type)
{
    struct inlay_str main, sub, range_main, range_sub;

    if (!read_type(range, &range_main, &range_sub) ||
        !read_type(type, &main, &sub))
        return MATCH_NONE;
    if (inlay_str_is(range_sub, "*")) {
        if (inlay_str_is(range_main, "*"))
            return MATCH_ANY;
        return inlay_str_equal_nocase(range_main, main) ? MATCH_MAIN
                                                        : MATCH_NONE;
    }
    return inlay_str_equal_nocase(range, type) ? MATCH_TYPE : MATCH_NONE;
}

static int32_t weight_of(struct inlay_str parameters)
{
    while (parameters.len) {
        struct inlay_str parameter = split(&parameters, ';');

        if (parameter.len >= 2 && inlay_ascii_lower(parameter.ptr[0]) == 'q' &&
            parameter.ptr[1] == '=')
            return inlay_accept_qvalue(
                inlay_str_make(parameter.ptr + 2, parameter.len - 2));
    }
    return 1000;
}

/* What one field says of a type, where it is said more exactly than so far. */
static void read_field(struct inlay_str field,
                       struct inlay_str type,
                       enum match *best,
                       int32_t *weight,
                       bool *any)
{
    while (field.len) {
        struct inlay_str rest = split(&field, ',');
        struct inlay_str range = split(&rest, ';'), main, sub;
        enum match match = compare(range, type);

        *any = *any || read_type(range, &main, &sub);
        if (match > *best) {
            *best = match;
            *weight = weight_of(rest);
        }
    }
}

/* The next of a list, between blanks and commas. */
static bool next_type(struct inlay_str *types, struct inlay_str *ret)
{
    if (!types->len)
        return false;
    const char *end = types->ptr + types->len;
    const char *from = types->ptr;
    while (from < end && (*from == ' ' || *from == ','))
        from++;
    const char *to = from;
    while (to < end && *to != ' ' && *to != ',')
        to++;
    *ret = inlay_str_make(from, (size_t)(to - from));
    *types = inlay_str_make(to, (size_t)(end - to));
    return ret->len > 0;
}

bool inlay_accept_allows(const struct inlay_header *headers,
                         size_t nheaders,
                         struct inlay_str types)
{
    struct inlay_str type;
    bool any = false;

    while (next_type(&types, &type)) {
        enum match best = MATCH_NONE;
        int32_t weight = 0;

        for (size_t i = 0; i < nheaders; i++)
            if (inlay_str_is(headers[i].name, "accept"))
                read_field(headers[i].value, type, &best, &weight, &any);
        if (weight > 0)
            return true;
    }
    return !any;
}

bool inlay_accept_types_valid(struct inlay_str types)
{
    struct inlay_str type, main, sub;
    bool any = false;

    while (next_type(&types, &type)) {
        any = true;
        if (!read_type(type, &main, &sub) || memchr(type.ptr, '*', type.len))
            return false;
    }
    return any;
}
