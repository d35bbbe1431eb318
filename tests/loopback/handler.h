/*
 * handler.h - a handler for tests: each path behaves in its own way. Counters
 * are read by the test's thread.
 */
#ifndef INLAY_TESTS_LOOPBACK_HANDLER_H
#define INLAY_TESTS_LOOPBACK_HANDLER_H

#include <stdatomic.h>

#include "serve/server.h"

struct test_handler {
    struct inlay_handler handler; /* first */
    atomic_int aborts;            /* on_abort calls */
    atomic_int eofs;              /* on_eof calls */
    atomic_int pending;           /* requests waiting in /never, /later */
    atomic_int releases;          /* of test_handler_release, done */
    atomic_size_t body_bytes;     /* given to on_body, of all requests */
    atomic_size_t streamed;       /* bytes that /big has written */
    atomic_size_t most_queued;    /* bytes queued at most, seen by /big */
    atomic_bool destroyed;
    size_t big; /* bytes that /big sends */
    bool any;   /* other paths answer 200 when the body has been read */
    struct inlay_list later; /* of waiting requests; I/O thread's */
    struct inlay_mail release;
};

/* Not freed by its destroy: the test owns it. One I/O thread only when
 * /later is used. */
void test_handler_init(struct test_handler *test);

/* Any thread: answers what waits in /later; resumes what waits in /hold. */
void test_handler_release(struct test_handler *test,
                          struct inlay_server *server);

#endif
