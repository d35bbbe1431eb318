/*
 * fake_driver.h - a driver that has no database behind it, for the tests of the
 * registry and its lanes: it does each order at the end of the tick.
 */
#ifndef TESTS_UNIT_DB_FAKE_DRIVER_H
#define TESTS_UNIT_DB_FAKE_DRIVER_H

#include <semaphore.h>

#include "db/database_inside.h"

/* What it was asked for, of "fake://…"; `failed` is the tests' own. */
extern _Atomic(int) opened, closed, lanes_made, lanes_begun, lanes_ended,
    released, given_up, failed;
extern pthread_t released_on;

/* An order of this thread that others do. */
struct asked {
    struct inlay_order order;
    sem_t done;
    pthread_t done_on;
};

/* Of a test: "fake", and the real drivers' names. */
int set_up(void **state);
int tear_down(void **state);

struct inlay_error *configure_as(const char *name, const char *url);
struct inlay_database *need(const char *name);
/* The default one, "fake://here". */
struct inlay_database *a_database(void);

/* It is a VALUE, and has `part` in its text; destroyed. */
void assert_error(struct inlay_error *error, const char *part);

void asked_init(struct asked *asked, enum inlay_order_kind kind);
void asked_wait(struct asked *asked);
/* Submits it without a lane, and waits. */
void ask(struct inlay_database *database, struct asked *asked);

/* Statements in all buckets. */
uint64_t counted(const struct inlay_db_stats *stats);

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
