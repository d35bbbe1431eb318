/* Forms as they arrive: any pieces, limits, files in memory and on disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "serve/form.h"
#include "serve/server.h"

struct ask {
    struct inlay_server server;
    struct inlay_io_thread thread;
    struct inlay_request request;
    struct inlay_header header;
    struct inlay_form *form;
    char log[256];
};

static void write_log(void *arg,
                      enum inlay_log_level level,
                      struct inlay_str line)
{
    struct ask *ask = arg;
    size_t len = inlay_min(line.len, sizeof(ask->log) - 1);

    (void)level;
    memcpy(ask->log, line.ptr, len);
    ask->log[len] = '\0';
}

static void ask_init(struct ask *ask, const char *type)
{
    struct inlay_server_config *config = &ask->server.config;

    memset(ask, 0, sizeof(*ask));
    inlay_server_config_default(config);
    config->log = (struct inlay_log){.sink = write_log, .arg = ask};
    config->limits.form_bytes = 1u << 20;
    config->limits.form_fields = 3;
    config->limits.form_files = 2;
    config->limits.form_field_bytes = 2048;
    config->limits.form_file_memory = 1024;
    ask->thread.server = &ask->server;
    ask->header =
        (struct inlay_header){INLAY_STR("content-type"), inlay_str_from(type)};
    ask->request = (struct inlay_request){
        .thread = &ask->thread,
        .headers = &ask->header,
        .nheaders = 1,
        .content_length = -1,
    };
    inlay_arena_init(&ask->request.arena, config->limits.request_memory);
}

static void ask_deinit(struct ask *ask)
{
    inlay_arena_deinit(&ask->request.arena);
}

/* 0, or the status that ends it. */
static int feed(struct ask *ask, struct inlay_str body, size_t step)
{
    int status = inlay_form_create(&ask->request, &ask->form);

    for (size_t at = 0; !status && at < body.len;) {
        size_t len = inlay_min(step, body.len - at);
        char *piece = malloc(len); /* not one that is made to fail */

        assert_non_null(piece);
        memcpy(piece, body.ptr + at, len);
        status = inlay_form_feed(ask->form, inlay_str_make(piece, len));
        free(piece);
        at += len;
    }
    return status ? status : inlay_form_finish(ask->form);
}

/* "name=data|…", "name<filename,type>=data|…" */
static void check(const char *type,
                  struct inlay_str body,
                  int status,
                  const char *says)
{
    for (size_t step = 1; step <= body.len + 1; step += 1 + step / 16) {
        struct ask ask;
        char text[16384] = "";
        size_t len = 0;

        ask_init(&ask, type);
        int got = feed(&ask, body, step);
        assert_int_equal(got, status);
        if (status) {
            struct inlay_str why = inlay_form_why(ask.form);
            assert_true(inlay_str_equal(why, inlay_str_from(says)));
            ask_deinit(&ask);
            continue;
        }
        const struct inlay_form_part *part = inlay_form_parts(ask.form);
        for (; part; part = part->next) {
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s",
                                    inlay_str_arg(part->name));
            if (part->is_file)
                len += (size_t)snprintf(
                    text + len, sizeof(text) - len, "<%.*s,%.*s>",
                    inlay_str_arg(part->filename), inlay_str_arg(part->type));
            len += (size_t)snprintf(text + len, sizeof(text) - len, "=%.*s|",
                                    inlay_str_arg(part->data));
            assert_true(len < sizeof(text));
        }
        assert_string_equal(text, says);
        ask_deinit(&ask);
    }
}

#define PARTS "multipart/form-data; boundary=B"
#define PAIRS "application/x-www-form-urlencoded"
#define PART(name, more, data)                                                 \
    "--B\r\nContent-Disposition: form-data; name=\"" name "\"" more            \
    "\r\n\r\n" data "\r\n"
#define FILE_PART(name, file, data)                                            \
    PART(name, "; filename=\"" file "\"\r\nContent-Type: a/b", data)

static void test_kinds(void **state)
{
    (void)state;
    check(PARTS, INLAY_STR(PART("a", "", "1") PART("b", "", "") "--B--"), 0,
          "a=1|b=|");
    check(PARTS,
          INLAY_STR(FILE_PART("f", "x.txt", "abc") PART("a", "", "1")
                        FILE_PART("f", "", "") "--B--"),
          0, "f<x.txt,a/b>=abc|a=1|f<,a/b>=|");
    check(PARTS, INLAY_STR(PART("a", "", "1") PART("b", "", "2") "--B"), 0,
          "a=1|");
    check(PARTS, INLAY_STR(PART("\xc3\xa4", "", "\xff") "--B--"), 0,
          "\xc3\xa4=\xc3\xbf|");
    check("multipart/form-data; charset=latin-1; boundary=B",
          INLAY_STR(PART("a", "", "\xc3") "--B--"), 0, "a=\xc3\x83|");
    check(PAIRS, INLAY_STR("a=1&b=%C3%A4+x"), 0, "a=1|b=\xc3\xa4 x|");
    check(PAIRS "; charset=utf-8", INLAY_STR(""), 0, "");
    check("application/json", INLAY_STR("a=1"), 0, "");
    check("", INLAY_STR("a=1"), 0, "");
}

