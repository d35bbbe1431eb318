#include <math.h>
#include <yyjson.h>

#include "type/base64.h"
#include "type/calendar.h"
#include "type/constraint.h"
#include "type/json.h"
#include "type/json_reader.h"
#include "type/lax.h"

#include "base/banned.h"

/* Types that reach themselves get as deep as the client likes. */
#define DEPTH_MOST 128

/* Members of a struct looked up without taking memory of the arena. */
#define FIELDS_FEW 32

/* --- Violations --------------------------------------------------------- */

static inlay_cold enum inlay_json_status add_fault(
    struct inlay_json_reader *reader,
    const struct inlay_place *place,
    enum inlay_fault fault,
    struct inlay_str input,
    const struct inlay_type *type,
    struct inlay_str detail)
{
    if (reader->constraints)
        inlay_constraints_violated(reader->constraints, reader->violations,
                                   place, fault, input, type, detail);
    else
        inlay_violations_add(reader->violations, place, fault, input, type,
                             detail);
    return reader->violations->no_memory ? INLAY_JSON_NO_MEMORY
                                         : INLAY_JSON_INVALID;
}

int inlay_json_reader_echo(struct inlay_json_reader *reader,
                           yyjson_val *val,
                           struct inlay_str *ret)
{
    *ret = inlay_str_make("", 0);
    if (reader->violations->count >= reader->violations->most)
        return 0;
    *ret = inlay_json_echo(val, reader->arena);
    return ret->ptr ? 0 : -1;
}

inlay_cold enum inlay_json_status inlay_json_reader_fault(
    struct inlay_json_reader *reader,
    yyjson_val *val,
    const struct inlay_type *type,
    const struct inlay_place *place,
    enum inlay_fault fault,
    struct inlay_str detail)
{
    struct inlay_str input;

    if (inlay_json_reader_echo(reader, val, &input) < 0)
        return INLAY_JSON_NO_MEMORY;
    return add_fault(reader, place, fault, input, type, detail);
}

static inlay_cold enum inlay_json_status fault_of(
    struct inlay_json_reader *reader,
    yyjson_val *val,
    const struct inlay_type *type,
    const struct inlay_place *place,
    enum inlay_fault fault)
{
    return inlay_json_reader_fault(reader, val, type, place, fault,
                                   inlay_str_make("", 0));
}

/* The status of what inlay_lax_*() has returned. */
static inline enum inlay_json_status settle(struct inlay_json_reader *reader,
                                            yyjson_val *val,
                                            const struct inlay_type *type,
                                            const struct inlay_place *place,
                                            int lax)
{
    if (inlay_likely(lax == INLAY_LAX_OK))
        return INLAY_JSON_OK;
    if (lax == INLAY_LAX_NO_MEMORY)
        return INLAY_JSON_NO_MEMORY;
    return fault_of(reader, val, type, place, (enum inlay_fault)lax);
}

/* --- Scalars ------------------------------------------------------------ */

static struct inlay_str view(yyjson_val *val)
{
    return inlay_str_make(unsafe_yyjson_get_str(val),
                          unsafe_yyjson_get_len(val));
}

/* A number past 64 bits: an integer, or a real that is not finite? */
static bool raw_is_integer(yyjson_val *val)
{
    struct inlay_str text = view(val);

    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '.' || text.ptr[i] == 'e' || text.ptr[i] == 'E')
            return false;
    return true;
}

