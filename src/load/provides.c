/* provides.c - INLAY_PROVIDE, INLAY_STATE, INLAY_BEFORE, INLAY_AFTER. */
#include "load/records.h"

#include "base/banned.h"

struct inlay_error *inlay_provides_apply(struct inlay_module *module,
                                         const struct inlay_debug *debug)
{
    (void)module;
    (void)debug;
    return NULL;
}
