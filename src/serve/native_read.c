/*
 * A request -> the values of a route's parameters, by its plan. Order of
 * violations: path, query, body, each as the function has its parameters.
 */
#include "http/url.h"
#include "serve/bind.h"
#include "type/text.h"

#include "base/banned.h"

#define ITEMS_ON_STACK 16
#define EXTRAS_SHOWN 100 /* unknown names of a query, in an error's input */

struct value {
    struct value *next;
    struct inlay_str text; /* raw */
};

/* What the query says to an item: the last value, or all of them. */
struct slot {
    bool found;
    struct inlay_str last; /* raw */
    struct value *first, **end;
    size_t count;
};

struct reading {
    const struct inlay_bind *bind;
    const struct inlay_bind_input *input;
    struct inlay_arena *arena;
    struct inlay_violations *violations;
    char *block;
    struct slot *slots;
};

static const struct inlay_place in_path = {.name = {"path", 4}};
static const struct inlay_place in_query = {.name = {"query", 5}};
static const struct inlay_place in_body = {.name = {"body", 4}};

static enum inlay_bind_status from_text(enum inlay_text_status status)
{
    switch (status) {
    case INLAY_TEXT_OK:
        return INLAY_BIND_OK;
    case INLAY_TEXT_INVALID:
        return INLAY_BIND_INVALID;
    case INLAY_TEXT_NO_MEMORY:
        break;
    }
    return INLAY_BIND_NO_MEMORY;
}

static enum inlay_bind_status from_json(enum inlay_json_status status)
{
    switch (status) {
    case INLAY_JSON_OK:
        return INLAY_BIND_OK;
    case INLAY_JSON_INVALID:
        return INLAY_BIND_INVALID;
    case INLAY_JSON_NO_MEMORY:
        break;
    }
    return INLAY_BIND_TOO_LARGE;
}

static const struct inlay_str nothing = {"", 0};

static void add_missing(struct reading *reading,
                        const struct inlay_place *place,
                        struct inlay_str input)
{
    inlay_violations_add(reading->violations, place, INLAY_FAULT_MISSING, input,
                         NULL, nothing);
}

/* --- Path --------------------------------------------------------------- */

static enum inlay_bind_status read_path(struct reading *reading,
                                        const struct inlay_bind_param *bound)
{
    struct inlay_place place = {&in_path, bound->param->name, 0};

    return from_text(inlay_text_read(
        reading->input->path[bound->first], bound->type, reading->arena, &place,
        reading->violations, reading->block + bound->offset));
}

/* --- Query -------------------------------------------------------------- */

static const struct inlay_bind_item *item_named(const struct inlay_bind *bind,
                                                struct inlay_str name)
{
    for (size_t i = 0; i < bind->nitems; i++)
        if (inlay_str_equal(bind->items[i].name, name))
            return &bind->items[i];
    return NULL;
}

/* Sorts the pairs of the query into the slots. */
static enum inlay_bind_status take_query(struct reading *reading)
{
    struct inlay_str rest = reading->input->query, name, text;

    while (inlay_query_next(&rest, &name, &text)) {
        name = inlay_url_decode(name, true, reading->arena);
        if (!name.ptr)
            return INLAY_BIND_NO_MEMORY;
        const struct inlay_bind_item *item = item_named(reading->bind, name);
        if (!item)
            continue;
        struct slot *slot = &reading->slots[item - reading->bind->items];
        slot->found = true;
        slot->last = text;
        if (!item->many)
            continue;
        struct value *value = inlay_arena_alloc(reading->arena, sizeof(*value));
        if (!value)
            return INLAY_BIND_NO_MEMORY;
        *value = (struct value){NULL, text};
        if (!slot->first)
            slot->end = &slot->first;
        *slot->end = value;
        slot->end = &value->next;
        slot->count++;
    }
    return INLAY_BIND_OK;
}

/* A raw value of the query as a JSON string. */
static int write_shown(struct inlay_str raw,
                       struct inlay_arena *arena,
                       struct inlay_buf *out)
{
    struct inlay_str text = inlay_url_decode(raw, true, arena);

    if (text.ptr)
        text = inlay_json_readable(text, arena);
    return text.ptr ? inlay_json_write_string(text, out) : -1;
}

