#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/macros.h"
#include "net/conn.h"

#include "base/banned.h"

struct user {
    struct inlay_conn conn;
    struct fixture *fixture;
    struct inlay_buf got;
    size_t take;             /* at most so many bytes of each offer */
    bool resume;             /* from within on_data */
    bool pause, close, echo; /* likewise */
    bool close_when_drained;
};

/* What outlives the connection. */
struct fixture {
    struct inlay_loop loop;
    struct inlay_timer_queue stops;
    struct inlay_timer stop;
    struct user *user; /* NULL once closed */
    int peer;
    int offers, eofs, drains, closes;
};

static size_t on_data(struct inlay_conn *conn, const char *data, size_t len)
{
    struct user *user = inlay_container_of(conn, struct user, conn);
    size_t taken = inlay_min(len, user->take);

    assert_true(len > 0);
    assert_false(conn->closed || conn->closing);
    user->fixture->offers++;
    inlay_buf_append(&user->got, data, taken);
    if (user->echo)
        inlay_conn_write(conn, data, taken);
    if (user->pause)
        inlay_conn_pause(conn);
    if (user->resume)
        inlay_conn_resume(conn);
    if (user->close) {
        inlay_conn_close(conn);
        assert_int_equal(data[0], user->got.data[0]); /* still there */
        inlay_conn_resume(conn);
        inlay_conn_close_after_write(conn);
    }
    return taken;
}

static void on_eof(struct inlay_conn *conn)
{
    inlay_container_of(conn, struct user, conn)->fixture->eofs++;
}

static void on_drained(struct inlay_conn *conn)
{
    struct user *user = inlay_container_of(conn, struct user, conn);

    user->fixture->drains++;
    assert_int_equal(conn->queued, 0);
    if (user->close_when_drained)
        inlay_conn_close(conn);
}

static void on_close(struct inlay_conn *conn)
{
    struct user *user = inlay_container_of(conn, struct user, conn);

    user->fixture->closes++;
    user->fixture->user = NULL;
    inlay_buf_deinit(&user->got);
    free(user);
}

static const struct inlay_conn_ops ops = {on_data, on_eof, on_drained,
                                          on_close};

static void on_stop(struct inlay_timer *timer)
{
    inlay_loop_stop(&inlay_container_of(timer, struct fixture, stop)->loop);
}

static void run_for(struct fixture *fixture, uint64_t ms)
{
    fixture->loop.stopped = false;
    fixture->stops.duration = ms;
    fixture->loop.now = inlay_clock_ms();
    inlay_timer_start(&fixture->loop, &fixture->stops, &fixture->stop);
    inlay_loop_run(&fixture->loop);
}

static void adopt(struct fixture *fixture, int fd, int peer)
{
    struct user *user = calloc(1, sizeof(*user));

    fcntl(fd, F_SETFL, O_NONBLOCK);
    fcntl(peer, F_SETFL, O_NONBLOCK);
    user->fixture = fixture;
    user->take = SIZE_MAX;
    inlay_buf_init(&user->got, SIZE_MAX / 2);
    assert_int_equal(inlay_conn_init(&user->conn, &fixture->loop, fd, &ops), 0);
    fixture->user = user;
    fixture->peer = peer;
}

static int set_up(void **state)
{
    static struct fixture fixture;
    int pair[2];

    memset(&fixture, 0, sizeof(fixture));
    assert_null(inlay_loop_init(&fixture.loop));
    inlay_timer_queue_init(&fixture.loop, &fixture.stops, 10, on_stop);
    inlay_timer_init(&fixture.stop);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    adopt(&fixture, pair[0], pair[1]);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    if (fixture->user)
        inlay_conn_close(&fixture->user->conn);
    inlay_loop_deinit(&fixture->loop);
    assert_null(fixture->user);
    assert_int_equal(fixture->closes, 1);
    if (fixture->peer >= 0)
        close(fixture->peer);
    return 0;
}

