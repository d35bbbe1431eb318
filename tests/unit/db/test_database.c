/* The registry of databases: their URLs, names and counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/macros.h"
#include "base/mem.h"
#include "unit/db/fake_driver.h"

#include "base/banned.h"

/* --- URLs ----------------------------------------------------------------- */

static void assert_str(struct inlay_str got, const char *want)
{
    assert_string_equal(got.ptr, want); /* they have a NUL behind */
    assert_int_equal(got.len, strlen(want));
}

static void test_urls_are_cleaned_and_shown_without_password(void **state)
{
    static const struct {
        const char *given, *url, *shown;
    } cases[] = {
        {"postgresql://app:secret@db:5432/app",
         "postgresql://app:secret@db:5432/app", "postgresql://app@db:5432/app"},
        {"postgres://db/app", "postgresql://db/app", "postgresql://db/app"},
        {"PostgreSQL+asyncpg://u@db/app?min_size=1&sslmode=require",
         "postgresql://u@db/app?sslmode=require",
         "postgresql://u@db/app?sslmode=require"},
        {"postgresql://u:s%40x@[::1]:5432/a?max_size=3",
         "postgresql://u:s%40x@[::1]:5432/a", "postgresql://u@[::1]:5432/a"},
        {"postgresql://h1:1,h2:2/a?sslmode=disable&pool_timeout=1&user=u",
         "postgresql://h1:1,h2:2/a?sslmode=disable&user=u",
         "postgresql://h1:1,h2:2/a?sslmode=disable&user=u"},
        {"postgresql:///a?host=/run&password=secret&user=u",
         "postgresql:///a?host=/run&password=secret&user=u",
         "postgresql:///a?host=/run&user=u"},
        {"postgresql:///a?p%61ssword=secret&sslpassword=secret",
         "postgresql:///a?p%61ssword=secret&sslpassword=secret",
         "postgresql:///a"},
        {"postgresql://u:@db", "postgresql://u:@db", "postgresql://u@db"},
        {"postgresql://", "postgresql://", "postgresql://"},
        {"postgresql://db/name@more", "postgresql://db/name@more",
         "postgresql://db/name@more"},
        {"sqlite:///a.db", "sqlite:///a.db", "sqlite:///a.db"},
        {"sqlite+aiosqlite:////var/a@b:c.db?statement_cache=0",
         "sqlite:////var/a@b:c.db", "sqlite:////var/a@b:c.db"},
        {"sqlite://", "sqlite://", "sqlite://"},
        {"sqlite:///:memory:?", "sqlite:///:memory:", "sqlite:///:memory:"},
    };

    (void)state;
    for (size_t i = 0; i < inlay_array_size(cases); i++) {
        assert_null(configure_as("", cases[i].given));
        assert_str(inlay_database_at(0)->config.url, cases[i].url);
        assert_str(inlay_database_at(0)->shown, cases[i].shown);
    }
}

static void test_wrong_urls_are_refused_without_their_password(void **state)
{
    static const struct {
        const char *url, *part;
    } cases[] = {
        {"", "begins with"},
        {"zzecrett", "begins with"},
        {"/zzecrett/a.db", "begins with"},
        {"mysql://u:zzecrett@db/a", "not with \"mysql\""},
        {"postgresql:/db/zzecrett", "begins with"},
        {"postgresql://u:zzec@crett@db/a", "write @ as %40"},
        {"postgresql://u:zzec/crett@db/a", "/ as %2F"},
        {"postgresql://u:zzec?crett@db/a", "? as %3F"},
        {"postgresql://u:zzec#crett@db/a", "# as %23"},
        {"postgresql://u:zzecrett@db/a?max_size=x", "max_size"},
        {"postgresql://u:zzecrett@db/a?max_size=0", "max_size"},
        {"postgresql://u:zzecrett@db/a?max_size=", "max_size"},
        {"postgresql://u:zzecrett@db/a?max_size", "max_size"},
        {"postgresql://u:zzecrett@db/a?max_size=4294967297", "max_size"},
        {"postgresql://u:zzecrett@db/a?max_size=99999999999999999999",
         "max_size"},
        {"postgresql://u:zzecrett@db/a?min_size=-1", "min_size"},
        {"postgresql://u:zzecrett@db/a?min_size=3&max_size=2", "min_size"},
        {"postgresql://u:zzecrett@db/a?pool_timeout=0", "pool_timeout"},
        {"postgresql://u:zzecrett@db/a?pool_timeout=86401", "pool_timeout"},
        {"postgresql://u:zzecrett@db/a?pool_timeout=1.2345", "pool_timeout"},
        {"postgresql://u:zzecrett@db/a?statement_timeout=.",
         "statement_timeout"},
        {"postgresql://u:zzecrett@db/a?statement_cache=1e3", "statement_cache"},
    };

    (void)state;
    for (size_t i = 0; i < inlay_array_size(cases); i++) {
        struct inlay_error *error = configure_as("", cases[i].url);

        assert_non_null(error);
        assert_null(strstr(error->message, "zzec"));
        assert_null(strstr(error->message, "crett"));
        assert_error(error, cases[i].part);
    }
    assert_null(inlay_database_at(0));
}

