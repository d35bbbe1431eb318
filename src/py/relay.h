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
#define INLAY_RELAY_UNSENT                                                     \
    (16u << 20) /* bytes held for a sender who does not
                                          wait; past that it fails */

/* A header of the request; name and value lie side by side. */
struct inlay_relay_line {
    struct inlay_str name, value;
    uint64_t hash; /* of both; 0: never to be cached (may be a secret) */
};

/*
 * What goes through a relay one by one: the messages of a WebSocket, and what
 * stands before and after the body of an answer. `len` bytes follow it, if
 * not in the next of the box's chunks.
 */
enum inlay_record_kind {
    INLAY_RECORD_TEXT = INLAY_WEBSOCKET_TEXT,
    INLAY_RECORD_BINARY = INLAY_WEBSOCKET_BINARY,
    INLAY_RECORD_CLOSE = 8, /* `number` is the code; the bytes are the reason */
    INLAY_RECORD_INFORM,    /* 103: `number` packed headers */
    INLAY_RECORD_TRAILERS,  /* the same */
};

struct inlay_record {
    size_t len;
    uint32_t number;
    uint16_t kind; /* enum inlay_record_kind */
    uint16_t in_chunk;
};

struct inlay_bridge;

struct inlay_relay {
    struct inlay_mail mail; /* to the I/O thread */
    struct inlay_bridge *bridge;
    struct inlay_io_thread *thread;
    struct inlay_relay *next; /* in a box or a free list */
    atomic_uint refs;
    atomic_bool to_python, to_io; /* is in that box */
    atomic_bool expired; /* it took too long: its task is to be cancelled */

    /* The I/O thread's own. */
    struct inlay_request *request; /* NULL: over */
    bool paused;                   /* the body is held back */
    bool accepted;                 /* it is a WebSocket now */
    struct inlay_chunk *landing;   /* taken from `room`; or NULL */

    /* The head: written once, before the Python side sees it. */
    char *head; /* one block that holds all of it */
    size_t head_size;
    enum inlay_method method_id;
    struct inlay_str method, path, raw_path, query;
    struct inlay_str root_path;     /* ptr NULL: the server's own */
    struct inlay_str client, local; /* hosts; "" unknown */
    int client_port, local_port;    /* -1: none */
    struct inlay_relay_line *lines;
    size_t nlines;
    uint8_t http_major, http_minor;
    bool https, has_body, expects_continue;
    int64_t content_length; /* -1: none */
    bool websocket;         /* it asks for one */
    bool upgrade;           /* it asks for one, but that is not followed */
    bool wants_trailers;    /* te: trailers */
    bool timed;             /* its time in the queue is wanted */
    uint64_t began;         /* of the request; 0: not timed */

    /* The Python thread's own. */
    void *owner;            /* its object for this relay, or NULL */
    bool taken;             /* it came out of the queue before */
    bool answered;          /* the head of the answer is in the box, or cut */
    struct inlay_buf inbox; /* a WebSocket's messages that were taken out of
                               `body`; of others, trailers being collected */
    size_t ntrailers;
    uint64_t taken_at;      /* inlay_clock_ns, if timed */
    struct inlay_str route; /* the application's, for metrics, before `start`;
                               lasts as long as they. "": not known */

    /*
     * The head of the answer: the Python thread's until `start` is in the
     * box, the I/O thread's from then on.
     */
    struct inlay_buf answer; /* packed headers, then `inlined` body bytes */
    size_t nheaders, inlined;
    int status;    /* 101: accepts; the first header is the subprotocol */
    bool streamed; /* the first body message is not the last: no length */

    /* Both threads', under the lock. */
    pthread_mutex_t lock;
    struct inlay_buf body; /* arrived and not taken; a WebSocket's records */
    size_t messages;       /* of those */
    /*
     * The next bytes of the body shall land where Python made room for them,
     * if all before them were taken; what comes after `landed` goes to `body`.
     */
    struct inlay_chunk *room, *landed; /* `sent` bytes of it; or NULL */
    bool body_last;                    /* nothing will follow */
    bool hungry; /* receive() waits: tell Python of new bytes */
    bool gone;   /* the client went away */
    bool eof;    /* it ended its side: it may have gone */
    bool start, end, abort, want_body, resume;
    struct inlay_chunk *chunks, **chunks_last;
    struct inlay_buf records; /* to the I/O thread */
    size_t boxed;             /* bytes of chunks and records */
    size_t writing;           /* bytes that the connection has not sent yet */
    size_t held;  /* of both, those in memory (not of files), or more */
    bool blocked; /* send() waits: tell Python when there is room */
};

/* One per I/O thread, only touched by it. */
struct inlay_relay_lane {
    struct inlay_later flush; /* moves the letters of a tick to the queue */
    struct inlay_bridge *bridge;
    struct inlay_io_thread *thread; /* NULL: no request yet */
    struct inlay_relay *first, **last;
    struct inlay_relay *spare;
    size_t nspare;
    struct inlay_buf records; /* empty; changes places with a relay's */
};

