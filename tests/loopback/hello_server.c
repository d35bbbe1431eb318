/* For measuring and probing by hand: the test handler on a port, until
 * SIGTERM. `hello_server PORT [IO_THREADS] [access-log]` */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "handler.h"

#include "base/banned.h"

static int listen_on(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((uint16_t)port),
    };
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(fd, 4096) < 0) {
        perror("hello_server");
        exit(1);
    }
    return fd;
}

static void check(struct inlay_error *error)
{
    if (!error)
        return;
    fprintf(stderr, "hello_server: %s\n", error->message);
    exit(1);
}

int main(int argc, char **argv)
{
    static struct test_handler test;
    struct inlay_server_config config;
    int fd = listen_on(argc > 1 ? (int)strtol(argv[1], NULL, 10) : 8000);
    struct inlay_server *server;
    sigset_t signals;
    int number;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    test_handler_init(&test);
    test.any = true;
    inlay_server_config_default(&config);
    if (argc > 2)
        config.io_threads = (unsigned)strtoul(argv[2], NULL, 10);
    if (argc > 3)
        config.access_format = INLAY_STR("uvicorn");
    config.listen_fds = &fd;
    config.nlisten_fds = 1;
    check(inlay_server_create(&config, &server));
    check(inlay_server_add_handler(server, &test.handler));
    check(inlay_server_start(server));
    sigwait(&signals, &number);
    inlay_server_drain(server);
    inlay_server_destroy(server);
    return 0;
}
