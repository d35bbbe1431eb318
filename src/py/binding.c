/* binding.c - the waist's types -> what conversions walk along. */
#include "py/binding.h"

#include "py/closure.h"
#include "py/enumtype.h"
#include "py/errors.h"
#include "py/handle.h"
#include "py/moment.h"
#include "py/rules.h"
#include "py/sametype.h"
#include "py/structtype.h"

#include "base/banned.h"

/* An annotation is followed this deep: a slice may be of itself. */
#define DEPTH_MOST 16

void *inlay_py_module_alloc(struct inlay_py_module *module,
                            size_t count,
                            size_t size)
{
    void *ptr =
        inlay_arena_zalloc_array(&module->arena, count ? count : 1, size);

    if (!ptr)
        PyErr_NoMemory();
    return ptr;
}

/* `__x__` is Python's own: a member called so would change the class. */
static bool is_reserved(struct inlay_py_state *state, PyObject *text)
{
    Py_ssize_t len = PyUnicode_GET_LENGTH(text);

    if (len > 4 && PyUnicode_READ_CHAR(text, 0) == '_' &&
        PyUnicode_READ_CHAR(text, 1) == '_' &&
        PyUnicode_READ_CHAR(text, len - 2) == '_' &&
        PyUnicode_READ_CHAR(text, len - 1) == '_' &&
        PyUnicode_READ_CHAR(text, len - 3) != '_')
        return true;
    return PySet_Contains(state->keywords, text) > 0;
}

PyObject *inlay_py_identifier(struct inlay_py_state *state,
                              struct inlay_str name,
                              size_t position)
{
    PyObject *text;

    if (name.len)
        text = inlay_py_text(name);
    else
        text = PyUnicode_FromFormat("arg%zu", position + 1);
    /* "outer.part", of a struct without a name of its own. */
    if (text && name.len && memchr(name.ptr, '.', name.len))
        Py_SETREF(text, PyObject_CallMethod(text, "replace", "ss", ".", "_"));
    if (text && is_reserved(state, text))
        Py_SETREF(text, PyUnicode_FromFormat("%U_", text));
    if (text)
        PyUnicode_InternInPlace(&text);
    return text;
}

static struct inlay_str member_name(const void *members,
                                    size_t stride,
                                    size_t i)
{
    return *(const struct inlay_str *)((const char *)members + i * stride);
}

/* Another underscore, until nobody else is called so. */
static int make_unique(PyObject *taken, PyObject **name)
{
    int found;

    while ((found = PySet_Contains(taken, *name)) > 0) {
        Py_SETREF(*name, PyUnicode_FromFormat("%U_", *name));
        if (!*name)
            return -1;
    }
    PyUnicode_InternInPlace(name);
    return found < 0 ? -1 : PySet_Add(taken, *name);
}

PyObject **inlay_py_identifiers(struct inlay_py_module *module,
                                const void *members,
                                size_t stride,
                                size_t count)
{
    PyObject **names = inlay_py_module_alloc(module, count, sizeof(*names));
    bool *done = inlay_py_module_alloc(module, count, sizeof(*done));
    _cleanup_decref_ PyObject *taken = PySet_New(NULL);

    if (!names || !done || !taken)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        struct inlay_str raw = member_name(members, stride, i);
        _cleanup_decref_ PyObject *as_is = inlay_py_text(raw);

        names[i] = inlay_py_identifier(module->state, raw, i);
        if (!names[i] || !as_is)
            return NULL;
        int found = PySet_Contains(taken, names[i]);
        done[i] = !found && PyUnicode_Compare(names[i], as_is) == 0;
        if (found < 0 || (done[i] && PySet_Add(taken, names[i]) < 0))
            return NULL;
    }
    for (size_t i = 0; i < count; i++)
        if (!done[i] && make_unique(taken, &names[i]) < 0)
            return NULL;
    return names;
}

/* In the list, a record that is of the same struct; NULL: none, or failed. */
static struct inlay_py_record *find_record(struct inlay_py_record *list,
                                           const struct inlay_type *c,
                                           bool *failed)
{
    for (; list; list = list->next) {
        int same = inlay_py_type_same(list->c, c);

        *failed |= same < 0;
        if (same)
            return same > 0 ? list : NULL;
    }
    return NULL;
}

