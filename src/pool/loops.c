/* loops.c - fork and join. */
#include "pool/loops.h"

#include "base/banned.h"

void inlay_loops_join(void (*a)(void *arg),
                      void *a_arg,
                      void (*b)(void *arg),
                      void *b_arg)
{
    a(a_arg);
    b(b_arg);
}
