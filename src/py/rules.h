/*
 * rules.h - INLAY_RANGE and its like in calls from Python: ValueError that
 * names the place and the bound. Hold the GIL.
 */
#ifndef INLAY_PY_RULES_H
#define INLAY_PY_RULES_H

#include "py/py.h"

#include "py/convert.h"
#include "py/structtype.h"

/*
 * Is what `value` has become, at `at`, within constraints? -1 with
 * ValueError.
 */
int inlay_py_rules_hold(const struct inlay_py_conversion *conversion,
                        const struct inlay_constraints *constraints,
                        const struct inlay_type *type,
                        PyObject *value,
                        const void *at,
                        const struct inlay_py_place *place);

/* The fields of a struct at `at`, and INLAY_CHECK of it. */
int inlay_py_rules_struct(const struct inlay_py_conversion *conversion,
                          const struct inlay_py_type *type,
                          const void *at,
                          const struct inlay_py_place *place);

/* INLAY_STRICT: does a dict have keys that are no fields? */
int inlay_py_rules_keys(const struct inlay_py_conversion *conversion,
                        const struct inlay_py_record *record,
                        PyObject *dict,
                        const struct inlay_py_place *place);

/* Has a struct constraints, a check or is it strict? */
bool inlay_py_rules_any(const struct inlay_type *type);

/* The same of it or any that it leads to. */
bool inlay_py_rules_within(const struct inlay_type *type);

/*
 * All rules of a new instance, whose constrained fields have to be what C
 * takes: for records with `rules`.
 */
int inlay_py_rules_verify(struct inlay_py_struct *self);

/* {"age": {"ge": 0, "le": 150}}: for pydantic. */
PyObject *inlay_py_rules_describe(const struct inlay_py_record *record);

/* The same of one field or parameter: a dict, {} for NULL. */
PyObject *inlay_py_rules_dict(const struct inlay_constraints *constraints);

#endif
