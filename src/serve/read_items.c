/*
 * read_items.c - what is looked up by name: a query, headers, cookies, a form.
 * A source is gone through once, its values are sorted into slots; then each
 * parameter is read from its own. As in FastAPI: of several values of a header
 * the first one counts, elsewhere the last; a field of a form that is empty is
 * not there.
 */
#include "http/cookie.h"
#include "http/url.h"
#include "serve/bind_read.h"
#include "type/constraint.h"
#include "type/text.h"

#include "base/banned.h"

static const struct inlay_str nothing = {"", 0};

const struct inlay_place inlay_source_places[] = {
    [INLAY_BIND_PATH] = {.name = {"path", 4}},
    [INLAY_BIND_QUERY] = {.name = {"query", 5}},
    [INLAY_BIND_HEADER] = {.name = {"header", 6}},
    [INLAY_BIND_COOKIE] = {.name = {"cookie", 6}},
    [INLAY_BIND_FORM] = {.name = {"body", 4}},
    [INLAY_BIND_BODY] = {.name = {"body", 4}},
};

/* --- Names and values ---------------------------------------------------- */

void inlay_pairs_init(struct inlay_pairs *pairs,
                      const struct inlay_reading *reading,
                      enum inlay_bind_source source)
{
    const struct inlay_bind_input *input = reading->input;

    *pairs = (struct inlay_pairs){.source = source};
    if (source == INLAY_BIND_QUERY)
        pairs->rest = input->query;
    else if (source == INLAY_BIND_FORM && input->form)
        pairs->part = inlay_form_parts(input->form);
}

static int next_header(struct inlay_pairs *pairs,
                       const struct inlay_reading *reading,
                       struct inlay_str *name_ret,
                       struct inlay_given *given_ret)
{
    if (pairs->header == reading->input->nheaders)
        return 0;
    const struct inlay_header *header =
        &reading->input->headers[pairs->header++];
    *name_ret = header->name;
    given_ret->raw = header->value;
    return 1;
}

static int next_cookie(struct inlay_pairs *pairs,
                       const struct inlay_reading *reading,
                       struct inlay_str *name_ret,
                       struct inlay_given *given_ret)
{
    const struct inlay_bind_input *input = reading->input;

    while (!inlay_cookie_next(&pairs->rest, name_ret, &given_ret->raw)) {
        while (pairs->header < input->nheaders &&
               !inlay_str_is(input->headers[pairs->header].name, "cookie"))
            pairs->header++;
        if (pairs->header == input->nheaders)
            return 0;
        pairs->rest = input->headers[pairs->header++].value;
    }
    *name_ret = inlay_header_text(*name_ret, reading->arena);
    return name_ret->ptr ? 1 : -1;
}

int inlay_pairs_next(struct inlay_pairs *pairs,
                     const struct inlay_reading *reading,
                     struct inlay_str *name_ret,
                     struct inlay_given *given_ret)
{
    *given_ret = (struct inlay_given){.part = NULL};
    if (inlay_likely(pairs->source == INLAY_BIND_QUERY)) {
        if (!inlay_query_next(&pairs->rest, name_ret, &given_ret->raw))
            return 0;
        *name_ret = inlay_url_decode(*name_ret, true, reading->arena);
        return name_ret->ptr ? 1 : -1;
    }
    if (pairs->source == INLAY_BIND_HEADER)
        return next_header(pairs, reading, name_ret, given_ret);
    if (pairs->source == INLAY_BIND_COOKIE)
        return next_cookie(pairs, reading, name_ret, given_ret);
    const struct inlay_form_part *part = pairs->part;

    if (!part)
        return 0;
    pairs->part = part->next;
    *name_ret = part->name;
    *given_ret = (struct inlay_given){.raw = part->data, .part = part};
    return 1;
}

struct inlay_str inlay_given_text(const struct inlay_given *given,
                                  enum inlay_bind_source source,
                                  struct inlay_arena *arena)
{
    struct inlay_str text = given->raw;

    if (source == INLAY_BIND_QUERY)
        return inlay_url_decode(text, true, arena);
    if (source == INLAY_BIND_COOKIE)
        text = inlay_cookie_unquote(text, arena);
    if (source == INLAY_BIND_FORM || !text.ptr)
        return text;
    return inlay_header_text(text, arena);
}

/* --- Slots --------------------------------------------------------------- */

static struct inlay_slot *slot_of(const struct inlay_reading *reading,
                                  const struct inlay_bind_item *item)
{
    return &reading->slots[item - reading->bind->items];
}

static const struct inlay_bind_item *item_named(const struct inlay_bind *bind,
                                                enum inlay_bind_source source,
                                                struct inlay_str name)
{
    for (size_t i = 0; i < bind->nitems; i++) {
        const struct inlay_bind_item *item = &bind->items[i];

        if (item->source == source &&
            (source == INLAY_BIND_HEADER
                 ? inlay_str_equal_nocase(item->name, name)
                 : inlay_str_equal(item->name, name)))
            return item;
    }
    return NULL;
}

