#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/macros.h"
#include "db/cell.h"
#include "unit/type/samples.h"

#include "base/banned.h"

static int setup(void **state)
{
    struct inlay_arena *arena = calloc(1, sizeof(*arena));

    inlay_arena_init(arena, 1 << 20);
    *state = arena;
    return 0;
}

static int teardown(void **state)
{
    inlay_arena_deinit(*state);
    free(*state);
    return 0;
}

static struct inlay_cell integer(int64_t value)
{
    return (struct inlay_cell){.kind = INLAY_CELL_INT, .integer = value};
}

static struct inlay_cell real(double value)
{
    return (struct inlay_cell){.kind = INLAY_CELL_REAL, .real = value};
}

static struct inlay_cell of_kind(enum inlay_cell_kind kind, const char *text)
{
    return (struct inlay_cell){.kind = kind, .text = inlay_str_from(text)};
}

static struct inlay_cell text(const char *value)
{
    return of_kind(INLAY_CELL_TEXT, value);
}

static struct inlay_cell json(const char *value)
{
    return of_kind(INLAY_CELL_JSON, value);
}

static const struct inlay_cell null = {.kind = INLAY_CELL_NULL};

static struct inlay_cell from(void **state,
                              const struct inlay_type *type,
                              const void *value)
{
    struct inlay_cell cell;
    const char *why = "";

    assert_int_equal(inlay_cell_from(type, value, *state, &cell, &why), 0);
    return cell;
}

static void check_from_refused(void **state,
                               const struct inlay_type *type,
                               const void *value,
                               const char *part)
{
    struct inlay_cell cell;
    const char *why = NULL;

    assert_int_equal(inlay_cell_from(type, value, *state, &cell, &why), -1);
    assert_non_null(strstr(why, part));
}

static void check_text(struct inlay_cell cell,
                       enum inlay_cell_kind kind,
                       const char *expected)
{
    assert_int_equal(cell.kind, kind);
    assert_true(inlay_str_equal(cell.text, inlay_str_from(expected)));
}

static void to(void **state,
               struct inlay_cell cell,
               const struct inlay_type *type,
               void *ret)
{
    const char *why = inlay_cell_to(&cell, type, *state, ret);

    if (why)
        print_error("%s\n", why);
    assert_null(why);
}

/* The whole reason. */
static void check_refused(void **state,
                          struct inlay_cell cell,
                          const struct inlay_type *type,
                          const char *expected)
{
    char memory[512] __attribute__((aligned(16))) = {0};
    const char *why = inlay_cell_to(&cell, type, *state, memory);

    assert_non_null(why);
    assert_string_equal(why, expected);
}

/* --- C -> cell ------------------------------------------------------------ */

static void test_scalars_become_cells(void **state)
{
    const uint64_t most = UINT64_MAX, fits = INT64_MAX;
    const int16_t small = -5;
    const float narrow = 0.1f;
    const double wide = 0.1;
    const bool yes = true;
    const char letter = 'x';
    struct inlay_cell cell;

    assert_int_equal(from(state, &sample_i16, &small).integer, -5);
    cell = from(state, &sample_u64, &most);
    assert_true(cell.kind == INLAY_CELL_INT && cell.too_wide);
    assert_int_equal((uint64_t)cell.integer, UINT64_MAX);
    cell = from(state, &sample_u64, &fits);
    assert_false(cell.too_wide);
    cell = from(state, &sample_f32, &narrow);
    assert_true(cell.narrow && cell.real == (double)0.1f);
    cell = from(state, &sample_f64, &wide);
    assert_true(!cell.narrow && cell.real == 0.1);
    cell = from(state, &sample_bool, &yes);
    assert_true(cell.kind == INLAY_CELL_BOOL && cell.boolean);
    check_text(from(state, &sample_char, &letter), INLAY_CELL_TEXT, "x");
}

