/* pg_bench.c - a lane on a PostgreSQL server, for tests. */
#include "pg_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/log.h"

#include "base/banned.h"

#define PATIENCE_MS 20000

struct bench test;

void copy_text(char *out, size_t size, struct inlay_str text)
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

void open_lane(struct inlay_database_config config)
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

void close_lane(void)
{
    inlay_lane_close(test.lane);
    inlay_loop_deinit(&test.loop);
    assert_int_equal(test.database->own_stats.connections, 0);
    assert_int_equal(test.database->own_stats.busy, 0);
    assert_int_equal(test.database->own_stats.waiting, 0);
    inlay_databases_forget();
    inlay_databases_log(NULL);
}

void run(void)
{
    test.is_late = false;
    atomic_store(&test.loop.stopped, false);
    inlay_alarm_set(&test.loop, &test.guard, PATIENCE_MS);
    inlay_loop_run(&test.loop);
    inlay_alarm_stop(&test.loop, &test.guard);
    assert_false(test.is_late);
}

void wait_all(void)
{
    if (test.waiting)
        run();
}

static void on_nap(struct inlay_alarm *alarm)
{
    (void)alarm;
    inlay_loop_stop(&test.loop);
}

void nap(uint64_t ms)
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

void submit(struct ask *ask)
{
    ask->done = false;
    ask->order.on_done = on_done;
    test.waiting++;
    inlay_database_submit(test.database, test.lane, &ask->order);
    assert_false(ask->done); /* never within submit */
}

void give_up(struct ask *ask)
{
    assert_false(ask->done);
    inlay_database_give_up(&ask->order);
    test.waiting--;
}

struct ask make(enum inlay_order_kind kind,
                const char *sql,
                struct inlay_hold *hold)
{
    return (struct ask){
        .order = {.kind = kind, .sql = inlay_str_from(sql), .hold = hold}};
}

struct ask query(const char *sql)
{
    return make(INLAY_ORDER_QUERY, sql, NULL);
}

void do_ask(struct ask *ask)
{
    submit(ask);
    wait_all();
    assert_true(ask->done);
}

void assert_ok(const struct ask *ask)
{
    if (ask->order.failure.kind)
        fail_msg("%.*s: %s", inlay_str_arg(ask->order.sql),
                 ask->order.failure.text);
}

void forget(struct ask *ask)
{
    inlay_rowset_destroy(ask->order.rows);
    ask->order.rows = NULL;
}

void exec_in(const char *sql, struct inlay_hold *hold)
{
    struct ask ask = make(INLAY_ORDER_QUERY, sql, hold);

    do_ask(&ask);
    assert_ok(&ask);
    forget(&ask);
}

void exec(const char *sql)
{
    exec_in(sql, NULL);
}

struct inlay_cell value(const struct ask *ask, size_t row, size_t column)
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

int64_t number_in(const char *sql, struct inlay_hold *hold)
{
    struct ask ask = make(INLAY_ORDER_QUERY, sql, hold);

    do_ask(&ask);
    struct inlay_cell cell = value(&ask, 0, 0);
    assert_int_equal(cell.kind, INLAY_CELL_INT);
    forget(&ask);
    return cell.integer;
}

int64_t number(const char *sql)
{
    return number_in(sql, NULL);
}

struct inlay_hold *begin(void)
{
    struct ask ask = make(INLAY_ORDER_BEGIN, "", NULL);

    do_ask(&ask);
    assert_ok(&ask);
    assert_non_null(ask.order.hold);
    return ask.order.hold;
}

void commit(struct inlay_hold *hold)
{
    struct ask ask = make(INLAY_ORDER_COMMIT, "", hold);

    do_ask(&ask);
    assert_ok(&ask);
}

struct inlay_cell cell_int(int64_t integer)
{
    return (struct inlay_cell){.kind = INLAY_CELL_INT, .integer = integer};
}

struct inlay_cell cell_text(const char *text)
{
    return (struct inlay_cell){.kind = INLAY_CELL_TEXT,
                               .text = inlay_str_from(text)};
}

uint64_t stat_of(const _Atomic(uint64_t) *counter)
{
    return atomic_load(counter);
}

void control(const char *what)
{
    char command[400];

    snprintf(command, sizeof(command), "%s %s", getenv("INLAY_TEST_PG_CONTROL"),
             what);
    assert_int_equal(system(command), 0);
}
