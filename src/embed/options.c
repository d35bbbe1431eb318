/*
 * options.c - options of `inlay run` as text -> a configuration, where there
 * is no Python to read them. Names and values are those of docs/options.md.
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <strings.h>

#include "embed/app.h"

#include "base/banned.h"

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "SIZE is for both");

enum kind {
    FLAG,
    COUNT,   /* uint32_t */
    SIZE,    /* 64 bits: 4096, 64K, 512M, 1G */
    SECONDS, /* uint32_t, ms */
    SIGNED,  /* int64_t */
    TEXT,
    TEXTS, /* one for each time it is set */
    WORDS, /* the same, and commas separate */
};

struct option {
    const char *name;
    size_t offset; /* in struct inlay_app_settings */
    enum kind kind;
};

#define CONFIG(kind, name, member)                                             \
    {                                                                          \
        name, offsetof(struct inlay_app_settings, config.member), kind         \
    }

static const struct option options[] = {
    CONFIG(COUNT, "io-threads", io_threads),
    CONFIG(TEXT, "root-path", root_path),
    CONFIG(FLAG, "date-header", date_header),
    CONFIG(FLAG, "server-header", server_header),
    CONFIG(TEXTS, "header", headers),
    CONFIG(TEXT, "access-log-format", access_format),
    CONFIG(FLAG, "docs", docs),
    CONFIG(FLAG, "request-id", request_id),
    CONFIG(FLAG, "server-timing", server_timing),
    CONFIG(TEXT, "health-path", health_path),
    CONFIG(FLAG, "proxy-headers", proxy_headers),
    CONFIG(FLAG, "proxy-protocol", proxy_protocol),
    CONFIG(WORDS, "forwarded-allow-ips", trusted),
    CONFIG(TEXTS, "static", static_mounts),
    CONFIG(TEXT, "static-index", static_index),
    CONFIG(SIGNED, "static-max-age", static_max_age),
    CONFIG(WORDS, "compress", compress),
    CONFIG(WORDS, "compress-types", compress_types),
    CONFIG(SIZE, "compress-min-size", compress_min_size),
    CONFIG(FLAG, "ws-per-message-deflate", ws_per_message_deflate),
    CONFIG(SIZE, "ws-max-size", limits.ws_message_bytes),
    CONFIG(SIZE, "ws-max-queue", limits.ws_queue),
    CONFIG(SECONDS, "ws-ping-interval", limits.ws_ping_interval),
    CONFIG(SECONDS, "ws-ping-timeout", limits.ws_ping_timeout),
    CONFIG(SIZE, "limit-head-bytes", limits.head.head_bytes),
    CONFIG(SIZE, "limit-header-count", limits.head.header_count),
    CONFIG(SIZE, "limit-trailer-bytes", limits.head.trailer_bytes),
    CONFIG(SIZE, "limit-body-bytes", limits.body_bytes),
    CONFIG(SIZE, "limit-native-body-bytes", limits.native_body_bytes),
    CONFIG(SIZE, "limit-form-bytes", limits.form_bytes),
    CONFIG(SIZE, "limit-form-fields", limits.form_fields),
    CONFIG(SIZE, "limit-form-files", limits.form_files),
    CONFIG(SIZE, "limit-form-field-bytes", limits.form_field_bytes),
    CONFIG(SIZE, "limit-form-file-memory", limits.form_file_memory),
    CONFIG(SIZE, "limit-request-memory", limits.request_memory),
    CONFIG(COUNT, "limit-body-rate", limits.body_rate),
    CONFIG(SIZE, "limit-connections", limits.connections),
    CONFIG(SIZE, "limit-address-connections", limits.address_connections),
    CONFIG(SIZE, "body-window", limits.body_window),
    CONFIG(SIZE, "write-window", limits.write_window),
    CONFIG(SECONDS, "timeout-keep-alive", limits.keep_alive_timeout),
    CONFIG(SECONDS, "timeout-header", limits.header_timeout),
    CONFIG(SECONDS, "timeout-body", limits.body_timeout),
    CONFIG(SECONDS, "timeout-write", limits.write_timeout),
    CONFIG(SECONDS, "timeout-request", limits.request_timeout),
    CONFIG(SECONDS, "watchdog", limits.watchdog),
    {"timeout-graceful-shutdown", offsetof(struct inlay_app_settings, drain_ms),
     SECONDS},
    {"db", offsetof(struct inlay_app_settings, db), TEXTS},
    {"db-min-size", offsetof(struct inlay_app_settings, databases.min), COUNT},
    {"db-max-size", offsetof(struct inlay_app_settings, databases.max), COUNT},
    {"db-pool-timeout",
     offsetof(struct inlay_app_settings, databases.pool_timeout), SECONDS},
    {"db-statement-timeout",
     offsetof(struct inlay_app_settings, databases.statement_timeout), SECONDS},
    {"db-statement-cache",
     offsetof(struct inlay_app_settings, databases.statements), COUNT},
};

