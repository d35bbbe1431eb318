#include "net/conn.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/mem.h"

#include "base/banned.h"

#define OUT_LIMIT ((size_t)1 << 30)
#define COPY_MAX 16384 /* larger writes become chunks: no buffer to grow */
#define IOV_MAX_ 64
#define SENDS_PER_TICK 16 /* of a socket that takes everything */
/* Of files, which may have to come from a disk: then others have a turn. */
#define FILE_BYTES_AT_ONCE ((size_t)128 << 10)
#define DISCARD_MAX (16u << 20)

#define READING (EPOLLIN | EPOLLRDHUP)

struct inlay_chunk *inlay_chunk_create(size_t len)
{
    if (len > SIZE_MAX - sizeof(struct inlay_chunk))
        return NULL;
    struct inlay_chunk *chunk = inlay_malloc(sizeof(*chunk) + len);
    if (chunk)
        *chunk = (struct inlay_chunk){.len = len, .fd = -1, .data = chunk->own};
    return chunk;
}

void inlay_chunk_lend(struct inlay_chunk *chunk,
                      struct inlay_str bytes,
                      void (*release)(struct inlay_chunk *chunk))
{
    *chunk = (struct inlay_chunk){
        .len = bytes.len,
        .fd = -1,
        .data = (char *)(uintptr_t)bytes.ptr, /* nobody writes to them */
        .release = release,
    };
}

struct inlay_chunk *inlay_chunk_of_file(int fd, uint64_t offset, size_t len)
{
    struct inlay_chunk *chunk = NULL;

    if (len <= INT64_MAX && offset <= INT64_MAX - (uint64_t)len)
        chunk = inlay_malloc(sizeof(*chunk));
    if (chunk)
        *chunk = (struct inlay_chunk){.len = len, .fd = fd, .offset = offset};
    else
        close(fd);
    return chunk;
}

void inlay_chunk_destroy(struct inlay_chunk *chunk)
{
    if (chunk && chunk->release) {
        chunk->release(chunk);
        return;
    }
    if (chunk && chunk->fd >= 0)
        close(chunk->fd);
    inlay_free(chunk);
}

void inlay_chunks_destroy(struct inlay_chunk *first)
{
    for (struct inlay_chunk *chunk; (chunk = first);) {
        first = chunk->next;
        inlay_chunk_destroy(chunk);
    }
}

static void drop_chunks(struct inlay_conn *conn)
{
    inlay_chunks_destroy(conn->chunks);
    conn->chunks = NULL;
    conn->chunks_last = &conn->chunks;
    conn->chunk_bytes = 0;
}

/* Changes what epoll tells; an error there ends the connection. */
static void watch_events(struct inlay_conn *conn, uint32_t events)
{
    if (conn->closed)
        return;
    /* EPOLLERR is always told; named so that the socket stays registered. */
    if (inlay_loop_watch(conn->loop, &conn->watch, events | EPOLLERR) < 0)
        inlay_conn_close(conn);
}

static void want(struct inlay_conn *conn, uint32_t events)
{
    watch_events(conn, conn->watch.events | events);
}

static void want_no(struct inlay_conn *conn, uint32_t events)
{
    watch_events(conn, conn->watch.events & ~events);
}

/* --- The end ------------------------------------------------------------- */

void inlay_conn_close(struct inlay_conn *conn)
{
    if (conn->closed)
        return;
    conn->closed = true;
    inlay_timer_stop(&conn->linger);
    inlay_loop_watch(conn->loop, &conn->watch, 0);
    conn->watch.events = 0;
    close(conn->watch.fd);
    conn->watch.fd = -1;
    /* Its buffers may be in use further up the stack. */
    inlay_loop_later(conn->loop, &conn->flush);
}

static void finish_close(struct inlay_conn *conn)
{
    drop_chunks(conn);
    inlay_buf_deinit(&conn->in);
    inlay_spare_return(&conn->loop->spare, &conn->out);
    inlay_spare_return(&conn->loop->spare, &conn->tail);
    conn->queued = 0;
    conn->ops->on_close(conn); /* may free it */
}

