/*
 * openapi.c - native routes as OpenAPI 3.1, in the words FastAPI has for the
 * same routes. A failure sticks to the writer and is reported at the end.
 */
#include "base/mem.h"
#include "serve/native_route.h"
#include "type/json.h"
#include "type/schema.h"

#include "base/banned.h"

#define OPENAPI_MEMORY ((size_t)64 << 20)
#define REF "{\"$ref\":\"#/components/schemas/"

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

/* A struct of a module, or an embedded body: one entry of the schemas. */
struct component {
    const struct inlay_module *module;
    struct inlay_str name; /* as $refs of the module have it */
    struct inlay_str key;  /* as the document has it */
    struct inlay_str text; /* the definition; ptr NULL: the same as another */
};

struct writer {
    const struct inlay_native_table *table;
    struct inlay_buf *out;
    struct inlay_arena arena;
    struct component *components;
    size_t ncomponents, size;
    struct inlay_str *paths; /* of the routes, as FastAPI's path_format */
    const struct inlay_module *module; /* whose types are written */
    bool validates;                    /* some route has parameters */
    bool failed;
};

static void put(struct writer *writer, struct inlay_str text)
{
    if (inlay_buf_append_str(writer->out, text) < 0)
        writer->failed = true;
}

#define put_literal(writer, literal) put((writer), INLAY_STR(literal))

static void put_string(struct writer *writer, struct inlay_str text)
{
    if (!inlay_utf8_valid(text))
        text = INLAY_STR("");
    if (inlay_json_write_string(text, writer->out) < 0)
        writer->failed = true;
}

/* A comma before every one but the first. */
static void put_comma(struct writer *writer, bool *first)
{
    if (!*first)
        put_literal(writer, ",");
    *first = false;
}

/* What was written to `buf`, kept; the buffer is freed. */
static struct inlay_str take_buf(struct writer *writer,
                                 struct inlay_buf *buf,
                                 int status)
{
    struct inlay_str text = {NULL, 0};

    if (status == 0)
        text = inlay_arena_copy(&writer->arena, inlay_buf_view(buf));
    inlay_buf_deinit(buf);
    if (!text.ptr) {
        writer->failed = true;
        text = INLAY_STR("");
    }
    return text;
}

static struct inlay_str title_of(struct writer *writer, struct inlay_str name)
{
    struct inlay_buf buf;

    inlay_buf_init(&buf, OPENAPI_MEMORY);
    return take_buf(writer, &buf, inlay_schema_write_title(name, &buf));
}

/* --- Components --------------------------------------------------------- */

static struct component *component_find(struct writer *writer,
                                        const struct inlay_module *module,
                                        struct inlay_str name)
{
    for (size_t i = 0; i < writer->ncomponents; i++) {
        struct component *component = &writer->components[i];

        if (component->module == module &&
            inlay_str_equal(component->name, name))
            return component;
    }
    return NULL;
}

static struct component *component_add(struct writer *writer,
                                       struct inlay_str name,
                                       struct inlay_str text)
{
    if (writer->ncomponents == writer->size) {
        size_t size = writer->size ? writer->size * 2 : 16;
        struct component *grown =
            inlay_realloc(writer->components, size * sizeof(*grown));

        if (!grown) {
            writer->failed = true;
            return NULL;
        }
        writer->components = grown;
        writer->size = size;
    }
    struct component *component = &writer->components[writer->ncomponents++];
    *component = (struct component){writer->module, name, name, text};
    return component;
}

/* What is a $ref elsewhere gets its definition. */
static bool add_definition(void *arg, const struct inlay_type *type)
{
    struct writer *writer = arg;
    struct inlay_buf buf;

    if (!inlay_schema_is_named(type) ||
        component_find(writer, writer->module, type->name))
        return true;
    inlay_buf_init(&buf, OPENAPI_MEMORY);
    int status = inlay_schema_write_definition(type, &buf);
    return component_add(writer, type->name, take_buf(writer, &buf, status)) !=
           NULL;
}

static void add_definitions(struct writer *writer,
                            const struct inlay_type *type)
{
    if (!inlay_type_walk(type, add_definition, writer))
        writer->failed = true;
}