static struct inlay_py_enum *find_enum(struct inlay_py_enum *list,
                                       const struct inlay_type *c)
{
    while (list && inlay_py_type_same(list->c, c) != 1)
        list = list->next;
    return list;
}

static int make_record(struct inlay_py_module *module,
                       struct inlay_py_record *record)
{
    const struct inlay_type *c = record->c;

    record->nfields = c->nfields;
    record->rules = inlay_py_rules_any(c);
    record->guarded = inlay_py_rules_within(c);
    record->state = module->state;
    record->names =
        inlay_py_identifiers(module, c->fields, sizeof(*c->fields), c->nfields);
    record->types =
        inlay_py_module_alloc(module, c->nfields, sizeof(*record->types));
    if (!record->names || !record->types)
        return -1;
    for (size_t i = 0; i < c->nfields; i++) {
        record->types[i] = inlay_py_type_bind(module, c->fields[i].type);
        if (!record->types[i])
            return -1;
    }
    return inlay_py_struct_create(module, record);
}

static int bind_record(struct inlay_py_module *module,
                       struct inlay_py_type *type)
{
    const struct inlay_py_module *previous = module->previous;
    bool failed = false;
    struct inlay_py_record *record, *old;

    type->record = find_record(module->records, type->c, &failed);
    if (type->record)
        return 0;
    old = find_record(previous ? previous->records : NULL, type->c, &failed);
    record = inlay_py_module_alloc(module, 1, sizeof(*record));
    if (failed && record)
        PyErr_NoMemory();
    if (failed || !record)
        return -1;
    if (old)
        *record = *old;
    record->c = type->c;
    /* Known before its fields are: one may lead back to it. */
    record->next = module->records;
    module->records = record;
    type->record = record;
    return old ? 0 : make_record(module, record);
}

static int bind_enum(struct inlay_py_module *module, struct inlay_py_type *type)
{
    const struct inlay_py_module *previous = module->previous;
    struct inlay_py_enum *made, *old;

    type->enumeration = find_enum(module->enums, type->c);
    if (type->enumeration)
        return 0;
    old = find_enum(previous ? previous->enums : NULL, type->c);
    made = inlay_py_module_alloc(module, 1, sizeof(*made));
    if (!made)
        return -1;
    if (old)
        *made = *old;
    made->c = type->c;
    made->next = module->enums;
    module->enums = made;
    type->enumeration = made;
    return old ? 0 : inlay_py_enum_create(module, made);
}

/* The slice as which an array is read. */
static int bind_array(struct inlay_py_module *module,
                      struct inlay_py_type *type)
{
    struct inlay_type *c = inlay_py_module_alloc(module, 1, sizeof(*c));
    struct inlay_py_type *slice =
        inlay_py_module_alloc(module, 1, sizeof(*slice));

    if (!c || !slice)
        return -1;
    *c = (struct inlay_type){
        .kind = INLAY_KIND_SLICE,
        .size = 16,
        .align = 8,
        .name = type->c->name,
        .elem = type->c->elem,
        .len_offset = 8,
        .elem_const = true,
    };
    *slice = (struct inlay_py_type){.c = c, .elem = type->elem};
    type->slice = slice;
    return 0;
}

static int bind(struct inlay_py_module *module, struct inlay_py_type *type)
{
    switch (type->c->kind) {
    case INLAY_KIND_SLICE:
    case INLAY_KIND_OWNED:
    case INLAY_KIND_OPTIONAL:
    case INLAY_KIND_POINTER:
    case INLAY_KIND_ARRAY:
        type->elem = inlay_py_type_bind(module, type->c->elem);
        if (!type->elem)
            return -1;
        return type->c->kind == INLAY_KIND_ARRAY ? bind_array(module, type) : 0;
    case INLAY_KIND_STRUCT:
        return bind_record(module, type);
    case INLAY_KIND_ENUM:
        return bind_enum(module, type);
    case INLAY_KIND_HANDLE:
        return inlay_py_handle_bind(module, type);
    case INLAY_KIND_CALLBACK:
        return inlay_py_closure_bind(module, type);
    case INLAY_KIND_VOID:
    case INLAY_KIND_BOOL:
    case INLAY_KIND_INT:
    case INLAY_KIND_UINT:
    case INLAY_KIND_FLOAT:
    case INLAY_KIND_CHAR:
    case INLAY_KIND_CSTR:
    case INLAY_KIND_STR:
    case INLAY_KIND_BYTES:
    case INLAY_KIND_DATE:
    case INLAY_KIND_DATETIME:
    case INLAY_KIND_UUID:
    case INLAY_KIND_UPLOAD:
    case INLAY_KIND_CHARS:
    case INLAY_KIND_OBJECT:
    case INLAY_KIND_USERDATA:
    case INLAY_KIND_ARROW_ARRAY:
    case INLAY_KIND_ARROW_SCHEMA:
    case INLAY_KIND_INJECTED:
    case INLAY_KIND_UNSUPPORTED:
        break;
    }
    return 0;
}

