#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/macros.h"
#include "net/loop.h"

#include "base/banned.h"

#define POSTERS 3
#define POSTS 3000

struct fixture {
    struct inlay_loop loop;
    int count;
};

static int set_up(void **state)
{
    static struct fixture fixture;

    fixture.count = 0;
    assert_null(inlay_loop_init(&fixture.loop));
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    inlay_loop_deinit(&((struct fixture *)*state)->loop);
    return 0;
}

/* --- Mail ---------------------------------------------------------------- */

struct letter {
    struct inlay_mail mail;
    struct fixture *fixture;
    struct letter *again; /* posted back to its thread when it was read */
    atomic_bool read;
    int number, *last;
};

static void on_letter(struct inlay_mail *mail)
{
    struct letter *letter = inlay_container_of(mail, struct letter, mail);

    assert_int_equal(letter->number, *letter->last + 1); /* FIFO */
    *letter->last = letter->number;
    letter->fixture->count++;
    if (letter->fixture->count == POSTERS * POSTS)
        inlay_loop_stop(&letter->fixture->loop);
    atomic_store(&letter->read, true);
}

struct poster {
    pthread_t thread;
    struct fixture *fixture;
    struct letter letters[8];
    int last;
};

static void *post_many(void *arg)
{
    struct poster *poster = arg;

    for (int i = 0; i < POSTS; i++) {
        struct letter *letter = &poster->letters[i % 8];
        while (!atomic_load(&letter->read))
            sched_yield();
        atomic_store(&letter->read, false);
        letter->number = i + 1;
        inlay_loop_post(&poster->fixture->loop, &letter->mail);
        if (i % 500 == 0)
            usleep(2000); /* so that the loop falls asleep */
    }
    return NULL;
}

static void test_mail_of_threads(void **state)
{
    struct fixture *fixture = *state;
    static struct poster posters[POSTERS];

    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.fixture = fixture};
        for (int j = 0; j < 8; j++) {
            struct letter *letter = &posters[i].letters[j];
            letter->mail.on_receive = on_letter;
            letter->fixture = fixture;
            letter->last = &posters[i].last;
            atomic_init(&letter->read, true);
        }
        pthread_create(&posters[i].thread, NULL, post_many, &posters[i]);
    }
    inlay_loop_run(&fixture->loop);
    for (int i = 0; i < POSTERS; i++)
        pthread_join(posters[i].thread, NULL);
    assert_int_equal(fixture->count, POSTERS * POSTS);
}

static void on_self_mail(struct inlay_mail *mail)
{
    struct letter *letter = inlay_container_of(mail, struct letter, mail);

    if (++letter->fixture->count == 5)
        inlay_loop_stop(&letter->fixture->loop);
    else
        inlay_loop_post(&letter->fixture->loop, mail);
}

/* Mail to oneself, from within a letter, does not wait for a wake-up. */
static void test_mail_to_self(void **state)
{
    struct fixture *fixture = *state;
    struct letter letter = {.mail = {.on_receive = on_self_mail},
                            .fixture = fixture};

    inlay_loop_post(&fixture->loop, &letter.mail);
    inlay_loop_run(&fixture->loop);
    assert_int_equal(fixture->count, 5);
}

static void *stop_later(void *arg)
{
    usleep(20000);
    inlay_loop_stop(arg);
    return NULL;
}

static void test_stop_of_thread(void **state)
{
    struct fixture *fixture = *state;
    pthread_t thread;

    pthread_create(&thread, NULL, stop_later, &fixture->loop);
    inlay_loop_run(&fixture->loop);
    pthread_join(thread, NULL);
}

/* --- Timers -------------------------------------------------------------- */

struct alarm {
    struct inlay_timer timer;
    struct fixture *fixture;
    int order;
};

static void on_alarm(struct inlay_timer *timer)
{
    struct alarm *alarm = inlay_container_of(timer, struct alarm, timer);

    assert_true(inlay_list_empty(&timer->node));
    alarm->order = ++alarm->fixture->count;
}

static void on_last_alarm(struct inlay_timer *timer)
{
    on_alarm(timer);
    inlay_loop_stop(
        &inlay_container_of(timer, struct alarm, timer)->fixture->loop);
}

