#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/macros.h"
#include "db/pg_types.h"

#include "base/banned.h"

/* Bytes of values are those of a PostgreSQL 15: numeric_send(…) and so on. */

#define TEXT 25
#define NUMERIC 1700
#define TIMESTAMP 1114
#define TIMESTAMPTZ 1184
#define DATE 1082
#define TIME 1083
#define TIMETZ 1266
#define USER 16384

struct fixture {
    struct inlay_arena arena;
    struct inlay_buf out;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    inlay_arena_init(&f->arena, 1 << 20);
    inlay_buf_init(&f->out, 1 << 20);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    inlay_buf_deinit(&f->out);
    inlay_arena_deinit(&f->arena);
    free(f);
    return 0;
}

static int digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* Memory of exactly the value's size, so that a read beyond it is found. Texts
 * are views of it: it goes with the arena. */
static const char *decode(struct fixture *f,
                          uint32_t oid,
                          const char *hex,
                          struct inlay_cell *ret)
{
    size_t len = strlen(hex) / 2;
    char *bytes = malloc(len ? len : 1);

    assert_int_equal(inlay_arena_defer(&f->arena, free, bytes), 0);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
    return inlay_pg_cell(oid, inlay_str_make(bytes, len), &f->arena, ret);
}

static void check_text(struct fixture *f,
                       const struct inlay_cell *cell,
                       const char *expected)
{
    inlay_buf_clear(&f->out);
    assert_int_equal(inlay_pg_text(cell, &f->out), 0);
    assert_int_equal(inlay_buf_append_char(&f->out, '\0'), 0);
    assert_string_equal(f->out.data, expected);
}

static void check_value(struct fixture *f,
                        uint32_t oid,
                        const char *hex,
                        const char *expected)
{
    struct inlay_cell cell;

    assert_null(decode(f, oid, hex, &cell));
    check_text(f, &cell, expected);
}

static void check_refused(struct fixture *f,
                          uint32_t oid,
                          const char *hex,
                          const char *part)
{
    struct inlay_cell cell;
    const char *why = decode(f, oid, hex, &cell);

    assert_non_null(why);
    assert_non_null(strstr(why, part));
}

static void test_numeric_is_text_as_the_server_writes_it(void **state)
{
    static const struct {
        const char *hex, *text;
    } cases[] = {
        {"0000000000000000", "0"},
        {"0000000000000002", "0.00"},
        {"00010000000000000001", "1"},
        {"00010000400000000001", "-1"},
        {"000200000000000200011388", "1.50"},
        {"0001ffff400000040001", "-0.0001"},
        {"0001fffe000000080001", "0.00000001"},
        {"00010001000000000001", "10000"},
        {"0001000000000000270f", "9999"},
        {"000300010000000404d2162e2334", "12345678.9012"},
        {"00010005000000000001", "100000000000000000000"},
        {"000b000700000009000c0d801ed204d2162e23340d801ed204d2162e2328",
         "123456789012345678901234567890.123456789"},
        {"00000000c0000000", "NaN"},
        {"00000000d0000020", "Infinity"},
        {"00000000f0000020", "-Infinity"},
        {"0001ffff0000000403e8", "0.1000"},
        {"00010002000000010001", "100000000.0"},
        {"0001fffb000000140001", "0.00000000000000000001"},
    };

    for (size_t i = 0; i < inlay_array_size(cases); i++)
        check_value(*state, NUMERIC, cases[i].hex, cases[i].text);
}

static void test_damaged_numerics_are_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "00000000000000", /* no whole head */
        "00010000000000000001ff",
        "00020000000000000001", /* a group is missing */
        "00010000000000002710", /* a group of 10000 */
        "ffff0000000000000001",
        "00010000123400000001", /* no such sign */
        "00010000000040000001", /* too many digits behind the point */
    };

    for (size_t i = 0; i < inlay_array_size(cases); i++)
        check_refused(*state, NUMERIC, cases[i], "damaged");
}

static void test_the_widest_numeric_has_all_its_digits(void **state)
{
    struct fixture *f = *state;
    struct inlay_cell cell;

    assert_null(decode(f, NUMERIC, "00017fff00003fff0001", &cell));
    assert_int_equal(cell.text.len, 32767 * 4 + 1 + 1 + 0x3fff);
    assert_int_equal(cell.text.ptr[0], '1');
    assert_int_equal(cell.text.ptr[32767 * 4 + 1], '.');
}