void inlay_conn_linger_expired(struct inlay_timer *timer)
{
    inlay_conn_close(inlay_container_of(timer, struct inlay_conn, linger));
}

/* Everything is written: half-close, and wait for the peer's end. */
static void begin_linger(struct inlay_conn *conn)
{
    if (conn->eof || shutdown(conn->watch.fd, SHUT_WR) < 0) {
        inlay_conn_close(conn);
        return;
    }
    conn->lingering = true;
    inlay_buf_deinit(&conn->in);
    inlay_timer_start(conn->loop, &conn->loop->linger, &conn->linger);
}

void inlay_conn_close_after_write(struct inlay_conn *conn)
{
    if (conn->closed || conn->closing)
        return;
    conn->closing = true;
    conn->paused = false;
    if (!conn->eof)
        want(conn, READING);
    inlay_loop_later(conn->loop, &conn->flush);
}

/* --- Reading ------------------------------------------------------------- */

static void tell_eof(struct inlay_conn *conn)
{
    if (conn->eof_told || conn->closed || conn->closing)
        return;
    conn->eof_told = true;
    conn->ops->on_eof(conn);
}

/* The peer's FIN was read. */
static void read_eof(struct inlay_conn *conn)
{
    conn->eof = true;
    if (conn->lingering) {
        inlay_conn_close(conn);
        return;
    }
    want_no(conn, READING);
    conn->eof_told = false; /* while paused, it was not yet the end of input */
    tell_eof(conn);
}

/* Keeps what was not taken of `data` (which is in no buffer yet). */
static void keep_rest(struct inlay_conn *conn, const char *data, size_t len)
{
    if (len && inlay_buf_append(&conn->in, data, len) < 0)
        inlay_conn_close(conn);
}

/* After on_data: is anything left, and who waits for whom? */
static void after_offer(struct inlay_conn *conn)
{
    if (conn->closed)
        return;
    if (inlay_buf_len(&conn->in) == 0) {
        inlay_buf_deinit(&conn->in);
        conn->resumed = false;
    } else if (conn->resumed) {
        inlay_loop_later(conn->loop, &conn->flush);
    } else {
        conn->paused = true;
    }
}

static void deliver(struct inlay_conn *conn, const char *data, size_t len)
{
    conn->resumed = false;
    size_t taken = conn->ops->on_data(conn, data, len);
    if (conn->closed || conn->closing)
        return;
    taken = inlay_min(taken, len);
    keep_rest(conn, data + taken, len - taken);
    after_offer(conn);
}

static void offer_kept(struct inlay_conn *conn)
{
    conn->resumed = false;
    size_t len = inlay_buf_len(&conn->in);
    size_t taken =
        conn->ops->on_data(conn, conn->in.data + conn->in.start, len);
    if (conn->closed || conn->closing)
        return;
    inlay_buf_consume(&conn->in, inlay_min(taken, len));
    after_offer(conn);
    if (!conn->closed && !conn->paused && !conn->eof)
        want(conn, READING);
}

static void read_some(struct inlay_conn *conn)
{
    size_t room = INLAY_LOOP_SCRATCH;
    char *to = NULL;
    ssize_t count;

    if (conn->ops->on_room && !conn->closing)
        to = conn->ops->on_room(conn, &room);
    if (!to || !room) { /* of no room recv's 0 would look like the end */
        to = conn->loop->scratch;
        room = INLAY_LOOP_SCRATCH;
    }
    do
        count = recv(conn->watch.fd, to, room, 0);
    while (count < 0 && errno == EINTR);
    if (count < 0) {
        if (errno != EAGAIN)
            inlay_conn_close(conn);
    } else if (count == 0) {
        read_eof(conn);
    } else if (conn->closing) {
        conn->discarded += (uint32_t)count;
        if (conn->discarded > DISCARD_MAX)
            inlay_conn_close(conn);
    } else {
        deliver(conn, to, (size_t)count);
    }
}

