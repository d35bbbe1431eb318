/* Lines of the access log: which requests have one, and how they leave. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "client.h"

#include "base/banned.h"

struct lines {
    struct fixture fixture; /* first */
    pthread_mutex_t lock;
    char text[65536];
    size_t len;
};

static void sink(void *arg, struct inlay_str text)
{
    struct lines *lines = arg;

    pthread_mutex_lock(&lines->lock);
    if (text.len < sizeof(lines->text) - lines->len) {
        memcpy(lines->text + lines->len, text.ptr, text.len);
        lines->len += text.len;
        lines->text[lines->len] = '\0';
    }
    pthread_mutex_unlock(&lines->lock);
}

/* Is there such a line, within two seconds? */
static bool told(struct lines *lines, const char *line)
{
    for (int i = 0; i < 200; i++) {
        pthread_mutex_lock(&lines->lock);
        bool found = strstr(lines->text, line) != NULL;
        pthread_mutex_unlock(&lines->lock);
        if (found)
            return true;
        sleep_ms(10);
    }
    print_error("no %s in: %s", line, lines->text);
    return false;
}

static int setup(void **state)
{
    struct lines *lines = calloc(1, sizeof(*lines));

    assert_non_null(lines);
    pthread_mutex_init(&lines->lock, NULL);
    prepare(&lines->fixture);
    lines->fixture.config.access_format =
        INLAY_STR("%(m)s %(full_path)s %(s)s %(b)s|");
    lines->fixture.config.access_sink = sink;
    lines->fixture.config.access_arg = lines;
    *state = lines;
    return 0;
}

static int teardown(void **state)
{
    struct lines *lines = *state;

    exchange(-1, NULL, NULL);
    stop_server(&lines->fixture);
    pthread_mutex_destroy(&lines->lock);
    free(lines);
    return 0;
}

static void answers(void **state)
{
    struct lines *lines = *state;

    lines->fixture.config.health_path = INLAY_STR("/health");
    start_server(&lines->fixture);
    int fd = open_client(&lines->fixture);
    exchange(fd, GET("/health"), "}");
    exchange(fd, GET("/hello?a=%20"), "hello");
    assert_true(told(lines, "GET /hello?a=%20 200 5|\n"));
    exchange(fd, GET("/nowhere"), "}");
    assert_true(told(lines, "GET /nowhere 404 "));
    exchange(fd, GET("/stream"), "0\r\n\r\n");
    assert_true(told(lines, "GET /stream 200 6|\n"));
    exchange(fd, GET("/cut"), NULL);
    assert_true(told(lines, "GET /cut 200 4|\n"));
    assert_null(strstr(lines->text, "health"));
    close(fd);
}

/* Bytes that are no request, or too slow to become one. */
static void refused(void **state)
{
    struct lines *lines = *state;

    lines->fixture.config.limits.header_timeout = 50;
    lines->fixture.config.limits.body_timeout = 50;
    lines->fixture.config.limits.body_bytes = 10;
    start_server(&lines->fixture);
    int fd = open_client(&lines->fixture);
    exchange(fd, "NONSENSE\r\n\r\n", NULL);
    assert_true(told(lines, "- - 400 -|\n"));
    close(fd);
    fd = open_client(&lines->fixture);
    exchange(fd, "GET / HTTP/1.1\r\nHo", NULL);
    assert_true(told(lines, "- - 408 -|\n"));
    close(fd);
    fd = open_client(&lines->fixture);
    exchange(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nab",
             NULL);
    assert_true(told(lines, "POST /echo 408 -|\n"));
    close(fd);
    fd = open_client(&lines->fixture);
    exchange(fd,
             "POST /echo HTTP/1.1\r\n" HOST
             "Transfer-Encoding: chunked\r\n\r\n14\r\naaaaaaaaaaaaaaaaaaaa",
             NULL);
    assert_true(told(lines, "POST /echo 413 -|\n"));
    close(fd);
    fd = open_client(&lines->fixture);
    exchange(fd,
             "POST /echo HTTP/1.1\r\n" HOST
             "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
             NULL);
    assert_true(told(lines, "POST /echo 400 -|\n"));
    close(fd);
    int count = 0;
    for (char *at = lines->text; *at; at++)
        count += *at == '\n';
    assert_int_equal(count, 5); /* each has one line */
}

/* The client is gone before the answer: nginx's 499. */
static void given_up(void **state)
{
    struct lines *lines = *state;

    start_server(&lines->fixture);
    int fd = open_client(&lines->fixture);
    send_text(fd, GET("/later"));
    assert_true(becomes(&lines->fixture.test.pending, 1));
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
    assert_true(told(lines, "GET /later 499 -|\n"));
}

/* A pipe that nobody reads holds 64 KiB; no request waits for it, and nothing
 * is lost or cut when somebody does. */
static void slow_pipe(void **state)
{
    enum { REQUESTS = 6000 };
    struct lines *lines = *state;
    int pipes[2], kept = dup(STDOUT_FILENO);
    size_t len = 0, size = (size_t)1 << 20;
    char *text = calloc(1, size + 1);

    assert_non_null(text);
    assert_int_equal(pipe(pipes), 0);
    fflush(stdout);
    lines->fixture.config.access_sink = NULL;
    dup2(pipes[1], STDOUT_FILENO);
    start_server(&lines->fixture);
    dup2(kept, STDOUT_FILENO);
    close(pipes[1]);
    close(kept);
    int fd = open_client(&lines->fixture);
    for (int i = 0; i < REQUESTS; i++)
        exchange(fd, GET("/hello"), "\r\n\r\nhello");
    close(fd);
    fcntl(pipes[0], F_SETFL, O_NONBLOCK);
    struct pollfd ready = {.fd = pipes[0], .events = POLLIN};
    while (len < REQUESTS * 18 && poll(&ready, 1, 2000) > 0) {
        ssize_t count = read(pipes[0], text + len, size - len);

        if (count <= 0)
            break;
        len += (size_t)count;
    }
    assert_int_equal(len, REQUESTS * 18);
    for (size_t i = 0; i < len; i += 18)
        assert_memory_equal(text + i, "GET /hello 200 5|\n", 18);
    free(text);
    close(pipes[0]);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(answers),
        test(refused),
        test(given_up),
        test(slow_pipe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
