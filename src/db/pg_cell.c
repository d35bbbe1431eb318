/* pg_cell.c - values in PostgreSQL's binary format -> cells. */
#include "base/macros.h"
#include "db/pg_numeric.h"
#include "db/pg_read.h"
#include "db/pg_types.h"
#include "type/calendar.h"

#include "base/banned.h"

/* src/include/catalog/pg_type.dat */
enum oid {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_CHAR = 18,
    OID_NAME = 19,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_REGPROC = 24,
    OID_TEXT = 25,
    OID_OID = 26,
    OID_XID = 28,
    OID_CID = 29,
    OID_JSON = 114,
    OID_XML = 142,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_UNKNOWN = 705,
    OID_BPCHAR = 1042,
    OID_VARCHAR = 1043,
    OID_DATE = 1082,
    OID_TIME = 1083,
    OID_TIMESTAMP = 1114,
    OID_TIMESTAMPTZ = 1184,
    OID_INTERVAL = 1186,
    OID_TIMETZ = 1266,
    OID_NUMERIC = 1700,
    OID_REGCLASS = 2205,
    OID_REGTYPE = 2206,
    OID_CSTRING = 2275,
    OID_VOID = 2278,
    OID_UUID = 2950,
    OID_JSONB = 3802,
    /* The first of what users create: enums, domains' arrays, extensions. */
    OID_USER = 16384,
};

#define DAYS_2000 10957 /* from 1970-01-01 to 2000-01-01 */
#define DAY_US ((int64_t)86400 * 1000000)
#define ARRAY_HEAD 12
#define ARRAY_DIMENSION 8

static inlay_cold const char *damaged(void)
{
    return "damaged: its length is not that of its type";
}

/* --- Scalars -------------------------------------------------------------- */

static const char *set_text(struct inlay_cell *ret,
                            enum inlay_cell_kind kind,
                            struct inlay_str text)
{
    ret->kind = kind;
    ret->text = text.len ? text : inlay_str_make("", 0);
    return NULL;
}

static const char *set_integer(struct inlay_cell *ret, int64_t value)
{
    ret->kind = INLAY_CELL_INT;
    ret->integer = value;
    return NULL;
}

/* Of 2, 4 or 8 bytes. */
static const char *of_integer(struct inlay_str value,
                              size_t size,
                              struct inlay_cell *ret)
{
    if (inlay_unlikely(value.len != size))
        return damaged();
    if (size == 2)
        return set_integer(ret, (int16_t)inlay_pg_u16(value.ptr));
    if (size == 4)
        return set_integer(ret, (int32_t)inlay_pg_u32(value.ptr));
    return set_integer(ret, (int64_t)inlay_pg_u64(value.ptr));
}

static const char *of_oid(struct inlay_str value, struct inlay_cell *ret)
{
    return value.len == 4 ? set_integer(ret, inlay_pg_u32(value.ptr))
                          : damaged();
}

static const char *of_bool(struct inlay_str value, struct inlay_cell *ret)
{
    if (value.len != 1)
        return damaged();
    ret->kind = INLAY_CELL_BOOL;
    ret->boolean = value.ptr[0] != 0;
    return NULL;
}

static const char *of_float(struct inlay_str value, struct inlay_cell *ret)
{
    uint32_t bits;
    float narrow;

    if (value.len != sizeof(narrow))
        return damaged();
    bits = inlay_pg_u32(value.ptr);
    memcpy(&narrow, &bits, sizeof(narrow));
    ret->kind = INLAY_CELL_REAL;
    ret->narrow = true;
    ret->real = (double)narrow;
    return NULL;
}

static const char *of_double(struct inlay_str value, struct inlay_cell *ret)
{
    uint64_t bits;

    if (value.len != sizeof(ret->real))
        return damaged();
    bits = inlay_pg_u64(value.ptr);
    ret->kind = INLAY_CELL_REAL;
    memcpy(&ret->real, &bits, sizeof(bits));
    return NULL;
}

/* "char": one byte; 0 is the empty text. */
static const char *of_char(struct inlay_str value, struct inlay_cell *ret)
{
    if (value.len != 1)
        return damaged();
    return set_text(ret, INLAY_CELL_TEXT,
                    inlay_str_make(value.ptr, value.ptr[0] != 0));
}

/* jsonb_send: a version, then its text. */
static const char *of_jsonb(struct inlay_str value, struct inlay_cell *ret)
{
    if (value.len < 1)
        return damaged();
    if (value.ptr[0] != 1)
        return "its form of jsonb is of a PostgreSQL that is newer than this: "
               "select it as json, with ::json";
    return set_text(ret, INLAY_CELL_JSON,
                    inlay_str_make(value.ptr + 1, value.len - 1));
}

