/*
 * Native routes: binding, calls, answers. The bodies are what FastAPI 0.165
 * with pydantic 2.14 answers to the same requests, byte for byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "native_sample.h"

#define JSON "application/json"
#define INT_PARSING                                                            \
    "\"msg\":\"Input should be a valid integer, unable to parse string as an " \
    "integer\""
#define MODEL_TYPE                                                             \
    "\"msg\":\"Input should be a valid dictionary or object to extract "       \
    "fields from\""
#define MISSING(loc, input)                                                    \
    "{\"type\":\"missing\",\"loc\":[" loc                                      \
    "],\"msg\":\"Field required\",\"input\":" input "}"
#define NO_INT(loc, input)                                                     \
    "{\"type\":\"int_parsing\",\"loc\":[" loc "]," INT_PARSING ",\"input\":"   \
    "\"" input "\"}"
#define NO_MODEL(loc, input)                                                   \
    "{\"type\":\"model_attributes_type\",\"loc\":[" loc "]," MODEL_TYPE        \
    ",\"input\":" input "}"
#define NO_LIST(loc, input)                                                    \
    "{\"type\":\"list_type\",\"loc\":[" loc                                    \
    "],\"msg\":\"Input should be a valid list\",\"input\":" input "}"
#define DETAIL(list) "{\"detail\":[" list "]}"

#define NO_COLOR(loc, input)                                                   \
    "{\"type\":\"enum\",\"loc\":[" loc "],\"msg\":\"Input should be 'red', "   \
    "'green' or 'blue'\",\"input\":" input                                     \
    ",\"ctx\":{\"expected\":\"'red', 'green' or 'blue'\"}}"
#define TOO_LONG(loc, input)                                                   \
    "{\"type\":\"string_too_long\",\"loc\":[" loc "],\"msg\":\"String should " \
    "have at most 3 characters\",\"input\":\"" input                           \
    "\",\"ctx\":{\"max_length\":3}}"
#define TWO_ITEMS(type, limit, loc, least, count, input)                       \
    "{\"type\":\"too_" type "\",\"loc\":[" loc "],\"msg\":\"List should have " \
    "at " least " 2 items after validation, not " count "\",\"input\":" input  \
    ",\"ctx\":{\"field_type\":\"List\",\"" limit                               \
    "_length\":2,\"actual_length\":" count "}}"
#define STROKE                                                                 \
    "{\"color\":\"blue\",\"letter\":\"x\",\"code\":\"abc\",\"at\":[1,2]"

struct test_case {
    const char *method, *target, *type, *body;
    int status;
    const char *answer;
    const char *media; /* of an answer that is no JSON */
};

