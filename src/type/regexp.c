/*
 * regexp.c - searching. PCRE2 counts steps per start, not for the whole text,
 * and does not count what a simple repeat runs over: a few starts at a time
 * are tried, and then the clock is looked at.
 */
#include "type/regexp.h"

#include "base/clock.h"
#include "base/macros.h"
#include "base/mem.h"
#include "type/regexp_inside.h"

#include "base/banned.h"

/* Steps of all starts of one try, and of one start that needs more. */
#define STEPS_TRY 1000000
#define STEPS_LEAST 1000

/* Bytes that the starts of one try may run over: some 0.2 s at worst. */
#define BYTES_TRY ((size_t)256 << 20)

/* Of a whole search; a long text may take its time, but no more than once. */
#define NS_MOST ((uint64_t)50 * 1000 * 1000)
#define NS_BYTE 32

#define STACK_START ((size_t)32 << 10)
#define STACK_MOST ((size_t)512 << 10)
#define HEAP_MOST_KIB 4096

struct inlay_matcher *inlay_matcher_create(const struct inlay_regex *regex)
{
    struct inlay_matcher *matcher = inlay_calloc(1, sizeof(*matcher));

    if (!matcher)
        return NULL;
    matcher->data = pcre2_match_data_create(1, NULL);
    matcher->context = pcre2_match_context_create(NULL);
    /* Of its own: by default 32 KiB of the caller's stack would be used. */
    if (regex->jit)
        matcher->stack = pcre2_jit_stack_create(STACK_START, STACK_MOST, NULL);
    if (!matcher->data || !matcher->context ||
        (regex->jit && !matcher->stack)) {
        inlay_matcher_destroy(matcher);
        return NULL;
    }
    pcre2_set_heap_limit(matcher->context, HEAP_MOST_KIB);
    if (matcher->stack)
        pcre2_jit_stack_assign(matcher->context, NULL, matcher->stack);
    return matcher;
}

void inlay_matcher_destroy(struct inlay_matcher *matcher)
{
    if (!matcher)
        return;
    pcre2_match_data_free(matcher->data);
    pcre2_match_context_free(matcher->context);
    pcre2_jit_stack_free(matcher->stack);
    inlay_free(matcher);
}

static struct inlay_matcher *take(struct inlay_regex *regex)
{
    struct inlay_matcher *matcher;

    for (size_t i = 0; i < INLAY_REGEX_SPARES; i++) {
        if (!atomic_load_explicit(&regex->spares[i], memory_order_relaxed))
            continue;
        matcher = atomic_exchange(&regex->spares[i], NULL);
        if (matcher)
            return matcher;
    }
    return inlay_matcher_create(regex);
}

static void give_back(struct inlay_regex *regex, struct inlay_matcher *matcher)
{
    for (size_t i = 0; i < INLAY_REGEX_SPARES; i++) {
        struct inlay_matcher *none = NULL;

        if (atomic_compare_exchange_strong(&regex->spares[i], &none, matcher))
            return;
    }
    inlay_matcher_destroy(matcher);
}

/* One try of the `count` starts from `at` on; as pcre2_match(). */
static int try_starts(const struct inlay_regex *regex,
                      struct inlay_matcher *matcher,
                      struct inlay_str text,
                      size_t at,
                      size_t count)
{
    uint32_t steps =
        (uint32_t)inlay_max(STEPS_TRY / count, (size_t)STEPS_LEAST);
    int found;

    pcre2_set_match_limit(matcher->context, steps);
    pcre2_set_offset_limit(matcher->context, at + count - 1);
    found = pcre2_match(regex->code, (PCRE2_SPTR)text.ptr, text.len, at,
                        PCRE2_NO_UTF_CHECK, matcher->data, matcher->context);
    /* Deeply nested: the heap of the interpreter is larger. */
    if (found == PCRE2_ERROR_JIT_STACKLIMIT)
        found = pcre2_match(regex->code, (PCRE2_SPTR)text.ptr, text.len, at,
                            PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, matcher->data,
                            matcher->context);
    return found;
}

/* The first character from `at` on that begins there. */
static size_t character_at(struct inlay_str text, size_t at)
{
    while (at < text.len && ((unsigned char)text.ptr[at] & 0xC0) == 0x80)
        at++;
    return at;
}

static bool search(const struct inlay_regex *regex,
                   struct inlay_matcher *matcher,
                   struct inlay_str text)
{
    size_t starts = regex->anchored ? 1 : text.len + 1, at = 0;
    size_t count = inlay_min(starts, BYTES_TRY / (text.len + 1) + 1);
    uint64_t began = 0, most = NS_MOST + text.len * NS_BYTE;

    for (;;) {
        int found = try_starts(regex, matcher, text, at, count);

        if (found >= 0)
            return true;
        if (found == PCRE2_ERROR_NOMATCH)
            at = character_at(text, at + count);
        else if (count > 1)
            count = 1; /* one of them needs more steps: which? */
        else
            return false;
        if (at >= starts)
            return false;
        count = inlay_min(count, starts - at);
        if (!began)
            began = inlay_clock_ns();
        else if (inlay_clock_ns() - began > most)
            return false;
    }
}

bool inlay_regex_search(const struct inlay_regex *regex, struct inlay_str text)
{
    /* Only its spares change, and those by one thread at a time. */
    struct inlay_regex *own = (struct inlay_regex *)regex;
    struct inlay_matcher *matcher = take(own);
    bool found;

    if (!matcher)
        return false;
    found = search(regex, matcher, text.ptr ? text : INLAY_STR(""));
    give_back(own, matcher);
    return found;
}
