/*
 * urlencoded.h - application/x-www-form-urlencoded (WHATWG URL, 5) as an engine
 * without I/O: bytes in, in any pieces, pairs out.
 */
#ifndef INLAY_HTTP_URLENCODED_H
#define INLAY_HTTP_URLENCODED_H

#include "base/arena.h"
#include "base/buf.h"

enum inlay_urlencoded_status {
    INLAY_URLENCODED_OK = 0,
    INLAY_URLENCODED_TOO_LONG = -1, /* a pair, beyond its limit */
    INLAY_URLENCODED_STOPPED = -2,  /* an event has not returned 0 */
    INLAY_URLENCODED_NO_MEMORY = -3,
};

struct inlay_urlencoded {
    /* Raw views, valid during the event; returns 0 to go on. */
    int (*on_pair)(void *arg, struct inlay_str name, struct inlay_str value);
    void *arg;
    size_t limit;          /* bytes of a name and its value */
    struct inlay_buf pair; /* one that has begun in an earlier piece */
    bool equals;           /* its '=' has come */
};

void inlay_urlencoded_init(struct inlay_urlencoded *urlencoded,
                           size_t limit,
                           int (*on_pair)(void *arg,
                                          struct inlay_str name,
                                          struct inlay_str value),
                           void *arg);

/* Frees what it holds. */
void inlay_urlencoded_deinit(struct inlay_urlencoded *urlencoded);

/* The next bytes; the end. After a status below 0 only deinit may be called. */
enum inlay_urlencoded_status inlay_urlencoded_feed(
    struct inlay_urlencoded *urlencoded,
    struct inlay_str bytes);
enum inlay_urlencoded_status inlay_urlencoded_finish(
    struct inlay_urlencoded *urlencoded);

/*
 * A raw name or value as UTF-8, in the arena: '+' is a space, "%C3%A4" UTF-8
 * (U+FFFD for what is not), a byte that is not ASCII one of ISO-8859-1: as
 * Python's unquote_plus has it. ptr is NULL without memory.
 */
struct inlay_str inlay_urlencoded_decode(struct inlay_str raw,
                                         struct inlay_arena *arena);

#endif
