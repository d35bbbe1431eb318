/* lifted_call.c - a lifted route's function called, its result sent. */
#include "http/http1.h"
#include "load/context.h"
#include "serve/lifted_route.h"
#include "serve/response.h"
#include "serve/server.h"
#include "type/json.h"

#include "base/banned.h"

#define SCRATCH_KEPT ((size_t)64 << 10) /* between requests */
#define CHUNK_FROM ((size_t)64 << 10)   /* larger answers go as a chunk */

static const struct inlay_str json_type = {"application/json", 16};

/* --- The media type of a body ------------------------------------------- */

static bool ends_nocase(struct inlay_str text, struct inlay_str end)
{
    return text.len >= end.len &&
           inlay_str_equal_nocase(
               inlay_str_make(text.ptr + text.len - end.len, end.len), end);
}

bool inlay_lifted_is_json(const struct inlay_request *request)
{
    struct inlay_str type =
        inlay_request_header(request, INLAY_STR("content-type"));
    const char *end = type.len ? memchr(type.ptr, ';', type.len) : NULL;
    struct inlay_str before = INLAY_STR("application/");

    if (end)
        type.len = (size_t)(end - type.ptr);
    type = inlay_str_trim(type);
    if (type.len < before.len ||
        !inlay_str_equal_nocase(inlay_str_make(type.ptr, before.len), before))
        return false;
    type = inlay_str_make(type.ptr + before.len, type.len - before.len);
    return inlay_str_is_nocase(type, "json") ||
           ends_nocase(type, INLAY_STR("+json"));
}

/* --- Answers ------------------------------------------------------------ */

static struct inlay_buf *scratch_of(struct inlay_request *request)
{
    struct inlay_buf *scratch = &request->thread->scratch;

    if (!scratch->limit)
        inlay_buf_init(scratch,
                       request->thread->server->config.limits.request_memory);
    inlay_buf_clear(scratch);
    return scratch;
}

/* Sends what lies in the scratch buffer. The request is over. */
static void send_scratch(struct inlay_request *request, int status)
{
    struct inlay_buf *scratch = &request->thread->scratch;
    struct inlay_str body = inlay_buf_view(scratch);
    struct inlay_header header = {INLAY_STR("content-type"), json_type};

    if (inlay_likely(body.len < CHUNK_FROM)) {
        inlay_response_send(request, status, json_type, body);
        return;
    }
    struct inlay_chunk *chunk = inlay_chunk_create(body.len);
    if (chunk)
        memcpy(chunk->data, body.ptr, body.len);
    inlay_buf_shrink(scratch, SCRATCH_KEPT);
    if (!chunk) {
        inlay_response_error(request, 503, inlay_http_reason(503));
    } else if (inlay_response_start(request, status, &header, 1,
                                    (int64_t)chunk->len) < 0) {
        inlay_chunk_destroy(chunk);
        inlay_response_abort(request);
    } else if (inlay_response_write_chunk(request, chunk) < 0) {
        inlay_response_abort(request);
    } else {
        inlay_response_end(request);
    }
}

/* As Starlette's ServerErrorMiddleware, once the exception was logged. */
static void answer_exception(struct inlay_request *request)
{
    inlay_response_send(request, 500, INLAY_STR("text/plain; charset=utf-8"),
                        INLAY_STR("Internal Server Error"));
}

static void log_fault(struct inlay_request *request,
                      const struct inlay_lifted_route *route,
                      struct inlay_str text)
{
    const struct inlay_func *func = route->callable->func;
    char line[1024];
    size_t len = inlay_min(text.len, sizeof(line));

    /* One line, whatever a client got into it. */
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        line[i] = (char)(c < 0x20 || c == 0x7f ? ' ' : c);
    }
    inlay_log_write(&request->thread->server->config.log, INLAY_LOG_ERROR,
                    "%.*s failed in %.*s (%.*s:%u): %.*s",
                    inlay_str_arg(route->what), inlay_str_arg(func->name),
                    inlay_str_arg(func->decl.file), func->decl.line, (int)len,
                    line);
}

static void answer_failed(struct inlay_request *request,
                          const struct inlay_lifted_route *route,
                          const struct inlay_context *context)
{
    int status = inlay_error_kind_status(context->error);

    if (!route->explains || status >= 500)
        log_fault(request, route, context->error_text);
    if (!route->explains) {
        answer_exception(request);
        return;
    }
    struct inlay_str text = status >= 500 || !context->error_text.len
                                ? inlay_http_reason(status)
                                : context->error_text;
    inlay_response_error(request, status, text);
}

static void answer_result(struct inlay_request *request,
                          const struct inlay_lifted_route *route,
                          int written)
{
    const struct inlay_header header = {INLAY_STR("content-type"), json_type};
    struct inlay_buf *scratch = &request->thread->scratch;

    if (route->no_content) {
        inlay_response_send_with(request, route->status, &header, 1,
                                 INLAY_STR(""));
    } else if (route->is_void) {
        inlay_response_send(request, route->status, json_type,
                            INLAY_STR("null"));
    } else if (inlay_unlikely(written < 0)) {
        inlay_buf_shrink(scratch, SCRATCH_KEPT);
        log_fault(request, route, INLAY_STR("the result can't be written"));
        answer_exception(request);
    } else {
        send_scratch(request, route->status);
    }
}

/* --- The call ----------------------------------------------------------- */

bool inlay_lifted_call(struct inlay_request *request,
                       const struct inlay_lifted_route *route,
                       const struct inlay_bind_input *input)
{
    const struct inlay_callable *callable = route->callable;
    struct inlay_violations violations;
    struct inlay_context context;
    void **args, *result;
    int written = 0;

    inlay_violations_init(&violations, &request->arena);
    /* From here on a crash is the route's, be it not within its function. */
    inlay_context_enter(&context, &request->arena);
    context.what = route->what;
    context.func = callable->func;
    if (inlay_unlikely(inlay_bind_read(route->bind, input, &request->arena,
                                       &violations, &args,
                                       &result) != INLAY_BIND_OK ||
                       context.error != INLAY_OK)) {
        inlay_context_leave(&context);
        return false;
    }
    inlay_busy_set(&request->thread->busy, &context);
    inlay_call_invoke(callable->plan, callable->func->entry, args, result);
    if (inlay_likely(context.error == INLAY_OK) && !route->no_content &&
        !route->is_void) {
        context.writes = true;
        written = inlay_json_write(callable->func->result, result,
                                   scratch_of(request));
    }
    inlay_context_leave(&context);
    inlay_busy_set(&request->thread->busy, inlay_context_current);
    if (inlay_unlikely(context.error != INLAY_OK))
        answer_failed(request, route, &context);
    else
        answer_result(request, route, written);
    return true;
}
