#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/macros.h"
#include "net/listener.h"

#include "base/banned.h"

#define MOST 100

struct fixture {
    struct inlay_loop loop;
    struct inlay_listener listener;
    struct inlay_timer_queue stops;
    struct inlay_timer stop;
    int fd;
    int accepted[MOST], count, stop_at;
    struct inlay_address peer;
};

static void on_accept(struct inlay_listener *listener,
                      int fd,
                      const struct inlay_address *peer)
{
    struct fixture *fixture = listener->arg;

    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    fixture->accepted[fixture->count++] = fd;
    fixture->peer = *peer;
    if (fixture->count == fixture->stop_at)
        inlay_listener_stop(listener);
}

static void on_stop(struct inlay_timer *timer)
{
    inlay_loop_stop(&inlay_container_of(timer, struct fixture, stop)->loop);
}

static void run_for(struct fixture *fixture, uint64_t ms)
{
    fixture->loop.stopped = false;
    fixture->stops.duration = ms;
    inlay_timer_start(&fixture->loop, &fixture->stops, &fixture->stop);
    inlay_loop_run(&fixture->loop);
}

static int set_up(void **state)
{
    static struct fixture fixture;

    memset(&fixture, 0, sizeof(fixture));
    assert_null(inlay_loop_init(&fixture.loop));
    inlay_timer_queue_init(&fixture.loop, &fixture.stops, 10, on_stop);
    inlay_timer_init(&fixture.stop);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    inlay_listener_stop(&fixture->listener);
    inlay_listener_stop(&fixture->listener);
    inlay_loop_deinit(&fixture->loop);
    for (int i = 0; i < fixture->count; i++)
        close(fixture->accepted[i]);
    close(fixture->fd);
    return 0;
}

static void listen_on(struct fixture *fixture, void *address, socklen_t len)
{
    struct sockaddr *any = address;

    fixture->fd = socket(any->sa_family, SOCK_STREAM, 0);
    assert_int_equal(bind(fixture->fd, address, len), 0);
    assert_int_equal(listen(fixture->fd, MOST), 0);
    assert_null(inlay_listener_init(&fixture->listener, &fixture->loop,
                                    fixture->fd, on_accept, fixture));
}

static int connect_to(struct fixture *fixture)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);

    getsockname(fixture->fd, (void *)&address, &len);
    int fd = socket(address.ss_family, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (void *)&address, len), 0);
    return fd;
}

static void listen_v4(struct fixture *fixture)
{
    struct sockaddr_in address = {.sin_family = AF_INET};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listen_on(fixture, &address, sizeof(address));
}

static void test_tcp(void **state)
{
    struct fixture *fixture = *state;
    int one = 0;
    socklen_t len = sizeof(one);

    listen_v4(fixture);
    int client = connect_to(fixture);
    run_for(fixture, 10);
    assert_int_equal(fixture->count, 1);
    assert_true(fixture->listener.tcp);
    struct inlay_address local = inlay_address_local(client);
    assert_string_equal(fixture->peer.host, "127.0.0.1");
    assert_int_equal(fixture->peer.port, local.port);
    assert_string_equal(local.host, "127.0.0.1");
    getsockopt(fixture->accepted[0], IPPROTO_TCP, TCP_NODELAY, &one, &len);
    assert_int_equal(one, 1);
    close(client);
}

static void test_v6(void **state)
{
    struct fixture *fixture = *state;
    struct sockaddr_in6 address = {.sin6_family = AF_INET6};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    int probe = socket(AF_INET6, SOCK_STREAM, 0);

    if (probe < 0 || bind(probe, (void *)&address, sizeof(address)) < 0)
        skip();
    close(probe);
    listen_on(fixture, &address, sizeof(address));
    /* A v4 client of the dual-stack socket. */
    v4.sin_port = htons((uint16_t)inlay_address_local(fixture->fd).port);
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(client, (void *)&v4, sizeof(v4)) == 0) {
        run_for(fixture, 10);
        assert_string_equal(fixture->peer.host, "127.0.0.1");
    }
    close(client);
    assert_string_equal(inlay_address_local(fixture->fd).host, "::");
}

static void test_unix(void **state)
{
    struct fixture *fixture = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/inlay-test-%d",
             (int)getpid());
    unlink(address.sun_path);
    listen_on(fixture, &address, sizeof(address));
    int client = connect_to(fixture);
    run_for(fixture, 10);
    assert_int_equal(fixture->count, 1);
    assert_false(fixture->listener.tcp);
    assert_string_equal(fixture->peer.host, "");
    assert_int_equal(fixture->peer.port, -1);
    struct inlay_address local = inlay_address_local(fixture->accepted[0]);
    assert_string_equal(local.host, address.sun_path);
    assert_int_equal(local.port, -1);
    unlink(address.sun_path);
    close(client);
}

static void test_many_and_stop(void **state)
{
    struct fixture *fixture = *state;
    int clients[80];

    fixture->stop_at = 70;
    listen_v4(fixture);
    for (int i = 0; i < 80; i++)
        clients[i] = connect_to(fixture);
    run_for(fixture, 20);
    assert_int_equal(fixture->count, 70);
    for (int i = 0; i < 80; i++)
        close(clients[i]);
}

static double thread_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void test_out_of_descriptors(void **state)
{
    struct fixture *fixture = *state;
    struct rlimit limit, none;

    listen_v4(fixture);
    int client = connect_to(fixture);
    getrlimit(RLIMIT_NOFILE, &limit);
    none = limit;
    none.rlim_cur = (rlim_t)client; /* every number below is taken */
    setrlimit(RLIMIT_NOFILE, &none);
    double from = thread_seconds();
    run_for(fixture, 50);
    double cost = thread_seconds() - from;
    setrlimit(RLIMIT_NOFILE, &limit);
    assert_int_equal(fixture->count, 0);
    assert_true(cost < 0.03); /* it does not spin */
    run_for(fixture, 150);
    assert_int_equal(fixture->count, 1);
    close(client);
}

#define listener_test(name)                                                    \
    cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        listener_test(test_tcp),
        listener_test(test_v6),
        listener_test(test_unix),
        listener_test(test_many_and_stop),
        listener_test(test_out_of_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
