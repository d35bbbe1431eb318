/* Multipart bodies: what python-multipart takes, in any pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "http/multipart.h"

#include "base/banned.h"

/* What has happened, as text: "[name|file?|type]data." */
struct record {
    struct inlay_buf text;
    int stop_after; /* events; < 0: never */
};

static int count(struct record *record)
{
    return record->stop_after < 0 || record->stop_after-- > 0 ? 0 : -1;
}

static int on_part(void *arg, const struct inlay_multipart_part *part)
{
    struct record *record = arg;

    inlay_buf_append_char(&record->text, '[');
    inlay_buf_append_str(&record->text, part->name);
    if (part->is_file) {
        inlay_buf_append_char(&record->text, '|');
        inlay_buf_append_str(&record->text, part->filename);
    }
    if (part->type.ptr) {
        inlay_buf_append_char(&record->text, '#');
        inlay_buf_append_str(&record->text, part->type);
    }
    inlay_buf_append_char(&record->text, ']');
    return count(record);
}

static int on_data(void *arg, struct inlay_str bytes)
{
    struct record *record = arg;

    assert_true(bytes.len > 0);
    inlay_buf_append_str(&record->text, bytes);
    return 0;
}

static int on_end(void *arg)
{
    struct record *record = arg;

    inlay_buf_append_char(&record->text, '.');
    return count(record);
}

static const struct inlay_multipart_ops ops = {on_part, on_data, on_end};

/* In pieces of `step` bytes, which lie in memory of their own. */
static enum inlay_multipart_status run(struct inlay_str body,
                                       size_t step,
                                       struct record *record)
{
    struct inlay_multipart multipart;
    enum inlay_multipart_status status;
    size_t at = 0;

    inlay_buf_init(&record->text, 1u << 20);
    status = inlay_multipart_init(&multipart, INLAY_STR("B"), &ops, record);
    while (status == INLAY_MULTIPART_OK && at < body.len) {
        size_t len = step < body.len - at ? step : body.len - at;
        char *piece = inlay_malloc(len);

        assert_non_null(piece);
        memcpy(piece, body.ptr + at, len);
        status = inlay_multipart_feed(&multipart, inlay_str_make(piece, len));
        inlay_free(piece);
        at += len;
    }
    inlay_multipart_deinit(&multipart);
    return status;
}

static void check(struct inlay_str body,
                  enum inlay_multipart_status status,
                  const char *events)
{
    for (size_t step = 1; step <= body.len + 1; step++) {
        struct record record = {.stop_after = -1};

        assert_int_equal(run(body, step, &record), status);
        struct inlay_str text = inlay_buf_view(&record.text);
        if (!inlay_str_equal(text, inlay_str_from(events)))
            fail_msg("pieces of %zu: '%.*s', not '%s'", step,
                     inlay_str_arg(text), events);
        inlay_buf_deinit(&record.text);
    }
}

#define OK INLAY_MULTIPART_OK
#define INVALID INLAY_MULTIPART_INVALID
#define FIELD "content-disposition: form-data; name=\"a\"\r\n\r\n"

static void parts(void **state)
{
    (void)state;
    check(INLAY_STR(""), OK, "");
    check(INLAY_STR("--B\r\n" FIELD "1\r\n--B--\r\n"), OK, "[a]1.");
    check(INLAY_STR("--B\r\n" FIELD "\r\n--B--"), OK, "[a].");
    check(INLAY_STR("--B\r\n" FIELD "1\r\n--B\r\n" FIELD "2\r\n--B--"), OK,
          "[a]1.[a]2.");
    check(INLAY_STR("--B\r\nContent-Type:  text/x\r\nCONTENT-DISPOSITION:a;"
                    "name=b;filename=\"c;d\"\r\nx:y\r\n\r\n1\r\n--B--tail"),
          OK, "[b|c;d#text/x]1.");
    check(INLAY_STR("--B--"), OK, "");
    check(INLAY_STR("\r\n\r\n--B\r\n" FIELD "1\r\n--B--"), OK, "[a]1.");
    check(INLAY_STR("\nx x--B\r\n" FIELD "1\r\n--B--"), OK, "[a]1.");
}

/* What looks like a delimiter, in part. */
static void near_delimiters(void **state)
{
    (void)state;
    check(INLAY_STR("--B\r\n" FIELD "\r\n--C\r\n-\r\r\n--\r\n--B--"), OK,
          "[a]\r\n--C\r\n-\r\r\n--.");
    check(INLAY_STR("--B\r\n" FIELD "\r\n--Bx\r\n--B-x\r\n--B\rx\r\n--B--"), OK,
          "[a]\r\n--Bx\r\n--B-x\r\n--B\rx.");
    check(INLAY_STR("--B\r\n" FIELD "--B--\r\n--B--"), OK, "[a]--B--.");
    check(INLAY_STR("--B\r\n" FIELD "1\r\n--B\r\r\n--B--"), OK,
          "[a]1\r\n--B\r.");
    check(INLAY_STR("--B\r\n" FIELD "1\r\n--B-\r\n--B--"), OK, "[a]1\r\n--B-.");
    check(INLAY_STR("--B\r\n" FIELD "1\r\n--B \t\r\n" FIELD "2\r\n--B--"), OK,
          "[a]1.[a]2.");
    check(INLAY_STR("--B\r\n" FIELD "1\r\n--B x"), INVALID, "[a]1");
}

