/* rate_text.c - "100/minute burst 20 by header:x-api-key" -> inlay_rate. */
#include "http/header.h"
#include "serve/layer_text.h"
#include "serve/rate_limit.h"

#include "base/banned.h"

#define COUNT_MOST UINT64_C(1000000000)
#define DEPTH_MOST (UINT64_C(100) * 86400 * 1000000000) /* ns: a hundred days */

static struct inlay_error *read_amount(struct inlay_str word,
                                       struct inlay_rate *rate)
{
    const char *slash = word.len ? memchr(word.ptr, '/', word.len) : NULL;
    size_t len = slash ? (size_t)(slash - word.ptr) : 0;

    if (!slash ||
        !inlay_layer_number(inlay_str_make(word.ptr, len), COUNT_MOST,
                            &rate->count) ||
        !inlay_layer_duration(inlay_str_make(slash + 1, word.len - len - 1),
                              true, &rate->period))
        return inlay_error_create(
            INLAY_ERROR_VALUE,
            "\"%.*s\" is no rate: write 5/second, 100/minute, 20/10s",
            inlay_str_arg(word));
    if (rate->count == 0)
        return inlay_error_create(INLAY_ERROR_VALUE,
                                  "\"%.*s\" lets nobody in: the least is 1",
                                  inlay_str_arg(word));
    if (rate->count > rate->period)
        return inlay_error_create(INLAY_ERROR_VALUE,
                                  "\"%.*s\" is more than one in a nanosecond",
                                  inlay_str_arg(word));
    rate->burst = rate->count;
    return NULL;
}

static struct inlay_error *read_burst(struct inlay_str word,
                                      struct inlay_rate *rate)
{
    if (inlay_layer_number(word, COUNT_MOST, &rate->burst) && rate->burst)
        return NULL;
    return inlay_error_create(INLAY_ERROR_VALUE,
                              "burst \"%.*s\" is no number from 1 on",
                              inlay_str_arg(word));
}

static struct inlay_error *read_by(struct inlay_str word,
                                   struct inlay_arena *arena,
                                   struct inlay_rate *rate)
{
    const char *colon = word.len ? memchr(word.ptr, ':', word.len) : NULL;
    size_t len = colon ? (size_t)(colon - word.ptr) : word.len;
    struct inlay_str kind = inlay_str_make(word.ptr, len), name = INLAY_STR("");

    if (colon)
        name = inlay_str_make(colon + 1, word.len - len - 1);
    if (inlay_str_is(kind, "header"))
        rate->by = INLAY_RATE_HEADER;
    else if (inlay_str_is(kind, "cookie"))
        rate->by = INLAY_RATE_COOKIE;
    else
        rate->by = INLAY_RATE_ADDRESS;
    if (rate->by == INLAY_RATE_ADDRESS && !colon &&
        inlay_str_is(kind, "address"))
        return NULL;
    if (rate->by == INLAY_RATE_ADDRESS || !inlay_header_name_valid(name))
        return inlay_error_create(INLAY_ERROR_VALUE,
                                  "by \"%.*s\": write by address, by "
                                  "header:x-api-key or by cookie:sid",
                                  inlay_str_arg(word));
    char *copy = inlay_arena_alloc(arena, name.len);
    if (!copy)
        return inlay_error_no_memory();
    for (size_t i = 0; i < name.len; i++)
        copy[i] = rate->by == INLAY_RATE_HEADER ? inlay_ascii_lower(name.ptr[i])
                                                : name.ptr[i];
    rate->name = inlay_str_make(copy, name.len);
    return NULL;
}

struct inlay_error *inlay_rate_parse(struct inlay_str text,
                                     struct inlay_arena *arena,
                                     struct inlay_rate *ret)
{
    struct inlay_rate rate = {.by = INLAY_RATE_ADDRESS};
    struct inlay_str word = INLAY_STR(""), value;

    inlay_layer_word(&text, &word);
    struct inlay_error *error = read_amount(word, &rate);
    while (!error && inlay_layer_word(&text, &word)) {
        bool given = inlay_layer_word(&text, &value);

        if (given && inlay_str_is(word, "burst"))
            error = read_burst(value, &rate);
        else if (given && inlay_str_is(word, "by"))
            error = read_by(value, arena, &rate);
        else
            error = inlay_error_create(
                INLAY_ERROR_VALUE,
                "\"%.*s\": behind the rate may stand burst NUMBER and by "
                "address, header:NAME or cookie:NAME",
                inlay_str_arg(word));
    }
    if (!error && rate.burst > DEPTH_MOST / (rate.period / rate.count))
        error = inlay_error_create(
            INLAY_ERROR_VALUE,
            "a burst of %llu takes more than a hundred days to come back",
            (unsigned long long)rate.burst);
    if (error)
        return error;
    *ret = rate;
    return NULL;
}
