/* regexp_compile.c - patterns -> code, once, when a module is loaded. */
#include "base/mem.h"
#include "type/regexp.h"
#include "type/regexp_inside.h"

#include "base/banned.h"

#define OPTIONS                                                                \
    (PCRE2_UTF | PCRE2_UCP | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C |  \
     PCRE2_USE_OFFSET_LIMIT)

static void destroy(void *arg)
{
    struct inlay_regex *regex = arg;

    for (size_t i = 0; i < INLAY_REGEX_SPARES; i++)
        inlay_matcher_destroy(atomic_load(&regex->spares[i]));
    pcre2_code_free(regex->code);
}

static struct inlay_error *refuse(int code, size_t at)
{
    PCRE2_UCHAR words[256];

    if (code == PCRE2_ERROR_HEAP_FAILED)
        return inlay_error_no_memory();
    if (pcre2_get_error_message(code, words, sizeof(words)) < 0)
        words[0] = '\0';
    return inlay_error_create(INLAY_ERROR_IMPORT, "%s, at byte %zu",
                              (const char *)words, at);
}

static pcre2_code *compile(struct inlay_str pattern, int *code, size_t *at)
{
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    pcre2_code *made = NULL;

    *code = PCRE2_ERROR_HEAP_FAILED;
    if (!context)
        return NULL;
    /* As the library was built, `.` would perhaps not match a CR. */
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    made = pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len, OPTIONS, code,
                         at, context);
    pcre2_compile_context_free(context);
    return made;
}

struct inlay_error *inlay_regex_create(struct inlay_str pattern,
                                       struct inlay_arena *arena,
                                       const struct inlay_regex **ret)
{
    struct inlay_regex *regex = inlay_arena_new(arena, struct inlay_regex);
    uint32_t options = 0;
    size_t at = 0;
    int code;

    if (!regex)
        return inlay_error_no_memory();
    regex->code = compile(pattern, &code, &at);
    if (!regex->code)
        return refuse(code, at);
    if (inlay_arena_defer(arena, destroy, regex) < 0) {
        pcre2_code_free(regex->code);
        return inlay_error_no_memory();
    }
    pcre2_pattern_info(regex->code, PCRE2_INFO_ALLOPTIONS, &options);
    regex->anchored = options & PCRE2_ANCHORED;
    /* Where there is no JIT, or it may not make code, it is interpreted. */
    regex->jit = pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE) == 0;
    *ret = regex;
    return NULL;
}