/* ["1","2"] */
static int write_list(const struct slot *slot,
                      struct inlay_arena *arena,
                      struct inlay_buf *out)
{
    int failed = 0;

    for (const struct value *value = slot->first; value; value = value->next) {
        failed |= inlay_buf_append_char(out, value == slot->first ? '[' : ',');
        failed |= write_shown(value->text, arena, out);
    }
    return failed | inlay_buf_append_char(out, ']');
}

static int shown_values(struct reading *reading,
                        const struct slot *slot,
                        struct inlay_str *ret)
{
    struct inlay_buf out;

    inlay_buf_init(&out, reading->arena->limit);
    int failed = write_list(slot, reading->arena, &out);
    if (!failed)
        *ret = inlay_arena_copy(reading->arena, inlay_buf_view(&out));
    inlay_buf_deinit(&out);
    return failed || !ret->ptr ? -1 : 0;
}

static int write_values(struct inlay_str name,
                        const struct slot *slot,
                        bool many,
                        struct inlay_arena *arena,
                        struct inlay_buf *out)
{
    int failed = inlay_buf_len(out) > 1 ? inlay_buf_append_char(out, ',') : 0;

    failed |= inlay_json_write_string(name, out);
    failed |= inlay_buf_append_char(out, ':');
    return failed | (many ? write_list(slot, arena, out)
                          : write_shown(slot->last, arena, out));
}

/* All values of a name, one behind the other. */
static enum inlay_bind_status read_values(struct reading *reading,
                                          const struct slot *slot,
                                          const struct inlay_type *elem,
                                          const struct inlay_place *outer,
                                          char *into)
{
    enum inlay_bind_status status = INLAY_BIND_OK;
    struct inlay_place place = {outer, {NULL, 0}, 0};

    for (const struct value *value = slot->first; value; value = value->next) {
        struct inlay_str text =
            inlay_url_decode(value->text, true, reading->arena);

        if (!text.ptr)
            return INLAY_BIND_NO_MEMORY;
        enum inlay_bind_status one = from_text(inlay_text_read(
            text, elem, reading->arena, &place, reading->violations, into));
        if (one == INLAY_BIND_NO_MEMORY)
            return one;
        if (one != INLAY_BIND_OK)
            status = one;
        place.index++;
        into += elem->size;
    }
    return status;
}

static enum inlay_bind_status read_array(struct reading *reading,
                                         const struct slot *slot,
                                         const struct inlay_type *type,
                                         const struct inlay_place *place,
                                         char *at)
{
    enum inlay_bind_status status = INLAY_BIND_OK;
    struct inlay_str input;
    char digits[20];

    if (slot->count <= type->count)
        status = read_values(reading, slot, type->elem, place, at);
    if (slot->count == type->count || status != INLAY_BIND_OK)
        return status;
    if (shown_values(reading, slot, &input) < 0)
        return INLAY_BIND_NO_MEMORY;
    inlay_violations_add(
        reading->violations, place,
        slot->count > type->count ? INLAY_FAULT_LIST_LONG
                                  : INLAY_FAULT_LIST_SHORT,
        input, type,
        inlay_str_make(digits, inlay_format_u64(digits, slot->count)));
    return INLAY_BIND_INVALID;
}

/* All values of a name, as a slice or array. */
static enum inlay_bind_status read_many(struct reading *reading,
                                        const struct inlay_bind_item *item,
                                        const struct slot *slot,
                                        const struct inlay_place *place)
{
    const struct inlay_type *type = item->type;
    char *at = reading->block + item->offset;

    if (type->kind == INLAY_KIND_OPTIONAL) {
        *(bool *)(at + type->has_offset) = true;
        at += type->value_offset;
        type = type->elem;
    }
    if (type->kind == INLAY_KIND_ARRAY)
        return read_array(reading, slot, type, place, at);
    char *array =
        inlay_arena_zalloc_array(reading->arena, slot->count, type->elem->size);
    if (!array)
        return INLAY_BIND_NO_MEMORY;
    memcpy(at + type->ptr_offset, &array, sizeof(array));
    memcpy(at + type->len_offset, &slot->count, sizeof(slot->count));
    return read_values(reading, slot, type->elem, place, array);
}

