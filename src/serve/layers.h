/*
 * layers.h - what stands before everybody who answers: cross-origin headers,
 * rate limits, limits of requests at once, timeouts; by path pattern, from
 * options (config.layers) and INLAY_LAYER. docs/layers.md has the texts.
 */
#ifndef INLAY_SERVE_LAYERS_H
#define INLAY_SERVE_LAYERS_H

#include "load/module.h"
#include "serve/server.h"

struct inlay_layers;

/*
 * Reads config.layers and the records of `modules`, and puts them in the place
 * of what there is: requests that come later see them, buckets are full again.
 * Any thread; before the start, or while the server runs. What was replaced
 * lives as long as the server. Errors say what is wrong with which, and then
 * nothing is changed: INLAY_ERROR_VALUE begins with the option's name,
 * INLAY_ERROR_IMPORT with a record's file:line.
 */
struct inlay_error *inlay_layers_set(struct inlay_server *server,
                                     struct inlay_module *const *modules,
                                     size_t nmodules);

/* After the I/O threads and their loops are gone. */
void inlay_layers_destroy(struct inlay_server *server);

/* The head has come. False: it was answered, and the request is over. I/O
 * thread. */
bool inlay_layers_admit(struct inlay_layers *layers,
                        struct inlay_request *request);

#endif
