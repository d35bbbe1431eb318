/*
 * Answers of native calls. Everything lives in the request's arena but the
 * written result, which lies in the thread's scratch buffer until it is sent.
 */
#include "serve/native_answer.h"

#include "http/etag.h"
#include "http/http1.h"
#include "net/conn.h"
#include "serve/native_route.h"
#include "serve/native_task.h"
#include "serve/response.h"
#include "serve/scratch.h"
#include "serve/server.h"
#include "serve/session.h"

#include "base/banned.h"

#define PAGE ((size_t)4096) /* or larger: of memory */

static const struct inlay_str json_type = {"application/json", 16};

static const struct inlay_limits *limits_of(const struct inlay_request *request)
{
    return &request->thread->server->config.limits;
}

/* RFC 9110: answers with these have no content. */
static bool has_no_content(int status)
{
    return status == 204 || status == 205 || status == 304;
}

/* --- Bodies ------------------------------------------------------------- */

/* The names of what comes behind the body (RFC 9110 6.6.2). */
static struct inlay_str name_trailers(struct inlay_request *request,
                                      const struct inlay_extra *trailers)
{
    struct inlay_str names = INLAY_STR("");

    for (; trailers && names.ptr; trailers = trailers->next)
        names = inlay_arena_format(&request->arena, "%.*s%s%.*s",
                                   inlay_str_arg(names), names.len ? ", " : "",
                                   inlay_str_arg(trailers->header.name));
    return names;
}

static int write_trailers(struct inlay_request *request,
                          const struct inlay_extra *trailers)
{
    struct inlay_header *headers;
    size_t count = 0;

    for (const struct inlay_extra *it = trailers; it; it = it->next)
        count++;
    headers = inlay_arena_alloc(&request->arena, count * sizeof(*headers));
    if (!headers)
        return -1;
    count = 0;
    for (const struct inlay_extra *it = trailers; it; it = it->next)
        headers[count++] = it->header;
    return inlay_response_trailers(request, headers, count);
}

void inlay_native_finish(struct inlay_native_call *call)
{
    struct inlay_request *request = call->request;

    if (call->said && call->said->trailers &&
        write_trailers(request, call->said->trailers) < 0)
        inlay_response_abort(request);
    else
        inlay_response_end(request);
}

/* A body of known length, or in chunks when something comes behind it. */
static void send_body(struct inlay_native_call *call,
                      int status,
                      struct inlay_str content_type,
                      struct inlay_str body)
{
    struct inlay_request *request = call->request;
    struct inlay_header headers[] = {
        {INLAY_STR("content-type"), content_type},
        {INLAY_STR("trailer"), name_trailers(request, call->said->trailers)},
    };

    if (!headers[1].value.ptr ||
        inlay_response_start(request, status, headers, 2, -1) < 0 ||
        inlay_response_write(request, body) < 0)
        inlay_response_abort(request);
    else
        inlay_native_finish(call);
}

static bool has_trailers(const struct inlay_native_call *call)
{
    return inlay_unlikely(call->said != NULL) && call->said->trailers;
}

/* --- Errors ------------------------------------------------------------- */

void inlay_native_answer_status(struct inlay_request *request, int status)
{
    /* Half of an answer that proved too large may lie there. */
    inlay_scratch_drop(request);
    inlay_response_error(request, status, inlay_http_reason(status));
}

static void log_fault(const struct inlay_native_call *call,
                      int status,
                      struct inlay_str text)
{
    const struct inlay_func *func = call->step->bind->callable->func;

    inlay_log_write(&call->request->thread->server->config.log, INLAY_LOG_ERROR,
                    "%.*s: %d from %.*s (%.*s:%u): %.*s",
                    inlay_str_arg(call->context.what), status,
                    inlay_str_arg(func->name), inlay_str_arg(func->decl.file),
                    func->decl.line, inlay_str_arg(text));
}

