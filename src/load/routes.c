/* routes.c - INLAY_GET and its like, INLAY_STATUS -> route declarations. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load/records.h"

#include "base/banned.h"

#define PATH_PARAMS_MOST 16

/* The checks on one route while its path is read. */
struct reading {
    const struct inlay_func *func;
    struct inlay_str path;
    size_t at;
    struct inlay_str names[PATH_PARAMS_MOST];
    size_t nnames;
};

static bool is_scalar(const struct inlay_type *type)
{
    switch (type->kind) {
    case INLAY_KIND_BOOL:
    case INLAY_KIND_INT:
    case INLAY_KIND_UINT:
    case INLAY_KIND_FLOAT:
    case INLAY_KIND_CSTR:
    case INLAY_KIND_STR:
        return true;
    case INLAY_KIND_OPTIONAL:
        return is_scalar(type->elem);
    case INLAY_KIND_SLICE:
    case INLAY_KIND_STRUCT:
    case INLAY_KIND_VOID:
    case INLAY_KIND_CHAR:
    case INLAY_KIND_ENUM:
    case INLAY_KIND_BYTES:
    case INLAY_KIND_OWNED:
    case INLAY_KIND_CHARS:
    case INLAY_KIND_ARRAY:
    case INLAY_KIND_POINTER:
    case INLAY_KIND_HANDLE:
    case INLAY_KIND_OBJECT:
    case INLAY_KIND_CALLBACK:
    case INLAY_KIND_USERDATA:
    case INLAY_KIND_ARROW_ARRAY:
    case INLAY_KIND_ARROW_SCHEMA:
    case INLAY_KIND_UNSUPPORTED:
        break;
    }
    return false;
}

static struct inlay_error *check_name(struct reading *reading,
                                      struct inlay_str name)
{
    const struct inlay_func *func = reading->func;
    size_t i;

    for (i = 0; i < reading->nnames; i++) {
        if (inlay_str_equal(reading->names[i], name))
            return inlay_records_wrong("{%.*s} is in the path twice",
                                       inlay_str_arg(name));
    }
    if (reading->nnames == PATH_PARAMS_MOST)
        return inlay_records_wrong("the path has more than %d parameters",
                                   PATH_PARAMS_MOST);
    reading->names[reading->nnames++] = name;
    for (i = 0; i < func->nparams; i++) {
        if (inlay_str_equal(func->params[i].name, name))
            break;
    }
    if (i == func->nparams)
        return inlay_records_wrong("%.*s has no parameter %.*s",
                                   inlay_str_arg(func->name),
                                   inlay_str_arg(name));
    if (!is_scalar(func->params[i].type))
        return inlay_records_wrong(
            "parameter '%.*s' has type %.*s: a part of a path is a "
            "number, a bool or text",
            inlay_str_arg(name), inlay_str_arg(func->params[i].type->name));
    return NULL;
}

static bool is_converter(struct inlay_str text)
{
    return inlay_str_is(text, "str") || inlay_str_is(text, "int") ||
           inlay_str_is(text, "float") || inlay_str_is(text, "path");
}

/* `at` is behind the opening brace; leaves it behind the closing one. */
static struct inlay_error *read_braces(struct reading *reading)
{
    struct inlay_str rest = {reading->path.ptr + reading->at,
                             reading->path.len - reading->at};
    const char *end = memchr(rest.ptr, '}', rest.len);
    struct inlay_str name, converter = INLAY_STR("str");

    if (!end)
        return inlay_records_wrong("the path has a { without a }");
    size_t len = (size_t)(end - rest.ptr);
    const char *colon = memchr(rest.ptr, ':', len);
    name = inlay_str_make(rest.ptr, colon ? (size_t)(colon - rest.ptr) : len);
    if (colon)
        converter = inlay_str_make(colon + 1, (size_t)(end - colon) - 1);
    reading->at += len + 1;
    if (!name.len || memchr(name.ptr, '{', name.len))
        return inlay_records_wrong("a { in the path is not followed by name}");
    if (!is_converter(converter))
        return inlay_records_wrong(
            "{%.*s:%.*s}: the part behind the colon is one of str, "
            "int, float, path",
            inlay_str_arg(name), inlay_str_arg(converter));
    if (inlay_str_is(converter, "path") && reading->at != reading->path.len)
        return inlay_records_wrong("{%.*s:path} has to end the path",
                                   inlay_str_arg(name));
    if (reading->at < reading->path.len &&
        reading->path.ptr[reading->at] == '{')
        return inlay_records_wrong(
            "two parts of the path need something between them");
    return check_name(reading, name);
}

static struct inlay_error *check_path(const struct inlay_func *func,
                                      struct inlay_str path)
{
    struct reading reading = {.func = func, .path = path};
    struct inlay_error *error = NULL;

    if (!path.len || path.ptr[0] != '/')
        return inlay_records_wrong("the path has to begin with /");
    if (!inlay_utf8_valid(path))
        return inlay_records_wrong("the path is not UTF-8");
    while (!error && reading.at < path.len) {
        unsigned char c = (unsigned char)path.ptr[reading.at++];

        if (c == '{')
            error = read_braces(&reading);
        else if (c == '}')
            error = inlay_records_wrong("the path has a } without a {");
        else if (c <= ' ' || c == 127 || c == '?' || c == '#')
            error = inlay_records_wrong(
                "the path has a character that no path has");
    }
    return error;
}