/* What is put together in the end. */
struct reading {
    struct inlay_arena *arena;
    struct inlay_app_settings *settings;
    struct inlay_str cors; /* of the layer's text, what there is so far */
    bool has_cors, access_log;
};

static struct inlay_error *wrong(const struct inlay_app_option *option,
                                 const char *why)
{
    return inlay_error_create(INLAY_ERROR_VALUE, "option %.*s: \"%.*s\" %s",
                              inlay_str_arg(option->name),
                              inlay_str_arg(option->value), why);
}

/* --- Values ----------------------------------------------------------------- */

static int read_flag(struct inlay_str text, bool *ret)
{
    static const char *const words[2][5] = {
        {"no", "off", "false", "0", "n"},
        {"yes", "on", "true", "1", "y"},
    };

    for (int truth = 0; truth < 2; truth++) {
        for (size_t i = 0; i < inlay_array_size(words[truth]); i++) {
            if (!inlay_str_equal_nocase(text, inlay_str_from(words[truth][i])))
                continue;
            *ret = truth;
            return 0;
        }
    }
    return -1;
}

/* A whole number within these; texts of the arena end with a NUL. */
static int read_whole(struct inlay_str text,
                      int64_t least,
                      int64_t most,
                      int64_t *ret)
{
    char *end;

    errno = 0;
    long long number = strtoll(text.ptr, &end, 10);
    if (errno || !text.len || end != text.ptr + text.len || number < least ||
        number > most || isspace((unsigned char)*text.ptr))
        return -1;
    *ret = number;
    return 0;
}

static int read_size(struct inlay_str text, uint64_t *ret)
{
    static const char units[] = "kmgt";
    int shift = 0;
    int64_t number;
    char digits[32];

    if (text.len && inlay_ascii_lower(text.ptr[text.len - 1]) == 'b')
        text.len--;
    if (text.len && inlay_ascii_lower(text.ptr[text.len - 1]) == 'i')
        text.len--;
    if (text.len) {
        const char *unit =
            strchr(units, inlay_ascii_lower(text.ptr[text.len - 1]));

        if (unit && *unit) {
            shift = 10 * (int)(unit - units + 1);
            text.len--;
        }
    }
    text = inlay_str_trim(text);
    if (!text.len || text.len >= sizeof(digits))
        return -1;
    memcpy(digits, text.ptr, text.len);
    digits[text.len] = '\0';
    if (read_whole(inlay_str_make(digits, text.len), 0, INT64_MAX >> shift,
                   &number) < 0)
        return -1;
    *ret = (uint64_t)number << shift;
    return 0;
}

/* Whole milliseconds; never 0, which means no timeout, for a time above. */
static int read_seconds(struct inlay_str text, uint32_t *ret)
{
    char *end;
    double seconds = strtod(text.ptr, &end);

    if (!text.len || end != text.ptr + text.len || !isfinite(seconds) ||
        seconds < 0 || seconds > 4e6)
        return -1;
    *ret = (uint32_t)ceil(seconds * 1000);
    return 0;
}

