#include "net/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/alarm.h"
#include "net/conn.h"
#include "net/listener.h"

#include "base/banned.h"

#define EVENTS_PER_TICK 256
#define LATER_PASSES 4 /* then the sockets are looked at again */
#define LINGER_MS 2000
#define RETRY_MS 100

/* The eventfd is edge-triggered: the wake itself is all there is to it. */
static void on_wake(struct inlay_watch *watch, uint32_t events)
{
    (void)watch;
    (void)events;
}

struct inlay_error *inlay_loop_init(struct inlay_loop *loop)
{
    memset(loop, 0, sizeof(*loop));
    loop->epoll = -1;
    loop->wake = (struct inlay_watch){.fd = -1, .on_event = on_wake};
    inlay_list_init(&loop->timer_queues);
    inlay_list_init(&loop->later);
    loop->mail_last = &loop->mail_first;
    loop->timers_due = UINT64_MAX;
    loop->now = inlay_clock_ms();
    inlay_timer_queue_init(loop, &loop->linger, LINGER_MS,
                           inlay_conn_linger_expired);
    inlay_timer_queue_init(loop, &loop->retry, RETRY_MS, inlay_listener_retry);
    pthread_mutex_init(&loop->mail_lock, NULL);

    loop->scratch = inlay_malloc(INLAY_LOOP_SCRATCH);
    if (!loop->scratch) {
        inlay_loop_deinit(loop);
        return inlay_error_no_memory();
    }
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->epoll < 0 || loop->wake.fd < 0 ||
        inlay_loop_watch(loop, &loop->wake, EPOLLIN | EPOLLET) < 0) {
        int system = errno;
        inlay_loop_deinit(loop);
        return inlay_error_system(system, "cannot make an event loop");
    }
    return NULL;
}

/* Each entry once, in order; those it adds are the next pass's. */
static void run_later_once(struct inlay_loop *loop)
{
    struct inlay_list batch;

    if (inlay_list_empty(&loop->later))
        return;
    batch = loop->later;
    batch.next->prev = batch.prev->next = &batch;
    inlay_list_init(&loop->later);
    while (!inlay_list_empty(&batch)) {
        struct inlay_later *later =
            inlay_list_entry(batch.next, struct inlay_later, node);
        inlay_list_remove(&later->node);
        later->run(later);
    }
}

static void run_later(struct inlay_loop *loop)
{
    for (int i = 0; i < LATER_PASSES; i++)
        run_later_once(loop);
}

void inlay_loop_deinit(struct inlay_loop *loop)
{
    run_later(loop);
    if (loop->epoll >= 0)
        close(loop->epoll);
    if (loop->wake.fd >= 0)
        close(loop->wake.fd);
    loop->epoll = loop->wake.fd = -1;
    inlay_free(loop->scratch);
    loop->scratch = NULL;
    inlay_spare_deinit(&loop->spare);
    pthread_mutex_destroy(&loop->mail_lock);
}

int inlay_loop_watch(struct inlay_loop *loop,
                     struct inlay_watch *watch,
                     uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};
    int op = EPOLL_CTL_MOD;

    if (events == watch->events)
        return 0;
    if (!watch->events)
        op = EPOLL_CTL_ADD;
    else if (!events)
        op = EPOLL_CTL_DEL;
    if (epoll_ctl(loop->epoll, op, watch->fd, &event) < 0)
        return -1;
    watch->events = events;
    return 0;
}

void inlay_loop_later(struct inlay_loop *loop, struct inlay_later *later)
{
    if (inlay_list_empty(&later->node))
        inlay_list_append(&loop->later, &later->node);
}

/* --- Mail ---------------------------------------------------------------- */

static void wake(struct inlay_loop *loop)
{
    uint64_t one = 1;

    /* It cannot fail but for a full counter, which also wakes. */
    if (write(loop->wake.fd, &one, sizeof(one)) < 0)
        return;
}

void inlay_loop_stop(struct inlay_loop *loop)
{
    atomic_store(&loop->stopped, true);
    wake(loop);
}

void inlay_loop_post(struct inlay_loop *loop, struct inlay_mail *mail)
{
    mail->next = NULL;
    pthread_mutex_lock(&loop->mail_lock);
    *loop->mail_last = mail;
    loop->mail_last = &mail->next;
    atomic_store(&loop->has_mail, true);
    pthread_mutex_unlock(&loop->mail_lock);
    /* The loop sets `asleep`, then looks into the box once more; so either it
     * sees this letter or we see it asleep. One of several posters writes. */
    if (atomic_load(&loop->asleep) && atomic_exchange(&loop->asleep, false))
        wake(loop);
}

