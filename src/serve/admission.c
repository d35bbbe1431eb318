#include "serve/admission.h"

#include "base/mem.h"
#include "serve/route_limits.h"
#include "serve/session.h"

#include "base/banned.h"

struct inlay_admission {
    struct inlay_handler handler; /* first */
    struct inlay_handler *application;
    size_t concurrency, queue_most;

    pthread_mutex_t lock; /* of all that follows */
    size_t active, queued;
    struct inlay_list queue;   /* of struct waiter, oldest first */
    struct inlay_list granted; /* those whose slot is on its way */
};

/* A request in the queue. It outlives the request when that ends while the
 * letter that grants its slot is under way. */
struct waiter {
    struct inlay_mail mail; /* "your turn", to its thread */
    struct inlay_admission *admission;
    struct inlay_list node; /* under the lock */
    bool granted;           /* under the lock */
    /* Its thread's own. */
    struct inlay_io_thread *thread;
    struct inlay_request *request; /* NULL: over */
    struct inlay_timer timer;
};

static struct inlay_admission *of(struct inlay_handler *handler)
{
    return (struct inlay_admission *)handler;
}

/* A slot is free: the oldest of the queue gets it. */
static void release(void *arg)
{
    struct inlay_admission *admission = arg;
    struct waiter *waiter = NULL;

    pthread_mutex_lock(&admission->lock);
    if (inlay_list_empty(&admission->queue)) {
        admission->active--;
    } else {
        waiter = inlay_list_entry(admission->queue.next, struct waiter, node);
        inlay_list_remove(&waiter->node);
        inlay_list_append(&admission->granted, &waiter->node);
        waiter->granted = true;
        admission->queued--;
    }
    pthread_mutex_unlock(&admission->lock);
    if (waiter)
        inlay_loop_post(&waiter->thread->loop, &waiter->mail);
}

/* The slot is the request's until its memory goes. */
static int hold_slot(struct inlay_admission *admission,
                     struct inlay_request *request)
{
    if (inlay_arena_defer(&request->arena, release, admission) == 0)
        return 0;
    release(admission);
    inlay_request_refuse_busy(request);
    return -1;
}

/* --- In and out of the queue --------------------------------------------- */

static void on_turn(struct inlay_mail *mail)
{
    struct waiter *waiter = inlay_container_of(mail, struct waiter, mail);
    struct inlay_admission *admission = waiter->admission;
    struct inlay_request *request = waiter->request;

    pthread_mutex_lock(&admission->lock);
    inlay_list_remove(&waiter->node);
    pthread_mutex_unlock(&admission->lock);
    inlay_timer_stop(&waiter->timer);
    inlay_free(waiter);
    if (!request) {
        release(admission);
        return;
    }
    request->handler_data = NULL;
    if (hold_slot(admission, request) == 0)
        inlay_session_forward(request, admission->application);
}

/* Under the lock. NULL: there is no room, or no memory. */
static struct waiter *enqueue(struct inlay_admission *admission,
                              struct inlay_request *request)
{
    struct waiter *waiter;

    if (admission->queued >= admission->queue_most)
        return NULL;
    waiter = inlay_malloc(sizeof(*waiter));
    if (!waiter)
        return NULL;
    *waiter = (struct waiter){
        .mail.on_receive = on_turn,
        .admission = admission,
        .thread = request->thread,
        .request = request,
    };
    inlay_list_init(&waiter->node);
    inlay_timer_init(&waiter->timer);
    inlay_list_append(&admission->queue, &waiter->node);
    admission->queued++;
    return waiter;
}

/* Takes a request out of the queue; false: its turn has come already. */
static bool leave_queue(struct waiter *waiter)
{
    struct inlay_admission *admission = waiter->admission;

    pthread_mutex_lock(&admission->lock);
    bool granted = waiter->granted;
    if (!granted) {
        inlay_list_remove(&waiter->node);
        admission->queued--;
    }
    pthread_mutex_unlock(&admission->lock);
    if (granted)
        return false;
    inlay_timer_stop(&waiter->timer);
    waiter->request->handler_data = NULL;
    inlay_free(waiter);
    return true;
}

void inlay_admission_expire(struct inlay_timer *timer)
{
    struct waiter *waiter = inlay_container_of(timer, struct waiter, timer);
    struct inlay_request *request = waiter->request;

    if (leave_queue(waiter))
        inlay_request_refuse_busy(request);
}

