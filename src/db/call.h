/*
 * call.h - an inlay_db * as a C function has it: one per database and call, with
 * the transaction, cursors and channels that the call has open. What it is asked
 * waits in one of two ways: a coroutine lets its I/O thread go on (serve/), a
 * thread of its own sleeps, without Python's lock.
 */
#ifndef INLAY_DB_CALL_H
#define INLAY_DB_CALL_H

#include <semaphore.h>

#include "db/database.h"
#include "load/context.h"

/* How a call waits. */
struct inlay_db_waits {
    /*
     * Sleeps until inlay_db_wakes is called for it, or less. False: its client
     * has gone, it must not wait any more.
     */
    bool (*sleep)(struct inlay_db *db);
    /* What it waits for has come; on the lane's thread. */
    void (*wake)(struct inlay_db *db);
};

struct inlay_db_listening; /* call_listen.c */

struct inlay_db {
    const struct inlay_db_ops *ops; /* first: load/context.h */
    struct inlay_database *database;
    struct inlay_lane *lane; /* of the thread that it runs on; or NULL */
    struct inlay_context *context;
    const struct inlay_db_waits *waits;
    void *waiter; /* whoever waits; of `waits` */
    struct inlay_hold *hold; /* of the transaction, or NULL */
    unsigned depth;          /* of inlay_begin: 1 a transaction, then savepoints */
    struct inlay_cursor *cursors; /* open */
    struct inlay_db_listening *listening;
    bool may_retry; /* what it failed of */
    sem_t done;     /* of a thread of its own */
    struct inlay_db *next; /* the caller's list */
};

/* A coroutine's. */
void inlay_db_begin(struct inlay_db *db,
                    struct inlay_database *database,
                    struct inlay_lane *lane,
                    struct inlay_context *context,
                    const struct inlay_db_waits *waits,
                    void *waiter);

/* Of a call on a thread that may sleep: context->waiting is told of it. */
void inlay_db_begin_blocking(struct inlay_db *db,
                             struct inlay_database *database,
                             struct inlay_context *context);

/* The call is over: rolls back what is open, gives everything back. Does not
 * wait. On the thread of the call (a coroutine's: of its lane). */
void inlay_db_end(struct inlay_db *db);

/* Is a transaction open? Then nobody should be waited for. */
static inline bool inlay_db_in_transaction(const struct inlay_db *db)
{
    return db->depth > 0;
}

#endif
