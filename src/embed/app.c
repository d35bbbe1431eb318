/* app.c - what a program says before it runs: kept, and checked later. */
#include "embed/app.h"

#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"

#include "base/banned.h"

#define MEMORY_MOST ((size_t)16 << 20)
#define LIST_MOST ((size_t)1 << 20)

struct inlay_app *inlay_app_create(void)
{
    struct inlay_app *app = inlay_calloc(1, sizeof(*app));

    if (!app)
        return NULL;
    inlay_arena_init(&app->memory, MEMORY_MOST);
    inlay_buf_init(&app->options, LIST_MOST);
    inlay_buf_init(&app->fds, LIST_MOST);
    inlay_buf_init(&app->files, LIST_MOST);
    app->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (app->wake < 0)
        app->error = inlay_error_create(INLAY_ERROR_STATE,
                                        "no descriptor is free for a server");
    return app;
}

void inlay_app_destroy(struct inlay_app *app)
{
    if (!app)
        return;
    inlay_app_unbind(app);
    if (app->wake >= 0)
        close(app->wake);
    inlay_buf_deinit(&app->options);
    inlay_buf_deinit(&app->fds);
    inlay_buf_deinit(&app->files);
    inlay_error_destroy(app->error);
    inlay_arena_deinit(&app->memory);
    inlay_free(app);
}

/* The first error stays. 0 or -1. */
static int note(struct inlay_app *app, struct inlay_error *error)
{
    if (!app->error)
        app->error = error;
    else
        inlay_error_destroy(error);
    return app->error ? -1 : 0;
}

static bool is_usable(struct inlay_app *app)
{
    if (!app || app->error)
        return false;
    if (app->ran)
        note(app, inlay_error_create(INLAY_ERROR_STATE,
                                     "a server runs once: create another one"));
    return !app->error;
}

int inlay_app_listen(struct inlay_app *app, const char *host, int port)
{
    if (!is_usable(app))
        return -1;
    if (!host || port < 0 || port > 65535)
        return note(app, inlay_error_create(
                             INLAY_ERROR_VALUE,
                             "inlay_server_listen: a host and a port from 0 to "
                             "65535 are needed"));
    return note(app, inlay_app_bind(app, host, port));
}

int inlay_app_set(struct inlay_app *app, const char *option, const char *value)
{
    if (!is_usable(app))
        return -1;
    if (!option || !value)
        return note(app,
                    inlay_error_create(INLAY_ERROR_VALUE,
                                       "inlay_server_set: NULL is no option"));
    struct inlay_app_option entry = {
        .name = inlay_arena_copy(&app->memory, inlay_str_from(option)),
        .value = inlay_arena_copy(&app->memory, inlay_str_from(value)),
    };
    if (!entry.name.ptr || !entry.value.ptr ||
        inlay_buf_append(&app->options, &entry, sizeof(entry)) < 0)
        return note(app, inlay_error_no_memory());
    return 0;
}

int inlay_app_mount_asgi(struct inlay_app *app,
                         const char *path,
                         const char *target)
{
    if (!is_usable(app))
        return -1;
    if (!path || path[0] != '/' || !target || !strchr(target, ':'))
        return note(app,
                    inlay_error_create(INLAY_ERROR_VALUE,
                                       "inlay_mount_asgi: a path that begins "
                                       "with \"/\" and \"module:attribute\" "
                                       "are needed"));
    if (app->target.len)
        return note(
            app, inlay_error_create(INLAY_ERROR_VALUE,
                                    "inlay_mount_asgi: there is an application "
                                    "already: mount the other one in that"));
    app->path = inlay_arena_copy(&app->memory, inlay_str_from(path));
    app->target = inlay_arena_copy(&app->memory, inlay_str_from(target));
    if (!app->path.ptr || !app->target.ptr)
        return note(app, inlay_error_no_memory());
    return 0;
}

/* Serves; `*status` is the program's when there is no error. */
static struct inlay_error *run(struct inlay_app *app, int *status)
{
    struct inlay_error *error = NULL;

    if (!inlay_buf_len(&app->fds))
        error = inlay_app_bind(app, "127.0.0.1", 8000);
    if (!error)
        error = inlay_app_signals_take(app);
    if (error)
        return error;
    if (app->target.len)
        error = inlay_app_serve_python(app, status);
    else
        error = inlay_app_serve(app);
    inlay_app_signals_give_back();
    return error;
}

int inlay_app_run(struct inlay_app *app)
{
    int status = 0;

    if (!app)
        return 1;
    if (is_usable(app)) {
        app->ran = true;
        note(app, run(app, &status));
        inlay_app_unbind(app);
    }
    if (!app->error)
        return status;
    inlay_log_write(NULL, INLAY_LOG_ERROR, "%s", app->error->message);
    return 1;
}

/* Also in a signal handler. */
void inlay_app_stop(struct inlay_app *app)
{
    uint64_t one = 1;

    if (app && app->wake >= 0 && write(app->wake, &one, sizeof(one)) < 0)
        return; /* it has been told very often */
}

const char *inlay_app_error(const struct inlay_app *app)
{
    if (!app)
        return "out of memory";
    return app->error ? app->error->message : NULL;
}
