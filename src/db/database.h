/*
 * database.h - the databases of a process, by name: what was configured, and
 * what is open. One instance per process, as the pools are; any thread.
 *
 * A database that is in use has lanes: one per I/O thread of a server, or, for
 * a process without one, a thread of its own. All that a driver does happens on
 * its lanes' threads. Orders come from the lane's own thread (coroutines), or
 * by letter from any other.
 */
#ifndef INLAY_DB_DATABASE_H
#define INLAY_DB_DATABASE_H

#include <pthread.h>

#include "base/error.h"
#include "db/order.h"
#include "db/stats.h"
#include "net/loop.h"

/* The most databases of a process, by name. */
#define INLAY_DATABASES 8

/* Their names: up to 31 of A-Z a-z 0-9 _ -; "default" is "". */
#define INLAY_DATABASE_NAME 31

struct inlay_database_config {
    struct inlay_str name; /* "" is the default one */
    /*
     * "postgresql://…", "postgres://…", "postgresql+asyncpg://…" (and other
     * +drivers of SQLAlchemy), "sqlite:///relative", "sqlite:////absolute",
     * "sqlite+aiosqlite:///…", "sqlite://" and "sqlite:///:memory:" in memory.
     * Parameters of ours in its query are taken out before the driver sees it:
     * min_size, max_size, pool_timeout, statement_timeout, statement_cache
     * (what the options below are called; they win). Times are in seconds, as
     * "2.5"; 0 for statement_timeout and statement_cache: none.
     */
    struct inlay_str url;
    uint32_t min;               /* connections of a process that stay; 0 */
    uint32_t max;               /* 10; of all lanes together */
    uint32_t pool_timeout;      /* ms for a connection; 0: the default, 10 s */
    uint32_t statement_timeout; /* ms; 0: the default, 30 s; UINT32_MAX: none */
    uint32_t statements; /* prepared ones per connection; 0: the default, 256;
                            UINT32_MAX: none, for PgBouncer before 1.21 */
};

/*
 * Replaces what is configured under that name; texts are copied. Nothing is
 * opened before somebody asks. Errors (INLAY_ERROR_VALUE): a scheme that we
 * don't have, a bad number, too many; password never in the text. A database
 * that is open keeps what it has. Not while others look at it (inlay_database_at).
 */
struct inlay_error *inlay_databases_configure(
    const struct inlay_database_config *config);

/* Only the errors that it would have. */
struct inlay_error *inlay_databases_check(
    const struct inlay_database_config *config);

/* The log of warnings ("reports: lost its connection: …"); stderr before. */
struct inlay_log;
void inlay_databases_log(const struct inlay_log *log);

/* stderr again, if it is that log; nothing is written to it afterwards. */
void inlay_databases_log_end(const struct inlay_log *log);

/*
 * The database of that name, opened (no connection is made by that). Error: none
 * is configured under it; the text says how to. The pointer stays good for the
 * life of the process, also in a fork of it, which begins without connections.
 */
struct inlay_error *inlay_database_find(struct inlay_str name,
                                        struct inlay_database **ret);

/* Is one configured under that name? */
bool inlay_database_configured(struct inlay_str name);

/* The i-th that is configured (open or not), or NULL behind the last. */
struct inlay_database *inlay_database_at(size_t index);

/*
 * From now on all of them count in `area`, each in the place of its name (one
 * is taken if there is none): INLAY_DATABASES places that stay, as another
 * thread may be about to count. What was counted so far in memory of their own
 * is added. NULL: in memory of their own again, and what there is now (not what
 * was counted) goes with them.
 */
void inlay_databases_count_in(struct inlay_db_counted *area);

/*
 * Who is asked when a database is looked for that is not configured, and may do
 * that; then it is looked for again. On the thread that looks.
 */
void inlay_databases_missing(void (*ask)(struct inlay_str name));

/*
 * Tests only: closes all, whose I/O threads' lanes must be closed, and forgets
 * what was configured.
 */
void inlay_databases_forget(void);

struct inlay_driver;
struct inlay_own_lane; /* database_lane.c */

