/*
 * violation.h - what is wrong with a client's input, collected until the
 * input is read, and written in FastAPI's 422 shape:
 * {"detail":[{"type":…,"loc":[…],"msg":…,"input":…,"ctx":{…}?}]}
 * Types and messages are pydantic 2's for the same input.
 */
#ifndef INLAY_TYPE_VIOLATION_H
#define INLAY_TYPE_VIOLATION_H

#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "type/type.h"

/*
 * name, pydantic's type, message and ctx ("": none). %s is the limit, that of a
 * constraint or else what the expected type has room for, %n the same as JSON
 * and %j as a JSON string, %p an "s" unless it is 1, %d the detail of the
 * fault, %q the same as a JSON string.
 */
#define INLAY_FAULTS(X)                                                        \
    X(MISSING, "missing", "Field required", "")                                \
    X(JSON_INVALID, "json_invalid", "JSON decode error", "{\"error\":%q}")     \
    X(INT_TYPE, "int_type", "Input should be a valid integer", "")             \
    X(INT_PARSING, "int_parsing",                                              \
      "Input should be a valid integer, unable to parse string as an integer", \
      "")                                                                      \
    X(INT_PARSING_SIZE, "int_parsing_size",                                    \
      "Unable to parse input string as an integer, exceeded maximum size", "") \
    X(INT_FROM_FLOAT, "int_from_float",                                        \
      "Input should be a valid integer, got a number with a fractional part",  \
      "")                                                                      \
    X(FLOAT_TYPE, "float_type", "Input should be a valid number", "")          \
    X(FLOAT_PARSING, "float_parsing",                                          \
      "Input should be a valid number, unable to parse string as a number",    \
      "")                                                                      \
    X(FINITE_NUMBER, "finite_number", "Input should be a finite number", "")   \
    X(BOOL_TYPE, "bool_type", "Input should be a valid boolean", "")           \
    X(BOOL_PARSING, "bool_parsing",                                            \
      "Input should be a valid boolean, unable to interpret input", "")        \
    X(STRING_TYPE, "string_type", "Input should be a valid string", "")        \
    X(STRING_UNICODE, "string_unicode",                                        \
      "Input should be a valid string, unable to parse raw data as a unicode " \
      "string",                                                                \
      "")                                                                      \
    X(STRING_NUL, "value_error",                                               \
      "Value error, text must not contain a NUL character", "{\"error\":{}}")  \
    X(STRING_ASCII, "value_error",                                             \
      "Value error, text must be an ASCII character", "{\"error\":{}}")        \
    X(STRING_SHORT, "string_too_short",                                        \
      "String should have at least %s character%p", "{\"min_length\":%s}")     \
    X(STRING_LONG, "string_too_long",                                          \
      "String should have at most %s character%p", "{\"max_length\":%s}")      \
    X(STRING_PATTERN, "string_pattern_mismatch",                               \
      "String should match pattern '%s'", "{\"pattern\":%j}")                  \
    X(BYTES_TYPE, "bytes_type", "Input should be a valid bytes", "")           \
    X(BYTES_BASE64, "bytes_invalid_encoding",                                  \
      "Data should be valid base64: %d",                                       \
      "{\"encoding\":\"base64\",\"encoding_error\":%q}")                       \
    X(BYTES_SHORT, "bytes_too_short", "Data should have at least %s byte%p",   \
      "{\"min_length\":%s}")                                                   \
    X(BYTES_LONG, "bytes_too_long", "Data should have at most %s byte%p",      \
      "{\"max_length\":%s}")                                                   \
    X(DATE_TYPE, "date_type", "Input should be a valid date", "")              \
    X(DATE_PARSING, "date_parsing",                                            \
      "Input should be a valid date in the format YYYY-MM-DD, %d",             \
      "{\"error\":%q}")                                                        \
    X(DATE_FROM_DATETIME, "date_from_datetime_parsing",                        \
      "Input should be a valid date or datetime, %d", "{\"error\":%q}")        \
    X(DATE_INEXACT, "date_from_datetime_inexact",                              \
      "Datetimes provided to dates should have zero time - e.g. be exact "     \
      "dates",                                                                 \
      "")                                                                      \
    X(DATETIME_TYPE, "datetime_type", "Input should be a valid datetime", "")  \
    X(DATETIME_PARSING, "datetime_parsing",                                    \
      "Input should be a valid datetime, %d", "{\"error\":%q}")                \
    X(DATETIME_FROM_DATE, "datetime_from_date_parsing",                        \
      "Input should be a valid datetime or date, %d", "{\"error\":%q}")        \
    X(UUID_TYPE, "uuid_type",                                                  \
      "UUID input should be a string, bytes or UUID object", "")               \
    X(UUID_PARSING, "uuid_parsing", "Input should be a valid UUID, %d",        \
      "{\"error\":%q}")                                                        \
    X(ENUM, "enum", "Input should be %s", "{\"expected\":\"%s\"}")             \
    X(LIST_TYPE, "list_type", "Input should be a valid list", "")              \
    X(LIST_SHORT, "too_short",                                                 \
      "List should have at least %s item%p after validation, not %d",          \
      "{\"field_type\":\"List\",\"min_length\":%s,\"actual_length\":%d}")      \
    X(LIST_LONG, "too_long",                                                   \
      "List should have at most %s item%p after validation, not %d",           \
      "{\"field_type\":\"List\",\"max_length\":%s,\"actual_length\":%d}")      \
    X(MODEL_TYPE, "model_attributes_type",                                     \
      "Input should be a valid dictionary or object to extract fields from",   \
      "")                                                                      \
    X(GREATER_EQUAL, "greater_than_equal",                                     \
      "Input should be greater than or equal to %s", "{\"ge\":%n}")            \
    X(LESS_EQUAL, "less_than_equal",                                           \
      "Input should be less than or equal to %s", "{\"le\":%n}")               \
    X(EXTRA_FORBIDDEN, "extra_forbidden", "Extra inputs are not permitted",    \
      "")                                                                      \
    X(VALUE, "value_error", "Value error, %d", "{\"error\":{}}")