static const char *of_uuid(struct inlay_str value, struct inlay_cell *ret)
{
    if (value.len != sizeof(ret->uuid))
        return damaged();
    ret->kind = INLAY_CELL_UUID;
    memcpy(&ret->uuid, value.ptr, sizeof(ret->uuid));
    return NULL;
}

static const char *of_numeric(struct inlay_str value,
                              struct inlay_arena *arena,
                              struct inlay_cell *ret)
{
    const char *why;
    struct inlay_str text = inlay_pg_numeric(value, arena, &why);

    return text.ptr ? set_text(ret, INLAY_CELL_TEXT, text) : why;
}

/* --- Dates and times ------------------------------------------------------ */

static inlay_cold const char *infinite(void)
{
    return "infinity, which no date in C can be: select it as text, with "
           "::text, or nullif(…, 'infinity')";
}

static inlay_cold const char *out_of_years(void)
{
    return "not of the years 1 to 9999, which dates in C have: select it as "
           "text, with ::text";
}

static const char *of_date(struct inlay_str value, struct inlay_cell *ret)
{
    int32_t days;
    int64_t since;

    if (value.len != sizeof(days))
        return damaged();
    days = (int32_t)inlay_pg_u32(value.ptr);
    if (days == INT32_MAX || days == INT32_MIN)
        return infinite();
    since = (int64_t)days + DAYS_2000;
    if (since < inlay_time_days(1, 1, 1) ||
        since > inlay_time_days(9999, 12, 31))
        return out_of_years();
    ret->kind = INLAY_CELL_DATE;
    ret->date = inlay_time_date(since);
    return NULL;
}

static const char *of_timestamp(struct inlay_str value,
                                int32_t offset,
                                struct inlay_cell *ret)
{
    struct inlay_clock clock;
    inlay_datetime moment = {.offset = offset};
    int64_t us;

    if (value.len != sizeof(us))
        return damaged();
    us = (int64_t)inlay_pg_u64(value.ptr);
    if (us == INT64_MAX || us == INT64_MIN)
        return infinite();
    if (__builtin_add_overflow(us, DAYS_2000 * DAY_US, &moment.us) ||
        !inlay_time_clock(moment, &clock))
        return out_of_years();
    ret->kind = INLAY_CELL_DATETIME;
    ret->datetime = moment;
    return NULL;
}

/* "04:05:06.789", as time_out writes it: no zeros at the end. Into `at`, which
 * has room for 15. */
static char *put_time(char *at, int64_t us)
{
    const int64_t parts[] = {us / 3600000000, us / 60000000 % 60,
                             us / 1000000 % 60};
    int64_t rest = us % 1000000;

    for (size_t i = 0; i < inlay_array_size(parts); i++) {
        if (i)
            *at++ = ':';
        *at++ = (char)('0' + parts[i] / 10);
        *at++ = (char)('0' + parts[i] % 10);
    }
    if (rest)
        *at++ = '.';
    for (int64_t unit = 100000; rest > 0; unit /= 10) {
        *at++ = (char)('0' + rest / unit);
        rest %= unit;
    }
    return at;
}

/* "+05:30": hours, then what is not zero. PostgreSQL's count is west. */
static char *put_zone(char *at, int32_t west)
{
    int32_t size = west < 0 ? -west : west;
    const int32_t parts[] = {size / 3600, size / 60 % 60, size % 60};
    size_t count = parts[2] ? 3 : parts[1] ? 2 : 1;

    *at++ = west > 0 ? '-' : '+';
    for (size_t i = 0; i < count; i++) {
        if (i)
            *at++ = ':';
        *at++ = (char)('0' + parts[i] / 10);
        *at++ = (char)('0' + parts[i] % 10);
    }
    return at;
}

/* time, and timetz behind which its zone is. C has no such type: text. */
static const char *of_time(struct inlay_str value,
                           bool has_zone,
                           struct inlay_arena *arena,
                           struct inlay_cell *ret)
{
    const size_t size = 32;
    int32_t west = 0;
    int64_t us;
    char *text, *at;

    if (value.len != (has_zone ? 12 : 8))
        return damaged();
    us = (int64_t)inlay_pg_u64(value.ptr);
    if (has_zone)
        west = (int32_t)inlay_pg_u32(value.ptr + 8);
    /* 24:00:00 is one. Zones are less than 16 hours (MAX_TZDISP_HOUR). */
    if (us < 0 || us > DAY_US || west <= -16 * 3600 || west >= 16 * 3600)
        return "damaged: not a time of a day";
    text = inlay_arena_alloc(arena, size);
    if (!text)
        return inlay_cell_no_memory;
    at = put_time(text, us);
    if (has_zone)
        at = put_zone(at, west);
    return set_text(ret, INLAY_CELL_TEXT,
                    inlay_str_make(text, (size_t)(at - text)));
}