static void send_text(struct fixture *fixture, const char *text)
{
    assert_int_equal(send(fixture->peer, text, strlen(text), 0), strlen(text));
}

/* Sends as much of `total` counted bytes as the socket takes; how many. */
static size_t pump(struct fixture *fixture, size_t from, size_t total)
{
    char block[4096];

    while (from < total) {
        size_t len = inlay_min(sizeof(block), total - from);
        for (size_t i = 0; i < len; i++)
            block[i] = (char)((from + i) % 251);
        ssize_t sent = send(fixture->peer, block, len, MSG_NOSIGNAL);
        if (sent < 0)
            break;
        from += (size_t)sent;
    }
    return from;
}

static void check_counted(struct inlay_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] != i % 251)
            fail_msg("wrong byte at %zu", i);
}

/* What the peer can read now; -1: nothing, 0: end. */
static ssize_t peer_read(struct fixture *fixture, struct inlay_buf *into)
{
    inlay_buf_reserve(into, 65536);
    ssize_t count = recv(fixture->peer, inlay_buf_tail(into), 65536, 0);
    if (count > 0)
        inlay_buf_added(into, (size_t)count);
    return count;
}

static void check_peer(struct fixture *fixture, const char *expected)
{
    struct inlay_buf got;

    inlay_buf_init(&got, SIZE_MAX / 2);
    while (peer_read(fixture, &got) > 0)
        ;
    assert_int_equal(inlay_buf_len(&got), strlen(expected));
    assert_memory_equal(got.data, expected, strlen(expected));
    inlay_buf_deinit(&got);
}

static struct inlay_chunk *chunk_of(const char *text)
{
    struct inlay_chunk *chunk = inlay_chunk_create(strlen(text));

    memcpy(chunk->data, text, strlen(text));
    return chunk;
}

/* --- Reading ------------------------------------------------------------- */

static void test_echo_and_idle(void **state)
{
    struct fixture *fixture = *state;

    fixture->user->echo = true;
    send_text(fixture, "hello");
    run_for(fixture, 10);
    check_peer(fixture, "hello");
    assert_int_equal(fixture->drains, 1);
    assert_int_equal(fixture->eofs, 0);
    /* An idle connection holds nothing. */
    assert_null(fixture->user->conn.in.data);
    assert_null(fixture->user->conn.out.data);
    assert_null(fixture->user->conn.tail.data);
    assert_null(fixture->user->conn.chunks);
}

/* Who takes nothing is read no further than one scratch. */
static void test_backpressure(void **state)
{
    struct fixture *fixture = *state;
    struct user *user = fixture->user;
    size_t total = 1000000, sent = 0;

    user->take = 0;
    for (int i = 0; i < 5; i++) {
        sent = pump(fixture, sent, total);
        run_for(fixture, 5);
    }
    assert_true(sent < total);
    assert_int_equal(fixture->offers, 1);
    assert_true(user->conn.paused);
    assert_in_range(inlay_buf_len(&user->conn.in), 1, INLAY_LOOP_SCRATCH);

    user->take = SIZE_MAX;
    inlay_conn_resume(&user->conn);
    assert_int_equal(fixture->offers, 1); /* not from within */
    while (inlay_buf_len(&user->got) < total) {
        sent = pump(fixture, sent, total);
        run_for(fixture, 2);
    }
    assert_int_equal(inlay_buf_len(&user->got), total);
    check_counted(inlay_buf_view(&user->got));
    assert_null(user->conn.in.data);
}

/* Taken bit by bit, by a user that asks for more at once. */
static void test_partial_takes(void **state)
{
    struct fixture *fixture = *state;
    struct user *user = fixture->user;
    size_t sent = 0;

    user->take = 1000;
    user->resume = true;
    while (inlay_buf_len(&user->got) < 300000) {
        sent = pump(fixture, sent, 300000);
        run_for(fixture, 2);
        assert_false(user->conn.paused);
    }
    check_counted(inlay_buf_view(&user->got));
}

