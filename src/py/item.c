/* item.c - numbers of other arrays -> numbers of ours, when none is lost. */
#include <math.h>

#include "py/buffer.h"

#include "base/banned.h"

/* 2^63 and 2^64: the first doubles beyond the integers. */
#define TWO_63 9223372036854775808.0
#define TWO_64 18446744073709551616.0

bool inlay_py_item_suits(struct inlay_py_item from, const struct inlay_type *to)
{
    bool integer = from.kind == INLAY_KIND_INT || from.kind == INLAY_KIND_UINT;

    /* As with single values: True is an int, an int is no bool. */
    if (to->kind == INLAY_KIND_INT || to->kind == INLAY_KIND_UINT)
        return integer || from.kind == INLAY_KIND_BOOL;
    if (to->kind == INLAY_KIND_FLOAT)
        return integer || from.kind == INLAY_KIND_BOOL ||
               from.kind == INLAY_KIND_FLOAT;
    return to->kind == INLAY_KIND_BOOL && from.kind == INLAY_KIND_BOOL;
}

/*
 * Everything down to the store is inlined into the loops for the commonest
 * pairs of types, where only the conversion itself is left of it.
 */
#define INLINE static inline __attribute__((always_inline))

INLINE uint64_t load(struct inlay_py_item from, const void *source)
{
    uint16_t two;
    uint32_t four;
    uint64_t eight;

    switch (from.size) {
    case 1:
        return *(const uint8_t *)source;
    case 2:
        memcpy(&two, source, 2);
        return from.swapped ? __builtin_bswap16(two) : two;
    case 4:
        memcpy(&four, source, 4);
        return from.swapped ? __builtin_bswap32(four) : four;
    default:
        memcpy(&eight, source, 8);
        return from.swapped ? __builtin_bswap64(eight) : eight;
    }
}

INLINE int64_t extend(uint64_t bits, uint32_t size)
{
    unsigned shift = 64 - 8 * size;

    return (int64_t)(bits << shift) >> shift;
}

INLINE double real_of(uint64_t bits, uint32_t size)
{
    double real;
    float single;
    uint32_t half = (uint32_t)bits;

    if (size == 8) {
        memcpy(&real, &bits, sizeof(real));
        return real;
    }
    memcpy(&single, &half, sizeof(single));
    return (double)single;
}

INLINE bool store_real(double value, const struct inlay_type *to, void *at)
{
    float single = (float)value;

    if (to->size == 8) {
        memcpy(at, &value, sizeof(value));
        return true;
    }
    if ((double)single != value && !isnan(value))
        return false;
    memcpy(at, &single, sizeof(single));
    return true;
}

INLINE bool store_signed(int64_t value, const struct inlay_type *to, void *at)
{
    if (to->kind == INLAY_KIND_INT) {
        if (value < inlay_int_least(to->size) ||
            value > inlay_int_most(to->size))
            return false;
    } else if (to->kind == INLAY_KIND_UINT) {
        if (value < 0 || (uint64_t)value > inlay_uint_most(to->size))
            return false;
    } else {
        double real = (double)value;

        return real < TWO_63 && (int64_t)real == value &&
               store_real(real, to, at);
    }
    inlay_int_store(at, to->size, (uint64_t)value);
    return true;
}

INLINE bool store_unsigned(uint64_t value,
                           const struct inlay_type *to,
                           void *at)
{
    if (to->kind == INLAY_KIND_INT) {
        if (value > (uint64_t)inlay_int_most(to->size))
            return false;
    } else if (to->kind == INLAY_KIND_UINT) {
        if (value > inlay_uint_most(to->size))
            return false;
    } else if (to->kind == INLAY_KIND_FLOAT) {
        double real = (double)value;

        return real < TWO_64 && (uint64_t)real == value &&
               store_real(real, to, at);
    }
    inlay_int_store(at, to->size, value);
    return true;
}

