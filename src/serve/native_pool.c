/*
 * Functions that are INLAY_ASYNC, on the pool's threads. Meanwhile the memory
 * of the request is the function's: when the client goes away, so does the
 * request, but not what the function works on.
 *
 * The way back is a letter to the I/O thread. It may have ended by then, so
 * each has a lane, which lasts until the last function is back.
 */
#include <pthread.h>

#include "base/mem.h"
#include "load/call.h"
#include "load/crash.h"
#include "serve/native_route.h"
#include "serve/native_task.h"
#include "serve/server.h"

#include "base/banned.h"

struct inlay_native_lane {
    pthread_mutex_t lock;     /* of all that follows */
    struct inlay_loop *loop;  /* NULL: it has ended */
    struct inlay_list pooled; /* those on their way */
    size_t refs;              /* of them, and of the thread */
};

static struct inlay_native_lane *lane_of(struct inlay_io_thread *thread)
{
    struct inlay_native_lane *lane = thread->lane;

    if (lane)
        return lane;
    lane = inlay_malloc(sizeof(*lane));
    if (!lane)
        return NULL;
    pthread_mutex_init(&lane->lock, NULL);
    inlay_list_init(&lane->pooled);
    lane->loop = &thread->loop;
    lane->refs = 1;
    thread->lane = lane;
    return lane;
}

/* Unlocks it. */
static void lane_release(struct inlay_native_lane *lane, size_t refs)
{
    lane->refs -= refs;
    bool last = !lane->refs;

    pthread_mutex_unlock(&lane->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&lane->lock);
    inlay_free(lane);
}

/* It lies in that memory itself, where defers may know of the table. */
void inlay_native_pool_free(struct inlay_native_pooled *pooled)
{
    const struct inlay_native_table *table = pooled->table;
    struct inlay_arena arena = pooled->arena;

    inlay_arena_deinit(&arena);
    inlay_native_table_unref(table);
}

/* --- On the pool -------------------------------------------------------- */

static void run(struct inlay_job *job)
{
    struct inlay_native_pooled *pooled =
        inlay_container_of(job, struct inlay_native_pooled, job);
    const struct inlay_callable *callable = pooled->callable;
    struct inlay_native_lane *lane = pooled->lane;
    struct inlay_context *context = &pooled->task->call.context;

    inlay_crash_thread();
    inlay_context_resume(context);
    inlay_call_invoke(callable->plan, callable->func->entry, pooled->args,
                      pooled->result);
    inlay_context_leave(context);
    pthread_mutex_lock(&lane->lock);
    bool orphan = !lane->loop;
    if (!orphan) {
        pooled->posted = true;
        inlay_loop_post(lane->loop, &pooled->mail);
    }
    lane_release(lane, 1);
    if (!orphan)
        return;
    inlay_native_databases_end(pooled->task);
    inlay_native_pool_free(pooled);
}

/* --- There and back, on the I/O thread ---------------------------------- */

static void use_arena(struct inlay_native_task *task, struct inlay_arena *arena)
{
    task->call.context.arena = arena;
    task->call.violations.arena = arena;
}

/* Headers that the function has set. */
static void say_headers(struct inlay_native_call *call)
{
    struct inlay_extra *extra = call->said ? call->said->headers : NULL;

    for (; extra; extra = extra->next)
        inlay_native_say_header(&call->context, extra->header.name,
                                extra->header.value, extra->replaces);
    if (call->said)
        call->said->headers = NULL;
}

static void on_return(struct inlay_mail *mail)
{
    struct inlay_native_pooled *pooled =
        inlay_container_of(mail, struct inlay_native_pooled, mail);
    struct inlay_native_task *task = pooled->task;
    struct inlay_native_lane *lane = pooled->lane;
    struct inlay_request *request = task->request;

    pthread_mutex_lock(&lane->lock);
    inlay_list_remove(&pooled->node);
    pthread_mutex_unlock(&lane->lock);
    if (request) {
        inlay_arena_absorb(&pooled->arena, &request->arena);
        request->arena = pooled->arena;
        use_arena(task, &request->arena);
        task->call.request = request;
        task->pooled = NULL;
        inlay_native_table_unref(pooled->table);
    }
    inlay_native_wake(&task->call, INLAY_NATIVE_POOL);
}

/* The request as it is, for one who may look at it when it is no more. */
static void copy_request(struct inlay_native_pooled *pooled,
                         const struct inlay_request *request)
{
    pooled->copy = *request;
    pooled->copy.arena = (struct inlay_arena){.limit = 0};
    if (request->client)
        pooled->client = *request->client;
    if (request->local)
        pooled->local = *request->local;
    pooled->copy.client = &pooled->client;
    pooled->copy.local = &pooled->local;
    pooled->local_path = inlay_request_local_path(request);
}

