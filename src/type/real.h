/*
 * real.h - doubles as text, the shortest that reads back as the same value.
 * Two styles, because FastAPI has two: answers (pydantic: 1e-6, 0.00001) and
 * the inputs echoed in a 422 (Python's repr: 1e-06, 1e-05).
 */
#ifndef INLAY_TYPE_REAL_H
#define INLAY_TYPE_REAL_H

#include <stddef.h>

enum inlay_real_style {
    INLAY_REAL_ANSWER,
    INLAY_REAL_REPR,
};

/* Bytes that always suffice. */
#define INLAY_REAL_MOST 40

/* `value` must be finite. Writes to `buf`, without NUL; the length. */
size_t inlay_real_format(char *buf, double value, enum inlay_real_style style);

/* The shortest text that reads back as this float: 0.1, not 0.10000000149. */
size_t inlay_real_format_float(char *buf,
                               float value,
                               enum inlay_real_style style);

#endif
