/* The SQLite driver: values, there and back. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sqlite_bench.h"

#include "base/banned.h"

static struct inlay_cell back(struct inlay_cell cell, const char *sql)
{
    static struct inlay_order order;

    inlay_rowset_destroy(order.rows);
    order = make_with(sql, &cell, 1);
    run(&order);
    assert_good(&order);
    struct inlay_cell result = cell_of(&order, 0, 0);
    /* Views of rows that go now are only looked at by their length. */
    static char copy[1000];
    if ((result.kind == INLAY_CELL_TEXT || result.kind == INLAY_CELL_BYTES ||
         result.kind == INLAY_CELL_JSON) &&
        result.text.len < sizeof(copy)) {
        memcpy(copy, result.text.ptr, result.text.len);
        result.text.ptr = copy;
    }
    inlay_rowset_destroy(order.rows);
    order.rows = NULL;
    return result;
}

static void assert_text(struct inlay_cell cell, const char *expected)
{
    assert_int_equal(cell.kind, INLAY_CELL_TEXT);
    assert_int_equal(cell.text.len, strlen(expected));
    assert_memory_equal(cell.text.ptr, expected, cell.text.len);
}

static void test_values_go_and_come_back(void **state)
{
    (void)state;
    open_database((struct settings){0});
    assert_int_equal(
        back((struct inlay_cell){.kind = INLAY_CELL_NULL}, "select $1").kind,
        INLAY_CELL_NULL);
    assert_int_equal(back(integer(INT64_MIN), "select $1").integer, INT64_MIN);
    assert_int_equal(back(integer(INT64_MAX), "select ?1").integer, INT64_MAX);
    assert_int_equal(back(integer(7), "select ?").integer, 7);
    struct inlay_cell real = {.kind = INLAY_CELL_REAL, .real = 0.1};
    assert_true(back(real, "select $1").real == 0.1);
    real.real = INFINITY;
    assert_true(isinf(back(real, "select $1").real));
    struct inlay_cell yes = {.kind = INLAY_CELL_BOOL, .boolean = true};
    assert_int_equal(back(yes, "select $1").integer, 1);
    assert_text(back(text("h\xc3\xa4 '; drop table x; --"), "select $1"),
                "h\xc3\xa4 '; drop table x; --");
    assert_text(back(text(""), "select $1"), "");
    struct inlay_cell bytes = {.kind = INLAY_CELL_BYTES,
                               .text = inlay_str_make("a\0\xff", 3)};
    struct inlay_cell got = back(bytes, "select $1");
    assert_int_equal(got.kind, INLAY_CELL_BYTES);
    assert_int_equal(got.text.len, 3);
    assert_memory_equal(got.text.ptr, "a\0\xff", 3);
    bytes.text = inlay_str_make(NULL, 0);
    assert_int_equal(back(bytes, "select $1").kind, INLAY_CELL_BYTES);
    struct inlay_cell uuid = {.kind = INLAY_CELL_UUID};
    uuid.uuid.bytes[0] = 0xf8;
    assert_text(back(uuid, "select $1"),
                "f8000000-0000-0000-0000-000000000000");
    struct inlay_cell json = {.kind = INLAY_CELL_JSON,
                              .text = INLAY_STR("{\"a\":1}")};
    assert_int_equal(back(json, "select $1 ->> 'a'").integer, 1);
    close_database();
}

static void test_moments_are_texts_that_compare(void **state)
{
    struct inlay_cell date = {.kind = INLAY_CELL_DATE, .date = {2024, 5, 1}};
    struct inlay_cell moment = {
        .kind = INLAY_CELL_DATETIME,
        .datetime = {1714557600123456, INLAY_NAIVE},
    };

    (void)state;
    open_database((struct settings){0});
    assert_text(back(date, "select $1"), "2024-05-01");
    assert_text(back(date, "select date($1, '+1 day')"), "2024-05-02");
    assert_text(back(moment, "select $1"), "2024-05-01 10:00:00.123456");
    moment.datetime.offset = 7200; /* the same moment, given elsewhere */
    assert_text(back(moment, "select $1"), "2024-05-01 10:00:00.123456+00:00");
    assert_text(back(moment, "select datetime($1)"), "2024-05-01 10:00:00");
    date.date.month = 13;
    struct inlay_order order = make_with("select $1", &date, 1);
    run(&order);
    assert_failed(&order, INLAY_INVALID, "$1 is a date that does not exist");
    close_database();
}

static void test_arrays_are_json(void **state)
{
    const struct inlay_cell elements[] = {
        integer(1),
        {.kind = INLAY_CELL_NULL},
        text("a\"b"),
        {.kind = INLAY_CELL_BOOL, .boolean = true},
        {.kind = INLAY_CELL_REAL, .real = 0.5},
        {.kind = INLAY_CELL_DATE, .date = {2024, 5, 1}},
    };
    struct inlay_cell array = {.kind = INLAY_CELL_ARRAY,
                               .elements = elements,
                               .nelements = inlay_array_size(elements)};

    (void)state;
    open_database((struct settings){0});
    assert_text(back(array, "select $1"),
                "[1,null,\"a\\\"b\",true,0.5,\"2024-05-01\"]");
    assert_int_equal(back(array, "select count(*) from json_each($1)").integer,
                     6);
    array.nelements = 0;
    assert_text(back(array, "select $1"), "[]");
    const struct inlay_cell bytes = {.kind = INLAY_CELL_BYTES,
                                     .text = INLAY_STR("x")};
    array.elements = &bytes;
    array.nelements = 1;
    struct inlay_order order = make_with("select $1", &array, 1);
    run(&order);
    assert_failed(&order, INLAY_INVALID, "no form for bytes");
    close_database();
}

