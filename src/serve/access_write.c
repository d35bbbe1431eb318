/* How access lines leave: to stdout without waiting, or to the sink. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "serve/access_log.h"
#include "serve/server.h"

#include "base/banned.h"

#define LINES_MOST (1u << 20)
#define LINES_KEPT 131072
#define LINES_FLUSH 65536 /* write before the tick ends */
#define AGAIN_MS 50
#define LAST_WAIT_MS 200 /* for the last lines of a thread */

/*
 * O_NONBLOCK on descriptor 1 itself would be seen by whoever shares it,
 * Python's print and other processes too. A pipe or terminal opened anew has
 * its own; a file never blocks, and opened anew it would have a place of its
 * own.
 */
void inlay_access_out_open(struct inlay_access_out *out)
{
    struct stat info;

    *out = (struct inlay_access_out){.fd = STDOUT_FILENO, .pid = getpid()};
    if (fstat(STDOUT_FILENO, &info) < 0)
        return;
    out->pipe = S_ISFIFO(info.st_mode);
    out->socket = S_ISSOCK(info.st_mode);
    if (!out->pipe && !isatty(STDOUT_FILENO))
        return;
    int fd =
        open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return;
    out->fd = fd;
    out->owned = true;
}

void inlay_access_out_close(struct inlay_access_out *out)
{
    if (out->owned)
        close(out->fd);
    out->owned = false;
}

/*
 * What of `text` to write at once: several processes may share a pipe, which
 * keeps pieces up to PIPE_BUF together, so these end with a line.
 */
static size_t piece(const struct inlay_access_out *out, struct inlay_str text)
{
    if (!out->pipe || text.len <= PIPE_BUF)
        return text.len;
    const char *end = memrchr(text.ptr, '\n', PIPE_BUF);
    return end ? (size_t)(end - text.ptr) + 1 : PIPE_BUF;
}

static ssize_t write_some(const struct inlay_access_out *out,
                          struct inlay_str text)
{
    size_t len = piece(out, text);
    struct pollfd ready = {.fd = out->fd, .events = POLLOUT};

    if (out->socket)
        return send(out->fd, text.ptr, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    /* It could not be opened anew: the best that can be done. */
    if (out->pipe && !out->owned && poll(&ready, 1, 0) <= 0) {
        errno = EAGAIN;
        return -1;
    }
    return write(out->fd, text.ptr, len);
}

/* 0: all gone, or nobody will ever read it; -1: later. */
static int write_lines(struct inlay_io_thread *thread)
{
    const struct inlay_server *server = thread->server;
    struct inlay_buf *lines = &thread->access.buf;

    if (server->config.access_sink && inlay_buf_len(lines)) {
        server->config.access_sink(server->config.access_arg,
                                   inlay_buf_view(lines));
        inlay_buf_clear(lines);
    }
    while (inlay_buf_len(lines)) {
        ssize_t count = write_some(&server->access_out, inlay_buf_view(lines));

        if (count > 0) {
            inlay_buf_consume(lines, (size_t)count);
        } else if (count < 0 && errno == EAGAIN) {
            return -1;
        } else if (count == 0 || errno != EINTR) {
            inlay_buf_clear(lines); /* closed, or the disk is full */
        }
    }
    return 0;
}

static void flush(struct inlay_io_thread *thread)
{
    struct inlay_access_lines *access = &thread->access;

    if (write_lines(thread) < 0) {
        if (inlay_list_empty(&access->again.node))
            inlay_timer_start(&thread->loop, &thread->access_timers,
                              &access->again);
        return;
    }
    inlay_timer_stop(&access->again);
    inlay_buf_shrink(&access->buf, LINES_KEPT);
    if (inlay_unlikely(access->dropped)) {
        inlay_log_write(&thread->server->config.log, INLAY_LOG_WARNING,
                        "stdout was too slow for the access log: %zu lines "
                        "are missing",
                        access->dropped);
        access->dropped = 0;
    }
}

static void on_flush(struct inlay_later *later)
{
    flush(inlay_container_of(later, struct inlay_io_thread, access.flush));
}

static void on_again(struct inlay_timer *timer)
{
    flush(inlay_container_of(timer, struct inlay_io_thread, access.again));
}

void inlay_access_log_ready(struct inlay_io_thread *thread)
{
    struct inlay_access_lines *access = &thread->access;

    /* While stdout takes nothing the timer asks it, not every line. */
    if (!inlay_list_empty(&access->again.node))
        return;
    if (inlay_buf_len(&access->buf) > LINES_FLUSH)
        flush(thread);
    else
        inlay_loop_later(&thread->loop, &access->flush);
}

void inlay_access_log_init(struct inlay_io_thread *thread)
{
    struct inlay_access_lines *access = &thread->access;

    inlay_buf_init(&access->buf, LINES_MOST);
    access->flush.run = on_flush;
    inlay_list_init(&access->flush.node);
    inlay_timer_init(&access->again);
    inlay_timer_queue_init(&thread->loop, &thread->access_timers, AGAIN_MS,
                           on_again);
}

void inlay_access_log_deinit(struct inlay_io_thread *thread)
{
    struct pollfd ready = {.fd = thread->server->access_out.fd,
                           .events = POLLOUT};

    for (int waited = 0; waited < LAST_WAIT_MS; waited += AGAIN_MS) {
        if (write_lines(thread) == 0)
            break;
        poll(&ready, 1, AGAIN_MS);
    }
    inlay_buf_deinit(&thread->access.buf);
}
