/* The PostgreSQL driver: transactions, and who gets a connection when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "pg_bench.h"

#include "base/banned.h"

static void test_transactions(void **state)
{
    struct inlay_hold *hold;

    (void)state;
    open_lane((struct inlay_database_config){.max = 2});
    exec("create table if not exists t (id int8 primary key, name text)");
    exec("truncate t");
    hold = begin();
    assert_int_equal(stat_of(&test.database->own_stats.held), 1);
    exec_in("insert into t values (1, 'a')", hold);
    assert_int_equal(number_in("select count(*) from t", hold), 1);
    assert_int_equal(number("select count(*) from t"), 0);
    commit(hold);
    inlay_hold_release(hold);
    assert_int_equal(number("select count(*) from t"), 1);
    hold = begin();
    exec_in("insert into t values (2, 'a')", hold);
    inlay_hold_release(hold); /* rolls back */
    assert_int_equal(number("select count(*) from t"), 1);
    hold = begin(); /* nothing in it */
    inlay_hold_release(hold);
    hold = begin();
    commit(hold);
    inlay_hold_release(hold);
    assert_int_equal(number("select count(*) from t"), 1);
    assert_int_equal(stat_of(&test.database->own_stats.held), 0);
    assert_int_equal(stat_of(&test.database->own_stats.lost), 0);
    close_lane();
}

static void test_a_failed_transaction_does_not_commit(void **state)
{
    struct ask ask;
    struct inlay_hold *hold;

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    exec("create table if not exists t (id int8 primary key, name text)");
    exec("truncate t");
    hold = begin();
    exec_in("insert into t values (1, 'a')", hold);
    ask = make(INLAY_ORDER_QUERY, "insert into t values (1, 'b')", hold);
    do_ask(&ask);
    assert_int_equal(ask.order.failure.kind, INLAY_CONFLICT);
    ask = make(INLAY_ORDER_COMMIT, "", hold);
    do_ask(&ask);
    assert_int_equal(ask.order.failure.kind, INLAY_INTERNAL);
    inlay_hold_release(hold);
    assert_int_equal(number("select count(*) from t"), 0);
    close_lane();
}

static void test_a_begin_that_fails_fails_what_follows(void **state)
{
    struct ask ask, other;
    struct inlay_hold *hold;

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    exec("create table if not exists t (id int8 primary key, name text)");
    exec("truncate t");
    ask = make(INLAY_ORDER_BEGIN, "begin isolation level nonsense", NULL);
    do_ask(&ask);
    assert_ok(&ask);
    hold = ask.order.hold;
    other = make(INLAY_ORDER_QUERY, "insert into t values (2, 'b')", hold);
    ask = make(INLAY_ORDER_QUERY, "insert into t values (1, 'a')", hold);
    ask.order.keep = true;
    submit(&ask);
    submit(&other);
    wait_all();
    assert_int_equal(ask.order.failure.kind, INLAY_INTERNAL);
    assert_int_equal(other.order.failure.kind, INLAY_INTERNAL);
    ask = make(INLAY_ORDER_SCRIPT, "insert into t values (3, 'c')", hold);
    do_ask(&ask);
    assert_int_equal(ask.order.failure.kind, INLAY_INTERNAL);
    ask = make(INLAY_ORDER_QUERY, "insert into t values (4, 'd')", hold);
    do_ask(&ask);
    assert_int_equal(ask.order.failure.kind, INLAY_INTERNAL);
    inlay_hold_release(hold);
    assert_int_equal(number("select count(*) from t"), 0);
    ask = make(INLAY_ORDER_BEGIN, "begin; select 1", NULL);
    do_ask(&ask);
    assert_int_equal(ask.order.failure.kind, INLAY_INTERNAL);
    assert_null(ask.order.hold);
    close_lane();
}

static void test_serialization_failures_may_be_retried(void **state)
{
    struct inlay_hold *holds[2];
    struct ask ask;

    (void)state;
    open_lane((struct inlay_database_config){.max = 3});
    exec("create table if not exists t (id int8 primary key, name text)");
    exec("truncate t");
    exec("insert into t values (1, '')");
    for (int i = 0; i < 2; i++) {
        ask = make(INLAY_ORDER_BEGIN, "begin isolation level repeatable read",
                   NULL);
        do_ask(&ask);
        holds[i] = ask.order.hold;
        assert_int_equal(number_in("select count(*) from t", holds[i]), 1);
    }
    exec_in("update t set name = 'a'", holds[0]);
    commit(holds[0]);
    ask = make(INLAY_ORDER_QUERY, "update t set name = 'b'", holds[1]);
    do_ask(&ask);
    assert_int_equal(ask.order.failure.kind, INLAY_CONFLICT);
    assert_true(ask.order.failure.may_retry);
    inlay_hold_release(holds[0]);
    inlay_hold_release(holds[1]);
    close_lane();
}

