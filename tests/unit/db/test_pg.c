/*
 * The PostgreSQL driver against a server of its own (with_postgres.sh): what is
 * asked of a lane comes back right, and never with a neighbour's error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/mem.h"
#include "db/database.h"
#include "net/alarm.h"
#include "net/loop.h"

#include "base/banned.h"

#define PATIENCE_MS 20000

struct ask {
    struct inlay_order order;
    bool done;
};

static struct {
    struct inlay_loop loop;
    struct inlay_database *database;
    struct inlay_lane *lane;
    struct inlay_alarm guard, nap;
    int waiting; /* asks that are not done */
    bool is_late;
    int warnings;
    char warning[300]; /* the last one */
} test;

/* --- A lane and what is asked of it --------------------------------------- */

static void copy_text(char *out, size_t size, struct inlay_str text)
{
    size_t len = inlay_min(text.len, size - 1);

    memcpy(out, text.ptr, len);
    out[len] = '\0';
}

static void on_log(void *arg, enum inlay_log_level level, struct inlay_str text)
{
    (void)arg;
    (void)level;
    test.warnings++;
    copy_text(test.warning, sizeof(test.warning), text);
}

static const struct inlay_log quiet = {.sink = on_log};

static void on_guard(struct inlay_alarm *alarm)
{
    (void)alarm;
    test.is_late = true;
    inlay_loop_stop(&test.loop);
}

static void open_lane(struct inlay_database_config config)
{
    struct inlay_error *error;

    test.waiting = 0;
    test.warnings = 0;
    config.url = inlay_str_from(getenv("INLAY_TEST_PG"));
    inlay_databases_log(&quiet);
    assert_null(inlay_databases_configure(&config));
    error = inlay_database_find(INLAY_STR(""), &test.database);
    if (error)
        fail_msg("%s", error->message);
    assert_null(inlay_loop_init(&test.loop));
    assert_null(inlay_lane_open(test.database, &test.loop, &test.lane));
    test.guard = (struct inlay_alarm){.on_ring = on_guard};
}

static void close_lane(void)
{
    inlay_lane_close(test.lane);
    inlay_loop_deinit(&test.loop);
    assert_int_equal(test.database->own_stats.connections, 0);
    assert_int_equal(test.database->own_stats.busy, 0);
    assert_int_equal(test.database->own_stats.waiting, 0);
    inlay_databases_forget();
    inlay_databases_log(NULL);
}

static void run(void)
{
    test.is_late = false;
    atomic_store(&test.loop.stopped, false);
    inlay_alarm_set(&test.loop, &test.guard, PATIENCE_MS);
    inlay_loop_run(&test.loop);
    inlay_alarm_stop(&test.loop, &test.guard);
    assert_false(test.is_late);
}

static void wait_all(void)
{
    if (test.waiting)
        run();
}

static void on_nap(struct inlay_alarm *alarm)
{
    (void)alarm;
    inlay_loop_stop(&test.loop);
}

/* The lane goes on meanwhile. */
static void nap(uint64_t ms)
{
    test.nap.on_ring = on_nap;
    inlay_alarm_set(&test.loop, &test.nap, ms);
    run();
    inlay_alarm_stop(&test.loop, &test.nap); /* an order's end ends it, too */
}

static void on_done(struct inlay_order *order)
{
    struct ask *ask = inlay_container_of(order, struct ask, order);

    assert_false(ask->done);
    assert_true(order->is_done);
    ask->done = true;
    if (--test.waiting == 0)
        inlay_loop_stop(&test.loop);
}

static void submit(struct ask *ask)
{
    ask->done = false;
    ask->order.on_done = on_done;
    test.waiting++;
    inlay_database_submit(test.database, test.lane, &ask->order);
    assert_false(ask->done); /* never within submit */
}

static void give_up(struct ask *ask)
{
    assert_false(ask->done);
    inlay_database_give_up(&ask->order);
    test.waiting--;
}

static struct ask make(enum inlay_order_kind kind,
                       const char *sql,
                       struct inlay_hold *hold)
{
    return (struct ask){
        .order = {.kind = kind, .sql = inlay_str_from(sql), .hold = hold}};
}

