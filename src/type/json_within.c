/* json_within.c - what values must be beyond their type, while JSON is read. */
#include "base/macros.h"
#include "type/json_reader.h"

#include "base/banned.h"

/* Objects with more members show a repeated unknown key each time. */
#define UNIQUE_MOST 64

static enum inlay_json_status read_optional(
    struct inlay_json_reader *reader,
    yyjson_val *val,
    const struct inlay_type *type,
    const struct inlay_constraints *constraints,
    const struct inlay_place *place,
    char *ret)
{
    memset(ret, 0, type->size);
    if (unsafe_yyjson_is_null(val))
        return INLAY_JSON_OK;
    *(uint8_t *)(ret + type->has_offset) = 1;
    return inlay_json_reader_within(reader, val, type->elem, constraints, place,
                                    ret + type->value_offset);
}

/* The items of a list to `items`, each within constraints of its own. */
static enum inlay_json_status read_items(
    struct inlay_json_reader *reader,
    yyjson_val *val,
    const struct inlay_type *elem,
    const struct inlay_constraints *constraints,
    const struct inlay_place *place,
    char *items)
{
    struct inlay_constraints inner = inlay_constraints_of_items(constraints);
    yyjson_val *at = unsafe_yyjson_get_first(val);
    size_t count = unsafe_yyjson_get_len(val);
    enum inlay_json_status status = INLAY_JSON_OK;

    for (size_t i = 0; i < count; i++, at = unsafe_yyjson_get_next(at)) {
        struct inlay_place here = {.outer = place, .index = i};

        status = inlay_json_worse(
            status, inlay_json_reader_within(reader, at, elem, &inner, &here,
                                             items + i * elem->size));
        if (status == INLAY_JSON_NO_MEMORY)
            break;
    }
    return status;
}

static enum inlay_json_status read_slice(
    struct inlay_json_reader *reader,
    yyjson_val *val,
    const struct inlay_type *type,
    const struct inlay_constraints *constraints,
    const struct inlay_place *place,
    char *ret)
{
    inlay_len count = unsafe_yyjson_get_len(val);
    char *memory;

    if (!inlay_constraints_for_items(constraints))
        return inlay_json_reader_value(reader, val, type, place, ret);
    memory = inlay_json_reader_memory(reader, type->elem, count);
    if (!memory)
        return INLAY_JSON_NO_MEMORY;
    memcpy(ret + type->ptr_offset, &memory, sizeof(memory));
    memcpy(ret + type->len_offset, &count, sizeof(count));
    return read_items(reader, val, type->elem, constraints, place, memory);
}

static enum inlay_json_status wrong_count(
    struct inlay_json_reader *reader,
    yyjson_val *val,
    const struct inlay_type *type,
    const struct inlay_constraints *constraints,
    const struct inlay_place *place)
{
    struct inlay_str input;

    if (inlay_json_reader_echo(reader, val, &input) < 0)
        return INLAY_JSON_NO_MEMORY;
    inlay_constraints_check_count(constraints, type, unsafe_yyjson_get_len(val),
                                  place, reader->violations, input);
    return reader->violations->no_memory ? INLAY_JSON_NO_MEMORY
                                         : INLAY_JSON_INVALID;
}

/* As pydantic: too many are not looked at, too few are. */
static enum inlay_json_status read_list(
    struct inlay_json_reader *reader,
    yyjson_val *val,
    const struct inlay_type *type,
    const struct inlay_constraints *constraints,
    const struct inlay_place *place,
    char *ret)
{
    enum inlay_json_status status;
    int fault;

    if (!unsafe_yyjson_is_arr(val))
        return inlay_json_reader_value(reader, val, type, place, ret);
    fault =
        inlay_constraints_test_count(constraints, unsafe_yyjson_get_len(val));
    if (fault == INLAY_FAULT_LIST_LONG)
        return wrong_count(reader, val, type, constraints, place);
    if (type->kind == INLAY_KIND_SLICE)
        status = read_slice(reader, val, type, constraints, place, ret);
    else if (unsafe_yyjson_get_len(val) == type->count)
        status = read_items(reader, val, type->elem, constraints, place, ret);
    else
        status = inlay_json_reader_value(reader, val, type, place, ret);
    return status == INLAY_JSON_OK && fault != INLAY_LAX_OK
               ? wrong_count(reader, val, type, constraints, place)
               : status;
}