/* `input` is what a missing name is reported with: "" is null. */
static enum inlay_bind_status read_item(struct reading *reading,
                                        const struct inlay_bind_item *item,
                                        struct inlay_str input)
{
    const struct slot *slot = &reading->slots[item - reading->bind->items];
    struct inlay_place place = {&in_query, item->name, 0};
    char *at = reading->block + item->offset;

    if (!slot->found) {
        if (item->fallback) {
            memcpy(at, item->fallback, item->type->size);
            return INLAY_BIND_OK;
        }
        add_missing(reading, &place, input);
        return INLAY_BIND_INVALID;
    }
    if (item->many)
        return read_many(reading, item, slot, &place);
    struct inlay_str text = inlay_url_decode(slot->last, true, reading->arena);
    if (!text.ptr)
        return INLAY_BIND_NO_MEMORY;
    return from_text(inlay_text_read(text, item->type, reading->arena, &place,
                                     reading->violations, at));
}

static bool is_field(const struct reading *reading,
                     const struct inlay_bind_param *bound,
                     struct inlay_str name)
{
    for (size_t i = 0; i < bound->nitems; i++)
        if (inlay_str_equal(reading->bind->items[bound->first + i].name, name))
            return true;
    return false;
}

/* Names that the model does not know, after its own. */
static int write_extras(struct reading *reading,
                        const struct inlay_bind_param *bound,
                        struct inlay_buf *out)
{
    struct inlay_str rest = reading->input->query, name, text;
    struct inlay_str names[EXTRAS_SHOWN];
    struct slot slots[EXTRAS_SHOWN];
    size_t count = 0;
    int failed = 0;

    while (inlay_query_next(&rest, &name, &text)) {
        size_t i = 0;

        name = inlay_url_decode(name, true, reading->arena);
        if (name.ptr)
            name = inlay_json_readable(name, reading->arena);
        struct value *value = inlay_arena_alloc(reading->arena, sizeof(*value));
        if (!name.ptr || !value)
            return -1;
        if (is_field(reading, bound, name))
            continue;
        while (i < count && !inlay_str_equal(names[i], name))
            i++;
        if (i == EXTRAS_SHOWN)
            continue;
        if (i == count) {
            names[count++] = name;
            slots[i] = (struct slot){.first = NULL};
            slots[i].end = &slots[i].first;
        }
        *value = (struct value){NULL, text};
        *slots[i].end = value;
        slots[i].end = &value->next;
        slots[i].last = text;
        slots[i].count++;
    }
    for (size_t i = 0; i < count; i++)
        failed |= write_values(names[i], &slots[i], slots[i].count > 1,
                               reading->arena, out);
    return failed;
}

/* The given part of a query model, which pydantic shows as the input. */
static enum inlay_bind_status model_input(struct reading *reading,
                                          const struct inlay_bind_param *bound,
                                          struct inlay_str *ret)
{
    struct inlay_buf out;
    int failed;

    inlay_buf_init(&out, reading->arena->limit);
    failed = inlay_buf_append_char(&out, '{');
    for (size_t i = 0; i < bound->nitems; i++) {
        size_t index = bound->first + i;
        const struct inlay_bind_item *item = &reading->bind->items[index];

        if (reading->slots[index].found)
            failed |= write_values(item->name, &reading->slots[index],
                                   item->many, reading->arena, &out);
    }
    failed |= write_extras(reading, bound, &out);
    failed |= inlay_buf_append_char(&out, '}');
    if (!failed)
        *ret = inlay_arena_copy(reading->arena, inlay_buf_view(&out));
    inlay_buf_deinit(&out);
    return failed || !ret->ptr ? INLAY_BIND_NO_MEMORY : INLAY_BIND_OK;
}

static enum inlay_bind_status read_query(struct reading *reading,
                                         const struct inlay_bind_param *bound)
{
    const struct inlay_bind_item *items = reading->bind->items + bound->first;
    enum inlay_bind_status result = INLAY_BIND_OK;
    struct inlay_str input = nothing;

    if (bound->source == INLAY_BIND_MODEL)
        for (size_t i = 0; i < bound->nitems; i++)
            if (!reading->slots[bound->first + i].found && !items[i].fallback) {
                if (model_input(reading, bound, &input) != INLAY_BIND_OK)
                    return INLAY_BIND_NO_MEMORY;
                break;
            }
    for (size_t i = 0; i < bound->nitems; i++) {
        enum inlay_bind_status status = read_item(reading, &items[i], input);

        if (status < result)
            result = status;
    }
    return result;
}

