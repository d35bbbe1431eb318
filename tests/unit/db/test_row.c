#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/macros.h"
#include "base/mem.h"
#include "db/row.h"
#include "unit/type/samples.h"

#include "base/banned.h"

#define MANY 100

/* --- Rows that a test gives ----------------------------------------------- */

struct table {
    struct inlay_rowset base;
    const char *const *names;
    const struct inlay_cell *cells; /* row by row */
    size_t broken;                  /* this cell has a reason instead */
    unsigned asked;                 /* for names */
};

static struct table *table_of(const struct inlay_rowset *rows)
{
    return inlay_container_of((struct inlay_rowset *)(uintptr_t)rows,
                              struct table, base);
}

static struct inlay_str table_name(const struct inlay_rowset *rows,
                                   size_t column)
{
    assert_true(column < rows->ncolumns);
    table_of(rows)->asked++;
    return inlay_str_from(table_of(rows)->names[column]);
}

static const char *table_cell(const struct inlay_rowset *rows,
                              size_t row,
                              size_t column,
                              struct inlay_arena *arena,
                              struct inlay_cell *ret)
{
    size_t at = row * rows->ncolumns + column;

    (void)arena;
    assert_true(row < rows->nrows && column < rows->ncolumns);
    *ret = table_of(rows)->cells[at];
    return at == table_of(rows)->broken ? "it is broken" : NULL;
}

static const struct inlay_rowset_ops table_ops = {table_name, table_cell, NULL};

#define INT(value)                                                             \
    {                                                                          \
        .kind = INLAY_CELL_INT, .integer = (value)                             \
    }
#define TEXT(value)                                                            \
    {                                                                          \
        .kind = INLAY_CELL_TEXT, .text = { value, sizeof(value) - 1 }          \
    }
#define REAL(value)                                                            \
    {                                                                          \
        .kind = INLAY_CELL_REAL, .real = (value)                               \
    }

/* --- What a query is for -------------------------------------------------- */

static struct inlay_query query_of(enum inlay_query_kind kind,
                                   const struct inlay_type *type,
                                   const struct inlay_type *row)
{
    return (struct inlay_query){
        .kind = kind,
        .type = type,
        .row = row,
        .decl = {INLAY_STR("shop.c"), 12},
    };
}

struct fixture {
    struct inlay_arena arena;
    struct inlay_arena cells; /* of give_many */
    struct inlay_failure failure;
    struct table table;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    inlay_arena_init(&f->arena, 1 << 20);
    inlay_arena_init(&f->cells, 1 << 23);
    f->table.base.ops = &table_ops;
    f->table.broken = SIZE_MAX;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    inlay_arena_deinit(&f->arena);
    inlay_arena_deinit(&f->cells);
    free(f);
    return 0;
}

static void give(struct fixture *f,
                 const char *const *names,
                 size_t ncolumns,
                 const struct inlay_cell *cells,
                 size_t nrows)
{
    f->table.names = names;
    f->table.cells = cells;
    f->table.base.ncolumns = ncolumns;
    f->table.base.nrows = nrows;
    f->table.asked = 0;
}

#define GIVE(f, names, cells)                                                  \
    give(f, names, inlay_array_size(names), cells,                             \
         inlay_array_size(cells) / inlay_array_size(names))

static bool read_rows(struct fixture *f, struct inlay_query query, void *result)
{
    bool good =
        inlay_rows_read(&query, &f->table.base, &f->arena, result, &f->failure);

    if (!good)
        for (size_t i = 0; i < query.type->size; i++)
            assert_int_equal(((char *)result)[i], 0);
    return good;
}

static bool read_one(struct fixture *f,
                     const struct inlay_type *type,
                     void *result)
{
    return read_rows(f, query_of(INLAY_QUERY_ONE, type, type), result);
}

static bool read_items(struct fixture *f, sample_items *ret)
{
    return read_rows(
        f, query_of(INLAY_QUERY_ALL, &sample_items_type, &sample_item_type),
        ret);
}

static const char *const name_price[] = {"name", "price"};
static const struct inlay_cell two_rows[] = {
    TEXT("apple"),
    REAL(1.5),
    TEXT("pear"),
    REAL(2),
};

