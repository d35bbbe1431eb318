/*
 * lifted_call.c - a lifted route's function called, its result sent. Once it
 * was called the answer is given here, whatever it is: what it has done is not
 * to be done twice.
 */
#include "http/http1.h"
#include "serve/lifted_route.h"
#include "serve/response.h"
#include "serve/scratch.h"
#include "serve/server.h"
#include "type/json.h"

#include "base/banned.h"

static const struct inlay_str json_type = {"application/json", 16};

/* --- Answers ------------------------------------------------------------ */

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

    inlay_log_write(&request->thread->server->config.log, INLAY_LOG_ERROR,
                    "%.*s failed in %.*s (%.*s:%u): %.*s",
                    inlay_str_arg(route->what), inlay_str_arg(func->name),
                    inlay_str_arg(func->decl.file), func->decl.line,
                    inlay_str_arg(text));
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

/* A crash at what the result points to is the function's. */
static int write_result(struct inlay_native_call *call,
                        const struct inlay_type *type)
{
    struct inlay_buf *out = inlay_scratch_begin(call->request);

    inlay_context_resume(&call->context);
    call->context.writes = true;
    int written = inlay_json_write(type, call->result, out);
    inlay_context_leave(&call->context);
    return written;
}

static void answer_result(struct inlay_native_call *call,
                          const struct inlay_lifted_route *route)
{
    const struct inlay_header header = {INLAY_STR("content-type"), json_type};
    struct inlay_request *request = call->request;

    if (route->no_content) {
        inlay_response_send_with(request, route->status, &header, 1,
                                 INLAY_STR(""));
    } else if (route->is_void) {
        inlay_response_send(request, route->status, json_type,
                            INLAY_STR("null"));
    } else if (inlay_unlikely(
                   write_result(call, route->callable->func->result) < 0)) {
        inlay_scratch_drop(request);
        log_fault(request, route, INLAY_STR("the result can't be written"));
        answer_exception(request);
    } else {
        inlay_scratch_send(request, route->status);
    }
}

static void answer(struct inlay_native_call *call)
{
    const struct inlay_lifted_route *route = call->work->arg;

    if (inlay_unlikely(call->end != INLAY_NATIVE_RETURNED))
        answer_failed(call->request, route, &call->context);
    else
        answer_result(call, route);
}

/* --- The call ----------------------------------------------------------- */

enum inlay_outcome inlay_lifted_call(struct inlay_request *request,
                                     const struct inlay_lifted_route *route,
                                     const struct inlay_bind_input *input,
                                     size_t npath)
{
    struct inlay_native_work work = {
        .steps = &route->steps,
        .input = *input,
        .npath = npath,
        .what = route->what,
        .on_done = answer,
        .arg = (void *)(uintptr_t)route,
    };
    struct inlay_native_call room;
    struct inlay_native_call *call = inlay_native_begin(request, &work, &room);

    if (!call)
        return INLAY_PENDING;
    if (inlay_unlikely(!call->called)) {
        /* One that might have waited has held the body back. */
        if (call->task)
            inlay_request_resume(request);
        return INLAY_DECLINED;
    }
    answer(call);
    return INLAY_HANDLED;
}