static void fail_busy(struct inlay_native_task *task, enum inlay_submit why)
{
    struct inlay_native_call *call = &task->call;

    inlay_request_add_header(task->request, INLAY_STR("retry-after"),
                             INLAY_STR("1"), true);
    inlay_context_fail(&call->context, INLAY_UNAVAILABLE,
                       why == INLAY_SUBMIT_FULL
                           ? INLAY_STR("the pool's queue is full "
                                       "(INLAY_POOL_QUEUE)")
                           : INLAY_STR("the system starts no thread for the "
                                       "pool"));
}

/* The job is on its way; or the call has failed. */
static bool submit(struct inlay_native_task *task,
                   struct inlay_native_pooled *pooled)
{
    struct inlay_request *request = task->request;
    struct inlay_native_lane *lane = pooled->lane;

    copy_request(pooled, request);
    pooled->table = request->native_table;
    inlay_native_table_ref(pooled->table);
    pooled->arena = request->arena;
    inlay_arena_init(&request->arena, pooled->arena.limit);
    use_arena(task, &pooled->arena);
    task->call.request = &pooled->copy;
    task->pooled = pooled;
    /* It may be back before this returns, but not before it is waited for. */
    inlay_context_leave(&task->call.context);
    pthread_mutex_lock(&lane->lock);
    lane->refs++;
    inlay_list_append(&lane->pooled, &pooled->node);
    pthread_mutex_unlock(&lane->lock);
    enum inlay_submit result = inlay_workers_submit(&pooled->job);
    if (result == INLAY_SUBMIT_OK)
        return true;
    pthread_mutex_lock(&lane->lock);
    inlay_list_remove(&pooled->node);
    lane_release(lane, 1);
    request->arena = pooled->arena;
    use_arena(task, &request->arena);
    task->call.request = request;
    task->pooled = NULL;
    inlay_native_table_unref(pooled->table);
    inlay_context_resume(&task->call.context);
    fail_busy(task, result);
    return false;
}

bool inlay_native_pool_run(struct inlay_native_task *task,
                           const struct inlay_callable *callable,
                           void **args,
                           void *result)
{
    struct inlay_native_call *call = &task->call;
    struct inlay_native_pooled *pooled;

    if (!task->request || task->closed)
        return false;
    pooled = inlay_arena_new(call->context.arena, struct inlay_native_pooled);
    if (pooled)
        pooled->lane = lane_of(task->thread);
    if (!pooled || !pooled->lane) {
        inlay_context_fail(&call->context, INLAY_NO_MEMORY,
                           INLAY_STR("out of memory for this call"));
        return false;
    }
    pooled->job.run = run;
    pooled->mail.on_receive = on_return;
    inlay_list_init(&pooled->node);
    pooled->task = task;
    pooled->callable = callable;
    pooled->args = args;
    pooled->result = result;
    /* Its memory is the function's now. */
    inlay_native_inflow_pause(task);
    if (!submit(task, pooled))
        return false;
    task->waits = INLAY_NATIVE_POOL;
    inlay_coroutine_yield();
    inlay_context_resume(&call->context);
    if (task->request)
        say_headers(call);
    return task->request && !task->closed;
}

void inlay_native_pool_leave(struct inlay_io_thread *thread)
{
    struct inlay_native_lane *lane = thread->lane;
    struct inlay_list ended;

    if (!lane)
        return;
    thread->lane = NULL;
    inlay_list_init(&ended);
    pthread_mutex_lock(&lane->lock);
    lane->loop = NULL;
    size_t refs = 1;
    inlay_list_for_each (node, &lane->pooled) {
        struct inlay_native_pooled *pooled =
            inlay_list_entry(node, struct inlay_native_pooled, node);

        inlay_coroutine_abandon(pooled->task->coroutine);
        inlay_list_remove(node);
        /* Lanes that end still look at the loop's letters and alarms. */
        inlay_loop_unpost(&thread->loop, &pooled->mail);
        inlay_alarm_stop(&thread->loop, &pooled->task->parting);
        bool cancelled = inlay_workers_cancel(&pooled->job);
        refs += cancelled;
        if (cancelled || pooled->posted)
            inlay_list_append(&ended, node);
        else /* it runs, and ends all by itself but what only we can */
            inlay_native_listening_end(pooled->task);
    }
    lane_release(lane, refs);
    inlay_list_for_each (node, &ended) {
        struct inlay_native_pooled *pooled =
            inlay_list_entry(node, struct inlay_native_pooled, node);

        /* While the thread's lanes are there. */
        inlay_native_databases_end(pooled->task);
        inlay_native_pool_free(pooled);
    }
}