static void test_texts_become_cells(void **state)
{
    const inlay_str str = INLAY_STR("\xC3\xA9"), none = {NULL, 0};
    const char *cstr = "abc", *missing = NULL;
    const char chars[4] = "ab";
    const inlay_bytes bytes = {(const uint8_t *)"\0\xFF", 2};

    check_text(from(state, &sample_str, &str), INLAY_CELL_TEXT, "\xC3\xA9");
    check_text(from(state, &sample_str, &none), INLAY_CELL_TEXT, "");
    check_text(from(state, &sample_cstr, &cstr), INLAY_CELL_TEXT, "abc");
    assert_int_equal(from(state, &sample_cstr, &missing).kind, INLAY_CELL_NULL);
    check_text(from(state, &sample_chars4, chars), INLAY_CELL_TEXT, "ab");
    struct inlay_cell cell = from(state, &sample_bytes, &bytes);
    assert_int_equal(cell.kind, INLAY_CELL_BYTES);
    assert_int_equal(cell.text.len, 2);
}

static void test_enums_go_by_name_or_else_by_number(void **state)
{
    enum sample_color color = green;
    enum sample_level level = top;

    check_text(from(state, &sample_color_type, &color), INLAY_CELL_TEXT,
               "green");
    check_text(from(state, &sample_level_type, &level), INLAY_CELL_TEXT,
               "high");
    color = (enum sample_color)7;
    assert_int_equal(from(state, &sample_color_type, &color).integer, 7);
}

static void test_optionals_pointers_and_structs_become_cells(void **state)
{
    const sample_maybe_i64 empty = {.value = 5}, full = {true, 5};
    struct sample_link second = {2, NULL}, first = {1, &second};
    struct sample_link *pointer = &first, *nowhere = NULL;
    struct sample_item item = {INLAY_STR("a\"b"), 1.5};
    sample_items items = {&item, 1};

    assert_int_equal(from(state, &sample_maybe_i64_type, &empty).kind,
                     INLAY_CELL_NULL);
    assert_int_equal(from(state, &sample_maybe_i64_type, &full).integer, 5);
    check_text(from(state, &sample_item_type, &item), INLAY_CELL_JSON,
               "{\"name\":\"a\\\"b\",\"price\":1.5}");
    check_text(from(state, &sample_items_type, &items), INLAY_CELL_JSON,
               "[{\"name\":\"a\\\"b\",\"price\":1.5}]");
    check_text(from(state, &sample_link_ptr_type, &pointer), INLAY_CELL_JSON,
               "{\"value\":1,\"next\":{\"value\":2,\"next\":null}}");
    assert_int_equal(from(state, &sample_link_ptr_type, &nowhere).kind,
                     INLAY_CELL_NULL);
}

static void test_slices_of_scalars_become_arrays(void **state)
{
    int64_t numbers[] = {1, -2, 3};
    inlay_str words[] = {INLAY_STR("a"), INLAY_STR("b")};
    const sample_i64s slice = {numbers, 3}, none = {NULL, 0};
    const sample_strs strs = {words, 2};
    struct inlay_cell cell = from(state, &sample_i64s_type, &slice);

    assert_int_equal(cell.kind, INLAY_CELL_ARRAY);
    assert_int_equal(cell.nelements, 3);
    assert_int_equal(cell.elements[1].integer, -2);
    cell = from(state, &sample_triple_type, numbers);
    assert_int_equal(cell.nelements, 3);
    assert_int_equal(cell.elements[2].integer, 3);
    cell = from(state, &sample_strs_type, &strs);
    check_text(cell.elements[1], INLAY_CELL_TEXT, "b");
    cell = from(state, &sample_i64s_type, &none);
    assert_true(cell.kind == INLAY_CELL_ARRAY && cell.nelements == 0);
}