/* Readable while paused: epoll is told to be quiet about what it said. */
static void hear_paused(struct inlay_conn *conn, uint32_t events)
{
    if (!(events & EPOLLRDHUP)) {
        want_no(conn, EPOLLIN);
        return;
    }
    want_no(conn, READING);
    tell_eof(conn);
}

void inlay_conn_pause(struct inlay_conn *conn)
{
    if (conn->closing)
        return;
    conn->paused = true; /* epoll is told when it next says EPOLLIN */
    conn->resumed = false;
}

void inlay_conn_resume(struct inlay_conn *conn)
{
    if (conn->closed || conn->closing)
        return;
    conn->paused = false;
    conn->resumed = true;
    if (inlay_buf_len(&conn->in))
        inlay_loop_later(conn->loop, &conn->flush);
    else if (!conn->eof)
        want(conn, READING);
}

/* --- Writing ------------------------------------------------------------- */

static void update_queued(struct inlay_conn *conn)
{
    conn->queued = inlay_buf_len(&conn->out) + inlay_buf_len(&conn->tail) +
                   conn->chunk_bytes;
}

struct inlay_buf *inlay_conn_out(struct inlay_conn *conn)
{
    struct inlay_buf *out = conn->chunks ? &conn->tail : &conn->out;

    inlay_spare_lend(&conn->loop->spare, out);
    return out;
}

void inlay_conn_wrote(struct inlay_conn *conn)
{
    if (conn->closed) {
        inlay_buf_clear(&conn->out);
        inlay_buf_clear(&conn->tail);
        return;
    }
    update_queued(conn);
    if (conn->queued && !conn->blocked)
        inlay_loop_later(conn->loop, &conn->flush);
}

static void append_chunk(struct inlay_conn *conn, struct inlay_chunk *chunk)
{
    chunk->next = NULL;
    *conn->chunks_last = chunk;
    conn->chunks_last = &chunk->next;
    conn->chunk_bytes += chunk->len - chunk->sent;
}

/* A copy of `data` as a chunk behind the others. */
static int append_copy(struct inlay_conn *conn, const void *data, size_t len)
{
    struct inlay_chunk *chunk = inlay_chunk_create(len);

    if (!chunk)
        return -1;
    memcpy(chunk->data, data, len);
    append_chunk(conn, chunk);
    return 0;
}

/* What is in `tail` goes before the next chunk. */
static int seal_tail(struct inlay_conn *conn)
{
    if (inlay_buf_len(&conn->tail) == 0)
        return 0;
    struct inlay_str text = inlay_buf_view(&conn->tail);
    if (append_copy(conn, text.ptr, text.len) < 0)
        return -1;
    inlay_buf_clear(&conn->tail);
    return 0;
}

int inlay_conn_write(struct inlay_conn *conn, const void *data, size_t len)
{
    int status;

    if (conn->closed)
        return -1;
    if (len == 0)
        return 0;
    if (len <= COPY_MAX)
        status = inlay_buf_append(inlay_conn_out(conn), data, len);
    else
        status = seal_tail(conn) < 0 ? -1 : append_copy(conn, data, len);
    inlay_conn_wrote(conn);
    return status;
}

int inlay_conn_write_chunk(struct inlay_conn *conn, struct inlay_chunk *chunk)
{
    int status = 0;

    if (conn->closed || seal_tail(conn) < 0)
        status = -1;
    if (status < 0 || chunk->len == chunk->sent) {
        inlay_chunk_destroy(chunk);
        return status;
    }
    append_chunk(conn, chunk);
    inlay_conn_wrote(conn);
    return 0;
}

