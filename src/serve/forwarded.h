/*
 * forwarded.h - what a trusted proxy says of the client: X-Forwarded-For,
 * -Proto, -Host, -Port, -Prefix, or Forwarded (RFC 7239). docs/proxies.md has
 * the rules. I/O thread only.
 */
#ifndef INLAY_SERVE_FORWARDED_H
#define INLAY_SERVE_FORWARDED_H

#include "base/networks.h"
#include "serve/request.h"

/*
 * Only of a request whose peer is trusted. Sets the request's client, scheme
 * and root_path and the value of its host header; memory is the request's
 * arena. What is not valid is left out; a client that can't be read is
 * "unknown", so that nobody takes the proxy for it. 0, or -1 without memory.
 */
int inlay_forwarded_apply(struct inlay_request *request,
                          const struct inlay_networks *trusted);

/* forwarded_header.c: the grammar of Forwarded. One element's parameters, as
 * they are sent, without quotes; ptr NULL: not given. */
struct inlay_forwarded_element {
    struct inlay_str node; /* for= */
    struct inlay_str host, proto;
};

/*
 * Takes the next element off `rest`, with the comma behind it. 1; 0: there is
 * none; -1: it is malformed, and so is the rest. A value with escapes becomes a
 * copy in the arena.
 */
int inlay_forwarded_next(struct inlay_str *rest,
                         struct inlay_arena *arena,
                         struct inlay_forwarded_element *ret);

#endif
