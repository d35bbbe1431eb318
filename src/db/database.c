/* database.c - the databases of the process: configured, opened, found. */
#include "db/database.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "db/database_inside.h"

#include "base/banned.h"

#define DRIVERS 4

typedef void (*inlay_missing)(struct inlay_str name);

static struct {
    pthread_mutex_t lock; /* of configuring and opening */
    struct inlay_database databases[INLAY_DATABASES];
    _Atomic(size_t) count;
    const struct inlay_driver *drivers[DRIVERS]; /* first of all the tests' */
    const struct inlay_log *log;                 /* under log_lock */
    pthread_mutex_t log_lock;
    _Atomic(struct inlay_db_counted *) area;
    _Atomic(inlay_missing) missing;
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER,
              .log_lock = PTHREAD_MUTEX_INITIALIZER};

static const struct inlay_driver *find_driver(struct inlay_str scheme)
{
    const struct inlay_driver *ours[] = {&inlay_driver_pg,
                                         &inlay_driver_sqlite};

    for (size_t i = 0; i < DRIVERS && registry.drivers[i]; i++)
        if (inlay_str_equal(scheme, inlay_str_from(registry.drivers[i]->name)))
            return registry.drivers[i];
    for (size_t i = 0; i < inlay_array_size(ours); i++)
        if (inlay_str_equal(scheme, inlay_str_from(ours[i]->name)))
            return ours[i];
    return NULL;
}

/* --- Forks ---------------------------------------------------------------- */

static void before_fork(void)
{
    inlay_own_lanes_lock();
    pthread_mutex_lock(&registry.lock);
    pthread_mutex_lock(&registry.log_lock);
}

static void after_fork_parent(void)
{
    pthread_mutex_unlock(&registry.log_lock);
    pthread_mutex_unlock(&registry.lock);
    inlay_own_lanes_unlock();
}

static void zero_stats(struct inlay_db_stats *stats)
{
    _Atomic(uint64_t) *words = (_Atomic(uint64_t) *)stats;

    for (size_t i = 0; i < sizeof(*stats) / sizeof(*words); i++)
        atomic_store_explicit(&words[i], 0, memory_order_relaxed);
}

/*
 * The child has none of the threads; connections are the parent's, and what the
 * driver knew of them must not be touched: to close one would end it for the
 * parent, too. What is configured stays, and is opened anew.
 */
static void after_fork_child(void)
{
    size_t count = atomic_load(&registry.count);

    registry.log = NULL;
    atomic_store(&registry.area, NULL);
    for (size_t i = 0; i < count; i++) {
        struct inlay_database *database = &registry.databases[i];

        atomic_store(&database->is_open, false);
        database->impl = NULL;
        database->own = NULL;
        database->nlanes = 0;
        inlay_list_init(&database->lanes);
        pthread_mutex_init(&database->lock, NULL);
        zero_stats(&database->own_stats);
        atomic_store(&database->stats, &database->own_stats);
    }
    pthread_mutex_unlock(&registry.log_lock);
    pthread_mutex_unlock(&registry.lock);
    inlay_own_lanes_unlock();
}

static void watch_forks(void)
{
    pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

/* --- Configuring ---------------------------------------------------------- */

static bool name_valid(struct inlay_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
            !(c >= '0' && c <= '9') && c != '_' && c != '-')
            return false;
    }
    return name.len <= INLAY_DATABASE_NAME;
}

static struct inlay_str plain_name(struct inlay_str name)
{
    return inlay_str_is(name, "default") ? INLAY_STR("") : name;
}

static struct inlay_database *find_configured(struct inlay_str name)
{
    size_t count = atomic_load(&registry.count);

    name = plain_name(name);
    for (size_t i = 0; i < count; i++)
        if (inlay_str_equal(registry.databases[i].config.name, name))
            return &registry.databases[i];
    return NULL;
}

/* Where it counts; under the registry's lock. */
static struct inlay_db_stats *stats_for(struct inlay_database *database)
{
    struct inlay_db_counted *area = atomic_load(&registry.area);
    const char *name = *database->name ? database->name : "default";
    size_t len = strlen(name);

    for (size_t i = 0; area && i < INLAY_DATABASES; i++) {
        size_t taken = atomic_load(&area[i].len);

        if (!taken) {
            memcpy(area[i].name, name, len);
            atomic_store(&area[i].len, (unsigned char)len);
            return &area[i].stats;
        }
        if (taken == len && memcmp(area[i].name, name, len) == 0)
            return &area[i].stats;
    }
    return &database->own_stats;
}

/* Into a place of the registry, under its lock. */
static struct inlay_error *keep(const struct inlay_database *made)
{
    struct inlay_database *place = find_configured(made->config.name);
    size_t count = atomic_load(&registry.count);