static void test_malformed(void **state)
{
    (void)state;
    check("multipart/form-data", INLAY_STR("x"), 400,
          "Missing boundary in multipart.");
    check(PARTS, INLAY_STR("--C\r\n"), 400, "Invalid multipart data.");
    check(PARTS, INLAY_STR("--B\r\n\r\n"), 400,
          "The Content-Disposition header field \"name\" must be provided.");
    check(PARTS,
          INLAY_STR(PART("a", "", "") PART("a", "", "") PART("a", "", "")
                        PART("a", "", "")),
          400, "Too many fields. Maximum number of fields is 3.");
    check(PARTS,
          INLAY_STR(FILE_PART("a", "", "") FILE_PART("a", "", "")
                        FILE_PART("a", "", "")),
          400, "Too many files. Maximum number of files is 2.");
    check(PAIRS, INLAY_STR("a&b&c&d"), 400,
          "Too many fields. Maximum number of fields is 3.");
}

/* A body of one file, `size` bytes. */
static struct inlay_str file_body(struct inlay_buf *buf, size_t size)
{
    inlay_buf_init(buf, 4u << 20);
    inlay_buf_append_literal(buf, FILE_PART("f", "x", ""));
    buf->end -= 2;
    for (size_t i = 0; i < size; i++)
        inlay_buf_append_char(buf, (char)(i % 251));
    inlay_buf_append_literal(buf, "\r\n" PART("a", "", "1")
                                      FILE_PART("g", "y", "2") "--B--");
    return inlay_buf_view(buf);
}

static void check_file(const struct ask *ask, size_t size)
{
    const struct inlay_form_part *part = inlay_form_parts(ask->form);

    assert_int_equal(part->data.len, size);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(part->data.ptr[i], (char)(i % 251));
    assert_true(inlay_str_is(part->next->data, "1"));
    assert_true(inlay_str_is(part->next->next->data, "2"));
}

/* In memory up to the limit, mapped beyond; in any pieces. */
static void test_files(void **state)
{
    static const size_t sizes[] = {0, 1023, 1024, 1025, 70000, 200000};
    static const size_t steps[] = {1, 13, 1000, 20000, 66000, 1 << 20};

    (void)state;
    for (size_t i = 0; i < inlay_array_size(sizes); i++) {
        for (size_t j = 0; j < inlay_array_size(steps); j++) {
            struct inlay_buf body;
            struct ask ask;

            ask_init(&ask, PARTS);
            assert_int_equal(feed(&ask, file_body(&body, sizes[i]), steps[j]),
                             0);
            inlay_buf_deinit(&body);
            check_file(&ask, sizes[i]);
            ask_deinit(&ask);
        }
    }
}

/* Files that are small by themselves go to disk when they are many. */
static void test_memory(void **state)
{
    struct inlay_buf body;
    struct ask ask;

    (void)state;
    ask_init(&ask, PARTS);
    ask.server.config.limits.native_body_bytes = 100;
    assert_int_equal(feed(&ask, file_body(&body, 500), 7), 0);
    inlay_buf_deinit(&body);
    check_file(&ask, 500);
    ask_deinit(&ask);

    ask_init(&ask, PARTS);
    ask.server.config.limits.native_body_bytes = 3;
    assert_int_equal(
        feed(&ask, INLAY_STR(PART("a", "", "123") PART("b", "", "4")), 5), 413);
    ask_deinit(&ask);
    ask_init(&ask, PAIRS);
    ask.server.config.limits.native_body_bytes = 3;
    assert_int_equal(feed(&ask, INLAY_STR("a=1&b=2"), 5), 413);
    ask_deinit(&ask);
}

static void test_limits(void **state)
{
    struct inlay_buf body;
    struct ask ask;

    (void)state;
    for (int extra = 0; extra < 2; extra++) {
        ask_init(&ask, PARTS);
        inlay_buf_init(&body, 1u << 20);
        inlay_buf_append_literal(&body, PART("a", "", ""));
        body.end -= 2;
        for (int i = 0; i < 2048 + extra; i++)
            inlay_buf_append_char(&body, 'x');
        inlay_buf_append_literal(&body, "\r\n--B--");
        assert_int_equal(feed(&ask, inlay_buf_view(&body), 100),
                         extra ? 400 : 0);
        if (extra)
            assert_true(inlay_str_is(inlay_form_why(ask.form),
                                     "Part exceeded maximum size of 2KB."));
        inlay_buf_deinit(&body);
        ask_deinit(&ask);
    }
    ask_init(&ask, PARTS);
    assert_int_equal(feed(&ask, file_body(&body, 1u << 20), 5000), 413);
    inlay_buf_deinit(&body);
    ask_deinit(&ask);
    ask_init(&ask, PARTS);
    ask.request.content_length = (1 << 20) + 1;
    assert_int_equal(inlay_form_create(&ask.request, &ask.form), 413);
    ask_deinit(&ask);
}

static void test_no_folder(void **state)
{
    struct inlay_buf body;
    struct ask ask;

    (void)state;
    ask_init(&ask, PARTS);
    ask.server.config.form_folder = INLAY_STR("/nonexistent/folder");
    assert_int_equal(feed(&ask, file_body(&body, 2000), 100), 503);
    assert_non_null(strstr(ask.log, "/nonexistent/folder: open: No such file"));
    inlay_buf_deinit(&body);
    ask_deinit(&ask);
}

static void test_no_memory(void **state)
{
    (void)state;
    for (long after = 0; after < 60; after++) {
        struct inlay_buf body;
        struct ask ask;

        ask_init(&ask, PARTS);
        struct inlay_str text = file_body(&body, 5000);
        inlay_mem_fail_after(after);
        int status = feed(&ask, text, 900);
        inlay_mem_fail_after(-1);
        assert_true(status == 0 || status == 503 || status == 413);
        assert_true(inlay_form_why(ask.form).len > 0 || !status);
        if (!status)
            check_file(&ask, 5000);
        inlay_buf_deinit(&body);
        ask_deinit(&ask);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),     cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_files),     cmocka_unit_test(test_memory),
        cmocka_unit_test(test_limits),    cmocka_unit_test(test_no_folder),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