/* What browsers send when no file was chosen. */
static bool is_no_file(const struct inlay_given *given)
{
    return given->part && given->part->is_file && !given->part->filename.len &&
           !given->part->data.len;
}

static enum inlay_bind_status put_many(struct inlay_reading *reading,
                                       struct inlay_slot *slot,
                                       const struct inlay_given *given)
{
    struct inlay_given *kept = inlay_arena_alloc(reading->arena, sizeof(*kept));

    if (!kept)
        return INLAY_BIND_NO_MEMORY;
    *kept = *given;
    if (!slot->first)
        slot->end = &slot->first;
    *slot->end = kept;
    slot->end = &kept->next;
    slot->count++;
    return INLAY_BIND_OK;
}

enum inlay_bind_status inlay_items_take(struct inlay_reading *reading,
                                        enum inlay_bind_source source)
{
    struct inlay_pairs pairs;
    struct inlay_given given;
    struct inlay_str name;
    int more;

    inlay_pairs_init(&pairs, reading, source);
    while ((more = inlay_pairs_next(&pairs, reading, &name, &given)) > 0) {
        const struct inlay_bind_item *item =
            item_named(reading->bind, source, name);

        if (!item)
            continue;
        struct inlay_slot *slot = slot_of(reading, item);
        if (!slot->seen || source != INLAY_BIND_HEADER)
            slot->one = given;
        slot->seen = true;
        if (item->many && !is_no_file(&given) &&
            put_many(reading, slot, &given) != INLAY_BIND_OK)
            return INLAY_BIND_NO_MEMORY;
    }
    return more < 0 ? INLAY_BIND_NO_MEMORY : INLAY_BIND_OK;
}

/* --- One value ----------------------------------------------------------- */

bool inlay_item_given(const struct inlay_reading *reading,
                      const struct inlay_bind_item *item)
{
    const struct inlay_slot *slot = slot_of(reading, item);

    if (item->many)
        return slot->count > 0;
    if (item->source != INLAY_BIND_FORM)
        return slot->seen;
    return slot->seen && (slot->one.part->is_file ? !is_no_file(&slot->one)
                                                  : slot->one.raw.len > 0);
}

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

/* What is given, for a violation's input. */
static struct inlay_str shown(struct inlay_reading *reading,
                              const struct inlay_bind_item *item,
                              const struct inlay_given *one,
                              const struct inlay_slot *all)
{
    struct inlay_str text = {NULL, 0};
    struct inlay_buf out;

    inlay_buf_init(&out, reading->arena->limit);
    if ((all ? inlay_given_write_all(all, item->source, reading->arena, &out)
             : inlay_given_write(one, item->source, reading->arena, &out)) == 0)
        text = inlay_arena_copy(reading->arena, inlay_buf_view(&out));
    inlay_buf_deinit(&out);
    return text;
}

/* A text where a file has to be. */
static enum inlay_bind_status refuse_text(struct inlay_reading *reading,
                                          const struct inlay_bind_item *item,
                                          const struct inlay_given *given,
                                          const struct inlay_place *place)
{
    struct inlay_str input = shown(reading, item, given, NULL);

    if (!input.ptr)
        return INLAY_BIND_NO_MEMORY;
    inlay_violations_add(
        reading->violations, place, INLAY_FAULT_VALUE, input, NULL,
        INLAY_STR("Expected UploadFile, received: <class 'str'>"));
    return INLAY_BIND_INVALID;
}

/*
 * A file where a text has to be. To JSON it is an object, which no type that is
 * read from text takes: so what reads JSON says what is wrong.
 */
static enum inlay_bind_status refuse_file(struct inlay_reading *reading,
                                          const struct inlay_bind_item *item,
                                          const struct inlay_type *type,
                                          const struct inlay_given *given,
                                          const struct inlay_place *place,
                                          char *at)
{
    struct inlay_str input = shown(reading, item, given, NULL);
    struct inlay_json_doc doc;

    if (!input.ptr ||
        inlay_json_parse(input, reading->arena, place, reading->violations,
                         &doc) != INLAY_JSON_OK ||
        inlay_json_read(&doc, type, reading->arena, place, reading->violations,
                        at) == INLAY_JSON_NO_MEMORY)
        return INLAY_BIND_NO_MEMORY;
    return INLAY_BIND_INVALID;
}

static bool is_raw(const struct inlay_type *type)
{
    if (type->kind == INLAY_KIND_OPTIONAL)
        type = type->elem;
    return type->kind == INLAY_KIND_UPLOAD || type->kind == INLAY_KIND_BYTES;
}

