/*
 * admission.h - how many requests the application has at once: a handler
 * around the application's. What comes over the limit waits in one queue for
 * all I/O threads, first in, first out; past that, or when its time there is
 * over, it gets a 503. Who stands before it in the chain (native routes,
 * files) never waits.
 */
#ifndef INLAY_SERVE_ADMISSION_H
#define INLAY_SERVE_ADMISSION_H

#include "serve/server.h"

struct inlay_admission;

/*
 * By the server's limits: concurrency, queue, queue_timeout. Becomes the owner
 * of the application's handler when it succeeds. Cold; before the start.
 */
struct inlay_error *inlay_admission_create(struct inlay_server *server,
                                           struct inlay_handler *application,
                                           struct inlay_handler **ret);

/* Frees it and gives the application's handler back. */
void inlay_admission_dissolve(struct inlay_handler *handler);

/* A slot is held until the request ends. Any thread; a moment's truth. */
void inlay_admission_count(struct inlay_handler *handler,
                           size_t *active_ret,
                           size_t *queued_ret);

/* Of io_thread's queue_timers. */
void inlay_admission_expire(struct inlay_timer *timer);

#endif
