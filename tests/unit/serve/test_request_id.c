#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "serve/request.h"
#include "serve/request_id.h"
#include "serve/server.h"

#include "base/banned.h"

static struct inlay_io_thread thread;
static struct inlay_request request;
static struct inlay_header headers[4];

static void set(const char *name, const char *value)
{
    inlay_arena_deinit(&request.arena);
    request = (struct inlay_request){.thread = &thread, .headers = headers};
    inlay_arena_init(&request.arena, 1u << 20);
    headers[0] = (struct inlay_header){INLAY_STR("host"), INLAY_STR("a")};
    headers[1] =
        (struct inlay_header){inlay_str_from(name), inlay_str_from(value)};
    request.nheaders = name ? 2 : 1;
}

static struct inlay_str header_id(void)
{
    return inlay_request_header(&request, INLAY_STR("x-request-id"));
}

static void keeps_good_ids(void **state)
{
    static const char *const good[] = {
        "a", "7f3c-11", "Root=1-67891233-abcdef012345678912345678",
        "a/b:c+d~e|f@g_h.i"};

    (void)state;
    for (size_t i = 0; i < inlay_array_size(good); i++) {
        set("x-request-id", good[i]);
        assert_int_equal(inlay_request_id_assign(&request), 0);
        assert_true(inlay_str_equal(request.id, inlay_str_from(good[i])));
        assert_true(inlay_str_equal(header_id(), request.id));
        assert_int_equal(request.nheaders, 2);
    }
}

static void replaces_bad_ids(void **state)
{
    char longest[INLAY_REQUEST_ID_MOST + 2];
    const char *const bad[] = {"",         "a b", "a\"b", "a\\b", "caf\xc3\xa9",
                               "<script>", "a,b", longest};

    (void)state;
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    for (size_t i = 0; i < inlay_array_size(bad); i++) {
        set("x-request-id", bad[i]);
        assert_int_equal(inlay_request_id_assign(&request), 0);
        assert_int_equal(request.id.len, 32);
        assert_true(inlay_str_equal(header_id(), request.id));
        assert_int_equal(request.nheaders, 2);
    }
    longest[INLAY_REQUEST_ID_MOST] = '\0';
    set("x-request-id", longest);
    inlay_request_id_assign(&request);
    assert_int_equal(request.id.len, INLAY_REQUEST_ID_MOST);
}

/* Whoever reads another than the first must not get what was refused. */
static void replaces_all_ids(void **state)
{
    static const char *const firsts[] = {"<a>", "good"};

    (void)state;
    for (size_t i = 0; i < inlay_array_size(firsts); i++) {
        set("x-request-id", firsts[i]);
        headers[2] = (struct inlay_header){INLAY_STR("accept"), INLAY_STR("b")};
        headers[3] =
            (struct inlay_header){headers[1].name, INLAY_STR("other\"")};
        request.nheaders = 4;
        assert_int_equal(inlay_request_id_assign(&request), 0);
        assert_int_equal(request.nheaders, 4);
        assert_int_equal(request.id.len, i ? 4 : 32);
        assert_true(inlay_str_is(request.id, "good") == (i == 1));
        assert_true(inlay_str_equal(request.headers[1].value, request.id));
        assert_true(inlay_str_is(request.headers[2].value, "b"));
        assert_true(inlay_str_equal(request.headers[3].value, request.id));
    }
}

static void makes_ids(void **state)
{
    char last[32] = "";

    (void)state;
    for (int i = 0; i < 100; i++) {
        set(NULL, NULL);
        assert_int_equal(inlay_request_id_assign(&request), 0);
        assert_int_equal(request.nheaders, 2);
        assert_true(inlay_str_is(request.headers[0].name, "host"));
        assert_true(inlay_str_equal(header_id(), request.id));
        assert_int_equal(request.id.len, 32);
        for (size_t j = 0; j < 32; j++)
            assert_non_null(strchr("0123456789abcdef", request.id.ptr[j]));
        assert_memory_not_equal(request.id.ptr, last, 32);
        memcpy(last, request.id.ptr, 32);
    }
}

static void does_without_memory(void **state)
{
    (void)state;
    set(NULL, NULL);
    inlay_arena_deinit(&request.arena);
    inlay_arena_init(&request.arena, 0);
    assert_int_equal(inlay_request_id_assign(&request), -1);
    assert_int_equal(request.nheaders, 1);
    assert_int_equal(request.id.len, 0);
}

#define TRACE "0af7651916cd43dd8448eb211c80319c"

static void reads_traceparent(void **state)
{
    static const char *const good[] = {
        "00-" TRACE "-b7ad6b7169203331-01",
        "cc-" TRACE "-b7ad6b7169203331-01",
        "cc-" TRACE "-b7ad6b7169203331-01-what",
    };
    static const char *const bad[] = {
        "",
        "00-" TRACE "-b7ad6b7169203331-0",
        "00-" TRACE "-b7ad6b7169203331-01-what",
        "cc-" TRACE "-b7ad6b7169203331-01.what",
        "ff-" TRACE "-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-" TRACE "-0000000000000000-01",
        "00-" TRACE "-b7ad6b716920333g-01",
        "00_" TRACE "-b7ad6b7169203331-01",
        "0g-" TRACE "-b7ad6b7169203331-01",
    };

    (void)state;
    for (size_t i = 0; i < inlay_array_size(good); i++) {
        set("traceparent", good[i]);
        assert_true(inlay_str_is(inlay_request_trace_id(&request), TRACE));
    }
    for (size_t i = 0; i < inlay_array_size(bad); i++) {
        set("traceparent", bad[i]);
        assert_int_equal(inlay_request_trace_id(&request).len, 0);
    }
    set(NULL, NULL);
    assert_int_equal(inlay_request_trace_id(&request).len, 0);
}

static int init(void **state)
{
    (void)state;
    inlay_random_init(&thread.random);
    return 0;
}

static int deinit(void **state)
{
    (void)state;
    inlay_arena_deinit(&request.arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_good_ids),
        cmocka_unit_test(replaces_bad_ids),
        cmocka_unit_test(replaces_all_ids),
        cmocka_unit_test(makes_ids),
        cmocka_unit_test(does_without_memory),
        cmocka_unit_test(reads_traceparent),
    };

    return cmocka_run_group_tests(tests, init, deinit);
}
