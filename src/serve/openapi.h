/*
 * openapi.h - inside serve/: what the files that write OpenAPI share.
 * openapi.c has the document, openapi_operation.c one operation of it,
 * openapi_schemas.c the schemas that it refers to. A failure (memory) sticks
 * and is reported at the end. Any thread; nothing here is hot.
 */
#ifndef INLAY_SERVE_OPENAPI_H
#define INLAY_SERVE_OPENAPI_H

#include "serve/native_route.h"

#define INLAY_OPENAPI_MEMORY ((size_t)64 << 20)
#define INLAY_OPENAPI_REF "{\"$ref\":\"#/components/schemas/"

/* A method of a path. */
struct inlay_openapi_operation {
    const struct inlay_native_route *route;
    struct inlay_str method; /* "GET" */
    struct inlay_str path;   /* "/files/{rest}": without converters */
    struct inlay_str id;     /* as FastAPI makes it; unique */
    /* Of all that runs for it: guards, providers, and last its handler. */
    const struct inlay_bind **binds;
    size_t nbinds;
};

/* A struct of a module, or an embedded body: one entry of the schemas. */
struct inlay_openapi_component {
    const struct inlay_module *module;
    struct inlay_str name; /* as $refs of the module have it */
    struct inlay_str key;  /* as the document has it */
    struct inlay_str text; /* the definition */
};

struct inlay_openapi {
    const struct inlay_native_table *table;
    struct inlay_buf *out;
    struct inlay_arena arena;
    struct inlay_openapi_operation *operations;
    size_t noperations;
    struct inlay_openapi_component *components;
    size_t ncomponents, size;
    const struct inlay_module *module; /* whose types are written */
    bool validates;                    /* some operation has a 422 */
    bool fails;                        /* some operation declares an error */
    bool failed;
};

/* --- The document; openapi.c --------------------------------------------- */

/* A whole document of the table's routes, appended to `out`. 0 or -1. */
int inlay_openapi_write(const struct inlay_native_table *table,
                        struct inlay_str title,
                        struct inlay_buf *out);

/* --- Text; openapi.c ---------------------------------------------------- */

void inlay_openapi_put(struct inlay_openapi *doc, struct inlay_str text);
#define inlay_openapi_literal(doc, literal)                                    \
    inlay_openapi_put((doc), INLAY_STR(literal))
/* As JSON, in quotes; what is no UTF-8 becomes "". */
void inlay_openapi_string(struct inlay_openapi *doc, struct inlay_str text);
/* A comma before every one but the first. */
void inlay_openapi_comma(struct inlay_openapi *doc, bool *first);
/* What was written to `buf`, kept in the arena; the buffer is freed. */
struct inlay_str inlay_openapi_take(struct inlay_openapi *doc,
                                    struct inlay_buf *buf,
                                    int status);
/* "sum_of" -> "Sum Of" */
struct inlay_str inlay_openapi_title(struct inlay_openapi *doc,
                                     struct inlay_str name);
/* "Body_" or "Response_" before an operation's id. */
struct inlay_str inlay_openapi_prefixed(struct inlay_openapi *doc,
                                        const char *prefix,
                                        struct inlay_str id);

/* --- Operations; openapi_operation.c ------------------------------------ */

/* "get":{…} */
void inlay_openapi_operation(struct inlay_openapi *doc,
                             const struct inlay_openapi_operation *operation);

/* Has it a body whose parameters are members of one object? */
bool inlay_openapi_has_body(const struct inlay_openapi_operation *operation);

/* Is it a struct of a form that has a schema of its own? One with bytes has
 * none: that schema is about JSON. */
bool inlay_openapi_is_model(const struct inlay_bind *bind,
                            const struct inlay_bind_param *bound);

/* {"properties":…} of that object. */
void inlay_openapi_body(struct inlay_openapi *doc,
                        const struct inlay_openapi_operation *operation);

/* --- Schemas; openapi_schemas.c ----------------------------------------- */

/* All types of all operations, and the names that they get. */
void inlay_openapi_collect(struct inlay_openapi *doc);

/*
 * The schema of a use of `type`, of doc->module; its $refs lead to this
 * document's keys. `fallback`: its default, or NULL.
 */
void inlay_openapi_schema(struct inlay_openapi *doc,
                          const struct inlay_type *type,
                          const struct inlay_constraints *constraints,
                          struct inlay_str title,
                          const void *fallback);

/* "components":{"schemas":{…}} */
void inlay_openapi_components(struct inlay_openapi *doc);

#endif