static int integer_of(yyjson_val *val, const struct inlay_type *type, char *ret)
{
    struct inlay_lax_integer integer = {0};

    switch (unsafe_yyjson_get_tag(val)) {
    case YYJSON_TYPE_NUM | YYJSON_SUBTYPE_UINT:
        integer.size = unsafe_yyjson_get_uint(val);
        break;
    case YYJSON_TYPE_NUM | YYJSON_SUBTYPE_SINT:
        integer.negative = unsafe_yyjson_get_sint(val) < 0;
        integer.size = (uint64_t)unsafe_yyjson_get_sint(val);
        if (integer.negative)
            integer.size = 0 - integer.size;
        break;
    case YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL:
        return inlay_lax_integer_of_real(unsafe_yyjson_get_real(val), type,
                                         ret);
    case YYJSON_TYPE_BOOL | YYJSON_SUBTYPE_TRUE:
        integer.size = 1;
        break;
    case YYJSON_TYPE_BOOL | YYJSON_SUBTYPE_FALSE:
        break;
    default:
        if (unsafe_yyjson_is_str(val))
            return inlay_lax_integer_of_text(view(val), type, ret);
        if (!unsafe_yyjson_is_raw(val))
            return INLAY_FAULT_INT_TYPE;
        if (!raw_is_integer(val))
            return INLAY_FAULT_FINITE_NUMBER;
        integer.overflow = true;
        integer.negative = view(val).ptr[0] == '-';
        break;
    }
    return inlay_lax_store_integer(integer, type, ret);
}

static int real_of(struct inlay_json_reader *reader,
                   yyjson_val *val,
                   const struct inlay_type *type,
                   char *ret)
{
    int lax;

    switch (unsafe_yyjson_get_type(val)) {
    case YYJSON_TYPE_NUM:
        return inlay_lax_store_real(yyjson_get_num(val), type, ret);
    case YYJSON_TYPE_BOOL:
        return inlay_lax_store_real(unsafe_yyjson_get_bool(val), type, ret);
    case YYJSON_TYPE_STR:
        return inlay_lax_real_of_text(view(val), type, reader->arena, ret);
    case YYJSON_TYPE_RAW:
        lax = inlay_lax_real_of_text(view(val), type, reader->arena, ret);
        if (lax == INLAY_FAULT_FINITE_NUMBER && raw_is_integer(val))
            return INLAY_FAULT_FLOAT_TYPE;
        return lax;
    default:
        return INLAY_FAULT_FLOAT_TYPE;
    }
}

static int bool_of_number(yyjson_val *val, char *ret)
{
    double number = yyjson_get_num(val);

    if (number == 0 || number == 1) {
        *(uint8_t *)ret = number == 1;
        return INLAY_LAX_OK;
    }
    /* As pydantic: what is no int64_t is of the wrong type. */
    if (yyjson_is_uint(val))
        return unsafe_yyjson_get_uint(val) > INT64_MAX
                   ? INLAY_FAULT_BOOL_TYPE
                   : INLAY_FAULT_BOOL_PARSING;
    if (yyjson_is_sint(val))
        return INLAY_FAULT_BOOL_PARSING;
    if (number >= 0x1p63 || number <= -0x1p63 ||
        number != (double)(int64_t)number)
        return INLAY_FAULT_BOOL_TYPE;
    return INLAY_FAULT_BOOL_PARSING;
}

static int bool_of(yyjson_val *val, char *ret)
{
    if (unsafe_yyjson_is_bool(val)) {
        *(uint8_t *)ret = unsafe_yyjson_get_bool(val);
        return INLAY_LAX_OK;
    }
    if (unsafe_yyjson_is_str(val))
        return inlay_lax_bool_of_text(view(val), ret);
    if (!unsafe_yyjson_is_num(val))
        return INLAY_FAULT_BOOL_TYPE;
    return bool_of_number(val, ret);
}

