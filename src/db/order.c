/* order.c - what an order leaves behind when it fails. */
#include "db/order.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/banned.h"

void inlay_failure_set(struct inlay_failure *failure,
                       int kind,
                       const char *format,
                       ...)
{
    va_list args;

    failure->kind = kind;
    va_start(args, format);
    vsnprintf(failure->text, sizeof(failure->text), format, args);
    va_end(args);
}
