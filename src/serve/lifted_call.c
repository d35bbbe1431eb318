/* lifted_call.c - a lifted route's function called, its result sent. */
#include "http/http1.h"
#include "load/context.h"
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

static void answer_result(struct inlay_request *request,
                          const struct inlay_lifted_route *route,
                          int written)
{
    const struct inlay_header header = {INLAY_STR("content-type"), json_type};

    if (route->no_content) {
        inlay_response_send_with(request, route->status, &header, 1,
                                 INLAY_STR(""));
    } else if (route->is_void) {
        inlay_response_send(request, route->status, json_type,
                            INLAY_STR("null"));
    } else if (inlay_unlikely(written < 0)) {
        inlay_scratch_drop(request);
        log_fault(request, route, INLAY_STR("the result can't be written"));
        answer_exception(request);
    } else {
        inlay_scratch_send(request, route->status);
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
                                   inlay_scratch_begin(request));
    }
    inlay_context_leave(&context);
    inlay_busy_set(&request->thread->busy, inlay_context_current);
    if (inlay_unlikely(context.error != INLAY_OK))
        answer_failed(request, route, &context);
    else
        answer_result(request, route, written);
    return true;
}
