/*
 * calendar.h - dates, moments and UUIDs: from text and numbers as pydantic's
 * lax mode reads them (speedate's grammar, and its words for what is wrong),
 * to text as pydantic writes them. Days are of the proleptic Gregorian
 * calendar.
 */
#ifndef INLAY_TYPE_CALENDAR_H
#define INLAY_TYPE_CALENDAR_H

#include "base/arena.h"
#include "type/type.h"
#include "type/violation.h"

#define INLAY_TIME_REASON_SIZE 96

/*
 * Into DATE, DATETIME or UUID (`type`), 4 or 16 bytes at `ret`. The result is
 * INLAY_LAX_OK, INLAY_LAX_NO_MEMORY or the enum inlay_fault; `reason_ret` then
 * has its detail, NUL-terminated ("" when the fault has none).
 */
int inlay_time_of_text(struct inlay_str text,
                       const struct inlay_type *type,
                       struct inlay_arena *arena,
                       void *ret,
                       char reason_ret[INLAY_TIME_REASON_SIZE]);

/*
 * A number is a Unix timestamp: past 2e10 in milliseconds, else in seconds.
 * A UUID is none: its type is wrong.
 */
int inlay_time_of_integer(int64_t value,
                          const struct inlay_type *type,
                          void *ret,
                          char reason_ret[INLAY_TIME_REASON_SIZE]);
int inlay_time_of_real(double value,
                       const struct inlay_type *type,
                       void *ret,
                       char reason_ret[INLAY_TIME_REASON_SIZE]);

/* The fault of what is neither text nor number. */
enum inlay_fault inlay_time_type_fault(const struct inlay_type *type);

#define INLAY_TIME_TEXT_MOST 40

/*
 * A DATE, DATETIME or UUID as text: "2026-11-21T10:00:00.500000Z"; its length,
 * at most INLAY_TIME_TEXT_MOST. -1: C made a value that is none
 * (a month 13, a year past 9999). An offset that is no whole minute, which
 * RFC 3339 can't write, becomes the one below it, of the same moment.
 */
int inlay_time_write(const struct inlay_type *type,
                     const void *value,
                     char text_ret[INLAY_TIME_TEXT_MOST]);

/* Days from 1970-01-01 to a date, also of the year 0; and back. */
int64_t inlay_time_days(int64_t year, int64_t month, int64_t day);
struct inlay_date inlay_time_date(int64_t days);

/* Is it one of the years 1 to 9999, as C may fill it in at will? */
bool inlay_time_date_valid(struct inlay_date date);

/* What a clock shows, where the moment was given. */
struct inlay_clock {
    struct inlay_date date;
    uint8_t hour, minute, second;
    uint32_t us;
};

/* False: not of the years 1 to 9999, or an offset of a day or more. */
bool inlay_time_clock(struct inlay_datetime moment, struct inlay_clock *ret);

#endif