static void test_values_that_are_none_are_refused(void **state)
{
    const inlay_str bad = INLAY_STR("a\xFF"), nul = INLAY_STR("a\0b");
    const inlay_str nowhere = {NULL, 3};
    const inlay_bytes lost = {NULL, 3};
    const inlay_date date = {2026, 2, 30};
    const inlay_datetime late = {.us = INT64_MAX};
    inlay_str words[] = {INLAY_STR("a"), INLAY_STR("\xFF")};
    const sample_strs strs = {words, 2};
    const sample_i64s no_ptr = {NULL, 4},
                      too_many = {(int64_t *)words, SIZE_MAX};
    struct sample_item item = {INLAY_STR("\xFF"), 0};
    const char zero = 0;

    check_from_refused(state, &sample_str, &bad, "UTF-8");
    check_from_refused(state, &sample_str, &nul, "NUL");
    check_from_refused(state, &sample_char, &zero, "NUL");
    check_from_refused(state, &sample_str, &nowhere, "NULL");
    check_from_refused(state, &sample_bytes, &lost, "NULL");
    check_from_refused(state, &sample_date, &date, "date");
    check_from_refused(state, &sample_datetime, &late, "years");
    check_from_refused(state, &sample_strs_type, &strs, "UTF-8");
    check_from_refused(state, &sample_i64s_type, &no_ptr, "NULL");
    check_from_refused(state, &sample_i64s_type, &too_many, "memory");
    check_from_refused(state, &sample_item_type, &item, "UTF-8");
    check_from_refused(state, &sample_object, &zero, "no form");
}

static void test_without_memory_no_cell_is_made(void **state)
{
    struct inlay_arena none;
    struct sample_item item = {INLAY_STR("a"), 0};
    int64_t numbers[] = {1, 2};
    const sample_i64s slice = {numbers, 2};
    struct inlay_cell cell;
    const char *why;

    (void)state;
    inlay_arena_init(&none, 0);
    assert_int_equal(
        inlay_cell_from(&sample_i64s_type, &slice, &none, &cell, &why), -1);
    assert_ptr_equal(why, inlay_cell_no_memory);
    assert_int_equal(
        inlay_cell_from(&sample_item_type, &item, &none, &cell, &why), -1);
    inlay_arena_deinit(&none);
}

/* --- Cell -> C ------------------------------------------------------------ */

static void test_integers_fit_or_are_refused(void **state)
{
    struct inlay_cell wide = {
        .kind = INLAY_CELL_INT,
        .too_wide = true,
        .integer = -1,
    };
    int8_t i8;
    uint8_t u8;
    uint64_t u64;
    int64_t i64;

    to(state, integer(-128), &sample_i8, &i8);
    assert_int_equal(i8, -128);
    to(state, integer(255), &sample_u8, &u8);
    assert_int_equal(u8, 255);
    to(state, integer(INT64_MIN), &sample_i64, &i64);
    assert_true(i64 == INT64_MIN);
    to(state, wide, &sample_u64, &u64);
    assert_true(u64 == UINT64_MAX);
    check_refused(state, integer(128), &sample_i8,
                  "128 does not fit into int8_t");
    check_refused(state, integer(300), &sample_u8,
                  "300 does not fit into uint8_t");
    check_refused(state, integer(-1), &sample_u64,
                  "-1 does not fit into uint64_t");
    check_refused(state, wide, &sample_i64,
                  "18446744073709551615 does not fit into int64_t");
    check_refused(state, wide, &sample_u32,
                  "18446744073709551615 does not fit into uint32_t");
    check_refused(state, null, &sample_i64, "null");
}

static void test_exact_numbers_become_integers(void **state)
{
    int64_t i64;

    to(state, text("-12.00"), &sample_i64, &i64);
    assert_int_equal(i64, -12);
    to(state, real(1e15), &sample_i64, &i64);
    assert_true(i64 == 1000000000000000);
    to(state, (struct inlay_cell){.kind = INLAY_CELL_BOOL, .boolean = true},
       &sample_i64, &i64);
    assert_int_equal(i64, 1);
    check_refused(state, text("1.5"), &sample_i64, "\"1.5\" is not an integer");
    check_refused(state, text(" 1"), &sample_i64, "\" 1\" is not an integer");
    check_refused(state, text("1_0"), &sample_i64, "\"1_0\" is not an integer");
    check_refused(state, text("abc"), &sample_i64, "\"abc\" is not an integer");
    check_refused(state, text(""), &sample_i64, "\"\" is not an integer");
    check_refused(state, text("300"), &sample_u8,
                  "300 does not fit into uint8_t");
    check_refused(state, real(1.5), &sample_i64, "1.5 is not an integer");
    check_refused(state, real((double)NAN), &sample_i64,
                  "nan is not an integer");
    check_refused(state, real(1e300), &sample_i64,
                  "1.0000000000000001e+300 does not fit into int64_t");
}

