/*
 * native_serve.c - requests of native routes, on their I/O thread: the body is
 * collected when parameters are read from it, then the functions are called,
 * then their result is the answer.
 */
#include "http/media_type.h"
#include "load/context.h"
#include "net/conn.h"
#include "serve/collect.h"
#include "serve/form.h"
#include "serve/native_answer.h"
#include "serve/native_route.h"
#include "serve/native_socket.h"
#include "serve/native_task.h"
#include "serve/request.h"
#include "serve/response.h"
#include "serve/server.h"

#include "base/banned.h"

/* A request whose body is being collected; in its arena. */
struct collected {
    struct inlay_native_call call; /* first: none has begun, its task is NULL */
    const struct inlay_native_route *route;
    struct inlay_str params[INLAY_PATTERN_PARAMS];
    size_t nparams;
    struct inlay_form *form; /* or NULL: `body` */
    struct inlay_collected body;
};

static const struct inlay_limits *limits_of(const struct inlay_request *request)
{
    return &request->thread->server->config.limits;
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
        {INLAY_STR("content-type"), INLAY_STR("application/json")},
        {INLAY_STR("accept-encoding"), INLAY_STR("identity")},
    };

    inlay_response_send_with(request, 415, headers, 2,
                             INLAY_STR("{\"detail\":\"Unsupported Media "
                                       "Type\"}"));
}

/* --- The call ----------------------------------------------------------- */

/* The request is over, or somebody else's (PENDING). */
static enum inlay_outcome answer(struct inlay_native_call *call,
                                 const struct inlay_native_route *route)
{
    bool passed_on = inlay_unlikely(call->said != NULL) && call->said->next;

    if (inlay_likely(!inlay_native_answer(call)))
        inlay_native_answer_result(call, route);
    return passed_on ? INLAY_PENDING : INLAY_HANDLED;
}

static void on_done(struct inlay_native_call *call)
{
    answer(call, call->work->arg);
}

static bool takes_body(const struct inlay_bind *bind)
{
    return bind->nbody || bind->nraw || bind->nform;
}

/* Binds, calls, answers; or waits. `form` is finished, or NULL. */
static enum inlay_outcome serve(struct inlay_request *request,
                                const struct inlay_native_route *route,
                                const struct inlay_str *params,
                                size_t nparams,
                                struct inlay_str body,
                                const struct inlay_form *form)
{
    struct inlay_native_work work = {
        .steps = &route->steps,
        .input =
            {
                .path = params,
                .body = body,
                .body_is_json =
                    body.len && inlay_media_type_is_json(inlay_request_header(
                                    request, INLAY_STR("content-type"))),
                .form = form,
            },
        .npath = nparams,
        .what = route->what,
        .is_route = true,
        .reads_body = !takes_body(route->bind),
        .http = &inlay_native_http,
        .on_done = on_done,
        .arg = (void *)(uintptr_t)route,
    };
    struct inlay_native_call room;
    struct inlay_native_call *call = inlay_native_begin(request, &work, &room);

    return inlay_likely(call != NULL) ? answer(call, route) : INLAY_PENDING;
}

/* --- The body ----------------------------------------------------------- */

/* The form can't be read on. The request is over. */
static void answer_form(struct inlay_request *request,
                        const struct inlay_form *form,
                        int status)
{
    inlay_response_error(request, status, inlay_form_why(form));
}

/* What there is to be remembered; NULL: the request is over. */
static struct collected *collect(struct inlay_request *request,
                                 const struct inlay_native_route *route,
                                 const struct inlay_route_match *match)
{
    struct collected *collected =
        inlay_arena_new(&request->arena, struct collected);

    if (!collected ||
        inlay_request_retain_path(request, match->params, match->nparams,
                                  collected->params) < 0) {
        inlay_native_answer_status(request, 503);
        return NULL;
    }
    collected->route = route;
    collected->nparams = match->nparams;
    if (route->bind->nform) {
        int status = inlay_form_create(request, &collected->form);

        if (status) {
            answer_form(request, collected->form, status);
            return NULL;
        }
    }
    return collected;
}

static enum inlay_outcome serve_collected(struct inlay_request *request,
                                          struct collected *collected,
                                          struct inlay_str body)
{
    if (collected->form) {
        int status = inlay_form_finish(collected->form);

        if (status) {
            answer_form(request, collected->form, status);
            return INLAY_HANDLED;
        }
    }
    return serve(request, collected->route, collected->params,
                 collected->nparams, body, collected->form);
}

static enum inlay_outcome await_body(struct inlay_request *request,
                                     const struct inlay_native_route *route,
                                     const struct inlay_route_match *match)
{
    int64_t length = request->content_length;

    if (is_encoded(request)) {
        answer_encoded(request);
        return INLAY_HANDLED;
    }
    if (!route->bind->nform && length > 0 &&
        (uint64_t)length > limits_of(request)->native_body_bytes) {
        inlay_native_answer_status(request, 413);
        return INLAY_HANDLED;
    }
    struct collected *collected = collect(request, route, match);
    if (!collected)
        return INLAY_HANDLED;
    if (!request->has_body)
        return serve_collected(request, collected, INLAY_STR(""));
    request->handler_data = &collected->call;
    inlay_request_want_body(request);
    return INLAY_PENDING;
}

