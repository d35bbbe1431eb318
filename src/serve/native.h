/*
 * native.h - C functions as routes: path, query and JSON body bound by type,
 * the result written as JSON by type. A handler of the chain; immutable after
 * creation, shared by all I/O threads.
 */
#ifndef INLAY_SERVE_NATIVE_H
#define INLAY_SERVE_NATIVE_H

#include "base/buf.h"
#include "base/error.h"
#include "load/module.h"
#include "serve/handler.h"

/*
 * Binds all routes of `modules`. Errors name file:line and the reason: two
 * routes for one method and path, a parameter that has no place in a request,
 * a type that has no text or JSON form.
 */
struct inlay_error *inlay_native_create(struct inlay_module *const *modules,
                                        size_t nmodules,
                                        struct inlay_handler **ret);

/* One line per bound route, for banners and `inlay routes`. */
struct inlay_native_info {
    struct inlay_str methods, path, function, module;
    struct inlay_source decl;
};
size_t inlay_native_count(const struct inlay_handler *native);
struct inlay_native_info inlay_native_info(const struct inlay_handler *native,
                                           size_t index);

/*
 * OpenAPI 3.1 of the native routes, as FastAPI would describe the same:
 * {"paths":{…},"components":{"schemas":{…}}}. 0 or -1.
 */
int inlay_native_openapi(const struct inlay_handler *native,
                         struct inlay_buf *out);

#endif
