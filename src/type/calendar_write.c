/* calendar_write.c - dates, moments and UUIDs -> text. */
#include "type/calendar.h"
#include "type/uuid.h"

#include "base/banned.h"

/* `count` digits of `number`. */
static char *put(char *at, unsigned number, int count)
{
    for (int i = count - 1; i >= 0; i--, number /= 10)
        at[i] = (char)('0' + number % 10);
    return at + count;
}

static char *put_date(char *at, struct inlay_date date)
{
    at = put(at, (unsigned)date.year, 4);
    *at++ = '-';
    at = put(at, date.month, 2);
    *at++ = '-';
    return put(at, date.day, 2);
}

static char *put_offset(char *at, int32_t offset)
{
    unsigned minutes;

    if (offset == INLAY_NAIVE) /* which has no opposite */
        return at;
    if (offset == 0) {
        *at++ = 'Z';
        return at;
    }
    *at++ = offset < 0 ? '-' : '+';
    minutes = (unsigned)(offset < 0 ? -offset : offset) / 60;
    at = put(at, minutes / 60, 2);
    *at++ = ':';
    return put(at, minutes % 60, 2);
}

static int write_datetime(struct inlay_datetime moment, char *text)
{
    struct inlay_clock clock;
    char *at = text;

    if (moment.offset != INLAY_NAIVE)
        moment.offset -= moment.offset % 60;
    if (!inlay_time_clock(moment, &clock))
        return -1;
    at = put_date(at, clock.date);
    *at++ = 'T';
    at = put(at, clock.hour, 2);
    *at++ = ':';
    at = put(at, clock.minute, 2);
    *at++ = ':';
    at = put(at, clock.second, 2);
    if (clock.us) {
        *at++ = '.';
        at = put(at, clock.us, 6);
    }
    return (int)(put_offset(at, moment.offset) - text);
}

int inlay_time_write(const struct inlay_type *type,
                     const void *value,
                     char text_ret[INLAY_TIME_TEXT_MOST])
{
    struct inlay_datetime moment;
    struct inlay_date date;

    if (type->kind == INLAY_KIND_UUID)
        return inlay_uuid_write(value, text_ret);
    if (type->kind == INLAY_KIND_DATETIME) {
        memcpy(&moment, value, sizeof(moment));
        return write_datetime(moment, text_ret);
    }
    memcpy(&date, value, sizeof(date));
    if (!inlay_time_date_valid(date))
        return -1;
    return (int)(put_date(text_ret, date) - text_ret);
}
