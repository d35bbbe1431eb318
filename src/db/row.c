#include "db/row.h"

#include <stdio.h>

#include "base/macros.h"
#include "type/json.h"

#include "base/banned.h"

#define ABSENT UINT32_MAX
/* Of what is quoted in a message. */
#define NAME_MOST 60
#define NAMES_MOST 200
/* A failure's text and its block in an arena. */
#define SPARED ((size_t)1024)

/* --- What is wrong -------------------------------------------------------- */

static int shown(struct inlay_str name)
{
    return (int)inlay_min(name.len, (size_t)NAME_MOST);
}

/* What is wrong; "file:line: " before all but a row that is not there. */
static inlay_cold bool fail(struct inlay_row_reader *reader,
                            int kind,
                            const char *text)
{
    struct inlay_source decl = reader->query->decl;

    if (kind != INLAY_NOT_FOUND && decl.file.len)
        inlay_failure_set(reader->failure, kind, "%.*s:%u: %s",
                          inlay_str_arg(decl.file), (unsigned)decl.line, text);
    else
        inlay_failure_set(reader->failure, kind, "%s", text);
    return false;
}

static inlay_cold bool fail_memory(struct inlay_row_reader *reader)
{
    const struct inlay_arena *arena = reader->arena;
    size_t limit = arena->limit + reader->spared;
    bool whole = limit % ((size_t)1 << 20) == 0;
    char text[200];

    if (!arena->full)
        return fail(reader, INLAY_NO_MEMORY, "out of memory for the rows");
    limit = whole ? limit >> 20 : limit;
    if (reader->query->kind == INLAY_QUERY_EACH)
        snprintf(text, sizeof(text),
                 "a row takes more than %zu %s, which is the most for one of "
                 "inlay_each: select less",
                 limit, whole ? "MiB" : "bytes");
    else
        snprintf(text, sizeof(text),
                 "the rows take more than the memory of a request, %zu %s "
                 "(--limit-request-memory): ask for less at once, or read them "
                 "with inlay_each",
                 limit, whole ? "MiB" : "bytes");
    return fail(reader, INLAY_INTERNAL, text);
}

static inlay_cold bool fail_internal(struct inlay_row_reader *reader,
                                     struct inlay_str text)
{
    return text.ptr ? fail(reader, INLAY_INTERNAL, text.ptr)
                    : fail_memory(reader);
}

/* The names that there are, as far as there is room for them. */
static inlay_cold void list_columns(const struct inlay_rowset *rows,
                                    char text[NAMES_MOST])
{
    size_t at = 0;

    text[0] = '\0';
    for (size_t i = 0; i < rows->ncolumns; i++) {
        struct inlay_str name = rows->ops->name(rows, i);

        if (name.len + 7 >= NAMES_MOST - at) {
            const char *more = i ? ", …" : "…";
            memcpy(text + at, more, strlen(more) + 1);
            return;
        }
        if (i) {
            memcpy(text + at, ", ", 2);
            at += 2;
        }
        memcpy(text + at, name.ptr, name.len);
        at += name.len;
        text[at] = '\0';
    }
}

static inlay_cold bool fail_absent(struct inlay_row_reader *reader,
                                   const struct inlay_field *field)
{
    char names[NAMES_MOST];

    list_columns(reader->rows, names);
    return fail_internal(
        reader,
        inlay_arena_format(
            reader->arena,
            "no column is called \"%.*s\", which %.*s.%.*s needs; the columns "
            "are %s: select it, or make the field an INLAY_OPTIONAL",
            shown(field->name), field->name.ptr,
            shown(reader->query->row->name), reader->query->row->name.ptr,
            shown(field->name), field->name.ptr, names));
}

/* `field`: NULL of a row that is no struct. */
static inlay_cold bool fail_value(struct inlay_row_reader *reader,
                                  size_t column,
                                  const struct inlay_field *field,
                                  bool is_null,
                                  const char *why)
{
    if (why == inlay_cell_no_memory)
        return fail_memory(reader);
    struct inlay_str name = reader->rows->ops->name(reader->rows, column);
    const struct inlay_type *type = field ? field->type : reader->query->row;
    struct inlay_str what = reader->query->row->name;
    struct inlay_str dot = field ? INLAY_STR(".") : INLAY_STR("");
    struct inlay_str member = field ? field->name : INLAY_STR("");

    if (is_null && field)
        return fail_internal(
            reader,
            inlay_arena_format(
                reader->arena,
                "column %.*s is null, but %.*s.%.*s is of the type %.*s: make "
                "it an INLAY_OPTIONAL, or select coalesce(…)",
                shown(name), name.ptr, shown(what), what.ptr, shown(member),
                member.ptr, shown(type->name), type->name.ptr));
    if (is_null)
        return fail_internal(
            reader, inlay_arena_format(
                        reader->arena,
                        "column %.*s is null, but the query is for %.*s: "
                        "make it an INLAY_OPTIONAL, or select "
                        "coalesce(…)",
                        shown(name), name.ptr, shown(what), what.ptr));
    return fail_internal(
        reader,
        inlay_arena_format(reader->arena, "column %.*s (for %.*s%s%.*s): %s",
                           shown(name), name.ptr, shown(what), what.ptr,
                           dot.ptr, shown(member), member.ptr, why));
}

