/* Ways to die, for test_crash.c and tests/py/test_crash.py. */
#include <inlay.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static int *volatile nowhere;
static volatile int zero;
static void (*volatile wild)(void) = (void (*)(void))0x1234;

__attribute__((noinline)) static int helper(int value)
{
    *nowhere = value; /* line: helper */
    return value;
}

int null_write(int value)
{
    int result = helper(value); /* line: null_write */

    return result + 1;
}

static inline __attribute__((always_inline)) int inlined(int value)
{
    return *nowhere + value; /* line: inlined */
}

int null_read(int value)
{
    return inlined(value) * 2;
}

int divide(int a)
{
    return a / zero; /* line: divide */
}

__attribute__((noinline)) int recurse(int depth)
{
    volatile char room[200];

    room[0] = (char)depth;
    return recurse(depth + 1) + room[0]; /* line: recurse */
}

int overflow(void)
{
    return recurse(0) + 1; /* line: overflow */
}

void give_up(void)
{
    abort(); /* line: give_up */
}

void trap(void)
{
    __builtin_trap(); /* line: trap */
}

int jump(void)
{
    wild(); /* line: jump */
    return 1;
}

static int compare(const void *left, const void *right)
{
    *nowhere = 1; /* line: compare */
    return *(const int *)left - *(const int *)right;
}

int sort(void)
{
    int values[] = {3, 1, 2};

    qsort(values, 3, sizeof(*values), compare); /* line: sort */
    return values[0];
}

static int compare_well(const void *left, const void *right)
{
    return *(const int *)left - *(const int *)right;
}

/* Leaves return addresses behind on the stack, deep below. */
int sort_well(void)
{
    int values[] = {3, 1, 2};

    qsort(values, 3, sizeof(*values), compare_well);
    return values[0];
}

int length(void)
{
    return (int)strlen((const char *)nowhere) + 1; /* line: length */
}

static void *in_thread(void *arg)
{
    zero = helper(*(int *)arg); /* line: in_thread */
    return NULL;
}

int own_thread(int value)
{
    pthread_t thread;

    pthread_create(&thread, NULL, in_thread, &value);
    pthread_join(thread, NULL);
    return 1;
}

static void part(void *ctx, size_t begin, size_t end)
{
    (void)ctx;
    (void)end;
    if (begin == 0)
        return;
    zero = helper(1); /* line: part */
}

bool in_loop(void)
{
    return inlay_parallel_for(2, 1, part, NULL);
}

int well(int value)
{
    return value + 1;
}
