/* listener.h - a listening socket that hands accepted ones to its user. */
#ifndef INLAY_NET_LISTENER_H
#define INLAY_NET_LISTENER_H

#include <stdbool.h>

#include "base/address.h"
#include "base/error.h"
#include "net/loop.h"

struct inlay_listener {
    struct inlay_watch watch;
    struct inlay_loop *loop;
    /* A non-blocking, close-on-exec socket; its owner from now on. */
    void (*on_accept)(struct inlay_listener *listener,
                      int fd,
                      const struct inlay_address *peer);
    void *arg;
    struct inlay_timer retry; /* out of descriptors: rest 100 ms, no spin */
    bool tcp;
};

/* Begins to accept on the listening socket `fd` (made non-blocking; owned by
 * the caller). Of several loops that share it one is woken (EPOLLEXCLUSIVE). */
struct inlay_error *inlay_listener_init(
    struct inlay_listener *listener,
    struct inlay_loop *loop,
    int fd,
    void (*on_accept)(struct inlay_listener *,
                      int,
                      const struct inlay_address *),
    void *arg);

/* Takes one that waits, as it does by itself. False: none waits, or there are
 * no descriptors. */
bool inlay_listener_accept(struct inlay_listener *listener);

/* No more accepts (the descriptor stays open). Twice is once. Its memory must
 * last until the end of the tick. */
void inlay_listener_stop(struct inlay_listener *listener);

/* loop.c: `timer` is a listener's `retry`. */
void inlay_listener_retry(struct inlay_timer *timer);

/* The local address of a socket. */
struct inlay_address inlay_address_local(int fd);

#endif