static int text_of(yyjson_val *val, const struct inlay_type *type, char *ret)
{
    const char *none = NULL;

    if (type->kind == INLAY_KIND_CSTR && unsafe_yyjson_is_null(val)) {
        memcpy(ret, &none, sizeof(none));
        return INLAY_LAX_OK;
    }
    if (!unsafe_yyjson_is_str(val))
        return INLAY_FAULT_STRING_TYPE;
    struct inlay_str text = view(val);
    if (type->kind == INLAY_KIND_STR) {
        memcpy(ret, &text, sizeof(text));
        return INLAY_LAX_OK;
    }
    if (type->kind == INLAY_KIND_CHAR)
        return inlay_lax_char_of_text(text, ret);
    if (type->kind == INLAY_KIND_CHARS)
        return inlay_lax_chars_of_text(text, type, ret);
    /* yyjson puts a NUL behind each string. */
    if (memchr(text.ptr, '\0', text.len))
        return INLAY_FAULT_STRING_NUL;
    memcpy(ret, &text.ptr, sizeof(text.ptr));
    return INLAY_LAX_OK;
}

static int enum_of(yyjson_val *val, const struct inlay_type *type, char *ret)
{
    if (!unsafe_yyjson_is_str(val))
        return INLAY_FAULT_ENUM;
    return inlay_lax_enum_of_text(view(val), type, ret);
}

static enum inlay_json_status read_bytes(struct inlay_json_reader *reader,
                                         yyjson_val *val,
                                         const struct inlay_type *type,
                                         const struct inlay_place *place,
                                         char *ret)
{
    char reason[INLAY_BASE64_REASON_SIZE];
    struct inlay_bytes bytes;

    if (!unsafe_yyjson_is_str(val))
        return fault_of(reader, val, type, place, INLAY_FAULT_BYTES_TYPE);
    uint8_t *memory = inlay_arena_alloc(
        reader->arena, inlay_base64_room(unsafe_yyjson_get_len(val)));
    if (!memory)
        return INLAY_JSON_NO_MEMORY;
    if (inlay_base64_read(view(val), memory, &bytes.len, reason) < 0)
        return inlay_json_reader_fault(reader, val, type, place,
                                       INLAY_FAULT_BYTES_BASE64,
                                       inlay_str_from(reason));
    bytes.ptr = memory;
    memcpy(ret, &bytes, sizeof(bytes));
    return INLAY_JSON_OK;
}

/* A number past 64 bits: a timestamp as Python's float of it. */
static int time_of_raw(struct inlay_json_reader *reader,
                       yyjson_val *val,
                       const struct inlay_type *type,
                       char *ret,
                       char *reason)
{
    static const struct inlay_type real = {
        .kind = INLAY_KIND_FLOAT,
        .size = sizeof(double),
    };
    struct inlay_str text = view(val);
    double number = text.ptr[0] == '-' ? -INFINITY : INFINITY;
    int lax = inlay_lax_real_of_text(text, &real, reader->arena, &number);

    if (lax == INLAY_LAX_NO_MEMORY)
        return lax;
    if (lax != INLAY_LAX_OK && raw_is_integer(val))
        return (int)inlay_time_type_fault(type);
    return inlay_time_of_real(number, type, ret, reason);
}

static int time_of(struct inlay_json_reader *reader,
                   yyjson_val *val,
                   const struct inlay_type *type,
                   char *ret,
                   char *reason)
{
    reason[0] = '\0';
    if (unsafe_yyjson_is_str(val))
        return inlay_time_of_text(view(val), type, reader->arena, ret, reason);
    if (unsafe_yyjson_is_raw(val))
        return time_of_raw(reader, val, type, ret, reason);
    if (!unsafe_yyjson_is_num(val))
        return (int)inlay_time_type_fault(type);
    if (yyjson_is_sint(val) ||
        (yyjson_is_uint(val) && unsafe_yyjson_get_uint(val) <= INT64_MAX))
        return inlay_time_of_integer(unsafe_yyjson_get_sint(val), type, ret,
                                     reason);
    return inlay_time_of_real(yyjson_get_num(val), type, ret, reason);
}

