/*
 * The two loops of bench_parallel.py: a module of Inlay's, or, with -fopenmp,
 * the same by OpenMP. Times are nanoseconds, of the loop alone.
 */
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define COUNT 100000000u /* doubles */
#define NUMBERS 20000u

static double *values;
static int64_t in[NUMBERS], out[NUMBERS];
double last_sum;

/* As in examples/quickstart. */
static int64_t process(int64_t value)
{
    for (int i = 0; i < 1000; i++)
        value = (int64_t)(((uint64_t)value + 1) * 2) % 1000000007;
    return value;
}

static int64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000 + time.tv_nsec;
}

#ifdef _OPENMP

static double sum(int64_t count)
{
    double total = 0;

#pragma omp parallel for reduction(+ : total)
    for (int64_t i = 0; i < count; i++)
        total += values[i];
    return total;
}

static void process_all(int64_t count)
{
#pragma omp parallel for
    for (int64_t i = 0; i < count; i++)
        out[i] = process(in[i]);
}

#else

#include <inlay.h>

static void sum_part(void *ctx, size_t begin, size_t end, void *part)
{
    double total = 0;

    (void)ctx;
    for (size_t i = begin; i < end; i++)
        total += values[i];
    *(double *)part += total;
}

static void sum_merge(void *into, const void *part)
{
    *(double *)into += *(const double *)part;
}

static double sum(int64_t count)
{
    double total = 0;

    inlay_parallel_reduce((size_t)count, 0, sum_part, sum_merge, NULL, &total);
    return total;
}

static void process_part(void *ctx, size_t begin, size_t end)
{
    (void)ctx;
    for (size_t i = begin; i < end; i++)
        out[i] = process(in[i]);
}

static void process_all(int64_t count)
{
    inlay_parallel_for((size_t)count, 0, process_part, NULL);
}

#endif

int64_t time_sum(int64_t count)
{
    if (!values) {
        values = malloc(COUNT * sizeof(*values));
        for (size_t i = 0; values && i < COUNT; i++)
            values[i] = (double)(i % 1000);
    }
    if (!values || count < 0 || count > COUNT)
        return -1;
    int64_t start = now();
    last_sum = sum(count);
    return now() - start;
}

int64_t time_process(int64_t count)
{
    if (count < 0 || count > NUMBERS)
        return -1;
    for (size_t i = 0; i < NUMBERS; i++)
        in[i] = (int64_t)i * 7919;
    int64_t start = now();
    process_all(count);
    return now() - start;
}

/* So that nobody times a wrong answer. */
int64_t check(int64_t count)
{
    int64_t whole = (int64_t)last_sum;

    for (int64_t i = 0; i < count; i++)
        whole = (whole * 31 + out[i]) % 1000000007;
    return whole;
}
