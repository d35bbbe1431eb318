/* openapi_operation.c - one method of one path, in the words FastAPI has. */
#include "serve/openapi.h"
#include "type/schema.h"

#include "base/banned.h"

#define REF INLAY_OPENAPI_REF

/* --- Parameters --------------------------------------------------------- */

/* One that was written: of several functions it is there once. */
struct known {
    enum inlay_bind_source in;
    struct inlay_str name;
};

struct parameters {
    struct inlay_openapi *doc;
    struct known *known;
    size_t count;
};

static bool is_known(struct parameters *parameters,
                     enum inlay_bind_source in,
                     struct inlay_str name)
{
    for (size_t i = 0; i < parameters->count; i++) {
        const struct known *known = &parameters->known[i];

        if (known->in == in &&
            (in == INLAY_BIND_HEADER ? inlay_str_equal_nocase(known->name, name)
                                     : inlay_str_equal(known->name, name)))
            return true;
    }
    parameters->known[parameters->count++] = (struct known){in, name};
    return false;
}

static void put_parameter(struct parameters *parameters,
                          enum inlay_bind_source in,
                          const struct inlay_bind_item *item,
                          struct inlay_str titled,
                          bool required)
{
    static const char *const places[] = {
        [INLAY_BIND_PATH] = "path",
        [INLAY_BIND_QUERY] = "query",
        [INLAY_BIND_HEADER] = "header",
        [INLAY_BIND_COOKIE] = "cookie",
    };
    struct inlay_openapi *doc = parameters->doc;
    bool first = parameters->count == 0;

    if (is_known(parameters, in, item->name))
        return;
    inlay_openapi_put(doc,
                      first ? INLAY_STR(",\"parameters\":[") : INLAY_STR(","));
    inlay_openapi_literal(doc, "{\"name\":");
    inlay_openapi_string(doc, item->name);
    inlay_openapi_literal(doc, ",\"in\":\"");
    inlay_openapi_put(doc, inlay_str_from(places[in]));
    inlay_openapi_literal(doc, "\",\"required\":");
    inlay_openapi_put(doc, required ? INLAY_STR("true") : INLAY_STR("false"));
    inlay_openapi_literal(doc, ",\"schema\":");
    inlay_openapi_schema(doc, item->type, item->constraints,
                         inlay_openapi_title(doc, titled), item->fallback);
    inlay_openapi_literal(doc, "}");
}

/* One of the path, or all that are looked up by name. */
static void put_bound(struct parameters *parameters,
                      const struct inlay_bind *bind,
                      const struct inlay_bind_param *bound)
{
    if (bound->source == INLAY_BIND_PATH) {
        const struct inlay_bind_item item = {
            .name = bound->param->name,
            .type = bound->type,
            .constraints = bound->param->constraints,
        };

        put_parameter(parameters, bound->source, &item, item.name, true);
        return;
    }
    for (size_t i = 0; i < bound->nitems; i++) {
        const struct inlay_bind_item *item = &bind->items[bound->first + i];

        put_parameter(parameters, bound->source, item,
                      bound->model ? item->field : item->name,
                      !item->fallback && !bound->maybe);
    }
}

static void put_of(struct parameters *parameters,
                   const struct inlay_bind *bind,
                   enum inlay_bind_source in)
{
    for (size_t i = 0; i < bind->nparams; i++)
        if (bind->params[i].source == in)
            put_bound(parameters, bind, &bind->params[i]);
}

/* Of the handler, then of what its providers and guards take. */
static void put_parameters(struct inlay_openapi *doc,
                           const struct inlay_openapi_operation *operation)
{
    size_t count = 0;

    for (size_t i = 0; i < operation->nbinds; i++)
        count += operation->binds[i]->nparams + operation->binds[i]->nitems;
    struct parameters parameters = {
        .doc = doc,
        .known = inlay_arena_zalloc_array(&doc->arena, count + 1,
                                          sizeof(struct known)),
    };
    if (!parameters.known) {
        doc->failed = true;
        return;
    }
    for (int in = INLAY_BIND_PATH; in <= INLAY_BIND_COOKIE; in++)
        for (size_t i = operation->nbinds; i-- > 0;)
            put_of(&parameters, operation->binds[i],
                   (enum inlay_bind_source)in);
    if (parameters.count)
        inlay_openapi_literal(doc, "]");
}

