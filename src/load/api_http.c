/*
 * api_http.c - what functions of routes, guards and providers say and ask:
 * texts are formatted into the call's memory here, the rest is context->http's.
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/buf.h"
#include "http/cookie.h"
#include "http/header.h"
#include "load/api.h"

#include "base/banned.h"

/*
 * The running call when it answers a request and has not failed; else NULL,
 * and the call fails: it was made from Python, or outside of any call.
 */
static struct inlay_context *running(const char *what)
{
    struct inlay_context *context = inlay_context_current;
    char text[128];

    if (!context || context->error)
        return NULL;
    if (context->http)
        return context;
    snprintf(text, sizeof(text), "%s: there is no request here", what);
    inlay_context_fail(context, INLAY_INTERNAL, inlay_str_from(text));
    return NULL;
}

/* The same for what waits: one that goes on after it has failed is told so. */
static struct inlay_context *waiting(const char *what)
{
    struct inlay_context *context = inlay_context_current;

    if (!context || !context->error || !context->http)
        return running(what);
    context->http->refuse(context);
    return NULL;
}

static const struct inlay_str none = {NULL, 0};

static struct inlay_str text_of(const char *text)
{
    return text ? inlay_str_from(text) : INLAY_STR("");
}

/* ptr is NULL and the call has failed without memory. */
static struct inlay_str format_text(struct inlay_context *context,
                                    const char *format,
                                    va_list args) inlay_printf(2, 0);

static struct inlay_str format_text(struct inlay_context *context,
                                    const char *format,
                                    va_list args)
{
    if (!format)
        return INLAY_STR("");
    struct inlay_str text = inlay_context_print(context, format, args);
    if (!text.ptr)
        inlay_context_fail(context, INLAY_NO_MEMORY,
                           INLAY_STR("out of memory for this call"));
    return text;
}

/* --- The answer --------------------------------------------------------- */

void inlay_api_status(int status)
{
    struct inlay_context *context = running("inlay_status");

    if (context)
        context->http->status(context, status);
}

void inlay_api_header_set(const char *name, const char *format, ...)
{
    struct inlay_context *context = running("inlay_header_set");
    va_list args;

    if (!context)
        return;
    va_start(args, format);
    struct inlay_str value = format_text(context, format, args);
    va_end(args);
    if (value.ptr)
        context->http->header(context, text_of(name), value, true);
}

void inlay_api_header_add(const char *name, const char *format, ...)
{
    struct inlay_context *context = running("inlay_header_add");
    va_list args;

    if (!context)
        return;
    va_start(args, format);
    struct inlay_str value = format_text(context, format, args);
    va_end(args);
    if (value.ptr)
        context->http->header(context, text_of(name), value, false);
}

void inlay_api_trailer_set(const char *name, const char *format, ...)
{
    struct inlay_context *context = running("inlay_trailer_set");
    va_list args;

    if (!context)
        return;
    va_start(args, format);
    struct inlay_str value = format_text(context, format, args);
    va_end(args);
    if (value.ptr)
        context->http->trailer(context, text_of(name), value);
}

/* RFC 6265 4.1.1: no control, blank, quote, comma, ';', '\\'. */
static bool cookie_value_valid(struct inlay_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];

        if (c <= ' ' || c >= 127 || strchr("\",;\\", c))
            return false;
    }
    return true;
}

/* Why there can't be such a cookie, or NULL. */
static const char *wrong_cookie(struct inlay_str name,
                                struct inlay_str value,
                                struct inlay_str attributes)
{
    if (!inlay_header_name_valid(name)) /* a token, too */
        return "the name is none that a cookie can have (RFC 6265 4.1.1)";
    if (!cookie_value_valid(value))
        return "the value has characters that no cookie can have (RFC 6265 "
               "4.1.1): encode it";
    if (!inlay_header_value_valid(attributes))
        return "the attributes have a line break or control character";
    return NULL;
}