static void test_a_url_that_is_too_long_or_has_a_nul_is_refused(void **state)
{
    static char url[10000] = "postgresql://db/";
    struct inlay_database_config config = {.url = {url, 8193}};

    (void)state;
    memset(url + 16, 'a', sizeof(url) - 16);
    assert_error(inlay_databases_configure(&config), "8192");
    config.url.len = 8192;
    assert_null(inlay_databases_configure(&config));
    assert_int_equal(inlay_database_at(0)->config.url.len, 8192);
    url[20] = '\0';
    assert_error(inlay_databases_configure(&config), "NUL");
}

static void test_numbers_have_defaults_and_the_url_wins(void **state)
{
    struct inlay_database_config config = {
        .url = INLAY_STR("fake://a"), .max = 4, .statements = UINT32_MAX};
    const struct inlay_database_config *is;

    (void)state;
    assert_null(configure_as("", "fake://a"));
    is = &inlay_database_at(0)->config;
    assert_int_equal(is->min, 0);
    assert_int_equal(is->max, 10);
    assert_int_equal(is->pool_timeout, 10000);
    assert_int_equal(is->statement_timeout, 30000);
    assert_int_equal(is->statements, 256);

    assert_null(inlay_databases_configure(&config));
    assert_int_equal(is->max, 4);
    assert_int_equal(is->statements, UINT32_MAX);
    config.url = INLAY_STR("fake://a?max_size=5&min_size=2&pool_timeout=0.25&"
                           "statement_timeout=0&statement_cache=7");
    assert_null(inlay_databases_configure(&config));
    assert_int_equal(is->min, 2);
    assert_int_equal(is->max, 5);
    assert_int_equal(is->pool_timeout, 250);
    assert_int_equal(is->statement_timeout, UINT32_MAX);
    assert_int_equal(is->statements, 7);

    assert_null(configure_as("", "fake://a?min_size=20"));
    assert_int_equal(is->max, 20);
    config = (struct inlay_database_config){.url = INLAY_STR("fake://a"),
                                            .max = 10001};
    assert_error(inlay_databases_configure(&config), "max_size");
}

/* --- Names ---------------------------------------------------------------- */

static void test_databases_are_found_by_name(void **state)
{
    (void)state;
    assert_null(configure_as("", "fake://a"));
    assert_null(configure_as("reports", "fake://b"));
    assert_int_equal(opened, 0);
    assert_ptr_equal(need("reports"), inlay_database_at(1));
    assert_ptr_equal(need("default"), inlay_database_at(0));
    assert_ptr_equal(need(""), need("default"));
    assert_int_equal(opened, 2);
    assert_null(inlay_database_at(2));
    assert_true(inlay_database_configured(INLAY_STR("reports")));
    assert_false(inlay_database_configured(INLAY_STR("report")));
}