/* Of the bytes before the next part of a file. */
static int fill_iov(struct inlay_conn *conn, struct iovec *iov)
{
    int count = 0;

    if (inlay_buf_len(&conn->out))
        iov[count++] = (struct iovec){conn->out.data + conn->out.start,
                                      inlay_buf_len(&conn->out)};
    struct inlay_chunk *chunk = conn->chunks;
    for (; chunk && chunk->fd < 0 && count < IOV_MAX_ - 1; chunk = chunk->next)
        iov[count++] =
            (struct iovec){chunk->data + chunk->sent, chunk->len - chunk->sent};
    if (!chunk && inlay_buf_len(&conn->tail))
        iov[count++] = (struct iovec){conn->tail.data + conn->tail.start,
                                      inlay_buf_len(&conn->tail)};
    return count;
}

static size_t consume_buf(struct inlay_buf *buf, size_t count)
{
    size_t len = inlay_min(count, inlay_buf_len(buf));

    inlay_buf_consume(buf, len);
    return count - len;
}

static void consume_written(struct inlay_conn *conn, size_t count)
{
    count = consume_buf(&conn->out, count);
    while (count && conn->chunks) {
        struct inlay_chunk *chunk = conn->chunks;
        size_t len = inlay_min(count, chunk->len - chunk->sent);
        chunk->sent += len;
        conn->chunk_bytes -= len;
        count -= len;
        if (chunk->sent < chunk->len)
            break;
        conn->chunks = chunk->next;
        if (!conn->chunks)
            conn->chunks_last = &conn->chunks;
        inlay_chunk_destroy(chunk);
    }
    consume_buf(&conn->tail, count);
    if (!conn->chunks && inlay_buf_len(&conn->out) == 0) {
        struct inlay_buf empty = conn->out;
        conn->out = conn->tail;
        conn->tail = empty;
    }
    update_queued(conn);
}

/* A part of a file, when it is what is to be sent next. */
static struct inlay_chunk *next_file(const struct inlay_conn *conn)
{
    if (inlay_unlikely(conn->chunks && conn->chunks->fd >= 0) &&
        inlay_buf_len(&conn->out) == 0)
        return conn->chunks;
    return NULL;
}

/* One sendfile; where the file system has none, by way of memory. 0: the file
 * is shorter than it was said to be. */
static ssize_t send_file(struct inlay_conn *conn,
                         const struct inlay_chunk *chunk,
                         size_t len)
{
    off_t offset = (off_t)(chunk->offset + chunk->sent);
    char *scratch = conn->loop->scratch;
    ssize_t count = sendfile(conn->watch.fd, chunk->fd, &offset, len);

    if (inlay_likely(count >= 0 || (errno != EINVAL && errno != ENOSYS)))
        return count;
    count =
        pread(chunk->fd, scratch, inlay_min(len, INLAY_LOOP_SCRATCH), offset);
    if (count <= 0)
        return count;
    return send(conn->watch.fd, scratch, (size_t)count, MSG_NOSIGNAL);
}

