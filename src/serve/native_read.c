/*
 * native_read.c - a request -> the values of a function's parameters, by its
 * plan. Order of violations: path, query, headers, cookies, body; each as the
 * function has its parameters.
 */
#include "serve/bind_read.h"
#include "serve/native_call.h"
#include "type/text.h"

#include "base/banned.h"

#define ITEMS_ON_STACK 16

static const struct inlay_str nothing = {"", 0};

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

/* --- Path --------------------------------------------------------------- */

/* What {id:uuid} takes, as all 32 digits or as it is. */
static struct inlay_str without_hyphens(struct inlay_str text,
                                        struct inlay_arena *arena)
{
    char *digits = inlay_arena_alloc(arena, text.len + 1);
    size_t len = 0;

    for (size_t i = 0; digits && i < text.len; i++)
        if (text.ptr[i] != '-')
            digits[len++] = text.ptr[i];
    return inlay_str_make(digits, len);
}

static enum inlay_bind_status read_path(struct inlay_reading *reading,
                                        const struct inlay_bind_param *bound)
{
    struct inlay_place place = {&inlay_source_places[INLAY_BIND_PATH],
                                bound->param->name, 0};
    struct inlay_str text = reading->input->path[bound->first];

    if (bound->loose_uuid)
        text = without_hyphens(text, reading->arena);
    if (!text.ptr)
        return INLAY_BIND_NO_MEMORY;
    return from_text(inlay_text_read_within(
        text, bound->type, bound->param->constraints, reading->arena, &place,
        reading->violations, reading->block + bound->offset));
}

/* --- Body --------------------------------------------------------------- */

/*
 * The document that the parameters are read from; doc->doc NULL when there is
 * no body. A body of another media type counts as a string, as FastAPI takes
 * it as bytes that are no object; read by name, it has no members.
 */
static enum inlay_bind_status parse_body(const struct inlay_bind *bind,
                                         const struct inlay_bind_input *input,
                                         struct inlay_arena *arena,
                                         struct inlay_violations *violations,
                                         struct inlay_json_doc *ret)
{
    struct inlay_str text = input->body;

    *ret = (struct inlay_json_doc){NULL, text};
    if (!text.len && !bind->embedded)
        return INLAY_BIND_OK;
    if (!text.len || (!input->body_is_json && bind->embedded)) {
        text = INLAY_STR("{}");
    } else if (!input->body_is_json) {
        struct inlay_buf quoted;

        if (!inlay_utf8_valid(text))
            return INLAY_BIND_BAD_BODY;
        inlay_buf_init(&quoted, arena->limit);
        if (inlay_json_write_string(text, &quoted) == 0)
            text = inlay_arena_copy(arena, inlay_buf_view(&quoted));
        else
            text.ptr = NULL;
        inlay_buf_deinit(&quoted);
        if (!text.ptr)
            return INLAY_BIND_TOO_LARGE;
    }
    enum inlay_bind_status status = from_json(inlay_json_parse(
        text, arena, &inlay_source_places[INLAY_BIND_BODY], violations, ret));
    if (status == INLAY_BIND_INVALID && !inlay_utf8_valid(text))
        return INLAY_BIND_BAD_BODY;
    return status;
}

enum inlay_bind_status inlay_bind_parse(const struct inlay_bind *bind,
                                        struct inlay_bind_input *input,
                                        struct inlay_arena *arena,
                                        struct inlay_violations *violations)
{
    struct inlay_json_doc *doc;

    if (!bind->nbody || input->doc)
        return INLAY_BIND_OK;
    doc = inlay_arena_new(arena, struct inlay_json_doc);
    if (!doc)
        return INLAY_BIND_NO_MEMORY;
    input->doc = doc;
    return parse_body(bind, input, arena, violations, doc);
}

static enum inlay_bind_status read_body(struct inlay_reading *reading,
                                        const struct inlay_bind_param *bound,
                                        const struct inlay_json_doc *doc)
{
    const struct inlay_place *in_body = &inlay_source_places[INLAY_BIND_BODY];
    const struct inlay_param *param = bound->param;
    char *at = reading->block + bound->offset;

    if (reading->bind->embedded && !inlay_json_is_object(doc)) {
        struct inlay_place place = {in_body, param->name, 0};

        /* Not even one that may be left out can be. */
        inlay_violations_add(reading->violations, &place, INLAY_FAULT_MISSING,
                             nothing, NULL, nothing);
        return INLAY_BIND_INVALID;
    }
    if (reading->bind->embedded)
        return from_json(inlay_json_read_member(
            doc, param->name, bound->type, param->constraints, param->fallback,
            reading->arena, in_body, reading->violations, at));
    if (doc->doc)
        return from_json(inlay_json_read_within(
            doc, bound->type, param->constraints, reading->arena, in_body,
            reading->violations, at));
    if (param->fallback) {
        memcpy(at, param->fallback, bound->type->size);
        return INLAY_BIND_OK;
    }
    inlay_violations_add(reading->violations, in_body, INLAY_FAULT_MISSING,
                         nothing, NULL, nothing);
    return INLAY_BIND_INVALID;
}

