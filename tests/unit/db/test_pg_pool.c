/* The PostgreSQL driver: one limit for the connections of all lanes; and what
 * could take too much of something else. */
#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "db/database_inside.h"
#include "db/pg.h"
#include "pg_bench.h"

#include "base/banned.h"

/* --- Another lane --------------------------------------------------------- */

/* An order of the database's own thread; this one runs its lane meanwhile. */
struct far {
    struct ask ask;
    struct inlay_mail mail;
};

static void on_far_letter(struct inlay_mail *mail)
{
    struct far *far = inlay_container_of(mail, struct far, mail);

    far->ask.done = true;
    if (--test.waiting == 0)
        inlay_loop_stop(&test.loop);
}

static void on_far_done(struct inlay_order *order)
{
    struct far *far = inlay_container_of(order, struct far, ask.order);

    inlay_loop_post(&test.loop, &far->mail);
}

static void submit_far(struct far *far, struct ask ask)
{
    *far = (struct far){.ask = ask, .mail.on_receive = on_far_letter};
    far->ask.order.on_done = on_far_done;
    test.waiting++;
    inlay_database_submit(test.database, NULL, &far->ask.order);
}

static void do_far(struct far *far, struct ask ask)
{
    submit_far(far, ask);
    wait_all();
    assert_true(far->ask.done);
}

static int64_t far_number(const char *sql)
{
    struct far far;

    do_far(&far, query(sql));
    int64_t found = value(&far.ask, 0, 0).integer;
    forget(&far.ask);
    return found;
}

static struct inlay_pg_database *open_both(struct inlay_database_config config)
{
    struct inlay_lane *lane;

    open_lane(config);
    assert_null(inlay_database_own_lane(test.database, &lane));
    return test.database->impl;
}

static void close_both(void)
{
    inlay_database_own_lane_end(test.database);
    close_lane();
}

#define PID "select pg_backend_pid()::int4"

static void test_the_only_connection_goes_to_whoever_asks(void **state)
{
    struct far far;
    int64_t pid;

    (void)state;
    open_both((struct inlay_database_config){.max = 1});
    pid = number(PID);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(far_number(PID), pid);
        assert_int_equal(number(PID), pid);
        do_far(&far, make(INLAY_ORDER_BEGIN, "", NULL));
        assert_ok(&far.ask);
        inlay_hold_release(far.ask.order.hold);
    }
    assert_int_equal(number(PID), pid);
    assert_int_equal(stat_of(&test.database->own_stats.connected), 1);
    assert_int_equal(stat_of(&test.database->own_stats.held), 0);
    close_both();
}

static void test_a_lane_that_is_always_busy_gives_its_turn(void **state)
{
    static struct ask asks[200];
    struct far far;

    (void)state;
    open_both((struct inlay_database_config){.max = 1});
    for (int i = 0; i < 200; i++) {
        asks[i] = query("select pg_sleep(0.005)::text");
        submit(&asks[i]);
    }
    submit_far(&far, query(PID));
    while (!far.ask.done)
        nap(2);
    assert_ok(&far.ask);
    forget(&far.ask);
    /* It did not wait for all of them: that is a second. */
    assert_true(test.waiting > 50);
    wait_all();
    for (int i = 0; i < 200; i++) {
        assert_ok(&asks[i]);
        forget(&asks[i]);
    }
    close_both();
}

static void test_a_lane_of_transactions_gives_its_turn(void **state)
{
    struct ask asks[20];
    struct far far;
    bool early = false;

    (void)state;
    open_both((struct inlay_database_config){.max = 1});
    for (int i = 0; i < 20; i++) {
        asks[i] = make(INLAY_ORDER_BEGIN, "", NULL);
        submit(&asks[i]);
    }
    submit_far(&far, make(INLAY_ORDER_BEGIN, "", NULL));
    for (int i = 0; i < 20; i++) {
        while (!asks[i].done && !far.ask.done)
            nap(2);
        if (far.ask.done && !early) {
            early = i < 5;
            inlay_hold_release(far.ask.order.hold);
        }
        while (!asks[i].done)
            nap(2);
        assert_ok(&asks[i]);
        nap(2); /* the other lane's letter comes meanwhile */
        inlay_hold_release(asks[i].order.hold);
    }
    assert_true(early);
    close_both();
}