/* Each of them holds, asks and lets go, beside statements of others. */
static void test_holds_and_shared_orders_take_turns(void **state)
{
    static struct ask begins[40], shared[120];
    int done = 0;

    (void)state;
    open_lane((struct inlay_database_config){.max = 3});
    for (int i = 0; i < 120; i++) {
        shared[i] = query("select pg_backend_pid()");
        submit(&shared[i]);
        if (i % 3)
            continue;
        begins[i / 3] = make(INLAY_ORDER_BEGIN, "", NULL);
        submit(&begins[i / 3]);
    }
    while (done < 40) {
        nap(1);
        for (int i = 0; i < 40; i++) {
            if (!begins[i].done || !begins[i].order.hold)
                continue;
            assert_ok(&begins[i]);
            inlay_hold_release(begins[i].order.hold);
            begins[i].order.hold = NULL;
            done++;
        }
    }
    wait_all();
    for (int i = 0; i < 120; i++) {
        assert_ok(&shared[i]);
        forget(&shared[i]);
    }
    assert_in_range(stat_of(&test.database->own_stats.connected), 1, 3);
    assert_int_equal(stat_of(&test.database->own_stats.held), 0);
    close_lane();
}

static void test_no_connection_in_time(void **state)
{
    struct inlay_hold *hold;
    struct ask one, other;

    (void)state;
    open_lane((struct inlay_database_config){.max = 1, .pool_timeout = 200});
    hold = begin();
    one = make(INLAY_ORDER_BEGIN, "", NULL);
    other = query("select 1");
    submit(&one);
    submit(&other);
    wait_all();
    assert_int_equal(one.order.failure.kind, INLAY_UNAVAILABLE);
    assert_int_equal(other.order.failure.kind, INLAY_UNAVAILABLE);
    assert_non_null(strstr(one.order.failure.text, "in 0.2 s: all 1 are busy"));
    assert_int_equal(stat_of(&test.database->own_stats.timeouts), 2);
    inlay_hold_release(hold);
    assert_int_equal(number("select 5::int4"), 5);
    close_lane();
}

/* A connection that was kept free for somebody who has left is everybody's. */
static void test_who_leaves_the_queue_reserves_nothing(void **state)
{
    struct ask slow = query("select pg_sleep(0.3)"), hold, ask;

    (void)state;
    open_lane((struct inlay_database_config){.max = 1, .pool_timeout = 100});
    exec("select 1");
    for (int i = 0; i < 2; i++) {
        submit(&slow);
        hold = make(INLAY_ORDER_BEGIN, "", NULL);
        submit(&hold);
        if (i)
            give_up(&hold);
        else
            nap(150);
        ask = query("select 6::int4"); /* behind the slow one, at once */
        submit(&ask);
        assert_int_equal(stat_of(&test.database->own_stats.waiting), 0);
        wait_all();
        assert_ok(&slow);
        assert_int_equal(value(&ask, 0, 0).integer, 6);
        forget(&slow);
        forget(&ask);
    }
    assert_int_equal(stat_of(&test.database->own_stats.timeouts), 1);
    close_lane();
}

/* An order that needs a connection alone gets one, however many others come. */
static void test_a_hold_is_not_starved(void **state)
{
    struct ask asks[8];
    struct ask hold = make(INLAY_ORDER_BEGIN, "", NULL);
    int rounds = 0;

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    exec("select 1");
    for (int i = 0; i < 8; i++) {
        asks[i] = query("select pg_sleep(0.002)");
        submit(&asks[i]);
    }
    submit(&hold);
    for (; !hold.done && rounds < 500; rounds++) {
        nap(1);
        for (int i = 0; i < 8; i++) {
            if (!asks[i].done || hold.done)
                continue;
            forget(&asks[i]);
            submit(&asks[i]);
        }
    }
    assert_true(hold.done);
    assert_ok(&hold);
    inlay_hold_release(hold.order.hold);
    wait_all();
    for (int i = 0; i < 8; i++) {
        assert_ok(&asks[i]);
        forget(&asks[i]);
    }
    close_lane();
}

int test_pg_transactions(void)
{
    const struct CMUnitTest transactions[] = {
        cmocka_unit_test(test_transactions),
        cmocka_unit_test(test_a_failed_transaction_does_not_commit),
        cmocka_unit_test(test_a_begin_that_fails_fails_what_follows),
        cmocka_unit_test(test_serialization_failures_may_be_retried),
        cmocka_unit_test(test_holds_and_shared_orders_take_turns),
        cmocka_unit_test(test_no_connection_in_time),
        cmocka_unit_test(test_who_leaves_the_queue_reserves_nothing),
        cmocka_unit_test(test_a_hold_is_not_starved),
    };

    return cmocka_run_group_tests(transactions, NULL, NULL);
}
