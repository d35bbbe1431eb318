/* pg_read.h - inside db/: big-endian numbers of PostgreSQL's binary forms. */
#ifndef INLAY_DB_PG_READ_H
#define INLAY_DB_PG_READ_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t inlay_pg_u16(const char *at)
{
    uint16_t value;

    memcpy(&value, at, sizeof(value));
    return be16toh(value);
}

static inline uint32_t inlay_pg_u32(const char *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return be32toh(value);
}

static inline uint64_t inlay_pg_u64(const char *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof(value));
    return be64toh(value);
}

#endif
