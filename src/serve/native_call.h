/*
 * native_call.h - C functions at work on a request: those of a route (its
 * providers, then its handler) or of a guard, one after the other, or a lifted
 * one alone, with what they say of the answer. I/O thread only, but for
 * functions that run on the pool.
 *
 * The colour of a list of steps is the strongest of its functions': PLAIN ones
 * run at once, on the thread's own stack. If one may wait (an inlay_request *,
 * inlay_socket * or inlay_db * parameter, but for a const inlay_request *) or
 * runs on the pool (INLAY_ASYNC), all run in a coroutine, which waits for the pool as for anything else.
 */
#ifndef INLAY_SERVE_NATIVE_CALL_H
#define INLAY_SERVE_NATIVE_CALL_H

#include "db/database.h"
#include "load/context.h"
#include "net/coroutine.h"
#include "serve/bind.h"
#include "serve/request.h"

enum inlay_colour {
    INLAY_COLOUR_PLAIN,
    INLAY_COLOUR_COROUTINE,
    INLAY_COLOUR_POOL,
};

/* "I/O thread", "coroutine", "pool": what `inlay routes` prints. */
const char *inlay_colour_text(enum inlay_colour colour);

/* Of a function alone. */
enum inlay_colour inlay_colour_of(const struct inlay_func *func);

struct inlay_injection;

/* One function with its place in a list. */
struct inlay_step {
    const struct inlay_bind *bind;
    enum inlay_colour colour;
    bool provides; /* its result, a pointer, goes to values[slot] */
    bool by_value; /* provides: the result is the struct, values[slot] is where
                      it lies */
    bool shared;   /* provides: the same for all lists of the request (no part
                      of the path is in it); once is_done, it is skipped */
    uint16_t slot;
};

/* Providers before those who need them; the last one is who it is all for. */
struct inlay_steps {
    struct inlay_step *items;
    size_t count;
    size_t nslots; /* of results of providers; 0: none are used */
    enum inlay_colour colour;
    bool counted; /* a state is used: the table must outlive the call */
    const struct inlay_injection
        *injection; /* whose slots they are; inject.h */
};

/*
 * Results of a module's providers for one request, in its arena: guards, the
 * route and hooks share them.
 */
struct inlay_provided {
    struct inlay_provided *next; /* of another module; request->provided */
    const struct inlay_injection *injection;
    bool *is_done;  /* by slot: a shared step has run */
    void *values[]; /* by slot; what inlay_bind_input.provided is */
};

/* Those for the steps, made if need be; NULL without memory. inject.c. */
struct inlay_provided *inlay_provided_of(struct inlay_request *request,
                                         const struct inlay_steps *steps);

/* --- Calling them ------------------------------------------------------- */

struct inlay_native_call;
struct inlay_native_said;
struct inlay_native_task;

/* What is called, for whom. Copied by inlay_native_begin when it must last. */
struct inlay_native_work {
    const struct inlay_steps *steps;
    /*
     * What parameters are read from: `path`, `body` and what belongs to it;
     * the rest is set by inlay_native_begin. A body that does not lie in the
     * arena lasts as long as begin does: enough for steps that are PLAIN.
     */
    struct inlay_bind_input input;
    size_t npath; /* of input.path: views into request->path, or elsewhere */
    struct inlay_str what; /* "GET /users/{id}", "guard /admin/(star)": for logs
                              and crash reports; must last */
    bool is_route;         /* inlay_next, inlay_read: its handler answers */
    bool reads_body;       /* a route without parameters from the body */
    /* inlay_native_http; of a WebSocket another one. NULL: the functions are
     * not asked what they say of the answer, as when Python calls them. */
    const struct inlay_http_ops *http;
    /*
     * The call that inlay_native_begin has left waiting is over: see `end`.
     * Not called when the request has ended before (its on_abort was called):
     * then on_gone is, if there is one. I/O thread, no coroutine.
     */
    void (*on_done)(struct inlay_native_call *call);
    void (*on_gone)(struct inlay_native_call *call);
    void *arg; /* the caller's */
};

/* How a call has ended. */
enum inlay_native_end {
    INLAY_NATIVE_RETURNED, /* all have; `result` is the last one's */
    INLAY_NATIVE_FAILED,   /* context.error */
    INLAY_NATIVE_UNBOUND,  /* `bound`; the last one was not called */
};

/*
 * The running call; on the caller's stack when all steps are PLAIN, else a
 * part of an inlay_native_task in the request's arena.
 */
struct inlay_native_call {
    struct inlay_context
        context; /* first; the arena is the request's, or was */
    /* To be read; a copy while a function runs on the pool. */
    struct inlay_request *request;
    const struct inlay_native_work *work;
    const struct inlay_step *step;  /* the one that runs */
    struct inlay_native_said *said; /* status, redirect, …; NULL: nothing */
    struct inlay_native_task *task; /* NULL: nothing may wait */
    void *result;                   /* of the last step */
    struct inlay_violations violations; /* of UNBOUND */
    enum inlay_bind_status bound;       /* of UNBOUND */
    enum inlay_native_end end;
    bool called; /* one of the functions was; false: nothing has happened yet */
};

