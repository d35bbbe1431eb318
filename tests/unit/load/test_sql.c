/* Which parameters a statement has: the highest $n outside of quotes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "load/sql.h"

static const struct {
    const char *sql;
    unsigned highest;
} golden[] = {
    {"", 0},
    {"select 1", 0},
    {"select $1", 1},
    {"select $2, $1", 2},
    {"select $1$2", 2},
    {"select 1$2", 2},
    {"select $12", 12},
    {"select $1a, $0", 1},
    {"select $1::int, a::int", 1},
    {"select a[$3]", 3},
    {"select ($4)", 4},
    {"where a=$1and b=$2", 2},
    {"select $", 0},
    {"select $$", 0},
    {"select $99999999999999999999", 1000000},
    /* Names may have a dollar within. */
    {"select a$1, _$2, b1$3", 0},
    {"select \xc3\xa4$1", 0},
    /* Strings */
    {"select '$1'", 0},
    {"select '$1', $2", 2},
    {"select '''$1', $2", 2},
    {"select 'a\\', $2, '$3'", 2},
    {"select '$1", 0},
    {"select e'\\'$1', $2", 2},
    {"select E'..\\'..$1', $2", 2},
    {"select E'\\\\', $2, '$3'", 2},
    {"select E'a''$1\\'$1', $2", 2},
    {"select E'a'\n  '\\'$1', $2", 2},
    {"select E'a' '\\', $2, '$3'", 2},
    {"select E'\\", 0},
    {"select fe'a\\', $2", 2},
    {"select ef'a\\', $2", 2},
    {"select 'a' e, '\\', $2", 2},
    {"select B'01', X'ff', N'$1', U&'$1', $2", 2},
    /* Quoted names */
    {"select \"$1\", $2", 2},
    {"select \"a\"\"$1\", $2", 2},
    {"select e\"\\\", $2", 2},
    {"select \"$1", 0},
    /* Dollar quotes */
    {"select $$ $1 ' $$, $2", 2},
    {"select $tag$ $1 $$ $tag$, $2", 2},
    {"select $tag$ $1 $tog$, $2", 0},
    {"select $t1$ $1 $t1$ $2", 2},
    {"select $tag $1", 1},
    {"select $\xc3\xa4$ $1 $\xc3\xa4$, $2", 2},
    {"select a$$1", 0},
    {"select $1$$ $2 $$", 1},
    /* Comments */
    {"select -- $1\n$2", 2},
    {"select -- $1\r$2", 2},
    {"select -- '\n$2", 2},
    {"select --$1", 0},
    {"select 1 - $1", 1},
    {"select /* $1 */ $2", 2},
    {"select /* /* $1 */ $1 */ $2", 2},
    {"select /* /* */ $3 */ $2", 2},
    {"select /* ' */ $2", 2},
    {"select /*/ $1 */ $2", 2},
    {"select /* $1", 0},
    {"select /* $1 *", 0},
    {"select 4 / $1 * $2", 2},
    {"select a->>$1, b @> $2", 2},
    {"select '/*', $1, '*/'", 1},
    {"select '--', $1", 1},
};

/* Text -> its columns, one behind the other; NULL: it is no table. */
static const char *const tables[][2] = {
    {"users", ""},
    {" users\n", ""},
    {"app.users (id)", "id|"},
    {"users(id,name)", "id|name|"},
    {"\"app\".\"a (b)\" ( \"full, name\" , _x$1 )", "\"full, name\"|_x$1|"},
    {"`users` (`a`)", "`a`|"},
    {"users /* (x) */ (id, -- not)\n name)", "id|name|"},
    {"", NULL},
    {"users (", NULL},
    {"users ()", NULL},
    {"users (id", NULL},
    {"users (id,)", NULL},
    {"users (id name)", NULL},
    {"users (id) x", NULL},
    {"users.(id)", NULL},
    {"insert into users", NULL},
    {"users (id) from stdin", NULL},
    {"users (lower(id))", NULL},
    {"(select 1)", NULL},
    {"users ($1)", NULL},
    {"users; drop table users", NULL},
};

static void test_tables(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        struct inlay_str columns, column;
        bool is_table = inlay_sql_table(inlay_str_from(tables[i][0]), &columns);
        char text[100] = "";

        if (is_table != (tables[i][1] != NULL))
            fail_msg("%s: %d", tables[i][0], is_table);
        while (is_table && columns.ptr && inlay_sql_column(&columns, &column)) {
            strncat(text, column.ptr, column.len);
            strcat(text, "|");
        }
        if (is_table)
            assert_string_equal(text, tables[i][1]);
    }
}

static void test_golden(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++) {
        unsigned highest = inlay_sql_params(inlay_str_from(golden[i].sql));

        if (highest != golden[i].highest)
            fail_msg("%s: %u, not %u", golden[i].sql, highest,
                     golden[i].highest);
    }
}

/* Memory of its own, so that a sanitizer sees a byte too many. */
static void read_parts(const char *text)
{
    size_t len = strlen(text);

    for (size_t cut = 0; cut <= len; cut++) {
        char *part = malloc(cut + !cut);
        struct inlay_str columns;

        assert_non_null(part);
        memcpy(part, text, cut);
        inlay_sql_params(inlay_str_make(part, cut));
        inlay_sql_table(inlay_str_make(part, cut), &columns);
        free(part);
    }
}

static void test_no_byte_beyond_the_end_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++)
        read_parts(golden[i].sql);
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        read_parts(tables[i][0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_no_byte_beyond_the_end_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