/* A message of the core on its way to Python's logging. */
struct inlay_bridge_note {
    struct inlay_bridge_note *next;
    enum inlay_log_level level;
    bool access; /* whole lines of the access log */
    size_t len;
    char text[];
};

struct inlay_bridge {
    struct inlay_handler handler; /* first */
    atomic_uint refs;             /* the handler's and the server object's */
    size_t body_window, write_window;
    size_t message_bytes, message_queue; /* of WebSockets */
    struct inlay_relay_lane *lanes;
    unsigned nlanes;
    int wake; /* eventfd: readable while something may be in the queue */
    atomic_bool idle;        /* whoever takes this from true writes to `wake` */
    atomic_size_t in_flight; /* relays that the Python side has not ended */
    _Atomic(uint64_t) *rung; /* when `wake` was written, for metrics:
                                serve/metrics_layout.h; NULL: off */

    pthread_mutex_t lock;
    struct inlay_relay *first, **last;             /* under lock: the queue */
    struct inlay_bridge_note *notes, **notes_last; /* under lock */
    size_t nnotes, note_bytes;
    atomic_size_t lost_lines; /* of the access log: Python was too slow */
    _Atomic(struct inlay_chunk *) returned; /* what Python lent: asgi_lend.c */
    atomic_size_t returned_bytes;           /* of them */

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
/* The same for config.access_sink. */
void inlay_bridge_access(void *arg, struct inlay_str lines);

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
    INLAY_RELAY_OVER, /* INLAY_RELAY_UNSENT bytes wait already: not taken */
};

/* Sends "100 Continue" if the client waits for that. */
void inlay_relay_want_body(struct inlay_relay *relay);

/*
 * OK: the next part of the body, the last one if `last_ret`. Either bytes that
 * landed in the room made for them: `landed_ret` is the caller's, `sent` bytes
 * of it. Or, with NULL there, a view of all others that have arrived; then the
 * lock is held until inlay_relay_body_end, which takes them.
 */
enum inlay_relay_status inlay_relay_body_begin(struct inlay_relay *relay,
                                               struct inlay_chunk **landed_ret,
                                               struct inlay_str *bytes_ret,
                                               bool *last_ret);
void inlay_relay_body_end(struct inlay_relay *relay);

/* Makes room for the next bytes of the body; once, until they have landed.
 * Takes the chunk. */
void inlay_relay_body_room(struct inlay_relay *relay,
                           struct inlay_chunk *chunk);

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
/* The same with a part of a regular file; takes `fd`, also on failure. */
enum inlay_relay_status inlay_relay_send_file(struct inlay_relay *relay,
                                              int fd,
                                              uint64_t offset,
                                              size_t len,
                                              bool more);
/* The same of bytes that stay where they are. Takes the chunk, NULL: none. */
enum inlay_relay_status inlay_relay_send_chunk(struct inlay_relay *relay,
                                               struct inlay_chunk *chunk,
                                               bool more);
enum inlay_relay_status inlay_relay_writable(struct inlay_relay *relay);

/* 103 with `count` headers of inlay_record_pack, unless it is too late. */
enum inlay_relay_status inlay_relay_inform(struct inlay_relay *relay,
                                           struct inlay_str packed,
                                           size_t count);

/* Ends the answer, with the trailers that were packed into relay->inbox. */
enum inlay_relay_status inlay_relay_trailers(struct inlay_relay *relay);

/* Cuts the answer. */
void inlay_relay_abort(struct inlay_relay *relay);

/* Appends a header, its name in lower case. 0, or -1: no memory. */
int inlay_record_pack(struct inlay_buf *out,
                      struct inlay_str name,
                      struct inlay_str value);

/* --- relay_websocket.c ---------------------------------------------------- */

/*
 * The next of what arrived: a message, or last of all CLOSE; valid until the
 * next call. GONE: CLOSE was given before, or the client left before it was
 * accepted.
 */
enum inlay_relay_status inlay_relay_message(struct inlay_relay *relay,
                                            struct inlay_record *record_ret,
                                            struct inlay_str *bytes_ret);

/* Carries the head of inlay_relay_start(relay, 101) out. */
enum inlay_relay_status inlay_relay_accept(struct inlay_relay *relay);

/* A message, as inlay_relay_send does it. Text must be UTF-8. */
enum inlay_relay_status inlay_relay_send_message(struct inlay_relay *relay,
                                                 enum inlay_websocket_kind kind,
                                                 struct inlay_str bytes);

/* Closes an accepted WebSocket after what was sent. */
void inlay_relay_close(struct inlay_relay *relay,
                       uint16_t code,
                       struct inlay_str reason);

#endif
