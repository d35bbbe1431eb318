/*
 * chain.h - the handlers of a server, in their order: guards, files, native
 * routes, then an application or what stands in its place. (Health is there
 * since inlay_server_create.) Cold; before the start.
 */
#ifndef INLAY_SERVE_CHAIN_H
#define INLAY_SERVE_CHAIN_H

#include "base/error.h"
#include "load/module.h"
#include "serve/server.h"

/*
 * All that comes before an application: what the modules have, the folders of
 * config.static_mounts, layers. The handler of the native routes is the
 * server's. Errors: inlay_native_create's, and the others'.
 */
struct inlay_error *inlay_chain_add_native(struct inlay_server *server,
                                           struct inlay_module *const *modules,
                                           size_t nmodules,
                                           struct inlay_handler **native_ret);

/* Where there is no application: alone.h. */
struct inlay_error *inlay_chain_add_alone(struct inlay_server *server,
                                          const struct inlay_handler *native,
                                          struct inlay_handler **alone_ret);

#endif
