#include "net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/banned.h"

union any_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un path;
    struct sockaddr_storage storage;
};

static void read_path(const struct sockaddr_un *from,
                      socklen_t len,
                      struct inlay_address *address)
{
    size_t room = sizeof(address->host) - 1;
    size_t path = 0;

    address->port = -1;
    if (len > offsetof(struct sockaddr_un, sun_path))
        path = len - offsetof(struct sockaddr_un, sun_path);
    path = strnlen(from->sun_path, inlay_min(path, room));
    memcpy(address->host, from->sun_path, path); /* "" if abstract */
}

static struct inlay_address read_address(const union any_address *from,
                                         socklen_t len)
{
    struct inlay_address address = {.host = "", .port = 0};

    switch (from->any.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &from->v4.sin_addr, address.host,
                  sizeof(address.host));
        address.port = ntohs(from->v4.sin_port);
        break;
    case AF_INET6:
        /* A v4 peer of a dual-stack socket is told as what it is. */
        if (IN6_IS_ADDR_V4MAPPED(&from->v6.sin6_addr))
            inet_ntop(AF_INET, &from->v6.sin6_addr.s6_addr[12], address.host,
                      sizeof(address.host));
        else
            inet_ntop(AF_INET6, &from->v6.sin6_addr, address.host,
                      sizeof(address.host));
        address.port = ntohs(from->v6.sin6_port);
        break;
    case AF_UNIX:
        read_path(&from->path, len, &address);
        break;
    default:
        break;
    }
    return address;
}

struct inlay_address inlay_address_local(int fd)
{
    union any_address from = {0};
    socklen_t len = sizeof(from);

    if (getsockname(fd, &from.any, &len) < 0)
        len = 0;
    return read_address(&from, len);
}

/* Not ours to mend: another connection may still be accepted at once. */
static bool passing(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENOPROTOOPT:
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

static int watch_listener(struct inlay_listener *listener)
{
    return inlay_loop_watch(listener->loop, &listener->watch,
                            EPOLLIN | EPOLLEXCLUSIVE);
}

static void rest(struct inlay_listener *listener)
{
    inlay_loop_watch(listener->loop, &listener->watch, 0);
    inlay_timer_start(listener->loop, &listener->loop->retry, &listener->retry);
}

void inlay_listener_retry(struct inlay_timer *timer)
{
    struct inlay_listener *listener =
        inlay_container_of(timer, struct inlay_listener, retry);

    if (watch_listener(listener) < 0)
        rest(listener);
}

bool inlay_listener_accept(struct inlay_listener *listener)
{
    union any_address from = {0};
    socklen_t len = sizeof(from);
    int fd = accept4(listener->watch.fd, &from.any, &len,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
        struct inlay_address peer = read_address(&from, len);
        listener->on_accept(listener, fd, &peer);
        return true;
    }
    if (passing(errno))
        return true;
    if (errno != EAGAIN)
        rest(listener); /* EMFILE, ENFILE, ENOBUFS, ENOMEM */
    return false;
}

/*
 * One in a tick: of many that come at once, the threads and processes that
 * share the socket take as many as each has time for, not the first all.
 */
static void on_event(struct inlay_watch *watch, uint32_t events)
{
    (void)events;
    inlay_listener_accept(
        inlay_container_of(watch, struct inlay_listener, watch));
}

struct inlay_error *inlay_listener_init(
    struct inlay_listener *listener,
    struct inlay_loop *loop,
    int fd,
    void (*on_accept)(struct inlay_listener *,
                      int,
                      const struct inlay_address *),
    void *arg)
{
    int flags = fcntl(fd, F_GETFL);
    int one = 1, family = AF_UNSPEC;
    socklen_t len = sizeof(family);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return inlay_error_system(errno, "cannot listen on descriptor %d", fd);
    *listener = (struct inlay_listener){
        .watch = {.fd = fd, .on_event = on_event},
        .loop = loop,
        .on_accept = on_accept,
        .arg = arg,
    };
    inlay_timer_init(&listener->retry);
    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len);
    listener->tcp = family == AF_INET || family == AF_INET6;
    /* Accepted sockets inherit it. */
    if (listener->tcp)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (watch_listener(listener) < 0) {
        int system = errno;
        inlay_listener_stop(listener);
        return inlay_error_system(system, "cannot watch descriptor %d", fd);
    }
    return NULL;
}

void inlay_listener_stop(struct inlay_listener *listener)
{
    inlay_loop_watch(listener->loop, &listener->watch, 0);
    inlay_timer_stop(&listener->retry);
}