/* --- Bodies ------------------------------------------------------------- */

static struct inlay_str body_name(
    struct inlay_openapi *doc,
    const struct inlay_openapi_operation *operation)
{
    return inlay_openapi_prefixed(doc, "Body_", operation->id);
}

/* Bytes of a form, one or several: base64 they are in JSON only. */
static bool is_raw(const struct inlay_bind_item *item)
{
    const struct inlay_type *type = item->type;

    while (type->kind == INLAY_KIND_OPTIONAL ||
           type->kind == INLAY_KIND_SLICE || type->kind == INLAY_KIND_ARRAY)
        type = type->elem;
    return type->kind == INLAY_KIND_BYTES && item->source == INLAY_BIND_FORM;
}

bool inlay_openapi_is_model(const struct inlay_bind *bind,
                            const struct inlay_bind_param *bound)
{
    if (bound->source != INLAY_BIND_FORM || !bound->model)
        return false;
    for (size_t i = 0; i < bound->nitems; i++)
        if (is_raw(&bind->items[bound->first + i]))
            return false;
    return true;
}

/* The struct that is the whole form, or NULL. */
static const struct inlay_bind_param *whole_form(const struct inlay_bind *bind)
{
    for (size_t i = 0; bind->nform == 1 && i < bind->nparams; i++)
        if (inlay_openapi_is_model(bind, &bind->params[i]) &&
            !bind->params[i].maybe)
            return &bind->params[i];
    return NULL;
}

bool inlay_openapi_has_body(const struct inlay_openapi_operation *operation)
{
    const struct inlay_bind *bind = operation->route->bind;

    return bind->embedded || (bind->nform && !whole_form(bind));
}

/* As a file: there may be several, or none. */
static void put_raw(struct inlay_openapi *doc,
                    const struct inlay_bind_item *item)
{
    bool maybe = item->type->kind == INLAY_KIND_OPTIONAL;

    inlay_openapi_literal(doc, "{");
    if (maybe)
        inlay_openapi_literal(doc, "\"anyOf\":[{");
    if (item->many)
        inlay_openapi_literal(doc, "\"type\":\"array\",\"items\":{");
    inlay_openapi_literal(doc, "\"type\":\"string\",\"contentMediaType\":"
                               "\"application/octet-stream\"");
    if (item->many)
        inlay_openapi_literal(doc, "}");
    if (maybe)
        inlay_openapi_literal(doc, "},{\"type\":\"null\"}]");
    inlay_openapi_literal(doc, ",\"title\":");
    inlay_openapi_string(doc, inlay_openapi_title(doc, item->name));
    inlay_openapi_literal(doc, "}");
}

/*
 * Member number `index` of an object that is the body, as an item, whether it
 * must be there in *required_ret; false: past the last one. Models of a form
 * are not among them.
 */
static bool member(const struct inlay_bind *bind,
                   size_t index,
                   struct inlay_bind_item *ret,
                   bool *required_ret)
{
    for (size_t i = 0; i < bind->nparams; i++) {
        const struct inlay_bind_param *bound = &bind->params[i];
        bool form = bound->source == INLAY_BIND_FORM;
        size_t count = form ? bound->nitems : 1;

        if ((!form && bound->source != INLAY_BIND_BODY) ||
            inlay_openapi_is_model(bind, bound))
            continue;
        if (index >= count) {
            index -= count;
            continue;
        }
        *ret = form ? bind->items[bound->first + index]
                    : (struct inlay_bind_item){
                          .source = bound->source,
                          .name = bound->param->name,
                          .type = bound->type,
                          .constraints = bound->param->constraints,
                          .fallback = bound->param->fallback,
                      };
        *required_ret = !ret->fallback && !bound->maybe;
        return true;
    }
    return false;
}

static void put_member(struct inlay_openapi *doc,
                       const struct inlay_bind_item *item)
{
    struct inlay_str title = INLAY_STR("");

    inlay_openapi_string(doc, item->name);
    inlay_openapi_literal(doc, ":");
    if (is_raw(item)) {
        put_raw(doc, item);
        return;
    }
    if (!inlay_schema_is_nullable_ref(item->type))
        title = inlay_openapi_title(doc, item->name);
    inlay_openapi_schema(doc, item->type, item->constraints, title,
                         item->fallback);
}