static void test_pause(void **state)
{
    struct fixture *fixture = *state;
    struct user *user = fixture->user;

    user->pause = true;
    send_text(fixture, "a");
    run_for(fixture, 5);
    assert_int_equal(fixture->offers, 1);
    send_text(fixture, "b");
    run_for(fixture, 5);
    assert_int_equal(fixture->offers, 1);
    inlay_conn_resume(&user->conn);
    inlay_conn_pause(&user->conn); /* the last word counts */
    run_for(fixture, 5);
    assert_int_equal(fixture->offers, 1);
    inlay_conn_resume(&user->conn);
    run_for(fixture, 5);
    assert_int_equal(fixture->offers, 2);
    assert_memory_equal(user->got.data, "ab", 2);
}

static void test_kept_bytes_wait_for_resume(void **state)
{
    struct fixture *fixture = *state;
    struct user *user = fixture->user;

    user->take = 1;
    send_text(fixture, "abc");
    run_for(fixture, 5);
    send_text(fixture, "def");
    run_for(fixture, 5);
    assert_int_equal(fixture->offers, 1);
    inlay_conn_resume(&user->conn);
    inlay_conn_pause(&user->conn);
    run_for(fixture, 5);
    assert_int_equal(fixture->offers, 1);
    user->take = SIZE_MAX;
    inlay_conn_resume(&user->conn);
    run_for(fixture, 5);
    assert_int_equal(inlay_buf_len(&user->got), 6);
    assert_memory_equal(user->got.data, "abcdef", 6);
}

/* --- The peer's end ------------------------------------------------------ */

static void test_half_closed_peer_is_answered(void **state)
{
    struct fixture *fixture = *state;

    fixture->user->echo = true;
    send_text(fixture, "hello");
    shutdown(fixture->peer, SHUT_WR);
    run_for(fixture, 10);
    assert_int_equal(fixture->eofs, 1);
    inlay_conn_write(&fixture->user->conn, " more", 5);
    run_for(fixture, 10);
    check_peer(fixture, "hello more");
    inlay_conn_close_after_write(&fixture->user->conn);
    run_for(fixture, 5); /* nobody to linger for */
    assert_int_equal(fixture->closes, 1);
}

/* Seconds of processor time that a while of waiting costs. */
static double cost_of(struct fixture *fixture, uint64_t ms)
{
    struct timespec from, to;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    run_for(fixture, ms);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    return (double)(to.tv_sec - from.tv_sec) +
           (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

static void test_eof_while_paused(void **state)
{
    struct fixture *fixture = *state;

    inlay_conn_pause(&fixture->user->conn);
    send_text(fixture, "rest");
    shutdown(fixture->peer, SHUT_WR);
    assert_true(cost_of(fixture, 60) < 0.03); /* it does not spin */
    assert_int_equal(fixture->eofs, 1);
    assert_false(fixture->user->conn.eof);
    assert_int_equal(fixture->offers, 0);
    inlay_conn_resume(&fixture->user->conn);
    assert_true(cost_of(fixture, 60) < 0.03);
    assert_int_equal(fixture->offers, 1);
    assert_int_equal(fixture->eofs, 2); /* now that it was read */
    assert_true(fixture->user->conn.eof);
    assert_memory_equal(fixture->user->got.data, "rest", 4);
}

static void test_vanished_peer(void **state)
{
    struct fixture *fixture = *state;

    inlay_conn_pause(&fixture->user->conn);
    close(fixture->peer);
    fixture->peer = -1;
    run_for(fixture, 10);
    assert_int_equal(fixture->closes, 1);
}

/* A TCP pair, the peer with a small receive buffer. */
static void use_tcp(struct fixture *fixture)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    int small = 8192;

    inlay_conn_close(&fixture->user->conn);
    run_for(fixture, 1);
    close(fixture->peer);
    fixture->closes = 0;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (void *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 1), 0);
    getsockname(listener, (void *)&address, &len);
    int peer = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(peer, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    assert_int_equal(connect(peer, (void *)&address, sizeof(address)), 0);
    int fd = accept(listener, NULL, NULL);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    close(listener);
    adopt(fixture, fd, peer);
}

static void reset_peer(struct fixture *fixture)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fixture->peer, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(fixture->peer);
    fixture->peer = -1;
}

