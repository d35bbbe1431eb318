/* record.h - what the HTTP/1 engine says about some bytes, as text. */
#ifndef TEST_HTTP_RECORD_H
#define TEST_HTTP_RECORD_H

#include "base/buf.h"
#include "http/http1.h"

/* The limits of the golden files. */
extern const struct inlay_http1_limits record_limits;

struct cutter {
    uint32_t random; /* state; 0: pieces of `piece` bytes */
    size_t piece;    /* 0: everything at once */
    bool pause;      /* every event says stop */
};

/* Appends a line per event, then how it ended. The body is one line, however
 * it came. */
void record(struct inlay_buf *log,
            struct inlay_str input,
            struct cutter cutter);

#endif
