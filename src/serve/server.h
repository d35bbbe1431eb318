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

#include "base/arena.h"
#include "base/error.h"
#include "base/list.h"
#include "base/log.h"
#include "base/networks.h"
#include "base/slab.h"
#include "db/database.h"
#include "http/date.h"
#include "http/http1.h"
#include "net/coroutine.h"
#include "net/listener.h"
#include "net/loop.h"
#include "serve/access_format.h"
#include "serve/encoder.h"
#include "serve/handler.h"
#include "serve/metrics_layout.h"
#include "serve/request_id.h"
#include "serve/spread.h"
#include "serve/watchdog.h"

/* Every limit has a default (inlay_limits_default) and an option. */
struct inlay_limits {
    struct inlay_http1_limits head; /* 64 KiB, 100 headers, 16 KiB */
    uint64_t body_bytes;            /* any body; 0: no cap (413) */
    size_t native_body_bytes;       /* 8 MiB: a body collected for C (413); of
                                       a form without what is in files */
    uint64_t form_bytes;            /* 64 MiB: a form, files and all (413) */
    size_t form_fields, form_files; /* 1000 each: of a form (400) */
    size_t form_field_bytes;        /* 1 MiB: of one field (400) */
    size_t form_file_memory;        /* 1 MiB: larger files go to disk */
    size_t body_window;             /* 64 KiB: ASGI body bytes held (64 KiB) */
    size_t write_window;            /* 256 KiB: answer bytes held, then wait */
    size_t request_memory;          /* arena of a request: 64 MiB */
    /* Open at once, per worker (65536); 0: no cap. At the cap nothing is
     * accepted, clients wait in the listen queue; the threads may pass it by
     * one each. */
    size_t connections;
    uint32_t header_timeout;     /* ms from first byte to whole head: 10 s */
    uint32_t body_timeout;       /* ms without a body byte: 30 s */
    uint32_t keep_alive_timeout; /* ms idle between requests: 5 s */
    uint32_t write_timeout;      /* ms without progress of a write: 60 s */
    uint32_t request_timeout;    /* ms from the head to the answer's begin: 0 */
    uint32_t body_rate;          /* bytes/s of an awaited body, on average after
                                    its first body_grace: 240; 0: any */
    uint32_t body_grace;         /* ms: 5 s */
    /* Open at once from one address (IPv6: from one /64), per worker; the
     * next ones are closed. 0: no cap. Trusted proxies and Unix sockets are
     * not counted. */
    size_t address_connections;
    size_t concurrency;      /* ASGI requests at once per worker: 0, no cap */
    size_t queue;            /* that wait for it; further ones get a 503: 0 */
    uint32_t queue_timeout;  /* ms in that queue, then 503: 10 s */
    size_t ws_message_bytes; /* a message, decompressed (close 1009): 16 MiB */
    size_t ws_queue;         /* messages not taken by the application: 32 */
    uint32_t watchdog; /* ms that a C function may hold an I/O thread before
                          the log names it: 100; 0: off */
    uint32_t ws_ping_interval; /* ms between pings: 20 s; 0: none */
    uint32_t ws_ping_timeout;  /* ms for the pong (close 1011): 20 s; 0: any */
};

void inlay_limits_default(struct inlay_limits *limits);

struct inlay_strs {
    const struct inlay_str *items;
    size_t count;
};

/*
 * Plain data, as options give it; whoever a text is for reads it in
 * inlay_server_create and says what is wrong with it. Everything is copied.
 */
struct inlay_server_config {
    struct inlay_limits limits;
    const int *listen_fds; /* bound and listening */
    size_t nlisten_fds;
    unsigned io_threads; /* >= 1 */
    struct inlay_log log;
    struct inlay_str root_path; /* taken off paths for native routes */

    /* Of every answer. */
    bool date_header, server_header;
    struct inlay_strs headers; /* "Name: value" */

