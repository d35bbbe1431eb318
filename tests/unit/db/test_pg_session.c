/* The PostgreSQL driver: what users' SQL does to the session it runs in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "db/pg.h"
#include "pg_bench.h"

#include "base/banned.h"

static void fails_as_it_has_ended(enum inlay_order_kind kind,
                                  const char *sql,
                                  struct inlay_hold *hold)
{
    struct ask ask = make(kind, sql, hold);

    do_ask(&ask);
    assert_int_equal(ask.order.failure.kind, INLAY_INTERNAL);
    assert_non_null(strstr(ask.order.failure.text, "has ended already"));
}

static void test_a_transaction_that_a_statement_ends(void **state)
{
    static const char *const ends[] = {
        "rollback", "commit", " END ", "rollback and no chain", "abort",
    };
    struct inlay_hold *hold;

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    exec("create table if not exists ended (id int8)");
    for (size_t i = 0; i < 10; i++) {
        exec("truncate ended");
        hold = begin();
        if (i % 2)
            exec_in("insert into ended values (1)", hold);
        exec_in(ends[i / 2], hold);
        fails_as_it_has_ended(INLAY_ORDER_QUERY, "insert into ended values (2)",
                              hold);
        fails_as_it_has_ended(INLAY_ORDER_SCRIPT,
                              "insert into ended values (2)", hold);
        fails_as_it_has_ended(INLAY_ORDER_COMMIT, "", hold);
        inlay_hold_release(hold);
        assert_int_equal(number("select count(*) from ended where id = 2"), 0);
        /* The next one has nothing of it. */
        hold = begin();
        exec_in("insert into ended values (3)", hold);
        exec_in("savepoint s", hold);
        exec_in("insert into ended values (4)", hold);
        exec_in("rollback to savepoint s", hold);
        exec_in("release savepoint s", hold);
        commit(hold);
        inlay_hold_release(hold);
        assert_int_equal(number("select sum(id)::int8 from ended where id > 1"),
                         3);
    }
    exec("drop table ended");
    assert_int_equal(stat_of(&test.database->own_stats.lost), 0);
    close_lane();
}

static void test_a_script_that_ends_its_transaction(void **state)
{
    struct inlay_hold *hold;
    struct ask ask;

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    for (int i = 0; i < 2; i++) {
        hold = begin();
        if (i)
            exec_in("select 1", hold);
        ask = make(INLAY_ORDER_SCRIPT, "select 1; commit; select 2", hold);
        do_ask(&ask);
        assert_int_equal(ask.order.failure.kind, INLAY_INTERNAL);
        assert_non_null(strstr(ask.order.failure.text, "ends the transaction"));
        fails_as_it_has_ended(INLAY_ORDER_QUERY, "select 1", hold);
        inlay_hold_release(hold);
    }
    /* It has begun, whatever became of it then: nothing begins anew. */
    hold = begin();
    ask = make(INLAY_ORDER_SCRIPT, "select 1; commit; select nothing", hold);
    do_ask(&ask);
    assert_int_equal(ask.order.failure.kind, INLAY_INTERNAL);
    fails_as_it_has_ended(INLAY_ORDER_QUERY, "select 1", hold);
    inlay_hold_release(hold);
    /* After a commit a hold may do what it likes. */
    hold = begin();
    ask = make(INLAY_ORDER_SCRIPT, "select 1; select 2", hold);
    do_ask(&ask);
    assert_ok(&ask);
    commit(hold);
    exec_in("begin", hold);
    exec_in("rollback", hold);
    exec_in("select 1", hold);
    inlay_hold_release(hold);
    assert_int_equal(number("select 1"), 1);
    close_lane();
}

static struct ask ask_of(enum inlay_order_kind kind, struct inlay_hold *hold)
{
    static struct inlay_cell cell;
    struct ask ask = make(kind, "select 1", hold);

    cell = cell_int(5);
    if (kind == INLAY_ORDER_BATCH)
        ask.order.sql = INLAY_STR("insert into ended values ($1)");
    if (kind == INLAY_ORDER_COPY)
        ask.order.sql = INLAY_STR("ended (id)");
    if (kind != INLAY_ORDER_BATCH && kind != INLAY_ORDER_COPY)
        return ask;
    ask.order.params = &cell;
    ask.order.nparams = ask.order.sets = 1;
    return ask;
}