static void test_waiting_for_another_lane_has_an_end(void **state)
{
    struct inlay_hold *hold;
    struct far far;

    (void)state;
    open_both((struct inlay_database_config){.max = 1, .pool_timeout = 200});
    hold = begin();
    do_far(&far, make(INLAY_ORDER_BEGIN, "", NULL));
    assert_int_equal(far.ask.order.failure.kind, INLAY_UNAVAILABLE);
    assert_non_null(strstr(far.ask.order.failure.text,
                           "in 0.2 s: all 1 are busy (max_size)"));
    inlay_hold_release(hold);
    assert_true(far_number(PID) > 0);
    assert_true(number(PID) > 0);
    close_both();
}

/* Those of one that is idle serve another, beyond its share; and come back. */
static void test_idle_connections_are_everybodys(void **state)
{
    struct ask asks[4];
    struct far fars[4];

    (void)state;
    open_both((struct inlay_database_config){.max = 4});
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 4; i++) {
            asks[i] = make(INLAY_ORDER_BEGIN, "", NULL);
            submit(&asks[i]);
        }
        wait_all();
        for (int i = 0; i < 4; i++) {
            assert_ok(&asks[i]);
            inlay_hold_release(asks[i].order.hold);
        }
        for (int i = 0; i < 4; i++)
            submit_far(&fars[i], make(INLAY_ORDER_BEGIN, "", NULL));
        wait_all();
        for (int i = 0; i < 4; i++) {
            assert_ok(&fars[i].ask);
            inlay_hold_release(fars[i].ask.order.hold);
        }
    }
    assert_int_equal(stat_of(&test.database->own_stats.connected), 4);
    close_both();
}

/* Nothing waits for a slow statement while another lane has an idle one. */
static void test_nothing_waits_behind_a_slow_one(void **state)
{
    struct ask slow[4], ask;
    struct far fars[3];

    (void)state;
    open_both((struct inlay_database_config){.max = 4});
    for (int i = 0; i < 3; i++)
        submit_far(&fars[i], query("select pg_sleep(0.02)"));
    wait_all();
    for (int i = 0; i < 3; i++)
        forget(&fars[i].ask);
    exec("select 1");
    assert_int_equal(stat_of(&test.database->own_stats.connected), 4);
    nap(150);
    /* This lane has one; those that come are slow, too, the last one is not. */
    for (int i = 0; i < 3; i++) {
        slow[i] = query("select pg_sleep(1)::text");
        submit(&slow[i]);
        nap(20);
    }
    ask = query(PID);
    submit(&ask);
    while (!ask.done)
        nap(2);
    forget(&ask);
    for (int i = 0; i < 3; i++)
        assert_false(slow[i].done);
    /* All are busy now, here and there: it waits. */
    slow[3] = query("select pg_sleep(1)::text");
    submit(&slow[3]);
    submit(&ask);
    wait_all();
    assert_ok(&ask);
    forget(&ask);
    for (int i = 0; i < 4; i++) {
        assert_ok(&slow[i]);
        forget(&slow[i]);
    }
    assert_int_equal(stat_of(&test.database->own_stats.connected), 4);
    close_both();
}

/* Nothing comes from another lane: it goes behind a slow one here then. */
static void test_hope_has_an_end(void **state)
{
    struct ask slow, ask;
    struct far far;

    (void)state;
    open_both((struct inlay_database_config){.max = 2});
    do_far(&far, make(INLAY_ORDER_BEGIN, "", NULL));
    assert_ok(&far.ask);
    exec("select 1");
    nap(60);
    slow = query("select pg_sleep(0.3)::text");
    submit(&slow);
    nap(20);
    ask = query(PID);
    submit(&ask);
    assert_int_equal(stat_of(&test.database->own_stats.waiting), 1);
    nap(30);
    assert_int_equal(stat_of(&test.database->own_stats.waiting), 0);
    assert_false(slow.done);
    wait_all();
    assert_ok(&slow);
    assert_ok(&ask);
    forget(&slow);
    forget(&ask);
    inlay_hold_release(far.ask.order.hold);
    close_both();
}

/* --- Lanes of one thread -------------------------------------------------- */

