#include "peer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/macros.h"

#include "base/banned.h"

static size_t on_data(struct inlay_conn *conn, const char *data, size_t len)
{
    struct user *user = inlay_container_of(conn, struct user, conn);
    size_t taken = inlay_min(len, user->take);

    assert_true(len > 0);
    assert_false(conn->closed || conn->closing);
    user->fixture->offers++;
    user->offered = data;
    user->offered_len = len;
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

static char *on_room(struct inlay_conn *conn, size_t *len_ret)
{
    struct user *user = inlay_container_of(conn, struct user, conn);

    user->fixture->asked++;
    *len_ret = user->room_len;
    return user->room;
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

static const struct inlay_conn_ops ops = {
    .on_data = on_data,
    .on_room = on_room,
    .on_eof = on_eof,
    .on_drained = on_drained,
    .on_close = on_close,
};

static void on_stop(struct inlay_timer *timer)
{
    inlay_loop_stop(&inlay_container_of(timer, struct fixture, stop)->loop);
}

void run_for(struct fixture *fixture, uint64_t ms)
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

int set_up(void **state)
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

int tear_down(void **state)
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

void send_text(struct fixture *fixture, const char *text)
{
    assert_int_equal(send(fixture->peer, text, strlen(text), 0), strlen(text));
}

size_t pump(struct fixture *fixture, size_t from, size_t total)
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

void check_counted(struct inlay_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] != i % 251)
            fail_msg("wrong byte at %zu", i);
}

ssize_t peer_read(struct fixture *fixture, struct inlay_buf *into)
{
    inlay_buf_reserve(into, 65536);
    ssize_t count = recv(fixture->peer, inlay_buf_tail(into), 65536, 0);
    if (count > 0)
        inlay_buf_added(into, (size_t)count);
    return count;
}

void check_peer(struct fixture *fixture, const char *expected)
{
    struct inlay_buf got;

    inlay_buf_init(&got, SIZE_MAX / 2);
    while (peer_read(fixture, &got) > 0)
        ;
    assert_int_equal(inlay_buf_len(&got), strlen(expected));
    assert_memory_equal(got.data, expected, strlen(expected));
    inlay_buf_deinit(&got);
}

double cost_of(struct fixture *fixture, uint64_t ms)
{
    struct timespec from, to;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    run_for(fixture, ms);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    return (double)(to.tv_sec - from.tv_sec) +
           (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

void use_tcp(struct fixture *fixture)
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
