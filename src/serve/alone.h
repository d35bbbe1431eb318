/*
 * alone.h - what a server without an ASGI application says itself, at the end
 * of its chain: 404, 405 with Allow, 204 for OPTIONS, 307 to the path with
 * (or without) a slash at its end, as FastAPI does; and the documents,
 * /openapi.json and /docs, below the native routes: one of the user's own for
 * these paths wins. All on the request's I/O thread.
 */
#ifndef INLAY_SERVE_ALONE_H
#define INLAY_SERVE_ALONE_H

#include "base/error.h"
#include "serve/handler.h"

/* `native` (native.h) outlives it. Without `docs` there are no documents. */
struct inlay_error *inlay_alone_create(const struct inlay_handler *native,
                                       bool docs,
                                       struct inlay_handler **ret);

/* The native routes have changed: the document is written anew. Any thread;
 * requests that are being answered have the one they began with. */
struct inlay_error *inlay_alone_update(struct inlay_handler *alone);

#endif
