/*
 * test_golden.c - the engine on tests/golden/http1: what each input means, and
 * that it means the same however it is cut. With -u files are rewritten with
 * what the engine says.
 *
 * A file holds cases: "== name", lines of input ("> text", "*N text": N times)
 * with \r \n \t \\ \xNN, then the lines of the expected record.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "record.h"

#include "base/banned.h"

#define CUTS 24

struct golden {
    struct inlay_str name;
    struct inlay_buf input;
    struct inlay_buf expected;
    struct inlay_buf source; /* the input's lines as they stand */
};

static int failures;

static void fail(const struct golden *golden,
                 const char *what,
                 struct inlay_str got)
{
    failures++;
    printf("FAIL %.*s (%s)\n--- expected\n%.*s--- got\n%.*s",
           inlay_str_arg(golden->name), what,
           inlay_str_arg(inlay_buf_view(&golden->expected)),
           inlay_str_arg(got));
}

static void unescape(struct inlay_buf *out, struct inlay_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\\' && i + 1 < text.len) {
            char kind = text.ptr[++i];
            char hex[3] = "";
            if (kind == 'x' && i + 2 < text.len) {
                memcpy(hex, text.ptr + i + 1, 2);
                i += 2;
            }
            c = (char)(kind == 'r'   ? '\r'
                       : kind == 'n' ? '\n'
                       : kind == 't' ? '\t'
                       : kind == 'x' ? strtol(hex, NULL, 16)
                                     : kind);
        }
        inlay_buf_append_char(out, c);
    }
}

static void read_input(struct golden *golden, struct inlay_str line)
{
    unsigned long times = 1;
    const char *text = line.ptr + 1;

    if (line.ptr[0] == '*')
        times = strtoul(text, (char **)&text, 10);
    text++;
    for (; times; times--)
        unescape(&golden->input,
                 inlay_str_make(text, (size_t)(line.ptr + line.len - text)));
    inlay_buf_append_str(&golden->source, line);
    inlay_buf_append_char(&golden->source, '\n');
}

static void check(struct golden *golden, FILE *update)
{
    struct inlay_str input = inlay_buf_view(&golden->input);
    struct inlay_buf log;

    inlay_buf_init(&log, SIZE_MAX / 2);
    record(&log, input, (struct cutter){0});
    if (update)
        fprintf(update, "== %.*s\n%.*s%.*s\n", inlay_str_arg(golden->name),
                inlay_str_arg(inlay_buf_view(&golden->source)),
                inlay_str_arg(inlay_buf_view(&log)));
    else if (!inlay_str_equal(inlay_buf_view(&log),
                              inlay_buf_view(&golden->expected)))
        fail(golden, "whole", inlay_buf_view(&log));
    for (unsigned i = 0; !update && i < CUTS; i++) {
        struct cutter cutter = {
            .piece = i / 2 + 1,
            .random = i < 6 ? 0 : i * 2654435761u,
            .pause = i % 2,
        };
        inlay_buf_clear(&log);
        record(&log, input, cutter);
        if (!inlay_str_equal(inlay_buf_view(&log),
                             inlay_buf_view(&golden->expected)))
            fail(golden, cutter.pause ? "cut, with pauses" : "cut",
                 inlay_buf_view(&log));
    }
    inlay_buf_deinit(&log);
}

static void finish(struct golden *golden, FILE *update)
{
    if (golden->name.len)
        check(golden, update);
    golden->name.len = 0;
    inlay_buf_clear(&golden->input);
    inlay_buf_clear(&golden->expected);
    inlay_buf_clear(&golden->source);
}

static int read_file(struct inlay_buf *text, const char *path)
{
    FILE *file = fopen(path, "rb");
    size_t count;

    if (!file)
        return -1;
    do {
        inlay_buf_reserve(text, 65536);
        count = fread(inlay_buf_tail(text), 1, 65536, file);
        inlay_buf_added(text, count);
    } while (count);
    fclose(file);
    return 0;
}

static int run_file(const char *path, bool rewrite)
{
    struct inlay_buf text;
    struct golden golden = {.name = {NULL, 0}};
    int cases = 0;

    inlay_buf_init(&text, SIZE_MAX / 2);
    inlay_buf_init(&golden.input, SIZE_MAX / 2);
    inlay_buf_init(&golden.expected, SIZE_MAX / 2);
    inlay_buf_init(&golden.source, SIZE_MAX / 2);
    if (read_file(&text, path) < 0) {
        printf("cannot read %s\n", path);
        return -1;
    }
    FILE *update = rewrite ? fopen(path, "wb") : NULL;
    while (inlay_buf_len(&text)) {
        struct inlay_str rest = inlay_buf_view(&text);
        const char *end = memchr(rest.ptr, '\n', rest.len);
        size_t len = end ? (size_t)(end - rest.ptr) : rest.len;
        struct inlay_str line = inlay_str_make(rest.ptr, len);
        if (inlay_str_starts(line, INLAY_STR("== "))) {
            finish(&golden, update);
            golden.name = inlay_str_make(line.ptr + 3, line.len - 3);
            cases++;
        } else if (line.len && (line.ptr[0] == '>' || line.ptr[0] == '*')) {
            read_input(&golden, line);
        } else if (line.len) {
            inlay_buf_append_str(&golden.expected, line);
            inlay_buf_append_char(&golden.expected, '\n');
        }
        text.start += end ? len + 1 : len;
    }
    finish(&golden, update);
    if (update)
        fclose(update);
    inlay_buf_deinit(&text);
    inlay_buf_deinit(&golden.input);
    inlay_buf_deinit(&golden.expected);
    inlay_buf_deinit(&golden.source);
    return cases;
}

int main(int argc, char **argv)
{
    bool rewrite = argc > 1 && strcmp(argv[1], "-u") == 0;
    int cases = 0;

    for (int i = rewrite ? 2 : 1; i < argc; i++) {
        int count = run_file(argv[i], rewrite);
        if (count <= 0)
            return 1;
        cases += count;
    }
    printf("%d cases, %d failures\n", cases, failures);
    return failures ? 1 : 0;
}
