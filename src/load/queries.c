/*
 * queries.c - each inlay_one and its like -> a struct inlay_query. What can be
 * told of a statement without its database is told here, at load: of its types,
 * and of its parameters.
 */
#include <link.h>
#include <stdio.h>

#include "load/query.h"
#include "load/records.h"
#include "load/sql.h"

#include "base/banned.h"

/* What INLAY_QUERY_SITE_ makes. */
struct site {
    struct inlay_query_record record;
    const void *types; /* NULL: for the debug information only */
};

static const struct {
    const char *literal, *dynamic;
} macros[] = {
    [INLAY_QUERY_ONE] = {"inlay_one", "inlay_one_dynamic"},
    [INLAY_QUERY_MAYBE] = {"inlay_maybe", "inlay_maybe_dynamic"},
    [INLAY_QUERY_ALL] = {"inlay_all", "inlay_all_dynamic"},
    [INLAY_QUERY_EXEC] = {"inlay_exec", "inlay_exec_dynamic"},
    [INLAY_QUERY_EACH] = {"inlay_each", "inlay_each"},
    [INLAY_QUERY_BATCH] = {"inlay_batch", "inlay_batch"},
    [INLAY_QUERY_COPY] = {"inlay_copy_in", "inlay_copy_in"},
};

const char *inlay_query_macro(const struct inlay_query_record *record)
{
    if (record->kind >= inlay_array_size(macros))
        return "query";
    return record->sql ? macros[record->kind].literal
                       : macros[record->kind].dynamic;
}

/* --- Types ---------------------------------------------------------------- */

const char *inlay_query_type_bad(const struct inlay_type *type)
{
    struct inlay_str why;

    if (type->kind == INLAY_KIND_VOID)
        return "void is not a value";
    if (type->kind == INLAY_KIND_USERDATA)
        return "it does not say what it points to: for NULL write an "
               "INLAY_OPTIONAL that is empty";
    /* Texts that end in NUL, all of them. */
    return inlay_type_without_json(type, true, &why) ? why.ptr : NULL;
}

/* The same of what a column becomes. */
static const char *bad_column(const struct inlay_type *type)
{
    return type->kind == INLAY_KIND_POINTER
               ? "nothing is there to point to: write the struct by value"
               : inlay_query_type_bad(type);
}

static const char *name_of(const struct inlay_type *type)
{
    return type->name.len ? type->name.ptr : "a struct without a name";
}

static struct inlay_error *check_fields(
    const struct inlay_type *type,
    const char *(*bad)(const struct inlay_type *type))
{
    for (size_t i = 0; i < type->nfields; i++) {
        const struct inlay_field *field = &type->fields[i];
        const char *why = bad(field->type);

        if (why)
            return inlay_records_wrong("%s.%.*s has type %s: %s", name_of(type),
                                       inlay_str_arg(field->name),
                                       name_of(field->type), why);
    }
    return NULL;
}

static struct inlay_error *check_row(const struct inlay_type *row)
{
    if (row->kind == INLAY_KIND_STRUCT)
        return check_fields(row, bad_column);
    const char *why = bad_column(row);
    return why ? inlay_records_wrong("a row can't become %s: %s", name_of(row),
                                     why)
               : NULL;
}

/* What the macro was told to give -> what a row becomes. */
static struct inlay_error *read_result(const struct inlay_site *site,
                                       struct inlay_query *ret)
{
    const struct inlay_type *type = site->row;
    bool many = type->kind == INLAY_KIND_SLICE;
    bool maybe = type->kind == INLAY_KIND_OPTIONAL;

    ret->type = ret->row = type;
    switch (ret->kind) {
    case INLAY_QUERY_ONE:
    case INLAY_QUERY_EACH:
        if (many || maybe)
            return inlay_records_wrong(
                "%s is %s: %s", name_of(type), many ? "a slice" : "an optional",
                ret->kind == INLAY_QUERY_EACH ? "name the type of one row"
                : many ? "use inlay_all, or a struct with that field for a "
                         "column that is an array"
                       : "use inlay_maybe, or a struct with that field for a "
                         "column that may be NULL");
        break;
    case INLAY_QUERY_MAYBE:
        if (!maybe)
            return inlay_records_wrong("%s is no INLAY_OPTIONAL, which is "
                                       "empty when there is no row",
                                       name_of(type));
        ret->row = type->elem;
        break;
    case INLAY_QUERY_ALL:
        if (!many)
            return inlay_records_wrong("%s is no INLAY_SLICE of rows",
                                       name_of(type));
        ret->row = type->elem;
        break;
    case INLAY_QUERY_EXEC:
    case INLAY_QUERY_BATCH:
    case INLAY_QUERY_COPY:
        ret->row = NULL;
        return NULL;
    }
    return check_row(ret->row);
}

