/*
 * answer.h - what is added to the head of an answer, whoever gives it: headers
 * of guards, layers and native functions, a request id, a Server-Timing, a
 * content coding; and what the access log keeps of it.
 */
#ifndef INLAY_SERVE_ANSWER_H
#define INLAY_SERVE_ANSWER_H

#include "http/header.h"

struct inlay_request;

/* In place of request->stream->start, when server->dresses or request->extra. 0
 * or -1. */
int inlay_answer_start(struct inlay_request *request,
                       const struct inlay_header *headers,
                       size_t nheaders);

#endif
