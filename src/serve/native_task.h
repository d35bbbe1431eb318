/*
 * native_task.h - inside of native calls: what functions have said of the
 * answer, and what a call has that may wait. Private to native_*.c.
 */
#ifndef INLAY_SERVE_NATIVE_TASK_H
#define INLAY_SERVE_NATIVE_TASK_H

#include "net/alarm.h"
#include "pool/workers.h"
#include "serve/native_call.h"
#include "serve/static_files.h"

/* In the call's arena, made by the first word. */
struct inlay_native_said {
    int status; /* 0: none */
    bool next;
    bool redirected;
    bool has_file;
    struct inlay_static_file file; /* closed with the arena unless taken */
    struct inlay_extra *trailers;  /* in order */
    struct inlay_extra *headers;   /* said on the pool: not the request's yet */
};

/* The body's way to inlay_read. */
struct inlay_native_inflow {
    struct inlay_buf held; /* that came and was not asked for; at most a window
                              and a read */
    char *into;            /* of the inlay_read that waits; or NULL */
    size_t room, got;
    bool paused;
    bool asked; /* inlay_read was called */
    bool ended; /* the last bytes have come */
};

/* One function on the pool; in the call's arena. */
struct inlay_native_lane;
struct inlay_native_pooled {
    struct inlay_job job;
    struct inlay_mail mail; /* it has returned */
    struct inlay_list node; /* in lane->pooled */
    struct inlay_native_lane *lane;
    struct inlay_native_task *task;
    const struct inlay_callable *callable;
    const struct inlay_native_table *table; /* counted */
    void **args;
    void *result;
    struct inlay_arena arena; /* all of the request's memory meanwhile */
    bool posted;              /* under the lane's lock */
    struct inlay_request copy;
    struct inlay_address client, local;
    struct inlay_str local_path;
};

/* In the request's arena, which is the pool's while a function runs there. */
struct inlay_native_task {
    struct inlay_native_call call; /* first */
    struct inlay_native_work work;
    struct inlay_io_thread *thread;
    struct inlay_request *request; /* NULL: it is over */
    struct inlay_coroutine *coroutine;
    enum inlay_native_wait waits;
    bool over;        /* the coroutine has ended */
    bool abandoned;   /* it must not go on */
    bool closed;      /* waits return false */
    bool events;      /* the answer is a stream of events */
    unsigned refused; /* waits that returned false at once */
    struct inlay_alarm alarm;
    struct inlay_alarm parting; /* its client has ended its side */
    struct inlay_native_inflow inflow;
    struct inlay_arena_defer *before;   /* the defers that are not the call's */
    struct inlay_native_pooled *pooled; /* while it waits for the pool */
    struct inlay_db *databases;         /* that it was given */
};

/* What the functions have said, to be written to; NULL (and the call has
 * failed) without memory. */
struct inlay_native_said *inlay_native_say(struct inlay_native_call *call);

/* Has the answer begun, or was one chosen? */
bool inlay_native_has_answered(const struct inlay_native_call *call);

/* native_call.c: is the running function on the pool? */
static inline bool inlay_native_is_pooled(const struct inlay_native_call *call)
{
    return call->step->colour == INLAY_COLOUR_POOL;
}

/* native_pool.c: runs it there while the coroutine waits. False: it was not
 * (the call has failed), or the request is over. */
bool inlay_native_pool_run(struct inlay_native_task *task,
                           const struct inlay_callable *callable,
                           void **args,
                           void *result);
/* The request is over and the coroutine has ended: the arena goes. */
void inlay_native_pool_free(struct inlay_native_pooled *pooled);

/* native_db.c: what the call has open of databases ends; it does not wait. */
void inlay_native_databases_end(struct inlay_native_task *task);
/* Only its channels, on the I/O thread; the rest then ends on any other. */
void inlay_native_listening_end(struct inlay_native_task *task);
bool inlay_native_in_transaction(const struct inlay_native_task *task);

/* native_call.c: as inlay_native_await, but it returns always, false when the
 * client is gone; also for a call that has failed. */
bool inlay_native_sleep_for(struct inlay_native_call *call,
                            enum inlay_native_wait what);

/* native_stream.c */
void inlay_native_inflow_begin(struct inlay_native_task *task);
/* No more of it comes until it is read on. */
void inlay_native_inflow_pause(struct inlay_native_task *task);
ptrdiff_t inlay_native_read(struct inlay_context *context,
                            void *buffer,
                            size_t size);
bool inlay_native_write(struct inlay_context *context,
                        struct inlay_str bytes,
                        bool text);
bool inlay_native_event(struct inlay_context *context, struct inlay_str text);
bool inlay_native_refuse(struct inlay_context *context);

/* native_answer.c: the end of a body, with the trailers that were set. */
void inlay_native_finish(struct inlay_native_call *call);

#endif