static void test_one_is_the_first_row(void **state)
{
    struct fixture *f = *state;
    struct sample_item item = {0};

    GIVE(f, name_price, two_rows);
    assert_true(read_one(f, &sample_item_type, &item));
    assert_true(inlay_str_is(item.name, "apple"));
    assert_true(item.price == 1.5);
    /* In order: each name is looked at once. */
    assert_int_equal(f->table.asked, 2);
}

static void test_one_without_a_row_is_not_found(void **state)
{
    struct fixture *f = *state;
    struct sample_item item = {0};

    give(f, name_price, 2, NULL, 0);
    assert_false(read_one(f, &sample_item_type, &item));
    assert_int_equal(f->failure.kind, INLAY_NOT_FOUND);
    assert_string_equal(f->failure.text, "no such row");
}

static void test_maybe_is_a_row_or_nothing(void **state)
{
    struct fixture *f = *state;
    struct inlay_query query =
        query_of(INLAY_QUERY_MAYBE, &sample_maybe_item_type, &sample_item_type);
    sample_maybe_item item = {0};

    give(f, name_price, 2, NULL, 0);
    assert_true(read_rows(f, query, &item));
    assert_false(item.has);
    GIVE(f, name_price, two_rows);
    assert_true(read_rows(f, query, &item));
    assert_true(item.has && item.value.price == 1.5);
}

static void test_maybe_of_a_scalar_is_nothing_for_null_too(void **state)
{
    static const char *const names[] = {"max"};
    static const struct inlay_cell null[] = {{.kind = INLAY_CELL_NULL}};
    static const struct inlay_cell seven[] = {INT(7)};
    struct fixture *f = *state;
    struct inlay_query query =
        query_of(INLAY_QUERY_MAYBE, &sample_maybe_i64_type, &sample_i64);
    sample_maybe_i64 maybe = {0};

    GIVE(f, names, null);
    assert_true(read_rows(f, query, &maybe));
    assert_false(maybe.has);
    GIVE(f, names, seven);
    assert_true(read_rows(f, query, &maybe));
    assert_true(maybe.has && maybe.value == 7);
}

static void test_all_is_a_slice_of_the_rows(void **state)
{
    struct fixture *f = *state;
    struct inlay_query query =
        query_of(INLAY_QUERY_ALL, &sample_items_type, &sample_item_type);
    sample_items all = {0};

    GIVE(f, name_price, two_rows);
    assert_true(read_rows(f, query, &all));
    assert_int_equal(all.len, 2);
    assert_true(inlay_str_is(all.ptr[0].name, "apple"));
    assert_true(inlay_str_is(all.ptr[1].name, "pear"));
    assert_true(all.ptr[1].price == 2);
    all = (sample_items){0};
    give(f, name_price, 2, NULL, 0);
    assert_true(read_rows(f, query, &all));
    assert_int_equal(all.len, 0);
}

static void test_a_scalar_is_the_first_column(void **state)
{
    struct fixture *f = *state;
    inlay_str name = {0};
    sample_strs names = {0};

    GIVE(f, name_price, two_rows);
    assert_true(read_one(f, &sample_str, &name));
    assert_true(inlay_str_is(name, "apple"));
    assert_true(read_rows(
        f, query_of(INLAY_QUERY_ALL, &sample_strs_type, &sample_str), &names));
    assert_int_equal(names.len, 2);
    assert_true(inlay_str_is(names.ptr[1], "pear"));
}

static void test_columns_are_found_in_any_order_and_others_left_out(
    void **state)
{
    static const char *const names[] = {"price2", "price", "na", "Name",
                                        "name"};
    static const struct inlay_cell cells[] = {
        REAL(9), REAL(1.5), TEXT("x"), TEXT("y"), TEXT("apple"),
    };
    struct fixture *f = *state;
    struct sample_item item = {0};

    GIVE(f, names, cells);
    assert_true(read_one(f, &sample_item_type, &item));
    assert_true(inlay_str_is(item.name, "apple"));
    assert_true(item.price == 1.5);
}

static void test_of_columns_of_one_name_the_first_counts(void **state)
{
    static const char *const names[] = {"price", "name", "price", "name"};
    static const struct inlay_cell cells[] = {
        REAL(1),
        TEXT("first"),
        REAL(2),
        TEXT("second"),
    };
    struct fixture *f = *state;
    struct sample_item item = {0};

    GIVE(f, names, cells);
    assert_true(read_one(f, &sample_item_type, &item));
    assert_true(inlay_str_is(item.name, "first"));
    assert_true(item.price == 1);
}

