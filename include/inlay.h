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

/* Markers: a struct whose member has this type is a slice or an optional. */
typedef size_t inlay_len;
typedef bool inlay_has;

/* INLAY_SLICE(users, struct user); makes the type `users`. */
#define INLAY_SLICE(name, T)                                                   \
    typedef struct {                                                           \
        T *ptr;                                                                \
        inlay_len len;                                                         \
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
 */
#define inlay_alloc(size) (inlay_api_->alloc(size))
#define inlay_fail(kind, ...) (inlay_api_->fail((kind), __VA_ARGS__))
#define inlay_format(...) (inlay_api_->format(__VA_ARGS__))
#define inlay_copy(text) (inlay_api_->copy(text))
#define inlay_defer(fn, arg) (inlay_api_->defer((fn), (arg)))
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

enum inlay_default_kind {
    INLAY_DEFAULT_INT,
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

#ifndef INLAY_CORE
INLAY_RECORD_(api, &inlay_api_, INLAY_ABI, sizeof(struct inlay_api));
#endif

/* INLAY_GET("/users/{id}", get_user); after the function. */
#define INLAY_ROUTE(methods, path, f)                                          \
    INLAY_RECORD_(route, (void (*)(void))(f), methods, path, __FILE__, __LINE__)
#define INLAY_GET(path, f) INLAY_ROUTE("GET", path, f)
#define INLAY_POST(path, f) INLAY_ROUTE("POST", path, f)
#define INLAY_PUT(path, f) INLAY_ROUTE("PUT", path, f)
#define INLAY_PATCH(path, f) INLAY_ROUTE("PATCH", path, f)
#define INLAY_DELETE(path, f) INLAY_ROUTE("DELETE", path, f)

/* INLAY_STATUS(create_user, 201); the status of a route's plain answer. */
#define INLAY_STATUS(f, code)                                                  \
    INLAY_RECORD_(status, (void (*)(void))(f), __FILE__, __LINE__, code)

/*
 * INLAY_DEFAULT(f, limit, 20); counts for Python calls and for routes. The
 * value is a literal: integer, floating, string, or NULL for an optional.
 */
#ifndef __cplusplus
#define INLAY_DEFAULT(f, param, value)                                         \
    INLAY_RECORD_(                                                             \
        default, (void (*)(void))(f), #param, #value, __FILE__, __LINE__,      \
        _Generic((value),                                                      \
            char *: INLAY_DEFAULT_STRING,                                      \
            const char *: INLAY_DEFAULT_STRING,                                \
            void *: INLAY_DEFAULT_NULL,                                        \
            float: INLAY_DEFAULT_DOUBLE,                                       \
            double: INLAY_DEFAULT_DOUBLE,                                      \
            default: INLAY_DEFAULT_INT),                                       \
        _Generic((value), char *: 0, const char *: 0, void *: 0, float: 0,     \
                 double: 0, default: (value)),                                 \
        _Generic((value), float: (value), double: (value), default: 0.0),      \
        _Generic((value), char *: (value), const char *: (value), default: 0))
#endif

#ifdef __cplusplus
}
#endif

#endif
