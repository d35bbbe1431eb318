/* server_config.h - the arguments of inlay._core.Server. */
#ifndef INLAY_PY_SERVER_CONFIG_H
#define INLAY_PY_SERVER_CONFIG_H

#include "py/py.h"

#include "serve/server.h"

struct inlay_server_options {
    struct inlay_server_config config; /* its texts are in `memory` */
    struct inlay_arena memory;
    /* Borrowed; these may be None. */
    PyObject *app, *loop, *state, *debug, *access_sink;
    bool native; /* native routes are served */
};

/* 0, or -1 with an exception. */
int inlay_server_options_read(struct inlay_server_options *options,
                              PyObject *args,
                              PyObject *kwargs);
/* The same of settings alone, without application, sockets and loop. */
int inlay_server_settings_read(struct inlay_server_options *options,
                               PyObject *args,
                               PyObject *kwargs);
void inlay_server_options_free(struct inlay_server_options *options);

#endif
