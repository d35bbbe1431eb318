/*
 * stats.h - what is counted of a database. Words are atomic; counters are added
 * to by any thread (relaxed), so that they may lie in memory that others read.
 */
#ifndef INLAY_DB_STATS_H
#define INLAY_DB_STATS_H

#include <stdatomic.h>
#include <stdint.h>

/* Upper bounds of a statement's duration, ns; the last bucket is +Inf. */
#define INLAY_DB_BOUNDS(X)                                                     \
    X(100000, "0.0001")                                                        \
    X(250000, "0.00025")                                                       \
    X(500000, "0.0005")                                                        \
    X(1000000, "0.001")                                                        \
    X(2500000, "0.0025")                                                       \
    X(5000000, "0.005")                                                        \
    X(10000000, "0.01")                                                        \
    X(25000000, "0.025")                                                       \
    X(50000000, "0.05")                                                        \
    X(100000000, "0.1")                                                        \
    X(250000000, "0.25")                                                       \
    X(500000000, "0.5")                                                        \
    X(1000000000, "1.0")                                                       \
    X(2500000000, "2.5")                                                       \
    X(5000000000, "5.0")                                                       \
    X(10000000000, "10.0")

#define INLAY_DB_BOUND_COUNT_(ns, text) +1
enum { INLAY_DB_BUCKETS = 1 INLAY_DB_BOUNDS(INLAY_DB_BOUND_COUNT_) };
#undef INLAY_DB_BOUND_COUNT_

struct inlay_db_stats {
    /* Gauges: now. */
    _Atomic(uint64_t) connections; /* that are open */
    _Atomic(uint64_t) held;        /* of them: transactions, cursors */
    _Atomic(uint64_t) busy;        /* of them: those with a statement or held */
    _Atomic(uint64_t) waiting;     /* orders without a connection */
    /* Counters. */
    _Atomic(uint64_t) connected;   /* connections made */
    _Atomic(uint64_t) lost;        /* that ended by themselves */
    _Atomic(uint64_t) failed;      /* attempts to connect */
    _Atomic(uint64_t) timeouts;    /* orders that got no connection in time */
    _Atomic(uint64_t) waits;       /* orders that had to wait for one */
    _Atomic(uint64_t) wait_ns;     /* how long all of them did */
    _Atomic(uint64_t) errors;      /* statements that failed */
    _Atomic(uint64_t) cancelled;   /* statements, for their client had gone */
    _Atomic(uint64_t) buckets[INLAY_DB_BUCKETS]; /* statements by duration,
                                                    from submit to done */
    _Atomic(uint64_t) sum;                       /* ns */
};

#endif
