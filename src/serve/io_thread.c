/*
 * One I/O thread: its loop, its listeners, the cap of connections. At the cap
 * its listeners stop, and look again a moment later: clients wait in the
 * kernel's listen queue meanwhile, nobody is turned away.
 */
#include <stdio.h>

#include "base/mem.h"
#include "base/thread.h"
#include "load/crash.h"
#include "serve/access_log.h"
#include "serve/admission.h"
#include "serve/metrics.h"
#include "serve/native_call.h"
#include "serve/session.h"

#include "base/banned.h"

#define ACCEPT_AGAIN_MS 20
#define DRAIN_MS 250
#define ACCEPTS_MOST 4096 /* of what waits when it drains */

/* --- The lines that every answer has ------------------------------------ */

static void set_date(struct inlay_io_thread *thread)
{
    struct timespec now;

    thread->common_at = thread->loop.now;
    if (!thread->common.date_len)
        return;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    struct inlay_str date = inlay_http_date_text(&thread->date, now.tv_sec);
    memcpy(thread->common.text + INLAY_COMMON_DATE, date.ptr, date.len);
}

struct inlay_str inlay_io_thread_common(struct inlay_io_thread *thread)
{
    if (thread->common_at != thread->loop.now)
        set_date(thread);
    return inlay_str_make(thread->common.text, thread->common.len);
}

/* --- Accepting ---------------------------------------------------------- */

static size_t cap_of(const struct inlay_io_thread *thread)
{
    size_t cap = thread->server->config.limits.connections;

    return cap ? cap : SIZE_MAX;
}

static void stop_accepting(struct inlay_io_thread *thread)
{
    if (!thread->accepting)
        return;
    thread->accepting = false;
    for (size_t i = 0; i < thread->server->config.nlisten_fds; i++)
        inlay_listener_stop(&thread->listeners[i]);
}

static void leave(struct inlay_io_thread *thread)
{
    atomic_fetch_sub(&thread->nconnections, 1);
    atomic_fetch_sub(&thread->server->open_connections, 1);
}

void inlay_io_thread_adopt(struct inlay_io_thread *thread,
                           int fd,
                           const struct inlay_address *peer)
{
    if (inlay_session_create(thread, fd, peer) < 0) {
        inlay_metrics_count(thread->metrics, INLAY_METRICS_REJECTED, 1);
        leave(thread);
        return;
    }
    inlay_metrics_count(thread->metrics, INLAY_METRICS_ACCEPTED, 1);
    /* It was handed on before, by one that knew of no drain. */
    if (thread->draining)
        inlay_session_drain(inlay_list_entry(thread->connections.prev,
                                             struct inlay_session, node));
}

static void on_accept(struct inlay_listener *listener,
                      int fd,
                      const struct inlay_address *peer)
{
    struct inlay_io_thread *thread = listener->arg;
    struct inlay_io_thread *to = inlay_spread_choose(thread);
    size_t open = atomic_fetch_add(&thread->server->open_connections, 1) + 1;

    if (to != thread && inlay_spread_hand(to, fd, peer) < 0) {
        atomic_fetch_sub(&to->nconnections, 1);
        atomic_fetch_add(&thread->nconnections, 1);
        to = thread;
    }
    if (to == thread)
        inlay_io_thread_adopt(thread, fd, peer);
    if (open < cap_of(thread))
        return;
    stop_accepting(thread);
    inlay_timer_start(&thread->loop, &thread->accept_timers,
                      &thread->accept_again);
}

static struct inlay_error *start_accepting(struct inlay_io_thread *thread)
{
    const struct inlay_server_config *config = &thread->server->config;

    for (size_t i = 0; i < config->nlisten_fds; i++) {
        struct inlay_error *error =
            inlay_listener_init(&thread->listeners[i], &thread->loop,
                                config->listen_fds[i], on_accept, thread);
        if (!error)
            continue;
        while (i-- > 0)
            inlay_listener_stop(&thread->listeners[i]);
        return error;
    }
    thread->accepting = true;
    return NULL;
}

