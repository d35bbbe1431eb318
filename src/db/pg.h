/*
 * pg.h - inside pg*.c: connections of libpq in pipeline mode (PostgreSQL 15,
 * 34.5), and who gets which.
 *
 * Everything is for the lane's thread, but what blocks: connecting (DNS, TLS,
 * authentication) and cancelling, jobs that have a thread of their own.
 */
#ifndef INLAY_DB_PG_H
#define INLAY_DB_PG_H

#include <libpq-fe.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "db/driver.h"
#include "db/pg_connection.h"
#include "net/alarm.h"

/* database->impl. Jobs refer to it, too, and may outlive the lanes. */
struct inlay_pg_database {
    _Atomic(unsigned) references;
    pthread_mutex_t lock; /* of the jobs' states */
    /* Statements with names were a failure: a pooler in transaction mode. */
    atomic_bool unnamed;
    char url[]; /* ended by NUL */
};

struct inlay_pg_database *inlay_pg_database_take(struct inlay_pg_database *pg);
void inlay_pg_database_drop(struct inlay_pg_database *pg);

/* --- What blocks (pg_connect.c) --------------------------------------------- */

enum inlay_pg_job_state {
    INLAY_PG_JOB_RUNS,
    INLAY_PG_JOB_POSTED, /* its letter is in the loop's box */
    INLAY_PG_JOB_ORPHAN, /* its lane has gone: frees itself */
};

struct inlay_pg_job {
    struct inlay_mail mail;
    struct inlay_list node; /* in lane->jobs */
    struct inlay_pg_database *database;
    struct inlay_loop *loop;
    enum inlay_pg_job_state state; /* under database->lock */
    struct inlay_pg_lane *lane;
    /* Of connecting. */
    PGconn *made;
    bool listens;
    /* Of cancelling. */
    PGcancel *cancel;
    struct inlay_pg_connection *connection; /* NULL: it has gone */
};

/* Begins to make a connection; the result comes to inlay_pg_lane_connected or
 * inlay_pg_listen_connected. False: there is no thread for it. */
bool inlay_pg_connect(struct inlay_pg_lane *lane, bool listens);

/* Asks the server to end what the connection does; nothing while one such
 * request is under way. */
void inlay_pg_cancel(struct inlay_pg_connection *connection);

/* What its owner has given up may be under way still: a request that comes
 * before the statement does is of no effect. */
bool inlay_pg_is_unwanted(const struct inlay_pg_connection *connection);

/* Of lane_destroy: those that run end as orphans. */
void inlay_pg_jobs_end(struct inlay_pg_lane *lane);

/* Pauses between attempts: 100 ms … 5 s, and a jitter. */
struct inlay_pg_backoff {
    unsigned failures;
    bool is_resting; /* its alarm is set */
    struct inlay_alarm alarm;
    struct inlay_failure why; /* of the last attempt; kind 0: it went well */
};

void inlay_pg_backoff_rest(struct inlay_loop *loop,
                           struct inlay_pg_backoff *backoff);

/* --- Lanes (pg_lane.c) ------------------------------------------------------ */

struct inlay_pg_listening {
    struct inlay_pg_connection *connection; /* or NULL */
    bool is_connecting;
    struct inlay_list channels;
    struct inlay_later work; /* whatever there is to do for the channels */
    struct inlay_pg_backoff backoff;
};

struct inlay_pg_lane {
    struct inlay_lane base;
    struct inlay_pg_database *database;
    struct inlay_list connections; /* open ones, in use or not */
    struct inlay_list dead;        /* lost ones: held, or being buried */
    size_t count, connecting;
    size_t share, least; /* most and fewest connections; at share_at */
    uint64_t share_at;   /* ms; 0: never */
    struct inlay_list shared, alone; /* orders that wait, oldest first */
    size_t nshared, nalone;
    struct inlay_list done; /* orders to be told so */
    struct inlay_later deliver;
    struct inlay_alarm patience; /* of those that wait */
    struct inlay_pg_backoff backoff;
    bool is_wanted; /* an order failed for want of a connection */
    bool is_ending;
    uint64_t warned_at; /* ms */
    struct inlay_list jobs;
    struct inlay_pg_listening listening;
    unsigned last_cursor;
    /* Parameters, as libpq wants them; for the moment of sending. */
    const char **values;
    int *lengths, *formats;
    size_t *offsets; /* in `text`; SIZE_MAX: the pointer is right already */
    size_t room;     /* of each of these four */
    struct inlay_buf text, sql;
};

/* order->driver: where it is, when it is on no connection. */
extern char inlay_pg_queued, inlay_pg_finished;

/* The order gets its on_done, but not within this. */
void inlay_pg_order_done(struct inlay_pg_lane *lane, struct inlay_order *order);
/* on_done of those that are done. */
void inlay_pg_lane_deliver(struct inlay_pg_lane *lane);

