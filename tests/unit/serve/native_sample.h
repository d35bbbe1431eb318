/*
 * native_sample.h - a module made by hand, as the loader would make it from
 * a C file with routes, and a request without a connection.
 */
#ifndef TESTS_UNIT_SERVE_NATIVE_SAMPLE_H
#define TESTS_UNIT_SERVE_NATIVE_SAMPLE_H

#include "serve/native.h"
#include "serve/request.h"
#include "serve/response.h"
#include "serve/server.h"

/* The sample's routes in a module of their own; never freed but by
 * sample_module_destroy. `only` != NULL: the routes of that function. */
struct inlay_module *sample_module_create(const char *only);
void sample_module_destroy(struct inlay_module *module);

struct sample_exchange {
    struct inlay_server server;
    struct inlay_io_thread thread;
    struct inlay_request request;
    char *head; /* memory of the request's views */
    struct inlay_header headers[4];

    int status;
    char head_text[512]; /* "name: value\n" of the answer */
    struct inlay_buf body;
    bool ended, aborted, wanted;
    char log[2048];
};

struct sample_ask {
    const char *method, *target, *type, *coding;
    struct inlay_str body;
    size_t piece;    /* body bytes per on_body; 0: all at once */
    bool chunked;    /* no content-length */
    bool close_late; /* `last` comes with an empty chunk */
    const char *root_path;
    size_t body_limit, memory;
    long no_memory_after; /* > 0: allocations fail after that many - 1 */
};

/* Runs the request through the handler; `exchange` then has the answer. */
enum inlay_outcome sample_exchange_run(struct sample_exchange *exchange,
                                       struct inlay_handler *handler,
                                       const struct sample_ask *ask);
void sample_exchange_deinit(struct sample_exchange *exchange);

#endif
