/*
 * Guards of each colour before native routes and an application: bodies wait
 * for them whole, what is not a refusal by the book is no pass, and layers and
 * hooks live through servers that end while one of them runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "client.h"
#include "dwarf/open.h"
#include "load/module.h"
#include "pool/workers.h"
#include "serve/guard.h"
#include "serve/layers.h"
#include "serve/native.h"

#include "base/banned.h"

static const char source[] =
    "#include <inlay.h>\n"
    "#include <unistd.h>\n"
    "struct count { int64_t count; };\n"
    "static void quick(inlay_request *request) { (void)request; }\n"
    "static void slow(inlay_request *request)\n"
    "{\n"
    "    (void)request;\n"
    "    inlay_sleep(2);\n"
    "}\n"
    "static void pooled(const inlay_request *request)\n"
    "{\n"
    "    usleep(inlay_header(request, \"x-long\").len ? 100000 : 100);\n"
    "}\n"
    "INLAY_ASYNC(pooled);\n"
    "INLAY_BEFORE(\"/quick/*\", quick);\n"
    "INLAY_BEFORE(\"/slow/*\", slow);\n"
    "INLAY_BEFORE(\"/pooled/*\", pooled);\n"
    "INLAY_BEFORE(\"/all/*\", slow);\n"
    "INLAY_BEFORE(\"/all/*\", pooled);\n"
    "INLAY_BEFORE(\"/all/*\", slow);\n"
    "INLAY_BEFORE(\"/all/*\", quick);\n"
    "INLAY_BEFORE(\"/echo\", quick);\n"
    "static void says(void) { inlay_status(403); }\n"
    "INLAY_BEFORE(\"/said/*\", says);\n"
    "static void after(const inlay_request *request)\n"
    "{\n"
    "    inlay_header_set(\"x-hook\", \"1\");\n"
    "    if (inlay_header(request, \"x-fail\").len)\n"
    "        inlay_fail(INLAY_INTERNAL, \"first\\nERROR: second\");\n"
    "}\n"
    "INLAY_AFTER(\"/hooked/*\", after);\n"
    "static struct count same(struct count body) { return body; }\n"
    "INLAY_POST(\"/quick/n\", same);\n"
    "INLAY_POST(\"/slow/n\", same);\n"
    "INLAY_POST(\"/pooled/n\", same);\n"
    "INLAY_POST(\"/all/n\", same);\n"
    "static struct count one(void) { return (struct count){1}; }\n"
    "INLAY_GET(\"/said/n\", one);\n"
    "INLAY_GET(\"/hooked/n\", one);\n"
    "INLAY_GET(\"/pooled/n\", one);\n";

static struct inlay_module *module; /* never freed, as modules are */
static struct inlay_handler *native;
static char last_log[512];

static int load(void **state)
{
    (void)state;
    module = open_text(NULL, "cc", "", "guards.c", source);
    return 0;
}

static void keep_log(void *arg,
                     enum inlay_log_level level,
                     struct inlay_str text)
{
    char *last = arg;
    size_t len = inlay_min(text.len, sizeof(last_log) - 1);

    (void)level;
    memcpy(last, text.ptr, len);
    last[len] = '\0';
}

static int setup(void **state)
{
    static const struct inlay_str layers[] = {
        INLAY_STR("concurrency /pooled/* 2"),
    };
    struct fixture *fixture = create_fixture();
    struct inlay_handler *guards;

    fixture->config.log.sink = keep_log;
    fixture->config.log.arg = last_log;
    fixture->config.layers = (struct inlay_strs){layers, 1};
    create_server(fixture);
    assert_null(inlay_native_create(&module, 1, &native));
    assert_null(inlay_guards_create(fixture->server, native, &guards));
    assert_null(inlay_server_add_handler(fixture->server, guards));
    assert_null(inlay_server_add_handler(fixture->server, native));
    assert_null(inlay_server_start(fixture->server));
    *state = fixture;
    return 0;
}

#define HEAD(path, more) "POST " path " HTTP/1.1\r\n" HOST more "\r\n"
#define JSON "Content-Type: application/json\r\n"
#define BODY "{\"count\":4711}"

