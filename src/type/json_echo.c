#include <yyjson.h>

#include "base/buf.h"
#include "base/mem.h"
#include "type/json.h"
#include "type/json_inside.h"
#include "type/real.h"

#include "base/banned.h"

/* Python's json gives up at about this depth; deeper parts become null. */
#define DEPTH_MOST 1000

/* Objects with more members keep their duplicate keys: finding them is slow. */
#define UNIQUE_MOST 64

/* A container that is being written. */
struct level {
    yyjson_val *first, *at; /* at: the next member (key or element) */
    size_t count, left;     /* members; of them not yet written */
    bool object;
    bool any; /* was one written? */
};

static int echo_real(double value, struct inlay_buf *out)
{
    if (inlay_buf_reserve(out, INLAY_REAL_MOST) < 0)
        return -1;
    inlay_buf_added(
        out, inlay_real_format(inlay_buf_tail(out), value, INLAY_REAL_REPR));
    return 0;
}

static struct inlay_str view(yyjson_val *val)
{
    return inlay_str_make(unsafe_yyjson_get_str(val),
                          unsafe_yyjson_get_len(val));
}

/* Anything but a container with members. */
static int echo_scalar(yyjson_val *val, struct inlay_buf *out)
{
    switch (unsafe_yyjson_get_type(val)) {
    case YYJSON_TYPE_BOOL:
        return unsafe_yyjson_get_bool(val)
                   ? inlay_buf_append_literal(out, "true")
                   : inlay_buf_append_literal(out, "false");
    case YYJSON_TYPE_RAW:
        return inlay_buf_append_str(out, view(val));
    case YYJSON_TYPE_STR:
        return inlay_json_write_string(view(val), out);
    case YYJSON_TYPE_NUM:
        if (yyjson_is_real(val))
            return echo_real(unsafe_yyjson_get_real(val), out);
        if (yyjson_is_uint(val))
            return inlay_buf_append_u64(out, unsafe_yyjson_get_uint(val));
        return inlay_buf_append_i64(out, unsafe_yyjson_get_sint(val));
    case YYJSON_TYPE_ARR:
        return inlay_buf_append_literal(out, "[]");
    case YYJSON_TYPE_OBJ:
        return inlay_buf_append_literal(out, "{}");
    default:
        return inlay_buf_append_literal(out, "null");
    }
}

static int enter(yyjson_val *val, struct level *ret, struct inlay_buf *out)
{
    *ret = (struct level){
        .first = unsafe_yyjson_get_first(val),
        .at = unsafe_yyjson_get_first(val),
        .count = unsafe_yyjson_get_len(val),
        .left = unsafe_yyjson_get_len(val),
        .object = unsafe_yyjson_is_obj(val),
    };
    return inlay_buf_append_char(out, ret->object ? '{' : '[');
}

static bool same_key(yyjson_val *a, yyjson_val *b)
{
    return inlay_str_equal(view(a), view(b));
}

/*
 * As a Python dict: a key stays where it came first and has the value that
 * came last. NULL for a key that was there before.
 */
static yyjson_val *value_of_key(const struct level *level, yyjson_val *key)
{
    yyjson_val *at = level->first, *value = key + 1;

    if (level->count > UNIQUE_MOST)
        return value;
    for (; at != key; at = unsafe_yyjson_get_next(at + 1))
        if (same_key(at, key))
            return NULL;
    for (size_t i = 0; i < level->left; i++) {
        at = unsafe_yyjson_get_next(at + 1);
        if (same_key(at, key))
            value = at + 1;
    }
    return value;
}

/* The next member's value, its comma and key written; NULL: skip it. */
static int next_member(struct level *level,
                       struct inlay_buf *out,
                       yyjson_val **ret)
{
    yyjson_val *at = level->at, *val = at;

    level->left--;
    if (level->object) {
        val = value_of_key(level, at);
        at++;
    }
    level->at = unsafe_yyjson_get_next(at);
    *ret = val;
    if (!val)
        return 0;
    if (level->any && inlay_buf_append_char(out, ',') < 0)
        return -1;
    level->any = true;
    if (!level->object)
        return 0;
    if (inlay_json_write_string(view(at - 1), out) < 0)
        return -1;
    return inlay_buf_append_char(out, ':');
}

static bool has_members(yyjson_val *val)
{
    return unsafe_yyjson_is_ctn(val) && unsafe_yyjson_get_len(val) > 0;
}

static int echo_tree(yyjson_val *root,
                     struct level *levels,
                     struct inlay_buf *out)
{
    size_t depth = 1;
    int status = enter(root, &levels[0], out);

    while (depth > 0 && status == 0) {
        struct level *level = &levels[depth - 1];
        yyjson_val *val;

        if (level->left == 0) {
            status = inlay_buf_append_char(out, level->object ? '}' : ']');
            depth--;
            continue;
        }
        status = next_member(level, out, &val);
        if (status < 0 || !val)
            continue;
        if (!has_members(val))
            status = echo_scalar(val, out);
        else if (depth < DEPTH_MOST)
            status = enter(val, &levels[depth++], out);
        else
            status = inlay_buf_append_literal(out, "null");
    }
    return status;
}

static struct inlay_str finish(struct inlay_buf *out,
                               int status,
                               struct inlay_arena *arena)
{
    struct inlay_str text = {NULL, 0};

    if (status == 0)
        text = inlay_arena_copy(arena, inlay_buf_view(out));
    inlay_buf_deinit(out);
    return text;
}

struct inlay_str inlay_json_echo(yyjson_val *val, struct inlay_arena *arena)
{
    struct inlay_buf out;
    struct level *levels;

    inlay_buf_init(&out, arena->limit);
    if (!has_members(val))
        return finish(&out, echo_scalar(val, &out), arena);
    levels = inlay_malloc(DEPTH_MOST * sizeof(*levels));
    if (!levels)
        return inlay_str_make(NULL, 0);
    int status = echo_tree(val, levels, &out);
    inlay_free(levels);
    return finish(&out, status, arena);
}

struct inlay_str inlay_json_readable(struct inlay_str text,
                                     struct inlay_arena *arena)
{
    struct inlay_buf out;
    int status = 0;

    if (inlay_utf8_valid(text))
        return text.ptr ? text : INLAY_STR("");
    inlay_buf_init(&out, arena->limit);
    while (text.len > 0 && status == 0) {
        size_t len = inlay_utf8_character(text);

        if (len > 0) {
            status = inlay_buf_append(&out, text.ptr, len);
        } else {
            len = inlay_utf8_bad(text);
            status = inlay_buf_append_literal(&out, "\xEF\xBF\xBD");
        }
        text = inlay_str_make(text.ptr + len, text.len - len);
    }
    return finish(&out, status, arena);
}

struct inlay_str inlay_json_echo_text(struct inlay_str text,
                                      struct inlay_arena *arena)
{
    struct inlay_buf out;

    text = inlay_json_readable(text, arena);
    if (!text.ptr)
        return text;
    inlay_buf_init(&out, arena->limit);
    return finish(&out, inlay_json_write_string(text, &out), arena);
}
