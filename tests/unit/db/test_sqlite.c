/* The SQLite driver on real files: values, errors, transactions, cursors, and
 * what becomes of orders that nobody waits for any more. */
#include <fcntl.h>
#include <math.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "db/sqlite.h"

#include "base/banned.h"

/* --- A database and a lane of this thread ---------------------------------- */

static char folder[] = "/tmp/inlay-sqlite-XXXXXX";
static char file[64];
static struct inlay_loop loop;
static struct inlay_database *database;
static struct inlay_lane *lane;
static struct inlay_sqlite *sqlite;

/* What a test changes of the settings. */
struct settings {
    const char *url; /* NULL: the file */
    uint32_t max, pool_timeout, statement_timeout, statements, busy_ms, idle_ms;
};

static void open_database(struct settings settings)
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

static void close_database(void)
{
    if (lane)
        inlay_lane_close(inlay_take(lane));
    inlay_loop_deinit(&loop);
    inlay_databases_forget();
    database = NULL;
}

static void remove_file(void)
{
    char name[80];

    unlink(file);
    snprintf(name, sizeof(name), "%s-wal", file);
    unlink(name);
    snprintf(name, sizeof(name), "%s-shm", file);
    unlink(name);
}

static int set_up(void **state)
{
    (void)state;
    remove_file();
    return 0;
}

static uint64_t stat_of(const _Atomic(uint64_t) *counter)
{
    return atomic_load(counter);
}
#define STAT(name) stat_of(&atomic_load(&database->stats)->name)

/* --- Orders --------------------------------------------------------------- */

static int done; /* of those that were waited for */

static void on_done(struct inlay_order *order)
{
    (void)order;
    done++;
    inlay_loop_stop(&loop);
}

static void submit(struct inlay_order *order)
{
    order->on_done = on_done;
    inlay_database_submit(database, lane, order);
    assert_false(order->is_done);
}

static void await(struct inlay_order *order)
{
    while (!order->is_done) {
        atomic_store(&loop.stopped, false);
        inlay_loop_run(&loop);
    }
}

static void run(struct inlay_order *order)
{
    submit(order);
    await(order);
}

static void stop_loop(struct inlay_alarm *alarm)
{
    (void)alarm;
    inlay_loop_stop(&loop);
}

/* The loop runs for a while. */
static void spin(uint64_t ms)
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

static struct inlay_order make(const char *sql)
{
    return (struct inlay_order){
        .kind = INLAY_ORDER_QUERY, .sql = inlay_str_from(sql), .keep = true};
}

static struct inlay_order make_with(const char *sql,
                                    const struct inlay_cell *params,
                                    size_t count)
{
    struct inlay_order order = make(sql);

    order.params = params;
    order.nparams = count;
    return order;
}

static struct inlay_order of_kind(enum inlay_order_kind kind,
                                  struct inlay_hold *hold)
{
    return (struct inlay_order){.kind = kind, .hold = hold};
}

static void assert_good(const struct inlay_order *order)
{
    if (order->failure.kind)
        fail_msg("failed: %s", order->failure.text);
}

static void assert_failed(const struct inlay_order *order,
                          int kind,
                          const char *part)
{
    if (order->failure.kind != kind || !strstr(order->failure.text, part))
        fail_msg("kind %d, \"%s\"", order->failure.kind, order->failure.text);
    assert_null(order->rows);
    assert_true(inlay_utf8_valid(inlay_str_from(order->failure.text)));
}

/* A statement that works; its rows are not looked at. */
static int64_t exec_on(struct inlay_hold *hold, const char *sql)
{
    struct inlay_order order = make(sql);

    order.hold = hold;
    run(&order);
    assert_good(&order);
    inlay_rowset_destroy(order.rows);
    return order.changed;
}

static int64_t exec(const char *sql)
{
    return exec_on(NULL, sql);
}

static struct inlay_cell cell_of(const struct inlay_order *order,
                                 size_t row,
                                 size_t column)
{
    struct inlay_cell cell;

    assert_non_null(order->rows);
    assert_true(row < order->rows->nrows && column < order->rows->ncolumns);
    assert_null(order->rows->ops->cell(order->rows, row, column, NULL, &cell));
    return cell;
}

/* The integer that a statement gives. */
static int64_t ask_on(struct inlay_hold *hold, const char *sql)
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

static int64_t ask(const char *sql)
{
    return ask_on(NULL, sql);
}

static void assert_fails(const char *sql, int kind, const char *part)
{
    struct inlay_order order = make(sql);

    run(&order);
    assert_failed(&order, kind, part);
}

static struct inlay_hold *begin(void)
{
    struct inlay_order order = of_kind(INLAY_ORDER_BEGIN, NULL);

    run(&order);
    assert_good(&order);
    assert_non_null(order.hold);
    return order.hold;
}

static void commit(struct inlay_hold *hold)
{
    struct inlay_order order = of_kind(INLAY_ORDER_COMMIT, hold);

    run(&order);
    assert_good(&order);
}

static struct inlay_cell integer(int64_t value)
{
    return (struct inlay_cell){.kind = INLAY_CELL_INT, .integer = value};
}

static struct inlay_cell text(const char *value)
{
    return (struct inlay_cell){.kind = INLAY_CELL_TEXT,
                               .text = inlay_str_from(value)};
}

/* Runs for ever, more or less. */
#define ENDLESS                                                                \
    "with recursive n (i) as (select 1 union all select i + 1 from n) "        \
    "select count(*) from n"
#define NUMBERS(count)                                                         \
    "with recursive n (i) as (select 1 union all select i + 1 from n "         \
    "limit " count ") select i from n"

/* --- URLs and files ------------------------------------------------------- */

static void test_urls(void **state)
{
    static const struct {
        const char *url, *path;
    } cases[] = {
        {"sqlite:////srv/x.db", "/srv/x.db"},
        {"sqlite+aiosqlite:////srv/x y.db", "/srv/x y.db"},
        {"sqlite://", ":memory:"},
        {"sqlite:///:memory:", ":memory:"},
    };

    (void)state;
    for (size_t i = 0; i < inlay_array_size(cases); i++) {
        open_database((struct settings){.url = cases[i].url});
        assert_string_equal(sqlite->path, cases[i].path);
        close_database();
    }
    open_database((struct settings){.url = "sqlite:///x.db"});
    assert_int_equal(sqlite->path[0], '/');
    assert_non_null(strstr(sqlite->path, "/x.db"));
    close_database();
}

static void test_a_url_with_a_host_is_refused(void **state)
{
    struct inlay_database_config config = {.url = INLAY_STR("sqlite://x.db"),
                                           .max = 10};

    (void)state;
    struct inlay_error *error = inlay_databases_configure(&config);
    if (!error)
        error = inlay_database_find(INLAY_STR(""), &database);
    assert_non_null(error);
    inlay_error_destroy(error);
    inlay_databases_forget();
}

static void test_a_file_that_cannot_be_opened(void **state)
{
    (void)state;
    open_database(
        (struct settings){.url = "sqlite:////tmp/inlay-no-such-folder/x.db"});
    struct inlay_order order = make("select 1");
    run(&order);
    assert_failed(&order, INLAY_UNAVAILABLE, "/tmp/inlay-no-such-folder/x.db");
    assert_failed(&order, INLAY_UNAVAILABLE, "No such file");
    assert_true(STAT(failed) > 0);
    assert_int_equal(STAT(connections), 0);
    /* The next one tries again. */
    struct inlay_order open = of_kind(INLAY_ORDER_OPEN, NULL);
    open.sql = INLAY_STR("select 1");
    run(&open);
    assert_failed(&open, INLAY_UNAVAILABLE, "No such file");
    assert_null(open.hold);
    assert_int_equal(STAT(busy), 0);
    close_database();
}

