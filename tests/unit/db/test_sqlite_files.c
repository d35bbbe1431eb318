/* The SQLite driver: URLs, files, and other processes that have them open. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sqlite_bench.h"

#include "base/banned.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_urls),
        TEST(test_a_url_with_a_host_is_refused),
        TEST(test_a_file_that_cannot_be_opened),
        TEST(test_a_file_that_is_no_database),
        TEST(test_settings_of_connections),
        TEST(test_another_process_holds_the_lock),
        TEST(test_give_up_while_another_process_holds_the_lock),
        TEST(test_a_fork_does_not_touch_a_file_that_was_open),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