/* --- All but arrays ------------------------------------------------------- */

static const char *name_of(uint32_t oid)
{
    static const struct {
        uint32_t oid;
        const char *name;
    } names[] = {
        {600, "point"},      {603, "box"},        {650, "cidr"},
        {718, "circle"},     {774, "macaddr8"},   {790, "money"},
        {829, "macaddr"},    {869, "inet"},       {OID_INTERVAL, "interval"},
        {1560, "bit"},       {1562, "varbit"},    {2249, "record"},
        {3220, "pg_lsn"},    {3614, "tsvector"},  {3615, "tsquery"},
        {3904, "int4range"}, {3906, "numrange"},  {3908, "tsrange"},
        {3910, "tstzrange"}, {3912, "daterange"}, {3926, "int8range"},
    };

    for (size_t i = 0; i < inlay_array_size(names); i++)
        if (names[i].oid == oid)
            return names[i].name;
    return NULL;
}

static inlay_cold const char *unknown(uint32_t oid, struct inlay_arena *arena)
{
    const char *name = name_of(oid);
    struct inlay_str why;

    if (name)
        why = inlay_arena_format(
            arena, "%s has no form in C: select it as text, with ::text", name);
    else
        why = inlay_arena_format(
            arena,
            "the type with the oid %u has no form in C: select it as text, "
            "with ::text",
            (unsigned)oid);
    return why.ptr ? why.ptr : inlay_cell_no_memory;
}

/* Enums and other types of text (citext) come as their text. */
static const char *of_user(uint32_t oid,
                           struct inlay_str value,
                           struct inlay_arena *arena,
                           struct inlay_cell *ret)
{
    if ((value.len && memchr(value.ptr, '\0', value.len)) ||
        !inlay_utf8_valid(value))
        return unknown(oid, arena);
    return set_text(ret, INLAY_CELL_TEXT, value);
}

static const char *of_scalar(uint32_t oid,
                             struct inlay_str value,
                             struct inlay_arena *arena,
                             struct inlay_cell *ret)
{
    switch (oid) {
    case OID_INT8:
        return of_integer(value, 8, ret);
    case OID_INT4:
        return of_integer(value, 4, ret);
    case OID_INT2:
        return of_integer(value, 2, ret);
    case OID_TEXT:
    case OID_VARCHAR:
    case OID_BPCHAR:
    case OID_NAME:
    case OID_XML:
    case OID_UNKNOWN:
    case OID_CSTRING:
        return set_text(ret, INLAY_CELL_TEXT, value);
    case OID_BOOL:
        return of_bool(value, ret);
    case OID_FLOAT8:
        return of_double(value, ret);
    case OID_FLOAT4:
        return of_float(value, ret);
    case OID_BYTEA:
        return set_text(ret, INLAY_CELL_BYTES, value);
    case OID_CHAR:
        return of_char(value, ret);
    case OID_OID:
    case OID_XID:
    case OID_CID:
    case OID_REGPROC:
    case OID_REGCLASS:
    case OID_REGTYPE:
        return of_oid(value, ret);
    case OID_JSON:
        return set_text(ret, INLAY_CELL_JSON, value);
    case OID_JSONB:
        return of_jsonb(value, ret);
    case OID_UUID:
        return of_uuid(value, ret);
    case OID_DATE:
        return of_date(value, ret);
    case OID_TIMESTAMP:
        return of_timestamp(value, INLAY_NAIVE, ret);
    case OID_TIMESTAMPTZ:
        return of_timestamp(value, 0, ret);
    case OID_TIME:
        return of_time(value, false, arena, ret);
    case OID_TIMETZ:
        return of_time(value, true, arena, ret);
    case OID_NUMERIC:
        return of_numeric(value, arena, ret);
    case OID_VOID: /* of a function that gives nothing */
        return NULL;
    default:
        return oid >= OID_USER ? of_user(oid, value, arena, ret)
                               : unknown(oid, arena);
    }
}

/* --- Arrays --------------------------------------------------------------- */

