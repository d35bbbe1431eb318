/*
 * alarm.h - deadlines of any length, of which each has its own: a pairing heap
 * (Fredman, Sedgewick, Sleator, Tarjan 1986) of embedded nodes, so that
 * setting one allocates nothing. Deadlines that many share are timers of a
 * queue (loop.h), which cost less. The loop's thread only.
 */
#ifndef INLAY_NET_ALARM_H
#define INLAY_NET_ALARM_H

#include <stdbool.h>
#include <stdint.h>

struct inlay_loop;

/* Embed it, zeroed. */
struct inlay_alarm {
    struct inlay_alarm *child, *next; /* of the first child's siblings */
    struct inlay_alarm *prev; /* the sibling before, of the first: the parent */
    uint64_t due;             /* inlay_clock_ms's */
    bool is_set;
    void (*on_ring)(struct inlay_alarm *alarm); /* it is not set then */
};

/*
 * Rings once, in `ms` or a little later, never within this call or the tick;
 * also when it was set before. on_ring may set it again, and free it.
 */
void inlay_alarm_set(struct inlay_loop *loop,
                     struct inlay_alarm *alarm,
                     uint64_t ms);

/* It does not ring; allowed on one that is not set. */
void inlay_alarm_stop(struct inlay_loop *loop, struct inlay_alarm *alarm);

/* Of loop.c: those that are due by loop->now. */
void inlay_alarms_ring(struct inlay_loop *loop);

#endif
