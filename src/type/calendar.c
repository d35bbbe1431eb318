/* calendar.c - text and numbers -> dates and moments. */
#include "type/calendar.h"

#include <math.h>

#include "type/lax.h"
#include "type/uuid.h"

#include "base/banned.h"

#define DAY_SECONDS 86400
#define SECOND_US 1000000

/* Numbers past it are milliseconds. */
#define WATERSHED 20000000000

/* 0000-01-01 and the last second of 9999. */
#define SECONDS_LEAST (-62167219200)
#define SECONDS_MOST 253402300799

/* What was read, before Python would make an object of it: of year 0, too. */
struct moment {
    int64_t days;
    uint32_t second, us; /* of the day */
    int32_t offset;
};

/* A text that is being read; `wrong` is speedate's word for what is amiss. */
struct scan {
    const char *at, *end;
    const char *wrong;
};

/* --- The calendar ------------------------------------------------------- */

/* Years begin in March here, so that a leap day is the last one. */
int64_t inlay_time_days(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
           719468;
}

struct inlay_date inlay_time_date(int64_t days)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t of_era = days - era * 146097;
    int64_t year =
        (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;

    year += era * 400 + (month >= 10);
    return (struct inlay_date){
        .year = (int16_t)year,
        .month = (uint8_t)(month < 10 ? month + 3 : month - 9),
        .day = (uint8_t)(of_year - (153 * month + 2) / 5 + 1),
    };
}

