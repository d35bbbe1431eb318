/* openapi.c - native routes as OpenAPI 3.1, in the words FastAPI has. */
#include "serve/openapi.h"

#include "base/mem.h"
#include "serve/path_pattern.h"
#include "type/json.h"
#include "type/schema.h"

#include "base/banned.h"

/* --- Text --------------------------------------------------------------- */

void inlay_openapi_put(struct inlay_openapi *doc, struct inlay_str text)
{
    if (inlay_buf_append_str(doc->out, text) < 0)
        doc->failed = true;
}

void inlay_openapi_string(struct inlay_openapi *doc, struct inlay_str text)
{
    if (!inlay_utf8_valid(text))
        text = INLAY_STR("");
    if (inlay_json_write_string(text, doc->out) < 0)
        doc->failed = true;
}

void inlay_openapi_comma(struct inlay_openapi *doc, bool *first)
{
    if (!*first)
        inlay_openapi_literal(doc, ",");
    *first = false;
}

struct inlay_str inlay_openapi_take(struct inlay_openapi *doc,
                                    struct inlay_buf *buf,
                                    int status)
{
    struct inlay_str text = {NULL, 0};

    if (status == 0)
        text = inlay_arena_copy(&doc->arena, inlay_buf_view(buf));
    inlay_buf_deinit(buf);
    if (!text.ptr) {
        doc->failed = true;
        text = INLAY_STR("");
    }
    return text;
}

struct inlay_str inlay_openapi_title(struct inlay_openapi *doc,
                                     struct inlay_str name)
{
    struct inlay_buf buf;

    inlay_buf_init(&buf, INLAY_OPENAPI_MEMORY);
    return inlay_openapi_take(doc, &buf, inlay_schema_write_title(name, &buf));
}

struct inlay_str inlay_openapi_prefixed(struct inlay_openapi *doc,
                                        const char *prefix,
                                        struct inlay_str id)
{
    struct inlay_str text =
        inlay_arena_format(&doc->arena, "%s%.*s", prefix, inlay_str_arg(id));

    if (text.ptr)
        return text;
    doc->failed = true;
    return INLAY_STR("");
}

/* --- Which operations --------------------------------------------------- */

/* FastAPI's path_format: "/files/{rest:path}" -> "/files/{rest}". */
static struct inlay_str path_format(struct inlay_openapi *doc,
                                    const struct inlay_native_route *route)
{
    struct inlay_str path = route->decl->path, rest = path, name, kind;
    const char *at = path.ptr;
    struct inlay_buf buf;
    int failed = 0;

    inlay_buf_init(&buf, INLAY_OPENAPI_MEMORY);
    while (inlay_pattern_next_param(&rest, &name, &kind)) {
        size_t upto = (size_t)(name.ptr + name.len - at);

        failed |= inlay_buf_append(&buf, at, upto);
        at = kind.ptr + kind.len;
    }
    failed |= inlay_buf_append(&buf, at, (size_t)(path.ptr + path.len - at));
    return inlay_openapi_take(doc, &buf, failed);
}

/* FastAPI's unique id: name and path, \W as _, then the method. */
static struct inlay_str make_id(struct inlay_openapi *doc,
                                struct inlay_str name,
                                struct inlay_str path,
                                struct inlay_str method)
{
    struct inlay_buf buf;
    int failed;

    inlay_buf_init(&buf, INLAY_OPENAPI_MEMORY);
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
    return inlay_openapi_take(doc, &buf, failed);
}

static bool is_taken(const struct inlay_openapi *doc, struct inlay_str id)
{
    for (size_t i = 0; i < doc->noperations; i++)
        if (inlay_str_equal(doc->operations[i].id, id))
            return true;
    return false;
}

/* "/a-b" and "/a_b" give one id, which has to be unique. */
static struct inlay_str unique_id(struct inlay_openapi *doc,
                                  struct inlay_str name,
                                  struct inlay_str path,
                                  struct inlay_str method)
{
    struct inlay_str first = make_id(doc, name, path, method), id = first;

    for (size_t n = 2; !doc->failed && is_taken(doc, id); n++) {
        id = inlay_arena_format(&doc->arena, "%.*s_%zu", inlay_str_arg(first),
                                n);
        if (!id.ptr) {
            doc->failed = true;
            id = first;
        }
    }
    return id;
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

static bool has_get(struct inlay_str methods)
{
    struct inlay_str method;

    while (inlay_pattern_next_method(&methods, &method))
        if (inlay_str_is(method, "GET"))
            return true;
    return false;
}

static bool is_described(const struct inlay_openapi *doc,
                         struct inlay_str path,
                         struct inlay_str method)
{
    for (size_t i = 0; i < doc->noperations; i++)
        if (inlay_str_equal(doc->operations[i].path, path) &&
            inlay_str_equal(doc->operations[i].method, method))
            return true;
    return false;
}

/* A guard may go with paths that the route does not show: "/{a}" could be. */
static bool guards(const struct inlay_guard *guard,
                   const struct inlay_native_route *route)
{
    return !guard->decl->after &&
           inlay_path_pattern_matches(guard->decl->pattern, route->decl->path);
}

static void add_binds(struct inlay_openapi_operation *operation,
                      const struct inlay_steps *steps)
{
    for (size_t i = 0; i < steps->count; i++)
        operation->binds[operation->nbinds++] = steps->items[i].bind;
}

static void collect_binds(struct inlay_openapi *doc,
                          struct inlay_openapi_operation *operation)
{
    const struct inlay_native_route *route = operation->route;
    const struct inlay_guard_list *list = &doc->table->guards;
    size_t count = route->steps.count;

