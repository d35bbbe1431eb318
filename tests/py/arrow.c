/* arrow.c - what test_arrow.py calls; conftest.py puts inlay.h before it. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "local.h"

INLAY_SLICE(ints, int64_t);
INLAY_SLICE(const_ints, const int64_t);
INLAY_SLICE(smalls, const int16_t);
INLAY_SLICE(reals, const double);
INLAY_SLICE(floats, const float);
INLAY_SLICE(bools, const bool);
INLAY_SLICE(texts, inlay_str);
INLAY_SLICE(c_texts, const char *);
INLAY_SLICE(blobs, inlay_bytes);
enum color { RED = 1, GREEN };
INLAY_SLICE(colors, enum color);
INLAY_OPTIONAL(maybe_int, int64_t);
INLAY_OPTIONAL(maybe_text, inlay_str);
INLAY_SLICE(maybes, maybe_int);
INLAY_SLICE(maybe_texts, maybe_text);
struct place {
    double x, y;
};
struct user {
    int32_t id;
    inlay_str name;
    maybe_int age;
    struct place at;
};
INLAY_SLICE(users, struct user);
#define ECHO(T, name)                                                          \
    T name(T v)                                                                \
    {                                                                          \
        return v;                                                              \
    }
ECHO(ints, echo_ints)
ECHO(smalls, echo_smalls)
ECHO(reals, echo_reals)
ECHO(floats, echo_floats)
ECHO(bools, echo_bools)
ECHO(texts, echo_texts)
ECHO(c_texts, echo_c_texts)
ECHO(blobs, echo_blobs)
ECHO(colors, echo_colors)
ECHO(maybes, echo_maybes)
ECHO(maybe_texts, echo_maybe_texts)
ECHO(users, echo_users)
uint64_t where_const(const_ints v)
{
    return (uintptr_t)v.ptr;
}
uint64_t where_plain(ints v)
{
    return (uintptr_t)v.ptr;
}
uint64_t where_text(texts v)
{
    return (uintptr_t)v.ptr[0].ptr;
}

int64_t length(struct ArrowArray *array, struct ArrowSchema *schema)
{
    return strcmp(schema->format, "l") == 0 ? array->length : -1;
}
inlay_str format(struct ArrowSchema *schema, struct ArrowArray *array)
{
    return inlay_format("%s %lld", schema->format, (long long)array->length);
}
int64_t total(const struct ArrowArray *array)
{
    const int64_t *values = array->buffers[1];
    int64_t sum = 0;
    for (int64_t i = 0; i < array->length; i++)
        sum += values[array->offset + i];
    return sum;
}

/* What the specification calls moving, and a release of one's own. */
static struct ArrowArray moved;
int64_t move(struct ArrowArray *array, struct ArrowSchema *schema)
{
    moved = *array;
    array->release = NULL;
    schema->release(schema);
    return moved.length;
}
int64_t moved_total(void)
{
    return total(&moved);
}
void let_go(void)
{
    moved.release(&moved);
}

/* A stream that waits for someone, and then has no schema. */
static _Atomic bool opened;
static int wait(struct ArrowArrayStream *self, struct ArrowSchema *schema)
{
    for (int i = 0; i < 5000 && !opened; i++)
        usleep(1000);
    return opened ? 0 : ETIMEDOUT;
}
static int no_more(struct ArrowArrayStream *self, struct ArrowArray *array)
{
    return 0;
}
static void ignore(struct ArrowArrayStream *self)
{
}
static struct ArrowArrayStream waiting = {wait, no_more, NULL, ignore};
static struct ArrowArrayStream useless = {NULL, NULL, NULL, ignore};
uint64_t waiting_stream(void)
{
    return (uintptr_t)&waiting;
}
uint64_t useless_stream(void)
{
    return (uintptr_t)&useless;
}
void open_stream(void)
{
    opened = true;
}

INLAY_ARRAY(doubles, double);
INLAY_ARRAY(flags, bool);
struct part {
    int8_t a;
    bool b;
    float three[3];
    struct place at;
};
INLAY_ARRAY(parts, struct part);
doubles make(int64_t n)
{
    doubles a = inlay_array(doubles, (size_t)n);
    for (size_t i = 0; i < a.len; i++)
        a.ptr[i] = (double)i;
    return a;
}
flags make_flags(int64_t n)
{
    flags a = inlay_array(flags, (size_t)n);
    for (size_t i = 0; i < a.len; i++)
        a.ptr[i] = i % 3 == 0;
    return a;
}
parts make_parts(int64_t n)
{
    parts a = inlay_array(parts, (size_t)n);
    for (size_t i = 0; i < a.len; i++)
        a.ptr[i] = (struct part){i, i % 2, {i, 1, 2}, {0.5 * i, -1}};
    return a;
}
#define EMPTY(T, name)                                                         \
    INLAY_ARRAY(T##_array, T);                                                 \
    T##_array name(void)                                                       \
    {                                                                          \
        return inlay_array(T##_array, 2);                                      \
    }
EMPTY(int8_t, i1)
EMPTY(int16_t, i2) EMPTY(int32_t, i4) EMPTY(int64_t, i8) EMPTY(uint8_t, u1)
    EMPTY(uint16_t, u2) EMPTY(uint32_t, u4) EMPTY(uint64_t, u8) EMPTY(float, f4)
