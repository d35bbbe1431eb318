/*
 * spread.h - which I/O thread a new connection is for. The one that accepts
 * hands it to the one that has fewest: of many connections that come at once
 * an idle thread accepts all before another wakes, and connections stay where
 * they are.
 */
#ifndef INLAY_SERVE_SPREAD_H
#define INLAY_SERVE_SPREAD_H

#include <pthread.h>

#include "base/address.h"
#include "base/list.h"
#include "net/loop.h"

struct inlay_io_thread;

/* Connections that others have accepted for a thread. */
struct inlay_handed {
    pthread_mutex_t lock; /* of what follows */
    struct inlay_list waiting;
    bool posted;
    struct inlay_mail mail;
};

void inlay_spread_init(struct inlay_io_thread *thread);
/* No thread runs any more: closes what still waits. */
void inlay_spread_deinit(struct inlay_io_thread *thread);

/* `thread` itself, unless another has fewer by two. Counts it for that one:
 * inlay_io_thread_adopt or inlay_spread_hand follows. */
struct inlay_io_thread *inlay_spread_choose(struct inlay_io_thread *thread);

/* The socket is that thread's now. -1: no memory, it is the caller's still. */
int inlay_spread_hand(struct inlay_io_thread *to,
                      int fd,
                      const struct inlay_address *peer);

/* io_thread.c: a connection that was counted for the thread begins, on it. */
void inlay_io_thread_adopt(struct inlay_io_thread *thread,
                           int fd,
                           const struct inlay_address *peer);

#endif