static struct inlay_lane *open_another(void)
{
    struct inlay_lane *lane;

    assert_null(inlay_lane_open(test.database, &test.loop, &lane));
    return lane;
}

static void submit_in(struct inlay_lane *lane, struct ask *ask)
{
    struct inlay_lane *first = test.lane;

    test.lane = lane;
    submit(ask);
    test.lane = first;
}

/* Whoever asks changes his mind twice before he is heard once. */
static void test_a_promise_that_nobody_needs_any_more_ends(void **state)
{
    struct ask slow, ask;
    struct inlay_lane *other;

    (void)state;
    open_lane((struct inlay_database_config){.max = 1, .pool_timeout = 1000});
    other = open_another();
    exec("select 1");
    slow = query("select pg_sleep(0.2)");
    submit(&slow);
    ask = query(PID);
    submit_in(other, &ask);
    nap(20);
    for (int i = 0; i < 2; i++) {
        give_up(&ask);
        submit_in(other, &ask);
    }
    give_up(&ask);
    wait_all();
    forget(&slow);
    assert_true(number(PID) > 0);
    inlay_lane_close(other);
    close_lane();
}

/* It has the place that one waits for, and nobody has told it so. */
static void test_a_lane_that_begins_later_gives_its_turn(void **state)
{
    struct inlay_lane *first, *last;
    struct inlay_hold *hold;
    struct ask early, late;

    (void)state;
    open_lane((struct inlay_database_config){.max = 1, .pool_timeout = 1000});
    first = open_another();
    late = make(INLAY_ORDER_BEGIN, "", NULL);
    submit_in(first, &late);
    wait_all();
    hold = late.order.hold;
    early = query(PID);
    submit(&early);
    nap(20);
    last = open_another();
    inlay_lane_close(first);
    inlay_hold_release(hold);
    late = query(PID);
    submit_in(last, &late);
    wait_all();
    assert_ok(&late);
    forget(&late);
    assert_ok(&early);
    forget(&early);
    inlay_lane_close(last);
    close_lane();
}

/* --- Many lanes ----------------------------------------------------------- */

#define LANES 4
#define ROUNDS 150
#define DEPTH 6

struct busy {
    pthread_t thread;
    struct inlay_loop loop;
    struct inlay_lane *lane;
    struct ask asks[DEPTH];
    int left, under_way, failures;
    atomic_bool is_ready;
    int64_t most;
    struct inlay_later again;
};

#define COUNT                                                                  \
    "select count(*) from pg_stat_activity where backend_type = 'client "      \
    "backend' and application_name = 'inlay'"

static void on_busy_done(struct inlay_order *order);

static void submit_busy(struct busy *busy, struct ask *ask, bool begins)
{
    *ask = begins ? make(INLAY_ORDER_BEGIN, "", NULL) : query(COUNT);
    ask->order.arg = busy;
    ask->order.on_done = on_busy_done;
    busy->under_way++;
    busy->left--;
    inlay_database_submit(test.database, busy->lane, &ask->order);
}

static void on_busy_again(struct inlay_later *later)
{
    struct busy *busy = inlay_container_of(later, struct busy, again);

    for (int i = 0; i < DEPTH; i++)
        if (busy->asks[i].done && busy->left > 0) {
            busy->asks[i].done = false;
            submit_busy(busy, &busy->asks[i], busy->left % 5 == 0);
        }
    if (!busy->under_way)
        atomic_store(&busy->is_ready, true);
}

static void on_busy_done(struct inlay_order *order)
{
    struct busy *busy = order->arg;
    struct ask *ask = inlay_container_of(order, struct ask, order);

    busy->under_way--;
    ask->done = true;
    if (order->failure.kind)
        busy->failures++;
    else if (order->kind == INLAY_ORDER_BEGIN)
        inlay_hold_release(order->hold);
    else
        busy->most = inlay_max(busy->most, value(ask, 0, 0).integer);
    forget(ask);
    inlay_loop_later(&busy->loop, &busy->again);
}