static unsigned month_days(unsigned year, unsigned month)
{
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    if (month == 2)
        return leap ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

bool inlay_time_date_valid(struct inlay_date date)
{
    return date.year >= 1 && date.year <= 9999 && date.month >= 1 &&
           date.month <= 12 && date.day >= 1 &&
           date.day <= month_days((unsigned)date.year, date.month);
}

bool inlay_time_clock(struct inlay_datetime moment, struct inlay_clock *ret)
{
    int64_t local = moment.us, offset = moment.offset;

    if (moment.offset == INLAY_NAIVE)
        offset = 0;
    if (offset <= -DAY_SECONDS || offset >= DAY_SECONDS ||
        local < (SECONDS_LEAST - DAY_SECONDS) * SECOND_US ||
        local > (SECONDS_MOST + DAY_SECONDS) * SECOND_US)
        return false;
    local += offset * SECOND_US;
    int64_t us = local % SECOND_US, seconds = local / SECOND_US;
    if (us < 0) {
        us += SECOND_US;
        seconds--;
    }
    int64_t second = seconds % DAY_SECONDS, days = seconds / DAY_SECONDS;
    if (second < 0) {
        second += DAY_SECONDS;
        days--;
    }
    *ret = (struct inlay_clock){
        .date = inlay_time_date(days),
        .hour = (uint8_t)(second / 3600),
        .minute = (uint8_t)(second / 60 % 60),
        .second = (uint8_t)(second % 60),
        .us = (uint32_t)us,
    };
    return inlay_time_date_valid(ret->date);
}

/* --- Text --------------------------------------------------------------- */

static bool fail(struct scan *scan, const char *wrong)
{
    scan->wrong = wrong;
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* `count` digits, each of which has to be there. */
static bool take_number(struct scan *scan,
                        int count,
                        const char *wrong,
                        unsigned *ret)
{
    unsigned number = 0;

    for (; count > 0; count--) {
        if (scan->at == scan->end || !is_digit(*scan->at))
            return fail(scan, wrong);
        number = number * 10 + (unsigned)(*scan->at++ - '0');
    }
    *ret = number;
    return true;
}

static bool take_separator(struct scan *scan, char c, const char *wrong)
{
    if (scan->at == scan->end || *scan->at != c)
        return fail(scan, wrong);
    scan->at++;
    return true;
}

static size_t left(const struct scan *scan)
{
    return (size_t)(scan->end - scan->at);
}

static bool take_date(struct scan *scan, struct moment *ret)
{
    static const char separator[] = "invalid date separator, expected `-`";
    unsigned year, month, day;

    if (left(scan) < 10)
        return fail(scan, "input is too short");
    if (!take_number(scan, 4, "invalid character in year", &year) ||
        !take_separator(scan, '-', separator) ||
        !take_number(scan, 2, "invalid character in month", &month) ||
        !take_separator(scan, '-', separator) ||
        !take_number(scan, 2, "invalid character in day", &day))
        return false;
    if (month < 1 || month > 12)
        return fail(scan, "month value is outside expected range of 1-12");
    if (day < 1 || day > month_days(year, month))
        return fail(scan, "day value is outside expected range");
    *ret = (struct moment){
        .days = inlay_time_days(year, month, day),
        .offset = INLAY_NAIVE,
    };
    return true;
}

/* ".5", ",5": what is past microseconds is cut off. */
static bool take_fraction(struct scan *scan, uint32_t *us)
{
    uint32_t digits = 0, value = 0;

    if (left(scan) == 0 || (*scan->at != '.' && *scan->at != ','))
        return true;
    scan->at++;
    for (; left(scan) > 0 && is_digit(*scan->at); scan->at++) {
        if (digits == 6)
            continue;
        value = value * 10 + (uint32_t)(*scan->at - '0');
        digits++;
    }
    if (digits == 0)
        return fail(scan, "second fraction digits missing after `.`");
    for (; digits < 6; digits++)
        value *= 10;
    *us = value;
    return true;
}

static bool take_clock(struct scan *scan, struct moment *moment)
{
    unsigned hour, minute, second = 0;

    if (left(scan) < 5)
        return fail(scan, "input is too short");
    if (!take_number(scan, 2, "invalid character in hour", &hour) ||
        !take_separator(scan, ':', "invalid time separator, expected `:`") ||
        !take_number(scan, 2, "invalid character in minute", &minute))
        return false;
    if (hour > 23)
        return fail(scan, "hour value is outside expected range of 0-23");
    if (minute > 59)
        return fail(scan, "minute value is outside expected range of 0-59");
    if (left(scan) > 0 && *scan->at == ':') {
        scan->at++;
        if (!take_number(scan, 2, "invalid character in second", &second))
            return false;
        if (second > 59)
            return fail(scan, "second value is outside expected range of 0-59");
        if (!take_fraction(scan, &moment->us))
            return false;
    }
    moment->second = hour * 3600 + minute * 60 + second;
    return true;
}

/* '+', '-' or U+2212; 0: none of them. */
static int take_sign(struct scan *scan)
{
    static const char minus[] = "\xE2\x88\x92";

    if (*scan->at == '+' || *scan->at == '-')
        return *scan->at++ == '+' ? 1 : -1;
    if (left(scan) < 3 || memcmp(scan->at, minus, 3) != 0)
        return 0;
    scan->at += 3;
    return -1;
}

static bool take_offset(struct scan *scan, struct moment *moment)
{
    static const char minutes[] = "invalid timezone minute";
    unsigned hour, minute;

    if (left(scan) == 0)
        return true;
    if (*scan->at == 'Z' || *scan->at == 'z') {
        scan->at++;
        moment->offset = 0;
        return true;
    }
    int sign = take_sign(scan);
    if (sign == 0)
        return fail(scan, "invalid timezone sign");
    if (!take_number(scan, 2, "invalid timezone hour", &hour))
        return false;
    if (left(scan) > 0 && *scan->at == ':')
        scan->at++;
    if (!take_number(scan, 2, minutes, &minute))
        return false;
    if (minute > 59)
        return fail(scan,
                    "timezone minute value is outside expected range of 0-59");
    if (hour > 23)
        return fail(scan, "timezone offset must be less than 24 hours");
    moment->offset = sign * (int32_t)(hour * 3600 + minute * 60);
    return true;
}

static bool at_end(struct scan *scan)
{
    return left(scan) == 0 ||
           fail(scan, "unexpected extra characters at the end of the input");
}

static bool take_moment(struct scan *scan, struct moment *moment)
{
    if (!take_date(scan, moment))
        return false;
    if (left(scan) == 0 || (*scan->at != 'T' && *scan->at != 't' &&
                            *scan->at != ' ' && *scan->at != '_'))
        return fail(scan, "invalid datetime separator, expected `T`, `t`, `_` "
                          "or space");
    scan->at++;
    return take_clock(scan, moment) && take_offset(scan, moment) &&
           at_end(scan);
}

/* --- Numbers ------------------------------------------------------------ */

static bool of_seconds(struct scan *scan,
                       int64_t seconds,
                       uint32_t us,
                       struct moment *ret)
{
    if (us >= SECOND_US) {
        us -= SECOND_US;
        seconds++;
    }
    if (seconds < SECONDS_LEAST)
        return fail(scan,
                    "dates before 0000 are not supported as unix timestamps");
    if (seconds > SECONDS_MOST)
        return fail(scan,
                    "dates after 9999 are not supported as unix timestamps");
    int64_t second = seconds % DAY_SECONDS, days = seconds / DAY_SECONDS;
    if (second < 0) {
        second += DAY_SECONDS;
        days--;
    }
    *ret = (struct moment){.days = days, .second = (uint32_t)second, .us = us};
    return true;
}

static bool of_integer(struct scan *scan, int64_t value, struct moment *ret)
{
    if (value >= -WATERSHED && value <= WATERSHED)
        return of_seconds(scan, value, 0, ret);
    int64_t seconds = value / 1000, ms = value % 1000;
    if (ms < 0) {
        ms += 1000;
        seconds--;
    }
    return of_seconds(scan, seconds, (uint32_t)ms * 1000, ret);
}

static bool of_real(struct scan *scan, double value, struct moment *ret)
{
    bool ms = fabs(value) > WATERSHED;
    double whole = floor(value);

    /* Far outside of what has a date: the conversion would overflow. */
    if (!(whole > -0x1p60 && whole < 0x1p60))
        return of_seconds(scan, value < 0 ? -(1LL << 60) : 1LL << 60, 0, ret);
    int64_t seconds = (int64_t)whole, rest = 0;
    double us = round((value - whole) * (ms ? 1000 : SECOND_US));
    if (ms) {
        rest = seconds % 1000;
        seconds /= 1000;
        if (rest < 0) {
            rest += 1000;
            seconds--;
        }
    }
    return of_seconds(scan, seconds, (uint32_t)rest * 1000 + (uint32_t)us, ret);
}

/*
 * Text that is a number: 1: it is an integer, 0: digits that end at a point
 * (perhaps a real number), -1: none.
 */
static int integer_of_text(struct inlay_str text, int64_t *ret)
{
    bool negative = text.len > 0 && text.ptr[0] == '-';
    size_t i = text.len > 1 && (negative || text.ptr[0] == '+');
    uint64_t most = (uint64_t)INT64_MAX + negative, value = 0;

    if (text.len == 0)
        return -1;
    for (; i < text.len; i++) {
        if (text.ptr[i] == '.')
            return 0;
        if (!is_digit(text.ptr[i]) ||
            __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.ptr[i] - '0'),
                                   &value) ||
            value > most)
            return -1;
    }
    *ret = (int64_t)(negative ? 0 - value : value);
    return 1;
}

