/* What functions ask of a database reaches it, or is nothing: without a call,
 * in one that has failed, without a database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "load/context.h"
#include "load/query.h"

static struct inlay_db *const no_db = NULL;

struct fake {
    const struct inlay_db_ops *ops;
    const char *asked; /* the last one; NULL: none */
};

struct inlay_cursor {
    struct fake *db; /* first: load/context.h */
};

static bool note(struct inlay_db *db, const char *what)
{
    ((struct fake *)(void *)db)->asked = what;
    return true;
}

static bool fake_query(struct inlay_db *db,
                       const struct inlay_query *query,
                       struct inlay_str text,
                       const void *const *args,
                       void *result)
{
    assert_non_null(query);
    assert_true(inlay_str_is(text, "text"));
    assert_int_equal(*(const int *)args[0], 7);
    *(int *)result = 8;
    return note(db, "query");
}

static struct inlay_cursor *fake_open(struct inlay_db *db,
                                      const struct inlay_query *query,
                                      struct inlay_str text,
                                      const void *const *args)
{
    static struct inlay_cursor cursor;

    (void)text;
    (void)args;
    assert_non_null(query);
    note(db, "open");
    cursor.db = (struct fake *)(void *)db;
    return &cursor;
}

static bool fake_next(struct inlay_cursor *cursor, void *row_ret)
{
    *(int *)row_ret = 9;
    cursor->db->asked = "next";
    return true;
}

static void fake_close(struct inlay_cursor *cursor)
{
    cursor->db->asked = "close";
}

static bool fake_begin(struct inlay_db *db)
{
    return note(db, "begin");
}

static bool fake_commit(struct inlay_db *db)
{
    return note(db, "commit");
}

static bool fake_rollback(struct inlay_db *db)
{
    return note(db, "rollback");
}

static bool fake_attempt(struct inlay_attempt *attempt)
{
    return note(attempt->db, "attempt");
}

static bool fake_listen(struct inlay_db *db, struct inlay_str channel)
{
    assert_true(inlay_str_is(channel, "jobs"));
    return note(db, "listen");
}

static bool fake_notified(struct inlay_db *db, struct inlay_notification *ret)
{
    ret->lost = 3;
    return note(db, "notified");
}

static const struct inlay_db_ops ops = {
    .query = fake_query,
    .cursor_open = fake_open,
    .cursor_next = fake_next,
    .cursor_close = fake_close,
    .begin = fake_begin,
    .commit = fake_commit,
    .rollback = fake_rollback,
    .attempt = fake_attempt,
    .listen = fake_listen,
    .notified = fake_notified,
};

struct fixture {
    struct inlay_arena arena;
    struct inlay_context context;
    struct fake fake;
    struct inlay_db *db;
    struct inlay_query query;
    struct inlay_query_record record;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    inlay_arena_init(&fixture->arena, 1 << 20);
    inlay_context_enter(&fixture->context, &fixture->arena);
    fixture->fake.ops = &ops;
    fixture->db = (struct inlay_db *)(void *)&fixture->fake;
    fixture->record = (struct inlay_query_record){
        .sql = "select 1",
        .file = "a.c",
        .line = 12,
        .kind = INLAY_QUERY_ALL,
        .query = &fixture->query,
    };
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    inlay_context_current = NULL;
    inlay_arena_deinit(&fixture->arena);
    free(fixture);
    return 0;
}

static const struct inlay_api *const api = &inlay_api_table;

static bool query(struct fixture *fixture, struct inlay_db *db, int *ret)
{
    int seven = 7;
    const void *const args[] = {&seven, NULL};

    return api->query(db, &fixture->record, INLAY_STR("text"), args, ret);
}

static void assert_asked(struct fixture *fixture, const char *what)
{
    if (!what) {
        assert_null(fixture->fake.asked);
        return;
    }
    assert_non_null(fixture->fake.asked);
    assert_string_equal(fixture->fake.asked, what);
    fixture->fake.asked = NULL;
}

static void assert_failed(struct fixture *fixture, const char *text)
{
    assert_int_equal(fixture->context.error, INLAY_INTERNAL);
    if (!inlay_str_equal(fixture->context.error_text, inlay_str_from(text)))
        fail_msg("%.*s", inlay_str_arg(fixture->context.error_text));
    assert_asked(fixture, NULL);
    fixture->context.error = INLAY_OK;
}

static void test_all_of_them_reach_the_database(void **state)
{
    struct fixture *fixture = *state;
    struct inlay_attempt attempt = {.db = fixture->db, .tries = 1};
    struct inlay_notification notification;
    int result = 0;

    assert_true(query(fixture, fixture->db, &result));
    assert_int_equal(result, 8);
    assert_asked(fixture, "query");
    struct inlay_cursor *cursor =
        api->cursor_open(fixture->db, &fixture->record, INLAY_STR(""), NULL);
    assert_non_null(cursor);
    assert_asked(fixture, "open");
    assert_true(api->cursor_next(cursor, &result));
    assert_int_equal(result, 9);
    assert_asked(fixture, "next");
    api->cursor_close(cursor);
    assert_asked(fixture, "close");
    assert_true(api->db_begin(fixture->db));
    assert_asked(fixture, "begin");
    assert_true(api->db_commit(fixture->db));
    assert_asked(fixture, "commit");
    assert_true(api->db_rollback(fixture->db));
    assert_asked(fixture, "rollback");
    assert_true(api->db_attempt(&attempt));
    assert_asked(fixture, "attempt");
    assert_true(api->db_listen(fixture->db, INLAY_STR("jobs")));
    assert_asked(fixture, "listen");
    assert_true(api->db_notified(fixture->db, &notification));
    assert_int_equal(notification.lost, 3);
    assert_asked(fixture, "notified");
    assert_int_equal(fixture->context.error, 0);
}

