/* The route tree: precedence, backtracking, methods, refused paths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "serve/route.h"

static struct inlay_str str(const char *text)
{
    return inlay_str_from(text);
}

static void add(struct inlay_route_tree *tree,
                const char *methods,
                const char *path,
                const char *target)
{
    struct inlay_error *error = inlay_route_tree_add(
        tree, str(methods), str(path), (void *)(uintptr_t)target);

    if (error)
        fail_msg("%s: %s", path, error->message);
}

static struct inlay_route_tree *make(void)
{
    struct inlay_route_tree *tree = NULL;

    assert_null(inlay_route_tree_create(&tree));
    return tree;
}

/* `text` gets before, number, after; and stays a C string. */
static void extend(struct inlay_buf *text,
                   const char *before,
                   int number,
                   const char *after)
{
    if (text->end)
        text->end--;
    assert_int_equal(inlay_buf_format(text, "%s%d%s", before, number, after),
                     0);
    assert_int_equal(inlay_buf_append_char(text, '\0'), 0);
}

/* "target(param,param)", "405 GET, HEAD" or "404". */
static const char *find(const struct inlay_route_tree *tree,
                        const char *method,
                        const char *path)
{
    static char memory[512];
    struct inlay_buf text = {
        .data = memory, .size = sizeof(memory), .limit = sizeof(memory)};
    struct inlay_route_match match;
    int failed = 0;

    if (!inlay_route_tree_find(tree, str(method), str(path), &match))
        return "404";
    if (!match.target) {
        failed |= inlay_buf_append_literal(&text, "405 ");
        failed |= inlay_buf_append_str(&text, match.allow);
    } else {
        failed |= inlay_buf_append_str(&text, str(match.target));
        for (size_t i = 0; i < match.nparams; i++) {
            failed |= inlay_buf_append_char(&text, i ? ',' : '(');
            failed |= inlay_buf_append_str(&text, match.params[i]);
        }
        if (match.nparams == 0)
            failed |= inlay_buf_append_char(&text, '(');
        failed |= inlay_buf_append_char(&text, ')');
    }
    failed |= inlay_buf_append_char(&text, '\0');
    assert_int_equal(failed, 0);
    return memory;
}