static void end_cursor(const struct ask *open)
{
    static const enum inlay_order_kind kinds[] = {INLAY_ORDER_FETCH,
                                                  INLAY_ORDER_CLOSE};

    for (size_t i = 0; i < 2; i++) {
        struct ask ask = make(kinds[i], "", open->order.hold);
        ask.order.cursor = open->order.cursor;
        do_ask(&ask);
        assert_ok(&ask);
        forget(&ask);
    }
}

static void test_a_transaction_that_nothing_ends(void **state)
{
    static const enum inlay_order_kind kinds[] = {
        INLAY_ORDER_QUERY, INLAY_ORDER_BATCH, INLAY_ORDER_COPY,
        INLAY_ORDER_SCRIPT, INLAY_ORDER_OPEN};
    struct inlay_hold *hold;
    struct ask ask;

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    exec("create table if not exists ended (id int8)");
    for (size_t i = 0; i < 10; i++) {
        hold = begin();
        if (i % 2)
            exec_in("select 1", hold);
        ask = ask_of(kinds[i / 2], hold);
        do_ask(&ask);
        assert_ok(&ask);
        forget(&ask);
        if (kinds[i / 2] == INLAY_ORDER_OPEN)
            end_cursor(&ask);
        exec_in("savepoint s", hold);
        /* What nobody wants any more fails, and no more than that. */
        ask = make(INLAY_ORDER_QUERY, "select pg_sleep(20)", hold);
        submit(&ask);
        nap(10);
        give_up(&ask);
        nap(30); /* its cancel is meant for nothing else */
        exec_in("rollback to savepoint s", hold);
        commit(hold);
        /* It is over, as its owner knows. */
        exec_in("select 1", hold);
        inlay_hold_release(hold);
    }
    assert_int_equal(number("select count(*) from ended"), 4);
    exec("drop table ended");
    close_lane();
}

static void test_ends_and_beginnings_that_fail(void **state)
{
    struct inlay_hold *hold;
    struct ask ask;

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    exec("create table if not exists ended (id int8 unique "
         "deferrable initially deferred)");
    hold = begin();
    exec_in("insert into ended values (1), (1)", hold);
    ask = make(INLAY_ORDER_COMMIT, "", hold);
    do_ask(&ask);
    assert_int_equal(ask.order.failure.kind, INLAY_CONFLICT);
    exec_in("select 1", hold);
    inlay_hold_release(hold);
    assert_int_equal(number("select count(*) from ended"), 0);
    exec("drop table ended");

    ask = make(INLAY_ORDER_BEGIN, "begin nonsense", NULL);
    do_ask(&ask);
    assert_ok(&ask);
    hold = ask.order.hold;
    for (int i = 0; i < 6; i++) {
        ask = make(i % 2 ? INLAY_ORDER_SCRIPT : INLAY_ORDER_QUERY, "select 1",
                   hold);
        do_ask(&ask);
        assert_int_equal(ask.order.failure.kind, INLAY_INTERNAL);
        assert_non_null(strstr(ask.order.failure.text, "nonsense"));
    }
    inlay_hold_release(hold);
    assert_int_equal(number("select 1"), 1);
    close_lane();
}

/* What others wait behind says nothing of its own end. */
static void test_ends_that_others_wait_behind(void **state)
{
    struct inlay_hold *hold;
    struct ask first, then;

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    hold = begin();
    exec_in("select 1", hold);
    first = make(INLAY_ORDER_QUERY, "rollback", hold);
    then = make(INLAY_ORDER_COMMIT, "", hold);
    submit(&first);
    submit(&then);
    wait_all();
    assert_ok(&first);
    assert_int_equal(then.order.failure.kind, INLAY_INTERNAL);
    assert_non_null(strstr(then.order.failure.text, "has ended already"));
    inlay_hold_release(hold);
    hold = begin();
    exec_in("select 1", hold);
    first = make(INLAY_ORDER_COMMIT, "", hold);
    then = make(INLAY_ORDER_QUERY, "select 1", hold);
    submit(&first);
    submit(&then);
    wait_all();
    assert_ok(&first);
    assert_ok(&then);
    forget(&then);
    exec_in("select 1", hold);
    inlay_hold_release(hold);
    close_lane();
}

