/* The PostgreSQL driver: batches, copies, scripts and cursors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "pg_bench.h"

#include "base/banned.h"

static void make_table(void)
{
    exec("create table if not exists t (id int8 primary key, name text)");
    exec("truncate t");
}

/* All of its rows, until the transaction is rolled back. */
static void assert_goes_with_its_transaction(struct ask *ask)
{
    struct inlay_hold *hold;

    exec("truncate t");
    hold = begin();
    ask->order.failure.kind = 0;
    ask->order.hold = hold;
    do_ask(ask);
    assert_ok(ask);
    assert_int_equal(number_in("select count(*) from t", hold),
                     ask->order.sets);
    inlay_hold_release(hold);
    ask->order.hold = NULL;
    assert_int_equal(number("select count(*) from t"), 0);
}

/* Of a table that is not there; the connection stays. */
static void assert_fails_alone(struct ask *ask, const char *sql)
{
    ask->order.sql = inlay_str_from(sql);
    do_ask(ask);
    assert_string_equal(ask->order.failure.sqlstate, "42P01");
    assert_int_equal(stat_of(&test.database->own_stats.connected), 1);
}

static void test_batches_are_all_or_none(void **state)
{
    enum { SETS = 5000 };
    static struct inlay_cell cells[SETS * 2];
    struct ask ask =
        make(INLAY_ORDER_BATCH, "insert into t values ($1, $2)", NULL);

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    make_table();
    for (int i = 0; i < SETS; i++) {
        cells[2 * i] = cell_int(i);
        cells[2 * i + 1] = cell_text("a name");
    }
    ask.order.params = cells;
    ask.order.nparams = 2;
    ask.order.sets = SETS;
    do_ask(&ask);
    assert_ok(&ask);
    assert_int_equal(ask.order.changed, SETS);
    assert_int_equal(number("select count(*) from t"), SETS);
    exec("delete from t where id <> 4321");
    do_ask(&ask);
    assert_int_equal(ask.order.failure.kind, INLAY_CONFLICT);
    assert_int_equal(number("select count(*) from t"), 1);
    assert_goes_with_its_transaction(&ask);
    assert_fails_alone(&ask, "insert into nothing values ($1, $2)");
    close_lane();
}

static void test_a_batch_with_long_answers_does_not_block(void **state)
{
    enum { SETS = 3000 };
    static struct inlay_cell cells[SETS];
    static char text[4000];
    struct ask ask =
        make(INLAY_ORDER_BATCH, "select $1 || repeat('x', 10000)", NULL);

    (void)state;
    memset(text, 'y', sizeof(text) - 1);
    open_lane((struct inlay_database_config){.max = 1});
    for (int i = 0; i < SETS; i++)
        cells[i] = cell_text(text);
    ask.order.params = cells;
    ask.order.nparams = 1;
    ask.order.sets = SETS;
    do_ask(&ask);
    assert_ok(&ask);
    close_lane();
}

static void test_copies_are_all_or_none(void **state)
{
    enum { ROWS = 50000 };
    static struct inlay_cell cells[ROWS * 2];
    struct ask ask = make(INLAY_ORDER_COPY, "t (id, name)", NULL);

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    make_table();
    for (int i = 0; i < ROWS; i++) {
        cells[2 * i] = cell_int(i);
        cells[2 * i + 1] = cell_text(i % 2 ? "a\tname\nand \\more"
                                           : "another one, which is longer");
    }
    cells[1].kind = INLAY_CELL_NULL;
    ask.order.params = cells;
    ask.order.nparams = 2;
    ask.order.sets = ROWS;
    do_ask(&ask);
    assert_ok(&ask);
    assert_int_equal(ask.order.changed, ROWS);
    assert_int_equal(number("select count(*) from t where name = "
                            "E'a\\tname\\nand \\\\more'"),
                     ROWS / 2);
    assert_int_equal(number("select id from t where name is null"), 0);
    do_ask(&ask);
    assert_int_equal(ask.order.failure.kind, INLAY_CONFLICT);
    assert_int_equal(number("select count(*) from t"), ROWS);
    assert_goes_with_its_transaction(&ask);
    assert_fails_alone(&ask, "nothing (id, name)");
    close_lane();
}

