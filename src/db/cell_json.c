/*
 * cell_json.c - JSON of a database -> C, as a body's is read; constraints of what
 * a cell has become, whose words are JSON's.
 */
#include "base/macros.h"
#include "db/cell.h"
#include "type/constraint.h"
#include "type/json.h"

#include "base/banned.h"

/* Of a text in a message. */
#define SHOWN_SIZE 48
#define JSON_WHY_MOST 65536

#define because(arena, ...) because_of(inlay_arena_format((arena), __VA_ARGS__))

static inlay_cold const char *because_of(struct inlay_str text)
{
    return text.ptr ? text.ptr : inlay_cell_no_memory;
}

/* A part of the first violation's JSON. NULL: it can't be written. */
static inlay_cold const char *said(const struct inlay_violations *violations,
                                   const char *begin,
                                   const char *end,
                                   struct inlay_arena *arena)
{
    struct inlay_buf out;
    const char *words = NULL;

    inlay_buf_init(&out, JSON_WHY_MOST);
    if (inlay_violations_write(violations, &out) == 0) {
        struct inlay_str text = inlay_buf_view(&out);
        const char *from = memmem(text.ptr, text.len, begin, strlen(begin));
        const char *to =
            from ? memmem(from, (size_t)(text.ptr + text.len - from), end,
                          strlen(end))
                 : NULL;

        if (to) {
            from += strlen(begin);
            words = because(arena, "%.*s",
                            (int)inlay_min(to - from, (ptrdiff_t)300), from);
        }
    }
    inlay_buf_deinit(&out);
    return words;
}

/* --- Constraints ---------------------------------------------------------- */

static inlay_cold const char *breach_why(
    const struct inlay_constraints *constraints,
    const struct inlay_breach *breach,
    struct inlay_arena *arena)
{
    struct inlay_violations violations;
    char digits[INLAY_BOUND_SIZE];
    const char *words;

    inlay_violations_init(&violations, arena);
    inlay_constraints_violated(
        constraints, &violations, NULL, breach->fault, INLAY_STR(""),
        breach->type,
        inlay_str_make(digits, inlay_format_u64(digits, breach->count)));
    words = violations.no_memory
                ? inlay_cell_no_memory
                : said(&violations, "\"msg\":\"", "\",\"input\":", arena);
    if (!words || words == inlay_cell_no_memory)
        return words ? words : "it is not within its constraints";
    return breach->in_list
               ? because(arena, "its element %zu: %s", breach->index, words)
               : words;
}

const char *inlay_cell_within(const struct inlay_constraints *constraints,
                              const struct inlay_type *type,
                              const void *value,
                              struct inlay_arena *arena)
{
    struct inlay_breach breach;

    return inlay_constraints_hold(constraints, type, value, &breach)
               ? NULL
               : breach_why(constraints, &breach, arena);
}

/* --- JSON ----------------------------------------------------------------- */

static inlay_cold struct inlay_str name_of(const struct inlay_type *type)
{
    return type->name.len ? type->name : INLAY_STR("the C type");
}

static inlay_cold const char *json_why(
    const struct inlay_violations *violations,
    const struct inlay_type *type,
    struct inlay_arena *arena)
{
    struct inlay_str name = name_of(type);
    const char *words = said(violations, "\"loc\":", ",\"input\":", arena);

    if (words == inlay_cell_no_memory)
        return words;
    return because(arena, "its JSON does not fit into %.*s%s%s",
                   inlay_str_arg(name), words ? ": \"loc\":" : "",
                   words ? words : "");
}

static inlay_cold const char *no_json(struct inlay_str text,
                                      struct inlay_arena *arena)
{
    char shown[SHOWN_SIZE];

    inlay_str_quote(text, shown, sizeof(shown));
    return because(arena, "%s is not JSON", shown);
}

const char *inlay_cell_of_json(struct inlay_str text,
                               const struct inlay_type *type,
                               struct inlay_arena *arena,
                               void *ret)
{
    static const struct inlay_place whole = {.name = {"value", 5}};
    struct inlay_violations violations;
    struct inlay_json_doc doc;
    int status;

    inlay_violations_init(&violations, arena);
    violations.most = 1;
    status = inlay_json_parse(text, arena, &whole, &violations, &doc);
    if (status == INLAY_JSON_INVALID)
        return no_json(text, arena);
    if (status == INLAY_JSON_OK)
        status = inlay_json_read(&doc, type, arena, &whole, &violations, ret);
    if (status == INLAY_JSON_INVALID)
        return json_why(&violations, type, arena);
    return status == INLAY_JSON_OK ? NULL : inlay_cell_no_memory;
}