static enum inlay_json_status read_time(struct inlay_json_reader *reader,
                                        yyjson_val *val,
                                        const struct inlay_type *type,
                                        const struct inlay_place *place,
                                        char *ret)
{
    char reason[INLAY_TIME_REASON_SIZE];
    int lax = time_of(reader, val, type, ret, reason);

    if (inlay_likely(lax == INLAY_LAX_OK))
        return INLAY_JSON_OK;
    if (lax == INLAY_LAX_NO_MEMORY)
        return INLAY_JSON_NO_MEMORY;
    return inlay_json_reader_fault(reader, val, type, place,
                                   (enum inlay_fault)lax,
                                   inlay_str_from(reason));
}

/* --- Slices, arrays, optionals, pointers, structs ----------------------- */

/* Memory for `count` elements; arenas align by 16, types may want more. */
char *inlay_json_reader_memory(struct inlay_json_reader *reader,
                               const struct inlay_type *elem,
                               size_t count)
{
    size_t extra = elem->align > 16 ? elem->align : 0, size;
    char *at;

    if (__builtin_mul_overflow(count, (size_t)elem->size, &size) ||
        __builtin_add_overflow(size, extra, &size))
        return NULL;
    at = inlay_arena_alloc(reader->arena, inlay_max(size, (size_t)1));
    if (at && extra)
        at += -(uintptr_t)at & (extra - 1);
    return at;
}

/*
 * The commonest elements, as far as they need no conversion: numbers lie side
 * by side in the document. Returns how many were read.
 */
static size_t read_numbers(yyjson_val *val,
                           size_t count,
                           const struct inlay_type *elem,
                           char *at)
{
    size_t i = 0;

    if (elem->kind == INLAY_KIND_INT && elem->size == 8) {
        /* Positive numbers are unsigned to yyjson. */
        for (; i < count; i++, val++, at += 8) {
            uint64_t tag = unsafe_yyjson_get_tag(val), bits = val->uni.u64;

            if (tag != (YYJSON_TYPE_NUM | YYJSON_SUBTYPE_SINT) &&
                (tag != (YYJSON_TYPE_NUM | YYJSON_SUBTYPE_UINT) ||
                 bits > INT64_MAX))
                break;
            memcpy(at, &bits, 8);
        }
    } else if (elem->kind == INLAY_KIND_FLOAT && elem->size == 8) {
        for (; i < count; i++, val++, at += 8) {
            if (!unsafe_yyjson_is_num(val))
                break;
            double number = yyjson_get_num(val);
            memcpy(at, &number, 8);
        }
    }
    return i;
}

static enum inlay_json_status read_elements(struct inlay_json_reader *reader,
                                            yyjson_val *array,
                                            const struct inlay_type *elem,
                                            const struct inlay_place *place,
                                            char *memory)
{
    enum inlay_json_status status = INLAY_JSON_OK;
    size_t count = unsafe_yyjson_get_len(array);
    yyjson_val *at = unsafe_yyjson_get_first(array);
    size_t i = read_numbers(at, count, elem, memory);

    /* Only numbers were passed, which take one place each. */
    at += i;
    for (; i < count; i++, at = unsafe_yyjson_get_next(at)) {
        struct inlay_place here = {.outer = place, .index = i};

        status = inlay_json_worse(
            status, inlay_json_reader_value(reader, at, elem, &here,
                                            memory + i * elem->size));
        if (status == INLAY_JSON_NO_MEMORY)
            return status;
    }
    return status;
}

static enum inlay_json_status read_slice(struct inlay_json_reader *reader,
                                         yyjson_val *val,
                                         const struct inlay_type *type,
                                         const struct inlay_place *place,
                                         char *ret)
{
    if (!unsafe_yyjson_is_arr(val))
        return fault_of(reader, val, type, place, INLAY_FAULT_LIST_TYPE);
    inlay_len count = unsafe_yyjson_get_len(val);
    char *memory = inlay_json_reader_memory(reader, type->elem, count);
    if (!memory)
        return INLAY_JSON_NO_MEMORY;
    memcpy(ret + type->ptr_offset, &memory, sizeof(memory));
    memcpy(ret + type->len_offset, &count, sizeof(count));
    return read_elements(reader, val, type->elem, place, memory);
}