/* A value of a form: what it may be beyond text. */
static enum inlay_bind_status read_part(
    struct inlay_reading *reading,
    const struct inlay_bind_item *item,
    const struct inlay_type *type,
    const struct inlay_constraints *constraints,
    const struct inlay_given *given,
    const struct inlay_place *place,
    char *at)
{
    const struct inlay_form_part *part = given->part;
    struct inlay_bytes bytes = {(const uint8_t *)part->data.ptr,
                                part->data.len};

    if (!is_raw(type))
        return refuse_file(reading, item, type, given, place, at);
    if (type->kind == INLAY_KIND_OPTIONAL) {
        *(bool *)(at + type->has_offset) = true;
        at += type->value_offset;
        type = type->elem;
    }
    if (type->kind == INLAY_KIND_UPLOAD) {
        struct inlay_upload upload = {part->filename, part->type, bytes};

        if (!part->is_file)
            return refuse_text(reading, item, given, place);
        memcpy(at, &upload, sizeof(upload));
        return INLAY_BIND_OK;
    }
    memcpy(at, &bytes, sizeof(bytes));
    int fault = constraints ? inlay_constraints_test(constraints, type, at,
                                                     reading->violations)
                            : INLAY_LAX_OK;
    if (inlay_likely(fault == INLAY_LAX_OK))
        return INLAY_BIND_OK;
    struct inlay_str input = shown(reading, item, given, NULL);
    if (!input.ptr)
        return INLAY_BIND_NO_MEMORY;
    inlay_constraints_violated(constraints, reading->violations, place,
                               (enum inlay_fault)fault, input, type, nothing);
    return INLAY_BIND_INVALID;
}

static enum inlay_bind_status read_one(
    struct inlay_reading *reading,
    const struct inlay_bind_item *item,
    const struct inlay_type *type,
    const struct inlay_constraints *constraints,
    const struct inlay_given *given,
    const struct inlay_place *place,
    char *at)
{
    if (given->part && (given->part->is_file || is_raw(type)))
        return read_part(reading, item, type, constraints, given, place, at);
    struct inlay_str text =
        inlay_given_text(given, item->source, reading->arena);
    if (!text.ptr)
        return INLAY_BIND_NO_MEMORY;
    return from_text(inlay_text_read_within(text, type, constraints,
                                            reading->arena, place,
                                            reading->violations, at));
}

/* --- Several values ------------------------------------------------------ */

/* All values of a name, one behind the other. */
static enum inlay_bind_status read_values(
    struct inlay_reading *reading,
    const struct inlay_bind_item *item,
    const struct inlay_type *elem,
    const struct inlay_constraints *constraints,
    const struct inlay_place *outer,
    char *into)
{
    const struct inlay_slot *slot = slot_of(reading, item);
    enum inlay_bind_status status = INLAY_BIND_OK;
    struct inlay_place place = {outer, {NULL, 0}, 0};
    struct inlay_constraints inner;

    if (constraints)
        inner = inlay_constraints_of_items(constraints);
    for (const struct inlay_given *at = slot->first; at; at = at->next) {
        enum inlay_bind_status one = read_one(
            reading, item, elem, constraints ? &inner : NULL, at, &place, into);

        if (one == INLAY_BIND_NO_MEMORY)
            return one;
        if (one != INLAY_BIND_OK)
            status = one;
        place.index++;
        into += elem->size;
    }
    return status;
}

static enum inlay_bind_status wrong_count(struct inlay_reading *reading,
                                          const struct inlay_bind_item *item,
                                          const struct inlay_type *type,
                                          const struct inlay_place *place)
{
    const struct inlay_slot *slot = slot_of(reading, item);
    struct inlay_str input = shown(reading, item, NULL, slot);
    char digits[20];

    if (!input.ptr)
        return INLAY_BIND_NO_MEMORY;
    if (type->kind == INLAY_KIND_ARRAY)
        inlay_violations_add(
            reading->violations, place,
            slot->count > type->count ? INLAY_FAULT_LIST_LONG
                                      : INLAY_FAULT_LIST_SHORT,
            input, type,
            inlay_str_make(digits, inlay_format_u64(digits, slot->count)));
    else
        inlay_constraints_check_count(item->constraints, type, slot->count,
                                      place, reading->violations, input);
    return INLAY_BIND_INVALID;
}

/* How many there may be: LIST_SHORT, LIST_LONG or LAX_OK. */
static int test_count(const struct inlay_bind_item *item,
                      const struct inlay_type *type,
                      size_t count)
{
    if (type->kind == INLAY_KIND_ARRAY)
        return count > type->count   ? INLAY_FAULT_LIST_LONG
               : count < type->count ? INLAY_FAULT_LIST_SHORT
                                     : INLAY_LAX_OK;
    return item->constraints
               ? inlay_constraints_test_count(item->constraints, count)
               : INLAY_LAX_OK;
}