static void test_numbers_become_reals(void **state)
{
    double f64;
    float f32;

    to(state, real(0.1), &sample_f64, &f64);
    assert_true(f64 == 0.1);
    to(state, real(0.1), &sample_f32, &f32);
    assert_true(f32 == 0.1f);
    to(state, integer(-3), &sample_f64, &f64);
    assert_true(f64 == -3);
    to(state, text("12345678.9012"), &sample_f64, &f64);
    assert_true(f64 == 12345678.9012);
    to(state, text("NaN"), &sample_f64, &f64);
    assert_true(isnan(f64));
    to(state, text("-Infinity"), &sample_f32, &f32);
    assert_true(isinf(f32) && f32 < 0);
    to(state, real((double)INFINITY), &sample_f32, &f32);
    assert_true(isinf(f32));
    check_refused(state, real(1e300), &sample_f32,
                  "1.0000000000000001e+300 does not fit into float");
    check_refused(state, text("x"), &sample_f64, "\"x\" is not a number");
    check_refused(state, text("1e999"), &sample_f64,
                  "1e999 does not fit into double");
    check_refused(state, null, &sample_f64, "null");
    check_refused(state, of_kind(INLAY_CELL_BYTES, "1"), &sample_f64,
                  "bytes is not a number");
}

static struct inlay_cell beyond_i64(uint64_t value)
{
    return (struct inlay_cell){
        .kind = INLAY_CELL_INT,
        .too_wide = true,
        .integer = (int64_t)value,
    };
}

static void test_integers_become_reals_when_nothing_is_lost(void **state)
{
    static const int64_t doubles[] = {
        0,
        1,
        -1,
        9007199254740991,
        9007199254740992,
        -9007199254740994,
        INT64_MAX - 1023,
        INT64_MIN,
    };
    static const int64_t floats[] = {
        16777215, -16777216, 16777218, INT64_MAX - ((1ll << 39) - 1), INT64_MIN,
    };
    double f64;
    float f32;

    for (size_t i = 0; i < inlay_array_size(doubles); i++) {
        to(state, integer(doubles[i]), &sample_f64, &f64);
        assert_true((int64_t)f64 == doubles[i]);
    }
    for (size_t i = 0; i < inlay_array_size(floats); i++) {
        to(state, integer(floats[i]), &sample_f32, &f32);
        assert_true((int64_t)f32 == floats[i]);
    }
    to(state, beyond_i64(1ull << 63), &sample_f32, &f32);
    assert_true(f32 == 0x1p63f);
    to(state, beyond_i64(UINT64_MAX - 2047), &sample_f64, &f64);
    assert_true(f64 == 0x1p64 - 2048);
}

static void test_integers_that_a_real_rounds_are_refused(void **state)
{
    static const struct inlay_cell list[] = {
        {.kind = INLAY_CELL_INT, .integer = 1},
        {.kind = INLAY_CELL_INT, .integer = INT64_MAX},
    };
    const struct inlay_cell array = {
        .kind = INLAY_CELL_ARRAY,
        .elements = list,
        .nelements = 2,
    };
    INLAY_OPTIONAL(maybe_f64, double);
    const struct inlay_type maybe = {
        .kind = INLAY_KIND_OPTIONAL,
        .size = sizeof(maybe_f64),
        .align = _Alignof(maybe_f64),
        .elem = &sample_f64,
        .has_offset = offsetof(maybe_f64, has),
        .value_offset = offsetof(maybe_f64, value),
    };
    struct inlay_arena small;
    double f64;

    check_refused(state, integer(9007199254740993), &sample_f64,
                  "9007199254740993 does not fit into double exactly");
    check_refused(state, integer(-9007199254740993), &sample_f64,
                  "-9007199254740993 does not fit into double exactly");
    check_refused(state, integer(INT64_MIN + 1), &sample_f64,
                  "-9223372036854775807 does not fit into double exactly");
    check_refused(state, integer(16777217), &sample_f32,
                  "16777217 does not fit into float exactly");
    check_refused(state, integer(INT64_MAX), &maybe,
                  "9223372036854775807 does not fit into double exactly");
    check_refused(state, beyond_i64(UINT64_MAX), &sample_f64,
                  "18446744073709551615 does not fit into double exactly");
    check_refused(state, array, &sample_f64s_type,
                  "its element 1: 9223372036854775807 does not fit into double "
                  "exactly");
    inlay_arena_init(&small, 0);
    assert_ptr_equal(inlay_cell_to(&list[1], &sample_f64, &small, (void *)&f64),
                     inlay_cell_no_memory);
}

