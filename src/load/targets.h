/*
 * targets.h - inside load/: what a record means that names a function or a
 * struct by its text ("get_user", "struct user", "user").
 */
#ifndef INLAY_LOAD_TARGETS_H
#define INLAY_LOAD_TARGETS_H

#include "load/records.h"

/* The structs that functions of a module take and give, each once. */
struct inlay_structs {
    struct inlay_type **items;
    size_t count, size;
};

struct inlay_error *inlay_structs_find(const struct inlay_module *module,
                                       struct inlay_structs *ret);
void inlay_structs_deinit(struct inlay_structs *structs);

/*
 * Either functions, or structs; more than one when one function has several
 * names, or when several units have included the header of a struct.
 */
struct inlay_targets {
    struct inlay_func **funcs;
    struct inlay_type **types;
    size_t nfuncs, ntypes;
};

/*
 * In memory of `arena`. Error: there is none of that name, or there are
 * several that were written in different places.
 */
struct inlay_error *inlay_targets_find(const struct inlay_module *module,
                                       const struct inlay_structs *structs,
                                       const char *what,
                                       struct inlay_arena *arena,
                                       struct inlay_targets *ret);

#endif
