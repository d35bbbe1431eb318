/*
 * log.h - the core's own messages, handed to a sink (the Python side installs
 * one; the default writes lines to stderr). Callable from any thread; never
 * takes the GIL itself.
 */
#ifndef INLAY_BASE_LOG_H
#define INLAY_BASE_LOG_H

#include "base/macros.h"
#include "base/str.h"

enum inlay_log_level {
    INLAY_LOG_DEBUG = 10,
    INLAY_LOG_INFO = 20,
    INLAY_LOG_WARNING = 30,
    INLAY_LOG_ERROR = 40,
};

/* Called on the thread that logs; `text` is one line, without its end. */
typedef void (*inlay_log_sink)(void *arg,
                               enum inlay_log_level level,
                               struct inlay_str text);

struct inlay_log {
    inlay_log_sink sink; /* NULL: stderr */
    void *arg;
    enum inlay_log_level level; /* less important messages are dropped */
};

/* `log` may be NULL: stderr, from INLAY_LOG_INFO. Cut at 2 KiB. */
void inlay_log_write(const struct inlay_log *log,
                     enum inlay_log_level level,
                     const char *format,
                     ...) inlay_printf(3, 4);

#endif