struct inlay_database {
    /* Complete: no zeros, url cleaned. Its texts and `shown` have a NUL behind. */
    struct inlay_database_config config;
    struct inlay_str shown; /* the URL without its password */
    const struct inlay_driver *driver;
    char name[INLAY_DATABASE_NAME + 1]; /* config.name: never changes */
    size_t index;                       /* below INLAY_DATABASES */
    atomic_bool is_open;
    void *impl;                             /* the driver's */
    _Atomic(struct inlay_db_stats *) stats; /* never NULL */
    pthread_mutex_t lock;
    struct inlay_list lanes;    /* under the lock */
    size_t nlanes;              /* of them */
    struct inlay_own_lane *own; /* the thread for callers without lanes */
    char *texts;                /* of config and shown */
    struct inlay_db_stats own_stats;
};

/* What a driver puts at the beginning of its lane. */
struct inlay_lane {
    struct inlay_database *database;
    struct inlay_loop *loop;
    struct inlay_list node;        /* in database->lanes */
    struct inlay_order *letters;   /* newest first; under database->lock */
    struct inlay_order *abandoned; /* under database->lock */
    struct inlay_mail mail;        /* there are some */
    bool is_posted;                /* under database->lock */
    pthread_t thread;              /* whose it is */
};

/*
 * The lane of an I/O thread, on that thread, before its loop runs or while it
 * does; ended on it after its last tick: orders that wait get on_done
 * (unavailable) within that. Coroutines that wait must be gone by then, or able
 * to go on.
 */
struct inlay_error *inlay_lane_open(struct inlay_database *database,
                                    struct inlay_loop *loop,
                                    struct inlay_lane **ret);
void inlay_lane_close(struct inlay_lane *lane);

/*
 * The lane of the database's own thread, which is there from then on, for as
 * long as the process: other threads reach it by letters to its loop.
 */
struct inlay_error *inlay_database_own_lane(struct inlay_database *database,
                                            struct inlay_lane **ret);

/*
 * Hands an order on. `lane`: the caller is on its thread; NULL: any thread, any
 * lane (of the hold, if there is one), and on_done comes on another thread. What
 * takes a hold goes to the database's own thread then, which lasts as long as
 * the process: so does whatever others hold. A failure to hand on (the lane of
 * the hold has ended, too) is the order's failure, and on_done is called for it
 * within this.
 */
void inlay_database_submit(struct inlay_database *database,
                           struct inlay_lane *lane,
                           struct inlay_order *order);

/*
 * On the thread of its lane: nobody wants it any more. When this returns the
 * order is forgotten: on_done is not called. On a hold the statement is
 * cancelled, and the hold good for inlay_hold_release alone; of BEGIN and OPEN
 * what they might still take is given back. Else its result is thrown away.
 */
void inlay_database_give_up(struct inlay_order *order);

/*
 * The same from any thread, of an order that was submitted with `database`: its
 * lane gives it up when it comes to that, and then calls on_done, with a failure
 * (UNAVAILABLE), or with what it was done with just before. on_done is called
 * once all the same, perhaps before this returns: then its memory must last for
 * this call, too. More than once is as good as once.
 */
void inlay_database_abandon(struct inlay_database *database,
                            struct inlay_order *order);

/*
 * Gives the connection of a hold back, whatever state it is in: what is open is
 * rolled back, cursors are closed. Not while an order on it waits. Any thread;
 * also when its lane has ended, which has ended the transaction.
 */
void inlay_hold_release(struct inlay_hold *hold);

/* --- Notifications -------------------------------------------------------- */

/* Who listens to a channel; the caller's memory until inlay_unlisten has
 * returned (on the lane's thread) or called on_gone (posted to it). */
struct inlay_subscriber {
    struct inlay_str channel;
    /* On the lane's thread; payload is valid meanwhile. `gap`: some may have
     * been lost before this, or (payload.ptr NULL) just now. */
    void (*on_notification)(struct inlay_subscriber *listener,
                            struct inlay_str payload,
                            bool gap);
    /* Once: it listens from now on, or never will (`failure`). */
    void (*on_ready)(struct inlay_subscriber *listener,
                     const struct inlay_failure *failure);
    void *arg;
    struct inlay_list node; /* the driver's */
    void *driver;
};

/* On the lane's thread. */
void inlay_listen(struct inlay_lane *lane, struct inlay_subscriber *listener);
void inlay_unlisten(struct inlay_lane *lane, struct inlay_subscriber *listener);

#endif
