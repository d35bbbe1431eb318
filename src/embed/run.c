/*
 * run.c - a server of the program's own routes, without Python: start, wait,
 * drain. What python/inlay/serving.py does for an application.
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "embed/app.h"
#include "load/module.h"
#include "serve/chain.h"

#include "base/banned.h"

#define MEMORY_MOST ((size_t)16 << 20)
#define LOOK_MS 20 /* between looks at what is still running */

/* --- Start ------------------------------------------------------------------ */

static struct inlay_error *add_parts(struct inlay_server *server,
                                     struct inlay_module *module)
{
    struct inlay_module *const modules[] = {module};
    struct inlay_handler *native, *alone;
    struct inlay_error *error =
        inlay_chain_add_native(server, modules, 1, &native);

    return error ? error : inlay_chain_add_alone(server, native, &alone);
}

static struct inlay_error *open_program(struct inlay_module **ret)
{
    struct inlay_error *error =
        inlay_module_open(INLAY_STR("program"), "/proc/self/exe",
                          (struct inlay_str){NULL, 0}, ret);

    if (!error && !(*ret)->nroutes)
        error = inlay_error_create(
            INLAY_ERROR_IMPORT,
            "%.*s: it has no routes: INLAY_GET and its like make them, and an "
            "application is mounted by inlay_mount_asgi",
            inlay_str_arg((*ret)->path));
    return error;
}

/* --- Wait and drain ----------------------------------------------------------- */

/* What app->wake has got within so many milliseconds (-1: any). */
static uint64_t wait_for(const struct inlay_app *app, int ms)
{
    struct pollfd look = {.fd = app->wake, .events = POLLIN};
    uint64_t value = 0;

    if (poll(&look, 1, ms) <= 0 ||
        read(app->wake, &value, sizeof(value)) != sizeof(value))
        return 0;
    return value;
}

static void drain(struct inlay_app *app,
                  struct inlay_server *server,
                  uint32_t ms)
{
    const struct inlay_log *log = &server->config.log;
    uint64_t deadline = inlay_clock_ns() + (uint64_t)ms * 1000000;
    bool hurry = false;

    inlay_log_write(log, INLAY_LOG_INFO, "Shutting down");
    inlay_server_drain(server);
    while (inlay_server_accepting(server))
        hurry |= wait_for(app, 1) >= INLAY_APP_INTERRUPT;
    /* New clients are to be refused, not to wait in a queue of ours. */
    inlay_app_unbind(app);
    while (inlay_server_connections(server) && !hurry &&
           inlay_clock_ns() < deadline)
        hurry = wait_for(app, LOOK_MS) >= INLAY_APP_INTERRUPT;
    size_t left = inlay_server_connections(server);
    if (left)
        inlay_log_write(log, INLAY_LOG_WARNING,
                        "Cut, as they did not end in time: %zu", left);
}

static void say_where(const struct inlay_app *app,
                      const struct inlay_server *server,
                      const struct inlay_module *module)
{
    const struct inlay_log *log = &server->config.log;
    struct inlay_arena arena;
    size_t count;
    const int *fds = inlay_app_fds(app, &count);

    inlay_arena_init(&arena, MEMORY_MOST);
    inlay_log_write(log, INLAY_LOG_INFO, "%zu native route%s, %u I/O thread%s",
                    module->nroutes, module->nroutes == 1 ? "" : "s",
                    server->nthreads, server->nthreads == 1 ? "" : "s");
    for (size_t i = 0; i < count; i++)
        inlay_log_write(log, INLAY_LOG_INFO, "Inlay running on %.*s",
                        inlay_str_arg(inlay_app_name(&arena, fds[i])));
    inlay_arena_deinit(&arena);
}

static struct inlay_error *serve(struct inlay_app *app,
                                 struct inlay_app_settings *settings,
                                 struct inlay_module *module)
{
    struct inlay_server *server;
    struct inlay_error *error;

    settings->config.listen_fds =
        inlay_app_fds(app, &settings->config.nlisten_fds);
    error = inlay_server_create(&settings->config, &server);
    if (error)
        return error;
    (void)((error = add_parts(server, module)) ||
           (error = inlay_server_start(server)));
    if (!error) {
        say_where(app, server, module);
        uint64_t seen = 0;
        while (!seen)
            seen = wait_for(app, -1);
        if (seen < 2 * INLAY_APP_INTERRUPT)
            drain(app, server, settings->drain_ms);
    }
    inlay_server_destroy(server);
    return error;
}

struct inlay_error *inlay_app_serve(struct inlay_app *app)
{
    struct inlay_app_settings settings = {0};
    struct inlay_module *module;
    struct inlay_arena arena;
    struct inlay_error *error;

    inlay_arena_init(&arena, MEMORY_MOST);
    (void)((error = inlay_app_settings_read(app, &arena, &settings)) ||
           (error = open_program(&module)) ||
           (error = serve(app, &settings, module)));
    inlay_arena_deinit(&arena);
    return error;
}
