/*
 * multipart.h - multipart/form-data (RFC 7578) as an engine without I/O: bytes
 * in, in any pieces, parts out. It takes what python-multipart takes. Any
 * chunking gives the same events, but that data comes in other pieces.
 */
#ifndef INLAY_HTTP_MULTIPART_H
#define INLAY_HTTP_MULTIPART_H

#include "base/buf.h"
#include "base/str.h"

#define INLAY_MULTIPART_BOUNDARY 256 /* bytes of a boundary at most */
#define INLAY_MULTIPART_HEADERS 8    /* of a part at most */
#define INLAY_MULTIPART_LINE 4224    /* bytes of one of them at most */

enum inlay_multipart_status {
    INLAY_MULTIPART_OK = 0,
    INLAY_MULTIPART_INVALID = -1, /* it is no such body */
    INLAY_MULTIPART_NO_NAME =
        -2, /* a part without content-disposition's name */
    INLAY_MULTIPART_STOPPED = -3, /* an event has not returned 0 */
    INLAY_MULTIPART_NO_MEMORY = -4,
};

/* Bytes as they came; views valid during the event. */
struct inlay_multipart_part {
    struct inlay_str name;
    bool is_file; /* content-disposition has a filename, be it empty */
    struct inlay_str filename; /* without the folders that old browsers send */
    struct inlay_str type;     /* content-type; ptr NULL: none */
};

/* Each returns 0 to go on. on_end comes once per part that is complete. */
struct inlay_multipart_ops {
    int (*on_part)(void *arg, const struct inlay_multipart_part *part);
    int (*on_data)(void *arg, struct inlay_str bytes);
    int (*on_end)(void *arg);
};

struct inlay_multipart {
    const struct inlay_multipart_ops *ops;
    void *arg;
    int state;      /* enum state of multipart.c */
    size_t matched; /* bytes of the delimiter that have come */
    size_t delimiter_len;
    size_t nheaders, line_len;
    struct inlay_buf line;              /* the name of a header */
    struct inlay_buf disposition, type; /* values that count */
    struct inlay_buf *value;            /* where this one goes; or NULL */
    bool has_disposition, has_type;
    char delimiter[4 + INLAY_MULTIPART_BOUNDARY]; /* "\r\n--boundary" */
};

/* INVALID: the boundary is too long. */
enum inlay_multipart_status inlay_multipart_init(
    struct inlay_multipart *multipart,
    struct inlay_str boundary,
    const struct inlay_multipart_ops *ops,
    void *arg);

/* Frees what it holds. */
void inlay_multipart_deinit(struct inlay_multipart *multipart);

/*
 * The next bytes. After a status below 0 only deinit may be called. There is no
 * end to be told of: a part whose boundary does not come never ends, and what
 * follows the last boundary is ignored.
 */
enum inlay_multipart_status inlay_multipart_feed(
    struct inlay_multipart *multipart,
    struct inlay_str bytes);

#endif
