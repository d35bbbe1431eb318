/*
 * native_serve.c - a native route's answer, on the request's I/O thread:
 * bind, call, write. Everything lives in the request's arena but the written
 * answer, which lies in the thread's scratch buffer until it is sent.
 */
#include "http/http1.h"
#include "load/context.h"
#include "net/conn.h"
#include "serve/native_route.h"
#include "serve/request.h"
#include "serve/response.h"
#include "serve/server.h"

#include "base/banned.h"

#define BODY_FIRST ((size_t)64 << 10)   /* first room for a body */
#define SCRATCH_KEPT ((size_t)64 << 10) /* between requests */
#define CHUNK_FROM ((size_t)64 << 10)   /* larger answers go as a chunk */

/* A request whose body is being collected; in its arena. */
struct native_call {
    const struct inlay_native_route *route;
    struct inlay_str params[INLAY_PATTERN_PARAMS];
    char *data;
    size_t len, size;
};

static const struct inlay_str json_type = {"application/json", 16};

static const struct inlay_log *log_of(const struct inlay_request *request)
{
    return &request->thread->server->config.log;
}

static const struct inlay_limits *limits_of(const struct inlay_request *request)
{
    return &request->thread->server->config.limits;
}

/* --- Answers ------------------------------------------------------------ */

/* {"detail": "Payload Too Large"} and the like: the status says it all. */
static void answer_status(struct inlay_request *request, int status)
{
    /* Half of an answer that proved too large may lie there. */
    inlay_buf_shrink(&request->thread->scratch, SCRATCH_KEPT);
    inlay_response_error(request, status, inlay_http_reason(status));
}

/* Something went wrong here: logged, and the client learns the status. */
static void answer_fault(struct inlay_request *request,
                         const struct inlay_native_route *route,
                         int status,
                         struct inlay_str text)
{
    const struct inlay_func *func = route->decl->callable->func;
    char line[1024];
    size_t len = inlay_min(text.len, sizeof(line));

    /* One line, whatever a client got into it. */
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        line[i] = (char)(c < 0x20 || c == 0x7f ? ' ' : c);
    }
    inlay_log_write(log_of(request), INLAY_LOG_ERROR,
                    "%.*s %.*s: %d from %.*s (%.*s:%u): %.*s",
                    inlay_str_arg(request->method),
                    inlay_str_arg(route->decl->path), status,
                    inlay_str_arg(func->name), inlay_str_arg(func->decl.file),
                    func->decl.line, (int)len, line);
    answer_status(request, status);
}

static struct inlay_buf *scratch_of(struct inlay_request *request)
{
    struct inlay_buf *scratch = &request->thread->scratch;

    if (!scratch->limit)
        inlay_buf_init(scratch, limits_of(request)->request_memory);
    inlay_buf_clear(scratch);
    return scratch;
}

/* Sends what lies in the scratch buffer. The request is over. */
static void send_scratch(struct inlay_request *request, int status)
{
    struct inlay_buf *scratch = &request->thread->scratch;
    struct inlay_str body = inlay_buf_view(scratch);
    struct inlay_header header = {INLAY_STR("content-type"), json_type};
    struct inlay_chunk *chunk = NULL;

    if (inlay_likely(body.len < CHUNK_FROM)) {
        inlay_response_send(request, status, json_type, body);
        return;
    }
    chunk = inlay_chunk_create(body.len);
    if (chunk)
        memcpy(chunk->data, body.ptr, body.len);
    inlay_buf_shrink(scratch, SCRATCH_KEPT);
    if (!chunk) {
        answer_status(request, 503);
        return;
    }
    if (inlay_response_start(request, status, &header, 1, (int64_t)chunk->len) <
        0) {
        inlay_chunk_destroy(chunk);
        inlay_response_abort(request);
    } else if (inlay_response_write_chunk(request, chunk) < 0) {
        inlay_response_abort(request);
    } else {
        inlay_response_end(request);
    }
}

static void answer_violations(struct inlay_request *request,
                              const struct inlay_violations *violations)
{
    if (inlay_violations_write(violations, scratch_of(request)) < 0)
        answer_status(request, 422);
    else
        send_scratch(request, 422);
}

