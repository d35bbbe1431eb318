#include "http/proxy_protocol.h"

#include "base/macros.h"

#include "base/banned.h"

#define V2_FIXED 16
#define UNIX_PATH 108

_Static_assert(INLAY_PROXY_KEPT >= V2_FIXED + 2 * UNIX_PATH, "holds any v2");
_Static_assert(INLAY_PROXY_KEPT >= INLAY_PROXY_V1_MOST, "holds any v1");

static const char v1_start[] = "PROXY ";
static const char v2_start[] = "\r\n\r\n\0\r\nQUIT\n";

static struct inlay_str start_of(const char *kept)
{
    return kept[0] == v1_start[0]
               ? inlay_str_make(v1_start, sizeof(v1_start) - 1)
               : inlay_str_make(v2_start, sizeof(v2_start) - 1);
}

void inlay_proxy_protocol_init(struct inlay_proxy_protocol *proxy)
{
    proxy->seen = proxy->size = 0;
}

static void set_ip(struct inlay_address *address,
                   const struct inlay_ip *ip,
                   int port)
{
    inlay_ip_format(ip, address->host);
    address->port = port;
}

/* --- Version 1: a line --------------------------------------------------- */

/* The text up to the next space, which is taken too, or all of it. */
static struct inlay_str next_word(struct inlay_str *rest)
{
    const char *space = rest->len ? memchr(rest->ptr, ' ', rest->len) : NULL;
    size_t len = space ? (size_t)(space - rest->ptr) : rest->len;
    struct inlay_str word = inlay_str_make(rest->ptr, len);

    rest->ptr += len + (space ? 1 : 0);
    rest->len -= len + (space ? 1 : 0);
    return word;
}

/* "TCP4 192.0.2.1 192.0.2.2 56324 443", or "UNKNOWN" and anything. */
static enum inlay_proxy_status read_line(struct inlay_str line,
                                         struct inlay_proxy_peers *ret)
{
    struct inlay_str family = next_word(&line), words[4];
    struct inlay_ip client, local;

    if (inlay_str_is(family, "UNKNOWN")) {
        *ret = (struct inlay_proxy_peers){.known = false};
        return INLAY_PROXY_DONE;
    }
    bool v6 = inlay_str_is(family, "TCP6");
    if (!v6 && !inlay_str_is(family, "TCP4"))
        return INLAY_PROXY_ERROR;
    for (size_t i = 0; i < 3; i++)
        words[i] = next_word(&line);
    words[3] = line; /* a further word makes it no number */
    int client_port = inlay_port_parse(words[2]);
    int local_port = inlay_port_parse(words[3]);
    for (size_t i = 0; i < 2; i++) {
        bool colon =
            words[i].len && memchr(words[i].ptr, ':', words[i].len) != NULL;
        if (colon != v6)
            return INLAY_PROXY_ERROR;
    }
    if (!inlay_ip_parse(words[0], &client) ||
        !inlay_ip_parse(words[1], &local) || client_port < 0 || local_port < 0)
        return INLAY_PROXY_ERROR;
    *ret = (struct inlay_proxy_peers){.known = true};
    set_ip(&ret->client, &client, client_port);
    set_ip(&ret->local, &local, local_port);
    return INLAY_PROXY_DONE;
}

static enum inlay_proxy_status feed_line(struct inlay_proxy_protocol *proxy,
                                         char byte,
                                         struct inlay_proxy_peers *ret)
{
    bool after_cr = proxy->kept[proxy->seen - 1] == '\r';

    proxy->kept[proxy->seen++] = byte;
    if (byte == '\n' && after_cr)
        return read_line(inlay_str_make(proxy->kept + sizeof(v1_start) - 1,
                                        proxy->seen - sizeof(v1_start) - 1),
                         ret);
    if (byte == '\n' || after_cr || proxy->seen == INLAY_PROXY_V1_MOST)
        return INLAY_PROXY_ERROR;
    return INLAY_PROXY_MORE;
}

/* --- Version 2: binary --------------------------------------------------- */

static unsigned u16(const char *at)
{
    return (unsigned)(uint8_t)at[0] << 8 | (uint8_t)at[1];
}

/* Bytes of both addresses, by the family's number; 0: unspecified. */
static const size_t v2_addresses[] = {0, 12, 36, 2 * UNIX_PATH};

