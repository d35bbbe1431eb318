/*
 * handleclass.c - the classes of C's object idiom: made when a module is
 * loaded, kept when it is loaded again.
 */
#include "base/mem.h"
#include "dwarf/dwarf.h"
#include "py/callable.h"
#include "py/errors.h"
#include "py/handle.h"

#include "base/banned.h"

/* --- What a class works out when it is asked for ------------------------- */

struct attribute {
    PyObject_HEAD
    const struct inlay_py_class *class;
    PyObject *why; /* of a method that can't be called; NULL: __signature__ */
};

static void attribute_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    Py_CLEAR(((struct attribute *)object)->why);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *attribute_get(PyObject *object,
                               PyObject *instance,
                               PyObject *owner)
{
    struct attribute *self = (struct attribute *)object;
    const struct inlay_py_class *class = self->class;
    const PyTypeObject *type = (PyTypeObject *)owner;

    (void)instance;
    if (self->why) {
        PyErr_SetObject(PyExc_AttributeError, self->why);
        return NULL;
    }
    /* A subclass with a constructor of its own has a signature of its own. */
    if (class->create && owner && type->tp_init == class->type->tp_init &&
        type->tp_new == class->type->tp_new)
        return PyObject_GetAttrString(class->create, "__signature__");
    PyErr_SetString(PyExc_AttributeError, "__signature__");
    return NULL;
}

static PyObject *attribute_create(const struct inlay_py_class *class,
                                  struct inlay_py_state *state,
                                  PyObject *why)
{
    PyTypeObject *type = state->attribute_type;
    PyObject *object = type->tp_alloc(type, 0);

    if (object) {
        ((struct attribute *)object)->class = class;
        ((struct attribute *)object)->why = Py_XNewRef(why);
    }
    return object;
}

int inlay_py_attributes_init(PyObject *module, struct inlay_py_state *state)
{
    static PyType_Slot slots[] = {
        {Py_tp_dealloc, attribute_dealloc},
        {Py_tp_descr_get, attribute_get},
        {0, NULL},
    };
    static PyType_Spec spec = {
        .name = "inlay._core.attribute",
        .basicsize = sizeof(struct attribute),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
                 Py_TPFLAGS_DISALLOW_INSTANTIATION,
        .slots = slots,
    };

    state->attribute_type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    return state->attribute_type ? 0 : -1;
}

/* --- Generations --------------------------------------------------------- */

static struct inlay_py_object *find_object(const struct inlay_py_module *module,
                                           struct inlay_str name)
{
    struct inlay_py_object *at = module->objects;

    while (at && !inlay_str_equal(at->c->name, name))
        at = at->next;
    return at;
}

/* The class of that name in an earlier generation, however long ago. */
static struct inlay_py_class *find_class(const struct inlay_py_module *module,
                                         struct inlay_str name)
{
    for (const struct inlay_py_module *at = module->previous; at;
         at = at->previous) {
        const struct inlay_py_object *object = find_object(at, name);

        if (object && object->class->type)
            return object->class;
    }
    return NULL;
}

static struct inlay_py_class *class_create(struct inlay_py_module *module,
                                           const struct inlay_object *c)
{
    struct inlay_py_class *class =
        inlay_py_module_alloc(module, 1, sizeof(*class));

    if (!class)
        return NULL;
    class->leaf = inlay_py_identifier(module->state, c->name, 0);
    class->name = class->leaf
                      ? PyUnicode_FromFormat("%U.%U", module->name, class->leaf)
                      : NULL;
    return class->name ? class : NULL;
}

static const struct inlay_callable *find_callable(
    const struct inlay_module *module,
    const struct inlay_func *func)
{
    for (size_t i = 0; i < module->ncallables; i++)
        if (module->callables[i].func == func)
            return module->callables[i].plan ? &module->callables[i] : NULL;
    return NULL;
}

/* The comment above the struct, or else counter_new's. */
static struct inlay_str find_doc(struct inlay_py_module *module,
                                 const struct inlay_object *c)
{
    struct inlay_doc_cache cache = {0};
    struct inlay_str doc = {NULL, 0};

    if (c->decl.file.len)
        doc = inlay_doc_find(&cache, &c->decl, &module->arena);
    inlay_doc_cache_deinit(&cache);
    return doc.len ? doc : c->create->doc;
}

struct inlay_py_object *inlay_py_object_bind(struct inlay_py_module *module,
                                             const struct inlay_object *c)
{
    struct inlay_py_object *object = find_object(module, c->name);

    if (object)
        return object;
    object = inlay_py_module_alloc(module, 1, sizeof(*object));
    if (!object)
        return NULL;
    object->c = c;
    object->module = module;
    object->doc = find_doc(module, c);
    object->members = PyDict_New();
    object->destroy = find_callable(module->native, c->destroy);
    object->class = find_class(module, c->name);
    if (!object->class)
        object->class = class_create(module, c);
    if (!object->class || !object->members)
        return NULL;
    if (!object->destroy) {
        PyErr_Format(PyExc_ImportError,
                     "%U: its finalizer can't be called from Inlay",
                     object->class->name);
        return NULL;
    }
    object->next = module->objects;
    module->objects = object;
    return object;
}

int inlay_py_handle_bind(struct inlay_py_module *module,
                         struct inlay_py_type *type)
{
    type->object = inlay_py_object_bind(module, type->c->object);
    return type->object ? 0 : -1;
}

PyObject *inlay_py_handle_annotation(const struct inlay_py_type *type)
{
    PyObject *class = (PyObject *)type->object->class->type;

    return type->required ? Py_NewRef(class) : PyNumber_Or(class, Py_None);
}

