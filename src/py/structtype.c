/*
 * structtype.c - struct classes. All of them derive from inlay.Struct and
 * share these functions; a class adds its members. An instance knows its
 * record, a class has it in its descriptor `__inlay_record__`.
 */
#include "py/structtype.h"

#include "base/macros.h"
#include "py/names.h"
#include "py/rules.h"
#include "py/structimage.h"
#include "py/structinit.h"

#include "base/banned.h"

/*
 * Instances that wait to be used again, linked by values[0]; each still has
 * its reference to the class. Shared by the generations of a module that have
 * that class.
 */
#define SPARES_MOST 16
struct inlay_py_spares {
    struct inlay_py_struct *first;
    size_t count;
};

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

    for (size_t i = 0; self->record && i < self->record->nfields; i++) {
        /* Letting one go may run code that passes it to C. */
        self->fresh = false;
        Py_CLEAR(self->values[i]);
    }
    return 0;
}

/* Numbers and text go without further ado; is that all there was? */
static bool clear_plain(struct inlay_py_struct *self)
{
    bool all = true;

    for (size_t i = 0; i < self->record->nfields; i++) {
        PyObject *value = self->values[i];

        if (!value)
            continue;
        if (PyUnicode_CheckExact(value) || PyFloat_CheckExact(value) ||
            PyLong_CheckExact(value) || PyBool_Check(value))
            Py_CLEAR(self->values[i]);
        else
            all = false;
    }
    return all;
}

/* To the spares, if it is of the class itself. */
static void give_back(struct inlay_py_struct *self)
{
    PyTypeObject *type = Py_TYPE(self);
    struct inlay_py_spares *spares = self->record->spares;

    if (type == self->record->type && spares->count < SPARES_MOST &&
        self->record->nfields) {
        self->fresh = false;
        self->values[0] = (PyObject *)spares->first;
        spares->first = self;
        spares->count++;
    } else {
        type->tp_free(self);
        Py_DECREF(type);
    }
}

static void struct_dealloc(PyObject *object)
{
    struct inlay_py_struct *self = (struct inlay_py_struct *)object;

    PyObject_GC_UnTrack(object);
    if (inlay_likely(clear_plain(self))) {
        give_back(self);
        return;
    }
    Py_TRASHCAN_BEGIN(object, struct_dealloc) struct_clear(object);
    give_back(self);
    Py_TRASHCAN_END
}

static PyObject *get_record(PyObject *object, void *record)
{
    (void)object;
    return Py_NewRef(((struct inlay_py_record *)record)->type);
}

const struct inlay_py_record *inlay_py_struct_record(PyTypeObject *type)
{
    for (; type; type = type->tp_base)
        if (type->tp_getset && type->tp_getset->get == get_record)
            return type->tp_getset->closure;
    return NULL;
}

static PyObject *struct_new(PyTypeObject *type,
                            PyObject *args,
                            PyObject *kwargs)
{
    const struct inlay_py_record *record = inlay_py_struct_record(type);

    (void)args;
    (void)kwargs;
    if (!record) {
        PyErr_Format(PyExc_TypeError,
                     "cannot create '%s' instances: "
                     "the classes of C structs derive from it",
                     type->tp_name);
        return NULL;
    }
    if (type == record->type)
        return (PyObject *)inlay_py_struct_alloc(record);
    struct inlay_py_struct *self =
        (struct inlay_py_struct *)type->tp_alloc(type, 0);
    if (self)
        self->record = record;
    return (PyObject *)self;
}

struct inlay_py_struct *inlay_py_struct_alloc_bare(
    const struct inlay_py_record *record)
{
    struct inlay_py_spares *spares = record->spares;
    struct inlay_py_struct *self = spares->first;

    if (inlay_unlikely(!self)) {
        self =
            (struct inlay_py_struct *)record->type->tp_alloc(record->type, 0);
        if (!self)
            return NULL;
        self->record = record;
        PyObject_GC_UnTrack(self);
        return self;
    }
    spares->first = (struct inlay_py_struct *)self->values[0];
    spares->count--;
    self->values[0] = NULL;
    _Py_NewReference((PyObject *)self);
    return self;
}

struct inlay_py_struct *inlay_py_struct_alloc(
    const struct inlay_py_record *record)
{
    struct inlay_py_struct *self = inlay_py_struct_alloc_bare(record);

    if (self)
        PyObject_GC_Track(self);
    return self;
}

static int struct_init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    struct inlay_py_struct *self = (struct inlay_py_struct *)object;
    size_t given = (size_t)PyTuple_GET_SIZE(args);
    PyObject *key, *value;
    Py_ssize_t at = 0;

    /* Called again, it starts anew. */
    if (inlay_py_struct_touch(self) < 0)
        return -1;
    struct_clear(object);
    inlay_py_struct_positional(self, &PyTuple_GET_ITEM(args, 0), given);
    while (kwargs && PyDict_Next(kwargs, &at, &key, &value))
        if (inlay_py_struct_keyword(self, given, key, value) < 0)
            return -1;
    return inlay_py_struct_complete(self, given);
}