bool inlay_loop_unpost(struct inlay_loop *loop, struct inlay_mail *mail)
{
    struct inlay_mail **at = &loop->mail_first;

    pthread_mutex_lock(&loop->mail_lock);
    while (*at && *at != mail)
        at = &(*at)->next;
    bool found = *at != NULL;
    if (found) {
        *at = mail->next;
        if (!mail->next)
            loop->mail_last = at;
    }
    pthread_mutex_unlock(&loop->mail_lock);
    return found;
}

static struct inlay_mail *take_mail(struct inlay_loop *loop)
{
    if (!atomic_load(&loop->has_mail))
        return NULL;
    pthread_mutex_lock(&loop->mail_lock);
    struct inlay_mail *first = loop->mail_first;
    loop->mail_first = NULL;
    loop->mail_last = &loop->mail_first;
    atomic_store(&loop->has_mail, false);
    pthread_mutex_unlock(&loop->mail_lock);
    return first;
}

static void receive_mail(struct inlay_loop *loop)
{
    struct inlay_mail *mail = take_mail(loop);

    while (mail) {
        struct inlay_mail *next = mail->next; /* it may be posted again */
        mail->on_receive(mail);
        mail = next;
    }
}

/* --- Timers -------------------------------------------------------------- */

void inlay_timer_queue_init(struct inlay_loop *loop,
                            struct inlay_timer_queue *queue,
                            uint64_t duration,
                            void (*on_expire)(struct inlay_timer *))
{
    inlay_list_append(&loop->timer_queues, &queue->node);
    inlay_list_init(&queue->timers);
    queue->duration = duration;
    queue->on_expire = on_expire;
}

void inlay_timer_start(struct inlay_loop *loop,
                       struct inlay_timer_queue *queue,
                       struct inlay_timer *timer)
{
    inlay_list_remove(&timer->node);
    if (queue->duration == 0)
        return;
    timer->due = loop->now + queue->duration;
    loop->timers_due = inlay_min(loop->timers_due, timer->due);
    inlay_list_append(&queue->timers, &timer->node);
}

static struct inlay_timer *first_timer(const struct inlay_timer_queue *queue)
{
    if (inlay_list_empty(&queue->timers))
        return NULL;
    return inlay_list_entry(queue->timers.next, struct inlay_timer, node);
}

/* And when are the next ones due? Those that begin meanwhile say so. */
static void expire_timers(struct inlay_loop *loop)
{
    loop->timers_due = UINT64_MAX;
    inlay_list_for_each (node, &loop->timer_queues) {
        struct inlay_timer_queue *queue =
            inlay_list_entry(node, struct inlay_timer_queue, node);
        struct inlay_timer *timer;
        while ((timer = first_timer(queue)) && timer->due <= loop->now) {
            inlay_list_remove(&timer->node);
            queue->on_expire(timer);
        }
        if (timer)
            loop->timers_due = inlay_min(loop->timers_due, timer->due);
    }
}

/* Milliseconds to sleep, as epoll_wait takes them; -1: for ever. */
static int sleep_time(struct inlay_loop *loop)
{
    uint64_t due = loop->timers_due;

    if (!inlay_list_empty(&loop->later))
        return 0;
    if (loop->alarms)
        due = inlay_min(due, loop->alarms->due);
    if (due == UINT64_MAX)
        return -1;
    if (due <= loop->now)
        return 0;
    return (int)inlay_min(due - loop->now, (uint64_t)60000);
}

/* --- The loop ------------------------------------------------------------ */

static int wait_events(struct inlay_loop *loop, struct epoll_event *events)
{
    int timeout = sleep_time(loop);

    if (timeout != 0) {
        atomic_store(&loop->asleep, true);
        if (atomic_load(&loop->has_mail) || atomic_load(&loop->stopped))
            timeout = 0;
    }
    int count = epoll_wait(loop->epoll, events, EVENTS_PER_TICK, timeout);
    atomic_store(&loop->asleep, false);
    return count;
}

void inlay_loop_run(struct inlay_loop *loop)
{
    struct epoll_event events[EVENTS_PER_TICK];

    loop->now = inlay_clock_ms();
    while (!atomic_load(&loop->stopped)) {
        int count = wait_events(loop, events);

        loop->now = inlay_clock_ms();
        for (int i = 0; i < count; i++) {
            struct inlay_watch *watch = events[i].data.ptr;
            /* Not one that an earlier event of this tick has removed. */
            if (watch->events)
                watch->on_event(watch, events[i].events);
        }
        receive_mail(loop);
        if (inlay_unlikely(loop->timers_due <= loop->now))
            expire_timers(loop);
        if (inlay_unlikely(loop->alarms != NULL))
            inlay_alarms_ring(loop);
        run_later(loop);
    }
}
