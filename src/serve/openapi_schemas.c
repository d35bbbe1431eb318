/* openapi_schemas.c - the types of operations as schemas of the document. */
#include "base/mem.h"
#include "serve/openapi.h"
#include "type/json.h"
#include "type/schema.h"

#include "base/banned.h"

#define REF INLAY_OPENAPI_REF

static const char validation_schemas[] =
    "\"HTTPValidationError\":{\"properties\":{\"detail\":{\"items\":" REF
    "ValidationError\"},\"type\":\"array\",\"title\":\"Detail\"}},\"type\":"
    "\"object\",\"title\":\"HTTPValidationError\"},"
    "\"ValidationError\":{\"properties\":{\"loc\":{\"items\":{\"anyOf\":[{"
    "\"type\":\"string\"},{\"type\":\"integer\"}]},\"type\":\"array\","
    "\"title\":\"Location\"},\"msg\":{\"type\":\"string\",\"title\":"
    "\"Message\"},\"type\":{\"type\":\"string\",\"title\":\"Error Type\"},"
    "\"input\":{\"title\":\"Input\"},\"ctx\":{\"type\":\"object\",\"title\":"
    "\"Context\"}},\"type\":\"object\",\"required\":[\"loc\",\"msg\","
    "\"type\"],\"title\":\"ValidationError\"}";

static const char error_schema[] =
    "\"HTTPError\":{\"properties\":{\"detail\":{\"type\":\"string\","
    "\"title\":\"Detail\"}},\"type\":\"object\",\"required\":[\"detail\"],"
    "\"title\":\"HTTPError\"}";

/* --- Which -------------------------------------------------------------- */

static struct inlay_openapi_component *component_find(
    struct inlay_openapi *doc,
    const struct inlay_module *module,
    struct inlay_str name)
{
    for (size_t i = 0; i < doc->ncomponents; i++) {
        struct inlay_openapi_component *component = &doc->components[i];

        if (component->module == module &&
            inlay_str_equal(component->name, name))
            return component;
    }
    return NULL;
}

static bool component_add(struct inlay_openapi *doc,
                          struct inlay_str name,
                          struct inlay_str text)
{
    if (doc->ncomponents == doc->size) {
        size_t size = doc->size ? doc->size * 2 : 16;
        struct inlay_openapi_component *grown =
            inlay_realloc(doc->components, size * sizeof(*grown));

        if (!grown) {
            doc->failed = true;
            return false;
        }
        doc->components = grown;
        doc->size = size;
    }
    doc->components[doc->ncomponents++] =
        (struct inlay_openapi_component){doc->module, name, name, text};
    return true;
}

/* What is a $ref elsewhere gets its definition. */
static bool add_definition(void *arg, const struct inlay_type *type)
{
    struct inlay_openapi *doc = arg;
    struct inlay_buf buf;

    if (!inlay_schema_is_named(type) ||
        component_find(doc, doc->module, type->name))
        return true;
    inlay_buf_init(&buf, INLAY_OPENAPI_MEMORY);
    int status = inlay_schema_write_definition(type, &buf);
    return component_add(doc, type->name,
                         inlay_openapi_take(doc, &buf, status));
}

static void add_definitions(struct inlay_openapi *doc,
                            const struct inlay_type *type)
{
    if (!inlay_type_walk(type, add_definition, doc))
        doc->failed = true;
}

/* "pkg.fast", "user" -> "pkg__fast__user", as FastAPI tells models apart. */
static struct inlay_str long_name(
    struct inlay_openapi *doc,
    const struct inlay_openapi_component *component)
{
    struct inlay_buf buf;
    struct inlay_str module = component->module->name;
    int failed = 0;

    inlay_buf_init(&buf, INLAY_OPENAPI_MEMORY);
    for (size_t i = 0; i < module.len; i++)
        failed |= module.ptr[i] == '.'
                      ? inlay_buf_append_literal(&buf, "__")
                      : inlay_buf_append_char(&buf, module.ptr[i]);
    failed |= inlay_buf_append_literal(&buf, "__");
    failed |= inlay_buf_append_str(&buf, component->name);
    return inlay_openapi_take(doc, &buf, failed);
}

/* Structs of one name in several modules: once when alike, else renamed. */
static void settle_names(struct inlay_openapi *doc)
{
    for (size_t i = 0; i < doc->ncomponents; i++) {
        struct inlay_openapi_component *one = &doc->components[i];
        bool clash = false;

        for (size_t j = 0; j < doc->ncomponents; j++) {
            const struct inlay_openapi_component *other = &doc->components[j];

            if (j != i && inlay_str_equal(one->name, other->name) &&
                !inlay_str_equal(one->text, other->text))
                clash = true;
        }
        if (clash)
            one->key = long_name(doc, one);
    }
}

