/*
 * order.h - what drivers have in common for the rest of db/: statements go in,
 * rows come out as cells. An order belongs to its caller; its memory and all
 * that it points to must last until on_done was called, or until the order was
 * given up.
 */
#ifndef INLAY_DB_ORDER_H
#define INLAY_DB_ORDER_H

#include <stdatomic.h>

#include "base/list.h"
#include "db/cell.h"

struct inlay_database;
struct inlay_lane;

/* A connection that is one caller's: a transaction's, a cursor's. */
struct inlay_hold;

enum inlay_order_kind {
    INLAY_ORDER_QUERY, /* one statement with its parameters */
    INLAY_ORDER_BATCH, /* one statement with `sets` sets of parameters: all or
                          none; in a hold within its transaction, a savepoint
                          is not made */
    INLAY_ORDER_COPY,  /* `sets` rows of `nparams` cells into `sql`, "users (id,
                          name)"; as BATCH */
    INLAY_ORDER_SCRIPT, /* any number of statements without parameters, as psql
                           would run a file; in a hold; gives no rows */
    INLAY_ORDER_BEGIN, /* takes a connection and begins a transaction: `hold` */
    INLAY_ORDER_COMMIT, /* of a hold, which stays one. A failure, too, when the
                           database rolled back instead */
    INLAY_ORDER_OPEN,   /* takes one, unless `hold` says which: a cursor for the
                           statement; `cursor` */
    INLAY_ORDER_FETCH,  /* `rows`: the next ones of `cursor`, a bounded number;
                           none, or `more` false: it has ended */
    INLAY_ORDER_CLOSE,  /* of `cursor`; a hold that OPEN took stays one */
};

/* What went wrong: an error of inlay.h, and what the database said. */
struct inlay_failure {
    int kind;         /* enum inlay_error_kind; 0: nothing */
    char sqlstate[6]; /* "23505"; "" when it has none (SQLite, the network) */
    bool may_retry;   /* the whole transaction: serialization failure, deadlock,
                         SQLITE_BUSY */
    bool is_private; /* the text names what is stored: the log's, no client's */
    char text[500];  /* UTF-8, ended by NUL, in the database's words */
};

/* Rows that have come, in memory of their own. Any thread, one at a time. */
struct inlay_rowset {
    size_t ncolumns, nrows;
    const struct inlay_rowset_ops *ops;
};

struct inlay_rowset_ops {
    /* A view of the set. */
    struct inlay_str (*name)(const struct inlay_rowset *rows, size_t column);
    /*
     * Fills in a cell: texts are views of the set, or in `arena`. NULL, or why
     * not: the value is damaged, has a type that cells don't know ("interval
     * has no form in C: select it as text, with ::text"), no memory; static or
     * in `arena`.
     */
    const char *(*cell)(const struct inlay_rowset *rows,
                        size_t row,
                        size_t column,
                        struct inlay_arena *arena,
                        struct inlay_cell *ret);
    void (*destroy)(struct inlay_rowset *rows);
};

struct inlay_order {
    enum inlay_order_kind kind;
    bool keep; /* the statement will be asked again: worth preparing */
    struct inlay_str sql;
    const struct inlay_cell *params; /* nparams; of BATCH and COPY sets times */
    size_t nparams, sets;
    struct inlay_hold *hold; /* whose connection it is for, or NULL */
    void *cursor;            /* the driver's; of OPEN, FETCH, CLOSE */
    /* Out. */
    struct inlay_failure failure;
    struct inlay_rowset *rows; /* of a statement that has columns; else NULL.
                                  The caller's to destroy */
    int64_t changed;           /* rows: inserted, updated, deleted */
    bool more;                 /* FETCH */
    bool is_done;              /* set before on_done */
    /* On the thread of its lane; never within submit. */
    void (*on_done)(struct inlay_order *order);
    void *arg; /* the caller's */
    /* database.c's and the driver's. */
    struct inlay_lane *lane;
    struct inlay_order *next;           /* in a lane's letters */
    struct inlay_order *next_abandoned; /* in a lane's list of them */
    atomic_int fate;                    /* database_lane.c's */
    struct inlay_list node;             /* in a driver's queue */
    void *driver;
    uint64_t since; /* ns: when it was submitted */
};

/* printf into failure->text; `kind` as in inlay.h. */
void inlay_failure_set(struct inlay_failure *failure,
                       int kind,
                       const char *format,
                       ...) inlay_printf(3, 4);

static inline void inlay_rowset_destroy(struct inlay_rowset *rows)
{
    if (rows)
        rows->ops->destroy(rows);
}

#endif
