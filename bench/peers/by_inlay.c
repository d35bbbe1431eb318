/* by_inlay.c - the work of bench_call.py as a C programmer writes it. */
#include <inlay.h>

INLAY_SLICE(ints, int64_t);
INLAY_SLICE(reals, const double);

struct user {
    int64_t id;
    inlay_str name;
    double score;
    bool active;
    int32_t level;
};

int64_t add(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

int64_t add_unlocked(int64_t a, int64_t b)
{
    return add(a, b);
}
INLAY_NOGIL(add_unlocked);

int64_t add_async(int64_t a, int64_t b)
{
    return add(a, b);
}
INLAY_ASYNC(add_async);

double multiply(double a, double b)
{
    return a * b;
}

int64_t text_length(inlay_str text)
{
    return (int64_t)text.len;
}

inlay_str echo_text(inlay_str text)
{
    return text;
}

ints echo_ints(ints values)
{
    return values;
}

int64_t count_reals(reals values)
{
    return (int64_t)values.len;
}

struct user echo_user(struct user user)
{
    return user;
}
