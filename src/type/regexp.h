/*
 * regexp.h - INLAY_PATTERN: PCRE2 over UTF-8 text, searched. \d, \w and their
 * like know Unicode, `$` is the very end of the text (as in JSON Schema and
 * pydantic), \C is refused. No text can make a search long: it is given up
 * after some 50 ms (0.3 s when it is a megabyte long), which counts as no
 * match.
 */
#ifndef INLAY_TYPE_REGEXP_H
#define INLAY_TYPE_REGEXP_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

struct inlay_regex;

/*
 * Compiled, with JIT where the machine has it. It goes with the arena. Error
 * (INLAY_ERROR_IMPORT): what is wrong with it, and at which byte.
 */
struct inlay_error *inlay_regex_create(struct inlay_str pattern,
                                       struct inlay_arena *arena,
                                       const struct inlay_regex **ret);

/* Is it in `text`, which is valid UTF-8? Any thread, several at once. */
bool inlay_regex_search(const struct inlay_regex *regex, struct inlay_str text);

#endif
