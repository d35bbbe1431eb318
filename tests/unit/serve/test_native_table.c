/* All native routes at a time: what is said of them, and their exchange. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "native_sample.h"

#include "base/banned.h"

struct fixture {
    struct inlay_module *module;
    struct inlay_handler *native;
};

static int create(void **state)
{
    static struct fixture fixture;

    fixture.module = sample_module_create(NULL);
    struct inlay_error *error =
        inlay_native_create(&fixture.module, 1, &fixture.native);
    if (error) {
        print_error("%s\n", error->message);
        return -1;
    }
    *state = &fixture;
    return 0;
}

static int destroy(void **state)
{
    struct fixture *fixture = *state;

    fixture->native->ops->destroy(fixture->native);
    sample_module_destroy(fixture->module);
    return 0;
}

static struct inlay_handler *native_of(void **state)
{
    return ((struct fixture *)*state)->native;
}

static void test_info(void **state)
{
    struct inlay_handler *native = native_of(state);
    struct inlay_native_info info = inlay_native_info(native, 0);

    assert_int_equal(inlay_native_count(native), 31);
    assert_true(inlay_str_is(info.methods, "GET"));
    assert_true(inlay_str_is(info.path, "/sum-squares"));
    assert_true(inlay_str_is(info.function, "sum_squares"));
    assert_true(inlay_str_is(info.module, "pkg.sample"));
    assert_int_equal(info.decl.line, 1);
    assert_int_equal(inlay_native_info(native, 31).methods.len, 0);
}

static int status_for(struct inlay_handler *native, const char *target)
{
    struct sample_exchange exchange;
    struct sample_ask ask = {.method = "GET", .target = target};

    exchange.status = 0;
    if (sample_exchange_run(&exchange, native, &ask) == INLAY_DECLINED)
        exchange.status = 404;
    sample_exchange_deinit(&exchange);
    return exchange.status;
}

static void test_replace(void **state)
{
    struct inlay_module *one = sample_module_create("sum_squares");
    struct inlay_module *other = sample_module_create("plain");
    struct inlay_module *bad = sample_module_create("object");
    struct inlay_module *two[] = {other, bad};
    struct inlay_handler *native;

    (void)state;
    assert_null(inlay_native_create(&one, 1, &native));
    assert_int_equal(status_for(native, "/sum-squares"), 200);
    assert_int_equal(status_for(native, "/plain"), 404);
    assert_null(inlay_native_replace(native, &other, 1));
    assert_int_equal(status_for(native, "/sum-squares"), 404);
    assert_int_equal(status_for(native, "/plain"), 203);
    assert_int_equal(inlay_native_count(native), 1);
    assert_true(inlay_str_is(inlay_native_info(native, 0).path, "/plain"));
    /* What fails changes nothing. */
    struct inlay_error *error = inlay_native_replace(native, two, 2);
    assert_non_null(error);
    assert_non_null(strstr(error->message, "/src/sample.c:"));
    inlay_error_destroy(error);
    assert_int_equal(status_for(native, "/plain"), 203);
    for (long after = 0; after < 100; after++) {
        inlay_mem_fail_after(after);
        error = inlay_native_replace(native, &one, 1);
        inlay_mem_fail_after(-1);
        if (!error)
            break;
        inlay_error_destroy(error);
        assert_int_equal(status_for(native, "/plain"), 203);
    }
    assert_int_equal(status_for(native, "/sum-squares"), 200);
    assert_null(inlay_native_replace(native, NULL, 0));
    assert_int_equal(inlay_native_count(native), 0);
    assert_int_equal(status_for(native, "/sum-squares"), 404);
    native->ops->destroy(native);
    sample_module_destroy(one);
    sample_module_destroy(other);
    sample_module_destroy(bad);
}

/* --- OpenAPI ------------------------------------------------------------ */

static void holds(const struct inlay_buf *out, const char *text)
{
    struct inlay_str all = inlay_buf_view(out);

    if (!memmem(all.ptr, all.len, text, strlen(text)))
        fail_msg("no %s in\n%.*s", text, inlay_str_arg(all));
}

