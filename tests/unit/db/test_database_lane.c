/* How orders get to lanes, and what becomes of them; forks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/macros.h"
#include "base/thread.h"
#include "unit/db/fake_driver.h"

#include "base/banned.h"

#define SUBMITTERS 4
#define ORDERS 500

/* An I/O thread with a lane. */
struct io {
    struct inlay_database *database;
    struct inlay_loop loop;
    struct inlay_lane *lane;
    pthread_t thread;
    sem_t ready;
};

static void *run_io(void *arg)
{
    struct io *io = arg;

    assert_null(inlay_loop_init(&io->loop));
    assert_null(inlay_lane_open(io->database, &io->loop, &io->lane));
    sem_post(&io->ready);
    inlay_loop_run(&io->loop);
    inlay_lane_close(io->lane);
    return NULL;
}

static void io_start(struct io *io, struct inlay_database *database)
{
    io->database = database;
    sem_init(&io->ready, 0, 0);
    assert_int_equal(inlay_thread_start(&io->thread, run_io, io), 0);
    while (sem_wait(&io->ready) != 0)
        continue;
}

static void io_stop(struct io *io)
{
    inlay_loop_stop(&io->loop);
    pthread_join(io->thread, NULL);
    inlay_loop_deinit(&io->loop);
    sem_destroy(&io->ready);
}

/* --- Orders --------------------------------------------------------------- */

static void test_without_lanes_a_thread_is_started_once(void **state)
{
    struct inlay_database *database = a_database();
    struct asked one, two;

    (void)state;
    asked_init(&one, INLAY_ORDER_QUERY);
    asked_init(&two, INLAY_ORDER_QUERY);
    ask(database, &one);
    ask(database, &two);
    assert_int_equal(lanes_begun, 1);
    assert_true(pthread_equal(one.done_on, two.done_on));
    assert_false(pthread_equal(one.done_on, pthread_self()));
}

static void *ask_often(void *arg)
{
    for (int i = 0; i < ORDERS; i++) {
        struct asked asked;

        asked_init(&asked, i % 7 ? INLAY_ORDER_QUERY : INLAY_ORDER_BEGIN);
        ask(arg, &asked);
        if (asked.order.failure.kind) /* of a lane that has gone */
            failed++;
        if (!asked.order.hold)
            continue;
        struct inlay_hold *hold = asked.order.hold;
        asked_init(&asked, INLAY_ORDER_COMMIT);
        asked.order.hold = hold;
        ask(arg, &asked);
        inlay_hold_release(hold);
    }
    return NULL;
}

static void await_released(int wanted)
{
    for (int i = 0; i < 5000 && released < wanted; i++)
        usleep(1000);
    assert_int_equal(released, wanted);
}

static void submit_from_many(struct inlay_database *database)
{
    pthread_t threads[SUBMITTERS];
    int wanted = released + SUBMITTERS * ((ORDERS + 6) / 7);

    for (int i = 0; i < SUBMITTERS; i++)
        assert_int_equal(inlay_thread_start(&threads[i], ask_often, database),
                         0);
    for (int i = 0; i < SUBMITTERS; i++)
        pthread_join(threads[i], NULL);
    await_released(wanted);
    assert_int_equal(failed, 0);
}

static void test_many_threads_submit_at_once(void **state)
{
    struct inlay_database *database = a_database();

    (void)state;
    submit_from_many(database);
    assert_int_equal(lanes_begun, 1);
}

static void test_lanes_get_orders_in_turn(void **state)
{
    struct inlay_database *database = a_database();
    struct io io[2];
    int first = 0;

    (void)state;
    io_start(&io[0], database);
    io_start(&io[1], database);
    for (int i = 0; i < 10; i++) {
        struct asked asked;
        asked_init(&asked, INLAY_ORDER_QUERY);
        ask(database, &asked);
        first += pthread_equal(asked.done_on, io[0].thread) != 0;
    }
    assert_int_equal(first, 5);
    assert_int_equal(lanes_begun, 2);
    submit_from_many(database);
    io_stop(&io[0]);
    io_stop(&io[1]);
    assert_int_equal(database->nlanes, 1); /* its own, for the holds */
}

