/* ranges.h - byte ranges of a Range header (RFC 9110 14). */
#ifndef INLAY_HTTP_RANGES_H
#define INLAY_HTTP_RANGES_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Who asks for more in one request is given the whole. */
#define INLAY_RANGES_MOST 32

struct inlay_range {
    uint64_t start, len; /* len > 0, all within the whole */
};

#define INLAY_RANGES_NONE 0   /* none can be satisfied: 416 */
#define INLAY_RANGES_WHOLE -1 /* to be ignored: the whole, 200 */

/*
 * The ranges of a Range header's `value` within `size` bytes: in ascending
 * order, those that touch or overlap as one. Returns how many, or
 * INLAY_RANGES_NONE; or INLAY_RANGES_WHOLE for another unit than bytes, a
 * value that is not valid, or too many.
 */
int inlay_ranges_read(struct inlay_str value,
                      uint64_t size,
                      struct inlay_range ret[INLAY_RANGES_MOST]);

#endif
