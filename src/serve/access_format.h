/*
 * access_format.h - the format of the access log, compiled at start into steps
 * that access_log.c follows. docs/logging.md lists names and formats.
 */
#ifndef INLAY_SERVE_ACCESS_FORMAT_H
#define INLAY_SERVE_ACCESS_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "net/loop.h"

/* What a line is made of. */
enum inlay_access_atom {
    INLAY_ACCESS_LITERAL, /* of the format itself */
    INLAY_ACCESS_DASH,    /* "-": what nobody knows (Apache's %l, %u) */
    INLAY_ACCESS_HOST,    /* the client's address, or its socket's path */
    INLAY_ACCESS_PORT,
    INLAY_ACCESS_CLIENT, /* host:port */
    INLAY_ACCESS_METHOD,
    INLAY_ACCESS_PATH,     /* as sent, without the query */
    INLAY_ACCESS_QUERY,    /* as sent, without "?" */
    INLAY_ACCESS_TARGET,   /* both */
    INLAY_ACCESS_PROTOCOL, /* HTTP/1.1 */
    INLAY_ACCESS_VERSION,  /* 1.1 */
    INLAY_ACCESS_LINE,     /* GET /path?query HTTP/1.1 */
    INLAY_ACCESS_SCHEME,
    INLAY_ACCESS_STATUS,
    INLAY_ACCESS_REASON,
    INLAY_ACCESS_BYTES,        /* of the body, as sent */
    INLAY_ACCESS_BYTES_DASH,   /* the same; "-" for 0 */
    INLAY_ACCESS_SECONDS,      /* the duration, whole seconds */
    INLAY_ACCESS_SECONDS_REAL, /* with a fraction */
    INLAY_ACCESS_MS,           /* whole milliseconds */
    INLAY_ACCESS_MS_REAL,
    INLAY_ACCESS_US,
    INLAY_ACCESS_QUEUE_MS, /* real; of it, until Python took the request */
    INLAY_ACCESS_TIME_CLF, /* [10/Oct/2000:13:55:36 +0200] */
    INLAY_ACCESS_TIME_ISO, /* 2000-10-10T11:55:36.123Z */
    INLAY_ACCESS_TIME,     /* 2000-10-10 13:55:36 +0200 */
    INLAY_ACCESS_REQUEST_ID,
    INLAY_ACCESS_TRACE_ID, /* of a W3C traceparent */
    INLAY_ACCESS_WORKER,   /* process id */
    INLAY_ACCESS_KIND,     /* native, asgi, static, server */
    INLAY_ACCESS_ROUTE,    /* pattern of a native route */
    INLAY_ACCESS_HEADER,   /* of the request */
    INLAY_ACCESS_ANSWER_HEADER,
};

struct inlay_access_step {
    enum inlay_access_atom atom;
    unsigned digits;       /* behind the point, of real numbers; <= 9 */
    size_t index;          /* ANSWER_HEADER: in struct inlay_request.logged */
    struct inlay_str text; /* LITERAL; lower-case name of a header */
};

struct inlay_access_format {
    struct inlay_access_step *steps;
    size_t nsteps;
    struct inlay_str *answer_headers; /* names to be kept, lower case */
    size_t nanswer_headers;
    bool json;    /* texts are quoted and escaped as JSON's, or null */
    bool uvicorn; /* its format: WebSockets have lines of their own kind */
    bool timed;   /* durations are told */
};

/* Where lines go: a way to stdout that does not block; access_write.c. */
struct inlay_access_out {
    int fd;
    bool owned;  /* opened by us: a pipe or terminal, not blocking */
    bool pipe;   /* what is not longer than PIPE_BUF goes whole or not at all */
    bool socket; /* written by send() */
    int pid;     /* of this worker, for the lines */
};

/* Lines of one I/O thread, between ticks and stdout. */
struct inlay_access_lines {
    struct inlay_buf buf;
    struct inlay_later flush; /* at the end of the tick */
    struct inlay_timer again; /* stdout took nothing: later */
    size_t dropped;           /* lines without room, not yet told */
    time_t second;            /* what the texts say; 0: nothing yet */
    char clf[32], plain[32], iso[24];
};

/*
 * "uvicorn", "common", "combined", "json", "fields" (for Python's logging: tab
 * separated, see logs.py), or a text with atoms. Everything lies in the arena.
 * INLAY_ERROR_VALUE names the atom that is wrong.
 */
struct inlay_error *inlay_access_format_create(
    struct inlay_arena *arena,
    struct inlay_str text,
    struct inlay_access_format **ret);

#endif