void inlay_api_cookie_set(const char *name,
                          struct inlay_str value,
                          const char *attributes)
{
    struct inlay_context *context = running("inlay_cookie_set");
    const char *rest = attributes ? attributes : "";

    if (!context)
        return;
    const char *why =
        wrong_cookie(text_of(name), value.ptr ? value : none, text_of(rest));
    if (why) {
        char quoted[160], text[384];

        inlay_str_quote(text_of(name), quoted, sizeof(quoted));
        snprintf(text, sizeof(text), "inlay_cookie_set(%s): %s", quoted, why);
        inlay_context_fail(context, INLAY_INTERNAL, inlay_str_from(text));
        return;
    }
    struct inlay_str line = inlay_arena_format(
        context->arena, "%s=%.*s%s%s%s", name, (int)value.len,
        value.ptr ? value.ptr : "", value.ptr ? "" : "; Max-Age=0",
        *rest ? "; " : "", rest);
    if (line.ptr)
        context->http->header(context, INLAY_STR("set-cookie"), line, false);
    else
        inlay_context_fail(context, INLAY_NO_MEMORY,
                           INLAY_STR("out of memory for this call"));
}

void inlay_api_redirect(int status, const char *format, ...)
{
    struct inlay_context *context = running("inlay_redirect");
    va_list args;

    if (!context)
        return;
    va_start(args, format);
    struct inlay_str location = format_text(context, format, args);
    va_end(args);
    if (location.ptr)
        context->http->redirect(context, status, location);
}

void inlay_api_send_file(const char *path)
{
    struct inlay_context *context = running("inlay_send_file");

    if (context)
        context->http->send_file(context, text_of(path));
}

void inlay_api_next(const inlay_request *request)
{
    struct inlay_context *context = running("inlay_next");

    (void)request;
    if (context)
        context->http->next(context);
}

/* --- The request -------------------------------------------------------- */

struct inlay_str inlay_api_part(const inlay_request *request, int part)
{
    struct inlay_context *context = running("inlay_part");

    (void)request;
    return context ? context->http->part(context, part) : none;
}

struct inlay_str inlay_api_header(const inlay_request *request,
                                  const char *name)
{
    struct inlay_context *context = running("inlay_header");

    (void)request;
    return context ? context->http->request_header(context, text_of(name))
                   : none;
}

int inlay_api_answered(void)
{
    struct inlay_context *context = running("inlay_answered");

    return context ? context->http->answered(context) : 0;
}

struct inlay_str inlay_api_cookie(const inlay_request *request,
                                  const char *name)
{
    return inlay_cookie_find(inlay_api_header(request, "cookie"),
                             text_of(name));
}

/* --- Waiting ------------------------------------------------------------ */

ptrdiff_t inlay_api_read(inlay_request *request, void *buffer, size_t size)
{
    struct inlay_context *context = waiting("inlay_read");

    (void)request;
    return context ? context->http->read(context, buffer, size) : -1;
}

bool inlay_api_write(inlay_request *request, struct inlay_str bytes)
{
    struct inlay_context *context = waiting("inlay_write");

    (void)request;
    return context && context->http->write(context, bytes, false);
}

bool inlay_api_print(inlay_request *request, const char *format, ...)
{
    struct inlay_context *context = waiting("inlay_print");
    va_list args;

    (void)request;
    if (!context)
        return false;
    va_start(args, format);
    struct inlay_str text = format_text(context, format, args);
    va_end(args);
    return text.ptr && context->http->write(context, text, true);
}

/* HTML 9.2.5: a field per line; CR, LF and CRLF end one. */
static int add_lines(struct inlay_buf *out,
                     const char *field,
                     struct inlay_str text)
{
    int failed = 0;

