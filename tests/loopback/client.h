/* client.h - a server on a free port of 127.0.0.1, and a blunt client. */
#ifndef INLAY_TESTS_LOOPBACK_CLIENT_H
#define INLAY_TESTS_LOOPBACK_CLIENT_H

#include "handler.h"

struct fixture {
    struct test_handler test;
    struct inlay_server_config config;
    struct inlay_handler *first; /* asked before the test's own; or NULL */
    struct inlay_handler *more;  /* asked after it; or NULL */
    struct inlay_server *server;
    int listen_fd;
    int port;
};

#define HOST "Host: x\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"

/* For cmocka's tests. */
#define has(text, part) assert_non_null(strstr((text), (part)))
#define lacks(text, part) assert_null(strstr((text), (part)))

/* Defaults that a test may change before start_server. */
void prepare(struct fixture *fixture);
/* Such a one, allocated; what ends it and the server, as a teardown. */
struct fixture *create_fixture(void);
int destroy_fixture(void **state);
void create_server(struct fixture *fixture); /* it listens */
void start_server(struct fixture *fixture);
void stop_server(struct fixture *fixture);

int open_client(const struct fixture *fixture);
void send_text(int fd, const char *text);
void send_bytes(int fd, const void *data, size_t len);

/*
 * Reads until the text read contains `until` (NULL: until the peer closes), or
 * two seconds have passed. The text is NUL-terminated and malloc'ed.
 */
char *read_until(int fd, const char *until, size_t *len_ret);

/* Sends, reads to `until`; the text, kept until the next call. */
const char *exchange(int fd, const char *request, const char *until);

/* Does the peer close without another byte within two seconds? */
bool is_closed(int fd);

/* Waits up to two seconds for *value to be at least `least`. */
bool becomes(atomic_int *value, int least);
bool connections_become(const struct fixture *fixture, size_t count);
void sleep_ms(unsigned ms);

#endif