/* Those that give back what is held, and those that may end a failure, are
 * asked: `failed` says for whom that is so. */
static void check_idle(struct fixture *fixture, bool failed)
{
    struct inlay_attempt attempt = {.db = fixture->db, .tries = 2};
    struct inlay_notification notification;
    struct inlay_cursor cursor = {.db = &fixture->fake};
    int result = 5;

    assert_false(query(fixture, fixture->db, &result));
    assert_null(
        api->cursor_open(fixture->db, &fixture->record, INLAY_STR(""), NULL));
    assert_false(api->cursor_next(&cursor, &result));
    assert_int_equal(result, 5);
    assert_false(api->db_begin(fixture->db));
    assert_false(api->db_commit(fixture->db));
    assert_false(api->db_listen(fixture->db, INLAY_STR("jobs")));
    assert_false(api->db_notified(fixture->db, &notification));
    assert_false(api->db_attempt(&attempt));
    assert_asked(fixture, NULL);
    assert_int_equal(api->db_rollback(fixture->db), failed);
    assert_asked(fixture, failed ? "rollback" : NULL);
    api->cursor_close(&cursor);
    assert_asked(fixture, failed ? "close" : NULL);
    attempt.made = 1;
    assert_int_equal(api->db_attempt(&attempt), failed);
    assert_asked(fixture, failed ? "attempt" : NULL);
}

static void test_a_failed_call_asks_nothing_but_to_end_it(void **state)
{
    struct fixture *fixture = *state;

    fixture->context.error = INLAY_NOT_FOUND;
    check_idle(fixture, true);
    assert_int_equal(fixture->context.error, INLAY_NOT_FOUND);
}

static void test_without_a_call_nothing_is_asked(void **state)
{
    struct fixture *fixture = *state;

    inlay_context_leave(&fixture->context);
    check_idle(fixture, false);
    assert_int_equal(fixture->context.error, 0);
}

#define NO_DB(name)                                                            \
    name ": the database pointer is NULL (a function gets it as a parameter: " \
         "inlay_db *db)"

static void test_no_database_fails_the_call(void **state)
{
    struct fixture *fixture = *state;
    struct inlay_attempt attempt = {.tries = 2};
    struct inlay_notification notification;
    int result = 5;

    assert_false(query(fixture, no_db, &result));
    assert_failed(fixture, NO_DB("inlay_all"));
    fixture->record.kind = INLAY_QUERY_EACH;
    assert_null(api->cursor_open(no_db, &fixture->record, INLAY_STR(""), NULL));
    assert_failed(fixture, NO_DB("inlay_each"));
    assert_false(api->db_begin(no_db));
    assert_failed(fixture, NO_DB("inlay_begin"));
    assert_false(api->db_commit(no_db));
    assert_failed(fixture, NO_DB("inlay_commit"));
    assert_false(api->db_rollback(no_db));
    assert_failed(fixture, NO_DB("inlay_rollback"));
    assert_false(api->db_attempt(&attempt));
    assert_failed(fixture, NO_DB("inlay_transaction"));
    assert_false(api->db_listen(no_db, INLAY_STR("jobs")));
    assert_failed(fixture, NO_DB("inlay_listen"));
    assert_false(api->db_notified(no_db, &notification));
    assert_failed(fixture, NO_DB("inlay_notified"));
    assert_false(api->cursor_next(NULL, &result));
    api->cursor_close(NULL);
    assert_int_equal(fixture->context.error, 0);
}

static void test_a_place_that_was_never_looked_at_fails(void **state)
{
    struct fixture *fixture = *state;
    int result = 5;

    fixture->record.query = NULL;
    fixture->record.sql = NULL;
    assert_false(query(fixture, fixture->db, &result));
    assert_failed(fixture, "a.c:12: inlay_all_dynamic: its module was not "
                           "loaded by Inlay");
    assert_null(
        api->cursor_open(fixture->db, &fixture->record, INLAY_STR(""), NULL));
    assert_failed(fixture, "a.c:12: inlay_all_dynamic: its module was not "
                           "loaded by Inlay");
    fixture->record.kind = 200;
    assert_false(query(fixture, no_db, &result));
    assert_failed(fixture, NO_DB("query"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_of_them_reach_the_database,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_a_failed_call_asks_nothing_but_to_end_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_a_call_nothing_is_asked,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_database_fails_the_call, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            test_a_place_that_was_never_looked_at_fails, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