static const struct test_case cases[] = {
    {"GET", "/sum-squares", NULL, "", 200,
     "{\"a\":5,\"b\":10,\"sum_of_squares\":125}"},
    {"GET", "/sum-squares?a=3&b=4", NULL, "", 200,
     "{\"a\":3,\"b\":4,\"sum_of_squares\":25}"},
    {"GET", "/sum-squares?a=x&a=3&b=4&c=9&&=", NULL, "", 200,
     "{\"a\":3,\"b\":4,\"sum_of_squares\":25}"},
    {"GET", "/sum-squares?%61=%2B3&b=+4", NULL, "", 200,
     "{\"a\":3,\"b\":4,\"sum_of_squares\":25}"},
    {"HEAD", "/sum-squares?a=3&b=4", NULL, "", 200, ""},
    {"GET", "/sum-squares?a=x&b=y", NULL, "", 422,
     DETAIL(NO_INT("\"query\",\"a\"", "x") "," NO_INT("\"query\",\"b\"", "y"))},
    {"GET", "/sum-squares?a&a=3&b", NULL, "", 422,
     DETAIL(NO_INT("\"query\",\"b\"", ""))},

    /* Path. */
    {"DELETE", "/users/7", NULL, "", 204, ""},
    {"DELETE", "/users/x", NULL, "", 422,
     DETAIL(NO_INT("\"path\",\"id\"", "x"))},
    {"GET", "/files/a%2Fb%20c/d", NULL, "", 200, "\"a/b c/d\""},
    {"GET", "/files/", NULL, "", 200, "\"\""},
    {"GET", "/half/1e2", NULL, "", 200, "50.0"},
    {"GET", "/half/1e2?flag=yes", NULL, "", 200, "100.0"},
    {"GET", "/half/1.5?flag=maybe", NULL, "", 422,
     DETAIL("{\"type\":\"bool_parsing\",\"loc\":[\"query\",\"flag\"],\"msg\":"
            "\"Input should be a valid boolean, unable to interpret input\","
            "\"input\":\"maybe\"}")},

    /* Lists and models of the query. */
    {"GET", "/many?x=1&x=2&y=a+b%20c&z=3", NULL, "", 200, "3"},
    {"GET", "/many?x=1&y=", NULL, "", 200, "null"},
    {"GET", "/many", NULL, "", 422,
     DETAIL(MISSING("\"query\",\"x\"", "null") "," MISSING("\"query\",\"y\"",
                                                           "null"))},
    {"GET", "/many?x=1&x=q&y=1&z=", NULL, "", 422,
     DETAIL(
         NO_INT("\"query\",\"x\",1", "q") "," NO_INT("\"query\",\"z\"", ""))},
    {"GET", "/page?limit=1&limit=2&tags=1&tags=2", NULL, "", 200,
     "{\"limit\":2,\"offset\":null,\"tags\":[1,2]}"},
    {"GET", "/page", NULL, "", 422,
     DETAIL(MISSING("\"query\",\"limit\"",
                    "{}") "," MISSING("\"query\",\"tags\"", "{}"))},
    {"GET", "/page?foo=1&tags=1&tags=z&foo=%FF&offset=2&bar=", NULL, "", 422,
     DETAIL(MISSING(
         "\"query\",\"limit\"",
         "{\"offset\":\"2\",\"tags\":[\"1\",\"z\"],\"foo\":[\"1\","
         "\"\xEF\xBF\xBD\"],\"bar\":\"\"}") "," NO_INT("\"query\",\"tags\",1",
                                                       "z"))},

    /* One struct is the whole body. */
    {"POST", "/users", JSON,
     "{\"id\":1,\"name\":\"x\",\"inner\":{\"n\":2},\"more\":[]}", 201,
     "{\"id\":1,\"name\":\"x\",\"score\":null,\"inner\":{\"n\":2}}"},
    {"POST", "/users", "application/vnd.api+JSON; charset=utf-8",
     "{\"id\":1,\"name\":\"x\",\"score\":1.5,\"inner\":{\"n\":2}}", 201,
     "{\"id\":1,\"name\":\"x\",\"score\":1.5,\"inner\":{\"n\":2}}"},
    {"POST", "/users", JSON, "{\"id\":\"x\",\"inner\":{}}", 422,
     DETAIL(NO_INT("\"body\",\"id\"", "x") "," MISSING(
         "\"body\",\"name\"",
         "{\"id\":\"x\",\"inner\":{}}") "," MISSING("\"body\",\"inner\",\"n\"",
                                                    "{}"))},
    {"POST", "/users", JSON, "[]", 422, DETAIL(NO_MODEL("\"body\"", "[]"))},
    {"POST", "/users", JSON, "{\"id\":1", 422,
     DETAIL("{\"type\":\"json_invalid\",\"loc\":[\"body\",7],\"msg\":\"JSON "
            "decode error\",\"input\":{},\"ctx\":{\"error\":\"Expecting ',' "
            "delimiter\"}}")},
    {"POST", "/mix?q=x", JSON, "{bad", 422,
     DETAIL("{\"type\":\"json_invalid\",\"loc\":[\"body\",1],\"msg\":\"JSON "
            "decode error\",\"input\":{},\"ctx\":{\"error\":\"Expecting "
            "property name enclosed in double quotes\"}}")},
    {"POST", "/mix?q=x", JSON, "", 422,
     DETAIL(NO_INT("\"query\",\"q\"", "x") "," MISSING("\"body\"", "null"))},
    {"POST", "/mix?q=x", JSON, "null", 422,
     DETAIL(NO_INT("\"query\",\"q\"", "x") "," NO_MODEL("\"body\"", "null"))},
    {"POST", "/mix?q=x", JSON, "{}", 422,
     DETAIL(NO_INT("\"query\",\"q\"", "x") "," MISSING("\"body\",\"numbers\"",
                                                       "{}"))},
    {"POST", "/mix", JSON, "{\"numbers\":[1,\"x\",2.5]}", 422,
     DETAIL(MISSING("\"query\",\"q\"", "null") "," NO_INT(
         "\"body\",\"numbers\",1",
         "x") ","
              "{\"type\":\"int_from_float\",\"loc\":[\"body\",\"numbers\",2],"
              "\"msg\":\"Input should be a valid integer, got a number with a "
              "fractional part\",\"input\":2.5}")},
    {"POST", "/mix?q=4&o=5", JSON, "{\"numbers\":[1,2]}", 200, "11"},
    {"POST", "/mix?q=1", "text/plain", "{\"numbers\":[1]}", 422,
     DETAIL(NO_MODEL("\"body\"", "\"{\\\"numbers\\\":[1]}\""))},
    {"POST", "/mix?q=1", "application/json+x", "{}", 422,
     DETAIL(NO_MODEL("\"body\"", "\"{}\""))},
    {"POST", "/mix?q=1", NULL, "{}", 422,
     DETAIL(NO_MODEL("\"body\"", "\"{}\""))},
    {"POST", "/mix?q=1", NULL, "\xff", 400,
     "{\"detail\":\"There was an error parsing the body\"}"},

    /* Lists. */
    {"POST", "/list", JSON, "[1, 2]", 200, "[1,2]"},
    {"POST", "/list", JSON, "[1,\"q\"]", 422,
     DETAIL(NO_INT("\"body\",1", "q"))},
    {"POST", "/list", JSON, "{\"a\":1}", 422,
     DETAIL(NO_LIST("\"body\"", "{\"a\":1}"))},
    {"POST", "/list", JSON, "", 422, DETAIL(MISSING("\"body\"", "null"))},
    {"POST", "/list", JSON, "null", 422, DETAIL(NO_LIST("\"body\"", "null"))},
    {"POST", "/list", "text/plain", "[1]", 422,
     DETAIL(NO_LIST("\"body\"", "\"[1]\""))},
    {"POST", "/list", JSON, "[\"\xff\"]", 400,
     "{\"detail\":\"There was an error parsing the body\"}"},
    {"POST", "/list", JSON, "  ", 422,
     DETAIL("{\"type\":\"json_invalid\",\"loc\":[\"body\",2],\"msg\":\"JSON "
            "decode error\",\"input\":{},\"ctx\":{\"error\":\"Expecting "
            "value\"}}")},
    {"GET", "/both?xs=1&xs=2", NULL, "", 200, "[1,2]"},
    {"PATCH", "/both", JSON, "[3]", 200, "[3]"},

    /* Two are embedded by name. */
    {"PUT", "/two/1", JSON,
     "{\"a\":{\"id\":1,\"name\":\"\",\"inner\":{\"n\":2}},"
     "\"b\":{\"numbers\":[7]}}",
     200, "3"},
    {"PUT", "/two/x", JSON, "{\"a\":{\"id\":\"x\",\"inner\":{}}}", 422,
     DETAIL(
         NO_INT("\"path\",\"id\"", "x") "," NO_INT("\"body\",\"a\",\"id\"", "x") "," MISSING(
             "\"body\",\"a\",\"name\"",
             "{\"id\":\"x\",\"inner\":{}}") "," MISSING("\"body\",\"a\","
                                                        "\"inner\",\"n\"",
                                                        "{}") "," MISSING("\"bo"
                                                                          "dy\""
                                                                          ",\"b"
                                                                          "\"",
                                                                          "nul"
                                                                          "l"))},
    {"PUT", "/two/1", JSON, "null", 422,
     DETAIL(MISSING("\"body\",\"a\"", "null") "," MISSING("\"body\",\"b\"",
                                                          "null"))},
    {"PUT", "/two/1", JSON, "[1]", 422,
     DETAIL(MISSING("\"body\",\"a\"", "null") "," MISSING("\"body\",\"b\"",
                                                          "null"))},
    {"PUT", "/two/1", JSON, "", 422,
     DETAIL(MISSING("\"body\",\"a\"", "null") "," MISSING("\"body\",\"b\"",
                                                          "null"))},
    {"PUT", "/two/1", "text/plain", "{}", 422,
     DETAIL(MISSING("\"body\",\"a\"", "null") "," MISSING("\"body\",\"b\"",
                                                          "null"))},
    {"PUT", "/two/1", JSON, "{\"a\":1,\"b\":null}", 422,
     DETAIL(NO_MODEL("\"body\",\"a\"", "1") "," NO_MODEL("\"body\",\"b\"",
                                                         "null"))},

    /* An optional struct. */
    {"POST", "/optional", JSON, "null", 200, "null"},
    {"POST", "/optional", JSON, "", 200, "null"},
    {"POST", "/optional", JSON, "{\"numbers\":[1,2]}", 200, "2"},
    {"POST", "/optional", JSON, "[1]", 422,
     DETAIL(NO_MODEL("\"body\"", "[1]"))},
    {"POST", "/no-params", JSON, "{bad", 200, "1"},
    {"POST", "/nothing", NULL, "", 204, ""},

    /* Errors of the C code. */
    {"GET", "/fails/1", NULL, "", 422,
     "{\"detail\":\"kind 1\\nof \\\"error\\\"\"}"},
    {"GET", "/fails/2", NULL, "", 404,
     "{\"detail\":\"kind 2\\nof \\\"error\\\"\"}"},
    {"GET", "/fails/11", NULL, "", 500,
     "{\"detail\":\"Internal Server Error\"}"},
    {"GET", "/fails/10", NULL, "", 501, "{\"detail\":\"Not Implemented\"}"},
    {"GET", "/bad-text", NULL, "", 500,
     "{\"detail\":\"Internal Server Error\"}"},

    /* Enums, characters. */
    {"GET", "/paint/red?more=blue&more=red", NULL, "", 200,
     "[\"blue\",\"red\",\"red\"]"},
    {"GET", "/paint/green?more=blue&letter=y", NULL, "", 200, "[\"blue\"]"},
    {"GET", "/paint/Red?more=&more=red&letter=", NULL, "", 422,
     DETAIL(NO_COLOR("\"path\",\"color\"", "\"Red\"") "," NO_COLOR(
         "\"query\",\"more\",0",
         "\"\"") ",{\"type\":\"string_too_short\","
                 "\"loc\":[\"query\",\"letter\"],"
                 "\"msg\":\"String should have at "
                 "least 1 character\",\"input\":"
                 "\"\",\"ctx\":{\"min_length\":1}}")},
    {"GET", "/shade", NULL, "", 200, "\"green\""},

    /* Structs by pointer, and what lies in place. */
    {"POST", "/stroke", JSON, STROKE ",\"inner\":{\"n\":7}}", 200,
     "{\"color\":\"blue\",\"letter\":\"x\",\"code\":\"abc\",\"at\":[2,2],"
     "\"inner\":{\"n\":7}}"},
    {"POST", "/stroke", JSON, STROKE "}", 200,
     "{\"color\":\"blue\",\"letter\":\"x\",\"code\":\"abc\",\"at\":[2,2],"
     "\"inner\":null}"},
    {"POST", "/stroke", JSON, "null", 422,
     DETAIL(NO_MODEL("\"body\"", "null"))},
    {"POST", "/stroke", JSON, "", 422, DETAIL(MISSING("\"body\"", "null"))},
    {"POST", "/stroke", JSON,
     "{\"color\":1,\"letter\":\"x\",\"code\":\"abcd\",\"at\":[1],\"inner\":3}",
     422,
     DETAIL(NO_COLOR("\"body\",\"color\"", "1") "," TOO_LONG(
         "\"body\",\"code\"",
         "abcd") "," TWO_ITEMS("short",
                               "min",
                               "\"body\",\"at\"",
                               "least",
                               "1",
                               "[1]") "," NO_MODEL("\"bod"
                                                   "y\","
                                                   "\"inn"
                                                   "er\"",
                                                   "3"))},
    {"POST", "/maybe-stroke", JSON, "null", 200, "null"},
    {"POST", "/maybe-stroke", JSON, "", 200, "null"},
    {"POST", "/maybe-stroke", JSON, STROKE "}", 200, STROKE ",\"inner\":null}"},
    {"POST", "/maybe-stroke", JSON, "[]", 422,
     DETAIL(NO_MODEL("\"body\"", "[]"))},
    {"PUT", "/strokes", JSON, "{\"a\":" STROKE "}}", 200, "1"},
    {"PUT", "/strokes", JSON, "{\"a\":" STROKE "},\"b\":" STROKE "}}", 200,
     "2"},
    {"PUT", "/strokes", JSON, "{\"a\":" STROKE "},\"b\":null}", 200, "1"},
    {"PUT", "/strokes", JSON, "{\"b\":null}", 422,
     DETAIL(MISSING("\"body\",\"a\"", "null"))},
    {"GET", "/point?at=1&at=2&color=red&code=ab", NULL, "", 200,
     "{\"at\":[1,2],\"color\":\"red\",\"code\":\"ab\"}"},
    {"GET", "/point?at=1&color=x&code=abcd", NULL, "", 422,
     DETAIL(TWO_ITEMS("short",
                      "min",
                      "\"query\",\"at\"",
                      "least",
                      "1",
                      "[\"1\"]") "," NO_COLOR("\"query\",\"color\"",
                                              "\"x\"") "," TOO_LONG("\"query\","
                                                                    "\"code\"",
                                                                    "abcd"))},
    {"GET", "/point?at=1&at=x&at=3&color=red&code=", NULL, "", 422,
     DETAIL(TWO_ITEMS("long",
                      "max",
                      "\"query\",\"at\"",
                      "most",
                      "3",
                      "[\"1\",\"x\",\"3\"]"))},
    {"GET", "/point?at=x&color=red&code=", NULL, "", 422,
     DETAIL(NO_INT("\"query\",\"at\",0", "x"))},
    {"GET", "/ring", NULL, "", 500, "{\"detail\":\"Internal Server Error\"}"},
    {"GET", "/owned/3", NULL, "", 200, "[0,1,2]"},
    {"GET", "/owned/0", NULL, "", 200, "[]"},

    /* Text and bytes as they are. */
    {"GET", "/html?word=%3Cp%3E", NULL, "", 200, "<p>",
     "text/html; charset=utf-8"},
    {"GET", "/html?word=", NULL, "", 200, "", "text/html; charset=utf-8"},
    {"HEAD", "/html?word=x", NULL, "", 200, "", "text/html; charset=utf-8"},
    {"GET", "/plain", NULL, "", 203, "<\xC3\xA9>", "text/plain; charset=utf-8"},
    {"GET", "/bad-plain", NULL, "", 500,
     "{\"detail\":\"Internal Server Error\"}"},
    {"POST", "/raw", JSON, "{\"a", 200, "{\"a", "application/octet-stream"},
    {"PUT", "/raw", NULL, "\xff", 200, "\xff", "application/octet-stream"},
    {"POST", "/raw", NULL, "", 200, "", "application/octet-stream"},
    {"POST", "/raw?q=x", "text/plain", "abc", 422,
     DETAIL(NO_INT("\"query\",\"q\"", "x"))},
    {"POST", "/raw?q=0", "text/plain", "abc", 500,
     "{\"detail\":\"Internal Server Error\"}"},
    {"POST", "/maybe-raw", NULL, "abc", 200, "3"},
    {"POST", "/maybe-raw", NULL, "", 200, "-1"},
};

