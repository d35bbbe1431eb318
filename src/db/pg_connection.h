/*
 * pg_connection.h - inside pg*.c: one connection, and what is under way on it.
 *
 * A lane has connections. What is sent on one is a *unit*: an order's messages
 * up to a Sync of their own, so that an error never touches a neighbour's. The
 * server answers units in their order: each connection has a ring of those that
 * are under way. A connection is FREE (orders of anybody, one behind the
 * other), or has one owner: ALONE (an order that needs it to itself) or HELD (a
 * caller's hold); LEAVING is the way back from those, until nothing is open on
 * it. COPY and scripts don't go with pipelines: they are *special*.
 *
 * All of it is for the lane's thread.
 */
#ifndef INLAY_DB_PG_CONNECTION_H
#define INLAY_DB_PG_CONNECTION_H

#include <libpq-fe.h>

#include "db/driver.h"
#include "db/pg_statements.h"
#include "net/alarm.h"

#define INLAY_PG_DEPTH 16  /* most orders on a FREE connection */
#define INLAY_PG_UNITS 64  /* of a connection; holds queue beyond that */
#define INLAY_PG_BEGIN 128 /* bytes of "begin isolation level …" */

struct inlay_pg_lane;
struct inlay_pg_job;
struct inlay_pg_channel;

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
    INLAY_PG_RESET,    /* of settings: without it nobody may go on */
    INLAY_PG_ROLLBACK,
    INLAY_PG_LISTEN,
};

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
    bool is_quick;   /* in nquick */
    uint64_t since;  /* ms: when it was sent */
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
    bool took;
    bool begins;     /* "begin" is a part of it, and was not done yet */
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
    bool has_place;    /* in the pool: it does not listen */
    bool is_reserved;  /* for an order that needs it alone: nothing new */
    bool is_promised;  /* for another lane: nothing new */
    bool is_busy;      /* as it is counted */
    bool begins;       /* `begin` has to be sent before the next order */
    bool is_beginning; /* it was sent, and not answered yet */
    bool is_open;      /* the transaction of its hold has begun */
    bool is_undone;    /* and one of its statements has ended it */
    bool is_changed;   /* a setting of its session was: for all that follow */
    bool is_cleaned;   /* a rollback was sent on the way back */
    bool blocks;       /* PQflush wants EPOLLOUT */
    char begin[INLAY_PG_BEGIN];
    struct inlay_pg_unit units[INLAY_PG_UNITS]; /* a ring */
    unsigned first, count;
    unsigned norders;      /* units of orders */
    unsigned nquick;       /* of those, reads that are quick as a rule */
    struct inlay_list own; /* orders of the hold that have to wait */
    struct inlay_list cursors;
    struct inlay_pg_batch batch;
    struct inlay_pg_special special;
    struct inlay_pg_job *cancel; /* under way */
    unsigned cancels;            /* that were sent for what is under way */
    struct inlay_pg_statements statements;
    struct inlay_alarm alarm; /* rings now and then while it is open */
    uint64_t progress; /* ms: when it last got something to do, or bytes */
    /* Of rows that come in pieces (pg_rows.c). */
    unsigned pieces;       /* since the last unit has ended */
    bool is_too_much;      /* cancelled; not read until that is over */
    uint64_t bytes_before; /* that its socket had had at an early one */
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

/* From its lane to another, at the end of a tick; it is FREE and quiet. In
 * between no loop knows it, and it belongs to `lane` already. */
void inlay_pg_connection_detach(struct inlay_pg_connection *connection,
                                struct inlay_pg_lane *lane);
/* On the thread of that lane. */
void inlay_pg_connection_attach(struct inlay_pg_connection *connection);

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

/* The server forgets its prepared statement of this number. */
void inlay_pg_deallocate(struct inlay_pg_connection *connection,
                         unsigned number);

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

/* --- What users' SQL does to its session (pg_session.c) ---------------------- */

/* What the server has to know first; an error of it is the first statement's to
 * find. */
void inlay_pg_session_set_up(struct inlay_pg_connection *connection,
                             enum inlay_pg_unit_kind kind);

/* SET and RESET are taken back; three units. If one fails, as one with a
 * statement_timeout of 1 ms may, the connection is lost. */
void inlay_pg_session_reset(struct inlay_pg_connection *connection);

/* A command was done, of `order` (NULL: of a script, or nobody's any more): does
 * it change a setting? */
void inlay_pg_session_tag(struct inlay_pg_connection *connection,
                          PGresult *result,
                          const struct inlay_order *order);

/* A unit of a hold has ended: is its transaction still open? */
void inlay_pg_session_unit(struct inlay_pg_connection *connection,
                           enum inlay_order_kind asked);

/* False: the transaction that the order is meant for has ended; its failure. */
bool inlay_pg_session_may(const struct inlay_pg_connection *connection,
                          struct inlay_order *order);

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

#endif
