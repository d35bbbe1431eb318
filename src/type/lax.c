#include "type/lax.h"

#include <float.h>
#include <math.h>
#include <yyjson.h>

#include "base/macros.h"
#include "type/real.h"

#include "base/banned.h"

/* pydantic reads no integer of more digits, as Python's int() by default. */
#define INTEGER_DIGITS_MOST 4300

/* Numbers shorter than this are put in order on the stack. */
#define REAL_TEXT_SIZE 128

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Length of the Unicode White_Space character at the start of s, or 0. */
static size_t space_at_start(struct inlay_str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;

    if (s.len >= 1 && (p[0] == ' ' || (p[0] >= '\t' && p[0] <= '\r')))
        return 1;
    if (s.len >= 2 && p[0] == 0xC2 && (p[1] == 0x85 || p[1] == 0xA0))
        return 2;
    if (s.len < 3)
        return 0;
    if (p[0] == 0xE1)
        return p[1] == 0x9A && p[2] == 0x80 ? 3 : 0; /* U+1680 */
    if (p[0] == 0xE3)
        return p[1] == 0x80 && p[2] == 0x80 ? 3 : 0; /* U+3000 */
    if (p[0] != 0xE2)
        return 0;
    if (p[1] == 0x81)
        return p[2] == 0x9F ? 3 : 0; /* U+205F */
    /* U+2000 to U+200A, U+2028, U+2029, U+202F */
    return p[1] == 0x80 && ((p[2] >= 0x80 && p[2] <= 0x8A) || p[2] == 0xA8 ||
                            p[2] == 0xA9 || p[2] == 0xAF)
               ? 3
               : 0;
}

static size_t space_at_end(struct inlay_str s)
{
    for (size_t len = 1; len <= 3 && len <= s.len; len++) {
        struct inlay_str tail = {s.ptr + s.len - len, len};

        if (space_at_start(tail) == len)
            return len;
    }
    return 0;
}

static struct inlay_str trim(struct inlay_str s)
{
    size_t len;

    while ((len = space_at_start(s)) > 0)
        s = inlay_str_make(s.ptr + len, s.len - len);
    while ((len = space_at_end(s)) > 0)
        s.len -= len;
    return s;
}

static struct inlay_str skip(struct inlay_str s, size_t count)
{
    return inlay_str_make(s.ptr + count, s.len - count);
}

/* May the underscores stay: none first, last, or next to another? */
static bool underscores_fine(struct inlay_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] == '_' &&
            (i == 0 || i + 1 == s.len || s.ptr[i + 1] == '_'))
            return false;
    return true;
}

int inlay_lax_store_integer(struct inlay_lax_integer value,
                            const struct inlay_type *type,
                            void *ret)
{
    if (type->kind == INLAY_KIND_UINT) {
        if (value.negative && (value.size > 0 || value.overflow))
            return INLAY_FAULT_GREATER_EQUAL;
        if (value.overflow || value.size > inlay_uint_most(type->size))
            return INLAY_FAULT_LESS_EQUAL;
        inlay_int_store(ret, type->size, value.size);
        return INLAY_LAX_OK;
    }
    uint64_t most = (uint64_t)inlay_int_most(type->size) + value.negative;
    if (value.overflow || value.size > most)
        return value.negative ? INLAY_FAULT_GREATER_EQUAL
                              : INLAY_FAULT_LESS_EQUAL;
    inlay_int_store(ret, type->size,
                    value.negative ? 0 - value.size : value.size);
    return INLAY_LAX_OK;
}

int inlay_lax_integer_of_real(double value,
                              const struct inlay_type *type,
                              void *ret)
{
    if (!isfinite(value))
        return INLAY_FAULT_FINITE_NUMBER;
    if (value != trunc(value))
        return INLAY_FAULT_INT_FROM_FLOAT;
    /* Both ends are refused by pydantic, though -2**63 would fit. */
    if (value <= -0x1p63 || value >= 0x1p63)
        return INLAY_FAULT_INT_PARSING_SIZE;
    struct inlay_lax_integer integer = {
        .size = (uint64_t)fabs(value),
        .negative = value < 0,
    };
    return inlay_lax_store_integer(integer, type, ret);
}

/*
 * Zeros and underscores off the start, one digit stays. pydantic is generous
 * behind a zero: "0__1" is 1, though "1__0" is nothing.
 */
static struct inlay_str strip_zeros(struct inlay_str s)
{
    if (s.len == 0 || s.ptr[0] != '0')
        return s;
    for (size_t i = 1; i < s.len; i++) {
        if (s.ptr[i] == '0' || s.ptr[i] == '_')
            continue;
        return skip(s, s.ptr[i] == '.' ? i - 1 : i);
    }
    return skip(s, s.len - 1);
}

