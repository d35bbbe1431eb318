#include "type/constraint.h"

#include "base/clock.h"
#include "base/macros.h"
#include "type/json.h"
#include "type/regexp.h"

#include "base/banned.h"

/* Slices within slices: a C value of any depth comes in by Python only. */
#define DEPTH_MOST 64
/* ns of all patterns of one input: a list has many texts. */
#define SEARCHED_MOST ((uint64_t)300 * 1000 * 1000)

static int test_integer(const struct inlay_constraints *constraints,
                        const struct inlay_type *type,
                        const void *value)
{
    if (type->kind == INLAY_KIND_INT) {
        int64_t number = inlay_int_load(value, type->size);

        if (constraints->has_most && number > constraints->most)
            return INLAY_FAULT_LESS_EQUAL;
        return constraints->has_least && number < constraints->least
                   ? INLAY_FAULT_GREATER_EQUAL
                   : INLAY_LAX_OK;
    }
    uint64_t number = inlay_uint_load(value, type->size);
    if (constraints->has_most && number > (uint64_t)constraints->most)
        return INLAY_FAULT_LESS_EQUAL;
    return constraints->has_least && number < (uint64_t)constraints->least
               ? INLAY_FAULT_GREATER_EQUAL
               : INLAY_LAX_OK;
}

/* NaN, which only Python can give, is within no bounds. */
static int test_real(const struct inlay_constraints *constraints,
                     const struct inlay_type *type,
                     const void *value)
{
    float narrow;
    double number;

    if (type->size == sizeof(float)) {
        memcpy(&narrow, value, sizeof(narrow));
        number = (double)narrow;
    } else {
        memcpy(&number, value, sizeof(number));
    }
    if (constraints->has_most && !(number <= constraints->most_real))
        return INLAY_FAULT_LESS_EQUAL;
    return constraints->has_least && !(number >= constraints->least_real)
               ? INLAY_FAULT_GREATER_EQUAL
               : INLAY_LAX_OK;
}

static bool matches(const struct inlay_constraints *constraints,
                    struct inlay_str text,
                    struct inlay_violations *violations)
{
    if (!constraints->regex)
        return true;
    if (!violations)
        return inlay_regex_search(constraints->regex, text);
    if (violations->searched > SEARCHED_MOST)
        return false;
    uint64_t began = inlay_clock_ns();
    bool found = inlay_regex_search(constraints->regex, text);
    violations->searched += inlay_clock_ns() - began;
    return found;
}

static int test_text(const struct inlay_constraints *constraints,
                     struct inlay_str text,
                     struct inlay_violations *violations)
{
    if (constraints->min_length > 0 || constraints->max_length != SIZE_MAX) {
        size_t length = inlay_utf8_length(text);

        if (length < constraints->min_length)
            return INLAY_FAULT_STRING_SHORT;
        if (length > constraints->max_length)
            return INLAY_FAULT_STRING_LONG;
    }
    return matches(constraints, text, violations) ? INLAY_LAX_OK
                                                  : INLAY_FAULT_STRING_PATTERN;
}

static int test_bytes(const struct inlay_constraints *constraints,
                      const void *value)
{
    struct inlay_bytes bytes;

    memcpy(&bytes, value, sizeof(bytes));
    if (bytes.len < constraints->min_length)
        return INLAY_FAULT_BYTES_SHORT;
    return bytes.len > constraints->max_length ? INLAY_FAULT_BYTES_LONG
                                               : INLAY_LAX_OK;
}

int inlay_constraints_test(const struct inlay_constraints *constraints,
                           const struct inlay_type *type,
                           const void *value,
                           struct inlay_violations *violations)
{
    struct inlay_str text;
    const char *chars;

    if (type->kind == INLAY_KIND_INT || type->kind == INLAY_KIND_UINT)
        return test_integer(constraints, type, value);
    if (type->kind == INLAY_KIND_FLOAT)
        return test_real(constraints, type, value);
    if (type->kind == INLAY_KIND_BYTES)
        return test_bytes(constraints, value);
    if (type->kind == INLAY_KIND_STR) {
        memcpy(&text, value, sizeof(text));
        return test_text(constraints, text, violations);
    }
    if (type->kind == INLAY_KIND_CSTR) {
        memcpy(&chars, value, sizeof(chars));
        return chars ? test_text(constraints, inlay_str_from(chars), violations)
                     : INLAY_LAX_OK;
    }
    if (type->kind == INLAY_KIND_CHAR)
        return test_text(constraints, inlay_str_make(value, 1), violations);
    if (type->kind == INLAY_KIND_CHARS)
        return test_text(constraints,
                         inlay_str_make(value, strnlen(value, type->size)),
                         violations);
    return INLAY_LAX_OK;
}

struct inlay_constraints inlay_constraints_of_items(
    const struct inlay_constraints *constraints)
{
    struct inlay_constraints items = *constraints;

    items.min_length = 0;
    items.max_length = SIZE_MAX;
    return items;
}

