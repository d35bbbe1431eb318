/* The PostgreSQL driver: parameters, rows, errors, prepared statements. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "pg_bench.h"

#include "base/banned.h"

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
    assert_int_equal(stat_of(&test.database->own_stats.connected), 1);
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
    assert_true(stat_of(&test.database->own_stats.waiting) > 0);
    wait_all();
    for (int i = 0; i < 200; i++) {
        assert_int_equal(value(&asks[i], 0, 0).integer, i + 1);
        forget(&asks[i]);
    }
    assert_in_range(stat_of(&test.database->own_stats.connected), 1, 4);
    assert_int_equal(stat_of(&test.database->own_stats.busy), 0);
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

static void test_a_stray_begin_is_refused(void **state)
{
    struct ask stray = query("begin"),
               insert = query("insert into stray values (1)");

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    exec("create table if not exists stray (id int)");
    submit(&stray);
    submit(&insert);
    wait_all();
    /* Not "done", of what is going to be rolled back. */
    assert_int_equal(stray.order.failure.kind, INLAY_INTERNAL);
    assert_int_equal(insert.order.failure.kind, INLAY_UNAVAILABLE);
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

/* What it has prepared is called like that nowhere else. */
static void test_names_of_statements_differ_between_connections(void **state)
{
    char names[2][64];

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct ask kept = query("select 77::int4"),
                   ask = query("select name from pg_prepared_statements");

        open_lane((struct inlay_database_config){.max = 1});
        kept.order.keep = true;
        do_ask(&kept);
        assert_int_equal(value(&kept, 0, 0).integer, 77);
        forget(&kept);
        do_ask(&ask);
        assert_ok(&ask);
        assert_int_equal(ask.order.rows->nrows, 1);
        copy_text(names[i], sizeof(names[i]), value(&ask, 0, 0).text);
        forget(&ask);
        close_lane();
        assert_int_equal(strlen(names[i]), strlen("inlay_0123456789abcdef_1"));
    }
    assert_string_not_equal(names[0], names[1]);
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

int test_pg_statements(void)
{
    const struct CMUnitTest statements[] = {
        cmocka_unit_test(test_parameters_come_back),
        cmocka_unit_test(test_text_with_a_nul_is_refused_at_once),
        cmocka_unit_test(test_changed_counts_rows),
        cmocka_unit_test(test_errors_have_kinds_and_words),
        cmocka_unit_test(test_an_error_does_not_touch_its_neighbours),
        cmocka_unit_test(test_200_orders_share_4_connections),
        cmocka_unit_test(test_copy_as_a_statement_is_refused),
        cmocka_unit_test(test_a_stray_begin_is_refused),
        cmocka_unit_test(test_old_statements_go),
        cmocka_unit_test(test_a_statement_is_prepared_once),
        cmocka_unit_test(test_names_of_statements_differ_between_connections),
        cmocka_unit_test(test_a_stale_plan_is_asked_again),
        cmocka_unit_test(test_a_pooler_without_statements_is_found_out),
    };

    return cmocka_run_group_tests(statements, NULL, NULL);
}