static struct ask query(const char *sql)
{
    return make(INLAY_ORDER_QUERY, sql, NULL);
}

static void do_ask(struct ask *ask)
{
    submit(ask);
    wait_all();
    assert_true(ask->done);
}

static void assert_ok(const struct ask *ask)
{
    if (ask->order.failure.kind)
        fail_msg("%.*s: %s", inlay_str_arg(ask->order.sql),
                 ask->order.failure.text);
}

static void forget(struct ask *ask)
{
    inlay_rowset_destroy(ask->order.rows);
    ask->order.rows = NULL;
}

static void exec_in(const char *sql, struct inlay_hold *hold)
{
    struct ask ask = make(INLAY_ORDER_QUERY, sql, hold);

    do_ask(&ask);
    assert_ok(&ask);
    forget(&ask);
}

static void exec(const char *sql)
{
    exec_in(sql, NULL);
}

static struct inlay_cell value(const struct ask *ask, size_t row, size_t column)
{
    struct inlay_arena arena;
    struct inlay_cell cell;

    assert_ok(ask);
    assert_non_null(ask->order.rows);
    inlay_arena_init(&arena, 1 << 20);
    assert_null(ask->order.rows->ops->cell(ask->order.rows, row, column, &arena,
                                           &cell));
    inlay_arena_deinit(&arena);
    return cell;
}

static int64_t number_in(const char *sql, struct inlay_hold *hold)
{
    struct ask ask = make(INLAY_ORDER_QUERY, sql, hold);

    do_ask(&ask);
    struct inlay_cell cell = value(&ask, 0, 0);
    assert_int_equal(cell.kind, INLAY_CELL_INT);
    forget(&ask);
    return cell.integer;
}

static int64_t number(const char *sql)
{
    return number_in(sql, NULL);
}

static struct inlay_hold *begin(void)
{
    struct ask ask = make(INLAY_ORDER_BEGIN, "", NULL);

    do_ask(&ask);
    assert_ok(&ask);
    assert_non_null(ask.order.hold);
    return ask.order.hold;
}

static void commit(struct inlay_hold *hold)
{
    struct ask ask = make(INLAY_ORDER_COMMIT, "", hold);

    do_ask(&ask);
    assert_ok(&ask);
}

static struct inlay_cell cell_int(int64_t integer)
{
    return (struct inlay_cell){.kind = INLAY_CELL_INT, .integer = integer};
}

static struct inlay_cell cell_text(const char *text)
{
    return (struct inlay_cell){.kind = INLAY_CELL_TEXT,
                               .text = inlay_str_from(text)};
}

static uint64_t stat(const _Atomic(uint64_t) *counter)
{
    return atomic_load(counter);
}

static void control(const char *what)
{
    char command[400];

    snprintf(command, sizeof(command), "%s %s", getenv("INLAY_TEST_PG_CONTROL"),
             what);
    assert_int_equal(system(command), 0);
}

/* --- Statements ----------------------------------------------------------- */

static void test_parameters_come_back(void **state)
{
    struct inlay_cell cells[] = {
        cell_int(-7),
        cell_text("it's; drop table x --"),
        {.kind = INLAY_CELL_BYTES, .text = {"a\0b", 3}},
        {.kind = INLAY_CELL_BYTES, .text = {NULL, 0}},
        {.kind = INLAY_CELL_NULL},
    };
    struct ask ask = query("select $1::int8 as n, $2::text as t, $3::bytea, "
                           "$4::bytea, $5::int4");

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    for (int kept = 0; kept < 6; kept++) {
        ask.order.params = cells;
        ask.order.nparams = inlay_array_size(cells);
        ask.order.keep = kept % 2 == 1;
        do_ask(&ask);
        assert_int_equal(value(&ask, 0, 0).integer, -7);
        assert_true(inlay_str_equal(value(&ask, 0, 1).text, cells[1].text));
        assert_int_equal(value(&ask, 0, 2).kind, INLAY_CELL_BYTES);
        assert_true(inlay_str_equal(value(&ask, 0, 2).text, cells[2].text));
        assert_int_equal(value(&ask, 0, 3).text.len, 0);
        assert_int_equal(value(&ask, 0, 3).kind, INLAY_CELL_BYTES);
        assert_int_equal(value(&ask, 0, 4).kind, INLAY_CELL_NULL);
        assert_int_equal(ask.order.rows->ncolumns, 5);
        assert_true(
            inlay_str_is(ask.order.rows->ops->name(ask.order.rows, 1), "t"));
        forget(&ask);
    }
    close_lane();
}

