#include "serve/spread.h"

#include <unistd.h>

#include "base/mem.h"
#include "serve/server.h"

#include "base/banned.h"

struct handed {
    struct inlay_list node;
    int fd;
    struct inlay_address peer;
};

static struct handed *take(struct inlay_handed *handed)
{
    struct handed *first = NULL;

    pthread_mutex_lock(&handed->lock);
    if (inlay_list_empty(&handed->waiting)) {
        handed->posted = false;
    } else {
        first = inlay_list_entry(handed->waiting.next, struct handed, node);
        inlay_list_remove(&first->node);
    }
    pthread_mutex_unlock(&handed->lock);
    return first;
}

static void on_receive(struct inlay_mail *mail)
{
    struct inlay_io_thread *thread =
        inlay_container_of(mail, struct inlay_io_thread, handed.mail);
    struct handed *one;

    while ((one = take(&thread->handed))) {
        inlay_io_thread_adopt(thread, one->fd, &one->peer);
        inlay_free(one);
    }
}

void inlay_spread_init(struct inlay_io_thread *thread)
{
    pthread_mutex_init(&thread->handed.lock, NULL);
    inlay_list_init(&thread->handed.waiting);
    thread->handed.mail.on_receive = on_receive;
}

void inlay_spread_deinit(struct inlay_io_thread *thread)
{
    struct handed *one;

    while ((one = take(&thread->handed))) {
        close(one->fd);
        inlay_free(one);
    }
    pthread_mutex_destroy(&thread->handed.lock);
}

struct inlay_io_thread *inlay_spread_choose(struct inlay_io_thread *thread)
{
    const struct inlay_server *server = thread->server;
    struct inlay_io_thread *best = thread;
    size_t fewest = atomic_load(&thread->nconnections);

    for (unsigned i = 0; i < server->nthreads && !thread->draining; i++) {
        struct inlay_io_thread *other = &server->threads[i];
        size_t count = atomic_load(&other->nconnections);

        if (count + 1 < fewest && atomic_load(&other->accepting)) {
            best = other;
            fewest = count;
        }
    }
    atomic_fetch_add(&best->nconnections, 1);
    return best;
}

int inlay_spread_hand(struct inlay_io_thread *to,
                      int fd,
                      const struct inlay_address *peer)
{
    struct handed *one = inlay_malloc(sizeof(*one));

    if (!one)
        return -1;
    one->fd = fd;
    one->peer = *peer;
    inlay_list_init(&one->node);
    pthread_mutex_lock(&to->handed.lock);
    inlay_list_append(&to->handed.waiting, &one->node);
    bool post = !to->handed.posted;
    to->handed.posted = true;
    pthread_mutex_unlock(&to->handed.lock);
    if (post)
        inlay_loop_post(&to->loop, &to->handed.mail);
    return 0;
}
