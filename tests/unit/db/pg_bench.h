/*
 * pg_bench.h - what the tests of the PostgreSQL driver share: a lane of this
 * thread on the server of with_postgres.sh, and what is asked of it.
 */
#ifndef TESTS_UNIT_DB_PG_BENCH_H
#define TESTS_UNIT_DB_PG_BENCH_H

#include "base/clock.h"
#include "base/macros.h"
#include "base/mem.h"
#include "db/database.h"
#include "net/alarm.h"
#include "net/loop.h"

struct ask {
    struct inlay_order order;
    bool done;
};

/* Of the test that runs. */
struct bench {
    struct inlay_loop loop;
    struct inlay_database *database;
    struct inlay_lane *lane;
    struct inlay_alarm guard, nap;
    int waiting; /* asks that are not done */
    bool is_late;
    int warnings;
    char warning[300]; /* the last one */
};
extern struct bench test;

/* As much of it as there is room for; ended by NUL. */
void copy_text(char *out, size_t size, struct inlay_str text);
/* `config` without a URL: it is the server's. */
void open_lane(struct inlay_database_config config);
void close_lane(void);
/* The loop, until it is stopped; fails if nobody does. */
void run(void);
/* Until all that was submitted is done. */
void wait_all(void);
/* The lane goes on meanwhile. */
void nap(uint64_t ms);
void submit(struct ask *ask);
void give_up(struct ask *ask);
struct ask make(enum inlay_order_kind kind,
                const char *sql,
                struct inlay_hold *hold);
struct ask query(const char *sql);
/* Submits it and waits. */
void do_ask(struct ask *ask);
void assert_ok(const struct ask *ask);
/* Its rows. */
void forget(struct ask *ask);
void exec_in(const char *sql, struct inlay_hold *hold);
void exec(const char *sql);
struct inlay_cell value(const struct ask *ask, size_t row, size_t column);
/* The integer that a statement gives. */
int64_t number_in(const char *sql, struct inlay_hold *hold);
int64_t number(const char *sql);
struct inlay_hold *begin(void);
void commit(struct inlay_hold *hold);
struct inlay_cell cell_int(int64_t integer);
struct inlay_cell cell_text(const char *text);
uint64_t stat_of(const _Atomic(uint64_t) *counter);
/* "start", "stop fast": of the server. */
void control(const char *what);

/* The groups, each in a file of its own; how many of its tests have failed. */
int test_pg_statements(void);
int test_pg_transactions(void);
int test_pg_rows(void);
int test_pg_failures(void);
int test_pg_listen(void);
int test_pg_pool(void);
int test_pg_sharing(void);
int test_pg_session(void);

#endif