const struct inlay_py_type *inlay_py_type_bind(struct inlay_py_module *module,
                                               const struct inlay_type *type)
{
    struct inlay_py_type *bound;

    for (bound = module->types; bound; bound = bound->next)
        if (bound->c == type)
            return bound;
    bound = inlay_py_module_alloc(module, 1, sizeof(*bound));
    if (!bound)
        return NULL;
    bound->c = type;
    bound->next = module->types;
    module->types = bound;
    return bind(module, bound) < 0 ? NULL : bound;
}

const struct inlay_py_type *inlay_py_param_bind(struct inlay_py_module *module,
                                                const struct inlay_param *param)
{
    const struct inlay_py_type *type = inlay_py_type_bind(module, param->type);

    if (!type || (type->c->kind != INLAY_KIND_POINTER &&
                  type->c->kind != INLAY_KIND_HANDLE &&
                  type->c->kind != INLAY_KIND_CALLBACK))
        return type;
    struct inlay_py_type *own = inlay_py_module_alloc(module, 1, sizeof(*own));
    if (!own)
        return NULL;
    *own = *type;
    own->required = !param->fallback;
    own->lent = type->c->kind == INLAY_KIND_POINTER && !type->c->elem_const;
    return own;
}

/* Another name for a class: "user_", while a function is called user. */
static int rename_class(PyObject *class, PyObject *name, PyObject *reasons)
{
    _cleanup_decref_ PyObject *other = PyUnicode_FromFormat("%U_", name);
    _cleanup_decref_ PyObject *reason =
        other ? PyUnicode_FromFormat(
                    "a function has this name, too: the class is %U", other)
              : NULL;

    return !reason || PyDict_SetItem(reasons, name, reason) < 0 ||
                   PyObject_SetAttrString(class, "__name__", other) < 0 ||
                   PyObject_SetAttrString(class, "__qualname__", other) < 0
               ? -1
               : 0;
}

/* A function of the same name goes first, as it is the one to call. */
static int publish(PyObject *names, PyObject *class, PyObject *reasons)
{
    for (;;) {
        _cleanup_decref_ PyObject *name =
            PyObject_GetAttrString(class, "__qualname__");
        PyObject *there = name ? PyDict_SetDefault(names, name, class) : NULL;

        if (!there || there == class)
            return there ? 0 : -1;
        if (rename_class(class, name, reasons) < 0)
            return -1;
    }
}

int inlay_py_classes_publish(struct inlay_py_module *module,
                             PyObject *names,
                             PyObject *reasons)
{
    for (struct inlay_py_record *it = module->records; it; it = it->next)
        if (inlay_py_struct_annotate(it) < 0 ||
            publish(names, (PyObject *)it->type, reasons) < 0)
            return -1;
    for (struct inlay_py_enum *it = module->enums; it; it = it->next)
        if (publish(names, it->type, reasons) < 0)
            return -1;
    return 0;
}

static PyObject *or_none(PyObject *type)
{
    PyObject *result = type ? PyNumber_Or(type, Py_None) : NULL;

    Py_XDECREF(type);
    return result;
}

static PyObject *list_of(PyObject *type)
{
    PyObject *result =
        type ? PyObject_GetItem((PyObject *)&PyList_Type, type) : NULL;

    Py_XDECREF(type);
    return result;
}

static PyObject *annotation_of(const struct inlay_py_type *type, int depth);