    if (place && atomic_load(&place->is_open)) {
        inlay_free(made->texts);
        return NULL;
    }
    if (!place && count == INLAY_DATABASES) {
        inlay_free(made->texts);
        return inlay_error_create(INLAY_ERROR_VALUE,
                                  "there are %d databases already: there is no "
                                  "room for another one",
                                  INLAY_DATABASES);
    }
    if (place) {
        inlay_free(place->texts);
    } else {
        place = &registry.databases[count];
        place->index = count;
        memcpy(place->name, made->config.name.ptr, made->config.name.len);
        zero_stats(&place->own_stats);
        atomic_store(&place->stats, stats_for(place));
        inlay_list_init(&place->lanes);
        place->nlanes = 0;
        pthread_mutex_init(&place->lock, NULL);
    }
    place->config = made->config;
    place->config.name.ptr = place->name;
    place->shown = made->shown;
    place->texts = made->texts;
    place->driver = made->driver;
    if (place->index == count)
        atomic_store(&registry.count, count + 1);
    return NULL;
}

/* What is configured, checked; `ret` has texts of its own then. */
static struct inlay_error *make(const struct inlay_database_config *config,
                                struct inlay_database *ret)
{
    struct inlay_database_config wanted = *config;
    struct inlay_str scheme;
    char quoted[64];

    if (!name_valid(config->name)) {
        inlay_str_quote(config->name, quoted, sizeof(quoted));
        return inlay_error_create(
            INLAY_ERROR_VALUE,
            "%s can't be the name of a database: it must have at most %d "
            "letters, digits, \"_\" and \"-\"",
            quoted, INLAY_DATABASE_NAME);
    }
    wanted.name = plain_name(config->name);
    struct inlay_error *error = inlay_database_url_read(ret, &wanted, &scheme);
    if (error)
        return error;
    pthread_mutex_lock(&registry.lock);
    ret->driver = find_driver(scheme);
    pthread_mutex_unlock(&registry.lock);
    if (ret->driver)
        return NULL;
    inlay_str_quote(scheme, quoted, sizeof(quoted));
    inlay_free(ret->texts);
    return inlay_error_create(INLAY_ERROR_VALUE,
                              "a database's URL begins with postgresql:// or "
                              "sqlite://, not with %s",
                              quoted);
}

struct inlay_error *inlay_databases_check(
    const struct inlay_database_config *config)
{
    struct inlay_database made = {.texts = NULL};
    struct inlay_error *error = make(config, &made);

    if (error)
        return error;
    error = made.driver->open(&made); /* what it reads of the URL */
    if (!error)
        made.driver->close(&made);
    inlay_free(made.texts);
    return error;
}

struct inlay_error *inlay_databases_configure(
    const struct inlay_database_config *config)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct inlay_database made = {.texts = NULL};

    pthread_once(&once, watch_forks);
    struct inlay_error *error = make(config, &made);
    if (error)
        return error;
    pthread_mutex_lock(&registry.lock);
    error = keep(&made);
    pthread_mutex_unlock(&registry.lock);
    return error;
}

void inlay_databases_driver(const struct inlay_driver *driver)
{
    pthread_mutex_lock(&registry.lock);
    for (size_t i = 0; i < DRIVERS; i++) {
        if (registry.drivers[i] && registry.drivers[i] != driver)
            continue;
        registry.drivers[i] = driver;
        break;
    }
    pthread_mutex_unlock(&registry.lock);
}

/* --- Finding -------------------------------------------------------------- */

struct inlay_error *inlay_database_open(struct inlay_database *database)
{
    struct inlay_error *error = NULL;

    if (inlay_likely(
            atomic_load_explicit(&database->is_open, memory_order_acquire)))
        return NULL;
    pthread_mutex_lock(&registry.lock);
    if (!atomic_load(&database->is_open)) {
        error = database->driver->open(database);
        atomic_store(&database->is_open, error == NULL);
    }
    pthread_mutex_unlock(&registry.lock);
    return error;
}

static struct inlay_error *not_configured(struct inlay_str name)
{
    char quoted[64], upper[INLAY_DATABASE_NAME + 1];
    size_t len = inlay_min(name.len, sizeof(upper) - 1);

    if (name.len == 0)
        return inlay_error_create(
            INLAY_ERROR_VALUE,
            "no database is configured: give its URL by --db, DATABASE_URL or "
            "db = \"…\" of [tool.inlay] in pyproject.toml");
    for (size_t i = 0; i < len; i++) {
        char c = name.ptr[i];
        upper[i] = c >= 'a' && c <= 'z' ? (char)(c & ~0x20) : c;
        if (c == '-')
            upper[i] = '_';
    }
    upper[len] = '\0';
    inlay_str_quote(name, quoted, sizeof(quoted));
    return inlay_error_create(
        INLAY_ERROR_VALUE,
        "no database %s is configured: give its URL by --db %.*s=…, "
        "DATABASE_URL_%s or [tool.inlay.db] in pyproject.toml",
        quoted, inlay_str_arg(name), upper);
}