    for (size_t at = 0;;) {
        size_t end = at;

        while (end < text.len && text.ptr[end] != '\n' && text.ptr[end] != '\r')
            end++;
        failed |= inlay_buf_append(out, field, strlen(field));
        failed |= inlay_buf_append(out, text.ptr + at, end - at);
        failed |= inlay_buf_append_char(out, '\n');
        if (end == text.len)
            return failed;
        at = end + 1;
        if (text.ptr[end] == '\r' && at < text.len && text.ptr[at] == '\n')
            at++;
    }
}

bool inlay_api_event(inlay_request *request,
                     const char *name,
                     const char *format,
                     ...)
{
    struct inlay_context *context = waiting("inlay_event");
    struct inlay_str text = none;
    struct inlay_buf out;
    va_list args;

    (void)request;
    if (!context)
        return false;
    va_start(args, format);
    struct inlay_str data = format_text(context, format, args);
    va_end(args);
    if (!data.ptr)
        return false;
    /* In the arena before anyone waits: the call may never come back. */
    inlay_buf_init(&out, context->arena->limit);
    if ((!name || add_lines(&out, "event: ", inlay_str_from(name)) == 0) &&
        add_lines(&out, "data: ", data) == 0 &&
        inlay_buf_append_char(&out, '\n') == 0)
        text = inlay_arena_copy(context->arena, inlay_buf_view(&out));
    inlay_buf_deinit(&out);
    if (text.ptr)
        return context->http->event(context, text);
    inlay_context_fail(context, INLAY_NO_MEMORY,
                       INLAY_STR("out of memory for this call"));
    return false;
}

/* A call from Python blocks, as any other in C, but for Python's lock. */
static bool block(const struct inlay_context *context, uint32_t ms)
{
    const struct inlay_waiting *other = context->waiting;
    struct timespec left = {.tv_sec = ms / 1000,
                            .tv_nsec = (long)(ms % 1000) * 1000000};
    void *given = other ? other->begin() : NULL;

    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        continue;
    if (given)
        other->end(given);
    return true;
}

bool inlay_api_sleep(uint32_t ms)
{
    struct inlay_context *context = inlay_context_current;

    if (context && !context->http && context->sleep)
        return context->sleep(context, ms);
    if (context && !context->error && !context->http)
        return block(context, ms);
    context = waiting("inlay_sleep");
    return context && context->http->sleep(context, ms);
}

/* --- WebSockets --------------------------------------------------------- */

/* One on the same thread, which need not be the running call's: it is the
 * context of its function. */
static struct inlay_context *socket_of(struct inlay_context *running,
                                       inlay_socket *socket)
{
    return socket ? (struct inlay_context *)(void *)socket : running;
}

bool inlay_api_accept(inlay_socket *socket, struct inlay_str subprotocol)
{
    struct inlay_context *context = waiting("inlay_accept");

    if (!context)
        return false;
    context = socket_of(context, socket);
    return context->http->accept(context, subprotocol);
}

bool inlay_api_receive(inlay_socket *socket, inlay_message *message_ret)
{
    struct inlay_context *context = waiting("inlay_receive");

    if (!context)
        return false;
    context = socket_of(context, socket);
    return context->http->receive(context, message_ret);
}

bool inlay_api_send(inlay_socket *socket, inlay_message message)
{
    struct inlay_context *context = waiting("inlay_send");

    if (!context)
        return false;
    context = socket_of(context, socket);
    return context->http->send(context, message);
}

void inlay_api_close(inlay_socket *socket, int code, const char *format, ...)
{
    struct inlay_context *context = running("inlay_close");
    va_list args;

    if (!context)
        return;
    va_start(args, format);
    struct inlay_str reason = format_text(context, format, args);
    va_end(args);
    if (!reason.ptr)
        return;
    context = socket_of(context, socket);
    context->http->close(context, code, reason);
}

/* One object plays both parts: it only tells types apart. */
const inlay_request *inlay_api_handshake(const inlay_socket *socket)
{
    return (const inlay_request *)(const void *)socket;
}