/* Callable[[int, str], bool] */
static PyObject *callable_of(const struct inlay_py_signature *signature,
                             int depth)
{
    _cleanup_decref_ PyObject *abc = PyImport_ImportModule("collections.abc");
    _cleanup_decref_ PyObject *class =
        abc ? PyObject_GetAttrString(abc, "Callable") : NULL;
    _cleanup_decref_ PyObject *params = PyList_New(0);
    _cleanup_decref_ PyObject *result =
        annotation_of(signature->result, depth + 1);

    if (!class || !params || !result)
        return NULL;
    for (size_t i = 0; i < signature->nparams; i++) {
        _cleanup_decref_ PyObject *param =
            annotation_of(signature->params[i], depth + 1);
        if (!param || PyList_Append(params, param) < 0)
            return NULL;
    }
    _cleanup_decref_ PyObject *key = PyTuple_Pack(2, params, result);
    return key ? PyObject_GetItem(class, key) : NULL;
}

static PyObject *core_class(const char *name)
{
    _cleanup_decref_ PyObject *core = PyImport_ImportModule("inlay._core");

    return core ? PyObject_GetAttrString(core, name) : NULL;
}

/* inlay.Array[float] */
static PyObject *array_of(PyObject *type)
{
    _cleanup_decref_ PyObject *elem = type;
    _cleanup_decref_ PyObject *class = elem ? core_class("Array") : NULL;

    return class ? PyObject_GetItem(class, elem) : NULL;
}

static PyObject *annotation_of(const struct inlay_py_type *type, int depth)
{
    if (depth == DEPTH_MOST)
        return Py_NewRef((PyObject *)&PyBaseObject_Type);
    switch (type->c->kind) {
    case INLAY_KIND_VOID:
        return Py_NewRef(Py_None);
    case INLAY_KIND_BOOL:
        return Py_NewRef((PyObject *)&PyBool_Type);
    case INLAY_KIND_INT:
    case INLAY_KIND_UINT:
        return Py_NewRef((PyObject *)&PyLong_Type);
    case INLAY_KIND_FLOAT:
        return Py_NewRef((PyObject *)&PyFloat_Type);
    case INLAY_KIND_STR:
    case INLAY_KIND_CHAR:
    case INLAY_KIND_CHARS:
        return Py_NewRef((PyObject *)&PyUnicode_Type);
    case INLAY_KIND_CSTR:
        return or_none(Py_NewRef((PyObject *)&PyUnicode_Type));
    case INLAY_KIND_BYTES:
        return Py_NewRef((PyObject *)&PyBytes_Type);
    case INLAY_KIND_SLICE:
    case INLAY_KIND_ARRAY:
        return list_of(annotation_of(type->elem, depth + 1));
    case INLAY_KIND_OPTIONAL:
        return or_none(annotation_of(type->elem, depth + 1));
    case INLAY_KIND_STRUCT:
        return Py_NewRef((PyObject *)type->record->type);
    case INLAY_KIND_POINTER:
        if (type->required)
            return annotation_of(type->elem, depth + 1);
        return or_none(annotation_of(type->elem, depth + 1));
    case INLAY_KIND_ENUM:
        return Py_NewRef(type->enumeration->type);
    case INLAY_KIND_OWNED:
        return array_of(annotation_of(type->elem, depth + 1));
    case INLAY_KIND_HANDLE:
        return inlay_py_handle_annotation(type);
    case INLAY_KIND_CALLBACK:
        if (type->required)
            return callable_of(type->closure, depth);
        return or_none(callable_of(type->closure, depth));
    case INLAY_KIND_DATE:
    case INLAY_KIND_DATETIME:
    case INLAY_KIND_UUID:
        return inlay_py_moment_class(type->c->kind);
    case INLAY_KIND_OBJECT:
    case INLAY_KIND_USERDATA:
    case INLAY_KIND_ARROW_ARRAY:
    case INLAY_KIND_ARROW_SCHEMA:
    case INLAY_KIND_INJECTED:
    case INLAY_KIND_UPLOAD:
    case INLAY_KIND_UNSUPPORTED:
        break;
    }
    return Py_NewRef((PyObject *)&PyBaseObject_Type);
}

PyObject *inlay_py_type_annotation(const struct inlay_py_type *type)
{
    return annotation_of(type, 0);
}