/* "pkg.fast", "user" -> "pkg__fast__user", as FastAPI tells models apart. */
static struct inlay_str long_name(struct writer *writer,
                                  const struct component *component)
{
    struct inlay_buf buf;
    struct inlay_str module = component->module->name;
    int failed = 0;

    inlay_buf_init(&buf, OPENAPI_MEMORY);
    for (size_t i = 0; i < module.len; i++)
        failed |= module.ptr[i] == '.'
                      ? inlay_buf_append_literal(&buf, "__")
                      : inlay_buf_append_char(&buf, module.ptr[i]);
    failed |= inlay_buf_append_literal(&buf, "__");
    failed |= inlay_buf_append_str(&buf, component->name);
    return take_buf(writer, &buf, failed ? -1 : 0);
}

/* Structs of one name in several modules: once when alike, else renamed. */
static void settle_names(struct writer *writer)
{
    for (size_t i = 0; i < writer->ncomponents; i++) {
        struct component *one = &writer->components[i];
        bool clash = false;

        for (size_t j = 0; j < writer->ncomponents; j++) {
            const struct component *other = &writer->components[j];

            if (j != i && inlay_str_equal(one->name, other->name) &&
                !inlay_str_equal(one->text, other->text))
                clash = true;
        }
        if (clash)
            one->key = long_name(writer, one);
    }
}

/* A schema as the type has it, its $refs led to this document's keys. */
static void put_schema(struct writer *writer, struct inlay_str text)
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
        const struct component *component =
            component_find(writer, writer->module, old);
        put(writer, inlay_str_make(text.ptr, (size_t)(name - text.ptr)));
        put(writer, component ? component->key : old);
        text = inlay_str_make(quote, (size_t)(end - quote));
    }
    put(writer, text);
}

static struct inlay_str schema_of(struct writer *writer,
                                  const struct inlay_type *type,
                                  struct inlay_str title)
{
    struct inlay_buf buf;

    inlay_buf_init(&buf, OPENAPI_MEMORY);
    return take_buf(writer, &buf, inlay_schema_write(type, title, &buf));
}

/* --- Operations --------------------------------------------------------- */

/* FastAPI's path_format: "/files/{rest:path}" -> "/files/{rest}". */
static struct inlay_str path_format(struct writer *writer,
                                    const struct inlay_native_route *route)
{
    struct inlay_str path = route->decl->path, rest = path, name, kind;
    const char *at = path.ptr;
    struct inlay_buf buf;
    int failed = 0;

    inlay_buf_init(&buf, OPENAPI_MEMORY);
    while (inlay_pattern_next_param(&rest, &name, &kind)) {
        size_t upto = (size_t)(name.ptr + name.len - at);

        failed |= inlay_buf_append(&buf, at, upto);
        at = kind.ptr + kind.len;
    }
    failed |= inlay_buf_append(&buf, at, (size_t)(path.ptr + path.len - at));
    return take_buf(writer, &buf, failed);
}

static struct inlay_str path_of(const struct writer *writer,
                                const struct inlay_native_route *route)
{
    return writer->paths[route - writer->table->routes];
}

/* FastAPI's unique id: name and path, \W as _, then the method. */
static struct inlay_str operation_id(struct writer *writer,
                                     const struct inlay_native_route *route,
                                     struct inlay_str method)
{
    struct inlay_str name = route->decl->callable->func->name;
    struct inlay_str path = path_of(writer, route);
    struct inlay_buf buf;
    int failed;

    inlay_buf_init(&buf, OPENAPI_MEMORY);
    failed = inlay_buf_append_str(&buf, name);
    for (size_t i = 0; i < path.len; i++) {
        char c = inlay_ascii_lower(path.ptr[i]);
        bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                    c == '_' || (unsigned char)c >= 0x80;

        failed |= inlay_buf_append_char(&buf, word ? path.ptr[i] : '_');
    }
    failed |= inlay_buf_append_char(&buf, '_');
    for (size_t i = 0; i < method.len; i++)
        failed |= inlay_buf_append_char(&buf, inlay_ascii_lower(method.ptr[i]));
    return take_buf(writer, &buf, failed);
}

/* An absent optional is no default worth a word. */
static bool has_default(const struct inlay_type *type, const void *fallback)
{
    return fallback && (type->kind != INLAY_KIND_OPTIONAL ||
                        *((const uint8_t *)fallback + type->has_offset) != 0);
}

