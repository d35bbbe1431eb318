/* networks.h - a list of addresses and networks, and who is on it. */
#ifndef INLAY_BASE_NETWORKS_H
#define INLAY_BASE_NETWORKS_H

#include "base/address.h"
#include "base/arena.h"
#include "base/error.h"

struct inlay_network {
    struct inlay_ip ip;
    unsigned bits; /* leading ones of the mask, of 128 */
};

struct inlay_networks {
    struct inlay_network *items;
    size_t count;
    bool everyone;     /* "*" */
    bool unix_sockets; /* "unix": peers at the other end of one */
};

/*
 * Reads "192.0.2.1", "10.0.0.0/8", "2001:db8::/32", "*" and "unix". `option`
 * is how the list is called in messages. Memory is the arena's. An entry that
 * is none of these, or whose address has bits behind the prefix, is a
 * ValueError that names it.
 */
struct inlay_error *inlay_networks_parse(const char *option,
                                         const struct inlay_str *entries,
                                         size_t count,
                                         struct inlay_arena *arena,
                                         struct inlay_networks *ret);

bool inlay_networks_have(const struct inlay_networks *networks,
                         const struct inlay_ip *ip);

/* The peer of a connection: an address or a Unix socket. */
bool inlay_networks_have_peer(const struct inlay_networks *networks,
                              const struct inlay_address *peer);

#endif