static int create(void **state)
{
    static struct {
        struct inlay_module *module;
        struct inlay_handler *native;
    } fixture;

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

static struct inlay_handler *native_of(void **state)
{
    return ((struct inlay_handler **)*state)[1];
}

static int destroy(void **state)
{
    native_of(state)->ops->destroy(native_of(state));
    sample_module_destroy(*(struct inlay_module **)*state);
    return 0;
}

static void check_case(struct inlay_handler *native,
                       const struct test_case *test,
                       const struct sample_ask *ask)
{
    struct sample_exchange exchange;
    struct inlay_str answer;

    assert_int_not_equal(sample_exchange_run(&exchange, native, ask),
                         INLAY_DECLINED);
    answer = inlay_buf_view(&exchange.body);
    if (!exchange.ended || exchange.aborted ||
        exchange.status != test->status ||
        !inlay_str_equal(answer, inlay_str_from(test->answer)))
        fail_msg("%s %s %s\n%d %.*s\nnot %d %s", test->method, test->target,
                 test->body, exchange.status, inlay_str_arg(answer),
                 test->status, test->answer);
    const char *media = test->media ? test->media : "application/json";
    char head[80] = "";
    if (test->status != 204)
        snprintf(head, sizeof(head), "content-type: %s\n", media);
    assert_string_equal(exchange.head_text, head);
    sample_exchange_deinit(&exchange);
}

static void test_cases(void **state)
{
    for (size_t i = 0; i < inlay_array_size(cases); i++) {
        struct sample_ask ask = {
            .method = cases[i].method,
            .target = cases[i].target,
            .type = cases[i].type,
            .body = inlay_str_from(cases[i].body),
        };

        check_case(native_of(state), &cases[i], &ask);
        ask.close_late = true;
        check_case(native_of(state), &cases[i], &ask);
        ask.chunked = true;
        for (ask.piece = 1; ask.piece < 4; ask.piece++)
            check_case(native_of(state), &cases[i], &ask);
    }
}

static void test_declined(void **state)
{
    static const struct {
        const char *method, *target, *allow;
    } asks[] = {
        {"GET", "/nowhere", ""},
        {"GET", "/sum-squares/", ""},
        {"GET", "/users/", ""},
        {"OPTIONS", "*", ""},
        {"POST", "/sum-squares", "GET, HEAD"},
        {"GET", "/users/7", "DELETE"},
        {"DELETE", "/users", "POST"},
        {"PUT", "/both", "GET, HEAD, PATCH"},
    };

    for (size_t i = 0; i < inlay_array_size(asks); i++) {
        struct sample_exchange exchange;
        struct sample_ask ask = {.method = asks[i].method,
                                 .target = asks[i].target};

        assert_int_equal(sample_exchange_run(&exchange, native_of(state), &ask),
                         INLAY_DECLINED);
        assert_false(exchange.ended);
        if (!inlay_str_equal(exchange.request.native_allow,
                             inlay_str_from(asks[i].allow)))
            fail_msg("%s: %.*s", asks[i].target,
                     inlay_str_arg(exchange.request.native_allow));
        sample_exchange_deinit(&exchange);
    }
}

static void test_root_path(void **state)
{
    static const struct {
        const char *root, *target;
        bool found;
    } asks[] = {
        {"/api", "/api/sum-squares", true},
        {"/api/", "/api/sum-squares", true},
        {"/api", "/sum-squares", true},
        {"/api", "/apisum-squares", false},
        {"/sum-squares", "/sum-squares", false},
        {"/", "/sum-squares", true},
    };

    for (size_t i = 0; i < inlay_array_size(asks); i++) {
        struct sample_exchange exchange;
        struct sample_ask ask = {.method = "GET",
                                 .target = asks[i].target,
                                 .root_path = asks[i].root};
        enum inlay_outcome outcome =
            sample_exchange_run(&exchange, native_of(state), &ask);

        if ((outcome == INLAY_HANDLED) != asks[i].found)
            fail_msg("%s %s", asks[i].root, asks[i].target);
        sample_exchange_deinit(&exchange);
    }
}

static int status_of(void **state, const struct sample_ask *ask)
{
    struct sample_exchange exchange;

    assert_int_not_equal(sample_exchange_run(&exchange, native_of(state), ask),
                         INLAY_DECLINED);
    assert_true(exchange.ended && !exchange.aborted);
    sample_exchange_deinit(&exchange);
    return exchange.status;
}

static void test_limits(void **state)
{
    struct sample_ask ask = {.method = "POST",
                             .target = "/list",
                             .type = JSON,
                             .body = INLAY_STR("[1,2,3,4,5,6,7,8,9]"),
                             .body_limit = 19};
    struct sample_exchange exchange;

    assert_int_equal(status_of(state, &ask), 200);
    ask.body_limit = 18;
    assert_int_equal(status_of(state, &ask), 413);
    ask.chunked = true;
    assert_int_equal(status_of(state, &ask), 413);
    ask.piece = 4;
    assert_int_equal(status_of(state, &ask), 413);
    ask.body_limit = 0;
    ask.coding = "identity";
    assert_int_equal(status_of(state, &ask), 200);
    ask.coding = "gzip";
    assert_int_equal(sample_exchange_run(&exchange, native_of(state), &ask),
                     INLAY_HANDLED);
    assert_int_equal(exchange.status, 415);
    assert_non_null(strstr(exchange.head_text, "accept-encoding: identity\n"));
    assert_false(exchange.wanted);
    sample_exchange_deinit(&exchange);
}

/* Bodies and answers of some size, and what does not fit. */
static void test_sizes(void **state)
{
    struct sample_ask ask = {.method = "GET", .target = "/big/100000"};
    struct sample_exchange exchange;
    struct inlay_buf body;

    assert_int_equal(sample_exchange_run(&exchange, native_of(state), &ask),
                     INLAY_HANDLED);
    assert_int_equal(exchange.status, 200);
    assert_int_equal(inlay_buf_len(&exchange.body), 200001);
    assert_true(exchange.thread.scratch.size <= 65536);
    sample_exchange_deinit(&exchange);

    ask.memory = 900000; /* the slice fits, its JSON too */
    assert_int_equal(status_of(state, &ask), 200);
    ask.memory = 100000;
    assert_int_equal(status_of(state, &ask), 503);

    inlay_buf_init(&body, 1 << 20);
    assert_int_equal(inlay_buf_append_literal(&body, "[0"), 0);
    for (int i = 0; i < 200000; i++)
        assert_int_equal(inlay_buf_append_literal(&body, ",0"), 0);
    assert_int_equal(inlay_buf_append_literal(&body, "]"), 0);
    ask = (struct sample_ask){.method = "POST",
                              .target = "/list",
                              .type = JSON,
                              .body = inlay_buf_view(&body),
                              .piece = 16384};
    assert_int_equal(status_of(state, &ask), 200);
    ask.chunked = true;
    assert_int_equal(status_of(state, &ask), 200);
    for (ask.memory = 1 << 16; ask.memory < 1 << 23; ask.memory *= 2) {
        int status = status_of(state, &ask);

        assert_true(status == 413 || status == 200);
    }
    inlay_buf_deinit(&body);
}

/* An answer that proves too large leaves no large buffer behind. */
static void test_answer_too_large(void **state)
{
    struct inlay_buf target;
    struct sample_exchange exchange;

    inlay_buf_init(&target, 1 << 20);
    assert_int_equal(inlay_buf_append_literal(&target, "/files/"), 0);
    for (int i = 0; i < 20000; i++) /* each becomes six in JSON */
        assert_int_equal(inlay_buf_append_literal(&target, "%01"), 0);
    assert_int_equal(inlay_buf_append_char(&target, '\0'), 0);
    struct sample_ask ask = {
        .method = "GET", .target = target.data, .memory = 90000};
    sample_exchange_run(&exchange, native_of(state), &ask);
    assert_int_equal(exchange.status, 500);
    assert_true(exchange.thread.scratch.size <= 65536);
    sample_exchange_deinit(&exchange);
    inlay_buf_deinit(&target);
}

static void test_log(void **state)
{
    struct sample_ask ask = {.method = "GET", .target = "/fails/11"};
    struct sample_exchange exchange;

    assert_int_equal(sample_exchange_run(&exchange, native_of(state), &ask),
                     INLAY_HANDLED);
    assert_non_null(strstr(exchange.log, "GET /fails/{kind}: 500 from fails "
                                         "(/src/sample.c:"));
    assert_non_null(strstr(exchange.log, "kind 11 of \"error\""));
    sample_exchange_deinit(&exchange);
}

/* Every allocation fails once: an answer or a cut, never a crash. */
static void test_no_memory(void **state)
{
    for (size_t i = 0; i < inlay_array_size(cases); i++) {
        for (long after = 0; after < 40; after++) {
            struct sample_exchange exchange;
            struct sample_ask ask = {.method = cases[i].method,
                                     .target = cases[i].target,
                                     .type = cases[i].type,
                                     .body = inlay_str_from(cases[i].body),
                                     .no_memory_after = after + 1,
                                     .piece = 5};

            sample_exchange_run(&exchange, native_of(state), &ask);
            assert_true(exchange.ended || exchange.aborted);
            bool whole = exchange.status == cases[i].status &&
                         inlay_str_equal(inlay_buf_view(&exchange.body),
                                         inlay_str_from(cases[i].answer));
            sample_exchange_deinit(&exchange);
            if (whole)
                break;
            assert_true(after < 39);
        }
    }
}

/* --- What can't be bound ------------------------------------------------ */

/* Binds one function's routes after `change`; the error says `why`. */
static void refused(const char *function,
                    const char *methods,
                    const char *path,
                    int status,
                    const char *why)
{
    struct inlay_module *module = sample_module_create(function);
    struct inlay_handler *native = NULL;

    if (methods)
        module->routes[0].methods = inlay_str_from(methods);
    if (path)
        module->routes[0].path = inlay_str_from(path);
    module->routes[0].status = status;
    struct inlay_error *error = inlay_native_create(&module, 1, &native);
    if (!error)
        fail_msg("bound: %s %s", function, path);
    if (!strstr(error->message, why) ||
        strncmp(error->message, "/src/sample.c:", 14) != 0)
        fail_msg("%s", error->message);
    assert_int_equal(error->code, INLAY_ERROR_IMPORT);
    inlay_error_destroy(error);
    sample_module_destroy(module);
}

static void test_refused(void **state)
{
    (void)state;
    refused("sum_squares", "GET", "/{c}", 0,
            "GET /{c}: {c} names no parameter of sum_squares");
    refused("same_list", "POST", "/{xs}", 0,
            "parameter xs (int[]) of same_list is in the path, and has no "
            "form as text");
    refused("two", "DELETE", "/two/{id}", 0, "its field inner");
    refused("sum_squares", "GET", "/x", 700, "status 700 is not in");
    refused("sum_squares", "GET", "/x", 204, "has no content");
    refused("sum_squares", "get", "/x", 0, "GET,HEAD");
    refused("sum_squares", "", "/x", 0, "GET,HEAD");
    refused("sum_squares", "GET", "x", 0, "begin with /");
    refused("object", NULL, NULL, 0,
            "the result of object (PyObject *) can't be sent: routes run "
            "without Python's lock");
    refused("two_raws", NULL, NULL, 0,
            "an inlay_bytes is the whole body, and two_raws has another");
    refused("raw", "GET", "/x", 0,
            "parameter data (bytes) of raw has no place in a request");
    refused("raw", "POST", "/{data}", 0, "has no form as text");
    refused("maybe_stroke", "GET", "/x", 0, "its field inner");
    refused("same_stroke", "GET", "/x", 0,
            "stroke is read from the query here, and its field inner");
    refused("same_list", "PATCH,GET", "/both", 0,
            "another route has GET here already: /src/sample.c:4");
}

static void test_twice(void **state)
{
    struct inlay_module *module = sample_module_create("del_user");
    struct inlay_module *both[] = {module, module};
    struct inlay_handler *native = NULL;
    struct inlay_error *error = inlay_native_create(both, 2, &native);

    (void)state;
    assert_non_null(error);
    assert_string_equal(error->message,
                        "/src/sample.c:8: DELETE /users/{id}: another route "
                        "has DELETE here already: /src/sample.c:8");
    inlay_error_destroy(error);
    sample_module_destroy(module);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_declined),
        cmocka_unit_test(test_root_path),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_answer_too_large),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_twice),
    };

    return cmocka_run_group_tests(tests, create, destroy);
}