/* No body and an empty one are the same: what the fallback says, or none. */
static void take_raw(struct inlay_reading *reading,
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
    case INLAY_BIND_DB:
        return inlay_native_database(input->call, bound->database);
    case INLAY_BIND_PROVIDED:
        return input->provided[bound->first];
    case INLAY_BIND_STATE:
        return bound->state->value;
    case INLAY_BIND_PATH:
    case INLAY_BIND_QUERY:
    case INLAY_BIND_HEADER:
    case INLAY_BIND_COOKIE:
    case INLAY_BIND_FORM:
    case INLAY_BIND_BODY:
    case INLAY_BIND_RAW:
        break;
    }
    return NULL;
}

static void read_injected(struct inlay_reading *reading)
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
static enum inlay_bind_status read_source(struct inlay_reading *reading,
                                          enum inlay_bind_source source,
                                          const struct inlay_json_doc *doc)
{
    const struct inlay_bind *bind = reading->bind;
    enum inlay_bind_status result = INLAY_BIND_OK;

    for (size_t i = 0; i < bind->nparams; i++) {
        const struct inlay_bind_param *bound = &bind->params[i];
        enum inlay_bind_status status = INLAY_BIND_OK;

        if (bound->source != source)
            continue;
        switch (source) {
        case INLAY_BIND_PATH:
            status = read_path(reading, bound);
            break;
        case INLAY_BIND_QUERY:
        case INLAY_BIND_HEADER:
        case INLAY_BIND_COOKIE:
        case INLAY_BIND_FORM:
            status = inlay_items_read(reading, bound);
            break;
        case INLAY_BIND_BODY:
            status = read_body(reading, bound, doc);
            break;
        case INLAY_BIND_RAW:
            take_raw(reading, bound);
            break;
        case INLAY_BIND_REQUEST:
        case INLAY_BIND_SOCKET:
        case INLAY_BIND_DB:
        case INLAY_BIND_PROVIDED:
        case INLAY_BIND_STATE:
            break;
        }
        if (status < result)
            result = status;
    }
    return result;
}

static enum inlay_bind_status read_named(struct inlay_reading *reading)
{
    enum inlay_bind_status result = INLAY_BIND_OK, status;

    for (int i = INLAY_BIND_QUERY; i <= INLAY_BIND_FORM; i++) {
        enum inlay_bind_source source = (enum inlay_bind_source)i;

        if (!reading->bind->nlists[source])
            continue;
        status = inlay_items_take(reading, source);
        if (status == INLAY_BIND_OK)
            status = read_source(reading, source, NULL);
        result = inlay_min(result, status);
    }
    return result;
}

static int make_room(struct inlay_reading *reading, void ***args_ret)
{
    const struct inlay_bind *bind = reading->bind;

    reading->block = inlay_arena_zalloc(reading->arena, bind->size);
    if (!reading->block)
        return -1;
    *args_ret = (void **)(void *)reading->block;
    for (size_t i = 0; i < bind->nparams; i++) {
        const struct inlay_bind_param *bound = &bind->params[i];
        char *value = reading->block + bound->offset;

        (*args_ret)[i] =
            bound->optional ? reading->block + bound->optional : (void *)value;
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
    struct inlay_slot slots[ITEMS_ON_STACK];
    struct inlay_json_doc doc = {NULL, nothing};
    enum inlay_bind_status result = INLAY_BIND_OK, status;
    struct inlay_reading reading = {.bind = bind,
                                    .input = input,
                                    .arena = arena,
                                    .violations = violations,
                                    .slots = slots};

    if (make_room(&reading, args_ret) < 0)
        return INLAY_BIND_NO_MEMORY;
    *result_ret = reading.block + bind->result_offset;
    if (bind->ninjected)
        read_injected(&reading);
    if (bind->nbody && input->doc) {
        doc = *input->doc;
    } else if (bind->nbody) {
        /* A body that is no JSON is the only violation then. */
        status = parse_body(bind, input, arena, violations, &doc);
        if (status != INLAY_BIND_OK)
            return status;
    }
    if (bind->npath)
        result = read_source(&reading, INLAY_BIND_PATH, NULL);
    if (bind->nitems) {
        if (bind->nitems > ITEMS_ON_STACK)
            reading.slots =
                inlay_arena_alloc(arena, bind->nitems * sizeof(slots[0]));
        if (!reading.slots)
            return INLAY_BIND_NO_MEMORY;
        memset(reading.slots, 0, bind->nitems * sizeof(slots[0]));
        status = read_named(&reading);
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
