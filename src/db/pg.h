/*
 * pg.h - inside pg*.c: connections of libpq in pipeline mode (PostgreSQL 15,
 * 34.5), and who gets which.
 *
 * A lane has connections. What is sent on one is a *unit*: an order's messages
 * up to a Sync of their own, so that an error never touches a neighbour's. The
 * server answers units in their order: each connection has a ring of those that
 * are under way. A connection is FREE (orders of anybody, one behind the
 * other), or has one owner: ALONE (an order that needs it to itself) or HELD (a
 * caller's hold); LEAVING is the way back from those, until nothing is open on
 * it. COPY and scripts don't go with pipelines: they are *special*.
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
#include "net/alarm.h"

#define INLAY_PG_DEPTH 16  /* most orders on a FREE connection */
#define INLAY_PG_UNITS 64  /* of a connection; holds queue beyond that */
#define INLAY_PG_BEGIN 128 /* bytes of "begin isolation level …" */

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

struct inlay_pg_lane;
struct inlay_pg_connection;

/* --- Statements (pg_statements.c) ------------------------------------------ */

struct inlay_pg_name {
    char text[24];
};

struct inlay_pg_statement {
    struct inlay_pg_statement *chain; /* in its bucket */
    struct inlay_list node;           /* oldest use first */
    uint64_t hash;
    unsigned number;
    struct inlay_pg_name name; /* "inlay_N" */
    unsigned uses;             /* units that refer to it */
    bool is_ready;             /* the server has confirmed it */
    bool is_gone;              /* out of the table; freed with its last use */
    size_t len;
    char text[]; /* and a NUL */
};

struct inlay_pg_statements {
    struct inlay_pg_statement **buckets; /* NULL until the first one */
    size_t nbuckets;                     /* a power of 2 */
    size_t count, most;
    struct inlay_list order; /* oldest use first */
    unsigned last_number;
};

void inlay_pg_statements_init(struct inlay_pg_statements *statements,
                              size_t most);
void inlay_pg_statements_deinit(struct inlay_pg_statements *statements);

/*
 * The statement of that text, or a new one that is not ready (`is_new_ret`), or
 * NULL: send it without a name (it is being prepared, no memory). `old_ret`: the
 * number of one that had to go for it, or 0. The use is counted.
 */
struct inlay_pg_statement *inlay_pg_statements_use(
    struct inlay_pg_statements *statements,
    struct inlay_str text,
    bool *is_new_ret,
    unsigned *old_ret);
/* Forgets it: it failed. Its memory lasts until its last use ends. */
void inlay_pg_statements_forget(struct inlay_pg_statements *statements,
                                struct inlay_pg_statement *statement);
void inlay_pg_statement_unuse(struct inlay_pg_statement *statement);

struct inlay_pg_name inlay_pg_statement_name(unsigned number);

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

/* --- Connections (pg_connection.c) ------------------------------------------ */

enum inlay_pg_use {
    INLAY_PG_FREE,
    INLAY_PG_ALONE,
    INLAY_PG_HELD,
    INLAY_PG_LEAVING,
};

enum inlay_pg_unit_kind {
    INLAY_PG_ORDER,    /* `asked` says what */
    INLAY_PG_INTERNAL, /* set, deallocate: nobody waits */
    INLAY_PG_ROLLBACK,
    INLAY_PG_LISTEN,
};

struct inlay_pg_channel;

struct inlay_pg_cursor {
    struct inlay_pg_connection *connection;
    struct inlay_list node; /* in connection->cursors */
    unsigned number;        /* "inlay_c_N" */
    unsigned rows;          /* of the next piece */
    bool is_own;            /* its OPEN took the hold and began */
};

struct inlay_pg_unit {
    enum inlay_pg_unit_kind kind;
    enum inlay_order_kind asked;
    struct inlay_order *order;            /* NULL: nobody wants it any more */
    struct inlay_pg_statement *statement; /* that it uses by name */
    struct inlay_pg_cursor *cursor;
    struct inlay_pg_channel *channel;
    unsigned rows;   /* of a FETCH */
    unsigned before; /* results that come before its own: begin, prepare */
    unsigned offset; /* characters of ours before the order's text */
    bool prepares;   /* the last of those is `statement`'s */
    bool took;       /* the order took the connection */
    bool counts;     /* in norders */
    bool failed, is_stale;
    char sqlstate[6];
};

/* The BATCH whose unit is the last one and is not complete yet. */
struct inlay_pg_batch {
    bool is_on;
    bool stops; /* it failed, or was given up: nothing more is sent */
    bool took;
    const struct inlay_order *order; /* NULL: given up */
    size_t sent, came;
};

enum inlay_pg_phase {
    INLAY_PG_SENT,   /* results are awaited */
    INLAY_PG_COPIES, /* rows go out */
};

/* A COPY or SCRIPT, out of pipeline mode. */
struct inlay_pg_special {
    bool is_on;
    enum inlay_order_kind asked;
    enum inlay_pg_phase phase;
    struct inlay_order *order; /* NULL: given up */
    bool took, failed, is_ended;
    unsigned offset; /* characters of ours before the script's text */
    size_t row;
    int64_t changed;
};

