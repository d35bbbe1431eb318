/*
 * Running a list of functions: on the caller's stack when none may wait, else
 * in a coroutine that runs until it waits, and is gone on with by whatever it
 * waits for.
 */
#include "serve/native_call.h"

#include <stdio.h>

#include "load/call.h"
#include "serve/native_task.h"
#include "serve/server.h"
#include "serve/session.h"

#include "base/banned.h"

/* Waits that return false before a coroutine that does not end is left. */
#define REFUSED_MOST 1000

/*
 * Who has ended his side may still read the answer, or may have closed his
 * socket, which looks the same. A statement that takes longer than this then is
 * taken to be nobody's any more.
 */
#define PARTING_MS 1000

const char *inlay_colour_text(enum inlay_colour colour)
{
    switch (colour) {
    case INLAY_COLOUR_PLAIN:
        return "I/O thread";
    case INLAY_COLOUR_COROUTINE:
        return "coroutine";
    case INLAY_COLOUR_POOL:
        return "pool";
    }
    return "";
}

/* All that waits takes the request, WebSocket or database; a const request is
 * for those that only look at it. */
static bool may_wait(const struct inlay_func *func)
{
    for (size_t i = 0; i < func->nparams; i++) {
        const struct inlay_type *type = func->params[i].type;

        if (type->kind == INLAY_KIND_INJECTED &&
            (type->injected == INLAY_INJECTED_SOCKET ||
             type->injected == INLAY_INJECTED_DB ||
             (type->injected == INLAY_INJECTED_REQUEST &&
              !type->injected_const)))
            return true;
    }
    return false;
}

enum inlay_colour inlay_colour_of(const struct inlay_func *func)
{
    if (func->is_async)
        return INLAY_COLOUR_POOL;
    return may_wait(func) ? INLAY_COLOUR_COROUTINE : INLAY_COLOUR_PLAIN;
}

/* --- The steps ---------------------------------------------------------- */

static void end_unbound(struct inlay_native_call *call,
                        enum inlay_bind_status status)
{
    call->end = INLAY_NATIVE_UNBOUND;
    call->bound = status;
}

/* False: the request is over, or the call has failed. */
static bool invoke(struct inlay_native_call *call,
                   const struct inlay_callable *callable,
                   void **args,
                   void *result)
{
    call->called = true;
    if (inlay_unlikely(inlay_native_is_pooled(call))) {
        if (!inlay_native_pool_run(call->task, callable, args, result))
            return false;
    } else {
        inlay_busy_set(&call->request->thread->busy, &call->context);
        inlay_call_invoke(callable->plan, callable->func->entry, args, result);
    }
    return call->context.error == INLAY_OK;
}

/* Steps of a list that were not called, by the slot of what they provide. */
struct lost {
    bool *slots; /* NULL: none */
    size_t count;
};

static int lose(struct inlay_native_call *call,
                const struct inlay_step *step,
                struct lost *lost)
{
    if (!lost->slots)
        lost->slots = inlay_arena_zalloc_array(call->context.arena,
                                               lost->count + 1, sizeof(bool));
    if (!lost->slots)
        return -1;
    if (step->provides)
        lost->slots[step->slot] = true;
    return 0;
}

static bool needs_lost(const struct inlay_bind *bind, const struct lost *lost)
{
    for (size_t i = 0; lost->slots && i < bind->nparams; i++) {
        const struct inlay_bind_param *bound = &bind->params[i];

        if (bound->source == INLAY_BIND_PROVIDED && lost->slots[bound->first])
            return true;
    }
    return false;
}

static void keep_result(const struct inlay_step *step,
                        struct inlay_provided *provided,
                        void *result)
{
    if (step->by_value)
        provided->values[step->slot] = result;
    else
        memcpy(&provided->values[step->slot], result, sizeof(void *));
    provided->is_done[step->slot] = true;
}

/*
 * As FastAPI solves dependencies: what is wrong with the parameters of all is
 * collected; one whose own are right is called all the same, unless it needs
 * what was not made. True: go on with the next step.
 */
static bool run_step(struct inlay_native_call *call,
                     const struct inlay_step *step,
                     struct inlay_provided *provided,
                     struct lost *lost)
{
    const struct inlay_native_work *work = call->work;
    void **args, *result;
    bool last = step == &work->steps->items[work->steps->count - 1];

