/*
 * asgi_request.h - what the files of the ASGI side share: the server object
 * and the objects of one request. All of it belongs to the thread of the
 * event loop, with the GIL.
 */
#ifndef INLAY_PY_ASGI_REQUEST_H
#define INLAY_PY_ASGI_REQUEST_H

#include "py/py.h"

#include "base/list.h"
#include "py/asgi.h"
#include "py/asgi_metrics.h"
#include "py/relay.h"

#define INLAY_ASGI_LINES 512 /* slots of the header cache; a power of two */
#define INLAY_ASGI_PEERS 64  /* slots of the address cache; a power of two */

/* A request's header line that came before; lines with hash 0 never do. */
struct inlay_asgi_line {
    PyObject *pair; /* (name, value), or NULL: free */
    uint64_t hash;
    uint16_t name_len, value_len;
    char text[INLAY_RELAY_LINE];
};

struct inlay_asgi_peer {
    PyObject *address; /* (host, port), or NULL: free */
    int port;
    size_t len;
    char host[108];
};

/* How a request becomes a task, see asgi_task.c. */
enum inlay_asgi_tasks {
    INLAY_ASGI_EAGER, /* asyncio.Task(…, eager_start=True): 3.12 and later */
    INLAY_ASGI_CAPTURED, /* the first step is caught on its way to call_soon */
    INLAY_ASGI_CREATED,  /* loop.create_task */
};

/* What requests need of their server. */
struct inlay_asgi {
    struct inlay_asgi_state *state; /* of the module; the type keeps it */
    struct inlay_bridge *bridge;
    PyObject *app, *loop;
    PyObject *lifespan_state; /* dict, or NULL: no state in the scope */
    PyObject *debug;         /* gets http.response.debug's; NULL: not offered */
    PyObject *root_path;     /* str */
    PyObject *raw_root_path; /* bytes */
    PyObject *scope;         /* dict with all keys, copied per request */
    PyObject *extensions;    /* dict, copied per request */
    PyObject *websocket_scope, *websocket_extensions; /* the same */
    PyObject *asgi_versions; /* dict, copied per request */
    PyObject *methods[INLAY_METHOD_TRACE + 1];
    PyObject *context; /* what each request's context is a copy of */
    PyObject *create_task;
    PyObject *loop_dict; /* INLAY_ASGI_CAPTURED: loop.__dict__ */
    PyObject *capture;   /* INLAY_ASGI_CAPTURED: set as call_soon there */
    enum inlay_asgi_tasks tasks;
    /* Running ones, each with a reference: while a request waits for news of
     * its relay, nobody else has one. Of struct inlay_asgi_request. */
    struct inlay_list requests;
    bool stopping;                 /* cancelled tasks are not news any more */
    struct inlay_asgi_line *lines; /* INLAY_ASGI_LINES */
    struct inlay_asgi_peer *peers; /* INLAY_ASGI_PEERS */
    struct inlay_asgi_metrics *metrics; /* NULL: off */
    uint64_t now; /* inlay_clock_ns, read last; once per relay at least */
};

/* inlay._core.Server */
struct inlay_server_object {
    PyObject_HEAD
    struct inlay_asgi asgi;
    struct inlay_server *server;  /* NULL: stopped */
    struct inlay_handler *native; /* the server's; NULL: no native routes */
    struct inlay_handler *lifted; /* the server's; NULL: no application */
    struct inlay_handler *alone;  /* the server's; NULL: an application */
    PyObject *access_sink;        /* NULL: the access log goes to stdout */
    size_t ended;                 /* requests, once the server is gone */
    bool reading;                 /* the loop watches the bridge */
    bool started;
    pid_t pid; /* of the process that started it */
};

struct inlay_asgi_request;

/* NULL with an exception when it was not set up or has been stopped. */
struct inlay_server *inlay_server_running(struct inlay_server_object *self);