static void test_a_file_that_is_no_database(void **state)
{
    char zeros[5000];
    int fd = open(file, O_WRONLY | O_CREAT, 0600);

    (void)state;
    memset(zeros, 'x', sizeof(zeros));
    assert_int_equal(write(fd, zeros, sizeof(zeros)), sizeof(zeros));
    close(fd);
    open_database((struct settings){0});
    assert_fails("select 1", INLAY_UNAVAILABLE, "not a database");
    close_database();
}

static void test_settings_of_connections(void **state)
{
    (void)state;
    open_database((struct settings){0});
    struct inlay_order order = make("pragma journal_mode");
    run(&order);
    assert_true(inlay_str_is(cell_of(&order, 0, 0).text, "wal"));
    inlay_rowset_destroy(order.rows);
    assert_int_equal(ask("pragma foreign_keys"), 1);
    assert_int_equal(ask("pragma query_only"), 1);
    struct inlay_hold *hold = begin();
    assert_int_equal(ask_on(hold, "pragma query_only"), 0);
    assert_int_equal(ask_on(hold, "pragma synchronous"), 1);
    inlay_hold_release(hold);
    close_database();
    /* The last connection has put the log into the file. */
    char name[80];
    snprintf(name, sizeof(name), "%s-wal", file);
    assert_int_equal(access(file, F_OK), 0);
    assert_int_not_equal(access(name, F_OK), 0);
}

/* --- Values --------------------------------------------------------------- */

static struct inlay_cell back(struct inlay_cell cell, const char *sql)
{
    static struct inlay_order order;

    inlay_rowset_destroy(order.rows);
    order = make_with(sql, &cell, 1);
    run(&order);
    assert_good(&order);
    struct inlay_cell result = cell_of(&order, 0, 0);
    /* Views of rows that go now are only looked at by their length. */
    static char copy[1000];
    if ((result.kind == INLAY_CELL_TEXT || result.kind == INLAY_CELL_BYTES ||
         result.kind == INLAY_CELL_JSON) &&
        result.text.len < sizeof(copy)) {
        memcpy(copy, result.text.ptr, result.text.len);
        result.text.ptr = copy;
    }
    inlay_rowset_destroy(order.rows);
    order.rows = NULL;
    return result;
}

static void assert_text(struct inlay_cell cell, const char *expected)
{
    assert_int_equal(cell.kind, INLAY_CELL_TEXT);
    assert_int_equal(cell.text.len, strlen(expected));
    assert_memory_equal(cell.text.ptr, expected, cell.text.len);
}

static void test_values_go_and_come_back(void **state)
{
    (void)state;
    open_database((struct settings){0});
    assert_int_equal(
        back((struct inlay_cell){.kind = INLAY_CELL_NULL}, "select $1").kind,
        INLAY_CELL_NULL);
    assert_int_equal(back(integer(INT64_MIN), "select $1").integer, INT64_MIN);
    assert_int_equal(back(integer(INT64_MAX), "select ?1").integer, INT64_MAX);
    assert_int_equal(back(integer(7), "select ?").integer, 7);
    struct inlay_cell real = {.kind = INLAY_CELL_REAL, .real = 0.1};
    assert_true(back(real, "select $1").real == 0.1);
    real.real = INFINITY;
    assert_true(isinf(back(real, "select $1").real));
    struct inlay_cell yes = {.kind = INLAY_CELL_BOOL, .boolean = true};
    assert_int_equal(back(yes, "select $1").integer, 1);
    assert_text(back(text("h\xc3\xa4 '; drop table x; --"), "select $1"),
                "h\xc3\xa4 '; drop table x; --");
    assert_text(back(text(""), "select $1"), "");
    struct inlay_cell bytes = {.kind = INLAY_CELL_BYTES,
                               .text = inlay_str_make("a\0\xff", 3)};
    struct inlay_cell got = back(bytes, "select $1");
    assert_int_equal(got.kind, INLAY_CELL_BYTES);
    assert_int_equal(got.text.len, 3);
    assert_memory_equal(got.text.ptr, "a\0\xff", 3);
    bytes.text = inlay_str_make(NULL, 0);
    assert_int_equal(back(bytes, "select $1").kind, INLAY_CELL_BYTES);
    struct inlay_cell uuid = {.kind = INLAY_CELL_UUID};
    uuid.uuid.bytes[0] = 0xf8;
    assert_text(back(uuid, "select $1"),
                "f8000000-0000-0000-0000-000000000000");
    struct inlay_cell json = {.kind = INLAY_CELL_JSON,
                              .text = INLAY_STR("{\"a\":1}")};
    assert_int_equal(back(json, "select $1 ->> 'a'").integer, 1);
    close_database();
}

static void test_moments_are_texts_that_compare(void **state)
{
    struct inlay_cell date = {.kind = INLAY_CELL_DATE, .date = {2024, 5, 1}};
    struct inlay_cell moment = {
        .kind = INLAY_CELL_DATETIME,
        .datetime = {1714557600123456, INLAY_NAIVE},
    };

    (void)state;
    open_database((struct settings){0});
    assert_text(back(date, "select $1"), "2024-05-01");
    assert_text(back(date, "select date($1, '+1 day')"), "2024-05-02");
    assert_text(back(moment, "select $1"), "2024-05-01 10:00:00.123456");
    moment.datetime.offset = 7200; /* the same moment, given elsewhere */
    assert_text(back(moment, "select $1"), "2024-05-01 10:00:00.123456+00:00");
    assert_text(back(moment, "select datetime($1)"), "2024-05-01 10:00:00");
    date.date.month = 13;
    struct inlay_order order = make_with("select $1", &date, 1);
    run(&order);
    assert_failed(&order, INLAY_INVALID, "$1 is a date that does not exist");
    close_database();
}

static void test_arrays_are_json(void **state)
{
    const struct inlay_cell elements[] = {
        integer(1),
        {.kind = INLAY_CELL_NULL},
        text("a\"b"),
        {.kind = INLAY_CELL_BOOL, .boolean = true},
        {.kind = INLAY_CELL_REAL, .real = 0.5},
        {.kind = INLAY_CELL_DATE, .date = {2024, 5, 1}},
    };
    struct inlay_cell array = {.kind = INLAY_CELL_ARRAY,
                               .elements = elements,
                               .nelements = inlay_array_size(elements)};

    (void)state;
    open_database((struct settings){0});
    assert_text(back(array, "select $1"),
                "[1,null,\"a\\\"b\",true,0.5,\"2024-05-01\"]");
    assert_int_equal(back(array, "select count(*) from json_each($1)").integer,
                     6);
    array.nelements = 0;
    assert_text(back(array, "select $1"), "[]");
    const struct inlay_cell bytes = {.kind = INLAY_CELL_BYTES,
                                     .text = INLAY_STR("x")};
    array.elements = &bytes;
    array.nelements = 1;
    struct inlay_order order = make_with("select $1", &array, 1);
    run(&order);
    assert_failed(&order, INLAY_INVALID, "no form for bytes");
    close_database();
}

static void test_values_that_sqlite_has_not(void **state)
{
    struct inlay_cell cells[2] = {integer(1), integer(-1)};

    (void)state;
    open_database((struct settings){0});
    cells[1].too_wide = true;
    struct inlay_order wide = make_with("select $1, $2", cells, 2);
    run(&wide);
    assert_failed(&wide, INLAY_OVERFLOW, "$2 is 18446744073709551615");
    cells[1] = (struct inlay_cell){.kind = INLAY_CELL_REAL, .real = NAN};
    struct inlay_order nan = make_with("select $1, $2", cells, 2);
    run(&nan);
    assert_failed(&nan, INLAY_INVALID, "$2 is NaN");
    close_database();
}