/* Rust's grammar, but without blanks and underscores. 1, 0: none, or LAX. */
static int real_of_text(struct inlay_str text,
                        struct inlay_arena *arena,
                        double *ret)
{
    static const struct inlay_type real = {
        .kind = INLAY_KIND_FLOAT,
        .size = sizeof(double),
    };

    for (size_t i = 0; i < text.len; i++)
        if (!is_digit(text.ptr[i]) && text.ptr[i] != '.' &&
            text.ptr[i] != '+' && text.ptr[i] != '-' && text.ptr[i] != 'e' &&
            text.ptr[i] != 'E')
            return 0;
    int lax = inlay_lax_real_of_text(text, &real, arena, ret);
    if (lax == INLAY_LAX_NO_MEMORY)
        return lax;
    if (lax == INLAY_FAULT_FINITE_NUMBER)
        *ret = text.ptr[0] == '-' ? -INFINITY : INFINITY;
    return lax == INLAY_LAX_OK || lax == INLAY_FAULT_FINITE_NUMBER;
}

/* 1: a moment, 0: none (scan->wrong), or INLAY_LAX_NO_MEMORY. */
static int moment_of_text(struct scan *scan,
                          struct inlay_str text,
                          struct inlay_arena *arena,
                          struct moment *ret)
{
    int64_t integer;
    double real;

    if (take_moment(scan, ret))
        return 1;
    int number = integer_of_text(text, &integer);
    if (number == 1)
        return of_integer(scan, integer, ret);
    if (number == 0)
        number = real_of_text(text, arena, &real);
    if (number == INLAY_LAX_NO_MEMORY)
        return number;
    return number == 1 ? of_real(scan, real, ret) : 0;
}

/* --- Values ------------------------------------------------------------- */

static int wrong(enum inlay_fault fault, const char *words, char *reason)
{
    size_t len = strlen(words);

    memcpy(reason, words, len + 1);
    return (int)fault;
}

static bool is_date(const struct inlay_type *type)
{
    return type->kind == INLAY_KIND_DATE;
}

/* Into C; a year 0 can be read, but has no object in Python. */
static int store(const struct moment *moment,
                 const struct inlay_type *type,
                 void *ret,
                 char *reason)
{
    struct inlay_date date = inlay_time_date(moment->days);

    if (is_date(type) && (moment->second || moment->us))
        return INLAY_FAULT_DATE_INEXACT;
    if (date.year == 0)
        return wrong(is_date(type) ? INLAY_FAULT_DATE_PARSING
                                   : INLAY_FAULT_DATETIME_PARSING,
                     "year 0 is out of range", reason);
    if (is_date(type)) {
        memcpy(ret, &date, sizeof(date));
        return INLAY_LAX_OK;
    }
    /* Its padding, too: C may compare or hash the bytes. */
    struct inlay_datetime made;
    memset(&made, 0, sizeof(made));
    made.us =
        (moment->days * DAY_SECONDS + moment->second) * SECOND_US + moment->us;
    made.offset = moment->offset;
    if (made.offset != INLAY_NAIVE)
        made.us -= (int64_t)made.offset * SECOND_US;
    memcpy(ret, &made, sizeof(made));
    return INLAY_LAX_OK;
}

