#include "serve/guard.h"

#include "base/mem.h"
#include "serve/native_route.h"
#include "serve/native_task.h"
#include "serve/path_pattern.h"
#include "serve/request.h"
#include "serve/server.h"
#include "serve/session.h"

#include "base/banned.h"

struct guards {
    struct inlay_handler handler; /* first */
    struct inlay_handler *native; /* has the table */
};

/* A guard that waits; in the request's arena. */
struct waiting {
    struct guards *guards;
    size_t number;
};

static struct guards *guards_of(struct inlay_handler *handler)
{
    return inlay_container_of(handler, struct guards, handler);
}

/* --- Binding --------------------------------------------------------------- */

static struct inlay_error *bind_guard(const struct inlay_injections *injections,
                                      const struct inlay_guard_decl *decl,
                                      struct inlay_arena *arena,
                                      struct inlay_guard *guard)
{
    const struct inlay_func *func = decl->callable->func;
    struct inlay_bind_target target = {
        .callable = decl->callable,
        .methods =
            decl->after ? INLAY_STR("INLAY_AFTER") : INLAY_STR("INLAY_BEFORE"),
        .path = decl->pattern,
        .is_part = true,
        .decl = decl->decl,
    };
    struct inlay_error *error = inlay_steps_create(
        injections, guard->module, &target, arena, &guard->steps);

    if (error)
        return error;
    if (decl->after && guard->steps.colour != INLAY_COLOUR_PLAIN)
        return inlay_bind_error(
            &target,
            "%.*s, or a provider that it needs, may wait or runs on the pool, "
            "and the answer does not wait for it: take a const inlay_request "
            "*, without INLAY_ASYNC",
            inlay_str_arg(func->name));
    guard->decl = decl;
    guard->what =
        inlay_arena_format(arena, "%s %.*s", decl->after ? "hook" : "guard",
                           inlay_str_arg(decl->pattern));
    return guard->what.ptr ? NULL : inlay_error_no_memory();
}

struct inlay_error *inlay_guards_bind(const struct inlay_injections *injections,
                                      struct inlay_arena *arena,
                                      struct inlay_guard_list *ret)
{
    struct inlay_guard_list list = {.count = 0};
    size_t count = 0;

    for (size_t i = 0; i < injections->count; i++)
        count += injections->items[i].module->nguards;
    list.items =
        inlay_arena_zalloc_array(arena, count + 1, sizeof(*list.items));
    if (!list.items)
        return inlay_error_no_memory();
    for (size_t i = 0; i < injections->count; i++) {
        const struct inlay_module *module = injections->items[i].module;

        for (size_t j = 0; j < module->nguards; j++) {
            struct inlay_guard *guard = &list.items[list.count++];

            guard->module = module;
            list.nhooks += module->guards[j].after;
            struct inlay_error *error =
                bind_guard(injections, &module->guards[j], arena, guard);
            if (error)
                return error;
        }
    }
    *ret = list;
    return NULL;
}

/* --- Asking ---------------------------------------------------------------- */

static void on_done(struct inlay_native_call *call);

static struct inlay_native_work work_of(struct inlay_request *request,
                                        const struct inlay_guard *guard)
{
    return (struct inlay_native_work){
        .steps = &guard->steps,
        .input = {.query = request->query},
        .what = guard->what,
        .http = &inlay_native_http,
        .on_done = on_done,
    };
}

/* Has it refused? Then the request is over. */
static bool has_refused(struct inlay_native_call *call)
{
    /* Whoever says so believes that he has refused. */
    if (call->end == INLAY_NATIVE_RETURNED && call->said &&
        call->said->status && !inlay_native_has_answered(call)) {
        inlay_native_misuse(call, "inlay_status",
                            "a guard refuses by inlay_fail: a status alone is "
                            "no answer");
        call->end = INLAY_NATIVE_FAILED;
    }
    return inlay_native_answer(call);
}

/* DECLINED: it lets the request pass. */
static enum inlay_outcome ask(struct guards *guards,
                              struct inlay_request *request,
                              const struct inlay_guard *guard,
                              size_t number)
{
    struct inlay_native_work work = work_of(request, guard);
    struct inlay_native_call room, *call;

    if (inlay_unlikely(inlay_switch_of(&guard->on) != INLAY_SWITCH_ON)) {
        inlay_switch_refuse(request);
        return INLAY_HANDLED;
    }
    if (guard->steps.colour != INLAY_COLOUR_PLAIN) {
        struct waiting *waiting =
            inlay_arena_alloc(&request->arena, sizeof(*waiting));

        if (!waiting) {
            inlay_switch_refuse(request);
            return INLAY_HANDLED;
        }
        *waiting = (struct waiting){guards, number};
        work.arg = waiting;
    }
    call = inlay_native_begin(request, &work, &room);
    if (!call)
        return INLAY_PENDING;
    return has_refused(call) ? INLAY_HANDLED : INLAY_DECLINED;
}