struct inlay_str inlay_constraints_bound(
    const struct inlay_constraints *constraints,
    enum inlay_fault fault,
    char *buf)
{
    size_t length = SIZE_MAX;

    if (fault == INLAY_FAULT_GREATER_EQUAL && constraints->has_least)
        return constraints->least_text;
    if (fault == INLAY_FAULT_LESS_EQUAL && constraints->has_most)
        return constraints->most_text;
    if (fault == INLAY_FAULT_STRING_PATTERN)
        return constraints->pattern;
    if (fault == INLAY_FAULT_STRING_LONG || fault == INLAY_FAULT_LIST_LONG ||
        fault == INLAY_FAULT_BYTES_LONG)
        length = constraints->max_length;
    else if ((fault == INLAY_FAULT_STRING_SHORT ||
              fault == INLAY_FAULT_LIST_SHORT ||
              fault == INLAY_FAULT_BYTES_SHORT) &&
             constraints->min_length > 0)
        length = constraints->min_length;
    if (length == SIZE_MAX)
        return inlay_str_make("", 0);
    return inlay_str_make(buf, inlay_format_u64(buf, length));
}

void inlay_constraints_violated(const struct inlay_constraints *constraints,
                                struct inlay_violations *violations,
                                const struct inlay_place *place,
                                enum inlay_fault fault,
                                struct inlay_str input,
                                const struct inlay_type *type,
                                struct inlay_str detail)
{
    char buf[INLAY_BOUND_SIZE];

    inlay_violations_add_bound(
        violations, place, fault, input, type, detail,
        inlay_constraints_bound(constraints, fault, buf));
}

bool inlay_constraints_check_count(const struct inlay_constraints *constraints,
                                   const struct inlay_type *type,
                                   size_t count,
                                   const struct inlay_place *place,
                                   struct inlay_violations *violations,
                                   struct inlay_str input)
{
    char digits[INLAY_BOUND_SIZE];
    int fault;

    if (inlay_likely(!constraints))
        return true;
    fault = inlay_constraints_test_count(constraints, count);
    if (fault == INLAY_LAX_OK)
        return true;
    inlay_constraints_violated(
        constraints, violations, place, (enum inlay_fault)fault, input, type,
        inlay_str_make(digits, inlay_format_u64(digits, count)));
    return false;
}

void inlay_constraints_refused(const char *wrong,
                               const struct inlay_place *place,
                               struct inlay_violations *violations,
                               struct inlay_str input)
{
    struct inlay_str words =
        inlay_json_readable(inlay_str_from(wrong), violations->arena);

    if (words.ptr)
        inlay_violations_add(violations, place, INLAY_FAULT_VALUE, input, NULL,
                             words);
    else
        violations->no_memory = true;
}

static bool breach(struct inlay_breach *ret,
                   int fault,
                   const struct inlay_type *type,
                   size_t count)
{
    *ret = (struct inlay_breach){
        .fault = (enum inlay_fault)fault,
        .type = type,
        .count = count,
    };
    return false;
}

static bool hold(const struct inlay_constraints *constraints,
                 const struct inlay_type *type,
                 const char *value,
                 unsigned depth,
                 struct inlay_breach *ret);

static bool items_hold(const struct inlay_constraints *constraints,
                       const struct inlay_type *type,
                       const char *items,
                       size_t count,
                       unsigned depth,
                       struct inlay_breach *ret)
{
    int fault = inlay_constraints_test_count(constraints, count);
    struct inlay_constraints inner = inlay_constraints_of_items(constraints);

    if (fault != INLAY_LAX_OK)
        return breach(ret, fault, type, count);
    if (!inlay_constraints_for_items(constraints))
        return true;
    for (size_t i = 0; i < count; i++)
        if (!hold(&inner, type->elem, items + i * type->elem->size, depth + 1,
                  ret)) {
            ret->in_list = true;
            ret->index = i;
            return false;
        }
    return true;
}

static bool hold(const struct inlay_constraints *constraints,
                 const struct inlay_type *type,
                 const char *value,
                 unsigned depth,
                 struct inlay_breach *ret)
{
    const char *items;
    inlay_len count;

    if (depth == DEPTH_MOST)
        return true;
    if (type->kind == INLAY_KIND_OPTIONAL)
        return !*(const uint8_t *)(value + type->has_offset) ||
               hold(constraints, type->elem, value + type->value_offset,
                    depth + 1, ret);
    if (type->kind == INLAY_KIND_ARRAY)
        return items_hold(constraints, type, value, type->count, depth, ret);
    if (type->kind == INLAY_KIND_SLICE) {
        memcpy(&items, value + type->ptr_offset, sizeof(items));
        memcpy(&count, value + type->len_offset, sizeof(count));
        return items_hold(constraints, type, items, count, depth, ret);
    }
    int fault = inlay_constraints_test(constraints, type, value, NULL);
    return fault == INLAY_LAX_OK || breach(ret, fault, type, 0);
}

bool inlay_constraints_hold(const struct inlay_constraints *constraints,
                            const struct inlay_type *type,
                            const void *value,
                            struct inlay_breach *ret)
{
    return hold(constraints, type, value, 0, ret);
}