/* --- Body --------------------------------------------------------------- */

/*
 * The document that the parameters are read from; doc->doc NULL when there is
 * no body. A body of another media type counts as a string, as FastAPI takes
 * it as bytes that are no object; read by name, it has no members.
 */
static enum inlay_bind_status parse_body(struct reading *reading,
                                         struct inlay_json_doc *ret)
{
    const struct inlay_bind_input *input = reading->input;
    struct inlay_str text = input->body;

    *ret = (struct inlay_json_doc){NULL, text};
    if (!text.len && reading->bind->nbody == 1)
        return INLAY_BIND_OK;
    if (!text.len || (!input->body_is_json && reading->bind->nbody > 1)) {
        text = INLAY_STR("{}");
    } else if (!input->body_is_json) {
        struct inlay_buf quoted;

        if (!inlay_utf8_valid(text))
            return INLAY_BIND_BAD_BODY;
        inlay_buf_init(&quoted, reading->arena->limit);
        if (inlay_json_write_string(text, &quoted) == 0)
            text = inlay_arena_copy(reading->arena, inlay_buf_view(&quoted));
        else
            text.ptr = NULL;
        inlay_buf_deinit(&quoted);
        if (!text.ptr)
            return INLAY_BIND_TOO_LARGE;
    }
    enum inlay_bind_status status = from_json(inlay_json_parse(
        text, reading->arena, &in_body, reading->violations, ret));
    if (status == INLAY_BIND_INVALID && !inlay_utf8_valid(text))
        return INLAY_BIND_BAD_BODY;
    return status;
}

static enum inlay_bind_status read_body(struct reading *reading,
                                        const struct inlay_bind_param *bound,
                                        const struct inlay_json_doc *doc)
{
    const struct inlay_param *param = bound->param;
    char *at = reading->block + bound->offset;

    if (reading->bind->nbody > 1)
        return from_json(inlay_json_read_member(
            doc, param->name, bound->type, param->fallback, reading->arena,
            &in_body, reading->violations, at));
    if (doc->doc)
        return from_json(inlay_json_read(doc, bound->type, reading->arena,
                                         &in_body, reading->violations, at));
    if (param->fallback) {
        memcpy(at, param->fallback, bound->type->size);
        return INLAY_BIND_OK;
    }
    add_missing(reading, &in_body, nothing);
    return INLAY_BIND_INVALID;
}

/* No body and an empty one are the same: what the fallback says, or none. */
static void take_raw(struct reading *reading,
                     const struct inlay_bind_param *bound)
{
    const struct inlay_type *type = bound->type;
    struct inlay_str body = reading->input->body;
    struct inlay_bytes bytes = {(const uint8_t *)body.ptr, body.len};
    char *at = reading->block + bound->offset;

    if (!body.len && bound->param->fallback) {
        memcpy(at, bound->param->fallback, type->size);
        return;
    }
    if (type->kind == INLAY_KIND_OPTIONAL) {
        *(bool *)(at + type->has_offset) = true;
        at += type->value_offset;
    }
    memcpy(at, &bytes, sizeof(bytes));
}

/* --- What the server gives ---------------------------------------------- */

static void *injected(const struct inlay_bind_input *input,
                      const struct inlay_bind_param *bound)
{
    switch (bound->source) {
    case INLAY_BIND_REQUEST:
        return input->request;
    case INLAY_BIND_SOCKET:
        return input->socket;
    case INLAY_BIND_PROVIDED:
        return input->provided[bound->first];
    case INLAY_BIND_STATE:
        return bound->state->value;
    case INLAY_BIND_PATH:
    case INLAY_BIND_QUERY:
    case INLAY_BIND_MODEL:
    case INLAY_BIND_BODY:
    case INLAY_BIND_RAW:
    case INLAY_BIND_HEADER:
    case INLAY_BIND_COOKIE:
    case INLAY_BIND_FORM:
        break;
    }
    return NULL;
}

static void read_injected(struct reading *reading)
{
    const struct inlay_bind *bind = reading->bind;

    for (size_t i = 0; i < bind->nparams; i++) {
        const struct inlay_bind_param *bound = &bind->params[i];
        void *value = injected(reading->input, bound);

        if (bound->source >= INLAY_BIND_REQUEST)
            memcpy(reading->block + bound->offset, &value, sizeof(value));
    }
}

