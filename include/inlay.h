/*
 * inlay.h - the C programmer's header. Optional: a file of plain C imports
 * as it is. It adds types with meaning (text, slices, optionals), memory
 * and errors tied to the running call, and records for routes and defaults.
 *
 * Ownership: what inlay_alloc, inlay_format and inlay_copy return lives until
 * the result of the call has been converted or sent. Arguments are valid for
 * the call; a view kept in a static is a use after free.
 */
#ifndef INLAY_H
#define INLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Types: DWARF keeps typedef names, so a name can carry meaning ----- */

/* UTF-8 text; not NUL-terminated. */
typedef struct inlay_str {
    const char *ptr;
    size_t len;
} inlay_str;

/* The same, with a media type when it is the whole answer of a route. */
typedef inlay_str inlay_text; /* text/plain */
typedef inlay_str inlay_html; /* text/html */

/* Bytes, of any object with a buffer; as a result they are copied. */
typedef struct inlay_bytes {
    const uint8_t *ptr;
    size_t len;
} inlay_bytes;

/* A calendar day; 0001-01-01 to 9999-12-31. Text: "2026-11-21". */
typedef struct inlay_date {
    int16_t year;
    uint8_t month, day; /* from 1 */
} inlay_date;

/* A moment; text: "2026-11-21T10:00:00.5+01:00" (RFC 3339, and more). */
typedef struct inlay_datetime {
    int64_t us;     /* microseconds since 1970-01-01T00:00:00, of UTC, or of
                       the local clock when `offset` is INLAY_NAIVE */
    int32_t offset; /* seconds east of UTC that it was given with */
} inlay_datetime;
#define INLAY_NAIVE INT32_MIN

/* RFC 9562; text: "f81d4fae-7dec-11d0-a765-00a0c91e6bf6". */
typedef struct inlay_uuid {
    uint8_t bytes[16];
} inlay_uuid;

/* A file of a form: a parameter with INLAY_FORM. Large ones lie in a
 * temporary file that is mapped; it goes with the call. */
typedef struct inlay_upload {
    inlay_str name; /* as the client calls it: never a path to trust */
    inlay_str type; /* "image/png"; "" when the client gives none */
    inlay_bytes data;
} inlay_upload;

/*
 * The request in hand, and a WebSocket: as parameters they are given to the
 * functions of routes, guards and providers. Such a function may wait, unless
 * the request is const.
 */
typedef struct inlay_request inlay_request;
typedef struct inlay_socket inlay_socket;

/* A database, for the functions of inlay/db.h: any function may have one. */
typedef struct inlay_db inlay_db;

/*
 * Markers: a struct whose member has this type is a slice, an array that
 * owns its memory, or an optional.
 */
typedef size_t inlay_len;
typedef size_t inlay_owned;
typedef bool inlay_has;

/* INLAY_SLICE(users, struct user); makes the type `users`. */
#define INLAY_SLICE(name, T)                                                   \
    typedef struct {                                                           \
        T *ptr;                                                                \
        inlay_len len;                                                         \
    } name

/*
 * INLAY_ARRAY(reals, double); makes the type `reals`: a result whose memory
 * Python takes over (inlay.Array, no copy). T is a number or a struct of
 * numbers; the memory comes from inlay_array(reals, len).
 */
#define INLAY_ARRAY(name, T)                                                   \
    typedef struct {                                                           \
        T *ptr;                                                                \
        inlay_owned len;                                                       \
    } name

/* INLAY_OPTIONAL(maybe_int, int64_t); makes the type `maybe_int`. */
#define INLAY_OPTIONAL(name, T)                                                \
    typedef struct {                                                           \
        inlay_has has;                                                         \
        T value;                                                               \
    } name

/* A string literal as inlay_str. */
#ifdef __cplusplus
#define INLAY_STR(literal) (inlay_str{"" literal, sizeof(literal) - 1})
#else
#define INLAY_STR(literal) ((inlay_str){"" literal, sizeof(literal) - 1})
#endif

/* --- Errors: kind, HTTP status, Python exception ------------------------ */

#define INLAY_ERROR_KINDS(X)                                                   \
    X(INVALID, 422, "Invalid", ValueError)                                     \
    X(NOT_FOUND, 404, "NotFound", LookupError)                                 \
    X(UNAUTHORIZED, 401, "Unauthorized", PermissionError)                      \
    X(DENIED, 403, "Denied", PermissionError)                                  \
    X(CONFLICT, 409, "Conflict", RuntimeError)                                 \
    X(OVERFLOW, 422, "Overflow", OverflowError)                                \
    X(TIMEOUT, 504, "Timeout", TimeoutError)                                   \
    X(UNAVAILABLE, 503, "Unavailable", ConnectionError)                        \
    X(NO_MEMORY, 503, "NoMemory", MemoryError)                                 \
    X(NOT_IMPLEMENTED, 501, "NotImplemented", NotImplementedError)             \
    X(INTERNAL, 500, "Internal", RuntimeError)

