/*
 * echo.h - a server whose WebSockets echo, and a client that counts every
 * frame. For cmocka tests: what is not as expected fails the test.
 */
#ifndef INLAY_TESTS_LOOPBACK_ECHO_H
#define INLAY_TESTS_LOOPBACK_ECHO_H

#include "client.h"
#include "frames.h"

#define FLOOD_PIECE ((size_t)64 << 10)
#define FLOOD_PIECES 400 /* 25 MiB */

#define has(text, part) assert_non_null(strstr((text), (part)))
#define lacks(text, part) assert_null(strstr((text), (part)))

/*
 * /echo accepts at once, /late when it is released; both echo messages, but
 * for those that are commands: see on_message. /deny answers 403, /headers
 * accepts with a subprotocol and headers, /evil tries with a bad one.
 */
struct echo {
    struct inlay_handler handler; /* first */
    struct inlay_mail release;
    struct inlay_request *request; /* /late's, or the one that is paused */
    size_t flood;                  /* pieces still to be sent */
    atomic_int pending, messages, ends, aborts, releases;
    atomic_int code; /* of the last end */
    atomic_size_t most_queued, total;
    char reason[128]; /* before `ends` grows */
};

struct world {
    struct fixture fixture;
    struct echo echo;
    struct inlay_buf in; /* of the last client: bytes after the head */
};

#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define UPGRADE "Connection: Upgrade\r\nUpgrade: websocket\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define OPEN(path, more)                                                       \
    "GET " path " HTTP/1.1\r\nHost: x\r\n" UPGRADE KEY VERSION more "\r\n"

/* Fixtures of cmocka; `change` (or NULL) may change the limits. */
int setup_with(void **state, void (*change)(struct inlay_limits *limits));
int setup(void **state);
int teardown(void **state);

/* Resumes or accepts echo.request, on the I/O thread. */
void release(struct world *world);

/* Reads a head, which lasts until the next call; "" when none comes. */
const char *read_head(struct world *world, int fd);
/* The descriptor of an accepted WebSocket. */
int open_with(struct world *world, const char *request);
int open_echo(struct world *world);

void send_frame(int fd, unsigned first, const void *data, size_t len);
void send_frame_text(int fd, unsigned first, const char *text);

/* The next frame's first byte, or -1; the payload lasts until the next call. */
int next_frame(struct world *world, int fd, struct inlay_str *payload);
void expect_frame(struct world *world,
                  int fd,
                  unsigned first,
                  const void *data,
                  size_t len);
void expect_text(struct world *world, int fd, const char *text);
/* The code of a close frame, which must be the next. */
unsigned read_close(struct world *world, int fd);
/* The handler's first on_websocket_end. */
void expect_end(struct world *world, int code, const char *reason);

#endif
