#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

static struct inlay_error no_memory = {
    .code = INLAY_ERROR_NO_MEMORY,
    .message = (char[]){"out of memory"},
};

struct inlay_error *inlay_error_no_memory(void)
{
    return &no_memory;
}

/* libc's malloc on purpose: an error must be reportable in failing-nth tests. */
static inlay_printf(3, 0) struct inlay_error *error_make(
    enum inlay_error_code code,
    int system,
    const char *format,
    va_list args)
{
    struct inlay_error *error = calloc(1, sizeof(*error));
    char reason[128] = "";
    char *text = NULL, *message = NULL;

    if (!error)
        return &no_memory;
    if (vasprintf(&text, format, args) < 0)
        goto fail;
    if (system) {
        const char *what = strerror_r(system, reason, sizeof(reason));
        if (asprintf(&message, "%s: %s", text, what) < 0)
            goto fail;
        free(text);
    } else {
        message = text;
    }
    error->code = code;
    error->system = system;
    error->message = message;
    return error;
fail:
    free(text);
    free(error);
    return &no_memory;
}

struct inlay_error *inlay_error_create(enum inlay_error_code code,
                                       const char *format,
                                       ...)
{
    va_list args;

    va_start(args, format);
    struct inlay_error *error = error_make(code, 0, format, args);
    va_end(args);
    return error;
}

struct inlay_error *inlay_error_system(int system, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    struct inlay_error *error =
        error_make(INLAY_ERROR_SYSTEM, system, format, args);
    va_end(args);
    return error;
}

void inlay_error_destroy(struct inlay_error *error)
{
    if (!error || error == &no_memory)
        return;
    free(error->message);
    free(error);
}
