#include "serve/server.h"

#include "base/mem.h"
#include "serve/access_log.h"
#include "serve/address_count.h"
#include "serve/admission.h"
#include "serve/compress.h"
#include "serve/layers.h"
#include "serve/metrics.h"
#include "serve/session.h"

#include "base/banned.h"

#define CONFIG_MOST (16u << 20)

static int copy_str(struct inlay_arena *arena, struct inlay_str *text)
{
    *text = inlay_arena_copy(arena, *text);
    return text->ptr ? 0 : -1;
}

static int copy_strs(struct inlay_arena *arena, struct inlay_strs *list)
{
    struct inlay_str *items =
        inlay_arena_zalloc_array(arena, list->count + 1, sizeof(*items));

    if (!items)
        return -1;
    for (size_t i = 0; i < list->count; i++) {
        items[i] = list->items[i];
        if (copy_str(arena, &items[i]) < 0)
            return -1;
    }
    list->items = items;
    return 0;
}

/* What the configuration points to must last as long as the server. */
static struct inlay_error *copy_config(struct inlay_server *server,
                                       const struct inlay_server_config *given)
{
    struct inlay_arena *arena = &server->memory;
    struct inlay_server_config *config = &server->config;
    int *fds =
        inlay_arena_zalloc_array(arena, given->nlisten_fds + 1, sizeof(*fds));

    *config = *given;
    if (!fds || copy_str(arena, &config->root_path) < 0 ||
        copy_str(arena, &config->access_format) < 0 ||
        copy_str(arena, &config->health_path) < 0 ||
        copy_str(arena, &config->static_index) < 0 ||
        copy_str(arena, &config->form_folder) < 0 ||
        copy_strs(arena, &config->headers) < 0 ||
        copy_strs(arena, &config->trusted) < 0 ||
        copy_strs(arena, &config->layers) < 0 ||
        copy_strs(arena, &config->static_mounts) < 0 ||
        copy_strs(arena, &config->compress) < 0 ||
        copy_strs(arena, &config->compress_types) < 0)
        return inlay_error_no_memory();
    for (size_t i = 0; i < given->nlisten_fds; i++)
        fds[i] = given->listen_fds[i];
    config->listen_fds = fds;
    return NULL;
}

/* Logs, and what is done to every answer. */
static struct inlay_error *init_answers(struct inlay_server *server)
{
    const struct inlay_server_config *config = &server->config;
    struct inlay_arena *arena = &server->memory;
    struct inlay_error *error = NULL;

    inlay_access_out_open(&server->access_out);
    if (config->access_format.len)
        error = inlay_access_format_create(arena, config->access_format,
                                           &server->access);
    if (!error)
        error = inlay_compression_create(config, arena, &server->compression);
    if (!error && config->health_path.len)
        error = inlay_health_add(server);
    if (!error && config->metrics_fd >= 0)
        error = inlay_metrics_open(
            config->metrics_fd, config->metrics_slot, config->io_threads,
            config->metrics_requests ? &server->metrics : &server->counting);
    server->timed |= server->metrics || config->server_timing ||
                     (server->access && server->access->timed);
    server->dresses |= config->server_timing || config->request_id ||
                       server->compression ||
                       (server->access && server->access->nanswer_headers);
    return error;
}

/* Who connects. */
static struct inlay_error *init_peers(struct inlay_server *server)
{
    const struct inlay_server_config *config = &server->config;
    size_t most = config->limits.address_connections;
    struct inlay_error *error = inlay_networks_parse(
        "forwarded_allow_ips", config->trusted.items, config->trusted.count,
        &server->memory, &server->trusted);

    if (error)
        return error;
    if (config->proxy_protocol && config->trusted.count == 0)
        return inlay_error_create(
            INLAY_ERROR_VALUE,
            "proxy_protocol: nobody may connect, as forwarded_allow_ips is "
            "empty; name the load balancer's addresses there");
    if (most)
        server->addresses = inlay_address_counts_create(most);
    return most && !server->addresses ? inlay_error_no_memory() : NULL;
}

static struct inlay_error *init_server(struct inlay_server *server,
                                       const struct inlay_server_config *config)
{
    struct inlay_error *error = copy_config(server, config);

    if (error)
        return error;
    error = init_peers(server);
    if (error)
        return error;
    error = init_answers(server);
    if (error)
        return error;
    error = inlay_layers_set(server, NULL, 0);
    if (error)
        return error;
    error = inlay_fallback_create(&server->fallback);
    if (error)
        return error;
    server->threads =
        inlay_calloc(config->io_threads, sizeof(*server->threads));
    if (!server->threads)
        return inlay_error_no_memory();
    for (unsigned i = 0; i < config->io_threads; i++) {
        error = inlay_io_thread_init(&server->threads[i], server, i);
        if (error)
            return error;
        server->nthreads++;
    }
    return inlay_watchdog_create(server);
}