static void test_text_with_a_nul_is_refused_at_once(void **state)
{
    struct inlay_cell cell = {.kind = INLAY_CELL_TEXT, .text = {"a\0b", 3}};
    struct ask ask = query("select $1::text");

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    ask.order.params = &cell;
    ask.order.nparams = 1;
    do_ask(&ask);
    assert_int_equal(ask.order.failure.kind, INLAY_INVALID);
    assert_int_equal(number("select 5::int4"), 5);
    close_lane();
}

static void test_changed_counts_rows(void **state)
{
    struct ask ask;

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    exec("create table if not exists t (id int8 primary key, name text)");
    exec("truncate t");
    ask = query("insert into t select i, 'x' from generate_series(1, 7) i");
    do_ask(&ask);
    assert_ok(&ask);
    assert_null(ask.order.rows);
    assert_int_equal(ask.order.changed, 7);
    ask = query("update t set name = 'y' where id < 4 returning id");
    do_ask(&ask);
    assert_int_equal(ask.order.changed, 3);
    assert_int_equal(ask.order.rows->nrows, 3);
    forget(&ask);
    ask = query("select * from t");
    do_ask(&ask);
    assert_int_equal(ask.order.changed, 0);
    assert_int_equal(ask.order.rows->nrows, 7);
    forget(&ask);
    close_lane();
}

static void test_errors_have_kinds_and_words(void **state)
{
    static const struct {
        const char *sql, *sqlstate;
        int kind;
    } cases[] = {
        {"insert into kinds values (1, 5)", "23505", INLAY_CONFLICT},
        {"insert into kinds values (null, 5)", "23502", INLAY_INVALID},
        {"insert into kinds values (9, -5)", "23514", INLAY_INVALID},
        {"insert into kinds2 values (7)", "23503", INLAY_CONFLICT},
        {"select 1/0", "22012", INLAY_INVALID},
        {"select 'x'::int4", "22P02", INLAY_INVALID},
        {"select nothing", "42703", INLAY_INTERNAL},
        {"selec", "42601", INLAY_INTERNAL},
    };

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    exec("drop table if exists kinds2, kinds");
    exec("create table kinds (id int primary key, n int check (n > 0))");
    exec("create table kinds2 (id int references kinds)");
    exec("insert into kinds values (1, 1)");
    for (size_t i = 0; i < 2 * inlay_array_size(cases); i++) {
        struct ask ask = query(cases[i / 2].sql);
        ask.order.keep = i % 2;
        do_ask(&ask);
        assert_string_equal(ask.order.failure.sqlstate, cases[i / 2].sqlstate);
        assert_int_equal(ask.order.failure.kind, cases[i / 2].kind);
        assert_null(ask.order.rows);
        if (strcmp(cases[i / 2].sql, "select nothing") == 0)
            assert_string_equal(ask.order.failure.text,
                                "column \"nothing\" does not exist (SQLSTATE "
                                "42703, at character 8)");
    }
    close_lane();
}

static void test_an_error_does_not_touch_its_neighbours(void **state)
{
    struct ask asks[12];

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 12; i++) {
            asks[i] = query(i % 3 == 1 ? "select 1/0" : "select 42::int4");
            asks[i].order.keep = i % 2;
            submit(&asks[i]);
        }
        wait_all();
        for (int i = 0; i < 12; i++) {
            if (i % 3 == 1)
                assert_string_equal(asks[i].order.failure.sqlstate, "22012");
            else
                assert_int_equal(value(&asks[i], 0, 0).integer, 42);
            forget(&asks[i]);
        }
    }
    assert_int_equal(stat(&test.database->own_stats.connected), 1);
    close_lane();
}

