/*
 * inlay/server.h - a server inside a C program: its native routes (inlay.h),
 * and ASGI applications where they are wanted.
 *
 *     #include <inlay.h>
 *     #include <inlay/server.h>
 *
 *     int64_t add(int64_t a, int64_t b) { return a + b; }
 *     INLAY_GET("/add", add);
 *
 *     int main(void)
 *     {
 *         struct inlay_server *server = inlay_server_create();
 *
 *         inlay_server_listen(server, "127.0.0.1", 8000);
 *         inlay_mount_asgi(server, "/", "app:app");
 *         int status = inlay_server_run(server);
 *         inlay_server_destroy(server);
 *         return status;
 *     }
 *
 *     cc -g main.c $(pkg-config --cflags --libs inlay)
 *
 * The routes and their types are read from the debug information of the
 * program itself, so -g it has to be. Without inlay_mount_asgi there is no
 * Python in it. All is one process: a crash is reported and ends it.
 *
 * Calls return 0, or -1 when they fail; the first failure stays, all further
 * calls do nothing, inlay_server_run says what it was and returns 1. So a
 * program may look at nothing but the status of inlay_server_run. A NULL
 * server (no memory) counts as one that has failed.
 */
#ifndef INLAY_SERVER_H
#define INLAY_SERVER_H

#ifdef __cplusplus
extern "C" {
#endif

struct inlay_server;

/* Names of the library that are free for this. */
#define INLAY_SYMBOL_(name) __asm__("inlay_app_" #name)

struct inlay_server *inlay_server_create(void) INLAY_SYMBOL_(create);
void inlay_server_destroy(struct inlay_server *server) INLAY_SYMBOL_(destroy);

/*
 * Listens on all addresses of `host`, from now on; port 0 picks a free one.
 * "unix:/path" as host is a Unix socket, whose port is 0. More than once:
 * on all of them. Never: on 127.0.0.1, port 8000.
 */
int inlay_server_listen(struct inlay_server *server, const char *host, int port)
    INLAY_SYMBOL_(listen);

/* The first TCP port that it listens on, or -1. */
int inlay_server_port(const struct inlay_server *server) INLAY_SYMBOL_(port);

/*
 * An option of `inlay run` (docs/options.md), without its dashes, and its
 * value as text: "io-threads", "4"; "limit-body-bytes", "1M"; "compress",
 * "gzip". Those that may be repeated are set once for each. Flags are "yes"
 * or "no": "access-log", "no". Without an ASGI application there are those
 * that C reads. What is wrong with one is said by inlay_server_run.
 */
int inlay_server_set(struct inlay_server *server,
                     const char *option,
                     const char *value) INLAY_SYMBOL_(set);

/*
 * What begins with `path` and is no native route is answered by the ASGI
 * application `target`, "module:attribute", which is looked for in the working
 * directory (option "app-dir") first. Python is that of the virtual
 * environment VIRTUAL_ENV, or else of the one that Inlay lies in; it needs
 * libpython as a shared library.
 */
int inlay_mount_asgi(struct inlay_server *server,
                     const char *path,
                     const char *target) INLAY_SYMBOL_(mount_asgi);

/*
 * Serves until SIGINT, SIGTERM or inlay_server_stop, then lets running
 * requests end (option "timeout-graceful-shutdown"). The exit status of the
 * program: 0, 1 when it could not serve (said on stderr), 3 when the
 * application's start-up failed. Once per server, and once per process when
 * an ASGI application is mounted. The program's own handlers of the two
 * signals are put aside meanwhile; ignored signals stay ignored, unless an
 * application is mounted.
 */
int inlay_server_run(struct inlay_server *server) INLAY_SYMBOL_(run);

/* Ends inlay_server_run; any thread, a signal handler too. */
void inlay_server_stop(struct inlay_server *server) INLAY_SYMBOL_(stop);

/* What has failed, or NULL. */
const char *inlay_server_error(const struct inlay_server *server)
    INLAY_SYMBOL_(error);

#undef INLAY_SYMBOL_

#ifdef __cplusplus
}
#endif

#endif
