/* regexp_inside.h - what the two regex files share. */
#ifndef INLAY_TYPE_REGEXP_INSIDE_H
#define INLAY_TYPE_REGEXP_INSIDE_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdatomic.h>
#include <stdbool.h>

/* What one search needs; kept between searches. */
struct inlay_matcher {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack; /* NULL: no JIT */
};

#define INLAY_REGEX_SPARES 4

struct inlay_regex {
    pcre2_code *code;
    bool anchored; /* it can match at the start only */
    bool jit;
    /* Idle matchers: a thread takes one out, or makes one. */
    _Atomic(struct inlay_matcher *) spares[INLAY_REGEX_SPARES];
};

/* NULL: no memory. */
struct inlay_matcher *inlay_matcher_create(const struct inlay_regex *regex);
void inlay_matcher_destroy(struct inlay_matcher *matcher);

#endif
