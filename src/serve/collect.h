/*
 * collect.h - a body that is put together in its request's arena before a
 * function gets it. I/O thread only.
 */
#ifndef INLAY_SERVE_COLLECT_H
#define INLAY_SERVE_COLLECT_H

#include "serve/request.h"

struct inlay_collected {
    char *data;
    size_t len, size;
};

static inline struct inlay_str inlay_collected_view(
    const struct inlay_collected *body)
{
    return inlay_str_make(body->data, body->len);
}

/* One more piece, copied. 0, or -1: it does not fit into the arena. */
int inlay_collect(struct inlay_request *request,
                  struct inlay_collected *body,
                  struct inlay_str chunk);

#endif
