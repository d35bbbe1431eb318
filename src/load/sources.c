/* sources.c - INLAY_HEADER, INLAY_COOKIE, INLAY_FORM, …: where a parameter
 * comes from. */
#include "load/records.h"

#include "base/banned.h"

struct inlay_error *inlay_sources_apply(struct inlay_module *module,
                                        const struct inlay_debug *debug)
{
    (void)module;
    (void)debug;
    return NULL;
}
