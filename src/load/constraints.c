/* constraints.c - INLAY_RANGE and its like: what values must be. */
#include "load/records.h"

#include "base/banned.h"

struct inlay_error *inlay_constraints_apply(struct inlay_module *module,
                                            const struct inlay_debug *debug)
{
    (void)module;
    (void)debug;
    return NULL;
}
