/*
 * native.h - C functions as routes: path, query and body bound by type, the
 * result written by type. A handler of the chain, shared by all I/O threads;
 * its routes change all at once.
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

/*
 * Binds the routes of `modules` by the same rules, in the place of all that
 * `native` has. Any thread, at any time: requests that have found their route
 * keep it, later ones see the new ones. On an error nothing is changed. What
 * was replaced is freed with the handler.
 */
struct inlay_error *inlay_native_replace(struct inlay_handler *native,
                                         struct inlay_module *const *modules,
                                         size_t nmodules);

/*
 * One line per bound route, for banners and `inlay routes`. Any thread. All
 * is empty for an index past the end, as a replacement may have fewer.
 */
struct inlay_native_info {
    struct inlay_str methods, path, function, module;
    struct inlay_source decl;
    struct inlay_str runs; /* "I/O thread", "coroutine", "pool" */
};
size_t inlay_native_count(const struct inlay_handler *native);
struct inlay_native_info inlay_native_info(const struct inlay_handler *native,
                                           size_t index);

/*
 * Has the handler that comes next nothing for any request that the routes of
 * this path, as inlay_native_info tells it, match? Then it is not asked about
 * methods that they lack: 405. Replaced routes don't keep it. Any thread, but
 * not while routes are replaced.
 */
void inlay_native_set_alone(struct inlay_handler *native,
                            struct inlay_str path,
                            bool alone);

/*
 * OpenAPI 3.1 of the native routes, as FastAPI would describe the same:
 * {"paths":{…},"components":{"schemas":{…}}}. 0 or -1.
 */
int inlay_native_openapi(const struct inlay_handler *native,
                         struct inlay_buf *out);

#endif
