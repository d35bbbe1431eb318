/*
 * sqlite_bench.h - what the tests of the SQLite driver share: a file in a folder
 * of its own, a lane of this thread, and what is asked of it.
 */
#ifndef TESTS_UNIT_DB_SQLITE_BENCH_H
#define TESTS_UNIT_DB_SQLITE_BENCH_H

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "db/sqlite.h"

/* Of the test that runs. */
extern char file[64];
extern struct inlay_loop loop;
extern struct inlay_database *database;
extern struct inlay_lane *lane;
extern struct inlay_sqlite *sqlite;
extern int done; /* orders that were waited for */

/* What a test changes of the settings. */
struct settings {
    const char *url; /* NULL: the file */
    uint32_t max, pool_timeout, statement_timeout, statements, busy_ms, idle_ms;
};

void open_database(struct settings settings);
void close_database(void);
void remove_file(void);
int set_up(void **state);
uint64_t stat_of(const _Atomic(uint64_t) *counter);
void submit(struct inlay_order *order);
void await(struct inlay_order *order);
void run(struct inlay_order *order);
/* The loop runs for a while. */
void spin(uint64_t ms);
struct inlay_order make(const char *sql);
struct inlay_order make_with(const char *sql,
                             const struct inlay_cell *params,
                             size_t count);
struct inlay_order of_kind(enum inlay_order_kind kind, struct inlay_hold *hold);
void assert_good(const struct inlay_order *order);
void assert_failed(const struct inlay_order *order, int kind, const char *part);
/* A statement that works; its rows are not looked at. */
int64_t exec_on(struct inlay_hold *hold, const char *sql);
int64_t exec(const char *sql);
struct inlay_cell cell_of(const struct inlay_order *order,
                          size_t row,
                          size_t column);
/* The integer that a statement gives. */
int64_t ask_on(struct inlay_hold *hold, const char *sql);
int64_t ask(const char *sql);
void assert_fails(const char *sql, int kind, const char *part);
struct inlay_hold *begin(void);
void commit(struct inlay_hold *hold);
struct inlay_cell integer(int64_t value);
struct inlay_cell text(const char *value);
struct inlay_cell *make_rows(void);
struct inlay_order make_batch(const struct inlay_cell *cells);
struct inlay_order open_cursor(struct inlay_hold *hold, const char *sql);

/* Of a group: the folder of its file. */
int make_folder(void **state);
int remove_folder(void **state);

#define TEST(name) cmocka_unit_test_setup(name, set_up)
#define STAT(name) stat_of(&atomic_load(&database->stats)->name)
#define ROWS 10000 /* of make_rows and make_batch */

/* Runs for ever, more or less. */
#define ENDLESS                                                                \
    "with recursive n (i) as (select 1 union all select i + 1 from n) "        \
    "select count(*) from n"
#define NUMBERS(count)                                                         \
    "with recursive n (i) as (select 1 union all select i + 1 from n "         \
    "limit " count ") select i from n"

#endif
