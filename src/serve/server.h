/*
 * server.h - what serves: I/O threads with their loops, listeners and
 * connections, a chain of handlers, limits, logs. One per worker process (or
 * more in tests); no file-scope state.
 */
#ifndef INLAY_SERVE_SERVER_H
#define INLAY_SERVE_SERVER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/list.h"
#include "base/log.h"
#include "http/date.h"
#include "http/http1.h"
#include "net/listener.h"
#include "net/loop.h"
#include "serve/handler.h"

/* Every limit has a default (inlay_limits_default) and an option. */
struct inlay_limits {
    struct inlay_http1_limits head; /* 64 KiB, 100 headers, 16 KiB */
    uint64_t body_bytes;            /* any body; 0: no cap (413) */
    size_t native_body_bytes;       /* 8 MiB: a body collected for C (413) */
    size_t body_window;             /* 64 KiB: ASGI body bytes held (64 KiB) */
    size_t write_window;            /* 64 KiB: answer bytes held, then wait */
    size_t request_memory;          /* arena of a request: 64 MiB */
    /* Open at once, per worker (65536); 0: no cap. At the cap nothing is
     * accepted, clients wait in the listen queue; the threads may pass it by
     * one each. */
    size_t connections;
    uint32_t header_timeout;     /* ms from first byte to whole head: 10 s */
    uint32_t body_timeout;       /* ms without a body byte: 30 s */
    uint32_t keep_alive_timeout; /* ms idle between requests: 5 s */
    uint32_t write_timeout;      /* ms without progress of a write: 60 s */
};

void inlay_limits_default(struct inlay_limits *limits);

struct inlay_server_config {
    struct inlay_limits limits;
    const int *listen_fds; /* bound and listening; copied */
    size_t nlisten_fds;
    unsigned io_threads; /* >= 1 */
    bool access_log;     /* lines to stdout, uvicorn's format */
    bool date_header, server_header;
    struct inlay_str root_path; /* taken off paths for native routes; copied */
    struct inlay_log log;
};

struct inlay_server;

/* One I/O thread: its loop and all that is not shared. */
struct inlay_io_thread {
    struct inlay_server *server;
    struct inlay_loop loop;
    struct inlay_date date;
    struct inlay_list connections; /* of struct inlay_session */
    size_t nconnections;
    struct inlay_timer_queue header_timers, body_timers, keep_alive_timers,
        write_timers;
    struct inlay_timer_queue accept_timers; /* of accept_again */
    struct inlay_timer_queue drain_timers;  /* of new ones while it drains */
    struct inlay_timer accept_again; /* at the cap of connections: look again */
    struct inlay_listener *listeners;
    struct inlay_buf access_lines;   /* written to stdout once per tick */
    struct inlay_later access_flush; /* writes them */
    struct inlay_buf scratch;     /* native answers until they are sent; set up
                               * by the first, freed with the thread */
    struct inlay_exchange *spare; /* requests to use again */
    unsigned nspare;
    char common[96]; /* "date: …\r\nserver: inlay\r\n", as configured */
    size_t common_len, common_date_len; /* all of it; of the date line */
    uint64_t common_at;                 /* loop's time of it */
    struct inlay_mail drain_mail, stop_mail;
    atomic_bool drain_posted;
    unsigned index;
    pthread_t handle;
    atomic_bool accepting; /* written by the thread */
    bool draining; /* idle connections are closed, no new ones accepted */
};

struct inlay_server {
    struct inlay_server_config config;
    struct inlay_handler **handlers; /* asked in order; owned */
    size_t nhandlers;
    struct inlay_io_thread *threads;
    unsigned nthreads;
    atomic_size_t open_connections; /* of all threads */
    atomic_size_t requests;         /* answered or aborted, ever */
    struct inlay_handler *fallback; /* the last of the chain: 404, 405 */
    char *root_path;                /* memory of config.root_path */
    int *listen_fds;                /* memory of config.listen_fds */
    bool running;
};

/* Cold; the caller's thread. */
struct inlay_error *inlay_server_create(
    const struct inlay_server_config *config,
    struct inlay_server **ret);

/* Before start: appends to the chain and takes ownership. */
struct inlay_error *inlay_server_add_handler(struct inlay_server *server,
                                             struct inlay_handler *handler);

/* Starts the I/O threads, with every signal blocked in them. */
struct inlay_error *inlay_server_start(struct inlay_server *server);

/*
 * Stop accepting, close idle connections, let running requests finish; any
 * thread, more than once. inlay_server_connections says how many are left.
 */
void inlay_server_drain(struct inlay_server *server);
size_t inlay_server_connections(const struct inlay_server *server);
/* Does any thread still use the listening sockets? Once drained and false,
 * their owner may close them: later clients are then refused, not kept. */
bool inlay_server_accepting(const struct inlay_server *server);

/* Cuts what is left, joins the threads, destroys handlers and server. Every
 * pending request gets its on_abort first. */
void inlay_server_destroy(struct inlay_server *server);

#endif
