/* The SQLite driver: batches, copies, scripts, cursors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sqlite_bench.h"

#include "base/banned.h"

/* --- Many rows in ---------------------------------------------------------- */

static void test_a_batch_is_all_or_none(void **state)
{
    struct inlay_cell *cells = make_rows();

    (void)state;
    open_database((struct settings){0});
    exec("create table t (id integer primary key, name text)");
    struct inlay_order order = make_batch(cells);
    run(&order);
    assert_good(&order);
    assert_int_equal(order.changed, ROWS);
    assert_int_equal(ask("select count(*) from t"), ROWS);
    exec("delete from t where id <> 5000");
    order = make_batch(cells);
    run(&order);
    assert_failed(&order, INLAY_CONFLICT, "row 5001 of 10000: UNIQUE");
    assert_int_equal(order.changed, 0);
    assert_int_equal(ask("select count(*) from t"), 1);
    order = make_batch(cells);
    order.sets = 0;
    run(&order);
    assert_good(&order);
    assert_int_equal(order.changed, 0);
    exec("delete from t");
    struct inlay_hold *hold = begin();
    order = make_batch(cells);
    order.hold = hold;
    run(&order);
    assert_good(&order);
    assert_int_equal(ask_on(hold, "select count(*) from t"), ROWS);
    inlay_hold_release(hold);
    assert_int_equal(ask("select count(*) from t"), 0);
    close_database();
    inlay_free(cells);
}

static void test_copy(void **state)
{
    struct inlay_cell *cells = make_rows();

    (void)state;
    open_database((struct settings){0});
    exec("create table t (id integer primary key, name text, more int)");
    struct inlay_order order = make_batch(cells);
    order.kind = INLAY_ORDER_COPY;
    order.sql = INLAY_STR("t (id, name)");
    run(&order);
    assert_good(&order);
    assert_int_equal(order.changed, ROWS);
    assert_int_equal(ask("select sum(id) from t where name = 'name'"),
                     ROWS / 2 * (ROWS - 1));
    order.is_done = false;
    order.sql = INLAY_STR("no_table (id, name)");
    run(&order);
    assert_failed(&order, INLAY_INTERNAL, "no such table");
    close_database();
    inlay_free(cells);
}

static void run_script(struct inlay_hold *hold,
                       const char *sql,
                       struct inlay_order *order)
{
    *order = make(sql);
    order->kind = INLAY_ORDER_SCRIPT;
    order->hold = hold;
    run(order);
}

static void test_scripts(void **state)
{
    struct inlay_order order;

    (void)state;
    open_database((struct settings){0});
    struct inlay_hold *hold = begin();
    run_script(hold,
               "-- tables;\ncreate table t (id integer primary key);\n\n"
               "create trigger r after insert on t begin\n"
               "  delete from t where id = 99; end;\n"
               "insert into t values (1), (99); select * from t;\n/* end",
               &order);
    assert_good(&order);
    assert_null(order.rows);
    commit(hold);
    inlay_hold_release(hold);
    assert_int_equal(ask("select count(*) from t"), 1);
    hold = begin();
    run_script(hold,
               "insert into t values (2);\n\n-- it is there\n"
               "insert into t\n values (1);\nselect 1",
               &order);
    assert_failed(&order, INLAY_CONFLICT, "line 4: UNIQUE");
    run_script(hold, "insert into t values (3);\nselect 1,\n  no_column;\n",
               &order);
    assert_failed(&order, INLAY_INTERNAL, "line 3: no such column");
    run_script(hold, "insert into t values (4);\ncommit;\nselect 1", &order);
    assert_failed(&order, INLAY_INTERNAL, "line 2: the script ends");
    inlay_hold_release(hold);
    close_database();
}

/* --- Cursors -------------------------------------------------------------- */

static struct inlay_order fetch(const struct inlay_order *cursor)
{
    struct inlay_order order = of_kind(INLAY_ORDER_FETCH, cursor->hold);

    order.cursor = cursor->cursor;
    run(&order);
    return order;
}

static void close_cursor(const struct inlay_order *cursor)
{
    struct inlay_order order = of_kind(INLAY_ORDER_CLOSE, cursor->hold);

    order.cursor = cursor->cursor;
    run(&order);
    assert_good(&order);
}

static void test_a_cursor_over_many_rows(void **state)
{
    int64_t next = 1;
    int fetches = 0;

    (void)state;
    open_database((struct settings){0});
    struct inlay_order cursor = open_cursor(NULL, NUMBERS("100000"));
    assert_int_equal(STAT(held), 1);
    for (bool more = true; more; fetches++) {
        struct inlay_order rows = fetch(&cursor);
        assert_good(&rows);
        assert_true(rows.rows->nrows <= INLAY_SQLITE_FETCH_ROWS);
        for (size_t i = 0; i < rows.rows->nrows; i++)
            assert_int_equal(cell_of(&rows, i, 0).integer, next++);
        more = rows.more;
        inlay_rowset_destroy(rows.rows);
        if (fetches == 3) /* others go on */
            exec("create table t (id)");
    }
    assert_int_equal(next, 100001);
    assert_true(fetches >= 100);
    struct inlay_order rows = fetch(&cursor);
    assert_good(&rows);
    assert_null(rows.rows);
    assert_false(rows.more);
    close_cursor(&cursor);
    assert_int_equal(STAT(held), 1); /* it stays one */
    inlay_hold_release(cursor.hold);
    exec("insert into t values (1)");
    assert_int_equal(STAT(held), 0);
    close_database();
}