static inline struct inlay_native_call *inlay_native_call_of(
    struct inlay_context *context)
{
    return (struct inlay_native_call *)(void *)context; /* its first member */
}

/*
 * Calls the functions. The result is `room` or a task's: the call is over,
 * look at `end`; or NULL: it waits, the request is PENDING, on_done will be
 * called. It never answers by itself. `work` lasts as long as begin does.
 *
 * A request whose body has not been read is paused while its call waits.
 */
struct inlay_native_call *inlay_native_begin(struct inlay_request *request,
                                             struct inlay_native_work *work,
                                             struct inlay_native_call *room);

/*
 * Of a call that is over: gives the answer, unless the functions have all
 * returned and said of the answer no more than status and headers (false: a
 * route writes its result, a guard passes the request on). True: the request
 * is over, or somebody else's (inlay_next).
 */
bool inlay_native_answer(struct inlay_native_call *call);

/* What inlay_status has said, or `otherwise`. */
int inlay_native_status(const struct inlay_native_call *call, int otherwise);

/*
 * The handler's on_body, on_room, on_drained and on_abort of a request whose
 * call waits: `call` is what request->handler_data is from the moment that
 * inlay_native_begin returns NULL until on_done or on_gone is called.
 */
void inlay_native_take_body(struct inlay_native_call *call,
                            struct inlay_str chunk,
                            bool last);
char *inlay_native_room(struct inlay_native_call *call, size_t *len_ret);
void inlay_native_drained(struct inlay_native_call *call);
/* The functions' waits return false from now on; on_gone is called before it
 * returns, or when the function on the pool has returned. */
void inlay_native_abort(struct inlay_native_call *call);
/* The same for an answer that is still wanted: the client has ended its side.
 * A stream of events ends then, and a call that has asked a database a second
 * later. */
void inlay_native_eof(struct inlay_native_call *call);

/* What has come of the body since, and was not read: for inlay_session_next. */
struct inlay_str inlay_native_inflow_view(const struct inlay_native_call *call);

/* --- Waiting ------------------------------------------------------------ */

/* What a call waits for. */
enum inlay_native_wait {
    INLAY_NATIVE_RUNS, /* for nothing */
    INLAY_NATIVE_BODY,
    INLAY_NATIVE_DRAINED,
    INLAY_NATIVE_TIMER,
    INLAY_NATIVE_MESSAGE, /* of a WebSocket */
    INLAY_NATIVE_POOL,
    INLAY_NATIVE_DB,
};

/*
 * May the function that runs wait at all? Else the call has failed, in words
 * that begin with `name` ("inlay_sleep").
 */
bool inlay_native_may_wait(struct inlay_native_call *call, const char *name);

/*
 * Gives the thread to others until inlay_native_wake for the same. False: the
 * call has failed or the client is gone, now or before. Check what is awaited
 * again: it may be woken for less.
 */
bool inlay_native_await(struct inlay_native_call *call,
                        enum inlay_native_wait what);

/* The call goes on if it waits for that; it may be over afterwards. Not from
 * within a coroutine. */
void inlay_native_wake(struct inlay_native_call *call,
                       enum inlay_native_wait what);

/* The client is gone, or its interest: waits return false from now on, the one
 * at hand too. */
void inlay_native_close(struct inlay_native_call *call);

/* native_db.c: the call's own inlay_db; NULL: it has failed. */
struct inlay_db *inlay_native_database(struct inlay_native_call *call,
                                       struct inlay_database *database);

/* The thread's lanes of all databases that are configured; on that thread, when
 * its loop begins, and when it has ended. */
void inlay_native_lanes_open(struct inlay_io_thread *thread);
void inlay_native_lanes_close(struct inlay_io_thread *thread);

/* The thread's loop has ended, all requests with it: functions that are still
 * on the pool have nobody to return to. On that thread. */
void inlay_native_pool_leave(struct inlay_io_thread *thread);

/* --- Services: native_api.c, native_stream.c ---------------------------- */

/* All of inlay.h but WebSockets, where it fails. */
extern const struct inlay_http_ops inlay_native_http;

/* Its parts, for others' tables. */
void inlay_native_say_status(struct inlay_context *context, int status);
void inlay_native_say_header(struct inlay_context *context,
                             struct inlay_str name,
                             struct inlay_str value,
                             bool replaces);
struct inlay_str inlay_native_part(struct inlay_context *context, int part);
struct inlay_str inlay_native_request_header(struct inlay_context *context,
                                             struct inlay_str name);
bool inlay_native_sleep(struct inlay_context *context, uint32_t ms);

/* "inlay_read: <text>": the call fails, INTERNAL. */
void inlay_native_misuse(struct inlay_native_call *call,
                         const char *name,
                         const char *text);

#endif
