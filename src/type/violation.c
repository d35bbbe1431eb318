#include "type/violation.h"

#include <stdlib.h>

#include "type/json.h"
#include "type/lax.h"

#include "base/banned.h"

#define MOST_DEFAULT 1000

struct part {
    struct inlay_str name; /* ptr NULL: `index` counts */
    size_t index;
};

struct inlay_violation {
    struct inlay_violation *next;
    struct inlay_str input, detail, bound;
    const struct inlay_type *type; /* what was expected; NULL: no matter */
    enum inlay_fault fault;
    size_t nparts;
    struct part parts[]; /* outermost first */
};

static const struct {
    const char *type, *message, *ctx;
} fault_texts[] = {
#define FAULT_TEXT(name, type, message, ctx)                                   \
    [INLAY_FAULT_##name] = {type, message, ctx},
    INLAY_FAULTS(FAULT_TEXT)
#undef FAULT_TEXT
};

void inlay_violations_init(struct inlay_violations *violations,
                           struct inlay_arena *arena)
{
    *violations = (struct inlay_violations){
        .arena = arena,
        .most = MOST_DEFAULT,
    };
}

static size_t place_depth(const struct inlay_place *place)
{
    size_t depth = 0;

    for (; place; place = place->outer)
        depth++;
    return depth;
}

static void append(struct inlay_violations *violations,
                   struct inlay_violation *violation)
{
    if (violations->last)
        *violations->last = violation;
    else
        violations->first = violation;
    violations->last = &violation->next;
}

/* A copy in the arena; ptr is NULL without memory. */
static struct inlay_str keep(struct inlay_violations *violations,
                             struct inlay_str text)
{
    return text.len > 0 ? inlay_arena_copy(violations->arena, text)
                        : INLAY_STR("");
}

void inlay_violations_add_bound(struct inlay_violations *violations,
                                const struct inlay_place *place,
                                enum inlay_fault fault,
                                struct inlay_str input,
                                const struct inlay_type *type,
                                struct inlay_str detail,
                                struct inlay_str bound)
{
    size_t depth = place_depth(place);
    struct inlay_violation *violation;

    if (violations->count++ >= violations->most)
        return;
    violation = inlay_arena_alloc(violations->arena,
                                  sizeof(*violation) +
                                      depth * sizeof(violation->parts[0]));
    detail = keep(violations, detail);
    bound = keep(violations, bound);
    if (!violation || !detail.ptr || !bound.ptr) {
        violations->no_memory = true;
        return;
    }
    *violation = (struct inlay_violation){
        .input = input,
        .detail = detail,
        .bound = bound,
        .type = type,
        .fault = fault,
        .nparts = depth,
    };
    for (; place; place = place->outer)
        violation->parts[--depth] = (struct part){place->name, place->index};
    append(violations, violation);
}

void inlay_violations_add(struct inlay_violations *violations,
                          const struct inlay_place *place,
                          enum inlay_fault fault,
                          struct inlay_str input,
                          const struct inlay_type *type,
                          struct inlay_str detail)
{
    inlay_violations_add_bound(violations, place, fault, input, type, detail,
                               inlay_str_make("", 0));
}

static int write_loc(const struct inlay_violation *violation,
                     struct inlay_buf *out)
{
    for (size_t i = 0; i < violation->nparts; i++) {
        const struct part *part = &violation->parts[i];

        if (inlay_buf_append_char(out, i ? ',' : '[') < 0)
            return -1;
        if (part->name.ptr ? inlay_json_write_string(part->name, out) < 0
                           : inlay_buf_append_u64(out, part->index) < 0)
            return -1;
    }
    if (violation->nparts == 0 && inlay_buf_append_char(out, '[') < 0)
        return -1;
    return inlay_buf_append_char(out, ']');
}

/* 'red', 'green' or 'blue' */
static int write_members(const struct inlay_type *type, struct inlay_buf *out)
{
    for (size_t i = 0; i < type->nmembers; i++) {
        bool last = i + 1 == type->nmembers;
        struct inlay_str before = i == 0 ? INLAY_STR("'")
                                  : last ? INLAY_STR(" or '")
                                         : INLAY_STR(", '");

        if (inlay_buf_append_str(out, before) < 0 ||
            inlay_buf_append_str(out, type->members[i].name) < 0 ||
            inlay_buf_append_char(out, '\'') < 0)
            return -1;
    }
    return 0;
}

/* Items or characters that the type has room for; 0: it is another limit. */
static size_t length_limit(const struct inlay_type *type)
{
    if (type->kind == INLAY_KIND_CHAR)
        return 1;
    if (type->kind == INLAY_KIND_CHARS)
        return type->size - 1;
    return type->kind == INLAY_KIND_ARRAY ? type->count : 0;
}

static int write_zeros(long count, struct inlay_buf *out)
{
    int status = 0;

    for (; count > 0 && status == 0; count--)
        status = inlay_buf_append_char(out, '0');
    return status;
}

/*
 * A number of Python's repr as Rust's `{}` has it: without ".0" and exponents,
 * of which Python has those past 15 and below -4.
 */
static int write_plain(struct inlay_str number, struct inlay_buf *out)
{
    const char *e = memchr(number.ptr, 'e', number.len);
    char text[32];
    size_t digits = 0;

    if (!e) {
        if (number.len > 2 && memcmp(number.ptr + number.len - 2, ".0", 2) == 0)
            number.len -= 2;
        return inlay_buf_append_str(out, number);
    }
    long exponent = strtol(e + 1, NULL, 10);
    for (const char *at = number.ptr; at < e && digits < sizeof(text); at++) {
        if (*at == '-' && inlay_buf_append_char(out, '-') < 0)
            return -1;
        if (*at != '-' && *at != '.')
            text[digits++] = *at;
    }
    if (exponent < 0 && (inlay_buf_append_literal(out, "0.") < 0 ||
                         write_zeros(-exponent - 1, out) < 0))
        return -1;
    if (inlay_buf_append(out, text, digits) < 0)
        return -1;
    return write_zeros(exponent + 1 - (long)digits, out);
}

/* Names are C identifiers: nothing in them needs an escape. */
static int write_limit(const struct inlay_violation *violation,
                       bool json,
                       struct inlay_buf *out)
{
    const struct inlay_type *type = violation->type;
    char text[INLAY_LAX_LIMIT_SIZE];

    if (violation->fault == INLAY_FAULT_ENUM)
        return write_members(type, out);
    if (violation->fault == INLAY_FAULT_STRING_PATTERN)
        return inlay_json_write_inside(violation->bound, out);
    if (violation->bound.len > 0)
        return json ? inlay_buf_append_str(out, violation->bound)
                    : write_plain(violation->bound, out);
    if (violation->fault == INLAY_FAULT_GREATER_EQUAL ||
        violation->fault == INLAY_FAULT_LESS_EQUAL)
        return inlay_buf_append_str(
            out, inlay_lax_limit(type, violation->fault, text));
    return inlay_buf_append_u64(out, length_limit(type));
}

static bool is_plural(const struct inlay_violation *violation)
{
    if (violation->bound.len > 0)
        return !inlay_str_is(violation->bound, "1");
    return length_limit(violation->type) != 1;
}

/* A message or ctx of the table, its marks filled in. */
static int write_template(const struct inlay_violation *violation,
                          const char *at,
                          struct inlay_buf *out)
{
    for (; *at; at++) {
        int status = 0;

        if (*at != '%')
            status = inlay_buf_append_char(out, *at);
        else if (*++at == 's' || *at == 'n')
            status = write_limit(violation, *at == 'n', out);
        else if (*at == 'j')
            status = inlay_json_write_string(violation->bound, out);
        else if (*at == 'd')
            status = inlay_json_write_inside(violation->detail, out);
        else if (*at == 'q')
            status = inlay_json_write_string(violation->detail, out);
        else if (is_plural(violation))
            status = inlay_buf_append_char(out, 's');
        if (status < 0)
            return -1;
    }
    return 0;
}

static int write_violation(const struct inlay_violation *violation,
                           struct inlay_buf *out)
{
    struct inlay_str type = inlay_str_from(fault_texts[violation->fault].type);
    const char *ctx = fault_texts[violation->fault].ctx;
    struct inlay_str input = violation->input;

    /* What could not be parsed is an empty object to FastAPI. */
    if (input.len == 0)
        input = violation->fault == INLAY_FAULT_JSON_INVALID
                    ? INLAY_STR("{}")
                    : INLAY_STR("null");
    if (inlay_buf_append_literal(out, "{\"type\":\"") < 0 ||
        inlay_buf_append_str(out, type) < 0 ||
        inlay_buf_append_literal(out, "\",\"loc\":") < 0 ||
        write_loc(violation, out) < 0 ||
        inlay_buf_append_literal(out, ",\"msg\":\"") < 0 ||
        write_template(violation, fault_texts[violation->fault].message, out) <
            0 ||
        inlay_buf_append_literal(out, "\",\"input\":") < 0 ||
        inlay_buf_append_str(out, input) < 0)
        return -1;
    if (*ctx && (inlay_buf_append_literal(out, ",\"ctx\":") < 0 ||
                 write_template(violation, ctx, out) < 0))
        return -1;
    return inlay_buf_append_char(out, '}');
}

int inlay_violations_write(const struct inlay_violations *violations,
                           struct inlay_buf *out)
{
    const struct inlay_violation *violation = violations->first;

    if (inlay_buf_append_literal(out, "{\"detail\":[") < 0)
        return -1;
    for (; violation; violation = violation->next) {
        if (violation != violations->first &&
            inlay_buf_append_char(out, ',') < 0)
            return -1;
        if (write_violation(violation, out) < 0)
            return -1;
    }
    return inlay_buf_append_literal(out, "]}");
}