/* --- Columns and fields --------------------------------------------------- */

static bool settle(struct inlay_row_reader *reader,
                   size_t field,
                   uint32_t column)
{
    const struct inlay_field *of = &reader->query->row->fields[field];

    reader->columns[field] = column;
    if (column != ABSENT || of->type->kind == INLAY_KIND_OPTIONAL)
        return true;
    return fail_absent(reader, of);
}

/* Fields from `field` on, the columns being in another order: each is looked
 * for among the names of all, from the first one on. */
static bool match_rest(struct inlay_row_reader *reader, size_t field)
{
    const struct inlay_rowset *rows = reader->rows;
    struct inlay_str few[INLAY_ROW_FEW], *names = few;

    if (rows->ncolumns > INLAY_ROW_FEW) {
        names = inlay_arena_zalloc_array(reader->arena, rows->ncolumns,
                                         sizeof(*names));
        if (!names)
            return fail_memory(reader);
    }
    for (size_t i = 0; i < rows->ncolumns; i++)
        names[i] = rows->ops->name(rows, i);
    for (; field < reader->query->row->nfields; field++) {
        struct inlay_str name = reader->query->row->fields[field].name;
        size_t at = 0;

        while (at < rows->ncolumns && !inlay_str_equal(names[at], name))
            at++;
        if (!settle(reader, field, at < rows->ncolumns ? (uint32_t)at : ABSENT))
            return false;
    }
    return true;
}

/*
 * Most queries select what the struct has, in its order: then each column is
 * looked at once. As long as that goes well no earlier one can be the same name.
 */
static bool match(struct inlay_row_reader *reader)
{
    const struct inlay_rowset *rows = reader->rows;
    const struct inlay_type *row = reader->query->row;
    size_t field = 0;

    while (field < row->nfields && field < rows->ncolumns &&
           inlay_str_equal(rows->ops->name(rows, field),
                           row->fields[field].name)) {
        reader->columns[field] = (uint32_t)field;
        field++;
    }
    return field == row->nfields || match_rest(reader, field);
}

/* Once: the fields stay the same. */
static bool make_columns(struct inlay_row_reader *reader,
                         struct inlay_arena *keep)
{
    size_t count = reader->query->row->nfields;

    if (!reader->columns)
        reader->columns =
            count > INLAY_ROW_FEW
                ? inlay_arena_zalloc_array(keep, count, sizeof(uint32_t))
                : reader->few;
    return reader->columns || fail_memory(reader);
}

bool inlay_row_reader_begin(struct inlay_row_reader *reader,
                            const struct inlay_rowset *rows,
                            struct inlay_arena *keep,
                            struct inlay_failure *failure)
{
    const struct inlay_type *row = reader->query->row;

    reader->rows = rows;
    reader->failure = failure;
    if (!row)
        return fail(reader, INLAY_INTERNAL, "the query is for no rows");
    if (!rows || rows->ncolumns == 0)
        return fail(reader, INLAY_INTERNAL,
                    "the statement has no columns: use inlay_exec, or let it "
                    "return some (returning …)");
    return row->kind != INLAY_KIND_STRUCT ||
           (make_columns(reader, keep) && match(reader));
}

/* --- Rows ----------------------------------------------------------------- */

static inline bool read_cell(struct inlay_row_reader *reader,
                             size_t row,
                             size_t column,
                             const struct inlay_field *field,
                             const struct inlay_type *type,
                             void *ret)
{
    const struct inlay_rowset *rows = reader->rows;
    struct inlay_cell cell;
    const char *why = rows->ops->cell(rows, row, column, reader->arena, &cell);
    bool is_null = !why && cell.kind == INLAY_CELL_NULL;

    if (inlay_likely(!why))
        why = inlay_cell_to(&cell, type, reader->arena, ret);
    if (inlay_unlikely(field && field->constraints && !why))
        why = inlay_cell_within(field->constraints, type, ret, reader->arena);
    return inlay_likely(!why) ||
           fail_value(reader, column, field, is_null, why);
}