/* Something went wrong here: logged, and the client learns the status. */
static void answer_fault(struct inlay_native_call *call,
                         int status,
                         struct inlay_str text)
{
    log_fault(call, status, text);
    inlay_request_drop_content(call->request);
    inlay_native_answer_status(call->request, status);
}

static void answer_unbound(struct inlay_native_call *call)
{
    struct inlay_request *request = call->request;

    switch (call->bound) {
    case INLAY_BIND_OK:
    case INLAY_BIND_INVALID:
        if (inlay_violations_write(&call->violations,
                                   inlay_scratch_begin(request)) < 0)
            inlay_native_answer_status(request, 422);
        else
            inlay_scratch_send(request, 422);
        break;
    case INLAY_BIND_BAD_BODY:
        inlay_response_error(request, 400,
                             INLAY_STR("There was an error parsing the body"));
        break;
    case INLAY_BIND_NO_MEMORY:
        inlay_native_answer_status(request, 503);
        break;
    case INLAY_BIND_TOO_LARGE:
        inlay_native_answer_status(request, 413);
        break;
    }
}

/* An answer that has begun is cut: the client sees that it is not whole. */
static void answer_failed(struct inlay_native_call *call)
{
    struct inlay_request *request = call->request;
    const struct inlay_context *context = &call->context;
    int status = inlay_error_kind_status(context->error);
    struct inlay_buf *out = inlay_scratch_begin(request);

    if (request->started) {
        log_fault(call, status, context->error_text);
        inlay_response_abort(request);
    } else if (status >= 500) {
        answer_fault(call, status, context->error_text);
    } else if (!context->error_text.len ||
               inlay_buf_append_literal(out, "{\"detail\":") < 0 ||
               inlay_json_write_string(context->error_text, out) < 0 ||
               inlay_buf_append_char(out, '}') < 0) {
        inlay_native_answer_status(request, status);
    } else {
        inlay_scratch_send(request, status);
    }
}

/* --- What was said ------------------------------------------------------ */

int inlay_native_status(const struct inlay_native_call *call, int otherwise)
{
    return inlay_unlikely(call->said != NULL) && call->said->status
               ? call->said->status
               : otherwise;
}

bool inlay_native_has_answered(const struct inlay_native_call *call)
{
    const struct inlay_native_said *said = call->said;

    return call->request->started ||
           (inlay_unlikely(said != NULL) &&
            (said->redirected || said->has_file || said->next));
}

static void answer_next(struct inlay_native_call *call)
{
    struct inlay_request *request = call->request;
    struct inlay_str body = call->work->input.body;

    if (!body.len)
        body = inlay_native_inflow_view(call);
    request->route = INLAY_STR("");
    inlay_session_next(request, body);
}

static void answer_file(struct inlay_native_call *call)
{
    struct inlay_native_said *said = call->said;

    said->has_file = false; /* its descriptor is handed on */
    inlay_static_answer(call->request, &said->file, INLAY_STR(""),
                        said->status);
}

bool inlay_native_answer(struct inlay_native_call *call)
{
    struct inlay_request *request = call->request;

    if (inlay_unlikely(call->end != INLAY_NATIVE_RETURNED && request->extra &&
                       !request->started))
        inlay_request_drop_content(request);
    switch (call->end) {
    case INLAY_NATIVE_RETURNED:
        break;
    case INLAY_NATIVE_FAILED:
        answer_failed(call);
        return true;
    case INLAY_NATIVE_UNBOUND:
        answer_unbound(call);
        return true;
    }
    if (inlay_likely(!inlay_native_has_answered(call)))
        return false;
    if (request->started)
        inlay_native_finish(call);
    else if (call->said->next)
        answer_next(call);
    else if (call->said->has_file)
        answer_file(call);
    else
        inlay_response_send_with(request, call->said->status, NULL, 0,
                                 INLAY_STR(""));
    return true;
}

/* --- Results ------------------------------------------------------------ */

