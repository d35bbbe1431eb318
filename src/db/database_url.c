/*
 * database_url.c - a database's URL, as people copy it from elsewhere: what is
 * ours taken out of it, what is left made the driver's, and a form without its
 * password. The driver reads the rest (libpq: PostgreSQL 15, 34.1.1.2).
 */
#include "base/buf.h"
#include "base/mem.h"
#include "db/database_inside.h"

#include "base/banned.h"

#define URL_MAX 8192 /* bytes */

/* --- The defaults --------------------------------------------------------- */

#define CONNECTIONS 10
#define POOL_TIMEOUT 10000      /* ms */
#define STATEMENT_TIMEOUT 30000 /* ms */
#define STATEMENTS 256

/* --- Our own parameters --------------------------------------------------- */

static bool read_whole(struct inlay_str text, uint32_t max, uint32_t *ret)
{
    uint64_t value = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || value > max)
            return false;
        value = value * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    *ret = (uint32_t)value;
    return text.len > 0 && value <= max;
}

/* "2.5" -> 2500; three digits behind the point. */
static bool read_ms(struct inlay_str text, uint32_t *ret)
{
    const char *point = text.len ? memchr(text.ptr, '.', text.len) : NULL;
    struct inlay_str whole = text, part = {NULL, 0};
    uint32_t seconds, ms = 0;

    if (point) {
        whole.len = (size_t)(point - text.ptr);
        part = inlay_str_make(point + 1, text.len - whole.len - 1);
        if (part.len > 3 || !read_whole(part, 999, &ms))
            return false;
        for (size_t i = part.len; i < 3; i++)
            ms *= 10;
    }
    if (!read_whole(whole, INLAY_DATABASE_SECONDS, &seconds))
        return false;
    *ret = seconds * 1000 + ms;
    return true;
}

static struct inlay_error *bad_number(const char *name, const char *what)
{
    return inlay_error_create(INLAY_ERROR_VALUE,
                              "%s in a database's URL must be %s", name, what);
}

static struct inlay_error *read_size(const char *name,
                                     struct inlay_str text,
                                     uint32_t *ret)
{
    if (!read_whole(text, INLAY_DATABASE_CONNECTIONS, ret))
        return bad_number(name, "a whole number up to 10000");
    return NULL;
}

/* A parameter that is none of ours: *ours_ret is false. */
static struct inlay_error *read_parameter(struct inlay_database_config *config,
                                          struct inlay_str name,
                                          struct inlay_str value,
                                          bool *ours_ret)
{
    *ours_ret = true;
    if (inlay_str_is(name, "min_size"))
        return read_size("min_size", value, &config->min);
    if (inlay_str_is(name, "max_size")) {
        struct inlay_error *error = read_size("max_size", value, &config->max);
        if (!error && config->max == 0)
            return bad_number("max_size", "at least 1");
        return error;
    }
    if (inlay_str_is(name, "pool_timeout")) {
        if (!read_ms(value, &config->pool_timeout) || !config->pool_timeout)
            return bad_number("pool_timeout", "seconds above 0, as 2.5");
        return NULL;
    }
    if (inlay_str_is(name, "statement_timeout")) {
        if (!read_ms(value, &config->statement_timeout))
            return bad_number("statement_timeout",
                              "seconds, as 2.5, or 0 for none");
        if (!config->statement_timeout)
            config->statement_timeout = UINT32_MAX;
        return NULL;
    }
    if (inlay_str_is(name, "statement_cache")) {
        if (!read_whole(value, INLAY_DATABASE_STATEMENTS, &config->statements))
            return bad_number("statement_cache",
                              "a whole number up to 100000, or 0 for none");
        if (!config->statements)
            config->statements = UINT32_MAX;
        return NULL;
    }
    *ours_ret = false;
    return NULL;
}

/* --- Parts of a URL ------------------------------------------------------- */

struct parts {
    struct inlay_str scheme; /* without its +driver; lower case or not */
    struct inlay_str user;   /* "app:secret", without the "@"; ptr NULL: none */
    struct inlay_str rest;   /* host and path, up to the "?" */
    struct inlay_str query;  /* without the "?" */
};

static size_t find(struct inlay_str text, const char *any)
{
    size_t at = 0;

    while (at < text.len && !strchr(any, text.ptr[at]))
        at++;
    return at;
}

static struct inlay_str from(struct inlay_str text, size_t at)
{
    at = inlay_min(at, text.len);
    return inlay_str_make(text.ptr + at, text.len - at);
}

static struct inlay_str until(struct inlay_str text, size_t at)
{
    return inlay_str_make(text.ptr, inlay_min(at, text.len));
}

