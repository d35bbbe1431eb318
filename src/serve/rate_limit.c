#include "serve/rate_limit.h"

#include <pthread.h>
#include <stdio.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/siphash.h"
#include "http/cookie.h"
#include "serve/request.h"
#include "serve/response.h"

#include "base/banned.h"

#define WAYS 8
#define SHARDS 64 /* of locks */
#define SECOND UINT64_C(1000000000)
#define HEADER_TEXT 96

/* No bucket is told from one that is full: both are all zeros, or past. */
struct bucket {
    uint64_t key;  /* hash of the client */
    uint64_t full; /* inlay_clock_ns when it is full again */
};

struct set {
    struct bucket buckets[WAYS];
};

struct shard {
    pthread_mutex_t lock;
} __attribute__((aligned(64)));

struct inlay_rate_limit {
    struct inlay_rate rate;
    uint64_t cost;  /* ns of one request: period / count */
    uint64_t depth; /* ns of a whole burst */
    struct inlay_siphash hash;
    size_t nsets;
    struct set *sets;
    struct inlay_str policy; /* a header's value */
    struct inlay_str item;   /* the name, as a structured field has it */
    struct shard shards[SHARDS];
};

/* --- Buckets -------------------------------------------------------------- */

/* Of the client, or the one that gives way to him. */
static struct bucket *find(struct set *set, uint64_t key)
{
    struct bucket *fullest = &set->buckets[0];

    for (unsigned i = 0; i < WAYS; i++) {
        struct bucket *bucket = &set->buckets[i];

        if (bucket->key == key)
            return bucket;
        if (bucket->full < fullest->full)
            fullest = bucket;
    }
    *fullest = (struct bucket){.key = key};
    return fullest;
}

static struct inlay_rate_verdict take(struct inlay_rate_limit *limit,
                                      uint64_t key,
                                      uint64_t now)
{
    size_t at = (size_t)(key >> 32) & (limit->nsets - 1);
    pthread_mutex_t *lock = &limit->shards[at % SHARDS].lock;

    pthread_mutex_lock(lock);
    struct bucket *bucket = find(&limit->sets[at], key);
    uint64_t before = inlay_max(bucket->full, now) - now;
    uint64_t after = before + limit->cost;
    bool allowed = after <= limit->depth;
    if (allowed)
        bucket->full = now + after;
    pthread_mutex_unlock(lock);
    if (!allowed)
        return (struct inlay_rate_verdict){.reset = before,
                                           .retry = after - limit->depth};
    return (struct inlay_rate_verdict){
        .allowed = true,
        .left = (limit->depth - after) / limit->cost,
        .reset = after,
    };
}

struct inlay_rate_verdict inlay_rate_limit_take(struct inlay_rate_limit *limit,
                                                struct inlay_str key,
                                                uint64_t now)
{
    return take(limit, inlay_siphash_of(&limit->hash, key.ptr, key.len), now);
}

/* --- Clients -------------------------------------------------------------- */

/* A value of a header is never an address: each kind has hashes of its own. */
static uint64_t hash_of(const struct inlay_rate_limit *limit,
                        struct inlay_str text,
                        uint64_t kind)
{
    return inlay_siphash_of(&limit->hash, text.ptr, text.len) ^ kind;
}

/* A host has all of its IPv6 /64. Who has no address is one client. */
static uint64_t hash_address(const struct inlay_rate_limit *limit,
                             const struct inlay_request *request)
{
    struct inlay_str host = inlay_str_from(request->client->host);
    struct inlay_ip ip;

    if (!inlay_ip_parse(host, &ip))
        return hash_of(limit, host, 1);
    if (!inlay_ip_is_v4(&ip))
        memset(ip.bytes + 8, 0, 8);
    return hash_of(limit, inlay_str_make((char *)ip.bytes, sizeof(ip.bytes)),
                   0);
}

/* Who does not say who he is counts by his address. */
static uint64_t hash_client(const struct inlay_rate_limit *limit,
                            const struct inlay_request *request)
{
    struct inlay_str value = {NULL, 0};

    switch (limit->rate.by) {
    case INLAY_RATE_ADDRESS:
        break;
    case INLAY_RATE_HEADER:
        value = inlay_request_header(request, limit->rate.name);
        break;
    case INLAY_RATE_COOKIE:
        value = inlay_cookie_find(
            inlay_request_header(request, INLAY_STR("cookie")),
            limit->rate.name);
        break;
    }
    if (!value.len)
        return hash_address(limit, request);
    return hash_of(limit, value, 2);
}

