/* url.h - percent-decoding and query strings (RFC 3986, WHATWG urlencoded). */
#ifndef INLAY_HTTP_URL_H
#define INLAY_HTTP_URL_H

#include "base/arena.h"
#include "base/str.h"

/* Is anything to decode: '%' (and '+' in a query)? */
bool inlay_url_encoded(struct inlay_str text, bool plus);

/*
 * Percent-decoded once, into the arena (or the text itself when there is
 * nothing to decode). A '%' without two hex digits stays as it is. `plus`:
 * '+' is a space. ptr is NULL without memory.
 */
struct inlay_str inlay_url_decode(struct inlay_str text,
                                  bool plus,
                                  struct inlay_arena *arena);

/*
 * The next pair of a query string, raw: `rest` starts as the whole query and
 * is advanced. false at the end. Empty pairs are skipped; a pair without '='
 * has an empty value.
 */
bool inlay_query_next(struct inlay_str *rest,
                      struct inlay_str *name_ret,
                      struct inlay_str *value_ret);

#endif