static void test_reset_while_paused(void **state)
{
    struct fixture *fixture = *state;

    use_tcp(fixture);
    inlay_conn_pause(&fixture->user->conn);
    run_for(fixture, 5);
    assert_int_equal(fixture->closes, 0);
    reset_peer(fixture);
    run_for(fixture, 10);
    assert_int_equal(fixture->closes, 1);
}

static void test_reset_after_eof_while_paused(void **state)
{
    struct fixture *fixture = *state;

    use_tcp(fixture);
    inlay_conn_pause(&fixture->user->conn);
    shutdown(fixture->peer, SHUT_WR);
    run_for(fixture, 5);
    assert_int_equal(fixture->eofs, 1);
    reset_peer(fixture);
    run_for(fixture, 10);
    assert_int_equal(fixture->closes, 1);
}

/* What was not taken keeps nobody from hearing the rest while it closes. */
static void test_close_with_kept_bytes(void **state)
{
    struct fixture *fixture = *state;
    size_t size = 8u << 20;
    char *block = calloc(1, size);

    use_tcp(fixture);
    fixture->user->take = 0;
    send_text(fixture, "kept");
    run_for(fixture, 5);
    assert_int_equal(inlay_conn_write(&fixture->user->conn, block, size), 0);
    free(block);
    inlay_conn_close_after_write(&fixture->user->conn);
    send_text(fixture, "more");
    assert_true(cost_of(fixture, 60) < 0.03); /* it does not spin */
    assert_true(fixture->user->conn.blocked);
    assert_int_equal(fixture->user->conn.discarded, 4);
    assert_int_equal(fixture->offers, 1);
    reset_peer(fixture);
    run_for(fixture, 10);
    assert_int_equal(fixture->closes, 1);
}

static void test_write_to_closed_peer(void **state)
{
    struct fixture *fixture = *state;

    use_tcp(fixture);
    close(fixture->peer);
    fixture->peer = -1;
    run_for(fixture, 5);
    assert_int_equal(fixture->eofs, 1);
    for (int i = 0; i < 3 && fixture->user; i++) {
        inlay_conn_write(&fixture->user->conn, "x", 1); /* no SIGPIPE */
        run_for(fixture, 5);
    }
    assert_int_equal(fixture->closes, 1);
}

/* --- Writing ------------------------------------------------------------- */

static void test_order_of_writes(void **state)
{
    struct fixture *fixture = *state;
    struct inlay_conn *conn = &fixture->user->conn;

    inlay_conn_write(conn, "1", 1);
    inlay_conn_write_chunk(conn, chunk_of("2"));
    inlay_conn_write(conn, "3", 1);
    inlay_buf_append(inlay_conn_out(conn), "4", 1);
    inlay_conn_wrote(conn);
    inlay_conn_write_chunk(conn, chunk_of(""));
    inlay_conn_write_chunk(conn, chunk_of("5"));
    inlay_conn_write_chunk(conn, chunk_of("6"));
    inlay_conn_write(conn, "7", 1);
    assert_int_equal(conn->queued, 7);
    run_for(fixture, 5);
    check_peer(fixture, "1234567");
    assert_int_equal(fixture->drains, 1);
    assert_null(conn->out.data);
    assert_null(conn->tail.data);
}