static void test_what_is_not_configured_says_how_to(void **state)
{
    struct inlay_database *database;

    (void)state;
    assert_error(inlay_database_find(INLAY_STR(""), &database), "--db");
    assert_error(inlay_database_find(INLAY_STR("re-ports"), &database),
                 "DATABASE_URL_RE_PORTS");
    assert_error(inlay_database_find(INLAY_STR("a b"), &database), "\"?\"");
}

static void test_bad_names_and_too_many_are_refused(void **state)
{
    char name[40] = "n0";

    (void)state;
    assert_error(configure_as("a b", "fake://a"), "name of a database");
    assert_error(configure_as("a\"", "fake://a"), "name of a database");
    memset(name, 'n', 32);
    name[32] = '\0';
    assert_error(configure_as(name, "fake://a"), "at most 31");
    name[31] = '\0';
    assert_null(configure_as(name, "fake://a"));
    for (int i = 1; i < INLAY_DATABASES; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        assert_null(configure_as(name, "fake://a"));
    }
    assert_error(configure_as("", "fake://a"), "no room");
    assert_null(configure_as("n1", "fake://b")); /* one of them anew */
}

static void test_an_open_database_keeps_its_configuration(void **state)
{
    (void)state;
    assert_null(configure_as("", "fake://a"));
    assert_null(configure_as("", "fake://b"));
    assert_str(need("")->config.url, "fake://b");
    assert_null(configure_as("", "fake://c"));
    assert_str(need("")->config.url, "fake://b");
    assert_int_equal(opened, 1);
}

static void test_a_driver_that_refuses_is_asked_again(void **state)
{
    struct inlay_database *database;

    (void)state;
    assert_null(configure_as("", "fake://wrong"));
    assert_error(inlay_database_find(INLAY_STR(""), &database), "a wrong URL");
    assert_error(inlay_database_find(INLAY_STR(""), &database), "a wrong URL");
    assert_null(configure_as("", "fake://right"));
    assert_non_null(need(""));
}

static void test_no_memory_is_an_error(void **state)
{
    struct inlay_error *error;
    long count = 0;

    (void)state;
    do {
        inlay_mem_fail_after(count++);
        error = configure_as("", "fake://u:secret@here/there?max_size=3");
        inlay_mem_fail_after(-1);
        if (error)
            assert_int_equal(error->code, INLAY_ERROR_NO_MEMORY);
        inlay_error_destroy(error);
    } while (error);
    assert_true(count > 2);
}

/* --- Counting ------------------------------------------------------------- */

static void test_statements_are_counted(void **state)
{
    struct inlay_database *database = a_database();
    struct asked asked;

    (void)state;
    for (int i = 0; i < 3; i++) {
        asked_init(&asked, INLAY_ORDER_QUERY);
        asked.order.sql = i == 2 ? INLAY_STR("bad") : INLAY_STR("good");
        ask(database, &asked);
    }
    assert_int_equal(asked.order.failure.kind, INLAY_CONFLICT);
    assert_int_equal(counted(&database->own_stats), 3);
    assert_int_equal(atomic_load(&database->own_stats.errors), 1);
    assert_true(atomic_load(&database->own_stats.sum) > 0);
    asked_init(&asked, INLAY_ORDER_QUERY); /* not the last one's failure */
    asked.order.failure.kind = INLAY_CONFLICT;
    ask(database, &asked);
    assert_int_equal(asked.order.failure.kind, 0);
}

static void test_counts_move_to_shared_memory(void **state)
{
    static struct inlay_db_counted area[INLAY_DATABASES];
    struct inlay_database *database = a_database();
    struct asked asked;

    (void)state;
    asked_init(&asked, INLAY_ORDER_QUERY);
    ask(database, &asked);
    atomic_store(&database->own_stats.connections, 3);
    inlay_databases_count_in(area);
    assert_int_equal(counted(&area[0].stats), 1);
    assert_int_equal(counted(&database->own_stats), 0);
    assert_int_equal(atomic_load(&area[0].stats.connections), 3);
    asked_init(&asked, INLAY_ORDER_QUERY);
    ask(database, &asked);
    assert_int_equal(counted(&area[0].stats), 2);
    assert_memory_equal(area[0].name, "default", area[0].len);
    assert_null(configure_as("later", "fake://b"));
    assert_ptr_equal(atomic_load(&need("later")->stats), &area[1].stats);

    inlay_databases_count_in(NULL); /* what was counted stays there */
    assert_int_equal(counted(&database->own_stats), 0);
    assert_int_equal(counted(&area[0].stats), 2);
    assert_int_equal(atomic_load(&area[0].stats.connections), 0);
    assert_int_equal(atomic_load(&database->own_stats.connections), 3);
}