/* Orders that wait get what there is. */
void inlay_pg_lane_pump(struct inlay_pg_lane *lane);

/* An attempt has ended: `made` is NULL or broken, if it failed. */
void inlay_pg_lane_connected(struct inlay_pg_lane *lane, PGconn *made);
void inlay_pg_lane_lost(struct inlay_pg_lane *lane);
/* At most one line in a while. */
void inlay_pg_lane_warn(struct inlay_pg_lane *lane, const char *text);

struct inlay_lane *inlay_pg_lane_create(struct inlay_database *database);
void inlay_pg_lane_begin(struct inlay_lane *lane);
void inlay_pg_lane_destroy(struct inlay_lane *lane);
void inlay_pg_submit(struct inlay_lane *lane, struct inlay_order *order);
void inlay_pg_give_up(struct inlay_lane *lane, struct inlay_order *order);

static inline struct inlay_pg_lane *inlay_pg_lane_of(struct inlay_lane *lane)
{
    return inlay_container_of(lane, struct inlay_pg_lane, base);
}

/* lane->values and the others for `count` cells; false: `failure`. */
bool inlay_pg_params(struct inlay_pg_lane *lane,
                     const struct inlay_cell *cells,
                     size_t count,
                     struct inlay_failure *failure);
/* Are there texts that can't be sent? */
bool inlay_pg_params_check(const struct inlay_cell *cells,
                           size_t count,
                           struct inlay_failure *failure);
/* prefix + text with a NUL, until the next one; NULL: `failure`. */
const char *inlay_pg_sql(struct inlay_pg_lane *lane,
                         const char *prefix,
                         struct inlay_str text,
                         const char *suffix,
                         struct inlay_failure *failure);

static inline void inlay_pg_add(const struct inlay_pg_lane *lane,
                                size_t offset,
                                uint64_t count)
{
    struct inlay_db_stats *stats =
        atomic_load_explicit(&lane->base.database->stats, memory_order_relaxed);

    atomic_fetch_add_explicit(
        (_Atomic(uint64_t) *)(void *)((char *)stats + offset), count,
        memory_order_relaxed);
}
#define inlay_pg_stat(lane, name, count)                                       \
    inlay_pg_add((lane), offsetof(struct inlay_db_stats, name),                \
                 (uint64_t)(count))

/* --- Listening (pg_listen.c) ------------------------------------------------ */

void inlay_pg_listening_init(struct inlay_pg_lane *lane);
void inlay_pg_listening_end(struct inlay_pg_lane *lane);
void inlay_pg_listen(struct inlay_lane *lane,
                     struct inlay_subscriber *subscriber);
void inlay_pg_unlisten(struct inlay_lane *lane,
                       struct inlay_subscriber *subscriber);
void inlay_pg_listen_connected(struct inlay_pg_lane *lane, PGconn *made);
void inlay_pg_listen_lost(struct inlay_pg_lane *lane);
/* The server's answer to a LISTEN or UNLISTEN; failure NULL: it did. */
void inlay_pg_listen_answered(struct inlay_pg_lane *lane,
                              struct inlay_pg_channel *channel,
                              const struct inlay_failure *failure);
void inlay_pg_listen_notified(struct inlay_pg_lane *lane,
                              const PGnotify *notify);
bool inlay_pg_listens(const struct inlay_pg_lane *lane);

/* --- Errors and rows (pg_error.c, pg_rows.c) -------------------------------- */

/*
 * Of a result that is an error. `offset`: characters of ours before the order's
 * text.
 */
void inlay_pg_failure(const PGresult *result,
                      unsigned offset,
                      struct inlay_failure *ret);
/* The line of a script where an error is, from 1; 0: it says no place. */
size_t inlay_pg_error_line(const PGresult *result,
                           unsigned offset,
                           struct inlay_str text);
void inlay_pg_failure_unavailable(struct inlay_failure *ret,
                                  const struct inlay_pg_lane *lane,
                                  const char *what,
                                  const char *why);
/* The prepared statement is of no use any more: unknown, exists, stale. */
bool inlay_pg_error_unknown(const char *sqlstate);
bool inlay_pg_error_stale(const PGresult *result);
/* One line of valid text, from libpq's message; `size` bytes with the NUL. */
void inlay_pg_one_line(const char *text, char *out, size_t size);

/* Takes the result over; of one that has columns. NULL: no memory, and it is
 * cleared. */
struct inlay_rowset *inlay_pg_rowset(PGresult *result);
int64_t inlay_pg_changed(PGresult *result);
/* Is it a SELECT's, by its tag? */
bool inlay_pg_reads(PGresult *result);

#endif
