/* The SQLite driver: transactions, and who writes when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sqlite_bench.h"

#include "base/banned.h"

static void test_commit_keeps_and_release_rolls_back(void **state)
{
    (void)state;
    open_database((struct settings){0});
    exec("create table t (id)");
    struct inlay_hold *hold = begin();
    assert_int_equal(STAT(held), 1);
    assert_int_equal(exec_on(hold, "insert into t values (1)"), 1);
    assert_int_equal(ask_on(hold, "select count(*) from t"), 1);
    assert_int_equal(ask("select count(*) from t"), 0); /* others */
    commit(hold);
    assert_int_equal(ask("select count(*) from t"), 1);
    inlay_hold_release(hold);
    hold = begin();
    exec_on(hold, "delete from t");
    exec_on(hold, "savepoint a");
    exec_on(hold, "insert into t values (5)");
    exec_on(hold, "rollback to a");
    assert_int_equal(ask_on(hold, "select count(*) from t"), 0);
    inlay_hold_release(hold);
    assert_int_equal(ask("select count(*) from t"), 1);
    exec("insert into t values (2)");
    assert_int_equal(STAT(held), 0);
    close_database();
}

static void test_writers_wait_and_readers_do_not(void **state)
{
    (void)state;
    open_database((struct settings){0});
    exec("create table t (id)");
    exec("insert into t values (0)"); /* known to write from here on */
    struct inlay_hold *hold = begin();
    exec_on(hold, "insert into t values (1)");
    struct inlay_order writes[5], other = of_kind(INLAY_ORDER_BEGIN, NULL);
    for (int i = 0; i < 5; i++) {
        writes[i] = make("insert into t values (0)");
        submit(&writes[i]);
    }
    submit(&other);
    for (int i = 0; i < 50; i++)
        assert_int_equal(ask("select count(*) from t"), 1);
    for (int i = 0; i < 5; i++)
        assert_false(writes[i].is_done);
    assert_true(STAT(waits) >= 6);
    assert_int_equal(STAT(waiting), 6);
    commit(hold);
    assert_false(writes[0].is_done);
    inlay_hold_release(hold);
    for (int i = 0; i < 5; i++) {
        await(&writes[i]);
        assert_good(&writes[i]);
    }
    await(&other);
    assert_good(&other);
    assert_int_equal(ask_on(other.hold, "select count(*) from t"), 7);
    inlay_hold_release(other.hold);
    close_database();
}

static void test_writers_do_not_wait_for_ever(void **state)
{
    (void)state;
    open_database((struct settings){.pool_timeout = 100});
    exec("create table t (id)");
    struct inlay_hold *hold = begin();
    struct inlay_order first = of_kind(INLAY_ORDER_BEGIN, NULL);
    submit(&first);
    spin(30);
    struct inlay_order second = make("insert into t values (1)");
    submit(&second);
    await(&first);
    assert_failed(&first, INLAY_UNAVAILABLE, "100 ms");
    assert_null(first.hold);
    assert_false(second.is_done);
    await(&second);
    assert_failed(&second, INLAY_UNAVAILABLE, "one writer");
    assert_int_equal(STAT(timeouts), 2);
    assert_int_equal(STAT(waiting), 0);
    /* Its owner is not affected. */
    exec_on(hold, "insert into t values (2)");
    commit(hold);
    inlay_hold_release(hold);
    assert_int_equal(ask("select count(*) from t"), 1);
    close_database();
}

static void test_a_transaction_that_sqlite_ended(void **state)
{
    (void)state;
    open_database((struct settings){0});
    exec("create table t (id integer primary key)");
    exec("insert into t values (1)");
    struct inlay_hold *hold = begin();
    exec_on(hold, "insert into t values (2)");
    struct inlay_order order = make("insert or rollback into t values (1)");
    order.hold = hold;
    run(&order);
    assert_failed(&order, INLAY_CONFLICT, "t.id");
    /* Alone it would be committed at once. */
    order = make("insert into t values (3)");
    order.hold = hold;
    run(&order);
    assert_failed(&order, INLAY_INTERNAL, "has ended already");
    order = of_kind(INLAY_ORDER_COMMIT, hold);
    run(&order);
    assert_failed(&order, INLAY_INTERNAL, "has ended already");
    inlay_hold_release(hold);
    assert_int_equal(ask("select count(*) from t"), 1);
    close_database();
}

static void test_a_commit_that_fails(void **state)
{
    (void)state;
    open_database((struct settings){0});
    exec("create table t (id integer primary key)");
    exec("create table s (id integer references t (id) deferrable initially "
         "deferred)");
    struct inlay_hold *hold = begin();
    exec_on(hold, "insert into s values (1)");
    struct inlay_order order = of_kind(INLAY_ORDER_COMMIT, hold);
    run(&order);
    assert_failed(&order, INLAY_CONFLICT, "FOREIGN KEY");
    exec_on(hold, "insert into t values (1)");
    order = of_kind(INLAY_ORDER_COMMIT, hold);
    run(&order);
    assert_good(&order);
    inlay_hold_release(hold);
    assert_int_equal(ask("select count(*) from s"), 1);
    close_database();
}

static void test_orders_that_need_a_hold(void **state)
{
    static const enum inlay_order_kind kinds[] = {
        INLAY_ORDER_COMMIT, INLAY_ORDER_SCRIPT, INLAY_ORDER_FETCH,
        INLAY_ORDER_CLOSE};

    (void)state;
    open_database((struct settings){0});
    for (size_t i = 0; i < inlay_array_size(kinds); i++) {
        struct inlay_order order = of_kind(kinds[i], NULL);
        order.sql = INLAY_STR("select 1");
        run(&order);
        assert_failed(&order, INLAY_INTERNAL, "needs a transaction");
    }
    close_database();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_commit_keeps_and_release_rolls_back),
        TEST(test_writers_wait_and_readers_do_not),
        TEST(test_writers_do_not_wait_for_ever),
        TEST(test_a_transaction_that_sqlite_ended),
        TEST(test_a_commit_that_fails),
        TEST(test_orders_that_need_a_hold),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
