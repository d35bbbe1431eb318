/* At -O2 gcc moves the error path away: the function has two ranges. */
#include <stdio.h>
#include <stdlib.h>

int checked(int x)
{
    if (x < 0) {
        fprintf(stderr, "bad %d\n", x);
        abort();
    }
    return x * 2;
}

int caller(int x)
{
    return checked(x) + 1;
}
