/* The SQLite driver: orders of many threads, and the threads that do them. */
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/thread.h"
#include "sqlite_bench.h"

#include "base/banned.h"

#define SUBMITTERS 8
#define EACH 100

static void post(struct inlay_order *order)
{
    sem_post(order->arg);
}

static void run_elsewhere(struct inlay_order *order, sem_t *sem)
{
    order->on_done = post;
    order->arg = sem;
    inlay_database_submit(database, NULL, order);
    while (sem_wait(sem) < 0)
        continue;
}

static void *submitter(void *arg)
{
    int *errors = arg;
    sem_t sem;

    sem_init(&sem, 0, 0);
    for (int i = 0; i < EACH; i++) {
        struct inlay_cell one = integer(1);
        struct inlay_order begins = of_kind(INLAY_ORDER_BEGIN, NULL);
        struct inlay_order write =
            make_with("update t set n = n + $1", &one, 1);
        struct inlay_order read = make("select n from t");

        if (i % 4 == 0) {
            run_elsewhere(&begins, &sem);
            write.hold = begins.hold;
        }
        run_elsewhere(&write, &sem);
        run_elsewhere(&read, &sem);
        if (i % 4 == 0 && begins.hold) {
            struct inlay_order commits =
                of_kind(INLAY_ORDER_COMMIT, begins.hold);
            run_elsewhere(&commits, &sem);
            *errors += commits.failure.kind != 0;
            inlay_hold_release(begins.hold);
        }
        *errors += begins.failure.kind || write.failure.kind ||
                   read.failure.kind || write.changed != 1 || !read.rows ||
                   read.rows->nrows != 1;
        inlay_rowset_destroy(read.rows);
    }
    sem_destroy(&sem);
    return NULL;
}

static void test_orders_of_many_threads(void **state)
{
    pthread_t threads[SUBMITTERS];
    int errors[SUBMITTERS] = {0};

    (void)state;
    open_database((struct settings){.pool_timeout = 60000});
    exec("create table t (n integer)");
    exec("insert into t values (0)");
    inlay_lane_close(inlay_take(lane));
    for (int i = 0; i < SUBMITTERS; i++)
        assert_int_equal(inlay_thread_start(&threads[i], submitter, &errors[i]),
                         0);
    for (int i = 0; i < SUBMITTERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(errors[i], 0);
    }
    sem_t sem;
    sem_init(&sem, 0, 0);
    struct inlay_order order = make("select n from t");
    run_elsewhere(&order, &sem);
    assert_int_equal(cell_of(&order, 0, 0).integer, SUBMITTERS * EACH);
    inlay_rowset_destroy(order.rows);
    sem_destroy(&sem);
    assert_true(STAT(connections) <= 1 + INLAY_SQLITE_READERS);
    close_database();
}

static unsigned threads_now(void)
{
    pthread_mutex_lock(&sqlite->lock);
    unsigned threads = sqlite->threads;
    pthread_mutex_unlock(&sqlite->lock);
    return threads;
}

static void test_threads_come_with_work_and_go_without(void **state)
{
    struct inlay_order orders[20];

    (void)state;
    open_database((struct settings){.idle_ms = 50});
    assert_int_equal(threads_now(), 0);
    exec("create table t (id)");
    for (int i = 0; i < 20; i++) {
        orders[i] = make("select sum(i) from (" NUMBERS("200000") ")");
        submit(&orders[i]);
    }
    assert_true(threads_now() <= 5);
    for (int i = 0; i < 20; i++) {
        await(&orders[i]);
        assert_good(&orders[i]);
        inlay_rowset_destroy(orders[i].rows);
    }
    for (int i = 0; i < 200 && threads_now(); i++)
        spin(10);
    assert_int_equal(threads_now(), 0);
    struct inlay_hold *hold = begin();
    for (int i = 0; i < 200 && threads_now(); i++)
        spin(10);
    /* Nobody is there, and the writer held: it waits for its turn. */
    struct inlay_order waits = make("insert into t values (1)");
    submit(&waits);
    spin(20);
    inlay_hold_release(hold);
    await(&waits);
    assert_good(&waits);
    close_database();
}

static void test_without_memory(void **state)
{
    (void)state;
    open_database((struct settings){0});
    struct inlay_cell cell = text("some text that is to be copied");
    for (int after = 0; after < 4; after++) {
        struct inlay_order order = make_with("select $1", &cell, 1);

        inlay_mem_fail_after(after);
        submit(&order);
        inlay_mem_fail_after(-1);
        await(&order);
        if (order.failure.kind)
            assert_failed(&order, INLAY_NO_MEMORY, "memory");
        else
            assert_true(after > 0);
        inlay_rowset_destroy(order.rows);
        struct inlay_order begins = of_kind(INLAY_ORDER_BEGIN, NULL);
        inlay_mem_fail_after(after);
        submit(&begins);
        inlay_mem_fail_after(-1);
        await(&begins);
        if (begins.failure.kind)
            assert_failed(&begins, INLAY_NO_MEMORY, "memory");
        else
            inlay_hold_release(begins.hold);
    }
    inlay_mem_fail_after(0);
    struct inlay_order dropped = make("select 1");
    submit(&dropped);
    inlay_mem_fail_after(-1);
    inlay_database_give_up(&dropped);
    spin(10);
    assert_false(dropped.is_done);
    close_database();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_orders_of_many_threads),
        TEST(test_threads_come_with_work_and_go_without),
        TEST(test_without_memory),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