struct inlay_pg_connection {
    struct inlay_hold hold;
    struct inlay_pg_lane *lane;
    struct inlay_list node; /* in lane->connections; or the listener's: none */
    struct inlay_watch watch;
    struct inlay_later bury; /* frees it, when no event can be at hand */
    PGconn *pg;              /* NULL: lost */
    enum inlay_pg_use use;
    bool listens;
    bool is_reserved; /* for an order that needs it alone: nothing new */
    bool is_busy;     /* as it is counted */
    bool begins;      /* `begin` has to be sent before the next order */
    bool is_cleaned;  /* a rollback was sent on the way back */
    bool blocks;      /* PQflush wants EPOLLOUT */
    char begin[INLAY_PG_BEGIN];
    struct inlay_pg_unit units[INLAY_PG_UNITS]; /* a ring */
    unsigned first, count;
    unsigned norders;      /* units of orders */
    struct inlay_list own; /* orders of the hold that have to wait */
    struct inlay_list cursors;
    struct inlay_pg_batch batch;
    struct inlay_pg_special special;
    struct inlay_pg_job *cancel; /* under way */
    unsigned cancels;            /* that were sent for what is under way */
    struct inlay_pg_statements statements;
    struct inlay_alarm alarm; /* rings now and then while it is open */
    uint64_t progress; /* ms: when it last got something to do, or bytes */
};

/* Takes `made` over; NULL: no memory, and it is closed. */
struct inlay_pg_connection *inlay_pg_connection_create(
    struct inlay_pg_lane *lane,
    PGconn *made,
    bool listens);

/* Out of the loop, closed; orders on it fail, the lane is told. A held one is
 * dead until its release, others are freed. */
void inlay_pg_connection_lose(struct inlay_pg_connection *connection,
                              const char *why);
/* Of lane_destroy, and for idle ones: closes and frees, silently. */
void inlay_pg_connection_close(struct inlay_pg_connection *connection);

/* A unit at the end of the ring, which has room (inlay_pg_has_room). */
struct inlay_pg_unit *inlay_pg_unit_add(struct inlay_pg_connection *connection,
                                        enum inlay_pg_unit_kind kind,
                                        struct inlay_order *order);

/* Ends the unit by a Sync and sends; `ok` false: a message could not be made.
 * The connection may be lost by that. */
void inlay_pg_unit_send(struct inlay_pg_connection *connection, bool ok);

/* Sends what can be sent, and says what it waits for. False: it was lost by
 * that. */
bool inlay_pg_flush(struct inlay_pg_connection *connection);

/* A statement of ours without parameters, its unit's only one. */
void inlay_pg_command(struct inlay_pg_connection *connection,
                      enum inlay_pg_unit_kind kind,
                      struct inlay_pg_channel *channel,
                      const char *sql);

static inline bool inlay_pg_has_room(const struct inlay_pg_connection *it)
{
    return it->count + 4 <= INLAY_PG_UNITS;
}

/* Nothing is under way on it. */
static inline bool inlay_pg_is_quiet(const struct inlay_pg_connection *it)
{
    return !it->count && !it->special.is_on && !it->cancel;
}

/* When it is quiet: the next order of its hold, or it becomes FREE. */
void inlay_pg_connection_settle(struct inlay_pg_connection *connection);

/* The driver's release. */
void inlay_pg_release(struct inlay_hold *hold);

/* Counts whether it is busy. */
void inlay_pg_connection_count(struct inlay_pg_connection *connection);

/* --- Units (pg_unit.c) ------------------------------------------------------ */

/* What has come: results go to their units, notifications to listeners. The
 * connection may be lost by that. */
void inlay_pg_read(struct inlay_pg_connection *connection);

/* A result's place in an order: the first failure counts. */
void inlay_pg_order_failed(struct inlay_order *order,
                           const PGresult *result,
                           unsigned offset);

/* --- What orders are sent as (pg_send.c, pg_batch.c, pg_copy.c, pg_cursor.c) - */

/*
 * An order on a connection that is FREE, or its own: sent, or queued on it, or
 * done at once (a parameter that can't be sent).
 */
void inlay_pg_start(struct inlay_pg_connection *connection,
                    struct inlay_order *order,
                    bool took);
/* Once more, without a name. */
void inlay_pg_send_again(struct inlay_pg_connection *connection,
                         struct inlay_order *order);
/* "begin", if it has to come first: part of the unit. */
bool inlay_pg_send_begin(struct inlay_pg_connection *connection,
                         struct inlay_pg_unit *unit);

void inlay_pg_batch_start(struct inlay_pg_connection *connection,
                          struct inlay_order *order,
                          bool took);
/* Sends the next sets, if the server has taken enough of those before. */
void inlay_pg_batch_more(struct inlay_pg_connection *connection);

/* The connection is quiet. */
void inlay_pg_special_start(struct inlay_pg_connection *connection,
                            struct inlay_order *order,
                            bool took);
/* Its socket can be read or written. */
void inlay_pg_special_more(struct inlay_pg_connection *connection);

void inlay_pg_open_start(struct inlay_pg_connection *connection,
                         struct inlay_order *order,
                         bool took);
void inlay_pg_fetch_start(struct inlay_pg_connection *connection,
                          struct inlay_order *order);
void inlay_pg_close_start(struct inlay_pg_connection *connection,
                          struct inlay_order *order);
/* The size of the next piece follows the one that came. */
void inlay_pg_cursor_came(struct inlay_pg_cursor *cursor,
                          const PGresult *result);
void inlay_pg_cursor_free(struct inlay_pg_cursor *cursor);

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

#endif
