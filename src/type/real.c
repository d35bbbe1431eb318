#include "type/real.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <yyjson.h>

#include "base/str.h"

#include "base/banned.h"

/* yyjson asks for less than this to write one number. */
#define SCRATCH_SIZE 64

/* Every float is told apart by this many digits. */
#define FLOAT_DIGITS 9
#define DIGITS_MOST 24

/* 0.d1d2d3… times ten to the `point`. */
struct decimal {
    bool negative;
    char digits[DIGITS_MOST];
    size_t ndigits; /* without zeros at either end; at least 1 */
    int point;
};

struct scratch {
    char data[SCRATCH_SIZE];
};

static void *scratch_alloc(void *ctx, size_t size)
{
    struct scratch *scratch = ctx;

    return size <= sizeof(scratch->data) ? scratch->data : NULL;
}

static void *scratch_realloc(void *ctx, void *ptr, size_t old_size, size_t size)
{
    (void)ctx;
    (void)old_size;
    return size <= SCRATCH_SIZE ? ptr : NULL;
}

static void scratch_free(void *ctx, void *ptr)
{
    (void)ctx;
    (void)ptr;
}

/* The shortest digits, in yyjson's own layout. */
static struct inlay_str shortest(double value, struct scratch *scratch)
{
    yyjson_alc alc = {scratch_alloc, scratch_realloc, scratch_free, scratch};
    yyjson_val val = {.tag = YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL,
                      .uni.f64 = value};
    size_t len = 0;
    const char *text = yyjson_val_write_opts(&val, 0, &alc, &len, NULL);

    /* It has room and a finite number: there is nothing that could fail. */
    return text ? inlay_str_make(text, len) : INLAY_STR("0.0");
}

static int read_exponent(const char *at, const char *end)
{
    bool negative = at < end && *at == '-';
    int value = 0;

    if (at < end && (*at == '-' || *at == '+'))
        at++;
    for (; at < end && value < 10000; at++)
        value = value * 10 + (*at - '0');
    return negative ? -value : value;
}

/* Takes "-12.5e-7" apart; the text is yyjson's, so well-formed. */
static void take_apart(struct inlay_str text, struct decimal *ret)
{
    const char *at = text.ptr, *end = text.ptr + text.len;
    bool fraction = false;

    *ret = (struct decimal){.negative = *at == '-'};
    if (ret->negative)
        at++;
    for (; at < end && *at != 'e' && *at != 'E'; at++) {
        if (*at == '.') {
            fraction = true;
        } else if (ret->ndigits == 0 && *at == '0') {
            ret->point -= fraction;
        } else {
            ret->point += !fraction;
            if (ret->ndigits < DIGITS_MOST)
                ret->digits[ret->ndigits++] = *at;
        }
    }
    if (at < end)
        ret->point += read_exponent(at + 1, end);
    while (ret->ndigits > 1 && ret->digits[ret->ndigits - 1] == '0')
        ret->ndigits--;
    if (ret->ndigits == 0) {
        ret->digits[ret->ndigits++] = '0';
        ret->point = 1;
    }
}

static size_t put_exponent(char *buf,
                           const struct decimal *number,
                           enum inlay_real_style style)
{
    char *at = buf;
    int exponent = number->point - 1;
    unsigned size = (unsigned)(exponent < 0 ? -exponent : exponent);

    *at++ = number->digits[0];
    if (number->ndigits > 1) {
        *at++ = '.';
        memcpy(at, number->digits + 1, number->ndigits - 1);
        at += number->ndigits - 1;
    }
    *at++ = 'e';
    *at++ = exponent < 0 ? '-' : '+';
    if (style == INLAY_REAL_REPR && size < 10)
        *at++ = '0';
    return (size_t)(at - buf) + inlay_format_u64(at, size);
}

/* Plain notation, for points from -5 to 16. */
static size_t put_plain(char *buf, const struct decimal *number)
{
    char *at = buf;
    size_t whole = number->point > 0 ? (size_t)number->point : 0;
    size_t zeros = number->point < 0 ? (size_t)-number->point : 0;
    size_t head = number->ndigits < whole ? number->ndigits : whole;

    if (whole == 0)
        *at++ = '0';
    memcpy(at, number->digits, head);
    at += head;
    memset(at, '0', whole - head);
    at += whole - head;
    *at++ = '.';
    memset(at, '0', zeros);
    at += zeros;
    if (head == number->ndigits)
        *at++ = '0';
    memcpy(at, number->digits + head, number->ndigits - head);
    return (size_t)(at - buf) + number->ndigits - head;
}

static size_t put(char *buf,
                  const struct decimal *number,
                  enum inlay_real_style style)
{
    int least = style == INLAY_REAL_REPR ? -3 : -4;
    size_t sign = number->negative;

    buf[0] = '-';
    if (number->point < least || number->point > 16)
        return sign + put_exponent(buf + sign, number, style);
    return sign + put_plain(buf + sign, number);
}

size_t inlay_real_format(char *buf, double value, enum inlay_real_style style)
{
    struct scratch scratch;
    double size = fabs(value);

    /* Whole numbers are common, and quicker without shortest digits. */
    if (size < 1e15 && size >= 1 && value == (double)(int64_t)value) {
        size_t len = inlay_format_i64(buf, (int64_t)value);
        buf[len] = '.';
        buf[len + 1] = '0';
        return len + 2;
    }
    struct inlay_str text = shortest(value, &scratch);
    if (size == 0 || (size >= 1e-4 && size < 1e16)) {
        memcpy(buf, text.ptr, text.len);
        return text.len;
    }
    struct decimal number;
    take_apart(text, &number);
    return put(buf, &number, style);
}

/* To `count` digits; a tie may go either way. */
static void round_digits(struct decimal *number, size_t count)
{
    if (number->ndigits <= count)
        return;
    bool up = number->digits[count] >= '5';
    number->ndigits = count;
    while (up && number->ndigits > 0 &&
           number->digits[number->ndigits - 1] == '9')
        number->ndigits--;
    if (up && number->ndigits == 0) {
        number->digits[number->ndigits++] = '1';
        number->point++;
    } else if (up) {
        number->digits[number->ndigits - 1]++;
    }
    while (number->ndigits > 1 && number->digits[number->ndigits - 1] == '0')
        number->ndigits--;
}

size_t inlay_real_format_float(char *buf,
                               float value,
                               enum inlay_real_style style)
{
    struct scratch scratch;
    struct decimal whole, number;

    take_apart(shortest((double)value, &scratch), &whole);
    for (size_t count = 1; count < FLOAT_DIGITS; count++) {
        char text[INLAY_REAL_MOST + 1];
        yyjson_val val = {0};

        number = whole;
        round_digits(&number, count);
        text[put(text, &number, style)] = '\0';
        if (yyjson_read_number(text, &val, 0, NULL, NULL) &&
            (float)yyjson_get_num(&val) == value)
            return put(buf, &number, style);
    }
    number = whole;
    round_digits(&number, FLOAT_DIGITS);
    return put(buf, &number, style);
}