/* --- Settings ------------------------------------------------------------- */

#define TIMEOUT                                                                \
    "select setting::int8 from pg_settings where name = 'statement_timeout'"

static void check_settings(void)
{
    assert_int_equal(number("select (current_user = session_user)::int::int8"),
                     1);
    assert_int_equal(number("select (current_setting('search_path') = "
                            "'nowhere')::int::int8"),
                     0);
    assert_int_equal(number(TIMEOUT), 12345);
}

static void test_settings_are_taken_back(void **state)
{
    static const char *const settings[] = {
        "set search_path = nowhere",
        "set role pg_read_all_data",
        "set session authorization pg_read_all_data",
        "/* of the */ set statement_timeout = 7000",
        "reset statement_timeout",
        "Set Session statement_timeout = 7000",
    };
    struct inlay_hold *hold;

    (void)state;
    open_lane(
        (struct inlay_database_config){.max = 1, .statement_timeout = 12345});
    for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
        hold = begin();
        exec_in(settings[i], hold);
        exec_in("select 1", hold);
        commit(hold);
        inlay_hold_release(hold);
        check_settings();
        exec(settings[i]);
        check_settings();
        hold = begin();
        struct ask ask = make(INLAY_ORDER_SCRIPT, settings[i], hold);
        do_ask(&ask);
        assert_ok(&ask);
        commit(hold);
        inlay_hold_release(hold);
        check_settings();
    }
    hold = begin();
    exec_in("set local search_path = nowhere", hold);
    exec_in("set\n transaction isolation level serializable", hold);
    commit(hold);
    inlay_hold_release(hold);
    check_settings();
    assert_int_equal(stat_of(&test.database->own_stats.lost), 0);
    close_lane();
}

/* Others go on behind it, always: it is never quiet. */
static void test_settings_of_a_busy_connection(void **state)
{
    struct ask asks[4], set, last;

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    exec("select 1");
    set = query("set search_path = nowhere");
    submit(&set);
    for (int i = 0; i < 4; i++) {
        asks[i] = query("select pg_sleep(0.02)");
        submit(&asks[i]);
    }
    while (!set.done)
        nap(1);
    assert_ok(&set);
    last = query("select (current_setting('search_path') = "
                 "'nowhere')::int::int8");
    submit(&last);
    assert_false(asks[3].done);
    wait_all();
    assert_int_equal(value(&last, 0, 0).integer, 0);
    forget(&last);
    for (int i = 0; i < 4; i++)
        forget(&asks[i]);
    close_lane();
}

/* Nothing may be different for the next one: not when a cancel that was meant
 * for another hits it, either. */
static void test_settings_that_cannot_be_taken_back(void **state)
{
    struct inlay_pg_lane *lane;
    struct ask ask;

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    exec("set search_path = nowhere");
    lane = inlay_pg_lane_of(test.lane);
    inlay_pg_command(inlay_list_entry(lane->connections.next,
                                      struct inlay_pg_connection, node),
                     INLAY_PG_RESET, NULL, "reset nothing_of_this_name");
    ask = query("select 1");
    do_ask(&ask);
    assert_int_equal(ask.order.failure.kind, INLAY_UNAVAILABLE);
    assert_non_null(strstr(test.warning, "settings can't be taken back"));
    assert_int_equal(number("select 1"), 1);
    assert_int_equal(stat_of(&test.database->own_stats.connected), 2);
    close_lane();
}

int test_pg_session(void)
{
    const struct CMUnitTest session[] = {
        cmocka_unit_test(test_a_transaction_that_a_statement_ends),
        cmocka_unit_test(test_a_script_that_ends_its_transaction),
        cmocka_unit_test(test_a_transaction_that_nothing_ends),
        cmocka_unit_test(test_ends_and_beginnings_that_fail),
        cmocka_unit_test(test_ends_that_others_wait_behind),
        cmocka_unit_test(test_settings_are_taken_back),
        cmocka_unit_test(test_settings_of_a_busy_connection),
        cmocka_unit_test(test_settings_that_cannot_be_taken_back),
    };

    return cmocka_run_group_tests(session, NULL, NULL);
}
