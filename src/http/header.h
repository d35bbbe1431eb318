/* header.h - a header field as a pair of views. */
#ifndef INLAY_HTTP_HEADER_H
#define INLAY_HTTP_HEADER_H

#include "base/arena.h"
#include "base/str.h"
#include "http/octets.h"

struct inlay_header {
    struct inlay_str name;  /* lower case in requests */
    struct inlay_str value; /* blanks at both ends taken off */
};

/* RFC 9110 5.6.2: tchar. */
static inline bool inlay_token_char(char c)
{
    return inlay_octet_is(c, INLAY_OCTET_TOKEN);
}

/* RFC 9110 5.6.2: a token of one or more characters. */
bool inlay_header_name_valid(struct inlay_str name);

/* Is it one of these, without case? */
bool inlay_header_name_among(struct inlay_str name,
                             const struct inlay_str *names,
                             size_t count);

/* RFC 9110 5.5: no CR, LF, NUL or other control but tab. */
bool inlay_header_value_valid(struct inlay_str value);

/*
 * The digits of a Content-Length that an application gives (RFC 9110 8.6);
 * -1 when there are others or none, or the value is near the end of int64_t.
 */
int64_t inlay_header_length(struct inlay_str text);

/*
 * A field's value as UTF-8: its bytes are ISO-8859-1, as ASGI servers and
 * Starlette take them. A view of it, or in the arena; ptr NULL without memory.
 */
struct inlay_str inlay_header_text(struct inlay_str value,
                                   struct inlay_arena *arena);

/* Is `token` (lower case) in a comma-separated list, without case? */
bool inlay_header_has_token(struct inlay_str list, struct inlay_str token);

#endif