static void test_values_that_sqlite_has_not(void **state)
{
    struct inlay_cell cells[2] = {integer(1), integer(-1)};

    (void)state;
    open_database((struct settings){0});
    cells[1].too_wide = true;
    struct inlay_order wide = make_with("select $1, $2", cells, 2);
    run(&wide);
    assert_failed(&wide, INLAY_OVERFLOW, "$2 is 18446744073709551615");
    cells[1] = (struct inlay_cell){.kind = INLAY_CELL_REAL, .real = NAN};
    struct inlay_order nan = make_with("select $1, $2", cells, 2);
    run(&nan);
    assert_failed(&nan, INLAY_INVALID, "$2 is NaN");
    close_database();
}

static void test_declared_types_decide(void **state)
{
    (void)state;
    open_database((struct settings){0});
    exec("create table t (yes BOOLEAN, doc json, word text)");
    exec("insert into t values (1, '[1]', 'w'), (2, 'null', null)");
    struct inlay_order order = make("select yes, doc, word, 1 from t");
    run(&order);
    assert_good(&order);
    assert_int_equal(order.rows->nrows, 2);
    assert_int_equal(cell_of(&order, 0, 0).kind, INLAY_CELL_BOOL);
    assert_true(cell_of(&order, 0, 0).boolean);
    assert_int_equal(cell_of(&order, 1, 0).kind, INLAY_CELL_INT);
    assert_int_equal(cell_of(&order, 0, 1).kind, INLAY_CELL_JSON);
    assert_int_equal(cell_of(&order, 0, 2).kind, INLAY_CELL_TEXT);
    assert_int_equal(cell_of(&order, 1, 2).kind, INLAY_CELL_NULL);
    assert_int_equal(cell_of(&order, 0, 3).kind, INLAY_CELL_INT);
    assert_true(inlay_str_is(order.rows->ops->name(order.rows, 0), "yes"));
    assert_true(inlay_str_is(order.rows->ops->name(order.rows, 3), "1"));
    inlay_rowset_destroy(order.rows);
    close_database();
}

static void test_text_that_is_not_utf8(void **state)
{
    struct inlay_cell cell;

    (void)state;
    open_database((struct settings){0});
    struct inlay_order order = make("select cast(x'ff' as text)");
    run(&order);
    assert_good(&order);
    const char *why = order.rows->ops->cell(order.rows, 0, 0, NULL, &cell);
    assert_non_null(why);
    assert_non_null(strstr(why, "not UTF-8"));
    inlay_rowset_destroy(order.rows);
    close_database();
}

static void test_parameters_by_number(void **state)
{
    const struct inlay_cell cells[] = {integer(1), integer(2), integer(3)};

    (void)state;
    open_database((struct settings){0});
    struct inlay_order order = make_with("select $3, $1, $2, $3, $1", cells, 3);
    run(&order);
    assert_good(&order);
    static const int expected[] = {3, 1, 2, 3, 1};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(cell_of(&order, 0, i).integer, expected[i]);
    inlay_rowset_destroy(order.rows);
    order = make_with("select $1", cells, 2);
    run(&order);
    assert_failed(&order, INLAY_INTERNAL, "wants 1 parameters and got 2");
    order = make_with("select $2", cells, 1);
    run(&order);
    assert_failed(&order, INLAY_INTERNAL, "wants 2 parameters and got 1");
    order = make_with("select :id", cells, 1);
    run(&order);
    assert_failed(&order, INLAY_INTERNAL, ":id has no number");
    close_database();
}

static void test_injections_are_stored_as_they_are(void **state)
{
    static const char *texts[] = {
        "'; drop table t; --",
        "\" or 1=1 --",
        "$1",
        "?",
        "x' || (select 1)",
        "/* */",
        "\\'; delete from t",
        "a;b\n--",
    };

    (void)state;
    open_database((struct settings){0});
    exec("create table t (id integer primary key, word text)");
    for (size_t i = 0; i < inlay_array_size(texts); i++) {
        struct inlay_cell cell = text(texts[i]);
        struct inlay_order order =
            make_with("insert into t (word) values ($1)", &cell, 1);
        run(&order);
        assert_good(&order);
        order = make_with("select word from t where word = $1", &cell, 1);
        run(&order);
        assert_good(&order);
        assert_text(cell_of(&order, 0, 0), texts[i]);
        inlay_rowset_destroy(order.rows);
    }
    assert_int_equal(ask("select count(*) from t"), inlay_array_size(texts));
    close_database();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_values_go_and_come_back),
        TEST(test_moments_are_texts_that_compare),
        TEST(test_arrays_are_json),
        TEST(test_values_that_sqlite_has_not),
        TEST(test_declared_types_decide),
        TEST(test_text_that_is_not_utf8),
        TEST(test_parameters_by_number),
        TEST(test_injections_are_stored_as_they_are),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
