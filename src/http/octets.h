/* octets.h - what each byte may be part of, from one table. */
#ifndef INLAY_HTTP_OCTETS_H
#define INLAY_HTTP_OCTETS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"

enum inlay_octet {
    INLAY_OCTET_TOKEN = 1,  /* RFC 9110 5.6.2 tchar */
    INLAY_OCTET_VALUE = 2,  /* RFC 9110 5.5: no control but tab */
    INLAY_OCTET_HOST = 4,   /* RFC 3986 3.2.2 reg-name but "%"; and no comma:
                              it would be a list of hosts */
    INLAY_OCTET_TARGET = 8, /* RFC 9112 3.2: visible ASCII but "#" */
};

extern const uint8_t inlay_octets[256];

static inline bool inlay_octet_is(char c, enum inlay_octet what)
{
    return inlay_octets[(unsigned char)c] & what;
}

/* All of them? */
static inline bool inlay_octets_are(struct inlay_str text,
                                    enum inlay_octet what)
{
    uint8_t all = (uint8_t)what;

    for (size_t i = 0; i < text.len; i++)
        all &= inlay_octets[(unsigned char)text.ptr[i]];
    return all != 0;
}

/* Are eight bytes surely INLAY_OCTET_VALUE? Not when one is a tab. */
static inline bool inlay_octets_are_plain(const char *at)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t word, del;

    memcpy(&word, at, sizeof(word));
    del = word ^ (ones * 0x7f);
    return !((((word - ones * ' ') & ~word) | ((del - ones) & ~del)) & tops);
}

#endif
