/*
 * cookie.h - what a cookie header says (RFC 6265 4.2, and what browsers send
 * beyond it), read as Starlette does.
 */
#ifndef INLAY_HTTP_COOKIE_H
#define INLAY_HTTP_COOKIE_H

#include "base/arena.h"
#include "base/str.h"

/*
 * The next cookie: `rest` starts as a header's value and is advanced; false at
 * the end. Without '=' it is a value of the name "". The last one of a name
 * counts.
 */
bool inlay_cookie_next(struct inlay_str *rest,
                       struct inlay_str *name_ret,
                       struct inlay_str *raw_ret);

/* The value of the cookie of that name (case counts), as it came; ptr NULL:
 * there is none. */
struct inlay_str inlay_cookie_find(struct inlay_str header,
                                   struct inlay_str name);

/*
 * A value without its quotes, "\"" and "\303" read, in the arena or raw's own
 * memory. ptr is NULL without memory.
 */
struct inlay_str inlay_cookie_unquote(struct inlay_str raw,
                                      struct inlay_arena *arena);

#endif
