/* The PostgreSQL driver: orders that nobody waits for any more, and servers
 * that fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "pg_bench.h"

#include "base/banned.h"

/* --- Nobody wants it any more --------------------------------------------- */

static void test_given_up_on_a_shared_connection(void **state)
{
    struct ask slow = query("select pg_sleep(0.1)"), other, queued;
    struct inlay_hold *hold;

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    exec("select 1");
    other = query("select 6::int4");
    submit(&slow);
    submit(&other);
    give_up(&slow);
    wait_all();
    assert_int_equal(value(&other, 0, 0).integer, 6);
    forget(&other);
    assert_int_equal(stat_of(&test.database->own_stats.cancelled), 0);
    /* While it waits for a connection. */
    hold = begin();
    queued = query("select 1");
    submit(&queued);
    other = make(INLAY_ORDER_BEGIN, "", NULL);
    submit(&other);
    give_up(&queued);
    give_up(&other);
    assert_int_equal(stat_of(&test.database->own_stats.waiting), 0);
    inlay_hold_release(hold);
    assert_int_equal(number("select 5::int4"), 5);
    close_lane();
}

static void test_given_up_on_a_hold_is_cancelled(void **state)
{
    struct inlay_hold *hold;
    struct ask ask;
    uint64_t from;

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    hold = begin();
    ask = make(INLAY_ORDER_QUERY, "select pg_sleep(15)", hold);
    submit(&ask);
    nap(50);
    give_up(&ask);
    inlay_hold_release(hold);
    from = inlay_clock_ms();
    assert_int_equal(number("select 5::int4"), 5);
    assert_true(inlay_clock_ms() - from < 5000);
    assert_int_equal(stat_of(&test.database->own_stats.cancelled), 1);
    assert_int_equal(stat_of(&test.database->own_stats.connected), 1);
    close_lane();
}

static void test_given_up_before_it_took_its_hold(void **state)
{
    struct ask ask;

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    exec("select 1");
    ask = make(INLAY_ORDER_BEGIN, "", NULL);
    submit(&ask);
    give_up(&ask);
    ask = make(INLAY_ORDER_OPEN, "select pg_sleep(0)", NULL);
    submit(&ask);
    give_up(&ask);
    assert_int_equal(number("select 5::int4"), 5);
    ask = make(INLAY_ORDER_OPEN, "select nothing", NULL);
    submit(&ask);
    give_up(&ask);
    assert_int_equal(number("select 5::int4"), 5);
    assert_int_equal(stat_of(&test.database->own_stats.held), 0);
    assert_int_equal(stat_of(&test.database->own_stats.connected), 1);
    close_lane();
}

static void test_given_up_batches_and_copies_leave_nothing(void **state)
{
    enum { SETS = 60000 };
    static struct inlay_cell cells[SETS];
    static const enum inlay_order_kind kinds[] = {
        INLAY_ORDER_BATCH, INLAY_ORDER_COPY, INLAY_ORDER_SCRIPT};
    static const char *const sql[] = {"insert into g values ($1)", "g (id)",
                                      "select pg_sleep(15)"};

    int64_t left;
    int nothing = 0;

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    exec("create table if not exists g (id int8)");
    exec("truncate g");
    for (int i = 0; i < SETS; i++)
        cells[i] = cell_int(i);
    for (int i = 0; i < 9; i++) {
        struct ask ask = make(kinds[i / 3], sql[i / 3], NULL);

        ask.order.params = cells;
        ask.order.nparams = 1;
        ask.order.sets = SETS;
        submit(&ask);
        if (i % 3)
            nap(i % 3 == 1 ? 3 : 20);
        if (!ask.done)
            give_up(&ask);
        memset(&ask, 0xA5, sizeof(ask));
        left = number("select count(*) from g");
        /* It may have been done just then; never in part. */
        assert_true(left == 0 || left == SETS);
        nothing += left == 0;
        exec("truncate g");
    }
    assert_true(nothing >= 5);
    assert_int_equal(stat_of(&test.database->own_stats.connected), 1);
    close_lane();
}

/* --- Failures of the server ----------------------------------------------- */

static void test_statements_have_a_timeout(void **state)
{
    struct ask slow = query("select pg_sleep(10)"), other;

    (void)state;
    open_lane(
        (struct inlay_database_config){.max = 1, .statement_timeout = 200});
    submit(&slow);
    other = query("select 6::int4");
    submit(&other);
    wait_all();
    assert_int_equal(slow.order.failure.kind, INLAY_TIMEOUT);
    assert_string_equal(slow.order.failure.sqlstate, "57014");
    assert_int_equal(value(&other, 0, 0).integer, 6);
    forget(&other);
    close_lane();
}

static void test_a_server_that_does_not_answer_is_left(void **state)
{
    struct ask slow = query("select pg_sleep(10)"), other;

    (void)state;
    /* Nobody tells the server of the timeout. */
    open_lane((struct inlay_database_config){
        .max = 1, .statement_timeout = 300, .statements = UINT32_MAX});
    exec("select 1");
    submit(&slow);
    other = query("select 6::int4");
    submit(&other);
    wait_all();
    assert_int_equal(slow.order.failure.kind, INLAY_TIMEOUT);
    assert_int_equal(other.order.failure.kind, INLAY_UNAVAILABLE);
    assert_int_equal(stat_of(&test.database->own_stats.lost), 1);
    assert_int_equal(number("select 5::int4"), 5);
    close_lane();
}

