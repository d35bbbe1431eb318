/* date.h - dates in headers (RFC 9110 5.6.7); of now: made once a second. */
#ifndef INLAY_HTTP_DATE_H
#define INLAY_HTTP_DATE_H

#include <time.h>

#include "base/str.h"

#define INLAY_DATE_LEN 29 /* "Sun, 06 Nov 1994 08:49:37 GMT" */

struct inlay_http_date {
    time_t second; /* what `text` says; 0: nothing yet */
    char text[INLAY_DATE_LEN + 1];
};

/* The text for `now` (Unix time); remade only when the second changed. */
struct inlay_str inlay_http_date_text(struct inlay_http_date *date, time_t now);

/* A date in any of its three forms -> Unix time, from 1900 on. 0 or -1. */
int inlay_date_read(struct inlay_str text, time_t *ret);

#endif
