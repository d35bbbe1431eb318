/*
 * look.h - everything that a reading promises, looked at: strings end, layouts
 * can be walked, kinds stand where they may. Aborts when something is wrong.
 */
#ifndef TESTS_UNIT_DWARF_LOOK_H
#define TESTS_UNIT_DWARF_LOOK_H

#include "dwarf/dwarf.h"

/* Reads functions and lines of the file; an error is fine, too. */
void look_at_file(const char *path);

#endif
