/*
 * query.h - a place in C that asks a database, with the types of what it gives
 * and gets; made when its module is loaded (queries.c), lasts as long as that.
 */
#ifndef INLAY_LOAD_QUERY_H
#define INLAY_LOAD_QUERY_H

#include "type/type.h"

struct inlay_query {
    enum inlay_query_kind kind;
    struct inlay_str sql; /* "": the call's text (…_dynamic) */
    /*
     * What a row becomes: a STRUCT, read by the names of its fields, or a type
     * of one column. Of MAYBE and ALL it is the elem of `type`; of EXEC, BATCH
     * and COPY NULL.
     */
    const struct inlay_type *row;
    /* What the macro gives: OPTIONAL, SLICE, or `row` itself. */
    const struct inlay_type *type;
    /* Of BATCH and COPY one: a SLICE of STRUCT. */
    const struct inlay_type **args;
    size_t nargs;
    struct inlay_source decl;
};

/*
 * Why no value of the type can be a parameter ("a function can't be sent"), or
 * NULL. What has no form of a database's own goes as JSON.
 */
const char *inlay_query_type_bad(const struct inlay_type *type);

/* What was written: "inlay_one", "inlay_one_dynamic". Static. */
const char *inlay_query_macro(const struct inlay_query_record *record);

#endif