/* All values of a name, as a slice or array. As pydantic: too many are not
 * looked at, too few are. */
static enum inlay_bind_status read_many(struct inlay_reading *reading,
                                        const struct inlay_bind_item *item,
                                        const struct inlay_place *place)
{
    const struct inlay_slot *slot = slot_of(reading, item);
    const struct inlay_type *type = item->type;
    char *at = reading->block + item->offset;

    if (type->kind == INLAY_KIND_OPTIONAL) {
        *(bool *)(at + type->has_offset) = true;
        at += type->value_offset;
        type = type->elem;
    }
    int fault = test_count(item, type, slot->count);
    if (fault == INLAY_FAULT_LIST_LONG)
        return wrong_count(reading, item, type, place);
    if (type->kind == INLAY_KIND_SLICE) {
        char *array = inlay_arena_zalloc_array(reading->arena, slot->count,
                                               type->elem->size);

        if (!array)
            return INLAY_BIND_NO_MEMORY;
        memcpy(at + type->ptr_offset, &array, sizeof(array));
        memcpy(at + type->len_offset, &slot->count, sizeof(slot->count));
        at = array;
    }
    enum inlay_bind_status status =
        read_values(reading, item, type->elem, item->constraints, place, at);
    return status == INLAY_BIND_OK && fault != INLAY_LAX_OK
               ? wrong_count(reading, item, type, place)
               : status;
}

/* --- Parameters ---------------------------------------------------------- */

/* `input` is what a missing name is reported with: "" is null. */
static enum inlay_bind_status read_item(struct inlay_reading *reading,
                                        const struct inlay_bind_item *item,
                                        struct inlay_str input)
{
    struct inlay_place place = {&inlay_source_places[item->source], item->name,
                                0};
    char *at = reading->block + item->offset;

    if (!inlay_item_given(reading, item)) {
        if (item->fallback) {
            memcpy(at, item->fallback, item->type->size);
            return INLAY_BIND_OK;
        }
        inlay_violations_add(reading->violations, &place, INLAY_FAULT_MISSING,
                             input, NULL, nothing);
        return INLAY_BIND_INVALID;
    }
    if (item->many)
        return read_many(reading, item, &place);
    return read_one(reading, item, item->type, item->constraints,
                    &slot_of(reading, item)->one, &place, at);
}

/* Does a field lack what it must have? */
static bool lacks(const struct inlay_reading *reading,
                  const struct inlay_bind_param *bound)
{
    const struct inlay_bind_item *items = reading->bind->items + bound->first;

    for (size_t i = 0; i < bound->nitems; i++)
        if (!items[i].fallback && !inlay_item_given(reading, &items[i]))
            return true;
    return false;
}

/* Is any of its names there? */
static bool is_there(const struct inlay_reading *reading,
                     const struct inlay_bind_param *bound)
{
    for (size_t i = 0; i < bound->nitems; i++)
        if (reading->slots[bound->first + i].seen)
            return true;
    return false;
}

static enum inlay_bind_status read_fields(struct inlay_reading *reading,
                                          const struct inlay_bind_param *bound,
                                          struct inlay_str input)
{
    const struct inlay_bind_item *items = reading->bind->items + bound->first;
    enum inlay_bind_status result = INLAY_BIND_OK;

    for (size_t i = 0; i < bound->nitems; i++) {
        enum inlay_bind_status status = read_item(reading, &items[i], input);

        if (status < result)
            result = status;
    }
    return result;
}

/* A struct that may be absent is, unless one of its names is there. */
static bool skip_model(struct inlay_reading *reading,
                       const struct inlay_bind_param *bound)
{
    void *none = NULL;

    if (!bound->maybe)
        return false;
    if (is_there(reading, bound) || inlay_model_has_extras(reading, bound)) {
        if (bound->optional)
            *(bool *)(reading->block + bound->optional +
                      bound->param->type->has_offset) = true;
        return false;
    }
    if (bound->pointer)
        memcpy(reading->block + bound->pointer, &none, sizeof(none));
    return true;
}

enum inlay_bind_status inlay_items_read(struct inlay_reading *reading,
                                        const struct inlay_bind_param *bound)
{
    enum inlay_bind_status status;
    struct inlay_str input = nothing;

    if (!bound->model)
        return read_fields(reading, bound, input);
    if (skip_model(reading, bound))
        return INLAY_BIND_OK;
    if (lacks(reading, bound)) {
        status = inlay_model_input(reading, bound, &input);
        if (status != INLAY_BIND_OK)
            return status;
    }
    status = read_fields(reading, bound, input);
    return bound->type->strict || bound->type->check
               ? inlay_model_rules(reading, bound, status)
               : status;
}
