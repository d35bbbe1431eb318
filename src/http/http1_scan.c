#include "http/http1_scan.h"

#include "base/banned.h"

#define LENGTH_DIGITS 18 /* of a Content-Length: more are not judged here */

static const char *skip(const char *at, const char *end, enum inlay_octet what)
{
    while (at < end && inlay_octet_is(*at, what))
        at++;
    return at;
}

static const char *skip_value(const char *at, const char *end)
{
    while (end - at >= 8 && inlay_octets_are_plain(at))
        at += 8;
    return skip(at, end, INLAY_OCTET_VALUE);
}

/* The request line: what follows it, or NULL. */
static const char *scan_line(const char *from,
                             const char *end,
                             struct inlay_http1_scan *scan)
{
    static const char version[] = " HTTP/1.";
    const char *at = skip(from, end, INLAY_OCTET_TOKEN);

    if (at == from || at - from > INLAY_HTTP1_METHOD_MAX)
        return NULL;
    scan->method_len = (uint16_t)(at - from);
    if (end - at < 2 || at[0] != ' ' || at[1] != '/')
        return NULL;
    const char *target = ++at;
    at = skip(at, end, INLAY_OCTET_TARGET);
    scan->target_len = (uint32_t)(at - target);
    if (end - at < 11 || memcmp(at, version, 8) != 0 ||
        (at[8] != '0' && at[8] != '1') || at[9] != '\r' || at[10] != '\n')
        return NULL;
    scan->minor = (uint8_t)(at[8] - '0');
    return at + 11;
}

/* The fields that say how long the body is: llhttp has its own opinion of
 * those that are odd. */
static bool is_odd_length(struct inlay_str value)
{
    value = inlay_str_trim(value);
    if (value.len == 0 || value.len > LENGTH_DIGITS)
        return true;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return true;
    }
    return false;
}

static bool is_odd_field(struct inlay_str name,
                         struct inlay_str value,
                         bool *has_length)
{
    if (name.len == 17)
        return inlay_str_is_nocase(name, "transfer-encoding");
    if (name.len != 14 || !inlay_str_is_nocase(name, "content-length"))
        return false;
    if (*has_length || is_odd_length(value))
        return true;
    *has_length = true;
    return false;
}

/* "name: value CRLF": what follows it, or NULL. */
static const char *scan_field(const char *from,
                              const char *at,
                              const char *end,
                              union inlay_http1_field *field,
                              bool *has_length)
{
    const char *name = at;
    at = skip(at, end, INLAY_OCTET_TOKEN);
    size_t name_len = (size_t)(at - name);

    if (name_len == 0 || at == end || *at++ != ':')
        return NULL;
    const char *value = at; /* with blanks at its ends */
    at = skip_value(at, end);
    if (end - at < 2 || at[0] != '\r' || at[1] != '\n')
        return NULL;
    size_t value_len = (size_t)(at - value);
    if (is_odd_field(inlay_str_make(name, name_len),
                     inlay_str_make(value, value_len), has_length))
        return NULL;
    field->at.name = (uint32_t)(name - from);
    field->at.name_len = (uint32_t)name_len;
    field->at.value = (uint32_t)(value - from);
    field->at.value_len = (uint32_t)value_len;
    return at + 2;
}

bool inlay_http1_scan(struct inlay_str bytes,
                      union inlay_http1_field *fields,
                      size_t room,
                      struct inlay_http1_scan *ret)
{
    const char *from = bytes.ptr, *end = from + bytes.len;
    const char *at = scan_line(from, end, ret);
    bool has_length = false;
    size_t count = 0;

    while (at && at < end && *at != '\r') {
        if (count == room)
            return false;
        at = scan_field(from, at, end, &fields[count++], &has_length);
    }
    if (!at || end - at < 2 || at[1] != '\n')
        return false;
    ret->nfields = count;
    ret->len = (size_t)(at + 2 - from);
    return true;
}
