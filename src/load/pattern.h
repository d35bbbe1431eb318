/*
 * pattern.h - what a route is asked by: methods ("GET,HEAD") and a path
 * ("/users/{id}"), as text. The one place that knows how they are written.
 */
#ifndef INLAY_LOAD_PATTERN_H
#define INLAY_LOAD_PATTERN_H

#include <stdbool.h>

#include "base/str.h"

#define INLAY_PATTERN_PARAMS 16   /* in one path at most */
#define INLAY_PATTERN_SEGMENTS 64 /* parts of a path between slashes */

/*
 * Why a path is none, or NULL. It begins with '/'; a parameter is a whole
 * segment, `{name}` or `{name:kind}` with str, int, float, uuid or path, which
 * ends the path; names are C identifiers, each there once.
 */
const char *inlay_pattern_bad_path(struct inlay_str path);

/*
 * Why the pattern of a guard or a layer is none, or NULL: a path as it is when
 * decoded, a '*' at its end for any rest. No parameters: nobody would see that
 * it never matches.
 */
const char *inlay_pattern_bad_cover(struct inlay_str pattern);

/* Why methods are none, or NULL: capital letters, commas between them; or
 * "WEBSOCKET" alone. */
const char *inlay_pattern_bad_methods(struct inlay_str methods);

/* "WEBSOCKET": the handshake's GET is meant, and it alone. */
static inline bool inlay_pattern_is_socket(struct inlay_str methods)
{
    return inlay_str_is(methods, "WEBSOCKET");
}

/*
 * The parameters of a path, in order: `rest` starts as the path and is
 * advanced. `kind_ret` is what stands behind the colon, or "". false at the
 * end, or where braces do not match.
 */
bool inlay_pattern_next_param(struct inlay_str *rest,
                              struct inlay_str *name_ret,
                              struct inlay_str *kind_ret);

/* The next method, without blanks around it; false at the end. */
bool inlay_pattern_next_method(struct inlay_str *rest, struct inlay_str *ret);

#endif