static void on_accept_again(struct inlay_timer *timer)
{
    struct inlay_io_thread *thread =
        inlay_container_of(timer, struct inlay_io_thread, accept_again);
    struct inlay_server *server = thread->server;

    if (thread->draining)
        return;
    if (atomic_load(&server->open_connections) < cap_of(thread)) {
        struct inlay_error *error = start_accepting(thread);

        if (!error)
            return;
        inlay_log_write(&server->config.log, INLAY_LOG_WARNING, "%s",
                        error->message);
        inlay_error_destroy(error);
    }
    inlay_timer_start(&thread->loop, &thread->accept_timers, timer);
}

void inlay_io_thread_leave(struct inlay_io_thread *thread)
{
    inlay_metrics_count(thread->metrics, INLAY_METRICS_CLOSED, 1);
    leave(thread);
}

/* --- Mail --------------------------------------------------------------- */

/* Who waits in the listen queue has connected: he is still served. */
static void accept_waiting(struct inlay_io_thread *thread)
{
    for (size_t i = 0; i < thread->server->config.nlisten_fds; i++) {
        struct inlay_listener *listener = &thread->listeners[i];

        for (int most = ACCEPTS_MOST; most && listener->watch.events; most--) {
            if (!inlay_listener_accept(listener))
                break;
        }
    }
}

static void on_drain(struct inlay_mail *mail)
{
    struct inlay_io_thread *thread =
        inlay_container_of(mail, struct inlay_io_thread, drain_mail);

    accept_waiting(thread);
    thread->draining = true;
    stop_accepting(thread);
    inlay_timer_stop(&thread->accept_again);
    inlay_list_for_each (node, &thread->connections)
        inlay_session_drain(inlay_list_entry(node, struct inlay_session, node));
}

static void on_stop(struct inlay_mail *mail)
{
    struct inlay_io_thread *thread =
        inlay_container_of(mail, struct inlay_io_thread, stop_mail);

    thread->draining = true;
    stop_accepting(thread);
    inlay_timer_stop(&thread->accept_again);
    inlay_list_for_each (node, &thread->connections)
        inlay_conn_close(
            &inlay_list_entry(node, struct inlay_session, node)->conn);
    inlay_loop_stop(&thread->loop);
}

void inlay_io_thread_drain(struct inlay_io_thread *thread)
{
    if (!atomic_exchange(&thread->drain_posted, true))
        inlay_loop_post(&thread->loop, &thread->drain_mail);
}

static void on_pulse(struct inlay_mail *mail)
{
    atomic_store(&inlay_container_of(mail, struct inlay_pulse, mail)->asked,
                 false);
}

static bool is_stuck(struct inlay_io_thread *thread, unsigned most)
{
    struct inlay_pulse *pulse = &thread->pulse;

    if (atomic_exchange(&pulse->asked, true))
        return ++pulse->missed >= most;
    pulse->missed = 0;
    inlay_loop_post(&thread->loop, &pulse->mail);
    return false;
}

bool inlay_server_is_stuck(struct inlay_server *server,
                           unsigned most,
                           struct inlay_stuck *ret)
{
    bool found = false;

    for (unsigned i = 0; i < server->nthreads; i++) {
        if (!is_stuck(&server->threads[i], most) || found)
            continue;
        found = true;
        ret->index = i;
        if (!inlay_busy_get(&server->threads[i].busy, &ret->what, &ret->func)) {
            ret->what = INLAY_STR("");
            ret->func = NULL;
        }
    }
    return found;
}

void inlay_io_thread_stop(struct inlay_io_thread *thread)
{
    inlay_loop_post(&thread->loop, &thread->stop_mail);
    pthread_join(thread->handle, NULL);
}

/* --- The thread --------------------------------------------------------- */

static void *run(void *arg)
{
    struct inlay_io_thread *thread = arg;
    char name[16];

    snprintf(name, sizeof(name), "inlay-io-%u", thread->index % 1000);
    pthread_setname_np(pthread_self(), name);
    inlay_crash_thread();
    inlay_native_lanes_open(thread);
    inlay_loop_run(&thread->loop);
    inlay_native_pool_leave(thread);
    inlay_native_lanes_close(thread);
    return NULL;
}

