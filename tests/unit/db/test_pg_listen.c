/* The PostgreSQL driver: notifications. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "pg_bench.h"

#include "base/banned.h"

struct hearing {
    struct inlay_subscriber subscriber;
    int ready, failed, heard, gaps;
    char last[32];
    struct hearing *drops; /* at its next notification */
};

static void on_ready(struct inlay_subscriber *subscriber,
                     const struct inlay_failure *failure)
{
    struct hearing *hearing =
        inlay_container_of(subscriber, struct hearing, subscriber);

    *(failure ? &hearing->failed : &hearing->ready) += 1;
}

static void on_notification(struct inlay_subscriber *subscriber,
                            struct inlay_str payload,
                            bool gap)
{
    struct hearing *hearing =
        inlay_container_of(subscriber, struct hearing, subscriber);

    hearing->gaps += gap;
    if (!payload.ptr)
        return;
    hearing->heard++;
    copy_text(hearing->last, sizeof(hearing->last), payload);
    if (hearing->drops) {
        inlay_unlisten(test.lane, &hearing->drops->subscriber);
        hearing->drops = NULL;
    }
}

static void hear(struct hearing *hearing, const char *channel)
{
    memset(hearing, 0, sizeof(*hearing));
    hearing->subscriber.channel = inlay_str_from(channel);
    hearing->subscriber.on_ready = on_ready;
    hearing->subscriber.on_notification = on_notification;
    inlay_listen(test.lane, &hearing->subscriber);
}

static void nap_until(const int *counter, int count)
{
    for (int i = 0; i < 500 && *counter < count; i++)
        nap(10);
    assert_int_equal(*counter, count);
}

static void test_notifications(void **state)
{
    struct hearing one, two, other, late;

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    hear(&one, "Jobs \"x\"");
    hear(&two, "Jobs \"x\"");
    hear(&other, "other");
    nap_until(&other.ready, 1);
    assert_int_equal(one.ready, 1);
    assert_int_equal(two.ready, 1);
    exec("select pg_notify('Jobs \"x\"', 'first')");
    nap_until(&two.heard, 1);
    assert_int_equal(one.heard, 1);
    assert_string_equal(one.last, "first");
    assert_int_equal(other.heard, 0);
    /* One leaves while the other is told. */
    one.drops = &two;
    exec("select pg_notify('Jobs \"x\"', 'second')");
    nap_until(&one.heard, 2);
    assert_int_equal(two.heard, 1);
    hear(&late, "Jobs \"x\"");
    nap_until(&late.ready, 1);
    /* The connection is lost: those who have listened are told of a gap. */
    exec("select pg_terminate_backend(pid) from pg_stat_activity where "
         "query ilike '%listen %' and pid <> pg_backend_pid()");
    nap_until(&one.gaps, 1);
    assert_int_equal(late.gaps, 1);
    nap_until(&other.gaps, 1);
    exec("select pg_notify('Jobs \"x\"', 'third')");
    nap_until(&one.heard, 3);
    assert_string_equal(late.last, "third");
    inlay_unlisten(test.lane, &one.subscriber);
    inlay_unlisten(test.lane, &late.subscriber);
    nap(50);
    exec("select pg_notify('Jobs \"x\"', 'fourth')");
    exec("select pg_notify('other', 'fifth')");
    nap_until(&other.heard, 1);
    assert_int_equal(one.heard, 3);
    inlay_unlisten(test.lane, &other.subscriber);
    close_lane();
}

static void test_many_channels(void **state)
{
    static struct hearing hearings[200];
    static char names[200][16];

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    for (int i = 0; i < 200; i++) {
        snprintf(names[i], sizeof(names[i]), "c%d", i);
        hear(&hearings[i], names[i]);
    }
    for (int i = 0; i < 200; i++)
        nap_until(&hearings[i].ready, 1);
    exec("select pg_notify('c' || i, 'x') from generate_series(0, 199) i");
    for (int i = 0; i < 200; i++)
        nap_until(&hearings[i].heard, 1);
    for (int i = 0; i < 200; i++)
        inlay_unlisten(test.lane, &hearings[i].subscriber);
    nap(50);
    close_lane();
}

static void test_listening_fails_without_a_server(void **state)
{
    struct hearing one;

    (void)state;
    open_lane((struct inlay_database_config){.max = 1});
    control("stop fast");
    hear(&one, "jobs");
    nap_until(&one.failed, 1);
    assert_int_equal(one.ready, 0);
    control("start");
    nap(300);
    hear(&one, "jobs");
    for (int i = 0; i < 50 && !one.ready; i++) {
        nap(100);
        if (one.failed)
            hear(&one, "jobs");
    }
    assert_int_equal(one.ready, 1);
    close_lane();
}

int test_pg_listen(void)
{
    const struct CMUnitTest listen[] = {
        cmocka_unit_test(test_notifications),
        cmocka_unit_test(test_many_channels),
        cmocka_unit_test(test_listening_fails_without_a_server),
    };

    return cmocka_run_group_tests(listen, NULL, NULL);
}