static bool is_bulk(const struct inlay_query *query)
{
    return query->kind == INLAY_QUERY_BATCH || query->kind == INLAY_QUERY_COPY;
}

static struct inlay_error *check_bulk(const struct inlay_query *query)
{
    const struct inlay_type *type = query->nargs == 1 ? query->args[0] : NULL;

    if (!type)
        return inlay_records_wrong(
            "%zu arguments are given: behind its text come the rows, an "
            "INLAY_SLICE of structs",
            query->nargs);
    if (type->kind != INLAY_KIND_SLICE || type->elem->kind != INLAY_KIND_STRUCT)
        return inlay_records_wrong("the rows have type %s: give it an "
                                   "INLAY_SLICE of structs",
                                   name_of(type));
    return check_fields(type->elem, inlay_query_type_bad);
}

static struct inlay_error *check_args(const struct inlay_query *query)
{
    if (is_bulk(query))
        return check_bulk(query);
    for (size_t i = 0; i < query->nargs; i++) {
        const struct inlay_type *type = query->args[i];
        const char *why = inlay_query_type_bad(type);

        if (why)
            return inlay_records_wrong("argument %zu has type %s: %s", i + 1,
                                       name_of(type), why);
    }
    return NULL;
}

/* --- Statements ----------------------------------------------------------- */

static bool is_blank(struct inlay_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != ' ' && (text.ptr[i] < '\t' || text.ptr[i] > '\r'))
            return false;
    }
    return true;
}

/* "2 arguments are given", "user has 2 fields" */
static struct inlay_error *wrong_count(const struct inlay_query *query,
                                       unsigned highest,
                                       size_t given)
{
    char has[64], but[300];

    if (highest)
        snprintf(has, sizeof(has), "$%u%s", highest,
                 highest < given ? " at most" : "");
    else
        snprintf(has, sizeof(has), "no $1");
    if (query->kind == INLAY_QUERY_BATCH)
        snprintf(but, sizeof(but), "%s has %zu field%s",
                 name_of(query->args[0]->elem), given, given == 1 ? "" : "s");
    else
        snprintf(but, sizeof(but), "%zu argument%s given", given,
                 given == 1 ? " is" : "s are");
    return inlay_records_wrong("the statement has %s, but %s", has, but);
}

/* Names without quotes, of which SQL folds the case. */
static bool is_field(const struct inlay_field *field, struct inlay_str column)
{
    return inlay_str_equal_nocase(field->name, column);
}

static bool is_quoted(struct inlay_str column)
{
    return column.ptr[0] == '"' || column.ptr[0] == '`';
}

static bool has_field(const struct inlay_type *row, struct inlay_str column)
{
    for (size_t i = 0; i < row->nfields; i++) {
        if (is_field(&row->fields[i], column))
            return true;
    }
    return false;
}

static bool has_column(struct inlay_str columns,
                       const struct inlay_field *field)
{
    struct inlay_str column;

    while (inlay_sql_column(&columns, &column)) {
        if (is_field(field, column))
            return true;
    }
    return false;
}

/* Their number differs. */
static struct inlay_error *wrong_columns(const struct inlay_type *row,
                                         struct inlay_str columns,
                                         size_t count)
{
    for (size_t i = 0; count < row->nfields && i < row->nfields; i++) {
        if (!has_column(columns, &row->fields[i]))
            return inlay_records_wrong(
                "%s.%.*s has no column in the list: the fields go into the "
                "columns one by one",
                name_of(row), inlay_str_arg(row->fields[i].name));
    }
    return inlay_records_wrong("%zu column%s named, but %s has %zu field%s",
                               count, count == 1 ? " is" : "s are",
                               name_of(row), row->nfields,
                               row->nfields == 1 ? "" : "s");
}

/*
 * The fields go into the columns in their order, so that names in another order
 * would be values in wrong columns. A name that no field can have is in quotes.
 */
static struct inlay_error *check_columns(const struct inlay_type *row,
                                         struct inlay_str columns)
{
    struct inlay_str rest = columns, column;
    size_t count = 0;