static struct inlay_error *not_encoded(void)
{
    return inlay_error_create(
        INLAY_ERROR_VALUE,
        "a database's URL has an \"@\" where none can be: in its user and "
        "password write @ as %%40, : as %%3A, / as %%2F, ? as %%3F, # as %%23");
}

/* ":5432" or nothing at the end of what names a host? */
static bool ends_in_port(struct inlay_str host)
{
    size_t digits = 0;

    while (digits < host.len && host.ptr[host.len - 1 - digits] >= '0' &&
           host.ptr[host.len - 1 - digits] <= '9')
        digits++;
    if (find(host, ":") == host.len || host.ptr[host.len - 1] == ']')
        return true;
    return host.ptr[host.len - 1 - digits] == ':';
}

/*
 * The user, by libpq's rule: up to the first "@" before any "/". A password that
 * has such characters as they are would be taken for a host or a port, and get
 * into messages: it is refused.
 */
static struct inlay_error *split_user(struct inlay_str text,
                                      struct parts *parts)
{
    struct inlay_str authority = until(text, find(text, "/?#"));
    size_t at = find(authority, "@");

    if (at < authority.len) {
        struct inlay_str behind = from(authority, at + 1);

        if (find(behind, "@") < behind.len)
            return not_encoded();
        parts->user = until(authority, at);
        parts->rest = from(text, at + 1);
        return NULL;
    }
    if (!ends_in_port(authority) && find(text, "@") < text.len)
        return not_encoded();
    parts->rest = text;
    return NULL;
}

static struct inlay_error *split(struct inlay_str url, struct parts *ret)
{
    size_t colon = find(url, ":/");
    struct inlay_str text;

    *ret = (struct parts){.scheme = until(url, colon)};
    if (!inlay_str_starts(from(url, colon), INLAY_STR("://")))
        return inlay_error_create(
            INLAY_ERROR_VALUE, "a database's URL begins with postgresql:// or "
                               "sqlite://, as postgresql://app@localhost/app "
                               "or sqlite:///app.db");
    ret->scheme = until(ret->scheme, find(ret->scheme, "+"));
    text = from(url, colon + 3);
    if (!inlay_str_is_nocase(ret->scheme, "sqlite")) {
        struct inlay_error *error = split_user(text, ret);
        if (error)
            return error;
        text = ret->rest;
    }
    size_t mark = find(text, "?");
    ret->rest = until(text, mark);
    ret->query = from(text, mark + 1);
    return NULL;
}

/* --- Putting it together -------------------------------------------------- */

static void put(struct inlay_buf *buf, struct inlay_str text, bool *ok)
{
    *ok = *ok && inlay_buf_append(buf, text.ptr, text.len) == 0;
}

static void put_scheme(struct inlay_buf *buf, struct inlay_str scheme, bool *ok)
{
    size_t start = buf->end;

    if (inlay_str_is_nocase(scheme, "postgres"))
        scheme = INLAY_STR("postgresql");
    put(buf, scheme, ok);
    if (*ok)
        inlay_ascii_lower_all(buf->data + start, scheme.len);
    put(buf, INLAY_STR("://"), ok);
}

/* libpq's "password" and "sslpassword", however they are written. */
static bool is_secret(struct inlay_str pair)
{
    static const char word[] = "password";
    struct inlay_str name = until(pair, find(pair, "="));
    size_t len = sizeof(word) - 1;

    if (find(name, "%") < name.len)
        return true;
    return name.len >= len && memcmp(name.ptr + name.len - len, word, len) == 0;
}

/* The next pair of a query; false at its end. */
static bool next_pair(struct inlay_str *query, struct inlay_str *ret)
{
    if (query->len == 0)
        return false;
    *ret = until(*query, find(*query, "&"));
    *query = from(*query, ret->len + 1);
    return true;
}

static struct inlay_error *put_query(struct inlay_buf *buf,
                                     struct inlay_str query,
                                     struct inlay_database_config *config,
                                     bool *ok)
{
    struct inlay_str pair;
    const char *sign = "?";

    while (next_pair(&query, &pair)) {
        size_t equals = find(pair, "=");
        bool is_ours;
        struct inlay_error *error = read_parameter(
            config, until(pair, equals), from(pair, equals + 1), &is_ours);

        if (error)
            return error;
        if (is_ours || pair.len == 0)
            continue;
        put(buf, inlay_str_from(sign), ok);
        put(buf, pair, ok);
        sign = "&";
    }
    return NULL;
}