enum inlay_error_kind {
    INLAY_OK = 0,
#define INLAY_ERROR_ENUM_(name, status, text, exception) INLAY_##name,
    INLAY_ERROR_KINDS(INLAY_ERROR_ENUM_)
#undef INLAY_ERROR_ENUM_
};

/* A whole message of a WebSocket. */
typedef struct inlay_message {
    inlay_str data; /* UTF-8 when it is text; valid until the next wait */
    bool binary;
} inlay_message;

/* --- Services: a table the loader fills in; no undefined symbols -------- */

#define INLAY_ABI 1

struct inlay_query_record;
struct inlay_cursor;
struct inlay_attempt;
struct inlay_notification;

struct inlay_api {
    uint32_t abi;  /* INLAY_ABI; a module built for another one is refused */
    uint32_t size; /* sizeof(struct inlay_api) of the running Inlay */
    void *(*alloc)(size_t size);
    void (*fail)(int kind, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
    inlay_str (*format)(const char *format, ...)
        __attribute__((format(printf, 1, 2)));
    inlay_str (*copy)(inlay_str text);
    void (*defer)(void (*fn)(void *), void *arg);
    bool (*failed)(void);
    void *(*array)(size_t len, size_t size);
    bool (*parallel_for)(size_t n,
                         size_t grain,
                         void (*body)(void *ctx, size_t begin, size_t end),
                         void *ctx);
    bool (*parallel_reduce)(
        size_t n,
        size_t grain,
        void (*body)(void *ctx, size_t begin, size_t end, void *part),
        void (*merge)(void *into, const void *part),
        void *ctx,
        void *result,
        size_t size);
    /* The answer */
    void (*status)(int status);
    void (*header_set)(const char *name, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
    void (*header_add)(const char *name, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
    void (*trailer_set)(const char *name, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
    void (*cookie_set)(const char *name,
                       inlay_str value,
                       const char *attributes);
    void (*redirect)(int status, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
    void (*send_file)(const char *path);
    void (*next)(const inlay_request *request);
    /* The request */
    inlay_str (*part)(const inlay_request *request, int part);
    inlay_str (*header)(const inlay_request *request, const char *name);
    inlay_str (*cookie)(const inlay_request *request, const char *name);
    int (*answered)(void);
    /* Waiting */
    ptrdiff_t (*read)(inlay_request *request, void *buffer, size_t size);
    bool (*write)(inlay_request *request, inlay_str bytes);
    bool (*print)(inlay_request *request, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
    bool (*event)(inlay_request *request,
                  const char *name,
                  const char *format,
                  ...) __attribute__((format(printf, 3, 4)));
    bool (*sleep)(uint32_t ms);
    bool (*accept)(inlay_socket *socket, inlay_str subprotocol);
    bool (*receive)(inlay_socket *socket, inlay_message *message_ret);
    bool (*send)(inlay_socket *socket, inlay_message message);
    void (*close)(inlay_socket *socket, int code, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
    const inlay_request *(*handshake)(const inlay_socket *socket);
    /* Authentication */
    bool (*bearer)(inlay_str authorization, inlay_str *token_ret);
    bool (*basic)(inlay_str authorization,
                  inlay_str *user_ret,
                  inlay_str *password_ret);
    bool (*equal)(inlay_str left, inlay_str right);
    inlay_str (*sign)(inlay_str key, inlay_str text);
    bool (*verify)(inlay_str key,
                   inlay_str signed_text,
                   uint32_t max_age,
                   inlay_str *text_ret);
    /* Databases: inlay/db.h */
    bool (*query)(inlay_db *db,
                  const struct inlay_query_record *record,
                  inlay_str text,
                  const void *const *args,
                  void *result);
    struct inlay_cursor *(*cursor_open)(inlay_db *db,
                                        const struct inlay_query_record *record,
                                        inlay_str text,
                                        const void *const *args);
    bool (*cursor_next)(struct inlay_cursor *cursor, void *row_ret);
    void (*cursor_close)(struct inlay_cursor *cursor);
    bool (*db_begin)(inlay_db *db);
    bool (*db_commit)(inlay_db *db);
    bool (*db_rollback)(inlay_db *db);
    bool (*db_attempt)(struct inlay_attempt *attempt);
    bool (*db_listen)(inlay_db *db, inlay_str channel);
    bool (*db_notified)(inlay_db *db, struct inlay_notification *ret);
};

/* What inlay_part asks for. */
enum inlay_part {
    INLAY_PART_METHOD,
    INLAY_PART_PATH,     /* percent-decoded, without the root path */
    INLAY_PART_RAW_PATH, /* as it was sent */
    INLAY_PART_QUERY,    /* as it was sent, without '?' */
    INLAY_PART_SCHEME,   /* "https": a trusted proxy's word */
    INLAY_PART_CLIENT,   /* its address, without the port */
    INLAY_PART_ROUTE,    /* "/users/{id}"; "" in guards */
    INLAY_PART_ID,       /* its x-request-id, with --request-id; or "" */
};

#ifndef INLAY_CORE
/* One per module, shared by its translation units, invisible outside. */
__attribute__((weak, visibility("hidden"))) const struct inlay_api *inlay_api_;

/*
 * inlay_alloc(size): zeroed memory, aligned 16, for the length of the call;
 * NULL (and the call fails with INLAY_NO_MEMORY) when there is none.
 * inlay_fail(kind, format, ...): the call ends with this error whatever is
 * returned; the first error counts.
 * inlay_format(format, ...) and inlay_copy(text): text for the call.
 * inlay_defer(fn, arg): fn(arg) runs when the call's memory goes, last in
 * first out.
 * inlay_failed(): has the call failed?
 * inlay_array(type, len): a zeroed INLAY_ARRAY of `len` elements, to be
 * returned; empty (and the call fails) when there is no memory.
 *
 * inlay_parallel_for(n, grain, body, ctx): body(ctx, begin, end) for parts
 * of 0..n, on all cores; it returns when all of it is done. A part has at
 * least `grain` elements (0: chosen by the library). When a body fails, the
 * parts that have not begun are left out. Bodies may allocate, fail and start
 * loops of their own; they must not use Python objects.
 * inlay_parallel_reduce(n, grain, body, merge, ctx, result): body(ctx, begin,
 * end, part) adds to *part, which begins as a copy of *result (the neutral
 * value); merge(into, part) joins two, in order of the index, always in the
 * same tree for one n and grain. The total is in *result at the end.
 * Both return false when the call has failed.
 */
/*
 * The answer of a route; in a guard, of whoever answers the request.
 * inlay_status(202): its status, in place of the declared one.
 * inlay_header_set(name, format, ...): this header, in place of others of that
 * name; inlay_header_add: one more. inlay_trailer_set: after the body.
 * A bad name, CR, LF, NUL and framing headers fail the call (internal).
 * inlay_cookie_set("sid", value, "Path=/; HttpOnly; Secure; Max-Age=3600");
 * a NULL value pointer deletes it.
 * inlay_redirect(303, "/users/%d", id): status and location, no body.
 * inlay_send_file(path): the answer is that file, with ranges and ETag; a
 * relative path is one of the working directory. No such file: not_found.
 * inlay_next(request): the answer is somebody else's: the next handler in the
 * chain (the ASGI application) gets the request, with its body; not once
 * inlay_read or a form has taken that.
 * inlay_answered(): the status of the answer, in INLAY_AFTER; else 0.
 *
 * The request, valid as long as it is:
 * inlay_part(request, INLAY_PART_PATH), inlay_header(request, "accept"),
 * inlay_cookie(request, "sid"): ptr is NULL when it is not there.
 *
 * Waiting. The function sleeps, its thread serves others; arguments stay. All
 * return false (-1) when the call has failed or the client is gone: return
 * then. They need an inlay_request * or inlay_socket * parameter, and not
 * INLAY_ASYNC.
 * inlay_read(request, buffer, size): the next bytes of the body, 0 at its end;
 * for routes without body parameters.
 * inlay_write(request, text): a part of the body, which begins the answer;
 * inlay_print the same formatted. What is returned in the end is ignored.
 * inlay_event(request, "tick", "%d", n): a server-sent event; NULL: no name.
 * inlay_sleep(ms).
 *
 * A WebSocket (INLAY_WEBSOCKET) is accepted by the first inlay_receive or
 * inlay_send, or by inlay_accept(socket, subprotocol); a failure before that
 * is an HTTP answer. It closes when the function returns (1000), fails (1011;
 * 1008 for a client's fault), or by inlay_close(socket, code, format, ...).
 * inlay_receive(socket, &message): false at its end.
 * inlay_send and inlay_close also take others' sockets of the same I/O thread,
 * while their functions run, and do not wait: false when there is no room.
 * inlay_handshake(socket): the request that it was.
 *
 * Authentication. inlay_bearer("Bearer x", &token), inlay_basic("Basic …",
 * &user, &password) read an authorization header; false: it is none.
 * inlay_equal(a, b) takes as long for any text of a's length.
 * inlay_sign(key, text) gives "text.time.signature" (HMAC-SHA256), fit for a
 * cookie; inlay_verify(key, signed, max_age, &text) reads it: false when it
 * was changed or is older than max_age seconds (0: of any age).
 */
/* Any number of arguments: a compound literal has commas of its own. */
#define inlay_status(...) (inlay_api_->status(__VA_ARGS__))
#define inlay_header_set(...) (inlay_api_->header_set(__VA_ARGS__))
#define inlay_header_add(...) (inlay_api_->header_add(__VA_ARGS__))
#define inlay_trailer_set(...) (inlay_api_->trailer_set(__VA_ARGS__))
#define inlay_cookie_set(...) (inlay_api_->cookie_set(__VA_ARGS__))
#define inlay_redirect(...) (inlay_api_->redirect(__VA_ARGS__))
#define inlay_send_file(...) (inlay_api_->send_file(__VA_ARGS__))
#define inlay_next(...) (inlay_api_->next(__VA_ARGS__))
#define inlay_answered() (inlay_api_->answered())
#define inlay_part(...) (inlay_api_->part(__VA_ARGS__))
#define inlay_header(...) (inlay_api_->header(__VA_ARGS__))
#define inlay_cookie(...) (inlay_api_->cookie(__VA_ARGS__))
#define inlay_read(...) (inlay_api_->read(__VA_ARGS__))
#define inlay_write(...) (inlay_api_->write(__VA_ARGS__))
#define inlay_print(...) (inlay_api_->print(__VA_ARGS__))
#define inlay_event(...) (inlay_api_->event(__VA_ARGS__))
#define inlay_sleep(...) (inlay_api_->sleep(__VA_ARGS__))
#define inlay_accept(...) (inlay_api_->accept(__VA_ARGS__))
#define inlay_receive(...) (inlay_api_->receive(__VA_ARGS__))
#define inlay_send(...) (inlay_api_->send(__VA_ARGS__))
#define inlay_close(...) (inlay_api_->close(__VA_ARGS__))
#define inlay_handshake(...) (inlay_api_->handshake(__VA_ARGS__))
#define inlay_bearer(...) (inlay_api_->bearer(__VA_ARGS__))
#define inlay_basic(...) (inlay_api_->basic(__VA_ARGS__))
#define inlay_equal(...) (inlay_api_->equal(__VA_ARGS__))
#define inlay_sign(...) (inlay_api_->sign(__VA_ARGS__))
#define inlay_verify(...) (inlay_api_->verify(__VA_ARGS__))
#define inlay_alloc(...) (inlay_api_->alloc(__VA_ARGS__))
#define inlay_fail(...) (inlay_api_->fail(__VA_ARGS__))
#define inlay_format(...) (inlay_api_->format(__VA_ARGS__))
#define inlay_copy(...) (inlay_api_->copy(__VA_ARGS__))
#define inlay_defer(...) (inlay_api_->defer(__VA_ARGS__))
#define inlay_failed() (inlay_api_->failed())
#define inlay_parallel_for(...) (inlay_api_->parallel_for(__VA_ARGS__))
#ifdef __cplusplus
#define INLAY_ANY_ static_cast<const void **>(nullptr)
#else
#define INLAY_ANY_ ((const void **)0)
#endif
/* Behind merge: ctx and result, whose type the comma has; nothing is set. */
#define inlay_parallel_reduce(n, grain, body, merge, ...)                      \
    (inlay_api_->parallel_reduce((n), (grain), (body), (merge), __VA_ARGS__,   \
                                 sizeof(*(*INLAY_ANY_ = __VA_ARGS__))))
#ifndef __cplusplus
#define inlay_array(type, count)                                               \
    __extension__({                                                            \
        size_t inlay_count_ = (count);                                         \
        void *inlay_ptr_ =                                                     \
            inlay_api_->array(inlay_count_, sizeof(*((type *)0)->ptr));        \
        (type){inlay_ptr_, inlay_ptr_ ? inlay_count_ : 0};                     \
    })
#else
#define inlay_array(type, count) (inlay_array_<type>(count))
} /* extern "C" */
template <typename array> static inline array inlay_array_(size_t count)
{
    array made = {};

    made.ptr = static_cast<decltype(made.ptr)>(
        inlay_api_->array(count, sizeof(*made.ptr)));
    if (made.ptr)
        made.len = count;
    return made;
}
extern "C" {
#endif
#endif

/* --- Records: one section per kind, read by the loader ------------------ */

struct inlay_api_record {
    const struct inlay_api **slot;
    uint32_t abi;  /* what the module was built for */
    uint32_t size; /* of its struct inlay_api: all that it can ask for */
};

struct inlay_route_record {
    void (*func)(void);
    const char *methods; /* "GET" or "GET,HEAD" */
    const char *path;
    const char *file;
    uint32_t line;
};

struct inlay_trait_record {
    void (*func)(void);
    const char *file;
    uint32_t line;
    uint32_t trait; /* enum inlay_trait */
};

enum inlay_trait {
    INLAY_TRAIT_NOGIL,
    INLAY_TRAIT_ASYNC,
};

enum inlay_default_kind {
    INLAY_DEFAULT_INT,
    INLAY_DEFAULT_UINT, /* `integer` has the bits of a uint64_t */
    INLAY_DEFAULT_DOUBLE,
    INLAY_DEFAULT_STRING,
    INLAY_DEFAULT_NULL,
};

struct inlay_default_record {
    void (*func)(void);
    const char *param;
    const char *text; /* the value as written */
    const char *file;
    uint32_t line;
    uint32_t kind; /* enum inlay_default_kind */
    int64_t integer;
    double real;
    const char *string;
};

struct inlay_status_record {
    void (*func)(void);
    const char *file;
    uint32_t line;
    int32_t status;
};

/* INLAY_HEADER and its like: where a parameter comes from. */
struct inlay_source_record {
    void (*func)(void);
    const char *param;
    const char *name; /* "x-token"; NULL: the parameter's own */
    const char *file;
    uint32_t line;
    uint32_t kind; /* enum inlay_source_kind */
};

enum inlay_source_kind {
    INLAY_SOURCE_HEADER,
    INLAY_SOURCE_COOKIE,
    INLAY_SOURCE_FORM,
    INLAY_SOURCE_QUERY,
    INLAY_SOURCE_BODY,
    INLAY_SOURCE_DB,
};

/* What values of a type, a field or a parameter must be. */
struct inlay_constraint_record {
    const char *what;   /* as written: "struct user", "get_user" */
    const char *member; /* field or parameter; NULL: all of it */
    const char *file;
    uint32_t line;
    uint32_t kind;        /* enum inlay_constraint_kind */
    const char *low_text; /* "INLAY_NONE": open */
    const char *high_text;
    int64_t low, high; /* LENGTH; RANGE of whole numbers */
    double low_real, high_real;
    const char *pattern; /* PATTERN */
};

struct inlay_check_record {
    const char *(*check)(const void *value);
    const char *what; /* "struct user" */
    const char *file;
    uint32_t line;
};

enum inlay_constraint_kind {
    INLAY_CONSTRAINT_RANGE,
    INLAY_CONSTRAINT_LENGTH,
    INLAY_CONSTRAINT_PATTERN,
    INLAY_CONSTRAINT_STRICT,
};

/* INLAY_STATE, INLAY_PROVIDE. */
struct inlay_provide_record {
    void (*func)(void);
    const char *file;
    uint32_t line;
    uint32_t once;         /* per worker (a state), else per request */
    void (*close)(void *); /* of a state; NULL: none */
};

/* INLAY_BEFORE, INLAY_AFTER. */
struct inlay_guard_record {
    void (*func)(void);
    const char *pattern;
    const char *file;
    uint32_t line;
    uint32_t after;
};

/* Built-in layers: INLAY_LAYER. */
struct inlay_layer_record {
    const char *name; /* "rate-limit" */
    const char *pattern;
    const char *value; /* "100/minute" */
    const char *file;
    uint32_t line;
};

/* What documents say of a route. */
struct inlay_note_record {
    void (*func)(void);
    const char *file;
    uint32_t line;
    uint32_t kind;    /* enum inlay_note_kind */
    int32_t status;   /* ANSWERS */
    const char *text; /* TAG, SUMMARY, ANSWERS */
};

enum inlay_note_kind {
    INLAY_NOTE_TAG,
    INLAY_NOTE_SUMMARY,
    INLAY_NOTE_DEPRECATED,
    INLAY_NOTE_ANSWERS,
    INLAY_NOTE_REPLACES,
};

#define INLAY_CONCAT2_(a, b) a##b
#define INLAY_CONCAT_(a, b) INLAY_CONCAT2_(a, b)

#if defined(__has_attribute)
#if __has_attribute(retain)
#define INLAY_KEEP_ used, retain
#endif
#endif
#ifndef INLAY_KEEP_
#define INLAY_KEEP_ used
#endif

#define INLAY_RECORD_(kind, ...)                                               \
    __extension__ static const struct inlay_##kind##_record INLAY_CONCAT_(     \
        inlay_##kind##_record_, __COUNTER__)                                   \
        __attribute__((section("inlay_" #kind), aligned(8), INLAY_KEEP_)) = {  \
            __VA_ARGS__}

/* A function as records keep it. */
#ifdef __cplusplus
#define INLAY_FUNC_(f) reinterpret_cast<void (*)(void)>(f)
#else
#define INLAY_FUNC_(f) (void (*)(void))(f)
#endif

#ifndef INLAY_CORE
INLAY_RECORD_(api, &inlay_api_, INLAY_ABI, sizeof(struct inlay_api));
#endif

/* INLAY_GET("/users/{id}", get_user); after the function. */
#define INLAY_ROUTE(methods, path, f)                                          \
    INLAY_RECORD_(route, INLAY_FUNC_(f), methods, path, __FILE__, __LINE__)
#define INLAY_GET(path, f) INLAY_ROUTE("GET", path, f)
#define INLAY_POST(path, f) INLAY_ROUTE("POST", path, f)
#define INLAY_PUT(path, f) INLAY_ROUTE("PUT", path, f)
#define INLAY_PATCH(path, f) INLAY_ROUTE("PATCH", path, f)
#define INLAY_DELETE(path, f) INLAY_ROUTE("DELETE", path, f)

/* A function with an inlay_socket * parameter. */
#define INLAY_WEBSOCKET(path, f) INLAY_ROUTE("WEBSOCKET", path, f)

/*
 * Where a parameter of a route, guard or provider comes from, when it is not
 * the path (by name), the body (structs, slices) or the query (the rest):
 * INLAY_HEADER(f, token, "x-token"), INLAY_COOKIE(f, session, "sid"),
 * INLAY_QUERY(f, from_, "from"); INLAY_FORM(f, title) is a field of a form, or
 * all of them when it is a struct, or an inlay_upload; INLAY_BODY(f, count)
 * makes a scalar a member of the JSON body.
 */
#define INLAY_HEADER(f, param, name)                                           \
    INLAY_SOURCE_(f, param, name, INLAY_SOURCE_HEADER)
#define INLAY_COOKIE(f, param, name)                                           \
    INLAY_SOURCE_(f, param, name, INLAY_SOURCE_COOKIE)
#define INLAY_QUERY(f, param, name)                                            \
    INLAY_SOURCE_(f, param, name, INLAY_SOURCE_QUERY)
#define INLAY_FORM(f, param) INLAY_SOURCE_(f, param, 0, INLAY_SOURCE_FORM)
#define INLAY_BODY(f, param) INLAY_SOURCE_(f, param, 0, INLAY_SOURCE_BODY)
#define INLAY_SOURCE_(f, param, name, kind)                                    \
    INLAY_RECORD_(source, INLAY_FUNC_(f), #param, name, __FILE__, __LINE__,    \
                  kind)

/*
 * Constraints, on a field of a struct (INLAY_RANGE(struct user, age, 0, 150))
 * or a parameter of a function (INLAY_RANGE(top_users, limit, 1, 100)), for
 * Python calls and for routes. Bounds are inclusive literals, INLAY_NONE
 * leaves an end open; lengths count characters, or items. INLAY_PATTERN is
 * PCRE2, searched, not anchored. INLAY_STRICT(struct user): unknown keys are
 * refused. INLAY_CHECK(struct user, check): const char *check(const struct
 * user *user) gives NULL, or what is wrong; after all else was right.
 */
#define INLAY_NONE INT64_MIN
#define INLAY_RANGE(what, member, least, most)                                 \
    INLAY_CONSTRAINT_(what, #member, INLAY_CONSTRAINT_RANGE, #least, #most,    \
                      INLAY_WHOLE_(least), INLAY_WHOLE_(most),                 \
                      (double)(least), (double)(most), 0)
/* Of a whole number its 64 bits; of a real one that has no int64_t, 0. */
#define INLAY_WHOLE_(x)                                                        \
    ((__typeof__(x))1 / 2 == 0 || ((double)(x) >= -9223372036854775808.0 &&    \
                                   (double)(x) < 9223372036854775808.0)        \
         ? (int64_t)(x)                                                        \
         : 0)
#define INLAY_LENGTH(what, member, least, most)                                \
    INLAY_CONSTRAINT_(what, #member, INLAY_CONSTRAINT_LENGTH, #least, #most,   \
                      (int64_t)(least), (int64_t)(most), 0, 0, 0)
#define INLAY_PATTERN(what, member, regex)                                     \
    INLAY_CONSTRAINT_(what, #member, INLAY_CONSTRAINT_PATTERN, 0, 0, 0, 0, 0,  \
                      0, regex)
#define INLAY_STRICT(what)                                                     \
    INLAY_CONSTRAINT_(what, 0, INLAY_CONSTRAINT_STRICT, 0, 0, 0, 0, 0, 0, 0)
#ifndef __cplusplus
#define INLAY_CHECK(what, f)                                                   \
    INLAY_RECORD_(check,                                                       \
                  (const char *(*)(const void *)) _Generic(                    \
                      f, const char *(*)(const __typeof__(what) *)             \
                      : (f), int : 0),                                         \
                  #what, __FILE__, __LINE__)
#else
#define INLAY_CHECK(what, f)                                                   \
    INLAY_RECORD_(check,                                                       \
                  reinterpret_cast<const char *(*)(const void *)>(             \
                      static_cast<const char *(*)(const what *)>(f)),          \
                  #what, __FILE__, __LINE__)
#endif
/* __typeof__ refuses what is neither a type nor a function. */
#define INLAY_CONSTRAINT_(what, member, kind, ...)                             \
    INLAY_RECORD_(constraint, #what, member, __FILE__,                         \
                  __LINE__ + 0 * sizeof(__typeof__(what) *), kind,             \
                  __VA_ARGS__)

/*
 * INLAY_STATE(open_store, close_store): struct store *open_store(…) is called
 * once per worker, before it serves, with other states as parameters; every
 * parameter of that pointer type, in routes, guards and providers, is it.
 * Threads share it: locking is yours. close_store(store) may be 0.
 * INLAY_PROVIDE(current_user): struct user *current_user(…) is called once per
 * request that needs it, its own parameters found in the same way;
 * inlay_fail in it ends the request. It may return the struct itself, too.
 */
#define INLAY_STATE(open, close)                                               \
    INLAY_RECORD_(provide, INLAY_FUNC_(open), __FILE__, __LINE__, 1,           \
                  (void (*)(void *))(close))
#define INLAY_PROVIDE(f)                                                       \
    INLAY_RECORD_(provide, INLAY_FUNC_(f), __FILE__, __LINE__, 0, 0)

/*
 * INLAY_BEFORE("/admin/" and a star, require_admin): a guard of every request
 * whose path matches, whoever answers it; inlay_fail in it is the answer. A
 * star at the end stands for any rest and for none: "/admin/" and a star
 * covers /admin too. Guards run in the order of their file.
 * INLAY_AFTER(pattern, f): before the answer's head is sent, whoever gives it;
 * may set headers, must not wait.
 */
#define INLAY_BEFORE(pattern, f)                                               \
    INLAY_RECORD_(guard, INLAY_FUNC_(f), pattern, __FILE__, __LINE__, 0)
#define INLAY_AFTER(pattern, f)                                                \
    INLAY_RECORD_(guard, INLAY_FUNC_(f), pattern, __FILE__, __LINE__, 1)

/*
 * Layers, as options of the same names have them (docs/layers.md):
 * INLAY_LAYER("rate-limit", "/login", "5/minute"),
 * INLAY_LAYER("concurrency", "/report", "2"),
 * INLAY_LAYER("timeout", "/report", "3s"),
 * INLAY_LAYER("accept", "/report", "text/csv").
 */
#define INLAY_LAYER(name, pattern, value)                                      \
    INLAY_RECORD_(layer, name, pattern, value, __FILE__, __LINE__)

/*
 * For OpenAPI: INLAY_TAG(f, "users"), INLAY_SUMMARY(f, "One user"),
 * INLAY_DEPRECATED(f), INLAY_ANSWERS(f, 404, "No such user"). The comment
 * above the function is its description.
 * INLAY_REPLACES(f): its routes may stand before Python routes that have
 * dependencies or run behind middleware.
 */
#define INLAY_TAG(f, text) INLAY_NOTE_(f, INLAY_NOTE_TAG, 0, text)
#define INLAY_SUMMARY(f, text) INLAY_NOTE_(f, INLAY_NOTE_SUMMARY, 0, text)
#define INLAY_DEPRECATED(f) INLAY_NOTE_(f, INLAY_NOTE_DEPRECATED, 0, 0)
#define INLAY_ANSWERS(f, code, text)                                           \
    INLAY_NOTE_(f, INLAY_NOTE_ANSWERS, code, text)
#define INLAY_REPLACES(f) INLAY_NOTE_(f, INLAY_NOTE_REPLACES, 0, 0)
#define INLAY_NOTE_(f, kind, code, text)                                       \
    INLAY_RECORD_(note, INLAY_FUNC_(f), __FILE__, __LINE__, kind, code, text)

/* INLAY_STATUS(create_user, 201); the status of a route's plain answer. */
#define INLAY_STATUS(f, code)                                                  \
    INLAY_RECORD_(status, INLAY_FUNC_(f), __FILE__, __LINE__, code)

/*
 * INLAY_NOGIL(f); releases Python's lock while f runs: for work of more than
 * some 10 us. Static variables of f then need a lock of their own.
 * INLAY_ASYNC(f); runs f on a pool of threads; from Python it is awaited.
 */
#define INLAY_NOGIL(f) INLAY_TRAIT_(f, INLAY_TRAIT_NOGIL)
#define INLAY_ASYNC(f) INLAY_TRAIT_(f, INLAY_TRAIT_ASYNC)
#define INLAY_TRAIT_(f, value)                                                 \
    INLAY_RECORD_(trait, INLAY_FUNC_(f), __FILE__, __LINE__, value)

/*
 * INLAY_DEFAULT(f, limit, 20); counts for Python calls and for routes. The
 * value is a literal: integer, floating, string, or NULL for an optional.
 */
#ifndef __cplusplus
#define INLAY_DEFAULT(f, param, value)                                         \
    INLAY_RECORD_(                                                             \
        default, INLAY_FUNC_(f), #param, #value, __FILE__, __LINE__,           \
        _Generic((value),                                                      \
            char *: INLAY_DEFAULT_STRING,                                      \
            const char *: INLAY_DEFAULT_STRING,                                \
            void *: INLAY_DEFAULT_NULL,                                        \
            float: INLAY_DEFAULT_DOUBLE,                                       \
            double: INLAY_DEFAULT_DOUBLE,                                      \
            unsigned long: INLAY_DEFAULT_UINT,                                 \
            unsigned long long: INLAY_DEFAULT_UINT,                            \
            default: INLAY_DEFAULT_INT),                                       \
        _Generic((value), char *: 0, const char *: 0, void *: 0, float: 0,     \
                 double: 0, default: (value)),                                 \
        _Generic((value), float: (value), double: (value), default: 0.0),      \
        _Generic((value), char *: (value), const char *: (value), default: 0))
#else
#define INLAY_DEFAULT(f, param, value)                                         \
    INLAY_RECORD_(default, INLAY_FUNC_(f), #param, #value, __FILE__, __LINE__, \
                  inlay_literal_read_(value, #value).kind,                     \
                  inlay_literal_read_(value, #value).integer,                  \
                  inlay_literal_read_(value, #value).real,                     \
                  inlay_literal_read_(value, #value).string)

} /* extern "C" */

struct inlay_literal_ {
    uint32_t kind;
    int64_t integer;
    double real;
    const char *string;
};

template <typename value>
constexpr inlay_literal_ inlay_literal_of_(value integer)
{
    return {static_cast<value>(-1) > 0 && sizeof(value) >= sizeof(long)
                ? INLAY_DEFAULT_UINT
                : INLAY_DEFAULT_INT,
            static_cast<int64_t>(integer), 0, nullptr};
}
constexpr inlay_literal_ inlay_literal_of_(bool truth)
{
    return {INLAY_DEFAULT_INT, truth, 0, nullptr};
}
constexpr inlay_literal_ inlay_literal_of_(double real)
{
    return {INLAY_DEFAULT_DOUBLE, 0, real, nullptr};
}
constexpr inlay_literal_ inlay_literal_of_(float real)
{
    return {INLAY_DEFAULT_DOUBLE, 0, real, nullptr};
}
constexpr inlay_literal_ inlay_literal_of_(const char *string)
{
    return {INLAY_DEFAULT_STRING, 0, 0, string};
}
constexpr inlay_literal_ inlay_literal_of_(decltype(nullptr))
{
    return {INLAY_DEFAULT_NULL, 0, 0, nullptr};
}

/* NULL is an integer in C++: only its spelling tells. */
template <typename value>
constexpr inlay_literal_ inlay_literal_read_(const value &literal,
                                             const char *text)
{
    return text[0] == 'N' && text[1] == 'U' && text[2] == 'L' &&
                   text[3] == 'L' && !text[4]
               ? inlay_literal_of_(nullptr)
               : inlay_literal_of_(literal);
}

extern "C" {
#endif

#ifdef __cplusplus
}
#else
#include "inlay/db.h"
#endif

#endif
