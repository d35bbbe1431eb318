/*
 * access_log.h - a line per request on stdout, or given to config.access_sink.
 * Lines of a tick go out together, at its end. An I/O thread never waits for
 * them: what stdout does not take is tried again; past 1 MiB whole lines are
 * left out, and a warning says how many. I/O threads only.
 */
#ifndef INLAY_SERVE_ACCESS_LOG_H
#define INLAY_SERVE_ACCESS_LOG_H

#include "serve/request.h"

struct inlay_access_out;
struct inlay_io_thread;

/*
 * The line of a request that has ended; `status` is for one whose answer was
 * never begun: 499, the client has gone (as in nginx), or 500. Only if
 * server->access.
 */
void inlay_access_log_add(const struct inlay_request *request, int status);

/* A WebSocket was accepted: a line in uvicorn's format, which has none when it
 * ends. All other formats have one then, with status 101. */
void inlay_access_log_accepted(const struct inlay_request *request);

/* Bytes of `client` that never became a request were answered by `status`. */
void inlay_access_log_refused(struct inlay_io_thread *thread,
                              const struct inlay_address *client,
                              int status);

/* --- access_write.c ------------------------------------------------------ */

/* Cold: a way to stdout that does not block; there always is one. */
void inlay_access_out_open(struct inlay_access_out *out);
void inlay_access_out_close(struct inlay_access_out *out);

/* Of a thread, before its loop runs and after. */
void inlay_access_log_init(struct inlay_io_thread *thread);
void inlay_access_log_deinit(struct inlay_io_thread *thread);

/* There are new lines: they leave when the tick ends, or now if many. */
void inlay_access_log_ready(struct inlay_io_thread *thread);

#endif