/* --- Requests ------------------------------------------------------------- */

static uint64_t seconds(uint64_t ns)
{
    return (ns + SECOND - 1) / SECOND;
}

static void refuse(struct inlay_request *request, uint64_t retry)
{
    char text[24];
    const struct inlay_header headers[] = {
        {INLAY_STR("content-type"), INLAY_STR("application/json")},
        {INLAY_STR("retry-after"),
         inlay_str_make(text, inlay_format_u64(text, seconds(retry)))},
    };

    inlay_response_send_with(request, 429, headers, inlay_array_size(headers),
                             INLAY_STR("{\"detail\":\"Too Many Requests\"}"));
}

bool inlay_rate_limit_admit(struct inlay_rate_limit *limit,
                            struct inlay_request *request)
{
    struct inlay_rate_verdict verdict =
        take(limit, hash_client(limit, request), inlay_clock_ns());
    struct inlay_str left = inlay_arena_format(
        &request->arena, "%.*s;r=%llu;t=%llu", inlay_str_arg(limit->item),
        (unsigned long long)verdict.left,
        (unsigned long long)seconds(verdict.reset));

    /* Without memory they are not said, which harms nobody. */
    inlay_request_add_header(request, INLAY_STR("ratelimit-policy"),
                             limit->policy, false);
    if (left.ptr)
        inlay_request_add_header(request, INLAY_STR("ratelimit"), left, false);
    if (!verdict.allowed)
        refuse(request, verdict.retry);
    return verdict.allowed;
}

/* --- Life ----------------------------------------------------------------- */

/* RFC 9651 3.3.3: a String, of what it can have. 0 or -1. */
static int put_string(char **at, struct inlay_str text)
{
    char *out = inlay_malloc(text.len * 2 + 2);
    size_t len = 0;

    if (!out)
        return -1;
    out[len++] = '"';
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c == '"' || c == '\\')
            out[len++] = '\\';
        out[len++] = c >= ' ' && c < 0x7f ? c : '?';
    }
    out[len++] = '"';
    *at = out;
    return (int)len;
}

static int name_it(struct inlay_rate_limit *limit, struct inlay_str name)
{
    const struct inlay_rate *rate = &limit->rate;
    char *item = NULL, *policy;
    int len = put_string(&item, name);

    if (len < 0)
        return -1;
    limit->item = inlay_str_make(item, (size_t)len);
    policy = inlay_malloc((size_t)len + HEADER_TEXT);
    if (!policy)
        return -1;
    memcpy(policy, item, (size_t)len);
    int more = snprintf(policy + len, HEADER_TEXT, ";q=%llu;w=%llu",
                        (unsigned long long)rate->count,
                        (unsigned long long)seconds(rate->period));
    limit->policy = inlay_str_make(policy, (size_t)(len + more));
    return 0;
}

struct inlay_error *inlay_rate_limit_create(const struct inlay_rate *rate,
                                            struct inlay_str name,
                                            size_t sets,
                                            struct inlay_rate_limit **ret)
{
    struct inlay_rate_limit *limit = inlay_calloc(1, sizeof(*limit));

    if (!limit)
        return inlay_error_no_memory();
    limit->rate = *rate;
    limit->cost = rate->period / rate->count;
    limit->depth = limit->cost * rate->burst;
    limit->nsets = sets;
    for (size_t i = 0; i < SHARDS; i++)
        pthread_mutex_init(&limit->shards[i].lock, NULL);
    limit->sets = inlay_calloc(sets, sizeof(*limit->sets));
    if (!limit->sets || name_it(limit, name) < 0 ||
        inlay_siphash_init(&limit->hash) < 0) {
        inlay_rate_limit_destroy(limit);
        return inlay_error_no_memory();
    }
    *ret = limit;
    return NULL;
}

void inlay_rate_limit_destroy(struct inlay_rate_limit *limit)
{
    if (!limit)
        return;
    for (size_t i = 0; i < SHARDS; i++)
        pthread_mutex_destroy(&limit->shards[i].lock);
    inlay_free((char *)(uintptr_t)limit->item.ptr);
    inlay_free((char *)(uintptr_t)limit->policy.ptr);
    inlay_free(limit->sets);
    inlay_free(limit);
}
