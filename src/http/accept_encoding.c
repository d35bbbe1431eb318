#include "http/accept_encoding.h"

#include <stdint.h>

#include "base/macros.h"
#include "http/accept.h"

#include "base/banned.h"

#define UNSAID -1

/* Weights in thousandths; UNSAID: not named. */
struct weights {
    int32_t of[INLAY_CODING_COUNT];
    int32_t others; /* of "*" */
};

struct inlay_str inlay_coding_name(enum inlay_coding coding)
{
    switch (coding) {
    case INLAY_CODING_IDENTITY:
        break;
    case INLAY_CODING_GZIP:
        return INLAY_STR("gzip");
    case INLAY_CODING_BR:
        return INLAY_STR("br");
    case INLAY_CODING_ZSTD:
        return INLAY_STR("zstd");
    }
    return INLAY_STR("identity");
}

/* Up to the first `c`, which is taken off `rest` as well. */
static struct inlay_str split(struct inlay_str *rest, char c)
{
    const char *end = rest->len ? memchr(rest->ptr, c, rest->len) : NULL;
    struct inlay_str part = *rest;

    if (!end) {
        *rest = inlay_str_make(rest->ptr + rest->len, 0);
        return part;
    }
    part.len = (size_t)(end - rest->ptr);
    *rest = inlay_str_make(end + 1, rest->len - part.len - 1);
    return part;
}

/* Of what follows the coding's name: no weight is 1, anything else than a
 * weight is not for us to understand. */
static int32_t read_weight(struct inlay_str rest)
{
    if (inlay_str_trim(rest).len == 0)
        return 1000;
    struct inlay_str parameter = inlay_str_trim(split(&rest, ';'));
    if (inlay_str_trim(rest).len || parameter.len < 2 ||
        inlay_ascii_lower(parameter.ptr[0]) != 'q' || parameter.ptr[1] != '=')
        return 0;
    return inlay_accept_qvalue(
        inlay_str_make(parameter.ptr + 2, parameter.len - 2));
}

static int32_t *place_of(struct weights *weights, struct inlay_str name)
{
    for (int i = 0; i < INLAY_CODING_COUNT; i++) {
        if (inlay_str_equal_nocase(name,
                                   inlay_coding_name((enum inlay_coding)i)))
            return &weights->of[i];
    }
    if (inlay_str_is_nocase(name, "x-gzip"))
        return &weights->of[INLAY_CODING_GZIP];
    return inlay_str_equal(name, INLAY_STR("*")) ? &weights->others : NULL;
}

static void read_field(struct weights *weights, struct inlay_str value)
{
    while (value.len) {
        struct inlay_str element = split(&value, ',');
        struct inlay_str name = inlay_str_trim(split(&element, ';'));
        int32_t *place = place_of(weights, name);

        if (place)
            *place = read_weight(element);
    }
}

static int32_t weight_of(const struct weights *weights,
                         enum inlay_coding coding)
{
    int32_t weight = weights->of[coding];

    return weight == UNSAID ? weights->others : weight;
}

/* Are there any such fields? */
static bool read_fields(struct weights *weights,
                        const struct inlay_header *headers,
                        size_t nheaders)
{
    bool any = false;

    *weights = (struct weights){{UNSAID, UNSAID, UNSAID, UNSAID}, UNSAID};
    for (size_t i = 0; i < nheaders; i++) {
        if (!inlay_str_is(headers[i].name, "accept-encoding"))
            continue;
        read_field(weights, headers[i].value);
        any = true;
    }
    return any;
}

size_t inlay_coding_rank(const struct inlay_header *headers,
                         size_t nheaders,
                         const enum inlay_coding *offered,
                         size_t noffered,
                         enum inlay_coding *ret)
{
    struct weights weights;
    size_t count = 0;

    if (!read_fields(&weights, headers, nheaders))
        return 0;
    /* Unless it is named, identity is merely acceptable. */
    int32_t identity = weight_of(&weights, INLAY_CODING_IDENTITY);
    for (size_t i = 0; i < noffered; i++) {
        int32_t weight = weight_of(&weights, offered[i]);
        size_t at = count;

        if (weight <= 0 || weight < identity)
            continue;
        for (; at > 0 && weight_of(&weights, ret[at - 1]) < weight; at--)
            ret[at] = ret[at - 1];
        ret[at] = offered[i];
        count++;
    }
    return count;
}

enum inlay_coding inlay_coding_choose(const struct inlay_header *headers,
                                      size_t nheaders,
                                      const enum inlay_coding *offered,
                                      size_t noffered)
{
    enum inlay_coding ranked[INLAY_CODING_COUNT];
    size_t count = inlay_coding_rank(
        headers, nheaders, offered,
        inlay_min(noffered, (size_t)INLAY_CODING_COUNT), ranked);

    return count ? ranked[0] : INLAY_CODING_IDENTITY;
}