enum inlay_json_status inlay_json_reader_within(
    struct inlay_json_reader *reader,
    yyjson_val *val,
    const struct inlay_type *type,
    const struct inlay_constraints *constraints,
    const struct inlay_place *place,
    char *ret)
{
    enum inlay_json_status status;
    int fault;

    if (type->kind == INLAY_KIND_OPTIONAL)
        return read_optional(reader, val, type, constraints, place, ret);
    if (type->kind == INLAY_KIND_SLICE || type->kind == INLAY_KIND_ARRAY)
        return read_list(reader, val, type, constraints, place, ret);
    reader->constraints = constraints;
    status = inlay_json_reader_value(reader, val, type, place, ret);
    if (status == INLAY_JSON_OK) {
        fault =
            inlay_constraints_test(constraints, type, ret, reader->violations);
        if (inlay_unlikely(fault != INLAY_LAX_OK))
            status = inlay_json_reader_fault(reader, val, type, place,
                                             (enum inlay_fault)fault,
                                             inlay_str_make("", 0));
    }
    reader->constraints = NULL;
    return status;
}

static struct inlay_str view(yyjson_val *val)
{
    return inlay_str_make(unsafe_yyjson_get_str(val),
                          unsafe_yyjson_get_len(val));
}

static bool is_field(const struct inlay_type *type, struct inlay_str name)
{
    for (size_t i = 0; i < type->nfields; i++)
        if (inlay_str_equal(type->fields[i].name, name))
            return true;
    return false;
}

/* As in a Python dict: where it came first, the value that came last. */
static yyjson_val *value_of(yyjson_val *object, size_t index, yyjson_val *key)
{
    yyjson_val *at = unsafe_yyjson_get_first(object), *value = key + 1;
    size_t count = unsafe_yyjson_get_len(object);

    if (count > UNIQUE_MOST)
        return value;
    for (size_t i = 0; i < count; i++, at = unsafe_yyjson_get_next(at + 1)) {
        if (i == index || !inlay_str_equal(view(at), view(key)))
            continue;
        if (i < index)
            return NULL;
        value = at + 1;
    }
    return value;
}

static enum inlay_json_status refuse_extra(struct inlay_json_reader *reader,
                                           yyjson_val *object,
                                           const struct inlay_type *type,
                                           const struct inlay_place *place)
{
    enum inlay_json_status status = INLAY_JSON_OK;
    yyjson_val *key = unsafe_yyjson_get_first(object);
    size_t count = unsafe_yyjson_get_len(object);

    for (size_t i = 0; i < count && status != INLAY_JSON_NO_MEMORY;
         i++, key = unsafe_yyjson_get_next(key + 1)) {
        struct inlay_place here = {.outer = place, .name = view(key)};
        yyjson_val *value;

        if (is_field(type, view(key)))
            continue;
        value = value_of(object, i, key);
        if (value)
            status = inlay_json_reader_fault(reader, value, NULL, &here,
                                             INLAY_FAULT_EXTRA_FORBIDDEN,
                                             inlay_str_make("", 0));
    }
    return status;
}

static enum inlay_json_status run_check(struct inlay_json_reader *reader,
                                        yyjson_val *object,
                                        const struct inlay_type *type,
                                        const struct inlay_place *place,
                                        const char *value)
{
    const char *wrong = type->check(value);
    struct inlay_str input;

    if (inlay_likely(!wrong))
        return INLAY_JSON_OK;
    if (inlay_json_reader_echo(reader, object, &input) < 0)
        return INLAY_JSON_NO_MEMORY;
    inlay_constraints_refused(wrong, place, reader->violations, input);
    return reader->violations->no_memory ? INLAY_JSON_NO_MEMORY
                                         : INLAY_JSON_INVALID;
}

enum inlay_json_status inlay_json_reader_rules(struct inlay_json_reader *reader,
                                               yyjson_val *object,
                                               const struct inlay_type *type,
                                               const struct inlay_place *place,
                                               enum inlay_json_status status,
                                               const char *ret)
{
    if (type->strict && status != INLAY_JSON_NO_MEMORY)
        status =
            inlay_json_worse(status, refuse_extra(reader, object, type, place));
    return type->check && status == INLAY_JSON_OK
               ? run_check(reader, object, type, place, ret)
               : status;
}