/* All guards from number `from` on, one after the other. */
static enum inlay_outcome ask_all(struct guards *guards,
                                  struct inlay_request *request,
                                  size_t from)
{
    const struct inlay_guard_list *list = &request->native_table->guards;
    struct inlay_path_forms forms;
    bool known = inlay_path_forms_of(request, &forms) == 0;

    for (size_t i = from; i < list->count; i++) {
        const struct inlay_guard *guard = &list->items[i];

        if (guard->decl->after ||
            (known && !inlay_path_forms_match(&forms, guard->decl->pattern)))
            continue;
        enum inlay_outcome outcome = ask(guards, request, guard, i);
        if (outcome != INLAY_DECLINED)
            return outcome;
    }
    return INLAY_DECLINED;
}

/* It has waited, and is over. */
static void on_done(struct inlay_native_call *call)
{
    struct inlay_request *request = call->request;
    struct waiting *waiting = call->work->arg;
    struct inlay_str body = inlay_native_inflow_view(call);

    if (has_refused(call))
        return;
    if (ask_all(waiting->guards, request, waiting->number + 1) ==
        INLAY_DECLINED)
        inlay_session_next(request, body);
}

/* --- The handler ----------------------------------------------------------- */

static enum inlay_outcome on_request(struct inlay_handler *handler,
                                     struct inlay_request *request)
{
    struct guards *guards = guards_of(handler);

    if (inlay_native_pin(guards->native, request) < 0) {
        inlay_switch_refuse(request);
        return INLAY_HANDLED;
    }
    const struct inlay_guard_list *list = &request->native_table->guards;
    if (list->count == list->nhooks)
        return INLAY_DECLINED;
    enum inlay_outcome outcome = ask_all(guards, request, 0);
    /* One that might have waited has held the body back. */
    if (outcome == INLAY_DECLINED)
        inlay_request_resume(request);
    return outcome;
}

static void on_body(struct inlay_handler *handler,
                    struct inlay_request *request,
                    struct inlay_str chunk,
                    bool last)
{
    (void)handler;
    inlay_native_take_body(request->handler_data, chunk, last);
}

static void on_drained(struct inlay_handler *handler,
                       struct inlay_request *request)
{
    (void)handler;
    inlay_native_drained(request->handler_data);
}

static void on_abort(struct inlay_handler *handler,
                     struct inlay_request *request)
{
    (void)handler;
    inlay_native_abort(request->handler_data);
}

static void on_eof(struct inlay_handler *handler, struct inlay_request *request)
{
    (void)handler;
    inlay_native_eof(request->handler_data);
}

static void destroy(struct inlay_handler *handler)
{
    inlay_free(guards_of(handler));
}

static const struct inlay_handler_ops guard_ops = {
    .guards = true,
    .kind = "guard",
    .on_request = on_request,
    .on_body = on_body,
    .on_drained = on_drained,
    .on_abort = on_abort,
    .on_eof = on_eof,
    .destroy = destroy,
};

struct inlay_error *inlay_guards_create(struct inlay_server *server,
                                        struct inlay_handler *native,
                                        struct inlay_handler **ret)
{
    const struct inlay_guard_list *list =
        &inlay_native_table_of(native)->guards;
    struct guards *guards;

    *ret = NULL;
    if (!list->count)
        return NULL;
    guards = inlay_calloc(1, sizeof(*guards));
    if (!guards)
        return inlay_error_no_memory();
    guards->handler.ops = &guard_ops;
    guards->native = native;
    inlay_native_of(native)->has_guards = true;
    inlay_native_of(native)->has_hooks = list->nhooks > 0;
    if (list->nhooks) {
        server->hooks = &guards->handler;
        server->dresses = true;
    }
    *ret = &guards->handler;
    return NULL;
}

/* --- Hooks ----------------------------------------------------------------- */

static int run_hook(struct inlay_request *request,
                    const struct inlay_guard *hook)
{
    const struct inlay_func *func = hook->decl->callable->func;
    struct inlay_native_work work = work_of(request, hook);
    struct inlay_native_call room, *call;

    if (inlay_unlikely(inlay_switch_of(&hook->on) != INLAY_SWITCH_ON))
        return -1;
    call = inlay_native_begin(request, &work, &room);
    if (call->end == INLAY_NATIVE_RETURNED)
        return 0;
    inlay_log_write(&request->thread->server->config.log, INLAY_LOG_ERROR,
                    "%.*s: %.*s (%.*s:%u) has failed, the answer is a 500: "
                    "%.*s",
                    inlay_str_arg(hook->what), inlay_str_arg(func->name),
                    inlay_str_arg(hook->decl->decl.file), hook->decl->decl.line,
                    inlay_str_arg(call->end == INLAY_NATIVE_FAILED
                                      ? call->context.error_text
                                      : INLAY_STR("a parameter is missing or "
                                                  "not valid")));
    return -1;
}

int inlay_guards_answer(struct inlay_handler *guards,
                        struct inlay_request *request)
{
    struct inlay_path_forms forms;

    if (inlay_native_pin(guards_of(guards)->native, request) < 0)
        return -1;
    const struct inlay_guard_list *list = &request->native_table->guards;
    if (!list->nhooks)
        return 0;
    bool known = inlay_path_forms_of(request, &forms) == 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct inlay_guard *hook = &list->items[i];

        if (!hook->decl->after ||
            (known && !inlay_path_forms_match(&forms, hook->decl->pattern)))
            continue;
        if (run_hook(request, hook) < 0)
            return -1;
    }
    return 0;
}
