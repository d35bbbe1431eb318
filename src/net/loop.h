/*
 * loop.h - one I/O thread's event loop: epoll, timers, and mail from other
 * threads. All functions are for the loop's own thread, but for
 * inlay_loop_post and inlay_loop_stop.
 */
#ifndef INLAY_NET_LOOP_H
#define INLAY_NET_LOOP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/list.h"
#include "base/spare.h"

#define INLAY_LOOP_SCRATCH 65536

/*
 * A file descriptor that the loop watches; embed it. Its memory must last
 * until the end of the tick in which it was removed (see inlay_loop_later):
 * an event for it may be at hand already.
 */
struct inlay_watch {
    int fd;
    uint32_t events; /* EPOLLIN | EPOLLOUT …; 0: not registered */
    void (*on_event)(struct inlay_watch *watch, uint32_t events);
};

/* A deadline in a queue; embed it. */
struct inlay_timer {
    struct inlay_list node; /* in its queue, oldest first; or in none */
    uint64_t due;           /* loop's milliseconds */
};

/* Timers of one duration: setting and ending one costs a list operation. */
struct inlay_timer_queue {
    struct inlay_list node; /* in loop->timer_queues */
    struct inlay_list timers;
    uint64_t duration; /* milliseconds; 0: never expires */
    void (*on_expire)(struct inlay_timer *timer); /* not in the queue then */
};

/* A letter to the loop's thread; embed it. Posted at most once at a time. */
struct inlay_mail {
    struct inlay_mail *next;
    void (*on_receive)(struct inlay_mail *mail); /* on the loop's thread */
};

/* Work at the end of the tick (flushes); embed it, list_init it first. */
struct inlay_later {
    struct inlay_list node;
    void (*run)(struct inlay_later *later);
};

struct inlay_alarm;

struct inlay_loop {
    int epoll;
    struct inlay_watch wake;         /* eventfd */
    uint64_t now;                    /* milliseconds, set once per tick */
    struct inlay_list timer_queues;  /* of struct inlay_timer_queue */
    uint64_t timers_due;             /* no timer of theirs is due before */
    struct inlay_alarm *alarms;      /* the one that is due first, or NULL */
    struct inlay_timer_queue linger; /* of closing connections: conn.c */
    struct inlay_timer_queue retry;  /* of resting listeners: listener.c */
    struct inlay_list later;         /* of struct inlay_later */
    pthread_mutex_t mail_lock;
    struct inlay_mail *mail_first, **mail_last; /* under mail_lock */
    atomic_bool has_mail;                       /* written under mail_lock */
    atomic_bool asleep; /* in epoll_wait: a post must write to the eventfd */
    atomic_bool stopped;
    char *scratch; /* INLAY_LOOP_SCRATCH bytes: what a read lands in */
    struct inlay_spare spare; /* of its connections' buffers */
};

struct inlay_error *inlay_loop_init(struct inlay_loop *loop);
void inlay_loop_deinit(struct inlay_loop *loop);

/* Runs until stopped. */
void inlay_loop_run(struct inlay_loop *loop);

/* Any thread: run() returns after the current tick. */
void inlay_loop_stop(struct inlay_loop *loop);

/* Any thread; FIFO. The mail must not be in the box already. */
void inlay_loop_post(struct inlay_loop *loop, struct inlay_mail *mail);

/*
 * Out of the box again, if it is in there: before memory goes whose letter no
 * tick may read any more. Was it? Not from on_receive.
 */
bool inlay_loop_unpost(struct inlay_loop *loop, struct inlay_mail *mail);

/* Registers, changes (events 0: removes). 0 or -1 with errno. */
int inlay_loop_watch(struct inlay_loop *loop,
                     struct inlay_watch *watch,
                     uint32_t events);

/*
 * Runs at the end of this tick, or of the next when added by one that runs;
 * adding it twice is the same as once. It may free its own memory.
 */
void inlay_loop_later(struct inlay_loop *loop, struct inlay_later *later);

/* The queue must last as long as the loop. */
void inlay_timer_queue_init(struct inlay_loop *loop,
                            struct inlay_timer_queue *queue,
                            uint64_t duration,
                            void (*on_expire)(struct inlay_timer *));

/* Starts the timer anew (also when it runs, in this or another queue). */
void inlay_timer_start(struct inlay_loop *loop,
                       struct inlay_timer_queue *queue,
                       struct inlay_timer *timer);
static inline void inlay_timer_init(struct inlay_timer *timer)
{
    inlay_list_init(&timer->node);
}
static inline void inlay_timer_stop(struct inlay_timer *timer)
{
    inlay_list_remove(&timer->node);
}

#endif