/* --- The handler --------------------------------------------------------- */

static enum inlay_outcome on_request(struct inlay_handler *handler,
                                     struct inlay_request *request)
{
    struct inlay_admission *admission = of(handler);
    struct inlay_handler *application = admission->application;
    struct waiter *waiter = NULL;

    pthread_mutex_lock(&admission->lock);
    bool admitted = admission->active < admission->concurrency &&
                    inlay_list_empty(&admission->queue);
    if (admitted)
        admission->active++;
    else
        waiter = enqueue(admission, request);
    pthread_mutex_unlock(&admission->lock);
    if (admitted) {
        if (hold_slot(admission, request) < 0)
            return INLAY_HANDLED;
        request->handler = application;
        return application->ops->on_request(application, request);
    }
    if (!waiter) {
        inlay_request_refuse_busy(request);
        return INLAY_HANDLED;
    }
    request->handler_data = waiter;
    inlay_timer_start(&request->thread->loop, &request->thread->queue_timers,
                      &waiter->timer);
    inlay_request_pause(request); /* its body waits with the client */
    return INLAY_PENDING;
}

static void on_body(struct inlay_handler *handler inlay_unused,
                    struct inlay_request *request inlay_unused,
                    struct inlay_str chunk inlay_unused,
                    bool last inlay_unused)
{
    /* It is held back. */
}

static void on_abort(struct inlay_handler *handler inlay_unused,
                     struct inlay_request *request)
{
    struct waiter *waiter = request->handler_data;

    if (waiter && !leave_queue(waiter)) {
        inlay_timer_stop(&waiter->timer);
        waiter->request = NULL;
    }
}

/* Nearly always the client has gone, and nobody will read the answer. */
static void on_eof(struct inlay_handler *handler inlay_unused,
                   struct inlay_request *request)
{
    struct waiter *waiter = request->handler_data;

    if (waiter && leave_queue(waiter)) {
        request->close = true;
        inlay_request_refuse_busy(request);
    }
}

static void free_waiters(struct inlay_list *list)
{
    inlay_list_for_each (node, list)
        inlay_free(inlay_list_entry(node, struct waiter, node));
}

static void destroy(struct inlay_handler *handler)
{
    struct inlay_admission *admission = of(handler);
    struct inlay_handler *application = admission->application;

    /* It may still look through a mailbox with letters of ours. */
    if (application->ops->destroy)
        application->ops->destroy(application);
    inlay_admission_dissolve(handler);
}

/* Who has this is asked for WebSockets. It is never called: an accepted one
 * is the application's. */
static void on_message(struct inlay_handler *handler inlay_unused,
                       struct inlay_request *request inlay_unused,
                       enum inlay_websocket_kind kind inlay_unused,
                       struct inlay_str bytes inlay_unused)
{
}

static const struct inlay_handler_ops admission_ops = {
    .kind = "asgi",
    .on_request = on_request,
    .on_body = on_body,
    .on_abort = on_abort,
    .destroy = destroy,
    .on_eof = on_eof,
    .on_message = on_message,
};

struct inlay_error *inlay_admission_create(struct inlay_server *server,
                                           struct inlay_handler *application,
                                           struct inlay_handler **ret)
{
    const struct inlay_limits *limits = &server->config.limits;
    struct inlay_admission *admission = inlay_malloc(sizeof(*admission));

    if (!admission)
        return inlay_error_no_memory();
    *admission = (struct inlay_admission){
        .handler.ops = &admission_ops,
        .application = application,
        .concurrency = limits->concurrency,
        .queue_most = limits->queue,
    };
    pthread_mutex_init(&admission->lock, NULL);
    inlay_list_init(&admission->queue);
    inlay_list_init(&admission->granted);
    *ret = &admission->handler;
    return NULL;
}

void inlay_admission_dissolve(struct inlay_handler *handler)
{
    struct inlay_admission *admission = of(handler);

    free_waiters(&admission->queue);
    free_waiters(&admission->granted);
    pthread_mutex_destroy(&admission->lock);
    inlay_free(admission);
}

void inlay_admission_count(struct inlay_handler *handler,
                           size_t *active_ret,
                           size_t *queued_ret)
{
    struct inlay_admission *admission = of(handler);

    pthread_mutex_lock(&admission->lock);
    *active_ret = admission->active;
    *queued_ret = admission->queued;
    pthread_mutex_unlock(&admission->lock);
}
