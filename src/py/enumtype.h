/* enumtype.h - an IntEnum class per C enum, made at import. Hold the GIL. */
#ifndef INLAY_PY_ENUMTYPE_H
#define INLAY_PY_ENUMTYPE_H

#include "py/py.h"

#include "py/convert.h"

/* Makes its class, called "module.tag". -1 with an exception. */
int inlay_py_enum_create(struct inlay_py_module *module,
                         struct inlay_py_enum *enumeration);

/*
 * For inlay_py_in: a member, the int that is its value, or its name. Any
 * other int or name is a ValueError that lists the names.
 */
int inlay_py_enum_in(const struct inlay_py_conversion *conversion,
                     const struct inlay_py_type *type,
                     PyObject *value,
                     void *at,
                     const struct inlay_py_place *place);

/* For inlay_py_out: a member, or an int when no name has the value. */
PyObject *inlay_py_enum_out(const struct inlay_py_type *type, const void *at);

#endif