static void test_a_missing_column_fails(void **state)
{
    static const char *const names[] = {"name", "cost"};
    struct fixture *f = *state;
    struct sample_item item = {0};

    GIVE(f, names, two_rows);
    assert_false(read_one(f, &sample_item_type, &item));
    assert_int_equal(f->failure.kind, INLAY_INTERNAL);
    assert_string_equal(
        f->failure.text,
        "shop.c:12: no column is called \"price\", which Item.price needs; the "
        "columns are name, cost: select it, or make the field an "
        "INLAY_OPTIONAL");
}

static void test_a_missing_column_of_an_optional_is_nothing(void **state)
{
    static const char *const names[] = {"ok", "id", "items", "tags"};
    static const struct inlay_cell cells[] = {
        INT(1),
        INT(5),
        {.kind = INLAY_CELL_JSON, .text = INLAY_STR("[]")},
        {.kind = INLAY_CELL_ARRAY},
    };
    struct fixture *f = *state;
    struct sample_order order = {0};

    GIVE(f, names, cells);
    assert_true(read_one(f, &sample_order_type, &order));
    assert_true(order.ok && order.id == 5);
    assert_false(order.note.has);
    assert_false(order.rank.has);
    assert_int_equal(order.tags.len, 0);
}

static void test_null_in_a_plain_field_fails(void **state)
{
    static const struct inlay_cell cells[] = {
        TEXT("a"),
        REAL(1),
        TEXT("b"),
        {.kind = INLAY_CELL_NULL},
    };
    struct fixture *f = *state;
    sample_items all = {0};
    inlay_date date = {0};

    GIVE(f, name_price, cells);
    assert_false(read_items(f, &all));
    assert_int_equal(f->failure.kind, INLAY_INTERNAL);
    assert_string_equal(
        f->failure.text,
        "shop.c:12: column price is null, but Item.price is of the type "
        "double: make it an INLAY_OPTIONAL, or select coalesce(…)");
    give(f, name_price + 1, 1, cells + 3, 1);
    assert_false(read_one(f, &sample_date, &date));
    assert_string_equal(
        f->failure.text,
        "shop.c:12: column price is null, but the query is for inlay_date: "
        "make it an INLAY_OPTIONAL, or select coalesce(…)");
}

static void test_a_value_that_does_not_fit_fails(void **state)
{
    static const char *const names[] = {"age"};
    static const struct inlay_cell cells[] = {INT(300)};
    struct fixture *f = *state;
    struct sample_item item = {0};
    uint8_t age = 0;

    GIVE(f, names, cells);
    assert_false(read_one(f, &sample_u8, &age));
    assert_string_equal(f->failure.text,
                        "shop.c:12: column age (for uint8_t): 300 does not "
                        "fit into uint8_t");
    GIVE(f, name_price, two_rows);
    f->table.broken = 1;
    assert_false(read_one(f, &sample_item_type, &item));
    assert_string_equal(f->failure.text, "shop.c:12: column price (for "
                                         "Item.price): it is broken");
}

static void test_a_statement_without_columns_fails(void **state)
{
    struct fixture *f = *state;
    struct inlay_query query =
        query_of(INLAY_QUERY_ONE, &sample_i64, &sample_i64);
    int64_t value = 0;

    give(f, NULL, 0, NULL, 0);
    assert_false(read_rows(f, query, &value));
    assert_non_null(strstr(f->failure.text, "inlay_exec"));
    assert_false(inlay_rows_read(&query, NULL, &f->arena, &value, &f->failure));
    assert_int_equal(f->failure.kind, INLAY_INTERNAL);
}

static void test_rows_without_memory_fail(void **state)
{
    struct fixture *f = *state;
    sample_items all = {0};
    struct sample_item item = {0};

    GIVE(f, name_price, two_rows);
    inlay_mem_fail_after(0);
    assert_false(read_items(f, &all));
    inlay_mem_fail_after(-1);
    assert_int_equal(f->failure.kind, INLAY_NO_MEMORY);
    assert_string_equal(f->failure.text,
                        "shop.c:12: out of memory for the rows");
    inlay_mem_fail_after(0);
    assert_false(read_one(f, &sample_item_type, &item));
    inlay_mem_fail_after(-1);
    assert_int_equal(f->failure.kind, INLAY_NO_MEMORY);
}

