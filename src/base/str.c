#include "base/str.h"

#include "base/macros.h"

#include "base/banned.h"

bool inlay_str_equal_nocase(struct inlay_str a, struct inlay_str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (inlay_ascii_lower(a.ptr[i]) != inlay_ascii_lower(b.ptr[i]))
            return false;
    return true;
}

/* Eight bytes at once; those above 0x7f stay. */
static void lower_word(char *at)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t word, low, from_a, after_z;

    memcpy(&word, at, sizeof(word));
    low = word & ~tops;
    from_a = low + ones * (0x80 - 'A');
    after_z = low + ones * (0x7f - 'Z');
    word |= (from_a & ~after_z & ~word & tops) >> 2;
    memcpy(at, &word, sizeof(word));
}

void inlay_ascii_lower_all(char *text, size_t len)
{
    size_t i = 0;

    for (; len - i >= 8; i += 8)
        lower_word(text + i);
    if (len >= 8) {
        lower_word(text + len - 8); /* some of them twice */
        return;
    }
    for (; i < len; i++)
        text[i] = inlay_ascii_lower(text[i]);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

void inlay_str_quote(struct inlay_str s, char *out, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    size_t at = 0;

    out[at++] = '"';
    for (size_t i = 0; i < s.len && at + 6 <= size; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        if (c >= ' ' && c < 0x7f && c != '"' && c != '\\') {
            out[at++] = (char)c;
            continue;
        }
        out[at++] = '\\';
        out[at++] = 'x';
        out[at++] = digits[c >> 4];
        out[at++] = digits[c & 15];
    }
    out[at++] = '"';
    out[at] = '\0';
}

struct inlay_str inlay_str_trim(struct inlay_str s)
{
    while (s.len > 0 && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

/*
 * Length of the sequence that `first` begins, with the bounds of its second
 * byte (Unicode 15, table 3-7); 0: it begins none of two bytes and more.
 */
static size_t utf8_begin(unsigned char first,
                         unsigned char *low,
                         unsigned char *high)
{
    *low = 0x80;
    *high = 0xBF;
    if (first < 0xC2 || first > 0xF4)
        return 0;
    if (first == 0xE0)
        *low = 0xA0;
    else if (first == 0xED)
        *high = 0x9F;
    else if (first == 0xF0)
        *low = 0x90;
    else if (first == 0xF4)
        *high = 0x8F;
    return first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

/* How much of that sequence is at p: `length_ret` when it is whole. */
static size_t utf8_sequence(const unsigned char *p,
                            size_t left,
                            size_t *length_ret)
{
    unsigned char low, high;
    size_t length = utf8_begin(p[0], &low, &high), i = 1;

    *length_ret = length;
    for (; i < length && i < left && p[i] >= low && p[i] <= high; i++)
        low = 0x80, high = 0xBF;
    return i;
}

size_t inlay_utf8_character(struct inlay_str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t length;

    if (s.len == 0 || p[0] < 0x80)
        return s.len > 0;
    return utf8_sequence(p, s.len, &length) == length ? length : 0;
}

size_t inlay_utf8_bad(struct inlay_str s)
{
    size_t length;

    return utf8_sequence((const unsigned char *)s.ptr, s.len, &length);
}

#define UTF8_SHORT 64

typedef uint64_t block __attribute__((vector_size(16)));

/* ASCII bytes at the start, 64 and 8 at a time; the last seven of `len` are
 * not looked at. Machines are little-endian. */
static size_t skip_ascii(const unsigned char *p, size_t len)
{
    const uint64_t high = 0x8080808080808080u;
    block blocks[4];
    uint64_t word;
    size_t i = 0;

    while (len - i >= sizeof(blocks)) {
        memcpy(blocks, p + i, sizeof(blocks));
        block all = blocks[0] | blocks[1] | blocks[2] | blocks[3];
        if ((all[0] | all[1]) & high)
            break;
        i += sizeof(blocks);
    }
    while (len - i >= sizeof(word)) {
        memcpy(&word, p + i, sizeof(word));
        if (word & high)
            return i + (size_t)__builtin_ctzll(word & high) / 8;
        i += sizeof(word);
    }
    return i;
}

/* The same question of a few bytes, as most texts are. */
static bool is_short_ascii(const unsigned char *p, size_t len)
{
    const uint64_t high = 0x8080808080808080u;
    uint64_t word, all;
    uint32_t half, last;

    if (len >= sizeof(word)) {
        memcpy(&all, p + len - sizeof(all), sizeof(all));
        for (size_t i = 0; i + sizeof(word) < len; i += sizeof(word)) {
            memcpy(&word, p + i, sizeof(word));
            all |= word;
        }
        return !(all & high);
    }
    if (len >= sizeof(half)) {
        memcpy(&half, p, sizeof(half));
        memcpy(&last, p + len - sizeof(last), sizeof(last));
        return !((half | last) & (uint32_t)high);
    }
    return !len || !((p[0] | p[len / 2] | p[len - 1]) & 0x80);
}

bool inlay_utf8_feed(struct inlay_utf8 *utf8, struct inlay_str piece)
{
    const unsigned char *p = (const unsigned char *)piece.ptr;
    size_t i = 0;

    for (; utf8->left && i < piece.len; i++) {
        if (p[i] < utf8->low || p[i] > utf8->high)
            return false;
        utf8->low = 0x80;
        utf8->high = 0xBF;
        utf8->left--;
    }
    while (i < piece.len) {
        size_t length, have;

        if (p[i] < 0x80) {
            if (piece.len - i >= sizeof(uint64_t))
                i += inlay_max(skip_ascii(p + i, piece.len - i), (size_t)1);
            else
                i++;
            continue;
        }
        have = utf8_sequence(p + i, piece.len - i, &length);
        i += have;
        if (have == length)
            continue;
        if (!length || i < piece.len)
            return false;
        /* Cut: what is there is good. */
        utf8_begin(p[i - have], &utf8->low, &utf8->high);
        if (have > 1)
            utf8->low = 0x80, utf8->high = 0xBF;
        utf8->left = (uint8_t)(length - have);
    }
    return true;
}

bool inlay_utf8_valid(struct inlay_str s)
{
    struct inlay_utf8 utf8 = {0};

    if (s.len <= UTF8_SHORT &&
        is_short_ascii((const unsigned char *)s.ptr, s.len))
        return true;
    return inlay_utf8_feed(&utf8, s) && !utf8.left;
}

size_t inlay_utf8_length(struct inlay_str s)
{
    size_t count = 0;

    for (size_t i = 0; i < s.len; i++)
        count += (s.ptr[i] & 0xC0) != 0x80;
    return count;
}

static const char digit_pairs[] = "0001020304050607080910111213141516171819"
                                  "2021222324252627282930313233343536373839"
                                  "4041424344454647484950515253545556575859"
                                  "6061626364656667686970717273747576777879"
                                  "8081828384858687888990919293949596979899";

/* Decimal digits of a value; 1 for 0. */
static size_t count_digits(uint64_t value)
{
    static const uint64_t powers[] = {
        0,
        10,
        100,
        1000,
        10000,
        100000,
        1000000,
        10000000,
        100000000,
        1000000000,
        10000000000,
        100000000000,
        1000000000000,
        10000000000000,
        100000000000000,
        1000000000000000,
        10000000000000000,
        100000000000000000,
        1000000000000000000,
        10000000000000000000u,
    };
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
    /* 1233 / 4096 is log10(2): too small by less than one digit. */
    unsigned tens = bits * 1233 >> 12;

    return tens + (value >= powers[tens]);
}

/* Written in place from the end: the length is known first. */
size_t inlay_format_u64(char *buf, uint64_t value)
{
    size_t len = count_digits(value), at = len;

    while (value >= 100) {
        at -= 2;
        memcpy(buf + at, digit_pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10)
        memcpy(buf, digit_pairs + value * 2, 2);
    else
        buf[0] = (char)('0' + value);
    return len;
}

size_t inlay_format_i64(char *buf, int64_t value)
{
    if (value >= 0)
        return inlay_format_u64(buf, (uint64_t)value);
    buf[0] = '-';
    /* The longest is -9223372036854775808: sign and 19 digits. */
    return 1 + inlay_format_u64(buf + 1, 0 - (uint64_t)value);
}