    /* access_log.c. "": none; "uvicorn", "combined", "json", or a format */
    struct inlay_str access_format;
    /* Gets whole lines instead of stdout, on I/O threads; NULL: stdout. */
    void (*access_sink)(void *arg, struct inlay_str lines);
    void *access_arg;
    bool request_id;              /* x-request-id: made when it does not come */
    bool server_timing;           /* a server-timing header */
    struct inlay_str health_path; /* "": none. 200, or 503 while it drains */

    /* forwarded.c */
    bool proxy_headers;        /* X-Forwarded-*, Forwarded */
    bool proxy_protocol;       /* each connection begins with its header */
    struct inlay_strs trusted; /* who may say so: addresses, networks, "*",
                                  "unix" */

    /* layers.c: "rate-limit /login 5/minute"; NAME, PATTERN, VALUE */
    struct inlay_strs layers;

    /* static.c: "/path=folder" */
    struct inlay_strs static_mounts;
    struct inlay_str static_index; /* "": folders are 404 */
    int64_t static_max_age;        /* seconds; -1: no cache-control */

    struct inlay_str form_folder; /* form.c: of temporary files, "/tmp" */

    /* compress.c: of "zstd", "br", "gzip", best first; none: off */
    struct inlay_strs compress;
    struct inlay_strs
        compress_types;       /* "text/" and a star, "application/json" */
    size_t compress_min_size; /* shorter answers go as they are */

    bool docs; /* alone.c: /openapi.json and /docs, without an application */

    /* websocket.c */
    bool websockets; /* else an upgrade is not followed */
    bool ws_per_message_deflate;

    /* metrics.c: shared memory of all workers (stays the caller's), and this
     * one's slot; -1: none */
    int metrics_fd;
    unsigned metrics_slot;
    bool metrics_requests; /* else databases alone are counted there */
};

void inlay_server_config_default(struct inlay_server_config *config);

struct inlay_server;

/* Lines of every answer's head: "date: …", "server: inlay", config.headers. */
struct inlay_common {
    char *text;
    size_t len, date_len, server_len; /* of all; of the first and second line,
                                         0: not sent */
};

/* One I/O thread: its loop and all that is not shared. */
/* Does an I/O thread's loop turn? */
struct inlay_pulse {
    struct inlay_mail mail;
    atomic_bool asked; /* and the letter was not received yet */
    unsigned missed;   /* questions in a row; the asking thread's */
};

struct inlay_io_thread {
    struct inlay_server *server;
    struct inlay_loop loop;
    struct inlay_http_date date;
    struct inlay_list connections; /* of struct inlay_session */
    struct inlay_slab sessions;    /* their memory */
    atomic_size_t nconnections;    /* its own, and those on their way to it */
    struct inlay_handed handed;
    struct inlay_timer_queue header_timers, body_timers, keep_alive_timers,
        write_timers, request_timers, rate_timers, queue_timers;
    struct inlay_timer_queue accept_timers; /* of accept_again */
    struct inlay_timer_queue drain_timers;  /* of new ones while it drains */
    struct inlay_timer_queue ws_ping_timers, ws_pong_timers, ws_close_timers,
        ws_drain_timers;
    struct inlay_timer accept_again; /* at the cap of connections: look again */
    struct inlay_listener *listeners;
    struct inlay_access_lines access; /* written to stdout once per tick */
    struct inlay_timer_queue access_timers; /* of access.again */
    struct inlay_random random;             /* of request ids */
    struct inlay_metrics_thread *metrics;   /* NULL: off */
    struct inlay_encoders encoders;         /* of compressed answers */
    struct inlay_buf scratch;     /* native answers until they are sent; set up
                               * by the first, freed with the thread */
    struct inlay_exchange *spare; /* requests to use again */
    unsigned nspare;
    struct inlay_coroutines coroutines; /* of native calls that wait */
    struct inlay_native_lane *lane; /* their way back from the pool; or NULL */
    struct inlay_lane *db_lanes[INLAY_DATABASES]; /* by index; NULL: not open */
    struct inlay_busy busy;     /* the native call that runs */
    struct inlay_common common; /* what every answer's head has */
    uint64_t common_at;         /* loop's time of it */
    struct inlay_mail drain_mail, stop_mail;
    atomic_bool drain_posted;
    struct inlay_pulse pulse;
    unsigned index;
    pthread_t handle;
    atomic_bool accepting; /* written by the thread */
    inlay_metric requests; /* answered or aborted, ever; written by it */
    bool draining; /* idle connections are closed, no new ones accepted */
};