/* As pydantic: too many are not looked at, too few are. */
static enum inlay_json_status read_array(struct inlay_json_reader *reader,
                                         yyjson_val *val,
                                         const struct inlay_type *type,
                                         const struct inlay_place *place,
                                         char *ret)
{
    enum inlay_json_status status = INLAY_JSON_OK;
    char digits[20];

    if (!unsafe_yyjson_is_arr(val))
        return fault_of(reader, val, type, place, INLAY_FAULT_LIST_TYPE);
    size_t count = unsafe_yyjson_get_len(val);
    if (count <= type->count)
        status = read_elements(reader, val, type->elem, place, ret);
    if (inlay_likely(count == type->count) || status != INLAY_JSON_OK)
        return status;
    return inlay_json_reader_fault(
        reader, val, type, place,
        count > type->count ? INLAY_FAULT_LIST_LONG : INLAY_FAULT_LIST_SHORT,
        inlay_str_make(digits, inlay_format_u64(digits, count)));
}

/* struct T *: its depth is that of the struct. */
static enum inlay_json_status read_pointer(struct inlay_json_reader *reader,
                                           yyjson_val *val,
                                           const struct inlay_type *type,
                                           const struct inlay_place *place,
                                           char *ret)
{
    char *memory = NULL;

    if (!unsafe_yyjson_is_null(val)) {
        memory = inlay_json_reader_memory(reader, type->elem, 1);
        if (!memory)
            return INLAY_JSON_NO_MEMORY;
    }
    memcpy(ret, &memory, sizeof(memory));
    return memory
               ? inlay_json_reader_value(reader, val, type->elem, place, memory)
               : INLAY_JSON_OK;
}

static enum inlay_json_status read_optional(struct inlay_json_reader *reader,
                                            yyjson_val *val,
                                            const struct inlay_type *type,
                                            const struct inlay_place *place,
                                            char *ret)
{
    memset(ret, 0, type->size);
    if (unsafe_yyjson_is_null(val))
        return INLAY_JSON_OK;
    *(uint8_t *)(ret + type->has_offset) = 1;
    return inlay_json_reader_value(reader, val, type->elem, place,
                                   ret + type->value_offset);
}

static size_t find_field(const struct inlay_type *type,
                         struct inlay_str name,
                         size_t expected)
{
    /* Clients mostly send the fields in their order. */
    if (expected < type->nfields &&
        inlay_str_equal(type->fields[expected].name, name))
        return expected;
    for (size_t i = 0; i < type->nfields; i++)
        if (inlay_str_equal(type->fields[i].name, name))
            return i;
    return type->nfields;
}

/* Each field's value, NULL when absent; the last of duplicates. */
static void find_values(yyjson_val *object,
                        const struct inlay_type *type,
                        yyjson_val **values)
{
    size_t count = unsafe_yyjson_get_len(object), expected = 0;
    yyjson_val *key = unsafe_yyjson_get_first(object);

    for (size_t i = 0; i < type->nfields; i++)
        values[i] = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t field = find_field(type, view(key), expected);

        if (field < type->nfields) {
            values[field] = key + 1;
            expected = field + 1;
        }
        key = unsafe_yyjson_get_next(key + 1);
    }
}

