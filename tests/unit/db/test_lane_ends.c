/* test_lane_ends.c - lanes that end while letters of theirs lie in the box of
 * their loop, which others still write to. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connections_that_nobody_has_seen),
        cmocka_unit_test(test_answers_that_nobody_has_seen),
        cmocka_unit_test(test_orders_that_nobody_has_seen),
    };

    return cmocka_run_group_tests_name("lanes that end", tests, NULL, NULL);
}
