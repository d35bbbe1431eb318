/*
 * stats.h - what is counted of a database. Words are atomic; counters are added
 * to by any thread (relaxed), so that they may lie in memory that others read.
 */
#ifndef INLAY_DB_STATS_H
#define INLAY_DB_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/buckets.h"

enum { INLAY_DB_BUCKETS = INLAY_BUCKETS };

#define INLAY_DB_GAUGES 4 /* the first words */

struct inlay_db_stats {
    /* Gauges: now. */
    _Atomic(uint64_t) connections; /* that are open */
    _Atomic(uint64_t) held;        /* of them: transactions, cursors */
    _Atomic(uint64_t) busy;        /* of them: those with a statement or held */
    _Atomic(uint64_t) waiting;     /* orders without a connection */
    /* Counters. */
    _Atomic(uint64_t) connected; /* connections made */
    _Atomic(uint64_t) lost;      /* that ended by themselves */
    _Atomic(uint64_t) failed;    /* attempts to connect */
    _Atomic(uint64_t) timeouts;  /* orders that got no connection in time */
    _Atomic(uint64_t) waits;     /* orders that had to wait for one */
    _Atomic(uint64_t) wait_ns;   /* how long all of them did */
    _Atomic(uint64_t) errors;    /* statements that failed */
    _Atomic(uint64_t) cancelled; /* statements, for their client had gone */
    _Atomic(uint64_t) buckets[INLAY_DB_BUCKETS]; /* statements by duration,
                                                    from submit to done */
    _Atomic(uint64_t) sum;                       /* ns */
};

/*
 * Those of a database by its name, in memory that others read: a place that has
 * no length is free. Names are written once.
 */
#define INLAY_DB_COUNTED_NAME 31

struct inlay_db_counted {
    atomic_uchar len; /* 1 and more: the default database is "default" */
    char name[INLAY_DB_COUNTED_NAME];
    struct inlay_db_stats stats;
};

#endif
