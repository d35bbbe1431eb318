#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/banned.h"

#define LOG_LINE 2048

static const char *level_name(enum inlay_log_level level)
{
    switch (level) {
    case INLAY_LOG_DEBUG:
        return "DEBUG";
    case INLAY_LOG_INFO:
        return "INFO";
    case INLAY_LOG_WARNING:
        return "WARNING";
    case INLAY_LOG_ERROR:
        return "ERROR";
    }
    return "LOG";
}

static void write_stderr(enum inlay_log_level level, struct inlay_str text)
{
    char line[LOG_LINE + 32];
    int length = snprintf(line, sizeof(line), "%s: %.*s\n", level_name(level),
                          inlay_str_arg(text));

    /* One write, so that lines of several threads never mix. */
    if (length > 0 && write(STDERR_FILENO, line, (size_t)length) < 0)
        return;
}

void inlay_log_write(const struct inlay_log *log,
                     enum inlay_log_level level,
                     const char *format,
                     ...)
{
    char text[LOG_LINE];
    va_list args;

    if (level < (log ? log->level : INLAY_LOG_INFO))
        return;
    va_start(args, format);
    int length = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (length < 0)
        return;
    if ((size_t)length >= sizeof(text))
        length = sizeof(text) - 1;
    /* One line, whatever a client got into it. */
    for (int i = 0; i < length; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == '\x7f')
            text[i] = ' ';
    }
    struct inlay_str line = inlay_str_make(text, (size_t)length);
    if (log && log->sink)
        log->sink(log->arg, level, line);
    else
        write_stderr(level, line);
}
