#include "serve/layers.h"

#include "base/mem.h"
#include "http/accept.h"
#include "serve/cors.h"
#include "serve/layer_text.h"
#include "serve/path_pattern.h"
#include "serve/rate_limit.h"
#include "serve/response.h"
#include "serve/route_limits.h"
#include "serve/session.h"

#include "base/banned.h"

#define MEMORY ((size_t)64 << 20)

/* In the order in which they are applied. */
#define KINDS(X)                                                               \
    X(CORS, "cors")                                                            \
    X(RATE_LIMIT, "rate-limit")                                                \
    X(CONCURRENCY, "concurrency")                                              \
    X(TIMEOUT, "timeout")                                                      \
    X(ACCEPT, "accept")

enum kind {
#define KIND(name, text) KIND_##name,
    KINDS(KIND)
#undef KIND
        NKINDS,
};

static const struct inlay_str names[] = {
#define NAME(name, text) [KIND_##name] = INLAY_STR(text),
    KINDS(NAME)
#undef NAME
};

struct layer {
    enum kind kind;
    struct inlay_str pattern;
    struct inlay_cors *cors;
    struct inlay_rate_limit *rate;
    struct inlay_slots *slots;
    struct inlay_patience patience;
    struct inlay_str types; /* ACCEPT: what there is */
};

struct inlay_layers {
    struct inlay_layers *older; /* what it has replaced, or NULL */
    struct inlay_arena arena;
    struct layer *items; /* by kind; of each as they are given */
    size_t count;
};

/* --- Requests ------------------------------------------------------------- */

/* 406 to who takes nothing of what there is. */
static bool negotiate(const struct layer *layer, struct inlay_request *request)
{
    if (inlay_accept_allows(request->headers, request->nheaders, layer->types))
        return true;
    inlay_response_error(request, 406, inlay_http_reason(406));
    return false;
}

/* False: it has answered. `crossed`: of CORS, one is enough. */
static bool admit(struct layer *layer,
                  struct inlay_request *request,
                  bool *crossed)
{
    switch (layer->kind) {
    case KIND_CORS:
        if (*crossed)
            return true;
        *crossed = true;
        return inlay_cors_admit(layer->cors, request);
    case KIND_RATE_LIMIT:
        return inlay_rate_limit_admit(layer->rate, request);
    case KIND_CONCURRENCY:
        return inlay_slots_admit(layer->slots, request);
    case KIND_TIMEOUT:
        inlay_patience_apply(&layer->patience, request);
        return true;
    case KIND_ACCEPT:
        return negotiate(layer, request);
    case NKINDS:
        break;
    }
    return true;
}

bool inlay_layers_admit(struct inlay_layers *layers,
                        struct inlay_request *request)
{
    struct inlay_path_forms forms;
    bool crossed = false;

    if (inlay_health_asked(request))
        return true;
    if (inlay_path_forms_of(request, &forms) < 0) {
        inlay_request_refuse_busy(request);
        return false;
    }
    for (size_t i = 0; i < layers->count; i++) {
        struct layer *layer = &layers->items[i];

        if (inlay_path_forms_match(&forms, layer->pattern) &&
            !admit(layer, request, &crossed))
            return false;
    }
    return true;
}

/* --- Reading ---------------------------------------------------------------- */

/* NKINDS: there is none of that name. */
static enum kind kind_of(struct inlay_str name)
{
    enum kind kind = 0;

    while (kind < NKINDS && !inlay_str_equal(names[kind], name))
        kind++;
    return kind;
}

static struct inlay_error *read_value(struct inlay_layers *layers,
                                      struct layer *layer,
                                      struct inlay_str value,
                                      unsigned nthreads)
{
    struct inlay_arena *arena = &layers->arena;
    struct inlay_rate rate;
    struct inlay_error *error;

    switch (layer->kind) {
    case KIND_CORS:
        return inlay_cors_parse(value, arena, &layer->cors);
    case KIND_RATE_LIMIT:
        error = inlay_rate_parse(value, arena, &rate);
        if (error)
            return error;
        return inlay_rate_limit_create(&rate, layer->pattern, INLAY_RATE_SETS,
                                       &layer->rate);
    case KIND_CONCURRENCY:
        return inlay_slots_parse(value, &layer->slots);
    case KIND_TIMEOUT:
        return inlay_patience_parse(value, nthreads, arena, &layer->patience);
    case KIND_ACCEPT:
        value = inlay_str_trim(value);
        if (!inlay_accept_types_valid(value))
            return inlay_error_create(INLAY_ERROR_VALUE,
                                      "\"%.*s\": write media types, as in "
                                      "\"text/csv application/json\"",
                                      inlay_str_arg(value));
        layer->types = inlay_arena_copy(arena, value);
        return layer->types.ptr ? NULL : inlay_error_no_memory();
    case NKINDS:
        break;
    }
    return NULL;
}

/* The next place; `name` is one of `names`. */
static struct inlay_error *add(struct inlay_layers *layers,
                               const struct inlay_layer_decl *decl,
                               unsigned nthreads)
{
    struct layer *layer = &layers->items[layers->count];
    const char *why = inlay_path_pattern_bad(decl->pattern);

    *layer = (struct layer){.kind = kind_of(decl->name)};
    if (why)
        return inlay_error_create(INLAY_ERROR_VALUE, "\"%.*s\": %s",
                                  inlay_str_arg(decl->pattern), why);
    layer->pattern = inlay_arena_copy(&layers->arena, decl->pattern);
    if (!layer->pattern.ptr)
        return inlay_error_no_memory();
    struct inlay_error *error =
        read_value(layers, layer, decl->value, nthreads);
    if (!error)
        layers->count++;
    return error;
}

/* "rate_limit: …", "cors_origin: …": the part of a cors text is an option of
 * its own. */