/* More than the socket takes, in all three ways, against a slow reader. */
static void test_slow_reader(void **state)
{
    struct fixture *fixture = *state;
    struct inlay_buf got;
    size_t written = 0;
    unsigned step = 0;

    use_tcp(fixture);
    inlay_buf_init(&got, SIZE_MAX / 2);
    while (written < 2000000 || inlay_buf_len(&got) < written) {
        struct inlay_conn *conn = &fixture->user->conn;
        while (written < 2000000 && conn->queued < 200000) {
            size_t len = step * 7919 % 30000 + 1;
            struct inlay_chunk *chunk = inlay_chunk_create(len);
            for (size_t i = 0; i < len; i++)
                chunk->data[i] = (char)((written + i) % 251);
            written += len;
            if (step++ % 3) {
                inlay_conn_write(conn, chunk->data, len);
                inlay_chunk_destroy(chunk);
            } else {
                inlay_conn_write_chunk(conn, chunk);
            }
        }
        run_for(fixture, 1);
        peer_read(fixture, &got);
    }
    assert_int_equal(inlay_buf_len(&got), written);
    check_counted(inlay_buf_view(&got));
    run_for(fixture, 2);
    assert_true(fixture->drains >= 1);
    assert_int_equal(fixture->user->conn.queued, 0);
    inlay_buf_deinit(&got);
}

/* An unlinked file of `len` counted bytes. */
static int counted_file(size_t len)
{
    char path[] = "/tmp/inlay-test-XXXXXX";
    int fd = mkstemp(path);
    char block[251 * 64];

    assert_true(fd >= 0);
    unlink(path);
    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = (char)(i % 251);
    for (size_t at = 0; at < len; at += sizeof(block))
        assert_true(write(fd, block, inlay_min(sizeof(block), len - at)) > 0);
    return fd;
}

static bool fd_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void test_files_among_bytes(void **state)
{
    struct fixture *fixture = *state;
    struct inlay_conn *conn = &fixture->user->conn;
    int first = counted_file(200), second = dup(first), third = dup(first);

    inlay_conn_write(conn, "a", 1);
    inlay_conn_write_chunk(conn, inlay_chunk_of_file(first, 'b', 1));
    inlay_conn_write(conn, "c", 1);
    inlay_conn_write_chunk(conn, chunk_of("d"));
    inlay_conn_write_chunk(conn, inlay_chunk_of_file(second, 'e', 2));
    inlay_conn_write_chunk(conn, inlay_chunk_of_file(third, 'g', 3));
    inlay_conn_write(conn, "j", 1);
    assert_int_equal(conn->queued, 10);
    run_for(fixture, 5);
    check_peer(fixture, "abcdefghij");
    assert_int_equal(fixture->drains, 1);
    assert_false(fd_open(first) || fd_open(second) || fd_open(third));
}

static void test_slow_reader_of_a_file(void **state)
{
    struct fixture *fixture = *state;
    size_t size = 3000000, head = 251 * 3;
    struct inlay_buf got;
    char bytes[251 * 3];

    use_tcp(fixture);
    inlay_buf_init(&got, SIZE_MAX / 2);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i % 251);
    inlay_conn_write(&fixture->user->conn, bytes, sizeof(bytes));
    inlay_conn_write_chunk(&fixture->user->conn,
                           inlay_chunk_of_file(counted_file(size), 0, size));
    assert_int_equal(fixture->user->conn.queued, head + size);
    run_for(fixture, 5);
    assert_true(fixture->user->conn.blocked);
    assert_true(fixture->user->conn.queued > size / 2);
    assert_true(cost_of(fixture, 30) < 0.02);
    while (inlay_buf_len(&got) < head + size) {
        run_for(fixture, 1);
        peer_read(fixture, &got);
    }
    check_counted(inlay_buf_view(&got));
    assert_int_equal(fixture->user->conn.queued, 0);
    inlay_buf_deinit(&got);
}

/* The peer sees a reset, not a whole answer. */
static void test_short_file(void **state)
{
    struct fixture *fixture = *state;
    int fd = counted_file(1000);
    struct inlay_buf got;

    use_tcp(fixture);
    inlay_buf_init(&got, SIZE_MAX / 2);
    inlay_conn_write_chunk(&fixture->user->conn,
                           inlay_chunk_of_file(fd, 0, 1001));
    run_for(fixture, 5);
    assert_int_equal(fixture->closes, 1);
    assert_int_equal(fixture->drains, 0);
    assert_false(fd_open(fd));
    while (peer_read(fixture, &got) > 0)
        ;
    assert_int_equal(errno, ECONNRESET);
    inlay_buf_deinit(&got);
}

