#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/list.h"

#include "base/banned.h"

struct entry {
    int number;
    struct inlay_list link;
};

static int sum(struct inlay_list *list)
{
    int total = 0;

    inlay_list_for_each (node, list)
        total = total * 10 + inlay_list_entry(node, struct entry, link)->number;
    return total;
}

static void test_order(void **state)
{
    struct entry entries[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
    struct inlay_list list;

    (void)state;
    inlay_list_init(&list);
    assert_true(inlay_list_empty(&list));
    for (int i = 0; i < 3; i++)
        inlay_list_append(&list, &entries[i].link);
    assert_false(inlay_list_empty(&list));
    assert_int_equal(sum(&list), 123);
    inlay_list_remove(&entries[1].link);
    assert_int_equal(sum(&list), 13);
    /* Once more does nothing. */
    inlay_list_remove(&entries[1].link);
    assert_int_equal(sum(&list), 13);
    inlay_list_append(&list, &entries[1].link);
    assert_int_equal(sum(&list), 132);
}

static void test_remove_inside(void **state)
{
    struct entry entries[4] = {
        {.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}};
    struct inlay_list list;

    (void)state;
    inlay_list_init(&list);
    for (int i = 0; i < 4; i++)
        inlay_list_append(&list, &entries[i].link);
    inlay_list_for_each (node, &list)
        if (inlay_list_entry(node, struct entry, link)->number % 2)
            inlay_list_remove(node);
    assert_int_equal(sum(&list), 24);
    inlay_list_for_each (node, &list)
        inlay_list_remove(node);
    assert_true(inlay_list_empty(&list));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_remove_inside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