static void test_timestamps(void **state)
{
    struct fixture *f = *state;
    struct inlay_cell cell;

    check_value(f, TIMESTAMP, "0000000000000000", "2000-01-01T00:00:00");
    check_value(f, TIMESTAMP, "ffffffffffffffff", "1999-12-31T23:59:59.999999");
    check_value(f, TIMESTAMP, "ff1fe2ffc59c6000", "0001-01-01T00:00:00");
    check_value(f, TIMESTAMP, "0380e70b913b7fff", "9999-12-31T23:59:59.999999");
    check_value(f, TIMESTAMPTZ, "fffca2fec4c82000", "1970-01-01T00:00:00Z");
    assert_null(decode(f, TIMESTAMP, "fffca2fec4c82000", &cell));
    assert_int_equal(cell.datetime.us, 0);
    assert_int_equal(cell.datetime.offset, INLAY_NAIVE);
    assert_null(decode(f, TIMESTAMPTZ, "fffca2fec4c82001", &cell));
    assert_int_equal(cell.datetime.us, 1);
    assert_int_equal(cell.datetime.offset, 0);
}

static void test_timestamps_that_c_has_not_are_refused(void **state)
{
    check_refused(*state, TIMESTAMP, "7fffffffffffffff", "infinity");
    check_refused(*state, TIMESTAMPTZ, "8000000000000000", "infinity");
    check_refused(*state, TIMESTAMP, "ff1fe2eba7c50000", "years 1 to 9999");
    check_refused(*state, TIMESTAMP, "0380e70b913b8000", "years 1 to 9999");
    check_refused(*state, TIMESTAMP, "7ffffffffffffffe", "years 1 to 9999");
    check_refused(*state, TIMESTAMP, "8000000000000001", "years 1 to 9999");
    check_refused(*state, TIMESTAMP, "7fffff5bb3b29fff", "years 1 to 9999");
    check_refused(*state, TIMESTAMP, "fd0f7fbdaf17e000", "years 1 to 9999");
    check_refused(*state, TIMESTAMP, "00000000", "damaged");
}

static void test_dates(void **state)
{
    check_value(*state, DATE, "00000000", "2000-01-01");
    check_value(*state, DATE, "0000265d", "2026-11-21");
    check_value(*state, DATE, "fff4dbf9", "0001-01-01");
    check_value(*state, DATE, "002c95d3", "9999-12-31");
    check_refused(*state, DATE, "fff4dbf8", "years 1 to 9999");
    check_refused(*state, DATE, "002c95d4", "years 1 to 9999");
    check_refused(*state, DATE, "7fffffff", "infinity");
    check_refused(*state, DATE, "80000000", "infinity");
    check_refused(*state, DATE, "0000000000", "damaged");
}

static void test_times_are_text(void **state)
{
    check_value(*state, TIME, "0000000000000000", "00:00:00");
    check_value(*state, TIME, "000000141dd76000", "24:00:00");
    check_value(*state, TIME, "0000000a8be1bd20", "12:34:56.5");
    check_value(*state, TIME, "000000141dd75fff", "23:59:59.999999");
    check_value(*state, TIME, "0000000000000001", "00:00:00.000001");
    check_value(*state, TIMETZ, "000000000000000000000000", "00:00:00+00");
    check_value(*state, TIMETZ, "0000000a8be1bd20ffffb2a8", "12:34:56.5+05:30");
    check_value(*state, TIMETZ, "00000000dde878c000007080", "01:02:03-08");
    check_value(*state, TIMETZ, "00000000dde878c0fffff175",
                "01:02:03+01:02:03");
    check_value(*state, TIMETZ, "00000000dde878c00000001e",
                "01:02:03-00:00:30");
    check_refused(*state, TIME, "000000141dd76001", "damaged");
    check_refused(*state, TIME, "ffffffffffffffff", "damaged");
    check_refused(*state, TIMETZ, "000000000000000080000000", "damaged");
    check_refused(*state, TIMETZ, "0000000000000000", "damaged");
}