static void test_200_orders_share_4_connections(void **state)
{
    static struct ask asks[200];
    static struct inlay_cell cells[200];

    (void)state;
    open_lane((struct inlay_database_config){.max = 4});
    for (int i = 0; i < 200; i++) {
        cells[i] = cell_int(i);
        asks[i] = query("select $1::int8 + 1");
        asks[i].order.keep = true;
        asks[i].order.params = &cells[i];
        asks[i].order.nparams = 1;
        submit(&asks[i]);
    }
    assert_true(stat(&test.database->own_stats.waiting) > 0);
    wait_all();
    for (int i = 0; i < 200; i++) {
        assert_int_equal(value(&asks[i], 0, 0).integer, i + 1);
        forget(&asks[i]);
    }
    assert_in_range(stat(&test.database->own_stats.connected), 1, 4);
    assert_int_equal(stat(&test.database->own_stats.busy), 0);
    close_lane();
}

static void test_copy_as_a_statement_is_refused(void **state)
{
    struct ask ask = query("copy pg_class to stdout");

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    do_ask(&ask);
    assert_int_equal(ask.order.failure.kind, INLAY_INTERNAL);
    ask = query("copy t from stdin");
    do_ask(&ask);
    assert_int_equal(ask.order.failure.kind, INLAY_INTERNAL);
    assert_int_equal(number("select 5::int4"), 5);
    close_lane();
}

static void test_a_stray_begin_is_undone(void **state)
{
    struct ask stray = query("begin"),
               insert = query("insert into stray values (1)");

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    exec("create table if not exists stray (id int)");
    submit(&stray);
    submit(&insert);
    wait_all();
    assert_ok(&insert);
    assert_int_equal(number("select count(*) from stray"), 0);
    exec("insert into stray values (1)");
    assert_int_equal(number("select count(*) from stray"), 1);
    exec("drop table stray");
    close_lane();
}

/* --- Prepared statements -------------------------------------------------- */

static void test_old_statements_go(void **state)
{
    char sql[8][40];

    (void)state;
    open_lane((struct inlay_database_config){.max = 1, .statements = 2});
    for (int i = 0; i < 40; i++) {
        struct ask ask;
        snprintf(sql[i % 8], sizeof(sql[0]), "select %d::int4", i % 8);
        ask = query(sql[i % 8]);
        ask.order.keep = true;
        do_ask(&ask);
        assert_int_equal(value(&ask, 0, 0).integer, i % 8);
        forget(&ask);
    }
    assert_int_equal(number("select count(*) from pg_prepared_statements "
                            "where name like 'inlay%'"),
                     2);
    close_lane();
}

static void test_a_statement_is_prepared_once(void **state)
{
    struct ask asks[10];

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    for (int i = 0; i < 30; i++) {
        asks[i % 10] = query("select 77::int4");
        asks[i % 10].order.keep = true;
        submit(&asks[i % 10]);
        if (i % 10 != 9)
            continue;
        wait_all();
        for (int j = 0; j < 10; j++) {
            assert_int_equal(value(&asks[j], 0, 0).integer, 77);
            forget(&asks[j]);
        }
    }
    assert_int_equal(number("select count(*) from pg_prepared_statements"), 1);
    assert_true(number("select generic_plans + custom_plans from "
                       "pg_prepared_statements") >= 20);
    close_lane();
}

static void test_a_stale_plan_is_asked_again(void **state)
{
    struct ask ask = query("select * from plans");

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    exec("drop table if exists plans");
    exec("create table plans (a int4)");
    exec("insert into plans values (3)");
    ask.order.keep = true;
    for (int i = 0; i < 3; i++) {
        do_ask(&ask);
        assert_int_equal(value(&ask, 0, 0).integer, 3);
        assert_int_equal(ask.order.rows->ncolumns, i + 1);
        forget(&ask);
        do_ask(&ask);
        assert_ok(&ask);
        forget(&ask);
        exec(i ? "alter table plans add c int8"
               : "alter table plans add b int");
        if (i == 1)
            break;
    }
    do_ask(&ask);
    assert_int_equal(ask.order.rows->ncolumns, 3);
    forget(&ask);
    assert_int_equal(test.warnings, 0);
    close_lane();
}