/* server_routes.c - methods of Server. */
PyObject *inlay_server_native_routes(PyObject *object, PyObject *unused);
PyObject *inlay_server_replace_native(PyObject *object, PyObject *unused);
PyObject *inlay_server_switch(PyObject *object, PyObject *args);
PyObject *inlay_server_alone(PyObject *object, PyObject *args);
PyObject *inlay_server_stuck(PyObject *object, PyObject *most);
PyObject *inlay_server_openapi(PyObject *object, PyObject *unused);

/* lift.c - Server.lift(). */
PyObject *inlay_server_lift(PyObject *object, PyObject *routes);

/* What HTTP and WebSocket do in their own way. */
struct inlay_asgi_protocol {
    PyObject *(*scope)(struct inlay_asgi *asgi, struct inlay_relay *relay);
    /* The next message for receive(); NULL without an exception: none yet. */
    PyObject *(*message)(struct inlay_asgi_request *request);
    /* What send() of a dict is to return; NULL with an exception. */
    PyObject *(*send)(struct inlay_asgi_request *request,
                      PyObject *type,
                      PyObject *message);
    /* The application ended before the request was complete: what it did not
     * do, for the log. NULL: it may end here. */
    const char *(*missing)(const struct inlay_asgi_request *request);
};

extern const struct inlay_asgi_protocol inlay_asgi_http, inlay_asgi_websocket;

/*
 * A request, which is also the coroutine that its task runs: it calls the
 * application, passes on what that awaits, and ends the answer when the
 * application does. References go server -> request <-> task, and request ->
 * application's coroutine -> send and receive -> request; the end cuts both.
 */
struct inlay_asgi_request {
    PyObject_HEAD
    struct inlay_list node;             /* in asgi->requests until the end */
    struct inlay_server_object *server; /* strong */
    struct inlay_relay *relay;          /* one reference */
    const struct inlay_asgi_protocol *protocol;
    PyObject *coroutine; /* what the application returned; NULL: not called */
    PyObject *task;      /* once it has been suspended, to cancel it */
    PyObject *scope;     /* for metrics, until the answer begins; or NULL */
    PyObject *signal;    /* for the next wait, or NULL: asgi_await.c */
    struct inlay_list waits; /* of struct inlay_asgi_wait, with open signals */
    bool complete;           /* nothing that is sent matters any more */
    bool left;               /* receive() said disconnect before that */
    bool wanted;             /* receive() was called */
    bool running;            /* a step of it is */
    bool finished;           /* the application is done */

    /* An HTTP answer, or a WebSocket's refusal. */
    int64_t expected;  /* body bytes still announced; -1: not known */
    uint64_t received; /* bytes of the request's body */
    uint32_t room;     /* bytes to be offered next for more of it */
    bool offered;      /* they have been */
    bool started;      /* http.response.start was given */
    bool bodiless;     /* HEAD, 204, 304: lengths are not compared */
    bool body_over;    /* receive() gave the last part of the body */
    bool trailers; /* they will follow the body, and the client reads them */
    bool trailing; /* the body was sent: nothing but they may follow */
    bool mixed;    /* a part of the body was sent: no pathsend any more */

    /* A WebSocket. */
    bool accepted;
    uint16_t code;    /* of websocket.close */
    PyObject *reason; /* str, or NULL: not closed */
};

/* The two callables. */
struct inlay_asgi_callable {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    struct inlay_asgi_request *request; /* strong */
};

enum inlay_asgi_wait_kind {
    INLAY_ASGI_RECEIVE, /* ends with a message */
    INLAY_ASGI_DRAIN,   /* ends when there is room for more of the answer */
};

static inline struct inlay_asgi_state *inlay_asgi_state(
    const struct inlay_asgi_request *request)
{
    return request->server->asgi.state;
}

/* --- asgi_await.c -------------------------------------------------------- */

/* A finished awaitable; steals `value`. NULL in: NULL out. */
PyObject *inlay_asgi_ready(struct inlay_asgi_state *state, PyObject *value);

/* One that raises the pending exception where it is awaited. */
PyObject *inlay_asgi_failed(struct inlay_asgi_state *state);

PyObject *inlay_asgi_wait(struct inlay_asgi_request *request,
                          enum inlay_asgi_wait_kind kind);