static enum inlay_json_status read_fields(struct inlay_json_reader *reader,
                                          yyjson_val *object,
                                          yyjson_val **values,
                                          const struct inlay_type *type,
                                          const struct inlay_place *place,
                                          char *ret)
{
    enum inlay_json_status status = INLAY_JSON_OK;
    struct inlay_str input = {NULL, 0};

    memset(ret, 0, type->size);
    for (size_t i = 0; i < type->nfields; i++) {
        const struct inlay_field *field = &type->fields[i];
        struct inlay_place here = {.outer = place, .name = field->name};
        enum inlay_json_status one = INLAY_JSON_OK;

        if (values[i] && inlay_unlikely(field->constraints)) {
            one = inlay_json_reader_within(reader, values[i], field->type,
                                           field->constraints, &here,
                                           ret + field->offset);
        } else if (values[i]) {
            one = inlay_json_reader_value(reader, values[i], field->type, &here,
                                          ret + field->offset);
        } else if (!inlay_type_omissible(field->type)) {
            /* All missing fields of an object show the same input. */
            if (!input.ptr &&
                inlay_json_reader_echo(reader, object, &input) < 0)
                return INLAY_JSON_NO_MEMORY;
            one = add_fault(reader, &here, INLAY_FAULT_MISSING, input, NULL,
                            inlay_str_make("", 0));
        }
        status = inlay_json_worse(status, one);
        if (status == INLAY_JSON_NO_MEMORY)
            return status;
    }
    return status;
}

static enum inlay_json_status read_struct(struct inlay_json_reader *reader,
                                          yyjson_val *val,
                                          const struct inlay_type *type,
                                          const struct inlay_place *place,
                                          char *ret)
{
    yyjson_val *few[FIELDS_FEW], **values = few;

    if (!unsafe_yyjson_is_obj(val))
        return fault_of(reader, val, type, place, INLAY_FAULT_MODEL_TYPE);
    if (type->nfields > FIELDS_FEW) {
        values = inlay_arena_zalloc_array(reader->arena, type->nfields,
                                          sizeof(*values));
        if (!values)
            return INLAY_JSON_NO_MEMORY;
    }
    find_values(val, type, values);
    enum inlay_json_status status =
        read_fields(reader, val, values, type, place, ret);
    return inlay_unlikely(type->strict || type->check)
               ? inlay_json_reader_rules(reader, val, type, place, status, ret)
               : status;
}

static enum inlay_json_status read_container(struct inlay_json_reader *reader,
                                             yyjson_val *val,
                                             const struct inlay_type *type,
                                             const struct inlay_place *place,
                                             char *ret)
{
    enum inlay_json_status status;

    if (reader->depth == DEPTH_MOST)
        return add_fault(reader, place, INLAY_FAULT_JSON_INVALID,
                         INLAY_STR("{}"), NULL, INLAY_STR("Nested too deeply"));
    reader->depth++;
    if (type->kind == INLAY_KIND_SLICE)
        status = read_slice(reader, val, type, place, ret);
    else if (type->kind == INLAY_KIND_ARRAY)
        status = read_array(reader, val, type, place, ret);
    else if (type->kind == INLAY_KIND_OPTIONAL)
        status = read_optional(reader, val, type, place, ret);
    else
        status = read_struct(reader, val, type, place, ret);
    reader->depth--;
    return status;
}

enum inlay_json_status inlay_json_reader_value(struct inlay_json_reader *reader,
                                               yyjson_val *val,
                                               const struct inlay_type *type,
                                               const struct inlay_place *place,
                                               char *ret)
{
    switch (type->kind) {
    case INLAY_KIND_BOOL:
        return settle(reader, val, type, place, bool_of(val, ret));
    case INLAY_KIND_INT:
    case INLAY_KIND_UINT:
        return settle(reader, val, type, place, integer_of(val, type, ret));
    case INLAY_KIND_FLOAT:
        return settle(reader, val, type, place,
                      real_of(reader, val, type, ret));
    case INLAY_KIND_CHAR:
    case INLAY_KIND_CSTR:
    case INLAY_KIND_STR:
    case INLAY_KIND_CHARS:
        return settle(reader, val, type, place, text_of(val, type, ret));
    case INLAY_KIND_ENUM:
        return settle(reader, val, type, place, enum_of(val, type, ret));
    case INLAY_KIND_BYTES:
        return read_bytes(reader, val, type, place, ret);
    case INLAY_KIND_DATE:
    case INLAY_KIND_DATETIME:
    case INLAY_KIND_UUID:
        return read_time(reader, val, type, place, ret);
    case INLAY_KIND_POINTER:
        return read_pointer(reader, val, type, place, ret);
    case INLAY_KIND_SLICE:
    case INLAY_KIND_ARRAY:
    case INLAY_KIND_OPTIONAL:
    case INLAY_KIND_STRUCT:
        return read_container(reader, val, type, place, ret);
    case INLAY_KIND_UPLOAD:
    case INLAY_KIND_VOID:
    case INLAY_KIND_OWNED:
    case INLAY_KIND_HANDLE:
    case INLAY_KIND_OBJECT:
    case INLAY_KIND_CALLBACK:
    case INLAY_KIND_USERDATA:
    case INLAY_KIND_ARROW_ARRAY:
    case INLAY_KIND_ARROW_SCHEMA:
    case INLAY_KIND_INJECTED:
    case INLAY_KIND_UNSUPPORTED:
        break;
    }
    return INLAY_JSON_INVALID;
}

