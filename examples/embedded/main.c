/*
 * A C program that serves: its own routes, and behind them the application in
 * app.py. README.md says how it is compiled.
 */
#include <inlay.h>
#include <inlay/server.h>
#include <stdlib.h>

struct sum {
    int64_t a, b, sum;
};

/// The sum of two numbers.
static struct sum add(int64_t a, int64_t b)
{
    struct sum result = {a, b, 0};

    if (__builtin_add_overflow(a, b, &result.sum))
        inlay_fail(INLAY_OVERFLOW, "the sum is too large");
    return result;
}
INLAY_GET("/add", add);

int main(int argc, char **argv)
{
    int port = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 8000;
    struct inlay_server *server = inlay_server_create();

    inlay_server_set(server, "io-threads", "2");
    inlay_server_listen(server, "127.0.0.1", port);
    if (argc > 2) /* without it there is no Python in this process */
        inlay_mount_asgi(server, "/", argv[2]);
    int status = inlay_server_run(server);
    inlay_server_destroy(server);
    return status;
}