int inlay_py_object_add(struct inlay_py_object *object,
                        const struct inlay_func *func,
                        const struct inlay_py_plan *plan,
                        PyObject *value)
{
    struct inlay_py_state *state = object->module->state;
    size_t prefix = object->c->name.len + 1;

    if (func == object->c->create) {
        object->plan = plan;
        if (PyUnicode_Check(value))
            Py_XSETREF(object->no_create, Py_NewRef(value));
        else
            Py_XSETREF(object->create, Py_NewRef(value));
        return 0;
    }
    if (func->name.len <= prefix)
        return 0;
    _cleanup_decref_ PyObject *leaf = inlay_py_identifier(
        state, inlay_str_make(func->name.ptr + prefix, func->name.len - prefix),
        0);
    if (!leaf)
        return -1;
    if (!PyUnicode_Check(value))
        return PyDict_SetItem(object->members, leaf, value);
    _cleanup_decref_ PyObject *why = PyUnicode_FromFormat(
        "%U.%U can't be called: %U", object->class->name, leaf, value);
    _cleanup_decref_ PyObject *attribute =
        why ? attribute_create(object->class, state, why) : NULL;
    return attribute ? PyDict_SetItem(object->members, leaf, attribute) : -1;
}

/* --- Classes ------------------------------------------------------------- */

static int set_doc(const struct inlay_py_object *object)
{
    struct inlay_str doc = object->doc;
    _cleanup_decref_ PyObject *text =
        doc.len ? inlay_py_text(doc) : Py_NewRef(Py_None);

    return text ? PyObject_SetAttrString((PyObject *)object->class->type,
                                         "__doc__", text)
                : -1;
}

/* "counter(start=0)\n--\n\n" as CPython wants it; "" when there is none. */
static PyObject *signature_text(const struct inlay_py_object *object)
{
    if (!object->plan)
        return PyUnicode_FromString("");
    _cleanup_decref_ PyObject *text = inlay_py_text_signature(object->plan);
    return text
               ? PyUnicode_FromFormat("%U%U\n--\n\n", object->class->leaf, text)
               : NULL;
}

static int make_type(struct inlay_py_object *object)
{
    struct inlay_py_class *class = object->class;
    struct inlay_py_state *state = object->module->state;
    PyObject *core = PyType_GetModule(state->object_type);
    _cleanup_decref_ PyObject *text = signature_text(object);
    _cleanup_decref_ PyObject *signature = attribute_create(class, state, NULL);

    if (!core || !text || !signature)
        return -1;
    class->type = inlay_py_handle_type(
        state, core, PyUnicode_AsUTF8(class->name), PyUnicode_AsUTF8(text));
    if (!class->type)
        return -1;
    class->type->tp_vectorcall = inlay_py_handle_create;
    class->next = state->classes;
    state->classes = class;
    return PyObject_SetAttrString((PyObject *)class->type, "__signature__",
                                  signature);
}

int inlay_py_objects_publish(struct inlay_py_module *module, PyObject *names)
{
    /* All of them first: a signature may name any. */
    for (struct inlay_py_object *at = module->objects; at; at = at->next)
        if (!at->class->type && make_type(at) < 0)
            return -1;
    for (struct inlay_py_object *at = module->objects; at; at = at->next)
        if (!PyDict_SetDefault(names, at->class->leaf,
                               (PyObject *)at->class->type))
            return -1;
    return 0;
}

/* Takes what is gone out of the type, and puts in what is new. */
static int set_members(struct inlay_py_class *class, PyObject *members)
{
    PyObject *type = (PyObject *)class->type, *name, *value;
    Py_ssize_t at = 0;

    while (class->members && PyDict_Next(class->members, &at, &name, &value)) {
        _cleanup_decref_ PyObject *now =
            inlay_py_dict_get(class->type->tp_dict, name);
        if (now == value && !(members && PyDict_Contains(members, name)) &&
            PyObject_SetAttr(type, name, NULL) < 0)
            return -1;
    }
    at = 0;
    while (members && PyDict_Next(members, &at, &name, &value)) {
        _cleanup_decref_ PyObject *former =
            class->members ? inlay_py_dict_get(class->members, name) : NULL;
        if (former != value && PyObject_SetAttr(type, name, value) < 0)
            return -1;
    }
    Py_XSETREF(class->members, Py_XNewRef(members));
    return 0;
}

static int commit(struct inlay_py_object *object)
{
    struct inlay_py_class *class = object->class;
    _cleanup_decref_ PyObject *text = signature_text(object);
    bool anew = class->create != NULL;

    if (!text || set_members(class, object->members) < 0 || set_doc(object) < 0)
        return -1;
    /* CPython has no way to give a class another __text_signature__. */
    if (anew && class->type->tp_doc &&
        PyUnicode_CompareWithASCIIString(text, class->type->tp_doc) != 0)
        *(char *)(uintptr_t) class->type->tp_doc = '\0';
    if (object->create || object->no_create) {
        Py_XSETREF(class->create, Py_XNewRef(object->create));
        Py_XSETREF(class->no_create, Py_XNewRef(object->no_create));
    }
    return 0;
}

int inlay_py_objects_commit(struct inlay_py_module *module)
{
    const struct inlay_py_module *previous = module->previous;

    for (struct inlay_py_object *at = module->objects; at; at = at->next)
        if (commit(at) < 0)
            return -1;
    /* A class without code keeps its constructor, which says so. */
    for (struct inlay_py_object *at = previous ? previous->objects : NULL; at;
         at = at->next)
        if (at->class->type && !find_object(module, at->c->name) &&
            set_members(at->class, NULL) < 0)
            return -1;
    return 0;
}