static void put_parameter(struct writer *writer,
                          struct inlay_str name,
                          struct inlay_str in,
                          const struct inlay_type *type,
                          const void *fallback,
                          bool *first)
{
    bool is_path = inlay_str_is(in, "path");
    struct inlay_str schema = schema_of(writer, type, title_of(writer, name));

    put_comma(writer, first);
    put_literal(writer, "{\"name\":");
    put_string(writer, name);
    put_literal(writer, ",\"in\":\"");
    put(writer, in);
    put_literal(writer, "\",\"required\":");
    put(writer, is_path || !fallback ? INLAY_STR("true") : INLAY_STR("false"));
    put_literal(writer, ",\"schema\":");
    if (is_path || !has_default(type, fallback)) {
        put_schema(writer, schema);
    } else if (schema.len) {
        put_schema(writer, inlay_str_make(schema.ptr, schema.len - 1));
        put_literal(writer, ",\"default\":");
        if (inlay_json_write(type, fallback, writer->out) < 0)
            writer->failed = true;
        put_literal(writer, "}");
    }
    put_literal(writer, "}");
}

static void put_parameters(struct writer *writer, const struct inlay_bind *bind)
{
    bool first = true;

    if (!bind->npath && !bind->nitems)
        return;
    put_literal(writer, ",\"parameters\":[");
    for (size_t i = 0; i < bind->nparams; i++)
        if (bind->params[i].source == INLAY_BIND_PATH)
            put_parameter(writer, bind->params[i].param->name,
                          INLAY_STR("path"), bind->params[i].type, NULL,
                          &first);
    for (size_t i = 0; i < bind->nitems; i++)
        put_parameter(writer, bind->items[i].name, INLAY_STR("query"),
                      bind->items[i].type, bind->items[i].fallback, &first);
    put_literal(writer, "]");
}

/* {"properties":…} of a body whose parameters are embedded by name. */
static void put_embedded(struct writer *writer,
                         const struct inlay_bind *bind,
                         struct inlay_str title)
{
    bool first = true;

    put_literal(writer, "{\"properties\":{");
    for (size_t i = 0; i < bind->nparams; i++) {
        const struct inlay_bind_param *bound = &bind->params[i];
        struct inlay_str own = INLAY_STR("");

        if (bound->source != INLAY_BIND_BODY)
            continue;
        if (!inlay_schema_is_nullable_ref(bound->type))
            own = title_of(writer, bound->param->name);
        put_comma(writer, &first);
        put_string(writer, bound->param->name);
        put_literal(writer, ":");
        put_schema(writer, schema_of(writer, bound->type, own));
    }
    put_literal(writer, "},\"type\":\"object\"");
    first = true;
    for (size_t i = 0; i < bind->nparams; i++) {
        const struct inlay_param *param = bind->params[i].param;

        if (bind->params[i].source != INLAY_BIND_BODY || param->fallback)
            continue;
        put(writer, first ? INLAY_STR(",\"required\":[") : INLAY_STR(","));
        first = false;
        put_string(writer, param->name);
    }
    put(writer, first ? INLAY_STR(",\"title\":") : INLAY_STR("],\"title\":"));
    put_string(writer, title);
    put_literal(writer, "}");
}

/* "Body_" or "Response_" before an operation's id. */
static struct inlay_str prefixed(struct writer *writer,
                                 const char *prefix,
                                 struct inlay_str id)
{
    struct inlay_str text =
        inlay_arena_format(&writer->arena, "%s%.*s", prefix, inlay_str_arg(id));

    if (text.ptr)
        return text;
    writer->failed = true;
    return INLAY_STR("");
}

/* The schema of the only parameter of a body, or of all by their names. */
static void put_body_schema(struct writer *writer,
                            const struct inlay_bind *bind,
                            const struct inlay_bind_param *only,
                            struct inlay_str id)
{
    struct inlay_str title = title_of(writer, only->param->name);

    if (bind->nraw) {
        put_literal(writer, "\"application/octet-stream\":{\"schema\":{"
                            "\"type\":\"string\",\"contentMediaType\":"
                            "\"application/octet-stream\",\"title\":");
        put_string(writer, title);
        put_literal(writer, "}}");
        return;
    }
    put_literal(writer, "\"application/json\":{\"schema\":");
    if (bind->nbody > 1) {
        put_literal(writer, REF);
        put(writer, prefixed(writer, "Body_", id));
        put_literal(writer, "\"}");
    } else {
        put_schema(writer, schema_of(writer, only->type, title));
    }
    put_literal(writer, "}");
}

