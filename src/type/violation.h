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

/* name, pydantic's type, pydantic's message */
#define INLAY_FAULTS(X)                                                        \
    X(MISSING, "missing", "Field required")                                    \
    X(JSON_INVALID, "json_invalid", "JSON decode error")                       \
    X(INT_TYPE, "int_type", "Input should be a valid integer")                 \
    X(INT_PARSING, "int_parsing",                                              \
      "Input should be a valid integer, unable to parse string as an integer") \
    X(INT_PARSING_SIZE, "int_parsing_size",                                    \
      "Unable to parse input string as an integer, exceeded maximum size")     \
    X(INT_FROM_FLOAT, "int_from_float",                                        \
      "Input should be a valid integer, got a number with a fractional part")  \
    X(FLOAT_TYPE, "float_type", "Input should be a valid number")              \
    X(FLOAT_PARSING, "float_parsing",                                          \
      "Input should be a valid number, unable to parse string as a number")    \
    X(FINITE_NUMBER, "finite_number", "Input should be a finite number")       \
    X(BOOL_TYPE, "bool_type", "Input should be a valid boolean")               \
    X(BOOL_PARSING, "bool_parsing",                                            \
      "Input should be a valid boolean, unable to interpret input")            \
    X(STRING_TYPE, "string_type", "Input should be a valid string")            \
    X(STRING_UNICODE, "string_unicode",                                        \
      "Input should be a valid string, unable to parse raw data as a unicode " \
      "string")                                                                \
    X(STRING_NUL, "value_error",                                               \
      "Value error, text must not contain a NUL character")                    \
    X(LIST_TYPE, "list_type", "Input should be a valid list")                  \
    X(MODEL_TYPE, "model_attributes_type",                                     \
      "Input should be a valid dictionary or object to extract fields from")   \
    X(GREATER_EQUAL, "greater_than_equal",                                     \
      "Input should be greater than or equal to %s")                           \
    X(LESS_EQUAL, "less_than_equal", "Input should be less than or equal to %s")

enum inlay_fault {
#define INLAY_FAULT_ENUM_(name, type, message) INLAY_FAULT_##name,
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
    size_t most;    /* default 1000 */
    bool no_memory; /* one was lost: answer 503 */
};

void inlay_violations_init(struct inlay_violations *violations,
                           struct inlay_arena *arena);

/*
 * `input` is JSON text (of the arena or the request, alive until written);
 * empty means null. `limit` fills %s of GREATER_EQUAL and LESS_EQUAL and
 * becomes ctx {"ge": …} or {"le": …}. For JSON_INVALID, `limit` is the
 * parser's reason and becomes ctx {"error": …}. The place is copied.
 */
void inlay_violations_add(struct inlay_violations *violations,
                          const struct inlay_place *place,
                          enum inlay_fault fault,
                          struct inlay_str input,
                          struct inlay_str limit);

/* The 422 body. 0, or -1 past the buffer's limit or without memory. */
int inlay_violations_write(const struct inlay_violations *violations,
                           struct inlay_buf *out);

#endif