    call->step = step;
    if (step->shared && provided->is_done[step->slot])
        return true;
    call->context.func = step->bind->callable->func;
    enum inlay_bind_status status =
        inlay_bind_read(step->bind, &work->input, call->context.arena,
                        &call->violations, &args, &result);
    if (status != INLAY_BIND_OK && status != INLAY_BIND_INVALID) {
        end_unbound(call, status);
        return false;
    }
    if (call->context.error)
        return false;
    if (status != INLAY_BIND_OK || needs_lost(step->bind, lost) ||
        (last && call->violations.count)) {
        bool kept = lose(call, step, lost) == 0;

        end_unbound(call, kept ? INLAY_BIND_INVALID : INLAY_BIND_NO_MEMORY);
        return kept && !last;
    }
    if (!invoke(call, step->bind->callable, args, result))
        return false;
    if (step->provides)
        keep_result(step, provided, result);
    call->result = result;
    /* A provider whose client has gone meanwhile has likely made nothing. */
    if (inlay_unlikely(call->task != NULL) && call->task->closed)
        return false;
    return !inlay_native_has_answered(call);
}

/* `end` is RETURNED when it begins. */
static void run_list(struct inlay_native_call *call)
{
    struct inlay_native_work *work =
        (struct inlay_native_work *)(uintptr_t)call->work;
    const struct inlay_steps *steps = work->steps;
    struct inlay_provided *provided = NULL;
    struct lost lost = {.count = steps->nslots};

    if (steps->nslots) {
        provided = inlay_provided_of(call->request, steps);
        if (!provided) {
            end_unbound(call, INLAY_BIND_NO_MEMORY);
            return;
        }
        work->input.provided = provided->values;
    }
    /* A body that is none comes before everything else. */
    enum inlay_bind_status status =
        inlay_bind_parse(steps->items[steps->count - 1].bind, &work->input,
                         call->context.arena, &call->violations);
    if (status != INLAY_BIND_OK) {
        end_unbound(call, status);
        return;
    }
    for (size_t i = 0; i < steps->count; i++) {
        if (!run_step(call, &steps->items[i], provided, &lost))
            break;
    }
    if (call->context.error)
        call->end = INLAY_NATIVE_FAILED;
}

/* The commonest: one function that does not wait. */
static void run_one(struct inlay_native_call *call)
{
    const struct inlay_native_work *work = call->work;
    const struct inlay_step *step = work->steps->items;
    const struct inlay_callable *callable = step->bind->callable;
    void **args;

    call->step = step;
    call->context.func = callable->func;
    enum inlay_bind_status status =
        inlay_bind_read(step->bind, &work->input, call->context.arena,
                        &call->violations, &args, &call->result);
    if (inlay_unlikely(status != INLAY_BIND_OK)) {
        end_unbound(call, status);
        return;
    }
    inlay_busy_set(&call->request->thread->busy, &call->context);
    call->called = !call->context.error;
    if (inlay_likely(call->called))
        inlay_call_invoke(callable->plan, callable->func->entry, args,
                          call->result);
    if (inlay_unlikely(call->context.error != INLAY_OK))
        call->end = INLAY_NATIVE_FAILED;
}

/* --- Beginning ---------------------------------------------------------- */

static inline void begin(struct inlay_native_call *call,
                         struct inlay_request *request,
                         struct inlay_native_work *work)
{
    inlay_context_enter(&call->context, &request->arena);
    call->context.http = work->http;
    call->context.what = work->what;
    call->request = request;
    call->work = work;
    call->step = work->steps->items;
    call->said = NULL;
    call->task = NULL;
    call->result = NULL;
    call->called = false;
    call->end = INLAY_NATIVE_RETURNED;
    inlay_violations_init(&call->violations, &request->arena);
    work->input.query = request->query;
    work->input.headers = request->headers;
    work->input.nheaders = request->nheaders;
    work->input.request = work->input.socket = call;
    work->input.call = call;
    work->input.provided = NULL;
}

/* What lasts as long as the request, and the path's parameters with it. */
static int retain(struct inlay_request *request, struct inlay_native_work *work)
{
    struct inlay_str *params;

    if (!work->npath)
        return inlay_request_retain(request);
    params =
        inlay_arena_zalloc_array(&request->arena, work->npath, sizeof(*params));
    if (!params || inlay_request_retain_path(request, work->input.path,
                                             work->npath, params) < 0)
        return -1;
    work->input.path = params;
    return 0;
}