    while (inlay_sql_column(&rest, &column)) {
        count++;
        if (!is_quoted(column) && !has_field(row, column))
            return inlay_records_wrong(
                "%s has no field for column %.*s: fields are called as the "
                "columns, but for those in quotes",
                name_of(row), inlay_str_arg(column));
    }
    if (count != row->nfields)
        return wrong_columns(row, columns, count);
    for (size_t i = 0; inlay_sql_column(&columns, &column); i++) {
        if (!is_quoted(column) && !is_field(&row->fields[i], column))
            return inlay_records_wrong(
                "column %zu is %.*s, but field %zu of %s is %.*s: they have to "
                "be in the same order",
                i + 1, inlay_str_arg(column), i + 1, name_of(row),
                inlay_str_arg(row->fields[i].name));
    }
    return NULL;
}

static struct inlay_error *check_copy(const struct inlay_query *query)
{
    struct inlay_str columns;

    if (!inlay_sql_table(query->sql, &columns))
        return inlay_records_wrong("its text is no table with columns: write "
                                   "\"users (id, name)\"");
    return columns.ptr ? check_columns(query->args[0]->elem, columns) : NULL;
}

static struct inlay_error *check_sql(const struct inlay_query *query)
{
    size_t given = query->kind == INLAY_QUERY_BATCH
                       ? query->args[0]->elem->nfields
                       : query->nargs;

    if (is_blank(query->sql))
        return inlay_records_wrong(query->kind == INLAY_QUERY_COPY
                                       ? "it names no table"
                                       : "the statement is empty");
    if (query->kind == INLAY_QUERY_COPY)
        return check_copy(query);
    unsigned highest = inlay_sql_params(query->sql);
    return highest == given ? NULL : wrong_count(query, highest, given);
}

/* --- Records -------------------------------------------------------------- */

static const struct inlay_site *find_site(const struct inlay_debug *debug,
                                          uint64_t address)
{
    size_t low = 0, high = debug->nsites;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (debug->sites[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < debug->nsites && debug->sites[low].address == address
               ? &debug->sites[low]
               : NULL;
}

static struct inlay_error *read_query(const struct inlay_module *module,
                                      const struct inlay_debug *debug,
                                      const struct inlay_query_record *record,
                                      struct inlay_query *ret)
{
    const struct inlay_site *site =
        find_site(debug, (uintptr_t)record - module->base);
    struct inlay_error *error;

    if (record->kind >= inlay_array_size(macros))
        return inlay_records_wrong("it is of a newer inlay.h");
    if (!site || site->nargs != record->nargs)
        return inlay_records_wrong("the debug information does not tell its "
                                   "types: compile with -g, do not strip");
    *ret = (struct inlay_query){
        .kind = (enum inlay_query_kind)record->kind,
        .sql = inlay_str_from(record->sql ? record->sql : ""),
        .args = site->args,
        .nargs = site->nargs,
        .decl = {inlay_str_from(record->file ? record->file : ""),
                 record->line},
    };
    if ((error = read_result(site, ret)) || (error = check_args(ret)))
        return error;
    return record->sql ? check_sql(ret) : NULL;
}

struct inlay_error *inlay_queries_apply(struct inlay_module *module,
                                        const struct inlay_debug *debug)
{
    const struct inlay_section *section = &debug->sections[INLAY_SECTION_query];
    struct inlay_records records;
    struct inlay_error *error =
        inlay_records_find(module, section, sizeof(struct site), &records);

    if (error || !records.count)
        return error;
    struct site *sites = (struct site *)records.items;
    if (!inlay_module_contains(module, (uintptr_t)sites, section->size, PF_W))
        return inlay_error_create(INLAY_ERROR_IMPORT,
                                  "%.*s: its section inlay_query can't be "
                                  "written to",
                                  inlay_str_arg(module->path));
    struct inlay_query *queries = inlay_arena_zalloc_array(
        &module->arena, records.count, sizeof(*queries));
    if (!queries)
        return inlay_error_no_memory();
    for (size_t i = 0; i < records.count; i++) {
        const struct inlay_query_record *record = &sites[i].record;

        error = read_query(module, debug, record, &queries[i]);
        if (error)
            return inlay_records_error(error, record->file, record->line,
                                       inlay_query_macro(record));
    }
    /*
     * Only now: what has failed leaves nothing behind in the module. One that
     * was opened before keeps what calls may be reading; modules last.
     */
    for (size_t i = 0; i < records.count; i++) {
        if (!sites[i].record.query)
            sites[i].record.query = &queries[i];
    }
    return NULL;
}