static void put_ref(struct inlay_openapi *doc, const struct inlay_type *type)
{
    inlay_openapi_schema(doc, type, NULL, INLAY_STR(""), NULL);
}

/* A model that may be absent: no field of it, or all of it. */
static void put_maybe(struct inlay_openapi *doc,
                      const struct inlay_bind *bind,
                      const struct inlay_bind_param *bound)
{
    bool first = true;

    inlay_openapi_literal(doc, "{\"anyOf\":[{\"not\":{\"anyOf\":[");
    for (size_t i = 0; i < bound->nitems; i++) {
        inlay_openapi_comma(doc, &first);
        inlay_openapi_literal(doc, "{\"required\":[");
        inlay_openapi_string(doc, bind->items[bound->first + i].name);
        inlay_openapi_literal(doc, "]}");
    }
    inlay_openapi_literal(doc, "]}},{\"anyOf\":[");
    put_ref(doc, bound->type);
    inlay_openapi_literal(doc, "],\"title\":");
    inlay_openapi_string(doc, inlay_openapi_title(doc, bound->param->name));
    inlay_openapi_literal(doc, "}]}");
}

/* "allOf":[…], of the structs in a form. */
static void put_models(struct inlay_openapi *doc, const struct inlay_bind *bind)
{
    bool first = true;

    for (size_t i = 0; i < bind->nparams; i++) {
        const struct inlay_bind_param *bound = &bind->params[i];

        if (!inlay_openapi_is_model(bind, bound))
            continue;
        inlay_openapi_put(doc,
                          first ? INLAY_STR("\"allOf\":[") : INLAY_STR(","));
        first = false;
        if (bound->maybe)
            put_maybe(doc, bind, bound);
        else
            put_ref(doc, bound->type);
    }
    if (!first)
        inlay_openapi_literal(doc, "],");
}

void inlay_openapi_body(struct inlay_openapi *doc,
                        const struct inlay_openapi_operation *operation)
{
    const struct inlay_bind *bind = operation->route->bind;
    struct inlay_str name = body_name(doc, operation);
    struct inlay_bind_item item;
    bool first = true, required;

    doc->module = operation->route->module;
    inlay_openapi_string(doc, name);
    inlay_openapi_literal(doc, ":{");
    put_models(doc, bind);
    for (size_t i = 0; member(bind, i, &item, &required); i++) {
        inlay_openapi_put(doc, first ? INLAY_STR("\"properties\":{")
                                     : INLAY_STR(","));
        first = false;
        put_member(doc, &item);
    }
    inlay_openapi_put(doc, first ? INLAY_STR("\"type\":\"object\"")
                                 : INLAY_STR("},\"type\":\"object\""));
    first = true;
    for (size_t i = 0; member(bind, i, &item, &required); i++) {
        if (!required)
            continue;
        inlay_openapi_put(doc, first ? INLAY_STR(",\"required\":[")
                                     : INLAY_STR(","));
        first = false;
        inlay_openapi_string(doc, item.name);
    }
    inlay_openapi_put(doc, first ? INLAY_STR(",\"title\":")
                                 : INLAY_STR("],\"title\":"));
    inlay_openapi_string(doc, name);
    inlay_openapi_literal(doc, "}");
}

static void put_body_schema(struct inlay_openapi *doc,
                            const struct inlay_openapi_operation *operation,
                            const struct inlay_bind_param *only)
{
    const struct inlay_bind *bind = operation->route->bind;
    struct inlay_str title = inlay_openapi_title(doc, only->param->name);

    if (bind->nraw) {
        inlay_openapi_literal(doc, "\"application/octet-stream\":{\"schema\":{"
                                   "\"type\":\"string\",\"contentMediaType\":"
                                   "\"application/octet-stream\",\"title\":");
        inlay_openapi_string(doc, title);
        inlay_openapi_literal(doc, "}}");
        return;
    }
    if (bind->uploads)
        inlay_openapi_literal(doc, "\"multipart/form-data\":{\"schema\":");
    else if (bind->nform)
        inlay_openapi_literal(
            doc, "\"application/x-www-form-urlencoded\":{\"schema\":");
    else
        inlay_openapi_literal(doc, "\"application/json\":{\"schema\":");
    if (inlay_openapi_has_body(operation)) {
        inlay_openapi_literal(doc, REF);
        inlay_openapi_put(doc, body_name(doc, operation));
        inlay_openapi_literal(doc, "\"}");
    } else if (bind->nform) {
        put_ref(doc, only->type);
    } else {
        inlay_openapi_schema(doc, only->type, only->param->constraints, title,
                             NULL);
    }
    inlay_openapi_literal(doc, "}");
}