    for (size_t i = 0; i < list->count; i++)
        if (guards(&list->items[i], route))
            count += list->items[i].steps.count;
    operation->binds = inlay_arena_zalloc_array(&doc->arena, count + 1,
                                                sizeof(*operation->binds));
    if (!operation->binds) {
        doc->failed = true;
        return;
    }
    for (size_t i = 0; i < list->count; i++)
        if (guards(&list->items[i], route))
            add_binds(operation, &list->items[i].steps);
    add_binds(operation, &route->steps);
}

/* HEAD follows from GET: it is not listed beside it. */
static void add_route(struct inlay_openapi *doc,
                      const struct inlay_native_route *route)
{
    struct inlay_str rest = route->methods, method;
    struct inlay_str path = path_format(doc, route);

    while (!doc->failed && inlay_pattern_next_method(&rest, &method)) {
        if (!is_described_method(method) ||
            (inlay_str_is(method, "HEAD") && has_get(route->decl->methods)) ||
            is_described(doc, path, method))
            continue;
        struct inlay_openapi_operation operation = {
            .route = route,
            .method = method,
            .path = path,
            .id =
                unique_id(doc, route->decl->callable->func->name, path, method),
        };
        collect_binds(doc, &operation);
        doc->operations[doc->noperations++] = operation;
    }
}

static void add_operations(struct inlay_openapi *doc)
{
    size_t count = 0;

    for (size_t i = 0; i < doc->table->nroutes; i++) {
        struct inlay_str rest = doc->table->routes[i].methods, method;

        while (inlay_pattern_next_method(&rest, &method))
            count++;
    }
    doc->operations = inlay_arena_zalloc_array(&doc->arena, count + 1,
                                               sizeof(*doc->operations));
    if (!doc->operations) {
        doc->failed = true;
        return;
    }
    for (size_t i = 0; i < doc->table->nroutes; i++)
        add_route(doc, &doc->table->routes[i]);
}

/* --- The document ------------------------------------------------------- */

/* All operations of the path of operation `index`, if it is the first. */
static void put_path(struct inlay_openapi *doc, size_t index, bool *first)
{
    struct inlay_str path = doc->operations[index].path;
    bool first_here = true;

    for (size_t i = 0; i < index; i++)
        if (inlay_str_equal(doc->operations[i].path, path))
            return;
    inlay_openapi_comma(doc, first);
    inlay_openapi_string(doc, path);
    inlay_openapi_literal(doc, ":{");
    for (size_t i = index; i < doc->noperations; i++) {
        if (!inlay_str_equal(doc->operations[i].path, path))
            continue;
        inlay_openapi_comma(doc, &first_here);
        inlay_openapi_operation(doc, &doc->operations[i]);
    }
    inlay_openapi_literal(doc, "}");
}

static int write_table(const struct inlay_native_table *table,
                       struct inlay_buf *out)
{
    struct inlay_openapi doc = {.table = table, .out = out};
    bool first = true;

    inlay_arena_init(&doc.arena, INLAY_OPENAPI_MEMORY);
    add_operations(&doc);
    if (!doc.failed)
        inlay_openapi_collect(&doc);
    inlay_openapi_literal(&doc, "\"paths\":{");
    for (size_t i = 0; i < doc.noperations && !doc.failed; i++)
        put_path(&doc, i, &first);
    inlay_openapi_literal(&doc, "},");
    if (!doc.failed)
        inlay_openapi_components(&doc);
    inlay_arena_deinit(&doc.arena);
    inlay_free(doc.components);
    return doc.failed ? -1 : 0;
}

int inlay_native_openapi(const struct inlay_handler *native,
                         struct inlay_buf *out)
{
    if (inlay_buf_append_char(out, '{') < 0 ||
        write_table(inlay_native_table_of(native), out) < 0)
        return -1;
    return inlay_buf_append_char(out, '}');
}

int inlay_openapi_write(const struct inlay_native_table *table,
                        struct inlay_str title,
                        struct inlay_buf *out)
{
    if (inlay_buf_append_literal(out, "{\"openapi\":\"3.1.0\",\"info\":{"
                                      "\"title\":") < 0 ||
        inlay_json_write_string(title, out) < 0 ||
        inlay_buf_append_literal(out, ",\"version\":\"0.1.0\"},") < 0 ||
        write_table(table, out) < 0)
        return -1;
    return inlay_buf_append_char(out, '}');
}