/* --- Documents ---------------------------------------------------------- */

enum inlay_json_status inlay_json_read(const struct inlay_json_doc *doc,
                                       const struct inlay_type *type,
                                       struct inlay_arena *arena,
                                       const struct inlay_place *place,
                                       struct inlay_violations *violations,
                                       void *ret)
{
    struct inlay_json_reader reader = {
        .arena = arena,
        .violations = violations,
    };

    return inlay_json_reader_value(&reader, doc->doc->root, type, place, ret);
}

/* Constraints or not. */
static enum inlay_json_status read_root(
    struct inlay_json_reader *reader,
    yyjson_val *val,
    const struct inlay_type *type,
    const struct inlay_constraints *constraints,
    const struct inlay_place *place,
    char *ret)
{
    return constraints ? inlay_json_reader_within(reader, val, type,
                                                  constraints, place, ret)
                       : inlay_json_reader_value(reader, val, type, place, ret);
}

enum inlay_json_status inlay_json_read_within(
    const struct inlay_json_doc *doc,
    const struct inlay_type *type,
    const struct inlay_constraints *constraints,
    struct inlay_arena *arena,
    const struct inlay_place *place,
    struct inlay_violations *violations,
    void *ret)
{
    struct inlay_json_reader reader = {
        .arena = arena,
        .violations = violations,
    };

    return read_root(&reader, doc->doc->root, type, constraints, place, ret);
}

enum inlay_json_status inlay_json_read_member(
    const struct inlay_json_doc *doc,
    struct inlay_str name,
    const struct inlay_type *type,
    const struct inlay_constraints *constraints,
    const void *fallback,
    struct inlay_arena *arena,
    const struct inlay_place *place,
    struct inlay_violations *violations,
    void *ret)
{
    struct inlay_json_reader reader = {
        .arena = arena,
        .violations = violations,
    };
    struct inlay_place here = {.outer = place, .name = name};
    const struct inlay_field field = {.name = name, .type = type};
    const struct inlay_type whole = {
        .kind = INLAY_KIND_STRUCT,
        .fields = &field,
        .nfields = 1,
    };
    yyjson_val *root = doc->doc->root, *val = NULL;

    /* FastAPI finds no member in what is no object: missing, all of them. */
    if (unsafe_yyjson_is_obj(root))
        find_values(root, &whole, &val);
    if (val)
        return read_root(&reader, val, type, constraints, &here, ret);
    if (fallback) {
        memcpy(ret, fallback, type->size);
        return INLAY_JSON_OK;
    }
    if (type->kind == INLAY_KIND_OPTIONAL) {
        memset(ret, 0, type->size);
        return INLAY_JSON_OK;
    }
    return add_fault(&reader, &here, INLAY_FAULT_MISSING, INLAY_STR("null"),
                     NULL, inlay_str_make("", 0));
}