static void set_limit(struct fixture *f, size_t limit)
{
    inlay_arena_deinit(&f->arena);
    inlay_arena_init(&f->arena, limit);
}

/* Rows of a letter each. */
static void give_many(struct fixture *f, size_t count)
{
    static const char *const names[] = {"letter"};
    struct inlay_cell *cells =
        inlay_arena_zalloc_array(&f->cells, count, sizeof(*cells));

    for (size_t i = 0; i < count; i++)
        cells[i] = (struct inlay_cell)TEXT("x");
    give(f, names, 1, cells, count);
}

static void test_rows_beyond_the_limit_name_it(void **state)
{
    static const struct {
        size_t limit;
        const char *shown;
    } cases[] = {{1 << 20, "1 MiB"}, {100000, "100000 bytes"}, {0, "0 MiB"}};
    struct fixture *f = *state;
    struct inlay_query query =
        query_of(INLAY_QUERY_ALL, &sample_strs_type, &sample_str);
    char expected[300];

    give_many(f, 40000);
    for (size_t i = 0; i < inlay_array_size(cases); i++) {
        sample_strs all = {0};

        set_limit(f, cases[i].limit);
        snprintf(expected, sizeof(expected),
                 "shop.c:12: the rows take more than the memory of a request, "
                 "%s (--limit-request-memory): ask for less at once, or read "
                 "them with inlay_each",
                 cases[i].shown);
        assert_false(read_rows(f, query, &all));
        assert_int_equal(f->failure.kind, INLAY_INTERNAL);
        assert_string_equal(f->failure.text, expected);
        assert_int_equal(f->arena.limit, cases[i].limit);
    }
}

static void test_a_full_arena_has_room_for_the_message(void **state)
{
    struct fixture *f = *state;
    struct inlay_query query =
        query_of(INLAY_QUERY_ALL, &sample_strs_type, &sample_str);

    give_many(f, 4000);
    /* Wherever the limit falls among the rows. */
    for (size_t limit = 100000; limit < 100100; limit += 7) {
        sample_strs all = {0};

        set_limit(f, limit);
        assert_false(read_rows(f, query, &all));
        assert_non_null(inlay_arena_alloc(&f->arena, sizeof(f->failure.text)));
    }
}

static void test_a_row_of_each_beyond_its_limit_says_so(void **state)
{
    static const char *const names[] = {"name"};
    static const char large[5000];
    const struct inlay_cell cells[] = {
        {.kind = INLAY_CELL_TEXT, .text = {large, sizeof(large)}},
    };
    struct fixture *f = *state;
    struct inlay_query query =
        query_of(INLAY_QUERY_EACH, &sample_str, &sample_str);
    struct inlay_row_reader reader = {.query = &query, .arena = &f->arena};
    struct inlay_str row;

    set_limit(f, 4000);
    GIVE(f, names, cells);
    assert_true(inlay_row_reader_begin(&reader, &f->table.base, &f->arena,
                                       &f->failure));
    assert_false(inlay_row_read(&reader, 0, &row, &f->failure));
    assert_int_equal(f->failure.kind, INLAY_INTERNAL);
    assert_string_equal(f->failure.text,
                        "shop.c:12: a row takes more than 4000 bytes, which is "
                        "the most for one of inlay_each: select less");
}

/* A cursor's reader begins with the rows of the table. */
static void begin_rows(struct fixture *f, struct inlay_row_reader *reader)
{
    assert_true(
        inlay_row_reader_begin(reader, &f->table.base, &f->arena, &f->failure));
}

