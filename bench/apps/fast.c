/* Native routes of the bench; fastapi_app.py has the same in Python. */
#include <inlay.h>

INLAY_SLICE(numbers, const int64_t);

struct squares {
    int64_t a, b, sum_of_squares;
};

struct payload {
    numbers numbers;
};

/// The smallest answer.
inlay_str plain(void)
{
    return INLAY_STR("Hello, World!");
}
INLAY_GET("/plain", plain);

/// Sum of two squares.
struct squares sum_squares(int64_t a, int64_t b)
{
    return (struct squares){a, b, a * a + b * b};
}
INLAY_GET("/sum-squares", sum_squares);
INLAY_DEFAULT(sum_squares, a, 5);
INLAY_DEFAULT(sum_squares, b, 10);

/// A list of integers, read and written.
struct payload echo(struct payload payload)
{
    return payload;
}
INLAY_POST("/echo", echo);
