#include "type/base64.h"

#include <stdio.h>

#include "base/banned.h"

#define PAD '='
#define NONE 0xFF

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "abcdefghijklmnopqrstuvwxyz0123456789+/";

/* The six bits of a character, NONE for others; `url`: of section 5. */
static uint8_t bits_of(char c, bool url)
{
    if (c >= 'A' && c <= 'Z')
        return (uint8_t)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (uint8_t)(c - 'a' + 26);
    if (c >= '0' && c <= '9')
        return (uint8_t)(c - '0' + 52);
    if (c == (url ? '-' : '+'))
        return 62;
    return c == (url ? '_' : '/') ? 63 : NONE;
}

struct decoder {
    struct inlay_str text;
    bool url;
    uint8_t *out;
    size_t len; /* bytes written */
    char *reason;
};

static inlay_cold int bad_symbol(struct decoder *decoder, size_t at)
{
    snprintf(decoder->reason, INLAY_BASE64_REASON_SIZE,
             "Invalid symbol %u, offset %zu.",
             (unsigned)(unsigned char)decoder->text.ptr[at], at);
    return -1;
}

static inlay_cold int bad_length(struct decoder *decoder, size_t at)
{
    snprintf(decoder->reason, INLAY_BASE64_REASON_SIZE,
             "Invalid input length: %zu", at);
    return -1;
}

static inlay_cold int bad_last(struct decoder *decoder, size_t at, uint8_t bits)
{
    char digits[9] = "00000000";

    for (unsigned i = 0; i < 8; i++)
        digits[7 - i] = (char)('0' + (bits >> i & 1));
    snprintf(decoder->reason, INLAY_BASE64_REASON_SIZE,
             "Invalid last symbol 0x%02x ('%c') at offset %zu, decoded as "
             "0b%s.",
             (unsigned)(unsigned char)decoder->text.ptr[at],
             decoder->text.ptr[at], at, digits);
    return -1;
}

/* Whole groups of four up to `end`, of which none can be padding. */
static int read_groups(struct decoder *decoder, size_t end)
{
    for (size_t at = 0; at < end; at += 4) {
        uint32_t word = 0;

        for (size_t i = at; i < at + 4; i++) {
            uint8_t bits = bits_of(decoder->text.ptr[i], decoder->url);

            if (bits == NONE)
                return bad_symbol(decoder, i);
            word = word << 6 | bits;
        }
        decoder->out[decoder->len++] = (uint8_t)(word >> 16);
        decoder->out[decoder->len++] = (uint8_t)(word >> 8);
        decoder->out[decoder->len++] = (uint8_t)word;
    }
    return 0;
}

/*
 * The last group, from `start` on: two to four characters, padded or not.
 * What would be lost must be zero, or else two texts were the same bytes.
 */
static int read_last(struct decoder *decoder, size_t start)
{
    struct inlay_str text = decoder->text;
    size_t count = 0, pad = 0;
    uint8_t bits = 0;
    uint32_t word = 0;

    for (size_t at = start; at < text.len; at++) {
        if (text.ptr[at] == PAD) {
            if (at - start < 2)
                return bad_symbol(decoder, at);
            pad = pad ? pad : at;
            continue;
        }
        if (pad)
            return bad_symbol(decoder, pad);
        bits = bits_of(text.ptr[at], decoder->url);
        if (bits == NONE)
            return bad_symbol(decoder, at);
        word |= (uint32_t)bits << (18 - 6 * count++);
    }
    if (count < 2)
        return bad_length(decoder, start + count);
    size_t bytes = count * 6 / 8;
    if (word & (0xFFFFFFu >> (8 * bytes)))
        return bad_last(decoder, start + count - 1, bits);
    for (size_t i = 0; i < bytes; i++)
        decoder->out[decoder->len++] = (uint8_t)(word >> (16 - 8 * i));
    return 0;
}

int inlay_base64_read(struct inlay_str text,
                      uint8_t *out,
                      size_t *len_ret,
                      char reason_ret[INLAY_BASE64_REASON_SIZE])
{
    struct decoder decoder = {.text = text, .out = out, .reason = reason_ret};
    size_t last = text.len ? (text.len - 1) / 4 * 4 : 0;

    decoder.url = text.len && !memchr(text.ptr, '+', text.len) &&
                  !memchr(text.ptr, '/', text.len);
    /* A single character behind the groups: a line's end, most likely. */
    if (text.len % 4 == 1 && text.ptr[text.len - 1] != PAD &&
        bits_of(text.ptr[text.len - 1], decoder.url) == NONE)
        return bad_symbol(&decoder, text.len - 1);
    if (read_groups(&decoder, last) < 0 ||
        (text.len && read_last(&decoder, last) < 0))
        return -1;
    *len_ret = decoder.len;
    return 0;
}

int inlay_base64_write(struct inlay_bytes bytes, struct inlay_buf *out)
{
    const uint8_t *p = bytes.ptr;
    size_t i = 0;

    if (bytes.len > SIZE_MAX / 2 ||
        inlay_buf_reserve(out, (bytes.len + 2) / 3 * 4) < 0)
        return -1;
    char *at = inlay_buf_tail(out);
    for (; bytes.len - i >= 3; i += 3, at += 4) {
        uint32_t word =
            (uint32_t)p[i] << 16 | (uint32_t)p[i + 1] << 8 | p[i + 2];

        at[0] = letters[word >> 18];
        at[1] = letters[word >> 12 & 63];
        at[2] = letters[word >> 6 & 63];
        at[3] = letters[word & 63];
    }
    if (i < bytes.len) {
        bool two = bytes.len - i == 2;
        uint32_t word =
            (uint32_t)p[i] << 16 | (two ? (uint32_t)p[i + 1] << 8 : 0u);

        at[0] = letters[word >> 18];
        at[1] = letters[word >> 12 & 63];
        at[2] = two ? letters[word >> 6 & 63] : PAD;
        at[3] = PAD;
    }
    inlay_buf_added(out, (bytes.len + 2) / 3 * 4);
    return 0;
}