static void test_counts_are_kept_by_name(void **state)
{
    static struct inlay_db_counted area[INLAY_DATABASES];

    (void)state;
    assert_null(configure_as("a", "fake://a"));
    inlay_databases_count_in(area);
    inlay_databases_count_in(NULL);
    inlay_databases_forget();
    (void)set_up(NULL);
    assert_null(configure_as("b", "fake://b")); /* the next worker's */
    assert_null(configure_as("a", "fake://a"));
    inlay_databases_count_in(area);
    assert_ptr_equal(atomic_load(&need("a")->stats), &area[0].stats);
    assert_ptr_equal(atomic_load(&need("b")->stats), &area[1].stats);
    for (size_t i = 0; i < INLAY_DATABASES; i++)
        atomic_store(&area[i].len, 9); /* others' names: no room */
    inlay_databases_count_in(NULL);
    inlay_databases_count_in(area);
    assert_ptr_equal(atomic_load(&need("a")->stats), &need("a")->own_stats);
    inlay_databases_count_in(NULL);
}

static int asked_for;

static void on_missing(struct inlay_str name)
{
    asked_for++;
    if (name.len == 0)
        assert_null(configure_as("", "fake://found"));
}

static void test_what_is_missing_is_asked_for(void **state)
{
    struct inlay_database *database;

    (void)state;
    asked_for = 0;
    inlay_databases_missing(on_missing);
    assert_error(inlay_database_find(INLAY_STR("no"), &database), "no");
    assert_true(inlay_database_configured(INLAY_STR("default")));
    assert_str(need("")->config.url, "fake://found");
    assert_int_equal(asked_for, 2);
    inlay_databases_missing(NULL);
}

static void on_line(void *arg,
                    enum inlay_log_level level,
                    struct inlay_str text)
{
    assert_int_equal(level, INLAY_LOG_WARNING);
    snprintf(arg, 100, "%.*s", (int)inlay_min(text.len, (size_t)99), text.ptr);
}

static void test_warnings_name_their_database(void **state)
{
    char line[100];
    struct inlay_log log = {.sink = on_line, .arg = line, .level = 0};

    (void)state;
    assert_null(configure_as("", "fake://a"));
    assert_null(configure_as("reports", "fake://a"));
    inlay_databases_log(&log);
    inlay_database_warn(need("reports"), "lost %d", 3);
    assert_string_equal(line, "database reports: lost 3");
    inlay_database_warn(need(""), "lost");
    assert_string_equal(line, "database: lost");
    inlay_databases_log_end(&(struct inlay_log){.sink = NULL}); /* another's */
    inlay_database_warn(need(""), "still here");
    assert_string_equal(line, "database: still here");
    inlay_databases_log_end(&log);
    line[0] = '\0';
    inlay_database_warn(need(""), "to stderr");
    assert_string_equal(line, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_urls_are_cleaned_and_shown_without_password),
        TEST(test_wrong_urls_are_refused_without_their_password),
        TEST(test_a_url_that_is_too_long_or_has_a_nul_is_refused),
        TEST(test_numbers_have_defaults_and_the_url_wins),
        TEST(test_databases_are_found_by_name),
        TEST(test_what_is_not_configured_says_how_to),
        TEST(test_bad_names_and_too_many_are_refused),
        TEST(test_an_open_database_keeps_its_configuration),
        TEST(test_a_driver_that_refuses_is_asked_again),
        TEST(test_no_memory_is_an_error),
        TEST(test_statements_are_counted),
        TEST(test_counts_move_to_shared_memory),
        TEST(test_counts_are_kept_by_name),
        TEST(test_what_is_missing_is_asked_for),
        TEST(test_warnings_name_their_database),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
