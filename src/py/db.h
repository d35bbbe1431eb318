/*
 * db.h - the databases of the process for Python (inlay.db): what Python asks
 * becomes an order (db/order.h), whose memory is C's own, so that it may end
 * without the GIL and without anybody who waits. Rows become tuples when
 * somebody takes them. Hold the GIL, but where it is said.
 */
#ifndef INLAY_PY_DB_H
#define INLAY_PY_DB_H

#include "py/py.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "db/database.h"
#include "py/lane.h"

/* Parameters and cells of one order. */
#define INLAY_PY_DB_MEMORY ((size_t)1 << 32)

/*
 * A connection that is a caller's: counted by its inlay._core.Hold and by the
 * orders that are under way on it, or not looked at; given back with the last.
 */
struct inlay_py_hold {
    atomic_size_t refs;
    struct inlay_hold *hold; /* NULL: BEGIN or OPEN did not give it yet */
    atomic_bool busy;        /* an order is under way */
    pid_t pid;   /* a fork of the process has no connections: not its to give */
    bool broken; /* nobody waited for one: what it did is unknown */
};

struct inlay_py_order {
    struct inlay_order order;
    struct inlay_database *database;
    struct inlay_py_hold *hold; /* counted; NULL: none, or it was looked at */
    struct inlay_arena arena;   /* what it is asked with */
    /* One of these waits for it: a loop, or a thread. */
    struct inlay_py_errand errand;
    struct inlay_py_order **slot; /* where its object keeps it */
    sem_t done;
    bool blocks;            /* it is a thread */
    atomic_bool abandoned;  /* nobody does any more */
    bool started, finished; /* with the GIL */
};

/* --- db_value.c ----------------------------------------------------------- */

/*
 * A parameter -> a cell in the order's arena. -1 with an exception: TypeError
 * for what no database knows, OverflowError beyond 64 bits, ValueError.
 */
int inlay_py_db_in(struct inlay_py_state *state,
                   PyObject *value,
                   struct inlay_arena *arena,
                   struct inlay_cell *ret);

/* JSON stays text. A new reference, or NULL with an exception. */
PyObject *inlay_py_db_out(struct inlay_py_state *state,
                          const struct inlay_cell *cell);

/* --- db_order.c ----------------------------------------------------------- */

/* Of one reference; NULL with MemoryError. */
struct inlay_py_hold *inlay_py_hold_create(void);
/* Any thread, without the GIL; NULL is allowed. */
void inlay_py_hold_unref(struct inlay_py_hold *hold);

/* `hold` may be NULL. NULL with an exception. */
struct inlay_py_order *inlay_py_order_create(struct inlay_database *database,
                                             struct inlay_py_hold *hold);
/* It is not under way. Without the GIL. */
void inlay_py_order_destroy(struct inlay_py_order *order);

/* Hands the order in *slot on for a loop, or blocks (the GIL is given back). -1
 * with an exception; after one while it blocks *slot is NULL. */
int inlay_py_order_start(struct inlay_py_state *state,
                         struct inlay_py_order **slot,
                         PyObject *owner,
                         PyObject *loop,
                         PyObject **future_ret);
int inlay_py_order_wait(struct inlay_py_order **slot);

/* Until it is posted, without the GIL; -1 with the exception of a signal's
 * handler. */
int inlay_py_db_sleep(sem_t *done);

/* Nobody wants it any more, be it under way. */
void inlay_py_order_drop(struct inlay_py_order *order);

/* Sets the exception. Always -1. */
int inlay_py_db_raise(struct inlay_py_state *state,
                      const struct inlay_failure *failure);

/* db_listen.c - its part. 0, or -1 with an exception. */
int inlay_py_db_listen_init(PyObject *module, struct inlay_py_state *state);

#endif