/* The first 16 bytes are there: is it one, and how long? */
static enum inlay_proxy_status read_fixed(struct inlay_proxy_protocol *proxy)
{
    unsigned version = (uint8_t)proxy->kept[12] >> 4;
    unsigned command = proxy->kept[12] & 15;
    unsigned family = (uint8_t)proxy->kept[13] >> 4;
    unsigned transport = proxy->kept[13] & 15;
    size_t len = u16(proxy->kept + 14);

    if (version != 2 || command > 1 || len > INLAY_PROXY_V2_MOST)
        return INLAY_PROXY_ERROR;
    /* A LOCAL one is by the balancer itself: the rest means nothing. */
    if (command == 1 &&
        (family >= inlay_array_size(v2_addresses) || transport > 2 ||
         (transport && len < v2_addresses[family])))
        return INLAY_PROXY_ERROR;
    proxy->size = V2_FIXED + len;
    return INLAY_PROXY_MORE;
}

static void set_path(struct inlay_address *address, const char *from)
{
    size_t len =
        strnlen(from, inlay_min((size_t)UNIX_PATH, sizeof(address->host) - 1));

    memcpy(address->host, from, len);
    address->host[len] = '\0';
    address->port = -1;
}

static void read_v2(const char *kept, struct inlay_proxy_peers *ret)
{
    const char *at = kept + V2_FIXED;
    unsigned family = (uint8_t)kept[13] >> 4;
    size_t half = 4;

    /* Of a PROXY command and a stream; who speaks of datagrams or of nothing
     * has not said who is there. */
    *ret = (struct inlay_proxy_peers){
        .known = (kept[12] & 15) == 1 && family && (kept[13] & 15) == 1,
    };
    if (!ret->known)
        return;
    if (family == 3) {
        set_path(&ret->client, at);
        set_path(&ret->local, at + UNIX_PATH);
        return;
    }
    if (family == 2)
        half = 16;
    struct inlay_ip client = inlay_ip_make((const uint8_t *)at, half);
    struct inlay_ip local = inlay_ip_make((const uint8_t *)at + half, half);
    set_ip(&ret->client, &client, (int)u16(at + 2 * half));
    set_ip(&ret->local, &local, (int)u16(at + 2 * half + 2));
}

/* --- Both ---------------------------------------------------------------- */

/* The first bytes, which say what it is. */
static enum inlay_proxy_status feed_start(struct inlay_proxy_protocol *proxy,
                                          char byte)
{
    proxy->kept[proxy->seen] = byte;
    struct inlay_str start = start_of(proxy->kept);
    if (proxy->seen < start.len) {
        if (byte != start.ptr[proxy->seen])
            return INLAY_PROXY_ERROR;
        proxy->seen++;
        return INLAY_PROXY_MORE;
    }
    proxy->seen++;
    return proxy->seen == V2_FIXED ? read_fixed(proxy) : INLAY_PROXY_MORE;
}

static bool is_line(const struct inlay_proxy_protocol *proxy)
{
    return proxy->seen >= sizeof(v1_start) - 1 && proxy->kept[0] == v1_start[0];
}

enum inlay_proxy_status inlay_proxy_protocol_feed(
    struct inlay_proxy_protocol *proxy,
    const char *data,
    size_t len,
    size_t *taken_ret,
    struct inlay_proxy_peers *ret)
{
    enum inlay_proxy_status status = INLAY_PROXY_MORE;
    size_t taken = 0;

    while (taken < len && status == INLAY_PROXY_MORE && !proxy->size) {
        if (is_line(proxy))
            status = feed_line(proxy, data[taken++], ret);
        else
            status = feed_start(proxy, data[taken++]);
    }
    if (proxy->size && status == INLAY_PROXY_MORE) {
        size_t more = inlay_min(len - taken, proxy->size - proxy->seen);

        if (proxy->seen < sizeof(proxy->kept) && more)
            memcpy(proxy->kept + proxy->seen, data + taken,
                   inlay_min(more, sizeof(proxy->kept) - proxy->seen));
        proxy->seen += more;
        taken += more;
        if (proxy->seen == proxy->size) {
            read_v2(proxy->kept, ret);
            status = INLAY_PROXY_DONE;
        }
    }
    *taken_ret = taken;
    return status;
}
