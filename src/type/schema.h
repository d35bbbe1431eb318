/*
 * schema.h - types as JSON Schema, in the dialect of OpenAPI 3.1, as FastAPI
 * writes them. Structs become {"$ref":"#/components/schemas/NAME"}.
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

/*
 * The definition of a STRUCT: {"properties":…,"type":"object","required":…,
 * "title":…}. Its own nested structs are $refs. 0 or -1.
 */
int inlay_schema_write_definition(const struct inlay_type *type,
                                  struct inlay_buf *out);

/* Calls fn for every distinct STRUCT reached from `type`, itself included. */
void inlay_schema_each_struct(const struct inlay_type *type,
                              void (*fn)(void *arg,
                                         const struct inlay_type *type),
                              void *arg);

/* "sum_of" -> "Sum Of", appended without quotes. 0 or -1. */
int inlay_schema_write_title(struct inlay_str name, struct inlay_buf *out);

#endif