static void test_a_pooler_without_statements_is_found_out(void **state)
{
    struct ask ask = query("select 8::int4");

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    for (int i = 0; i < 3; i++) {
        ask.order.keep = true;
        do_ask(&ask);
        assert_int_equal(value(&ask, 0, 0).integer, 8);
        forget(&ask);
        if (!i)
            exec("deallocate all"); /* another connection of the pooler */
    }
    assert_int_equal(test.warnings, 1);
    assert_non_null(strstr(test.warning, "pooler"));
    assert_int_equal(number("select count(*) from pg_prepared_statements"), 0);
    close_lane();
}

/* --- Transactions --------------------------------------------------------- */

static void test_transactions(void **state)
{
    struct inlay_hold *hold;

    (void)state;
    open_lane((struct inlay_database_config){.max = 2});
    exec("create table if not exists t (id int8 primary key, name text)");
    exec("truncate t");
    hold = begin();
    assert_int_equal(stat(&test.database->own_stats.held), 1);
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
    assert_int_equal(stat(&test.database->own_stats.held), 0);
    assert_int_equal(stat(&test.database->own_stats.lost), 0);
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
    struct ask ask;
    struct inlay_hold *hold;

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    exec("create table if not exists t (id int8 primary key, name text)");
    exec("truncate t");
    ask = make(INLAY_ORDER_BEGIN, "begin isolation level nonsense", NULL);
    do_ask(&ask);
    assert_ok(&ask);
    hold = ask.order.hold;
    ask = make(INLAY_ORDER_QUERY, "insert into t values (1, 'a')", hold);
    ask.order.keep = true;
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
    assert_in_range(stat(&test.database->own_stats.connected), 1, 3);
    assert_int_equal(stat(&test.database->own_stats.held), 0);
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
    assert_int_equal(stat(&test.database->own_stats.timeouts), 2);
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
        assert_int_equal(stat(&test.database->own_stats.waiting), 0);
        wait_all();
        assert_ok(&slow);
        assert_int_equal(value(&ask, 0, 0).integer, 6);
        forget(&slow);
        forget(&ask);
    }
    assert_int_equal(stat(&test.database->own_stats.timeouts), 1);
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

/* --- Many rows ------------------------------------------------------------ */

static void test_batches_are_all_or_none(void **state)
{
    enum { SETS = 5000 };
    static struct inlay_cell cells[SETS * 2];
    struct ask ask =
        make(INLAY_ORDER_BATCH, "insert into t values ($1, $2)", NULL);
    struct inlay_hold *hold;

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    exec("create table if not exists t (id int8 primary key, name text)");
    exec("truncate t");
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
    exec("truncate t");
    hold = begin();
    ask.order.failure.kind = 0;
    ask.order.hold = hold;
    do_ask(&ask);
    assert_ok(&ask);
    assert_int_equal(number_in("select count(*) from t", hold), SETS);
    inlay_hold_release(hold);
    assert_int_equal(number("select count(*) from t"), 0);
    ask.order.hold = NULL;
    ask.order.sql = INLAY_STR("insert into nothing values ($1, $2)");
    do_ask(&ask);
    assert_string_equal(ask.order.failure.sqlstate, "42P01");
    assert_int_equal(stat(&test.database->own_stats.connected), 1);
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
    struct inlay_hold *hold;

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    exec("create table if not exists t (id int8 primary key, name text)");
    exec("truncate t");
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
    exec("truncate t");
    hold = begin();
    ask.order.hold = hold;
    do_ask(&ask);
    assert_ok(&ask);
    assert_int_equal(number_in("select count(*) from t", hold), ROWS);
    inlay_hold_release(hold);
    assert_int_equal(number("select count(*) from t"), 0);
    ask.order.hold = NULL;
    ask.order.sql = INLAY_STR("nothing (id, name)");
    do_ask(&ask);
    assert_string_equal(ask.order.failure.sqlstate, "42P01");
    assert_int_equal(stat(&test.database->own_stats.connected), 1);
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
    assert_int_equal(stat(&test.database->own_stats.held), 0);
    assert_int_equal(stat(&test.database->own_stats.connected), 1);
    close_lane();
}

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
    assert_int_equal(stat(&test.database->own_stats.cancelled), 0);
    /* While it waits for a connection. */
    hold = begin();
    queued = query("select 1");
    submit(&queued);
    other = make(INLAY_ORDER_BEGIN, "", NULL);
    submit(&other);
    give_up(&queued);
    give_up(&other);
    assert_int_equal(stat(&test.database->own_stats.waiting), 0);
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
    assert_int_equal(stat(&test.database->own_stats.cancelled), 1);
    assert_int_equal(stat(&test.database->own_stats.connected), 1);
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
    assert_int_equal(stat(&test.database->own_stats.held), 0);
    assert_int_equal(stat(&test.database->own_stats.connected), 1);
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
    assert_int_equal(stat(&test.database->own_stats.connected), 1);
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
    assert_int_equal(stat(&test.database->own_stats.lost), 1);
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
    assert_true(stat(&test.database->own_stats.lost) >= 3);
    /* A hold whose connection has gone stays one until its release. */
    ask = make(INLAY_ORDER_QUERY, "select 1", hold);
    do_ask(&ask);
    assert_int_equal(ask.order.failure.kind, INLAY_UNAVAILABLE);
    assert_non_null(strstr(ask.order.failure.text, "transaction was lost"));
    ask = make(INLAY_ORDER_COMMIT, "", hold);
    do_ask(&ask);
    assert_int_equal(ask.order.failure.kind, INLAY_UNAVAILABLE);
    inlay_hold_release(hold);
    assert_int_equal(stat(&test.database->own_stats.held), 0);
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
    assert_true(stat(&test.database->own_stats.connections) >= 2);
    assert_true(stat(&test.database->own_stats.failed) >= 1);
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