static void test_a_fetch_is_bounded_in_bytes(void **state)
{
    (void)state;
    open_database((struct settings){0});
    struct inlay_order cursor = open_cursor(
        NULL, "with recursive n (i) as (select 1 union all select i + 1 from n "
              "limit 100) select zeroblob(50000) from n");
    struct inlay_order rows = fetch(&cursor);
    assert_good(&rows);
    assert_true(rows.more);
    assert_true(rows.rows->nrows >= 1 && rows.rows->nrows < 10);
    inlay_rowset_destroy(rows.rows);
    inlay_hold_release(cursor.hold); /* with the cursor open */
    close_database();
}

static void test_cursors_in_a_transaction(void **state)
{
    (void)state;
    open_database((struct settings){0});
    exec("create table t (id)");
    struct inlay_hold *hold = begin();
    exec_on(hold, "insert into t " NUMBERS("3000"));
    struct inlay_order one = open_cursor(hold, "select id from t order by id");
    struct inlay_order two = open_cursor(hold, "select id from t order by id");
    assert_ptr_equal(one.hold, hold);
    struct inlay_order rows = fetch(&one);
    assert_int_equal(rows.rows->nrows, 1000);
    inlay_rowset_destroy(rows.rows);
    rows = fetch(&two);
    assert_int_equal(cell_of(&rows, 0, 0).integer, 1);
    inlay_rowset_destroy(rows.rows);
    assert_int_equal(ask_on(hold, "select count(*) from t"), 3000);
    close_cursor(&two);
    rows = fetch(&one);
    assert_int_equal(cell_of(&rows, 0, 0).integer, 1001);
    inlay_rowset_destroy(rows.rows);
    commit(hold);
    rows = fetch(&one);
    assert_failed(&rows, INLAY_INTERNAL, "transaction has ended");
    inlay_hold_release(hold);
    assert_int_equal(ask("select count(*) from t"), 3000);
    close_database();
}

static void test_a_cursor_that_writes_has_the_writer(void **state)
{
    (void)state;
    open_database((struct settings){.pool_timeout = 100});
    exec("create table t (id)");
    for (int i = 0; i < 2; i++) { /* found out, then known */
        struct inlay_order cursor =
            open_cursor(NULL, "insert into t values (1) returning id");
        struct inlay_order rows = fetch(&cursor);
        assert_good(&rows);
        assert_int_equal(rows.rows->nrows, 1);
        inlay_rowset_destroy(rows.rows);
        assert_fails("insert into t values (2)", INLAY_UNAVAILABLE, "100 ms");
        inlay_hold_release(cursor.hold);
    }
    exec("insert into t values (2)");
    assert_int_equal(ask("select count(*) from t"), 3);
    close_database();
}

static void test_cursors_are_bounded(void **state)
{
    struct inlay_order cursors[INLAY_SQLITE_CURSORS];

    (void)state;
    open_database((struct settings){.pool_timeout = 5000});
    for (int i = 0; i < INLAY_SQLITE_CURSORS; i++) {
        cursors[i] = open_cursor(NULL, NUMBERS("5000"));
        struct inlay_order rows = fetch(&cursors[i]);
        assert_int_equal(rows.rows->nrows, 1000);
        inlay_rowset_destroy(rows.rows);
    }
    assert_int_equal(ask("select 1"), 1); /* they hold no thread */
    struct inlay_order waits = make("select 1");
    waits.kind = INLAY_ORDER_OPEN;
    submit(&waits);
    spin(30);
    assert_false(waits.is_done);
    inlay_hold_release(cursors[3].hold);
    await(&waits);
    assert_good(&waits);
    inlay_hold_release(waits.hold);
    for (int i = 0; i < INLAY_SQLITE_CURSORS; i++)
        if (i != 3)
            inlay_hold_release(cursors[i].hold);
    close_database();
}

static void test_an_error_within_a_cursor(void **state)
{
    (void)state;
    open_database((struct settings){0});
    struct inlay_order cursor = open_cursor(
        NULL, "with recursive n (i) as (select 1 union all select i + 1 from n "
              "limit 5000) select case when i > 2500 then json('{') else i end "
              "from n");
    int good = 0;
    struct inlay_order rows = fetch(&cursor);
    for (; !rows.failure.kind; rows = fetch(&cursor)) {
        inlay_rowset_destroy(rows.rows);
        assert_true(++good < 10);
    }
    assert_failed(&rows, INLAY_INTERNAL, "malformed JSON");
    assert_int_equal(good, 2);
    rows = fetch(&cursor);
    assert_good(&rows);
    assert_null(rows.rows);
    inlay_hold_release(cursor.hold);
    close_database();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_batch_is_all_or_none),
        TEST(test_copy),
        TEST(test_scripts),
        TEST(test_a_cursor_over_many_rows),
        TEST(test_a_fetch_is_bounded_in_bytes),
        TEST(test_cursors_in_a_transaction),
        TEST(test_a_cursor_that_writes_has_the_writer),
        TEST(test_cursors_are_bounded),
        TEST(test_an_error_within_a_cursor),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
