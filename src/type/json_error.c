/*
 * Follows CPython's Modules/_json.c and json/decoder.py (3.10 to 3.12), so
 * that a client sees the same reason and place as from FastAPI. Runs only for
 * text that yyjson has refused.
 */
#include "type/json_inside.h"

#include "base/banned.h"

struct scan {
    const char *text;
    size_t len, at;
    uint8_t *objects; /* a bit for each open container: is it an object? */
    size_t depth;
    struct inlay_json_error error;
};

static bool fail(struct scan *scan, size_t at, const char *message)
{
    scan->error = (struct inlay_json_error){message, at};
    return false;
}

static char peek(const struct scan *scan)
{
    return scan->at < scan->len ? scan->text[scan->at] : '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void skip_space(struct scan *scan)
{
    while (scan->at < scan->len && strchr(" \t\n\r", scan->text[scan->at]) &&
           scan->text[scan->at] != '\0')
        scan->at++;
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* From the "u" of an escape on. */
static bool scan_unicode(struct scan *scan)
{
    size_t mark = scan->at++;

    /* A character must follow, be it the quote. */
    if (scan->len - scan->at <= 4)
        return fail(scan, mark, "Invalid \\uXXXX escape");
    for (int i = 0; i < 4; i++)
        if (!is_hex(scan->text[scan->at++]))
            return fail(scan, mark, "Invalid \\uXXXX escape");
    return true;
}

static bool scan_string(struct scan *scan)
{
    size_t start = scan->at++;

    while (scan->at < scan->len) {
        unsigned char c = (unsigned char)scan->text[scan->at];

        if (c < 0x20)
            return fail(scan, scan->at, "Invalid control character at");
        scan->at++;
        if (c == '"')
            return true;
        if (c != '\\')
            continue;
        if (scan->at == scan->len)
            break;
        char escape = scan->text[scan->at];
        if (escape == 'u') {
            if (!scan_unicode(scan))
                return false;
        } else if (escape == '\0' || !strchr("\"\\/bfnrt", escape)) {
            return fail(scan, scan->at - 1, "Invalid \\escape");
        } else {
            scan->at++;
        }
    }
    return fail(scan, start, "Unterminated string starting at");
}

static void scan_digits(struct scan *scan)
{
    while (is_digit(peek(scan)))
        scan->at++;
}

static bool scan_number(struct scan *scan)
{
    size_t start = scan->at;

    if (peek(scan) == '-')
        scan->at++;
    if (!is_digit(peek(scan))) {
        scan->at = start;
        return fail(scan, start, "Expecting value");
    }
    if (peek(scan) == '0')
        scan->at++;
    else
        scan_digits(scan);
    if (peek(scan) == '.') {
        size_t point = scan->at++;
        if (!is_digit(peek(scan)))
            scan->at = point;
        scan_digits(scan);
        if (scan->at == point)
            return true;
    }
    if (peek(scan) == 'e' || peek(scan) == 'E') {
        size_t mark = scan->at++;
        if (peek(scan) == '-' || peek(scan) == '+')
            scan->at++;
        if (!is_digit(peek(scan)))
            scan->at = mark;
        scan_digits(scan);
    }
    return true;
}

static bool scan_scalar(struct scan *scan)
{
    static const char words[][10] = {"null", "true",     "false",
                                     "NaN",  "Infinity", "-Infinity"};
    struct inlay_str rest = {scan->text + scan->at, scan->len - scan->at};

    if (peek(scan) == '"')
        return scan_string(scan);
    for (size_t i = 0; i < inlay_array_size(words); i++) {
        struct inlay_str word = inlay_str_from(words[i]);
        if (inlay_str_starts(rest, word)) {
            scan->at += word.len;
            return true;
        }
    }
    return scan_number(scan);
}

static bool in_object(const struct scan *scan)
{
    size_t bit = scan->depth - 1;

    return scan->objects[bit / 8] >> (bit % 8) & 1;
}

static void open_container(struct scan *scan, bool object)
{
    size_t bit = scan->depth++;
    unsigned mask = 1u << (bit % 8);

    scan->objects[bit / 8] =
        (uint8_t)((scan->objects[bit / 8] & ~mask) | (object ? mask : 0));
}

/* A key and its colon, up to the value. */
static bool scan_key(struct scan *scan)
{
    if (peek(scan) != '"')
        return fail(scan, scan->at,
                    "Expecting property name enclosed in double quotes");
    if (!scan_string(scan))
        return false;
    skip_space(scan);
    if (peek(scan) != ':')
        return fail(scan, scan->at, "Expecting ':' delimiter");
    scan->at++;
    skip_space(scan);
    return true;
}

/* What follows a value: the ends of containers, then a comma. */
static bool scan_after(struct scan *scan)
{
    while (scan->depth > 0) {
        skip_space(scan);
        if (peek(scan) == (in_object(scan) ? '}' : ']')) {
            scan->at++;
            scan->depth--;
            continue;
        }
        if (peek(scan) != ',')
            return fail(scan, scan->at, "Expecting ',' delimiter");
        scan->at++;
        skip_space(scan);
        return !in_object(scan) || scan_key(scan);
    }
    return true;
}

/* Opens a container; *empty says that it is closed again. */
static bool scan_open(struct scan *scan, bool *empty)
{
    bool object = peek(scan) == '{';

    scan->at++;
    open_container(scan, object);
    skip_space(scan);
    *empty = peek(scan) == (object ? '}' : ']');
    if (!*empty)
        return !object || scan_key(scan);
    scan->at++;
    scan->depth--;
    return true;
}

static bool scan_document(struct scan *scan)
{
    skip_space(scan);
    do {
        bool empty = false;

        if (peek(scan) == '{' || peek(scan) == '[') {
            if (!scan_open(scan, &empty))
                return false;
            if (!empty)
                continue;
        } else if (!scan_scalar(scan)) {
            return false;
        }
        if (!scan_after(scan))
            return false;
    } while (scan->depth > 0);
    skip_space(scan);
    return scan->at == scan->len || fail(scan, scan->at, "Extra data");
}

bool inlay_json_diagnose(struct inlay_str text,
                         struct inlay_arena *arena,
                         struct inlay_json_error *ret)
{
    struct scan scan = {.text = text.ptr, .len = text.len};
    size_t opened = 0;

    for (size_t i = 0; i < text.len; i++)
        opened += text.ptr[i] == '{' || text.ptr[i] == '[';
    scan.objects = inlay_arena_alloc(arena, opened / 8 + 1);
    if (!scan.objects || scan_document(&scan))
        return false;
    *ret = scan.error;
    return true;
}
