/*
 * session.h - one HTTP/1 connection: the engine reads requests from it, one
 * at a time; answers go out in order. Private to serve/, I/O thread only.
 *
 * A request that is answered within its handler's call costs no copy and, in
 * the steady state, no allocation. While one is PENDING, pipelined bytes wait
 * in conn->in and nothing more is read, so that memory stays bounded.
 */
#ifndef INLAY_SERVE_SESSION_H
#define INLAY_SERVE_SESSION_H

#include "http/http1.h"
#include "net/conn.h"
#include "net/loop.h"
#include "serve/request.h"
#include "serve/response.h"
#include "serve/server.h"

/* An unread rest of a body up to this is dropped to keep the connection. */
#define INLAY_SESSION_DRAIN 65536

/* What a session waits for, and so which deadline is running. */
enum inlay_session_phase {
    INLAY_SESSION_NEW,     /* the first byte ever */
    INLAY_SESSION_HEAD,    /* the rest of a head */
    INLAY_SESSION_BODY,    /* body bytes */
    INLAY_SESSION_HELD,    /* a handler: no deadline */
    INLAY_SESSION_IDLE,    /* the next request */
    INLAY_SESSION_CLOSING, /* nothing: conn ends, or the write deadline */
};

struct inlay_exchange;
struct inlay_replay;
struct inlay_websocket_session;
struct inlay_proxy_protocol;

/* The engine's memory lies behind it. */
struct inlay_session {
    struct inlay_conn conn; /* first */
    struct inlay_io_thread *thread;
    struct inlay_list node; /* in thread->connections */
    struct inlay_http1 *http1;
    struct inlay_exchange *exchange; /* the request not yet answered; or NULL */
    struct inlay_proxy_protocol *proxy; /* its header is awaited; or NULL */
    struct inlay_websocket_session *websocket; /* accepted; else NULL */
    struct inlay_timer timer;                  /* the phase's deadline */
    struct inlay_timer write_timer; /* runs while something is queued */
    uint64_t written;               /* bytes ever given to conn */
    uint64_t write_mark; /* of them sent when write_timer was started */
    uint64_t body_seen;  /* body bytes of the current message */
    int64_t body_length; /* announced, -1: chunked or none */
    enum inlay_session_phase phase;
    bool receiving; /* between a message's head and its end */
    bool fresh;     /* a message began or ended since the phase was set */
    bool held;      /* the handler wants no more body for now */
    bool expects;   /* the client waits for "100 Continue" */
    bool feeding;   /* within inlay_http1_feed */
    bool closing;   /* nothing more is read */
    bool told;      /* the access log has the line of its last answer */
    bool trusted;   /* peer.c: what it says of its client is believed */
    bool counted;   /* in server->addresses */
    struct inlay_address client, local;
};

/* A request with what only its session needs of it. */
struct inlay_exchange {
    struct inlay_request request;       /* first */
    struct inlay_session *session;      /* NULL: spare */
    struct inlay_exchange *next;        /* in thread->spare */
    struct inlay_replay *replay;        /* body bytes to be given; or NULL */
    bool eof_told;                      /* handler->on_eof was called */
    struct inlay_timer deadline;        /* of the answer's begin */
    struct inlay_timer_queue *patience; /* where that will run */
    struct inlay_timer rate;            /* runs while body bytes are awaited */
    uint64_t awaited_from;              /* since then, loop's ms */
    uint64_t awaited;                   /* ms of the times before */
};

static inline struct inlay_exchange *inlay_exchange_of(
    const struct inlay_request *request)
{
    return (struct inlay_exchange *)(uintptr_t)request;
}

static inline struct inlay_session *inlay_session_of(
    const struct inlay_request *request)
{
    return inlay_exchange_of(request)->session;
}

/* Takes over an accepted socket; on failure it is closed. 0 or -1. */
int inlay_session_create(struct inlay_io_thread *thread,
                         int fd,
                         const struct inlay_address *client);

/* The server drains: closes soon when idle, unless a request comes first, else
 * after the answer. */
void inlay_session_drain(struct inlay_session *session);

/* Is there room for another answer? */
static inline bool inlay_session_window_open(
    const struct inlay_session *session)
{
    return session->conn.queued <=
           session->thread->server->config.limits.write_window;
}

/* deadline.c: what the session waits for now; its deadline begins anew. */
enum inlay_session_phase inlay_session_awaited(
    const struct inlay_session *session);
void inlay_session_set_phase(struct inlay_session *session,
                             enum inlay_session_phase phase);

/* Of header, body and keep-alive timers; of write timers. */
void inlay_session_expire(struct inlay_timer *timer);
void inlay_session_expire_write(struct inlay_timer *timer);