/* Types of the parameters that clients give. */
static void add_parameters(struct inlay_openapi *doc,
                           const struct inlay_bind *bind)
{
    for (size_t i = 0; i < bind->nparams; i++) {
        const struct inlay_bind_param *bound = &bind->params[i];

        if (bound->source == INLAY_BIND_PATH ||
            bound->source == INLAY_BIND_BODY ||
            inlay_openapi_is_model(bind, bound))
            add_definitions(doc, bound->type);
    }
    for (size_t i = 0; i < bind->nitems; i++)
        add_definitions(doc, bind->items[i].type);
}

void inlay_openapi_collect(struct inlay_openapi *doc)
{
    for (size_t i = 0; i < doc->noperations; i++) {
        const struct inlay_native_route *route = doc->operations[i].route;

        doc->module = route->module;
        add_definitions(doc, route->decl->callable->func->result);
        for (size_t j = 0; j < doc->operations[i].nbinds; j++)
            add_parameters(doc, doc->operations[i].binds[j]);
    }
    settle_names(doc);
}

/* --- Written ------------------------------------------------------------ */

/* A schema as the type has it, its $refs led to this document's keys. */
static void put_schema(struct inlay_openapi *doc, struct inlay_str text)
{
    struct inlay_str ref = INLAY_STR(REF);
    const char *end = text.ptr + text.len;

    while (text.len) {
        const char *found = memmem(text.ptr, text.len, ref.ptr, ref.len);

        if (!found)
            break;
        const char *name = found + ref.len;
        const char *quote = memchr(name, '"', (size_t)(end - name));
        if (!quote)
            break;
        struct inlay_str old = inlay_str_make(name, (size_t)(quote - name));
        const struct inlay_openapi_component *component =
            component_find(doc, doc->module, old);
        inlay_openapi_put(doc,
                          inlay_str_make(text.ptr, (size_t)(name - text.ptr)));
        inlay_openapi_put(doc, component ? component->key : old);
        text = inlay_str_make(quote, (size_t)(end - quote));
    }
    inlay_openapi_put(doc, text);
}

/* None is no default worth a word. */
static bool has_default(const struct inlay_type *type, const void *fallback)
{
    if (!fallback)
        return false;
    if (type->kind == INLAY_KIND_OPTIONAL)
        return *((const uint8_t *)fallback + type->has_offset) != 0;
    if (type->kind == INLAY_KIND_POINTER || type->kind == INLAY_KIND_CSTR)
        return *(const void *const *)fallback != NULL;
    return true;
}

void inlay_openapi_schema(struct inlay_openapi *doc,
                          const struct inlay_type *type,
                          const struct inlay_constraints *constraints,
                          struct inlay_str title,
                          const void *fallback)
{
    struct inlay_buf buf;

    inlay_buf_init(&buf, INLAY_OPENAPI_MEMORY);
    struct inlay_str text = inlay_openapi_take(
        doc, &buf, inlay_schema_write_within(type, constraints, title, &buf));
    if (!text.len || !has_default(type, fallback)) {
        put_schema(doc, text);
        return;
    }
    put_schema(doc, inlay_str_make(text.ptr, text.len - 1));
    inlay_openapi_literal(doc, ",\"default\":");
    if (inlay_json_write(type, fallback, doc->out) < 0)
        doc->failed = true;
    inlay_openapi_literal(doc, "}");
}

/* Was a component of this key written before `index`? */
static bool key_written(const struct inlay_openapi *doc, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (inlay_str_equal(doc->components[i].key, doc->components[index].key))
            return true;
    return false;
}

static void put_bodies(struct inlay_openapi *doc, bool *first)
{
    for (size_t i = 0; i < doc->noperations; i++) {
        const struct inlay_openapi_operation *operation = &doc->operations[i];

        if (!inlay_openapi_has_body(operation))
            continue;
        inlay_openapi_comma(doc, first);
        inlay_openapi_body(doc, operation);
    }
}

void inlay_openapi_components(struct inlay_openapi *doc)
{
    bool first = true;

    inlay_openapi_literal(doc, "\"components\":{\"schemas\":{");
    put_bodies(doc, &first);
    for (size_t i = 0; i < doc->ncomponents; i++) {
        const struct inlay_openapi_component *component = &doc->components[i];

        if (key_written(doc, i))
            continue;
        doc->module = component->module;
        inlay_openapi_comma(doc, &first);
        inlay_openapi_string(doc, component->key);
        inlay_openapi_literal(doc, ":");
        put_schema(doc, component->text);
    }
    if (doc->fails) {
        inlay_openapi_comma(doc, &first);
        inlay_openapi_put(
            doc, inlay_str_make(error_schema, sizeof(error_schema) - 1));
    }
    if (doc->validates) {
        inlay_openapi_comma(doc, &first);
        inlay_openapi_put(doc, inlay_str_make(validation_schemas,
                                              sizeof(validation_schemas) - 1));
    }
    inlay_openapi_literal(doc, "}}");
}