static void test_declared_types_decide(void **state)
{
    (void)state;
    open_database((struct settings){0});
    exec("create table t (yes BOOLEAN, doc json, word text)");
    exec("insert into t values (1, '[1]', 'w'), (2, 'null', null)");
    struct inlay_order order = make("select yes, doc, word, 1 from t");
    run(&order);
    assert_good(&order);
    assert_int_equal(order.rows->nrows, 2);
    assert_int_equal(cell_of(&order, 0, 0).kind, INLAY_CELL_BOOL);
    assert_true(cell_of(&order, 0, 0).boolean);
    assert_int_equal(cell_of(&order, 1, 0).kind, INLAY_CELL_INT);
    assert_int_equal(cell_of(&order, 0, 1).kind, INLAY_CELL_JSON);
    assert_int_equal(cell_of(&order, 0, 2).kind, INLAY_CELL_TEXT);
    assert_int_equal(cell_of(&order, 1, 2).kind, INLAY_CELL_NULL);
    assert_int_equal(cell_of(&order, 0, 3).kind, INLAY_CELL_INT);
    assert_true(inlay_str_is(order.rows->ops->name(order.rows, 0), "yes"));
    assert_true(inlay_str_is(order.rows->ops->name(order.rows, 3), "1"));
    inlay_rowset_destroy(order.rows);
    close_database();
}

static void test_text_that_is_not_utf8(void **state)
{
    struct inlay_cell cell;

    (void)state;
    open_database((struct settings){0});
    struct inlay_order order = make("select cast(x'ff' as text)");
    run(&order);
    assert_good(&order);
    const char *why = order.rows->ops->cell(order.rows, 0, 0, NULL, &cell);
    assert_non_null(why);
    assert_non_null(strstr(why, "not UTF-8"));
    inlay_rowset_destroy(order.rows);
    close_database();
}

static void test_parameters_by_number(void **state)
{
    const struct inlay_cell cells[] = {integer(1), integer(2), integer(3)};

    (void)state;
    open_database((struct settings){0});
    struct inlay_order order = make_with("select $3, $1, $2, $3, $1", cells, 3);
    run(&order);
    assert_good(&order);
    static const int expected[] = {3, 1, 2, 3, 1};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(cell_of(&order, 0, i).integer, expected[i]);
    inlay_rowset_destroy(order.rows);
    order = make_with("select $1", cells, 2);
    run(&order);
    assert_failed(&order, INLAY_INTERNAL, "wants 1 parameters and got 2");
    order = make_with("select $2", cells, 1);
    run(&order);
    assert_failed(&order, INLAY_INTERNAL, "wants 2 parameters and got 1");
    order = make_with("select :id", cells, 1);
    run(&order);
    assert_failed(&order, INLAY_INTERNAL, ":id has no number");
    close_database();
}

static void test_injections_are_stored_as_they_are(void **state)
{
    static const char *texts[] = {
        "'; drop table t; --",
        "\" or 1=1 --",
        "$1",
        "?",
        "x' || (select 1)",
        "/* */",
        "\\'; delete from t",
        "a;b\n--",
    };

    (void)state;
    open_database((struct settings){0});
    exec("create table t (id integer primary key, word text)");
    for (size_t i = 0; i < inlay_array_size(texts); i++) {
        struct inlay_cell cell = text(texts[i]);
        struct inlay_order order =
            make_with("insert into t (word) values ($1)", &cell, 1);
        run(&order);
        assert_good(&order);
        order = make_with("select word from t where word = $1", &cell, 1);
        run(&order);
        assert_good(&order);
        assert_text(cell_of(&order, 0, 0), texts[i]);
        inlay_rowset_destroy(order.rows);
    }
    assert_int_equal(ask("select count(*) from t"), inlay_array_size(texts));
    close_database();
}

/* --- Statements ----------------------------------------------------------- */

static void test_changed_rows(void **state)
{
    (void)state;
    open_database((struct settings){0});
    assert_int_equal(exec("create table t (id integer primary key)"), 0);
    assert_int_equal(exec("insert into t values (1), (2), (3)"), 3);
    assert_int_equal(exec("update t set id = id + 10 where id > 1"), 2);
    assert_int_equal(exec("create table other (id)"), 0);
    assert_int_equal(exec("update t set id = 0 where id = 99"), 0);
    assert_int_equal(exec("select * from t"), 0);
    struct inlay_order order =
        make("insert into t values (7), (8) returning id * 2 as twice");
    run(&order);
    assert_good(&order);
    assert_int_equal(order.changed, 2);
    assert_int_equal(order.rows->nrows, 2);
    assert_int_equal(cell_of(&order, 1, 0).integer, 16);
    assert_true(inlay_str_is(order.rows->ops->name(order.rows, 0), "twice"));
    inlay_rowset_destroy(order.rows);
    assert_int_equal(exec("delete from t"), 5);
    order = make("drop table other");
    run(&order);
    assert_good(&order);
    assert_null(order.rows);
    order = make("select * from t");
    run(&order);
    assert_non_null(order.rows); /* without rows it has columns */
    assert_int_equal(order.rows->nrows, 0);
    assert_int_equal(order.rows->ncolumns, 1);
    inlay_rowset_destroy(order.rows);
    close_database();
}

static void test_errors_have_their_kinds(void **state)
{
    (void)state;
    open_database((struct settings){0});
    exec("create table t (id integer primary key, name text not null unique "
         "check (length(name) < 5))");
    exec("create table s (id integer references t (id), n int) ");
    exec("create table strict_one (n int) strict");
    exec("insert into t values (1, 'a')");
    assert_fails("insert into t values (1, 'b')", INLAY_CONFLICT, "t.id");
    assert_fails("insert into t values (2, 'a')", INLAY_CONFLICT, "t.name");
    assert_fails("insert into s values (9, 1)", INLAY_CONFLICT, "FOREIGN KEY");
    exec("create table r (id integer references t (id) on delete restrict)");
    exec("insert into r values (1)");
    assert_fails("delete from t", INLAY_CONFLICT, "FOREIGN KEY");
    assert_fails("insert into t values (3, null)", INLAY_INVALID, "NOT NULL");
    assert_fails("insert into t values (3, 'aaaaaaa')", INLAY_INVALID, "CHECK");
    assert_fails("insert into t values ('x', 'c')", INLAY_INVALID, "mismatch");
    assert_fails("insert into strict_one values ('x')", INLAY_INVALID, "INT");
    assert_fails("select zeroblob(2000000000)", INLAY_INVALID, "too big");
    assert_fails("select * from no_table", INLAY_INTERNAL, "no such table");
    assert_fails("select '\xc3\xa4\xc3\xa4', selct 1", INLAY_INTERNAL,
                 "syntax error at character 20");
    assert_fails("select 1; drop table t", INLAY_INTERNAL,
                 "second at character 11");
    assert_fails(" -- nothing\n", INLAY_INTERNAL, "no SQL statement");
    assert_fails("select '\xff', '", INLAY_INTERNAL, "unrecognized token");
    assert_int_equal(ask("select 1 ; -- behind\n /* it */ ;"), 1);
    struct inlay_order nul = make("");
    nul.sql = inlay_str_make("select 1\0; drop", 15);
    run(&nul);
    assert_failed(&nul, INLAY_INTERNAL, "NUL");
    assert_int_equal(ask("select count(*) from t"), 1);
    close_database();
}

