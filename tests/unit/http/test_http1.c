/* What the golden files do not show: views, pauses, failing memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "http/http1.h"

#include "base/banned.h"

static const struct inlay_http1_limits limits = {8192, 64, 1024};

struct seen {
    struct inlay_http1_head head;
    int heads, bodies, completes;
    bool go_head, go_body, go_complete;
};

static bool on_head(void *arg, const struct inlay_http1_head *head)
{
    struct seen *seen = arg;

    seen->head = *head;
    seen->heads++;
    return seen->go_head;
}

static bool on_body(void *arg, struct inlay_str chunk)
{
    struct seen *seen = arg;

    assert_true(chunk.len > 0);
    seen->bodies++;
    return seen->go_body;
}

static bool on_complete(void *arg)
{
    struct seen *seen = arg;

    seen->completes++;
    return seen->go_complete;
}

static const struct inlay_http1_events events = {on_head, on_body, on_complete};

static struct seen going(void)
{
    return (struct seen){.go_head = true, .go_body = true, .go_complete = true};
}

/* Not inlined: gcc 12 would fold strlen(text + 2) wrongly in test_pauses. */
static inlay_noinline enum inlay_http1_status feed(struct inlay_http1 *http1,
                                                   const char *text,
                                                   size_t *consumed_ret)
{
    return inlay_http1_feed(http1, text, strlen(text), consumed_ret);
}

/* The head's views live on when its bytes do not. */
static void test_views(void **state)
{
    static const char text[] = "GET /a?b HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n\r\n";
    struct seen seen = going();
    size_t consumed;

    (void)state;
    seen.go_complete = false;
    struct inlay_http1 *http1 = inlay_http1_create(&limits, &events, &seen);
    char *copy = malloc(sizeof(text) - 1);
    memcpy(copy, text, sizeof(text) - 1);
    assert_int_equal(inlay_http1_feed(http1, copy, sizeof(text) - 1, &consumed),
                     INLAY_HTTP1_PAUSED);
    free(copy);
    assert_int_equal(consumed, sizeof(text) - 1);
    assert_true(inlay_str_is(seen.head.path, "/a"));
    assert_true(inlay_str_is(seen.head.query, "b"));
    assert_int_equal(seen.head.nheaders, 2);
    assert_true(inlay_str_is(seen.head.headers[1].name, "x-a"));
    assert_true(inlay_str_is(seen.head.headers[1].value, "1"));
    assert_int_equal(seen.head.method_id, INLAY_METHOD_GET);
    assert_false(inlay_http1_in_message(http1));
    inlay_http1_destroy(http1);
}

static void test_pauses(void **state)
{
    struct seen seen = {0};
    size_t consumed;

    (void)state;
    struct inlay_http1 *http1 = inlay_http1_create(&limits, &events, &seen);
    const char *text = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"
                       "okGET";
    assert_int_equal(feed(http1, text, &consumed), INLAY_HTTP1_PAUSED);
    assert_int_equal(seen.heads, 1);
    assert_int_equal(seen.bodies, 0);
    assert_string_equal(text + consumed, "okGET");
    text += consumed;
    assert_int_equal(feed(http1, text, &consumed), INLAY_HTTP1_PAUSED);
    assert_int_equal(seen.bodies, 1);
    assert_int_equal(seen.completes, 0);
    assert_string_equal(text + consumed, "GET");
    /* on_complete is due without another byte. */
    assert_true(inlay_http1_in_message(http1));
    assert_int_equal(feed(http1, "", &consumed), INLAY_HTTP1_PAUSED);
    assert_int_equal(seen.completes, 1);
    assert_false(inlay_http1_in_message(http1));
    assert_int_equal(feed(http1, text + 2, &consumed), INLAY_HTTP1_MORE);
    assert_true(inlay_http1_in_head(http1));
    inlay_http1_destroy(http1);
}

static void test_nothing_after_an_error(void **state)
{
    struct seen seen = going();
    size_t consumed;

    (void)state;
    struct inlay_http1 *http1 = inlay_http1_create(&limits, &events, &seen);
    assert_int_equal(feed(http1, "GET /\x01", &consumed), INLAY_HTTP1_ERROR);
    assert_int_equal(inlay_http1_error(http1)->status, 400);
    assert_int_equal(
        feed(http1, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", &consumed),
        INLAY_HTTP1_ERROR);
    assert_int_equal(seen.heads, 0);
    assert_false(inlay_http1_in_message(http1));
    inlay_http1_destroy(http1);
}

static void test_in_head(void **state)
{
    struct seen seen = going();
    size_t consumed;

    (void)state;
    struct inlay_http1 *http1 = inlay_http1_create(&limits, &events, &seen);
    assert_int_equal(inlay_http1_feed(http1, NULL, 0, &consumed),
                     INLAY_HTTP1_MORE);
    feed(http1, "\r\n", &consumed);
    assert_false(inlay_http1_in_head(http1));
    feed(http1, "P", &consumed);
    assert_true(inlay_http1_in_head(http1));
    feed(http1, "UT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n",
         &consumed);
    assert_false(inlay_http1_in_head(http1));
    assert_true(inlay_http1_in_message(http1));
    feed(http1, "x", &consumed);
    assert_false(inlay_http1_in_message(http1));
    inlay_http1_destroy(http1);
}

/* Whichever allocation fails, the answer is 503 and nothing leaks. */
static void test_without_memory(void **state)
{
    static const char *const pieces[] = {"GET / HTTP/1.1\r\nHo",
                                         "st: x\r\nA: b\r\nC: d", "\r\n\r\n"};
    int failed = 0;

    (void)state;
    for (long n = 0; n < 8; n++) {
        struct seen seen = going();
        enum inlay_http1_status status = INLAY_HTTP1_MORE;
        inlay_mem_fail_after(n);
        struct inlay_http1 *http1 = inlay_http1_create(&limits, &events, &seen);
        for (size_t i = 0; http1 && i < 3 && status >= 0; i++) {
            size_t consumed;
            status = feed(http1, pieces[i], &consumed);
        }
        inlay_mem_fail_after(-1);
        if (!http1 || status < 0)
            failed++;
        else
            assert_int_equal(seen.completes, 1);
        if (status < 0)
            assert_int_equal(inlay_http1_error(http1)->status, 503);
        inlay_http1_destroy(http1);
    }
    assert_in_range(failed, 3, 7);
}

/* Limits smaller than a method still hold. */
static void test_tiny_limits(void **state)
{
    static const struct inlay_http1_limits tiny = {2, 0, 0};
    struct seen seen = going();
    size_t consumed;

    (void)state;
    struct inlay_http1 *http1 = inlay_http1_create(&tiny, &events, &seen);
    assert_int_equal(feed(http1, "GET / HTTP/1.1\r\n\r\n", &consumed),
                     INLAY_HTTP1_ERROR);
    assert_int_equal(inlay_http1_error(http1)->status, 414);
    inlay_http1_destroy(http1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_pauses),
        cmocka_unit_test(test_nothing_after_an_error),
        cmocka_unit_test(test_in_head),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_tiny_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