static void on_alarm(struct inlay_alarm *alarm)
{
    struct inlay_native_task *task =
        inlay_container_of(alarm, struct inlay_native_task, alarm);

    inlay_native_wake(&task->call, INLAY_NATIVE_TIMER);
}

/* He had his second. What the function makes of a wait that is cut short is no
 * answer: it goes nowhere. */
static void on_parting(struct inlay_alarm *alarm)
{
    struct inlay_native_task *task =
        inlay_container_of(alarm, struct inlay_native_task, parting);

    if (task->request)
        inlay_session_abandon(inlay_session_of(task->request));
}

static void task_main(void *arg)
{
    struct inlay_native_task *task = arg;

    inlay_context_resume(&task->call.context);
    run_list(&task->call);
    inlay_native_databases_end(task);
    inlay_context_leave(&task->call.context);
    task->over = true;
}

static struct inlay_native_task *task_create(struct inlay_request *request,
                                             struct inlay_native_work *work)
{
    struct inlay_native_task *task;

    if (retain(request, work) < 0)
        return NULL;
    task = inlay_arena_new(&request->arena, struct inlay_native_task);
    if (!task)
        return NULL;
    task->work = *work;
    task->thread = request->thread;
    task->request = request;
    task->before = request->arena.defers;
    task->alarm.on_ring = on_alarm;
    task->parting.on_ring = on_parting;
    begin(&task->call, request, &task->work);
    task->call.context.sleep = inlay_native_sleep;
    inlay_context_leave(&task->call.context);
    task->call.task = task;
    task->coroutine =
        inlay_coroutine_create(&request->thread->coroutines, task_main, task);
    if (!task->coroutine)
        return NULL;
    inlay_native_inflow_begin(task);
    return task;
}

static void log_abandoned(const struct inlay_native_task *task)
{
    const struct inlay_func *func = task->call.step->bind->callable->func;

    inlay_log_write(
        &task->thread->server->config.log, INLAY_LOG_ERROR,
        "%.*s: %.*s (%.*s:%u) was left where it is: it went on waiting after "
        "%s; return when a wait is false",
        inlay_str_arg(task->work.what), inlay_str_arg(func->name),
        inlay_str_arg(func->decl.file), func->decl.line,
        task->call.context.error ? "it had failed" : "its client had gone");
}

/* Runs it on until it waits (false) or will not go on any more. */
static bool run_on(struct inlay_native_task *task)
{
    task->waits = INLAY_NATIVE_RUNS;
    inlay_coroutine_resume(task->coroutine);
    inlay_busy_set(&task->thread->busy, inlay_context_current);
    if (inlay_likely(!task->over && !task->abandoned))
        return false;
    inlay_alarm_stop(&task->thread->loop, &task->alarm);
    inlay_alarm_stop(&task->thread->loop, &task->parting);
    if (task->abandoned) {
        log_abandoned(task);
        inlay_context_fail(&task->call.context, INLAY_INTERNAL,
                           INLAY_STR("it does not end"));
        task->call.end = INLAY_NATIVE_FAILED;
        inlay_native_databases_end(task);
        /* Those of the call may know of variables on its stack. */
        inlay_arena_run_defers(task->call.context.arena, task->before);
        inlay_coroutine_abandon(task->coroutine);
    }
    return true;
}

struct inlay_native_call *inlay_native_begin(struct inlay_request *request,
                                             struct inlay_native_work *work,
                                             struct inlay_native_call *room)
{
    struct inlay_native_task *task;

    if (inlay_likely(work->steps->colour == INLAY_COLOUR_PLAIN)) {
        begin(room, request, work);
        if (inlay_likely(work->steps->count == 1))
            run_one(room);
        else
            run_list(room);
        inlay_context_leave(&room->context);
        inlay_busy_set(&request->thread->busy, inlay_context_current);
        return room;
    }
    task = task_create(request, work);
    if (!task) {
        begin(room, request, work);
        inlay_context_leave(&room->context);
        end_unbound(room, INLAY_BIND_NO_MEMORY);
        return room;
    }
    if (run_on(task))
        return &task->call;
    request->handler_data = &task->call;
    return NULL;
}

/* --- Waiting ------------------------------------------------------------ */

