/* The table of addresses against plain counters, under random use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "serve/address_count.h"

#include "base/banned.h"

#define ADDRESSES 3000
#define STEPS 200000
#define MOST 5

static struct inlay_ip address(unsigned i)
{
    uint8_t bytes[16] = {0x20, 0x01, [2] = (uint8_t)(i >> 8), (uint8_t)i};

    return i % 2 ? inlay_ip_make(bytes, 16) : inlay_ip_make(bytes, 4);
}

static void test_counts(void **state)
{
    static unsigned counts[ADDRESSES];
    struct inlay_address_counts *table = inlay_address_counts_create(MOST);

    (void)state;
    assert_non_null(table);
    srand(1);
    for (int step = 0; step < STEPS; step++) {
        /* First it fills, then it empties. */
        bool enter = rand() % 100 < (step < STEPS / 2 ? 60 : 30);
        unsigned i = (unsigned)rand() % ADDRESSES;
        struct inlay_ip ip = address(i);

        if (enter) {
            assert_int_equal(inlay_address_counts_enter(table, &ip),
                             counts[i] < MOST);
            counts[i] += counts[i] < MOST;
        } else if (counts[i]) {
            inlay_address_counts_leave(table, &ip);
            counts[i]--;
        }
    }
    for (unsigned i = 0; i < ADDRESSES; i++) {
        struct inlay_ip ip = address(i);

        for (; counts[i] < MOST; counts[i]++)
            assert_true(inlay_address_counts_enter(table, &ip));
        assert_false(inlay_address_counts_enter(table, &ip));
    }
    inlay_address_counts_destroy(table);
}

/* A host has a whole /64. */
static void test_networks(void **state)
{
    struct inlay_address_counts *table = inlay_address_counts_create(1);
    struct inlay_ip a, b, c;

    (void)state;
    assert_non_null(table);
    assert_true(inlay_ip_parse(INLAY_STR("2001:db8::1"), &a));
    assert_true(inlay_ip_parse(INLAY_STR("2001:db8::ffff:0:0:2"), &b));
    assert_true(inlay_ip_parse(INLAY_STR("2001:db8:0:1::1"), &c));
    assert_true(inlay_address_counts_enter(table, &a));
    assert_false(inlay_address_counts_enter(table, &b));
    assert_true(inlay_address_counts_enter(table, &c));
    inlay_address_counts_leave(table, &a);
    assert_true(inlay_address_counts_enter(table, &b));
    assert_true(inlay_ip_parse(INLAY_STR("192.0.2.1"), &a));
    assert_true(inlay_ip_parse(INLAY_STR("192.0.2.2"), &b));
    assert_true(inlay_address_counts_enter(table, &a));
    assert_true(inlay_address_counts_enter(table, &b));
    assert_false(inlay_address_counts_enter(table, &b));
    inlay_address_counts_destroy(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_networks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