/* INLAY_CHECK, as of what is read from JSON. */
static bool check_row(struct inlay_row_reader *reader, const char *row)
{
    const struct inlay_type *type = reader->query->row;
    const char *wrong = type->check ? type->check(row) : NULL;
    struct inlay_str words;

    if (inlay_likely(!wrong))
        return true;
    words = inlay_json_readable(inlay_str_from(wrong), reader->arena);
    return fail_internal(
        reader,
        words.ptr ? inlay_arena_format(reader->arena, "the check of %.*s: %.*s",
                                       shown(type->name), type->name.ptr,
                                       inlay_str_arg(words))
                  : words);
}

/* Into zeroed memory. */
static bool read_row(struct inlay_row_reader *reader, size_t row, char *ret)
{
    const struct inlay_type *type = reader->query->row;

    if (type->kind != INLAY_KIND_STRUCT)
        return read_cell(reader, row, 0, NULL, type, ret);
    for (size_t i = 0; i < type->nfields; i++) {
        const struct inlay_field *field = &type->fields[i];

        if (reader->columns[i] != ABSENT &&
            !read_cell(reader, row, reader->columns[i], field, field->type,
                       ret + field->offset))
            return false;
    }
    return check_row(reader, ret);
}

static bool read_one(struct inlay_row_reader *reader, char *ret)
{
    if (reader->rows->nrows == 0)
        return fail(reader, INLAY_NOT_FOUND, "no such row");
    return read_row(reader, 0, ret);
}

/* NULL of a row that is no struct is nothing, too: max() of no rows. */
static bool read_maybe(struct inlay_row_reader *reader, char *ret)
{
    const struct inlay_type *type = reader->query->type;
    const bool has = true;

    if (reader->rows->nrows == 0)
        return true;
    if (reader->query->row->kind != INLAY_KIND_STRUCT)
        return read_cell(reader, 0, 0, NULL, type, ret);
    memcpy(ret + type->has_offset, &has, sizeof(has));
    return read_row(reader, 0, ret + type->value_offset);
}

static bool read_all(struct inlay_row_reader *reader, char *ret)
{
    const struct inlay_type *type = reader->query->type;
    inlay_len count = reader->rows->nrows;
    char *at;

    if (count == 0)
        return true;
    at = inlay_cell_memory(reader->query->row, count, reader->arena);
    if (!at)
        return fail_memory(reader);
    for (size_t i = 0; i < count; i++)
        if (!read_row(reader, i, at + i * reader->query->row->size))
            return false;
    memcpy(ret + type->ptr_offset, &at, sizeof(at));
    memcpy(ret + type->len_offset, &count, sizeof(count));
    return true;
}

static bool read_rows(struct inlay_row_reader *reader, char *ret)
{
    switch (reader->query->kind) {
    case INLAY_QUERY_ONE:
        return read_one(reader, ret);
    case INLAY_QUERY_MAYBE:
        return read_maybe(reader, ret);
    case INLAY_QUERY_ALL:
        return read_all(reader, ret);
    default:
        return fail(reader, INLAY_INTERNAL, "the query is for no rows");
    }
}

bool inlay_rows_read(const struct inlay_query *query,
                     const struct inlay_rowset *rows,
                     struct inlay_arena *arena,
                     void *result,
                     struct inlay_failure *failure)
{
    struct inlay_row_reader reader; /* not zeroed: `few` is large */

    reader.query = query;
    reader.arena = arena;
    reader.columns = NULL;
    reader.spared = inlay_min(arena->limit, SPARED);
    arena->limit -= reader.spared;
    bool done = inlay_row_reader_begin(&reader, rows, arena, failure) &&
                read_rows(&reader, result);
    arena->limit += reader.spared;
    if (inlay_likely(done))
        return true;
    memset(result, 0, query->type ? query->type->size : 0);
    return false;
}

bool inlay_row_read(struct inlay_row_reader *reader,
                    size_t row,
                    void *result,
                    struct inlay_failure *failure)
{
    size_t size = reader->query->row->size;

    reader->failure = failure;
    memset(result, 0, size); /* it has the row before */
    if (inlay_likely(read_row(reader, row, result)))
        return true;
    memset(result, 0, size);
    return false;
}