/*
 * Whoever waits looks again, at once (`now`: no task may be running) or on the
 * event loop's next turn. Keeps the pending exception.
 */
void inlay_asgi_wake(struct inlay_asgi_request *request, bool now);

/* throw() of awaitables that do not catch: raises what was passed. */
PyObject *inlay_asgi_throw(PyObject *const *args, Py_ssize_t nargs);

/*
 * The end of send(), __next__() and throw(): what PyIter_Send says, as a method
 * says it: a value that was returned is a StopIteration. Steals `result`.
 */
PyObject *inlay_asgi_sent(PySendResult status, PyObject *result);

/* --- asgi_scope.c -------------------------------------------------------- */

/* What all scopes of a server have in common. 0 or -1. */
int inlay_asgi_scope_init(struct inlay_asgi *asgi);
PyObject *inlay_asgi_scope(struct inlay_asgi *asgi, struct inlay_relay *relay);

/* The same of a WebSocket. */
PyObject *inlay_asgi_websocket_scope(struct inlay_asgi *asgi,
                                     struct inlay_relay *relay);

/* --- asgi_signal.c ------------------------------------------------------- */

PyObject *inlay_asgi_signal_create(struct inlay_asgi *asgi);

/* Nobody else has a reference: it waits anew. False: somebody has. */
bool inlay_asgi_signal_reset(PyObject *signal);

/* A new reference, for a task to wait on. */
PyObject *inlay_asgi_signal_yield(PyObject *signal);

/* Neither set nor cancelled? */
bool inlay_asgi_signal_open(PyObject *signal);

/* The task that waits goes on. */
void inlay_asgi_signal_set(PyObject *signal, bool now);

/* --- asgi_callable.c ----------------------------------------------------- */

PyObject *inlay_asgi_receive_create(struct inlay_asgi_request *request);
PyObject *inlay_asgi_send_create(struct inlay_asgi_request *request);

/* --- asgi_lend.c --------------------------------------------------------- */

#define INLAY_ASGI_LENT 16384 /* shorter ones are copied */

/* A chunk of a bytes object, which is kept alive; NULL: no memory. */
struct inlay_chunk *inlay_asgi_lend(struct inlay_bridge *bridge,
                                    PyObject *bytes);

/* The other way round: an uninitialised bytes object to be filled; NULL with
 * an exception: no memory. */
struct inlay_chunk *inlay_asgi_room(struct inlay_bridge *bridge, size_t len);

/* The bytes object, as long as what was put into it; ends the chunk. */
PyObject *inlay_asgi_landed(struct inlay_chunk *chunk);

/* Lets go of those that have been sent, or never will be. */
void inlay_asgi_take_back(struct inlay_bridge *bridge);

/* --- asgi_message.c: parts of messages ------------------------------------ */

static inline bool inlay_asgi_is(PyObject *type, PyObject *name)
{
    return type == name || PyUnicode_Compare(type, name) == 0;
}

/* message[name], a new reference; NULL without an exception: not there, or
 * None. */
PyObject *inlay_asgi_get(PyObject *message, PyObject *name);

/* Is it true? `otherwise` when it is missing. -1: an exception. */
int inlay_asgi_get_flag(PyObject *message, PyObject *name, bool otherwise);

/* A view of bytes, or of a copy of other bytes-like (new: *keep). 0 or -1. */
int inlay_asgi_view(PyObject *object,
                    const char *what,
                    PyObject **keep,
                    struct inlay_str *ret);

/*
 * Calls `add` with each of message["headers"], an iterable of pairs, checked
 * as HTTP wants them. 0 or -1.
 */
int inlay_asgi_headers(struct inlay_asgi_request *request,
                       PyObject *message,
                       int (*add)(struct inlay_asgi_request *request,
                                  struct inlay_str name,
                                  struct inlay_str value));

/* Raises RuntimeError if the value is not allowed in a header. 0 or -1. */
int inlay_asgi_check_value(struct inlay_str value);

/* --- asgi_send.c --------------------------------------------------------- */

