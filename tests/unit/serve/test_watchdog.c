/* The watchdog: which calls are named, and how often. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/macros.h"
#include "serve/server.h"
#include "serve/watchdog.h"
#include "type/type.h"

#include "base/banned.h"

#define LIMIT 40 /* ms */

struct log {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    char last[2100];
    unsigned count;
};

static struct log messages = {PTHREAD_MUTEX_INITIALIZER,
                              PTHREAD_COND_INITIALIZER, "", 0};
static const struct inlay_func slow = {
    .name = INLAY_STR("slow"),
    .decl = {INLAY_STR("/app/fast.c"), 12},
};
static const struct inlay_func quick = {.name = INLAY_STR("quick")};

static void on_log(void *arg, enum inlay_log_level level, struct inlay_str text)
{
    struct log *log = arg;

    assert_int_equal(level, INLAY_LOG_WARNING);
    assert_true(text.len < sizeof(log->last));
    pthread_mutex_lock(&log->lock);
    memcpy(log->last, text.ptr, text.len);
    log->last[text.len] = '\0';
    log->count++;
    pthread_cond_signal(&log->cond);
    pthread_mutex_unlock(&log->lock);
}

static void wait_for_message(void)
{
    pthread_mutex_lock(&messages.lock);
    while (!messages.count)
        pthread_cond_wait(&messages.cond, &messages.lock);
    pthread_mutex_unlock(&messages.lock);
}

static unsigned count_messages(void)
{
    pthread_mutex_lock(&messages.lock);
    unsigned count = messages.count;
    pthread_mutex_unlock(&messages.lock);
    return count;
}

static struct inlay_server *serve(uint32_t limit)
{
    struct inlay_server_config config;
    struct inlay_server *server = NULL;

    inlay_server_config_default(&config);
    config.limits.watchdog = limit;
    config.io_threads = 2;
    config.log = (struct inlay_log){on_log, &messages, INLAY_LOG_INFO};
    messages.count = 0;
    assert_null(inlay_server_create(&config, &server));
    return server;
}

/* As an I/O thread does it: a call that takes so long. */
static void hold(struct inlay_busy *busy, unsigned ms)
{
    struct inlay_context context = {
        .what = INLAY_STR("GET /slow/{n}"),
        .func = &slow,
    };
    uint64_t end = inlay_clock_ms() + ms;

    inlay_busy_set(busy, &context);
    while (inlay_clock_ms() < end)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    inlay_busy_set(busy, NULL);
}

static void test_slow_call_is_named(void **state)
{
    struct inlay_server *server = serve(LIMIT);
    unsigned ms;

    (void)state;
    hold(&server->threads[1].busy, 4 * LIMIT);
    wait_for_message();
    static const char begin[] =
        "GET /slow/{n}: slow() at /app/fast.c:12 held I/O thread 1 for ";
    assert_memory_equal(messages.last, begin, sizeof(begin) - 1);
    ms = (unsigned)strtoul(messages.last + sizeof(begin) - 1, NULL, 10);
    assert_true(ms >= 2 * LIMIT);
    assert_non_null(strstr(messages.last, "INLAY_ASYNC(slow)"));
    inlay_server_destroy(server);
    assert_int_equal(messages.count, 1);
}

/* A call that never ends is named too, once. */
static void test_call_that_goes_on(void **state)
{
    struct inlay_server *server = serve(5);
    struct inlay_context context = {
        .what = INLAY_STR("GET /ever"),
        .func = &slow,
    };

    (void)state;
    inlay_busy_set(&server->threads[0].busy, &context);
    wait_for_message();
    assert_non_null(strstr(messages.last, "slow() at /app/fast.c:12 has held "
                                          "I/O thread 0 for "));
    assert_non_null(strstr(messages.last, " ms and still does; "));
    hold(&server->threads[1].busy, 20); /* within the second: not said */
    inlay_busy_set(&server->threads[0].busy, NULL);
    inlay_server_destroy(server);
    assert_int_equal(messages.count, 1);
}

/* Many short calls are no long one, whatever is seen of them. */
static void test_quick_calls_are_not_named(void **state)
{
    struct inlay_server *server = serve(LIMIT);
    struct inlay_busy *busy = &server->threads[0].busy;
    struct inlay_context outer = {
        .what = INLAY_STR("GET /quick"),
        .func = &quick,
    };
    struct inlay_context inner = outer, python = {.func = &quick};
    uint64_t end = inlay_clock_ms() + 5 * LIMIT;

    (void)state;
    while (inlay_clock_ms() < end) {
        inlay_busy_set(busy, &outer);
        inlay_busy_set(busy, &inner);
        inlay_busy_set(busy, &outer);
        inlay_busy_set(busy, NULL);
    }
    inlay_busy_set(busy, &python); /* for no request: none */
    assert_int_equal(atomic_load(&busy->turn) % 2, 0);
    inlay_server_destroy(server);
    assert_int_equal(messages.count, 0);
}

/* After a while without calls it has to be woken. */
static void test_it_sleeps_and_wakes(void **state)
{
    struct inlay_server *server = serve(4);
    struct inlay_busy *busy = &server->threads[0].busy;

    (void)state;
    for (int round = 0; round < 2; round++) {
        assert_true(atomic_load(&busy->asleep));
        hold(busy, 0);
        while (!atomic_load(&busy->asleep))
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    assert_int_equal(count_messages(), 0);
    hold(busy, 60);
    wait_for_message();
    inlay_server_destroy(server);
}

static void test_off(void **state)
{
    struct inlay_server *server = serve(0);

    (void)state;
    assert_null(server->watchdog);
    hold(&server->threads[0].busy, 30);
    inlay_server_destroy(server);
    assert_int_equal(messages.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_call_is_named),
        cmocka_unit_test(test_call_that_goes_on),
        cmocka_unit_test(test_quick_calls_are_not_named),
        cmocka_unit_test(test_it_sleeps_and_wakes),
        cmocka_unit_test(test_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