static int date_of_text(struct inlay_str text,
                        const struct inlay_type *type,
                        struct inlay_arena *arena,
                        void *ret,
                        char *reason)
{
    const char *end = text.ptr + text.len;
    struct scan scan = {.at = text.ptr, .end = end};
    struct moment moment;

    if (take_date(&scan, &moment) && at_end(&scan))
        return store(&moment, type, ret, reason);
    scan = (struct scan){.at = text.ptr, .end = end};
    int status = moment_of_text(&scan, text, arena, &moment);
    if (status == INLAY_LAX_NO_MEMORY)
        return status;
    return status == 1
               ? store(&moment, type, ret, reason)
               : wrong(INLAY_FAULT_DATE_FROM_DATETIME, scan.wrong, reason);
}

/* A date alone is its midnight. */
static int datetime_of_text(struct inlay_str text,
                            const struct inlay_type *type,
                            struct inlay_arena *arena,
                            void *ret,
                            char *reason)
{
    const char *end = text.ptr + text.len;
    struct scan scan = {.at = text.ptr, .end = end};
    struct moment moment;
    int64_t integer;
    int status = moment_of_text(&scan, text, arena, &moment);

    if (status == INLAY_LAX_NO_MEMORY)
        return status;
    if (status == 1)
        return store(&moment, type, ret, reason);
    /* Of a number it is known what is wrong. */
    if (integer_of_text(text, &integer) != 1) {
        scan = (struct scan){.at = text.ptr, .end = end};
        if (take_date(&scan, &moment) && at_end(&scan))
            return store(&moment, type, ret, reason);
    }
    return wrong(INLAY_FAULT_DATETIME_FROM_DATE, scan.wrong, reason);
}

int inlay_time_of_text(struct inlay_str text,
                       const struct inlay_type *type,
                       struct inlay_arena *arena,
                       void *ret,
                       char reason_ret[INLAY_TIME_REASON_SIZE])
{
    if (!text.ptr)
        text = INLAY_STR("");
    reason_ret[0] = '\0';
    if (type->kind == INLAY_KIND_UUID)
        return inlay_uuid_read(text, ret, reason_ret) < 0
                   ? INLAY_FAULT_UUID_PARSING
                   : INLAY_LAX_OK;
    return is_date(type) ? date_of_text(text, type, arena, ret, reason_ret)
                         : datetime_of_text(text, type, arena, ret, reason_ret);
}

static int of_number(const struct scan *scan,
                     bool ok,
                     const struct moment *moment,
                     const struct inlay_type *type,
                     void *ret,
                     char *reason)
{
    if (ok)
        return store(moment, type, ret, reason);
    return wrong(is_date(type) ? INLAY_FAULT_DATE_FROM_DATETIME
                               : INLAY_FAULT_DATETIME_PARSING,
                 scan->wrong, reason);
}

int inlay_time_of_integer(int64_t value,
                          const struct inlay_type *type,
                          void *ret,
                          char reason_ret[INLAY_TIME_REASON_SIZE])
{
    struct scan scan = {NULL};
    struct moment moment;

    reason_ret[0] = '\0';
    if (type->kind == INLAY_KIND_UUID)
        return INLAY_FAULT_UUID_TYPE;
    bool ok = of_integer(&scan, value, &moment);
    return of_number(&scan, ok, &moment, type, ret, reason_ret);
}

int inlay_time_of_real(double value,
                       const struct inlay_type *type,
                       void *ret,
                       char reason_ret[INLAY_TIME_REASON_SIZE])
{
    struct scan scan = {NULL};
    struct moment moment;

    reason_ret[0] = '\0';
    if (type->kind == INLAY_KIND_UUID)
        return INLAY_FAULT_UUID_TYPE;
    bool ok = of_real(&scan, value, &moment);
    return of_number(&scan, ok, &moment, type, ret, reason_ret);
}

enum inlay_fault inlay_time_type_fault(const struct inlay_type *type)
{
    if (type->kind == INLAY_KIND_UUID)
        return INLAY_FAULT_UUID_TYPE;
    return is_date(type) ? INLAY_FAULT_DATE_TYPE : INLAY_FAULT_DATETIME_TYPE;
}