static struct inlay_database *look_for(struct inlay_str name)
{
    pthread_mutex_lock(&registry.lock);
    struct inlay_database *found = find_configured(name);
    pthread_mutex_unlock(&registry.lock);
    return found;
}

static struct inlay_database *find_or_ask(struct inlay_str name)
{
    struct inlay_database *found = NULL;
    inlay_missing ask = atomic_load(&registry.missing);

    if (name_valid(name))
        found = look_for(name);
    if (found || !ask || !name_valid(name))
        return found;
    ask(plain_name(name)); /* without the lock: it configures */
    return look_for(name);
}

struct inlay_error *inlay_database_find(struct inlay_str name,
                                        struct inlay_database **ret)
{
    *ret = find_or_ask(name);
    if (!*ret)
        return not_configured(name_valid(name) ? plain_name(name)
                                               : INLAY_STR("?"));
    return inlay_database_open(*ret);
}

bool inlay_database_configured(struct inlay_str name)
{
    return find_or_ask(name) != NULL;
}

struct inlay_database *inlay_database_at(size_t index)
{
    if (index >= atomic_load(&registry.count))
        return NULL;
    return &registry.databases[index];
}

/* --- Counting, logging ---------------------------------------------------- */

static void move_words(struct inlay_db_stats *from,
                       struct inlay_db_stats *to,
                       size_t count)
{
    _Atomic(uint64_t) *in = (_Atomic(uint64_t) *)from,
                      *out = (_Atomic(uint64_t) *)to;

    for (size_t i = 0; i < count; i++)
        atomic_fetch_add_explicit(&out[i], atomic_exchange(&in[i], 0),
                                  memory_order_relaxed);
}

void inlay_databases_count_in(struct inlay_db_counted *area)
{
    pthread_mutex_lock(&registry.lock);
    size_t count = atomic_load(&registry.count);
    atomic_store(&registry.area, area);
    for (size_t i = 0; i < count; i++) {
        struct inlay_database *database = &registry.databases[i];
        struct inlay_db_stats *to = stats_for(database);
        struct inlay_db_stats *from = atomic_exchange(&database->stats, to);

        if (from == &database->own_stats && from != to)
            move_words(from, to, sizeof(*from) / sizeof(uint64_t));
        else if (from != to)
            move_words(from, to, INLAY_DB_GAUGES);
    }
    pthread_mutex_unlock(&registry.lock);
}

void inlay_databases_missing(void (*ask)(struct inlay_str name))
{
    atomic_store(&registry.missing, ask);
}

void inlay_databases_log(const struct inlay_log *log)
{
    pthread_mutex_lock(&registry.log_lock);
    registry.log = log;
    pthread_mutex_unlock(&registry.log_lock);
}

void inlay_databases_log_end(const struct inlay_log *log)
{
    pthread_mutex_lock(&registry.log_lock);
    if (registry.log == log)
        registry.log = NULL;
    pthread_mutex_unlock(&registry.log_lock);
}

static inlay_printf(3, 0) void write_log(const struct inlay_database *database,
                                         enum inlay_log_level level,
                                         const char *format,
                                         va_list args)
{
    struct inlay_str name = database->config.name;
    char text[1024];

    vsnprintf(text, sizeof(text), format, args);
    /* Its sink must be there until it returns. */
    pthread_mutex_lock(&registry.log_lock);
    inlay_log_write(registry.log, level, "database%s%.*s: %s",
                    name.len ? " " : "", inlay_str_arg(name), text);
    pthread_mutex_unlock(&registry.log_lock);
}

void inlay_database_warn(const struct inlay_database *database,
                         const char *format,
                         ...)
{
    va_list args;

    va_start(args, format);
    write_log(database, INLAY_LOG_WARNING, format, args);
    va_end(args);
}

void inlay_database_tell(const struct inlay_database *database,
                         const char *format,
                         ...)
{
    va_list args;

    va_start(args, format);
    write_log(database, INLAY_LOG_INFO, format, args);
    va_end(args);
}

/* --- Tests ---------------------------------------------------------------- */

void inlay_databases_forget(void)
{
    size_t count = atomic_load(&registry.count);

    for (size_t i = 0; i < count; i++) {
        struct inlay_database *database = &registry.databases[i];

        inlay_database_own_lane_end(database);
        if (atomic_exchange(&database->is_open, false))
            database->driver->close(database);
        pthread_mutex_destroy(&database->lock);
        inlay_free(database->texts);
        *database = (struct inlay_database){.texts = NULL};
    }
    atomic_store(&registry.count, 0);
    memset(registry.drivers, 0, sizeof(registry.drivers));
}