/* Is it of the body, and can't be left out? */
static bool is_needed(const struct inlay_bind *bind,
                      const struct inlay_bind_param *bound)
{
    if (bound->source != INLAY_BIND_FORM)
        return !bound->param->fallback;
    return bound->model ? !bound->maybe : !bind->items[bound->first].fallback;
}

static bool is_body(const struct inlay_bind_param *bound)
{
    return bound->source == INLAY_BIND_BODY ||
           bound->source == INLAY_BIND_RAW || bound->source == INLAY_BIND_FORM;
}

static void put_body(struct inlay_openapi *doc,
                     const struct inlay_openapi_operation *operation)
{
    const struct inlay_bind *bind = operation->route->bind;
    const struct inlay_bind_param *only = NULL;
    bool required = false;

    for (size_t i = 0; i < bind->nparams; i++) {
        if (!is_body(&bind->params[i]))
            continue;
        only = &bind->params[i];
        required = required || is_needed(bind, only);
    }
    if (!only)
        return;
    inlay_openapi_literal(doc, ",\"requestBody\":{\"content\":{");
    put_body_schema(doc, operation, only);
    inlay_openapi_literal(doc, "}");
    if (required)
        inlay_openapi_literal(doc, ",\"required\":true");
    inlay_openapi_literal(doc, "}");
}

/* --- Answers ------------------------------------------------------------ */

/*
 * What INLAY_ANSWERS says of a status, the handler's or another function's
 * from number `begin` on; ptr NULL: nothing.
 */
static struct inlay_str answer_text(
    const struct inlay_openapi_operation *operation,
    int status,
    size_t begin)
{
    for (size_t i = operation->nbinds; i-- > begin;) {
        const struct inlay_notes *notes = operation->binds[i]->callable->notes;

        for (size_t j = 0; notes && j < notes->nanswers; j++)
            if (notes->answers[j].status == status)
                return notes->answers[j].text;
    }
    return (struct inlay_str){NULL, 0};
}

/* "200":{"description":"…" */
static void begin_answer(struct inlay_openapi *doc,
                         int status,
                         struct inlay_str text,
                         bool *first)
{
    inlay_openapi_comma(doc, first);
    inlay_openapi_literal(doc, "\"");
    if (inlay_buf_append_u64(doc->out, (uint64_t)status) < 0)
        doc->failed = true;
    inlay_openapi_literal(doc, "\":{\"description\":");
    inlay_openapi_string(doc, text);
}

/* As FastAPI: text and bytes as the whole answer are strings. */
static void put_content(struct inlay_openapi *doc,
                        const struct inlay_openapi_operation *operation)
{
    const struct inlay_native_route *route = operation->route;
    struct inlay_str title = inlay_openapi_title(
        doc, inlay_openapi_prefixed(doc, "Response_", operation->id));

    inlay_openapi_literal(doc, ",\"content\":{");
    inlay_openapi_string(doc, route->media);
    inlay_openapi_literal(doc, ":{\"schema\":");
    if (inlay_str_is(route->media, "application/json"))
        inlay_openapi_schema(doc, route->decl->callable->func->result, NULL,
                             title, NULL);
    else
        inlay_openapi_literal(doc, "{\"type\":\"string\"}");
    inlay_openapi_literal(doc, "}}");
}

/* inlay_fail's answer; of a 422 also the one for wrong parameters. */
static void put_failure(struct inlay_openapi *doc, bool fails, bool validates)
{
    inlay_openapi_literal(doc,
                          ",\"content\":{\"application/json\":{\"schema\":");
    if (fails && validates)
        inlay_openapi_literal(doc, "{\"anyOf\":[");
    if (fails)
        inlay_openapi_literal(doc, REF "HTTPError\"}");
    if (fails && validates)
        inlay_openapi_literal(doc, ",");
    if (validates)
        inlay_openapi_literal(doc, REF "HTTPValidationError\"}");
    if (fails && validates)
        inlay_openapi_literal(doc, "]}");
    inlay_openapi_literal(doc, "}}");
    doc->fails = doc->fails || fails;
    doc->validates = doc->validates || validates;
}

