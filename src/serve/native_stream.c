/*
 * What functions wait for: the body as it comes, room for their answer in
 * parts, time. A coroutine that waits is woken by the event, looks again, and
 * goes on or waits on.
 */
#include "serve/native_task.h"
#include "serve/response.h"
#include "serve/server.h"

#include "base/banned.h"

#define ROOM_FROM ((size_t)16 << 10) /* smaller reads go by the scratch */

static const struct inlay_limits *limits_of(
    const struct inlay_native_call *call)
{
    return &call->task->thread->server->config.limits;
}

/* --- The body ----------------------------------------------------------- */

static void deinit_held(void *arg)
{
    struct inlay_buf *held = arg;

    inlay_buf_deinit(held);
}

void inlay_native_inflow_begin(struct inlay_native_task *task)
{
    struct inlay_native_inflow *inflow = &task->inflow;
    struct inlay_request *request = task->request;

    inlay_buf_init(&inflow->held, limits_of(&task->call)->body_window +
                                      2 * INLAY_LOOP_SCRATCH);
    inflow->ended = !request->has_body || request->body_done;
    if (inflow->ended)
        return;
    inflow->paused = true;
    inlay_request_pause(request);
}

static void pause_body(struct inlay_native_task *task, bool paused)
{
    if (task->inflow.paused == paused)
        return;
    task->inflow.paused = paused;
    if (paused)
        inlay_request_pause(task->request);
    else
        inlay_request_resume(task->request);
}

void inlay_native_inflow_pause(struct inlay_native_task *task)
{
    if (!task->inflow.ended)
        pause_body(task, true);
}

/* Bytes that nobody waits for. */
static int hold(struct inlay_native_task *task, struct inlay_str bytes)
{
    struct inlay_native_inflow *inflow = &task->inflow;

    if (bytes.len && !inflow->held.data &&
        inlay_arena_defer(task->call.context.arena, deinit_held,
                          &inflow->held) < 0)
        return -1;
    if (inlay_buf_append_str(&inflow->held, bytes) < 0)
        return -1;
    if (!inflow->ended &&
        inlay_buf_len(&inflow->held) >= limits_of(&task->call)->body_window)
        pause_body(task, true);
    return 0;
}

void inlay_native_take_body(struct inlay_native_call *call,
                            struct inlay_str chunk,
                            bool last)
{
    struct inlay_native_task *task = call->task;

    if (!task || !task->request)
        return;
    struct inlay_native_inflow *inflow = &task->inflow;
    inflow->ended = last;
    if (inflow->into && !inlay_buf_len(&inflow->held)) {
        size_t len = inlay_min(chunk.len, inflow->room - inflow->got);

        if (len && inflow->into + inflow->got != chunk.ptr)
            memmove(inflow->into + inflow->got, chunk.ptr, len);
        inflow->got += len;
        chunk = len < chunk.len
                    ? inlay_str_make(chunk.ptr + len, chunk.len - len)
                    : inlay_str_make(NULL, 0);
    }
    if (hold(task, chunk) < 0)
        inlay_context_fail(&call->context, INLAY_NO_MEMORY,
                           INLAY_STR("no memory for the body"));
    inlay_native_wake(call, INLAY_NATIVE_BODY);
}

char *inlay_native_room(struct inlay_native_call *call, size_t *len_ret)
{
    struct inlay_native_inflow *inflow =
        call->task ? &call->task->inflow : NULL;

    if (!inflow || !inflow->into || inflow->got || inflow->room < ROOM_FROM ||
        inlay_buf_len(&inflow->held))
        return NULL;
    *len_ret = inflow->room;
    return inflow->into;
}

struct inlay_str inlay_native_inflow_view(const struct inlay_native_call *call)
{
    return call->task ? inlay_buf_view(&call->task->inflow.held)
                      : inlay_str_make(NULL, 0);
}

/* What is there, at most `size`. */
static size_t take_held(struct inlay_native_task *task, char *into, size_t size)
{
    struct inlay_buf *held = &task->inflow.held;
    size_t len = inlay_min(inlay_buf_len(held), size);

    memcpy(into, inlay_buf_view(held).ptr, len);
    inlay_buf_consume(held, len);
    if (!task->inflow.ended &&
        inlay_buf_len(held) < limits_of(&task->call)->body_window)
        pause_body(task, false);
    return len;
}

/* The next bytes, when there are none yet. */
static ptrdiff_t await_bytes(struct inlay_native_call *call,
                             char *into,
                             size_t size)
{
    struct inlay_native_inflow *inflow = &call->task->inflow;

    inflow->into = into;
    inflow->room = size;
    inflow->got = 0;
    pause_body(call->task, false);
    bool alive = true;
    while (alive && !inflow->got && !inflow->ended)
        alive =
            inlay_native_await(call, INLAY_NATIVE_BODY) && !call->context.error;
    inflow->into = NULL;
    return alive ? (ptrdiff_t)inflow->got : -1;
}