/* ".000" off the end; false when something else follows a point. */
static bool strip_fraction(struct inlay_str *s)
{
    const char *point = s->len ? memchr(s->ptr, '.', s->len) : NULL;

    if (!point)
        return true;
    size_t whole = (size_t)(point - s->ptr);
    if (whole + 1 == s->len)
        return false;
    for (size_t i = whole + 1; i < s->len; i++)
        if (s->ptr[i] != '0')
            return false;
    s->len = whole;
    return true;
}

int inlay_lax_integer_of_text(struct inlay_str text,
                              const struct inlay_type *type,
                              void *ret)
{
    struct inlay_lax_integer integer = {0};
    struct inlay_str s = trim(text);
    size_t digits = 0;
    bool underscores = false;

    if (s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+')) {
        integer.negative = s.ptr[0] == '-';
        s = skip(s, 1);
    }
    s = strip_zeros(s);
    if (s.len == 0 || !is_digit(s.ptr[0]) || !strip_fraction(&s))
        return INLAY_FAULT_INT_PARSING;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '_') {
            underscores = true;
            continue;
        }
        if (!is_digit(s.ptr[i]))
            return INLAY_FAULT_INT_PARSING;
        digits++;
        if (!underscores && digits > INTEGER_DIGITS_MOST)
            return INLAY_FAULT_INT_PARSING_SIZE;
        if (__builtin_mul_overflow(integer.size, 10, &integer.size) ||
            __builtin_add_overflow(integer.size, (uint64_t)(s.ptr[i] - '0'),
                                   &integer.size))
            integer.overflow = true;
    }
    if (digits > INTEGER_DIGITS_MOST || !underscores_fine(s))
        return INLAY_FAULT_INT_PARSING;
    return inlay_lax_store_integer(integer, type, ret);
}

int inlay_lax_store_real(double value, const struct inlay_type *type, void *ret)
{
    if (!isfinite(value))
        return INLAY_FAULT_FINITE_NUMBER;
    if (type->size == sizeof(double)) {
        memcpy(ret, &value, sizeof(value));
        return INLAY_LAX_OK;
    }
    if (value > (double)FLT_MAX)
        return INLAY_FAULT_LESS_EQUAL;
    if (value < -(double)FLT_MAX)
        return INLAY_FAULT_GREATER_EQUAL;
    float narrow = (float)value;
    memcpy(ret, &narrow, sizeof(narrow));
    return INLAY_LAX_OK;
}

/* "inf", "nan", "infinity", in any case: numbers to pydantic, not finite. */
static bool is_special(struct inlay_str s)
{
    char word[8];
    size_t len = 0;

    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '_')
            continue;
        if (len == sizeof(word))
            return false;
        word[len++] = inlay_ascii_lower(s.ptr[i]);
    }
    struct inlay_str plain = {word, len};
    return inlay_str_is(plain, "inf") || inlay_str_is(plain, "nan") ||
           inlay_str_is(plain, "infinity");
}

/*
 * Digits from *at on to `out`, without underscores; how many. A number that
 * has been checked by underscores_fine() needs no more of them.
 */
static size_t copy_digits(struct inlay_str s, size_t *at, char **out)
{
    size_t count = 0;

    for (; *at < s.len && (is_digit(s.ptr[*at]) || s.ptr[*at] == '_'); ++*at) {
        if (s.ptr[*at] == '_')
            continue;
        *(*out)++ = s.ptr[*at];
        count++;
    }
    return count;
}

/*
 * Rust's grammar of floats ("5.", ".5", "+1e05") as JSON's, with a NUL. The
 * result is at most 3 bytes longer than `s`. False when it is no number.
 */
static bool real_as_json(struct inlay_str s, char *out)
{
    size_t at = 0, digits;

    if (s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+')) {
        if (s.ptr[at++] == '-')
            *out++ = '-';
    }
    /* JSON wants no zeros before a digit, and one where there is none. */
    size_t zeros = 0;
    for (; at < s.len && (s.ptr[at] == '0' || s.ptr[at] == '_'); at++)
        zeros += s.ptr[at] == '0';
    digits = copy_digits(s, &at, &out);
    if (digits == 0)
        *out++ = '0';
    digits += zeros;
    /* A fraction in any case, or else "-0" would be the integer 0. */
    size_t fraction = 0;
    *out++ = '.';
    if (at < s.len && s.ptr[at] == '.') {
        at++;
        fraction = copy_digits(s, &at, &out);
    }
    if (fraction == 0)
        *out++ = '0';
    digits += fraction;
    if (digits == 0)
        return false;
    while (at < s.len && s.ptr[at] == '_')
        at++;
    if (at < s.len && (s.ptr[at] == 'e' || s.ptr[at] == 'E')) {
        at++;
        *out++ = 'e';
        while (at < s.len && s.ptr[at] == '_')
            at++;
        if (at < s.len && (s.ptr[at] == '-' || s.ptr[at] == '+'))
            *out++ = s.ptr[at++];
        if (copy_digits(s, &at, &out) == 0)
            return false;
    }
    *out = '\0';
    return at == s.len;
}