static void take_form(struct inlay_request *request,
                      struct collected *collected,
                      struct inlay_str chunk,
                      bool last)
{
    int status = chunk.len ? inlay_form_feed(collected->form, chunk) : 0;

    if (status)
        answer_form(request, collected->form, status);
    else if (last)
        serve_collected(request, collected, INLAY_STR(""));
}

static void take_bytes(struct inlay_request *request,
                       struct collected *collected,
                       struct inlay_str chunk,
                       bool last)
{
    bool lasting = collected->route->steps.colour != INLAY_COLOUR_PLAIN;

    if (chunk.len >
        limits_of(request)->native_body_bytes - collected->body.len) {
        inlay_native_answer_status(request, 413);
        return;
    }
    if (last && !collected->body.len && !lasting) {
        /* All in one piece: read it where it lies. */
        serve_collected(request, collected, chunk);
        return;
    }
    if (inlay_collect(request, &collected->body, chunk) < 0)
        inlay_native_answer_status(request, 413);
    else if (last)
        serve_collected(request, collected,
                        inlay_collected_view(&collected->body));
}

/* --- The handler -------------------------------------------------------- */

/* Is it certain that nobody else has the path, which these methods have? */
static bool is_alone(const struct inlay_native_table *table,
                     struct inlay_str allow,
                     struct inlay_str path)
{
    struct inlay_route_match match;
    struct inlay_str method;

    while (inlay_pattern_next_method(&allow, &method)) {
        if (!inlay_route_tree_find(table->tree, method, path, &match))
            continue;
        const struct inlay_native_route *route = match.target;
        if (route && atomic_load_explicit(&route->alone, memory_order_relaxed))
            return true;
    }
    return false;
}

/* The path is known, but not with this method: does another handler know? */
static enum inlay_outcome decline_method(const struct inlay_native_table *table,
                                         struct inlay_request *request,
                                         struct inlay_str allow)
{
    allow = inlay_arena_copy(&request->arena, allow);
    if (!allow.ptr)
        return INLAY_DECLINED;
    request->native_allow = allow;
    if (request->websocket ||
        !is_alone(table, allow, inlay_request_local_path(request)))
        return INLAY_DECLINED;
    inlay_response_error(request, 405, INLAY_STR("Method Not Allowed"));
    return INLAY_HANDLED;
}

enum inlay_outcome inlay_native_on_request(struct inlay_handler *handler,
                                           struct inlay_request *request)
{
    const struct inlay_native_table *table = request->native_table;
    bool socket = inlay_unlikely(request->websocket);
    struct inlay_route_match match;

    if (!table)
        table = inlay_native_table_of(handler);
    if (!inlay_route_tree_find(socket ? table->sockets : table->tree,
                               socket ? INLAY_STR("WEBSOCKET")
                                      : request->method,
                               inlay_request_local_path(request), &match))
        return INLAY_DECLINED;
    if (inlay_unlikely(!match.target))
        return decline_method(table, request, match.allow);
    const struct inlay_native_route *route = match.target;
    if (inlay_unlikely(inlay_switch_of(&route->on) != INLAY_SWITCH_ON))
        return inlay_switch_follow(&route->on, request);
    if (inlay_unlikely(route->steps.counted && !request->native_table)) {
        if (inlay_native_pin(handler, request) == 0) /* now it stays */
            return inlay_native_on_request(handler, request);
        inlay_native_answer_status(request, 503);
        return INLAY_HANDLED;
    }
    request->route = route->decl->path;
    if (inlay_unlikely(socket))
        return inlay_native_socket_begin(request, route, &match);
    if (inlay_unlikely(takes_body(route->bind)) &&
        (request->has_body || route->bind->nform))
        return await_body(request, route, &match);
    return serve(request, route, match.params, match.nparams, INLAY_STR(""),
                 NULL);
}

/* It waits: for its body, or its functions do. */
static struct inlay_native_call *call_of(const struct inlay_request *request)
{
    return request->handler_data;
}

void inlay_native_on_body(struct inlay_handler *handler inlay_unused,
                          struct inlay_request *request,
                          struct inlay_str chunk,
                          bool last)
{
    struct inlay_native_call *call = call_of(request);
    struct collected *collected = request->handler_data;

    if (call->task)
        inlay_native_take_body(call, chunk, last);
    else if (collected->form)
        take_form(request, collected, chunk, last);
    else
        take_bytes(request, collected, chunk, last);
}

char *inlay_native_on_room(struct inlay_handler *handler inlay_unused,
                           struct inlay_request *request,
                           size_t *len_ret)
{
    return inlay_native_room(call_of(request), len_ret);
}

void inlay_native_on_drained(struct inlay_handler *handler inlay_unused,
                             struct inlay_request *request)
{
    inlay_native_drained(call_of(request));
}

void inlay_native_on_eof(struct inlay_handler *handler inlay_unused,
                         struct inlay_request *request)
{
    inlay_native_eof(call_of(request));
}

/* A body that was being collected lies in the request's arena. */
void inlay_native_on_abort(struct inlay_handler *handler inlay_unused,
                           struct inlay_request *request)
{
    inlay_native_abort(call_of(request));
}