static struct inlay_error *add_text(struct reading *reading,
                                    struct inlay_strs *list,
                                    struct inlay_str text)
{
    struct inlay_str *items = inlay_arena_zalloc_array(
        reading->arena, list->count + 1, sizeof(*items));

    if (!items)
        return inlay_error_no_memory();
    if (list->count)
        memcpy(items, list->items, list->count * sizeof(*items));
    items[list->count] = text;
    *list = (struct inlay_strs){items, list->count + 1};
    return NULL;
}

static struct inlay_error *add_words(struct reading *reading,
                                     struct inlay_strs *list,
                                     struct inlay_str text)
{
    struct inlay_error *error = NULL;

    while (!error && text.len) {
        const char *comma = memchr(text.ptr, ',', text.len);
        size_t len = comma ? (size_t)(comma - text.ptr) : text.len;
        struct inlay_str word = inlay_str_trim(inlay_str_make(text.ptr, len));

        if (word.len)
            error = add_text(reading, list, word);
        len += comma != NULL;
        text = inlay_str_make(text.ptr + len, text.len - len);
    }
    return error;
}

/* --- The table ---------------------------------------------------------------- */

static struct inlay_error *read_option(struct reading *reading,
                                       const struct option *known,
                                       const struct inlay_app_option *given)
{
    void *member = (char *)reading->settings + known->offset;
    int64_t number;

    switch (known->kind) {
    case FLAG:
        return read_flag(given->value, member) < 0
                   ? wrong(given, "is neither yes nor no")
                   : NULL;
    case COUNT:
        if (read_whole(given->value, 0, UINT32_MAX, &number) < 0)
            return wrong(given, "is not a whole number");
        *(uint32_t *)member = (uint32_t)number;
        return NULL;
    case SIZE:
        return read_size(given->value, member) < 0
                   ? wrong(given, "is not a size: write 4096, 64K, 512M, 1G")
                   : NULL;
    case SECONDS:
        return read_seconds(given->value, member) < 0
                   ? wrong(given, "is not a number of seconds")
                   : NULL;
    case SIGNED:
        return read_whole(given->value, -1, INT64_MAX, member) < 0
                   ? wrong(given, "is not a whole number")
                   : NULL;
    case TEXT:
        *(struct inlay_str *)member = given->value;
        return NULL;
    case TEXTS:
        return add_text(reading, member, given->value);
    case WORDS:
        return add_words(reading, member, given->value);
    }
    return NULL;
}

/* --- What is more than one member ---------------------------------------------- */

/* "/login=5/minute" -> "rate-limit /login 5/minute"; no path: all. */
static struct inlay_error *read_layer(struct reading *reading,
                                      const struct inlay_app_option *given)
{
    struct inlay_str value = given->value, pattern = INLAY_STR("/*");
    const char *equals = value.len && value.ptr[0] == '/'
                             ? memchr(value.ptr, '=', value.len)
                             : NULL;

    if (equals) {
        size_t len = (size_t)(equals - value.ptr);

        pattern = inlay_str_trim(inlay_str_make(value.ptr, len));
        value = inlay_str_trim(inlay_str_make(equals + 1, value.len - len - 1));
    }
    struct inlay_str text = inlay_arena_format(
        reading->arena, "%.*s %.*s %.*s", inlay_str_arg(given->name),
        inlay_str_arg(pattern), inlay_str_arg(value));
    if (!text.ptr)
        return inlay_error_no_memory();
    return add_text(reading, &reading->settings->config.layers, text);
}

