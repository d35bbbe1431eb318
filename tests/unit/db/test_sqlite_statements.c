/* The SQLite driver: statements, what they change, errors, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "sqlite_bench.h"

#include "base/banned.h"

static void test_changed_rows(void **state)
{
    (void)state;
    open_database((struct settings){0});
    assert_int_equal(exec("create table t (id integer primary key)"), 0);
    assert_int_equal(exec("insert into t values (1), (2), (3)"), 3);
    assert_int_equal(exec("update t set id = id + 10 where id > 1"), 2);
    assert_int_equal(exec("create table other (id)"), 0);
    assert_int_equal(exec("update t set id = 0 where id = 99"), 0);
    assert_int_equal(exec("select * from t"), 0);
    struct inlay_order order =
        make("insert into t values (7), (8) returning id * 2 as twice");
    run(&order);
    assert_good(&order);
    assert_int_equal(order.changed, 2);
    assert_int_equal(order.rows->nrows, 2);
    assert_int_equal(cell_of(&order, 1, 0).integer, 16);
    assert_true(inlay_str_is(order.rows->ops->name(order.rows, 0), "twice"));
    inlay_rowset_destroy(order.rows);
    assert_int_equal(exec("delete from t"), 5);
    order = make("drop table other");
    run(&order);
    assert_good(&order);
    assert_null(order.rows);
    order = make("select * from t");
    run(&order);
    assert_non_null(order.rows); /* without rows it has columns */
    assert_int_equal(order.rows->nrows, 0);
    assert_int_equal(order.rows->ncolumns, 1);
    inlay_rowset_destroy(order.rows);
    close_database();
}

static void test_errors_have_their_kinds(void **state)
{
    (void)state;
    open_database((struct settings){0});
    exec("create table t (id integer primary key, name text not null unique "
         "check (length(name) < 5))");
    exec("create table s (id integer references t (id), n int) ");
    exec("create table strict_one (n int) strict");
    exec("insert into t values (1, 'a')");
    assert_fails("insert into t values (1, 'b')", INLAY_CONFLICT, "t.id");
    assert_fails("insert into t values (2, 'a')", INLAY_CONFLICT, "t.name");
    assert_fails("insert into s values (9, 1)", INLAY_CONFLICT, "FOREIGN KEY");
    exec("create table r (id integer references t (id) on delete restrict)");
    exec("insert into r values (1)");
    assert_fails("delete from t", INLAY_CONFLICT, "FOREIGN KEY");
    assert_fails("insert into t values (3, null)", INLAY_INVALID, "NOT NULL");
    assert_fails("insert into t values (3, 'aaaaaaa')", INLAY_INVALID, "CHECK");
    assert_fails("insert into t values ('x', 'c')", INLAY_INVALID, "mismatch");
    assert_fails("insert into strict_one values ('x')", INLAY_INVALID, "INT");
    assert_fails("select zeroblob(2000000000)", INLAY_INVALID, "too big");
    assert_fails("select * from no_table", INLAY_INTERNAL, "no such table");
    assert_fails("select '\xc3\xa4\xc3\xa4', thing 1", INLAY_INTERNAL,
                 "syntax error at character 20");
    assert_fails("select 1; drop table t", INLAY_INTERNAL,
                 "second at character 11");
    assert_fails(" -- nothing\n", INLAY_INTERNAL, "no SQL statement");
    assert_fails("select '\xff', '", INLAY_INTERNAL, "unrecognized token");
    assert_int_equal(ask("select 1 ; -- behind\n /* it */ ;"), 1);
    struct inlay_order nul = make("");
    nul.sql = inlay_str_make("select 1\0; drop", 15);
    run(&nul);
    assert_failed(&nul, INLAY_INTERNAL, "NUL");
    assert_int_equal(ask("select count(*) from t"), 1);
    close_database();
}

