/*
 * open.h - modules of tests: C sources that are compiled (compile.h) and opened
 * while they run. A module has the name of its source, without the ending.
 */
#ifndef TESTS_DWARF_OPEN_H
#define TESTS_DWARF_OPEN_H

#include "dwarf/compile.h"
#include "load/module.h"

/*
 * What compile() makes of `source`, opened; the test fails when it can't be.
 * `dir` NULL: a folder that is removed before the return.
 */
struct inlay_module *open_source(struct compile_dir *dir,
                                 const char *cc,
                                 const char *flags,
                                 const char *source);

/* The same for source text, as compile_text() takes it. */
struct inlay_module *open_text(struct compile_dir *dir,
                               const char *cc,
                               const char *flags,
                               const char *name,
                               const char *text);

/* The same for one that may be refused; the error is the caller's. */
struct inlay_error *open_try(struct compile_dir *dir,
                             const char *cc,
                             const char *flags,
                             const char *name,
                             const char *text,
                             struct inlay_module **ret);

/*
 * Modules are never freed; a leak checker finds this one in use. For those
 * alone that a test opens by itself.
 */
void open_keep(const struct inlay_module *module);

#endif