enum inlay_fault {
#define INLAY_FAULT_ENUM_(name, type, message, ctx) INLAY_FAULT_##name,
    INLAY_FAULTS(INLAY_FAULT_ENUM_)
#undef INLAY_FAULT_ENUM_
};

/* A place in the input, innermost first: body -> "numbers" -> 3. */
struct inlay_place {
    const struct inlay_place *outer; /* NULL: the outermost, e.g. "query" */
    struct inlay_str name;           /* ptr NULL: `index` counts */
    size_t index;
};

struct inlay_violation;

/* Collected in the request's arena; after `most` of them only counted. */
struct inlay_violations {
    struct inlay_arena *arena;
    struct inlay_violation *first, **last;
    size_t count;
    size_t most;       /* default 1000 */
    bool no_memory;    /* one was lost: answer 503 */
    uint64_t searched; /* ns that patterns have taken (constraint.c) */
};

void inlay_violations_init(struct inlay_violations *violations,
                           struct inlay_arena *arena);

/*
 * `input` is JSON text (of the arena or the request, alive until written);
 * empty means null. `type` is what was expected there (alive as well), NULL
 * when the fault needs no limit of it. `detail` is what the fault is about:
 * of JSON_INVALID, BYTES_BASE64, dates and UUIDs the parser's reason, of
 * LIST_SHORT and LIST_LONG the number of items, of VALUE what is wrong (UTF-8),
 * else "". It is copied, as is the place.
 */
void inlay_violations_add(struct inlay_violations *violations,
                          const struct inlay_place *place,
                          enum inlay_fault fault,
                          struct inlay_str input,
                          const struct inlay_type *type,
                          struct inlay_str detail);

/*
 * The same of a constraint: `bound` is its limit as JSON, or the pattern, and
 * is copied; "": the limit is that of `type`.
 */
void inlay_violations_add_bound(struct inlay_violations *violations,
                                const struct inlay_place *place,
                                enum inlay_fault fault,
                                struct inlay_str input,
                                const struct inlay_type *type,
                                struct inlay_str detail,
                                struct inlay_str bound);

/* The 422 body. 0, or -1 past the buffer's limit or without memory. */
int inlay_violations_write(const struct inlay_violations *violations,
                           struct inlay_buf *out);

#endif
