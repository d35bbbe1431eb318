/*
 * bench_loop.c - the floor that a server is measured against: an epoll loop
 * that reads something and writes one fixed answer, without looking at what
 * it read. `bench_loop PORT`
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static const char answer[] = "HTTP/1.1 200 OK\r\n"
                             "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                             "server: bench\r\n"
                             "content-type: text/plain\r\n"
                             "content-length: 5\r\n\r\nhello";

static void watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    if (fd >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        close(fd);
}

static void serve(int fd)
{
    char scratch[65536];
    ssize_t count = read(fd, scratch, sizeof(scratch));

    if (count <= 0 || write(fd, answer, sizeof(answer) - 1) < 0)
        close(fd);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port =
            htons((uint16_t)strtoul(argc > 1 ? argv[1] : "8000", 0, 10)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int one = 1, epoll = epoll_create1(EPOLL_CLOEXEC);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(listener, 1024) < 0) {
        perror("bench_loop");
        return 1;
    }
    watch(epoll, listener);
    for (;;) {
        struct epoll_event events[256];
        int count = epoll_wait(epoll, events, 256, -1);

        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                watch(epoll, accept4(listener, NULL, NULL, SOCK_NONBLOCK));
            else
                serve(events[i].data.fd);
        }
    }
}