/* "GET" or "GET,HEAD": names in capitals, commas between them. */
static struct inlay_error *check_methods(struct inlay_str methods)
{
    char last = ',';

    for (size_t i = 0; i < methods.len; i++) {
        char c = methods.ptr[i];

        if ((c < 'A' || c > 'Z') && (c != ',' || last == ','))
            break;
        last = c;
        if (i + 1 == methods.len && c != ',')
            return NULL;
    }
    return inlay_records_wrong("the methods are written as in \"GET,HEAD\"");
}

static struct inlay_error *read_route(struct inlay_module *module,
                                      const struct inlay_route_record *record,
                                      struct inlay_route_decl *ret)
{
    struct inlay_callable *callable;
    struct inlay_error *error;

    if (!record->methods || !record->path)
        return inlay_records_wrong("the record is empty");
    *ret = (struct inlay_route_decl){
        .methods = inlay_str_from(record->methods),
        .path = inlay_str_from(record->path),
        .decl = {inlay_str_from(record->file ? record->file : ""),
                 record->line},
    };
    if ((error = inlay_records_function(module, record->func, &callable)) ||
        (error = check_methods(ret->methods)) ||
        (error = check_path(callable->func, ret->path)))
        return error;
    ret->callable = callable;
    return NULL;
}

/* Compilers may turn the order of records around. */
static int compare_routes(const void *left, const void *right)
{
    const struct inlay_route_decl *a = left, *b = right;
    size_t len = inlay_min(a->decl.file.len, b->decl.file.len);
    int order = len ? memcmp(a->decl.file.ptr, b->decl.file.ptr, len) : 0;

    if (order)
        return order;
    if (a->decl.file.len != b->decl.file.len)
        return a->decl.file.len < b->decl.file.len ? -1 : 1;
    if (a->decl.line != b->decl.line)
        return a->decl.line < b->decl.line ? -1 : 1;
    return strcmp(a->path.ptr, b->path.ptr);
}

static struct inlay_error *apply_routes(struct inlay_module *module,
                                        const struct inlay_debug *debug)
{
    struct inlay_records records;
    struct inlay_error *error = inlay_records_find(
        module, &debug->route, sizeof(struct inlay_route_record), &records);

    if (error || !records.count)
        return error;
    module->routes = inlay_arena_zalloc_array(&module->arena, records.count,
                                              sizeof(*module->routes));
    if (!module->routes)
        return inlay_error_no_memory();
    for (; module->nroutes < records.count; module->nroutes++) {
        const struct inlay_route_record *record =
            (const struct inlay_route_record *)records.items + module->nroutes;

        error = read_route(module, record, &module->routes[module->nroutes]);
        if (!error)
            continue;
        struct inlay_str what =
            inlay_arena_format(&module->arena, "route %s %s",
                               record->methods ? record->methods : "",
                               record->path ? record->path : "");
        return inlay_records_error(error, record->file, record->line,
                                   what.ptr ? what.ptr : "route");
    }
    qsort(module->routes, module->nroutes, sizeof(*module->routes),
          compare_routes);
    return NULL;
}

static struct inlay_error *set_status(struct inlay_module *module,
                                      const struct inlay_status_record *record)
{
    struct inlay_callable *callable;
    struct inlay_error *error =
        inlay_records_function(module, record->func, &callable);
    bool found = false;

    if (error)
        return error;
    if (record->status < 200 || record->status > 599)
        return inlay_records_wrong("a status is a number from 200 to 599");
    for (size_t i = 0; i < module->nroutes; i++) {
        struct inlay_route_decl *route = &module->routes[i];

        if (route->callable != callable)
            continue;
        if (route->status)
            return inlay_records_wrong("%.*s has a status already",
                                       inlay_str_arg(callable->func->name));
        route->status = record->status;
        found = true;
    }
    if (!found)
        return inlay_records_wrong("%.*s has no route",
                                   inlay_str_arg(callable->func->name));
    return NULL;
}

static struct inlay_error *apply_status(struct inlay_module *module,
                                        const struct inlay_debug *debug)
{
    struct inlay_records records;
    struct inlay_error *error = inlay_records_find(
        module, &debug->status, sizeof(struct inlay_status_record), &records);

    for (size_t i = 0; !error && i < records.count; i++) {
        const struct inlay_status_record *record =
            (const struct inlay_status_record *)records.items + i;
        char what[64];

        error = set_status(module, record);
        if (!error)
            continue;
        snprintf(what, sizeof(what), "INLAY_STATUS(..., %d)",
                 (int)record->status);
        error = inlay_records_error(error, record->file, record->line, what);
    }
    return error;
}

struct inlay_error *inlay_routes_apply(struct inlay_module *module,
                                       const struct inlay_debug *debug)
{
    struct inlay_error *error = apply_routes(module, debug);

    return error ? error : apply_status(module, debug);
}