ptrdiff_t inlay_native_read(struct inlay_context *context,
                            void *buffer,
                            size_t size)
{
    struct inlay_native_call *call = inlay_native_call_of(context);
    struct inlay_native_task *task = call->task;

    if (!inlay_native_may_wait(call, "inlay_read"))
        return -1;
    if (!call->work->reads_body) {
        inlay_native_misuse(call, "inlay_read",
                            call->work->is_route
                                ? "the body is read by parameters"
                                : "the body is for who answers the request, "
                                  "not for guards");
        return -1;
    }
    if (task->closed) {
        inlay_native_refuse(context);
        return -1;
    }
    if (!size)
        return 0;
    if (size > PTRDIFF_MAX)
        size = PTRDIFF_MAX;
    if (!task->inflow.asked) {
        task->inflow.asked = true;
        if (!task->inflow.ended)
            inlay_request_want_body(call->request);
    }
    if (inlay_buf_len(&task->inflow.held))
        return (ptrdiff_t)take_held(task, buffer, size);
    if (task->inflow.ended)
        return 0;
    return await_bytes(call, buffer, size);
}

/* --- The answer in parts ------------------------------------------------ */

/* False: the call has failed. */
static bool start(struct inlay_native_call *call,
                  const struct inlay_header *headers,
                  size_t nheaders)
{
    struct inlay_request *request = call->request;

    if (request->started)
        return true;
    if (inlay_native_has_answered(call)) {
        inlay_native_misuse(call, "inlay_write", "there is an answer already");
        return false;
    }
    if (inlay_response_start(request, inlay_native_status(call, 200), headers,
                             nheaders, -1) == 0)
        return true;
    inlay_native_misuse(call, "inlay_write", "the answer can't begin");
    return false;
}

/* As much at a time as may be queued. */
static bool write_all(struct inlay_native_call *call, struct inlay_str bytes)
{
    struct inlay_request *request = call->request;
    size_t window = limits_of(call)->write_window;

    if (request->head_only) {
        call->task->closed = true; /* nobody wants it */
        return inlay_native_refuse(&call->context);
    }
    do {
        struct inlay_str piece = bytes;

        piece.len = inlay_min(piece.len, inlay_max(window, (size_t)1));
        if (inlay_response_write(request, piece) < 0) {
            inlay_context_fail(&call->context, INLAY_NO_MEMORY,
                               INLAY_STR("the answer can't be written"));
            return false;
        }
        bytes.len -= piece.len;
        if (bytes.len)
            bytes.ptr += piece.len;
        while (inlay_response_queued(request) > window) {
            if (!inlay_native_await(call, INLAY_NATIVE_DRAINED))
                return false;
        }
    } while (bytes.len);
    return true;
}

bool inlay_native_write(struct inlay_context *context,
                        struct inlay_str bytes,
                        bool text)
{
    struct inlay_native_call *call = inlay_native_call_of(context);
    struct inlay_header header = {
        INLAY_STR("content-type"),
        text ? INLAY_STR("text/plain; charset=utf-8")
             : INLAY_STR("application/octet-stream"),
    };

    if (!inlay_native_may_wait(call, "inlay_write"))
        return false;
    if (call->task->closed)
        return inlay_native_refuse(context);
    if (bytes.len && !bytes.ptr) {
        inlay_native_misuse(call, "inlay_write", "a NULL with a length");
        return false;
    }
    return start(call, &header, 1) && write_all(call, bytes);
}

bool inlay_native_event(struct inlay_context *context, struct inlay_str text)
{
    static const struct inlay_header headers[] = {
        {INLAY_STR("content-type"), INLAY_STR("text/event-stream")},
        {INLAY_STR("cache-control"), INLAY_STR("no-store")},
        {INLAY_STR("x-accel-buffering"), INLAY_STR("no")}, /* nginx */
    };
    struct inlay_native_call *call = inlay_native_call_of(context);

    if (!inlay_native_may_wait(call, "inlay_event"))
        return false;
    if (call->task->closed)
        return inlay_native_refuse(context);
    if (!call->request->started) {
        /* A compressor would keep events back. */
        call->request->as_is = true;
        call->task->events = true;
    }
    return start(call, headers, inlay_array_size(headers)) &&
           write_all(call, text);
}

/* --- Time --------------------------------------------------------------- */

bool inlay_native_sleep(struct inlay_context *context, uint32_t ms)
{
    struct inlay_native_call *call = inlay_native_call_of(context);
    struct inlay_native_task *task = call->task;

    if (!inlay_native_may_wait(call, "inlay_sleep"))
        return false;
    if (task->closed)
        return inlay_native_refuse(context);
    inlay_alarm_set(&task->thread->loop, &task->alarm, ms);
    bool slept = inlay_native_await(call, INLAY_NATIVE_TIMER);
    inlay_alarm_stop(&task->thread->loop, &task->alarm);
    return slept;
}
