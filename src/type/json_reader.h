/*
 * json_reader.h - inside type/: reading one JSON value. json_read.c goes by
 * the type alone, json_within.c by constraints and the rules of structs.
 */
#ifndef INLAY_TYPE_JSON_READER_H
#define INLAY_TYPE_JSON_READER_H

#include <yyjson.h>

#include "type/constraint.h"
#include "type/json.h"
#include "type/json_inside.h"

struct inlay_json_reader {
    struct inlay_arena *arena;
    struct inlay_violations *violations;
    /* Of the scalar that is being read: faults name their bounds. Or NULL. */
    const struct inlay_constraints *constraints;
    unsigned depth;
};

/* The worse of two: memory ends everything, violations are collected. */
static inline enum inlay_json_status inlay_json_worse(enum inlay_json_status a,
                                                      enum inlay_json_status b)
{
    return a < b ? a : b;
}

enum inlay_json_status inlay_json_reader_value(struct inlay_json_reader *reader,
                                               yyjson_val *val,
                                               const struct inlay_type *type,
                                               const struct inlay_place *place,
                                               char *ret);

/* The input's text, unless the violation will only be counted. -1: full. */
int inlay_json_reader_echo(struct inlay_json_reader *reader,
                           yyjson_val *val,
                           struct inlay_str *ret);

/* Adds a violation; INVALID or NO_MEMORY. */
enum inlay_json_status inlay_json_reader_fault(struct inlay_json_reader *reader,
                                               yyjson_val *val,
                                               const struct inlay_type *type,
                                               const struct inlay_place *place,
                                               enum inlay_fault fault,
                                               struct inlay_str detail);

/* Memory for `count` elements; arenas align by 16, types may want more. */
char *inlay_json_reader_memory(struct inlay_json_reader *reader,
                               const struct inlay_type *elem,
                               size_t count);

/* The same within constraints. */
enum inlay_json_status inlay_json_reader_within(
    struct inlay_json_reader *reader,
    yyjson_val *val,
    const struct inlay_type *type,
    const struct inlay_constraints *constraints,
    const struct inlay_place *place,
    char *ret);

/*
 * INLAY_STRICT and INLAY_CHECK of a struct whose fields were read to `ret`;
 * `status` is what became of them.
 */
enum inlay_json_status inlay_json_reader_rules(struct inlay_json_reader *reader,
                                               yyjson_val *object,
                                               const struct inlay_type *type,
                                               const struct inlay_place *place,
                                               enum inlay_json_status status,
                                               const char *ret);

#endif
