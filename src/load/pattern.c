#include "load/pattern.h"

#include <string.h>

#include "base/macros.h"

#include "base/banned.h"

bool inlay_pattern_next_param(struct inlay_str *rest,
                              struct inlay_str *name_ret,
                              struct inlay_str *kind_ret)
{
    const char *end = rest->ptr + rest->len;
    const char *open = rest->len ? memchr(rest->ptr, '{', rest->len) : NULL;

    if (!open)
        return false;
    const char *close = memchr(open, '}', (size_t)(end - open));
    if (!close)
        return false;
    struct inlay_str inner =
        inlay_str_make(open + 1, (size_t)(close - open - 1));
    const char *colon = inner.len ? memchr(inner.ptr, ':', inner.len) : NULL;

    *name_ret = inner;
    *kind_ret = inlay_str_make(close, 0);
    if (colon) {
        *name_ret = inlay_str_make(inner.ptr, (size_t)(colon - inner.ptr));
        *kind_ret = inlay_str_make(colon + 1, (size_t)(close - colon - 1));
    }
    *rest = inlay_str_make(close + 1, (size_t)(end - close - 1));
    return true;
}

bool inlay_pattern_next_method(struct inlay_str *rest, struct inlay_str *ret)
{
    if (!rest->len)
        return false;
    const char *comma = memchr(rest->ptr, ',', rest->len);
    size_t len = comma ? (size_t)(comma - rest->ptr) : rest->len;
    size_t taken = comma ? len + 1 : len;

    *ret = inlay_str_trim(inlay_str_make(rest->ptr, len));
    *rest = inlay_str_make(rest->ptr + taken, rest->len - taken);
    return true;
}

/* A WebSocket among others: no function is both. */
static bool is_mixed(struct inlay_str methods)
{
    struct inlay_str rest = methods, method;

    while (inlay_pattern_next_method(&rest, &method)) {
        if (inlay_pattern_is_socket(method) && method.len != methods.len)
            return true;
    }
    return false;
}

const char *inlay_pattern_bad_methods(struct inlay_str methods)
{
    char last = ',';

    if (is_mixed(methods))
        return "a function of INLAY_WEBSOCKET has no other methods";

    for (size_t i = 0; i < methods.len; i++) {
        char c = methods.ptr[i];

        if ((c < 'A' || c > 'Z') && (c != ',' || last == ','))
            break;
        last = c;
        if (i + 1 == methods.len && c != ',')
            return NULL;
    }
    return "the methods are written as in \"GET,HEAD\"";
}

static bool is_name(struct inlay_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = inlay_ascii_lower(name.ptr[i]);

        if (!((c >= 'a' && c <= 'z') || c == '_' ||
              (i > 0 && c >= '0' && c <= '9')))
            return false;
    }
    return name.len > 0;
}

/* Names of parameters are identifiers, and differ. */
static const char *bad_names(struct inlay_str path)
{
    struct inlay_str names[INLAY_PATTERN_PARAMS], name, kind;
    size_t count = 0;

    while (inlay_pattern_next_param(&path, &name, &kind)) {
        if (!is_name(name))
            return "a parameter's name is not an identifier";
        if (count == INLAY_PATTERN_PARAMS)
            return "the path has more than 16 parameters";
        for (size_t i = 0; i < count; i++)
            if (inlay_str_equal(names[i], name))
                return "two parameters of the path have the same name";
        names[count++] = name;
    }
    return NULL;
}

static bool has_braces(struct inlay_str text)
{
    return text.len &&
           (memchr(text.ptr, '{', text.len) || memchr(text.ptr, '}', text.len));
}

static const char *bad_segment(struct inlay_str text, bool last)
{
    struct inlay_str rest = text, name, kind;

    if (!has_braces(text))
        return NULL;
    if (text.ptr[0] != '{' || !inlay_pattern_next_param(&rest, &name, &kind) ||
        rest.len)
        return "a parameter of the path must be a whole segment, as in /{id}/";
    if (inlay_str_is(kind, "path"))
        return last ? NULL : "nothing can follow a {...:path} parameter";
    if (!kind.len || inlay_str_is(kind, "str") || inlay_str_is(kind, "int") ||
        inlay_str_is(kind, "float") || inlay_str_is(kind, "uuid"))
        return NULL;
    return "a parameter's kind, behind the colon, is not str, int, float, uuid "
           "or path";
}

const char *inlay_pattern_bad_path(struct inlay_str path)
{
    const char *why = NULL;
    size_t at = 1, count = 0;

    if (!path.len || path.ptr[0] != '/')
        return "the path has to begin with /";
    if (!inlay_utf8_valid(path))
        return "the path is not UTF-8";
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.ptr[i];

        if (c <= ' ' || c == 127 || c == '?' || c == '#')
            return "the path has a character that no path has";
    }
    for (; !why && at <= path.len; count++) {
        const char *slash = memchr(path.ptr + at, '/', path.len - at);
        size_t end = slash ? (size_t)(slash - path.ptr) : path.len;

        why = bad_segment(inlay_str_make(path.ptr + at, end - at), !slash);
        at = end + 1;
    }
    if (count > INLAY_PATTERN_SEGMENTS)
        return "the path has more than 64 segments";
    return why ? why : bad_names(path);
}

/* "//", "/./" and "/../", also at the end. */
static bool has_dots(struct inlay_str path)
{
    for (size_t i = 0; i < path.len; i++) {
        if (path.ptr[i] != '/')
            continue;
        struct inlay_str rest = inlay_str_make(path.ptr + i, path.len - i);
        if (inlay_str_starts(rest, INLAY_STR("//")) ||
            inlay_str_starts(rest, INLAY_STR("/./")) ||
            inlay_str_starts(rest, INLAY_STR("/../")) ||
            inlay_str_is(rest, "/.") || inlay_str_is(rest, "/.."))
            return true;
    }
    return false;
}

const char *inlay_pattern_bad_cover(struct inlay_str pattern)
{
    if (!pattern.len || pattern.ptr[0] != '/')
        return "the pattern must begin with '/'";
    if (pattern.ptr[pattern.len - 1] == '*')
        pattern.len--;
    if (memchr(pattern.ptr, '*', pattern.len))
        return "a '*' may stand at the pattern's end only";
    if (has_braces(pattern))
        return "a pattern has no parameters: write \"/users/*\", not "
               "\"/users/{id}\"";
    if (memchr(pattern.ptr, '%', pattern.len))
        return "paths are decoded before they are matched: write the "
               "character in place of its %-form";
    if (!inlay_utf8_valid(pattern))
        return "the pattern is not UTF-8";
    for (size_t i = 0; i < pattern.len; i++) {
        unsigned char c = (unsigned char)pattern.ptr[i];

        if (c < ' ' || c == 127 || c == '?' || c == '#')
            return "the pattern has a character that no path has";
    }
    if (has_dots(pattern))
        return "the pattern has \"//\", \"/./\" or \"/../\": write the path as "
               "it is without";
    return NULL;
}