/* --- All ---------------------------------------------------------------- */

/* Every parameter of one source; the worst status. */
static enum inlay_bind_status read_source(struct reading *reading,
                                          enum inlay_bind_source source,
                                          const struct inlay_json_doc *doc)
{
    const struct inlay_bind *bind = reading->bind;
    enum inlay_bind_status result = INLAY_BIND_OK;

    for (size_t i = 0; i < bind->nparams; i++) {
        const struct inlay_bind_param *bound = &bind->params[i];
        enum inlay_bind_status status = INLAY_BIND_OK;
        bool model = bound->source == INLAY_BIND_MODEL;

        if ((model ? INLAY_BIND_QUERY : bound->source) != source)
            continue;
        switch (bound->source) {
        case INLAY_BIND_PATH:
            status = read_path(reading, bound);
            break;
        case INLAY_BIND_QUERY:
        case INLAY_BIND_MODEL:
            status = read_query(reading, bound);
            break;
        case INLAY_BIND_BODY:
            status = read_body(reading, bound, doc);
            break;
        case INLAY_BIND_RAW:
            take_raw(reading, bound);
            break;
        case INLAY_BIND_HEADER:
        case INLAY_BIND_COOKIE:
        case INLAY_BIND_FORM:
        case INLAY_BIND_REQUEST:
        case INLAY_BIND_SOCKET:
        case INLAY_BIND_PROVIDED:
        case INLAY_BIND_STATE:
            break;
        }
        if (status < result)
            result = status;
    }
    return result;
}

static int make_room(struct reading *reading, void ***args_ret)
{
    const struct inlay_bind *bind = reading->bind;

    reading->block = inlay_arena_zalloc(reading->arena, bind->size);
    if (!reading->block)
        return -1;
    *args_ret = (void **)(void *)reading->block;
    for (size_t i = 0; i < bind->nparams; i++) {
        const struct inlay_bind_param *bound = &bind->params[i];
        char *value = reading->block + bound->offset;

        (*args_ret)[i] = value;
        if (bound->pointer) {
            (*args_ret)[i] = reading->block + bound->pointer;
            memcpy((*args_ret)[i], &value, sizeof(value));
        }
    }
    return 0;
}

enum inlay_bind_status inlay_bind_read(const struct inlay_bind *bind,
                                       const struct inlay_bind_input *input,
                                       struct inlay_arena *arena,
                                       struct inlay_violations *violations,
                                       void ***args_ret,
                                       void **result_ret)
{
    struct slot slots[ITEMS_ON_STACK];
    struct inlay_json_doc doc = {NULL, nothing};
    enum inlay_bind_status result = INLAY_BIND_OK, status;
    struct reading reading = {.bind = bind,
                              .input = input,
                              .arena = arena,
                              .violations = violations,
                              .slots = slots};

    if (make_room(&reading, args_ret) < 0)
        return INLAY_BIND_NO_MEMORY;
    *result_ret = reading.block + bind->result_offset;
    if (bind->ninjected)
        read_injected(&reading);
    if (bind->nbody) {
        /* A body that is no JSON is the only violation then. */
        status = parse_body(&reading, &doc);
        if (status != INLAY_BIND_OK)
            return status;
    }
    if (bind->npath)
        result = read_source(&reading, INLAY_BIND_PATH, NULL);
    if (bind->nitems) {
        if (bind->nitems > ITEMS_ON_STACK)
            reading.slots =
                inlay_arena_alloc(arena, bind->nitems * sizeof(struct slot));
        if (!reading.slots)
            return INLAY_BIND_NO_MEMORY;
        memset(reading.slots, 0, bind->nitems * sizeof(struct slot));
        status = take_query(&reading);
        if (status != INLAY_BIND_OK)
            return status;
        status = read_source(&reading, INLAY_BIND_QUERY, NULL);
        result = inlay_min(result, status);
    }
    if (bind->nbody) {
        status = read_source(&reading, INLAY_BIND_BODY, &doc);
        result = inlay_min(result, status);
    }
    if (bind->nraw)
        read_source(&reading, INLAY_BIND_RAW, NULL);
    return violations->no_memory ? INLAY_BIND_NO_MEMORY : result;
}