/* The peer must not take what it has for the whole. */
static void reset(struct inlay_conn *conn)
{
    struct linger off = {.l_onoff = 1, .l_linger = 0};

    setsockopt(conn->watch.fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
    inlay_conn_close(conn);
}

/* Of a file, at most *room bytes, which it takes off. As send_some. */
static bool send_some_file(struct inlay_conn *conn,
                           const struct inlay_chunk *chunk,
                           size_t *room)
{
    size_t len = inlay_min(chunk->len - chunk->sent, *room);
    ssize_t count;

    do
        count = send_file(conn, chunk, len);
    while (count < 0 && errno == EINTR);
    if (count == 0 || (count < 0 && errno != EAGAIN)) {
        reset(conn);
        return false;
    }
    conn->blocked = count < 0 || (size_t)count < len;
    if (count > 0) {
        *room -= (size_t)count;
        consume_written(conn, (size_t)count);
    }
    return !conn->blocked && *room && conn->queued;
}

/* One sendmsg. Is there more to send, and room for it? */
static bool send_some(struct inlay_conn *conn)
{
    struct iovec iov[IOV_MAX_];
    struct msghdr message = {.msg_iov = iov};
    size_t total = 0;
    ssize_t count;

    message.msg_iovlen = (size_t)fill_iov(conn, iov);
    for (size_t i = 0; i < message.msg_iovlen; i++)
        total += iov[i].iov_len;
    /* A head and its file share a packet. */
    int flags = MSG_NOSIGNAL | (total < conn->queued ? MSG_MORE : 0);
    do
        count = message.msg_iovlen == 1
                    ? send(conn->watch.fd, iov[0].iov_base, total, flags)
                    : sendmsg(conn->watch.fd, &message, flags);
    while (count < 0 && errno == EINTR);
    if (count < 0 && errno != EAGAIN) {
        inlay_conn_close(conn);
        return false;
    }
    if (count > 0)
        consume_written(conn, (size_t)count);
    conn->blocked = count < 0 || (size_t)count < total;
    return !conn->blocked && conn->queued;
}

static void drained(struct inlay_conn *conn)
{
    inlay_spare_return(&conn->loop->spare, &conn->out);
    inlay_spare_return(&conn->loop->spare, &conn->tail);
    if (!conn->closing)
        conn->ops->on_drained(conn);
}

static void write_queued(struct inlay_conn *conn)
{
    size_t room = FILE_BYTES_AT_ONCE;

    for (int i = 0; i < SENDS_PER_TICK; i++) {
        const struct inlay_chunk *file = next_file(conn);
        if (!(file ? send_some_file(conn, file, &room) : send_some(conn)))
            break;
    }
    if (conn->closed)
        return;
    if (conn->blocked) {
        want(conn, EPOLLOUT);
        return;
    }
    want_no(conn, EPOLLOUT);
    if (conn->closed)
        return;
    if (conn->queued)
        inlay_loop_later(conn->loop, &conn->flush);
    else
        drained(conn);
}

/* --- Events -------------------------------------------------------------- */

/* At the end of a tick. */
static void on_later(struct inlay_later *later)
{
    struct inlay_conn *conn =
        inlay_container_of(later, struct inlay_conn, flush);

    if (!conn->closed && conn->resumed && !conn->closing &&
        inlay_buf_len(&conn->in))
        offer_kept(conn);
    if (!conn->closed && conn->queued && !conn->blocked)
        write_queued(conn);
    if (!conn->closed && conn->closing && !conn->queued && !conn->lingering)
        begin_linger(conn);
    if (conn->closed) {
        inlay_list_remove(&conn->flush.node); /* closed just now */
        finish_close(conn);
    }
}

static void on_event(struct inlay_watch *watch, uint32_t events)
{
    struct inlay_conn *conn =
        inlay_container_of(watch, struct inlay_conn, watch);

    if (events & EPOLLOUT) {
        conn->blocked = false;
        inlay_loop_later(conn->loop, &conn->flush);
    }
    if (!(events & (READING | EPOLLHUP | EPOLLERR)))
        return;
    if (!conn->paused && !conn->closing && inlay_buf_len(&conn->in))
        return; /* kept bytes are offered first, when this tick ends */
    if (!conn->eof && !conn->paused && events & EPOLLIN)
        read_some(conn);
    else if (events & (EPOLLHUP | EPOLLERR))
        inlay_conn_close(conn); /* nobody is there to read an answer */
    else if (conn->paused)
        hear_paused(conn, events);
}

int inlay_conn_init(struct inlay_conn *conn,
                    struct inlay_loop *loop,
                    int fd,
                    const struct inlay_conn_ops *ops)
{
    *conn = (struct inlay_conn){
        .watch = {.fd = fd, .on_event = on_event},
        .loop = loop,
        .ops = ops,
        .flush.run = on_later,
    };
    inlay_buf_init(&conn->in, SIZE_MAX / 2); /* the rest of one read */
    inlay_buf_init(&conn->out, OUT_LIMIT);
    inlay_buf_init(&conn->tail, OUT_LIMIT);
    conn->chunks_last = &conn->chunks;
    inlay_list_init(&conn->flush.node);
    inlay_timer_init(&conn->linger);
    return inlay_loop_watch(loop, &conn->watch, READING | EPOLLERR);
}
