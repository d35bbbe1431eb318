/*
 * relay.h - one ASGI request between two threads. The I/O thread owns the
 * socket and never takes the GIL; the Python thread runs the application and
 * never touches the request. A relay is what they share: a copy of the
 * head, a window of the body, a box of what is to be answered. The bridge is
 * the ASGI handler of the server and the queue to the Python thread.
 *
 * Both directions coalesce: a relay is in the other side's box at most
 * once, and what it means is read from its fields when it is taken out.
 * References: the I/O thread has one while its request lives, the Python side
 * one, each box one. No Python.h here.
 */
#ifndef INLAY_PY_RELAY_H
#define INLAY_PY_RELAY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"
#include "http/http1.h"
#include "net/conn.h"
#include "net/loop.h"
#include "serve/handler.h"
#include "serve/server.h"

#define INLAY_ANSWER_HEAD (1u << 20) /* bytes of an answer's headers */
#define INLAY_RELAY_LINE 112         /* longest line that is cached */

/* A header of the request; name and value lie side by side. */
struct inlay_relay_line {
    struct inlay_str name, value;
    uint64_t hash; /* of both; 0: never to be cached (may be a secret) */
};

struct inlay_bridge;

struct inlay_relay {
    struct inlay_mail mail; /* to the I/O thread */
    struct inlay_bridge *bridge;
    struct inlay_io_thread *thread;
    struct inlay_relay *next; /* in a box or a free list */
    atomic_uint refs;
    atomic_bool to_python, to_io; /* is in that box */

    /* The I/O thread's own. */
    struct inlay_request *request; /* NULL: over */
    bool paused;                   /* the body is held back */

    /* The head: written once, before the Python side sees it. */
    char *head; /* one block that holds all of it */
    size_t head_size;
    enum inlay_method method_id;
    struct inlay_str method, path, raw_path, query;
    struct inlay_str client, local; /* hosts; "" unknown */
    int client_port, local_port;    /* -1: none */
    struct inlay_relay_line *lines;
    size_t nlines;
    uint8_t http_major, http_minor;
    bool https, has_body, expects_continue, websocket;

    /* The Python thread's own. */
    void *owner;   /* its object for this relay, or NULL */
    bool taken;    /* it came out of the queue before */
    bool answered; /* the head of the answer is in the box, or cut */

    /*
     * The head of the answer: the Python thread's until `start` is in the
     * box, the I/O thread's from then on.
     */
    struct inlay_buf answer; /* packed headers, then `inlined` body bytes */
    size_t nheaders, inlined;
    int status;
    bool streamed; /* the first body message is not the last: no length */

    /* Both threads', under the lock. */
    pthread_mutex_t lock;
    struct inlay_buf body; /* arrived and not taken */
    bool body_last;        /* nothing will follow */
    bool hungry;           /* receive() waits: tell Python of new bytes */
    bool gone;             /* the client went away */
    bool eof;              /* it ended its side: it may have gone */
    bool start, end, abort, want_body, resume;
    struct inlay_chunk *chunks, **chunks_last;
    size_t boxed;   /* bytes of chunks */
    size_t writing; /* bytes that the connection has not sent yet */
    bool blocked;   /* send() waits: tell Python when there is room */
};

/* One per I/O thread, only touched by it. */
struct inlay_lane {
    struct inlay_later flush; /* moves the letters of a tick to the queue */
    struct inlay_bridge *bridge;
    struct inlay_io_thread *thread; /* NULL: no request yet */
    struct inlay_relay *first, **last;
    struct inlay_relay *spare;
    size_t nspare;
};

/* A message of the core on its way to Python's logging. */
struct inlay_bridge_note {
    struct inlay_bridge_note *next;
    enum inlay_log_level level;
    size_t len;
    char text[];
};

struct inlay_bridge {
    struct inlay_handler handler; /* first */
    atomic_uint refs;             /* the handler's and the server object's */
    size_t body_window, write_window;
    struct inlay_lane *lanes;
    unsigned nlanes;
    int wake; /* eventfd: readable while something may be in the queue */
    atomic_bool idle;        /* whoever takes this from true writes to `wake` */
    atomic_size_t in_flight; /* relays that the Python side has not ended */

    pthread_mutex_t lock;
    struct inlay_relay *first, **last;             /* under lock: the queue */
    struct inlay_bridge_note *notes, **notes_last; /* under lock */
    size_t nnotes;

    /* The Python thread's own. */
    struct inlay_relay *batch; /* taken off the queue, not yet handled */
    struct inlay_mail *out, **out_last; /* to be posted to I/O threads */
    bool batching; /* letters wait for the end of the batch */
};

/* Cold. The caller gets one reference, the handler is the other one. */
struct inlay_error *inlay_bridge_create(const struct inlay_limits *limits,
                                        unsigned io_threads,
                                        struct inlay_bridge **ret);
void inlay_bridge_unref(struct inlay_bridge *bridge);

/* A sink for struct inlay_log: any thread; `arg` is the bridge. */
void inlay_bridge_log(void *arg,
                      enum inlay_log_level level,
                      struct inlay_str text);

/* --- For the Python thread only, from here on ---------------------------- */

/* The next relay that has news, with a reference; NULL: none, sleep. */
struct inlay_relay *inlay_bridge_next(struct inlay_bridge *bridge);

/* The oldest note, to be freed by inlay_free, or NULL. */
struct inlay_bridge_note *inlay_bridge_note(struct inlay_bridge *bridge);

/* Between the two, letters to I/O threads are collected. */
void inlay_bridge_batch_begin(struct inlay_bridge *bridge);
void inlay_bridge_batch_end(struct inlay_bridge *bridge);

void inlay_relay_unref(struct inlay_relay *relay);
bool inlay_relay_gone(struct inlay_relay *relay);

/* Gone, or its side of the connection has ended. */
bool inlay_relay_left(struct inlay_relay *relay);

enum inlay_relay_status {
    INLAY_RELAY_OK,
    INLAY_RELAY_WAIT, /* the relay will be in the queue when it's time */
    INLAY_RELAY_GONE,
    INLAY_RELAY_FULL, /* no memory, or past a limit */
};

/* Sends "100 Continue" if the client waits for that. */
void inlay_relay_want_body(struct inlay_relay *relay);

/*
 * OK: a view of all bytes that have arrived, at least one unless `last_ret`;
 * the lock is held until inlay_relay_body_end, which takes them.
 */
enum inlay_relay_status inlay_relay_body_begin(struct inlay_relay *relay,
                                               struct inlay_str *bytes_ret,
                                               bool *last_ret);
void inlay_relay_body_end(struct inlay_relay *relay);

/* The head of the answer, kept until the first inlay_relay_send. Starting
 * again forgets the former headers. FULL past 1 MiB. */
void inlay_relay_start(struct inlay_relay *relay, int status);
enum inlay_relay_status inlay_relay_header(struct inlay_relay *relay,
                                           struct inlay_str name,
                                           struct inlay_str value);

/* Body bytes (copied); WAIT: taken, but hold back until writable is OK. */
enum inlay_relay_status inlay_relay_send(struct inlay_relay *relay,
                                         struct inlay_str bytes,
                                         bool more);
enum inlay_relay_status inlay_relay_writable(struct inlay_relay *relay);

/* Cuts the answer. */
void inlay_relay_abort(struct inlay_relay *relay);

#endif