static void test_each_row_replaces_the_one_before(void **state)
{
    static const char *const names[] = {"ok", "id", "items", "tags", "note"};
    static const struct inlay_cell cells[] = {
        INT(1),
        INT(5),
        {.kind = INLAY_CELL_ARRAY},
        {.kind = INLAY_CELL_ARRAY},
        TEXT("n"),
        INT(0),
        INT(6),
        {.kind = INLAY_CELL_ARRAY},
        {.kind = INLAY_CELL_ARRAY},
        {.kind = INLAY_CELL_NULL},
    };
    struct fixture *f = *state;
    struct inlay_query query =
        query_of(INLAY_QUERY_EACH, &sample_order_type, &sample_order_type);
    struct inlay_row_reader reader = {.query = &query, .arena = &f->arena};
    struct sample_order order;

    memset(&order, 0xFF, sizeof(order)); /* as C leaves it */
    GIVE(f, names, cells);
    begin_rows(f, &reader);
    assert_true(inlay_row_read(&reader, 0, &order, &f->failure));
    assert_true(order.id == 5 && order.note.has && !order.rank.has);
    assert_true(inlay_row_read(&reader, 1, &order, &f->failure));
    assert_true(order.id == 6 && !order.note.has && !order.ok);
}

static void test_columns_are_looked_for_once_for_all_rows(void **state)
{
    static const char *const turned[] = {"price", "name"};
    static const struct inlay_cell cells[] = {REAL(3), TEXT("plum")};
    struct fixture *f = *state;
    struct inlay_query query =
        query_of(INLAY_QUERY_EACH, &sample_item_type, &sample_item_type);
    struct inlay_row_reader reader = {.query = &query, .arena = &f->arena};
    struct sample_item item;

    GIVE(f, name_price, two_rows);
    begin_rows(f, &reader);
    for (size_t i = 0; i < 2; i++)
        assert_true(inlay_row_read(&reader, i, &item, &f->failure));
    assert_true(inlay_str_is(item.name, "pear"));
    assert_int_equal(f->table.asked, 2);
    /* The next piece. */
    GIVE(f, turned, cells);
    begin_rows(f, &reader);
    assert_true(inlay_row_read(&reader, 0, &item, &f->failure));
    assert_true(inlay_str_is(item.name, "plum"));
    assert_true(item.price == 3);
}

/* --- Constraints ---------------------------------------------------------- */

static const struct inlay_constraints to_150 = {
    .has_least = true,
    .has_most = true,
    .most = 150,
    .least_text = INLAY_STR("0"),
    .most_text = INLAY_STR("150"),
    .max_length = SIZE_MAX,
};
static const struct inlay_constraints two_at_most = {.max_length = 2};

struct limited {
    int64_t age;
    inlay_str code;
    sample_maybe_i64 rank;
    sample_strs tags;
};

static const char *check_limited(const void *value)
{
    const struct limited *limited = value;

    return limited->age == 13 ? "13 is no age \xff" : NULL;
}

static const struct inlay_field limited_fields[] = {
    {INLAY_STR("age"),
     &sample_i64,
     offsetof(struct limited, age),
     {{0}, 0},
     &to_150},
    {INLAY_STR("code"),
     &sample_str,
     offsetof(struct limited, code),
     {{0}, 0},
     &two_at_most},
    {INLAY_STR("rank"),
     &sample_maybe_i64_type,
     offsetof(struct limited, rank),
     {{0}, 0},
     &to_150},
    {INLAY_STR("tags"),
     &sample_strs_type,
     offsetof(struct limited, tags),
     {{0}, 0},
     &two_at_most},
};
static const struct inlay_type limited_type = {
    .kind = INLAY_KIND_STRUCT,
    .size = sizeof(struct limited),
    .align = 8,
    .name = INLAY_STR("limited"),
    .fields = limited_fields,
    .nfields = inlay_array_size(limited_fields),
    .check = check_limited,
};

