/* The SQLite driver: what becomes of orders that nobody waits for
 * any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "sqlite_bench.h"

#include "base/banned.h"

/* Until a thread is busy with it. */
static void await_running(const struct inlay_order *order)
{
    const struct inlay_sqlite_job *job = order->driver;
    bool is_running = false;

    for (int i = 0; i < 5000 && !is_running; i++) {
        pthread_mutex_lock(&sqlite->lock);
        is_running = job->state == INLAY_SQLITE_RUNNING;
        pthread_mutex_unlock(&sqlite->lock);
        usleep(1000);
    }
    assert_true(is_running);
}

/* Until it is done, which the loop has not heard of. */
static void await_letter(const struct inlay_order *order)
{
    const struct inlay_sqlite_job *job = order->driver;
    bool is_there = false;

    for (int i = 0; i < 5000 && !is_there; i++) {
        pthread_mutex_lock(&sqlite->lock);
        is_there = job->state == INLAY_SQLITE_DONE;
        pthread_mutex_unlock(&sqlite->lock);
        usleep(1000);
    }
    assert_true(is_there);
}

static void test_give_up_while_it_waits(void **state)
{
    (void)state;
    open_database((struct settings){0});
    exec("create table t (id)");
    struct inlay_hold *hold = begin();
    struct inlay_order write = make("insert into t values (1)");
    struct inlay_order other = of_kind(INLAY_ORDER_BEGIN, NULL);
    submit(&write);
    submit(&other);
    spin(30);
    inlay_database_give_up(&write);
    inlay_database_give_up(&other);
    assert_int_equal(STAT(waiting), 0);
    inlay_hold_release(hold);
    spin(30);
    assert_false(write.is_done || other.is_done);
    assert_int_equal(ask("select count(*) from t"), 0);
    exec("insert into t values (2)"); /* the writer is free */
    close_database();
}

static void test_give_up_while_it_runs(void **state)
{
    (void)state;
    open_database((struct settings){.max = 2});
    struct inlay_order order = make(ENDLESS);
    submit(&order);
    await_running(&order);
    inlay_database_give_up(&order);
    memset(&order, 0xee, sizeof(order)); /* it is forgotten */
    /* The only reader is free again. */
    assert_int_equal(ask("select 1"), 1);
    assert_int_equal(STAT(cancelled), 1);
    close_database();
}

static void test_give_up_when_it_is_done(void **state)
{
    (void)state;
    open_database((struct settings){0});
    exec("create table t (id)");
    struct inlay_order order = make("select 1");
    submit(&order);
    await_letter(&order);
    inlay_database_give_up(&order);
    struct inlay_order transaction = of_kind(INLAY_ORDER_BEGIN, NULL);
    submit(&transaction);
    await_letter(&transaction);
    inlay_database_give_up(&transaction);
    struct inlay_order cursor = make("select 1");
    cursor.kind = INLAY_ORDER_OPEN;
    submit(&cursor);
    await_letter(&cursor);
    inlay_database_give_up(&cursor);
    spin(30);
    assert_false(order.is_done || transaction.is_done || cursor.is_done);
    exec("insert into t values (1)");
    assert_int_equal(STAT(held), 0);
    close_database();
}

/* A transaction that begins at the very moment when nobody wants it. */
static void test_give_up_of_begin_at_any_time(void **state)
{
    (void)state;
    open_database((struct settings){0});
    exec("create table t (id)");
    for (int i = 0; i < 300; i++) {
        struct inlay_order order = of_kind(INLAY_ORDER_BEGIN, NULL);
        struct inlay_order cursor = make("select 1");

        cursor.kind = INLAY_ORDER_OPEN;
        submit(&order);
        submit(&cursor);
        for (volatile int wait = i * 50; wait > 0;)
            wait = wait - 1;
        inlay_database_give_up(&order);
        inlay_database_give_up(&cursor);
    }
    exec("insert into t values (1)");
    for (int i = 0; i < 100 && STAT(held); i++)
        spin(5);
    assert_int_equal(STAT(held), 0);
    assert_int_equal(STAT(waiting), 0);
    close_database();
}

