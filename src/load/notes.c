/* notes.c - INLAY_TAG and its like: what documents say of a route. */
#include "load/records.h"

#include "base/banned.h"

struct inlay_error *inlay_notes_apply(struct inlay_module *module,
                                      const struct inlay_debug *debug)
{
    (void)module;
    (void)debug;
    return NULL;
}