static void test_precedence(void **state)
{
    struct inlay_route_tree *tree = make();

    (void)state;
    add(tree, "GET", "/", "root");
    add(tree, "GET", "/users/{id}", "any");
    add(tree, "GET", "/users/me", "me");
    add(tree, "GET", "/users/{rest:path}", "rest");
    add(tree, "GET", "/n/{n:int}", "int");
    add(tree, "GET", "/n/{s}", "str");
    add(tree, "GET", "/f/{x:float}", "float");
    add(tree, "GET", "/u/{id:uuid}", "uuid");
    add(tree, "GET", "/o/{s:str}", "str");
    add(tree, "GET", "/o/{n:int}", "int");
    assert_string_equal(find(tree, "GET", "/"), "root()");
    assert_string_equal(find(tree, "GET", "/users/me"), "me()");
    assert_string_equal(find(tree, "GET", "/users/mee"), "any(mee)");
    assert_string_equal(find(tree, "GET", "/users/1/x"), "rest(1/x)");
    assert_string_equal(find(tree, "GET", "/users/me/"), "rest(me/)");
    assert_string_equal(find(tree, "GET", "/users/"), "rest()");
    assert_string_equal(find(tree, "GET", "/users"), "404");
    assert_string_equal(find(tree, "GET", "/n/12"), "int(12)");
    assert_string_equal(find(tree, "GET", "/n/-12"), "str(-12)");
    assert_string_equal(find(tree, "GET", "/n/-"), "str(-)");
    assert_string_equal(find(tree, "GET", "/n/1.5"), "str(1.5)");
    assert_string_equal(find(tree, "GET", "/n/"), "404");
    assert_string_equal(find(tree, "GET", "/f/-1.5"), "404");
    assert_string_equal(find(tree, "GET", "/f/2"), "float(2)");
    assert_string_equal(find(tree, "GET", "/f/.5"), "404");
    assert_string_equal(find(tree, "GET", "/f/1."), "404");
    assert_string_equal(
        find(tree, "GET", "/u/F81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
        "uuid(F81d4fae-7dec-11d0-a765-00a0c91e6bf6)");
    assert_string_equal(
        find(tree, "GET", "/u/f81d4fae7dec11d0a76500a0c91e6bf6"),
        "uuid(f81d4fae7dec11d0a76500a0c91e6bf6)");
    assert_string_equal(
        find(tree, "GET", "/u/f81d4fae-7dec11d0a765-00a0c91e6bf6"),
        "uuid(f81d4fae-7dec11d0a765-00a0c91e6bf6)");
    assert_string_equal(
        find(tree, "GET", "/u/f81d-4fae7dec11d0a76500a0c91e6bf6"), "404");
    assert_string_equal(
        find(tree, "GET", "/u/f81d4fae--7dec11d0a76500a0c91e6bf6"), "404");
    assert_string_equal(find(tree, "GET", "/u/f81d4fae7dec11d0a76500a0c91e6bf"),
                        "404");
    assert_string_equal(find(tree, "GET", "/u/-"), "404");
    assert_string_equal(
        find(tree, "GET", "/u/f81d4fae-7dec-11d0-a765-00a0c91e6bf6-"), "404");
    assert_string_equal(
        find(tree, "GET", "/u/g81d4fae7dec11d0a76500a0c91e6bf6"), "404");
    assert_string_equal(find(tree, "GET", "/f/1."), "404");
    assert_string_equal(find(tree, "GET", "/f/1.5.2"), "404");
    assert_string_equal(find(tree, "GET", "/o/12"), "str(12)");
    assert_string_equal(find(tree, "GET", ""), "404");
    assert_string_equal(find(tree, "GET", "*"), "404");
    assert_string_equal(find(tree, "GET", "//"), "404");
    inlay_route_tree_destroy(tree);
}

static void test_backtracking(void **state)
{
    struct inlay_route_tree *tree = make();

    (void)state;
    add(tree, "GET", "/a/b/c", "abc");
    add(tree, "GET", "/a/{x}/d", "axd");
    add(tree, "GET", "/{y}/b/e", "ybe");
    add(tree, "GET", "/{z}/{x:int}/{w}", "zxw");
    add(tree, "GET", "/{rest:path}", "rest");
    assert_string_equal(find(tree, "GET", "/a/b/c"), "abc()");
    assert_string_equal(find(tree, "GET", "/a/b/d"), "axd(b)");
    assert_string_equal(find(tree, "GET", "/a/b/e"), "ybe(a)");
    assert_string_equal(find(tree, "GET", "/a/7/f"), "zxw(a,7,f)");
    assert_string_equal(find(tree, "GET", "/a/b/f"), "rest(a/b/f)");
    assert_string_equal(find(tree, "GET", "/"), "rest()");
    inlay_route_tree_destroy(tree);
}

static void test_methods(void **state)
{
    struct inlay_route_tree *tree = make();

    (void)state;
    add(tree, "GET", "/x", "get");
    add(tree, "POST,PUT", "/x", "post");
    add(tree, "DELETE", "/{any}", "delete");
    add(tree, "POST,GET", "/head", "get");
    add(tree, "HEAD", "/head", "head");
    add(tree, "HEAD", "/daeh", "head");
    add(tree, "GET", "/daeh", "get");
    assert_string_equal(find(tree, "HEAD", "/x"), "get()");
    assert_string_equal(find(tree, "PUT", "/x"), "post()");
    assert_string_equal(find(tree, "HEAD", "/head"), "head()");
    assert_string_equal(find(tree, "HEAD", "/daeh"), "head()");
    assert_string_equal(find(tree, "GET", "/daeh"), "get()");
    /* The better path lacks the method, the other one has it. */
    assert_string_equal(find(tree, "DELETE", "/x"), "delete(x)");
    assert_string_equal(find(tree, "PATCH", "/x"),
                        "405 GET, HEAD, POST, PUT, DELETE");
    assert_string_equal(find(tree, "get", "/y"), "405 DELETE");
    inlay_route_tree_destroy(tree);
}

static void test_long_allow(void **state)
{
    struct inlay_route_tree *tree = make();
    struct inlay_route_match match;
    char methods[256], name[32];

    (void)state;
    for (int part = 0; part < 2; part++) {
        size_t len = 0;

        for (int i = 0; i < 12; i++) {
            snprintf(name, sizeof(name), "%sMETHOD%c%c", i ? "," : "",
                     'A' + part, 'A' + i);
            len += (size_t)snprintf(methods + len, sizeof(methods) - len, "%s",
                                    name);
        }
        add(tree, methods, part ? "/{x}" : "/x", "target");
    }
    assert_true(inlay_route_tree_find(tree, str("GET"), str("/x"), &match));
    assert_null(match.target);
    assert_true(match.allow.len >= 118 && match.allow.len <= 128);
    inlay_route_tree_destroy(tree);
}

static void refused(struct inlay_route_tree *tree,
                    const char *methods,
                    const char *path,
                    const char *why)
{
    struct inlay_error *error =
        inlay_route_tree_add(tree, str(methods), str(path), tree);

    assert_non_null(error);
    assert_int_equal(error->code, INLAY_ERROR_VALUE);
    if (!strstr(error->message, why))
        fail_msg("%s: %s", path, error->message);
    inlay_error_destroy(error);
}

static void test_refused(void **state)
{
    struct inlay_route_tree *tree = make();
    struct inlay_buf path;

    (void)state;
    add(tree, "GET", "/a/{x}", "one");
    refused(tree, "GET", "/a/{y}", "another route has GET here already");
    refused(tree, "POST,GET", "/a/{y}", "has GET here already");
    refused(tree, "", "/b", "are written as in");
    refused(tree, "GET,,PUT", "/b", "are written as in");
    refused(tree, "get", "/b", "are written as in");
    refused(tree, "GET", "", "begin with /");
    refused(tree, "GET", "x", "begin with /");
    refused(tree, "GET", "/{}", "identifier");
    refused(tree, "GET", "/{1a}", "identifier");
    refused(tree, "GET", "/{a/b}", "whole segment");
    refused(tree, "GET", "/x{a}", "whole segment");
    refused(tree, "GET", "/{a}x", "whole segment");
    refused(tree, "GET", "/{a", "whole segment");
    refused(tree, "GET", "/a}", "whole segment");
    refused(tree, "GET", "/{a:hex}", "str, int, float, uuid or path");
    refused(tree, "GET", "/{a}/{a}", "same name");
    refused(tree, "GET", "/{a:path}/b", "nothing can follow");
    refused(tree, "GET", "/\xff", "not UTF-8");
    refused(tree, "GET", "/a b", "character that no path has");
    refused(tree, "GET", "/{a}-{b}", "whole segment");
    inlay_buf_init(&path, 1024);
    for (int i = 0; i < 17; i++)
        extend(&path, "/{p", i, "}");
    refused(tree, "GET", path.data, "16 parameters");
    inlay_buf_clear(&path);
    for (int i = 0; i < 65; i++)
        extend(&path, "/s", i, "");
    refused(tree, "GET", path.data, "64 segments");
    inlay_buf_deinit(&path);
    inlay_route_tree_destroy(tree);
}

static void test_many_literals(void **state)
{
    struct inlay_route_tree *tree = make();
    char path[64];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        snprintf(path, sizeof(path), "/r%d/x", i * 7919 % 1000);
        add(tree, "GET", path, "there");
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(path, sizeof(path), "/r%d/x", i);
        assert_string_equal(find(tree, "GET", path), "there()");
        snprintf(path, sizeof(path), "/r%d/y", i);
        assert_string_equal(find(tree, "GET", path), "404");
    }
    inlay_route_tree_destroy(tree);
}

