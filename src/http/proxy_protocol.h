/*
 * proxy_protocol.h - the header by which a load balancer says on whose behalf
 * it connects (HAProxy's proxy-protocol.txt, versions 1 and 2): bytes in, two
 * addresses out; no socket. Any chunking of the same bytes gives the same.
 */
#ifndef INLAY_HTTP_PROXY_PROTOCOL_H
#define INLAY_HTTP_PROXY_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

#define INLAY_PROXY_V1_MOST 107 /* bytes of a v1 line, CRLF included */
#define INLAY_PROXY_V2_MOST                                                    \
    4096                     /* of a v2 header behind its first 16 bytes:
                                    addresses and TLVs, which are skipped */
#define INLAY_PROXY_KEPT 232 /* all that is looked at: Unix, v2 */

struct inlay_proxy_protocol {
    char kept[INLAY_PROXY_KEPT]; /* the header's first bytes */
    size_t seen;                 /* bytes of the header so far */
    size_t size;                 /* of a v2 header, once it is known; else 0 */
};

/* What it said. */
struct inlay_proxy_peers {
    bool known; /* false: LOCAL, UNKNOWN, or of another kind: the connection's
                   own addresses stay */
    struct inlay_address client, local;
};

enum inlay_proxy_status {
    INLAY_PROXY_MORE = 0,
    INLAY_PROXY_DONE = 1,
    INLAY_PROXY_ERROR = -1, /* no such header; feed no more */
};

void inlay_proxy_protocol_init(struct inlay_proxy_protocol *proxy);

/*
 * Takes bytes up to the header's end, never past it: `taken_ret` says how many.
 * Wrong bytes are an error as soon as they are seen. `ret` is written with
 * DONE.
 */
enum inlay_proxy_status inlay_proxy_protocol_feed(
    struct inlay_proxy_protocol *proxy,
    const char *data,
    size_t len,
    size_t *taken_ret,
    struct inlay_proxy_peers *ret);

#endif
