/*
 * schema.h - types as JSON Schema, in the dialect of OpenAPI 3.1, as FastAPI
 * writes them. Structs and enums become
 * {"$ref":"#/components/schemas/NAME"}.
 */
#ifndef INLAY_TYPE_SCHEMA_H
#define INLAY_TYPE_SCHEMA_H

#include "base/buf.h"
#include "type/type.h"

/*
 * The schema of a use of `type`, appended. `title` may be "" (FastAPI gives
 * parameters and fields one: "sum_of" -> "Sum Of"). 0 or -1 (limit, memory).
 */
int inlay_schema_write(const struct inlay_type *type,
                       struct inlay_str title,
                       struct inlay_buf *out);

/* The same of a field or parameter within constraints; NULL: none. */
int inlay_schema_write_within(const struct inlay_type *type,
                              const struct inlay_constraints *constraints,
                              struct inlay_str title,
                              struct inlay_buf *out);

/* Is it written as a $ref? An enum without a name is not. */
static inline bool inlay_schema_is_named(const struct inlay_type *type)
{
    return type->kind == INLAY_KIND_STRUCT ||
           (type->kind == INLAY_KIND_ENUM && type->name.len > 0);
}

/* A $ref or null? As a field or an embedded body it takes no title. */
static inline bool inlay_schema_is_nullable_ref(const struct inlay_type *type)
{
    return inlay_type_omissible(type) && inlay_schema_is_named(type->elem);
}

/*
 * The definition of what a $ref names. STRUCT: {"properties":…,"type":
 * "object","required":…,"title":…}, its own nested ones are $refs; ENUM:
 * {"type":"string","enum":…,"title":…}. 0 or -1.
 */
int inlay_schema_write_definition(const struct inlay_type *type,
                                  struct inlay_buf *out);

/* "sum_of" -> "Sum Of", appended without quotes. 0 or -1. */
int inlay_schema_write_title(struct inlay_str name, struct inlay_buf *out);

#endif