static void test_lanes_may_go_while_others_submit(void **state)
{
    struct inlay_database *database = a_database();
    pthread_t threads[SUBMITTERS];

    (void)state;
    for (int i = 0; i < SUBMITTERS; i++)
        assert_int_equal(inlay_thread_start(&threads[i], ask_often, database),
                         0);
    for (int i = 0; i < 20; i++) {
        struct io io;
        io_start(&io, database);
        usleep(200);
        io_stop(&io);
    }
    for (int i = 0; i < SUBMITTERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(counted(&database->own_stats),
                     SUBMITTERS * (ORDERS + (ORDERS + 6) / 7));
    assert_int_equal(atomic_load(&database->own_stats.errors), failed);
    await_released(SUBMITTERS * ((ORDERS + 6) / 7));
}

static void test_holds_of_others_live_on_the_thread_that_stays(void **state)
{
    struct inlay_database *database = a_database();
    struct asked begin, query;
    struct io io;

    (void)state;
    io_start(&io, database);
    asked_init(&begin, INLAY_ORDER_BEGIN);
    ask(database, &begin);
    assert_false(pthread_equal(begin.done_on, io.thread));
    for (int i = 0; i < 4; i++) { /* never in turn */
        asked_init(&query, INLAY_ORDER_QUERY);
        query.order.hold = begin.order.hold;
        ask(database, &query);
        assert_true(pthread_equal(query.done_on, begin.done_on));
    }
    io_stop(&io);
    asked_init(&query, INLAY_ORDER_QUERY);
    query.order.hold = begin.order.hold;
    ask(database, &query);
    assert_int_equal(query.order.failure.kind, 0);
    inlay_hold_release(begin.order.hold);
    await_released(1);
    assert_true(pthread_equal(released_on, begin.done_on));
}

/* --- On the lane's own thread --------------------------------------------- */

struct here {
    struct inlay_loop loop;
    struct inlay_lane *lane;
};

static void here_begin(struct here *here, struct inlay_database *database)
{
    assert_null(inlay_loop_init(&here->loop));
    assert_null(inlay_lane_open(database, &here->loop, &here->lane));
}

static void here_end(struct here *here)
{
    inlay_lane_close(here->lane);
    inlay_loop_deinit(&here->loop);
}

static void on_stop(struct inlay_order *order)
{
    inlay_loop_stop(order->arg);
}

static void test_the_lanes_own_thread_needs_no_letter(void **state)
{
    struct inlay_database *database = a_database();
    struct here here;
    struct inlay_order order = {.kind = INLAY_ORDER_BEGIN, .on_done = on_stop};

    (void)state;
    here_begin(&here, database);
    order.arg = &here.loop;
    inlay_database_submit(database, here.lane, &order);
    assert_null(here.lane->letters);
    assert_false(order.is_done);
    inlay_loop_run(&here.loop);
    assert_true(order.is_done);
    assert_ptr_equal(order.hold->lane, here.lane);
    inlay_hold_release(order.hold);
    assert_int_equal(released, 1); /* at once */
    here_end(&here);
}

struct submission {
    struct inlay_database *database;
    struct inlay_order *order;
};

static void *run_submission(void *arg)
{
    struct submission *submission = arg;

    inlay_database_submit(submission->database, NULL, submission->order);
    return NULL;
}

/* By another thread than this one, which has a lane. */
static void submit_elsewhere(struct inlay_database *database,
                             struct inlay_order *order)
{
    struct submission submission = {database, order};
    pthread_t thread;

    assert_int_equal(inlay_thread_start(&thread, run_submission, &submission),
                     0);
    pthread_join(thread, NULL);
}

static void on_count(struct inlay_order *order)
{
    ++*(int *)order->arg;
}

static void test_a_thread_with_a_lane_may_wait_for_another(void **state)
{
    struct inlay_database *database = a_database();
    struct here here;
    struct asked asked;

    (void)state;
    here_begin(&here, database);
    asked_init(&asked, INLAY_ORDER_QUERY);
    ask(database, &asked); /* its own lane does not move meanwhile */
    assert_false(pthread_equal(asked.done_on, pthread_self()));
    here_end(&here);
}

static void test_a_lane_that_closes_fails_its_letters(void **state)
{
    struct inlay_database *database = a_database();
    struct here here;
    int done = 0;
    struct inlay_order letters[2], submitted;

    (void)state;
    here_begin(&here, database);
    for (int i = 0; i < 2; i++) {
        letters[i] = (struct inlay_order){.on_done = on_count, .arg = &done};
        submit_elsewhere(database, &letters[i]);
    }
    submitted = letters[0];
    inlay_database_submit(database, here.lane, &submitted);
    assert_int_equal(done, 0);
    here_end(&here);
    assert_int_equal(done, 3);
    assert_int_equal(letters[0].failure.kind, INLAY_UNAVAILABLE);
    assert_string_equal(letters[1].failure.text, "the server is stopping");
    assert_string_equal(submitted.failure.text, "ended");
    assert_int_equal(database->nlanes, 0);
}

static void test_orders_that_are_given_up_are_forgotten(void **state)
{
    struct inlay_database *database = a_database();
    struct here here;
    int done = 0;
    struct inlay_order letters[3], submitted;

    (void)state;
    here_begin(&here, database);
    for (int i = 0; i < 3; i++) {
        letters[i] = (struct inlay_order){.on_done = on_count, .arg = &done};
        submit_elsewhere(database, &letters[i]);
    }
    submitted = letters[0];
    inlay_database_submit(database, here.lane, &submitted);
    inlay_database_give_up(&letters[1]); /* still a letter */
    assert_int_equal(given_up, 0);
    inlay_database_give_up(&submitted);
    assert_int_equal(given_up, 1);
    here_end(&here);
    assert_int_equal(done, 2);
    assert_false(letters[1].is_done);
}

static void test_orders_are_abandoned_by_other_threads(void **state)
{
    struct inlay_database *database = a_database();
    struct here here;
    int done = 0;
    struct inlay_order letter = {.on_done = on_count, .arg = &done};
    struct inlay_order submitted = letter, finished = letter;

    (void)state;
    here_begin(&here, database);
    finished.on_done = on_stop;
    finished.arg = &here.loop;
    inlay_database_submit(database, here.lane, &finished);
    inlay_loop_run(&here.loop);
    inlay_database_abandon(database, &finished); /* nothing is left to do */
    assert_null(here.lane->abandoned);
    submit_elsewhere(database, &letter);
    inlay_database_submit(database, here.lane, &submitted);
    for (int i = 0; i < 2; i++) {
        inlay_database_abandon(database, &letter);
        inlay_database_abandon(database, &submitted);
    }
    assert_null(here.lane->letters);
    assert_int_equal(done, 0); /* on its own thread alone */
    here_end(&here);
    assert_int_equal(done, 2);
    assert_int_equal(given_up, 1);
    assert_int_equal(letter.failure.kind, INLAY_UNAVAILABLE);
    assert_string_equal(submitted.failure.text, "nobody waits for it any more");
}

static void *abandon_often(void *arg)
{
    for (int i = 0; i < ORDERS; i++) {
        struct asked asked;

        asked_init(&asked, INLAY_ORDER_QUERY);
        inlay_database_submit(arg, NULL, &asked.order);
        for (volatile int wait = i % 50 * 100; wait; wait--)
            continue;
        inlay_database_abandon(arg, &asked.order);
        asked_wait(&asked);
        if (asked.order.failure.kind)
            failed++;
    }
    return NULL;
}

/* on_done comes once, whoever is first: the lane, or who abandons. */
static void test_orders_that_are_abandoned_are_done_once(void **state)
{
    struct inlay_database *database = a_database();
    pthread_t threads[SUBMITTERS];
    struct io io;

    (void)state;
    for (int round = 0; round < 20; round++) {
        io_start(&io, database); /* its lane goes meanwhile */
        for (int i = 0; i < SUBMITTERS; i++)
            assert_int_equal(
                inlay_thread_start(&threads[i], abandon_often, database), 0);
        usleep(1000);
        io_stop(&io);
        for (int i = 0; i < SUBMITTERS; i++)
            pthread_join(threads[i], NULL);
    }
    assert_int_equal(counted(&database->own_stats) > 0, 1);
}

static void on_ready(struct inlay_subscriber *listener,
                     const struct inlay_failure *failure)
{
    assert_string_equal(failure->text, "SQLite has no notifications");
    assert_int_equal(failure->kind, INLAY_NOT_IMPLEMENTED);
    ++*(int *)listener->arg;
}

static void test_a_driver_without_notifications_says_so(void **state)
{
    struct inlay_database *database = a_database();
    struct here here;
    int told = 0;
    struct inlay_subscriber listener = {.on_ready = on_ready, .arg = &told};

    (void)state;
    here_begin(&here, database);
    inlay_listen(here.lane, &listener);
    inlay_unlisten(here.lane, &listener);
    assert_int_equal(told, 1);
    here_end(&here);
}

/* --- Forks ---------------------------------------------------------------- */

static int in_child(struct inlay_database *before)
{
    struct inlay_database *database;
    struct asked asked;

    if (inlay_database_find(INLAY_STR(""), &database) || database != before)
        return 1;
    if (database->nlanes != 0 || opened != 2)
        return 2;
    asked_init(&asked, INLAY_ORDER_QUERY);
    ask(database, &asked);
    if (asked.order.failure.kind || lanes_begun != 2)
        return 3;
    if (atomic_load(&database->own_stats.connected) != 0)
        return 4;
    return atomic_load(&database->stats) == &database->own_stats ? 0 : 5;
}

static void test_a_fork_opens_its_databases_anew(void **state)
{
    static struct inlay_db_counted area[INLAY_DATABASES];
    struct inlay_database *database = a_database();
    struct asked asked;
    int status;

    (void)state;
    atomic_store(&database->own_stats.connected, 7);
    inlay_databases_count_in(area);
    asked_init(&asked, INLAY_ORDER_QUERY);
    ask(database, &asked);
    pid_t child = fork();
    if (child == 0)
        _exit(in_child(database));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(database->nlanes, 1);
    assert_int_equal(atomic_load(&area[0].stats.connected), 7);
    asked_init(&asked, INLAY_ORDER_QUERY); /* the parent's goes on */
    ask(database, &asked);
    inlay_databases_count_in(NULL);
}

/* The child of the fork starts a thread. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "die_after_fork=0";
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_without_lanes_a_thread_is_started_once),
        TEST(test_many_threads_submit_at_once),
        TEST(test_lanes_get_orders_in_turn),
        TEST(test_lanes_may_go_while_others_submit),
        TEST(test_holds_of_others_live_on_the_thread_that_stays),
        TEST(test_the_lanes_own_thread_needs_no_letter),
        TEST(test_a_thread_with_a_lane_may_wait_for_another),
        TEST(test_a_lane_that_closes_fails_its_letters),
        TEST(test_orders_that_are_given_up_are_forgotten),
        TEST(test_orders_are_abandoned_by_other_threads),
        TEST(test_orders_that_are_abandoned_are_done_once),
        TEST(test_a_driver_without_notifications_says_so),
        TEST(test_a_fork_opens_its_databases_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