struct inlay_error *inlay_io_thread_start(struct inlay_io_thread *thread)
{
    struct inlay_error *error = start_accepting(thread);

    if (error)
        return error;
    int status = inlay_thread_start(&thread->handle, run, thread);
    if (!status)
        return NULL;
    stop_accepting(thread);
    return inlay_error_system(status, "cannot start an I/O thread");
}

static void init_timers(struct inlay_io_thread *thread)
{
    const struct inlay_limits *limits = &thread->server->config.limits;
    struct inlay_loop *loop = &thread->loop;

    inlay_timer_queue_init(loop, &thread->header_timers, limits->header_timeout,
                           inlay_session_expire);
    inlay_timer_queue_init(loop, &thread->body_timers, limits->body_timeout,
                           inlay_session_expire);
    inlay_timer_queue_init(loop, &thread->keep_alive_timers,
                           limits->keep_alive_timeout, inlay_session_expire);
    inlay_timer_queue_init(loop, &thread->write_timers, limits->write_timeout,
                           inlay_session_expire_write);
    inlay_timer_queue_init(loop, &thread->request_timers,
                           limits->request_timeout, inlay_exchange_expire);
    inlay_timer_queue_init(loop, &thread->rate_timers, limits->body_grace,
                           inlay_exchange_expire_rate);
    inlay_timer_queue_init(loop, &thread->queue_timers, limits->queue_timeout,
                           inlay_admission_expire);
    inlay_timer_queue_init(loop, &thread->accept_timers, ACCEPT_AGAIN_MS,
                           on_accept_again);
    inlay_timer_queue_init(loop, &thread->drain_timers, DRAIN_MS,
                           inlay_session_expire);
    inlay_websocket_init_timers(thread);
    inlay_timer_init(&thread->accept_again);
}

struct inlay_error *inlay_io_thread_init(struct inlay_io_thread *thread,
                                         struct inlay_server *server,
                                         unsigned index)
{
    *thread = (struct inlay_io_thread){.server = server, .index = index};
    size_t count = inlay_max(server->config.nlisten_fds, (size_t)1);
    thread->listeners = inlay_calloc(count, sizeof(*thread->listeners));
    if (!thread->listeners)
        return inlay_error_no_memory();
    struct inlay_error *error =
        inlay_common_init(&thread->common, &server->config, &server->memory);
    if (!error)
        error = inlay_loop_init(&thread->loop);
    if (error) {
        inlay_free(thread->listeners);
        return error;
    }
    inlay_list_init(&thread->connections);
    inlay_slab_init(&thread->sessions,
                    sizeof(struct inlay_session) + inlay_http1_size());
    inlay_access_log_init(thread);
    inlay_random_init(&thread->random);
    inlay_coroutines_init(&thread->coroutines);
    inlay_spread_init(thread);
    thread->drain_mail.on_receive = on_drain;
    thread->stop_mail.on_receive = on_stop;
    thread->pulse.mail.on_receive = on_pulse;
    atomic_init(&thread->drain_posted, false);
    init_timers(thread);
    if (server->metrics)
        thread->metrics = &server->metrics->threads[index];
    if (server->metrics && index == 0)
        inlay_metrics_start(server->metrics, &thread->loop);
    set_date(thread);
    return NULL;
}

void inlay_io_thread_deinit(struct inlay_io_thread *thread)
{
    inlay_spread_deinit(thread);
    inlay_loop_deinit(&thread->loop);
    inlay_slab_deinit(&thread->sessions);
    inlay_exchange_free_spare(thread);
    inlay_coroutines_deinit(&thread->coroutines);
    inlay_access_log_deinit(thread);
    inlay_encoders_free(&thread->encoders);
    inlay_buf_deinit(&thread->scratch);
    inlay_free(thread->listeners);
}
