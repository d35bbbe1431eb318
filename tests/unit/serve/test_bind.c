/*
 * What can't be bound, and what is said about it: one module with a route for
 * each mistake. What can be is in tests/py/test_sources.py and test_forms.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dwarf/open.h"
#include "serve/bind.h"

static const char source[] =
    "#include <inlay.h>\n"
    "INLAY_SLICE(ints, const int64_t);\n"
    "struct inner { int64_t n; };\n"
    "struct deep { int64_t a; struct inner inner; };\n"
    "struct listed { ints n; };\n"
    "struct flat { int64_t a; };\n"
    "struct file { inlay_upload file; };\n"
    "INLAY_ARRAY(owned, int64_t);\n"
    "int in_path(int64_t id) { return (int)id; }\n"
    "INLAY_HEADER(in_path, id, 0);\n"
    "INLAY_GET(\"/in-path/{id}\", in_path);\n"
    "int get_form(int64_t a) { return (int)a; }\n"
    "INLAY_FORM(get_form, a);\n"
    "INLAY_GET(\"/get-form\", get_form);\n"
    "int get_body(int64_t a) { return (int)a; }\n"
    "INLAY_BODY(get_body, a);\n"
    "INLAY_DELETE(\"/get-body\", get_body);\n"
    "int get_file(inlay_upload file) { return (int)file.data.len; }\n"
    "INLAY_GET(\"/get-file\", get_file);\n"
    "int two_bodies(int64_t a, struct flat b) { return (int)(a + b.a); }\n"
    "INLAY_FORM(two_bodies, a);\n"
    "INLAY_POST(\"/two-bodies\", two_bodies);\n"
    "int raw_form(int64_t a, inlay_bytes b) { return (int)(a + b.len); }\n"
    "INLAY_FORM(raw_form, a);\n"
    "INLAY_POST(\"/raw-form\", raw_form);\n"
    "int named_struct(struct flat head) { return (int)head.a; }\n"
    "INLAY_HEADER(named_struct, head, \"x-head\");\n"
    "INLAY_GET(\"/named-struct\", named_struct);\n"
    "int deep_head(struct deep head) { return (int)head.a; }\n"
    "INLAY_HEADER(deep_head, head, 0);\n"
    "INLAY_GET(\"/deep-head\", deep_head);\n"
    "int list_cookie(ints a) { return (int)a.len; }\n"
    "INLAY_COOKIE(list_cookie, a, 0);\n"
    "INLAY_GET(\"/list-cookie\", list_cookie);\n"
    "int list_jar(struct listed jar) { return (int)jar.n.len; }\n"
    "INLAY_COOKIE(list_jar, jar, 0);\n"
    "INLAY_GET(\"/list-jar\", list_jar);\n"
    "int bytes_head(inlay_bytes a) { return (int)a.len; }\n"
    "INLAY_HEADER(bytes_head, a, 0);\n"
    "INLAY_GET(\"/bytes-head\", bytes_head);\n"
    "int file_head(inlay_upload a) { return (int)a.data.len; }\n"
    "INLAY_HEADER(file_head, a, 0);\n"
    "INLAY_POST(\"/file-head\", file_head);\n"
    "int file_json(struct file a) { return (int)a.file.data.len; }\n"
    "INLAY_POST(\"/file-json\", file_json);\n"
    "int deep_form(struct deep form) { return (int)form.a; }\n"
    "INLAY_FORM(deep_form, form);\n"
    "INLAY_POST(\"/deep-form\", deep_form);\n"
    "int twice(inlay_str x_a, inlay_str b) { return (int)(x_a.len + b.len); }\n"
    "INLAY_HEADER(twice, x_a, 0);\n"
    "INLAY_HEADER(twice, b, \"X-A\");\n"
    "INLAY_GET(\"/twice\", twice);\n"
    "int bytes_query(inlay_bytes a) { return (int)a.len; }\n"
    "INLAY_GET(\"/bytes-query\", bytes_query);\n"
    "int nobody(int64_t a, inlay_request *r) { return r ? (int)a : 0; }\n"
    "INLAY_GET(\"/nobody/{id}\", nobody);\n"
    "int pointed(const struct flat *a) { return (int)a->a; }\n"
    "INLAY_GET(\"/pointed\", pointed);\n"
    "int by_value(struct flat a) { return (int)a.a; }\n"
    "INLAY_GET(\"/by-value\", by_value);\n"
    "INLAY_OPTIONAL(maybe_flat, struct flat);\n"
    "int perhaps(maybe_flat a) { return (int)a.has; }\n"
    "INLAY_GET(\"/perhaps\", perhaps);\n"
    "int said(const struct flat *a) { return (int)a->a; }\n"
    "INLAY_QUERY(said, a, 0);\n"
    "INLAY_GET(\"/said\", said);\n";

static const struct {
    const char *path, *says; /* says NULL: it can be bound */
} cases[] = {
    {"/in-path/{id}", "parameter id (int) of in_path has INLAY_HEADER at "},
    {"/in-path/{id}", "text.c:10, and is in the path"},
    {"/get-form", "has INLAY_FORM at "},
    {"/get-form", "and these methods have no body: use POST, PUT or PATCH"},
    {"/get-body", "has INLAY_BODY at "},
    {"/get-file", "comes with a form, and these methods have no body"},
    {"/two-bodies", "two_bodies takes a from a form and b from a JSON body: a "
                    "request has one body"},
    {"/raw-form", "takes a from a form and b from the whole body"},
    {"/named-struct", "it is a struct, each field of which is looked up by its "
                      "own name: give 0 as the name"},
    {"/deep-head", "head is read from headers here, and its field inner "
                   "(inner, "},
    {"/deep-head", "text.c:4) has no form as text"},
    {"/list-cookie", "and a cookie has one value"},
    {"/list-jar", "jar is read from cookies here, and its field n (int[], "},
    {"/list-jar", "is a list, but a cookie has one value"},
    {"/bytes-head", "and its type has no form as text"},
    {"/file-head", "an upload comes with a form: INLAY_FORM"},
    {"/file-json", "an upload comes with a form: INLAY_FORM"},
    {"/deep-form", "form is read from a form here, and its field inner"},
    {"/twice", "two parameters are called X-A in headers"},
    {"/bytes-query", "has no place in a request"},
    {"/nobody/{id}", NULL},
};