static void test_statements_are_kept_and_bounded(void **state)
{
    char sql[64];

    (void)state;
    open_database((struct settings){.statements = 8, .max = 1});
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 20; i++) {
            snprintf(sql, sizeof(sql), "select %d", i);
            assert_int_equal(ask(sql), i);
        }
    assert_int_equal(sqlite->connections[0].nstatements, 8);
    struct inlay_order once = make("select 99");
    once.keep = false;
    run(&once);
    inlay_rowset_destroy(once.rows);
    assert_int_equal(ask("select 19"), 19);
    assert_int_equal(sqlite->connections[0].nstatements, 8);
    close_database();
    open_database((struct settings){.statements = UINT32_MAX, .max = 1});
    assert_int_equal(ask("select 1"), 1);
    assert_int_equal(sqlite->connections[0].nstatements, 0);
    close_database();
}

static void test_a_kept_statement_sees_a_new_schema(void **state)
{
    (void)state;
    open_database((struct settings){0});
    exec("create table t (a)");
    exec("insert into t values (1)");
    assert_int_equal(ask("select * from t"), 1);
    exec("alter table t add column b text default 'x'");
    for (int i = 0; i < 2; i++) {
        struct inlay_order order = make("select * from t");
        run(&order);
        assert_good(&order);
        assert_int_equal(order.rows->ncolumns, 2);
        assert_true(inlay_str_is(order.rows->ops->name(order.rows, 1), "b"));
        inlay_rowset_destroy(order.rows);
    }
    close_database();
}

static void test_rows_are_bounded(void **state)
{
    (void)state;
    open_database((struct settings){0});
    sqlite->rows_most = 1 << 20;
    assert_fails(NUMBERS("1000000"), INLAY_INTERNAL, "inlay_each");
    assert_fails("select zeroblob(2000000)", INLAY_INTERNAL, "inlay_each");
    assert_int_equal(ask("select length(zeroblob(2000000))"), 2000000);
    close_database();
}

static void test_a_statement_that_takes_too_long(void **state)
{
    (void)state;
    open_database((struct settings){.statement_timeout = 50});
    uint64_t begun = inlay_clock_ms();
    assert_fails(ENDLESS, INLAY_TIMEOUT, "50 ms");
    assert_true(inlay_clock_ms() - begun < 5000);
    exec("create table t (i)");
    assert_fails("insert into t " ENDLESS, INLAY_TIMEOUT, "50 ms");
    assert_int_equal(ask("select count(*) from t"), 0);
    close_database();
}

static void test_transactions_in_statements_are_refused(void **state)
{
    (void)state;
    open_database((struct settings){0});
    assert_fails("begin", INLAY_INTERNAL, "use inlay_begin");
    assert_fails("begin immediate", INLAY_INTERNAL, "use inlay_begin");
    assert_fails("savepoint x", INLAY_INTERNAL, "use inlay_begin");
    exec("create table t (id)");
    assert_int_equal(ask("select count(*) from t"), 0);
    close_database();
}

static void test_in_memory(void **state)
{
    (void)state;
    open_database((struct settings){.url = "sqlite://"});
    exec("create table t (id)");
    exec("insert into t values (1)");
    struct inlay_hold *hold = begin();
    exec_on(hold, "insert into t values (2)");
    assert_int_equal(ask_on(hold, "select count(*) from t"), 2);
    /* The only connection is taken. */
    struct inlay_order waits = make("select count(*) from t");
    submit(&waits);
    spin(50);
    assert_false(waits.is_done);
    inlay_hold_release(hold);
    await(&waits);
    assert_int_equal(cell_of(&waits, 0, 0).integer, 1);
    inlay_rowset_destroy(waits.rows);
    assert_int_equal(STAT(connections), 1);
    close_database();
}

/* --- Transactions --------------------------------------------------------- */

static void test_commit_keeps_and_release_rolls_back(void **state)
{
    (void)state;
    open_database((struct settings){0});
    exec("create table t (id)");
    struct inlay_hold *hold = begin();
    assert_int_equal(STAT(held), 1);
    assert_int_equal(exec_on(hold, "insert into t values (1)"), 1);
    assert_int_equal(ask_on(hold, "select count(*) from t"), 1);
    assert_int_equal(ask("select count(*) from t"), 0); /* others */
    commit(hold);
    assert_int_equal(ask("select count(*) from t"), 1);
    inlay_hold_release(hold);
    hold = begin();
    exec_on(hold, "delete from t");
    exec_on(hold, "savepoint a");
    exec_on(hold, "insert into t values (5)");
    exec_on(hold, "rollback to a");
    assert_int_equal(ask_on(hold, "select count(*) from t"), 0);
    inlay_hold_release(hold);
    assert_int_equal(ask("select count(*) from t"), 1);
    exec("insert into t values (2)");
    assert_int_equal(STAT(held), 0);
    close_database();
}

static void test_writers_wait_and_readers_do_not(void **state)
{
    (void)state;
    open_database((struct settings){0});
    exec("create table t (id)");
    exec("insert into t values (0)"); /* known to write from here on */
    struct inlay_hold *hold = begin();
    exec_on(hold, "insert into t values (1)");
    struct inlay_order writes[5], other = of_kind(INLAY_ORDER_BEGIN, NULL);
    for (int i = 0; i < 5; i++) {
        writes[i] = make("insert into t values (0)");
        submit(&writes[i]);
    }
    submit(&other);
    for (int i = 0; i < 50; i++)
        assert_int_equal(ask("select count(*) from t"), 1);
    for (int i = 0; i < 5; i++)
        assert_false(writes[i].is_done);
    assert_true(STAT(waits) >= 6);
    assert_int_equal(STAT(waiting), 6);
    commit(hold);
    assert_false(writes[0].is_done);
    inlay_hold_release(hold);
    for (int i = 0; i < 5; i++) {
        await(&writes[i]);
        assert_good(&writes[i]);
    }
    await(&other);
    assert_good(&other);
    assert_int_equal(ask_on(other.hold, "select count(*) from t"), 7);
    inlay_hold_release(other.hold);
    close_database();
}

static void test_writers_do_not_wait_for_ever(void **state)
{
    (void)state;
    open_database((struct settings){.pool_timeout = 100});
    exec("create table t (id)");
    struct inlay_hold *hold = begin();
    struct inlay_order first = of_kind(INLAY_ORDER_BEGIN, NULL);
    submit(&first);
    spin(30);
    struct inlay_order second = make("insert into t values (1)");
    submit(&second);
    await(&first);
    assert_failed(&first, INLAY_UNAVAILABLE, "100 ms");
    assert_null(first.hold);
    assert_false(second.is_done);
    await(&second);
    assert_failed(&second, INLAY_UNAVAILABLE, "one writer");
    assert_int_equal(STAT(timeouts), 2);
    assert_int_equal(STAT(waiting), 0);
    /* Its owner is not affected. */
    exec_on(hold, "insert into t values (2)");
    commit(hold);
    inlay_hold_release(hold);
    assert_int_equal(ask("select count(*) from t"), 1);
    close_database();
}

static void test_a_transaction_that_sqlite_ended(void **state)
{
    (void)state;
    open_database((struct settings){0});
    exec("create table t (id integer primary key)");
    exec("insert into t values (1)");
    struct inlay_hold *hold = begin();
    exec_on(hold, "insert into t values (2)");
    struct inlay_order order = make("insert or rollback into t values (1)");
    order.hold = hold;
    run(&order);
    assert_failed(&order, INLAY_CONFLICT, "t.id");
    /* Alone it would be committed at once. */
    order = make("insert into t values (3)");
    order.hold = hold;
    run(&order);
    assert_failed(&order, INLAY_INTERNAL, "has ended already");
    order = of_kind(INLAY_ORDER_COMMIT, hold);
    run(&order);
    assert_failed(&order, INLAY_INTERNAL, "has ended already");
    inlay_hold_release(hold);
    assert_int_equal(ask("select count(*) from t"), 1);
    close_database();
}

