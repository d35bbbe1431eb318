/*
 * path_pattern.h - which requests a guard or a layer is for: one matcher for
 * both, so that none of them is got round by another spelling of a path.
 *
 * A pattern begins with '/'. A '*' at its end stands for any rest and for
 * none: that of "/admin/" and a star covers "/admin" too. Without a star it
 * covers its path, with a slash at the end or not. Case counts.
 *
 * A request is matched in every form that somebody behind may take its path
 * for: as decoded; with "//", "/./" and "/../" worked out; the same with
 * backslashes as slashes, without ";a=b" and what is behind names (dots,
 * blanks, control characters: Python's "$" matches before a newline); all that
 * decoded once more, twice and three times; each with and without the root
 * paths of the server and of a trusted proxy.
 */
#ifndef INLAY_SERVE_PATH_PATTERN_H
#define INLAY_SERVE_PATH_PATTERN_H

#include <stdbool.h>

#include "base/str.h"

struct inlay_request;

/* NULL, or what is wrong with it, for a message. */
const char *inlay_path_pattern_bad(struct inlay_str pattern);

/* Of a pattern that is not bad, and one form of a path. */
bool inlay_path_pattern_matches(struct inlay_str pattern,
                                struct inlay_str path);

/* Each decoded 0 to 3 times, read in 3 ways, with 3 roots, whole or not. */
#define INLAY_PATH_FORMS 72

/* The forms of a request's path; the usual one is its only one. */
struct inlay_path_forms {
    struct inlay_str items[INLAY_PATH_FORMS];
    unsigned count;
};

/* Views of the request and its arena. 0, or -1 without memory or room: treat
 * it as matched by all. */
int inlay_path_forms_of(struct inlay_request *request,
                        struct inlay_path_forms *ret);

/* Does any of the forms match? */
static inline bool inlay_path_forms_match(const struct inlay_path_forms *forms,
                                          struct inlay_str pattern)
{
    for (unsigned i = 0; i < forms->count; i++) {
        if (inlay_path_pattern_matches(pattern, forms->items[i]))
            return true;
    }
    return false;
}

#endif