/* The layer's text is "cors /(star) ORIGIN… method=…  max-age=…". */
static struct inlay_error *read_cors(struct reading *reading,
                                     const struct inlay_app_option *given)
{
    struct inlay_str name =
        inlay_str_make(given->name.ptr + 5, given->name.len - 5);
    struct inlay_str before = reading->cors, value = given->value;
    bool truth;

    if (inlay_str_is(name, "origin")) {
        reading->has_cors = true;
        reading->cors =
            inlay_arena_format(reading->arena, "%.*s %.*s",
                               inlay_str_arg(value), inlay_str_arg(before));
    } else if (inlay_str_is(name, "credentials")) {
        if (read_flag(value, &truth) < 0)
            return wrong(given, "is neither yes nor no");
        if (truth)
            reading->cors = inlay_arena_format(
                reading->arena, "%.*scredentials ", inlay_str_arg(before));
    } else if (inlay_str_is(name, "method") || inlay_str_is(name, "header") ||
               inlay_str_is(name, "expose-header") ||
               inlay_str_is(name, "max-age")) {
        reading->cors = inlay_arena_format(
            reading->arena, "%.*s%.*s=%.*s ", inlay_str_arg(before),
            inlay_str_arg(name), inlay_str_arg(value));
    } else {
        return inlay_error_create(INLAY_ERROR_VALUE, "there is no option %.*s",
                                  inlay_str_arg(given->name));
    }
    return reading->cors.ptr ? NULL : inlay_error_no_memory();
}

static struct inlay_error *read_level(struct reading *reading,
                                      const struct inlay_app_option *given)
{
    static const struct {
        const char *name;
        enum inlay_log_level level;
    } levels[] = {
        {"debug", INLAY_LOG_DEBUG},     {"info", INLAY_LOG_INFO},
        {"warning", INLAY_LOG_WARNING}, {"error", INLAY_LOG_ERROR},
        {"critical", INLAY_LOG_ERROR},  {"trace", INLAY_LOG_DEBUG},
    };

    for (size_t i = 0; i < inlay_array_size(levels); i++) {
        if (!inlay_str_equal_nocase(given->value,
                                    inlay_str_from(levels[i].name)))
            continue;
        reading->settings->config.log.level = levels[i].level;
        return NULL;
    }
    return wrong(given, "is no level: write debug, info, warning or error");
}

static struct inlay_error *read_other(struct reading *reading,
                                      const struct inlay_app_option *given)
{
    struct inlay_str name = given->name;

    if (inlay_str_is(name, "rate-limit") || inlay_str_is(name, "accept") ||
        inlay_str_is(name, "concurrency") || inlay_str_is(name, "timeout"))
        return read_layer(reading, given);
    if (inlay_str_starts(name, INLAY_STR("cors-")))
        return read_cors(reading, given);
    if (inlay_str_is(name, "log-level"))
        return read_level(reading, given);
    if (inlay_str_is(name, "access-log"))
        return read_flag(given->value, &reading->access_log) < 0
                   ? wrong(given, "is neither yes nor no")
                   : NULL;
    if (inlay_str_is(name, "ws")) {
        reading->settings->config.websockets =
            !inlay_str_is(given->value, "none");
        return NULL;
    }
    return inlay_error_create(INLAY_ERROR_VALUE,
                              "there is no option %.*s for a server without "
                              "Python",
                              inlay_str_arg(name));
}

static struct inlay_error *read_one(struct reading *reading,
                                    const struct inlay_app_option *given)
{
    for (size_t i = 0; i < inlay_array_size(options); i++) {
        if (inlay_str_equal(given->name, inlay_str_from(options[i].name)))
            return read_option(reading, &options[i], given);
    }
    return read_other(reading, given);
}

/* --- Databases ------------------------------------------------------------ */

/* "URL", or "reports=URL" of another one than the default. */
static struct inlay_error *configure_database(
    const struct inlay_app_settings *settings,
    struct inlay_str text)
{
    struct inlay_database_config config = settings->databases;
    size_t at = 0;