/* Does a client give anything that may be wrong? */
static bool validates(const struct inlay_openapi_operation *operation)
{
    for (size_t i = 0; i < operation->nbinds; i++) {
        const struct inlay_bind *bind = operation->binds[i];

        for (size_t j = 0; j < bind->nparams; j++)
            if (bind->params[j].source <= INLAY_BIND_RAW)
                return true;
    }
    return false;
}

static bool has_content(int status)
{
    return status >= 200 && status < 300 && status != 204 && status != 205;
}

/* Those that function number `index` declares and no later one does. */
static void put_declared(struct inlay_openapi *doc,
                         const struct inlay_openapi_operation *operation,
                         size_t index,
                         bool checks,
                         bool *first)
{
    const struct inlay_native_route *route = operation->route;
    const struct inlay_notes *notes = operation->binds[index]->callable->notes;

    for (size_t i = 0; notes && i < notes->nanswers; i++) {
        const struct inlay_answer_note *answer = &notes->answers[i];

        if (answer->status == route->status ||
            answer_text(operation, answer->status, index + 1).ptr)
            continue;
        begin_answer(doc, answer->status, answer->text, first);
        if (answer->status >= 400)
            put_failure(doc, true, checks && answer->status == 422);
        else if (has_content(answer->status) && !route->no_content)
            put_content(doc, operation);
        inlay_openapi_literal(doc, "}");
    }
}

static void put_responses(struct inlay_openapi *doc,
                          const struct inlay_openapi_operation *operation)
{
    const struct inlay_native_route *route = operation->route;
    struct inlay_str text =
        answer_text(operation, route->status, operation->nbinds - 1);
    bool checks = validates(operation), first = true;

    inlay_openapi_literal(doc, ",\"responses\":{");
    begin_answer(doc, route->status,
                 text.ptr ? text : INLAY_STR("Successful Response"), &first);
    if (!route->no_content)
        put_content(doc, operation);
    inlay_openapi_literal(doc, "}");
    for (size_t i = operation->nbinds; i-- > 0;)
        put_declared(doc, operation, i, checks, &first);
    if (checks && !answer_text(operation, 422, 0).ptr) {
        begin_answer(doc, 422, INLAY_STR("Validation Error"), &first);
        put_failure(doc, false, true);
        inlay_openapi_literal(doc, "}");
    }
    inlay_openapi_literal(doc, "}");
}

/* --- All of it ---------------------------------------------------------- */

static void put_tags(struct inlay_openapi *doc, const struct inlay_notes *notes)
{
    bool first = true;

    if (!notes || !notes->ntags)
        return;
    inlay_openapi_literal(doc, "\"tags\":[");
    for (size_t i = 0; i < notes->ntags; i++) {
        inlay_openapi_comma(doc, &first);
        inlay_openapi_string(doc, notes->tags[i]);
    }
    inlay_openapi_literal(doc, "],");
}

void inlay_openapi_operation(struct inlay_openapi *doc,
                             const struct inlay_openapi_operation *operation)
{
    const struct inlay_native_route *route = operation->route;
    const struct inlay_func *func = route->decl->callable->func;
    const struct inlay_notes *notes = route->decl->callable->notes;

    doc->module = route->module;
    inlay_openapi_literal(doc, "\"");
    for (size_t i = 0; i < operation->method.len; i++) {
        char c = inlay_ascii_lower(operation->method.ptr[i]);

        inlay_openapi_put(doc, inlay_str_make(&c, 1));
    }
    inlay_openapi_literal(doc, "\":{");
    put_tags(doc, notes);
    inlay_openapi_literal(doc, "\"summary\":");
    inlay_openapi_string(doc, notes && notes->summary.len
                                  ? notes->summary
                                  : inlay_openapi_title(doc, func->name));
    if (func->doc.len && inlay_utf8_valid(func->doc)) {
        inlay_openapi_literal(doc, ",\"description\":");
        inlay_openapi_string(doc, func->doc);
    }
    inlay_openapi_literal(doc, ",\"operationId\":");
    inlay_openapi_string(doc, operation->id);
    put_parameters(doc, operation);
    put_body(doc, operation);
    put_responses(doc, operation);
    if (notes && notes->deprecated)
        inlay_openapi_literal(doc, ",\"deprecated\":true");
    inlay_openapi_literal(doc, "}");
}