/* http.response.start, or a WebSocket's refusal. 0 or -1. */
int inlay_asgi_send_start(struct inlay_asgi_request *request,
                          PyObject *message);

/* http.response.body or that of a refusal: what send() is to return. */
PyObject *inlay_asgi_send_body(struct inlay_asgi_request *request,
                               PyObject *message);

/* May `len` body bytes be sent, and is that all? 0 or -1. */
int inlay_asgi_body_check(struct inlay_asgi_request *request,
                          size_t len,
                          bool more);

/* What send() is to return when the relay has taken a part of a body, or has
 * not; `more` is false with the last one. */
PyObject *inlay_asgi_sent_part(struct inlay_asgi_request *request,
                               enum inlay_relay_status status,
                               bool more);

/* --- asgi_extension.c ---------------------------------------------------- */

/* The same for messages of the extensions that the scope offers. */
PyObject *inlay_asgi_extension_send(struct inlay_asgi_request *request,
                                    PyObject *type,
                                    PyObject *message);

/* --- Raising; always NULL ------------------------------------------------- */

/* ClientDisconnected. */
PyObject *inlay_asgi_raise_disconnected(struct inlay_asgi_state *state);

/* RuntimeError: "Expected ASGI message …, but got …". */
PyObject *inlay_asgi_raise_expected(const char *expected, PyObject *type);

/* Too much is unsent because nobody awaits send(): cuts the answer. */
PyObject *inlay_asgi_raise_over(struct inlay_asgi_request *request);

/* --- asgi_task.c --------------------------------------------------------- */

/* How this server's loop is to run tasks. 0 or -1. */
int inlay_asgi_tasks_init(struct inlay_asgi *asgi);

/* Runs the request's first step, or schedules it. 0, or -1: no task. */
int inlay_asgi_task_run(struct inlay_asgi_request *request);

/* --- asgi_finish.c ------------------------------------------------------- */

/* The application returned `result`: completes or cuts the answer. */
void inlay_asgi_returned(struct inlay_asgi_request *request, PyObject *result);

/*
 * It raised the pending exception: logs it, answers 500 or cuts the answer.
 * True: the exception is still pending, for the task to see.
 */
bool inlay_asgi_raised(struct inlay_asgi_request *request);

/* --- asgi_request.c ------------------------------------------------------ */

/* News of a relay: a new request, bytes, room, or its end. Takes the
 * reference. `now`: no task is running, those that waited may go on at once.
 * Exceptions are reported, not left pending. */
void inlay_asgi_handle(struct inlay_server_object *server,
                       struct inlay_relay *relay,
                       bool now);

/* Cancels its task; 0, or -1 with an exception. */
int inlay_asgi_cancel(struct inlay_asgi_request *request, PyObject *message);

/* Drops the server's reference. */
void inlay_asgi_forget(struct inlay_asgi_request *request);

/* logger.log(level, text), with the exception if it isn't NULL. Keeps the
 * pending exception. */
void inlay_asgi_log(struct inlay_asgi_state *state,
                    int level,
                    PyObject *exception,
                    const char *format,
                    ...);

/* --- Parts of inlay_py_server_init: create types. 0 or -1. --------------- */

int inlay_asgi_await_init(PyObject *module, struct inlay_asgi_state *state);
int inlay_asgi_signal_init(PyObject *module, struct inlay_asgi_state *state);
int inlay_asgi_http_init(struct inlay_asgi_state *state);
int inlay_asgi_websocket_init(struct inlay_asgi_state *state);
int inlay_asgi_callables_init(PyObject *module, struct inlay_asgi_state *state);
int inlay_asgi_task_init(PyObject *module, struct inlay_asgi_state *state);
int inlay_asgi_request_init(PyObject *module, struct inlay_asgi_state *state);

int inlay_asgi_server_init(PyObject *module, struct inlay_asgi_state *state);

/* A heap type of the module, owned by *ret. */
int inlay_asgi_type_create(PyObject *module,
                           PyType_Spec *spec,
                           PyTypeObject **ret);

#endif