int inlay_lax_real_of_text(struct inlay_str text,
                           const struct inlay_type *type,
                           struct inlay_arena *arena,
                           void *ret)
{
    char small[REAL_TEXT_SIZE], *json = small;
    struct inlay_str s = trim(text);
    yyjson_val val = {0};

    /* pydantic takes spaces or underscores, not both. */
    if (!underscores_fine(s) ||
        (s.len != text.len && memchr(text.ptr, '_', text.len)))
        return INLAY_FAULT_FLOAT_PARSING;
    if (s.len + 4 > sizeof(small)) {
        json = inlay_arena_alloc(arena, s.len + 4);
        if (!json)
            return INLAY_LAX_NO_MEMORY;
    }
    if (!real_as_json(s, json)) {
        if (s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+'))
            s = skip(s, 1);
        return is_special(s) ? INLAY_FAULT_FINITE_NUMBER
                             : INLAY_FAULT_FLOAT_PARSING;
    }
    const char *end = yyjson_read_number(
        json, &val, YYJSON_READ_ALLOW_INF_AND_NAN, NULL, NULL);
    if (!end || *end != '\0')
        return INLAY_FAULT_FLOAT_PARSING;
    return inlay_lax_store_real(yyjson_get_num(&val), type, ret);
}

int inlay_lax_bool_of_text(struct inlay_str text, void *ret)
{
    static const struct {
        char word[6];
        bool value;
    } words[] = {
        {"true", true}, {"false", false}, {"1", true},   {"0", false},
        {"t", true},    {"f", false},     {"yes", true}, {"no", false},
        {"y", true},    {"n", false},     {"on", true},  {"off", false},
    };

    for (size_t i = 0; i < inlay_array_size(words); i++) {
        if (!inlay_str_equal_nocase(text, inlay_str_from(words[i].word)))
            continue;
        memcpy(ret, &words[i].value, 1);
        return INLAY_LAX_OK;
    }
    return INLAY_FAULT_BOOL_PARSING;
}

int inlay_lax_char_of_text(struct inlay_str text, void *ret)
{
    if (text.len == 0)
        return INLAY_FAULT_STRING_SHORT;
    if (inlay_utf8_length(text) > 1)
        return INLAY_FAULT_STRING_LONG;
    if (text.len > 1)
        return INLAY_FAULT_STRING_ASCII;
    memcpy(ret, text.ptr, 1);
    return INLAY_LAX_OK;
}

int inlay_lax_chars_of_text(struct inlay_str text,
                            const struct inlay_type *type,
                            void *ret)
{
    if (text.len >= type->size)
        return INLAY_FAULT_STRING_LONG;
    memset(ret, 0, type->size);
    if (text.len == 0)
        return INLAY_LAX_OK;
    if (memchr(text.ptr, '\0', text.len))
        return INLAY_FAULT_STRING_NUL;
    memcpy(ret, text.ptr, text.len);
    return INLAY_LAX_OK;
}

int inlay_lax_enum_of_text(struct inlay_str text,
                           const struct inlay_type *type,
                           void *ret)
{
    for (size_t i = 0; i < type->nmembers; i++) {
        if (!inlay_str_equal(type->members[i].name, text))
            continue;
        inlay_int_store(ret, type->size, (uint64_t)type->members[i].value);
        return INLAY_LAX_OK;
    }
    return INLAY_FAULT_ENUM;
}

struct inlay_str inlay_lax_limit(const struct inlay_type *type,
                                 enum inlay_fault fault,
                                 char *buf)
{
    bool most = fault == INLAY_FAULT_LESS_EQUAL;

    if (!most && fault != INLAY_FAULT_GREATER_EQUAL)
        return inlay_str_make("", 0);
    if (type->kind == INLAY_KIND_FLOAT) {
        double limit = most ? (double)FLT_MAX : -(double)FLT_MAX;
        return inlay_str_make(buf,
                              inlay_real_format(buf, limit, INLAY_REAL_REPR));
    }
    if (type->kind == INLAY_KIND_UINT) {
        uint64_t limit = most ? inlay_uint_most(type->size) : 0;
        return inlay_str_make(buf, inlay_format_u64(buf, limit));
    }
    int64_t limit =
        most ? inlay_int_most(type->size) : inlay_int_least(type->size);
    return inlay_str_make(buf, inlay_format_i64(buf, limit));
}