/* Those of the catalog; a user's array says itself what it is. */
static bool is_array(uint32_t oid)
{
    switch (oid) {
    case 143:  /* xml */
    case 199:  /* json */
    case 1000: /* bool */
    case 1001: /* bytea */
    case 1002: /* "char" */
    case 1003: /* name */
    case 1005: /* int2 */
    case 1007: /* int4 */
    case 1009: /* text */
    case 1014: /* bpchar */
    case 1015: /* varchar */
    case 1016: /* int8 */
    case 1021: /* float4 */
    case 1022: /* float8 */
    case 1028: /* oid */
    case 1115: /* timestamp */
    case 1182: /* date */
    case 1183: /* time */
    case 1185: /* timestamptz */
    case 1231: /* numeric */
    case 1270: /* timetz */
    case 2951: /* uuid */
    case 3807: /* jsonb */
        return true;
    default:
        return false;
    }
}

/*
 * array_send: dimensions, whether there are NULLs, the elements' oid; of each
 * dimension its size and first index; the elements, each behind its length.
 */
struct array {
    uint32_t dimensions, elem;
    size_t count;
    const char *at, *end; /* of the elements */
};

/* The bounds of the head alone. False: no array. */
static bool take_head(struct inlay_str value, struct array *ret)
{
    const uint32_t dimensions_most = 6; /* MAXDIM */
    uint32_t flags;
    size_t head;

    if (value.len < ARRAY_HEAD)
        return false;
    ret->dimensions = inlay_pg_u32(value.ptr);
    flags = inlay_pg_u32(value.ptr + 4);
    ret->elem = inlay_pg_u32(value.ptr + 8);
    if (ret->dimensions > dimensions_most || flags > 1 || ret->elem == 0)
        return false;
    head = ARRAY_HEAD + (size_t)ret->dimensions * ARRAY_DIMENSION;
    if (value.len < head)
        return false;
    ret->at = value.ptr + head;
    ret->end = value.ptr + value.len;
    ret->count = ret->dimensions ? inlay_pg_u32(value.ptr + ARRAY_HEAD) : 0;
    return true;
}

static inline size_t left(const struct array *array)
{
    return (size_t)(array->end - array->at);
}

/* The next element; ptr is NULL of a NULL. False: beyond the end. */
static bool take_element(struct array *array, struct inlay_str *ret)
{
    uint32_t len;

    if (left(array) < 4)
        return false;
    len = inlay_pg_u32(array->at);
    array->at += 4;
    *ret = inlay_str_make(NULL, 0);
    if (len == UINT32_MAX)
        return true;
    if (left(array) < len)
        return false;
    *ret = inlay_str_make(array->at, len);
    array->at += len;
    return true;
}

/* Of one dimension, is it whole and nothing more? */
static bool is_whole(struct array array)
{
    struct inlay_str value;

    if (array.count > left(&array) / 4)
        return false;
    for (size_t i = 0; i < array.count; i++)
        if (!take_element(&array, &value))
            return false;
    return left(&array) == 0;
}

static const char *of_elements(struct array array,
                               struct inlay_arena *arena,
                               struct inlay_cell *ret)
{
    struct inlay_str value;
    struct inlay_cell *cells = NULL;

    if (array.count) {
        cells = inlay_arena_zalloc_array(arena, array.count, sizeof(*cells));
        if (!cells)
            return inlay_cell_no_memory;
    }
    for (size_t i = 0; i < array.count; i++) {
        const char *why = NULL;

        if (!take_element(&array, &value))
            return damaged();
        if (value.ptr)
            why = of_scalar(array.elem, value, arena, &cells[i]);
        if (why)
            return why;
    }
    ret->kind = INLAY_CELL_ARRAY;
    ret->elements = cells;
    ret->nelements = array.count;
    return NULL;
}

static const char *of_array(struct inlay_str value,
                            struct inlay_arena *arena,
                            struct inlay_cell *ret)
{
    struct array array;

    if (!take_head(value, &array))
        return "damaged: not the binary form of an array";
    if (array.dimensions > 1)
        return "an array of more than one dimension has no form in C: select "
               "it as JSON, with to_jsonb(…)";
    if (!is_whole(array))
        return "damaged: not the binary form of an array";
    return of_elements(array, arena, ret);
}

/* A user's type: its text has no NULs, an array's head has. */
static bool looks_like_array(struct inlay_str value)
{
    struct array array;

    return take_head(value, &array) &&
           (array.dimensions > 1 || is_whole(array));
}

const char *inlay_pg_cell(uint32_t oid,
                          struct inlay_str value,
                          struct inlay_arena *arena,
                          struct inlay_cell *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (is_array(oid) || (oid >= OID_USER && looks_like_array(value)))
        return of_array(value, arena, ret);
    return of_scalar(oid, value, arena, ret);
}
