#include "serve/chain.h"

#include "serve/alone.h"
#include "serve/guard.h"
#include "serve/layers.h"
#include "serve/native.h"
#include "serve/static.h"

#include "base/banned.h"

/* Takes the handler, also when that fails; NULL is none. */
static struct inlay_error *add(struct inlay_server *server,
                               struct inlay_handler *handler)
{
    struct inlay_error *error =
        handler ? inlay_server_add_handler(server, handler) : NULL;

    if (error && handler->ops->destroy)
        handler->ops->destroy(handler);
    return error;
}

static struct inlay_error *add_static(struct inlay_server *server)
{
    struct inlay_handler *files = NULL;
    struct inlay_error *error = inlay_static_create(&server->config, &files);

    return error ? error : add(server, files);
}

/* Guards, if there are any, stand before files, those before routes. */
static struct inlay_error *add_before(struct inlay_server *server,
                                      struct inlay_handler *native)
{
    struct inlay_handler *guards = NULL;
    struct inlay_error *error = inlay_guards_create(server, native, &guards);

    if (!error)
        error = add(server, guards);
    return error ? error : add_static(server);
}

struct inlay_error *inlay_chain_add_native(struct inlay_server *server,
                                           struct inlay_module *const *modules,
                                           size_t nmodules,
                                           struct inlay_handler **native_ret)
{
    struct inlay_handler *native;
    struct inlay_error *error = inlay_native_create(modules, nmodules, &native);

    if (error)
        return error;
    error = add_before(server, native);
    if (error) {
        native->ops->destroy(native);
        return error;
    }
    (void)((error = add(server, native)) ||
           (error = inlay_layers_set(server, modules, nmodules)));
    if (!error)
        *native_ret = native;
    return error;
}

struct inlay_error *inlay_chain_add_alone(struct inlay_server *server,
                                          const struct inlay_handler *native,
                                          struct inlay_handler **alone_ret)
{
    struct inlay_handler *alone;
    struct inlay_error *error =
        inlay_alone_create(native, server->config.docs, &alone);

    if (!error)
        error = add(server, alone);
    if (!error)
        *alone_ret = alone;
    return error;
}