static void test_timers(void **state)
{
    struct fixture *fixture = *state;
    struct inlay_loop *loop = &fixture->loop;
    struct inlay_timer_queue quick, slow, never;
    struct alarm alarms[5] = {0};

    for (int i = 0; i < 5; i++) {
        inlay_timer_init(&alarms[i].timer);
        alarms[i].fixture = fixture;
    }
    inlay_timer_queue_init(loop, &slow, 60, on_last_alarm);
    inlay_timer_queue_init(loop, &quick, 20, on_alarm);
    inlay_timer_queue_init(loop, &never, 0, on_alarm);
    uint64_t from = loop->now; /* what timers count from */
    inlay_timer_start(loop, &slow, &alarms[0].timer);
    inlay_timer_start(loop, &quick, &alarms[1].timer);
    inlay_timer_start(loop, &quick, &alarms[2].timer);
    inlay_timer_start(loop, &quick, &alarms[1].timer); /* anew: now last */
    inlay_timer_start(loop, &quick, &alarms[3].timer);
    inlay_timer_stop(&alarms[3].timer);
    inlay_timer_start(loop, &quick, &alarms[4].timer);
    inlay_timer_start(loop, &never, &alarms[4].timer); /* out of the other */
    inlay_loop_run(loop);
    assert_true(inlay_clock_ms() - from >= 60);
    assert_int_equal(alarms[2].order, 1);
    assert_int_equal(alarms[1].order, 2);
    assert_int_equal(alarms[0].order, 3);
    assert_int_equal(alarms[3].order, 0);
    assert_int_equal(alarms[4].order, 0);
}

/* --- Later --------------------------------------------------------------- */

struct work {
    struct inlay_later later;
    struct fixture *fixture;
    struct work *also;
    int runs, most;
};

static void on_work(struct inlay_later *later)
{
    struct work *work = inlay_container_of(later, struct work, later);

    work->fixture->count++;
    if (++work->runs < work->most)
        inlay_loop_later(&work->fixture->loop, later);
    if (work->also) {
        inlay_loop_later(&work->fixture->loop, &work->also->later);
        inlay_loop_later(&work->fixture->loop, &work->also->later);
    }
}

static void on_readable(struct inlay_watch *watch, uint32_t events)
{
    assert_int_equal(events & EPOLLIN, EPOLLIN);
    close(watch->fd);
    watch->fd = -1;
    watch->events = 0; /* closing has removed it */
}

/* Work that adds itself for ever does not keep the sockets from being read. */
static void test_later_does_not_starve(void **state)
{
    struct fixture *fixture = *state;
    struct work endless = {.fixture = fixture, .most = 10000};
    struct work twice = {.fixture = fixture};
    struct work first = {.fixture = fixture, .also = &twice};
    struct inlay_watch watch = {.on_event = on_readable};
    struct inlay_timer_queue queue;
    struct alarm alarm = {.fixture = fixture};
    int pipes[2];

    assert_int_equal(pipe(pipes), 0);
    watch.fd = pipes[0];
    assert_int_equal(inlay_loop_watch(&fixture->loop, &watch, EPOLLIN), 0);
    assert_int_equal(write(pipes[1], "x", 1), 1);
    endless.later.run = twice.later.run = first.later.run = on_work;
    inlay_list_init(&endless.later.node);
    inlay_list_init(&twice.later.node);
    inlay_list_init(&first.later.node);
    inlay_timer_init(&alarm.timer);
    inlay_timer_queue_init(&fixture->loop, &queue, 50, on_last_alarm);
    inlay_timer_start(&fixture->loop, &queue, &alarm.timer);
    inlay_loop_later(&fixture->loop, &endless.later);
    inlay_loop_later(&fixture->loop, &first.later);
    inlay_loop_run(&fixture->loop);
    assert_int_equal(watch.fd, -1);
    assert_int_equal(first.runs, 1);
    assert_int_equal(twice.runs, 1);
    assert_int_equal(alarm.order, fixture->count);
    close(pipes[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_mail_of_threads, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_mail_to_self, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stop_of_thread, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_timers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_later_does_not_starve, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