/* A part whose end does not come is none. */
static void cut(void **state)
{
    static const char body[] = "--B\r\n" FIELD "12\r\n--B--";

    (void)state;
    for (size_t len = 0; len < sizeof(body) - 1; len++) {
        struct record record = {.stop_after = -1};

        assert_int_equal(run(inlay_str_make(body, len), len + 1, &record), OK);
        struct inlay_str text = inlay_buf_view(&record.text);
        assert_true(!text.len || !memchr(text.ptr, '.', text.len));
        inlay_buf_deinit(&record.text);
    }
}

static void invalid(void **state)
{
    (void)state;
    check(INLAY_STR("x"), INVALID, "");
    check(INLAY_STR("--C"), INVALID, "");
    check(INLAY_STR("--Bx"), INVALID, "");
    check(INLAY_STR("--B\rx"), INVALID, "");
    check(INLAY_STR("--B-x"), INVALID, "");
    check(INLAY_STR("--B\r\na b: c\r\n"), INVALID, "");
    check(INLAY_STR("--B\r\n: c\r\n"), INVALID, "");
    check(INLAY_STR("--B\r\na: c\rx"), INVALID, "");
    check(INLAY_STR("--B\r\na: c\r\n\rx"), INVALID, "");
    check(INLAY_STR("--B\r\na\xc3: c\r\n\r\n"), INVALID, "");
    check(INLAY_STR("--B\r\n\r\n"), INLAY_MULTIPART_NO_NAME, "");
    check(INLAY_STR("--B\r\ncontent-disposition: form-data; filename=x\r\n"
                    "\r\n"),
          INLAY_MULTIPART_NO_NAME, "");
    check(INLAY_STR("--B\r\ncontent-disposition: a;name=x\r\n"
                    "content-disposition: b\r\n\r\n"),
          INLAY_MULTIPART_NO_NAME, "");
}

static void limits(void **state)
{
    struct inlay_multipart multipart;
    struct record record = {.stop_after = -1};
    struct inlay_buf body;
    char boundary[INLAY_MULTIPART_BOUNDARY + 1];

    (void)state;
    memset(boundary, 'b', sizeof(boundary));
    assert_int_equal(
        inlay_multipart_init(
            &multipart, inlay_str_make(boundary, sizeof(boundary)), &ops, NULL),
        INVALID);
    assert_int_equal(
        inlay_multipart_init(&multipart,
                             inlay_str_make(boundary, sizeof(boundary) - 1),
                             &ops, NULL),
        OK);
    inlay_multipart_deinit(&multipart);

    for (int headers = 7; headers <= 8; headers++) {
        inlay_buf_init(&body, 1u << 20);
        inlay_buf_append_literal(&body, "--B\r\n");
        for (int i = 0; i < headers; i++)
            inlay_buf_append_literal(&body, "x: y\r\n");
        inlay_buf_append_literal(&body, FIELD "1\r\n--B--");
        assert_int_equal(run(inlay_buf_view(&body), 7, &record),
                         headers == 7 ? OK : INVALID);
        inlay_buf_deinit(&record.text);
        inlay_buf_deinit(&body);
    }
    for (size_t extra = 0; extra < 2; extra++) {
        inlay_buf_init(&body, 1u << 20);
        inlay_buf_append_literal(&body, "--B\r\nx: ");
        for (size_t i = 3; i < INLAY_MULTIPART_LINE + extra; i++)
            inlay_buf_append_char(&body, 'v');
        inlay_buf_append_literal(&body, "\r\n" FIELD "1\r\n--B--");
        assert_int_equal(run(inlay_buf_view(&body), 1000, &record),
                         extra ? INVALID : OK);
        inlay_buf_deinit(&record.text);
        inlay_buf_deinit(&body);
    }
}

static void stopped(void **state)
{
    (void)state;
    for (int after = 0; after < 3; after++) {
        struct record record = {.stop_after = after};
        enum inlay_multipart_status status =
            run(INLAY_STR("--B\r\n" FIELD "1\r\n--B--"), 3, &record);

        assert_int_equal(status, after < 2 ? INLAY_MULTIPART_STOPPED : OK);
        inlay_buf_deinit(&record.text);
    }
}

static void no_memory(void **state)
{
    (void)state;
    for (long after = 0; after < 3; after++) {
        struct inlay_multipart multipart;
        struct record record = {.stop_after = -1};

        inlay_buf_init(&record.text, 1000);
        assert_int_equal(inlay_buf_reserve(&record.text, 100), 0);
        assert_int_equal(
            inlay_multipart_init(&multipart, INLAY_STR("B"), &ops, &record),
            OK);
        inlay_mem_fail_after(after);
        enum inlay_multipart_status status = inlay_multipart_feed(
            &multipart, INLAY_STR("--B\r\n" FIELD "1\r\n--B--"));
        inlay_mem_fail_after(-1);
        assert_int_equal(status, after < 2 ? INLAY_MULTIPART_NO_MEMORY : OK);
        inlay_multipart_deinit(&multipart);
        inlay_buf_deinit(&record.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts),     cmocka_unit_test(near_delimiters),
        cmocka_unit_test(cut),       cmocka_unit_test(invalid),
        cmocka_unit_test(limits),    cmocka_unit_test(stopped),
        cmocka_unit_test(no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
