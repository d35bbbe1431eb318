/* layers.c - INLAY_LAYER: built-in layers of paths. */
#include "load/records.h"

#include "base/banned.h"

struct inlay_error *inlay_layers_apply(struct inlay_module *module,
                                       const struct inlay_debug *debug)
{
    (void)module;
    (void)debug;
    return NULL;
}
