/*
 * Bytes -> a value as PostgreSQL sends it -> a cell -> a value of C, alone and
 * as the columns of a row; the cell as text again, and as text of COPY, which
 * must be the same without its escapes. The first byte picks the column's type,
 * the second the one of C.
 */
#include <stdlib.h>

#include "../type/samples.h"
#include "base/macros.h"
#include "db/pg_types.h"
#include "db/row.h"

#include "base/banned.h"

#define MEMORY_MOST ((size_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint32_t oids[] = {
    16,   17,    18,   19,   20,   21,   23,   25,   26,   114,  700,
    701,  1042,  1082, 1083, 1114, 1184, 1186, 1266, 1700, 2278, 2950,
    3802, 16384, 199,  1000, 1001, 1002, 1005, 1007, 1009, 1016, 1021,
    1022, 1115,  1182, 1183, 1185, 1231, 1270, 2951, 3807,
};

static const struct inlay_type *const types[] = {
    &sample_i8,
    &sample_i64,
    &sample_u8,
    &sample_u64,
    &sample_f32,
    &sample_f64,
    &sample_bool,
    &sample_char,
    &sample_chars4,
    &sample_cstr,
    &sample_str,
    &sample_bytes,
    &sample_color_type,
    &sample_level_type,
    &sample_date,
    &sample_datetime,
    &sample_uuid,
    &sample_maybe_i64_type,
    &sample_maybe_str_type,
    &sample_maybe_item_type,
    &sample_i64s_type,
    &sample_f64s_type,
    &sample_strs_type,
    &sample_items_type,
    &sample_triple_type,
    &sample_item_type,
    &sample_order_type,
    &sample_misc_type,
    &sample_node_type,
    &sample_kinds_type,
};

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* --- Text ----------------------------------------------------------------- */

static char unescaped(char c)
{
    static const char letters[] = "bfnrtv", means[] = "\b\f\n\r\t\v";

    for (size_t i = 0; i < sizeof(letters) - 1; i++)
        if (letters[i] == c)
            return means[i];
    require(c == '\\');
    return c;
}

/* What COPY would read of the escaped text. */
static void check_copy(struct inlay_str plain, struct inlay_str escaped)
{
    size_t at = 0;

    for (size_t i = 0; i < escaped.len; i++, at++) {
        char c = escaped.ptr[i];

        require(c != '\t' && c != '\n' && c != '\r');
        if (c == '\\') {
            require(++i < escaped.len);
            c = unescaped(escaped.ptr[i]);
        }
        require(at < plain.len && plain.ptr[at] == c);
    }
    require(at == plain.len);
}

static void check_text(const struct inlay_cell *cell)
{
    struct inlay_buf plain, escaped;

    inlay_buf_init(&plain, MEMORY_MOST);
    inlay_buf_init(&escaped, MEMORY_MOST);
    require(inlay_pg_text(cell, &plain) == 0);
    require(inlay_pg_copy_text(cell, &escaped) == 0);
    if (cell->kind != INLAY_CELL_NULL)
        check_copy(inlay_buf_view(&plain), inlay_buf_view(&escaped));
    inlay_buf_deinit(&plain);
    inlay_buf_deinit(&escaped);
}

/* --- Values --------------------------------------------------------------- */

static void check_value(const struct inlay_cell *cell,
                        const struct inlay_type *type,
                        struct inlay_arena *arena)
{
    void *value = inlay_cell_memory(type, 1, arena);
    struct inlay_cell again;
    const char *why;

    require(value != NULL);
    why = inlay_cell_to(cell, type, arena, value);
    if (why) {
        require(strlen(why) > 0);
        return;
    }
    /* Text may have a NUL in it, which nothing of ours sends. */
    if (inlay_cell_from(type, value, arena, &again, &why) < 0)
        require(strlen(why) > 0);
    else
        check_text(&again);
}

/* --- Rows ----------------------------------------------------------------- */

/* A struct's columns, in reverse, all of the same value. */
struct table {
    struct inlay_rowset base;
    const struct inlay_type *type;
    struct inlay_str value;
    uint32_t oid;
};

static const struct table *table_of(const struct inlay_rowset *rows)
{
    return inlay_container_of((uintptr_t)rows, const struct table, base);
}

static struct inlay_str table_name(const struct inlay_rowset *rows,
                                   size_t column)
{
    const struct inlay_type *type = table_of(rows)->type;

    return type->fields[type->nfields - 1 - column].name;
}

static const char *table_cell(const struct inlay_rowset *rows,
                              size_t row,
                              size_t column,
                              struct inlay_arena *arena,
                              struct inlay_cell *ret)
{
    (void)row;
    (void)column;
    return inlay_pg_cell(table_of(rows)->oid, table_of(rows)->value, arena,
                         ret);
}

static const struct inlay_rowset_ops table_ops = {
    .name = table_name,
    .cell = table_cell,
};

static void check_row(uint32_t oid,
                      struct inlay_str value,
                      const struct inlay_type *type,
                      struct inlay_arena *arena)
{
    const struct inlay_query query = {
        .kind = INLAY_QUERY_ONE,
        .type = type,
        .row = type,
        .decl = {INLAY_STR("fuzz.c"), 1},
    };
    struct table table = {
        .base = {.ncolumns = type->nfields, .nrows = 1, .ops = &table_ops},
        .type = type,
        .value = value,
        .oid = oid,
    };
    struct inlay_failure failure = {0};
    void *result = inlay_cell_memory(type, 1, arena);

    require(result != NULL);
    if (!inlay_rows_read(&query, &table.base, arena, result, &failure))
        require(failure.kind != 0 && failure.text[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct inlay_arena arena;
    struct inlay_cell cell;

    if (size < 2)
        return 0;
    uint32_t oid = oids[data[0] % inlay_array_size(oids)];
    const struct inlay_type *type = types[data[1] % inlay_array_size(types)];
    /* Memory of its own: a read beyond its end is found. */
    char *bytes = malloc(size - 2 ? size - 2 : 1);
    struct inlay_str value = {bytes, size - 2};
    require(bytes != NULL);
    memcpy(bytes, data + 2, size - 2);
    inlay_arena_init(&arena, MEMORY_MOST);
    const char *why = inlay_pg_cell(oid, value, &arena, &cell);
    if (!why) {
        check_text(&cell);
        check_value(&cell, type, &arena);
    } else {
        require(strlen(why) > 0);
    }
    if (type->kind == INLAY_KIND_STRUCT)
        check_row(oid, value, type, &arena);
    inlay_arena_deinit(&arena);
    free(bytes);
    return 0;
}
