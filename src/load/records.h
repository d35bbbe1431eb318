/*
 * records.h - inside load/: the records of inlay.h that a module carries,
 * checked against its functions. Errors are INLAY_ERROR_IMPORT and begin
 * with the record's file:line.
 */
#ifndef INLAY_LOAD_RECORDS_H
#define INLAY_LOAD_RECORDS_H

#include "dwarf/dwarf.h"
#include "load/module.h"

/* A section of records in memory. */
struct inlay_records {
    const void *items;
    size_t count;
};

/*
 * The records of `section`, each `size` bytes. Error: the section does not
 * lie in the module's memory, or is of another inlay.h.
 */
struct inlay_error *inlay_records_find(const struct inlay_module *module,
                                       const struct inlay_section *section,
                                       size_t size,
                                       struct inlay_records *ret);

/* Do `size` bytes at `address` lie in a segment with these PF_ flags? */
bool inlay_module_contains(const struct inlay_module *module,
                           uintptr_t address,
                           size_t size,
                           uint32_t flags);

/*
 * The function that a record names by its address. Error: there is none, it
 * can't be called, or several functions share the address.
 */
struct inlay_error *inlay_records_function(const struct inlay_module *module,
                                           void (*function)(void),
                                           struct inlay_callable **ret);

/* defaults.c: INLAY_DEFAULT -> fallbacks of parameters. */
struct inlay_error *inlay_defaults_apply(struct inlay_module *module,
                                         const struct inlay_debug *debug);

/* traits.c: INLAY_NOGIL, INLAY_ASYNC -> the function's flags. */
struct inlay_error *inlay_traits_apply(struct inlay_module *module,
                                       const struct inlay_debug *debug);

/* routes.c: INLAY_ROUTE, INLAY_STATUS -> module->routes. */
struct inlay_error *inlay_routes_apply(struct inlay_module *module,
                                       const struct inlay_debug *debug);

/* sources.c: INLAY_HEADER and its like -> callable->sources. */
struct inlay_error *inlay_sources_apply(struct inlay_module *module,
                                        const struct inlay_debug *debug);

/* constraints.c: INLAY_RANGE, …_LENGTH, …_PATTERN, …_STRICT, …_CHECK -> fields,
 * parameters and structs. */
struct inlay_error *inlay_constraints_apply(struct inlay_module *module,
                                            const struct inlay_debug *debug);

/* provides.c: INLAY_PROVIDE, INLAY_STATE, INLAY_BEFORE, INLAY_AFTER. */
struct inlay_error *inlay_provides_apply(struct inlay_module *module,
                                         const struct inlay_debug *debug);

/* layers.c: INLAY_LAYER -> module->layers. */
struct inlay_error *inlay_layers_apply(struct inlay_module *module,
                                       const struct inlay_debug *debug);

/* notes.c: INLAY_TAG and its like -> callable->notes. */
struct inlay_error *inlay_notes_apply(struct inlay_module *module,
                                      const struct inlay_debug *debug);

/* queries.c: inlay_one and its like -> the `query` of their records, which lie
 * in the module's memory. The last one: nothing that fails follows. */
struct inlay_error *inlay_queries_apply(struct inlay_module *module,
                                        const struct inlay_debug *debug);

/* By file, then line, for qsort: compilers may turn the order of records
 * around. */
int inlay_records_order(const struct inlay_source *a,
                        const struct inlay_source *b);

/* `error` with "file:line: what: " before its message; consumes `error`. */
struct inlay_error *inlay_records_error(struct inlay_error *error,
                                        const char *file,
                                        uint32_t line,
                                        const char *what);

/* An INLAY_ERROR_IMPORT, cut at 512 bytes, for one of these to complete. */
struct inlay_error *inlay_records_wrong(const char *format, ...)
    inlay_printf(1, 2);

#endif