/* At once, in two parts, in chunks; and what follows on the connection. */
static void check_bodies(const struct fixture *fixture, const char *path)
{
    char head[256];
    int fd = open_client(fixture);

    for (int parts = 0; parts < 3; parts++) {
        snprintf(head, sizeof(head), HEAD("%s", JSON "%s\r\n"), path,
                 parts < 2 ? "Content-Length: 14"
                           : "Transfer-Encoding: chunked");
        send_text(fd, head);
        if (parts)
            sleep_ms(10);
        has(exchange(fd, parts < 2 ? BODY : "e\r\n" BODY "\r\n0\r\n\r\n", BODY),
            "HTTP/1.1 200 ");
    }
    snprintf(head, sizeof(head), HEAD("%s", JSON "Content-Length: 14\r\n") BODY,
             path);
    has(exchange(fd, head, BODY), "HTTP/1.1 200 ");
    close(fd);
}

static void bodies_wait(void **state)
{
    check_bodies(*state, "/quick/n");
    check_bodies(*state, "/slow/n");
    check_bodies(*state, "/pooled/n");
    check_bodies(*state, "/all/n");
    check_bodies(*state, "/echo");
}

/* A status is no refusal, and must not look like one. */
static void a_status_alone(void **state)
{
    int fd = open_client(*state);
    const char *text = exchange(fd, GET("/said/n"), "}");

    has(text, "HTTP/1.1 500 ");
    lacks(text, "count");
    has(last_log, "guard /said/*");
    has(last_log, "inlay_fail");
    close(fd);
}

static void hooks(void **state)
{
    const struct inlay_str pattern = INLAY_STR("/hooked/*");
    int fd = open_client(*state);
    const char *text = exchange(fd, GET("/hooked/n"), "{\"count\":1}");

    has(text, "HTTP/1.1 200 ");
    has(text, "x-hook: 1\r\n");
    text = exchange(fd, "GET /hooked/n HTTP/1.1\r\n" HOST "X-Fail: 1\r\n\r\n",
                    "Error");
    has(text, "HTTP/1.1 500 ");
    has(last_log, "first ERROR: second"); /* in one line */
    /* What it would add may be what makes the answer safe. */
    assert_int_equal(inlay_native_switch(native, INLAY_STR("guard"), pattern,
                                         INLAY_SWITCH_REFUSE),
                     0);
    assert_int_equal(inlay_native_switch(native, INLAY_STR("hook"), pattern,
                                         INLAY_SWITCH_REFUSE),
                     1);
    text = exchange(fd, GET("/hooked/n"), "Error");
    has(text, "HTTP/1.1 500 ");
    lacks(text, "count");
    inlay_native_switch(native, INLAY_STR("hook"), pattern, INLAY_SWITCH_ON);
    has(exchange(fd, GET("/hooked/n"), "{\"count\":1}"), "x-hook: 1\r\n");
    close(fd);
}

/* Its slot of a layer lies in memory that the pool has. */
static void stops(void **state)
{
    struct inlay_workers_stats stats;
    int fds[3];

    for (int i = 0; i < 3; i++) {
        fds[i] = open_client(*state);
        send_text(fds[i],
                  "GET /pooled/n HTTP/1.1\r\n" HOST "X-Long: 1\r\n\r\n");
    }
    char *text = read_until(fds[2], "later\"}", NULL);
    has(text, "HTTP/1.1 503 ");
    free(text);
    for (int i = 0; i < 200; i++) {
        inlay_workers_stats(&stats);
        if (stats.running == 2)
            break;
        sleep_ms(1);
    }
    assert_int_equal(stats.running, 2);
    destroy_fixture(state);
    for (int i = 0; i < 400; i++) {
        inlay_workers_stats(&stats);
        if (!stats.running)
            break;
        sleep_ms(5);
    }
    assert_int_equal(stats.running, 0);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, destroy_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bodies_wait),
        TEST(a_status_alone),
        TEST(hooks),
        cmocka_unit_test_setup(stops, setup),
    };

    return cmocka_run_group_tests_name("guards", tests, load, NULL);
}