static void *run_busy(void *arg)
{
    struct busy *busy = arg;

    inlay_list_init(&busy->again.node);
    busy->again.run = on_busy_again;
    assert_null(inlay_loop_init(&busy->loop));
    assert_null(inlay_lane_open(test.database, &busy->loop, &busy->lane));
    for (int i = 0; i < DEPTH; i++)
        busy->asks[i].done = true;
    inlay_loop_later(&busy->loop, &busy->again);
    inlay_loop_run(&busy->loop);
    inlay_lane_close(busy->lane);
    return NULL;
}

static void check_busy(uint32_t max)
{
    static struct busy busy[LANES];

    open_both((struct inlay_database_config){.max = max});
    /* The server may not have ended those of before yet. */
    while (number(COUNT) > 1)
        nap(5);
    for (int i = 0; i < LANES; i++) {
        busy[i] = (struct busy){.left = ROUNDS};
        assert_int_equal(
            pthread_create(&busy[i].thread, NULL, run_busy, &busy[i]), 0);
    }
    for (int i = 0; i < LANES; i += atomic_load(&busy[i].is_ready)) {
        struct far far;

        assert_in_range(number(COUNT), 1, max);
        do_far(&far, make(INLAY_ORDER_BEGIN, "", NULL));
        assert_ok(&far.ask);
        inlay_hold_release(far.ask.order.hold);
    }
    for (int i = 0; i < LANES; i++) {
        inlay_loop_stop(&busy[i].loop);
        pthread_join(busy[i].thread, NULL);
        inlay_loop_deinit(&busy[i].loop);
        assert_int_equal(busy[i].failures, 0);
        assert_in_range(busy[i].most, 1, max);
    }
    assert_true(number(PID) > 0);
    close_both();
}

static void test_many_lanes_have_one_limit(void **state)
{
    (void)state;
    check_busy(4);
    check_busy(1);
    check_busy(7);
}

/* --- Rows ----------------------------------------------------------------- */

#define MANY "select repeat('x', 1000) from generate_series(1, 300000)"

static void test_too_many_rows_are_an_error_of_their_statement(void **state)
{
    struct inlay_pg_database *pg;
    struct ask many, others[4];
    struct inlay_hold *hold;

    (void)state;
    pg = open_both((struct inlay_database_config){.max = 1});
    pg->rows_most = 1 << 20;
    exec("select 1");
    others[0] = query(PID);
    submit(&others[0]);
    many = query(MANY);
    submit(&many);
    for (int i = 1; i < 4; i++) {
        others[i] = query(PID);
        submit(&others[i]);
    }
    wait_all();
    assert_int_equal(many.order.failure.kind, INLAY_INTERNAL);
    assert_non_null(strstr(many.order.failure.text, "more than 1 MiB"));
    assert_non_null(strstr(many.order.failure.text, "inlay_each"));
    assert_null(many.order.rows);
    for (int i = 0; i < 4; i++) {
        assert_true(value(&others[i], 0, 0).integer > 0);
        forget(&others[i]);
    }
    /* Just as many are fine, however long they take. */
    many = query("select repeat('x', 1000), pg_sleep(case when i % 50 = 0 then "
                 "0.005 else 0 end)::text from generate_series(1, 900) i");
    do_ask(&many);
    assert_ok(&many);
    assert_int_equal(many.order.rows->nrows, 900);
    forget(&many);
    hold = begin();
    many = make(INLAY_ORDER_QUERY, MANY, hold);
    do_ask(&many);
    assert_int_equal(many.order.failure.kind, INLAY_INTERNAL);
    inlay_hold_release(hold);
    assert_true(number(PID) > 0);
    assert_int_equal(stat_of(&test.database->own_stats.connected), 1);
    close_both();
}

