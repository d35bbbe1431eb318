/*
 * fuzz_form.c - bodies of forms and cookie headers: any chunking of a body
 * gives the same parts, and nothing is read beyond its end. The first byte of
 * the input chooses which, and the cuts.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "http/cookie.h"
#include "http/header.h"
#include "http/multipart.h"
#include "http/option.h"
#include "http/urlencoded.h"

#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool fine)
{
    if (!fine)
        abort();
}

/* Every event as bytes, so that two runs can be compared. */
static void note(struct inlay_buf *log, char what, struct inlay_str text)
{
    check(inlay_buf_append_char(log, what) == 0);
    check(inlay_buf_append_str(log, text) == 0);
}

static int on_part(void *arg, const struct inlay_multipart_part *part)
{
    note(arg, 'n', part->name);
    note(arg, part->is_file ? 'f' : '-', part->filename);
    note(arg, part->type.ptr ? 't' : '-', part->type);
    note(arg, ':', INLAY_STR(""));
    return 0;
}

static int on_data(void *arg, struct inlay_str bytes)
{
    check(bytes.len > 0);
    return inlay_buf_append_str(arg, bytes);
}

static int on_end(void *arg)
{
    note(arg, '.', INLAY_STR("end"));
    return 0;
}

static int on_pair(void *arg, struct inlay_str name, struct inlay_str value)
{
    note(arg, 'n', name);
    note(arg, '=', value);
    return 0;
}

static const struct inlay_multipart_ops ops = {on_part, on_data, on_end};

/* Each piece in memory of its own, of its size. */
static int feed(struct inlay_multipart *multipart,
                struct inlay_urlencoded *urlencoded,
                struct inlay_str body,
                size_t step)
{
    int status = 0;

    for (size_t at = 0; at < body.len && status == 0;) {
        size_t len = body.len - at < step ? body.len - at : step;
        char *piece = malloc(len);

        check(piece != NULL);
        memcpy(piece, body.ptr + at, len);
        struct inlay_str bytes = inlay_str_make(piece, len);
        status = multipart ? (int)inlay_multipart_feed(multipart, bytes)
                           : (int)inlay_urlencoded_feed(urlencoded, bytes);
        free(piece);
        at += len;
    }
    return status;
}

static int parts(struct inlay_str body, size_t step, struct inlay_buf *log)
{
    struct inlay_multipart multipart;

    check(inlay_multipart_init(&multipart, INLAY_STR("B"), &ops, log) == 0);
    int status = feed(&multipart, NULL, body, step);
    inlay_multipart_deinit(&multipart);
    return status;
}

static int pairs(struct inlay_str body, size_t step, struct inlay_buf *log)
{
    struct inlay_urlencoded urlencoded;

    inlay_urlencoded_init(&urlencoded, 64, on_pair, log);
    int status = feed(NULL, &urlencoded, body, step);
    if (status == 0)
        status = (int)inlay_urlencoded_finish(&urlencoded);
    inlay_urlencoded_deinit(&urlencoded);
    return status;
}

static void fuzz_body(int (*run)(struct inlay_str, size_t, struct inlay_buf *),
                      struct inlay_str body,
                      size_t step)
{
    struct inlay_buf whole, cut;

    inlay_buf_init(&whole, SIZE_MAX / 2);
    inlay_buf_init(&cut, SIZE_MAX / 2);
    int status = run(body, body.len + 1, &whole);
    check(run(body, step, &cut) == status);
    check(inlay_str_equal(inlay_buf_view(&whole), inlay_buf_view(&cut)));
    inlay_buf_deinit(&whole);
    inlay_buf_deinit(&cut);
}

static void fuzz_texts(struct inlay_str text, struct inlay_arena *arena)
{
    struct inlay_str rest = text, name, raw;

    while (inlay_cookie_next(&rest, &name, &raw)) {
        struct inlay_str value = inlay_cookie_unquote(raw, arena);

        check(value.ptr && value.len <= raw.len);
        check(inlay_cookie_find(text, name).ptr != NULL);
        check(inlay_utf8_valid(inlay_header_text(value, arena)));
    }
    rest = text;
    inlay_option_value(&rest);
    while (inlay_option_next(&rest, &name, &raw)) {
        char *room = inlay_arena_alloc(arena, raw.len + 1);

        check(room != NULL);
        check(inlay_option_unquote(raw, room).len <= raw.len);
    }
    struct inlay_str decoded = inlay_urlencoded_decode(text, arena);
    check(decoded.ptr && inlay_utf8_valid(decoded));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct inlay_arena arena;

    if (size < 1)
        return 0;
    struct inlay_str text = inlay_str_make((const char *)data + 1, size - 1);
    size_t step = 1 + (data[0] >> 2) % 32;
    switch (data[0] & 3) {
    case 0:
    case 1:
        fuzz_body(parts, text, step);
        break;
    case 2:
        fuzz_body(pairs, text, step);
        break;
    default:
        inlay_arena_init(&arena, 64u << 20);
        fuzz_texts(text, &arena);
        inlay_arena_deinit(&arena);
        break;
    }
    return 0;
}