/* By tp_call, as somebody has set __new__ or __init__ of the class. */
static PyObject *call_slowly(PyTypeObject *type,
                             PyObject *const *args,
                             size_t given,
                             PyObject *kwnames)
{
    _cleanup_decref_ PyObject *tuple = PyTuple_New((Py_ssize_t)given);
    _cleanup_decref_ PyObject *dict = PyDict_New();

    if (!tuple || !dict)
        return NULL;
    for (size_t i = 0; i < given; i++)
        PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, Py_NewRef(args[i]));
    for (Py_ssize_t i = 0; kwnames && i < PyTuple_GET_SIZE(kwnames); i++)
        if (PyDict_SetItem(dict, PyTuple_GET_ITEM(kwnames, i),
                           args[given + (size_t)i]) < 0)
            return NULL;
    return PyType_Type.tp_call((PyObject *)type, tuple, dict);
}

/* user(…) without a tuple and a dict in between. */
static PyObject *struct_call(PyObject *class,
                             PyObject *const *args,
                             size_t nargsf,
                             PyObject *kwnames)
{
    PyTypeObject *type = (PyTypeObject *)class;
    size_t given = (size_t)PyVectorcall_NARGS(nargsf);
    Py_ssize_t nkeywords = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    struct inlay_py_struct *self;

    if (type->tp_new != struct_new || type->tp_init != struct_init)
        return call_slowly(type, args, given, kwnames);
    self = (struct inlay_py_struct *)struct_new(type, NULL, NULL);
    if (!self)
        return NULL;
    inlay_py_struct_positional(self, args, given);
    for (Py_ssize_t i = 0; i < nkeywords; i++)
        if (inlay_py_struct_keyword(self, given, PyTuple_GET_ITEM(kwnames, i),
                                    args[given + (size_t)i]) < 0) {
            Py_DECREF(self);
            return NULL;
        }
    if (inlay_py_struct_complete(self, given) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
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
    if (name && inlay_py_struct_read((struct inlay_py_struct *)object) == 0)
        fields = repr_fields((struct inlay_py_struct *)object);
    Py_ReprLeave(object);
    return fields ? PyUnicode_FromFormat("%U(%U)", name, fields) : NULL;
}

/* 1 equal, 0 not, -1 with an exception. */
static int fields_equal(struct inlay_py_struct *a, struct inlay_py_struct *b)
{
    int equal = 1;

    if (inlay_py_struct_read(a) < 0 || inlay_py_struct_read(b) < 0 ||
        Py_EnterRecursiveCall(" in comparison"))
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

/* The fields that are set: {name: value}. */
static PyObject *fields_dict(struct inlay_py_struct *self)
{
    PyObject *dict = inlay_py_struct_read(self) < 0 ? NULL : PyDict_New();

    for (size_t i = 0; dict && i < self->record->nfields; i++)
        if (self->values[i] &&
            PyDict_SetItem(dict, self->record->names[i], self->values[i]) < 0)
            Py_CLEAR(dict);
    return dict;
}

/*
 * copy, deepcopy and pickle: an instance without fields, then its state, so
 * that a struct which leads back to itself does so again.
 */
static PyObject *struct_reduce(PyObject *object, PyObject *unused)
{
    _cleanup_decref_ PyObject *copyreg = PyImport_ImportModule("copyreg");
    _cleanup_decref_ PyObject *create =
        copyreg ? PyObject_GetAttrString(copyreg, "__newobj__") : NULL;
    _cleanup_decref_ PyObject *fields =
        fields_dict((struct inlay_py_struct *)object);
    _cleanup_decref_ PyObject *dict = NULL;

    (void)unused;
    if (!create || !fields)
        return NULL;
    /* A subclass may have further attributes. */
    if (Py_TYPE(object)->tp_dictoffset) {
        dict = PyObject_GenericGetDict(object, NULL);
        if (!dict)
            return NULL;
    }
    return Py_BuildValue("(O(O)(OO))", create, Py_TYPE(object),
                         dict ? dict : Py_None, fields);
}

/* For dict(u) and **u. */
static PyObject *struct_keys(PyObject *object, PyObject *unused)
{
    _cleanup_decref_ PyObject *fields =
        fields_dict((struct inlay_py_struct *)object);

    (void)unused;
    return fields ? PyDict_Keys(fields) : NULL;
}

static PyObject *struct_item(PyObject *object, PyObject *key)
{
    struct inlay_py_struct *self = (struct inlay_py_struct *)object;
    Py_ssize_t count = (Py_ssize_t)self->record->nfields, i = count;

    if (PyUnicode_Check(key))
        i = inlay_py_names_find(self->record->names, (size_t)count, key);
    if (i < 0 || inlay_py_struct_read(self) < 0)
        return NULL;
    if (i < count && self->values[i])
        return Py_NewRef(self->values[i]);
    PyErr_SetObject(PyExc_KeyError, key);
    return NULL;
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

/* For pydantic, which sets the fields by itself. */
static PyObject *struct_verify(PyObject *object, PyObject *unused)
{
    struct inlay_py_struct *self = (struct inlay_py_struct *)object;

    (void)unused;
    if (inlay_py_struct_read(self) < 0 ||
        (self->record->rules && inlay_py_rules_verify(self) < 0))
        return NULL;
    return Py_NewRef(object);
}

static PyMethodDef struct_methods[] = {
    {"__reduce__", struct_reduce, METH_NOARGS, NULL},
    {"__inlay_verify__", struct_verify, METH_NOARGS, NULL},
    {"keys", struct_keys, METH_NOARGS,
     "keys($self, /)\n--\n\nThe names of the fields."},
    {"__get_pydantic_core_schema__", struct_schema, METH_VARARGS | METH_CLASS,
     NULL},
    {NULL, NULL, 0, NULL},
};

/* Each class gets them too: PyType_FromSpec would fill in its own. */
#define SHARED_SLOTS                                                           \
    {Py_tp_new, struct_new}, {Py_tp_init, struct_init},                        \
        {Py_tp_dealloc, struct_dealloc}, {Py_tp_traverse, struct_traverse},    \
        {Py_tp_clear, struct_clear}, {Py_tp_repr, struct_repr},                \
        {Py_tp_richcompare, struct_compare}, {Py_mp_subscript, struct_item},   \
    {                                                                          \
        Py_tp_hash, PyObject_HashNotImplemented                                \
    }

static PyMemberDef *make_members(struct inlay_py_module *module,
                                 const struct inlay_py_record *record)
{
    PyMemberDef *members =
        inlay_py_module_alloc(module, record->nfields + 1, sizeof(*members));

    for (size_t i = 0; members && !record->image && i < record->nfields; i++) {
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

/*
 * The first one's closure is the record: the way from a class to it. The
 * others are the fields, if numbers become values when they are asked for.
 */
static PyGetSetDef *make_getset(struct inlay_py_module *module,
                                struct inlay_py_record *record)
{
    PyGetSetDef *getset =
        inlay_py_module_alloc(module, record->nfields + 2, sizeof(*getset));

    if (!getset)
        return NULL;
    getset[0] = (PyGetSetDef){
        .name = "__inlay_record__",
        .get = get_record,
        .doc = "The class of the C struct, also of a subclass's instance.",
        .closure = record,
    };
    for (size_t i = 0; record->image && i < record->nfields; i++) {
        getset[1 + i] = (PyGetSetDef){
            .name = PyUnicode_AsUTF8(record->names[i]),
            .get = inlay_py_image_get,
            .set = inlay_py_image_set,
            .closure = (void *)(uintptr_t)i,
        };
        if (!getset[1 + i].name)
            return NULL;
    }
    return getset;
}

static bool is_flat(const struct inlay_py_record *record)
{
    for (size_t i = 0; i < record->nfields; i++) {
        enum inlay_kind kind = record->types[i]->c->kind;

        if (kind == INLAY_KIND_STRUCT || kind == INLAY_KIND_POINTER ||
            kind == INLAY_KIND_SLICE || kind == INLAY_KIND_ARRAY ||
            kind == INLAY_KIND_OPTIONAL)
            return false;
    }
    return true;
}

int inlay_py_struct_create(struct inlay_py_module *module,
                           struct inlay_py_record *record)
{
    if (inlay_py_image_lay(module, record) < 0)
        return -1;
    PyObject *base = (PyObject *)module->state->struct_type;
    size_t size = offsetof(struct inlay_py_struct, values) +
                  record->nfields * sizeof(PyObject *);
    if (record->image)
        size = record->image->offset + (((size_t)record->c->size + 7) & ~7u);
    PyMemberDef *members = make_members(module, record);
    PyGetSetDef *getset = make_getset(module, record);
    _cleanup_decref_ PyObject *tag =
        inlay_py_identifier(module->state, record->c->name, 0);

    record->flat = is_flat(record);
    record->spares = inlay_py_module_alloc(module, 1, sizeof(*record->spares));
    if (!members || !getset || !tag || !record->spares)
        return -1;
    /* CPython 3.10 and 3.11 keep the pointer to the name. */
    struct inlay_str name = inlay_arena_format(&module->arena, "%s.%s",
                                               PyUnicode_AsUTF8(module->name),
                                               PyUnicode_AsUTF8(tag));
    _cleanup_decref_ PyObject *bases = PyTuple_Pack(1, base);
    struct inlay_str doc = inlay_py_struct_doc(module, record, tag);
    if (!name.ptr || !doc.ptr) {
        PyErr_NoMemory();
        return -1;
    }
    if (!bases)
        return -1;
    PyType_Slot slots[] = {
        SHARED_SLOTS,
        {Py_tp_members, members},
        {Py_tp_getset, getset},
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
    if (!record->type)
        return -1;
    record->type->tp_vectorcall = struct_call;
    return inlay_py_struct_describe(record);
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