static struct inlay_error *blame_option(struct inlay_error *error,
                                        struct inlay_str name)
{
    char field[64];
    size_t len = 0;
    bool cors = inlay_str_is(name, "cors");

    if (error->code != INLAY_ERROR_VALUE)
        return error;
    for (char *at = error->message; cors && *at && *at != ':'; at++) {
        if (*at == '-')
            *at = '_';
    }
    for (; len < name.len && len < sizeof(field); len++)
        field[len] = name.ptr[len] == '-' ? '_' : name.ptr[len];
    struct inlay_error *whole =
        inlay_error_create(error->code, "%.*s%s%s", (int)len, field,
                           cors ? "_" : ": ", error->message);
    inlay_error_destroy(error);
    return whole;
}

static struct inlay_error *blame_record(struct inlay_error *error,
                                        const struct inlay_layer_decl *decl)
{
    struct inlay_error *whole;

    if (error->code != INLAY_ERROR_VALUE)
        return error;
    whole = inlay_error_create(INLAY_ERROR_IMPORT,
                               "%.*s:%u: INLAY_LAYER(\"%.*s\", \"%.*s\"): %s",
                               inlay_str_arg(decl->decl.file), decl->decl.line,
                               inlay_str_arg(decl->name),
                               inlay_str_arg(decl->pattern), error->message);
    inlay_error_destroy(error);
    return whole;
}

/* "rate-limit /login 5/minute" */
static struct inlay_error *add_option(struct inlay_layers *layers,
                                      struct inlay_str text,
                                      enum kind kind,
                                      unsigned nthreads)
{
    struct inlay_layer_decl decl;
    struct inlay_str rest = text;
    struct inlay_error *error;

    if (!inlay_layer_word(&rest, &decl.name) ||
        !inlay_layer_word(&rest, &decl.pattern) || kind_of(decl.name) == NKINDS)
        return inlay_error_create(INLAY_ERROR_VALUE,
                                  "layers: \"%.*s\" is none: write NAME "
                                  "PATTERN VALUE",
                                  inlay_str_arg(text));
    decl.value = rest;
    if (kind_of(decl.name) != kind)
        return NULL;
    error = add(layers, &decl, nthreads);
    return error ? blame_option(error, decl.name) : NULL;
}

static struct inlay_error *add_record(struct inlay_layers *layers,
                                      const struct inlay_layer_decl *decl,
                                      enum kind kind,
                                      unsigned nthreads)
{
    struct inlay_error *error = NULL;

    if (kind_of(decl->name) == NKINDS)
        error = inlay_error_create(INLAY_ERROR_VALUE,
                                   "there is no such layer: they are cors, "
                                   "rate-limit, concurrency, timeout and "
                                   "accept");
    else if (kind_of(decl->name) == kind)
        error = add(layers, decl, nthreads);
    return error ? blame_record(error, decl) : NULL;
}

/* All of one kind. A module's own, which are for its paths, come first. */
static struct inlay_error *add_kind(struct inlay_layers *layers,
                                    enum kind kind,
                                    const struct inlay_server_config *config,
                                    struct inlay_module *const *modules,
                                    size_t nmodules)
{
    struct inlay_error *error = NULL;

    for (size_t i = 0; i < nmodules; i++) {
        const struct inlay_module *module = modules[i];

        for (size_t j = 0; !error && j < module->nlayers; j++)
            error = add_record(layers, &module->layers[j], kind,
                               config->io_threads);
    }
    for (size_t i = 0; !error && i < config->layers.count; i++)
        error = add_option(layers, config->layers.items[i], kind,
                           config->io_threads);
    return error;
}

/* --- Life ------------------------------------------------------------------- */

static void destroy(struct inlay_layers *layers)
{
    for (size_t i = 0; i < layers->count; i++) {
        inlay_rate_limit_destroy(layers->items[i].rate);
        inlay_slots_destroy(layers->items[i].slots);
    }
    inlay_arena_deinit(&layers->arena);
    inlay_free(layers);
}

static struct inlay_error *create(const struct inlay_server_config *config,
                                  struct inlay_module *const *modules,
                                  size_t nmodules,
                                  size_t most,
                                  struct inlay_layers **ret)
{
    struct inlay_layers *layers = inlay_calloc(1, sizeof(*layers));
    struct inlay_error *error = NULL;

    if (!layers)
        return inlay_error_no_memory();
    inlay_arena_init(&layers->arena, MEMORY);
    layers->items =
        inlay_arena_zalloc_array(&layers->arena, most, sizeof(*layers->items));
    if (!layers->items)
        error = inlay_error_no_memory();
    for (enum kind kind = 0; !error && kind < NKINDS; kind++)
        error = add_kind(layers, kind, config, modules, nmodules);
    if (error) {
        destroy(layers);
        return error;
    }
    *ret = layers;
    return NULL;
}

struct inlay_error *inlay_layers_set(struct inlay_server *server,
                                     struct inlay_module *const *modules,
                                     size_t nmodules)
{
    struct inlay_layers *layers = NULL, *older = atomic_load(&server->layers);
    size_t most = server->config.layers.count;
    struct inlay_error *error;

    for (size_t i = 0; i < nmodules; i++)
        most += modules[i]->nlayers;
    if (most == 0 && !older)
        return NULL;
    error = create(&server->config, modules, nmodules, most + 1, &layers);
    if (error)
        return error;
    do {
        layers->older = older;
    } while (!atomic_compare_exchange_weak(&server->layers, &older, layers));
    return NULL;
}

void inlay_layers_destroy(struct inlay_server *server)
{
    struct inlay_layers *layers = atomic_load(&server->layers), *older;

    for (; layers; layers = older) {
        older = layers->older;
        destroy(layers);
    }
}
