/*
 * scratch.h - where a JSON answer is written until it is sent: a buffer of the
 * I/O thread, used again for the next one. I/O thread only.
 */
#ifndef INLAY_SERVE_SCRATCH_H
#define INLAY_SERVE_SCRATCH_H

#include "base/buf.h"
#include "serve/request.h"

/* Empty, with a limit of limits.request_memory. */
struct inlay_buf *inlay_scratch_begin(struct inlay_request *request);

/* Sends what lies there as application/json. The request is over. */
void inlay_scratch_send(struct inlay_request *request, int status);

/* It won't be sent: what is large is given back. */
void inlay_scratch_drop(struct inlay_request *request);

#endif