/* Every level has two ways on: each node is still entered once only. */
static void test_deep(void **state)
{
    struct inlay_route_tree *tree = make();
    struct inlay_buf literal, params;

    (void)state;
    inlay_buf_init(&literal, 1024);
    inlay_buf_init(&params, 1024);
    for (int i = 0; i < 16; i++) {
        extend(&literal, "/", i, "");
        extend(&params, "/{p", i, "}");
    }
    add(tree, "GET", literal.data, "literal");
    add(tree, "GET", params.data, "params");
    assert_string_equal(find(tree, "GET", literal.data), "literal()");
    literal.data[literal.end - 2] = 'b';
    assert_string_equal(find(tree, "GET", literal.data),
                        "params(0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,1b)");
    inlay_buf_deinit(&literal);
    inlay_buf_deinit(&params);
    inlay_route_tree_destroy(tree);
}

static void test_next_param(void **state)
{
    struct inlay_str rest = INLAY_STR("/a/{id:int}/{rest:path}"), name, kind;

    (void)state;
    assert_true(inlay_pattern_next_param(&rest, &name, &kind));
    assert_true(inlay_str_is(name, "id") && inlay_str_is(kind, "int"));
    assert_true(inlay_pattern_next_param(&rest, &name, &kind));
    assert_true(inlay_str_is(name, "rest") && inlay_str_is(kind, "path"));
    assert_false(inlay_pattern_next_param(&rest, &name, &kind));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_precedence), cmocka_unit_test(test_backtracking),
        cmocka_unit_test(test_methods),    cmocka_unit_test(test_long_allow),
        cmocka_unit_test(test_refused),    cmocka_unit_test(test_many_literals),
        cmocka_unit_test(test_deep),       cmocka_unit_test(test_next_param),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
