/* test_lane_ends.c - lanes that end while letters of theirs lie in the box of
 * their loop, which others still write to. */
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/macros.h"
#include "db/database.h"
#include "net/loop.h"

#include "base/banned.h"

struct bench {
    struct inlay_loop loop;
    struct inlay_lane *lane;
    int done, letters;
    struct inlay_mail mail;
};

static void on_log(void *arg, enum inlay_log_level level, struct inlay_str text)
{
    (void)arg;
    (void)level;
    (void)text;
}

static const struct inlay_log quiet = {.sink = on_log};

static void on_done(struct inlay_order *order)
{
    struct bench *bench = order->arg;

    assert_int_not_equal(order->failure.kind, 0);
    bench->done++;
}

static void on_letter(struct inlay_mail *mail)
{
    struct bench *bench = inlay_container_of(mail, struct bench, mail);

    bench->letters++;
    inlay_loop_stop(&bench->loop);
}

static void sleep_ms(long ms)
{
    struct timespec time = {0, ms * 1000000};

    nanosleep(&time, NULL);
}

static struct inlay_database *open_lane(struct bench *bench,
                                        struct inlay_database_config config)
{
    struct inlay_database *database;

    inlay_databases_log(&quiet);
    assert_null(inlay_databases_configure(&config));
    assert_null(inlay_database_find(INLAY_STR(""), &database));
    assert_null(inlay_loop_init(&bench->loop));
    assert_null(inlay_lane_open(database, &bench->loop, &bench->lane));
    return database;
}

/* The lane ends; what is posted then comes all the same. */
static void end_lane(struct bench *bench)
{
    inlay_lane_close(bench->lane);
    bench->mail.on_receive = on_letter;
    inlay_loop_post(&bench->loop, &bench->mail);
    inlay_loop_run(&bench->loop);
    assert_int_equal(bench->letters, 1);
    inlay_loop_deinit(&bench->loop);
    inlay_databases_forget();
    inlay_databases_log(NULL);
}

static void test_connections_that_nobody_has_seen(void **state)
{
    struct bench bench = {.done = 0};

    (void)state;
    open_lane(&bench, (struct inlay_database_config){
                          .url = INLAY_STR("postgresql://nobody@/none?host="
                                           "/no/such/folder"),
                          .min = 3,
                          .max = 3});
    sleep_ms(200); /* their letters are in the box */
    end_lane(&bench);
}

static void test_answers_that_nobody_has_seen(void **state)
{
    struct bench bench = {.done = 0};
    struct inlay_order order = {.kind = INLAY_ORDER_QUERY,
                                .sql = INLAY_STR("select no_such_column"),
                                .on_done = on_done,
                                .arg = &bench};

    (void)state;
    struct inlay_database *database = open_lane(
        &bench, (struct inlay_database_config){.url = INLAY_STR("sqlite://")});
    inlay_database_submit(database, bench.lane, &order);
    sleep_ms(200);
    end_lane(&bench);
    assert_int_equal(bench.done, 1);
}

static void *close_it(void *arg)
{
    struct bench *bench = arg;

    /* Letters go to lanes of other threads. */
    bench->lane->thread = pthread_self();
    inlay_lane_close(bench->lane);
    return NULL;
}

static void test_orders_that_nobody_has_seen(void **state)
{
    struct bench bench = {.done = 0};
    struct inlay_order order = {.kind = INLAY_ORDER_QUERY,
                                .sql = INLAY_STR("select 1"),
                                .on_done = on_done,
                                .arg = &bench};
    pthread_t thread;

    (void)state;
    struct inlay_database *database = open_lane(
        &bench, (struct inlay_database_config){.url = INLAY_STR("sqlite://")});
    memset(&bench.lane->thread, 0, sizeof(bench.lane->thread));
    inlay_database_submit(database, NULL, &order);
    assert_int_equal(pthread_create(&thread, NULL, close_it, &bench), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(bench.done, 1);
    bench.mail.on_receive = on_letter;
    inlay_loop_post(&bench.loop, &bench.mail);
    inlay_loop_run(&bench.loop);
    inlay_loop_deinit(&bench.loop);
    inlay_databases_forget();
    inlay_databases_log(NULL);
}

/* --- Holds ---------------------------------------------------------------- */

static void on_begun(struct inlay_order *order)
{
    struct bench *bench = order->arg;

    inlay_loop_stop(&bench->loop);
}

static struct inlay_hold *begin(struct bench *bench,
                                struct inlay_database *database)
{
    struct inlay_order order = {
        .kind = INLAY_ORDER_BEGIN, .on_done = on_begun, .arg = bench};

    inlay_database_submit(database, bench->lane, &order);
    inlay_loop_run(&bench->loop);
    atomic_store(&bench->loop.stopped, false); /* it runs once more */
    assert_int_equal(order.failure.kind, 0);
    return order.hold;
}

/* Whoever asks on a hold, on a thread of his own. */
struct asker {
    struct bench *bench;
    struct inlay_database *database;
    struct inlay_hold *hold;
    sem_t answered;
    int good;
};

static void on_answered(struct inlay_order *order)
{
    sem_post(&((struct asker *)order->arg)->answered);
}

static bool ask(struct asker *asker)
{
    struct inlay_order order = {.kind = INLAY_ORDER_QUERY,
                                .sql = INLAY_STR("select 1"),
                                .hold = asker->hold,
                                .on_done = on_answered,
                                .arg = asker};

    inlay_database_submit(asker->database, NULL, &order);
    while (sem_wait(&asker->answered) != 0)
        continue;
    inlay_rowset_destroy(order.rows);
    return !order.failure.kind;
}

static void *ask_on(void *arg)
{
    struct asker *asker = arg;

    while (ask(asker)) {
        if (++asker->good == 3)
            inlay_loop_stop(&asker->bench->loop);
    }
    assert_false(ask(asker));
    inlay_hold_release(asker->hold);
    return NULL;
}

static void test_a_hold_outlives_its_lane(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct bench bench = {.done = 0};
        struct asker asker = {.bench = &bench};
        pthread_t thread;

        asker.database = open_lane(&bench, (struct inlay_database_config){
                                               .url = INLAY_STR("sqlite://")});
        asker.hold = begin(&bench, asker.database);
        assert_int_equal(sem_init(&asker.answered, 0, 0), 0);
        assert_int_equal(pthread_create(&thread, NULL, ask_on, &asker), 0);
        inlay_loop_run(&bench.loop);
        inlay_lane_close(bench.lane);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_true(asker.good >= 3);
        sem_destroy(&asker.answered);
        inlay_loop_deinit(&bench.loop);
        inlay_databases_forget();
    }
    inlay_databases_log(NULL);
}

static void *release(void *hold)
{
    inlay_hold_release(hold);
    return NULL;
}

static void test_a_release_that_nobody_has_seen(void **state)
{
    struct bench bench = {.done = 0};
    pthread_t thread;

    (void)state;
    struct inlay_database *database = open_lane(
        &bench, (struct inlay_database_config){.url = INLAY_STR("sqlite://")});
    struct inlay_hold *hold = begin(&bench, database);
    assert_int_equal(pthread_create(&thread, NULL, release, hold), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    end_lane(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connections_that_nobody_has_seen),
        cmocka_unit_test(test_answers_that_nobody_has_seen),
        cmocka_unit_test(test_orders_that_nobody_has_seen),
        cmocka_unit_test(test_a_hold_outlives_its_lane),
        cmocka_unit_test(test_a_release_that_nobody_has_seen),
    };

    return cmocka_run_group_tests_name("lanes that end", tests, NULL, NULL);
}