static void test_a_commit_that_fails(void **state)
{
    (void)state;
    open_database((struct settings){0});
    exec("create table t (id integer primary key)");
    exec("create table s (id integer references t (id) deferrable initially "
         "deferred)");
    struct inlay_hold *hold = begin();
    exec_on(hold, "insert into s values (1)");
    struct inlay_order order = of_kind(INLAY_ORDER_COMMIT, hold);
    run(&order);
    assert_failed(&order, INLAY_CONFLICT, "FOREIGN KEY");
    exec_on(hold, "insert into t values (1)");
    order = of_kind(INLAY_ORDER_COMMIT, hold);
    run(&order);
    assert_good(&order);
    inlay_hold_release(hold);
    assert_int_equal(ask("select count(*) from s"), 1);
    close_database();
}

static void test_orders_that_need_a_hold(void **state)
{
    static const enum inlay_order_kind kinds[] = {
        INLAY_ORDER_COMMIT, INLAY_ORDER_SCRIPT, INLAY_ORDER_FETCH,
        INLAY_ORDER_CLOSE};

    (void)state;
    open_database((struct settings){0});
    for (size_t i = 0; i < inlay_array_size(kinds); i++) {
        struct inlay_order order = of_kind(kinds[i], NULL);
        order.sql = INLAY_STR("select 1");
        run(&order);
        assert_failed(&order, INLAY_INTERNAL, "needs a transaction");
    }
    close_database();
}

/* --- Another process ------------------------------------------------------ */

/* A child that writes in the file until it gets a byte. */
static pid_t lock_file(int *end_ret)
{
    int ready[2], end[2];
    char byte = 0;

    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(end), 0);
    pid_t child = fork();
    if (child == 0) {
        sqlite3 *db;
        int status = sqlite3_open(file, &db);

        status |= sqlite3_exec(db, "begin exclusive", NULL, NULL, NULL);
        byte = status ? 'n' : 'y';
        if (write(ready[1], &byte, 1) != 1 || read(end[0], &byte, 1) != 1)
            _exit(1);
        sqlite3_exec(db, "commit", NULL, NULL, NULL);
        sqlite3_close(db);
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    close(ready[0]);
    close(ready[1]);
    close(end[0]);
    *end_ret = end[1];
    return child;
}

