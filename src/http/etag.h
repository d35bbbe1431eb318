/* etag.h - comparing entity tags (RFC 9110 8.8.3). */
#ifndef INLAY_HTTP_ETAG_H
#define INLAY_HTTP_ETAG_H

#include "base/str.h"

/*
 * Is `etag` (strong: "…" with its quotes) in the list of an If-Match or
 * If-None-Match header, or is that "*"? `weak`: W/"…" is equal to it as well
 * (8.8.3.2). What follows a part that is no entity tag is not looked at.
 */
bool inlay_etag_listed(struct inlay_str list, struct inlay_str etag, bool weak);

#endif
