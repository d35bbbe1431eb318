/*
 * compile.h - C sources that tests compile and read while they run. Needs
 * TEST_DWARF (this folder) and TEST_INCLUDE (that of inlay.h).
 */
#ifndef TESTS_DWARF_COMPILE_H
#define TESTS_DWARF_COMPILE_H

#include <stdbool.h>

struct compile_dir {
    char path[64]; /* a new folder under /tmp */
    int count;     /* of objects made in it */
};

void compile_dir_init(struct compile_dir *dir);
/* Removes the folder and what is in it. */
void compile_dir_deinit(struct compile_dir *dir);

/* Is that compiler here? */
bool compile_has(const char *cc);

/*
 * cc with Inlay's flags and `flags` (words between blanks) on `source`, an
 * absolute path or the name of a file in TEST_DWARF. The path of the shared
 * object, to be freed; the test fails when the compiler does.
 */
char *compile(struct compile_dir *dir,
              const char *cc,
              const char *flags,
              const char *source);

/* The same with a command of the test's own, but for source and output. */
char *compile_with(struct compile_dir *dir,
                   const char *command,
                   const char *source);

/* The same for source text, which is written to `name` in the folder. */
char *compile_text(struct compile_dir *dir,
                   const char *cc,
                   const char *flags,
                   const char *name,
                   const char *text);

#endif
