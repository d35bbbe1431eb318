#include "http/date.h"

#include "base/banned.h"

static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed",
                                "Thu", "Fri", "Sat"};
static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static void two_digits(char *at, int value)
{
    at[0] = (char)('0' + value / 10 % 10);
    at[1] = (char)('0' + value % 10);
}

static void remake(struct inlay_http_date *date, time_t now)
{
    static const char form[INLAY_DATE_LEN + 1] =
        "---, -- --- ---- --:--:-- GMT";
    struct tm tm;

    memcpy(date->text, form, sizeof(form));
    date->second = now;
    if (!gmtime_r(&now, &tm))
        return;
    memcpy(date->text, days[tm.tm_wday], 3);
    two_digits(date->text + 5, tm.tm_mday);
    memcpy(date->text + 8, months[tm.tm_mon], 3);
    two_digits(date->text + 12, (tm.tm_year + 1900) / 100);
    two_digits(date->text + 14, (tm.tm_year + 1900) % 100);
    two_digits(date->text + 17, tm.tm_hour);
    two_digits(date->text + 20, tm.tm_min);
    two_digits(date->text + 23, tm.tm_sec);
}

struct inlay_str inlay_http_date_text(struct inlay_http_date *date, time_t now)
{
    if (date->second != now || date->text[0] == '\0')
        remake(date, now);
    return inlay_str_make(date->text, INLAY_DATE_LEN);
}

/* --- Reading ------------------------------------------------------------- */

struct fields {
    int day, month, year, hour, minute, second;
};

static int month_of(const char *name)
{
    for (int i = 0; i < 12; i++) {
        if (memcmp(name, months[i], 3) == 0)
            return i;
    }
    return -1;
}

static int *field_of(struct fields *fields, char c)
{
    switch (c) {
    case 'D':
    case '_':
        return &fields->day;
    case 'Y':
        return &fields->year;
    case 'h':
        return &fields->hour;
    case 'm':
        return &fields->minute;
    case 's':
        return &fields->second;
    default:
        return NULL;
    }
}

/*
 * In `form`, D, Y, h, m and s stand for a digit of that number, _ for a digit
 * or a blank of the day, NNN for a month, W for any letter, all others for
 * themselves.
 */
static bool read_form(const char *form,
                      struct inlay_str text,
                      struct fields *ret)
{
    *ret = (struct fields){0};
    if (text.len != strlen(form))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i], lower = inlay_ascii_lower(c);
        int *field = field_of(ret, form[i]);

        if (form[i] == '_' && c == ' ')
            continue;
        if (field && (c < '0' || c > '9'))
            return false;
        if (field)
            *field = *field * 10 + (c - '0');
        else if (form[i] == 'N') /* NNN: looked at once */
            ret->month = form[i + 1] == 'N' && form[i + 2] == 'N'
                             ? month_of(text.ptr + i)
                             : ret->month;
        else if (form[i] == 'W' ? lower < 'a' || lower > 'z' : c != form[i])
            return false;
    }
    return true;
}

int inlay_date_read(struct inlay_str text, time_t *ret)
{
    const char *comma = text.len ? memchr(text.ptr, ',', text.len) : NULL;
    struct fields fields;

    if (read_form("WWW, DD NNN YYYY hh:mm:ss GMT", text, &fields) ||
        read_form("WWW NNN _D hh:mm:ss YYYY", text, &fields)) {
        /* the form of today; asctime's */
    } else if (comma && comma - text.ptr >= 6) { /* RFC 850: a whole weekday */
        text.len -= (size_t)(comma - text.ptr);
        text.ptr = comma;
        if (!read_form(", DD-NNN-YY hh:mm:ss GMT", text, &fields))
            return -1;
        fields.year += fields.year < 70 ? 2000 : 1900;
    } else {
        return -1;
    }
    if (fields.month < 0 || fields.day < 1 || fields.day > 31 ||
        fields.year < 1900 || fields.hour > 23 || fields.minute > 59 ||
        fields.second > 60)
        return -1;
    struct tm tm = {.tm_mday = fields.day,
                    .tm_mon = fields.month,
                    .tm_year = fields.year - 1900,
                    .tm_hour = fields.hour,
                    .tm_min = fields.minute,
                    .tm_sec = fields.second};
    *ret = timegm(&tm);
    return 0;
}