static void test_give_up_on_a_hold(void **state)
{
    (void)state;
    open_database((struct settings){0});
    exec("create table t (id)");
    struct inlay_hold *hold = begin();
    exec_on(hold, "insert into t values (1)");
    struct inlay_order order = make(ENDLESS);
    order.hold = hold;
    submit(&order);
    await_running(&order);
    inlay_database_give_up(&order);
    /* It is good for release alone. */
    struct inlay_order after = of_kind(INLAY_ORDER_COMMIT, hold);
    run(&after);
    assert_failed(&after, INLAY_INTERNAL, "cancelled");
    inlay_hold_release(hold);
    exec("insert into t values (2)");
    assert_int_equal(ask("select sum(id) from t"), 2);
    /* A FETCH. */
    struct inlay_order cursor = open_cursor(NULL, ENDLESS);
    order = of_kind(INLAY_ORDER_FETCH, cursor.hold);
    order.cursor = cursor.cursor;
    submit(&order);
    await_running(&order);
    inlay_database_give_up(&order);
    inlay_hold_release(cursor.hold);
    for (int i = 0; i < 100 && STAT(held); i++)
        spin(5);
    assert_int_equal(STAT(held), 0);
    close_database();
}

static void test_give_up_of_a_batch(void **state)
{
    struct inlay_cell *cells = make_rows();

    (void)state;
    open_database((struct settings){0});
    exec("create table t (id integer primary key, name text)");
    struct inlay_order order = make_batch(cells);
    order.sql =
        INLAY_STR("insert into t (name) select $2 from (" NUMBERS("100") ")");
    submit(&order);
    await_running(&order);
    inlay_database_give_up(&order);
    inlay_free(cells);
    exec("insert into t values (1, 'x')");
    assert_int_equal(ask("select count(*) from t"), 1);
    close_database();
}

/* A write on the hold of a cursor, whose connection only reads, is done by the
 * writer: the hold may go before it. */
static void test_give_up_of_a_write_beside_a_cursor(void **state)
{
    (void)state;
    open_database((struct settings){0});
    exec("create table t (id)");
    struct inlay_order cursor = open_cursor(NULL, NUMBERS("5000"));
    struct inlay_order order = make("insert into t values (1)");
    sqlite3 *db; /* keeps the file locked: the writer naps */
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "begin immediate", NULL, NULL, NULL),
                     SQLITE_OK);
    order.hold = cursor.hold;
    submit(&order);
    spin(200);
    await_running(&order);
    inlay_database_give_up(&order);
    inlay_hold_release(cursor.hold);
    spin(100);
    sqlite3_close(db);
    assert_int_equal(ask("select count(*) from t"), 0);
    cursor = open_cursor(NULL, NUMBERS("5000"));
    order = make("insert into t values (1) returning id");
    order.kind = INLAY_ORDER_OPEN;
    order.hold = cursor.hold;
    run(&order);
    assert_failed(&order, INLAY_INTERNAL, "writes");
    assert_int_equal(exec_on(cursor.hold, "insert into t values (1)"), 1);
    inlay_hold_release(cursor.hold);
    assert_int_equal(ask("select count(*) from t"), 1);
    assert_int_equal(STAT(held), 0);
    close_database();
}

static void test_a_lane_that_ends(void **state)
{
    struct inlay_order orders[12];

    (void)state;
    open_database((struct settings){0});
    exec("create table t (id)");
    struct inlay_hold *hold = begin();
    orders[0] = make(ENDLESS);
    orders[0].hold = hold;
    submit(&orders[0]);
    for (int i = 1; i < 12; i++) {
        orders[i] = make(i < 6 ? ENDLESS : "insert into t values (1)");
        submit(&orders[i]);
    }
    orders[11].kind = INLAY_ORDER_BEGIN;
    await_running(&orders[1]);
    done = 0;
    inlay_lane_close(inlay_take(lane)); /* the hold is an orphan */
    assert_int_equal(done, 12);
    for (int i = 0; i < 12; i++) {
        assert_true(orders[i].is_done);
        assert_failed(&orders[i], INLAY_UNAVAILABLE, "closed");
    }
    inlay_hold_release(hold);
    uint64_t begun = inlay_clock_ms();
    close_database();
    assert_true(inlay_clock_ms() - begun < 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_give_up_while_it_waits),
        TEST(test_give_up_while_it_runs),
        TEST(test_give_up_when_it_is_done),
        TEST(test_give_up_of_begin_at_any_time),
        TEST(test_give_up_on_a_hold),
        TEST(test_give_up_of_a_batch),
        TEST(test_give_up_of_a_write_beside_a_cursor),
        TEST(test_a_lane_that_ends),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