/* --- Notifications -------------------------------------------------------- */

struct hearing {
    struct inlay_subscriber subscriber;
    int ready, failed, heard, gaps;
    char last[32];
    struct hearing *drops; /* at its next notification */
};

static void on_ready(struct inlay_subscriber *subscriber,
                     const struct inlay_failure *failure)
{
    struct hearing *hearing =
        inlay_container_of(subscriber, struct hearing, subscriber);

    *(failure ? &hearing->failed : &hearing->ready) += 1;
}

static void on_notification(struct inlay_subscriber *subscriber,
                            struct inlay_str payload,
                            bool gap)
{
    struct hearing *hearing =
        inlay_container_of(subscriber, struct hearing, subscriber);

    hearing->gaps += gap;
    if (!payload.ptr)
        return;
    hearing->heard++;
    copy_text(hearing->last, sizeof(hearing->last), payload);
    if (hearing->drops) {
        inlay_unlisten(test.lane, &hearing->drops->subscriber);
        hearing->drops = NULL;
    }
}

static void hear(struct hearing *hearing, const char *channel)
{
    memset(hearing, 0, sizeof(*hearing));
    hearing->subscriber.channel = inlay_str_from(channel);
    hearing->subscriber.on_ready = on_ready;
    hearing->subscriber.on_notification = on_notification;
    inlay_listen(test.lane, &hearing->subscriber);
}

static void nap_until(const int *counter, int count)
{
    for (int i = 0; i < 500 && *counter < count; i++)
        nap(10);
    assert_int_equal(*counter, count);
}

