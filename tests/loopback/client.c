#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#include "base/banned.h"

#define WAIT_MS 10000

#define must(condition)                                                        \
    do {                                                                       \
        if (!(condition)) {                                                    \
            perror(#condition);                                                \
            abort();                                                           \
        }                                                                      \
    } while (0)

static struct sockaddr_in local_address(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((uint16_t)port),
    };
}

static int listen_somewhere(int *port_ret)
{
    struct sockaddr_in address = local_address(0);
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    must(fd >= 0);
    must(bind(fd, (struct sockaddr *)&address, size) == 0);
    must(listen(fd, 1024) == 0);
    must(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    *port_ret = ntohs(address.sin_port);
    return fd;
}

void prepare(struct fixture *fixture)
{
    *fixture = (struct fixture){.listen_fd = -1};
    test_handler_init(&fixture->test);
    inlay_server_config_default(&fixture->config);
    fixture->config.log.level = INLAY_LOG_ERROR;
}

struct fixture *create_fixture(void)
{
    struct fixture *fixture = malloc(sizeof(*fixture));

    must(fixture != NULL);
    prepare(fixture);
    return fixture;
}

int destroy_fixture(void **state)
{
    exchange(-1, NULL, NULL);
    stop_server(*state);
    free(*state);
    return 0;
}

void create_server(struct fixture *fixture)
{
    fixture->listen_fd = listen_somewhere(&fixture->port);
    fixture->config.listen_fds = &fixture->listen_fd;
    fixture->config.nlisten_fds = 1;
    must(!inlay_server_create(&fixture->config, &fixture->server));
    if (fixture->first)
        must(!inlay_server_add_handler(fixture->server, fixture->first));
    must(
        !inlay_server_add_application(fixture->server, &fixture->test.handler));
    if (fixture->more)
        must(!inlay_server_add_handler(fixture->server, fixture->more));
}

void start_server(struct fixture *fixture)
{
    create_server(fixture);
    must(!inlay_server_start(fixture->server));
}

void stop_server(struct fixture *fixture)
{
    inlay_server_destroy(fixture->server);
    must(atomic_load(&fixture->test.destroyed));
    close(fixture->listen_fd);
}

int open_client(const struct fixture *fixture)
{
    struct sockaddr_in address = local_address(fixture->port);
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    must(fd >= 0);
    must(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

void send_bytes(int fd, const void *data, size_t len)
{
    const char *at = data;

    while (len) {
        ssize_t count = send(fd, at, len, MSG_NOSIGNAL);

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return; /* the server refused the rest */
        at += count;
        len -= (size_t)count;
    }
}

void send_text(int fd, const char *text)
{
    send_bytes(fd, text, strlen(text));
}

char *read_until(int fd, const char *until, size_t *len_ret)
{
    uint64_t end = inlay_clock_ms() + WAIT_MS;
    size_t len = 0, size = 65536;
    char *text = malloc(size);

    must(text);
    text[0] = '\0';
    while (!until || !memmem(text, len, until, strlen(until))) {
        uint64_t now = inlay_clock_ms();
        struct pollfd wait = {.fd = fd, .events = POLLIN};

        if (now >= end || poll(&wait, 1, (int)(end - now)) <= 0)
            break;
        if (size - len < 32768) {
            size *= 2;
            text = realloc(text, size);
            must(text);
        }
        ssize_t count = recv(fd, text + len, size - len - 1, 0);
        if (count <= 0)
            break;
        len += (size_t)count;
        text[len] = '\0';
    }
    if (len_ret)
        *len_ret = len;
    return text;
}

const char *exchange(int fd, const char *request, const char *until)
{
    static char *text;

    free(text);
    text = NULL;
    if (!request)
        return NULL;
    send_text(fd, request);
    text = read_until(fd, until, NULL);
    return text;
}

bool is_closed(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    char byte;

    if (poll(&wait, 1, WAIT_MS) <= 0)
        return false;
    return recv(fd, &byte, 1, 0) <= 0;
}

void sleep_ms(unsigned ms)
{
    usleep(ms * 1000);
}

bool becomes(atomic_int *value, int least)
{
    for (int i = 0; i < WAIT_MS / 2 && atomic_load(value) < least; i++)
        sleep_ms(2);
    return atomic_load(value) >= least;
}

bool connections_become(const struct fixture *fixture, size_t count)
{
    for (int i = 0; i < WAIT_MS / 2; i++) {
        if (inlay_server_connections(fixture->server) == count)
            return true;
        sleep_ms(2);
    }
    return false;
}
