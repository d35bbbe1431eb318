#include "serve/alone.h"

#include <stdatomic.h>

#include "base/mem.h"
#include "serve/docs_page.h"
#include "serve/openapi.h"
#include "serve/response.h"

#include "base/banned.h"

/* The text of /openapi.json, as it was at a time. */
struct document {
    struct document *older; /* what it has replaced: freed with the handler */
    struct inlay_buf text;
};

struct alone {
    struct inlay_handler handler;
    const struct inlay_handler *native;
    bool docs;
    _Atomic(struct document *) document; /* the newest one; NULL: no docs */
};

static const struct inlay_str document_path = {"/openapi.json", 13};
static const struct inlay_str page_path = {"/docs", 5};

/* --- Documents ---------------------------------------------------------- */

static bool is_document(const struct alone *alone, struct inlay_str path)
{
    return alone->docs && (inlay_str_equal(path, document_path) ||
                           inlay_str_equal(path, page_path));
}

static void answer_document(const struct alone *alone,
                            struct inlay_request *request)
{
    struct inlay_header headers[] = {
        {INLAY_STR("content-type"), INLAY_STR("application/json")},
        {INLAY_STR("cache-control"), INLAY_STR("no-cache")},
    };
    const struct document *document =
        atomic_load_explicit(&alone->document, memory_order_acquire);

    inlay_response_send_with(request, 200, headers, inlay_array_size(headers),
                             inlay_buf_view(&document->text));
}

static void answer_page(struct inlay_request *request)
{
    struct inlay_header headers[] = {
        {INLAY_STR("content-type"), INLAY_STR("text/html; charset=utf-8")},
        {INLAY_STR("cache-control"), INLAY_STR("no-cache")},
        {INLAY_STR("content-security-policy"), INLAY_STR(INLAY_DOCS_POLICY)},
        {INLAY_STR("x-content-type-options"), INLAY_STR("nosniff")},
        {INLAY_STR("referrer-policy"), INLAY_STR("no-referrer")},
    };

    inlay_response_send_with(
        request, 200, headers, inlay_array_size(headers),
        inlay_str_make(inlay_docs_page, sizeof(inlay_docs_page)));
}

static struct inlay_str title_of(const struct inlay_handler *native)
{
    struct inlay_str name = inlay_native_info(native, 0).module;

    return name.len ? name : INLAY_STR("Inlay");
}

struct inlay_error *inlay_alone_update(struct inlay_handler *handler)
{
    struct alone *alone = inlay_container_of(handler, struct alone, handler);
    struct document *document;

    if (!alone->docs)
        return NULL;
    document = inlay_calloc(1, sizeof(*document));
    if (!document)
        return inlay_error_no_memory();
    inlay_buf_init(&document->text, INLAY_OPENAPI_MEMORY);
    if (inlay_openapi_write(inlay_native_table_of(alone->native),
                            title_of(alone->native), &document->text) < 0) {
        inlay_buf_deinit(&document->text);
        inlay_free(document);
        return inlay_error_no_memory();
    }
    document->older = atomic_load(&alone->document);
    while (!atomic_compare_exchange_weak(&alone->document, &document->older,
                                         document))
        continue;
    return NULL;
}

/* --- What nobody has answered -------------------------------------------- */

static bool is_known(const struct alone *alone,
                     struct inlay_str method,
                     struct inlay_str path)
{
    struct inlay_route_match match;

    return is_document(alone, path) ||
           inlay_route_tree_find(inlay_native_table_of(alone->native)->tree,
                                 method, path, &match);
}

/* The path with a slash at its end, or without; ptr NULL: there is none. */
static struct inlay_str other_form(struct inlay_arena *arena,
                                   struct inlay_str path)
{
    if (path.len > 1 && path.ptr[path.len - 1] == '/') {
        while (path.len > 1 && path.ptr[path.len - 1] == '/')
            path.len--;
        return path;
    }
    if (path.len < 2)
        return (struct inlay_str){NULL, 0};
    return inlay_arena_format(arena, "%.*s/", inlay_str_arg(path));
}

/*
 * As FastAPI's redirect_slashes: to the path's other form, when that is known.
 * The location is relative to the host, so that it is right behind any proxy;
 * one that begins with "//" would be another host.
 */
static bool redirect(const struct alone *alone, struct inlay_request *request)
{
    struct inlay_str path =
        other_form(&request->arena, inlay_request_local_path(request));
    struct inlay_str raw = other_form(&request->arena, request->raw_path);
    struct inlay_str query = request->query;

    if (!path.ptr || !raw.ptr || raw.ptr[0] != '/' ||
        (raw.len > 1 && (raw.ptr[1] == '/' || raw.ptr[1] == '\\')) ||
        !is_known(alone, request->method, path))
        return false;
    struct inlay_str location =
        inlay_arena_format(&request->arena, "%.*s%s%.*s", inlay_str_arg(raw),
                           query.len ? "?" : "", inlay_str_arg(query));
    struct inlay_header header = {INLAY_STR("location"), location};
    if (!location.ptr)
        return false;
    inlay_response_send_with(request, 307, &header, 1, INLAY_STR(""));
    return true;
}

static void answer_options(struct inlay_request *request)
{
    struct inlay_str allow = inlay_arena_format(
        &request->arena, "%.*s, OPTIONS", inlay_str_arg(request->native_allow));
    struct inlay_header header = {INLAY_STR("allow"), allow};

    inlay_response_send_with(request, 204, &header, allow.ptr ? 1 : 0,
                             INLAY_STR(""));
}

static enum inlay_outcome on_request(struct inlay_handler *handler,
                                     struct inlay_request *request)
{
    const struct alone *alone =
        inlay_container_of(handler, struct alone, handler);
    struct inlay_str path = inlay_request_local_path(request);

    if (is_document(alone, path)) {
        if (request->method_id == INLAY_METHOD_GET ||
            request->method_id == INLAY_METHOD_HEAD) {
            if (inlay_str_equal(path, page_path))
                answer_page(request);
            else
                answer_document(alone, request);
            return INLAY_HANDLED;
        }
        if (!request->native_allow.len)
            request->native_allow = INLAY_STR("GET, HEAD");
    }
    if (request->native_allow.len) {
        if (inlay_str_is(request->method, "OPTIONS"))
            answer_options(request);
        else
            inlay_response_error(request, 405, INLAY_STR("Method Not Allowed"));
    } else if (!redirect(alone, request)) {
        inlay_response_error(request, 404, INLAY_STR("Not Found"));
    }
    return INLAY_HANDLED;
}

/* --- Life ---------------------------------------------------------------- */

static void destroy(struct inlay_handler *handler)
{
    struct alone *alone = inlay_container_of(handler, struct alone, handler);
    struct document *document = atomic_load(&alone->document), *older;

    for (; document; document = older) {
        older = document->older;
        inlay_buf_deinit(&document->text);
        inlay_free(document);
    }
    inlay_free(alone);
}

static const struct inlay_handler_ops alone_ops = {
    .on_request = on_request,
    .destroy = destroy,
};

struct inlay_error *inlay_alone_create(const struct inlay_handler *native,
                                       bool docs,
                                       struct inlay_handler **ret)
{
    struct alone *alone = inlay_calloc(1, sizeof(*alone));

    if (!alone)
        return inlay_error_no_memory();
    alone->handler.ops = &alone_ops;
    alone->native = native;
    alone->docs = docs;
    struct inlay_error *error = inlay_alone_update(&alone->handler);
    if (error) {
        destroy(&alone->handler);
        return error;
    }
    *ret = &alone->handler;
    return NULL;
}