INLINE bool store(struct inlay_py_item from,
                  const void *source,
                  const struct inlay_type *to,
                  void *at)
{
    uint64_t bits = load(from, source);

    if (from.kind == INLAY_KIND_INT)
        return store_signed(extend(bits, from.size), to, at);
    if (from.kind == INLAY_KIND_FLOAT)
        return store_real(real_of(bits, from.size), to, at);
    return store_unsigned(from.kind == INLAY_KIND_BOOL ? bits != 0 : bits, to,
                          at);
}

INLINE size_t store_all(struct inlay_py_item from,
                        const char *source,
                        ptrdiff_t from_stride,
                        const struct inlay_type *to,
                        char *at,
                        size_t stride,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!store(from, source, to, at))
            return i;
        source += from_stride;
        at += stride;
    }
    return count;
}

bool inlay_py_item_store(struct inlay_py_item from,
                         const void *source,
                         const struct inlay_type *to,
                         void *at)
{
    return store(from, source, to, at);
}

size_t inlay_py_items_store(struct inlay_py_item from,
                            const void *source,
                            ptrdiff_t from_stride,
                            const struct inlay_type *to,
                            void *at,
                            size_t stride,
                            size_t count)
{
#define PAIR(fkind, fsize, tkind, tsize)                                       \
    if (from.kind == INLAY_KIND_##fkind && from.size == (fsize) &&             \
        !from.swapped && to->kind == INLAY_KIND_##tkind &&                     \
        to->size == (tsize)) {                                                 \
        const struct inlay_py_item f = {INLAY_KIND_##fkind, fsize, false};     \
        const struct inlay_type t = {.kind = INLAY_KIND_##tkind,               \
                                     .size = (tsize)};                         \
        return store_all(f, source, from_stride, &t, at, stride, count);       \
    }
    PAIR(INT, 8, INT, 8)
    PAIR(INT, 4, INT, 8)
    PAIR(INT, 8, INT, 4)
    PAIR(INT, 8, FLOAT, 8)
    PAIR(INT, 4, FLOAT, 8)
    PAIR(FLOAT, 8, FLOAT, 8)
    PAIR(FLOAT, 4, FLOAT, 8)
#undef PAIR
    return store_all(from, source, from_stride, to, at, stride, count);
}

PyObject *inlay_py_item_object(struct inlay_py_item from, const void *source)
{
    uint64_t bits = load(from, source);

    if (from.kind == INLAY_KIND_INT)
        return PyLong_FromLongLong(extend(bits, from.size));
    if (from.kind == INLAY_KIND_FLOAT)
        return PyFloat_FromDouble(real_of(bits, from.size));
    if (from.kind == INLAY_KIND_BOOL)
        return PyBool_FromLong(bits != 0);
    return PyLong_FromUnsignedLongLong(bits);
}

int inlay_py_item_fail(const struct inlay_py_conversion *conversion,
                       struct inlay_py_item from,
                       const void *source,
                       const struct inlay_py_type *to,
                       const struct inlay_py_place *place)
{
    _cleanup_decref_ PyObject *value = inlay_py_item_object(from, source);
    uint64_t ignored;

    if (!value)
        return -1;
    /* The same words as for a single int. */
    if (to->c->kind == INLAY_KIND_INT || to->c->kind == INLAY_KIND_UINT)
        return inlay_py_in(conversion, to, value, &ignored, place);
    return inlay_py_fail(conversion, place, PyExc_OverflowError,
                         "%R does not fit %s exactly", value,
                         to->c->size == 8 ? "double" : "float");
}

const char *inlay_py_item_text(struct inlay_py_item from)
{
    if (from.kind == INLAY_KIND_INT || from.kind == INLAY_KIND_UINT)
        return "int";
    if (from.kind == INLAY_KIND_FLOAT)
        return "float";
    return from.kind == INLAY_KIND_BOOL ? "bool" : "something else";
}