/* The request comes when the statement that it is for has ended. */
static void test_a_neighbour_that_is_cancelled_is_asked_again(void **state)
{
    struct inlay_hold *hold;
    struct inlay_pg_connection *connection;
    struct ask ask;
    char sql[100];

    (void)state;
    open_both((struct inlay_database_config){.max = 2});
    hold = begin();
    exec_in("select 1", hold);
    int64_t pid = number(PID);
    connection =
        inlay_container_of(inlay_pg_lane_of(test.lane)->connections.prev,
                           struct inlay_pg_connection, node);
    assert_int_equal(connection->use, INLAY_PG_FREE);
    ask = query("select pg_backend_pid()::int4 from pg_sleep(0.3)");
    for (int i = 0; i < 2; i++) {
        ask.order.keep = i == 1;
        submit(&ask);
        connection->cancels = 1;
        nap(50);
        snprintf(sql, sizeof(sql), "select pg_cancel_backend(%d)", (int)pid);
        struct ask cancel = make(INLAY_ORDER_QUERY, sql, hold);
        submit(&cancel);
        wait_all();
        assert_ok(&cancel);
        forget(&cancel);
        assert_int_equal(value(&ask, 0, 0).integer, pid);
        forget(&ask);
    }
    /* Once is enough: it is somebody else's wish. */
    submit(&ask);
    nap(50);
    exec_in(sql, hold);
    wait_all();
    assert_int_equal(ask.order.failure.kind, INLAY_TIMEOUT);
    inlay_hold_release(hold);
    close_both();
}

/* --- Cancelling ----------------------------------------------------------- */

static int count_threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    int count = 0;

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static int count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* None is left to be opened. Returns how many there may be otherwise. */
static struct rlimit use_up_descriptors(void)
{
    struct rlimit before, none;
    int free_one = dup(0);

    assert_true(free_one > 3);
    close(free_one);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)free_one;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    return before;
}

/* The server's first process, which takes new connections. */
static pid_t postmaster(void)
{
    char path[300], line[32] = "";

    copy_text(path, sizeof(path),
              inlay_str_from(getenv("INLAY_TEST_PG_CONTROL")));
    char *slash = strrchr(path, '/');
    assert_non_null(slash);
    snprintf(slash, sizeof(path) - (size_t)(slash - path),
             "/data/postmaster.pid");
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file));
    fclose(file);
    return (pid_t)strtol(line, NULL, 10);
}

static void test_a_request_to_cancel_that_is_not_answered_ends(void **state)
{
    struct inlay_pg_database *pg;
    struct inlay_hold *hold;
    struct rlimit limit;
    struct ask ask;
    int threads, descriptors;
    pid_t pid = postmaster();

    (void)state;
    assert_true(pid > 0);
    pg = open_both((struct inlay_database_config){.max = 1});
    pg->cancel_ms = 100;
    hold = begin();
    exec_in("select 1", hold);
    nap(20); /* the thread that has connected ends */
    threads = count_threads();
    descriptors = count_descriptors();
    ask = make(INLAY_ORDER_QUERY, "select pg_sleep(1)", hold);
    submit(&ask);
    nap(20);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    give_up(&ask);
    inlay_hold_release(hold);
    nap(30);
    assert_true(count_threads() > threads);
    limit = use_up_descriptors();
    ask = query(PID);
    do_ask(&ask); /* once the statement has ended by itself */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_ok(&ask);
    forget(&ask);
    nap(150);
    assert_int_equal(count_threads(), threads);
    assert_int_equal(count_descriptors(), descriptors);
    assert_int_equal(kill(pid, SIGCONT), 0);
    assert_int_equal(stat_of(&test.database->own_stats.connected), 1);
    close_both();
}

int test_pg_pool(void)
{
    const struct CMUnitTest pool[] = {
        cmocka_unit_test(test_the_only_connection_goes_to_whoever_asks),
        cmocka_unit_test(test_a_lane_that_is_always_busy_gives_its_turn),
        cmocka_unit_test(test_a_lane_of_transactions_gives_its_turn),
        cmocka_unit_test(test_waiting_for_another_lane_has_an_end),
        cmocka_unit_test(test_idle_connections_are_everybodys),
        cmocka_unit_test(test_nothing_waits_behind_a_slow_one),
        cmocka_unit_test(test_hope_has_an_end),
        cmocka_unit_test(test_a_promise_that_nobody_needs_any_more_ends),
        cmocka_unit_test(test_a_lane_that_begins_later_gives_its_turn),
        cmocka_unit_test(test_many_lanes_have_one_limit),
        cmocka_unit_test(test_too_many_rows_are_an_error_of_their_statement),
        cmocka_unit_test(test_a_neighbour_that_is_cancelled_is_asked_again),
        cmocka_unit_test(test_a_request_to_cancel_that_is_not_answered_ends),
    };

    return cmocka_run_group_tests(pool, NULL, NULL);
}