static void test_statements_are_kept_and_bounded(void **state)
{
    char sql[64];

    (void)state;
    open_database((struct settings){.statements = 8, .max = 1});
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 20; i++) {
            snprintf(sql, sizeof(sql), "select %d", i);
            assert_int_equal(ask(sql), i);
        }
    assert_int_equal(sqlite->connections[0].statements.count, 8);
    struct inlay_order once = make("select 99");
    once.keep = false;
    run(&once);
    inlay_rowset_destroy(once.rows);
    assert_int_equal(ask("select 19"), 19);
    assert_int_equal(sqlite->connections[0].statements.count, 8);
    close_database();
    open_database((struct settings){.statements = UINT32_MAX, .max = 1});
    assert_int_equal(ask("select 1"), 1);
    assert_int_equal(sqlite->connections[0].statements.count, 0);
    close_database();
}

static void test_a_kept_statement_sees_a_new_schema(void **state)
{
    (void)state;
    open_database((struct settings){0});
    exec("create table t (a)");
    exec("insert into t values (1)");
    assert_int_equal(ask("select * from t"), 1);
    exec("alter table t add column b text default 'x'");
    for (int i = 0; i < 2; i++) {
        struct inlay_order order = make("select * from t");
        run(&order);
        assert_good(&order);
        assert_int_equal(order.rows->ncolumns, 2);
        assert_true(inlay_str_is(order.rows->ops->name(order.rows, 1), "b"));
        inlay_rowset_destroy(order.rows);
    }
    close_database();
}

static void test_rows_are_bounded(void **state)
{
    (void)state;
    open_database((struct settings){0});
    sqlite->rows_most = 1 << 20;
    assert_fails(NUMBERS("1000000"), INLAY_INTERNAL, "inlay_each");
    assert_fails("select zeroblob(2000000)", INLAY_INTERNAL, "inlay_each");
    assert_int_equal(ask("select length(zeroblob(2000000))"), 2000000);
    close_database();
}

static void test_a_statement_that_takes_too_long(void **state)
{
    (void)state;
    open_database((struct settings){.statement_timeout = 50});
    uint64_t begun = inlay_clock_ms();
    assert_fails(ENDLESS, INLAY_TIMEOUT, "50 ms");
    assert_true(inlay_clock_ms() - begun < 5000);
    exec("create table t (i)");
    assert_fails("insert into t " ENDLESS, INLAY_TIMEOUT, "50 ms");
    assert_int_equal(ask("select count(*) from t"), 0);
    close_database();
}

static void test_transactions_in_statements_are_refused(void **state)
{
    (void)state;
    open_database((struct settings){0});
    assert_fails("begin", INLAY_INTERNAL, "use inlay_begin");
    assert_fails("begin immediate", INLAY_INTERNAL, "use inlay_begin");
    assert_fails("savepoint x", INLAY_INTERNAL, "use inlay_begin");
    exec("create table t (id)");
    assert_int_equal(ask("select count(*) from t"), 0);
    close_database();
}

static void test_in_memory(void **state)
{
    (void)state;
    open_database((struct settings){.url = "sqlite://"});
    exec("create table t (id)");
    exec("insert into t values (1)");
    struct inlay_hold *hold = begin();
    exec_on(hold, "insert into t values (2)");
    assert_int_equal(ask_on(hold, "select count(*) from t"), 2);
    /* The only connection is taken. */
    struct inlay_order waits = make("select count(*) from t");
    submit(&waits);
    spin(50);
    assert_false(waits.is_done);
    inlay_hold_release(hold);
    await(&waits);
    assert_int_equal(cell_of(&waits, 0, 0).integer, 1);
    inlay_rowset_destroy(waits.rows);
    assert_int_equal(STAT(connections), 1);
    close_database();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_changed_rows),
        TEST(test_errors_have_their_kinds),
        TEST(test_statements_are_kept_and_bounded),
        TEST(test_a_kept_statement_sees_a_new_schema),
        TEST(test_rows_are_bounded),
        TEST(test_a_statement_that_takes_too_long),
        TEST(test_transactions_in_statements_are_refused),
        TEST(test_in_memory),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
