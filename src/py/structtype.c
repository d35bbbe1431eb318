/*
 * structtype.c - struct classes. All of them derive from inlay.Struct and
 * share these functions; a class adds its members. An instance knows its
 * record, a class finds it through the capsule `__inlay_record__`.
 */
#include "py/structtype.h"

#include "py/structinit.h"

#include "base/banned.h"

#define RECORD_CAPSULE "inlay.record"

static int struct_traverse(PyObject *object, visitproc visit, void *arg)
{
    struct inlay_py_struct *self = (struct inlay_py_struct *)object;

    Py_VISIT(Py_TYPE(object));
    if (self->record)
        for (size_t i = 0; i < self->record->nfields; i++)
            Py_VISIT(self->values[i]);
    return 0;
}

static int struct_clear(PyObject *object)
{
    struct inlay_py_struct *self = (struct inlay_py_struct *)object;

    if (self->record)
        for (size_t i = 0; i < self->record->nfields; i++)
            Py_CLEAR(self->values[i]);
    return 0;
}

static void struct_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    Py_TRASHCAN_BEGIN(object, struct_dealloc) struct_clear(object);
    type->tp_free(object);
    Py_DECREF(type);
    Py_TRASHCAN_END
}

/* The record of a class, also of a subclass made in Python. */
static const struct inlay_py_record *record_of(PyTypeObject *type)
{
    _cleanup_decref_ PyObject *capsule =
        PyObject_GetAttrString((PyObject *)type, "__inlay_record__");

    if (!capsule)
        return NULL;
    return PyCapsule_GetPointer(capsule, RECORD_CAPSULE);
}

static PyObject *struct_new(PyTypeObject *type,
                            PyObject *args,
                            PyObject *kwargs)
{
    const struct inlay_py_record *record = record_of(type);

    (void)args;
    (void)kwargs;
    if (!record) {
        if (PyErr_ExceptionMatches(PyExc_AttributeError))
            PyErr_Format(PyExc_TypeError,
                         "cannot create '%s' instances: "
                         "the classes of C structs derive from it",
                         type->tp_name);
        return NULL;
    }
    /* Its attributes can be set: the record has to be of its own memory. */
    if (!PyType_IsSubtype(type, record->type)) {
        PyErr_Format(PyExc_TypeError,
                     "cannot create '%s' instances: __inlay_record__ is of %s",
                     type->tp_name, record->type->tp_name);
        return NULL;
    }
    struct inlay_py_struct *self =
        (struct inlay_py_struct *)type->tp_alloc(type, 0);
    if (self)
        self->record = record;
    return (PyObject *)self;
}

struct inlay_py_struct *inlay_py_struct_alloc(
    const struct inlay_py_record *record)
{
    struct inlay_py_struct *self =
        (struct inlay_py_struct *)record->type->tp_alloc(record->type, 0);

    if (self)
        self->record = record;
    return self;
}

static int struct_init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return inlay_py_struct_fill((struct inlay_py_struct *)object, args, kwargs);
}

static PyObject *repr_fields(const struct inlay_py_struct *self)
{
    _cleanup_decref_ PyObject *parts = PyList_New(0);
    _cleanup_decref_ PyObject *comma = PyUnicode_FromString(", ");

    if (!parts || !comma)
        return NULL;
    for (size_t i = 0; i < self->record->nfields; i++) {
        /* repr() may run Python code, which may change the field. */
        _cleanup_decref_ PyObject *value = Py_XNewRef(self->values[i]);
        if (!value)
            continue;
        _cleanup_decref_ PyObject *part =
            PyUnicode_FromFormat("%U=%R", self->record->names[i], value);
        if (!part || PyList_Append(parts, part) < 0)
            return NULL;
    }
    return PyUnicode_Join(comma, parts);
}

static PyObject *struct_repr(PyObject *object)
{
    int entered = Py_ReprEnter(object);

    if (entered < 0)
        return NULL;
    _cleanup_decref_ PyObject *name =
        PyObject_GetAttrString((PyObject *)Py_TYPE(object), "__qualname__");
    _cleanup_decref_ PyObject *fields = NULL;
    if (entered > 0)
        return name ? PyUnicode_FromFormat("%U(...)", name) : NULL;
    fields = name ? repr_fields((struct inlay_py_struct *)object) : NULL;
    Py_ReprLeave(object);
    return fields ? PyUnicode_FromFormat("%U(%U)", name, fields) : NULL;
}