static void test_zero_and_one_become_booleans(void **state)
{
    bool flag = true;

    to(state, integer(0), &sample_bool, &flag);
    assert_false(flag);
    to(state, integer(1), &sample_bool, &flag);
    assert_true(flag);
    to(state, (struct inlay_cell){.kind = INLAY_CELL_BOOL}, &sample_bool,
       &flag);
    assert_false(flag);
    check_refused(state, integer(2), &sample_bool,
                  "2 is not a boolean, 0 or 1");
    check_refused(state, text("t"), &sample_bool, "text is not a boolean");
}

static void test_texts_are_copied_with_a_nul_behind(void **state)
{
    char memory[] = "abc";
    struct inlay_cell cell = {
        .kind = INLAY_CELL_TEXT,
        .text = {memory, 2},
    };
    inlay_str str;
    const char *cstr;
    inlay_bytes bytes;
    char chars[4], letter;

    to(state, cell, &sample_str, &str);
    to(state, cell, &sample_cstr, &cstr);
    to(state, cell, &sample_bytes, &bytes);
    to(state, cell, &sample_chars4, chars);
    memset(memory, 'z', 3);
    assert_string_equal(str.ptr, "ab");
    assert_int_equal(str.len, 2);
    assert_string_equal(cstr, "ab");
    assert_int_equal(bytes.len, 2);
    assert_memory_equal(bytes.ptr, "ab", 2);
    assert_memory_equal(chars, "ab\0", 4);
    to(state, text("x"), &sample_char, &letter);
    assert_int_equal(letter, 'x');
    to(state, null, &sample_cstr, &cstr);
    assert_null(cstr);
    to(state, text(""), &sample_str, &str);
    assert_non_null(str.ptr);
}

static void test_texts_that_do_not_fit_are_refused(void **state)
{
    struct inlay_cell nul = {
        .kind = INLAY_CELL_TEXT,
        .text = INLAY_STR("a\0b"),
    };

    check_refused(state, text("abcd"), &sample_chars4,
                  "text of 4 bytes does not fit into char[4], which also "
                  "needs its NUL");
    check_refused(state, text("ab"), &sample_char,
                  "\"ab\" is not one ASCII character");
    check_refused(state, text("\xC3\xA9"), &sample_char,
                  "\"\\xc3\\xa9\" is not one ASCII character");
    check_refused(state, text("\xFF"), &sample_str, "text that is not UTF-8");
    check_refused(state, nul, &sample_cstr,
                  "text with a NUL character in it: use an inlay_str");
    check_refused(state, nul, &sample_chars4,
                  "text with a NUL character in it");
    check_refused(state, of_kind(INLAY_CELL_BYTES, "a"), &sample_str,
                  "bytes are not text: use inlay_bytes");
    check_refused(state, integer(1), &sample_str,
                  "an integer is not text: select it as text, or use another "
                  "C type");
    check_refused(state, null, &sample_str, "null");
}

static void test_enums_are_read_by_name(void **state)
{
    enum sample_color color;
    enum sample_level level;

    to(state, text("blue"), &sample_color_type, &color);
    assert_int_equal(color, blue);
    to(state, integer(-1), &sample_level_type, &level);
    assert_int_equal(level, low);
    check_refused(state, text("pink"), &sample_color_type,
                  "\"pink\" is not a name of Color");
    check_refused(state, integer(200), &sample_level_type,
                  "200 does not fit into Level");
}

