/*
 * read_model.c - structs that are read by name: what they were read from, as a
 * violation shows it, names that they don't know, and their own checks.
 */
#include "serve/bind_read.h"
#include "type/constraint.h"

#include "base/banned.h"

#define EXTRAS_SHOWN 100 /* unknown names, in an error's input */

/* Names that a model does not know, with their values. */
struct extras {
    struct inlay_str names[EXTRAS_SHOWN];
    struct inlay_slot slots[EXTRAS_SHOWN];
    size_t count;
};

/* --- As JSON ------------------------------------------------------------- */

static int write_text(struct inlay_str text,
                      struct inlay_arena *arena,
                      struct inlay_buf *out)
{
    if (text.ptr)
        text = inlay_json_readable(text, arena);
    return text.ptr ? inlay_json_write_string(text, out) : -1;
}

/* {"filename":"a.txt","content_type":"text/plain","size":3} */
static int write_file(const struct inlay_form_part *part, struct inlay_buf *out)
{
    int failed = inlay_buf_append_literal(out, "{\"filename\":");

    failed |= inlay_json_write_string(part->filename, out);
    failed |= inlay_buf_append_literal(out, ",\"content_type\":");
    failed |= inlay_json_write_string(part->type, out);
    failed |= inlay_buf_append_literal(out, ",\"size\":");
    failed |= inlay_buf_append_u64(out, part->data.len);
    return failed | inlay_buf_append_char(out, '}');
}

int inlay_given_write(const struct inlay_given *given,
                      enum inlay_bind_source source,
                      struct inlay_arena *arena,
                      struct inlay_buf *out)
{
    if (given->part && given->part->is_file)
        return write_file(given->part, out);
    return write_text(inlay_given_text(given, source, arena), arena, out);
}

int inlay_given_write_all(const struct inlay_slot *slot,
                          enum inlay_bind_source source,
                          struct inlay_arena *arena,
                          struct inlay_buf *out)
{
    int failed = 0;

    for (const struct inlay_given *at = slot->first; at; at = at->next) {
        failed |= inlay_buf_append_char(out, at == slot->first ? '[' : ',');
        failed |= inlay_given_write(at, source, arena, out);
    }
    return failed | inlay_buf_append_char(out, ']');
}

static int write_slot(const struct inlay_slot *slot,
                      bool many,
                      enum inlay_bind_source source,
                      struct inlay_arena *arena,
                      struct inlay_buf *out)
{
    return many ? inlay_given_write_all(slot, source, arena, out)
                : inlay_given_write(&slot->one, source, arena, out);
}

/* --- Unknown names ------------------------------------------------------- */

/* Headers have two names: that of the field is no other one. */
static bool is_field(const struct inlay_reading *reading,
                     const struct inlay_bind_param *bound,
                     struct inlay_str name)
{
    for (size_t i = 0; i < bound->nitems; i++) {
        const struct inlay_bind_item *item =
            &reading->bind->items[bound->first + i];

        if (bound->source == INLAY_BIND_HEADER
                ? inlay_str_equal_nocase(item->name, name) ||
                      inlay_str_equal_nocase(item->field, name)
                : inlay_str_equal(item->name, name))
            return true;
    }
    return false;
}

/* Of a name's values; a dict of cookies has the last one only. */
static void put_extra(struct extras *extras,
                      struct inlay_str name,
                      struct inlay_given *given,
                      bool several)
{
    size_t i = 0;

    while (i < extras->count && !inlay_str_equal(extras->names[i], name))
        i++;
    if (i == EXTRAS_SHOWN)
        return;
    struct inlay_slot *slot = &extras->slots[i];
    if (i == extras->count || !several) {
        extras->names[i] = name;
        extras->count += i == extras->count;
        *slot = (struct inlay_slot){.seen = true};
        slot->end = &slot->first;
    }
    slot->one = *given;
    *slot->end = given;
    slot->end = &given->next;
    slot->count++;
}

static int take_extras(struct inlay_reading *reading,
                       const struct inlay_bind_param *bound,
                       struct extras *ret)
{
    bool several = bound->source != INLAY_BIND_COOKIE;
    struct inlay_pairs pairs;
    struct inlay_given given;
    struct inlay_str name;
    int more;

    ret->count = 0;
    inlay_pairs_init(&pairs, reading, bound->source);
    while ((more = inlay_pairs_next(&pairs, reading, &name, &given)) > 0) {
        struct inlay_given *kept =
            inlay_arena_alloc(reading->arena, sizeof(*kept));

        name = inlay_json_readable(name, reading->arena);
        if (!name.ptr || !kept)
            return -1;
        *kept = given;
        if (!is_field(reading, bound, name))
            put_extra(ret, name, kept, several);
    }
    return more;
}

