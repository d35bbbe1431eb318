#include "native_sample.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "http/url.h"
#include "load/context.h"

/* --- Types -------------------------------------------------------------- */

struct squares {
    int64_t a, b, sum_of_squares;
};
INLAY_SLICE(ints, int64_t);
INLAY_OPTIONAL(maybe_int, int64_t);
INLAY_OPTIONAL(maybe_double, double);
struct inner {
    int64_t n;
};
struct user {
    int64_t id;
    inlay_str name;
    maybe_double score;
    struct inner inner;
};
struct numbers {
    ints numbers;
};
INLAY_OPTIONAL(maybe_numbers, struct numbers);
struct page {
    int64_t limit;
    maybe_int offset;
    ints tags;
};

enum color { red, green, blue };
INLAY_SLICE(colors, enum color);
INLAY_OPTIONAL(maybe_bytes, inlay_bytes);
INLAY_ARRAY(owned_ints, int64_t);
struct stroke {
    enum color color;
    char letter;
    char code[4];
    int64_t at[2];
    struct inner *inner;
};
struct point {
    int64_t at[2];
    enum color color;
    char code[4];
};
struct ring {
    const struct ring *next;
};

#define NAME(text)                                                             \
    {                                                                          \
        "" text, sizeof(text) - 1                                              \
    }
#define SCALAR(k, c, text)                                                     \
    {                                                                          \
        .kind = INLAY_KIND_##k, .size = sizeof(c), .align = _Alignof(c),       \
        .name = NAME(text)                                                     \
    }
#define OPTIONAL(c, text, of)                                                  \
    {                                                                          \
        .kind = INLAY_KIND_OPTIONAL, .size = sizeof(c), .align = _Alignof(c),  \
        .name = NAME(text), .elem = &(of), .has_offset = offsetof(c, has),     \
        .value_offset = offsetof(c, value)                                     \
    }