static void put_body(struct writer *writer,
                     const struct inlay_bind *bind,
                     struct inlay_str id)
{
    const struct inlay_bind_param *only = NULL;
    bool required = false;

    for (size_t i = 0; i < bind->nparams; i++) {
        if (bind->params[i].source != INLAY_BIND_BODY &&
            bind->params[i].source != INLAY_BIND_RAW)
            continue;
        only = &bind->params[i];
        required = required || !only->param->fallback;
    }
    if (!only)
        return;
    put_literal(writer, ",\"requestBody\":{\"content\":{");
    put_body_schema(writer, bind, only, id);
    put_literal(writer, "}");
    if (required)
        put_literal(writer, ",\"required\":true");
    put_literal(writer, "}");
}

/* As FastAPI: text and bytes as the whole answer are strings. */
static void put_content(struct writer *writer,
                        const struct inlay_native_route *route,
                        struct inlay_str title)
{
    put_literal(writer, ",\"content\":{");
    put_string(writer, route->media);
    put_literal(writer, ":{\"schema\":");
    if (inlay_str_is(route->media, "application/json"))
        put_schema(
            writer,
            schema_of(writer, route->decl->callable->func->result, title));
    else
        put_literal(writer, "{\"type\":\"string\"}");
    put_literal(writer, "}}");
}

static void put_responses(struct writer *writer,
                          const struct inlay_native_route *route,
                          struct inlay_str id)
{
    struct inlay_str title =
        title_of(writer, prefixed(writer, "Response_", id));

    put_literal(writer, ",\"responses\":{\"");
    if (inlay_buf_append_u64(writer->out, (uint64_t)route->status) < 0)
        writer->failed = true;
    put_literal(writer, "\":{\"description\":\"Successful Response\"");
    if (!route->no_content)
        put_content(writer, route, title);
    put_literal(writer, "}");
    if (route->bind->nparams) {
        writer->validates = true;
        put_literal(writer, ",\"422\":{\"description\":\"Validation Error\","
                            "\"content\":{\"application/json\":{\"schema\":" REF
                            "HTTPValidationError\"}}}}");
    }
    put_literal(writer, "}");
}

static void put_operation(struct writer *writer,
                          const struct inlay_native_route *route,
                          struct inlay_str method)
{
    const struct inlay_func *func = route->decl->callable->func;
    struct inlay_str id = operation_id(writer, route, method);

    writer->module = route->module;
    put_literal(writer, "\"");
    for (size_t i = 0; i < method.len; i++) {
        char c = inlay_ascii_lower(method.ptr[i]);

        put(writer, inlay_str_make(&c, 1));
    }
    put_literal(writer, "\":{\"summary\":");
    put_string(writer, title_of(writer, func->name));
    if (func->doc.len && inlay_utf8_valid(func->doc)) {
        put_literal(writer, ",\"description\":");
        put_string(writer, func->doc);
    }
    put_literal(writer, ",\"operationId\":");
    put_string(writer, id);
    put_parameters(writer, route->bind);
    put_body(writer, route->bind, id);
    put_responses(writer, route, id);
    put_literal(writer, "}");
}

/* --- The document ------------------------------------------------------- */

/* Has a route before `index` described this method of this path? */
static bool described(struct writer *writer,
                      size_t index,
                      struct inlay_str path,
                      struct inlay_str method)
{
    for (size_t i = 0; i < index; i++) {
        const struct inlay_native_route *route = &writer->table->routes[i];
        struct inlay_str rest = route->methods, other;

        if (!inlay_str_equal(path_of(writer, route), path))
            continue;
        if (!method.len)
            return true;
        while (inlay_pattern_next_method(&rest, &other))
            if (inlay_str_equal(other, method))
                return true;
    }
    return false;
}

/* What OpenAPI has a place for. */
static bool is_described_method(struct inlay_str method)
{
    static const char *const names[] = {"GET",   "PUT",  "POST",    "DELETE",
                                        "PATCH", "HEAD", "OPTIONS", "TRACE"};

    for (size_t i = 0; i < inlay_array_size(names); i++)
        if (inlay_str_equal(method, inlay_str_from(names[i])))
            return true;
    return false;
}