struct inlay_address_counts;
struct inlay_layers;
struct inlay_metrics;

struct inlay_server {
    struct inlay_server_config config;
    struct inlay_handler **handlers; /* asked in order; owned */
    size_t nhandlers;
    struct inlay_io_thread *threads;
    unsigned nthreads;
    atomic_size_t open_connections;  /* of all threads */
    atomic_bool patient;             /* inlay_server_retire was called */
    struct inlay_handler *fallback;  /* the last of the chain: 404, 405 */
    struct inlay_handler *admission; /* of the chain; NULL: no limit */
    struct inlay_handler *hooks;     /* of the chain: guard.h; or NULL */
    struct inlay_networks trusted;   /* config.trusted */
    struct inlay_address_counts *addresses; /* NULL: no limit */
    struct inlay_access_format *access;     /* NULL: no access log */
    struct inlay_compression *compression;  /* NULL: off */
    _Atomic(struct inlay_layers *) layers;  /* the newest; NULL: none */
    struct inlay_access_out access_out;
    struct inlay_metrics *metrics;   /* NULL: off */
    struct inlay_metrics *counting;  /* of databases alone, or NULL */
    struct inlay_watchdog *watchdog; /* NULL: off */
    bool timed;                /* requests get the time of their dispatch */
    bool dresses;              /* heads of answers go through answer.c */
    struct inlay_arena memory; /* of config */
    bool running;
};

/* Cold; the caller's thread. */
struct inlay_error *inlay_server_create(
    const struct inlay_server_config *config,
    struct inlay_server **ret);

/* Before start: appends to the chain and takes ownership. */
struct inlay_error *inlay_server_add_handler(struct inlay_server *server,
                                             struct inlay_handler *handler);

/* The same for the application's, whose requests limits.concurrency and
 * limits.queue are for. */
struct inlay_error *inlay_server_add_application(struct inlay_server *server,
                                                 struct inlay_handler *handler);

/* Starts the I/O threads, with every signal blocked in them. */
struct inlay_error *inlay_server_start(struct inlay_server *server);

/*
 * Stop accepting, close idle connections, let running requests finish; any
 * thread, more than once. inlay_server_connections says how many are left.
 */
void inlay_server_drain(struct inlay_server *server);
/* The same, but idle connections are closed no sooner than usual: another
 * process takes over, nobody waits for this one's end. */
void inlay_server_retire(struct inlay_server *server);
size_t inlay_server_connections(const struct inlay_server *server);
/* Answered or aborted, ever; any thread. */
size_t inlay_server_requests(const struct inlay_server *server);
/* Does any thread still use the listening sockets? Once drained and false,
 * their owner may close them: later clients are then refused, not kept. */
bool inlay_server_accepting(const struct inlay_server *server);

/* An I/O thread that gives no sign of life, and the call that it runs. */
struct inlay_stuck {
    unsigned index;
    struct inlay_str what;         /* "" when none is known */
    const struct inlay_func *func; /* NULL when none is known */
};

/*
 * Asks each I/O thread for a sign of life. True: one has not given it in
 * `most` (1 or more) calls in a row; of several, the first one. It is calls
 * that count, not time: a process that stood still is not stuck. One thread at
 * a time, between start and destroy.
 */
bool inlay_server_is_stuck(struct inlay_server *server,
                           unsigned most,
                           struct inlay_stuck *ret);

/* Cuts what is left, joins the threads, destroys handlers and server. Every
 * pending request gets its on_abort first. */
void inlay_server_destroy(struct inlay_server *server);

#endif