static bool takes_const(const struct inlay_func *func)
{
    for (size_t i = 0; i < func->nparams; i++) {
        const struct inlay_type *type = func->params[i].type;

        if (type->kind == INLAY_KIND_INJECTED && type->injected_const &&
            type->injected == INLAY_INJECTED_REQUEST)
            return true;
    }
    return false;
}

static bool waits_for_client(const char *name)
{
    return strcmp(name, "inlay_sleep") != 0;
}

bool inlay_native_may_wait(struct inlay_native_call *call, const char *name)
{
    const struct inlay_func *func = call->step->bind->callable->func;
    const char *why;
    char text[256];

    if (call->step->colour == INLAY_COLOUR_COROUTINE && call->task) {
        if (!waits_for_client(name) || !inlay_native_in_transaction(call->task))
            return true;
        inlay_native_misuse(call, name,
                            "a transaction is open: others would wait with it "
                            "for this client; commit first");
        return false;
    }
    if (inlay_native_is_pooled(call))
        why = "is INLAY_ASYNC: it runs on the pool, where it may block as in "
              "any C, but not wait for this";
    else if (takes_const(func))
        why = "takes its inlay_request * as const: only without const it waits";
    else
        why = "takes no inlay_request *";
    snprintf(text, sizeof(text), "%.*s %s",
             (int)inlay_min(func->name.len, (size_t)128), func->name.ptr, why);
    inlay_native_misuse(call, name, text);
    return false;
}

/* False; or it never returns, as nothing else would end the coroutine. */
static bool refuse(struct inlay_native_call *call)
{
    struct inlay_native_task *task = call->task;

    if (!task || call->step->colour != INLAY_COLOUR_COROUTINE ||
        ++task->refused < REFUSED_MOST)
        return false;
    task->abandoned = true;
    inlay_context_leave(&call->context);
    for (;;)
        inlay_coroutine_yield();
}

bool inlay_native_refuse(struct inlay_context *context)
{
    return refuse(inlay_native_call_of(context));
}

bool inlay_native_sleep_for(struct inlay_native_call *call,
                            enum inlay_native_wait what)
{
    struct inlay_native_task *task = call->task;

    if (inlay_unlikely(task->closed))
        return false;
    task->waits = what;
    inlay_context_leave(&call->context);
    inlay_coroutine_yield();
    inlay_context_resume(&call->context);
    inlay_busy_set(&task->thread->busy, &call->context);
    return !task->closed;
}

bool inlay_native_await(struct inlay_native_call *call,
                        enum inlay_native_wait what)
{
    if (inlay_unlikely(call->context.error || call->task->closed))
        return refuse(call);
    return inlay_native_sleep_for(call, what);
}

/* It goes on, and tells its caller when that was all of it. */
static void go_on(struct inlay_native_task *task)
{
    struct inlay_native_pooled *pooled = task->pooled;
    struct inlay_native_call *call = &task->call;

    if (!run_on(task))
        return;
    if (task->request) {
        task->work.on_done(call);
        return;
    }
    if (task->work.on_gone)
        task->work.on_gone(call);
    if (pooled)
        inlay_native_pool_free(pooled);
}

void inlay_native_wake(struct inlay_native_call *call,
                       enum inlay_native_wait what)
{
    if (call->task && call->task->waits == what)
        go_on(call->task);
}

void inlay_native_close(struct inlay_native_call *call)
{
    struct inlay_native_task *task = call->task;

    if (!task || task->closed)
        return;
    task->closed = true;
    if (task->waits != INLAY_NATIVE_POOL && task->waits != INLAY_NATIVE_RUNS)
        go_on(task);
}

void inlay_native_abort(struct inlay_native_call *call)
{
    struct inlay_native_task *task = call->task;

    if (!task)
        return;
    task->request = NULL;
    task->closed = true;
    if (task->waits != INLAY_NATIVE_POOL && task->waits != INLAY_NATIVE_RUNS)
        go_on(task);
}

void inlay_native_eof(struct inlay_native_call *call)
{
    struct inlay_native_task *task = call->task;

    if (!task)
        return;
    if (task->events)
        inlay_native_close(call);
    else if (task->databases)
        inlay_alarm_set(&task->thread->loop, &task->parting, PARTING_MS);
}

void inlay_native_drained(struct inlay_native_call *call)
{
    inlay_native_wake(call, INLAY_NATIVE_DRAINED);
}