static void answer_bound(struct inlay_request *request,
                         enum inlay_bind_status status,
                         const struct inlay_violations *violations)
{
    switch (status) {
    case INLAY_BIND_OK:
        break;
    case INLAY_BIND_INVALID:
        answer_violations(request, violations);
        break;
    case INLAY_BIND_BAD_BODY:
        inlay_response_error(request, 400,
                             INLAY_STR("There was an error parsing the body"));
        break;
    case INLAY_BIND_NO_MEMORY:
        answer_status(request, 503);
        break;
    case INLAY_BIND_TOO_LARGE:
        answer_status(request, 413);
        break;
    }
}

static void answer_failed(struct inlay_request *request,
                          const struct inlay_native_route *route,
                          const struct inlay_context *context)
{
    int status = inlay_error_kind_status(context->error);

    struct inlay_buf *out = scratch_of(request);

    if (status >= 500)
        answer_fault(request, route, status, context->error_text);
    else if (!context->error_text.len ||
             inlay_buf_append_literal(out, "{\"detail\":") < 0 ||
             inlay_json_write_string(context->error_text, out) < 0 ||
             inlay_buf_append_char(out, '}') < 0)
        answer_status(request, status);
    else
        send_scratch(request, status);
}

/* Text or bytes as they are; memory stays the function's, so it is copied. */
static void answer_plain(struct inlay_request *request,
                         const struct inlay_native_route *route,
                         const void *result)
{
    bool text = route->decl->callable->func->result->kind == INLAY_KIND_STR;
    struct inlay_str body;

    memcpy(&body, result, sizeof(body)); /* inlay_bytes is alike */
    if (inlay_unlikely((body.len && !body.ptr) ||
                       body.len > limits_of(request)->request_memory ||
                       (text && !inlay_utf8_valid(body))))
        answer_fault(request, route, 500,
                     INLAY_STR("the result can't be sent: text that is not "
                               "UTF-8, a NULL with a length, or more than "
                               "request_memory"));
    else
        inlay_response_send(request, route->status, route->content_type, body);
}

static void answer_result(struct inlay_request *request,
                          const struct inlay_native_route *route,
                          const void *result)
{
    const struct inlay_type *type = route->decl->callable->func->result;

    if (route->no_content)
        inlay_response_send_with(request, route->status, NULL, 0,
                                 INLAY_STR(""));
    else if (type->kind == INLAY_KIND_BYTES ||
             (type->kind == INLAY_KIND_STR && type->media.len))
        answer_plain(request, route, result);
    else if (inlay_unlikely(
                 inlay_json_write(type, result, scratch_of(request)) < 0))
        answer_fault(request, route, 500,
                     INLAY_STR("the result can't be written: text that is not "
                               "UTF-8, a NULL with a length, a value that "
                               "holds itself, or more than request_memory"));
    else
        send_scratch(request, route->status);
}

/* --- The media type of a body ------------------------------------------- */

static bool ends_nocase(struct inlay_str text, struct inlay_str end)
{
    return text.len >= end.len &&
           inlay_str_equal_nocase(
               inlay_str_make(text.ptr + text.len - end.len, end.len), end);
}