/* Of exchanges: the time for the answer's begin; the average of a body. */
void inlay_exchange_expire(struct inlay_timer *timer);
void inlay_exchange_expire_rate(struct inlay_timer *timer);
/* A handler works on it: the answer's deadline begins. */
void inlay_exchange_pend(struct inlay_exchange *exchange);
/* It ends: no timer of it is left. */
void inlay_exchange_stop(struct inlay_exchange *exchange);

/* Bytes were queued: the write deadline runs until they are gone. */
void inlay_session_wrote(struct inlay_session *session, size_t len);

/* Nothing more is read; ends when everything queued is written. */
void inlay_session_close(struct inlay_session *session);
/* The request in hand ends as if its client had gone (499), be it before its
 * answer or in it; then the connection. */
void inlay_session_abandon(struct inlay_session *session);

/* A PENDING request goes on to this handler, as if it had come just now; a
 * body that was paused flows again. */
void inlay_session_forward(struct inlay_request *request,
                           struct inlay_handler *handler);

/*
 * A PENDING request whose handler does not answer it: those behind it in the
 * chain are asked, as if it had come just now. `body` is what its handler has
 * been given of the body, and is given to them (valid during the call);
 * request->body_done says whether that is all. A body that was paused flows
 * again. The request may be over afterwards.
 */
void inlay_session_next(struct inlay_request *request, struct inlay_str body);

/* The client has ended its side: its handler hears of it, once, when the body
 * is done. The request may be over afterwards. */
void inlay_exchange_tell_eof(struct inlay_exchange *exchange);

/* Body bytes are held back, or wanted (again). */
void inlay_session_hold(struct inlay_session *session, bool held);

/* The answer of the current request is complete, or given up
 * (`cut_off`: the client must see it). Goes on with the next request. */
void inlay_session_finish(struct inlay_session *session, bool cut_off);

/* stream.c: answers as HTTP/1.1 messages. */
extern const struct inlay_stream_ops inlay_http1_stream;

/* Status and a line of text without a request, then close. */
void inlay_session_refuse(struct inlay_session *session,
                          int status,
                          const char *reason);

/* The same in the middle of a request, whose handler hears of it; when its
 * answer has begun, it is cut. */
void inlay_session_give_up(struct inlay_session *session,
                           int status,
                           const char *reason);

/* The lines of every answer, for now: see struct inlay_common. */
struct inlay_str inlay_io_thread_common(struct inlay_io_thread *thread);

/* common.c: room for the date is left at INLAY_COMMON_DATE. ValueError for a
 * header of config->headers that is none. */
#define INLAY_COMMON_DATE 6 /* behind "date: " */
struct inlay_error *inlay_common_init(struct inlay_common *common,
                                      const struct inlay_server_config *config,
                                      struct inlay_arena *arena);

/* A request from the thread's spare ones; NULL without memory. */
struct inlay_exchange *inlay_exchange_create(
    struct inlay_session *session,
    const struct inlay_http1_head *head);
/* Runs its arena's defers and keeps it for the next request. */
void inlay_exchange_destroy(struct inlay_exchange *exchange);
/* Frees the thread's spare ones. */
void inlay_exchange_free_spare(struct inlay_io_thread *thread);

/* websocket_accept.c: a head with `upgrade`. False: it is refused, and the
 * request is over. */
bool inlay_websocket_meet(struct inlay_request *request,
                          const struct inlay_http1_head *head);
/* websocket.c: an accepted one takes over the connection, not from within the
 * HTTP engine, which is not used any more. */
void inlay_websocket_begin(struct inlay_session *session);
void inlay_websocket_drain(struct inlay_session *session);
void inlay_websocket_init_timers(struct inlay_io_thread *thread);

/* io_thread.c */
struct inlay_error *inlay_io_thread_init(struct inlay_io_thread *thread,
                                         struct inlay_server *server,
                                         unsigned index);
void inlay_io_thread_deinit(struct inlay_io_thread *thread);
struct inlay_error *inlay_io_thread_start(struct inlay_io_thread *thread);
/* Any thread. */
void inlay_io_thread_drain(struct inlay_io_thread *thread);
/* Cuts all connections, ends the loop and joins. */
void inlay_io_thread_stop(struct inlay_io_thread *thread);
/* A connection is gone: counted for the cap. */
void inlay_io_thread_leave(struct inlay_io_thread *thread);

/* health.c: answers config.health_path, before all others. */
struct inlay_error *inlay_health_add(struct inlay_server *server);
/* Is it a request for that? */
bool inlay_health_asked(const struct inlay_request *request);

/* fallback.c: 404, or 405 when native routes have the path. */
struct inlay_error *inlay_fallback_create(struct inlay_handler **ret);

#endif