bool inlay_model_has_extras(struct inlay_reading *reading,
                            const struct inlay_bind_param *bound)
{
    struct inlay_pairs pairs;
    struct inlay_given given;
    struct inlay_str name;

    if (!bound->type->strict)
        return false;
    inlay_pairs_init(&pairs, reading, bound->source);
    while (inlay_pairs_next(&pairs, reading, &name, &given) > 0)
        if (!is_field(reading, bound, name))
            return true;
    return false;
}

/* --- All that was given -------------------------------------------------- */

static int write_member(struct inlay_str name,
                        const struct inlay_slot *slot,
                        bool many,
                        const struct inlay_reading *reading,
                        enum inlay_bind_source source,
                        struct inlay_buf *out)
{
    int failed = inlay_buf_len(out) > 1 ? inlay_buf_append_char(out, ',') : 0;

    failed |= inlay_json_write_string(name, out);
    failed |= inlay_buf_append_char(out, ':');
    return failed | write_slot(slot, many, source, reading->arena, out);
}

static int write_input(struct inlay_reading *reading,
                       const struct inlay_bind_param *bound,
                       const struct extras *extras,
                       struct inlay_buf *out)
{
    int failed = inlay_buf_append_char(out, '{');

    for (size_t i = 0; i < bound->nitems; i++) {
        size_t index = bound->first + i;
        const struct inlay_bind_item *item = &reading->bind->items[index];

        if (inlay_item_given(reading, item))
            failed |= write_member(item->field, &reading->slots[index],
                                   item->many, reading, bound->source, out);
    }
    for (size_t i = 0; i < extras->count; i++)
        failed |= write_member(extras->names[i], &extras->slots[i],
                               extras->slots[i].count > 1, reading,
                               bound->source, out);
    return failed | inlay_buf_append_char(out, '}');
}

enum inlay_bind_status inlay_model_input(struct inlay_reading *reading,
                                         const struct inlay_bind_param *bound,
                                         struct inlay_str *ret)
{
    struct extras *extras = inlay_arena_alloc(reading->arena, sizeof(*extras));
    struct inlay_buf out;
    int failed;

    if (!extras || take_extras(reading, bound, extras) < 0)
        return INLAY_BIND_NO_MEMORY;
    inlay_buf_init(&out, reading->arena->limit);
    failed = write_input(reading, bound, extras, &out);
    if (!failed)
        *ret = inlay_arena_copy(reading->arena, inlay_buf_view(&out));
    inlay_buf_deinit(&out);
    return failed || !ret->ptr ? INLAY_BIND_NO_MEMORY : INLAY_BIND_OK;
}

/* --- Rules of a struct --------------------------------------------------- */

/* INLAY_STRICT. */
static enum inlay_bind_status refuse_extras(
    struct inlay_reading *reading,
    const struct inlay_bind_param *bound,
    enum inlay_bind_status status)
{
    struct extras *extras = inlay_arena_alloc(reading->arena, sizeof(*extras));

    if (!extras || take_extras(reading, bound, extras) < 0)
        return INLAY_BIND_NO_MEMORY;
    for (size_t i = 0; i < extras->count; i++) {
        struct inlay_place place = {&inlay_source_places[bound->source],
                                    extras->names[i], 0};
        const struct inlay_slot *slot = &extras->slots[i];
        struct inlay_str input = {NULL, 0};
        struct inlay_buf out;

        inlay_buf_init(&out, reading->arena->limit);
        if (write_slot(slot, slot->count > 1, bound->source, reading->arena,
                       &out) == 0)
            input = inlay_arena_copy(reading->arena, inlay_buf_view(&out));
        inlay_buf_deinit(&out);
        if (!input.ptr)
            return INLAY_BIND_NO_MEMORY;
        inlay_violations_add(reading->violations, &place,
                             INLAY_FAULT_EXTRA_FORBIDDEN, input, NULL,
                             INLAY_STR(""));
        status = inlay_min(status, INLAY_BIND_INVALID);
    }
    return status;
}

enum inlay_bind_status inlay_model_rules(struct inlay_reading *reading,
                                         const struct inlay_bind_param *bound,
                                         enum inlay_bind_status status)
{
    const struct inlay_type *type = bound->type;
    struct inlay_str input = INLAY_STR("");

    if (type->strict && status >= INLAY_BIND_INVALID)
        status = refuse_extras(reading, bound, status);
    if (!type->check || status != INLAY_BIND_OK)
        return status;
    const char *wrong = type->check(reading->block + bound->offset);
    if (!wrong)
        return status;
    status = inlay_model_input(reading, bound, &input);
    if (status != INLAY_BIND_OK)
        return status;
    inlay_constraints_refused(wrong, &inlay_source_places[bound->source],
                              reading->violations, input);
    return INLAY_BIND_INVALID;
}
