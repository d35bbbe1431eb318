#include "type/uuid.h"

#include <stdio.h>

#include "base/macros.h"

#include "base/banned.h"

#define URN "urn:uuid:"
#define GROUPS 5
#define LENGTH_MOST 45 /* with "urn:uuid:" */

/* Where its groups begin in the form with hyphens, and its end. */
static const size_t starts[GROUPS + 1] = {0, 9, 14, 19, 24, 37};

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = inlay_ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 32 digits, with hyphens or without any. */
static bool read_digits(struct inlay_str text, bool hyphens, uint8_t *ret)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++) {
        bool hyphen = hyphens && (i == 8 || i == 13 || i == 18 || i == 23);
        int digit = digit_of(text.ptr[i]);

        if (hyphen && text.ptr[i] == '-')
            continue;
        if (hyphen || digit < 0)
            return false;
        if (count % 2)
            ret[count / 2] |= (uint8_t)digit;
        else
            ret[count / 2] = (uint8_t)(digit << 4);
        count++;
    }
    return true;
}

/* Braces and "urn:uuid:" off; `offset_ret` is what was before the digits. */
static struct inlay_str strip(struct inlay_str text, size_t *offset_ret)
{
    size_t urn = sizeof(URN) - 1;

    *offset_ret = 0;
    if (text.len >= 2 && text.ptr[0] == '{' && text.ptr[text.len - 1] == '}') {
        *offset_ret = 1;
        return inlay_str_make(text.ptr + 1, text.len - 2);
    }
    if (!inlay_str_starts(text, INLAY_STR(URN)))
        return text;
    *offset_ret = urn;
    return inlay_str_make(text.ptr + urn, text.len - urn);
}

static inlay_cold void wrong_length(struct inlay_str text, char *reason)
{
    snprintf(reason, INLAY_UUID_REASON_SIZE, "invalid length: found %zu",
             text.len);
}

/* The crate's search for what was wrong, in its order. */
static inlay_cold void explain(struct inlay_str whole, char *reason)
{
    size_t hyphens = 0, bounds[GROUPS - 1] = {0}, offset = 0;
    struct inlay_str text = whole;

    /* By the length it is decided which form it should have. */
    if (whole.len != 32 && whole.len != 36)
        text = strip(whole, &offset);
    if (text.len == 36)
        offset = 0;
    if (whole.len > LENGTH_MOST) {
        wrong_length(whole, reason);
        return;
    }

    for (size_t i = 0; i < text.len; i++) {
        size_t size =
            inlay_utf8_character(inlay_str_make(text.ptr + i, text.len - i));

        if (text.ptr[i] == '-') {
            if (hyphens < GROUPS - 1)
                bounds[hyphens] = i;
            hyphens++;
        } else if (digit_of(text.ptr[i]) < 0) {
            snprintf(reason, INLAY_UUID_REASON_SIZE,
                     "invalid character: found `%.*s` at %zu",
                     (int)(size ? size & 7 : 1), text.ptr + i, i + offset);
            return;
        }
    }
    if (hyphens == 0 && offset == 0) {
        wrong_length(text, reason);
        return;
    }
    if (hyphens != GROUPS - 1) {
        snprintf(reason, INLAY_UUID_REASON_SIZE,
                 "invalid group count: expected 5, found %zu", hyphens + 1);
        return;
    }
    size_t group = 0;
    while (group < GROUPS - 1 && bounds[group] == starts[group + 1] - 1)
        group++;
    size_t end = group < GROUPS - 1 ? bounds[group]
                 : offset           ? whole.len
                                    : text.len;
    snprintf(reason, INLAY_UUID_REASON_SIZE,
             "invalid group length in group %zu: expected %zu, found %zu",
             group, starts[group + 1] - starts[group] - 1, end - starts[group]);
}

int inlay_uuid_read(struct inlay_str text,
                    void *ret,
                    char reason_ret[INLAY_UUID_REASON_SIZE])
{
    size_t offset;
    struct inlay_str digits = strip(text, &offset);
    uint8_t bytes[16];

    if ((digits.len == 36 || (digits.len == 32 && offset == 0)) &&
        read_digits(digits, digits.len == 36, bytes)) {
        memcpy(ret, bytes, sizeof(bytes));
        return 0;
    }
    explain(text, reason_ret);
    return -1;
}

int inlay_uuid_write(const void *value, char text_ret[INLAY_UUID_TEXT_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    const uint8_t *bytes = value;
    char *at = text_ret;

    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = hex[bytes[i] >> 4];
        *at++ = hex[bytes[i] & 15];
    }
    return INLAY_UUID_TEXT_SIZE;
}
