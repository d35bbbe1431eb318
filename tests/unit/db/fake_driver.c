#include "unit/db/fake_driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macros.h"
#include "base/mem.h"

#include "base/banned.h"

/* --- The driver ----------------------------------------------------------- */

struct fake_lane {
    struct inlay_lane base;
    struct inlay_later later;
    struct inlay_list orders;
};

struct fake_hold {
    struct inlay_hold base;
};

_Atomic(int) opened, closed, lanes_made, lanes_begun, lanes_ended, released,
    given_up, failed;
pthread_t released_on;

static struct inlay_error *fake_open(struct inlay_database *database)
{
    if (strstr(database->config.url.ptr, "wrong"))
        return inlay_error_create(INLAY_ERROR_VALUE, "a wrong URL");
    database->impl = database;
    opened++;
    return NULL;
}

static void fake_close(struct inlay_database *database)
{
    assert_int_equal(database->nlanes, 0);
    closed++;
}

static struct inlay_lane *fake_lane_create(struct inlay_database *database)
{
    struct fake_lane *lane = inlay_calloc(1, sizeof(*lane));

    (void)database;
    lanes_made++;
    return &lane->base;
}

static void do_one(struct fake_lane *lane, struct inlay_order *order)
{
    if (order->kind == INLAY_ORDER_BEGIN || order->kind == INLAY_ORDER_OPEN) {
        struct fake_hold *hold = inlay_calloc(1, sizeof(*hold));
        hold->base.database = lane->base.database;
        hold->base.lane = &lane->base;
        order->hold = &hold->base;
    }
    if (inlay_str_is(order->sql, "bad"))
        inlay_failure_set(&order->failure, INLAY_CONFLICT, "bad");
    inlay_order_done(order);
}

static void run_orders(struct inlay_later *later)
{
    struct fake_lane *lane = inlay_container_of(later, struct fake_lane, later);

    inlay_list_for_each (node, &lane->orders) {
        inlay_list_remove(node);
        do_one(lane, inlay_list_entry(node, struct inlay_order, node));
    }
}

static void fake_lane_begin(struct inlay_lane *base)
{
    struct fake_lane *lane = (struct fake_lane *)base;

    assert_non_null(base->loop);
    inlay_list_init(&lane->orders);
    inlay_list_init(&lane->later.node);
    lane->later.run = run_orders;
    lanes_begun++;
}

static void fake_lane_destroy(struct inlay_lane *base)
{
    struct fake_lane *lane = (struct fake_lane *)base;

    inlay_list_for_each (node, &lane->orders) {
        struct inlay_order *order =
            inlay_list_entry(node, struct inlay_order, node);
        inlay_list_remove(node);
        inlay_failure_set(&order->failure, INLAY_UNAVAILABLE, "ended");
        inlay_order_done(order);
    }
    inlay_list_remove(&lane->later.node);
    lanes_ended++;
    inlay_free(lane);
}

static void fake_submit(struct inlay_lane *base, struct inlay_order *order)
{
    struct fake_lane *lane = (struct fake_lane *)base;

    assert_true(pthread_equal(base->thread, pthread_self()));
    assert_ptr_equal(order->lane, base);
    inlay_list_init(&order->node);
    inlay_list_append(&lane->orders, &order->node);
    inlay_loop_later(base->loop, &lane->later);
}

static void fake_give_up(struct inlay_lane *lane, struct inlay_order *order)
{
    (void)lane;
    inlay_list_remove(&order->node);
    given_up++;
}

static void fake_release(struct inlay_hold *hold)
{
    released_on = pthread_self();
    inlay_free(hold);
    released++; /* last: others wait for it */
}

static const struct inlay_driver fake = {
    .name = "fake",
    .open = fake_open,
    .close = fake_close,
    .lane_create = fake_lane_create,
    .lane_begin = fake_lane_begin,
    .lane_destroy = fake_lane_destroy,
    .submit = fake_submit,
    .give_up = fake_give_up,
    .release = fake_release,
};
static const struct inlay_driver fake_pg = {.name = "postgresql",
                                            .open = fake_open,
                                            .close = fake_close};
static const struct inlay_driver fake_sqlite = {.name = "sqlite",
                                                .open = fake_open,
                                                .close = fake_close};

/* --- Helpers -------------------------------------------------------------- */

int set_up(void **state)
{
    (void)state;
    inlay_databases_driver(&fake);
    inlay_databases_driver(&fake_pg);
    inlay_databases_driver(&fake_sqlite);
    opened = closed = lanes_made = lanes_begun = lanes_ended = released =
        given_up = failed = 0;
    return 0;
}

int tear_down(void **state)
{
    (void)state;
    inlay_databases_forget();
    assert_int_equal(opened, closed);
    assert_int_equal(lanes_made, lanes_ended);
    return 0;
}

struct inlay_error *configure_as(const char *name, const char *url)
{
    struct inlay_database_config config = {.name = inlay_str_from(name),
                                           .url = inlay_str_from(url)};

    return inlay_databases_configure(&config);
}

struct inlay_database *need(const char *name)
{
    struct inlay_database *database;

    assert_null(inlay_database_find(inlay_str_from(name), &database));
    return database;
}

struct inlay_database *a_database(void)
{
    assert_null(configure_as("", "fake://here"));
    return need("");
}

void assert_error(struct inlay_error *error, const char *part)
{
    assert_non_null(error);
    assert_int_equal(error->code, INLAY_ERROR_VALUE);
    if (!strstr(error->message, part))
        fail_msg("\"%s\" is not in \"%s\"", part, error->message);
    inlay_error_destroy(error);
}

static void on_asked(struct inlay_order *order)
{
    struct asked *asked = order->arg;

    assert_true(order->is_done);
    asked->done_on = pthread_self();
    sem_post(&asked->done);
}

void asked_init(struct asked *asked, enum inlay_order_kind kind)
{
    *asked = (struct asked){
        .order = {.kind = kind, .on_done = on_asked, .arg = asked}};
    sem_init(&asked->done, 0, 0);
}

void asked_wait(struct asked *asked)
{
    while (sem_wait(&asked->done) != 0)
        continue;
    sem_destroy(&asked->done);
}

void ask(struct inlay_database *database, struct asked *asked)
{
    inlay_database_submit(database, NULL, &asked->order);
    asked_wait(asked);
}

uint64_t counted(const struct inlay_db_stats *stats)
{
    uint64_t sum = 0;

    for (int i = 0; i < INLAY_DB_BUCKETS; i++)
        sum += atomic_load(&stats->buckets[i]);
    return sum;
}

/* An I/O thread with a lane. */
