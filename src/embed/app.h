/*
 * app.h - a server inside a C program: what include/inlay/server.h declares
 * as inlay_server_* and inlay_mount_asgi are the inlay_app_* of here (symbols
 * of the library have those names already). One thread, but for stop.
 */
#ifndef INLAY_EMBED_APP_H
#define INLAY_EMBED_APP_H

#include <sys/types.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "db/database.h"
#include "serve/server.h"

/* As inlay_server_set has got it. */
struct inlay_app_option {
    struct inlay_str name, value;
};

/* A socket file that is ours as long as it has this inode. */
struct inlay_app_file {
    const char *path;
    dev_t device;
    ino_t inode;
};

struct inlay_app {
    struct inlay_arena memory;
    struct inlay_error *error;     /* the first one; then nothing is done */
    struct inlay_buf options;      /* of struct inlay_app_option */
    struct inlay_buf fds;          /* ints: bound and listening */
    struct inlay_buf files;        /* of struct inlay_app_file */
    struct inlay_str path, target; /* of the ASGI application; "": none */
    int wake; /* eventfd: stop; INLAY_APP_INTERRUPT is added by SIGINT */
    bool ran;
};

#define INLAY_APP_INTERRUPT ((uint64_t)1 << 32)

/* --- include/inlay/server.h ---------------------------------------------- */

struct inlay_app *inlay_app_create(void);
void inlay_app_destroy(struct inlay_app *app);
int inlay_app_listen(struct inlay_app *app, const char *host, int port);
int inlay_app_port(const struct inlay_app *app);
int inlay_app_set(struct inlay_app *app, const char *option, const char *value);
int inlay_app_mount_asgi(struct inlay_app *app,
                         const char *path,
                         const char *target);
int inlay_app_run(struct inlay_app *app);
void inlay_app_stop(struct inlay_app *app);
const char *inlay_app_error(const struct inlay_app *app);

/* --- Its parts ------------------------------------------------------------ */

static inline const struct inlay_app_option *inlay_app_options(
    const struct inlay_app *app,
    size_t *count_ret)
{
    struct inlay_str view = inlay_buf_view(&app->options);

    *count_ret = view.len / sizeof(struct inlay_app_option);
    return (const struct inlay_app_option *)(const void *)view.ptr;
}

static inline const int *inlay_app_fds(const struct inlay_app *app,
                                       size_t *count_ret)
{
    struct inlay_str view = inlay_buf_view(&app->fds);

    *count_ret = view.len / sizeof(int);
    return (const int *)(const void *)view.ptr;
}

/* listen.c: sockets for all addresses of `host`, added to app->fds. */
struct inlay_error *inlay_app_bind(struct inlay_app *app,
                                   const char *host,
                                   int port);
/* Closes them, and removes the files that are still ours. Twice is once. */
void inlay_app_unbind(struct inlay_app *app);
/* "http://127.0.0.1:8000", "unix:/path", for people; in the arena, or "". */
struct inlay_str inlay_app_name(struct inlay_arena *arena, int fd);

/*
 * options.c: what app->options says, for a server without Python. Lists lie
 * in `arena`. Errors name the option.
 */
struct inlay_app_settings {
    struct inlay_server_config config;
    uint32_t drain_ms;    /* timeout-graceful-shutdown */
    struct inlay_strs db; /* as given: configured, once all options are read */
    struct inlay_database_config databases; /* what all of them have */
};
struct inlay_error *inlay_app_settings_read(const struct inlay_app *app,
                                            struct inlay_arena *arena,
                                            struct inlay_app_settings *ret);

/* run.c: serves without Python, until app->wake can be read. */
struct inlay_error *inlay_app_serve(struct inlay_app *app);

/* python.c: serves in an interpreter of its own; the exit status. */
struct inlay_error *inlay_app_serve_python(struct inlay_app *app, int *ret);

/* signals.c: SIGINT and SIGTERM write to app->wake; of one app at a time. */
struct inlay_error *inlay_app_signals_take(const struct inlay_app *app);
void inlay_app_signals_give_back(void);

#endif
