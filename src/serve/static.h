/*
 * static.h - files of folders as answers. A handler of the chain, between
 * native routes and the application: GET and HEAD of what is a file there are
 * answered here, everything else is left to the next one.
 */
#ifndef INLAY_SERVE_STATIC_H
#define INLAY_SERVE_STATIC_H

#include "base/error.h"
#include "serve/handler.h"

struct inlay_server_config;

/*
 * For the mounts of `config`, which must last as long as the handler; its
 * folders are opened. *ret is NULL when there are no mounts. Errors name the
 * mount: one without '=' or with a path that is none, a folder that can't be
 * opened, two for one path.
 */
struct inlay_error *inlay_static_create(
    const struct inlay_server_config *config,
    struct inlay_handler **ret);

#endif
