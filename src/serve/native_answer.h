/*
 * native_answer.h - what native calls answer: results by their type, errors,
 * files, redirects. Private to native_*.c; I/O thread only.
 */
#ifndef INLAY_SERVE_NATIVE_ANSWER_H
#define INLAY_SERVE_NATIVE_ANSWER_H

#include "serve/native_call.h"

struct inlay_native_route;

/* {"detail": "Content Too Large"} and the like: the status says it all. The
 * request is over. */
void inlay_native_answer_status(struct inlay_request *request, int status);

/* The result of the route's handler, when inlay_native_answer was false. The
 * request is over. */
void inlay_native_answer_result(struct inlay_native_call *call,
                                const struct inlay_native_route *route);

#endif
