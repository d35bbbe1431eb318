/*
 * conn.h - a byte stream with a peer: reads into the loop's scratch memory,
 * keeps what its user did not take, queues what is to be written and sends it
 * by one writev at the end of the tick. Owned by its loop's thread. An idle
 * connection holds no buffers.
 */
#ifndef INLAY_NET_CONN_H
#define INLAY_NET_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "net/loop.h"

/*
 * Bytes that change hands without a copy, or a part of a file; freed (closed)
 * by inlay_chunk_destroy.
 */
struct inlay_chunk {
    struct inlay_chunk *next;
    size_t len;
    size_t sent;     /* of len, already written */
    int fd;          /* -1: the bytes are `data`; else sent by sendfile */
    uint64_t offset; /* in the file, of byte 0 */
    char *data;      /* `own`, or lent by somebody */
    void (*release)(struct inlay_chunk *chunk); /* of lent ones; else NULL */
    char own[];
};

/* malloc'ed, so any thread may make one and another free it. Or NULL. */
struct inlay_chunk *inlay_chunk_create(size_t len);
/*
 * Makes a chunk, embedded in its owner's memory, of bytes that stay as they
 * are until `release` is called, once, by whatever thread destroys it.
 */
void inlay_chunk_lend(struct inlay_chunk *chunk,
                      struct inlay_str bytes,
                      void (*release)(struct inlay_chunk *chunk));
/*
 * Of a regular file, whose descriptor it takes over, also on failure. Its
 * bytes count as queued like others, though they take no memory. When the file
 * proves shorter, the connection is reset, so that nobody takes the part for
 * the whole. sendfile has no MSG_NOSIGNAL: the loop's thread blocks
 * or ignores SIGPIPE.
 */
struct inlay_chunk *inlay_chunk_of_file(int fd, uint64_t offset, size_t len);
void inlay_chunk_destroy(struct inlay_chunk *chunk);
void inlay_chunks_destroy(struct inlay_chunk *first); /* of a list */

struct inlay_conn;

/*
 * Each is called from the loop, never from within a function below; so each
 * may call any of those, but only on_close may free the connection.
 */
struct inlay_conn_ops {
    /*
     * Bytes arrived, or wait to be taken after inlay_conn_resume: returns
     * how many were taken. The rest is kept, and pauses the connection:
     * nothing is read until inlay_conn_resume, then the rest is offered
     * again. May close the connection (then returns anything).
     */
    size_t (*on_data)(struct inlay_conn *conn, const char *data, size_t len);
    /*
     * NULL is allowed. Where what is read next shall land, and `*len_ret`
     * bytes at most; on_data then gets it there. NULL, or room for 0 bytes:
     * in the loop's scratch.
     */
    char *(*on_room)(struct inlay_conn *conn, size_t *len_ret);
    /*
     * The peer ended its side; answers may still be sent. Once; and once
     * before while the connection is paused: then conn->eof is not set, bytes
     * sent before may still come.
     */
    void (*on_eof)(struct inlay_conn *conn);
    /* Everything queued has been written to the socket. */
    void (*on_drained)(struct inlay_conn *conn);
    /*
     * The connection has ended (peer, error, or inlay_conn_close): exactly
     * once, at the end of a tick; the last that is called. Its user frees it
     * here, or later.
     */
    void (*on_close)(struct inlay_conn *conn);
};

/* Embedded first in its user's struct. */
struct inlay_conn {
    struct inlay_watch watch;
    struct inlay_loop *loop;
    const struct inlay_conn_ops *ops;
    struct inlay_buf in;  /* not taken yet; empty when idle */
    struct inlay_buf out; /* small writes; sent before `chunks` */
    struct inlay_chunk *chunks, **chunks_last;
    struct inlay_buf tail;    /* small writes after the last of `chunks` */
    size_t chunk_bytes;       /* of `chunks`, not written yet */
    size_t queued;            /* bytes of all three, not written yet */
    struct inlay_later flush; /* offers kept bytes, writes, or ends */
    struct inlay_timer linger;
    uint32_t discarded; /* bytes read and dropped since it closes */
    bool paused;        /* nothing is read */
    bool resumed;       /* kept bytes are to be offered */
    bool eof;           /* the peer ended its side: nothing more to read */
    bool eof_told;      /* on_eof was called */
    bool closing;       /* ends when everything is written */
    bool lingering;     /* our side is shut; waits for the peer's end */
    bool closed;        /* only on_close is still to come, or came */
    bool blocked;       /* the socket takes no more: waits for EPOLLOUT */
};

/* Takes over the non-blocking socket `fd` and begins to read. 0; or -1, and
 * `fd` stays the caller's. */
int inlay_conn_init(struct inlay_conn *conn,
                    struct inlay_loop *loop,
                    int fd,
                    const struct inlay_conn_ops *ops);

/*
 * Queue bytes (copied); takes ownership of a chunk. Sent at the end of the
 * tick. 0, or -1 when closed or without memory (the chunk is then freed).
 */
int inlay_conn_write(struct inlay_conn *conn, const void *data, size_t len);
int inlay_conn_write_chunk(struct inlay_conn *conn, struct inlay_chunk *chunk);

/*
 * The end of what is queued, to append in place; then inlay_conn_wrote(conn),
 * before any other write. What is appended to a closed one is dropped.
 */
struct inlay_buf *inlay_conn_out(struct inlay_conn *conn);
void inlay_conn_wrote(struct inlay_conn *conn);

void inlay_conn_pause(struct inlay_conn *conn);
/* Reads again; kept bytes are offered before the tick ends, not from
 * within this call. */
void inlay_conn_resume(struct inlay_conn *conn);

/*
 * Ends when everything queued is written; then lingers for the peer's FIN so
 * that a reset does not destroy the answer (RFC 9112 9.6): 2 s or 16 MiB at
 * most. Nothing is offered to on_data any more. How long the peer may take to
 * read what is queued is its user's affair: inlay_conn_close ends that too.
 */
void inlay_conn_close_after_write(struct inlay_conn *conn);

/* Ends at once: what is queued is dropped. on_close follows. */
void inlay_conn_close(struct inlay_conn *conn);

/* loop.c: `timer` is a connection's `linger`. */
void inlay_conn_linger_expired(struct inlay_timer *timer);

#endif