/* application/json and application/…+json, with any parameters. */
static bool is_json(struct inlay_str type)
{
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

/* Content codings are not undone here. */
static bool is_encoded(const struct inlay_request *request)
{
    struct inlay_str coding =
        inlay_request_header(request, INLAY_STR("content-encoding"));

    return coding.len && !inlay_str_is_nocase(coding, "identity");
}

static void answer_encoded(struct inlay_request *request)
{
    struct inlay_header headers[] = {
        {INLAY_STR("content-type"), json_type},
        {INLAY_STR("accept-encoding"), INLAY_STR("identity")},
    };

    inlay_response_send_with(request, 415, headers, 2,
                             INLAY_STR("{\"detail\":\"Unsupported Media "
                                       "Type\"}"));
}

/* --- The call ----------------------------------------------------------- */

/* Binds, calls, answers. The request is over. */
static void serve(struct inlay_request *request,
                  const struct inlay_native_route *route,
                  const struct inlay_str *params,
                  struct inlay_str body)
{
    const struct inlay_callable *callable = route->decl->callable;
    struct inlay_bind_input input = {
        .path = params,
        .query = request->query,
        .body = body,
        .body_is_json = body.len && is_json(inlay_request_header(
                                        request, INLAY_STR("content-type"))),
    };
    struct inlay_violations violations;
    struct inlay_context context;
    void **args, *result;

    inlay_violations_init(&violations, &request->arena);
    enum inlay_bind_status status = inlay_bind_read(
        route->bind, &input, &request->arena, &violations, &args, &result);
    if (inlay_unlikely(status != INLAY_BIND_OK)) {
        answer_bound(request, status, &violations);
        return;
    }
    inlay_context_enter(&context, &request->arena);
    inlay_call_invoke(callable->plan, callable->func->entry, args, result);
    inlay_context_leave(&context);
    if (inlay_unlikely(context.error != INLAY_OK))
        answer_failed(request, route, &context);
    else
        answer_result(request, route, result);
}

/* --- The handler -------------------------------------------------------- */

static enum inlay_outcome await_body(struct inlay_request *request,
                                     const struct inlay_native_route *route,
                                     const struct inlay_route_match *match)
{
    int64_t length = request->content_length;

    if (is_encoded(request)) {
        answer_encoded(request);
        return INLAY_HANDLED;
    }
    if (length > 0 &&
        (uint64_t)length > limits_of(request)->native_body_bytes) {
        answer_status(request, 413);
        return INLAY_HANDLED;
    }
    const char *path = request->path.ptr;
    struct native_call *call =
        inlay_arena_alloc(&request->arena, sizeof(*call));
    if (!call || inlay_request_retain(request) < 0) {
        answer_status(request, 503);
        return INLAY_HANDLED;
    }
    call->route = route;
    call->data = NULL;
    call->len = call->size = 0;
    for (size_t i = 0; i < match->nparams; i++) {
        struct inlay_str param = match->params[i];

        /* The path has moved, and they with it. */
        if (param.len)
            param.ptr = request->path.ptr + (param.ptr - path);
        call->params[i] = param;
    }
    request->handler_data = call;
    inlay_request_want_body(request);
    return INLAY_PENDING;
}

enum inlay_outcome inlay_native_on_request(struct inlay_handler *handler,
                                           struct inlay_request *request)
{
    struct inlay_route_match match;

    if (!inlay_route_tree_find(inlay_native_table_of(handler)->tree,
                               request->method,
                               inlay_request_local_path(request), &match))
        return INLAY_DECLINED;
    if (!match.target) {
        struct inlay_str allow = inlay_arena_copy(&request->arena, match.allow);

        if (allow.ptr)
            request->native_allow = allow;
        return INLAY_DECLINED;
    }
    const struct inlay_native_route *route = match.target;
    request->route = route->decl->path;
    if ((route->bind->nbody || route->bind->nraw) && request->has_body)
        return await_body(request, route, &match);
    serve(request, route, match.params, INLAY_STR(""));
    return INLAY_HANDLED;
}

/*
 * Room for `more` bytes of body. An announced length is room to grow to, not
 * to begin with: memory follows what has really arrived.
 */
static int make_room(struct inlay_request *request,
                     struct native_call *call,
                     size_t more)
{
    size_t need = call->len + more;
    size_t size = inlay_max(call->size * 2, inlay_max(need, BODY_FIRST));

    if (need <= call->size)
        return 0;
    if (request->content_length >= 0)
        size =
            inlay_max(need, inlay_min(size, (size_t)request->content_length));
    char *grown = inlay_arena_alloc(&request->arena, size);
    if (!grown)
        return -1;
    if (call->len)
        memcpy(grown, call->data, call->len);
    call->data = grown;
    call->size = size;
    return 0;
}

void inlay_native_on_body(struct inlay_handler *handler,
                          struct inlay_request *request,
                          struct inlay_str chunk,
                          bool last)
{
    struct native_call *call = request->handler_data;

    (void)handler;
    if (chunk.len > limits_of(request)->native_body_bytes - call->len) {
        answer_status(request, 413);
        return;
    }
    if (last && !call->len) {
        /* All in one piece: read it where it lies. */
        serve(request, call->route, call->params, chunk);
        return;
    }
    if (chunk.len) {
        if (make_room(request, call, chunk.len) < 0) {
            answer_status(request, 413);
            return;
        }
        memcpy(call->data + call->len, chunk.ptr, chunk.len);
        call->len += chunk.len;
    }
    if (last)
        serve(request, call->route, call->params,
              inlay_str_make(call->data, call->len));
}