/* 1 equal, 0 not, -1 with an exception. */
static int fields_equal(const struct inlay_py_struct *a,
                        const struct inlay_py_struct *b)
{
    int equal = 1;

    if (Py_EnterRecursiveCall(" in comparison"))
        return -1;
    for (size_t i = 0; i < a->record->nfields && equal == 1; i++) {
        _cleanup_decref_ PyObject *x = Py_XNewRef(a->values[i]);
        _cleanup_decref_ PyObject *y = Py_XNewRef(b->values[i]);

        equal = x && y ? PyObject_RichCompareBool(x, y, Py_EQ) : x == y;
    }
    Py_LeaveRecursiveCall();
    return equal;
}

static PyObject *struct_compare(PyObject *a, PyObject *b, int op)
{
    if ((op != Py_EQ && op != Py_NE) || Py_TYPE(a) != Py_TYPE(b))
        Py_RETURN_NOTIMPLEMENTED;
    int equal =
        fields_equal((struct inlay_py_struct *)a, (struct inlay_py_struct *)b);
    if (equal < 0)
        return NULL;
    return PyBool_FromLong(op == Py_EQ ? equal : !equal);
}

/* copy, deepcopy and pickle: the class and its arguments in order. */
static PyObject *struct_reduce(PyObject *object, PyObject *unused)
{
    struct inlay_py_struct *self = (struct inlay_py_struct *)object;
    size_t count = self->record->nfields;
    _cleanup_decref_ PyObject *values = PyTuple_New((Py_ssize_t)count);

    (void)unused;
    if (!values)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (!self->values[i]) {
            PyErr_SetObject(PyExc_AttributeError, self->record->names[i]);
            return NULL;
        }
        PyTuple_SET_ITEM(values, (Py_ssize_t)i, Py_NewRef(self->values[i]));
    }
    return PyTuple_Pack(2, Py_TYPE(object), values);
}

/* For pydantic, which calls it with the type and a handler for others. */
static PyObject *struct_schema(PyObject *type, PyObject *args)
{
    PyObject *source, *handler;

    if (!PyArg_ParseTuple(args, "OO", &source, &handler))
        return NULL;
    _cleanup_decref_ PyObject *schemas = PyImport_ImportModule("inlay.schemas");
    if (!schemas)
        return NULL;
    return PyObject_CallMethod(schemas, "core_schema_of", "OO", type, handler);
}

static PyMethodDef struct_methods[] = {
    {"__reduce__", struct_reduce, METH_NOARGS, NULL},
    {"__get_pydantic_core_schema__", struct_schema, METH_VARARGS | METH_CLASS,
     NULL},
    {NULL, NULL, 0, NULL},
};

/* Each class gets them too: PyType_FromSpec would fill in its own. */
#define SHARED_SLOTS                                                           \
    {Py_tp_new, struct_new}, {Py_tp_init, struct_init},                        \
        {Py_tp_dealloc, struct_dealloc}, {Py_tp_traverse, struct_traverse},    \
        {Py_tp_clear, struct_clear}, {Py_tp_repr, struct_repr},                \
        {Py_tp_richcompare, struct_compare},                                   \
    {                                                                          \
        Py_tp_hash, PyObject_HashNotImplemented                                \
    }

static PyMemberDef *make_members(struct inlay_py_module *module,
                                 const struct inlay_py_record *record)
{
    PyMemberDef *members =
        inlay_py_module_alloc(module, record->nfields + 1, sizeof(*members));

    for (size_t i = 0; members && i < record->nfields; i++) {
        members[i].name = PyUnicode_AsUTF8(record->names[i]);
        members[i].type = Py_T_OBJECT_EX;
        members[i].offset =
            (Py_ssize_t)(offsetof(struct inlay_py_struct, values) +
                         i * sizeof(PyObject *));
        if (!members[i].name)
            return NULL;
    }
    return members;
}