/* RFC 9110 13.1.2: has the client what the etag that was set stands for? */
static bool is_known(const struct inlay_request *request)
{
    const struct inlay_extra *extra = request->extra;
    struct inlay_str etag;

    if (request->method_id != INLAY_METHOD_GET &&
        request->method_id != INLAY_METHOD_HEAD)
        return false;
    while (extra && !inlay_str_is_nocase(extra->header.name, "etag"))
        extra = extra->next;
    if (!extra)
        return false;
    etag = extra->header.value;
    if (inlay_str_starts(etag, INLAY_STR("W/")))
        etag = inlay_str_make(etag.ptr + 2, etag.len - 2);
    for (size_t i = 0; i < request->nheaders; i++) {
        if (inlay_str_is(request->headers[i].name, "if-none-match") &&
            inlay_etag_listed(request->headers[i].value, etag, true))
            return true;
    }
    return false;
}

/*
 * What the function points to is its own: a crash at it is the call's, which
 * counts as the running one as long as it is read.
 */
static void begin_writing(struct inlay_native_call *call)
{
    inlay_context_resume(&call->context);
    call->context.writes = true;
}

static void end_writing(struct inlay_native_call *call)
{
    call->context.writes = false;
    inlay_context_leave(&call->context);
}

/* Text that is UTF-8, or bytes that are there: they will be read once more
 * when nobody can tell whose they are. */
static bool can_read(struct inlay_str body, bool text)
{
    const volatile char *at = body.ptr;

    if (text)
        return inlay_utf8_valid(body);
    for (size_t i = 0; i < body.len; i += PAGE)
        (void)at[i];
    if (body.len)
        (void)at[body.len - 1];
    return true;
}

/* Text or bytes as they are; memory stays the function's, so it is copied. */
static void answer_plain(struct inlay_native_call *call,
                         const struct inlay_native_route *route,
                         int status)
{
    struct inlay_request *request = call->request;
    bool text = route->decl->callable->func->result->kind == INLAY_KIND_STR;
    struct inlay_str body;

    begin_writing(call);
    memcpy(&body, call->result, sizeof(body)); /* inlay_bytes is alike */
    bool fits = (!body.len || body.ptr) &&
                body.len <= limits_of(request)->request_memory &&
                can_read(body, text);
    end_writing(call);
    if (inlay_unlikely(!fits))
        answer_fault(call, 500,
                     INLAY_STR("the result can't be sent: text that is not "
                               "UTF-8, a NULL with a length, or more than "
                               "--limit-request-memory"));
    else if (has_trailers(call))
        send_body(call, status, route->content_type, body);
    else
        inlay_response_send(request, status, route->content_type, body);
}

static void answer_json(struct inlay_native_call *call,
                        const struct inlay_type *type,
                        int status)
{
    struct inlay_request *request = call->request;

    begin_writing(call);
    int written =
        inlay_json_write(type, call->result, inlay_scratch_begin(request));
    end_writing(call);
    if (inlay_unlikely(written < 0))
        answer_fault(call, 500,
                     INLAY_STR("the result can't be written: text that is not "
                               "UTF-8, a date, time or enum that there is not, "
                               "a NULL with a length, a value that holds "
                               "itself, or more than "
                               "--limit-request-memory"));
    else if (has_trailers(call))
        send_body(call, status, json_type,
                  inlay_buf_view(&request->thread->scratch));
    else
        inlay_scratch_send(request, status);
}

void inlay_native_answer_result(struct inlay_native_call *call,
                                const struct inlay_native_route *route)
{
    const struct inlay_type *type = route->decl->callable->func->result;
    struct inlay_request *request = call->request;
    int status = inlay_native_status(call, route->status);

    if (inlay_unlikely(request->extra != NULL) && status / 100 == 2 &&
        is_known(request))
        status = 304;
    if (route->no_content || inlay_unlikely(has_no_content(status)))
        inlay_response_send_with(request, status, NULL, 0, INLAY_STR(""));
    else if (type->kind == INLAY_KIND_BYTES ||
             (type->kind == INLAY_KIND_STR && type->media.len))
        answer_plain(call, route, status);
    else
        answer_json(call, type, status);
}
