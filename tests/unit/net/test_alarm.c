/* Deadlines of many lengths ring in their order, once, and not too early. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net/alarm.h"
#include "net/loop.h"

#include "base/banned.h"

#define COUNT 500

struct ringing {
    struct inlay_loop loop;
    struct inlay_alarm alarms[COUNT], last;
    uint64_t rung[COUNT]; /* when; 0: not */
    uint64_t latest;      /* due of the one before */
    int count;
};

static struct ringing *ringing;

static void on_ring(struct inlay_alarm *alarm)
{
    assert_false(alarm->is_set);
    assert_true(alarm->due >= ringing->latest);
    assert_true(inlay_clock_ms() >= alarm->due);
    ringing->latest = alarm->due;
    ringing->rung[alarm - ringing->alarms] = inlay_clock_ms();
    ringing->count++;
}

static void on_last(struct inlay_alarm *alarm)
{
    (void)alarm;
    inlay_loop_stop(&ringing->loop);
}

static void test_order(void **state)
{
    uint64_t from = inlay_clock_ms();
    unsigned seed = 1;
    int stopped = 0;

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        ringing->alarms[i].on_ring = on_ring;
        seed = seed * 1103515245 + 12345;
        inlay_alarm_set(&ringing->loop, &ringing->alarms[i], (seed >> 16) % 50);
    }
    for (int i = 0; i < COUNT; i += 3) { /* anew, then not at all */
        inlay_alarm_set(&ringing->loop, &ringing->alarms[i], 10);
        if (i % 2 == 0)
            continue;
        inlay_alarm_stop(&ringing->loop, &ringing->alarms[i]);
        inlay_alarm_stop(&ringing->loop, &ringing->alarms[i]);
        stopped++;
    }
    ringing->last.on_ring = on_last;
    inlay_alarm_set(&ringing->loop, &ringing->last, 60);
    inlay_loop_run(&ringing->loop);
    assert_true(inlay_clock_ms() - from >= 60);
    assert_int_equal(ringing->count, COUNT - stopped);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(ringing->rung[i] == 0, i % 3 == 0 && i % 2 == 1);
    assert_null(ringing->loop.alarms);
}

static void on_again(struct inlay_alarm *alarm)
{
    if (++ringing->count < 5)
        inlay_alarm_set(&ringing->loop, alarm, 0);
    else
        inlay_loop_stop(&ringing->loop);
}

/* Others have their turn: never in the same tick. */
static void test_again(void **state)
{
    uint64_t from = inlay_clock_ms();

    (void)state;
    ringing->last.on_ring = on_again;
    inlay_alarm_set(&ringing->loop, &ringing->last, 0);
    inlay_loop_run(&ringing->loop);
    assert_int_equal(ringing->count, 5);
    assert_true(inlay_clock_ms() - from >= 4);
}

static int setup(void **state)
{
    (void)state;
    ringing = calloc(1, sizeof(*ringing));
    assert_non_null(ringing);
    return inlay_loop_init(&ringing->loop) ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    inlay_loop_deinit(&ringing->loop);
    free(ringing);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_again, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
