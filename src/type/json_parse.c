#include <yyjson.h>

#include "type/json.h"
#include "type/json_inside.h"

#include "base/banned.h"

#define BOM "\xEF\xBB\xBF"

static void *arena_malloc(void *ctx, size_t size)
{
    return inlay_arena_alloc(ctx, size);
}

static void *arena_realloc(void *ctx, void *ptr, size_t old_size, size_t size)
{
    void *moved;

    if (size <= old_size)
        return ptr;
    moved = inlay_arena_alloc(ctx, size);
    return moved ? memcpy(moved, ptr, old_size) : NULL;
}

static void arena_free(void *ctx, void *ptr)
{
    (void)ctx;
    (void)ptr;
}

/* Where the text stops being UTF-8. */
static size_t utf8_end(struct inlay_str text)
{
    size_t at = 0, len = 1;

    for (; at < text.len && len > 0; at += len)
        len =
            inlay_utf8_character(inlay_str_make(text.ptr + at, text.len - at));
    return at;
}

/* Python counts characters; what is not UTF-8 counts by bytes. */
static size_t characters(struct inlay_str text, size_t end)
{
    struct inlay_str head = {text.ptr, inlay_min(end, text.len)};

    return inlay_utf8_valid(head) ? inlay_utf8_length(head) : head.len;
}

static enum inlay_json_status refuse(struct inlay_str text,
                                     const yyjson_read_err *err,
                                     struct inlay_arena *arena,
                                     const struct inlay_place *place,
                                     struct inlay_violations *violations)
{
    struct inlay_json_error error = {"Expecting value", err->pos};

    if (err->code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return INLAY_JSON_NO_MEMORY;
    if (!inlay_utf8_valid(text))
        error = (struct inlay_json_error){"Invalid UTF-8", utf8_end(text)};
    else if (!inlay_json_diagnose(text, arena, &error) &&
             err->code == YYJSON_READ_ERROR_INVALID_STRING)
        error.message = "Invalid \\uXXXX escape";
    struct inlay_place at = {
        .outer = place,
        .index = characters(text, error.at),
    };
    inlay_violations_add(violations, &at, INLAY_FAULT_JSON_INVALID,
                         INLAY_STR("{}"), NULL, inlay_str_from(error.message));
    return violations->no_memory ? INLAY_JSON_NO_MEMORY : INLAY_JSON_INVALID;
}

enum inlay_json_status inlay_json_parse(struct inlay_str text,
                                        struct inlay_arena *arena,
                                        const struct inlay_place *place,
                                        struct inlay_violations *violations,
                                        struct inlay_json_doc *ret)
{
    yyjson_alc alc = {arena_malloc, arena_realloc, arena_free, arena};
    yyjson_read_err err = {0};

    /* Python's json skips the mark too, and does not count it. */
    if (inlay_str_starts(text, INLAY_STR(BOM)))
        text = inlay_str_make(text.ptr + 3, text.len - 3);
    /*
     * Without YYJSON_READ_INSITU the text is copied, not changed: the cast
     * only fits the signature. Big numbers stay text, so that an integer too
     * large is not mistaken for a floating number.
     */
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text.ptr, text.len,
                                       YYJSON_READ_BIGNUM_AS_RAW, &alc, &err);
    if (!doc)
        return refuse(text, &err, arena, place, violations);
    *ret = (struct inlay_json_doc){doc, text};
    return INLAY_JSON_OK;
}

bool inlay_json_is_object(const struct inlay_json_doc *doc)
{
    return yyjson_is_obj(yyjson_doc_get_root(doc->doc));
}
