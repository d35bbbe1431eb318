/*
 * call.h - an inlay_db * as a C function has it: one per database and call, with
 * the transaction, cursors and channels that the call has open. What it asks
 * waits in one of two ways: a coroutine lets its I/O thread go on (serve/); any
 * other thread sleeps, without Python's lock.
 */
#ifndef INLAY_DB_CALL_H
#define INLAY_DB_CALL_H

#include <pthread.h>

#include "db/database.h"
#include "load/context.h"

/* How a coroutine waits, on its lane's thread. */
struct inlay_db_waits {
    /* May it wait at all? False: its client has gone; it may not return then,
     * so nothing of the call may be under way. */
    bool (*may)(struct inlay_db *db);
    /* Until wake, or less. False: it must not wait any more. Returns always. */
    bool (*sleep)(struct inlay_db *db);
    /* What it waits for has come. The call, and `db`, may be over after it. */
    void (*wake)(struct inlay_db *db);
};

struct inlay_db_listening; /* call_listen.c */

struct inlay_db {
    const struct inlay_db_ops *ops; /* first: load/context.h */
    struct inlay_database *database;
    struct inlay_context *context;
    struct inlay_lane *lane;            /* of a coroutine's thread; else NULL */
    const struct inlay_db_waits *waits; /* of a coroutine; else NULL */
    void *waiter;                       /* of `waits` */
    struct inlay_hold *hold;            /* of the transaction, or NULL */
    unsigned depth; /* of inlay_begin: 1 a transaction, then savepoints */
    struct inlay_cursor *cursors; /* open; call_cursor.c */
    struct inlay_db_listening *listening;
    struct inlay_db *next; /* the caller's list */
    /* Of threads that sleep. */
    pthread_mutex_t lock;
    pthread_cond_t done;
};

/* `lane` and `waits` are NULL for a call that only ever runs on threads that
 * may sleep (Python's, the pool's). */
void inlay_db_begin(struct inlay_db *db,
                    struct inlay_database *database,
                    struct inlay_context *context,
                    struct inlay_lane *lane,
                    const struct inlay_db_waits *waits,
                    void *waiter);

/*
 * The call is over: rolls back what is open, gives everything back, without
 * waiting. With a lane: on its thread, or when that has ended and what it
 * listens to before (inlay_db_listening_end). Once.
 */
void inlay_db_end(struct inlay_db *db);

/* Is a transaction open? Then no client should be waited for. */
static inline bool inlay_db_in_transaction(const struct inlay_db *db)
{
    return db->depth > 0;
}

/*
 * What a client is told of a failure below 500: its text, or, when that is for
 * the log, something that fits all of its kind. As long as the failure.
 */
struct inlay_str inlay_db_told(const struct inlay_failure *failure);

/* --- Inside of call*.c ---------------------------------------------------- */

/*
 * Runs an order and waits for it, on the transaction's connection if there is
 * one. False: it failed, and so did the call (`query` says where), or the call
 * must not wait any more. `order` is zero but for what is asked.
 */
bool inlay_db_run(struct inlay_db *db,
                  const struct inlay_query *query,
                  struct inlay_order *order);

/* The call fails with that. */
void inlay_db_fail(struct inlay_db *db,
                   const struct inlay_query *query,
                   const struct inlay_failure *failure);

/* "inlay_commit: <why>": INTERNAL. */
void inlay_db_misuse(struct inlay_db *db, const char *name, const char *why);

/* Does the running call own it? Else that has failed. */
bool inlay_db_owned(const struct inlay_db *db);

/* And may it go on? Else it has failed. */
bool inlay_db_usable(const struct inlay_db *db);

/* The parameters of a query, in the call's arena; NULL when that failed. */
const struct inlay_cell *inlay_db_params(struct inlay_db *db,
                                         const struct inlay_query *query,
                                         const void *const *args);

/* call_cursor.c */
struct inlay_cursor *inlay_db_cursor_open(struct inlay_db *db,
                                          const struct inlay_query *query,
                                          struct inlay_str text,
                                          const void *const *args);
bool inlay_db_cursor_next(struct inlay_cursor *cursor, void *row_ret);
void inlay_db_cursor_close(struct inlay_cursor *cursor);
/* The transaction that some live in ends. */
void inlay_db_cursors_orphan(struct inlay_db *db);
/* Of a call that is over. */
void inlay_db_cursors_end(struct inlay_db *db);

/* call_listen.c */
bool inlay_db_listen(struct inlay_db *db, struct inlay_str channel);
bool inlay_db_notified(struct inlay_db *db, struct inlay_notification *ret);
void inlay_db_listening_end(struct inlay_db *db);

#endif
