/*
 * access_log.h - a line per answer on stdout, as uvicorn writes it:
 * INFO:     127.0.0.1:5000 - "GET /path?x HTTP/1.1" 200 OK
 */
#ifndef INLAY_SERVE_ACCESS_LOG_H
#define INLAY_SERVE_ACCESS_LOG_H

#include "serve/request.h"

/* Appends the line; the thread's lines go out together when the tick ends. */
void inlay_access_log_add(const struct inlay_request *request);

/* For thread->access_flush: writes what is there. What stdout does not take
 * is dropped, an I/O thread never waits for a log. */
void inlay_access_log_flush(struct inlay_later *later);

#endif