static void test_dates_moments_and_uuids_are_read(void **state)
{
    struct inlay_cell day = {
        .kind = INLAY_CELL_DATE,
        .date = {1970, 1, 2},
    };
    struct inlay_cell moment = {
        .kind = INLAY_CELL_DATETIME,
        .datetime = {5, 0},
    };
    inlay_date date;
    inlay_datetime datetime;
    inlay_uuid uuid;
    inlay_str str;

    to(state, text("2026-11-21"), &sample_date, &date);
    assert_true(date.year == 2026 && date.month == 11 && date.day == 21);
    to(state, day, &sample_date, &date);
    assert_int_equal(date.day, 2);
    to(state, text("1970-01-01 00:00:01"), &sample_datetime, &datetime);
    assert_int_equal(datetime.us, 1000000);
    assert_int_equal(datetime.offset, INLAY_NAIVE);
    to(state, day, &sample_datetime, &datetime);
    assert_true(datetime.us == 86400000000 && datetime.offset == INLAY_NAIVE);
    to(state, moment, &sample_datetime, &datetime);
    assert_true(datetime.us == 5 && datetime.offset == 0);
    to(state, text("f81d4fae-7dec-11d0-a765-00a0c91e6bf6"), &sample_uuid,
       &uuid);
    assert_int_equal(uuid.bytes[0], 0xF8);
    to(state, of_kind(INLAY_CELL_BYTES, "0123456789abcdef"), &sample_uuid,
       &uuid);
    assert_int_equal(uuid.bytes[15], 'f');
    to(state, day, &sample_str, &str);
    assert_string_equal(str.ptr, "1970-01-02");
    to(state, moment, &sample_str, &str);
    assert_string_equal(str.ptr, "1970-01-01T00:00:00.000005Z");
    check_refused(state, moment, &sample_date,
                  "a timestamp is not a date: use inlay_datetime, or select "
                  "it as a date");
    check_refused(state, text("1700000000"), &sample_datetime,
                  "\"1700000000\" is not a timestamp");
    check_refused(state, text("2026-02-30"), &sample_date,
                  "\"2026-02-30\" is not a date");
    check_refused(state, of_kind(INLAY_CELL_BYTES, "short"), &sample_uuid,
                  "bytes is not a UUID");
    check_refused(state, null, &sample_date, "null");
}

static void test_only_optionals_take_null(void **state)
{
    sample_maybe_i64 maybe = {true, 7};
    sample_maybe_item item;

    to(state, null, &sample_maybe_i64_type, &maybe);
    assert_true(!maybe.has && maybe.value == 0);
    to(state, integer(3), &sample_maybe_i64_type, &maybe);
    assert_true(maybe.has && maybe.value == 3);
    to(state, json("null"), &sample_maybe_item_type, &item);
    assert_false(item.has);
    to(state, json("{\"name\":\"n\",\"price\":2}"), &sample_maybe_item_type,
       &item);
    assert_true(item.has && item.value.price == 2);
    check_refused(state, null, &sample_i64s_type, "null");
    check_refused(state, null, &sample_item_type, "null");
    check_refused(state, integer(256), &sample_maybe_u8_type,
                  "256 does not fit into uint8_t");
}

static void test_arrays_become_slices(void **state)
{
    const struct inlay_cell elements[] = {
        {.kind = INLAY_CELL_INT, .integer = 4},
        {.kind = INLAY_CELL_INT, .integer = 5},
        {.kind = INLAY_CELL_NULL},
    };
    struct inlay_cell array = {
        .kind = INLAY_CELL_ARRAY,
        .elements = elements,
        .nelements = 2,
    };
    sample_i64s slice;
    int64_t triple[3];

    to(state, array, &sample_i64s_type, &slice);
    assert_int_equal(slice.len, 2);
    assert_int_equal(slice.ptr[1], 5);
    check_refused(state, array, &sample_triple_type,
                  "an array of 2 elements is not one of 3");
    array.nelements = 3;
    check_refused(state, array, &sample_i64s_type,
                  "its element 2: null (make it a slice of an "
                  "INLAY_OPTIONAL)");
    to(state, json("[1,2,3]"), &sample_triple_type, triple);
    assert_int_equal(triple[2], 3);
    array.nelements = 0;
    to(state, array, &sample_i64s_type, &slice);
    assert_int_equal(slice.len, 0);
    /* SQLite's arrays. */
    to(state, text("[7]"), &sample_i64s_type, &slice);
    assert_true(slice.len == 1 && slice.ptr[0] == 7);
    check_refused(state, integer(1), &sample_i64s_type,
                  "an integer is not an array");
}