static void test_notifications(void **state)
{
    struct hearing one, two, other, late;

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    hear(&one, "Jobs \"x\"");
    hear(&two, "Jobs \"x\"");
    hear(&other, "other");
    nap_until(&other.ready, 1);
    assert_int_equal(one.ready, 1);
    assert_int_equal(two.ready, 1);
    exec("select pg_notify('Jobs \"x\"', 'first')");
    nap_until(&two.heard, 1);
    assert_int_equal(one.heard, 1);
    assert_string_equal(one.last, "first");
    assert_int_equal(other.heard, 0);
    /* One leaves while the other is told. */
    one.drops = &two;
    exec("select pg_notify('Jobs \"x\"', 'second')");
    nap_until(&one.heard, 2);
    assert_int_equal(two.heard, 1);
    hear(&late, "Jobs \"x\"");
    nap_until(&late.ready, 1);
    /* The connection is lost: those who have listened are told of a gap. */
    exec("select pg_terminate_backend(pid) from pg_stat_activity where "
         "query ilike '%listen %' and pid <> pg_backend_pid()");
    nap_until(&one.gaps, 1);
    assert_int_equal(late.gaps, 1);
    nap_until(&other.gaps, 1);
    exec("select pg_notify('Jobs \"x\"', 'third')");
    nap_until(&one.heard, 3);
    assert_string_equal(late.last, "third");
    inlay_unlisten(test.lane, &one.subscriber);
    inlay_unlisten(test.lane, &late.subscriber);
    nap(50);
    exec("select pg_notify('Jobs \"x\"', 'fourth')");
    exec("select pg_notify('other', 'fifth')");
    nap_until(&other.heard, 1);
    assert_int_equal(one.heard, 3);
    inlay_unlisten(test.lane, &other.subscriber);
    close_lane();
}

static void test_many_channels(void **state)
{
    static struct hearing hearings[200];
    static char names[200][16];

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    for (int i = 0; i < 200; i++) {
        snprintf(names[i], sizeof(names[i]), "c%d", i);
        hear(&hearings[i], names[i]);
    }
    for (int i = 0; i < 200; i++)
        nap_until(&hearings[i].ready, 1);
    exec("select pg_notify('c' || i, 'x') from generate_series(0, 199) i");
    for (int i = 0; i < 200; i++)
        nap_until(&hearings[i].heard, 1);
    for (int i = 0; i < 200; i++)
        inlay_unlisten(test.lane, &hearings[i].subscriber);
    nap(50);
    close_lane();
}

static void test_listening_fails_without_a_server(void **state)
{
    struct hearing one;

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    control("stop fast");
    hear(&one, "jobs");
    nap_until(&one.failed, 1);
    assert_int_equal(one.ready, 0);
    control("start");
    nap(300);
    hear(&one, "jobs");
    for (int i = 0; i < 50 && !one.ready; i++) {
        nap(100);
        if (one.failed)
            hear(&one, "jobs");
    }
    assert_int_equal(one.ready, 1);
    close_lane();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameters_come_back),
        cmocka_unit_test(test_text_with_a_nul_is_refused_at_once),
        cmocka_unit_test(test_changed_counts_rows),
        cmocka_unit_test(test_errors_have_kinds_and_words),
        cmocka_unit_test(test_an_error_does_not_touch_its_neighbours),
        cmocka_unit_test(test_200_orders_share_4_connections),
        cmocka_unit_test(test_copy_as_a_statement_is_refused),
        cmocka_unit_test(test_a_stray_begin_is_undone),
        cmocka_unit_test(test_old_statements_go),
        cmocka_unit_test(test_a_statement_is_prepared_once),
        cmocka_unit_test(test_a_stale_plan_is_asked_again),
        cmocka_unit_test(test_a_pooler_without_statements_is_found_out),
        cmocka_unit_test(test_transactions),
        cmocka_unit_test(test_a_failed_transaction_does_not_commit),
        cmocka_unit_test(test_a_begin_that_fails_fails_what_follows),
        cmocka_unit_test(test_serialization_failures_may_be_retried),
        cmocka_unit_test(test_holds_and_shared_orders_take_turns),
        cmocka_unit_test(test_no_connection_in_time),
        cmocka_unit_test(test_who_leaves_the_queue_reserves_nothing),
        cmocka_unit_test(test_a_hold_is_not_starved),
        cmocka_unit_test(test_batches_are_all_or_none),
        cmocka_unit_test(test_a_batch_with_long_answers_does_not_block),
        cmocka_unit_test(test_copies_are_all_or_none),
        cmocka_unit_test(test_scripts_say_the_line_of_their_error),
        cmocka_unit_test(test_cursors_come_in_pieces),
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
        cmocka_unit_test(test_notifications),
        cmocka_unit_test(test_many_channels),
        cmocka_unit_test(test_listening_fails_without_a_server),
    };

    if (!getenv("INLAY_TEST_PG"))
        return 77;
    cmocka_set_test_filter(getenv("INLAY_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