#define STRUCT(tag, list)                                                      \
    {                                                                          \
        .kind = INLAY_KIND_STRUCT, .size = sizeof(struct tag),                 \
        .align = _Alignof(struct tag), .name = NAME(#tag), .fields = (list),   \
        .nfields = sizeof(list) / sizeof((list)[0])                            \
    }
#define FIELD(tag, member, of)                                                 \
    {                                                                          \
        .name = NAME(#member), .type = &(of),                                  \
        .offset = offsetof(struct tag, member)                                 \
    }

static const struct inlay_type t_void = {.kind = INLAY_KIND_VOID,
                                         .align = 1,
                                         .name = NAME("void")};
static const struct inlay_type t_int = SCALAR(INT, int64_t, "int64_t");
static const struct inlay_type t_bool = SCALAR(BOOL, bool, "bool");
static const struct inlay_type t_double = SCALAR(FLOAT, double, "double");
static const struct inlay_type t_str = SCALAR(STR, inlay_str, "inlay_str");
static const struct inlay_type t_cstr = SCALAR(CSTR, char *, "const char *");
static const struct inlay_type t_ints = {
    .kind = INLAY_KIND_SLICE,
    .size = sizeof(ints),
    .align = _Alignof(ints),
    .name = NAME("ints"),
    .elem = &t_int,
    .ptr_offset = offsetof(ints, ptr),
    .len_offset = offsetof(ints, len),
};
static const struct inlay_type t_maybe_int =
    OPTIONAL(maybe_int, "maybe_int", t_int);
static const struct inlay_type t_maybe_double =
    OPTIONAL(maybe_double, "maybe_double", t_double);
static const struct inlay_field f_squares[] = {
    FIELD(squares, a, t_int), FIELD(squares, b, t_int),
    FIELD(squares, sum_of_squares, t_int)};
static const struct inlay_type t_squares = STRUCT(squares, f_squares);
static const struct inlay_field f_inner[] = {FIELD(inner, n, t_int)};
static const struct inlay_type t_inner = STRUCT(inner, f_inner);
static const struct inlay_field f_user[] = {
    FIELD(user, id, t_int), FIELD(user, name, t_str),
    FIELD(user, score, t_maybe_double), FIELD(user, inner, t_inner)};
static const struct inlay_type t_user = STRUCT(user, f_user);
static const struct inlay_field f_numbers[] = {FIELD(numbers, numbers, t_ints)};
static const struct inlay_type t_numbers = STRUCT(numbers, f_numbers);
static const struct inlay_type t_maybe_numbers =
    OPTIONAL(maybe_numbers, "maybe_numbers", t_numbers);
static const struct inlay_field f_page[] = {FIELD(page, limit, t_int),
                                            FIELD(page, offset, t_maybe_int),
                                            FIELD(page, tags, t_ints)};
static const struct inlay_type t_page = STRUCT(page, f_page);

static const struct inlay_enumerator m_color[] = {{NAME("red"), red},
                                                  {NAME("green"), green},
                                                  {NAME("blue"), blue}};
static const struct inlay_type t_color = {
    .kind = INLAY_KIND_ENUM,
    .size = sizeof(enum color),
    .align = _Alignof(enum color),
    .name = NAME("color"),
    .members = m_color,
    .nmembers = 3,
};
static const struct inlay_type t_char = SCALAR(CHAR, char, "char");
static const struct inlay_type t_bytes =
    SCALAR(BYTES, inlay_bytes, "inlay_bytes");
static const struct inlay_type t_object = SCALAR(OBJECT, void *, "PyObject *");
static const struct inlay_type t_text = {
    .kind = INLAY_KIND_STR,
    .size = sizeof(inlay_text),
    .align = _Alignof(inlay_text),
    .name = NAME("inlay_text"),
    .media = NAME("text/plain; charset=utf-8"),
};
static const struct inlay_type t_html = {
    .kind = INLAY_KIND_STR,
    .size = sizeof(inlay_html),
    .align = _Alignof(inlay_html),
    .name = NAME("inlay_html"),
    .media = NAME("text/html; charset=utf-8"),
};
static const struct inlay_type t_maybe_bytes =
    OPTIONAL(maybe_bytes, "maybe_bytes", t_bytes);
#define LIST(k, c, of)                                                         \
    {                                                                          \
        .kind = INLAY_KIND_##k, .size = sizeof(c), .align = _Alignof(c),       \
        .name = NAME(#c), .elem = &(of), .ptr_offset = offsetof(c, ptr),       \
        .len_offset = offsetof(c, len)                                         \
    }
static const struct inlay_type t_colors = LIST(SLICE, colors, t_color);
static const struct inlay_type t_owned = LIST(OWNED, owned_ints, t_int);
static const struct inlay_type t_code = {
    .kind = INLAY_KIND_CHARS,
    .size = 4,
    .align = 1,
    .name = NAME("char[4]"),
};
static const struct inlay_type t_at = {
    .kind = INLAY_KIND_ARRAY,
    .size = sizeof(int64_t[2]),
    .align = _Alignof(int64_t),
    .name = NAME("int64_t[2]"),
    .elem = &t_int,
    .count = 2,
};
#define POINTER(tag, is_const)                                                 \
    {                                                                          \
        .kind = INLAY_KIND_POINTER, .size = sizeof(void *),                    \
        .align = _Alignof(void *), .name = NAME("struct " #tag " *"),          \
        .elem = &t_##tag, .elem_const = (is_const)                             \
    }
static const struct inlay_type t_inner_ptr = POINTER(inner, false);
static const struct inlay_field f_stroke[] = {
    FIELD(stroke, color, t_color), FIELD(stroke, letter, t_char),
    FIELD(stroke, code, t_code), FIELD(stroke, at, t_at),
    FIELD(stroke, inner, t_inner_ptr)};
static const struct inlay_type t_stroke = STRUCT(stroke, f_stroke);
static const struct inlay_type t_stroke_ptr = POINTER(stroke, false);
static const struct inlay_type t_stroke_const = POINTER(stroke, true);
static const struct inlay_field f_point[] = {FIELD(point, at, t_at),
                                             FIELD(point, color, t_color),
                                             FIELD(point, code, t_code)};
static const struct inlay_type t_point = STRUCT(point, f_point);
static const struct inlay_type t_point_const = POINTER(point, true);
static const struct inlay_type t_ring;
static const struct inlay_type t_ring_ptr = POINTER(ring, true);
static const struct inlay_field f_ring[] = {FIELD(ring, next, t_ring_ptr)};
static const struct inlay_type t_ring = STRUCT(ring, f_ring);

/* --- Functions ---------------------------------------------------------- */

static struct squares sum_squares(int64_t a, int64_t b)
{
    return (struct squares){a, b, a * a + b * b};
}

static struct user create_user(struct user user)
{
    return user;
}

static int64_t two(int64_t id, struct user a, struct numbers b)
{
    return id + a.id + (int64_t)b.numbers.len;
}

static ints same_list(ints xs)
{
    return xs;
}

static struct page same_page(struct page page)
{
    return page;
}

static maybe_int many(ints x, inlay_str y, maybe_int z)
{
    (void)x;
    (void)y;
    return z;
}

static void del_user(int64_t id)
{
    (void)id;
}

static inlay_str files(inlay_str rest)
{
    return rest;
}

static double half(double x, const char *s, bool flag)
{
    (void)s;
    return flag ? x : x / 2;
}

static int64_t mix(struct numbers n, int64_t q, maybe_int o)
{
    return (int64_t)n.numbers.len + q + (o.has ? o.value : 0);
}

static maybe_int optional_body(maybe_numbers n)
{
    return (maybe_int){n.has, n.has ? (int64_t)n.value.numbers.len : 0};
}

static int64_t no_params(void)
{
    return 1;
}

static void nothing(void)
{
}

static int64_t fails(int64_t kind)
{
    inlay_api_table.fail((int)kind, "kind %d\nof \"error\"", (int)kind);
    return 0;
}

static inlay_str bad_text(void)
{
    return INLAY_STR("\xff");
}

static ints big(int64_t n)
{
    ints result = {NULL, 0};
    size_t size = (size_t)n * sizeof(int64_t);

    result.ptr = inlay_api_table.alloc(size);
    if (result.ptr)
        result.len = (size_t)n;
    return result;
}

static colors paint(enum color color, colors more, char letter)
{
    colors result = {inlay_api_table.alloc((more.len + 1) * sizeof(color)),
                     more.len + (letter == 'x')};

    if (!result.ptr)
        return (colors){NULL, 0};
    if (more.len)
        memcpy(result.ptr, more.ptr, more.len * sizeof(color));
    result.ptr[more.len] = color;
    return result;
}

static struct stroke *same_stroke(struct stroke *stroke)
{
    stroke->at[0]++;
    return stroke;
}

static const struct stroke *maybe_stroke(const struct stroke *stroke)
{
    return stroke;
}

static struct point same_point(const struct point *point)
{
    return *point;
}

static int64_t strokes(const struct stroke *a, const struct stroke *b)
{
    return a->at[0] + (b ? b->at[0] : 0);
}

static enum color shade(enum color color)
{
    return color;
}

static inlay_html html(inlay_text word)
{
    return word;
}

static inlay_text plain(void)
{
    return INLAY_STR("<\xC3\xA9>");
}

static inlay_text bad_plain(void)
{
    return INLAY_STR("\xff");
}

static inlay_bytes raw(inlay_bytes data, int64_t q)
{
    return q ? data : (inlay_bytes){NULL, 3};
}

static int64_t maybe_raw(maybe_bytes data)
{
    return data.has ? (int64_t)data.value.len : -1;
}

static owned_ints owned(int64_t n)
{
    owned_ints result = {inlay_api_table.array((size_t)n, sizeof(int64_t)),
                         (size_t)n};

    for (int64_t i = 0; result.ptr && i < n; i++)
        result.ptr[i] = i;
    return result;
}

static const struct ring *ring(void)
{
    static const struct ring endless = {&endless};

    return &endless;
}

static void *object(void *o)
{
    return o;
}

static int64_t two_raws(inlay_bytes a, inlay_bytes b, struct inner inner)
{
    return (int64_t)(a.len + b.len) + inner.n;
}

/* --- The module --------------------------------------------------------- */

static const int64_t five = 5, ten = 10;
static const bool no = false;
static const char *const text = "a\"b";
static const maybe_int none;
static const maybe_numbers no_numbers;

static const char letter = 'x';
static const enum color second = green;
static const maybe_bytes no_bytes;
static const void *const no_pointer;

#define PARAM(of, text_)                                                       \
    {                                                                          \
        .name = NAME(text_), .type = &(of)                                     \
    }
#define GIVEN(of, text_, value)                                                \
    {                                                                          \
        .name = NAME(text_), .type = &(of), .fallback = &(value)               \
    }
#define FUNC(f, of, list)                                                      \
    {                                                                          \
        .name = NAME(#f), .result = &(of), .params = (list),                   \
        .nparams = sizeof(list) / sizeof((list)[0]), .exported = true,         \
        .decl = {NAME("/src/sample.c"), __LINE__},                             \
        .entry = (void *)(uintptr_t)(f)                                        \
    }

static struct inlay_param p_sum[] = {GIVEN(t_int, "a", five),
                                     GIVEN(t_int, "b", ten)};
static struct inlay_param p_user[] = {PARAM(t_user, "user")};
static struct inlay_param p_two[] = {PARAM(t_int, "id"), PARAM(t_user, "a"),
                                     PARAM(t_numbers, "b")};
static struct inlay_param p_list[] = {PARAM(t_ints, "xs")};
static struct inlay_param p_page[] = {PARAM(t_page, "page")};
static struct inlay_param p_many[] = {PARAM(t_ints, "x"), PARAM(t_str, "y"),
                                      GIVEN(t_maybe_int, "z", none)};
static struct inlay_param p_id[] = {PARAM(t_int, "id")};
static struct inlay_param p_rest[] = {PARAM(t_str, "rest")};
static struct inlay_param p_half[] = {
    PARAM(t_double, "x"), GIVEN(t_cstr, "s", text), GIVEN(t_bool, "flag", no)};
static struct inlay_param p_mix[] = {PARAM(t_numbers, "n"), PARAM(t_int, "q"),
                                     GIVEN(t_maybe_int, "o", none)};
static struct inlay_param p_optional[] = {
    GIVEN(t_maybe_numbers, "n", no_numbers)};
static struct inlay_param p_kind[] = {PARAM(t_int, "kind")};
static struct inlay_param p_n[] = {PARAM(t_int, "n")};

static struct inlay_param p_paint[] = {PARAM(t_color, "color"),
                                       PARAM(t_colors, "more"),
                                       GIVEN(t_char, "letter", letter)};
static struct inlay_param p_stroke[] = {PARAM(t_stroke_ptr, "stroke")};
static struct inlay_param p_maybe_stroke[] = {
    GIVEN(t_stroke_const, "stroke", no_pointer)};
static struct inlay_param p_point[] = {PARAM(t_point_const, "point")};
static struct inlay_param p_strokes[] = {
    PARAM(t_stroke_const, "a"), GIVEN(t_stroke_const, "b", no_pointer)};
static struct inlay_param p_html[] = {PARAM(t_text, "word")};
static struct inlay_param p_raw[] = {PARAM(t_bytes, "data"),
                                     GIVEN(t_int, "q", five)};
static struct inlay_param p_maybe_raw[] = {
    GIVEN(t_maybe_bytes, "data", no_bytes)};
static struct inlay_param p_object[] = {PARAM(t_object, "o")};
static struct inlay_param p_raws[] = {PARAM(t_bytes, "a"), PARAM(t_bytes, "b"),
                                      PARAM(t_inner, "inner")};
static struct inlay_param p_shade[] = {GIVEN(t_color, "color", second)};

#define NULLARY(f, of)                                                         \
    {                                                                          \
        .name = NAME(#f), .result = &(of), .exported = true,                   \
        .decl = {NAME("/src/sample.c"), __LINE__},                             \
        .entry = (void *)(uintptr_t)(f)                                        \
    }

static struct inlay_func funcs[] = {
    FUNC(sum_squares, t_squares, p_sum),
    FUNC(create_user, t_user, p_user),
    FUNC(two, t_int, p_two),
    FUNC(same_list, t_ints, p_list),
    FUNC(same_page, t_page, p_page),
    FUNC(many, t_maybe_int, p_many),
    FUNC(del_user, t_void, p_id),
    FUNC(files, t_str, p_rest),
    FUNC(half, t_double, p_half),
    FUNC(mix, t_int, p_mix),
    FUNC(optional_body, t_maybe_int, p_optional),
    NULLARY(no_params, t_int),
    NULLARY(nothing, t_void),
    FUNC(fails, t_int, p_kind),
    NULLARY(bad_text, t_str),
    FUNC(big, t_ints, p_n),
    FUNC(paint, t_colors, p_paint),
    FUNC(same_stroke, t_stroke_ptr, p_stroke),
    FUNC(maybe_stroke, t_stroke_const, p_maybe_stroke),
    FUNC(same_point, t_point, p_point),
    FUNC(strokes, t_int, p_strokes),
    FUNC(shade, t_color, p_shade),
    FUNC(html, t_html, p_html),
    NULLARY(plain, t_text),
    NULLARY(bad_plain, t_text),
    FUNC(raw, t_bytes, p_raw),
    FUNC(maybe_raw, t_int, p_maybe_raw),
    FUNC(owned, t_owned, p_n),
    NULLARY(ring, t_ring_ptr),
    FUNC(object, t_object, p_object),
    FUNC(two_raws, t_int, p_raws),
};

static const struct {
    const char *function, *methods, *path;
    int status;
} routes[] = {
    {"sum_squares", "GET", "/sum-squares", 0},
    {"create_user", "POST", "/users", 201},
    {"two", "PUT", "/two/{id}", 0},
    {"same_list", "POST", "/list", 0},
    {"same_list", "GET,PATCH", "/both", 0},
    {"same_page", "GET", "/page", 0},
    {"many", "GET", "/many", 0},
    {"del_user", "DELETE", "/users/{id}", 0},
    {"files", "GET", "/files/{rest:path}", 0},
    {"half", "GET", "/half/{x}", 0},
    {"mix", "POST", "/mix", 0},
    {"optional_body", "POST", "/optional", 0},
    {"no_params", "POST", "/no-params", 0},
    {"nothing", "POST", "/nothing", 0},
    {"fails", "GET", "/fails/{kind}", 0},
    {"bad_text", "GET", "/bad-text", 0},
    {"big", "GET", "/big/{n:int}", 0},
    {"paint", "GET", "/paint/{color}", 0},
    {"same_stroke", "POST", "/stroke", 0},
    {"maybe_stroke", "POST", "/maybe-stroke", 0},
    {"same_point", "GET", "/point", 0},
    {"strokes", "PUT", "/strokes", 0},
    {"shade", "GET", "/shade", 0},
    {"html", "GET", "/html", 0},
    {"plain", "GET", "/plain", 203},
    {"bad_plain", "GET", "/bad-plain", 0},
    {"raw", "POST,PUT", "/raw", 0},
    {"maybe_raw", "POST", "/maybe-raw", 0},
    {"owned", "GET", "/owned/{n}", 0},
    {"ring", "GET", "/ring", 0},
    /* Refused: only when they are asked for. */
    {"object", "POST", "/object", 0},
    {"two_raws", "POST", "/raws", 0},
};

/* Routes that can be bound. */
static const size_t good_routes = inlay_array_size(routes) - 2;

struct inlay_module *sample_module_create(const char *only)
{
    struct inlay_module *module = inlay_calloc(1, sizeof(*module));
    size_t count = inlay_array_size(funcs);

    inlay_arena_init(&module->arena, 1 << 20);
    module->name = INLAY_STR("pkg.sample");
    module->callables = inlay_arena_zalloc_array(&module->arena, count,
                                                 sizeof(*module->callables));
    module->ncallables = count;
    module->routes = inlay_arena_zalloc_array(
        &module->arena, inlay_array_size(routes), sizeof(*module->routes));
    for (size_t i = 0; i < count; i++) {
        module->callables[i].func = &funcs[i];
        if (inlay_call_prepare(&funcs[i], &module->arena,
                               &module->callables[i].plan))
            abort();
    }
    for (size_t i = 0; i < inlay_array_size(routes); i++) {
        if (only ? strcmp(only, routes[i].function) != 0 : i >= good_routes)
            continue;
        struct inlay_route_decl *decl = &module->routes[module->nroutes++];

        decl->methods = inlay_str_from(routes[i].methods);
        decl->path = inlay_str_from(routes[i].path);
        decl->status = routes[i].status;
        decl->decl.file = INLAY_STR("/src/sample.c");
        decl->decl.line = (uint32_t)(i + 1);
        for (size_t j = 0; j < count; j++)
            if (inlay_str_equal(funcs[j].name,
                                inlay_str_from(routes[i].function)))
                decl->callable = &module->callables[j];
    }
    return module;
}

void sample_module_destroy(struct inlay_module *module)
{
    inlay_arena_deinit(&module->arena);
    inlay_free(module);
}

/* --- A stream that keeps what it gets ------------------------------------ */

static struct sample_exchange *exchange_of(const struct inlay_request *request)
{
    return inlay_container_of((uintptr_t)request, struct sample_exchange,
                              request);
}

static int on_start(struct inlay_request *request,
                    const struct inlay_header *headers,
                    size_t nheaders)
{
    struct sample_exchange *exchange = exchange_of(request);
    size_t len = 0;

    exchange->status = request->status;
    for (size_t i = 0; i < nheaders; i++)
        len += (size_t)snprintf(exchange->head_text + len,
                                sizeof(exchange->head_text) - len,
                                "%.*s: %.*s\n", inlay_str_arg(headers[i].name),
                                inlay_str_arg(headers[i].value));
    return 0;
}

static int on_write(struct inlay_request *request, struct inlay_str bytes)
{
    return inlay_buf_append_str(&exchange_of(request)->body, bytes);
}

static int on_write_chunk(struct inlay_request *request,
                          struct inlay_chunk *chunk)
{
    int status = on_write(request, inlay_str_make(chunk->data, chunk->len));

    inlay_chunk_destroy(chunk);
    return status;
}

/* From here on nobody may touch the request. */
static void on_end(struct inlay_request *request)
{
    exchange_of(request)->ended = true;
    inlay_arena_deinit(&request->arena);
}

static void on_abort(struct inlay_request *request)
{
    exchange_of(request)->aborted = true;
    inlay_arena_deinit(&request->arena);
}

static void on_nothing(struct inlay_request *request)
{
    (void)request;
}

static void on_want(struct inlay_request *request)
{
    exchange_of(request)->wanted = true;
}

static size_t on_queued(const struct inlay_request *request)
{
    (void)request;
    return 0;
}

static const struct inlay_stream_ops stream = {
    .start = on_start,
    .write = on_write,
    .write_chunk = on_write_chunk,
    .end = on_end,
    .abort = on_abort,
    .pause = on_nothing,
    .resume = on_nothing,
    .want_body = on_want,
    .queued = on_queued,
};

static void on_log(void *arg, enum inlay_log_level level, struct inlay_str line)
{
    struct sample_exchange *exchange = arg;

    (void)level;
    memcpy(exchange->log, line.ptr,
           inlay_min(line.len, sizeof(exchange->log) - 1));
}

static enum inlay_method method_id(const char *method)
{
    return strcmp(method, "HEAD") == 0 ? INLAY_METHOD_HEAD : INLAY_METHOD_OTHER;
}

static void set_up(struct sample_exchange *exchange,
                   const struct sample_ask *ask)
{
    struct inlay_request *request = &exchange->request;
    size_t len = strlen(ask->target), path = strcspn(ask->target, "?");

    memset(exchange, 0, sizeof(*exchange));
    inlay_limits_default(&exchange->server.config.limits);
    if (ask->body_limit)
        exchange->server.config.limits.native_body_bytes = ask->body_limit;
    if (ask->memory)
        exchange->server.config.limits.request_memory = ask->memory;
    exchange->server.config.root_path = inlay_str_from(ask->root_path);
    exchange->server.config.log =
        (struct inlay_log){on_log, exchange, INLAY_LOG_INFO};
    exchange->thread.server = &exchange->server;
    inlay_buf_init(&exchange->body, (size_t)64 << 20);
    exchange->head = inlay_malloc(len + 1);
    memcpy(exchange->head, ask->target, len);

    request->thread = &exchange->thread;
    inlay_arena_init(&request->arena,
                     exchange->server.config.limits.request_memory);
    request->stream = &stream;
    request->method = inlay_str_from(ask->method);
    request->method_id = method_id(ask->method);
    request->raw_path = inlay_str_make(exchange->head, path);
    request->path = inlay_url_decode(request->raw_path, false, &request->arena);
    request->query =
        path < len ? inlay_str_make(exchange->head + path + 1, len - path - 1)
                   : INLAY_STR("");
    request->headers = exchange->headers;
    if (ask->type)
        request->headers[request->nheaders++] = (struct inlay_header){
            INLAY_STR("content-type"), inlay_str_from(ask->type)};
    if (ask->coding)
        request->headers[request->nheaders++] = (struct inlay_header){
            INLAY_STR("content-encoding"), inlay_str_from(ask->coding)};
    request->http_major = request->http_minor = 1;
    request->has_body = ask->body.len > 0 || ask->chunked;
    request->content_length =
        ask->chunked || !ask->body.len ? -1 : (int64_t)ask->body.len;
    request->native_allow = INLAY_STR("");
    request->length = -1;
}

static void send_body(struct sample_exchange *exchange,
                      struct inlay_handler *handler,
                      const struct sample_ask *ask)
{
    size_t piece = ask->piece ? ask->piece : inlay_max(ask->body.len, 1u);
    size_t at = 0;

    do {
        size_t len = inlay_min(piece, ask->body.len - at);
        /* A copy of its own: reading past or later is found. */
        char *copy = malloc(len + (len == 0));
        bool last = at + len == ask->body.len && !ask->close_late;

        if (len)
            memcpy(copy, ask->body.ptr + at, len);
        handler->ops->on_body(handler, &exchange->request,
                              inlay_str_make(copy, len), last);
        free(copy);
        at += len;
    } while (at < ask->body.len && !exchange->ended);
    if (ask->close_late && !exchange->ended)
        handler->ops->on_body(handler, &exchange->request, INLAY_STR(""), true);
}

enum inlay_outcome sample_exchange_run(struct sample_exchange *exchange,
                                       struct inlay_handler *handler,
                                       const struct sample_ask *ask)
{
    set_up(exchange, ask);
    inlay_mem_fail_after(ask->no_memory_after - 1);
    enum inlay_outcome outcome =
        handler->ops->on_request(handler, &exchange->request);
    if (outcome == INLAY_PENDING) {
        /* The session keeps the head, then its buffer is used again. */
        assert(inlay_request_retain(&exchange->request) == 0);
        inlay_free(inlay_take(exchange->head));
        send_body(exchange, handler, ask);
    }
    inlay_mem_fail_after(-1);
    return outcome;
}

void sample_exchange_deinit(struct sample_exchange *exchange)
{
    inlay_arena_deinit(&exchange->request.arena);
    inlay_buf_deinit(&exchange->body);
    inlay_buf_deinit(&exchange->thread.scratch);
    inlay_free(exchange->head);
}
