/*
 * driver.h - inside db/: what PostgreSQL (pg*.c) and SQLite (sqlite*.c) are to
 * database.c. Everything happens on the lane's thread but open and close.
 */
#ifndef INLAY_DB_DRIVER_H
#define INLAY_DB_DRIVER_H

#include "db/database.h"

/* Bytes of the rows of one statement: more is an error. */
#define INLAY_ROWS_MOST ((size_t)256 << 20)

/* What a driver puts at the beginning of its hold. */
struct inlay_hold {
    struct inlay_database *database;
    /* NULL: it has ended, and the hold is an orphan. Changes under the
     * database's lock, on the lane's thread. */
    struct inlay_lane *lane;
    struct inlay_mail release; /* database_lane.c's, for other threads */
};

/*
 * Within lane_destroy, of a hold that was not given back. False: it is an orphan
 * from now on, whose memory lasts until its owner gives it back: then `release`
 * is called on any thread. True: its owner has done so by a letter that nobody
 * read; it is the driver's.
 */
bool inlay_hold_orphan(struct inlay_hold *hold);

struct inlay_driver {
    const char *name; /* "postgresql", "sqlite": the scheme, without +driver */
    /* database->impl; checks the URL (INLAY_ERROR_VALUE). No I/O. */
    struct inlay_error *(*open)(struct inlay_database *database);
    void (*close)(struct inlay_database *database); /* no lane is left */
    /* Memory for the lane, whose base database.c fills in; then it begins: the
     * loop is there. */
    struct inlay_lane *(*lane_create)(struct inlay_database *database);
    void (*lane_begin)(struct inlay_lane *lane);
    /* Ends connections and threads' work for it; orders that wait are done. */
    void (*lane_destroy)(struct inlay_lane *lane);
    void (*submit)(struct inlay_lane *lane, struct inlay_order *order);
    void (*give_up)(struct inlay_lane *lane, struct inlay_order *order);
    void (*release)(struct inlay_hold *hold);
    /* NULL: it has no notifications. */
    void (*listen)(struct inlay_lane *lane, struct inlay_subscriber *listener);
    void (*unlisten)(struct inlay_lane *lane,
                     struct inlay_subscriber *listener);
};

extern const struct inlay_driver inlay_driver_pg, inlay_driver_sqlite;

/* A warning in the log, one line: "database reports: …". Any thread. */
void inlay_database_warn(const struct inlay_database *database,
                         const char *format,
                         ...) inlay_printf(2, 3);

/* The same, for information: what clients do wrong. */
void inlay_database_tell(const struct inlay_database *database,
                         const char *format,
                         ...) inlay_printf(2, 3);

/* Tests only: a driver more, or instead of one of the same name. */
void inlay_databases_driver(const struct inlay_driver *driver);

/* database_lane.c: the order is done: counts it, sets is_done, calls on_done. */
void inlay_order_done(struct inlay_order *order);

#endif
