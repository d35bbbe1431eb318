/*
 * pg.c - the PostgreSQL driver: its URL, and what it is to database.c.
 */
#include "db/pg.h"

#include "base/mem.h"

#include "base/banned.h"

struct inlay_pg_database *inlay_pg_database_take(struct inlay_pg_database *pg)
{
    atomic_fetch_add(&pg->references, 1);
    return pg;
}

void inlay_pg_database_drop(struct inlay_pg_database *pg)
{
    if (atomic_fetch_sub(&pg->references, 1) != 1)
        return;
    pthread_mutex_destroy(&pg->lock);
    inlay_free(pg);
}

/* libpq's words quote a URL that it can't read, its password with it. */
static struct inlay_error *bad_url(const struct inlay_database *database,
                                   const char *text)
{
    char line[300];

    inlay_pg_one_line(text && !strstr(text, "://") ? text
                                                   : "libpq can't read it",
                      line, sizeof(line));
    return inlay_error_create(
        INLAY_ERROR_VALUE,
        "the URL of a database, %.*s: %s; it looks like "
        "postgresql://user:password@host:5432/name, with %%XX for other "
        "characters",
        inlay_str_arg(database->shown), line);
}

static struct inlay_error *check_url(const struct inlay_database *database,
                                     const char *url)
{
    struct inlay_error *error = NULL;
    char *text = NULL;
    PQconninfoOption *options = PQconninfoParse(url, &text);

    if (!options)
        error = bad_url(database, text);
    PQconninfoFree(options);
    PQfreemem(text);
    return error;
}

static struct inlay_error *open_database(struct inlay_database *database)
{
    struct inlay_str url = database->config.url;
    struct inlay_pg_database *pg = inlay_calloc(1, sizeof(*pg) + url.len + 1);

    if (!pg)
        return inlay_error_no_memory();
    memcpy(pg->url, url.ptr, url.len);
    atomic_init(&pg->references, 1);
    pg->pool.min = database->config.min;
    pg->pool.max = database->config.max;
    inlay_list_init(&pg->pool.lanes);
    inlay_list_init(&pg->pool.askers);
    pg->rows_most = INLAY_ROWS_MOST;
    pg->cancel_ms = INLAY_PG_CANCEL_MS;
    pthread_mutex_init(&pg->lock, NULL);
    atomic_init(&pg->unnamed, database->config.statements == UINT32_MAX);
    struct inlay_error *error = check_url(database, pg->url);
    if (error)
        inlay_pg_database_drop(pg);
    else
        database->impl = pg;
    return error;
}

static void close_database(struct inlay_database *database)
{
    inlay_pg_database_drop(database->impl);
    database->impl = NULL;
}

const struct inlay_driver inlay_driver_pg = {
    .name = "postgresql",
    .open = open_database,
    .close = close_database,
    .lane_create = inlay_pg_lane_create,
    .lane_begin = inlay_pg_lane_begin,
    .lane_destroy = inlay_pg_lane_destroy,
    .submit = inlay_pg_submit,
    .give_up = inlay_pg_give_up,
    .release = inlay_pg_release,
    .listen = inlay_pg_listen,
    .unlisten = inlay_pg_unlisten,
};
