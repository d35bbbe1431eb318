/* address.h - addresses of peers: as text for applications, as bytes for us. */
#ifndef INLAY_BASE_ADDRESS_H
#define INLAY_BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* An address as ASGI's scope has it: host and port, or a path and -1. */
struct inlay_address {
    char host[108]; /* NUL-terminated; "" unknown */
    int port;       /* -1: a Unix socket */
};

/* An IP address in network order; IPv4 is mapped (RFC 4291 2.5.5.2), so that
 * both spellings of one are equal. */
struct inlay_ip {
    uint8_t bytes[16];
};

#define INLAY_IP_TEXT 46 /* the longest one and its NUL */

/* "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"; nothing around it. */
bool inlay_ip_parse(struct inlay_str text, struct inlay_ip *ret);

/* Of `len` bytes: 4 or 16. */
struct inlay_ip inlay_ip_make(const uint8_t *bytes, size_t len);

bool inlay_ip_is_v4(const struct inlay_ip *ip);

/* The shortest text (RFC 5952), NUL-terminated; IPv4 as IPv4. */
void inlay_ip_format(const struct inlay_ip *ip, char ret[INLAY_IP_TEXT]);

/* Decimal, 0 to 65535, no sign, no leading zeros; -1: not a port. */
int inlay_port_parse(struct inlay_str text);

#endif