static void test_scripts_say_the_line_of_their_error(void **state)
{
    struct inlay_hold *hold;
    struct ask ask;

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    exec("drop table if exists script");
    hold = begin();
    ask = make(INLAY_ORDER_SCRIPT,
               "create table script (id int);\n"
               "-- \xC3\xA4;\n"
               "insert into script values (1), (2);\n"
               "select * from script;\n",
               hold);
    do_ask(&ask);
    assert_ok(&ask);
    assert_null(ask.order.rows);
    ask = make(INLAY_ORDER_SCRIPT,
               "select 1;\n-- \xC3\xA4\xC3\xA4\nselect\n  nothing;\n", hold);
    do_ask(&ask);
    assert_non_null(strstr(ask.order.failure.text, "line 4: column"));
    inlay_hold_release(hold);
    assert_int_equal(
        number("select count(*) from pg_class where relname = 'script'"), 0);
    hold = begin();
    ask = make(INLAY_ORDER_SCRIPT, "copy pg_class from stdin;", hold);
    do_ask(&ask);
    assert_int_not_equal(ask.order.failure.kind, 0);
    inlay_hold_release(hold);
    assert_int_equal(number("select 5::int4"), 5);
    close_lane();
}

/* All rows of a cursor, in pieces. */
static int64_t read_cursor(const struct ask *open, int64_t *sum_ret)
{
    int64_t rows = 0, sum = 0;
    bool more = true;

    while (more) {
        struct ask fetch = make(INLAY_ORDER_FETCH, "", open->order.hold);
        fetch.order.cursor = open->order.cursor;
        do_ask(&fetch);
        assert_ok(&fetch);
        assert_true(fetch.order.rows->nrows <= 5000);
        for (size_t i = 0; i < fetch.order.rows->nrows; i++)
            sum += value(&fetch, i, 0).integer;
        rows += (int64_t)fetch.order.rows->nrows;
        more = fetch.order.more;
        forget(&fetch);
    }
    *sum_ret = sum;
    return rows;
}

static void test_cursors_come_in_pieces(void **state)
{
    static const char sql[] =
        "select i::int8, repeat('x', 100) from generate_series(1, $1::int8) i";
    struct inlay_cell count = cell_int(100000);
    struct ask open = make(INLAY_ORDER_OPEN, sql, NULL), close;
    struct inlay_hold *hold;
    int64_t sum;

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    open.order.params = &count;
    open.order.nparams = 1;
    do_ask(&open);
    assert_ok(&open);
    assert_non_null(open.order.hold);
    assert_int_equal(read_cursor(&open, &sum), 100000);
    assert_int_equal(sum, INT64_C(5000050000));
    close = make(INLAY_ORDER_CLOSE, "", open.order.hold);
    close.order.cursor = open.order.cursor;
    do_ask(&close);
    assert_ok(&close);
    inlay_hold_release(open.order.hold);
    assert_int_equal(
        number("select count(*) from pg_cursors where name like 'inlay%'"), 0);
    /* In a transaction, left open. */
    hold = begin();
    open.order.hold = hold;
    do_ask(&open);
    assert_ok(&open);
    assert_ptr_equal(open.order.hold, hold);
    assert_int_equal(read_cursor(&open, &sum), 100000);
    inlay_hold_release(hold);
    assert_int_equal(
        number("select count(*) from pg_cursors where name like 'inlay%'"), 0);
    /* One that can't be opened takes nothing. */
    open = make(INLAY_ORDER_OPEN, "select nothing", NULL);
    do_ask(&open);
    assert_string_equal(open.order.failure.sqlstate, "42703");
    assert_non_null(strstr(open.order.failure.text, "at character 8"));
    assert_null(open.order.hold);
    assert_int_equal(number("select 5::int4"), 5);
    assert_int_equal(stat_of(&test.database->own_stats.held), 0);
    assert_int_equal(stat_of(&test.database->own_stats.connected), 1);
    close_lane();
}

int test_pg_rows(void)
{
    const struct CMUnitTest rows[] = {
        cmocka_unit_test(test_batches_are_all_or_none),
        cmocka_unit_test(test_a_batch_with_long_answers_does_not_block),
        cmocka_unit_test(test_copies_are_all_or_none),
        cmocka_unit_test(test_scripts_say_the_line_of_their_error),
        cmocka_unit_test(test_cursors_come_in_pieces),
    };

    return cmocka_run_group_tests(rows, NULL, NULL);
}