static void test_openapi(void **state)
{
    struct inlay_buf out;

    inlay_buf_init(&out, 1 << 20);
    assert_int_equal(inlay_native_openapi(native_of(state), &out), 0);
    holds(&out, "{\"paths\":{\"/sum-squares\":{\"get\":{\"summary\":\"Sum "
                "Squares\",\"operationId\":\"sum_squares_sum_squares_get\","
                "\"parameters\":[{\"name\":\"a\",\"in\":\"query\","
                "\"required\":false,\"schema\":{\"type\":\"integer\"");
    holds(&out, "\"title\":\"A\",\"default\":5}}");
    holds(&out, "\"201\":{\"description\":\"Successful Response\",\"content\""
                ":{\"application/json\":{\"schema\":{\"$ref\":"
                "\"#/components/schemas/user\"}}}}");
    holds(&out, "{\"$ref\":\"#/components/schemas/Body_two_two__id__put\"}");
    holds(&out, "\"title\":\"Response Two Two  Id  Put\"");
    holds(&out, "\"/files/{rest}\":{\"get\"");
    holds(&out, "\"/big/{n}\"");
    holds(&out, "\"204\":{\"description\":\"Successful Response\"},\"422\"");
    holds(&out, "\"required\":[\"a\",\"b\"],\"title\":"
                "\"Body_two_two__id__put\"}");
    /* An empty body is no error of an optional one. */
    holds(&out, "\"anyOf\":[{\"$ref\":\"#/components/schemas/numbers\"},"
                "{\"type\":\"null\"}],\"title\":\"N\"}}}}");
    holds(&out, "\"parameters\":[{\"name\":\"color\",\"in\":\"path\","
                "\"required\":true,\"schema\":{\"$ref\":"
                "\"#/components/schemas/color\"}}");
    holds(&out, "\"schema\":{\"$ref\":\"#/components/schemas/color\","
                "\"default\":\"green\"}}");
    holds(&out, "\"maxLength\":1,\"minLength\":1,\"title\":\"Letter\","
                "\"default\":\"x\"}}");
    holds(&out, "\"color\":{\"type\":\"string\",\"enum\":[\"red\",\"green\","
                "\"blue\"],\"title\":\"color\"}");
    holds(&out, "\"requestBody\":{\"content\":{\"application/octet-stream\":"
                "{\"schema\":{\"type\":\"string\",\"contentMediaType\":"
                "\"application/octet-stream\",\"title\":\"Data\"}}},"
                "\"required\":true}");
    holds(&out, "{\"text/html\":{\"schema\":{\"type\":\"string\"}}}");
    holds(&out, "\"203\":{\"description\":\"Successful Response\",\"content\""
                ":{\"text/plain\":{\"schema\":{\"type\":\"string\"}}}}");
    holds(&out, "{\"application/octet-stream\":{\"schema\":{\"type\":"
                "\"string\"}}}");
    holds(&out, "\"requestBody\":{\"content\":{\"application/json\":{"
                "\"schema\":{\"$ref\":\"#/components/schemas/stroke\"}}},"
                "\"required\":true}");
    holds(&out, "{\"anyOf\":[{\"$ref\":\"#/components/schemas/stroke\"},"
                "{\"type\":\"null\"}],\"title\":\"Stroke\"}");
    holds(&out, "\"b\":{\"anyOf\":[{\"$ref\":\"#/components/schemas/"
                "stroke\"},{\"type\":\"null\"}]}},\"type\":\"object\","
                "\"required\":[\"a\"]");
    holds(&out, "\"ring\":{\"properties\":{\"next\":{\"anyOf\":[{\"$ref\":"
                "\"#/components/schemas/ring\"},{\"type\":\"null\"}]}},"
                "\"type\":\"object\",\"title\":\"ring\"}");
    inlay_buf_deinit(&out);

    inlay_buf_init(&out, 1000);
    assert_int_equal(inlay_native_openapi(native_of(state), &out), -1);
    inlay_buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_replace),
        cmocka_unit_test(test_openapi),
    };

    return cmocka_run_group_tests(tests, create, destroy);
}