static void test_json_becomes_values(void **state)
{
    struct sample_item item;
    inlay_str str;
    int64_t i64;

    to(state, json("{\"name\":\"n\",\"price\":1.5}"), &sample_item_type, &item);
    assert_true(inlay_str_is(item.name, "n") && item.price == 1.5);
    to(state, json("{\"a\": 1}"), &sample_str, &str);
    assert_string_equal(str.ptr, "{\"a\": 1}");
    to(state, json("12"), &sample_i64, &i64);
    assert_int_equal(i64, 12);
    check_refused(state, json("{\"name\":\"n\",\"price\":\"x\"}"),
                  &sample_item_type,
                  "its JSON does not fit into Item: \"loc\":[\"value\","
                  "\"price\"],\"msg\":\"Input should be a valid number, unable "
                  "to parse string as a number\"");
    check_refused(state, text("{oops"), &sample_item_type,
                  "\"{oops\" is not JSON");
    check_refused(state, integer(1), &sample_item_type,
                  "an integer is not JSON, which a struct within a row is "
                  "read of");
}

static void test_types_without_a_form_are_refused(void **state)
{
    check_refused(state, integer(1), &sample_object,
                  "no column becomes a value of void *");
    check_refused(state, json("{}"), &sample_link_ptr_type,
                  "no column becomes a value of struct sample_link *");
}

static void test_without_memory_the_reason_says_so(void **state)
{
    const struct inlay_cell one = {.kind = INLAY_CELL_INT, .integer = 1};
    const struct inlay_cell cells[] = {
        text("abc"),
        of_kind(INLAY_CELL_BYTES, "abc"),
        {.kind = INLAY_CELL_ARRAY, .elements = &one, .nelements = 1},
        json("[1]"),
        integer(300),
    };
    const struct inlay_type *const types[] = {
        &sample_str,       &sample_bytes, &sample_i64s_type,
        &sample_i64s_type, &sample_u8,
    };
    struct inlay_arena none;
    char memory[64] __attribute__((aligned(16)));

    (void)state;
    inlay_arena_init(&none, 0);
    for (size_t i = 0; i < inlay_array_size(cells); i++)
        assert_ptr_equal(inlay_cell_to(&cells[i], types[i], &none, memory),
                         inlay_cell_no_memory);
    inlay_arena_deinit(&none);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_scalars_become_cells),
        TEST(test_texts_become_cells),
        TEST(test_enums_go_by_name_or_else_by_number),
        TEST(test_optionals_pointers_and_structs_become_cells),
        TEST(test_slices_of_scalars_become_arrays),
        TEST(test_values_that_are_none_are_refused),
        TEST(test_without_memory_no_cell_is_made),
        TEST(test_integers_fit_or_are_refused),
        TEST(test_exact_numbers_become_integers),
        TEST(test_numbers_become_reals),
        TEST(test_integers_become_reals_when_nothing_is_lost),
        TEST(test_integers_that_a_real_rounds_are_refused),
        TEST(test_zero_and_one_become_booleans),
        TEST(test_texts_are_copied_with_a_nul_behind),
        TEST(test_texts_that_do_not_fit_are_refused),
        TEST(test_enums_are_read_by_name),
        TEST(test_dates_moments_and_uuids_are_read),
        TEST(test_only_optionals_take_null),
        TEST(test_arrays_become_slices),
        TEST(test_json_becomes_values),
        TEST(test_types_without_a_form_are_refused),
        TEST(test_without_memory_the_reason_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
