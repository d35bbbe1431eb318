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

/* --- Services: a table the loader fills in; no undefined symbols -------- */

#define INLAY_ABI 1

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
#define inlay_alloc(size) (inlay_api_->alloc(size))
#define inlay_fail(kind, ...) (inlay_api_->fail((kind), __VA_ARGS__))
#define inlay_format(...) (inlay_api_->format(__VA_ARGS__))
#define inlay_copy(text) (inlay_api_->copy(text))
#define inlay_defer(fn, arg) (inlay_api_->defer((fn), (arg)))
#define inlay_failed() (inlay_api_->failed())
#define inlay_parallel_for(n, grain, body, ctx)                                \
    (inlay_api_->parallel_for((n), (grain), (body), (ctx)))
#define inlay_parallel_reduce(n, grain, body, merge, ctx, result)              \
    (inlay_api_->parallel_reduce((n), (grain), (body), (merge), (ctx),         \
                                 (result), sizeof(*(result))))
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
#endif

#endif
