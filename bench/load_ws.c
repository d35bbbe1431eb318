/*
 * load_ws.c - WebSocket clients for the bench.
 *
 *   load_ws PORT echo|room CONNECTIONS SECONDS BYTES
 *
 * echo: each sends a text message when its last one came back. room: the
 * first one sends, everybody gets it; the next one goes out when all have.
 * Prints "MESSAGES P99_US": messages received, and the 99th percentile of the
 * time from a send to the (last) message it caused.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SAMPLES (1u << 22)

struct peer {
    int fd;
    size_t got; /* bytes of the current frame */
    uint64_t sent_at;
};

static char *frame;
static size_t frame_len, reply_len;
static uint32_t *samples;
static size_t nsamples;
static uint64_t messages;

static void die(const char *what)
{
    fprintf(stderr, "load_ws: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static size_t put_length(char *at, size_t len, int mask)
{
    if (len < 126) {
        at[1] = (char)(mask | (int)len);
        return 2;
    }
    if (len < 65536) {
        at[1] = (char)(mask | 126);
        at[2] = (char)(len >> 8);
        at[3] = (char)len;
        return 4;
    }
    at[1] = (char)(mask | 127);
    for (int i = 0; i < 8; i++)
        at[2 + i] = (char)(len >> (56 - 8 * i));
    return 10;
}

/* Masked by zeroes, which servers must undo all the same. */
static void make_frame(size_t len)
{
    char head[16];

    frame = calloc(1, len + 16);
    if (!frame)
        die("memory");
    frame[0] = (char)0x81;
    size_t at = put_length(frame, len, 0x80) + 4;
    memset(frame + at, 'x', len);
    frame_len = at + len;
    reply_len = put_length(head, len, 0) + len;
}

static void send_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t count = send(fd, data, len, MSG_NOSIGNAL);

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            die("send");
        data += count;
        len -= (size_t)count;
    }
}

static int join(int port, const char *path)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char text[1024];
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    size_t len = 0;

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    int size = snprintf(text, sizeof(text),
                        "GET /%s HTTP/1.1\r\nHost: localhost\r\n"
                        "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                        "Sec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                        path);
    send_all(fd, text, (size_t)size);
    while (len < 4 || memcmp(text + len - 4, "\r\n\r\n", 4) != 0) {
        if (len == sizeof(text) || recv(fd, text + len, 1, 0) != 1)
            die("handshake");
        len++;
    }
    if (memcmp(text, "HTTP/1.1 101", 12) != 0)
        die("not accepted");
    return fd;
}

static void sample(uint64_t since)
{
    if (nsamples < SAMPLES)
        samples[nsamples++] = (uint32_t)((now_ns() - since) / 1000);
}

/* How many whole messages have come. */
static size_t read_some(struct peer *peer)
{
    static char data[1 << 20];
    ssize_t count = recv(peer->fd, data, sizeof(data), MSG_DONTWAIT);

    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (count <= 0)
        die("the server left");
    peer->got += (size_t)count;
    size_t whole = peer->got / reply_len;
    peer->got %= reply_len;
    messages += whole;
    return whole;
}

static void say(struct peer *peer)
{
    peer->sent_at = now_ns();
    send_all(peer->fd, frame, frame_len);
}

static int by_time(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "load_ws PORT echo|room CONNECTIONS SECONDS BYTES\n");
        return 2;
    }
    bool echo = strcmp(argv[2], "echo") == 0;
    size_t count = strtoul(argv[3], NULL, 10), missing = 0;
    struct epoll_event events[256];
    struct peer *peers = calloc(count, sizeof(*peers));
    int epoll = epoll_create1(0);

    samples = malloc(SAMPLES * sizeof(*samples));
    if (!peers || !samples || epoll < 0)
        die("start");
    make_frame(strtoul(argv[5], NULL, 10));
    for (size_t i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &peers[i]};

        peers[i].fd = join(atoi(argv[1]), argv[2]);
        epoll_ctl(epoll, EPOLL_CTL_ADD, peers[i].fd, &event);
    }
    uint64_t end = now_ns() + (uint64_t)(strtod(argv[4], NULL) * 1e9);
    for (size_t i = 0; i < (echo ? count : 1); i++)
        say(&peers[i]);
    missing = count;
    while (now_ns() < end) {
        int n = epoll_wait(epoll, events, 256, 100);

        for (int i = 0; i < n; i++) {
            struct peer *peer = events[i].data.ptr;
            size_t whole = read_some(peer);

            if (echo && whole) {
                sample(peer->sent_at);
                say(peer);
            } else if (!echo) {
                missing -= whole;
            }
        }
        if (!echo && missing == 0) {
            sample(peers[0].sent_at);
            missing = count;
            say(&peers[0]);
        }
    }
    qsort(samples, nsamples, sizeof(*samples), by_time);
    printf("%llu %u\n", (unsigned long long)messages,
           nsamples ? samples[nsamples * 99 / 100] : 0);
    return 0;
}