static void put_path(struct writer *writer, size_t index)
{
    const struct inlay_native_table *table = writer->table;
    struct inlay_str path = writer->paths[index];
    bool first = true;

    put_string(writer, path);
    put_literal(writer, ":{");
    for (size_t i = index; i < table->nroutes; i++) {
        const struct inlay_native_route *route = &table->routes[i];
        struct inlay_str rest = route->methods, method;

        if (!inlay_str_equal(path_of(writer, route), path))
            continue;
        while (inlay_pattern_next_method(&rest, &method)) {
            if (!is_described_method(method) ||
                described(writer, i, path, method))
                continue;
            put_comma(writer, &first);
            put_operation(writer, route, method);
        }
    }
    put_literal(writer, "}");
}

static void collect_paths(struct writer *writer)
{
    size_t count = writer->table->nroutes;

    writer->paths = inlay_arena_zalloc_array(&writer->arena, count + 1,
                                             sizeof(*writer->paths));
    if (!writer->paths) {
        writer->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++)
        writer->paths[i] = path_format(writer, &writer->table->routes[i]);
}

static void collect_components(struct writer *writer)
{
    for (size_t i = 0; i < writer->table->nroutes; i++) {
        const struct inlay_native_route *route = &writer->table->routes[i];
        const struct inlay_bind *bind = route->bind;

        writer->module = route->module;
        add_definitions(writer, route->decl->callable->func->result);
        for (size_t j = 0; j < bind->nparams; j++)
            if (bind->params[j].source == INLAY_BIND_PATH ||
                bind->params[j].source == INLAY_BIND_BODY)
                add_definitions(writer, bind->params[j].type);
        for (size_t j = 0; j < bind->nitems; j++)
            add_definitions(writer, bind->items[j].type);
    }
    settle_names(writer);
}

/* Was a component of this key written before `index`? */
static bool key_written(const struct writer *writer, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (inlay_str_equal(writer->components[i].key,
                            writer->components[index].key))
            return true;
    return false;
}

static void put_bodies(struct writer *writer, bool *first)
{
    for (size_t i = 0; i < writer->table->nroutes; i++) {
        const struct inlay_native_route *route = &writer->table->routes[i];
        struct inlay_str rest = route->methods, method;

        writer->module = route->module;
        while (route->bind->nbody > 1 &&
               inlay_pattern_next_method(&rest, &method)) {
            struct inlay_str name =
                prefixed(writer, "Body_", operation_id(writer, route, method));

            put_comma(writer, first);
            put_string(writer, name);
            put_literal(writer, ":");
            put_embedded(writer, route->bind, name);
        }
    }
}

static void put_components(struct writer *writer)
{
    bool first = true;

    put_literal(writer, "\"components\":{\"schemas\":{");
    put_bodies(writer, &first);
    for (size_t i = 0; i < writer->ncomponents; i++) {
        const struct component *component = &writer->components[i];

        if (key_written(writer, i))
            continue;
        writer->module = component->module;
        put_comma(writer, &first);
        put_string(writer, component->key);
        put_literal(writer, ":");
        put_schema(writer, component->text);
    }
    if (writer->validates) {
        put_comma(writer, &first);
        put(writer,
            inlay_str_make(validation_schemas, sizeof(validation_schemas) - 1));
    }
    put_literal(writer, "}}");
}

int inlay_native_openapi(const struct inlay_handler *native,
                         struct inlay_buf *out)
{
    struct writer writer = {.table = inlay_native_table_of(native), .out = out};
    bool first = true;

    inlay_arena_init(&writer.arena, OPENAPI_MEMORY);
    collect_paths(&writer);
    if (!writer.failed)
        collect_components(&writer);
    put_literal(&writer, "{\"paths\":{");
    for (size_t i = 0; i < writer.table->nroutes && !writer.failed; i++) {
        if (described(&writer, i, writer.paths[i], INLAY_STR("")))
            continue;
        put_comma(&writer, &first);
        put_path(&writer, i);
    }
    put_literal(&writer, "},");
    if (!writer.failed)
        put_components(&writer);
    put_literal(&writer, "}");
    inlay_arena_deinit(&writer.arena);
    inlay_free(writer.components);
    return writer.failed ? -1 : 0;
}
