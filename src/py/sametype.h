/*
 * sametype.h - each compilation unit describes a type anew, and so does each
 * generation of a module: are two of them the same declaration?
 */
#ifndef INLAY_PY_SAMETYPE_H
#define INLAY_PY_SAMETYPE_H

#include "type/type.h"

/*
 * 1 when kind, name, layout and all that is reached from them are equal, so
 * that a value of one is a value of the other; 0 when not; -1: no memory.
 */
int inlay_py_type_same(const struct inlay_type *a, const struct inlay_type *b);

#endif