static void test_scalars(void **state)
{
    struct fixture *f = *state;
    struct inlay_cell cell;

    check_value(f, 16, "01", "t");
    check_value(f, 16, "00", "f");
    check_value(f, 21, "8000", "-32768");
    check_value(f, 23, "fffffffd", "-3");
    check_value(f, 20, "7fffffffffffffff", "9223372036854775807");
    check_value(f, 26, "ffffffff", "4294967295");
    check_value(f, 700, "3dcccccd", "0.1");
    check_value(f, 701, "fff0000000000000", "-Infinity");
    check_value(f, TEXT, "6162", "ab");
    check_value(f, TEXT, "", "");
    check_value(f, 1042, "612020", "a  ");
    check_value(f, 18, "61", "a");
    check_value(f, 18, "00", "");
    check_value(f, 114, "7b7d", "{}");
    check_value(f, 3802, "017b2261223a205b312c206e756c6c5d7d",
                "{\"a\": [1, null]}");
    check_value(f, 2950, "f81d4fae7dec11d0a76500a0c91e6bf6",
                "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
    check_value(f, 17, "00ff", "\\x00ff");
    assert_null(decode(f, 17, "00ff", &cell));
    assert_int_equal(cell.kind, INLAY_CELL_BYTES);
    assert_null(decode(f, 114, "7b7d", &cell));
    assert_int_equal(cell.kind, INLAY_CELL_JSON);
    assert_null(decode(f, 2278, "", &cell));
    assert_int_equal(cell.kind, INLAY_CELL_NULL);
}

static void test_values_of_a_wrong_length_are_refused(void **state)
{
    static const uint32_t oids[] = {
        16, 18, 20, 21, 23, 26, 700, 701, 1082, 1083, 1114, 1184, 1266, 2950,
    };

    for (size_t i = 0; i < inlay_array_size(oids); i++) {
        check_refused(*state, oids[i], "", "damaged");
        check_refused(*state, oids[i], "010203", "damaged");
        check_refused(*state, oids[i], "0000000000000000000000000000000000",
                      "damaged");
    }
    check_refused(*state, 3802, "", "damaged");
    check_refused(*state, 3802, "027b7d", "::json");
}

static void test_types_without_a_form_say_what_to_do(void **state)
{
    check_refused(*state, 1186, "00000000001e84800000000100000000",
                  "interval has no form in C: select it as text, with ::text");
    check_refused(*state, 869, "02200004c0000201", "inet has no form");
    check_refused(*state, 1234, "00", "the type with the oid 1234");
}

static void test_users_types_are_text_if_they_can_be(void **state)
{
    struct inlay_cell cell;

    check_value(*state, USER, "6861707079", "happy");
    assert_null(decode(*state, USER, "6861707079", &cell));
    assert_int_equal(cell.kind, INLAY_CELL_TEXT);
    check_refused(*state, USER, "00000001", "::text");
    check_refused(*state, USER, "ff", "::text");
}

static void test_arrays(void **state)
{
    struct inlay_cell cell;

    check_value(*state, 1007, "000000000000000000000017", "{}");
    check_value(*state, 1007,
                "00000001000000010000001700000003000000010000000400000001ffffff"
                "ff00000004fffffffd",
                "{1,NULL,-3}");
    check_value(*state, 1009,
                "00000001000000010000001900000004000000010000000161ffffffff0000"
                "000362226300000000",
                "{\"a\",NULL,\"b\\\"c\",\"\"}");
    /* An enum's array. */
    check_value(*state, USER + 5,
                "000000010000000100004001000000030000000100000003736164ffffffff"
                "000000056861707079",
                "{\"sad\",NULL,\"happy\"}");
    assert_null(decode(*state, 1007, "000000000000000000000017", &cell));
    assert_int_equal(cell.kind, INLAY_CELL_ARRAY);
    assert_int_equal(cell.nelements, 0);
}

static void test_arrays_of_more_dimensions_are_refused(void **state)
{
    static const char hex[] =
        "000000020000000000000017000000020000000100000002000000010000000400000"
        "001000000040000000200000004000000030000000400000004";

    check_refused(*state, 1007, hex, "to_jsonb");
    check_refused(*state, USER, hex, "to_jsonb");
}

static void test_damaged_arrays_are_refused(void **state)
{
    static const char *const cases[] = {
        "", "0000000000000000000000",
        "00000001000000000000001700000001", /* half a dimension */
        /* more elements than there are, a thousand million */
        "0000000100000000000000170000000200000001000000040000000",
        "000000010000000000000017400000000000000100000004000000aa",
        /* fewer */
        "00000001000000000000001700000001000000010000000400000001ff",
        /* an element's length beyond the end; a negative one */
        "000000010000000000000017000000010000000100000005000000aa",
        "0000000100000000000000170000000100000001fffffffe000000aa",
        "00000007000000000000001700000001", /* dimensions */
        "000000000000000500000017",         /* flags */
        "000000000000000000000000",         /* no elements' type */
    };

    for (size_t i = 0; i < inlay_array_size(cases); i++)
        check_refused(*state, 1007, cases[i], "damaged");
    /* Of two bytes, where four are an int4. */
    check_refused(*state, 1007,
                  "0000000100000000000000170000000100000001000000020000",
                  "damaged");
    /* Elements are no arrays, which could go on for ever. */
    check_refused(*state, 1007,
                  "0000000100000000000003ef000000010000000100000000",
                  "oid 1007");
}

static void test_an_array_without_memory_is_refused(void **state)
{
    struct inlay_arena small;
    struct inlay_cell cell;
    char bytes[20 + 1000 * 4] = {0};

    (void)state;
    bytes[3] = 1;
    bytes[11] = 25;
    bytes[14] = 1000 >> 8;
    bytes[15] = (char)(1000 & 255);
    inlay_arena_init(&small, 4096);
    assert_ptr_equal(inlay_pg_cell(1009, inlay_str_make(bytes, sizeof(bytes)),
                                   &small, &cell),
                     inlay_cell_no_memory);
    inlay_arena_deinit(&small);
}

/* --- Text ----------------------------------------------------------------- */

static void test_numbers_as_text(void **state)
{
    struct inlay_cell cell = {.kind = INLAY_CELL_INT, .integer = INT64_MIN};

    check_text(*state, &cell, "-9223372036854775808");
    cell = (struct inlay_cell){
        .kind = INLAY_CELL_INT,
        .too_wide = true,
        .integer = -1,
    };
    check_text(*state, &cell, "18446744073709551615");
    cell = (struct inlay_cell){.kind = INLAY_CELL_REAL, .real = 0.1};
    check_text(*state, &cell, "0.1");
    cell.real = 3;
    check_text(*state, &cell, "3");
    cell.real = 1e300;
    check_text(*state, &cell, "1e+300");
    cell.real = -0.0;
    check_text(*state, &cell, "-0");
    cell.real = __builtin_nan("");
    check_text(*state, &cell, "NaN");
    cell.real = __builtin_inf();
    check_text(*state, &cell, "Infinity");
    cell = (struct inlay_cell){
        .kind = INLAY_CELL_REAL,
        .narrow = true,
        .real = (double)0.1f,
    };
    check_text(*state, &cell, "0.1");
    cell.real = 10;
    check_text(*state, &cell, "10");
}

static void test_moments_as_text(void **state)
{
    struct inlay_cell cell = {
        .kind = INLAY_CELL_DATETIME,
        .datetime = {0, 19800},
    };

    check_text(*state, &cell, "1970-01-01T05:30:00+05:30");
    cell.datetime.offset = INLAY_NAIVE;
    check_text(*state, &cell, "1970-01-01T00:00:00");
    cell = (struct inlay_cell){
        .kind = INLAY_CELL_DATE,
        .date = {2026, 11, 21},
    };
    check_text(*state, &cell, "2026-11-21");
    cell.date.month = 13;
    inlay_buf_clear(&((struct fixture *)*state)->out);
    assert_int_equal(inlay_pg_text(&cell, &((struct fixture *)*state)->out),
                     -1);
}

static void check_copy(struct fixture *f,
                       const struct inlay_cell *cell,
                       const char *expected)
{
    /* Behind what is there already, which stays as it is. */
    inlay_buf_clear(&f->out);
    assert_int_equal(inlay_buf_append_literal(&f->out, "\\\t"), 0);
    assert_int_equal(inlay_pg_copy_text(cell, &f->out), 0);
    assert_int_equal(inlay_buf_append_char(&f->out, '\0'), 0);
    assert_int_equal(strncmp(f->out.data, "\\\t", 2), 0);
    assert_string_equal(f->out.data + 2, expected);
}

static void test_array_elements_are_quoted(void **state)
{
    const struct inlay_cell elements[] = {
        {.kind = INLAY_CELL_INT, .integer = 1},
        {.kind = INLAY_CELL_NULL},
        {.kind = INLAY_CELL_TEXT, .text = INLAY_STR("a\"b")},
        {.kind = INLAY_CELL_TEXT, .text = INLAY_STR("NULL")},
        {.kind = INLAY_CELL_TEXT, .text = INLAY_STR("{,}\\")},
        {.kind = INLAY_CELL_BYTES, .text = INLAY_STR("\x01\xFF")},
        {.kind = INLAY_CELL_BOOL, .boolean = true},
        {.kind = INLAY_CELL_JSON, .text = INLAY_STR("{\"a\":1}")},
        {.kind = INLAY_CELL_DATE, .date = {2026, 1, 2}},
    };
    const struct inlay_cell array = {
        .kind = INLAY_CELL_ARRAY,
        .elements = elements,
        .nelements = inlay_array_size(elements),
    };

    check_text(*state, &array,
               "{1,NULL,\"a\\\"b\",\"NULL\",\"{,}\\\\\",\"\\\\x01ff\",t,"
               "\"{\\\"a\\\":1}\",2026-01-02}");
    check_copy(*state, &array,
               "{1,NULL,\"a\\\\\"b\",\"NULL\",\"{,}\\\\\\\\\",\"\\\\\\\\x01ff\""
               ",t,\"{\\\\\"a\\\\\":1}\",2026-01-02}");
}

static void test_copy_escapes(void **state)
{
    struct inlay_cell cell = {.kind = INLAY_CELL_NULL};

    check_copy(*state, &cell, "\\N");
    cell.kind = INLAY_CELL_TEXT;
    cell.text = INLAY_STR("\b\f\n\r\t\v\\x");
    check_copy(*state, &cell, "\\b\\f\\n\\r\\t\\v\\\\x");
    cell.text = INLAY_STR("plain \xC3\xA9 \x01");
    check_copy(*state, &cell, "plain \xC3\xA9 \x01");
    cell.text = INLAY_STR("\\N");
    check_copy(*state, &cell, "\\\\N");
    cell.text = INLAY_STR("");
    check_copy(*state, &cell, "");
    cell.kind = INLAY_CELL_BYTES;
    cell.text = INLAY_STR("a\n");
    check_copy(*state, &cell, "\\\\x610a");
}

static void test_a_full_buffer_is_an_error(void **state)
{
    const struct inlay_cell cell = {
        .kind = INLAY_CELL_TEXT,
        .text = INLAY_STR("\n\n\n\n"),
    };
    const struct inlay_cell bytes = {
        .kind = INLAY_CELL_BYTES,
        .text = INLAY_STR("abcd"),
    };
    struct inlay_buf out;

    (void)state;
    inlay_buf_init(&out, 4);
    assert_int_equal(inlay_pg_text(&cell, &out), 0);
    inlay_buf_clear(&out);
    assert_int_equal(inlay_pg_copy_text(&cell, &out), -1);
    inlay_buf_clear(&out);
    assert_int_equal(inlay_pg_text(&bytes, &out), -1);
    inlay_buf_deinit(&out);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_numeric_is_text_as_the_server_writes_it),
        TEST(test_damaged_numerics_are_refused),
        TEST(test_the_widest_numeric_has_all_its_digits),
        TEST(test_timestamps),
        TEST(test_timestamps_that_c_has_not_are_refused),
        TEST(test_dates),
        TEST(test_times_are_text),
        TEST(test_scalars),
        TEST(test_values_of_a_wrong_length_are_refused),
        TEST(test_types_without_a_form_say_what_to_do),
        TEST(test_users_types_are_text_if_they_can_be),
        TEST(test_arrays),
        TEST(test_arrays_of_more_dimensions_are_refused),
        TEST(test_damaged_arrays_are_refused),
        TEST(test_an_array_without_memory_is_refused),
        TEST(test_numbers_as_text),
        TEST(test_moments_as_text),
        TEST(test_array_elements_are_quoted),
        TEST(test_copy_escapes),
        TEST(test_a_full_buffer_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
