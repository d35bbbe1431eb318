/*
 * Bytes -> value of C -> JSON -> the same value. The first byte picks the
 * type. What is refused must give a 422 body that is JSON itself.
 */
#include <stdlib.h>

#include "base/macros.h"
#include "samples.h"

#include "base/banned.h"

#define MEMORY_MOST ((size_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct inlay_type *const types[] = {
    &sample_misc_type,  &sample_node_type, &sample_order_type,
    &sample_i64s_type,  &sample_f64s_type, &sample_items_type,
    &sample_f32,        &sample_u64,       &sample_i8,
    &sample_bool,       &sample_cstr,      &sample_maybe_i64_type,
    &sample_str,        &sample_strs_type, &sample_kinds_type,
    &sample_link_type,  &sample_bytes,     &sample_color_type,
    &sample_level_type, &sample_char,      &sample_chars4,
    &sample_date,       &sample_datetime,  &sample_uuid,
    &sample_rules_type,
};

static const struct inlay_place body = {.name = {"body", 4}};

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_violations(const struct inlay_violations *violations,
                             struct inlay_arena *arena)
{
    struct inlay_violations more;
    struct inlay_json_doc doc;
    struct inlay_buf out;

    require(violations->count > 0);
    inlay_violations_init(&more, arena);
    inlay_buf_init(&out, MEMORY_MOST);
    if (inlay_violations_write(violations, &out) == 0)
        require(inlay_json_parse(inlay_buf_view(&out), arena, &body, &more,
                                 &doc) != INLAY_JSON_INVALID);
    inlay_buf_deinit(&out);
}

static void check_value(const struct inlay_type *type,
                        const void *value,
                        struct inlay_arena *arena)
{
    struct inlay_violations violations;
    struct inlay_json_doc doc;
    struct inlay_buf first, second;
    void *again = inlay_arena_alloc(arena, type->size);

    require(again != NULL);
    inlay_violations_init(&violations, arena);
    inlay_buf_init(&first, MEMORY_MOST);
    inlay_buf_init(&second, MEMORY_MOST);
    require(inlay_json_write(type, value, &first) == 0);
    require(inlay_json_parse(inlay_buf_view(&first), arena, &body, &violations,
                             &doc) == INLAY_JSON_OK);
    require(inlay_json_read(&doc, type, arena, &body, &violations, again) ==
            INLAY_JSON_OK);
    require(inlay_json_write(type, again, &second) == 0);
    require(inlay_str_equal(inlay_buf_view(&first), inlay_buf_view(&second)));
    inlay_buf_deinit(&first);
    inlay_buf_deinit(&second);
}

static void check_json(struct inlay_str text,
                       const struct inlay_type *type,
                       struct inlay_arena *arena)
{
    struct inlay_violations violations;
    struct inlay_json_doc doc;
    void *value = inlay_arena_alloc(arena, type->size);

    require(value != NULL);
    inlay_violations_init(&violations, arena);
    int status = inlay_json_parse(text, arena, &body, &violations, &doc);
    if (status == INLAY_JSON_OK)
        status = inlay_json_read(&doc, type, arena, &body, &violations, value);
    if (status == INLAY_JSON_INVALID)
        check_violations(&violations, arena);
    if (status == INLAY_JSON_OK)
        check_value(type, value, arena);
}

static void check_text(struct inlay_str text,
                       const struct inlay_type *type,
                       struct inlay_arena *arena)
{
    struct inlay_violations violations;
    void *value = inlay_arena_alloc(arena, type->size);

    require(value != NULL);
    inlay_violations_init(&violations, arena);
    int status = inlay_text_read(text, type, arena, &body, &violations, value);
    if (status == INLAY_TEXT_INVALID)
        check_violations(&violations, arena);
    if (status == INLAY_TEXT_OK)
        check_value(type, value, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct inlay_arena arena;

    if (size == 0)
        return 0;
    const struct inlay_type *type = types[data[0] % inlay_array_size(types)];
    struct inlay_str text = {(const char *)data + 1, size - 1};
    inlay_arena_init(&arena, MEMORY_MOST);
    if (type == &sample_rules_type)
        sample_rules_init(&arena);
    check_json(text, type, &arena);
    if (inlay_text_readable(type))
        check_text(text, type, &arena);
    inlay_arena_deinit(&arena);
    return 0;
}