/* Files of /proc are read, where sendfile refuses them. */
static void test_file_without_sendfile(void **state)
{
    struct fixture *fixture = *state;
    int fd = open("/proc/self/environ", O_RDONLY | O_CLOEXEC);
    char expected[64];
    struct inlay_buf got;

    inlay_buf_init(&got, SIZE_MAX / 2);
    assert_int_equal(pread(fd, expected, sizeof(expected), 3), 64);
    inlay_conn_write_chunk(&fixture->user->conn,
                           inlay_chunk_of_file(fd, 3, 64));
    run_for(fixture, 5);
    assert_int_equal(peer_read(fixture, &got), 64);
    assert_memory_equal(got.data, expected, 64);
    inlay_buf_deinit(&got);
}

static void test_file_to_closed_peer(void **state)
{
    struct fixture *fixture = *state;
    int fd = counted_file(100000);

    close(fixture->peer);
    fixture->peer = -1;
    inlay_conn_write_chunk(&fixture->user->conn,
                           inlay_chunk_of_file(fd, 0, 100000));
    run_for(fixture, 5);
    assert_int_equal(fixture->closes, 1);
    assert_false(fd_open(fd));
}

static void test_file_out_of_range(void **state)
{
    int fd = counted_file(1);

    (void)state;
    assert_null(inlay_chunk_of_file(fd, INT64_MAX, 1));
    assert_false(fd_open(fd));
    fd = counted_file(1);
    assert_null(inlay_chunk_of_file(fd, 0, SIZE_MAX));
    assert_false(fd_open(fd));
}

static void test_close_when_drained(void **state)
{
    struct fixture *fixture = *state;

    fixture->user->close_when_drained = true;
    inlay_conn_write(&fixture->user->conn, "bye", 3);
    run_for(fixture, 5);
    assert_int_equal(fixture->closes, 1);
    check_peer(fixture, "bye");
}

static void test_write_after_close(void **state)
{
    struct fixture *fixture = *state;
    struct inlay_conn *conn = &fixture->user->conn;

    inlay_conn_write_chunk(conn, chunk_of("dropped"));
    inlay_conn_close(conn);
    inlay_conn_close(conn);
    assert_int_equal(inlay_conn_write(conn, "x", 1), -1);
    assert_int_equal(inlay_conn_write_chunk(conn, chunk_of("x")), -1);
    inlay_buf_append(inlay_conn_out(conn), "x", 1);
    inlay_conn_wrote(conn);
    inlay_conn_pause(conn);
    inlay_conn_resume(conn);
    assert_int_equal(fixture->closes, 0); /* not from within */
    run_for(fixture, 2);
    assert_int_equal(fixture->closes, 1);
    check_peer(fixture, "");
}

/* --- Closing ------------------------------------------------------------- */

static void test_close_within_on_data(void **state)
{
    struct fixture *fixture = *state;

    fixture->user->close = true;
    send_text(fixture, "x");
    run_for(fixture, 5);
    assert_int_equal(fixture->offers, 1);
    assert_int_equal(fixture->closes, 1);
}

static void test_close_within_second_offer(void **state)
{
    struct fixture *fixture = *state;

    fixture->user->take = 1;
    send_text(fixture, "abc");
    run_for(fixture, 5);
    fixture->user->close = true;
    /* on_data compares the first byte taken with the one it is given. */
    fixture->user->got.data[0] = 'b';
    inlay_conn_resume(&fixture->user->conn);
    run_for(fixture, 5);
    assert_int_equal(fixture->offers, 2);
    assert_int_equal(fixture->closes, 1);
}

