#include "db/pg_numeric.h"

#include <stdbool.h>

#include "base/macros.h"
#include "db/cell.h"
#include "db/pg_read.h"

#include "base/banned.h"

#define HEAD_SIZE 8
#define GROUP_DIGITS 4
#define GROUP_MOST 9999
#define SCALE_MOST 0x3FFF

enum sign {
    SIGN_PLUS = 0x0000,
    SIGN_MINUS = 0x4000,
    SIGN_NAN = 0xC000,
    SIGN_INFINITY = 0xD000,
    SIGN_NEGATIVE_INFINITY = 0xF000,
};

static const char damaged[] = "damaged: not the binary form of a numeric";

/* Groups of four decimal digits; the first counts 10000 to the `weight`. */
struct numeric {
    const char *groups;
    int ngroups, weight;
    unsigned sign, scale; /* digits behind the point */
};

static bool take_apart(struct inlay_str value, struct numeric *ret)
{
    if (value.len < HEAD_SIZE)
        return false;
    *ret = (struct numeric){
        .groups = value.ptr + HEAD_SIZE,
        .ngroups = inlay_pg_u16(value.ptr),
        .weight = (int16_t)inlay_pg_u16(value.ptr + 2),
        .sign = inlay_pg_u16(value.ptr + 4),
        .scale = inlay_pg_u16(value.ptr + 6),
    };
    return ret->scale <= SCALE_MOST &&
           value.len == HEAD_SIZE + (size_t)ret->ngroups * 2;
}

/* Zero outside of those that are there; -1: none. */
static int group_at(const struct numeric *number, int index)
{
    int group;

    if (index < 0 || index >= number->ngroups)
        return 0;
    group = inlay_pg_u16(number->groups + (size_t)index * 2);
    return group <= GROUP_MOST ? group : -1;
}

/* `count` of the group's four digits, the first ones. */
static char *put_group(char *at, int group, unsigned count)
{
    for (int unit = 1000; count > 0; count--, unit /= 10)
        *at++ = (char)('0' + group / unit % 10);
    return at;
}

/* Before the point, without zeros in front. */
static char *put_whole(const struct numeric *number, char *at)
{
    if (number->weight < 0) {
        *at++ = '0';
        return at;
    }
    for (int i = 0; i <= number->weight; i++) {
        int group = group_at(number, i);

        if (group < 0)
            return NULL;
        if (i == 0)
            at += inlay_format_u64(at, (uint64_t)group);
        else
            at = put_group(at, group, GROUP_DIGITS);
    }
    return at;
}

static char *put_fraction(const struct numeric *number, char *at)
{
    int index = number->weight + 1; /* below zero: groups that are zero */
    unsigned left = number->scale;

    if (left == 0)
        return at;
    *at++ = '.';
    for (; left > 0; index++) {
        unsigned count = inlay_min(left, (unsigned)GROUP_DIGITS);
        int group = group_at(number, index);

        if (group < 0)
            return NULL;
        at = put_group(at, group, count);
        left -= count;
    }
    return at;
}

static struct inlay_str put(const struct numeric *number,
                            struct inlay_arena *arena,
                            const char **why_ret)
{
    size_t whole =
        number->weight < 0 ? 1 : ((size_t)number->weight + 1) * GROUP_DIGITS;
    /* A sign, a point; the shortest integer asks for 20 bytes. */
    char *text = inlay_arena_alloc(arena, whole + number->scale + 2 + 20);
    char *at = text;

    *why_ret = inlay_cell_no_memory;
    if (!text)
        return inlay_str_make(NULL, 0);
    if (number->sign == SIGN_MINUS)
        *at++ = '-';
    at = put_whole(number, at);
    if (at)
        at = put_fraction(number, at);
    *why_ret = damaged;
    return at ? inlay_str_make(text, (size_t)(at - text))
              : inlay_str_make(NULL, 0);
}

struct inlay_str inlay_pg_numeric(struct inlay_str value,
                                  struct inlay_arena *arena,
                                  const char **why_ret)
{
    struct numeric number;

    *why_ret = damaged;
    if (!take_apart(value, &number))
        return inlay_str_make(NULL, 0);
    switch (number.sign) {
    case SIGN_PLUS:
    case SIGN_MINUS:
        return put(&number, arena, why_ret);
    case SIGN_NAN:
        return INLAY_STR("NaN");
    case SIGN_INFINITY:
        return INLAY_STR("Infinity");
    case SIGN_NEGATIVE_INFINITY:
        return INLAY_STR("-Infinity");
    default:
        return inlay_str_make(NULL, 0);
    }
}