static void unlock_file(pid_t child, int end)
{
    int status;

    assert_int_equal(write(end, "x", 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(end);
}

static void test_another_process_holds_the_lock(void **state)
{
    int end;

    (void)state;
    open_database((struct settings){.busy_ms = 150});
    exec("create table t (id)");
    close_database();
    pid_t child = lock_file(&end);
    open_database((struct settings){.busy_ms = 150});
    uint64_t begun = inlay_clock_ms();
    struct inlay_order order = make("insert into t values (1)");
    run(&order);
    assert_failed(&order, INLAY_UNAVAILABLE, "locked");
    assert_true(order.failure.may_retry);
    assert_true(inlay_clock_ms() - begun >= 140);
    struct inlay_order transaction = of_kind(INLAY_ORDER_BEGIN, NULL);
    run(&transaction);
    assert_failed(&transaction, INLAY_UNAVAILABLE, "locked");
    assert_true(transaction.failure.may_retry);
    assert_int_equal(ask("select count(*) from t"), 0); /* WAL */
    /* It waits, and gets through. */
    sqlite->busy_ms = 20000;
    order = make("insert into t values (1)");
    submit(&order);
    spin(50);
    assert_false(order.is_done);
    unlock_file(child, end);
    await(&order);
    assert_good(&order);
    close_database();
}

static void test_give_up_while_another_process_holds_the_lock(void **state)
{
    int end;

    (void)state;
    open_database((struct settings){.busy_ms = 20000});
    exec("create table t (id)");
    close_database();
    pid_t child = lock_file(&end);
    open_database((struct settings){.busy_ms = 20000});
    struct inlay_order order = make("insert into t values (1)");
    submit(&order);
    spin(50);
    uint64_t begun = inlay_clock_ms();
    inlay_database_give_up(&order);
    close_database();
    assert_true(inlay_clock_ms() - begun < 5000);
    assert_false(order.is_done);
    unlock_file(child, end);
}

/* What SQLite knows of locks is wrong there. */
static void test_a_fork_does_not_touch_a_file_that_was_open(void **state)
{
    int status;

    (void)state;
    open_database((struct settings){0});
    exec("create table t (id)");
    pid_t child = fork();
    if (child == 0) {
        struct inlay_order order = make("select 1");

        open_database((struct settings){0});
        run(&order);
        _exit(order.failure.kind == INLAY_UNAVAILABLE &&
                      strstr(order.failure.text, "forked")
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    exec("insert into t values (1)");
    close_database();
    /* Nothing is open: a fork may. */
    child = fork();
    if (child == 0) {
        open_database((struct settings){0});
        _exit((int)ask("select count(*) from t"));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 1);
}

/* --- Many rows in ---------------------------------------------------------- */

#define ROWS 10000

static struct inlay_cell *make_rows(void)
{
    struct inlay_cell *cells = inlay_calloc(ROWS * 2, sizeof(*cells));

    for (int i = 0; i < ROWS; i++) {
        cells[2 * i] = integer(i);
        cells[2 * i + 1] = text("name");
    }
    return cells;
}

static struct inlay_order make_batch(const struct inlay_cell *cells)
{
    struct inlay_order order =
        make_with("insert into t (id, name) values ($1, $2)", cells, 2);

    order.kind = INLAY_ORDER_BATCH;
    order.sets = ROWS;
    return order;
}

static void test_a_batch_is_all_or_none(void **state)
{
    struct inlay_cell *cells = make_rows();

    (void)state;
    open_database((struct settings){0});
    exec("create table t (id integer primary key, name text)");
    struct inlay_order order = make_batch(cells);
    run(&order);
    assert_good(&order);
    assert_int_equal(order.changed, ROWS);
    assert_int_equal(ask("select count(*) from t"), ROWS);
    exec("delete from t where id <> 5000");
    order = make_batch(cells);
    run(&order);
    assert_failed(&order, INLAY_CONFLICT, "row 5001 of 10000: UNIQUE");
    assert_int_equal(order.changed, 0);
    assert_int_equal(ask("select count(*) from t"), 1);
    order = make_batch(cells);
    order.sets = 0;
    run(&order);
    assert_good(&order);
    assert_int_equal(order.changed, 0);
    exec("delete from t");
    struct inlay_hold *hold = begin();
    order = make_batch(cells);
    order.hold = hold;
    run(&order);
    assert_good(&order);
    assert_int_equal(ask_on(hold, "select count(*) from t"), ROWS);
    inlay_hold_release(hold);
    assert_int_equal(ask("select count(*) from t"), 0);
    close_database();
    inlay_free(cells);
}

static void test_copy(void **state)
{
    struct inlay_cell *cells = make_rows();

    (void)state;
    open_database((struct settings){0});
    exec("create table t (id integer primary key, name text, more int)");
    struct inlay_order order = make_batch(cells);
    order.kind = INLAY_ORDER_COPY;
    order.sql = INLAY_STR("t (id, name)");
    run(&order);
    assert_good(&order);
    assert_int_equal(order.changed, ROWS);
    assert_int_equal(ask("select sum(id) from t where name = 'name'"),
                     ROWS / 2 * (ROWS - 1));
    order.is_done = false;
    order.sql = INLAY_STR("no_table (id, name)");
    run(&order);
    assert_failed(&order, INLAY_INTERNAL, "no such table");
    close_database();
    inlay_free(cells);
}

static void run_script(struct inlay_hold *hold,
                       const char *sql,
                       struct inlay_order *order)
{
    *order = make(sql);
    order->kind = INLAY_ORDER_SCRIPT;
    order->hold = hold;
    run(order);
}

static void test_scripts(void **state)
{
    struct inlay_order order;

    (void)state;
    open_database((struct settings){0});
    struct inlay_hold *hold = begin();
    run_script(hold,
               "-- tables;\ncreate table t (id integer primary key);\n\n"
               "create trigger r after insert on t begin\n"
               "  delete from t where id = 99; end;\n"
               "insert into t values (1), (99); select * from t;\n/* end",
               &order);
    assert_good(&order);
    assert_null(order.rows);
    commit(hold);
    inlay_hold_release(hold);
    assert_int_equal(ask("select count(*) from t"), 1);
    hold = begin();
    run_script(hold,
               "insert into t values (2);\n\n-- it is there\n"
               "insert into t\n values (1);\nselect 1",
               &order);
    assert_failed(&order, INLAY_CONFLICT, "line 4: UNIQUE");
    run_script(hold, "insert into t values (3);\nselect 1,\n  no_column;\n",
               &order);
    assert_failed(&order, INLAY_INTERNAL, "line 3: no such column");
    run_script(hold, "insert into t values (4);\ncommit;\nselect 1", &order);
    assert_failed(&order, INLAY_INTERNAL, "line 2: the script ends");
    inlay_hold_release(hold);
    close_database();
}

/* --- Cursors -------------------------------------------------------------- */

static struct inlay_order open_cursor(struct inlay_hold *hold, const char *sql)
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

static struct inlay_order fetch(const struct inlay_order *cursor)
{
    struct inlay_order order = of_kind(INLAY_ORDER_FETCH, cursor->hold);

    order.cursor = cursor->cursor;
    run(&order);
    return order;
}

static void close_cursor(const struct inlay_order *cursor)
{
    struct inlay_order order = of_kind(INLAY_ORDER_CLOSE, cursor->hold);

    order.cursor = cursor->cursor;
    run(&order);
    assert_good(&order);
}

static void test_a_cursor_over_many_rows(void **state)
{
    int64_t next = 1;
    int fetches = 0;

    (void)state;
    open_database((struct settings){0});
    struct inlay_order cursor = open_cursor(NULL, NUMBERS("100000"));
    assert_int_equal(STAT(held), 1);
    for (bool more = true; more; fetches++) {
        struct inlay_order rows = fetch(&cursor);
        assert_good(&rows);
        assert_true(rows.rows->nrows <= INLAY_SQLITE_FETCH_ROWS);
        for (size_t i = 0; i < rows.rows->nrows; i++)
            assert_int_equal(cell_of(&rows, i, 0).integer, next++);
        more = rows.more;
        inlay_rowset_destroy(rows.rows);
        if (fetches == 3) /* others go on */
            exec("create table t (id)");
    }
    assert_int_equal(next, 100001);
    assert_true(fetches >= 100);
    struct inlay_order rows = fetch(&cursor);
    assert_good(&rows);
    assert_null(rows.rows);
    assert_false(rows.more);
    close_cursor(&cursor);
    assert_int_equal(STAT(held), 1); /* it stays one */
    inlay_hold_release(cursor.hold);
    exec("insert into t values (1)");
    assert_int_equal(STAT(held), 0);
    close_database();
}

static void test_a_fetch_is_bounded_in_bytes(void **state)
{
    (void)state;
    open_database((struct settings){0});
    struct inlay_order cursor = open_cursor(
        NULL, "with recursive n (i) as (select 1 union all select i + 1 from n "
              "limit 100) select zeroblob(50000) from n");
    struct inlay_order rows = fetch(&cursor);
    assert_good(&rows);
    assert_true(rows.more);
    assert_true(rows.rows->nrows >= 1 && rows.rows->nrows < 10);
    inlay_rowset_destroy(rows.rows);
    inlay_hold_release(cursor.hold); /* with the cursor open */
    close_database();
}

static void test_cursors_in_a_transaction(void **state)
{
    (void)state;
    open_database((struct settings){0});
    exec("create table t (id)");
    struct inlay_hold *hold = begin();
    exec_on(hold, "insert into t " NUMBERS("3000"));
    struct inlay_order one = open_cursor(hold, "select id from t order by id");
    struct inlay_order two = open_cursor(hold, "select id from t order by id");
    assert_ptr_equal(one.hold, hold);
    struct inlay_order rows = fetch(&one);
    assert_int_equal(rows.rows->nrows, 1000);
    inlay_rowset_destroy(rows.rows);
    rows = fetch(&two);
    assert_int_equal(cell_of(&rows, 0, 0).integer, 1);
    inlay_rowset_destroy(rows.rows);
    assert_int_equal(ask_on(hold, "select count(*) from t"), 3000);
    close_cursor(&two);
    rows = fetch(&one);
    assert_int_equal(cell_of(&rows, 0, 0).integer, 1001);
    inlay_rowset_destroy(rows.rows);
    commit(hold);
    rows = fetch(&one);
    assert_failed(&rows, INLAY_INTERNAL, "transaction has ended");
    inlay_hold_release(hold);
    assert_int_equal(ask("select count(*) from t"), 3000);
    close_database();
}

static void test_a_cursor_that_writes_has_the_writer(void **state)
{
    (void)state;
    open_database((struct settings){.pool_timeout = 100});
    exec("create table t (id)");
    for (int i = 0; i < 2; i++) { /* found out, then known */
        struct inlay_order cursor =
            open_cursor(NULL, "insert into t values (1) returning id");
        struct inlay_order rows = fetch(&cursor);
        assert_good(&rows);
        assert_int_equal(rows.rows->nrows, 1);
        inlay_rowset_destroy(rows.rows);
        assert_fails("insert into t values (2)", INLAY_UNAVAILABLE, "100 ms");
        inlay_hold_release(cursor.hold);
    }
    exec("insert into t values (2)");
    assert_int_equal(ask("select count(*) from t"), 3);
    close_database();
}

static void test_cursors_are_bounded(void **state)
{
    struct inlay_order cursors[INLAY_SQLITE_CURSORS];

    (void)state;
    open_database((struct settings){.pool_timeout = 5000});
    for (int i = 0; i < INLAY_SQLITE_CURSORS; i++) {
        cursors[i] = open_cursor(NULL, NUMBERS("5000"));
        struct inlay_order rows = fetch(&cursors[i]);
        assert_int_equal(rows.rows->nrows, 1000);
        inlay_rowset_destroy(rows.rows);
    }
    assert_int_equal(ask("select 1"), 1); /* they hold no thread */
    struct inlay_order waits = make("select 1");
    waits.kind = INLAY_ORDER_OPEN;
    submit(&waits);
    spin(30);
    assert_false(waits.is_done);
    inlay_hold_release(cursors[3].hold);
    await(&waits);
    assert_good(&waits);
    inlay_hold_release(waits.hold);
    for (int i = 0; i < INLAY_SQLITE_CURSORS; i++)
        if (i != 3)
            inlay_hold_release(cursors[i].hold);
    close_database();
}

static void test_an_error_within_a_cursor(void **state)
{
    (void)state;
    open_database((struct settings){0});
    struct inlay_order cursor = open_cursor(
        NULL, "with recursive n (i) as (select 1 union all select i + 1 from n "
              "limit 5000) select case when i > 2500 then json('{') else i end "
              "from n");
    int good = 0;
    struct inlay_order rows = fetch(&cursor);
    for (; !rows.failure.kind; rows = fetch(&cursor)) {
        inlay_rowset_destroy(rows.rows);
        assert_true(++good < 10);
    }
    assert_failed(&rows, INLAY_INTERNAL, "malformed JSON");
    assert_int_equal(good, 2);
    rows = fetch(&cursor);
    assert_good(&rows);
    assert_null(rows.rows);
    inlay_hold_release(cursor.hold);
    close_database();
}

/* --- Giving up ------------------------------------------------------------ */

/* Until a thread is busy with it. */
static void await_running(const struct inlay_order *order)
{
    const struct inlay_sqlite_job *job = order->driver;
    bool is_running = false;

    for (int i = 0; i < 5000 && !is_running; i++) {
        pthread_mutex_lock(&sqlite->lock);
        is_running = job->state == INLAY_SQLITE_RUNNING;
        pthread_mutex_unlock(&sqlite->lock);
        usleep(1000);
    }
    assert_true(is_running);
}

/* Until it is done, which the loop has not heard of. */
static void await_letter(const struct inlay_order *order)
{
    const struct inlay_sqlite_job *job = order->driver;
    bool is_there = false;

    for (int i = 0; i < 5000 && !is_there; i++) {
        pthread_mutex_lock(&sqlite->lock);
        is_there = job->state == INLAY_SQLITE_DONE;
        pthread_mutex_unlock(&sqlite->lock);
        usleep(1000);
    }
    assert_true(is_there);
}

static void test_give_up_while_it_waits(void **state)
{
    (void)state;
    open_database((struct settings){0});
    exec("create table t (id)");
    struct inlay_hold *hold = begin();
    struct inlay_order write = make("insert into t values (1)");
    struct inlay_order other = of_kind(INLAY_ORDER_BEGIN, NULL);
    submit(&write);
    submit(&other);
    spin(30);
    inlay_database_give_up(&write);
    inlay_database_give_up(&other);
    assert_int_equal(STAT(waiting), 0);
    inlay_hold_release(hold);
    spin(30);
    assert_false(write.is_done || other.is_done);
    assert_int_equal(ask("select count(*) from t"), 0);
    exec("insert into t values (2)"); /* the writer is free */
    close_database();
}

static void test_give_up_while_it_runs(void **state)
{
    (void)state;
    open_database((struct settings){.max = 2});
    struct inlay_order order = make(ENDLESS);
    submit(&order);
    await_running(&order);
    inlay_database_give_up(&order);
    memset(&order, 0xee, sizeof(order)); /* it is forgotten */
    /* The only reader is free again. */
    assert_int_equal(ask("select 1"), 1);
    assert_int_equal(STAT(cancelled), 1);
    close_database();
}

static void test_give_up_when_it_is_done(void **state)
{
    (void)state;
    open_database((struct settings){0});
    exec("create table t (id)");
    struct inlay_order order = make("select 1");
    submit(&order);
    await_letter(&order);
    inlay_database_give_up(&order);
    struct inlay_order transaction = of_kind(INLAY_ORDER_BEGIN, NULL);
    submit(&transaction);
    await_letter(&transaction);
    inlay_database_give_up(&transaction);
    struct inlay_order cursor = make("select 1");
    cursor.kind = INLAY_ORDER_OPEN;
    submit(&cursor);
    await_letter(&cursor);
    inlay_database_give_up(&cursor);
    spin(30);
    assert_false(order.is_done || transaction.is_done || cursor.is_done);
    exec("insert into t values (1)");
    assert_int_equal(STAT(held), 0);
    close_database();
}

/* A transaction that begins at the very moment when nobody wants it. */
static void test_give_up_of_begin_at_any_time(void **state)
{
    (void)state;
    open_database((struct settings){0});
    exec("create table t (id)");
    for (int i = 0; i < 300; i++) {
        struct inlay_order order = of_kind(INLAY_ORDER_BEGIN, NULL);
        struct inlay_order cursor = make("select 1");

        cursor.kind = INLAY_ORDER_OPEN;
        submit(&order);
        submit(&cursor);
        for (volatile int wait = i * 50; wait > 0;)
            wait = wait - 1;
        inlay_database_give_up(&order);
        inlay_database_give_up(&cursor);
    }
    exec("insert into t values (1)");
    for (int i = 0; i < 100 && STAT(held); i++)
        spin(5);
    assert_int_equal(STAT(held), 0);
    assert_int_equal(STAT(waiting), 0);
    close_database();
}

static void test_give_up_on_a_hold(void **state)
{
    (void)state;
    open_database((struct settings){0});
    exec("create table t (id)");
    struct inlay_hold *hold = begin();
    exec_on(hold, "insert into t values (1)");
    struct inlay_order order = make(ENDLESS);
    order.hold = hold;
    submit(&order);
    await_running(&order);
    inlay_database_give_up(&order);
    /* It is good for release alone. */
    struct inlay_order after = of_kind(INLAY_ORDER_COMMIT, hold);
    run(&after);
    assert_failed(&after, INLAY_INTERNAL, "cancelled");
    inlay_hold_release(hold);
    exec("insert into t values (2)");
    assert_int_equal(ask("select sum(id) from t"), 2);
    /* A FETCH. */
    struct inlay_order cursor = open_cursor(NULL, ENDLESS);
    order = of_kind(INLAY_ORDER_FETCH, cursor.hold);
    order.cursor = cursor.cursor;
    submit(&order);
    await_running(&order);
    inlay_database_give_up(&order);
    inlay_hold_release(cursor.hold);
    for (int i = 0; i < 100 && STAT(held); i++)
        spin(5);
    assert_int_equal(STAT(held), 0);
    close_database();
}

static void test_give_up_of_a_batch(void **state)
{
    struct inlay_cell *cells = make_rows();

    (void)state;
    open_database((struct settings){0});
    exec("create table t (id integer primary key, name text)");
    struct inlay_order order = make_batch(cells);
    order.sql =
        INLAY_STR("insert into t (name) select $2 from (" NUMBERS("100") ")");
    submit(&order);
    await_running(&order);
    inlay_database_give_up(&order);
    inlay_free(cells);
    exec("insert into t values (1, 'x')");
    assert_int_equal(ask("select count(*) from t"), 1);
    close_database();
}

static void test_a_lane_that_ends(void **state)
{
    struct inlay_order orders[12];

    (void)state;
    open_database((struct settings){0});
    exec("create table t (id)");
    struct inlay_hold *hold = begin();
    orders[0] = make(ENDLESS);
    orders[0].hold = hold;
    submit(&orders[0]);
    for (int i = 1; i < 12; i++) {
        orders[i] = make(i < 6 ? ENDLESS : "insert into t values (1)");
        submit(&orders[i]);
    }
    orders[11].kind = INLAY_ORDER_BEGIN;
    await_running(&orders[1]);
    done = 0;
    inlay_lane_close(inlay_take(lane)); /* the hold was not given back */
    assert_int_equal(done, 12);
    for (int i = 0; i < 12; i++) {
        assert_true(orders[i].is_done);
        assert_failed(&orders[i], INLAY_UNAVAILABLE, "closed");
    }
    uint64_t begun = inlay_clock_ms();
    close_database();
    assert_true(inlay_clock_ms() - begun < 5000);
}

/* --- Threads -------------------------------------------------------------- */

#define SUBMITTERS 8
#define EACH 100

static void post(struct inlay_order *order)
{
    sem_post(order->arg);
}

static void run_elsewhere(struct inlay_order *order, sem_t *sem)
{
    order->on_done = post;
    order->arg = sem;
    inlay_database_submit(database, NULL, order);
    while (sem_wait(sem) < 0)
        continue;
}

static void *submitter(void *arg)
{
    int *errors = arg;
    sem_t sem;

    sem_init(&sem, 0, 0);
    for (int i = 0; i < EACH; i++) {
        struct inlay_cell one = integer(1);
        struct inlay_order begins = of_kind(INLAY_ORDER_BEGIN, NULL);
        struct inlay_order write =
            make_with("update t set n = n + $1", &one, 1);
        struct inlay_order read = make("select n from t");

        if (i % 4 == 0) {
            run_elsewhere(&begins, &sem);
            write.hold = begins.hold;
        }
        run_elsewhere(&write, &sem);
        run_elsewhere(&read, &sem);
        if (i % 4 == 0 && begins.hold) {
            struct inlay_order commits =
                of_kind(INLAY_ORDER_COMMIT, begins.hold);
            run_elsewhere(&commits, &sem);
            *errors += commits.failure.kind != 0;
            inlay_hold_release(begins.hold);
        }
        *errors += begins.failure.kind || write.failure.kind ||
                   read.failure.kind || write.changed != 1 || !read.rows ||
                   read.rows->nrows != 1;
        inlay_rowset_destroy(read.rows);
    }
    sem_destroy(&sem);
    return NULL;
}

static void test_orders_of_many_threads(void **state)
{
    pthread_t threads[SUBMITTERS];
    int errors[SUBMITTERS] = {0};

    (void)state;
    open_database((struct settings){.pool_timeout = 60000});
    exec("create table t (n integer)");
    exec("insert into t values (0)");
    inlay_lane_close(inlay_take(lane));
    for (int i = 0; i < SUBMITTERS; i++)
        assert_int_equal(inlay_thread_start(&threads[i], submitter, &errors[i]),
                         0);
    for (int i = 0; i < SUBMITTERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(errors[i], 0);
    }
    sem_t sem;
    sem_init(&sem, 0, 0);
    struct inlay_order order = make("select n from t");
    run_elsewhere(&order, &sem);
    assert_int_equal(cell_of(&order, 0, 0).integer, SUBMITTERS * EACH);
    inlay_rowset_destroy(order.rows);
    sem_destroy(&sem);
    assert_true(STAT(connections) <= 1 + INLAY_SQLITE_READERS);
    close_database();
}

static unsigned threads_now(void)
{
    pthread_mutex_lock(&sqlite->lock);
    unsigned threads = sqlite->threads;
    pthread_mutex_unlock(&sqlite->lock);
    return threads;
}

static void test_threads_come_with_work_and_go_without(void **state)
{
    struct inlay_order orders[20];

    (void)state;
    open_database((struct settings){.idle_ms = 50});
    assert_int_equal(threads_now(), 0);
    exec("create table t (id)");
    for (int i = 0; i < 20; i++) {
        orders[i] = make("select sum(i) from (" NUMBERS("200000") ")");
        submit(&orders[i]);
    }
    assert_true(threads_now() <= 5);
    for (int i = 0; i < 20; i++) {
        await(&orders[i]);
        assert_good(&orders[i]);
        inlay_rowset_destroy(orders[i].rows);
    }
    for (int i = 0; i < 200 && threads_now(); i++)
        spin(10);
    assert_int_equal(threads_now(), 0);
    struct inlay_hold *hold = begin();
    for (int i = 0; i < 200 && threads_now(); i++)
        spin(10);
    /* Nobody is there, and the writer held: it waits for its turn. */
    struct inlay_order waits = make("insert into t values (1)");
    submit(&waits);
    spin(20);
    inlay_hold_release(hold);
    await(&waits);
    assert_good(&waits);
    close_database();
}

static void test_without_memory(void **state)
{
    (void)state;
    open_database((struct settings){0});
    struct inlay_cell cell = text("some text that is to be copied");
    for (int after = 0; after < 4; after++) {
        struct inlay_order order = make_with("select $1", &cell, 1);

        inlay_mem_fail_after(after);
        submit(&order);
        inlay_mem_fail_after(-1);
        await(&order);
        if (order.failure.kind)
            assert_failed(&order, INLAY_NO_MEMORY, "memory");
        else
            assert_true(after > 0);
        inlay_rowset_destroy(order.rows);
        struct inlay_order begins = of_kind(INLAY_ORDER_BEGIN, NULL);
        inlay_mem_fail_after(after);
        submit(&begins);
        inlay_mem_fail_after(-1);
        await(&begins);
        if (begins.failure.kind)
            assert_failed(&begins, INLAY_NO_MEMORY, "memory");
        else
            inlay_hold_release(begins.hold);
    }
    inlay_mem_fail_after(0);
    struct inlay_order dropped = make("select 1");
    submit(&dropped);
    inlay_mem_fail_after(-1);
    inlay_database_give_up(&dropped);
    spin(10);
    assert_false(dropped.is_done);
    close_database();
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_urls),
        TEST(test_a_url_with_a_host_is_refused),
        TEST(test_a_file_that_cannot_be_opened),
        TEST(test_a_file_that_is_no_database),
        TEST(test_settings_of_connections),
        TEST(test_values_go_and_come_back),
        TEST(test_moments_are_texts_that_compare),
        TEST(test_arrays_are_json),
        TEST(test_values_that_sqlite_has_not),
        TEST(test_declared_types_decide),
        TEST(test_text_that_is_not_utf8),
        TEST(test_parameters_by_number),
        TEST(test_injections_are_stored_as_they_are),
        TEST(test_changed_rows),
        TEST(test_errors_have_their_kinds),
        TEST(test_statements_are_kept_and_bounded),
        TEST(test_a_kept_statement_sees_a_new_schema),
        TEST(test_rows_are_bounded),
        TEST(test_a_statement_that_takes_too_long),
        TEST(test_transactions_in_statements_are_refused),
        TEST(test_in_memory),
        TEST(test_commit_keeps_and_release_rolls_back),
        TEST(test_writers_wait_and_readers_do_not),
        TEST(test_writers_do_not_wait_for_ever),
        TEST(test_a_transaction_that_sqlite_ended),
        TEST(test_a_commit_that_fails),
        TEST(test_orders_that_need_a_hold),
        TEST(test_another_process_holds_the_lock),
        TEST(test_give_up_while_another_process_holds_the_lock),
        TEST(test_a_fork_does_not_touch_a_file_that_was_open),
        TEST(test_a_batch_is_all_or_none),
        TEST(test_copy),
        TEST(test_scripts),
        TEST(test_a_cursor_over_many_rows),
        TEST(test_a_fetch_is_bounded_in_bytes),
        TEST(test_cursors_in_a_transaction),
        TEST(test_a_cursor_that_writes_has_the_writer),
        TEST(test_cursors_are_bounded),
        TEST(test_an_error_within_a_cursor),
        TEST(test_give_up_while_it_waits),
        TEST(test_give_up_while_it_runs),
        TEST(test_give_up_when_it_is_done),
        TEST(test_give_up_of_begin_at_any_time),
        TEST(test_give_up_on_a_hold),
        TEST(test_give_up_of_a_batch),
        TEST(test_a_lane_that_ends),
        TEST(test_orders_of_many_threads),
        TEST(test_threads_come_with_work_and_go_without),
        TEST(test_without_memory),
    };

    if (!mkdtemp(folder))
        return 1;
    snprintf(file, sizeof(file), "%s/test.db", folder);
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    remove_file();
    rmdir(folder);
    return status;
}
