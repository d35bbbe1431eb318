#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/macros.h"

#include "base/banned.h"

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

_Static_assert(INLAY_IP_TEXT >= INET6_ADDRSTRLEN, "holds any address");

struct inlay_ip inlay_ip_make(const uint8_t *bytes, size_t len)
{
    struct inlay_ip ip;

    if (len == 4) {
        memcpy(ip.bytes, mapped, sizeof(mapped));
        memcpy(ip.bytes + sizeof(mapped), bytes, 4);
    } else {
        memcpy(ip.bytes, bytes, sizeof(ip.bytes));
    }
    return ip;
}

bool inlay_ip_parse(struct inlay_str text, struct inlay_ip *ret)
{
    char copy[INLAY_IP_TEXT];
    uint8_t bytes[16];

    if (text.len == 0 || text.len >= sizeof(copy) ||
        memchr(text.ptr, '\0', text.len))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    bool v6 = memchr(text.ptr, ':', text.len) != NULL;
    if (inet_pton(v6 ? AF_INET6 : AF_INET, copy, bytes) != 1)
        return false;
    *ret = inlay_ip_make(bytes, v6 ? 16 : 4);
    return true;
}

bool inlay_ip_is_v4(const struct inlay_ip *ip)
{
    return memcmp(ip->bytes, mapped, sizeof(mapped)) == 0;
}

void inlay_ip_format(const struct inlay_ip *ip, char ret[INLAY_IP_TEXT])
{
    if (inlay_ip_is_v4(ip))
        inet_ntop(AF_INET, ip->bytes + sizeof(mapped), ret, INLAY_IP_TEXT);
    else
        inet_ntop(AF_INET6, ip->bytes, ret, INLAY_IP_TEXT);
}

int inlay_port_parse(struct inlay_str text)
{
    int port = 0;

    if (text.len == 0 || text.len > 5 || (text.len > 1 && text.ptr[0] == '0'))
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return -1;
        port = port * 10 + (text.ptr[i] - '0');
    }
    return port <= 65535 ? port : -1;
}