static int add_attributes(struct inlay_py_record *record)
{
    PyObject *type = (PyObject *)record->type;
    _cleanup_decref_ PyObject *capsule =
        PyCapsule_New(record, RECORD_CAPSULE, NULL);
    _cleanup_decref_ PyObject *names = PyTuple_New((Py_ssize_t)record->nfields);
    _cleanup_decref_ PyObject *optional = PySet_New(NULL);

    if (!capsule || !names || !optional)
        return -1;
    for (size_t i = 0; i < record->nfields; i++) {
        if (record->types[i]->c->kind == INLAY_KIND_OPTIONAL &&
            PySet_Add(optional, record->names[i]) < 0)
            return -1;
        PyTuple_SET_ITEM(names, (Py_ssize_t)i, Py_NewRef(record->names[i]));
    }
    if (PyObject_SetAttrString(type, "__inlay_record__", capsule) < 0 ||
        PyObject_SetAttrString(type, "__inlay_optional__", optional) < 0)
        return -1;
    return PyObject_SetAttrString(type, "__match_args__", names);
}

int inlay_py_struct_annotate(struct inlay_py_record *record)
{
    _cleanup_decref_ PyObject *types = PyDict_New();

    for (size_t i = 0; types && i < record->nfields; i++) {
        _cleanup_decref_ PyObject *annotation =
            inlay_py_type_annotation(record->types[i]);
        if (!annotation ||
            PyDict_SetItem(types, record->names[i], annotation) < 0)
            return -1;
    }
    if (!types)
        return -1;
    return PyObject_SetAttrString((PyObject *)record->type, "__annotations__",
                                  types);
}

/*
 * "point(x, y)" as CPython wants it, for inspect. Python can't say that a
 * field behind an optional one is required: then there is none.
 */
static struct inlay_str make_doc(struct inlay_py_module *module,
                                 const struct inlay_py_record *record,
                                 PyObject *name)
{
    struct inlay_str doc =
        inlay_arena_format(&module->arena, "%s(", PyUnicode_AsUTF8(name));
    bool optional = false;

    for (size_t i = 0; doc.ptr && i < record->nfields; i++) {
        bool was_optional = optional;

        optional = record->types[i]->c->kind == INLAY_KIND_OPTIONAL;
        if (was_optional && !optional)
            return inlay_arena_format(&module->arena, "A C struct.");
        doc = inlay_arena_format(
            &module->arena, "%s%s%s%s", doc.ptr, i ? ", " : "",
            PyUnicode_AsUTF8(record->names[i]), optional ? "=None" : "");
    }
    if (doc.ptr)
        doc = inlay_arena_format(&module->arena, "%s)\n--\n\nA C struct.",
                                 doc.ptr);
    return doc;
}

int inlay_py_struct_create(struct inlay_py_module *module,
                           struct inlay_py_record *record)
{
    PyObject *base = (PyObject *)module->state->struct_type;
    size_t size = offsetof(struct inlay_py_struct, values) +
                  record->nfields * sizeof(PyObject *);
    PyMemberDef *members = make_members(module, record);
    _cleanup_decref_ PyObject *tag =
        inlay_py_identifier(module->state, record->c->name, 0);

    if (!members || !tag)
        return -1;
    /* CPython 3.10 and 3.11 keep the pointer to the name. */
    struct inlay_str name = inlay_arena_format(&module->arena, "%s.%s",
                                               PyUnicode_AsUTF8(module->name),
                                               PyUnicode_AsUTF8(tag));
    _cleanup_decref_ PyObject *bases = PyTuple_Pack(1, base);
    struct inlay_str doc = make_doc(module, record, tag);
    if (!name.ptr || !doc.ptr) {
        PyErr_NoMemory();
        return -1;
    }
    if (!bases)
        return -1;
    PyType_Slot slots[] = {
        SHARED_SLOTS,
        {Py_tp_members, members},
        {Py_tp_doc, (char *)(uintptr_t)doc.ptr},
        {0, NULL},
    };
    PyType_Spec spec = {
        .name = name.ptr,
        .basicsize = (int)size,
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
        .slots = slots,
    };
    record->type = (PyTypeObject *)PyType_FromSpecWithBases(&spec, bases);
    return record->type ? add_attributes(record) : -1;
}

int inlay_py_structs_init(PyObject *module, struct inlay_py_state *state)
{
    static PyType_Slot slots[] = {
        SHARED_SLOTS,
        {Py_tp_methods, struct_methods},
        {Py_tp_doc, (char *)(uintptr_t) "Base of the classes of C structs."},
        {0, NULL},
    };
    static PyType_Spec spec = {
        .name = "inlay.Struct",
        .basicsize = sizeof(struct inlay_py_struct),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
        .slots = slots,
    };

    state->struct_type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    if (!state->struct_type)
        return -1;
    return PyModule_AddType(module, state->struct_type);
}
