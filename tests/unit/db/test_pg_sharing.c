/* The PostgreSQL driver: which connection a statement shares with others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "pg_bench.h"

#include "base/banned.h"

#define BACKENDS 4
#define READ "select pg_backend_pid()::int4, count(*) from pg_class"
#define SLOW "select pg_backend_pid()::int4, pg_sleep(0.3)::text"

/* All of the pool's connections are there, and idle. */
static void open_pool(void)
{
    struct ask slow[BACKENDS];

    open_lane((struct inlay_database_config){.min = BACKENDS, .max = BACKENDS});
    for (int i = 0; i < BACKENDS; i++) {
        slow[i] = query("select pg_sleep(0.1)::text");
        submit(&slow[i]);
    }
    wait_all();
    for (int i = 0; i < BACKENDS; i++)
        forget(&slow[i]);
}

/* Asks them at once, and says how many backends have answered. */
static int backends_of(struct ask *asks, size_t count)
{
    int64_t pids[16];
    int distinct = 0;

    for (size_t i = 0; i < count; i++) {
        asks[i].order.keep = true;
        submit(&asks[i]);
    }
    wait_all();
    for (size_t i = 0; i < count; i++) {
        size_t before = 0;

        assert_ok(&asks[i]);
        pids[i] = value(&asks[i], 0, 0).integer;
        while (pids[before] != pids[i])
            before++;
        distinct += before == i;
        forget(&asks[i]);
    }
    return distinct;
}

/* On each of the connections. */
static void make_known(const char *sql, int times)
{
    for (; times; times--) {
        struct ask asks[BACKENDS];

        for (int i = 0; i < BACKENDS; i++)
            asks[i] = query(sql);
        backends_of(asks, BACKENDS);
    }
}

/* A busy machine may make a read seem slow for once. */
static void test_quick_reads_follow_each_other(void **state)
{
    int distinct = BACKENDS;

    (void)state;
    open_pool();
    for (int tries = 0; tries < 200 && distinct > 1; tries++) {
        struct ask asks[] = {query(READ), query(READ), query(READ),
                             query(READ)};

        distinct = backends_of(asks, inlay_array_size(asks));
    }
    assert_int_equal(distinct, 1);
    close_lane();
}

static void test_statements_that_nobody_knows_have_connections_of_their_own(
    void **state)
{
    struct ask asks[] = {query(READ " where 1 = 1"), query(READ " where 2 = 2"),
                         query(READ " where 3 = 3")};

    (void)state;
    open_pool();
    assert_int_equal(backends_of(asks, inlay_array_size(asks)), 3);
    close_lane();
}

static void test_nothing_follows_what_is_slow(void **state)
{
    (void)state;
    open_pool();
    make_known(SLOW, 1);
    make_known(READ, 50);
    for (int i = 0; i < 3; i++) {
        struct ask asks[] = {query(SLOW), query(READ)};

        assert_int_equal(backends_of(asks, inlay_array_size(asks)), 2);
    }
    close_lane();
}

/* It may wait for a lock, however quick it was before. */
static void test_nothing_follows_what_writes(void **state)
{
    static const char write[] =
        "insert into shared values (1) returning pg_backend_pid()::int4";

    (void)state;
    open_pool();
    exec("drop table if exists shared");
    exec("create table shared (n int4)");
    make_known(write, 50);
    for (int i = 0; i < 20; i++) {
        struct ask asks[] = {query(write), query(write), query(write)};

        assert_int_equal(backends_of(asks, inlay_array_size(asks)), 3);
    }
    exec("drop table shared");
    close_lane();
}

/* What was quick as a rule waits for a lock now: no more than a few are held up
 * by it, of all that are asked later. */
static void test_a_quick_read_that_is_stuck_is_not_followed(void **state)
{
    static const char sql[] =
        "select pg_backend_pid()::int4 from stuck right join (values (1)) v "
        "on true";
    struct ask stuck = query(sql);
    struct inlay_hold *hold;

    (void)state;
    open_pool();
    exec("drop table if exists stuck");
    exec("create table stuck (n int4)");
    make_known(sql, 50);
    hold = begin();
    exec_in("lock table stuck in access exclusive mode", hold);
    stuck.order.keep = true;
    submit(&stuck);
    nap(20);
    for (int i = 0; i < 10; i++) {
        struct ask ask = query(READ);

        submit(&ask);
        for (int naps = 0; naps < 400 && !ask.done; naps++)
            nap(5);
        assert_true(ask.done);
        assert_ok(&ask);
        forget(&ask);
    }
    assert_false(stuck.done);
    commit(hold);
    inlay_hold_release(hold);
    wait_all();
    assert_ok(&stuck);
    forget(&stuck);
    exec("drop table stuck");
    close_lane();
}

int test_pg_sharing(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quick_reads_follow_each_other),
        cmocka_unit_test(
            test_statements_that_nobody_knows_have_connections_of_their_own),
        cmocka_unit_test(test_nothing_follows_what_is_slow),
        cmocka_unit_test(test_nothing_follows_what_writes),
        cmocka_unit_test(test_a_quick_read_that_is_stuck_is_not_followed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