struct inlay_error *inlay_server_create(
    const struct inlay_server_config *config,
    struct inlay_server **ret)
{
    if (config->io_threads < 1 || config->io_threads > 1024)
        return inlay_error_create(INLAY_ERROR_VALUE,
                                  "io_threads must be 1 to 1024, not %u",
                                  config->io_threads);
    struct inlay_server *server = inlay_calloc(1, sizeof(*server));
    if (!server)
        return inlay_error_no_memory();
    inlay_arena_init(&server->memory, CONFIG_MOST);
    struct inlay_error *error = init_server(server, config);
    if (error) {
        inlay_server_destroy(server);
        return error;
    }
    inlay_databases_log(&server->config.log);
    *ret = server;
    return NULL;
}

struct inlay_error *inlay_server_add_handler(struct inlay_server *server,
                                             struct inlay_handler *handler)
{
    if (server->running)
        return inlay_error_create(INLAY_ERROR_STATE,
                                  "the server is already running");
    struct inlay_handler **handlers =
        inlay_realloc(server->handlers,
                      (server->nhandlers + 1) * sizeof(struct inlay_handler *));
    if (!handlers)
        return inlay_error_no_memory();
    server->handlers = handlers;
    handlers[server->nhandlers++] = handler;
    return NULL;
}

struct inlay_error *inlay_server_add_application(struct inlay_server *server,
                                                 struct inlay_handler *handler)
{
    struct inlay_handler *admission = NULL;
    struct inlay_error *error = NULL;

    if (server->config.limits.concurrency)
        error = inlay_admission_create(server, handler, &admission);
    if (!error)
        error =
            inlay_server_add_handler(server, admission ? admission : handler);
    if (!error)
        server->admission = admission;
    else if (admission)
        inlay_admission_dissolve(admission);
    return error;
}

struct inlay_error *inlay_server_start(struct inlay_server *server)
{
    if (server->running)
        return inlay_error_create(INLAY_ERROR_STATE,
                                  "the server is already running");
    inlay_mem_tune();
    for (unsigned i = 0; i < server->nthreads; i++) {
        struct inlay_error *error = inlay_io_thread_start(&server->threads[i]);

        if (!error)
            continue;
        while (i-- > 0)
            inlay_io_thread_stop(&server->threads[i]);
        return error;
    }
    server->running = true;
    return NULL;
}

void inlay_server_drain(struct inlay_server *server)
{
    for (unsigned i = 0; i < server->nthreads; i++)
        inlay_io_thread_drain(&server->threads[i]);
}

void inlay_server_retire(struct inlay_server *server)
{
    atomic_store(&server->patient, true);
    inlay_server_drain(server);
}

size_t inlay_server_requests(const struct inlay_server *server)
{
    size_t count = 0;

    for (unsigned i = 0; i < server->nthreads; i++)
        count += atomic_load_explicit(&server->threads[i].requests,
                                      memory_order_relaxed);
    return count;
}

size_t inlay_server_connections(const struct inlay_server *server)
{
    return atomic_load(&server->open_connections);
}

bool inlay_server_accepting(const struct inlay_server *server)
{
    for (unsigned i = 0; i < server->nthreads; i++) {
        if (atomic_load(&server->threads[i].accepting))
            return true;
    }
    return false;
}

static void destroy_handler(struct inlay_handler *handler)
{
    if (handler && handler->ops->destroy)
        handler->ops->destroy(handler);
}

void inlay_server_destroy(struct inlay_server *server)
{
    if (!server)
        return;
    for (unsigned i = 0; server->running && i < server->nthreads; i++)
        inlay_io_thread_stop(&server->threads[i]);
    inlay_databases_log_end(&server->config.log);
    inlay_watchdog_destroy(server->watchdog);
    for (size_t i = 0; i < server->nhandlers; i++)
        destroy_handler(server->handlers[i]);
    destroy_handler(server->fallback);
    for (unsigned i = 0; i < server->nthreads; i++)
        inlay_io_thread_deinit(&server->threads[i]);
    inlay_layers_destroy(server);
    inlay_free(server->threads);
    inlay_metrics_close(server->metrics);
    inlay_metrics_close(server->counting);
    inlay_address_counts_destroy(server->addresses);
    inlay_free(server->handlers);
    inlay_access_out_close(&server->access_out);
    inlay_arena_deinit(&server->memory);
    inlay_free(server);
}