/* Binds the route; the error begins with where it is written. */
static void bind(const struct inlay_route_decl *route,
                 bool is_part,
                 const char *says)
{
    bool with_body = inlay_str_is(route->methods, "POST");
    const struct inlay_bind_target target = {
        .callable = route->callable,
        .methods = route->methods,
        .path = route->path,
        .with_body = with_body && !is_part,
        .is_part = is_part,
        .decl = route->decl,
    };
    struct inlay_bind *bind = NULL;
    struct inlay_arena arena;

    inlay_arena_init(&arena, 1u << 20);
    struct inlay_error *error = inlay_bind_create(&target, &arena, &bind);
    if (!error && says)
        fail_msg("bound: %s", route->path.ptr);
    if (error && !says)
        fail_msg("%s", error->message);
    if (error) {
        assert_int_equal(error->code, INLAY_ERROR_IMPORT);
        if (strncmp(error->message, route->decl.file.ptr,
                    route->decl.file.len) != 0 ||
            !strstr(error->message, says))
            fail_msg("%s, not %s", error->message, says);
    }
    inlay_error_destroy(error);
    inlay_arena_deinit(&arena);
}

static const struct inlay_route_decl *route_of(
    const struct inlay_module *module,
    const char *path)
{
    for (size_t i = 0; i < module->nroutes; i++)
        if (inlay_str_equal(module->routes[i].path, inlay_str_from(path)))
            return &module->routes[i];
    fail_msg("no route %s", path);
    return NULL;
}

static void test_refused(void **state)
{
    const struct inlay_module *module = *state;

    for (size_t i = 0; i < inlay_array_size(cases); i++)
        bind(route_of(module, cases[i].path), false, cases[i].says);
}

/* Guards and providers see no body. */
static void test_parts(void **state)
{
    const struct inlay_module *module = *state;
    const char *no_body = "guards and providers see the head of a request";

    bind(route_of(module, "/two-bodies"), true, no_body);
    bind(route_of(module, "/deep-form"), true, no_body);
    bind(route_of(module, "/get-body"), true, no_body);
    bind(route_of(module, "/nobody/{id}"), true, NULL);
    bind(route_of(module, "/bytes-query"), true,
         "has no place in the head of a request");
}

/* Nobody gives it: the query must not by itself. */
static void test_part_structs(void **state)
{
    const struct inlay_module *module = *state;
    const char *nobody = "has nobody who gives it: in guards and providers a "
                         "struct is a pointer to what INLAY_PROVIDE or";

    bind(route_of(module, "/pointed"), false, NULL);
    bind(route_of(module, "/pointed"), true, nobody);
    bind(route_of(module, "/pointed"), true, "INLAY_QUERY(pointed, a, 0)");
    bind(route_of(module, "/by-value"), true, nobody);
    bind(route_of(module, "/perhaps"), true, nobody);
    bind(route_of(module, "/said"), false, NULL);
    bind(route_of(module, "/said"), true, NULL);
}

static int set_up(void **state)
{
    *state = open_text(NULL, "cc", "", "text.c", source);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_part_structs),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
