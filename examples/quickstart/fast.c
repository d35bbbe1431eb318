/*
 * Two functions, compiled when app.py imports this file. Each is a Python
 * function (fast.sum_squares(3, 4)) and, through its route, an HTTP endpoint
 * that Python has no part in.
 */
#include <inlay.h>

INLAY_SLICE(numbers, const int64_t);
INLAY_SLICE(results, int64_t);

/* The sum and the product wrap around, as two's complement does. */
static int64_t process(int64_t value)
{
    for (int i = 0; i < 1000; i++)
        value = (int64_t)(((uint64_t)value + 1) * 2) % 1000000007;
    return value;
}

/// Each number, a thousand times plus one, doubled, modulo 1000000007.
results process_numbers(numbers values)
{
    results out = {inlay_alloc(values.len * sizeof(int64_t)), values.len};

    if (out.ptr)
        for (size_t i = 0; i < values.len; i++)
            out.ptr[i] = process(values.ptr[i]);
    return out;
}

/// Sum of two squares.
int64_t sum_squares(int64_t a, int64_t b)
{
    int64_t aa, bb, sum = 0;

    if (__builtin_mul_overflow(a, a, &aa) || __builtin_mul_overflow(b, b, &bb) ||
        __builtin_add_overflow(aa, bb, &sum))
        inlay_fail(INLAY_OVERFLOW, "the sum of the squares is too large");
    return sum;
}
INLAY_DEFAULT(sum_squares, a, 5);
INLAY_DEFAULT(sum_squares, b, 10);

/* --- Routes: structs are JSON objects, parameters come from the query ---- */

struct process_request {
    numbers numbers;
};

struct process_answer {
    int64_t original_count;
    results processed_result;
};

/// Process a list of numbers, in C.
struct process_answer process_numbers_route(struct process_request body)
{
    return (struct process_answer){
        .original_count = (int64_t)body.numbers.len,
        .processed_result = process_numbers(body.numbers),
    };
}
INLAY_POST("/process-numbers", process_numbers_route);
INLAY_ANSWERS(process_numbers_route, 400, "The body is not even text");

struct squares {
    int64_t a;
    int64_t b;
    int64_t sum_of_squares;
};

/// Sum of two squares, in C.
struct squares sum_squares_route(int64_t a, int64_t b)
{
    return (struct squares){a, b, sum_squares(a, b)};
}
INLAY_GET("/sum-squares", sum_squares_route);
INLAY_ANSWERS(sum_squares_route, 422, "Wrong numbers, or too large a sum");
INLAY_DEFAULT(sum_squares_route, a, 5);
INLAY_DEFAULT(sum_squares_route, b, 10);
