#include "http/octets.h"

#include "base/banned.h"

#define DIGIT(c) ((c) >= '0' && (c) <= '9')
#define ALPHA(c) (((c) | 0x20) >= 'a' && ((c) | 0x20) <= 'z')
#define MARK(c) ((c) == '-' || (c) == '.' || (c) == '_' || (c) == '~')

#define TOKEN(c)                                                               \
    (DIGIT(c) || ALPHA(c) || MARK(c) || (c) == '!' || (c) == '#' ||            \
     (c) == '$' || (c) == '%' || (c) == '&' || (c) == '\'' || (c) == '*' ||    \
     (c) == '+' || (c) == '^' || (c) == '`' || (c) == '|')
#define VALUE(c) (((c) >= ' ' || (c) == '\t') && (c) != 0x7f)
#define HOST(c)                                                                \
    (DIGIT(c) || ALPHA(c) || MARK(c) || (c) == '!' || (c) == '$' ||            \
     (c) == '&' || (c) == '\'' || (c) == '(' || (c) == ')' || (c) == '*' ||    \
     (c) == '+' || (c) == ';' || (c) == '=')
#define TARGET(c) ((c) > ' ' && (c) < 0x7f && (c) != '#')

#define ONE(c)                                                                 \
    ((TOKEN(c) ? INLAY_OCTET_TOKEN : 0) | (VALUE(c) ? INLAY_OCTET_VALUE : 0) | \
     (HOST(c) ? INLAY_OCTET_HOST : 0) | (TARGET(c) ? INLAY_OCTET_TARGET : 0))
#define FOUR(c) ONE(c), ONE((c) + 1), ONE((c) + 2), ONE((c) + 3)
#define SIXTEEN(c) FOUR(c), FOUR((c) + 4), FOUR((c) + 8), FOUR((c) + 12)
#define QUARTER(c)                                                             \
    SIXTEEN(c), SIXTEEN((c) + 16), SIXTEEN((c) + 32), SIXTEEN((c) + 48)

const uint8_t inlay_octets[256] = {QUARTER(0), QUARTER(64), QUARTER(128),
                                   QUARTER(192)};
