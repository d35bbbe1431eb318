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

#define INLAY_PG_CANCEL_MS 5000

/* The connections of a database, of all its lanes together. */
struct inlay_pg_pool {
    size_t min, max;          /* never change */
    atomic_size_t open;       /* are open, or being opened: at most `max`;
                                 written under the lock */
    atomic_size_t made;       /* of them: those that are open */
    atomic_size_t fair;       /* max / lanes; written under the lock */
    struct inlay_list lanes;  /* of struct inlay_pg_share; under the lock */
    struct inlay_list askers; /* of them, those that ask; oldest first */
};

/* A lane's part of it; under the lock. */
struct inlay_pg_share {
    struct inlay_list node;  /* in pool->lanes */
    struct inlay_list asks;  /* in pool->askers */
    struct inlay_list gifts; /* connections that come from other lanes */
    size_t places;           /* that it has of pool->open */
    struct inlay_mail mail;  /* there is something to look at */
    bool is_posted;
};

/* database->impl. Jobs refer to it, too, and may outlive the lanes. */
struct inlay_pg_database {
    _Atomic(unsigned) references;
    pthread_mutex_t lock; /* of the jobs' states, and the pool */
    struct inlay_pg_pool pool;
    size_t rows_most;   /* INLAY_ROWS_MOST, or less in tests */
    unsigned cancel_ms; /* that a request to cancel may take */
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
    bool has_place; /* in the pool */
    /* Of cancelling. */
    PGcancel *cancel;
    char why[256];
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

/* --- The pool (pg_pool.c) --------------------------------------------------- */

/*
 * A lane may open a connection while the pool has a place. When it is full, one
 * that has orders waiting asks the others, which hand over an idle connection as
 * it is: from a lane that has more than its fair share to one that has less, at
 * once, and if need be before their own orders; else what nobody has used for a
 * while.
 */

/* Of a lane's creation, begin and end; what is on the way to it is its then. */
void inlay_pg_pool_init(struct inlay_pg_lane *lane);
void inlay_pg_pool_join(struct inlay_pg_lane *lane);
void inlay_pg_pool_leave(struct inlay_pg_lane *lane);

/* A place for a connection. False: there is none. */
bool inlay_pg_pool_take(struct inlay_pg_lane *lane);
/* It is free again; `lane` is NULL for one that has gone. */
void inlay_pg_pool_drop(struct inlay_pg_database *database,
                        struct inlay_pg_lane *lane);
/* The same, if more than `min` are open. */
bool inlay_pg_pool_shrink(struct inlay_pg_lane *lane);

/* For a connection of another lane. False: the pool is not full. */
bool inlay_pg_pool_ask(struct inlay_pg_lane *lane);

/* Of a lane with is_trading: others are served at the end of the tick, and what
 * it does not need any more is not asked for. */
void inlay_pg_pool_trade(struct inlay_pg_lane *lane);

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
    struct inlay_pg_share share;
    struct inlay_later trade;
    bool is_trading; /* one of these: */
    bool is_asked;   /* other lanes may wait for a connection */
    bool has_asked;  /* this one may */
    bool owes;       /* the next connection that becomes FREE is promised */
    struct inlay_list shared, alone; /* orders that wait, oldest first */
    size_t nshared, nalone;
    struct inlay_list done; /* orders to be told so */
    struct inlay_later deliver;
    struct inlay_alarm patience; /* of those that wait */
    struct inlay_pg_backoff backoff;
    uint64_t asked_at; /* ms; 0: something has come since */
    bool is_wanted;    /* an order failed for want of a connection */
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

/* Orders that wait get what there is; other lanes their turn. */
void inlay_pg_lane_pump(struct inlay_pg_lane *lane);
/* The first half of that. */
void inlay_pg_lane_go_on(struct inlay_pg_lane *lane);

/* May be wrong by the time it is read: inlay_pg_pool_take knows. */
static inline bool inlay_pg_pool_has_room(const struct inlay_pg_lane *lane)
{
    const struct inlay_pg_pool *pool = &lane->database->pool;

    return atomic_load_explicit(&pool->open, memory_order_relaxed) < pool->max;
}

/* Statements wait behind others here, while other lanes have more than their
 * share. */
static inline bool inlay_pg_is_short(const struct inlay_pg_lane *lane)
{
    const struct inlay_pg_pool *pool = &lane->database->pool;

    return lane->count + lane->connecting <
           atomic_load_explicit(&pool->fair, memory_order_relaxed);
}

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
/* Something has come, and what is under way has not ended by that: ends a
 * statement whose rows are too many. The connection may be lost by that. */
void inlay_pg_rows_more(struct inlay_pg_connection *connection);

/* It has ended. */
void inlay_pg_rows_end(struct inlay_pg_connection *connection);

int64_t inlay_pg_changed(PGresult *result);
/* Is it a SELECT's, by its tag? */
bool inlay_pg_reads(PGresult *result);

#endif