static void test_lost_connections_under_load(void **state)
{
    static struct ask asks[100];
    struct inlay_hold *hold;
    struct ask ask;
    int good = 0;

    (void)state;
    open_lane((struct inlay_database_config){.max = 4});
    hold = begin();
    exec_in("select 1", hold);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++) {
            asks[i] =
                query(i == 50 ? "select pg_terminate_backend(pid) from "
                                "pg_stat_activity where pid <> "
                                "pg_backend_pid() and backend_type = 'client "
                                "backend'"
                              : "select 1::int4 from pg_sleep(0.001)");
            submit(&asks[i]);
        }
        wait_all();
        for (int i = 0; i < 100; i++) {
            if (asks[i].order.failure.kind)
                assert_int_equal(asks[i].order.failure.kind, INLAY_UNAVAILABLE);
            else
                good++;
            forget(&asks[i]);
        }
        for (int i = 0; i < 8; i++)
            assert_int_equal(number("select 5::int4"), 5);
    }
    assert_true(good > 0);
    assert_true(stat_of(&test.database->own_stats.lost) >= 3);
    /* A hold whose connection has gone stays one until its release. */
    ask = make(INLAY_ORDER_QUERY, "select 1", hold);
    do_ask(&ask);
    assert_int_equal(ask.order.failure.kind, INLAY_UNAVAILABLE);
    assert_non_null(strstr(ask.order.failure.text, "transaction was lost"));
    ask = make(INLAY_ORDER_COMMIT, "", hold);
    do_ask(&ask);
    assert_int_equal(ask.order.failure.kind, INLAY_UNAVAILABLE);
    inlay_hold_release(hold);
    assert_int_equal(stat_of(&test.database->own_stats.held), 0);
    assert_true(test.warnings >= 1);
    close_lane();
}

static void test_a_server_that_is_down_and_comes_back(void **state)
{
    struct ask asks[20], ask = query("select 1");
    int tries = 0;

    (void)state;
    open_lane((struct inlay_database_config){.max = 3, .min = 2});
    exec("select 1");
    control("stop fast");
    nap(20);
    for (int i = 0; i < 20; i++) {
        asks[i] = query("select 1");
        submit(&asks[i]);
    }
    wait_all();
    for (int i = 0; i < 20; i++) {
        assert_int_equal(asks[i].order.failure.kind, INLAY_UNAVAILABLE);
        assert_non_null(
            strstr(asks[i].order.failure.text, "cannot connect to"));
        assert_null(strstr(asks[i].order.failure.text, "\n"));
    }
    do_ask(&ask); /* at once */
    assert_int_equal(ask.order.failure.kind, INLAY_UNAVAILABLE);
    control("start");
    do {
        nap(100);
        ask = query("select 1");
        do_ask(&ask);
        forget(&ask);
    } while (ask.order.failure.kind && ++tries < 100);
    assert_ok(&ask);
    nap(500);
    assert_true(stat_of(&test.database->own_stats.connections) >= 2);
    assert_true(stat_of(&test.database->own_stats.failed) >= 1);
    close_lane();
}

/* Whatever is under way when its lane ends is done, or orphaned. */
static void test_a_lane_ends_in_the_middle_of_things(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        struct ask asks[6];
        struct inlay_hold *hold = NULL;

        open_lane((struct inlay_database_config){.max = 2, .min = 2});
        if (i > 1)
            hold = begin();
        for (int j = 0; j < 6; j++) {
            asks[j] = j == 3 ? make(INLAY_ORDER_BEGIN, "", NULL)
                             : query("select pg_sleep(0.3)");
            if (j == 5)
                asks[j].order.hold = hold;
            submit(&asks[j]);
        }
        if (i % 2)
            nap(20);
        if (i > 3)
            give_up(&asks[5]);
        inlay_lane_close(test.lane);
        for (int j = 0; j < 5; j++) {
            assert_true(asks[j].done);
            if (j != 3) /* which may have got its connection */
                assert_int_equal(asks[j].order.failure.kind, INLAY_UNAVAILABLE);
        }
        if (hold)
            inlay_hold_release(hold);
        if (!asks[3].order.failure.kind)
            inlay_hold_release(asks[3].order.hold);
        inlay_loop_deinit(&test.loop);
        inlay_databases_forget();
    }
    inlay_databases_log(NULL);
}

static void test_bad_urls_are_refused_without_their_password(void **state)
{
    struct inlay_database_config config = {
        .url = INLAY_STR("postgresql://u:s3cret@h/db?nonsense=1")};
    struct inlay_database *database;
    struct inlay_error *error;

    (void)state;
    error = inlay_databases_configure(&config);
    if (!error)
        error = inlay_database_find(INLAY_STR(""), &database);
    assert_non_null(error);
    assert_int_equal(error->code, INLAY_ERROR_VALUE);
    assert_null(strstr(error->message, "s3cret"));
    inlay_error_destroy(error);
    inlay_databases_forget();
}

int test_pg_failures(void)
{
    const struct CMUnitTest failures[] = {
        cmocka_unit_test(test_given_up_on_a_shared_connection),
        cmocka_unit_test(test_given_up_on_a_hold_is_cancelled),
        cmocka_unit_test(test_given_up_before_it_took_its_hold),
        cmocka_unit_test(test_given_up_batches_and_copies_leave_nothing),
        cmocka_unit_test(test_statements_have_a_timeout),
        cmocka_unit_test(test_a_server_that_does_not_answer_is_left),
        cmocka_unit_test(test_lost_connections_under_load),
        cmocka_unit_test(test_a_server_that_is_down_and_comes_back),
        cmocka_unit_test(test_a_lane_ends_in_the_middle_of_things),
        cmocka_unit_test(test_bad_urls_are_refused_without_their_password),
    };

    return cmocka_run_group_tests(failures, NULL, NULL);
}
