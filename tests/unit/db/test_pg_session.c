/* The PostgreSQL driver: what users' SQL does to the session it runs in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

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

int test_pg_session(void)
{
    const struct CMUnitTest session[] = {
        cmocka_unit_test(test_a_transaction_that_a_statement_ends),
        cmocka_unit_test(test_a_script_that_ends_its_transaction),
        cmocka_unit_test(test_settings_are_taken_back),
        cmocka_unit_test(test_settings_of_a_busy_connection),
    };

    return cmocka_run_group_tests(session, NULL, NULL);
}
