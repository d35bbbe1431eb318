#include "base/networks.h"

#include "base/banned.h"

#define V4_BITS 96 /* of a mapped address, before the IPv4 one */

/* Do both have the same first bits? */
static bool same_bits(const struct inlay_ip *a,
                      const struct inlay_ip *b,
                      unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(a->bytes, b->bytes, whole) != 0)
        return false;
    if (rest == 0)
        return true;
    uint8_t mask = (uint8_t)(0xff << (8 - rest));
    return ((a->bytes[whole] ^ b->bytes[whole]) & mask) == 0;
}

static struct inlay_ip masked(struct inlay_ip ip, unsigned bits)
{
    for (unsigned i = 0; i < sizeof(ip.bytes); i++) {
        unsigned kept = bits <= i * 8 ? 0 : inlay_min(bits - i * 8, 8u);

        ip.bytes[i] &= (uint8_t)(0xff00 >> kept);
    }
    return ip;
}

static struct inlay_error *wrong(const char *option,
                                 struct inlay_str entry,
                                 const char *why)
{
    return inlay_error_create(INLAY_ERROR_VALUE, "%s: \"%.*s\" %s", option,
                              inlay_str_arg(entry), why);
}

static struct inlay_error *read_network(const char *option,
                                        struct inlay_str entry,
                                        struct inlay_network *ret)
{
    const char *slash = memchr(entry.ptr, '/', entry.len);
    size_t len = slash ? (size_t)(slash - entry.ptr) : entry.len;
    struct inlay_network network = {.bits = 128};

    if (!inlay_ip_parse(inlay_str_make(entry.ptr, len), &network.ip))
        return wrong(option, entry,
                     "is neither an IP address, a network such as 10.0.0.0/8, "
                     "\"*\" nor \"unix\"");
    if (slash) {
        unsigned skip = memchr(entry.ptr, ':', len) ? 0 : V4_BITS;
        int bits =
            inlay_port_parse(inlay_str_make(slash + 1, entry.len - len - 1));

        if (bits < 0 || (unsigned)bits + skip > 128)
            return wrong(option, entry,
                         skip
                             ? "needs a prefix length of 0 to 32 after the /"
                             : "needs a prefix length of 0 to 128 after the /");
        network.bits = (unsigned)bits + skip;
    }
    struct inlay_ip base = masked(network.ip, network.bits);
    if (!same_bits(&base, &network.ip, 128)) {
        char text[INLAY_IP_TEXT];

        inlay_ip_format(&base, text);
        return inlay_error_create(
            INLAY_ERROR_VALUE,
            "%s: \"%.*s\" has bits set behind the prefix; write %s%s", option,
            inlay_str_arg(entry), text, slash);
    }
    *ret = network;
    return NULL;
}

struct inlay_error *inlay_networks_parse(const char *option,
                                         const struct inlay_str *entries,
                                         size_t count,
                                         struct inlay_arena *arena,
                                         struct inlay_networks *ret)
{
    struct inlay_networks networks = {
        .items =
            inlay_arena_zalloc_array(arena, count + 1, sizeof(*networks.items)),
    };

    if (!networks.items)
        return inlay_error_no_memory();
    for (size_t i = 0; i < count; i++) {
        struct inlay_str entry = inlay_str_trim(entries[i]);

        if (inlay_str_is(entry, "*")) {
            networks.everyone = true;
        } else if (inlay_str_is(entry, "unix")) {
            networks.unix_sockets = true;
        } else {
            struct inlay_error *error =
                read_network(option, entry, &networks.items[networks.count]);

            if (error)
                return error;
            networks.count++;
        }
    }
    *ret = networks;
    return NULL;
}

bool inlay_networks_have(const struct inlay_networks *networks,
                         const struct inlay_ip *ip)
{
    if (networks->everyone)
        return true;
    for (size_t i = 0; i < networks->count; i++) {
        if (same_bits(&networks->items[i].ip, ip, networks->items[i].bits))
            return true;
    }
    return false;
}

bool inlay_networks_have_peer(const struct inlay_networks *networks,
                              const struct inlay_address *peer)
{
    struct inlay_ip ip;

    if (networks->everyone)
        return true;
    if (peer->port < 0)
        return networks->unix_sockets;
    return networks->count && inlay_ip_parse(inlay_str_from(peer->host), &ip) &&
           inlay_networks_have(networks, &ip);
}
