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

static void remake(struct inlay_date *date, time_t now)
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

struct inlay_str inlay_date_text(struct inlay_date *date, time_t now)
{
    if (date->second != now || date->text[0] == '\0')
        remake(date, now);
    return inlay_str_make(date->text, INLAY_DATE_LEN);
}