static void put_shown_query(struct inlay_buf *buf,
                            struct inlay_str query,
                            bool *ok)
{
    struct inlay_database_config ignored;
    struct inlay_str pair;
    const char *sign = "?";

    while (next_pair(&query, &pair)) {
        size_t equals = find(pair, "=");
        bool is_ours = false;

        inlay_error_destroy(read_parameter(&ignored, until(pair, equals),
                                           from(pair, equals + 1), &is_ours));
        if (is_ours || pair.len == 0 || is_secret(pair))
            continue;
        put(buf, inlay_str_from(sign), ok);
        put(buf, pair, ok);
        sign = "&";
    }
}

static void complete(struct inlay_database_config *config)
{
    bool has_max = config->max != 0;

    if (!has_max)
        config->max = inlay_max(CONNECTIONS, config->min);
    if (!config->pool_timeout)
        config->pool_timeout = POOL_TIMEOUT;
    if (!config->statement_timeout)
        config->statement_timeout = STATEMENT_TIMEOUT;
    if (!config->statements)
        config->statements = STATEMENTS;
}

static struct inlay_error *check(const struct inlay_database_config *config)
{
    if (config->max > INLAY_DATABASE_CONNECTIONS)
        return inlay_error_create(INLAY_ERROR_VALUE,
                                  "max_size of a database is %u: at most %d",
                                  config->max, INLAY_DATABASE_CONNECTIONS);
    if (config->min > config->max)
        return inlay_error_create(
            INLAY_ERROR_VALUE,
            "min_size of a database is %u, above its max_size of %u",
            config->min, config->max);
    return NULL;
}

/* Name, URL and the URL for people, one behind the other, each with a NUL. */
static struct inlay_error *write_texts(struct inlay_buf *buf,
                                       struct inlay_database *database,
                                       const struct parts *parts,
                                       size_t at_ret[3])
{
    struct inlay_database_config *config = &database->config;
    const struct inlay_str end = {"", 1};
    bool ok = true;

    put(buf, config->name, &ok);
    put(buf, end, &ok);
    at_ret[0] = buf->end;
    put_scheme(buf, parts->scheme, &ok);
    if (parts->user.ptr) {
        put(buf, parts->user, &ok);
        put(buf, INLAY_STR("@"), &ok);
    }
    put(buf, parts->rest, &ok);
    struct inlay_error *error = put_query(buf, parts->query, config, &ok);
    if (error)
        return error;
    put(buf, end, &ok);
    at_ret[1] = buf->end;
    put_scheme(buf, parts->scheme, &ok);
    if (parts->user.ptr) {
        put(buf, until(parts->user, find(parts->user, ":")), &ok);
        put(buf, INLAY_STR("@"), &ok);
    }
    put(buf, parts->rest, &ok);
    put_shown_query(buf, parts->query, &ok);
    put(buf, end, &ok);
    at_ret[2] = buf->end;
    return ok ? NULL : inlay_error_no_memory();
}

static struct inlay_error *take_texts(struct inlay_buf *buf,
                                      struct inlay_database *database,
                                      const size_t at[3])
{
    char *texts = inlay_malloc(buf->end);

    if (!texts)
        return inlay_error_no_memory();
    memcpy(texts, buf->data, buf->end);
    database->texts = texts;
    database->config.name = inlay_str_make(texts, at[0] - 1);
    database->config.url = inlay_str_make(texts + at[0], at[1] - at[0] - 1);
    database->shown = inlay_str_make(texts + at[1], at[2] - at[1] - 1);
    return NULL;
}

static struct inlay_error *read_url(struct inlay_buf *buf,
                                    struct inlay_database *database)
{
    struct parts parts;
    size_t at[3];

    struct inlay_error *error = split(database->config.url, &parts);
    if (!error)
        error = write_texts(buf, database, &parts, at);
    if (error)
        return error;
    complete(&database->config);
    error = check(&database->config);
    return error ? error : take_texts(buf, database, at);
}

struct inlay_error *inlay_database_url_read(
    struct inlay_database *database,
    const struct inlay_database_config *config,
    struct inlay_str *scheme_ret)
{
    struct inlay_buf buf;

    if (config->url.len > URL_MAX ||
        (config->url.len && memchr(config->url.ptr, 0, config->url.len)))
        return inlay_error_create(INLAY_ERROR_VALUE,
                                  "a database's URL has at most %d characters, "
                                  "none of them NUL",
                                  URL_MAX);
    inlay_buf_init(&buf, 4 * URL_MAX);
    database->config = *config;
    struct inlay_error *error = read_url(&buf, database);
    inlay_buf_deinit(&buf);
    if (error)
        return error;
    *scheme_ret = until(database->config.url, find(database->config.url, ":"));
    return NULL;
}