/* The answer survives a peer that still sends. */
static void test_linger(void **state)
{
    struct fixture *fixture = *state;
    struct inlay_buf got;

    use_tcp(fixture);
    inlay_buf_init(&got, SIZE_MAX / 2);
    inlay_conn_write(&fixture->user->conn, "refused", 7);
    inlay_conn_close_after_write(&fixture->user->conn);
    size_t sent = pump(fixture, 0, 100000);
    run_for(fixture, 10);
    assert_true(sent > 0);
    assert_int_equal(fixture->offers, 0);
    assert_int_equal(fixture->closes, 0);
    assert_int_equal(peer_read(fixture, &got), 7);
    assert_int_equal(peer_read(fixture, &got), 0);
    shutdown(fixture->peer, SHUT_WR);
    run_for(fixture, 10);
    assert_int_equal(fixture->closes, 1);
    assert_int_equal(fixture->eofs, 0);
    inlay_buf_deinit(&got);
}

static void test_linger_ends(void **state)
{
    struct fixture *fixture = *state;

    fixture->loop.linger.duration = 20;
    inlay_conn_pause(&fixture->user->conn);
    inlay_conn_close_after_write(&fixture->user->conn);
    run_for(fixture, 5);
    assert_int_equal(fixture->closes, 0);
    assert_true(cost_of(fixture, 60) < 0.03);
    assert_int_equal(fixture->closes, 1);
}

static void test_linger_discards_so_much(void **state)
{
    struct fixture *fixture = *state;
    size_t sent = 0;

    inlay_conn_close_after_write(&fixture->user->conn);
    while (fixture->user && sent < 100000000) {
        sent = pump(fixture, sent, 100000000);
        run_for(fixture, 1);
    }
    assert_int_equal(fixture->closes, 1);
    assert_in_range(sent, 16 << 20, 20 << 20);
}

/* A peer that reads nothing is its user's to end. */
static void test_close_after_write_waits(void **state)
{
    struct fixture *fixture = *state;

    use_tcp(fixture);
    struct inlay_chunk *chunk = inlay_chunk_create(5000000);
    memset(chunk->data, 'x', chunk->len);
    inlay_conn_write_chunk(&fixture->user->conn, chunk);
    inlay_conn_close_after_write(&fixture->user->conn);
    assert_true(cost_of(fixture, 30) < 0.02);
    assert_int_equal(fixture->closes, 0);
    assert_true(fixture->user->conn.queued > 0);
    inlay_conn_close(&fixture->user->conn);
    run_for(fixture, 2);
    assert_int_equal(fixture->closes, 1);
}

#define conn_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        conn_test(test_echo_and_idle),
        conn_test(test_backpressure),
        conn_test(test_partial_takes),
        conn_test(test_pause),
        conn_test(test_kept_bytes_wait_for_resume),
        conn_test(test_half_closed_peer_is_answered),
        conn_test(test_eof_while_paused),
        conn_test(test_vanished_peer),
        conn_test(test_reset_while_paused),
        conn_test(test_reset_after_eof_while_paused),
        conn_test(test_close_with_kept_bytes),
        conn_test(test_write_to_closed_peer),
        conn_test(test_order_of_writes),
        conn_test(test_slow_reader),
        conn_test(test_files_among_bytes),
        conn_test(test_slow_reader_of_a_file),
        conn_test(test_short_file),
        conn_test(test_file_without_sendfile),
        conn_test(test_file_to_closed_peer),
        cmocka_unit_test(test_file_out_of_range),
        conn_test(test_close_when_drained),
        conn_test(test_write_after_close),
        conn_test(test_close_within_on_data),
        conn_test(test_close_within_second_offer),
        conn_test(test_linger),
        conn_test(test_linger_ends),
        conn_test(test_linger_discards_so_much),
        conn_test(test_close_after_write_waits),
    };
    signal(SIGPIPE,
           SIG_IGN); /* as a server's threads do: sendfile has no flag */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