    while (at < text.len && (isalnum((unsigned char)text.ptr[at]) ||
                             text.ptr[at] == '_' || text.ptr[at] == '-'))
        at++;
    config.url = text;
    if (at < text.len && text.ptr[at] == '=') {
        config.name = inlay_str_make(text.ptr, at);
        config.url = inlay_str_make(text.ptr + at + 1, text.len - at - 1);
    }
    return inlay_databases_configure(&config);
}

static struct inlay_error *configure_databases(
    struct inlay_app_settings *settings)
{
    struct inlay_database_config *all = &settings->databases;
    const char *variable = getenv("DATABASE_URL");
    struct inlay_error *error = NULL;

    /* 0 is a default there, and none here. */
    if (!all->statement_timeout)
        all->statement_timeout = UINT32_MAX;
    if (!all->statements)
        all->statements = UINT32_MAX;
    for (size_t i = 0; !error && i < settings->db.count; i++)
        error = configure_database(settings, settings->db.items[i]);
    if (!error && variable && strstr(variable, "://") &&
        !inlay_database_configured(INLAY_STR("")))
        /* It may be somebody else's; who needs it says that there is none. */
        inlay_error_destroy(
            configure_database(settings, inlay_str_from(variable)));
    return error;
}

/* A list that is given takes the place of the default one. */
static void clear_defaults(const struct inlay_app *app,
                           struct inlay_server_config *config)
{
    size_t count;
    const struct inlay_app_option *given = inlay_app_options(app, &count);

    for (size_t i = 0; i < count; i++) {
        if (inlay_str_is(given[i].name, "compress-types"))
            config->compress_types = (struct inlay_strs){0};
        else if (inlay_str_is(given[i].name, "forwarded-allow-ips"))
            config->trusted = (struct inlay_strs){0};
    }
}

static struct inlay_error *finish(struct reading *reading)
{
    struct inlay_server_config *config = &reading->settings->config;

    if (!reading->access_log)
        config->access_format = INLAY_STR("");
    /* 0 keeps no connection; elsewhere it is no timeout. */
    if (!config->limits.keep_alive_timeout)
        config->limits.keep_alive_timeout = 1;
    if (!config->limits.body_window)
        config->limits.body_window = 1;
    struct inlay_error *error = configure_databases(reading->settings);
    if (error || !reading->has_cors)
        return error;
    struct inlay_str text = inlay_arena_format(reading->arena, "cors /* %.*s",
                                               inlay_str_arg(reading->cors));
    if (!text.ptr)
        return inlay_error_no_memory();
    return add_text(reading, &config->layers, inlay_str_trim(text));
}

struct inlay_error *inlay_app_settings_read(const struct inlay_app *app,
                                            struct inlay_arena *arena,
                                            struct inlay_app_settings *ret)
{
    static const struct inlay_str trusted[] = {INLAY_STR("127.0.0.1"),
                                               INLAY_STR("::1")};
    struct reading reading = {
        .arena = arena,
        .settings = ret,
        .cors = INLAY_STR(""),
        .access_log = true,
    };
    struct inlay_error *error = NULL;
    const char *folder = getenv("TMPDIR");
    size_t count;
    const struct inlay_app_option *given = inlay_app_options(app, &count);

    inlay_server_config_default(&ret->config);
    ret->config.log.level = INLAY_LOG_INFO;
    ret->config.access_format = INLAY_STR("uvicorn");
    ret->config.trusted =
        (struct inlay_strs){trusted, inlay_array_size(trusted)};
    ret->drain_ms = 10000;
    ret->db = (struct inlay_strs){NULL, 0};
    ret->databases = (struct inlay_database_config){.statement_timeout = 30000,
                                                    .statements = 256};
    if (folder && *folder)
        ret->config.form_folder = inlay_str_from(folder);
    clear_defaults(app, &ret->config);
    for (size_t i = 0; !error && i < count; i++)
        error = read_one(&reading, &given[i]);
    return error ? error : finish(&reading);
}
