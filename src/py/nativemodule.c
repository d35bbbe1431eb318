/*
 * nativemodule.c - inlay._core.load: a shared object -> callables and struct
 * classes. The importer puts `namespace` into an ordinary Python module.
 */
#include "py/py.h"

#include <stddef.h>

#include "base/mem.h"
#include "py/binding.h"
#include "py/callable.h"
#include "py/errors.h"
#include "py/structtype.h"

#include "base/banned.h"

struct native_module {
    PyObject_HEAD
    struct inlay_py_module *binding;
    PyObject *name, *path;
    PyObject *namespace; /* name -> Function or struct class */
    PyObject *reasons;   /* name -> why it can't be called */
    PyObject *routes;    /* (methods, path, function, status, "file:line") */
};

static int native_traverse(PyObject *object, visitproc visit, void *arg)
{
    struct native_module *self = (struct native_module *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->namespace);
    Py_VISIT(self->reasons);
    Py_VISIT(self->routes);
    return 0;
}

static int native_clear(PyObject *object)
{
    struct native_module *self = (struct native_module *)object;

    Py_CLEAR(self->namespace);
    Py_CLEAR(self->reasons);
    Py_CLEAR(self->routes);
    return 0;
}

static void native_dealloc(PyObject *object)
{
    struct native_module *self = (struct native_module *)object;
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    native_clear(object);
    Py_CLEAR(self->name);
    Py_CLEAR(self->path);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *native_repr(PyObject *object)
{
    struct native_module *self = (struct native_module *)object;

    return PyUnicode_FromFormat("<inlay module %R from %R>", self->name,
                                self->path);
}

#define MEMBER(name)                                                           \
    {                                                                          \
#name, Py_T_OBJECT_EX,                                                 \
            (Py_ssize_t)offsetof(struct native_module, name), Py_READONLY,     \
            NULL                                                               \
    }

static PyMemberDef native_members[] = {
    MEMBER(name),    MEMBER(path),   MEMBER(namespace),
    MEMBER(reasons), MEMBER(routes), {NULL, 0, 0, 0, NULL},
};

static struct inlay_py_module *binding_create(struct inlay_py_state *state,
                                              struct inlay_module *native,
                                              PyObject *name)
{
    struct inlay_py_module *binding = inlay_calloc(1, sizeof(*binding));

    if (!binding) {
        PyErr_NoMemory();
        return NULL;
    }
    inlay_arena_init(&binding->arena, (size_t)1 << 30);
    binding->state = state;
    binding->native = native;
    binding->name = Py_NewRef(name);
    return binding;
}

static int add_reason(struct native_module *self, const struct inlay_func *func)
{
    _cleanup_decref_ PyObject *name = inlay_py_text(func->name);
    _cleanup_decref_ PyObject *reason = inlay_py_text(func->reason);

    return name && reason ? PyDict_SetItem(self->reasons, name, reason) : -1;
}

static int add_functions(struct native_module *self)
{
    const struct inlay_module *native = self->binding->native;

    for (size_t i = 0; i < native->ncallables; i++) {
        const struct inlay_callable *callable = &native->callables[i];

        if (!callable->func->exported)
            continue;
        if (!callable->plan) {
            if (add_reason(self, callable->func) < 0)
                return -1;
            continue;
        }
        _cleanup_decref_ PyObject *function =
            inlay_py_function_create(self->binding, callable);
        if (!function ||
            PyDict_SetItem(self->namespace,
                           ((struct inlay_py_function *)function)->plan->name,
                           function) < 0)
            return -1;
    }
    return 0;
}

/* A function of the same name goes first, as it is the one to call. */
static int add_structs(struct native_module *self)
{
    for (struct inlay_py_record *record = self->binding->records; record;
         record = record->next) {
        _cleanup_decref_ PyObject *name =
            PyObject_GetAttrString((PyObject *)record->type, "__qualname__");
        if (!name || inlay_py_struct_annotate(record) < 0 ||
            !PyDict_SetDefault(self->namespace, name, (PyObject *)record->type))
            return -1;
    }
    return 0;
}

static int add_routes(struct native_module *self)
{
    const struct inlay_module *native = self->binding->native;

    for (size_t i = 0; i < native->nroutes; i++) {
        const struct inlay_route_decl *route = &native->routes[i];
        _cleanup_decref_ PyObject *methods = inlay_py_text(route->methods);
        _cleanup_decref_ PyObject *path = inlay_py_text(route->path);
        _cleanup_decref_ PyObject *function =
            inlay_py_text(route->callable->func->name);
        _cleanup_decref_ PyObject *file = inlay_py_text(route->decl.file);
        if (!methods || !path || !function || !file)
            return -1;
        _cleanup_decref_ PyObject *row = Py_BuildValue(
            "(OOOiN)", methods, path, function, route->status,
            PyUnicode_FromFormat("%U:%u", file, route->decl.line));
        if (!row || PyList_Append(self->routes, row) < 0)
            return -1;
    }
    return 0;
}

static PyObject *native_create(struct inlay_py_state *state,
                               struct inlay_module *module,
                               PyObject *name,
                               PyObject *path)
{
    PyTypeObject *type = state->module_type;
    PyObject *object = type->tp_alloc(type, 0);
    struct native_module *self = (struct native_module *)object;

    if (!object)
        return NULL;
    self->name = Py_NewRef(name);
    self->path = Py_NewRef(path);
    self->namespace = PyDict_New();
    self->reasons = PyDict_New();
    self->routes = PyList_New(0);
    self->binding = binding_create(state, module, name);
    if (!self->namespace || !self->reasons || !self->routes || !self->binding ||
        add_functions(self) < 0 || add_structs(self) < 0 ||
        add_routes(self) < 0)
        Py_CLEAR(object);
    return object;
}

/* A module that is imported again takes the place of the former one. */
static int register_module(struct inlay_py_state *state,
                           struct inlay_module *module,
                           PyObject *object)
{
    for (size_t i = 0; i < state->nmodules; i++)
        if (inlay_str_equal(state->modules[i]->name, module->name)) {
            state->modules[i] = module;
            return PyList_SetItem(state->module_list, (Py_ssize_t)i,
                                  Py_NewRef(object));
        }
    if (state->nmodules == state->modules_size) {
        size_t size = state->modules_size ? 2 * state->modules_size : 8;
        void *grown =
            inlay_realloc(state->modules, size * sizeof(*state->modules));
        if (!grown) {
            PyErr_NoMemory();
            return -1;
        }
        state->modules = grown;
        state->modules_size = size;
    }
    if (PyList_Append(state->module_list, object) < 0)
        return -1;
    state->modules[state->nmodules++] = module;
    return 0;
}

static PyObject *core_load(PyObject *core, PyObject *args)
{
    struct inlay_py_state *state = inlay_py_state_of(core);
    PyObject *name, *path_bytes = NULL, *root_bytes = NULL;
    struct inlay_module *module;

    if (!PyArg_ParseTuple(args, "UO&O&:load", &name, PyUnicode_FSConverter,
                          &path_bytes, PyUnicode_FSConverter, &root_bytes))
        return NULL;
    _cleanup_decref_ PyObject *path_owned = path_bytes;
    _cleanup_decref_ PyObject *root_owned = root_bytes;
    Py_ssize_t length;
    const char *text = PyUnicode_AsUTF8AndSize(name, &length);
    if (!text)
        return NULL;
    struct inlay_error *error = inlay_module_open(
        inlay_str_make(text, (size_t)length), PyBytes_AS_STRING(path_owned),
        inlay_str_make(PyBytes_AS_STRING(root_owned),
                       (size_t)PyBytes_GET_SIZE(root_owned)),
        &module);
    if (error) {
        inlay_py_raise(error);
        return NULL;
    }
    _cleanup_decref_ PyObject *path =
        PyUnicode_DecodeFSDefault(PyBytes_AS_STRING(path_owned));
    _cleanup_decref_ PyObject *object =
        path ? native_create(state, module, name, path) : NULL;
    if (!object || register_module(state, module, object) < 0)
        return NULL;
    return Py_NewRef(object);
}

static PyObject *core_modules(PyObject *core, PyObject *unused)
{
    (void)unused;
    return PySequence_List(inlay_py_state_of(core)->module_list);
}

static PyMethodDef functions[] = {
    {"load", core_load, METH_VARARGS,
     "load($module, name, path, root, /)\n--\n\n"
     "Load the shared object at path, made from sources in folder root."},
    {"modules", core_modules, METH_NOARGS,
     "modules($module, /)\n--\n\n"
     "The modules that were loaded, one per name, in order."},
    {NULL, NULL, 0, NULL},
};

static int add_keywords(struct inlay_py_state *state)
{
    _cleanup_decref_ PyObject *keyword = PyImport_ImportModule("keyword");
    _cleanup_decref_ PyObject *list =
        keyword ? PyObject_GetAttrString(keyword, "kwlist") : NULL;

    state->keywords = list ? PyFrozenSet_New(list) : NULL;
    return state->keywords ? 0 : -1;
}

int inlay_py_modules_init(PyObject *module, struct inlay_py_state *state)
{
    static PyType_Slot slots[] = {
        {Py_tp_dealloc, native_dealloc}, {Py_tp_traverse, native_traverse},
        {Py_tp_clear, native_clear},     {Py_tp_repr, native_repr},
        {Py_tp_members, native_members}, {0, NULL},
    };
    static PyType_Spec spec = {
        .name = "inlay.NativeModule",
        .basicsize = sizeof(struct native_module),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                 Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
        .slots = slots,
    };

    state->module_type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    state->module_list = PyList_New(0);
    if (!state->module_type || !state->module_list || add_keywords(state) < 0 ||
        PyModule_AddType(module, state->module_type) < 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}
