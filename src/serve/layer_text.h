/*
 * layer_text.h - the texts of layers, cut into words and numbers. Cold.
 */
#ifndef INLAY_SERVE_LAYER_TEXT_H
#define INLAY_SERVE_LAYER_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* The next word between blanks; false at the end. */
bool inlay_layer_word(struct inlay_str *rest, struct inlay_str *ret);

/* The next part between `separator`s, trimmed; false at the end. */
bool inlay_layer_part(struct inlay_str *rest,
                      char separator,
                      struct inlay_str *ret);

/* All of `text` is decimal digits, up to `most`. */
bool inlay_layer_number(struct inlay_str text, uint64_t most, uint64_t *ret);

/*
 * "3s", "500ms", "1.5s", "2 minutes" without the blank; a unit alone is one of
 * it, when `bare` is set. Units: ms, s, second, m, min, minute, h, hour, d,
 * day, and their plurals. In nanoseconds, at most ten days, at least 1 ms.
 */
bool inlay_layer_duration(struct inlay_str text, bool bare, uint64_t *ns_ret);

#endif
