/* sqlite_bench.c - a lane on a file of SQLite, for tests. */
#include "sqlite_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/banned.h"

/* --- A database and a lane of this thread ---------------------------------- */

static char folder[] = "/tmp/inlay-sqlite-XXXXXX";
char file[64];
struct inlay_loop loop;
struct inlay_database *database;
struct inlay_lane *lane;
struct inlay_sqlite *sqlite;
int done;

void open_database(struct settings settings)
{
    char url[100];

    snprintf(url, sizeof(url), "sqlite:///%s", file);
    struct inlay_database_config config = {
        .url = inlay_str_from(settings.url ? settings.url : url),
        .max = settings.max ? settings.max : 10,
        .pool_timeout = settings.pool_timeout,
        .statement_timeout = settings.statement_timeout,
        .statements = settings.statements,
    };
    assert_null(inlay_databases_configure(&config));
    assert_null(inlay_database_find(INLAY_STR(""), &database));
    sqlite = database->impl;
    if (settings.busy_ms)
        sqlite->busy_ms = settings.busy_ms;
    if (settings.idle_ms)
        sqlite->idle_ms = settings.idle_ms;
    assert_null(inlay_loop_init(&loop));
    assert_null(inlay_lane_open(database, &loop, &lane));
}

void close_database(void)
{
    if (lane)
        inlay_lane_close(inlay_take(lane));
    inlay_loop_deinit(&loop);
    inlay_databases_forget();
    database = NULL;
}

void remove_file(void)
{
    char name[80];

    unlink(file);
    snprintf(name, sizeof(name), "%s-wal", file);
    unlink(name);
    snprintf(name, sizeof(name), "%s-shm", file);
    unlink(name);
}

int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(file, sizeof(file), "%s/test.db", folder);
    return 0;
}

int remove_folder(void **state)
{
    (void)state;
    remove_file();
    rmdir(folder);
    return 0;
}

int set_up(void **state)
{
    (void)state;
    remove_file();
    return 0;
}

uint64_t stat_of(const _Atomic(uint64_t) *counter)
{
    return atomic_load(counter);
}

/* --- Orders --------------------------------------------------------------- */

static void on_done(struct inlay_order *order)
{
    (void)order;
    done++;
    inlay_loop_stop(&loop);
}

void submit(struct inlay_order *order)
{
    order->on_done = on_done;
    inlay_database_submit(database, lane, order);
    assert_false(order->is_done);
}

void await(struct inlay_order *order)
{
    while (!order->is_done) {
        atomic_store(&loop.stopped, false);
        inlay_loop_run(&loop);
    }
}

void run(struct inlay_order *order)
{
    submit(order);
    await(order);
}

static void stop_loop(struct inlay_alarm *alarm)
{
    (void)alarm;
    inlay_loop_stop(&loop);
}

void spin(uint64_t ms)
{
    struct inlay_alarm alarm = {.on_ring = stop_loop};
    uint64_t until = inlay_clock_ms() + ms;

    while (inlay_clock_ms() < until) {
        inlay_alarm_set(&loop, &alarm, 1);
        atomic_store(&loop.stopped, false);
        inlay_loop_run(&loop);
        inlay_alarm_stop(&loop, &alarm);
    }
}

struct inlay_order make(const char *sql)
{
    return (struct inlay_order){
        .kind = INLAY_ORDER_QUERY, .sql = inlay_str_from(sql), .keep = true};
}

struct inlay_order make_with(const char *sql,
                             const struct inlay_cell *params,
                             size_t count)
{
    struct inlay_order order = make(sql);

    order.params = params;
    order.nparams = count;
    return order;
}

struct inlay_order of_kind(enum inlay_order_kind kind, struct inlay_hold *hold)
{
    return (struct inlay_order){.kind = kind, .hold = hold};
}

void assert_good(const struct inlay_order *order)
{
    if (order->failure.kind)
        fail_msg("failed: %s", order->failure.text);
}

void assert_failed(const struct inlay_order *order, int kind, const char *part)
{
    if (order->failure.kind != kind || !strstr(order->failure.text, part))
        fail_msg("kind %d, \"%s\"", order->failure.kind, order->failure.text);
    assert_null(order->rows);
    assert_true(inlay_utf8_valid(inlay_str_from(order->failure.text)));
}

int64_t exec_on(struct inlay_hold *hold, const char *sql)
{
    struct inlay_order order = make(sql);

    order.hold = hold;
    run(&order);
    assert_good(&order);
    inlay_rowset_destroy(order.rows);
    return order.changed;
}

int64_t exec(const char *sql)
{
    return exec_on(NULL, sql);
}

struct inlay_cell cell_of(const struct inlay_order *order,
                          size_t row,
                          size_t column)
{
    struct inlay_cell cell;

    assert_non_null(order->rows);
    assert_true(row < order->rows->nrows && column < order->rows->ncolumns);
    assert_null(order->rows->ops->cell(order->rows, row, column, NULL, &cell));
    return cell;
}

int64_t ask_on(struct inlay_hold *hold, const char *sql)
{
    struct inlay_order order = make(sql);

    order.hold = hold;
    run(&order);
    assert_good(&order);
    struct inlay_cell cell = cell_of(&order, 0, 0);
    assert_int_equal(cell.kind, INLAY_CELL_INT);
    inlay_rowset_destroy(order.rows);
    return cell.integer;
}

int64_t ask(const char *sql)
{
    return ask_on(NULL, sql);
}

void assert_fails(const char *sql, int kind, const char *part)
{
    struct inlay_order order = make(sql);

    run(&order);
    assert_failed(&order, kind, part);
}

struct inlay_hold *begin(void)
{
    struct inlay_order order = of_kind(INLAY_ORDER_BEGIN, NULL);

    run(&order);
    assert_good(&order);
    assert_non_null(order.hold);
    return order.hold;
}

void commit(struct inlay_hold *hold)
{
    struct inlay_order order = of_kind(INLAY_ORDER_COMMIT, hold);

    run(&order);
    assert_good(&order);
}

struct inlay_cell integer(int64_t value)
{
    return (struct inlay_cell){.kind = INLAY_CELL_INT, .integer = value};
}

struct inlay_cell text(const char *value)
{
    return (struct inlay_cell){.kind = INLAY_CELL_TEXT,
                               .text = inlay_str_from(value)};
}

/* --- Many rows ------------------------------------------------------------ */

struct inlay_cell *make_rows(void)
{
    struct inlay_cell *cells = inlay_calloc(ROWS * 2, sizeof(*cells));

    for (int i = 0; i < ROWS; i++) {
        cells[2 * i] = integer(i);
        cells[2 * i + 1] = text("name");
    }
    return cells;
}

struct inlay_order make_batch(const struct inlay_cell *cells)
{
    struct inlay_order order =
        make_with("insert into t (id, name) values ($1, $2)", cells, 2);

    order.kind = INLAY_ORDER_BATCH;
    order.sets = ROWS;
    return order;
}

struct inlay_order open_cursor(struct inlay_hold *hold, const char *sql)
{
    struct inlay_order order = make(sql);

    order.kind = INLAY_ORDER_OPEN;
    order.hold = hold;
    run(&order);
    assert_good(&order);
    assert_non_null(order.hold);
    assert_non_null(order.cursor);
    return order;
}