static void test_rows_are_within_constraints(void **state)
{
    static const char *const names[] = {"age", "code", "rank", "tags"};
    static const struct inlay_cell tags[] = {TEXT("a"), TEXT("b"), TEXT("c")};
    static const struct {
        struct inlay_cell cells[4];
        const char *why; /* NULL: it is taken */
    } cases[] = {
#define TAGS(count)                                                            \
    {.kind = INLAY_CELL_ARRAY, .elements = tags, .nelements = (count)}
#define NOTHING                                                                \
    {                                                                          \
        .kind = INLAY_CELL_NULL                                                \
    }
        {{INT(150), TEXT("\xc3\xa4\xc3\xa4"), INT(0), TAGS(2)}, NULL},
        {{INT(0), TEXT(""), NOTHING, TAGS(0)}, NULL},
        {{INT(151), TEXT(""), NOTHING, TAGS(0)},
         "shop.c:12: column age (for limited.age): Input should be less than "
         "or equal to 150"},
        {{INT(1), TEXT("abc"), NOTHING, TAGS(0)},
         "shop.c:12: column code (for limited.code): String should have at "
         "most 2 characters"},
        {{INT(1), TEXT(""), INT(-1), TAGS(0)},
         "shop.c:12: column rank (for limited.rank): Input should be greater "
         "than or equal to 0"},
        {{INT(1), TEXT(""), NOTHING, TAGS(3)},
         "shop.c:12: column tags (for limited.tags): List should have at most "
         "2 items after validation, not 3"},
        {{INT(13), TEXT(""), NOTHING, TAGS(0)},
         "shop.c:12: the check of limited: 13 is no age \xef\xbf\xbd"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < inlay_array_size(cases); i++) {
        struct limited limited = {0};

        give(f, names, 4, cases[i].cells, 1);
        assert_int_equal(read_one(f, &limited_type, &limited), !cases[i].why);
        if (!cases[i].why)
            continue;
        assert_string_equal(f->failure.text, cases[i].why);
        assert_int_equal(f->failure.kind, INLAY_INTERNAL);
    }
}

/* More fields and columns than are matched on the stack, in reverse. */
static void test_rows_of_many_columns(void **state)
{
    static struct inlay_field fields[MANY];
    static char names[MANY][8];
    static const char *columns[MANY + 1];
    static struct inlay_cell cells[MANY + 1];
    static int64_t values[MANY];
    struct fixture *f = *state;
    struct inlay_type type = {
        .kind = INLAY_KIND_STRUCT,
        .size = sizeof(values),
        .align = 8,
        .name = INLAY_STR("wide"),
        .fields = fields,
        .nfields = MANY,
    };

    for (size_t i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof(names[i]), "c%zu", i);
        fields[i] = (struct inlay_field){
            .name = inlay_str_from(names[i]),
            .type = &sample_i64,
            .offset = (uint32_t)(i * 8),
        };
        columns[MANY - i] = names[i];
        cells[MANY - i] = (struct inlay_cell)INT((int64_t)i);
    }
    columns[0] = "other";
    give(f, columns, MANY + 1, cells, 1);
    assert_true(read_one(f, &type, values));
    for (int64_t i = 0; i < MANY; i++)
        assert_int_equal(values[i], i);
    /* Names that have no room in a message. */
    columns[MANY] = "renamed";
    assert_false(read_one(f, &type, values));
    assert_non_null(strstr(f->failure.text, "\"c0\""));
    assert_non_null(strstr(f->failure.text, ", …: select it"));
}

int main(void)
{
#define ROW_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        ROW_TEST(test_one_is_the_first_row),
        ROW_TEST(test_one_without_a_row_is_not_found),
        ROW_TEST(test_maybe_is_a_row_or_nothing),
        ROW_TEST(test_maybe_of_a_scalar_is_nothing_for_null_too),
        ROW_TEST(test_all_is_a_slice_of_the_rows),
        ROW_TEST(test_a_scalar_is_the_first_column),
        ROW_TEST(test_columns_are_found_in_any_order_and_others_left_out),
        ROW_TEST(test_of_columns_of_one_name_the_first_counts),
        ROW_TEST(test_a_missing_column_fails),
        ROW_TEST(test_a_missing_column_of_an_optional_is_nothing),
        ROW_TEST(test_null_in_a_plain_field_fails),
        ROW_TEST(test_a_value_that_does_not_fit_fails),
        ROW_TEST(test_a_statement_without_columns_fails),
        ROW_TEST(test_rows_without_memory_fail),
        ROW_TEST(test_rows_beyond_the_limit_name_it),
        ROW_TEST(test_a_full_arena_has_room_for_the_message),
        ROW_TEST(test_a_row_of_each_beyond_its_limit_says_so),
        ROW_TEST(test_each_row_replaces_the_one_before),
        ROW_TEST(test_columns_are_looked_for_once_for_all_rows),
        ROW_TEST(test_rows_are_within_constraints),
        ROW_TEST(test_rows_of_many_columns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
