#include "type/violation.h"

#include "type/json.h"

#include "base/banned.h"

#define MOST_DEFAULT 1000

struct part {
    struct inlay_str name; /* ptr NULL: `index` counts */
    size_t index;
};

struct inlay_violation {
    struct inlay_violation *next;
    struct inlay_str input, limit;
    enum inlay_fault fault;
    size_t nparts;
    struct part parts[]; /* outermost first */
};

static const struct {
    const char *type, *message;
} fault_texts[] = {
#define FAULT_TEXT(name, type, message) [INLAY_FAULT_##name] = {type, message},
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

void inlay_violations_add(struct inlay_violations *violations,
                          const struct inlay_place *place,
                          enum inlay_fault fault,
                          struct inlay_str input,
                          struct inlay_str limit)
{
    size_t depth = place_depth(place);
    struct inlay_violation *violation;

    if (violations->count++ >= violations->most)
        return;
    violation = inlay_arena_alloc(violations->arena,
                                  sizeof(*violation) +
                                      depth * sizeof(violation->parts[0]));
    struct inlay_str text = limit;
    if (limit.len > 0)
        text = inlay_arena_copy(violations->arena, limit);
    if (!violation || (limit.len > 0 && !text.ptr)) {
        violations->no_memory = true;
        return;
    }
    *violation = (struct inlay_violation){
        .input = input,
        .limit = text,
        .fault = fault,
        .nparts = depth,
    };
    for (; place; place = place->outer)
        violation->parts[--depth] = (struct part){place->name, place->index};
    append(violations, violation);
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

/* The message with the limit in the place of %s, and quotes. */
static int write_message(const struct inlay_violation *violation,
                         struct inlay_buf *out)
{
    struct inlay_str message =
        inlay_str_from(fault_texts[violation->fault].message);
    const char *mark = memchr(message.ptr, '%', message.len);

    if (!mark)
        return inlay_json_write_string(message, out);
    /* The limit is a number and the messages are ours: no escapes. */
    size_t head = (size_t)(mark - message.ptr);
    if (inlay_buf_append_char(out, '"') < 0 ||
        inlay_buf_append(out, message.ptr, head) < 0 ||
        inlay_buf_append_str(out, violation->limit) < 0 ||
        inlay_buf_append(out, mark + 2, message.len - head - 2) < 0)
        return -1;
    return inlay_buf_append_char(out, '"');
}

/* pydantic's ctx, of the faults that have one, and the closing brace. */
static int write_context(const struct inlay_violation *violation,
                         struct inlay_buf *out)
{
    int status = 0;

    if (violation->fault == INLAY_FAULT_GREATER_EQUAL)
        status = inlay_buf_append_literal(out, ",\"ctx\":{\"ge\":");
    else if (violation->fault == INLAY_FAULT_LESS_EQUAL)
        status = inlay_buf_append_literal(out, ",\"ctx\":{\"le\":");
    else if (violation->fault == INLAY_FAULT_JSON_INVALID)
        status = inlay_buf_append_literal(out, ",\"ctx\":{\"error\":");
    else if (violation->fault == INLAY_FAULT_STRING_NUL)
        return inlay_buf_append_literal(out, ",\"ctx\":{\"error\":{}}}");
    else
        return inlay_buf_append_char(out, '}');
    if (status < 0)
        return -1;
    if (violation->fault == INLAY_FAULT_JSON_INVALID)
        status = inlay_json_write_string(violation->limit, out);
    else
        status = inlay_buf_append_str(out, violation->limit);
    return status < 0 ? -1 : inlay_buf_append_literal(out, "}}");
}

static int write_violation(const struct inlay_violation *violation,
                           struct inlay_buf *out)
{
    struct inlay_str type = inlay_str_from(fault_texts[violation->fault].type);
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
        inlay_buf_append_literal(out, ",\"msg\":") < 0 ||
        write_message(violation, out) < 0 ||
        inlay_buf_append_literal(out, ",\"input\":") < 0 ||
        inlay_buf_append_str(out, input) < 0)
        return -1;
    return write_context(violation, out);
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
